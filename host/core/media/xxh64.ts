/** XXH64 of a stream, seed 0, by the kernel in media.wasm. @see RFC 8878, section 3.1.1 */
import type { MediaCore } from "./load.ts";

const STATE_BYTES = 32;
const ROOM_BYTES = 1 << 16;

/** One hash that is being taken; release() it. */
export class Xxh64 {
  readonly #media: MediaCore;
  readonly #state: number;
  readonly #room: number;
  /** Bytes in the room that the kernel has not taken. */
  #waiting = 0;
  #total = 0;

  constructor(media: MediaCore) {
    this.#media = media;
    this.#state = media.memory.allocate(STATE_BYTES);
    this.#room = media.memory.allocate(ROOM_BYTES);
    media.exports.xxh64StreamBegin(this.#state);
  }

  update(bytes: Uint8Array): void {
    const { memory, exports } = this.#media;
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + ROOM_BYTES - this.#waiting);
      memory.bytes.set(piece, this.#room + this.#waiting);
      at += piece.length;
      this.#waiting += piece.length;
      const taken = exports.xxh64StreamUpdate(this.#state, this.#room, this.#waiting) >>> 0;
      memory.bytes.copyWithin(this.#room, this.#room + taken, this.#room + this.#waiting);
      this.#waiting -= taken;
    }
    this.#total += bytes.length;
  }

  /** The low 32 bits of the hash. */
  low32(): number {
    const { exports } = this.#media;
    return exports.xxh64StreamEnd(this.#state, this.#room, this.#waiting, this.#total) >>> 0;
  }

  release(): void {
    this.#media.memory.release(this.#state, STATE_BYTES);
    this.#media.memory.release(this.#room, ROOM_BYTES);
  }
}
