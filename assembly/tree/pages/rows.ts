/**
 * Rebuilding pages: the records of one or two pages and a new one as a list of rows, from which
 * pages are written anew: compaction, a longer or shorter prefix, split, merge.
 *
 * Rows point into their pages, so a page is built in a scratch page and copied over when all is
 * read. One list at a time.
 */

import { compareBytes } from "../../engine/bytes";
import { allocate } from "../../engine/memory";
import {
  HEADER_COUNT,
  HEADER_DEAD,
  HEADER_HEAP,
  HEADER_PREFIX,
  HEADER_SIZE,
  KEY_MAX,
  RECORD_HEADER,
  SLOT_SIZE,
} from "../../format/page";
import { PAGE_SIZE } from "../../format/region";
import { NODE_ROOM, nodeCount, nodePrefix, nodeRecord, RECORD_COST } from "./node";

/**
 * Row: prefix u32, prefixLength u32, suffix u32, suffixLength u32, value u32, valueLength u32,
 * sum u32.
 */
const ROW_SIZE: u32 = 28;
const ROWS_MAX: u32 = 1400;
const rows: usize = allocate(39200);
const scratch: usize = allocate(8192);
const firstKey: usize = allocate(512);
const lastKey: usize = allocate(512);
let count: u32 = 0;

if (ROWS_MAX * ROW_SIZE > 39200) ERROR("rows is too small");
if (KEY_MAX > 512) ERROR("the key buffers are too small");

export function rowsBegin(): void {
  count = 0;
}

export function rowsCount(): u32 {
  return count;
}

/** Appends all records of `page`; `firstKey` of length > 0 replaces the empty key of item 0. */
export function rowsAddPage(page: usize, first: usize, firstLength: u32): void {
  const total = nodeCount(page);
  const prefix = nodePrefix(page);
  for (let index: u32 = 0; index < total; index++) {
    const record = nodeRecord(page, index);
    const suffix: u32 = load<u16>(record);
    const value = record + RECORD_HEADER + suffix;
    const replaced = index === 0 && first !== 0;
    rowSet(
      count,
      replaced ? 0 : page + PAGE_SIZE - prefix,
      replaced ? 0 : prefix,
      replaced ? first : record + RECORD_HEADER,
      replaced ? firstLength : suffix,
      value,
      load<u16>(record, 2),
    );
    count += 1;
  }
}

/** Puts a record between the others, at `index`. */
export function rowsInsert(
  index: u32,
  key: usize,
  keyLength: u32,
  value: usize,
  valueLength: u32,
): void {
  const at = rows + <usize>(index * ROW_SIZE);
  memory.copy(at + ROW_SIZE, at, (count - index) * ROW_SIZE);
  rowSet(index, 0, 0, key, keyLength, value, valueLength);
  count += 1;
}

/** Sums the sizes; call it when the list is complete. */
export function rowsSum(): void {
  let sum: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const row = rows + <usize>(index * ROW_SIZE);
    store<u32>(row, sum, 24);
    sum += RECORD_COST + keyLengthOf(row) + load<u32>(row, 20);
  }
  store<u32>(rows + <usize>(count * ROW_SIZE), sum, 24);
}

/** Bytes of NODE_ROOM that the rows from..to take in a page of their own. */
export function rowsSize(from: u32, to: u32, internal: bool): u32 {
  const raw = sumAt(to) - sumAt(from);
  const keyed = internal ? from + 1 : from;
  const dropped = internal ? keyLengthOf(rows + <usize>(from * ROW_SIZE)) : 0;
  const prefix = prefixOf(keyed, to);
  return raw - dropped - prefix * (to - keyed) + prefix;
}

export function rowsFit(from: u32, to: u32, internal: bool): bool {
  return rowsSize(from, to, internal) <= NODE_ROOM;
}

/** Where to cut so that both parts fit and are as equal as can be. */
export function rowsCut(internal: bool): u32 {
  const half = sumAt(count) >>> 1;
  let cut: u32 = 1;
  while (cut + 1 < count && sumAt(cut) < half) cut++;
  if (cut > 1 && half - sumAt(cut - 1) < sumAt(cut) - half) cut--;
  if (rowsFit(0, cut, internal) && rowsFit(cut, count, internal)) return cut;
  let best: u32 = 0;
  let bestSize: u32 = u32.MAX_VALUE;
  for (let at: u32 = 1; at < count; at++) {
    const size = max<u32>(rowsSize(0, at, internal), rowsSize(at, count, internal));
    if (size >= bestSize) continue;
    best = at;
    bestSize = size;
  }
  // Two records always fit, and a key without the common prefix stands at an end (1.4).
  assert(bestSize <= NODE_ROOM);
  return best;
}

