/**
 * Streams of plain bytes out of a packed file: as it is, gzip or Zstandard, told apart by content.
 *
 * Everything here is pulled: a read runs the decoder until it has something, and no decoder makes
 * more than a piece at once, so that what a hostile file unpacks to is bounded.
 */
import type { ByteSource } from "../../../../base/platform/source.ts";
import { GzipDecoder } from "./gzip.ts";
import { ZstdDecoder } from "./zstd.ts";

export type Packing = "tar" | "tar.gz" | "tar.zst";

/** Bytes from the front to the end. */
export interface ByteStream {
  /** Fills `into` from the next byte on; answers how many bytes it got, 0 at the end. */
  read(into: Uint8Array): number;
  /** Gives back what it holds; it reads no more. */
  release(): void;
}

const NOTHING = new Uint8Array(0);
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
  return new DecodedStream(file, packing);
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

/** What a decoder makes of a file: pieces of the decoder's memory, read before the next is made. */
class DecodedStream implements ByteStream {
  readonly #decoder: GzipDecoder | ZstdDecoder;
  #waiting: Uint8Array = NOTHING;
  #ended = false;

  constructor(file: ByteSource, packing: Exclude<Packing, "tar">) {
    const from = (into: Uint8Array, offset: number) => readAt(file, into, offset);
    const Decoder = packing === "tar.gz" ? GzipDecoder : ZstdDecoder;
    this.#decoder = new Decoder(from, file.name, (piece) => {
      this.#waiting = piece;
    });
  }

  read(into: Uint8Array): number {
    while (this.#waiting.length === 0 && !this.#ended) this.#ended = !this.#decoder.step();
    const count = Math.min(this.#waiting.length, into.length);
    into.set(this.#waiting.subarray(0, count));
    this.#waiting = this.#waiting.subarray(count);
    return count;
  }

  release(): void {
    this.#waiting = NOTHING;
    this.#ended = true;
    this.#decoder.release();
  }
}
