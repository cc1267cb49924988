/**
 * Who owns which chunk, and the bitmaps of meta and data chunks with their three homes.
 *
 * The space tree holds an entry per chunk; a summary of two bytes per chunk, built when the first
 * batch opens, finds room without reading it. A bitmap that changes stays in memory until
 * spaceFlush() writes it to its next home (1.4: home + 1 mod 3, always) and its entry follows.
 */
import { isZero, loadBigU32, storeBigU32 } from "../engine/bytes";
import { deviceFail, deviceRead, deviceWrite } from "../engine/device";
import { failPlain } from "../engine/fault";
import { allocate, allocateZeroed, release } from "../engine/memory";
import { planted } from "../engine/planted";
import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  BITMAP_HOMES,
  CHUNK_CHANGED_EPOCH,
  CHUNK_CHECKSUM,
  CHUNK_FLAGS,
  CHUNK_FREE_PAGES,
  CHUNK_HOME,
  CHUNK_OWNER,
  CHUNK_SIZE,
  ChunkOwner,
  PageKind,
  SPACE_KEY_CHUNK,
} from "../format/page";
import {
  OPEN_NONE,
  PAGE_SIZE,
  SECTORS_PER_PAGE,
  SUPERBLOCK_OPEN_DATA,
  SUPERBLOCK_OPEN_META,
} from "../format/region";
import { foundLength, foundValue, treeDelete, treeGet, treePut } from "./btree";
import { Cursor, cursorClose, cursorNext, cursorOpen } from "./cursor";
import { bitGet, bitSet, bitsCountFree, bitsFindFree, bitsValid } from "./pages/bits";
import { pageSeal, pageStart, pageVerify } from "./pages/page";
import {
  Bitmap,
  chunkFirstPage,
  chunkPages,
  SpaceState,
  spaceTree,
  Volume,
  VolumeKind,
} from "./pages/volume";

/** Summary of a chunk: META and DATA with their free pages, or one of the words. */
export const SUMMARY_META: u32 = 0x0000;
export const SUMMARY_DATA: u32 = 0x4000;
export const SUMMARY_COUNT: u32 = 0x3fff;
/** Has nothing of anyone's and may be taken: free (ST), empty (WF), dead and expired. */
export const SUMMARY_FREE: u32 = 0x8000;
/** Dead since an epoch of this parity: 0x8002 even, 0x8003 odd. */
export const SUMMARY_DEAD: u32 = 0x8002;
export const SUMMARY_OTHER: u32 = 0x8004;

/** Bitmaps that may wait in memory before the oldest are written. */
const BITMAPS_MAX: u32 = 64;
const entry: usize = memory.data(32, 8);
const chunkKey: usize = memory.data(8, 8);

/** Pages of a chunk that can be given out: all but the homes. */
export function usablePages(volume: Volume): u32 {
  return chunkPages(volume.region) - BITMAP_HOMES;
}

/** Chunks that only delete, commit, compaction and reclaim may use (1.7 c). */
export function reserveChunks(volume: Volume): u32 {
  const usable = usablePages(volume);
  const chunks = volume.region.chunks;
  return max<u32>(max<u32>((64 + usable - 1) / usable, (chunks + 511) / 512), 1);
}

export function summaryGet(space: SpaceState, chunk: u32): u32 {
  return load<u16>(space.summary + ((<usize>chunk) << 1));
}

/** Free pages of `chunk` if it is one of `kind`, SUMMARY_META or SUMMARY_DATA; else 0. */
export function summaryRoom(space: SpaceState, kind: u32, chunk: u32): u32 {
  if (chunk >= space.summaryChunks) return 0;
  const word = summaryGet(space, chunk);
  return word >= kind && word < kind + SUMMARY_DATA ? word - kind : 0;
}

/** The next chunk of `kind` behind `last`, in turn, with `least` free pages; else OPEN_NONE. */
export function summaryFind(space: SpaceState, kind: u32, last: u32, least: u32): u32 {
  const free = kind === SUMMARY_META ? space.freeMeta : space.freeData;
  if (free < <i32>least) return OPEN_NONE;
  const start = last < space.summaryChunks ? last + 1 : 0;
  for (let step: u32 = 0; step < space.summaryChunks; step++) {
    const chunk = (start + step) % space.summaryChunks;
    if (chunk !== last && summaryRoom(space, kind, chunk) >= least) return chunk;
  }
  return OPEN_NONE;
}

/** Changes a chunk's summary, and the counts that follow from it. */
export function summarySet(volume: Volume, chunk: u32, word: u32): void {
  const space = volume.space;
  countSummary(volume, summaryGet(space, chunk), -1);
  countSummary(volume, word, 1);
  store<u16>(space.summary + ((<usize>chunk) << 1), <u16>word);
}