/**
 * The key that separates the rows before `at` from the others, to `out`: for leaves the shortest
 * prefix of row `at` that is greater than the row before, for internal pages its whole key.
 */
export function rowsSeparator(at: u32, internal: bool, out: usize): u32 {
  const length = rowKey(at, out);
  if (internal) return length;
  const before = rowKey(at - 1, firstKey);
  return commonLength(firstKey, before, out, length) + 1;
}

/** Builds the page of rows from..to in scratch page `which`; header fields of `model` are kept. */
export function rowsBuild(which: u32, from: u32, to: u32, internal: bool, model: usize): void {
  const page = scratch + <usize>(which * PAGE_SIZE);
  const keyed = internal ? from + 1 : from;
  const prefix = prefixOf(keyed, to);
  memory.copy(page, model, HEADER_SIZE);
  let heap = PAGE_SIZE - prefix;
  if (prefix > 0) memory.copy(page + heap, firstKey, prefix);
  const end = HEADER_SIZE + (to - from) * SLOT_SIZE;
  for (let index = from; index < to; index++) {
    const row = rows + <usize>(index * ROW_SIZE);
    const minus = internal && index === from;
    const suffix = minus ? 0 : keyLengthOf(row) - prefix;
    const size = RECORD_HEADER + suffix + load<u32>(row, 20);
    heap -= size;
    const record = page + heap;
    store<u16>(record, <u16>suffix);
    store<u16>(record, <u16>load<u32>(row, 20), 2);
    if (suffix > 0) copyKeyFrom(row, prefix, record + RECORD_HEADER);
    memory.copy(record + RECORD_HEADER + suffix, load<u32>(row, 16), load<u32>(row, 20));
    store<u16>(page + HEADER_SIZE + <usize>((index - from) * SLOT_SIZE), <u16>heap);
  }
  assert(heap >= end);
  memory.fill(page + end, 0, heap - end);
  store<u16>(page, <u16>(to - from), HEADER_COUNT);
  store<u16>(page, <u16>heap, HEADER_HEAP);
  store<u16>(page, 0, HEADER_DEAD);
  store<u16>(page, <u16>prefix, HEADER_PREFIX);
}

/** Copies scratch page `which` over `page`. */
export function rowsCopy(which: u32, page: usize): void {
  memory.copy(page, scratch + <usize>(which * PAGE_SIZE), PAGE_SIZE);
}

/**
 * Length of what the keys of rows from..to share; firstKey holds it. A single key shares nothing.
 */
function prefixOf(from: u32, to: u32): u32 {
  if (to < from + 2) return 0;
  const length = rowKey(from, firstKey);
  const last = rowKey(to - 1, lastKey);
  return commonLength(firstKey, length, lastKey, last);
}

function commonLength(a: usize, aLength: u32, b: usize, bLength: u32): u32 {
  const most = min<u32>(aLength, bLength);
  if (compareBytes(a, most, b, most) === 0) return most;
  let at: u32 = 0;
  while (load<u8>(a + at) === load<u8>(b + at)) at++;
  return at;
}

/** Copies the key of row `index` to `out`; answers its length. */
function rowKey(index: u32, out: usize): u32 {
  const row = rows + <usize>(index * ROW_SIZE);
  copyKeyFrom(row, 0, out);
  return keyLengthOf(row);
}

/** Copies the key of `row` from byte `skip` on. */
function copyKeyFrom(row: usize, skip: u32, out: usize): void {
  const prefix = load<u32>(row, 4);
  const suffix = load<u32>(row, 12);
  if (skip >= prefix) {
    memory.copy(out, load<u32>(row, 8) + (skip - prefix), suffix - (skip - prefix));
    return;
  }
  memory.copy(out, load<u32>(row) + skip, prefix - skip);
  memory.copy(out + (prefix - skip), load<u32>(row, 8), suffix);
}

function keyLengthOf(row: usize): u32 {
  return load<u32>(row, 4) + load<u32>(row, 12);
}

function sumAt(index: u32): u32 {
  return load<u32>(rows + <usize>(index * ROW_SIZE), 24);
}

function rowSet(
  index: u32,
  prefix: usize,
  prefixLength: u32,
  suffix: usize,
  suffixLength: u32,
  value: usize,
  valueLength: u32,
): void {
  const row = rows + <usize>(index * ROW_SIZE);
  assert(index + 1 < ROWS_MAX);
  store<u32>(row, <u32>prefix);
  store<u32>(row, prefixLength, 4);
  store<u32>(row, <u32>suffix, 8);
  store<u32>(row, suffixLength, 12);
  store<u32>(row, <u32>value, 16);
  store<u32>(row, valueLength, 20);
}
