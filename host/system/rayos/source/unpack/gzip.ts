/**
 * A gzip file, decoded piece by piece by media.wasm, which checks CRC-32 and length of each member.
 * The file is read into the module's memory and handed on where it was decoded: a piece stands
 * there until the next one.
 *
 * @see RFC 1951, RFC 1952
 */
import { failure } from "../../../../base/errors.ts";
import { MediaCore } from "../../../../core/media/load.ts";
import type { ReadAt } from "./zstd.ts";

/** By `gzipReason`. */
const REASONS: Readonly<Record<number, string>> = {
  1: "what its gzip data say cannot be",
  2: "CRC-32 or length of the gzip data is not as it says",
  3: "it ends inside its gzip data",
  4: "what should be the head of gzip data is none",
};

/** Modules that nobody uses. */
const spare: MediaCore[] = [];

/** Decodes a file of members. */
export class GzipDecoder {
  readonly #readAt: ReadAt;
  readonly #name: string;
  readonly #give: (piece: Uint8Array) => void;
  /** Its own: nothing else moves its memory. */
  readonly #media: MediaCore;
  readonly #file: number;
  #at = 0;
  #isLast = false;

  constructor(readAt: ReadAt, name: string, give: (piece: Uint8Array) => void) {
    this.#readAt = readAt;
    this.#name = name;
    this.#give = give;
    this.#media = spare.pop() ?? new MediaCore();
    this.#file = this.#media.exports.gzipBegin() >>> 0;
    if (this.#file === 0) throw failure("ENOMEM", "unpack", "there is no memory to unpack with.");
  }

  /** Ends it; what it gave last is gone. */
  release(): void {
    this.#media.exports.gzipEnd(this.#file);
    spare.push(this.#media);
  }

  /** Decodes a piece more; answers false at the end of the file. */
  step(): boolean {
    const { memory, exports } = this.#media;
    const made = exports.gzipStep(this.#file, Number(this.#isLast));
    if (made < 0) {
      const why = REASONS[exports.gzipReason(this.#file)];
      const message = `'${this.#name}' is damaged: ${why}.`;
      throw failure("EBADMSG", "unpack", message, { path: this.#name });
    }
    if (made > 0) {
      this.#give(memory.subarray(exports.gzipContent(this.#file) >>> 0, made));
      return true;
    }
    if (this.#isLast) return false;
    const room = exports.gzipRoom(this.#file) >>> 0;
    const length = exports.gzipRoomBytes(this.#file);
    const got = this.#readAt(memory.subarray(room, length), this.#at);
    exports.gzipFed(this.#file, got);
    this.#at += got;
    this.#isLast = got < length;
    return true;
  }
}
