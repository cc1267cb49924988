/**
 * Which crash states of one flush interval are visited. For up to 8 groups all of old, new and torn;
 * up to 12 all of old and new, and each group torn in every form; above that prefixes, one or two
 * missing, one torn, one alone, a prefix with one later write, and seeded subsets, each crossed with
 * every outcome of the superblocks among them.
 */
import { Random } from "./random.ts";
import { FULL, type Group, OLD, tears, type Unit } from "./units.ts";

/** All of old, new, torn up to here. */
const TERNARY_MAX = 8;
/** All of old and new up to here. */
const BINARY_MAX = 12;
const SUBSETS = 256;
/** Every pair missing up to this many groups, above it as many pairs by seed. */
const PAIRS_MAX = 40;

/** Visits the choices: one code per group, in a buffer that is reused. False ends it. */
export type Visit = (codes: Uint16Array) => boolean;

export function enumerate(
  units: readonly Unit[],
  groups: readonly Group[],
  seed: number,
  visit: Visit,
): boolean {
  return new Enumeration(units, groups, seed, visit).run();
}

/** A seeded sample of about `count` choices, prefixes among them: for nested crashes. */
export function sample(
  units: readonly Unit[],
  groups: readonly Group[],
  seed: number,
  count: number,
  visit: Visit,
): boolean {
  return new Enumeration(units, groups, seed, visit).sample(count);
}

class Enumeration {
  readonly #groups: readonly Group[];
  readonly #visit: Visit;
  readonly #random: Random;
  readonly #codes: Uint16Array;
  readonly #forms: number[][];
  readonly #special: number[];

  constructor(units: readonly Unit[], groups: readonly Group[], seed: number, visit: Visit) {
    this.#groups = groups;
    this.#visit = visit;
    this.#random = new Random(seed);
    this.#codes = new Uint16Array(groups.length);
    this.#forms = groups.map((group) => tears(units, group, this.#random));
    this.#special = groups.flatMap((group, index) => (group.special ? [index] : []));
  }

  run(): boolean {
    const count = this.#groups.length;
    if (count === 0) return this.#emit();
    if (!this.#prefixes()) return false;
    if (count <= TERNARY_MAX) return this.#ternary(0) && this.#tornOnes();
    if (count <= BINARY_MAX) return this.#binary() && this.#tornOnes();
    return this.#large();
  }

  sample(count: number): boolean {
    const size = this.#groups.length;
    if (size === 0) return this.#emit();
    const few = Math.max(4, Math.floor(count / 4));
    for (let index = 0; index < few; index++) {
      const length = index === 0 ? size : this.#random.below(size + 1);
      if (!this.#prefix(length)) return false;
      if (!this.#prefix(length, this.#random.below(size))) return false;
    }
    for (let index = few * 2; index < count; index++) {
      this.#subset();
      if (!this.#emit()) return false;
    }
    return true;
  }

  #emit(): boolean {
    return this.#visit(this.#codes);
  }

  #torn(index: number): number {
    return this.#random.pick(this.#forms[index] as number[]);
  }

  #prefixes(): boolean {
    for (let length = 0; length <= this.#groups.length; length++) {
      if (!this.#prefix(length)) return false;
    }
    return true;
  }

  /** The first `length` groups new, and one torn if asked. */
  #prefix(length: number, torn = -1): boolean {
    this.#codes.fill(OLD);
    this.#codes.fill(FULL, 0, length);
    if (torn >= 0) this.#codes[torn] = this.#torn(torn);
    return this.#emit();
  }

  #ternary(index: number): boolean {
    if (index === this.#groups.length) return this.#emit();
    for (let outcome = 0; outcome < 3; outcome++) {
      this.#codes[index] = outcome === 0 ? OLD : outcome === 1 ? FULL : this.#torn(index);
      if (!this.#ternary(index + 1)) return false;
    }
    return true;
  }

  #binary(): boolean {
    const count = this.#groups.length;
    for (let bits = 0; bits < 1 << count; bits++) {
      for (let index = 0; index < count; index++) {
        this.#codes[index] = (bits >>> index) & 1 ? FULL : OLD;
      }
      if (!this.#emit()) return false;
    }
    return true;
  }

  /** Each group torn in each form, the others all new, all old, in order, and by seed. */
  #tornOnes(): boolean {
    for (const [index, forms] of this.#forms.entries()) {
      for (const form of forms) {
        for (let others = 0; others < 4; others++) {
          if (others === 3) this.#subset();
          else this.#codes.fill(others === 0 ? FULL : OLD);
          if (others === 2) this.#codes.fill(FULL, 0, index);
          this.#codes[index] = form;
          if (!this.#emit()) return false;
        }
      }
    }
    return true;
  }

  #subset(): void {
    const weight = this.#random.pick([15, 50, 85]);
    for (let index = 0; index < this.#codes.length; index++) {
      this.#codes[index] = this.#random.chance(weight) ? FULL : OLD;
      if (this.#random.chance(10)) this.#codes[index] = this.#torn(index);
    }
  }

  #large(): boolean {
    const count = this.#groups.length;
    const every = (change: (index: number) => void, start: number): boolean => {
      for (let index = 0; index < count; index++) {
        this.#codes.fill(start);
        change(index);
        if (!this.#crossed()) return false;
      }
      return true;
    };
    const set = (index: number, code: number) => {
      this.#codes[index] = code;
    };
    if (!every((index) => set(index, OLD), FULL)) return false;
    if (!every((index) => set(index, FULL), OLD)) return false;
    if (!this.#tornOnes() || !this.#pairs() || !this.#oneLater()) return false;
    for (let index = 0; index < SUBSETS; index++) {
      this.#subset();
      if (!this.#crossed()) return false;
    }
    return true;
  }

  /** The present choice with each superblock among the groups old, new and torn. */
  #crossed(): boolean {
    if (!this.#emit()) return false;
    for (const index of this.#special.slice(0, 4)) {
      const kept = this.#codes[index] as number;
      for (const code of [OLD, FULL, this.#torn(index)]) {
        this.#codes[index] = code;
        if (!this.#emit()) return false;
      }
      this.#codes[index] = kept;
    }
    return true;
  }

  #pairs(): boolean {
    return this.#forPairs((first, second) => {
      this.#codes.fill(FULL);
      this.#codes[first] = OLD;
      this.#codes[second] = OLD;
    });
  }

  /** A prefix, and one write from behind it. */
  #oneLater(): boolean {
    return this.#forPairs((first, second) => {
      this.#codes.fill(OLD);
      this.#codes.fill(FULL, 0, first);
      this.#codes[second] = FULL;
    });
  }

  #forPairs(change: (first: number, second: number) => void): boolean {
    const count = this.#groups.length;
    if (count > PAIRS_MAX) {
      for (let tries = 0; tries < (PAIRS_MAX * PAIRS_MAX) / 2; tries++) {
        const second = 1 + this.#random.below(count - 1);
        change(this.#random.below(second), second);
        if (!this.#emit()) return false;
      }
      return true;
    }
    for (let first = 0; first < count; first++) {
      for (let second = first + 1; second < count; second++) {
        change(first, second);
        if (!this.#emit()) return false;
      }
    }
    return true;
  }
}
