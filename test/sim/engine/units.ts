/**
 * Units: what a power cut may keep, lose or tear on its own. One flush interval of a trace becomes
 * two lists of them: parts of write requests, and whole 4 KiB blocks of the medium, in which a tear
 * takes the neighbours with it.
 *
 * A choice gives each unit a code: OLD, a mask of its granules that are new (FULL = all of them),
 * or a form of garbage.
 */
import type { SimDisk } from "./disk.ts";
import { mix, Random } from "./random.ts";
import { EventKind, Fate, type Trace } from "./trace.ts";

const SECTOR = 512;
export const OLD = 0;
/** Codes 1 to FULL are masks: bit g = granule g is new. */
export const FULL = 0xff;
export const RANDOM = 0x100;
export const ZEROS = 0x101;
/** The old bytes with one bit flipped. */
export const FLIPPED = 0x102;
/** The first half of the new bytes, up to the middle of a sector. */
export const HALF = 0x103;
export const GARBAGE: readonly number[] = [RANDOM, ZEROS, FLIPPED, HALF];
const GRANULES = 8;
/** Sectors of a 4 KiB block. */
const BLOCK = 8;

export interface Unit {
  readonly sector: number;
  readonly sectors: number;
  /** Sectors in one granule: a unit has at most eight. */
  readonly granule: number;
  /** Where its new bytes begin in the trace. */
  readonly at: number;
  /** Index of its event in the trace. */
  readonly event: number;
  readonly issued: number;
  /** Granules that the write changes; 0 = it repeats what is there. */
  readonly changed: number;
  readonly oldIsZero: boolean;
  readonly newIsZero: boolean;
  /** Crossed with everything in large intervals: a superblock. */
  readonly special: boolean;
  /** Never torn. */
  readonly whole: boolean;
  /** Index of a later unit that covers all of this one, or -1. */
  coveredBy: number;
}

/** Units torn together: the parts that lie in one 4 KiB block, or one unit by itself. */
export interface Group {
  readonly members: readonly number[];
  /** First sector of the block, or -1 where a tear is that of the only member. */
  readonly block: number;
  readonly special: boolean;
}

export interface UnitRules {
  /** Largest unit in sectors; longer writes are cut at multiples of it. */
  readonly unitSectors: number;
  readonly isSpecial: (sector: number) => boolean;
  /** What a format takes to be written as a whole or not at all, by its first sector. */
  readonly isWhole?: (sector: number) => boolean;
  /** A tear takes no neighbours: for a format with blocks of less than 4 KiB. */
  readonly isAlone?: boolean;
  /** Leaves out units that repeat what is there: for workloads that wipe much. */
  readonly skipSame?: boolean;
  /** Sectors that keep copies of one thing, of which any one may rot beside a crash. */
  readonly copies?: readonly number[];
}

/** The units of events `from` to `end` - 1, judged against the durable image of `disk`. */
export function unitsOf(
  trace: Trace,
  from: number,
  end: number,
  disk: SimDisk,
  rules: UnitRules,
): Unit[] {
  const units: Unit[] = [];
  for (let index = from; index < end; index++) {
    const event = trace.events[index];
    if (event === undefined || event.sectors === 0) continue;
    const { issued } = event;
    const last = event.sector + event.sectors;
    for (let sector = event.sector; sector < last; ) {
      const sectors = Math.min(last - sector, rules.unitSectors - (sector % rules.unitSectors));
      const at = event.at + (sector - event.sector) * SECTOR;
      const special = rules.isSpecial(sector);
      const whole = rules.isWhole?.(sector) === true;
      const same = rules.skipSame === true && isSame(trace, disk, sector, sectors, at);
      if (!same) {
        const place = { sector, sectors, at, event: index, issued, special, whole };
        units.push(unit(trace, disk, place));
      }
      sector += sectors;
    }
  }
  markCovered(units);
  return units;
}

function isSame(trace: Trace, disk: SimDisk, sector: number, sectors: number, at: number): boolean {
  const length = sectors * SECTOR;
  const from = sector * SECTOR;
  const { image } = disk;
  return Buffer.from(trace.bytes.buffer, at, length).equals(image.subarray(from, from + length));
}

type Place = Pick<Unit, "sector" | "sectors" | "at" | "event" | "issued" | "special" | "whole">;

function unit(trace: Trace, disk: SimDisk, place: Place): Unit {
  const { sector, sectors, at } = place;
  const granule = Math.ceil(sectors / GRANULES);
  const fresh = trace.bytes.subarray(at, at + sectors * SECTOR);
  const stale = disk.image.subarray(sector * SECTOR, (sector + sectors) * SECTOR);
  let changed = 0;
  let oldBits = 0;
  let newBits = 0;
  const size = granule * SECTOR;
  for (let byte = 0; byte < fresh.length; byte++) {
    const before = stale[byte] as number;
    const after = fresh[byte] as number;
    oldBits |= before;
    newBits |= after;
    if (before !== after) changed |= 1 << Math.floor(byte / size);
  }
  return { ...place, granule, changed, oldIsZero: !oldBits, newIsZero: !newBits, coveredBy: -1 };
}

