/** What the entries of a table say: order, bounds, overlaps, GUIDs, reserved bits and bytes. */
import { isZero } from "../engine/bytes";
import { deviceFail } from "../engine/device";
import { failPlain } from "../engine/fault";
import { allocate, release } from "../engine/memory";
import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  ALIGNMENT_SIZE,
  ATTRIBUTES_RESERVED_HIGH,
  ATTRIBUTES_RESERVED_LOW,
  ENTRY_ATTRIBUTES,
  ENTRY_FIRST,
  ENTRY_LAST,
  ENTRY_NAME,
  ENTRY_SIZE,
  ENTRY_TYPE_GUID,
  ENTRY_UNIQUE_GUID,
  GPT_FINDING_PARTITION,
  GPT_FINDING_PROBLEM,
  GPT_FINDING_SECTOR,
  GptProblem,
  GptSide,
  NAME_UNITS_MAX,
} from "../format/gpt";
import { Findings, findingAddPartition, findingAt, findingsClose, findingsOpen } from "./findings";
import { Disk, entryAt, Side, sectorOf } from "./gpt-read";

/** Entries and the blocks that their partitions may use. */
@unmanaged
export class Entries {
  disk: Disk;
  side: GptSide;
  address: usize;
  slots: u32;
  entryLength: u32;
  firstUsable: u64;
  lastUsable: u64;
}

const subject: usize = memory.data(64, 16);
if (offsetof<Entries>() > 64) ERROR("the subject of a check does not fit its place");

/** Adds what is wrong with the partitions of one copy. */
export function partitionsCheck(disk: Disk, side: Side, findings: Findings): void {
  const slots = side.slots;
  const length = side.entryLength;
  entriesCheck(
    entriesOf(disk, side.which, side.entries, slots, length, side.firstUsable, side.lastUsable),
    findings,
  );
}

/**
 * OK if partitions can be used as they stand: each inside the usable blocks, no two over each
 * other. With `strict` also GUIDs must be there and differ, as in a table that is to be written.
 * Otherwise `code`, with the first offender's number as detail.
 */
export function partitionsRequire(
  disk: Disk,
  entries: usize,
  slots: u32,
  entryLength: u32,
  firstUsable: u64,
  lastUsable: u64,
  strict: bool,
  code: ErrorCode,
): ErrorCode {
  const most = strict ? GptProblem.PARTITION_ZERO_GUID : GptProblem.PARTITION_OVERLAP;
  const findings = findingsOpen(most);
  if (findings === null) return failPlain(ErrorCode.ENOMEM);
  const none = GptSide.NONE;
  entriesCheck(
    entriesOf(disk, none, entries, slots, entryLength, firstUsable, lastUsable),
    findings,
  );
  let result: ErrorCode = ErrorCode.OK;
  if (findings.count > 0) {
    const record = findingAt(findings, 0);
    const overlap = load<u32>(record, GPT_FINDING_PROBLEM) === <u32>GptProblem.PARTITION_OVERLAP;
    const reason = overlap ? Reason.OVERLAP : Reason.GPT_ENTRIES;
    const sector = load<u64>(record, GPT_FINDING_SECTOR);
    result = deviceFail(
      disk.device,
      code,
      reason,
      sector,
      load<u32>(record, GPT_FINDING_PARTITION),
    );
  }
  findingsClose(findings);
  return result;
}

function entriesOf(
  disk: Disk,
  side: GptSide,
  address: usize,
  slots: u32,
  entryLength: u32,
  firstUsable: u64,
  lastUsable: u64,
): Entries {
  const entries = changetype<Entries>(subject);
  entries.disk = disk;
  entries.side = side;
  entries.address = address;
  entries.slots = slots;
  entries.entryLength = entryLength;
  entries.firstUsable = firstUsable;
  entries.lastUsable = lastUsable;
  return entries;
}

