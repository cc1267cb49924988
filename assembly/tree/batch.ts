/**
 * The pages of a batch: places for everything dirty (C2), checksums from the leaves up, one
 * ascending run of writes (C3).
 *
 * The space tree comes last: giving out pages changes bitmaps, bitmaps change entries, entries make
 * leaves dirty, and dirty leaves want pages. batchPlace() goes round until nothing is left; every
 * round needs far fewer pages than the one before, because all come from the open meta chunk.
 */
import { cacheFind, Frame, frameClean } from "../engine/cache";
import { deviceQueueWrite, deviceSubmit } from "../engine/device";
import { failPlain } from "../engine/fault";
import { allocate, release } from "../engine/memory";
import { requestsBegin } from "../engine/requests";
import { ErrorCode } from "../format/errors";
import { ChunkOwner, HEADER_SELF, HEADER_TREE, TreeId } from "../format/page";
import {
  OPEN_NONE,
  PAGE_SIZE,
  SECTORS_PER_PAGE,
  SUPERBLOCK_FREE_PAGES,
  SUPERBLOCK_OPEN_DATA,
  SUPERBLOCK_OPEN_META,
} from "../format/region";
import {
  batchEpoch,
  bitmapFinish,
  bitmapLoad,
  bitmapPage,
  bitmapTake,
  bitmapTakePage,
  bitmapTouch,
  reserveChunks,
  SUMMARY_META,
  spaceBounded,
  spaceError,
  summaryFind,
  summaryRoom,
  usablePages,
} from "./bitmap";
import { pageHasSecond } from "./btree";
import { limboAddPage, limboBuild, limboDrain, limboNeeded, limboPageAt } from "./limbo";
import { FREED_SIZE, freedSort, sortEntries } from "./pages/freed";
import { nodeCount, nodeIsInternal, nodeValue } from "./pages/node";
import { pageSeal, pointerPage, pointerPlace } from "./pages/page";
import { Bitmap, rootPointer, VIRTUAL_PAGE, Volume, VolumeKind } from "./pages/volume";

/** Longest extent of a limbo list. */
const EXTENT_MAX: u32 = 0xffff;

/** The writes of the batch: { page u64, address u64 } each. */
let writes: usize = 0;
let writesCapacity: u32 = 0;
let writeCount: u32 = 0;
let limboPages: usize = 0;
let limboPagesSize: u32 = 0;

/** Gives everything in the batch its place: bitmaps and space tree end up consistent. */
export function batchPlace(volume: Volume): ErrorCode {
  let code = limboDrain(volume);
  if (code !== ErrorCode.OK) return code;
  for (;;) {
    let settled = true;
    let bitmap = volume.space.bitmaps;
    while (bitmap !== null) {
      if (bitmap.dirty && !bitmap.touched) {
        code = bitmapTouch(volume, bitmap);
        if (code !== ErrorCode.OK) return code;
        settled = false;
      }
      bitmap = bitmap.next;
    }
    let frame = volume.dirty.oldest;
    while (frame !== null) {
      if (frame.page === 0) {
        code = placeFrame(volume, frame);
        if (code !== ErrorCode.OK) return code;
        settled = false;
      }
      frame = frame.newer;
    }
    freedSort(volume, EXTENT_MAX);
    while (volume.space.limboCount < limboNeeded(volume)) {
      const page = takeMeta(volume);
      if (page === 0) return spaceError;
      if (!limboAddPage(volume, page)) return failPlain(ErrorCode.ENOMEM);
      settled = false;
    }
    if (settled) break;
  }
  return ErrorCode.OK;
}

function placeFrame(volume: Volume, frame: Frame): ErrorCode {
  const tree = <TreeId>(<u32>load<u64>(frame.address, HEADER_TREE));
  const page = takeMeta(volume);
  if (page === 0) return spaceError;
  frame.page = page;
  if (!pageHasSecond(volume, tree, frame)) return ErrorCode.OK;
  frame.second = takeSecond(volume);
  return frame.second === 0 ? spaceError : ErrorCode.OK;
}

/** A free page of the open meta chunk, or of the next one; 0: see spaceError. */
function takeMeta(volume: Volume): u64 {
  const space = volume.space;
  let bitmap: Bitmap | null = null;
  if (summaryRoom(space, SUMMARY_META, space.openMeta) > 0)
    bitmap = bitmapLoad(volume, space.openMeta);
  else bitmap = nextMeta(volume);
  if (bitmap === null) return 0;
  if (space.openMeta !== bitmap.chunk) {
    space.openMeta = bitmap.chunk;
    space.openSecond = OPEN_NONE;
    if (!spaceBounded(volume)) return 0;
  }
  return bitmapTakePage(volume, bitmap);
}

/** A page for a second copy: in another meta chunk if the format has one with room. */
function takeSecond(volume: Volume): u64 {
  const space = volume.space;
  if (
    space.openSecond === space.openMeta ||
    summaryRoom(space, SUMMARY_META, space.openSecond) === 0
  ) {
    const other = summaryFind(space, SUMMARY_META, space.openMeta, 1);
    if (other === OPEN_NONE) return takeMeta(volume);
    space.openSecond = other;
  }
  const bitmap = bitmapLoad(volume, space.openSecond);
  return bitmap === null ? 0 : bitmapTakePage(volume, bitmap);
}

/**
 * Opens the next meta chunk: one with a quarter free, a new one, one with any room, the reserve.
 */
