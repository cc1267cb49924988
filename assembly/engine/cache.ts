/**
 * Page frames in memory: found by number, the longest unused clean one given up first.
 *
 * Interface: a frame is clean (in the cache's own list) or dirty (in a list of its owner, who must
 * make it clean or drop it). Dirty frames are never given up, so a batch may grow past the limit.
 * The last CLEAN_MIN frames touched stay, so a path just walked may be used without pinning it.
 */
import { allocate, allocateZeroed, release } from "./memory";

export const FRAME_BYTES: u32 = 4096;
const CLEAN_MIN: u32 = 48;
const BUCKETS_FIRST: u32 = 64;

@unmanaged
export class Frame {
  key: u64;
  /** FRAME_BYTES of content. */
  address: usize;
  hashNext: Frame | null;
  newer: Frame | null;
  older: Frame | null;
  dirty: bool;
  /** For the owner of a dirty frame: where it will go. */
  page: u64;
  second: u64;
}

@unmanaged
export class FrameList {
  newest: Frame | null;
  oldest: Frame | null;
  count: u32;
}

@unmanaged
export class Cache {
  buckets: usize;
  bucketMask: u32;
  /** Frames in the table, clean and dirty. */
  count: u32;
  /** Frames to keep at most while nothing is dirty. */
  limit: u32;
  clean: FrameList;
  /** Frames that hold nothing, linked by hashNext. */
  spare: Frame | null;
  spareCount: u32;
  /** For owners who number dirty frames. */
  serial: u64;
}

/** A cache that keeps `limit` frames; null without memory. */
export function cacheOpen(limit: u32): Cache | null {
  const address = allocateZeroed(offsetof<Cache>());
  const buckets = allocateZeroed(<usize>BUCKETS_FIRST * sizeof<usize>());
  const list = listOpen();
  if (address === 0 || buckets === 0 || list === null) {
    release(address, offsetof<Cache>());
    release(buckets, <usize>BUCKETS_FIRST * sizeof<usize>());
    if (list !== null) listClose(list);
    return null;
  }
  const cache = changetype<Cache>(address);
  cache.buckets = buckets;
  cache.bucketMask = BUCKETS_FIRST - 1;
  cache.limit = max<u32>(limit, CLEAN_MIN * 2);
  cache.clean = list;
  return cache;
}

/** Gives everything back. Dirty frames must have been dropped. */
export function cacheClose(cache: Cache): void {
  let clean = cache.clean.oldest;
  while (clean !== null) {
    cacheDrop(cache, cache.clean, clean);
    clean = cache.clean.oldest;
  }
  let spare = cache.spare;
  while (spare !== null) {
    const following = spare.hashNext;
    frameRelease(spare);
    spare = following;
  }
  listClose(cache.clean);
  release(cache.buckets, <usize>(cache.bucketMask + 1) * sizeof<usize>());
  release(changetype<usize>(cache), offsetof<Cache>());
}

export function listOpen(): FrameList | null {
  return changetype<FrameList | null>(allocateZeroed(offsetof<FrameList>()));
}

export function listClose(list: FrameList): void {
  release(changetype<usize>(list), offsetof<FrameList>());
}

/** The frame of `key`, now the newest, or null. */
export function cacheFind(cache: Cache, key: u64): Frame | null {
  let frame = load<Frame | null>(bucketOf(cache, key));
  while (frame !== null && frame.key !== key) frame = frame.hashNext;
  if (frame !== null && !frame.dirty && cache.clean.newest !== frame) {
    listRemove(cache.clean, frame);
    listAdd(cache.clean, frame);
  }
  return frame;
}

/** A clean frame for `key`, which must not be in the table; content undefined. Null: no memory. */
export function cacheAdd(cache: Cache, key: u64): Frame | null {
  const frame = frameTake(cache);
  if (frame === null) return null;
  frame.dirty = false;
  hashInsert(cache, frame, key);
  listAdd(cache.clean, frame);
  return frame;
}

/** Removes `frame` from the table and from `list`, and keeps or releases its memory. */
export function cacheDrop(cache: Cache, list: FrameList, frame: Frame): void {
  hashRemove(cache, frame);
  listRemove(list, frame);
  if (cache.count + cache.spareCount >= cache.limit) {
    frameRelease(frame);
    return;
  }
  frame.hashNext = cache.spare;
  cache.spare = frame;
  cache.spareCount += 1;
}

/** Makes sure that the next `count` calls of cacheAdd succeed; false without memory. */
export function cacheEnsure(cache: Cache, count: u32): bool {
  while (cache.spareCount < count) {
    let frame: Frame | null = null;
    if (cache.count + cache.spareCount >= cache.limit) frame = evictOldest(cache);
    if (frame === null) frame = frameNew();
    if (frame === null) frame = evictOldest(cache);
    if (frame === null) return false;
    frame.hashNext = cache.spare;
    cache.spare = frame;
    cache.spareCount += 1;
  }
  return true;
}