function countSummary(volume: Volume, word: u32, sign: i32): void {
  const space = volume.space;
  if (word < SUMMARY_DATA) space.freeMeta += sign * <i32>word;
  else if (word < SUMMARY_FREE) space.freeData += sign * <i32>(word & SUMMARY_COUNT);
  else if (word === SUMMARY_FREE) space.freeChunks += sign;
  else if (word === SUMMARY_DEAD) space.deadEven += sign;
  else if (word === SUMMARY_DEAD + 1) space.deadOdd += sign;
}

/** Reads the space tree into the summary, unless that is done. EBADMSG for an impossible entry. */
export function spaceLoad(volume: Volume): ErrorCode {
  const space = volume.space;
  if (space.summary !== 0) return ErrorCode.OK;
  const chunks = volume.region.chunks;
  const summary = allocate((<usize>chunks) << 1);
  if (summary === 0) return failPlain(ErrorCode.ENOMEM);
  const cursor = cursorOpen(volume, spaceTree(volume));
  if (cursor === null) {
    release(summary, (<usize>chunks) << 1);
    return failPlain(ErrorCode.ENOMEM);
  }
  // What the tree does not name is free (ST), or not ours (WF).
  const word = volume.kind === VolumeKind.ST ? SUMMARY_FREE : SUMMARY_OTHER;
  for (let chunk: u32 = 0; chunk < chunks; chunk++) {
    store<u16>(summary + ((<usize>chunk) << 1), <u16>word);
  }
  space.summary = summary;
  space.summaryChunks = chunks;
  space.freeMeta = 0;
  space.freeData = 0;
  space.deadEven = 0;
  space.deadOdd = 0;
  space.freeChunks = volume.kind === VolumeKind.ST ? <i32>chunks : 0;
  let code = cursorNext(cursor);
  for (; code === ErrorCode.OK; code = cursorNext(cursor)) {
    if (load<u8>(cursor.key) !== <u8>SPACE_KEY_CHUNK) break;
    const chunk = cursorChunk(cursor);
    if (!entryStands(cursor, chunk)) {
      code = ownershipFail(volume, chunk);
      break;
    }
    summarySet(volume, chunk, summaryOf(volume, cursor.value));
  }
  cursorClose(cursor);
  if (code === ErrorCode.OK || code === ErrorCode.ENOENT) {
    space.openMeta = load<u32>(volume.next, SUPERBLOCK_OPEN_META);
    space.openSecond = OPEN_NONE;
    space.openData = load<u32>(volume.next, SUPERBLOCK_OPEN_DATA);
    return ErrorCode.OK;
  }
  spaceForget(volume);
  return code;
}

/** The chunk whose entry a cursor is at; OPEN_NONE if its key is none. */
export function cursorChunk(cursor: Cursor): u32 {
  return cursor.keyLength === 5 ? loadBigU32(cursor.key + 1) : OPEN_NONE;
}

/** True if `chunk` is one of the region, and the cursor's entry of it says nothing impossible. */
export function entryStands(cursor: Cursor, chunk: u32): bool {
  const volume = cursor.volume;
  return chunk < volume.region.chunks && entryValid(volume, cursor.value, cursor.valueLength);
}

/** True if a chunk entry read from disk says nothing impossible. */
function entryValid(volume: Volume, value: usize, valueLength: u32): bool {
  if (valueLength !== CHUNK_SIZE || load<u16>(value, CHUNK_FLAGS) !== 0) return false;
  const owner: u32 = load<u8>(value, CHUNK_OWNER);
  const wf = volume.kind === VolumeKind.WF;
  if (owner > <u32>ChunkOwner.DEAD) return false;
  if (wf && owner >= <u32>ChunkOwner.PACK_OPEN && owner <= <u32>ChunkOwner.GRANTED) return false;
  if (!wf && owner === <u32>ChunkOwner.DATA) return false;
  if (load<u8>(value, CHUNK_HOME) >= <u8>BITMAP_HOMES) return false;
  if (load<u64>(value, CHUNK_CHANGED_EPOCH) > volume.epoch + 1) return false;
  return load<u32>(value, CHUNK_FREE_PAGES) <= usablePages(volume);
}

