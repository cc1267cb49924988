/** Space for what lies outside the trees: pages of file data (WF) and pack chunks (ST). */
import { deviceFail, deviceRead, deviceWrite } from "../engine/device";
import { failPlain } from "../engine/fault";
import { planted } from "../engine/planted";
import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  BITMAP_HOMES,
  CHUNK_CHANGED_EPOCH,
  CHUNK_CHECKSUM,
  CHUNK_HOME,
  CHUNK_OWNER,
  CHUNK_SIZE,
  ChunkOwner,
  SPACE_KEY_CHUNK,
} from "../format/page";
import { OPEN_NONE, PAGE_SHIFT, PAGE_SIZE, SECTORS_PER_PAGE } from "../format/region";
import {
  batchEpoch,
  bitmapCount,
  bitmapLoad,
  bitmapMark,
  bitmapNew,
  bitmapRelease,
  bitmapTake,
  chunkEntry,
  chunkFindFree,
  cursorChunk,
  entryPut,
  entryStands,
  ownerPut,
  ownershipFail,
  reserveChunks,
  SUMMARY_DATA,
  SUMMARY_DEAD,
  SUMMARY_OTHER,
  spaceBound,
  spaceError,
  summaryFind,
  summaryRoom,
  summarySet,
  usablePages,
} from "./bitmap";
import { cursorClose, cursorNext, cursorOpen } from "./cursor";
import { bitGet, bitsCountFree, bitsFindRun, runLength } from "./pages/bits";
import { freedAdd, freedEnsure } from "./pages/freed";
import {
  Bitmap,
  chunkFirstPage,
  chunkOfPage,
  chunkPages,
  pageInChunk,
  pagesInside,
  runInside,
  spaceTree,
  Volume,
} from "./pages/volume";

export { chunkEntry };

/** First page of the run that the last pagesAllocate() got. */
export let allocatedPage: u64 = 0;
/** Free chunks that compaction needs (1.7 d): never granted, never an ordinary pack. */
export const COMPACTION_CHUNKS: u32 = 2;

const taken: usize = memory.data(32, 8);

/**
 * Takes up to `wanted` contiguous pages for file data: the pages got (>= 1, first in
 * `allocatedPage`), or ENOSPC, EIO, EBADMSG. volumeReserveData() must have counted them.
 */
export function pagesAllocate(volume: Volume, wanted: u32): i32 {
  assert(volume.batchOpen && wanted > 0);
  const space = volume.space;
  const open = space.openData;
  let bitmap: Bitmap | null = null;
  if (summaryRoom(space, SUMMARY_DATA, open) > 0) bitmap = bitmapLoad(volume, open);
  else bitmap = nextData(volume);
  if (bitmap === null) return spaceError;
  if (space.openData !== bitmap.chunk) {
    space.openData = bitmap.chunk;
    const code = spaceBound(volume);
    if (code !== ErrorCode.OK) return code;
  }
  const pages = chunkPages(volume.region);
  let start = bitsFindRun(bitmap.page, bitmap.hint, pages, wanted);
  if (start === pages) start = bitsFindRun(bitmap.page, BITMAP_HOMES, pages, wanted);
  assert(start < pages);
  const got = runLength;
  bitmap.hint = start + got;
  bitmapMark(volume, bitmap, start, got, true);
  allocatedPage = chunkFirstPage(volume.region, bitmap.chunk) + <u64>start;
  return <i32>got;
}

/** The next data chunk: one with a quarter free, a new one, one with any room. */
function nextData(volume: Volume): Bitmap | null {
  const space = volume.space;
  const quarter = summaryFind(space, SUMMARY_DATA, space.openData, usablePages(volume) >>> 2);
  if (quarter !== OPEN_NONE) return bitmapLoad(volume, quarter);
  if (space.freeChunks > <i32>reserveChunks(volume)) {
    return bitmapTake(volume, ChunkOwner.DATA);
  }
  const any = summaryFind(space, SUMMARY_DATA, space.openData, 1);
  return any !== OPEN_NONE ? bitmapLoad(volume, any) : bitmapTake(volume, ChunkOwner.DATA);
}

