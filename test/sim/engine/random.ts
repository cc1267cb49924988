/** Seeded randomness for scenarios and tears, and the 32-bit mixing that keys and digests share. */

/** Mixes `value` into `state`; both and the result are u32. */
export function mix(state: number, value: number): number {
  let hash = Math.imul(state ^ (value >>> 0), 0x9e3779b1);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x85ebca77);
  hash ^= hash >>> 13;
  return hash >>> 0;
}

/** A stream of numbers that its seed decides. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = mix(0x243f6a88, seed);
  }

  /** u32 */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let value = this.#state;
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return (value ^ (value >>> 14)) >>> 0;
  }

  /** An integer from 0 to `count` - 1. */
  below(count: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * count);
  }

  /** True in `percent` of a hundred calls. */
  chance(percent: number): boolean {
    return this.next() % 100 < percent;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  fill(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += 4) {
      const value = this.next();
      bytes[at] = value;
      bytes[at + 1] = value >>> 8;
      bytes[at + 2] = value >>> 16;
      bytes[at + 3] = value >>> 24;
    }
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.fill(bytes);
    return bytes;
  }
}

/** A 52-bit digest of content, built value by value: equal content, equal digest. */
export class Digest {
  #low = 0x811c9dc5;
  #high = 0x243f6a88;

  number(value: number): this {
    this.#low = mix(this.#low, value);
    this.#high = mix(this.#high ^ 0x5bd1e995, value);
    return this;
  }

  text(value: string): this {
    for (let at = 0; at < value.length; at++) this.number(value.charCodeAt(at));
    return this.number(value.length);
  }

  /** Content of any length; reads whole words where it can. */
  bytes(data: Uint8Array): this {
    let low = this.#low;
    let high = this.#high;
    const { length } = data;
    const whole = length & ~3;
    for (let at = 0; at < whole; at += 4) {
      const word =
        (data[at] as number) |
        ((data[at + 1] as number) << 8) |
        ((data[at + 2] as number) << 16) |
        ((data[at + 3] as number) << 24);
      low = Math.imul(low ^ word, 0x01000193);
      low ^= low >>> 15;
      high = Math.imul(high + word, 0x9e3779b1);
      high ^= high >>> 13;
    }
    this.#low = low >>> 0;
    this.#high = high >>> 0;
    for (let at = whole; at < length; at++) this.number(data[at] as number);
    return this.number(length);
  }

  value(): number {
    return this.#high * 0x100000 + (this.#low >>> 12);
  }
}