/** The summary that an entry means for the batch after epoch N. */
function summaryOf(volume: Volume, value: usize): u32 {
  switch (<u32>load<u8>(value, CHUNK_OWNER)) {
    case ChunkOwner.META:
      return SUMMARY_META | load<u32>(value, CHUNK_FREE_PAGES);
    case ChunkOwner.DATA:
      return SUMMARY_DATA | load<u32>(value, CHUNK_FREE_PAGES);
    case ChunkOwner.FREE:
    case ChunkOwner.EMPTY:
      return SUMMARY_FREE;
    case ChunkOwner.DEAD: {
      const changed = load<u64>(value, CHUNK_CHANGED_EPOCH);
      return changed < volume.epoch ? SUMMARY_FREE : SUMMARY_DEAD + <u32>(changed & 1);
    }
    default:
      return SUMMARY_OTHER;
  }
}

/** When a batch opens: what died two epochs before may be taken from now on. */
export function spaceExpire(volume: Volume): void {
  const space = volume.space;
  const parity = <u32>((volume.epoch + 1) & 1);
  if ((parity === 0 ? space.deadEven : space.deadOdd) === 0) return;
  for (let chunk: u32 = 0; chunk < space.summaryChunks; chunk++) {
    if (summaryGet(space, chunk) === SUMMARY_DEAD + parity) summarySet(volume, chunk, SUMMARY_FREE);
  }
}

/** Drops summary and bitmaps: after an abort and at close. */
export function spaceForget(volume: Volume): void {
  const space = volume.space;
  release(space.summary, (<usize>space.summaryChunks) << 1);
  space.summary = 0;
  let bitmap = space.bitmaps;
  while (bitmap !== null) {
    const following = bitmap.next;
    bitmapRelease(bitmap);
    bitmap = following;
  }
  space.bitmaps = null;
  space.bitmapCount = 0;
}

export function bitmapRelease(bitmap: Bitmap): void {
  release(bitmap.page, PAGE_SIZE);
  release(changetype<usize>(bitmap), offsetof<Bitmap>());
}

export function ownershipFail(volume: Volume, chunk: u32): ErrorCode {
  const device = volume.region.device;
  return deviceFail(device, ErrorCode.EBADMSG, Reason.OWNERSHIP, 0, chunk);
}

/** Copies the entry of `chunk` (format/page CHUNK) to `out`; ENOENT if the chunk has none. */
export function chunkEntry(volume: Volume, chunk: u32, out: usize): ErrorCode {
  const code = treeGet(volume, spaceTree(volume), keyOf(chunk), 5);
  if (code !== ErrorCode.OK) return code;
  if (!entryValid(volume, foundValue, foundLength)) return ownershipFail(volume, chunk);
  memory.copy(out, foundValue, CHUNK_SIZE);
  return ErrorCode.OK;
}

/** Writes the entry of `chunk` as it is. */
export function entryPut(volume: Volume, chunk: u32, value: usize): ErrorCode {
  return treePut(volume, spaceTree(volume), keyOf(chunk), 5, value, CHUNK_SIZE);
}

/** Writes a fresh entry of `chunk`: `owner`'s, and nothing in it. */
export function ownerPut(volume: Volume, chunk: u32, owner: ChunkOwner): ErrorCode {
  memory.fill(entry, 0, CHUNK_SIZE);
  store<u8>(entry, <u8>owner, CHUNK_OWNER);
  store<u64>(entry, batchEpoch(volume), CHUNK_CHANGED_EPOCH);
  return entryPut(volume, chunk, entry);
}

export function entryDelete(volume: Volume, chunk: u32): ErrorCode {
  return treeDelete(volume, spaceTree(volume), keyOf(chunk), 5);
}

/** The key of a chunk's entry, 5 bytes. */
function keyOf(chunk: u32): usize {
  store<u8>(chunkKey, <u8>SPACE_KEY_CHUNK);
  storeBigU32(chunkKey + 1, chunk);
  return chunkKey;
}

/** The bitmap of a meta or data chunk, read if need be; null after a fault (code in spaceError). */
export function bitmapLoad(volume: Volume, chunk: u32): Bitmap | null {
  const space = volume.space;
  let known = space.bitmaps;
  while (known !== null && known.chunk !== chunk) known = known.next;
  if (known !== null) return known;
  spaceError = chunkEntry(volume, chunk, entry);
  if (spaceError === ErrorCode.ENOENT) spaceError = ownershipFail(volume, chunk);
  if (spaceError !== ErrorCode.OK) return null;
  const owner: u32 = load<u8>(entry, CHUNK_OWNER);
  if (owner !== <u32>ChunkOwner.META && owner !== <u32>ChunkOwner.DATA) {
    spaceError = ownershipFail(volume, chunk);
    return null;
  }
  const home: u32 = load<u8>(entry, CHUNK_HOME);
  const bitmap = bitmapNew(volume, chunk, owner);
  if (bitmap === null) return null;
  bitmap.home = home;
  bitmap.changedEpoch = load<u64>(entry, CHUNK_CHANGED_EPOCH);
  bitmap.free = load<u32>(entry, CHUNK_FREE_PAGES);
  spaceError = bitmapRead(volume, chunk, entry, bitmap.page);
  if (spaceError === ErrorCode.OK) return bitmap;
  space.bitmaps = bitmap.next;
  space.bitmapCount -= 1;
  bitmapRelease(bitmap);
  return null;
}