function markCovered(units: readonly Unit[]): void {
  const newest = new Map<number, number>();
  for (let index = units.length - 1; index >= 0; index--) {
    const it = units[index] as Unit;
    const over = newest.get(it.sector);
    if (over !== undefined && (units[over] as Unit).sectors >= it.sectors) it.coveredBy = over;
    newest.set(it.sector, index);
  }
}

/** Each unit by itself. */
export function single(units: readonly Unit[]): Group[] {
  return units.map((it, index) => ({ members: [index], block: -1, special: it.special }));
}

/**
 * The units by 4 KiB block of the medium; undefined where that is no different from single().
 */
export function blocks(units: readonly Unit[]): Group[] | undefined {
  const found = new Map<number, number[]>();
  let different = false;
  const groups: Group[] = [];
  for (const [index, it] of units.entries()) {
    const block = it.sector - (it.sector % BLOCK);
    if (it.sector === block && it.sectors >= BLOCK) {
      groups.push({ members: [index], block: -1, special: it.special });
      continue;
    }
    different = true;
    const members = found.get(block);
    if (members !== undefined) members.push(index);
    else {
      const fresh = [index];
      found.set(block, fresh);
      groups.push({ members: fresh, block, special: it.special });
    }
  }
  return different ? groups : undefined;
}

/** The forms in which `group` may be torn, as codes. */
export function tears(units: readonly Unit[], group: Group, random: Random): number[] {
  if (group.block >= 0) return [RANDOM, ZEROS, FLIPPED];
  const { sectors, granule, whole } = units[group.members[0] as number] as Unit;
  if (whole) return [FULL];
  const granules = Math.ceil(sectors / granule);
  const forms = [...GARBAGE];
  for (let count = 1; count < granules; count++) forms.push((1 << count) - 1);
  if (granules > 2) forms.push(1 + random.below((1 << granules) - 2));
  return forms;
}

/**
 * The code that `code` comes to for this unit: a tear that changes nothing is OLD, one that changes
 * all is FULL. Two choices with the same canonical codes are one crash state.
 */
export function canonical(it: Unit, code: number): number {
  if (code <= FULL) {
    const mask = code & it.changed;
    if (mask === 0) return OLD;
    return mask === it.changed ? FULL : mask;
  }
  if (code === ZEROS && it.oldIsZero) return OLD;
  if (code === ZEROS && it.newIsZero) return FULL;
  if (code === HALF && it.changed === 0) return OLD;
  return code;
}

/** Writes one unit into `disk` as `code` says; `seed` decides the garbage. */
export function applyUnit(disk: SimDisk, trace: Trace, it: Unit, code: number, seed: number): void {
  const { sector, sectors, at, granule } = it;
  if (code === OLD) return;
  if (code === FULL) {
    disk.put(sector, trace.bytes.subarray(at, at + sectors * SECTOR));
    return;
  }
  if (code < FULL) {
    for (let index = 0; index * granule < sectors; index++) {
      if ((code & (1 << index)) === 0) continue;
      const first = index * granule;
      const count = Math.min(granule, sectors - first);
      const from = at + first * SECTOR;
      disk.put(sector + first, trace.bytes.subarray(from, from + count * SECTOR));
    }
    return;
  }
  const bytes = disk.open(sector, sectors);
  if (code !== HALF) garble(bytes, code, mix(seed, sector));
  else bytes.set(trace.bytes.subarray(at, at + halfOf(sectors)));
}

/** Bytes of a HALF: it ends in the middle of a sector. */
function halfOf(sectors: number): number {
  return Math.floor(sectors / 2) * SECTOR + SECTOR / 2;
}

/** Makes garbage of a whole 4 KiB block. */
export function applyBlock(disk: SimDisk, block: number, code: number, seed: number): void {
  const sectors = Math.min(BLOCK, disk.config.capacity - block);
  garble(disk.open(block, sectors), code, mix(seed ^ 0x2545f491, block));
}

/** Makes garbage of one sector. */
export function applyRot(disk: SimDisk, sector: number, code: number, seed: number): void {
  garble(disk.open(sector, 1), code, mix(seed ^ 0x51ed270b, sector));
}

function garble(bytes: Uint8Array, code: number, seed: number): void {
  if (code === ZEROS) bytes.fill(0);
  else if (code === RANDOM) new Random(seed).fill(bytes);
  else {
    const bit = seed % (bytes.length * 8);
    bytes[bit >>> 3] = (bytes[bit >>> 3] as number) ^ (1 << (bit & 7));
  }
}

/** Makes the writes of events `from` to `end` - 1 durable, but for those that `fates` lost. */
export function advance(
  disk: SimDisk,
  trace: Trace,
  from: number,
  end: number,
  fates?: readonly Fate[],
): void {
  for (let index = from; index < end; index++) {
    const event = trace.events[index];
    if (event === undefined || event.kind !== EventKind.WRITE) continue;
    if (fates !== undefined && fates[index - from] !== Fate.KEPT) continue;
    disk.put(event.sector, trace.bytes.subarray(event.at, event.at + event.sectors * SECTOR));
  }
}

/** End of the interval that starts at event `from`: the index of its flush, or of the trace's end. */
export function intervalEnd(trace: Trace, from: number): number {
  for (let index = from; index < trace.events.length; index++) {
    const kind = trace.events[index]?.kind;
    if (kind === EventKind.FLUSH || kind === EventKind.FLUSH_FAILED) return index;
  }
  return trace.events.length;
}
