/** The pages that the open batch has freed: a growing list, sorted and joined for the commit. */
import { allocate, release } from "../../engine/memory";
import { VIRTUAL_PAGE, Volume } from "./volume";

/** { page u64, count u64 } */
export const FREED_SIZE: u32 = 16;
const FIRST_CAPACITY: u32 = 32;

/** Makes room for `more` entries; false without memory. */
export function freedEnsure(volume: Volume, more: u32): bool {
  const needed = volume.freedCount + more;
  if (needed <= volume.freedCapacity) return true;
  let capacity = max<u32>(volume.freedCapacity, FIRST_CAPACITY);
  while (capacity < needed) capacity <<= 1;
  const size = volume.freedCapacity * FREED_SIZE;
  const fresh = regrow(volume.freed, size, capacity * FREED_SIZE);
  if (fresh === 0) return false;
  volume.freed = fresh;
  volume.freedCapacity = capacity;
  return true;
}

/** Moves a list of `size` bytes to a block of `wanted`; 0 without memory: nothing has changed. */
export function regrow(list: usize, size: u32, wanted: u32): usize {
  const fresh = allocate(wanted);
  if (fresh === 0) return 0;
  memory.copy(fresh, list, size);
  release(list, size);
  return fresh;
}

/** Gives the list's memory back. */
export function freedRelease(volume: Volume): void {
  release(volume.freed, <usize>volume.freedCapacity * FREED_SIZE);
  volume.freed = 0;
  volume.freedCapacity = 0;
}

/** Notes that `count` pages from `page` leave the trees with this batch. Room must be ensured. */
export function freedAdd(volume: Volume, page: u64, count: u32): void {
  assert(volume.freedCount < volume.freedCapacity && (page & VIRTUAL_PAGE) === 0);
  const entry = volume.freed + <usize>(volume.freedCount * FREED_SIZE);
  store<u64>(entry, page);
  store<u64>(entry, <u64>count, 8);
  volume.freedCount += 1;
}

export function freedPage(volume: Volume, index: u32): u64 {
  return load<u64>(volume.freed + <usize>(index * FREED_SIZE));
}

export function freedLength(volume: Volume, index: u32): u32 {
  return <u32>load<u64>(volume.freed + <usize>(index * FREED_SIZE), 8);
}

/** Sorts by page and joins neighbours up to `most` pages; the list stays usable afterwards. */
export function freedSort(volume: Volume, most: u32): void {
  sortEntries(volume.freed, volume.freedCount);
  let kept: u32 = 0;
  for (let index: u32 = 0; index < volume.freedCount; index++) {
    const page = freedPage(volume, index);
    const length = freedLength(volume, index);
    if (kept > 0) {
      const last = volume.freed + <usize>((kept - 1) * FREED_SIZE);
      const joined = load<u64>(last, 8) + <u64>length;
      if (load<u64>(last) + load<u64>(last, 8) === page && joined <= <u64>most) {
        store<u64>(last, joined, 8);
        continue;
      }
    }
    const entry = volume.freed + <usize>(kept * FREED_SIZE);
    store<u64>(entry, page);
    store<u64>(entry, <u64>length, 8);
    kept += 1;
  }
  volume.freedCount = kept;
}

/** Heap sort of 16-byte entries by their first u64. */
export function sortEntries(base: usize, count: u32): void {
  if (count < 2) return;
  for (let root: i32 = <i32>(count >>> 1) - 1; root >= 0; root--) siftDown(base, <u32>root, count);
  for (let end = count - 1; end > 0; end--) {
    swap(base, base + <usize>(end * FREED_SIZE));
    siftDown(base, 0, end);
  }
}

function siftDown(base: usize, from: u32, count: u32): void {
  let root = from;
  while (root * 2 + 1 < count) {
    let child = root * 2 + 1;
    if (child + 1 < count && keyAt(base, child) < keyAt(base, child + 1)) child++;
    if (keyAt(base, root) >= keyAt(base, child)) return;
    swap(base + <usize>(root * FREED_SIZE), base + <usize>(child * FREED_SIZE));
    root = child;
  }
}

function keyAt(base: usize, index: u32): u64 {
  return load<u64>(base + <usize>(index * FREED_SIZE));
}

function swap(a: usize, b: usize): void {
  if (ASC_FEATURE_SIMD) {
    const held = v128.load(a);
    v128.store(a, v128.load(b));
    v128.store(b, held);
    return;
  }
  for (let at: usize = 0; at < 16; at += 8) {
    const held = load<u64>(a + at);
    store<u64>(a + at, load<u64>(b + at));
    store<u64>(b + at, held);
  }
}