/** Why bitmapLoad() answered null. */
export let spaceError: ErrorCode = ErrorCode.OK;

/** Reads the bitmap page that `value`, the chunk's entry, names, and verifies all of it. */
export function bitmapRead(volume: Volume, chunk: u32, value: usize, out: usize): ErrorCode {
  const region = volume.region;
  const page = chunkFirstPage(region, chunk) + <u64>load<u8>(value, CHUNK_HOME);
  const sector = page * SECTORS_PER_PAGE;
  const code = deviceRead(region.device, sector, out, PAGE_SIZE);
  if (code !== ErrorCode.OK) return code;
  const birth = load<u64>(value, CHUNK_CHANGED_EPOCH);
  const checksum = load<u64>(value, CHUNK_CHECKSUM);
  const tree = spaceTree(volume);
  let reason = pageVerify(region, out, page, PageKind.BITMAP, 0, birth, tree, checksum);
  const pages = chunkPages(region);
  if (reason === Reason.NONE && !(load<u16>(out, 6) === 0 && isZero(out + 40, 6))) {
    reason = Reason.FIELD;
  }
  if (reason === Reason.NONE && !bitsValid(out, pages)) reason = Reason.BITMAP;
  if (reason === Reason.NONE && bitsCountFree(out, pages) !== load<u32>(value, CHUNK_FREE_PAGES)) {
    reason = Reason.BITMAP;
  }
  if (reason === Reason.NONE) return ErrorCode.OK;
  return deviceFail(region.device, ErrorCode.EBADMSG, reason, sector, 0);
}