/** Frees data pages born at `birth`: reused two commits later, at once if born in this batch. */
export function pagesFree(volume: Volume, page: u64, count: u32, birth: u64): ErrorCode {
  const region = volume.region;
  if (count === 0) return ErrorCode.OK;
  if (!runInside(region, page, count)) return pagesFail(volume, page, Reason.POINTER);
  // Planted 16: pages that N still shows are given out again at once.
  if (birth !== batchEpoch(volume) && !planted(16)) {
    if (!freedEnsure(volume, 1)) return failPlain(ErrorCode.ENOMEM);
    freedAdd(volume, page, count);
    volume.treesChanged = true;
    return ErrorCode.OK;
  }
  return bitmapFree(volume, page, count, page);
}

/**
 * Takes `count` pages of one chunk from `page` on back; EBADMSG at `source`, the page that tells
 * to do so, if one of them is free.
 */
export function bitmapFree(volume: Volume, page: u64, count: u32, source: u64): ErrorCode {
  const region = volume.region;
  const bitmap = bitmapLoad(volume, chunkOfPage(region, page));
  if (bitmap === null) return spaceError;
  const from = pageInChunk(region, page);
  for (let index = from; index < from + count; index++) {
    if (bitGet(bitmap.page, index)) continue;
    const sector = source * SECTORS_PER_PAGE;
    return deviceFail(region.device, ErrorCode.EBADMSG, Reason.BITMAP, sector, 0);
  }
  bitmapMark(volume, bitmap, from, count, false);
  return spaceBound(volume);
}

function pagesFail(volume: Volume, page: u64, reason: Reason): ErrorCode {
  const device = volume.region.device;
  return deviceFail(device, ErrorCode.EBADMSG, reason, page * SECTORS_PER_PAGE, 0);
}

/** Writes whole pages; they are durable with the next commit. */
export function pagesWrite(volume: Volume, page: u64, address: usize, count: u32): ErrorCode {
  const region = volume.region;
  if (!pagesInside(region, page, count)) return pagesFail(volume, page, Reason.POINTER);
  return deviceWrite(region.device, page * SECTORS_PER_PAGE, address, count << PAGE_SHIFT);
}

/** Reads whole pages; EBADMSG outside the chunks. */
export function pagesRead(volume: Volume, page: u64, address: usize, count: u32): ErrorCode {
  const region = volume.region;
  if (!pagesInside(region, page, count)) return pagesFail(volume, page, Reason.POINTER);
  return deviceRead(region.device, page * SECTORS_PER_PAGE, address, count << PAGE_SHIFT);
}

/** Chunks that an ordinary pack may still take: not the reserve, not compaction's. */
export function chunksFree(volume: Volume, privileged: bool): u32 {
  const kept = privileged ? 0 : reserveChunks(volume) + COMPACTION_CHUNKS;
  const free = volume.space.freeChunks - <i32>kept;
  return free > 0 ? <u32>free : 0;
}

/**
 * ST: makes a free chunk a PACK_OPEN one: its number or ENOSPC. `privileged` may use the reserve
 * (compaction, delete). The entry's chunk generation is the epoch of the open batch.
 */
export function chunkTake(volume: Volume, owner: ChunkOwner, privileged: bool): i32 {
  assert(volume.batchOpen);
  if (chunksFree(volume, privileged) === 0) return failPlain(ErrorCode.ENOSPC);
  const chunk = chunkFindFree(volume);
  assert(chunk !== OPEN_NONE);
  memory.fill(taken, 0, CHUNK_SIZE);
  store<u8>(taken, <u8>owner, CHUNK_OWNER);
  store<u64>(taken, batchEpoch(volume), CHUNK_CHECKSUM);
  const code = chunkUpdate(volume, chunk, taken);
  return code === ErrorCode.OK ? <i32>chunk : code;
}

