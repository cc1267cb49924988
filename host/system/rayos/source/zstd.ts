/**
 * Zstandard frames, walked block by block: the library decodes the blocks, and the walk around them
 * is ours, because it must refuse a window that needs more memory than we promise to stay in, check
 * the length and the XXH64 at the end of a frame, and notice where a file was cut off.
 *
 * @see RFC 8878, section 3.1
 */
import { Decompress } from "fzstd";
import { failure, type StorageError } from "../../../base/errors.ts";
import { MediaCore } from "../../../core/media/load.ts";
import { Xxh64 } from "../../../core/media/xxh64.ts";

/** What `zstd -19` and `--long=25` need at most; the whole installer stays within 128 MiB. */
const WINDOW_BYTES_MAX = 2 ** 25;
const MAGIC_BYTES = 4;
const BLOCK_HEAD_BYTES = 3;
const BLOCK_BYTES_MAX = 2 ** 17;
const CHECKSUM_BYTES = 4;
const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

/** Where the compressed bytes come from: `offset` counts from the start of the file. */
export type ReadAt = (into: Uint8Array, offset: number) => number;

interface Frame {
  readonly decoder: Decompress;
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
  /** Hashes; made when the first frame has a checksum. */
  #media: MediaCore | undefined;
  #at = 0;
  #frame: Frame | undefined;

  constructor(readAt: ReadAt, name: string, give: (piece: Uint8Array) => void) {
    this.#readAt = readAt;
    this.#name = name;
    this.#give = give;
  }

  /** Decodes one block more; answers false at the end of the file. */
  step(): boolean {
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
    const hash = (descriptor & 4) === 0 ? undefined : this.#hash();
    const frame: Frame = {
      decoder: new Decompress((piece) => this.#receive(frame, piece)),
      hash,
      contentBytes,
      doneBytes: 0,
    };
    // The library wants at least 18 bytes before it looks at a head, so the head waits there.
    frame.decoder.push(head);
    this.#at += headBytes;
    return frame;
  }

  #hash(): Xxh64 {
    this.#media ??= new MediaCore();
    return new Xxh64(this.#media);
  }

  #block(frame: Frame): void {
    const head = this.#take(this.#at, BLOCK_HEAD_BYTES);
    const word = (head[0] as number) | ((head[1] as number) << 8) | ((head[2] as number) << 16);
    const isLast = (word & 1) !== 0;
    const type = (word >> 1) & 3;
    const size = word >>> 3;
    if (type === 3 || size > BLOCK_BYTES_MAX) throw this.#damaged("a block has no known form");
    const stored = type === 1 ? 1 : size;
    const tail = isLast && frame.hash !== undefined ? CHECKSUM_BYTES : 0;
    const block = this.#take(this.#at, BLOCK_HEAD_BYTES + stored + tail);
    frame.decoder.push(block, isLast);
    this.#at += block.length;
    if (!isLast) return;
    this.#frame = undefined;
    if (frame.contentBytes !== undefined && frame.contentBytes !== frame.doneBytes) {
      throw this.#damaged(
        `a frame has ${frame.doneBytes} bytes, not the ${frame.contentBytes} it says`,
      );
    }
    if (frame.hash === undefined) return;
    const view = new DataView(block.buffer, block.byteOffset + block.length - CHECKSUM_BYTES);
    const found = frame.hash.low32();
    frame.hash.release();
    if (view.getUint32(0, true) !== found) {
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
