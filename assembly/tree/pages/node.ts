/**
 * Records inside one tree page (format/page, "Tree page grammar"): find, insert, remove.
 *
 * Slots grow up from the header, records down from the prefix; a removed record leaves dead bytes
 * that the next rebuild (rows.ts) takes back. Everything here trusts a page that nodeCheck()
 * passed.
 */
import { compareBytes } from "../../engine/bytes";
import { Reason } from "../../format/abi";
import {
  HEADER_COUNT,
  HEADER_DEAD,
  HEADER_HEAP,
  HEADER_KIND,
  HEADER_LEVEL,
  HEADER_PREFIX,
  HEADER_SIZE,
  KEY_MAX,
  PageKind,
  RECORD_HEADER,
  RECORD_MAX,
  SLOT_SIZE,
} from "../../format/page";
import { PAGE_SIZE } from "../../format/region";

/** What a record costs beside its key and value: slot and lengths. */
export const RECORD_COST: u32 = SLOT_SIZE + RECORD_HEADER;
/** Bytes that slots, records and prefix share. */
export const NODE_ROOM: u32 = PAGE_SIZE - HEADER_SIZE;

/** Where the last nodeFind() ended: index of the record, or where it would stand. */
export let foundIndex: u32 = 0;

export function nodeCount(page: usize): u32 {
  return load<u16>(page, HEADER_COUNT);
}

export function nodeLevel(page: usize): u32 {
  return load<u8>(page, HEADER_LEVEL);
}

export function nodeIsInternal(page: usize): bool {
  return load<u8>(page, HEADER_KIND) === <u8>PageKind.INTERNAL;
}

export function nodePrefix(page: usize): u32 {
  return load<u16>(page, HEADER_PREFIX);
}

/** Address of record `index`. */
export function nodeRecord(page: usize, index: u32): usize {
  return page + <usize>load<u16>(page + ((<usize>index) << 1), HEADER_SIZE);
}

export function nodeValue(page: usize, index: u32): usize {
  const record = nodeRecord(page, index);
  return record + RECORD_HEADER + load<u16>(record);
}

export function nodeValueLength(page: usize, index: u32): u32 {
  return load<u16>(nodeRecord(page, index), 2);
}

export function nodeKeyLength(page: usize, index: u32): u32 {
  return nodePrefix(page) + load<u16>(nodeRecord(page, index));
}

/** Copies the whole key of record `index` to `out`, KEY_MAX bytes at most; answers its length. */
export function nodeKey(page: usize, index: u32, out: usize): u32 {
  const prefix = nodePrefix(page);
  const record = nodeRecord(page, index);
  const suffix: u32 = load<u16>(record);
  memory.copy(out, page + PAGE_SIZE - prefix, prefix);
  memory.copy(out + prefix, record + RECORD_HEADER, suffix);
  return prefix + suffix;
}

/** Order of record `index` against a key: negative if the record is smaller. */
export function nodeCompare(page: usize, index: u32, key: usize, keyLength: u32): i32 {
  const prefix = nodePrefix(page);
  const common = min<u32>(prefix, keyLength);
  const order = compareBytes(page + PAGE_SIZE - prefix, common, key, common);
  if (order !== 0) return order;
  if (keyLength < prefix) return 1;
  const record = nodeRecord(page, index);
  return compareBytes(record + RECORD_HEADER, load<u16>(record), key + prefix, keyLength - prefix);
}

/** Finds `key` in a leaf: true if it is there; foundIndex is its place either way. */
export function nodeFind(page: usize, key: usize, keyLength: u32): bool {
  return search(page, 0, key, keyLength);
}

/** The child of an internal page that holds `key`. */
export function nodeChild(page: usize, key: usize, keyLength: u32): u32 {
  const exact = search(page, 1, key, keyLength);
  return exact ? foundIndex : foundIndex - 1;
}

/** Binary search over the records from `first` on. */
function search(page: usize, first: u32, key: usize, keyLength: u32): bool {
  const count = nodeCount(page);
  const prefix = nodePrefix(page);
  if (prefix > 0 && count > first) {
    const common = min<u32>(prefix, keyLength);
    const order = compareBytes(key, common, page + PAGE_SIZE - prefix, common);
    if (order !== 0 || keyLength < prefix) {
      foundIndex = order > 0 ? count : first;
      return false;
    }
    key += prefix;
    keyLength -= prefix;
  }
  let low = first;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const record = nodeRecord(page, middle);
    const order = compareBytes(record + RECORD_HEADER, load<u16>(record), key, keyLength);
    if (order === 0) {
      foundIndex = middle;
      return true;
    }
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  foundIndex = low;
  return false;
}

