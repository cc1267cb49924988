/** A set of 64-bit keys, eight bytes each at most half full: which crash states were seen. */

export class KeySet {
  #slots = new Uint32Array(2 << 12);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds a key of two u32; false if it was there. */
  add(low: number, high: number): boolean {
    // Zero marks a free slot, so no key is all zero.
    const first = (low | 1) >>> 0;
    const second = high >>> 0;
    if ((this.#size + 1) * 4 > this.#slots.length) this.#grow();
    const added = this.#insert(first, second);
    if (added) this.#size += 1;
    return added;
  }

  #insert(first: number, second: number): boolean {
    const slots = this.#slots;
    const mask = slots.length / 2 - 1;
    for (let index = (second ^ (first >>> 7)) & mask; ; index = (index + 1) & mask) {
      const held = slots[index * 2];
      if (held === 0) {
        slots[index * 2] = first;
        slots[index * 2 + 1] = second;
        return true;
      }
      if (held === first && slots[index * 2 + 1] === second) return false;
    }
  }

  #grow(): void {
    const held = this.#slots;
    this.#slots = new Uint32Array(held.length * 2);
    for (let index = 0; index < held.length; index += 2) {
      if (held[index] !== 0) this.#insert(held[index] as number, held[index + 1] as number);
    }
  }
}
