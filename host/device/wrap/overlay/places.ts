/** Which places of a copy-on-write file are free. */

/** Places by number. What is taken goes in order, so that neighbours in time lie side by side. */
export class Places {
  readonly #used: Uint8Array;
  #free: number;
  #next: number;

  constructor(count: number, first: number) {
    this.#used = new Uint8Array(count).fill(1, 0, first);
    this.#free = count - first;
    this.#next = first;
  }

  get free(): number {
    return this.#free;
  }

  /** Marks a place that is in use already; false: it was marked before, or there is none. */
  claim(place: number): boolean {
    if (this.#used[place] !== 0) return false;
    this.#used[place] = 1;
    this.#free -= 1;
    return true;
  }

  /** A free place, or undefined. */
  take(): number | undefined {
    if (this.#free === 0) return undefined;
    let place = this.#used.indexOf(0, this.#next);
    if (place < 0) place = this.#used.indexOf(0);
    this.claim(place);
    this.#next = place + 1;
    return place;
  }

  release(place: number): void {
    this.#used[place] = 0;
    this.#free += 1;
  }
}
