/**
 * Zstandard frames, walked block by block; media.wasm decodes the blocks. The walk refuses a window
 * that needs more memory than we promise to stay in, checks the length and the XXH64 at the end of
 * a frame, and notices where a file was cut off.
 *
 * A block is read into the module's memory and handed on where it was decoded: it stands there
 * until the next one.
 *
 * @see RFC 8878, section 3.1
 */
import { failure, type StorageError } from "../../../../base/errors.ts";
import { MediaCore } from "../../../../core/media/load.ts";
import { Xxh64 } from "../../../../core/media/xxh64.ts";

/** What `zstd -19` and `--long=25` need at most; the whole installer stays within 128 MiB. */
const WINDOW_BYTES_MAX = 2 ** 25;
const MAGIC_BYTES = 4;
const BLOCK_HEAD_BYTES = 3;
const BLOCK_BYTES_MAX = 2 ** 17;
const CHECKSUM_BYTES = 4;
const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

/** A block, its head and the checksum behind it, and what the decoder may look at besides. */
const ROOM_BYTES = 3 + BLOCK_BYTES_MAX + CHECKSUM_BYTES + 8;

/** Modules that nobody uses: each keeps the memory of the largest window it had. */
const spare: MediaCore[] = [];

/** Where the compressed bytes come from: `offset` counts from the start of the file. */
export type ReadAt = (into: Uint8Array, offset: number) => number;

interface Frame {
  /** In the module's memory. */
  readonly address: number;
  /** Of the content; undefined where the frame has no checksum. */
  readonly hash: Xxh64 | undefined;
  /** Of the content; undefined where the frame does not say. */
  readonly contentBytes: number | undefined;
  doneBytes: number;
}

/** Decodes a file of frames. */
export class ZstdDecoder {
  readonly #readAt: ReadAt;
  readonly #name: string;
  readonly #give: (piece: Uint8Array) => void;
  /** Its own: nothing else moves its memory. */
  readonly #media: MediaCore;
  readonly #room: number;
  #at = 0;
  #frame: Frame | undefined;
  /** A frame that has ended, while its last block may still be looked at. */
  #ended: Frame | undefined;

  constructor(readAt: ReadAt, name: string, give: (piece: Uint8Array) => void) {
    this.#readAt = readAt;
    this.#name = name;
    this.#give = give;
    this.#media = spare.pop() ?? new MediaCore();
    this.#room = this.#media.memory.allocate(ROOM_BYTES);
  }

