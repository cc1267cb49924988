/** Where partitions go: pure functions from one table to the next. Nothing here writes. */
import { failure } from "../../base/errors.ts";
import { isGuid, newGuid } from "../../base/guid.ts";
import { type RandomSource, systemRandom } from "../../base/seed.ts";
import { formatSize } from "../../base/size.ts";
import {
  GPT_TYPES,
  type GptChange,
  type GptPartition,
  type GptRequest,
  type GptTable,
  type GptTypeName,
} from "./types.ts";

const ALIGNMENT_BYTES = 2 ** 20;
const NAME_UNITS_MAX = 36;
/** Bits 3 to 47 are reserved for UEFI. */
const ATTRIBUTES_KNOWN = 0xffff_0000_0000_0007n;

/**
 * The table with one more partition; nothing is written.
 *
 * @throws {StorageError} ENOSPC: no free place is large enough, or no entry is left; EEXIST: the
 *   number or the GUID is taken; EINVAL: outside the usable blocks, over another partition, or a
 *   field that the format does not take
 */
export function withPartition(
  table: GptTable,
  request: GptRequest,
  random: RandomSource = systemRandom,
): GptTable {
  const { name = "", attributes = 0n } = request;
  const partition: GptPartition = {
    index: request.index ?? freeIndex(table),
    typeGuid: typeGuidOf(request.type),
    uniqueGuid: (request.uniqueGuid ?? newGuid(random)).toUpperCase(),
    ...rangeOf(table, request),
    attributes,
    name,
  };
  if (table.partitions.some(({ index }) => index === partition.index)) {
    throw failure("EEXIST", "gpt", `there is a partition ${partition.index} already.`);
  }
  return joined(table, partition);
}

/** The table without partition `index`. @throws {StorageError} ENOENT */
export function withoutPartition(table: GptTable, index: number): GptTable {
  partitionOf(table, index);
  return { ...table, partitions: table.partitions.filter((each) => each.index !== index) };
}

/** The table with partition `index` changed. @throws {StorageError} ENOENT, EINVAL, EEXIST */
export function withChange(table: GptTable, index: number, change: GptChange): GptTable {
  const old = partitionOf(table, index);
  const firstLba = change.firstLba ?? old.firstLba;
  // Who moves a start without saying an end moves the partition, and keeps its size.
  const blocks =
    change.sizeBytes === undefined
      ? old.lastLba - old.firstLba + 1
      : blocksOf(table, change.sizeBytes);
  const partition: GptPartition = {
    index,
    typeGuid: change.type === undefined ? old.typeGuid : typeGuidOf(change.type),
    uniqueGuid: (change.uniqueGuid ?? old.uniqueGuid).toUpperCase(),
    firstLba,
    lastLba: change.lastLba ?? firstLba + blocks - 1,
    attributes: change.attributes ?? old.attributes,
    name: change.name ?? old.name,
  };
  return joined(withoutPartition(table, index), partition);
}

/** Partition `index`. @throws {StorageError} ENOENT, with the numbers that there are */
export function partitionOf(table: GptTable, index: number): GptPartition {
  const found = table.partitions.find((each) => each.index === index);
  if (found !== undefined) return found;
  const numbers = table.partitions.map((each) => each.index).join(", ");
  const there = numbers === "" ? "the table is empty" : `there are ${numbers}`;
  throw failure("ENOENT", "gpt", `no partition ${index}; ${there}.`);
}

/** The GUID of a type given as GUID or by its name in GPT_TYPES. @throws {StorageError} EINVAL */
export function typeGuidOf(type: string): string {
  if (Object.hasOwn(GPT_TYPES, type)) return GPT_TYPES[type as GptTypeName];
  if (isGuid(type) && /[1-9a-f]/i.test(type)) return type.toUpperCase();
  const names = Object.keys(GPT_TYPES).join(", ");
  throw failure("EINVAL", "gpt", `'${type}' is no partition type: a GUID or one of ${names}.`);
}

/** The name in GPT_TYPES of a type GUID, or undefined. */
export function typeNameOf(typeGuid: string): GptTypeName | undefined {
  const names = Object.keys(GPT_TYPES) as GptTypeName[];
  return names.find((name) => GPT_TYPES[name] === typeGuid.toUpperCase());
}

/** Blocks that no partition uses, in order: first and last one of each run. */
export function freeRuns(table: GptTable): { firstLba: number; lastLba: number }[] {
  const runs: { firstLba: number; lastLba: number }[] = [];
  let next = table.firstUsableLba;
  for (const each of [...table.partitions].sort((a, b) => a.firstLba - b.firstLba)) {
    if (each.firstLba > next) runs.push({ firstLba: next, lastLba: each.firstLba - 1 });
    next = Math.max(next, each.lastLba + 1);
  }
  if (next <= table.lastUsableLba) runs.push({ firstLba: next, lastLba: table.lastUsableLba });
  return runs;
}

/**
 * The last block that partition `index` can grow to: an aligned end, unless that would cut it.
 *
 * @throws {StorageError} ENOENT
 */
export function lastLbaFor(table: GptTable, index: number): number {
  const { firstLba, lastLba } = partitionOf(table, index);
  const starts = table.partitions.map((each) => each.firstLba).filter((start) => start > firstLba);
  const limit = Math.min(table.lastUsableLba, ...starts.map((start) => start - 1));
  return Math.max(lastIn(table, firstLba, limit), Math.min(lastLba, limit));
}