/** A clean frame becomes dirty under a new key and moves to `list`. */
export function frameDirty(cache: Cache, frame: Frame, key: u64, list: FrameList): void {
  hashRemove(cache, frame);
  listRemove(cache.clean, frame);
  frame.dirty = true;
  frame.page = 0;
  frame.second = 0;
  hashInsert(cache, frame, key);
  listAdd(list, frame);
}

/** A dirty frame of `list` becomes clean under `key`; a frame that had that key is forgotten. */
export function frameClean(cache: Cache, frame: Frame, key: u64, list: FrameList): void {
  hashRemove(cache, frame);
  listRemove(list, frame);
  const old = cacheFind(cache, key);
  if (old !== null) cacheDrop(cache, cache.clean, old);
  frame.dirty = false;
  hashInsert(cache, frame, key);
  listAdd(cache.clean, frame);
}

/** Forgets the clean frame of `key`, if there is one: its page gets other content. */
export function cacheForget(cache: Cache, key: u64): void {
  const frame = cacheFind(cache, key);
  if (frame !== null && !frame.dirty) cacheDrop(cache, cache.clean, frame);
}

/** Goes back to the limit after a large batch. */
export function cacheTrim(cache: Cache): void {
  while (cache.count + cache.spareCount > cache.limit) {
    const spare = cache.spare;
    if (spare !== null) {
      cache.spare = spare.hashNext;
      cache.spareCount -= 1;
      frameRelease(spare);
      continue;
    }
    const frame = evictOldest(cache);
    if (frame === null) return;
    frameRelease(frame);
  }
}

function frameTake(cache: Cache): Frame | null {
  const spare = cache.spare;
  if (spare !== null) {
    cache.spare = spare.hashNext;
    cache.spareCount -= 1;
    return spare;
  }
  let frame: Frame | null = null;
  if (cache.count >= cache.limit) frame = evictOldest(cache);
  if (frame === null) frame = frameNew();
  return frame === null ? evictOldest(cache) : frame;
}

/** Takes the oldest clean frame out of the table, unless too few would be left. */
function evictOldest(cache: Cache): Frame | null {
  const frame = cache.clean.oldest;
  if (frame === null || cache.clean.count <= CLEAN_MIN) return null;
  hashRemove(cache, frame);
  listRemove(cache.clean, frame);
  return frame;
}

function frameNew(): Frame | null {
  const address = allocate(offsetof<Frame>());
  const content = allocate(FRAME_BYTES);
  if (address === 0 || content === 0) {
    release(address, offsetof<Frame>());
    release(content, FRAME_BYTES);
    return null;
  }
  const frame = changetype<Frame>(address);
  frame.address = content;
  return frame;
}

function frameRelease(frame: Frame): void {
  release(frame.address, FRAME_BYTES);
  release(changetype<usize>(frame), offsetof<Frame>());
}

function bucketOf(cache: Cache, key: u64): usize {
  const hash = ((<u32>key ^ <u32>(key >>> 32)) * 0x9e3779b1) >>> 8;
  return cache.buckets + <usize>(hash & cache.bucketMask) * sizeof<usize>();
}

function hashInsert(cache: Cache, frame: Frame, key: u64): void {
  if (cache.count > cache.bucketMask) hashGrow(cache);
  const bucket = bucketOf(cache, key);
  frame.key = key;
  frame.hashNext = load<Frame | null>(bucket);
  store<Frame>(bucket, frame);
  cache.count += 1;
}

function hashRemove(cache: Cache, frame: Frame): void {
  const bucket = bucketOf(cache, frame.key);
  let link = bucket;
  let at = load<Frame | null>(bucket);
  cache.count -= 1;
  while (at !== null && at !== frame) {
    link = changetype<usize>(at) + offsetof<Frame>("hashNext");
    at = at.hashNext;
  }
  assert(at !== null);
  store<Frame | null>(link, frame.hashNext);
}

/** Doubles the table; without memory the chains just get longer. */
function hashGrow(cache: Cache): void {
  const oldCount = cache.bucketMask + 1;
  const oldBuckets = cache.buckets;
  const fresh = allocateZeroed(<usize>oldCount * 2 * sizeof<usize>());
  if (fresh === 0) return;
  cache.buckets = fresh;
  cache.bucketMask = oldCount * 2 - 1;
  for (let index: u32 = 0; index < oldCount; index++) {
    let frame = load<Frame | null>(oldBuckets + <usize>index * sizeof<usize>());
    while (frame !== null) {
      const following = frame.hashNext;
      const bucket = bucketOf(cache, frame.key);
      frame.hashNext = load<Frame | null>(bucket);
      store<Frame>(bucket, frame);
      frame = following;
    }
  }
  release(oldBuckets, <usize>oldCount * sizeof<usize>());
}

function listAdd(list: FrameList, frame: Frame): void {
  const newest = list.newest;
  frame.newer = null;
  frame.older = newest;
  if (newest === null) list.oldest = frame;
  else newest.newer = frame;
  list.newest = frame;
  list.count += 1;
}

function listRemove(list: FrameList, frame: Frame): void {
  const newer = frame.newer;
  const older = frame.older;
  if (newer === null) list.newest = older;
  else newer.older = older;
  if (older === null) list.oldest = newer;
  else older.newer = newer;
  list.count -= 1;
}
