/**
 * Writes that wait, so that many small ones cost few calls: each call into a browser's file takes
 * the same time whatever its size.
 *
 * Interface: writes reach the target in the order they came, neighbours as one. What waits is not
 * in the target yet: who reads asks `overlaps` first, and drains. What waits was answered already,
 * so once it could not be handed over nothing here can be believed: `lost` holds the cause, and
 * every later call throws it.
 */

/** Bytes that may wait. */
const CAPACITY = 2 ** 20;
/** From here on a write goes out by itself: no copy is cheaper than none. */
const DIRECT_SIZE = 2 ** 16;

export interface PendingOptions {
  readonly capacity?: number | undefined;
  readonly directSize?: number | undefined;
}

interface Run {
  readonly offset: number;
  length: number;
}

/** An ordered buffer in front of `write`, which carries out whole writes or throws. */
export class PendingWrites {
  readonly #write: (offset: number, bytes: Uint8Array) => void;
  readonly #capacity: number;
  readonly #directSize: number;
  #bytes: Uint8Array | undefined;
  #runs: Run[] = [];
  #used = 0;
  #lost: unknown;

  constructor(write: (offset: number, bytes: Uint8Array) => void, options: PendingOptions = {}) {
    const { capacity = CAPACITY, directSize = Math.min(DIRECT_SIZE, capacity) } = options;
    this.#write = write;
    this.#capacity = capacity;
    this.#directSize = directSize;
  }

  /** Bytes that wait. */
  get waiting(): number {
    return this.#used;
  }

  /** Why what waited is lost, once it is. */
  get lost(): unknown {
    return this.#lost;
  }

  /** Takes nothing any more, because of `cause`; answers the first cause. */
  lose(cause: unknown): unknown {
    this.#lost ??= cause;
    return this.#lost;
  }

  /** Takes a write, or carries out a large one; what that throws loses nothing that waits. */
  put(offset: number, bytes: Uint8Array): void {
    const direct = bytes.length >= this.#directSize;
    if (direct || this.#used + bytes.length > this.#capacity) this.drain();
    if (direct) {
      this.#write(offset, bytes);
      return;
    }
    this.#bytes ??= new Uint8Array(this.#capacity);
    this.#bytes.set(bytes, this.#used);
    this.#used += bytes.length;
    const last = this.#runs.at(-1);
    if (last !== undefined && last.offset + last.length === offset) last.length += bytes.length;
    else this.#runs.push({ offset, length: bytes.length });
  }

  /** True if a byte of the range waits. */
  overlaps(offset: number, length: number): boolean {
    const end = offset + length;
    return this.#runs.some((run) => run.offset < end && offset < run.offset + run.length);
  }

  /** Hands over all that waits. */
  drain(): void {
    if (this.#lost !== undefined) throw this.#lost;
    let at = 0;
    try {
      for (const { offset, length } of this.#runs) {
        this.#write(offset, (this.#bytes as Uint8Array).subarray(at, at + length));
        at += length;
      }
    } catch (cause) {
      throw this.lose(cause);
    }
    this.#runs = [];
    this.#used = 0;
  }
}
