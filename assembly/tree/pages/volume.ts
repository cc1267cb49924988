/**
 * The state of an open region and of the two formats in it, and the few things everyone asks of it.
 *
 * Interface: a Region holds one Volume for CAPOSST1 and perhaps one for CAPOSWF1. A Volume knows
 * three superblocks: `current` is the durable one (epoch N), `previous` the one before, `next` the
 * one that the open batch builds; counters, roots and body are changed in `next` alone.
 */
import { Cache, FrameList } from "../../engine/cache";
import { Device } from "../../engine/device";
import { BITMAP_HOMES, TreeId } from "../../format/page";
import {
  PAGE_SHIFT,
  SECTORS_PER_PAGE,
  SUPERBLOCK_BODY,
  SUPERBLOCK_LIVE_ITEMS,
  SUPERBLOCK_LIVE_SIZE,
  SUPERBLOCK_ROOT_A,
  SUPERBLOCK_ROOT_B,
  SUPERBLOCK_ROOT_C,
  SUPERBLOCK_ROOT_D,
} from "../../format/region";

export enum VolumeKind {
  ST = 0,
  WF = 1,
}

/** What a latched volume answers to every further modification. */
export enum Latch {
  NONE = 0,
  /** A batch was aborted: ESTALE until volumeReopen(). */
  LOST = 1,
  /** A second writer was seen: ESTALE for good. */
  FENCED = 2,
  /** A slot write may or may not be durable: EROFS for good. */
  DOUBT = 3,
}

@unmanaged
export class Region {
  device: Device;
  cache: Cache;
  /** 1 once `store` is there. */
  volumes: u32;
  store: Volume;
  wf: Volume | null;
  /** XXH64 of the uuid: seeds every page checksum. */
  tag: u64;
  sectors: u64;
  /** First page past the last whole chunk. */
  endPage: u64;
  /** LBA of chunk 0. */
  firstChunk: u32;
  chunkShift: u32;
  chunks: u32;
  logSectors: u32;
  readOnly: bool;
  /** Opened for repair: a damaged list of freed pages is no reason to refuse. */
  repairing: bool;
  /** No FLUSH is sent: the durability mode `none`. */
  noFlush: bool;
  /** Flushes that failed: what any open batch had written before may be gone. */
  flushesFailed: u32;
  /** Strict: a function of the region to call before the first write; 0 = none, or done. */
  strictHook: u32;
  /** What mount noticed: NOTICE_* bits. */
  notices: u32;
  /** Pages of the first kind that were read from their second copy since the region was opened. */
  secondReads: u32;
  /** Both descriptors as read, DESCRIPTOR_SIZE each. */
  descriptors: usize;
  descriptorState: u32;
}

@unmanaged
export class Volume {
  region: Region;
  kind: VolumeKind;
  latch: Latch;
  /** N, the newest durable epoch. */
  epoch: u64;
  /** Of this writer; 0 until the claim commit. */
  session: u64;
  /** Rises with each abort: what was opened or written under an older one is ESTALE. */
  generation: u32;
  lostSince: u64;
  /** Memory of the five superblocks below. */
  blocks: usize;
  /** Superblocks N, N - 1 (`hasPrevious`) and the one being built, SUPERBLOCK_SIZE each. */
  current: usize;
  previous: usize;
  next: usize;
  hasPrevious: bool;
  /** The bytes of both slots as this session knows them; bit = slot holds a valid superblock. */
  slots: usize;
  slotsValid: u32;
  /** Mirror(N) is exactly superblock N, and durable. */
  mirrored: bool;
  /** This session has committed: the claim of M6 is done. */
  claimed: bool;
  /** The batch being committed is the last of a closing writer. */
  closing: bool;
  /** The next commit indexes a tail, so it is the claim itself (set by the store). */
  tailFound: bool;
  /** A batch is open: fence and mirror are done. */
  batchOpen: bool;
  /** The region's count of failed flushes when the batch was opened. */
  flushesFailed: u32;
  /** Behind the slots, in their 4 KiB block, is something else than zeros. */
  slotsSpoilt: bool;
  /** Something other than superblock fields changed in the batch. */
  treesChanged: bool;
  /** Rises with every change of a tree and every abort: cursors look again. */
  changes: u32;
  /** Superblock fields changed in the batch. */
  fieldsChanged: bool;
  /** See volumeHook(); 0 = none. */
  hook: u32;
  hookContext: usize;
  /** Pages freed in the open batch: { page u64, count u64 } each. */
  freed: usize;
  freedCount: u32;
  freedCapacity: u32;
  /** Tree frames changed in the open batch, and the pages they will take with second copies. */
  dirty: FrameList;
  dirtyCost: u32;
  space: SpaceState;
}

/** What the space layer keeps per volume: built when the first batch opens. */
@unmanaged
export class SpaceState {
  /** u16 per chunk: SUMMARY_* of space.ts; 0 = not built. */
  summary: usize;
  summaryChunks: u32;
  /** Pages free in meta and in data chunks. */
  freeMeta: i32;
  freeData: i32;
  /** Chunks that hold nothing and may be taken now. */
  freeChunks: i32;
  /** Dead chunks that may not be used yet, by the parity of the epoch they died in. */
  deadEven: i32;
  deadOdd: i32;
  /** Bitmaps in memory, newest first. */
  bitmaps: Bitmap | null;
  bitmapCount: u32;
  openMeta: u32;
  openSecond: u32;
  openData: u32;
  /** Where the search for a chunk goes on. */
  cursor: u32;
  /** Chunks that the open batch will drain, at most. */
  drainChunks: u32;
  drained: bool;
  /** Both lists are given up by the open batch: it reads neither, and names their pages anew. */
  listsLost: bool;
  /** Pages taken for the batch's own limbo list: u64 each. */
  limboPages: usize;
  limboCount: u32;
  limboCapacity: u32;
}