function entriesCheck(entries: Entries, findings: Findings): void {
  const order = allocate(entries.slots * 4);
  if (order === 0) return;
  let count: u32 = 0;
  for (let slot: u32 = 0; slot < entries.slots; slot++) {
    const entry = entryAt(entries.address, entries.entryLength, slot);
    if (isZero(entry + ENTRY_TYPE_GUID, 16)) {
      if (isZero(entry, entries.entryLength)) continue;
      add(entries, findings, GptProblem.PARTITION_UNUSED_BYTES, slot, 0, 0, 0);
      continue;
    }
    entryCheck(entries, slot, entry, findings);
    store<u32>(order + ((<usize>count) << 2), slot);
    count += 1;
  }
  sort(order, count, entries, false);
  overlapsCheck(entries, order, count, findings);
  sort(order, count, entries, true);
  duplicatesCheck(entries, order, count, findings);
  release(order, entries.slots * 4);
}

/** One partition by itself. */
function entryCheck(entries: Entries, slot: u32, entry: usize, findings: Findings): void {
  const disk = entries.disk;
  const first = load<u64>(entry, ENTRY_FIRST);
  const last = load<u64>(entry, ENTRY_LAST);
  if (last < first) {
    add(entries, findings, GptProblem.PARTITION_ORDER, slot, 0, last, first);
  } else if (last > disk.lastLba) {
    add(entries, findings, GptProblem.PARTITION_OUTSIDE_DISK, slot, 0, last, disk.lastLba);
  } else if (first < entries.firstUsable) {
    const problem = GptProblem.PARTITION_OUTSIDE_USABLE;
    add(entries, findings, problem, slot, 0, first, entries.firstUsable);
  } else if (last > entries.lastUsable) {
    const problem = GptProblem.PARTITION_OUTSIDE_USABLE;
    add(entries, findings, problem, slot, 0, last, entries.lastUsable);
  }
  const aligned = <u64>(ALIGNMENT_SIZE / disk.blockSize);
  if (first % aligned !== 0) {
    add(entries, findings, GptProblem.PARTITION_MISALIGNED, slot, 0, first, aligned);
  }
  if (isZero(entry + ENTRY_UNIQUE_GUID, 16)) {
    add(entries, findings, GptProblem.PARTITION_ZERO_GUID, slot, 0, 0, 0);
  }
  const attributes = load<u64>(entry, ENTRY_ATTRIBUTES);
  const reserved = ((<u64>ATTRIBUTES_RESERVED_HIGH) << 32) | <u64>ATTRIBUTES_RESERVED_LOW;
  if ((attributes & reserved) !== 0) {
    add(entries, findings, GptProblem.PARTITION_ATTRIBUTES, slot, 0, attributes, 0);
  }
  if (!isZero(entry + ENTRY_SIZE, entries.entryLength - ENTRY_SIZE)) {
    add(entries, findings, GptProblem.PARTITION_PADDING, slot, 0, 0, 0);
  }
  if (!nameRight(entry + ENTRY_NAME)) {
    add(entries, findings, GptProblem.PARTITION_NAME, slot, 0, 0, 0);
  }
}

/** UTF-16 with its surrogates in pairs, and nothing behind the first NUL. */
function nameRight(name: usize): bool {
  let ended = false;
  let high = false;
  for (let index: u32 = 0; index < NAME_UNITS_MAX; index++) {
    const unit = <u32>load<u16>(name + <usize>(index << 1));
    if (ended && unit !== 0) return false;
    const low = (unit & 0xfc00) === 0xdc00;
    if (low !== high) return false;
    high = (unit & 0xfc00) === 0xd800;
    if (unit === 0) ended = true;
  }
  return !high;
}