/** Writes the entry of a pack chunk; `changed_epoch` is set here. A dead one expires by itself. */
export function chunkUpdate(volume: Volume, chunk: u32, entry: usize): ErrorCode {
  assert(volume.batchOpen);
  const epoch = batchEpoch(volume);
  store<u64>(entry, epoch, CHUNK_CHANGED_EPOCH);
  const code = entryPut(volume, chunk, entry);
  if (code !== ErrorCode.OK) return code;
  const dead = load<u8>(entry, CHUNK_OWNER) === <u8>ChunkOwner.DEAD;
  summarySet(volume, chunk, dead ? SUMMARY_DEAD + <u32>(epoch & 1) : SUMMARY_OTHER);
  return ErrorCode.OK;
}

/** Writes the owner of every chunk to `out`, one byte each; 0 where the tree has no entry. */
export function chunkOwners(volume: Volume, out: usize): ErrorCode {
  const chunks = volume.region.chunks;
  memory.fill(out, 0, chunks);
  const cursor = cursorOpen(volume, spaceTree(volume));
  if (cursor === null) return failPlain(ErrorCode.ENOMEM);
  let code = cursorNext(cursor);
  for (; code === ErrorCode.OK; code = cursorNext(cursor)) {
    if (load<u8>(cursor.key) !== <u8>SPACE_KEY_CHUNK) break;
    const chunk = cursorChunk(cursor);
    if (!entryStands(cursor, chunk)) {
      code = ownershipFail(volume, chunk);
      break;
    }
    store<u8>(out + <usize>chunk, load<u8>(cursor.value, CHUNK_OWNER));
  }
  cursorClose(cursor);
  return code === ErrorCode.ENOENT ? ErrorCode.OK : code;
}

/**
 * Takes `page` as what the bitmap of `chunk` should be, whatever stands on the disk: repair. The
 * open batch writes it to the next home.
 */
export function bitmapReplace(volume: Volume, chunk: u32, page: usize): ErrorCode {
  const code = chunkEntry(volume, chunk, taken);
  if (code !== ErrorCode.OK) return code;
  const owner: u32 = load<u8>(taken, CHUNK_OWNER);
  const home: u32 = load<u8>(taken, CHUNK_HOME);
  let bitmap = volume.space.bitmaps;
  while (bitmap !== null && bitmap.chunk !== chunk) bitmap = bitmap.next;
  if (bitmap === null) {
    bitmap = bitmapNew(volume, chunk, owner);
    if (bitmap === null) return spaceError;
    bitmap.home = home;
  }
  memory.copy(bitmap.page, page, PAGE_SIZE);
  bitmap.free = bitsCountFree(page, chunkPages(volume.region));
  bitmap.dirty = true;
  volume.treesChanged = true;
  bitmapCount(volume, bitmap);
  return code;
}

/**
 * Gives up chunks whose last page became free: dead now, anyone's two commits later. Enough stay
 * as they are for the reserve (meta) and for the next writes (data).
 */
export function spaceRetire(volume: Volume): ErrorCode {
  const space = volume.space;
  const usable = usablePages(volume);
  const keepMeta = <i32>((reserveChunks(volume) + 1) * usable);
  let before: Bitmap | null = null;
  let bitmap = space.bitmaps;
  while (bitmap !== null) {
    const following = bitmap.next;
    const chunk = bitmap.chunk;
    const open = chunk === space.openMeta || chunk === space.openSecond || chunk === space.openData;
    const meta = bitmap.owner === <u32>ChunkOwner.META;
    const enough = meta ? space.freeMeta >= keepMeta : space.freeData >= <i32>(usable * 2);
    if (bitmap.free !== usable || open || !enough) {
      before = bitmap;
    } else {
      const code = ownerPut(volume, chunk, ChunkOwner.DEAD);
      if (code !== ErrorCode.OK) return code;
      summarySet(volume, chunk, SUMMARY_DEAD + <u32>(batchEpoch(volume) & 1));
      if (before === null) space.bitmaps = following;
      else before.next = following;
      space.bitmapCount -= 1;
      bitmapRelease(bitmap);
    }
    bitmap = following;
  }
  return ErrorCode.OK;
}