/** A bitmap in memory. */
@unmanaged
export class Bitmap {
  chunk: u32;
  /** ChunkOwner: META or DATA. */
  owner: u32;
  free: u32;
  /** Home of the last commit, or of this batch once it was written. */
  home: u32;
  changedEpoch: u64;
  dirty: bool;
  /** Its leaf in the space tree is dirty already. */
  touched: bool;
  /** Search for the next page goes on here. */
  hint: u32;
  page: usize;
  next: Bitmap | null;
}

/** Mount saw slot epochs 3 or more apart, or a mirror newer than both slots. */
export const NOTICE_LOST_WRITE: u32 = 1;
/** A copy of a superblock was not valid. */
export const NOTICE_BAD_COPY: u32 = 2;
/** A root page came from its second copy. */
export const NOTICE_SECOND_ROOT: u32 = 4;
/** The root of the store index is damaged in both copies; it can be rebuilt. */
export const NOTICE_INDEX_LOST: u32 = 8;
/** A descriptor is damaged. */
export const NOTICE_DESCRIPTOR: u32 = 16;
/** CAPOSWF1 has left traces but no valid superblock: the region is a store alone. */
export const NOTICE_FILES_LOST: u32 = 64;
/** The descriptor is larger than the superblock: an unfinished grow. */
export const NOTICE_GROW: u32 = 32;

/** Set in the page number of a dirty page that has no place on the disk yet. */
export const VIRTUAL_PAGE: u64 = 1 << 47;

/** Address of the pointer of `tree` in the superblock being built. */
export function rootPointer(volume: Volume, tree: TreeId): usize {
  const base = volume.next;
  switch (<u32>tree & 15) {
    case 1:
      return base + SUPERBLOCK_ROOT_A;
    case 2:
      return base + SUPERBLOCK_ROOT_B;
    case 3:
      return base + SUPERBLOCK_ROOT_C;
    default:
      return base + SUPERBLOCK_ROOT_D;
  }
}

/** The space tree of the volume's format. */
export function spaceTree(volume: Volume): TreeId {
  return volume.kind === VolumeKind.ST ? TreeId.ST_SPACE : TreeId.WF_SPACE;
}

/** The 128-byte body of the superblock being built; after a change call volumeChanged(). */
export function volumeBody(volume: Volume): usize {
  return volume.next + SUPERBLOCK_BODY;
}

/** A 64-bit field of the superblock being built: SUPERBLOCK_LIVE_ITEMS and so on. */
export function volumeField(volume: Volume, offset: u32): u64 {
  return load<u64>(volume.next + <usize>offset);
}

/** Sets a 64-bit field of the superblock being built. The batch must be open (volumeReserve). */
export function volumeSetField(volume: Volume, offset: u32, value: u64): void {
  store<u64>(volume.next + <usize>offset, value);
  volume.fieldsChanged = true;
}

/** Adds `delta` to a 64-bit counter of the superblock being built. */
export function volumeAdd(volume: Volume, offset: u32, delta: i64): void {
  volumeSetField(volume, offset, volumeField(volume, offset) + <u64>delta);
}

/** Counts `items` more objects, of `size` bytes in all; negative: fewer. */
export function liveAdd(volume: Volume, items: i64, size: i64): void {
  volumeAdd(volume, SUPERBLOCK_LIVE_ITEMS, items);
  volumeAdd(volume, SUPERBLOCK_LIVE_SIZE, size);
}

/** Says that the body or a field of `next` was changed directly. */
export function volumeChanged(volume: Volume): void {
  volume.fieldsChanged = true;
}

/** True if the open batch has changed anything. */
export function volumeHasChanges(volume: Volume): bool {
  return volume.treesChanged || volume.fieldsChanged;
}

/** Pages in one chunk. */
export function chunkPages(region: Region): u32 {
  return 1 << (region.chunkShift - PAGE_SHIFT);
}

/** First page of `chunk`. */
export function chunkFirstPage(region: Region, chunk: u32): u64 {
  const first = <u64>(region.firstChunk / SECTORS_PER_PAGE);
  return first + ((<u64>chunk) << (region.chunkShift - PAGE_SHIFT));
}

/** The chunk that `page` lies in; the page must lie inside the chunks. */
export function chunkOfPage(region: Region, page: u64): u32 {
  return <u32>((page - chunkFirstPage(region, 0)) >>> (region.chunkShift - PAGE_SHIFT));
}

/** Where in its chunk `page` lies. */
export function pageInChunk(region: Region, page: u64): u32 {
  return <u32>(page - chunkFirstPage(region, 0)) & (chunkPages(region) - 1);
}

/** True if `count` pages from `page` lie in one chunk, behind the homes of its bitmap. */
export function runInside(region: Region, page: u64, count: u32): bool {
  const first = pageInChunk(region, page);
  const after = first + count;
  return pagesInside(region, page, count) && first >= BITMAP_HOMES && after <= chunkPages(region);
}

/** True if `count` pages from `page` lie inside the chunks. */
export function pagesInside(region: Region, page: u64, count: u64): bool {
  const first = <u64>(region.firstChunk / SECTORS_PER_PAGE);
  return page >= first && page < region.endPage && count <= region.endPage - page;
}
