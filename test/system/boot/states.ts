/** A set of pairs of 32-bit numbers in the order in which they came in: open addressing. */
export class StateSet {
  size = 0;
  #highs = new Int32Array(1 << 12);
  #lows = new Int32Array(1 << 12);
  /** Place + 1, 0 = free; twice as many as places. */
  #slots = new Int32Array(1 << 13);

  /** Place of the pair, which is `size` before the call if it is new. */
  add(high: number, low: number): number {
    const mask = this.#slots.length - 1;
    let slot = mix(high, low) & mask;
    for (;;) {
      const place = (this.#slots[slot] as number) - 1;
      if (place < 0) break;
      if (this.#highs[place] === high && this.#lows[place] === low) return place;
      slot = (slot + 1) & mask;
    }
    if (this.size === this.#highs.length) {
      this.#grow();
      return this.add(high, low);
    }
    this.#slots[slot] = this.size + 1;
    this.#highs[this.size] = high;
    this.#lows[this.size] = low;
    this.size += 1;
    return this.size - 1;
  }

  high(place: number): number {
    return this.#highs[place] as number;
  }

  low(place: number): number {
    return this.#lows[place] as number;
  }

  #grow(): void {
    const count = this.#highs.length * 2;
    const highs = new Int32Array(count);
    const lows = new Int32Array(count);
    highs.set(this.#highs);
    lows.set(this.#lows);
    this.#highs = highs;
    this.#lows = lows;
    this.#slots = new Int32Array(count * 2);
    const mask = this.#slots.length - 1;
    for (let place = 0; place < this.size; place += 1) {
      let slot = mix(this.high(place), this.low(place)) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = place + 1;
    }
  }
}

function mix(high: number, low: number): number {
  const both = Math.imul(high, 0x9e37_79b1) ^ Math.imul(low, 0x85eb_ca6b);
  return both ^ (both >>> 15);
}
