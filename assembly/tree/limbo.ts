/**
 * Limbo: pages freed by epoch k may be used again by batch k + 2 at the earliest (1.7).
 *
 * A batch takes the list of N - 1 back into the bitmaps (drain) and writes its own. Pages for the
 * list come from the open meta chunk like any other; they are freed when their list is drained.
 */
import { loadU48, storeU48 } from "../engine/bytes";
import { deviceFail, deviceRead } from "../engine/device";
import { failPlain } from "../engine/fault";
import { allocate } from "../engine/memory";
import { planted } from "../engine/planted";
import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  HEADER_CHECKSUM,
  LIMBO_COUNT,
  LIMBO_EXTENTS,
  LIMBO_EXTENTS_MAX,
  LIMBO_NEXT,
  LIMBO_RESERVED,
  LIMBO_RESERVED2,
  PageKind,
  POINTER_CHECKSUM,
  POINTER_SIZE,
} from "../format/page";
import {
  PAGE_SIZE,
  SECTORS_PER_PAGE,
  SUPERBLOCK_LIMBO_CURRENT,
  SUPERBLOCK_LIMBO_PREVIOUS,
} from "../format/region";
import { batchEpoch } from "./bitmap";
import { freedAdd, freedEnsure, freedLength, freedPage, regrow } from "./pages/freed";
import {
  pageSeal,
  pageStart,
  pageVerify,
  pointerBirth,
  pointerPage,
  pointerPlace,
} from "./pages/page";
import { chunkOfPage, pagesInside, runInside, spaceTree, Volume } from "./pages/volume";
import { bitmapFree, spaceRetire } from "./space";

/** The limbo page being read. */
const list: usize = allocate(4096);
/** What limboNext() found. */
export let limboPage: u64 = 0;
export let limboLength: u32 = 0;

/** A walk over a list: the page it reads is shared, so one walk at a time. */
let nextPage: u64 = 0;
let birth: u64 = 0;
let expected: u64 = 0;
let index: u32 = 0;
let count: u32 = 0;
let lastEnd: u64 = 0;
/** Called with the number of each page of the list that was read. */
let ownPage: u64 = 0;

/** Starts at the list of `pointer` in a superblock. */
export function limboOpen(pointer: usize): void {
  nextPage = pointerPage(pointer);
  birth = pointerBirth(pointer);
  expected = load<u64>(pointer, POINTER_CHECKSUM);
  index = 0;
  count = 0;
  lastEnd = 0;
}

/**
 * The next extent in limboPage and limboLength; ENOENT at the end. `limboListPage()` is the page
 * that was read for it, when `limboIsFirst()`.
 */
export function limboNext(volume: Volume): ErrorCode {
  if (index === count) {
    if (nextPage === 0) return ErrorCode.ENOENT;
    const code = readList(volume);
    if (code !== ErrorCode.OK) return code;
  }
  const extent = list + LIMBO_EXTENTS + <usize>(index << 3);
  limboPage = loadU48(extent);
  limboLength = load<u16>(extent, 6);
  index += 1;
  const region = volume.region;
  if (limboLength === 0 || limboPage < lastEnd || !runInside(region, limboPage, limboLength)) {
    return listFail(volume, Reason.FIELD);
  }
  lastEnd = limboPage + <u64>limboLength;
  return ErrorCode.OK;
}

export function limboIsFirst(): bool {
  return index === 1;
}

export function limboListPage(): u64 {
  return ownPage;
}

function readList(volume: Volume): ErrorCode {
  const region = volume.region;
  ownPage = nextPage;
  if (!pagesInside(region, ownPage, 1)) return listFail(volume, Reason.POINTER);
  const code = deviceRead(region.device, ownPage * SECTORS_PER_PAGE, list, PAGE_SIZE);
  if (code !== ErrorCode.OK) return code;
  // Only the first page's checksum is in the pointer; the others must be of the same epoch.
  const checksum = expected === 0 ? load<u64>(list, HEADER_CHECKSUM) : expected;
  const tree = spaceTree(volume);
  const reason = pageVerify(region, list, ownPage, PageKind.LIMBO, 0, birth, tree, checksum);
  if (reason !== Reason.NONE) return listFail(volume, reason);
  expected = 0;
  index = 0;
  count = load<u32>(list, LIMBO_COUNT);
  nextPage = loadU48(list + LIMBO_NEXT);
  const padding = <u32>load<u16>(list, LIMBO_RESERVED) | load<u32>(list, LIMBO_RESERVED2);
  const header = <u32>load<u16>(list, 6) | load<u32>(list, 40) | <u32>load<u16>(list, 44);
  if (count === 0 || count > LIMBO_EXTENTS_MAX) return listFail(volume, Reason.FIELD);
  return (padding | header) === 0 ? ErrorCode.OK : listFail(volume, Reason.PADDING);
}

function listFail(volume: Volume, reason: Reason): ErrorCode {
  const device = volume.region.device;
  return deviceFail(device, ErrorCode.EBADMSG, reason, ownPage * SECTORS_PER_PAGE, 0);
}