/** Bytes not in use: between slots and heap, and dead ones. */
export function nodeFree(page: usize): u32 {
  const slots = HEADER_SIZE + nodeCount(page) * SLOT_SIZE;
  return load<u16>(page, HEADER_HEAP) - slots + load<u16>(page, HEADER_DEAD);
}

/** Puts a record at `index` if its key has the page's prefix and the room is in one piece. */
export function nodeInsert(
  page: usize,
  index: u32,
  key: usize,
  keyLength: u32,
  value: usize,
  valueLength: u32,
): bool {
  const count = nodeCount(page);
  const prefix = nodePrefix(page);
  const heap: u32 = load<u16>(page, HEADER_HEAP);
  if (keyLength < prefix) return false;
  if (compareBytes(key, prefix, page + PAGE_SIZE - prefix, prefix) !== 0) return false;
  const suffix = keyLength - prefix;
  const size = RECORD_HEADER + suffix + valueLength;
  if (HEADER_SIZE + (count + 1) * SLOT_SIZE + size > heap) return false;
  const offset = heap - size;
  recordWrite(page + offset, key + prefix, suffix, value, valueLength);
  const slot = page + HEADER_SIZE + <usize>(index * SLOT_SIZE);
  memory.copy(slot + SLOT_SIZE, slot, (count - index) * SLOT_SIZE);
  store<u16>(slot, <u16>offset);
  store<u16>(page, <u16>offset, HEADER_HEAP);
  store<u16>(page, <u16>(count + 1), HEADER_COUNT);
  return true;
}

export function recordWrite(
  record: usize,
  suffix: usize,
  suffixLength: u32,
  value: usize,
  valueLength: u32,
): void {
  store<u16>(record, <u16>suffixLength);
  store<u16>(record, <u16>valueLength, 2);
  memory.copy(record + RECORD_HEADER, suffix, suffixLength);
  memory.copy(record + RECORD_HEADER + suffixLength, value, valueLength);
}

/** Removes record `index`; the first record of an internal page means minus infinity again. */
export function nodeRemove(page: usize, index: u32): void {
  const count = nodeCount(page) - 1;
  const record = nodeRecord(page, index);
  deadAdd(page, RECORD_HEADER + <u32>load<u16>(record) + <u32>load<u16>(record, 2));
  const slot = page + HEADER_SIZE + <usize>(index * SLOT_SIZE);
  memory.copy(slot, slot + SLOT_SIZE, (count - index) * SLOT_SIZE);
  store<u16>(page, <u16>count, HEADER_COUNT);
  if (index === 0 && count > 0 && nodeIsInternal(page)) {
    const first = nodeRecord(page, 0);
    const suffix: u32 = load<u16>(first);
    memory.copy(first + RECORD_HEADER, first + RECORD_HEADER + suffix, load<u16>(first, 2));
    store<u16>(first, 0);
    deadAdd(page, suffix);
  }
}

function deadAdd(page: usize, bytes: u32): void {
  store<u16>(page, <u16>(<u32>load<u16>(page, HEADER_DEAD) + bytes), HEADER_DEAD);
}

/** NONE if every slot, record and key of a tree page keeps to the grammar. */
export function nodeCheck(page: usize): Reason {
  const count = nodeCount(page);
  const prefix = nodePrefix(page);
  const heap: u32 = load<u16>(page, HEADER_HEAP);
  const internal = nodeIsInternal(page);
  if (count === 0 || prefix > KEY_MAX) return Reason.FIELD;
  const end = PAGE_SIZE - prefix;
  if (heap < HEADER_SIZE + count * SLOT_SIZE || heap > end) return Reason.FIELD;
  let live: u32 = 0;
  let previous: usize = 0;
  let previousLength: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const offset: u32 = load<u16>(page + ((<usize>index) << 1), HEADER_SIZE);
    if (offset < heap || offset + RECORD_HEADER > end) return Reason.FIELD;
    const suffix: u32 = load<u16>(page + offset);
    const value: u32 = load<u16>(page + offset, 2);
    if (offset + RECORD_HEADER + suffix + value > end) return Reason.FIELD;
    const first = internal && index === 0;
    if (first ? suffix !== 0 : prefix + suffix === 0) return Reason.FIELD;
    const key: u32 = first ? 0 : prefix + suffix;
    if (key > KEY_MAX || key + value + RECORD_COST > RECORD_MAX) return Reason.FIELD;
    const at = page + offset + RECORD_HEADER;
    const compared = index > (internal ? 1 : 0);
    if (compared && compareBytes(previous, previousLength, at, suffix) >= 0) {
      return Reason.KEY_ORDER;
    }
    previous = at;
    previousLength = suffix;
    live += RECORD_HEADER + suffix + value;
  }
  if (live + load<u16>(page, HEADER_DEAD) !== end - heap) return Reason.FIELD;
  return Reason.NONE;
}
