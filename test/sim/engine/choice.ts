/** One power cut: what each unflushed unit of an interval became, in one canonical form. */
import type { SimDisk } from "./disk.ts";
import { mix } from "./random.ts";
import type { Trace } from "./trace.ts";
import {
  applyBlock,
  applyRot,
  applyUnit,
  canonical,
  FULL,
  type Group,
  OLD,
  type Unit,
} from "./units.ts";

/** One crash on the way to a violation. */
export interface CrashStep {
  /** Writes and flushes before the power went, and how many there were in all. */
  readonly event: number;
  readonly events: number;
  readonly restart: boolean;
  /** The unflushed units, in order. */
  readonly units: readonly { readonly unit: Unit; readonly code: number }[];
  /** 4 KiB blocks torn as a whole: first sector and code. */
  readonly blocks: readonly (readonly [number, number])[];
  /** The sector that rotted, and how. */
  readonly rot: readonly [number, number] | undefined;
  readonly window: string;
  /** What the life did before: for one that followed an earlier crash, the rest is known. */
  readonly did: readonly string[];
}

/** What one power cut does to the units of an interval. */
export class Choice {
  readonly groups: readonly Group[];
  readonly codes: Uint16Array;
  readonly #units: readonly Unit[];
  /** Code of each unit after the groups are resolved, in canonical form. */
  readonly #resolved: Uint16Array;
  readonly #torn: (readonly [number, number])[] = [];
  readonly rot: readonly [number, number] | undefined;

  constructor(
    units: readonly Unit[],
    groups: readonly Group[],
    codes: Uint16Array,
    rot?: readonly [number, number],
  ) {
    this.#units = units;
    this.rot = rot;
    this.groups = groups;
    this.codes = codes.slice();
    this.#resolved = new Uint16Array(units.length);
    for (const [index, group] of groups.entries()) {
      const code = codes[index] as number;
      if (group.block >= 0 && code > FULL) {
        this.#torn.push([group.block, code]);
        continue;
      }
      for (const member of group.members) {
        this.#resolved[member] = canonical(units[member] as Unit, code);
      }
    }
    for (const [index, { coveredBy }] of units.entries()) {
      if (coveredBy >= 0 && this.#resolved[coveredBy] === FULL) this.#resolved[index] = OLD;
    }
  }

  /** Two u32 that name the choice within `key`, whatever order led to it. */
  key(key: number): [number, number] {
    let low = key;
    let high = mix(key, 0x27d4eb2f);
    const add = (place: number, code: number) => {
      low = (low + mix(mix(0x9e3779b1, place), code)) >>> 0;
      high = (high + mix(mix(0xc2b2ae35, code), place)) >>> 0;
    };
    for (let index = 0; index < this.#resolved.length; index++) {
      const code = this.#resolved[index] as number;
      if (code !== OLD) add(index, code);
    }
    for (const [block, code] of this.#torn) add(block + 0x1000_0000, code);
    if (this.rot !== undefined) add(this.rot[0] + 0x2000_0000, this.rot[1]);
    return [low, high];
  }

  /** The newest version issued when the last of what is there was written. */
  issued(first: number): number {
    let newest = first;
    for (const [index, unit] of this.#units.entries()) {
      if (this.#resolved[index] !== OLD || this.#isTorn(unit.sector)) {
        newest = Math.max(newest, unit.issued);
      }
    }
    return newest;
  }

  apply(disk: SimDisk, trace: Trace, seed: number): void {
    for (let index = 0; index < this.#resolved.length; index++) {
      const code = this.#resolved[index] as number;
      if (code !== OLD) applyUnit(disk, trace, this.#units[index] as Unit, code, seed);
    }
    for (const [block, code] of this.#torn) applyBlock(disk, block, code, seed);
    if (this.rot !== undefined) applyRot(disk, this.rot[0], this.rot[1], seed);
  }

  /** For people: this power cut, at `end` of a life of `events` events. */
  step(end: number, events: number, window: string, did: readonly string[]): CrashStep {
    const units = this.#units.map((unit, index) => {
      return { unit, code: this.#resolved[index] as number };
    });
    return {
      event: end,
      events,
      restart: false,
      units,
      blocks: this.#torn,
      rot: this.rot,
      window,
      did,
    };
  }

  #isTorn(sector: number): boolean {
    return this.#torn.some(([block]) => sector >= block && sector < block + 8);
  }
}