/** How many chunks the batch will drain, at most: for the reserve. */
export function limboCountChunks(volume: Volume): ErrorCode {
  let chunks: u32 = 0;
  let last: u32 = u32.MAX_VALUE;
  volume.space.drainChunks = 0;
  if (volume.space.listsLost) return ErrorCode.OK;
  limboOpen(volume.current + SUPERBLOCK_LIMBO_PREVIOUS);
  let code = limboNext(volume);
  for (; code === ErrorCode.OK; code = limboNext(volume)) {
    const chunk = chunkOfPage(volume.region, limboPage);
    if (chunk !== last) chunks += 1;
    last = chunk;
  }
  volume.space.drainChunks = chunks;
  return code === ErrorCode.ENOENT ? ErrorCode.OK : code;
}

/** Reads both lists to their ends: OK, or what is wrong with them. */
export function limboVerify(volume: Volume): ErrorCode {
  limboOpen(volume.current + SUPERBLOCK_LIMBO_PREVIOUS);
  let code = limboNext(volume);
  while (code === ErrorCode.OK) code = limboNext(volume);
  if (code !== ErrorCode.ENOENT) return code;
  limboOpen(volume.current + SUPERBLOCK_LIMBO_CURRENT);
  code = limboNext(volume);
  while (code === ErrorCode.OK) code = limboNext(volume);
  return code === ErrorCode.ENOENT ? ErrorCode.OK : code;
}

/** C2: the pages freed by N - 1 become free, and the pages of that list are freed in turn. */
export function limboDrain(volume: Volume): ErrorCode {
  if (volume.space.drained) return ErrorCode.OK;
  let code = ErrorCode.OK;
  if (!volume.space.listsLost) code = drainList(volume, volume.current + SUPERBLOCK_LIMBO_PREVIOUS);
  // Planted 1: pages are reused after one commit, under the feet of the older slot.
  if (planted(1) && code === ErrorCode.OK) {
    code = drainList(volume, volume.current + SUPERBLOCK_LIMBO_CURRENT);
    memory.fill(volume.next + SUPERBLOCK_LIMBO_CURRENT, 0, POINTER_SIZE);
  }
  if (code === ErrorCode.OK) code = spaceRetire(volume);
  if (code === ErrorCode.OK) volume.space.drained = true;
  return code;
}

function drainList(volume: Volume, pointer: usize): ErrorCode {
  limboOpen(pointer);
  let code = limboNext(volume);
  for (; code === ErrorCode.OK; code = limboNext(volume)) {
    if (limboIsFirst()) {
      if (!freedEnsure(volume, 1)) return failPlain(ErrorCode.ENOMEM);
      freedAdd(volume, ownPage, 1);
    }
    // Planted 10: the last page of an extent stays marked for ever.
    const length = planted(10) && limboLength > 1 ? limboLength - 1 : limboLength;
    code = bitmapFree(volume, limboPage, length, ownPage);
    if (code !== ErrorCode.OK) return code;
  }
  return code === ErrorCode.ENOENT ? ErrorCode.OK : code;
}

/** Limbo pages that the sorted list of freed extents needs. */
export function limboNeeded(volume: Volume): u32 {
  return (volume.freedCount + LIMBO_EXTENTS_MAX - 1) / LIMBO_EXTENTS_MAX;
}

/** Notes a page taken for the batch's own list; false without memory. */
export function limboAddPage(volume: Volume, page: u64): bool {
  const space = volume.space;
  if (space.limboCount === space.limboCapacity) {
    const capacity = max<u32>(space.limboCapacity << 1, 8);
    const fresh = regrow(space.limboPages, space.limboCapacity << 3, capacity << 3);
    if (fresh === 0) return false;
    space.limboPages = fresh;
    space.limboCapacity = capacity;
  }
  store<u64>(space.limboPages + ((<usize>space.limboCount) << 3), page);
  space.limboCount += 1;
  return true;
}

export function limboPageAt(volume: Volume, at: u32): u64 {
  return load<u64>(volume.space.limboPages + ((<usize>at) << 3));
}

/** Builds the batch's list at `out`, one page each, and points the next superblock at it. */
export function limboBuild(volume: Volume, out: usize): void {
  const space = volume.space;
  const pages = space.limboCount;
  const epoch = batchEpoch(volume);
  const pointer = volume.next + SUPERBLOCK_LIMBO_CURRENT;
  // Planted 1 has emptied the current list already.
  if (space.listsLost) memory.fill(pointer, 0, POINTER_SIZE);
  memory.copy(volume.next + SUPERBLOCK_LIMBO_PREVIOUS, pointer, POINTER_SIZE);
  memory.fill(pointer, 0, POINTER_SIZE);
  let from: u32 = 0;
  for (let at: u32 = 0; at < pages; at++) {
    const page = out + <usize>(at * PAGE_SIZE);
    // Spread evenly, so that a page taken in vain is never empty.
    const to = ((at + 1) * volume.freedCount) / pages;
    pageStart(volume.region, page, PageKind.LIMBO, spaceTree(volume));
    for (let entry = from; entry < to; entry++) {
      const extent = page + LIMBO_EXTENTS + <usize>((entry - from) << 3);
      storeU48(extent, freedPage(volume, entry));
      store<u16>(extent, <u16>freedLength(volume, entry), 6);
    }
    store<u32>(page, to - from, LIMBO_COUNT);
    if (at + 1 < pages) storeU48(page + LIMBO_NEXT, limboPageAt(volume, at + 1));
    from = to;
    const checksum = pageSeal(volume.region, page, limboPageAt(volume, at), epoch);
    if (at > 0) continue;
    pointerPlace(pointer, limboPageAt(volume, 0), 0, epoch, checksum);
  }
}