/** In order of first blocks, each partition against the one that reaches furthest before it. */
function overlapsCheck(entries: Entries, order: usize, count: u32, findings: Findings): void {
  let furthest: u32 = 0;
  let end: u64 = 0;
  let any = false;
  for (let index: u32 = 0; index < count; index++) {
    const slot = load<u32>(order + ((<usize>index) << 2));
    const entry = entryAt(entries.address, entries.entryLength, slot);
    const first = load<u64>(entry, ENTRY_FIRST);
    const last = load<u64>(entry, ENTRY_LAST);
    if (last < first) continue;
    if (any && first <= end) {
      const problem = GptProblem.PARTITION_OVERLAP;
      add(entries, findings, problem, slot, furthest + 1, first, end);
    }
    if (!any || last > end) {
      end = last;
      furthest = slot;
    }
    any = true;
  }
}

function duplicatesCheck(entries: Entries, order: usize, count: u32, findings: Findings): void {
  for (let index: u32 = 1; index < count; index++) {
    const before = load<u32>(order + ((<usize>(index - 1)) << 2));
    const slot = load<u32>(order + ((<usize>index) << 2));
    const guid = entryAt(entries.address, entries.entryLength, slot) + ENTRY_UNIQUE_GUID;
    if (isZero(guid, 16) || guidCompare(entries, before, slot) !== 0) continue;
    const later = max<u32>(before, slot);
    const problem = GptProblem.PARTITION_DUPLICATE_GUID;
    add(entries, findings, problem, later, min<u32>(before, slot) + 1, 0, 0);
  }
}

/** True if slot `a` goes before slot `b`: by first block, or by GUID. */
function isBefore(entries: Entries, a: u32, b: u32, byGuid: bool): bool {
  const order = byGuid ? guidCompare(entries, a, b) : firstCompare(entries, a, b);
  return order === 0 ? a < b : order < 0;
}

function firstCompare(entries: Entries, a: u32, b: u32): i32 {
  const left = load<u64>(entryAt(entries.address, entries.entryLength, a), ENTRY_FIRST);
  const right = load<u64>(entryAt(entries.address, entries.entryLength, b), ENTRY_FIRST);
  return compared(left, right);
}

function guidCompare(entries: Entries, a: u32, b: u32): i32 {
  const left = entryAt(entries.address, entries.entryLength, a) + ENTRY_UNIQUE_GUID;
  const right = entryAt(entries.address, entries.entryLength, b) + ENTRY_UNIQUE_GUID;
  const low = compared(load<u64>(left), load<u64>(right));
  return low !== 0 ? low : compared(load<u64>(left, 8), load<u64>(right, 8));
}

function compared(left: u64, right: u64): i32 {
  return <i32>(left > right) - <i32>(left < right);
}

/** Shell sort of `count` slot numbers at `order`: no recursion, good enough for 8192. */
function sort(order: usize, count: u32, entries: Entries, byGuid: bool): void {
  let gap: u32 = 1;
  while (gap < count / 3) gap = 3 * gap + 1;
  for (; gap > 0; gap /= 3) {
    for (let index = gap; index < count; index++) {
      const slot = load<u32>(order + ((<usize>index) << 2));
      let at = index;
      while (at >= gap) {
        const earlier = load<u32>(order + ((<usize>(at - gap)) << 2));
        if (!isBefore(entries, slot, earlier, byGuid)) break;
        store<u32>(order + ((<usize>at) << 2), earlier);
        at -= gap;
      }
      store<u32>(order + ((<usize>at) << 2), slot);
    }
  }
}

function add(
  entries: Entries,
  findings: Findings,
  problem: GptProblem,
  slot: u32,
  other: u32,
  found: u64,
  expected: u64,
): void {
  const first = load<u64>(entryAt(entries.address, entries.entryLength, slot), ENTRY_FIRST);
  const disk = entries.disk;
  // The place of a partition that lies nowhere is the table that says so.
  const lba = first > disk.lastLba ? 1 : first;
  const sector = sectorOf(disk, lba);
  findingAddPartition(findings, problem, entries.side, sector, slot + 1, other, found, expected);
}