function nextMeta(volume: Volume): Bitmap | null {
  const space = volume.space;
  const quarter = summaryFind(space, SUMMARY_META, space.openMeta, usablePages(volume) >>> 2);
  if (quarter !== OPEN_NONE) return bitmapLoad(volume, quarter);
  const spare = <i32>reserveChunks(volume) + 2;
  if (space.freeChunks <= spare) {
    const any = summaryFind(space, SUMMARY_META, space.openMeta, 1);
    if (any !== OPEN_NONE) return bitmapLoad(volume, any);
  }
  return bitmapTake(volume, ChunkOwner.META);
}

/** Seals bitmaps, limbo list and trees, and lists every write. */
export function batchSeal(volume: Volume): ErrorCode {
  const space = volume.space;
  const total = volume.dirty.count + space.bitmapCount + space.limboCount;
  if (!writesEnsure(total, space.limboCount)) return failPlain(ErrorCode.ENOMEM);
  writeCount = 0;
  const dirtyBefore = volume.dirty.count;
  let bitmap = space.bitmaps;
  while (bitmap !== null) {
    if (bitmap.dirty) {
      const code = bitmapFinish(volume, bitmap);
      if (code !== ErrorCode.OK) return code;
      writeAdd(bitmapPage(volume, bitmap), bitmap.page);
    }
    bitmap = bitmap.next;
  }
  assert(volume.dirty.count === dirtyBefore);
  limboBuild(volume, limboPages);
  for (let at: u32 = 0; at < space.limboCount; at++) {
    writeAdd(limboPageAt(volume, at), limboPages + <usize>(at * PAGE_SIZE));
  }
  const base: u32 = volume.kind === VolumeKind.ST ? 0 : 16;
  for (let tree: u32 = 1; tree <= 4; tree++) sealTree(volume, rootPointer(volume, base + tree));
  store<u64>(volume.next, <u64>(space.freeMeta + space.freeData), SUPERBLOCK_FREE_PAGES);
  store<u32>(volume.next, space.openMeta, SUPERBLOCK_OPEN_META);
  if (volume.kind === VolumeKind.WF) {
    store<u32>(volume.next, space.openData, SUPERBLOCK_OPEN_DATA);
  }
  return ErrorCode.OK;
}

/** Seals the dirty pages below `pointer`, children first, and completes the pointer. */
function sealTree(volume: Volume, pointer: usize): void {
  const key = pointerPage(pointer);
  if ((key & VIRTUAL_PAGE) === 0) return;
  const found = cacheFind(volume.region.cache, key);
  assert(found !== null);
  const frame = changetype<Frame>(found);
  const page = frame.address;
  if (nodeIsInternal(page)) {
    const count = nodeCount(page);
    for (let index: u32 = 0; index < count; index++) sealTree(volume, nodeValue(page, index));
  }
  const epoch = batchEpoch(volume);
  const checksum = pageSeal(volume.region, page, frame.page, epoch);
  pointerPlace(pointer, frame.page, frame.second, epoch, checksum);
  writeAdd(frame.page, page);
}

function writesEnsure(total: u32, limbo: u32): bool {
  batchRelease();
  writes = allocate(<usize>total * FREED_SIZE);
  limboPages = allocate(<usize>limbo * PAGE_SIZE);
  writesCapacity = writes === 0 ? 0 : total;
  limboPagesSize = limboPages === 0 ? 0 : limbo;
  return writes !== 0 && limboPages !== 0;
}

/** Gives back what batchSeal() took. */
export function batchRelease(): void {
  release(writes, <usize>writesCapacity * FREED_SIZE);
  release(limboPages, <usize>limboPagesSize * PAGE_SIZE);
  writes = 0;
  limboPages = 0;
}

function writeAdd(page: u64, address: usize): void {
  assert(writeCount < writesCapacity);
  const entry = writes + <usize>(writeCount * FREED_SIZE);
  store<u64>(entry, page);
  store<u64>(entry, <u64>address, 8);
  writeCount += 1;
}

/** C3: all pages in ascending order, then the second copies. */
export function batchWrite(volume: Volume): ErrorCode {
  sortEntries(writes, writeCount);
  const code = writeAll(volume);
  if (code !== ErrorCode.OK) return code;
  // A second copy is the same page with another `self`, which no checksum covers.
  writeCount = 0;
  let frame = volume.dirty.oldest;
  while (frame !== null) {
    if (frame.second !== 0) {
      store<u64>(frame.address, frame.second, HEADER_SELF);
      writeAdd(frame.second, frame.address);
    }
    frame = frame.newer;
  }
  sortEntries(writes, writeCount);
  return writeAll(volume);
}

function writeAll(volume: Volume): ErrorCode {
  const device = volume.region.device;
  requestsBegin();
  for (let at: u32 = 0; at < writeCount; at++) {
    const entry = writes + <usize>(at * FREED_SIZE);
    const sector = load<u64>(entry) * SECTORS_PER_PAGE;
    const code = deviceQueueWrite(device, sector, <usize>load<u64>(entry, 8), PAGE_SIZE);
    if (code !== ErrorCode.OK) return code;
  }
  return deviceSubmit(device);
}

/** After the commit point: the pages are clean at their places, the batch's lists are empty. */
export function batchDone(volume: Volume): void {
  const cache = volume.region.cache;
  let frame = volume.dirty.oldest;
  while (frame !== null) {
    store<u64>(frame.address, frame.page, HEADER_SELF);
    frameClean(cache, frame, frame.page, volume.dirty);
    frame = volume.dirty.oldest;
  }
  let bitmap = volume.space.bitmaps;
  while (bitmap !== null) {
    bitmap.dirty = false;
    bitmap.touched = false;
    bitmap = bitmap.next;
  }
}