  /** Ends it; what it gave last is gone. */
  release(): void {
    if (this.#frame !== undefined) this.#end(this.#frame);
    if (this.#ended !== undefined) this.#end(this.#ended);
    this.#frame = undefined;
    this.#ended = undefined;
    this.#media.memory.release(this.#room, ROOM_BYTES);
    spare.push(this.#media);
  }

  /** Decodes one block more; answers false at the end of the file. */
  step(): boolean {
    if (this.#ended !== undefined) this.#end(this.#ended);
    this.#ended = undefined;
    if (this.#frame !== undefined) {
      this.#block(this.#frame);
      return true;
    }
    const magic = new Uint8Array(MAGIC_BYTES);
    const got = this.#readAt(magic, this.#at);
    if (got === 0) return false;
    if (got < MAGIC_BYTES) throw this.#damaged("it ends inside a frame");
    const word = new DataView(magic.buffer).getUint32(0, true);
    if ((word & 0xffff_fff0) >>> 0 === SKIPPABLE) {
      const size = this.#take(this.#at + MAGIC_BYTES, 4);
      this.#at += 2 * MAGIC_BYTES + new DataView(size.buffer).getUint32(0, true);
      return true;
    }
    if (word !== MAGIC) throw this.#damaged(`no frame begins at byte ${this.#at}`);
    this.#frame = this.#begin();
    return true;
  }

  /** Reads a frame's head and gives it to a new decoder. */
  #begin(): Frame {
    const descriptor = this.#take(this.#at + MAGIC_BYTES, 1)[0] as number;
    const isSingle = (descriptor & 0x20) !== 0;
    const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] as number;
    const sizeCode = descriptor >> 6;
    const sizeBytes = sizeCode === 0 ? Number(isSingle) : 1 << sizeCode;
    const windowBytes = isSingle ? 0 : 1;
    const headBytes = MAGIC_BYTES + 1 + windowBytes + dictionaryBytes + sizeBytes;
    const head = this.#take(this.#at, headBytes);
    const contentBytes = contentSize(head.subarray(headBytes - sizeBytes));
    const window = isSingle ? (contentBytes ?? 0) : windowSize(head[5] as number);
    if (window > WINDOW_BYTES_MAX) {
      const message = `'${this.#name}' needs a Zstandard window of ${window} bytes.`;
      const hint = `At most ${WINDOW_BYTES_MAX} are taken: pack it with zstd -19 or less.`;
      throw failure("EOPNOTSUPP", "unpack", message, { path: this.#name, hint });
    }
    if (
      head.subarray(headBytes - sizeBytes - dictionaryBytes, headBytes - sizeBytes).some(Boolean)
    ) {
      const message = `'${this.#name}' was packed with a dictionary, which is not there.`;
      throw failure("EOPNOTSUPP", "unpack", message, { path: this.#name });
    }
    if ((descriptor & 8) !== 0) throw this.#damaged("a reserved bit of a frame is set");
    const { exports } = this.#media;
    const address = exports.zstdBegin(window) >>> 0;
    if (address === 0) throw failure("ENOMEM", "unpack", `there are no ${window} bytes of memory.`);
    this.#at += headBytes;
    const hash = (descriptor & 4) === 0 ? undefined : new Xxh64(this.#media);
    return { address, hash, contentBytes, doneBytes: 0 };
  }

  #end({ address, hash }: Frame): void {
    hash?.release();
    this.#media.exports.zstdEnd(address);
  }

  #block(frame: Frame): void {
    const { memory, exports } = this.#media;
    const head = this.#take(this.#at, BLOCK_HEAD_BYTES);
    const word = (head[0] as number) | ((head[1] as number) << 8) | ((head[2] as number) << 16);
    const isLast = (word & 1) !== 0;
    const type = (word >> 1) & 3;
    const size = word >>> 3;
    if (type === 3 || size > BLOCK_BYTES_MAX) throw this.#damaged("a block has no known form");
    const stored = type === 1 ? 1 : size;
    const tail = isLast && frame.hash !== undefined ? CHECKSUM_BYTES : 0;
    const from = this.#at + BLOCK_HEAD_BYTES;
    if (this.#readAt(memory.subarray(this.#room, stored + tail), from) < stored + tail) {
      throw this.#damaged("it ends inside a frame");
    }
    const made = exports.zstdBlock(frame.address, type, this.#room, size);
    if (made < 0) throw this.#damaged("what a block says cannot be");
    const due = memory.view.getUint32(this.#room + stored, true);
    this.#receive(frame, memory.subarray(exports.zstdContent(frame.address) >>> 0, made));
    this.#at = from + stored + tail;
    if (!isLast) return;
    this.#frame = undefined;
    this.#ended = frame;
    if (frame.contentBytes !== undefined && frame.contentBytes !== frame.doneBytes) {
      throw this.#damaged(
        `a frame has ${frame.doneBytes} bytes, not the ${frame.contentBytes} it says`,
      );
    }
    if (frame.hash !== undefined && frame.hash.low32() !== due) {
      throw this.#damaged("the checksum of a frame is not that of its content");
    }
  }

  #receive(frame: Frame, piece: Uint8Array): void {
    frame.doneBytes += piece.length;
    frame.hash?.update(piece);
    this.#give(piece);
  }

  /** Exactly `length` bytes at `offset`. */
  #take(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    if (this.#readAt(bytes, offset) < length) throw this.#damaged("it ends inside a frame");
    return bytes;
  }

  #damaged(why: string): StorageError {
    const message = `'${this.#name}' is damaged: ${why}.`;
    return failure("EBADMSG", "unpack", message, { path: this.#name });
  }
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** The content's size by its field of 0, 1, 2, 4 or 8 bytes. */
function contentSize(field: Uint8Array): number | undefined {
  if (field.length === 0) return undefined;
  let value = 0;
  for (let at = field.length - 1; at >= 0; at--) value = value * 256 + (field[at] as number);
  return field.length === 2 ? value + 256 : value;
}