function joined(table: GptTable, partition: GptPartition): GptTable {
  check(table, partition);
  const partitions = [...table.partitions, partition].sort((a, b) => a.index - b.index);
  return { ...table, partitions };
}

function check(table: GptTable, partition: GptPartition): void {
  const { index, uniqueGuid, firstLba, lastLba, name, attributes } = partition;
  const refuse = (why: string) => failure("EINVAL", "gpt", `partition ${index}: ${why}`);
  if (!Number.isInteger(index) || index < 1 || index > table.entrySlots) {
    throw refuse(`the table has numbers 1 to ${table.entrySlots}.`);
  }
  if (!isGuid(uniqueGuid) || !/[1-9a-f]/i.test(uniqueGuid)) {
    throw refuse(`'${uniqueGuid}' is not a GUID that a partition can have.`);
  }
  if (name.length > NAME_UNITS_MAX || name.includes("\0") || /\p{Surrogate}/u.test(name)) {
    throw refuse(`the name must be text of at most ${NAME_UNITS_MAX} UTF-16 units.`);
  }
  if (attributes < 0n || (attributes & ~ATTRIBUTES_KNOWN) !== 0n) {
    throw refuse("attributes are bits 0 to 2 and 48 to 63.");
  }
  if (!Number.isSafeInteger(firstLba) || !Number.isSafeInteger(lastLba) || lastLba < firstLba) {
    throw refuse(`block ${firstLba} to ${lastLba} is no range.`);
  }
  const { firstUsableLba, lastUsableLba } = table;
  if (firstLba < firstUsableLba || lastLba > lastUsableLba) {
    const usable = `${firstUsableLba} to ${lastUsableLba}`;
    throw refuse(`block ${firstLba} to ${lastLba} lies outside the usable ${usable}.`);
  }
  for (const other of table.partitions) {
    if (other.index === index) continue;
    if (other.uniqueGuid === uniqueGuid) {
      throw failure(
        "EEXIST",
        "gpt",
        `partition ${other.index} has the GUID ${uniqueGuid} already.`,
      );
    }
    if (firstLba <= other.lastLba && lastLba >= other.firstLba) {
      const taken = `${other.firstLba} to ${other.lastLba}`;
      throw refuse(`block ${firstLba} to ${lastLba} overlaps partition ${other.index}, ${taken}.`);
    }
  }
}

function freeIndex(table: GptTable): number {
  const taken = new Set(table.partitions.map(({ index }) => index));
  for (let index = 1; index <= table.entrySlots; index++) if (!taken.has(index)) return index;
  throw failure("ENOSPC", "gpt", `all ${table.entrySlots} entries of the table are in use.`);
}

function rangeOf(table: GptTable, request: GptRequest): { firstLba: number; lastLba: number } {
  const wanted = request.sizeBytes === undefined ? undefined : blocksOf(table, request.sizeBytes);
  if (request.firstLba !== undefined) {
    const { firstLba } = request;
    if (request.lastLba !== undefined) return { firstLba, lastLba: request.lastLba };
    if (wanted !== undefined) return { firstLba, lastLba: firstLba + wanted - 1 };
    const run = freeRuns(table).find(
      (each) => firstLba >= each.firstLba && firstLba <= each.lastLba,
    );
    // A taken or foreign start is refused by check(), which names what is there.
    return {
      firstLba,
      lastLba: run === undefined ? firstLba : lastIn(table, firstLba, run.lastLba),
    };
  }
  if (request.lastLba !== undefined) {
    throw failure("EINVAL", "gpt", "a last block needs a first one too; or give a size.");
  }
  const runs = freeRuns(table)
    .map(({ firstLba, lastLba }) => ({ firstLba: alignUp(table, firstLba), lastLba }))
    .filter(({ firstLba, lastLba }) => firstLba + (wanted ?? 1) - 1 <= lastLba);
  const sizeOf = (run: { firstLba: number; lastLba: number }) => run.lastLba - run.firstLba;
  const run = wanted === undefined ? runs.sort((a, b) => sizeOf(b) - sizeOf(a))[0] : runs[0];
  if (run === undefined) {
    const what =
      wanted === undefined
        ? "no free place"
        : `no free place of ${formatSize(wanted * table.blockSize)}`;
    throw failure("ENOSPC", "gpt", `${what} is left.`);
  }
  const { firstLba } = run;
  if (wanted !== undefined) return { firstLba, lastLba: firstLba + wanted - 1 };
  return { firstLba, lastLba: lastIn(table, firstLba, run.lastLba) };
}

/** The last aligned end at or before `lastLba`, or `lastLba` where that leaves nothing. */
function lastIn(table: GptTable, firstLba: number, lastLba: number): number {
  const unit = ALIGNMENT_BYTES / table.blockSize;
  const aligned = Math.floor((lastLba + 1) / unit) * unit - 1;
  return aligned >= firstLba ? aligned : lastLba;
}

function alignUp(table: GptTable, lba: number): number {
  const unit = ALIGNMENT_BYTES / table.blockSize;
  return Math.ceil(lba / unit) * unit;
}

function blocksOf(table: GptTable, sizeBytes: number): number {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) {
    throw failure("EINVAL", "gpt", `${sizeBytes} bytes is no size of a partition.`);
  }
  return Math.ceil(sizeBytes / table.blockSize);
}