export function bitmapNew(volume: Volume, chunk: u32, owner: u32): Bitmap | null {
  const space = volume.space;
  const address = allocateZeroed(offsetof<Bitmap>());
  const page = allocateZeroed(PAGE_SIZE);
  if (address === 0 || page === 0) {
    release(address, offsetof<Bitmap>());
    release(page, PAGE_SIZE);
    spaceError = failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const bitmap = changetype<Bitmap>(address);
  bitmap.chunk = chunk;
  bitmap.owner = owner;
  bitmap.page = page;
  bitmap.hint = BITMAP_HOMES;
  bitmap.next = space.bitmaps;
  space.bitmaps = bitmap;
  space.bitmapCount += 1;
  return bitmap;
}

/** Takes a chunk that holds nothing as META or DATA: an empty bitmap in memory; null: none left. */
export function bitmapTake(volume: Volume, owner: ChunkOwner): Bitmap | null {
  const chunk = chunkFindFree(volume);
  if (chunk === OPEN_NONE) {
    spaceError = failPlain(ErrorCode.ENOSPC);
    return null;
  }
  const bitmap = bitmapNew(volume, chunk, owner);
  if (bitmap === null) return null;
  pageStart(volume.region, bitmap.page, PageKind.BITMAP, spaceTree(volume));
  for (let home: u32 = 0; home < BITMAP_HOMES; home++) bitSet(bitmap.page, home);
  bitmap.free = usablePages(volume);
  // The first write goes to home 0.
  bitmap.home = BITMAP_HOMES - 1;
  bitmap.dirty = true;
  bitmapCount(volume, bitmap);
  volume.treesChanged = true;
  return bitmap;
}

/** The next chunk that holds nothing, in turn; OPEN_NONE if there is none. */
export function chunkFindFree(volume: Volume): u32 {
  const space = volume.space;
  if (space.freeChunks === 0) return OPEN_NONE;
  for (let step: u32 = 0; step < space.summaryChunks; step++) {
    const chunk = (space.cursor + step) % space.summaryChunks;
    if (summaryGet(space, chunk) !== SUMMARY_FREE) continue;
    space.cursor = chunk;
    return chunk;
  }
  return OPEN_NONE;
}

/** Makes the summary say what the bitmap says. */
export function bitmapCount(volume: Volume, bitmap: Bitmap): void {
  const base = bitmap.owner === <u32>ChunkOwner.META ? SUMMARY_META : SUMMARY_DATA;
  summarySet(volume, bitmap.chunk, base | bitmap.free);
}

/** The epoch that the open batch will have. */
export function batchEpoch(volume: Volume): u64 {
  return volume.epoch + 1;
}

/** Gives the pages from..from+count of a bitmap out, or takes them back. */
export function bitmapMark(
  volume: Volume,
  bitmap: Bitmap,
  from: u32,
  count: u32,
  used: bool,
): void {
  for (let index = from; index < from + count; index++) {
    assert(bitGet(bitmap.page, index) !== used);
    const at = bitmap.page + 64 + <usize>(index >>> 3);
    store<u8>(at, load<u8>(at) ^ <u8>(1 << (<u8>(index & 7))));
  }
  bitmap.free += used ? <u32>-(<i32>count) : count;
  bitmap.dirty = true;
  volume.treesChanged = true;
  bitmapCount(volume, bitmap);
}

/** Takes one free page at the hint of `bitmap`, which must have one. */
export function bitmapTakePage(volume: Volume, bitmap: Bitmap): u64 {
  const pages = chunkPages(volume.region);
  let index = bitsFindFree(bitmap.page, bitmap.hint, pages);
  if (index === pages) index = bitsFindFree(bitmap.page, BITMAP_HOMES, pages);
  assert(index < pages);
  bitmap.hint = index + 1;
  bitmapMark(volume, bitmap, index, 1, true);
  return chunkFirstPage(volume.region, bitmap.chunk) + <u64>index;
}

/**
 * Puts the entry of a changed bitmap, without its checksum as yet: from here on its leaf is dirty
 * and the last bitmapFinish() changes no tree any more.
 */
export function bitmapTouch(volume: Volume, bitmap: Bitmap): ErrorCode {
  if (bitmap.touched) return ErrorCode.OK;
  const code = bitmapEntry(volume, bitmap, 0);
  if (code === ErrorCode.OK) bitmap.touched = true;
  return code;
}

/** Moves to the next home, seals the page there and puts the final entry. */
export function bitmapFinish(volume: Volume, bitmap: Bitmap): ErrorCode {
  const region = volume.region;
  const epoch = batchEpoch(volume);
  // Planted 2: two homes only, so the bitmap of N - 1 is overwritten.
  if (bitmap.changedEpoch !== epoch) {
    bitmap.home = planted(2) ? (bitmap.home & 1) ^ 1 : (bitmap.home + 1) % BITMAP_HOMES;
  }
  bitmap.changedEpoch = epoch;
  const page = chunkFirstPage(region, bitmap.chunk) + <u64>bitmap.home;
  const checksum = pageSeal(region, bitmap.page, page, epoch);
  return bitmapEntry(volume, bitmap, checksum);
}

function bitmapEntry(volume: Volume, bitmap: Bitmap, checksum: u64): ErrorCode {
  memory.fill(entry, 0, CHUNK_SIZE);
  store<u8>(entry, <u8>bitmap.owner, CHUNK_OWNER);
  store<u8>(entry, <u8>bitmap.home, CHUNK_HOME);
  store<u32>(entry, bitmap.free, CHUNK_FREE_PAGES);
  store<u64>(entry, checksum, CHUNK_CHECKSUM);
  store<u64>(entry, batchEpoch(volume), CHUNK_CHANGED_EPOCH);
  return entryPut(volume, bitmap.chunk, entry);
}

/** Where a finished bitmap is written. */
export function bitmapPage(volume: Volume, bitmap: Bitmap): u64 {
  return chunkFirstPage(volume.region, bitmap.chunk) + <u64>bitmap.home;
}

/** Writes the oldest changed bitmaps when too many wait: memory stays bounded in any batch. */
export function spaceBound(volume: Volume): ErrorCode {
  const space = volume.space;
  while (space.bitmapCount > BITMAPS_MAX) {
    let link: Bitmap | null = null;
    let last = changetype<Bitmap>(space.bitmaps);
    while (last.next !== null) {
      link = last;
      last = changetype<Bitmap>(last.next);
    }
    if (last.dirty) {
      let code = bitmapFinish(volume, last);
      if (code !== ErrorCode.OK) return code;
      const sector = bitmapPage(volume, last) * SECTORS_PER_PAGE;
      code = deviceWrite(volume.region.device, sector, last.page, PAGE_SIZE);
      if (code !== ErrorCode.OK) return code;
    }
    assert(link !== null);
    changetype<Bitmap>(link).next = null;
    space.bitmapCount -= 1;
    bitmapRelease(last);
  }
  return ErrorCode.OK;
}

/** spaceBound() for callers that answer no code: it is in spaceError. */
export function spaceBounded(volume: Volume): bool {
  spaceError = spaceBound(volume);
  return spaceError === ErrorCode.OK;
}
