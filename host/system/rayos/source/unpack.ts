/**
 * Streams of plain bytes out of a packed file: as it is, gzip or Zstandard, told apart by content.
 *
 * Everything here is pulled: a read runs the decoder until it has something, and a decoder is never
 * given more than a small piece of the file at once, so that what a hostile file unpacks to is
 * bounded. What the two libraries do not check is checked here: CRC-32 and length of each gzip
 * member, XXH64 and length of each Zstandard frame, that nothing is missing at the end.
 */
import { Gunzip } from "fflate";
import { failure, StorageError } from "../../../base/errors.ts";
import type { ByteSource } from "../../../base/platform/source.ts";
import { crc32 } from "../../../core/hash/digest.ts";
import { ZstdDecoder } from "./zstd.ts";

export type Packing = "tar" | "tar.gz" | "tar.zst";

/** Bytes from the front to the end. */
export interface ByteStream {
  /** Fills `into` from the next byte on; answers how many bytes it got, 0 at the end. */
  read(into: Uint8Array): number;
  /** Gives back what it holds; it reads no more. */
  release(): void;
}

/** Deflate makes at most 1032 bytes of one. */
const GZIP_PIECE_BYTES = 16_384;
const GZIP_TRAILER_BYTES = 8;
const GZIP_MAGIC = 0x8b1f;
const ZSTD_MAGIC = 0xfd2fb528;
const ZSTD_SKIPPABLE = 0x184d2a50;

/** What the file is packed with by its first bytes; undefined: neither gzip nor Zstandard. */
export function packerOf(head: Uint8Array): "gzip" | "zstd" | undefined {
  if (head.length < 4) return undefined;
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  if (view.getUint16(0, true) === GZIP_MAGIC) return "gzip";
  const magic = view.getUint32(0, true);
  if (magic === ZSTD_MAGIC || (magic & 0xffff_fff0) >>> 0 === ZSTD_SKIPPABLE) return "zstd";
  return undefined;
}

/** The plain bytes of a packed file, from the first one on. */
export function unpack(file: ByteSource, packing: Exclude<Packing, "tar">): ByteStream {
  return packing === "tar.gz" ? new GzipStream(file) : new ZstdStream(file);
}

/** Reads up to `into.length` bytes of the file at `offset`, fewer only at its end. */
export function readAt(file: ByteSource, into: Uint8Array, offset: number): number {
  let got = 0;
  while (got < into.length) {
    const count = file.read(into.subarray(got), offset + got);
    if (count === 0) break;
    got += count;
  }
  return got;
}

/** Pieces that a decoder has made and nobody has read. */
abstract class Decoded implements ByteStream {
  protected readonly file: ByteSource;
  readonly #waiting: Uint8Array[] = [];
  #ended = false;

  constructor(file: ByteSource) {
    this.file = file;
  }

  read(into: Uint8Array): number {
    while (this.#waiting.length === 0 && !this.#ended) {
      try {
        this.#ended = !this.step();
      } catch (error) {
        throw error instanceof StorageError ? error : this.damaged(messageOf(error));
      }
    }
    const [piece] = this.#waiting;
    if (piece === undefined) return 0;
    const count = Math.min(piece.length, into.length);
    into.set(piece.subarray(0, count));
    if (count === piece.length) this.#waiting.shift();
    else this.#waiting[0] = piece.subarray(count);
    return count;
  }

  release(): void {
    this.#waiting.length = 0;
    this.#ended = true;
  }

  /** Decodes a piece more; answers false at the end. */
  protected abstract step(): boolean;

  protected give(piece: Uint8Array): void {
    if (piece.length > 0) this.#waiting.push(piece);
  }

  protected damaged(why: string): StorageError {
    const { name } = this.file;
    return failure("EBADMSG", "unpack", `'${name}' is damaged: ${why}.`, { path: name });
  }
}

class GzipStream extends Decoded {
  readonly #gunzip: Gunzip;
  readonly #sizeBytes: number;
  #at = 0;
  #crc = 0;
  #length = 0;

  constructor(file: ByteSource) {
    super(file);
    this.#sizeBytes = file.sizeBytes;
    this.#gunzip = new Gunzip((piece) => {
      this.#crc = crc32(piece, this.#crc);
      this.#length += piece.length;
      this.give(piece);
    });
    this.#gunzip.onmember = (offset) => this.#endMember(offset);
  }

  protected override step(): boolean {
    const piece = new Uint8Array(GZIP_PIECE_BYTES);
    const got = this.file.read(piece, this.#at);
    this.#at += got;
    const isLast = this.#at >= this.#sizeBytes;
    this.#gunzip.push(piece.subarray(0, got), isLast);
    if (isLast) this.#endMember(this.#sizeBytes);
    return !isLast;
  }

  /** A member ends at byte `end`: its last eight bytes are CRC-32 and length. */
  #endMember(end: number): void {
    const trailer = new Uint8Array(GZIP_TRAILER_BYTES);
    this.file.read(trailer, end - GZIP_TRAILER_BYTES);
    const view = new DataView(trailer.buffer);
    const isWhole =
      view.getUint32(0, true) === this.#crc && view.getUint32(4, true) === this.#length >>> 0;
    if (!isWhole) throw this.damaged("CRC-32 or length of the gzip data is not as it says");
    this.#crc = 0;
    this.#length = 0;
  }
}

class ZstdStream extends Decoded {
  readonly #decoder: ZstdDecoder;

  constructor(file: ByteSource) {
    super(file);
    const from = (into: Uint8Array, offset: number) => readAt(file, into, offset);
    this.#decoder = new ZstdDecoder(from, file.name, (piece) => this.give(piece));
  }

  protected override step(): boolean {
    return this.#decoder.step();
  }

  override release(): void {
    super.release();
    this.#decoder.release();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
}
