/**
 * Where the metadata of a new volume stands: the numbers that mke2fs 1.47 gives for a size, and
 * the places of bitmaps and tables of inodes by them.
 *
 * Interface: geometryMake once, then places by group. The bitmaps and tables of 16 groups (a
 * flexible group) stand together at the start of the first of them:
 *
 *     superblock, descriptors, reserve (group 0) | block bitmaps | inode bitmaps | inode tables
 *
 * and copies of superblock, descriptors and reserve at the start of groups 1 and the powers of 3,
 * 5 and 7. `spansMake` lists all that as spans of blocks, for one flexible group at a time.
 */
import { ErrorCode } from "../../../format/errors";
import { BLOCK_SIZE, GROUP_SIZE } from "../../../format/media/ext4";
import { INODE_FIRST, INODE_SIZE } from "../../../format/media/ext4-inode";

export const GROUP_BLOCKS: u32 = 32768;
export const FLEX_SHIFT: u32 = 4;
export const FLEX_GROUPS: u32 = 16;
const FLEX_BLOCKS: u64 = (<u64>GROUP_BLOCKS) << 4;
const INODES_IN_BLOCK: u32 = BLOCK_SIZE / INODE_SIZE;
const GROUPS_IN_BLOCK: u32 = BLOCK_SIZE / GROUP_SIZE;
/** Block numbers in a block. */
const NUMBERS_IN_BLOCK: u32 = BLOCK_SIZE / 4;
/** 64 MiB, and 16 TiB less a block: a block has a number of 32 bits. */
export const BLOCKS_MIN: u64 = 16384;
export const BLOCKS_MAX: u64 = 0xffffffff;
/** A last group with fewer blocks than its metadata and this many is left off. */
const REST_MIN: u32 = 50;
/** Of one flexible group: two kinds of bitmaps, its tables, and copies in its groups. */
const SPANS_MAX: u32 = 64;
/** What a volume of that many blocks gets by default: bytes for each inode. */
const SMALL_BLOCKS: u64 = 131072;
const BIG_BLOCKS: u64 = 1 << 30;

@unmanaged
export class Geometry {
  blocks: u64;
  reserved: u64;
  groups: u32;
  groupInodes: u32;
  /** Blocks of the table of inodes of a group. */
  tableBlocks: u32;
  /** Blocks of the table of groups, and those kept for a longer one. */
  descriptorBlocks: u32;
  reserveBlocks: u32;
  journalBlocks: u32;
  /** Spans of blocks of flexible group `flex` (pairs of first block and end), ordered. */
  spans: usize;
  spansCount: u32;
  flex: u32;
}

/** Bytes that a geometry takes; what follows the class are its spans. */
export const GEOMETRY_ROOM: u32 = offsetof<Geometry>() + SPANS_MAX * 16;

/**
 * Fills `geometry` for `blocks`. `inodeBytes` 0: as mke2fs. EINVAL: a size or ratio out of range;
 * ENOSPC: no room for the metadata.
 */
export function geometryMake(
  geometry: Geometry,
  blocks: u64,
  inodeBytes: u32,
  reservedPercent: f64,
): ErrorCode {
  if (blocks < BLOCKS_MIN || blocks > BLOCKS_MAX + 1) return ErrorCode.EINVAL;
  geometry.blocks = min<u64>(blocks, BLOCKS_MAX);
  geometry.spans = changetype<usize>(geometry) + offsetof<Geometry>();
  geometry.flex = ~0;
  const ratio = inodeBytes === 0 ? defaultRatio(blocks) : inodeBytes;
  if (ratio < 1024 || ratio > 1 << 26) return ErrorCode.EINVAL;
  if (!(reservedPercent >= 0 && reservedPercent <= 50)) return ErrorCode.EINVAL;
  const wanted = (geometry.blocks * <u64>BLOCK_SIZE) / <u64>ratio;
  for (;;) {
    count(geometry, wanted);
    const last = geometry.groups - 1;
    let needed: u32 = 2 + geometry.tableBlocks;
    if (hasSuper(last)) needed += superBlocks(geometry);
    const rest = <u32>(geometry.blocks % <u64>GROUP_BLOCKS);
    if (rest === 0 || rest >= needed + REST_MIN) break;
    if (geometry.groups === 1) return ErrorCode.ENOSPC;
    geometry.blocks -= <u64>rest;
  }
  geometry.reserved = <u64>((reservedPercent * <f64>geometry.blocks) / 100.0);
  geometry.journalBlocks = journalBlocks(geometry.blocks);
  return ErrorCode.OK;
}

/** /etc/mke2fs.conf: "small" below 512 MiB, "big" from 4 TiB, "huge" from 16 TiB. */
function defaultRatio(blocks: u64): u32 {
  if (blocks < SMALL_BLOCKS) return 4096;
  return blocks >= BIG_BLOCKS ? (blocks > BLOCKS_MAX ? 65536 : 32768) : 16384;
}

function count(geometry: Geometry, wanted: u64): void {
  const groups = <u32>((geometry.blocks + <u64>GROUP_BLOCKS - 1) / <u64>GROUP_BLOCKS);
  geometry.groups = groups;
  geometry.descriptorBlocks = (groups + GROUPS_IN_BLOCK - 1) / GROUPS_IN_BLOCK;
  const inodes = max<u64>(wanted, <u64>(INODE_FIRST + 1));
  // A bitmap is one block, and inode numbers have 32 bits.
  let each = (min<u64>(inodes, 0xffffffff) + <u64>groups - 1) / <u64>groups;
  each = min<u64>(each, <u64>(BLOCK_SIZE * 8));
  let tableBlocks = (<u32>each + INODES_IN_BLOCK - 1) / INODES_IN_BLOCK;
  while (<u64>tableBlocks * <u64>INODES_IN_BLOCK * <u64>groups > 0xffffffff) tableBlocks -= 1;
  geometry.tableBlocks = tableBlocks;
  geometry.groupInodes = tableBlocks * INODES_IN_BLOCK;
  geometry.reserveBlocks = reserve(geometry);
}

/** Room for the descriptors of a volume 1024 times as large, as far as 32 bits and a block go. */
function reserve(geometry: Geometry): u32 {
  const most = min<u64>(geometry.blocks * 1024, 0xffffffff);
  const groups = <u32>((most + <u64>GROUP_BLOCKS - 1) / <u64>GROUP_BLOCKS);
  const blocks = (groups + GROUPS_IN_BLOCK - 1) / GROUPS_IN_BLOCK - geometry.descriptorBlocks;
  return min<u32>(blocks, NUMBERS_IN_BLOCK);
}

/** The default of mke2fs: 4 MiB to 1 GiB. */
function journalBlocks(blocks: u64): u32 {
  if (blocks < 32768) return 1024;
  if (blocks < 262144) return 4096;
  if (blocks < 524288) return 8192;
  if (blocks < 4194304) return 16384;
  if (blocks < 8388608) return 32768;
  if (blocks < 16777216) return 65536;
  return blocks < 33554432 ? 131072 : 262144;
}

export function inodesOf(geometry: Geometry): u32 {
  return geometry.groups * geometry.groupInodes;
}

/** Has the group a superblock: the first, or a copy (sparse_super)? */
export function hasSuper(group: u32): bool {
  if (group <= 1) return true;
  if ((group & 1) === 0) return false;
  return isPower(group, 3) || isPower(group, 5) || isPower(group, 7);
}

function isPower(value: u32, base: u32): bool {
  let power: u64 = <u64>base;
  while (power < <u64>value) power *= <u64>base;
  return power === <u64>value;
}

/** Blocks of superblock, descriptors and reserve. */
export function superBlocks(geometry: Geometry): u32 {
  return 1 + geometry.descriptorBlocks + geometry.reserveBlocks;
}

export function groupStart(group: u32): u64 {
  return <u64>group * <u64>GROUP_BLOCKS;
}

export function groupEnd(geometry: Geometry, group: u32): u64 {
  return min<u64>(groupStart(group) + <u64>GROUP_BLOCKS, geometry.blocks);
}

/** The first group of its flexible group. */
function flexFirst(group: u32): u32 {
  return group & ~(FLEX_GROUPS - 1);
}

function flexGroups(geometry: Geometry, first: u32): u32 {
  return min<u32>(FLEX_GROUPS, geometry.groups - first);
}

/** Where the bitmaps of a flexible group begin: only group 0 is first and has a superblock. */
function bitmapsStart(geometry: Geometry, first: u32): u64 {
  return groupStart(first) + (first === 0 ? <u64>superBlocks(geometry) : 0);
}

/** Blocks from one kind of bitmap to the next: a lone group keeps room for all sixteen. */
function bitmapsStride(geometry: Geometry, first: u32): u32 {
  return geometry.groups === 1 ? FLEX_GROUPS : flexGroups(geometry, first);
}

export function blockBitmapAt(geometry: Geometry, group: u32): u64 {
  const first = flexFirst(group);
  return bitmapsStart(geometry, first) + <u64>(group - first);
}

export function inodeBitmapAt(geometry: Geometry, group: u32): u64 {
  return blockBitmapAt(geometry, group) + <u64>bitmapsStride(geometry, flexFirst(group));
}

/** First block of the table of inodes; a table that would meet a copy stands behind it. */
export function inodeTableAt(geometry: Geometry, group: u32): u64 {
  const first = flexFirst(group);
  let at = bitmapsStart(geometry, first) + 2 * <u64>bitmapsStride(geometry, first);
  for (let each = first; each <= group; each++) {
    const begin = <u32>(at / <u64>GROUP_BLOCKS);
    const end = <u32>((at + <u64>geometry.tableBlocks - 1) / <u64>GROUP_BLOCKS);
    // A table is at most a sixteenth of a group, so it meets one copy at most.
    for (let other = max<u32>(begin, 1); other <= end; other++) {
      const copyEnd = groupStart(other) + <u64>superBlocks(geometry);
      const meets = hasSuper(other) && at < copyEnd;
      if (meets && at + <u64>geometry.tableBlocks > groupStart(other)) at = copyEnd;
    }
    at += <u64>geometry.tableBlocks;
  }
  return at - <u64>geometry.tableBlocks;
}

/** Makes `spans` those of the flexible group in which `group` is. */
export function spansMake(geometry: Geometry, group: u32): void {
  const flex = group >>> FLEX_SHIFT;
  if (geometry.flex === flex) return;
  geometry.flex = flex;
  geometry.spansCount = 0;
  const first = flexFirst(group);
  const groups = flexGroups(geometry, first);
  const bitmaps = blockBitmapAt(geometry, first);
  if (first === 0) spanAdd(geometry, 0, <u64>superBlocks(geometry));
  spanAdd(geometry, bitmaps, bitmaps + <u64>groups);
  const inodes = inodeBitmapAt(geometry, first);
  spanAdd(geometry, inodes, inodes + <u64>groups);
  for (let each: u32 = 0; each < groups; each++) {
    const table = inodeTableAt(geometry, first + each);
    spanAdd(geometry, table, table + <u64>geometry.tableBlocks);
  }
  for (let each: u32 = 1; each < groups; each++) {
    if (!hasSuper(first + each)) continue;
    const copy = groupStart(first + each);
    spanAdd(geometry, copy, copy + <u64>superBlocks(geometry));
  }
}

/** Adds a span in its place; one that touches its neighbour becomes part of it. */
function spanAdd(geometry: Geometry, begin: u64, end: u64): void {
  let index = geometry.spansCount;
  while (index > 0 && spanBegin(geometry, index - 1) > begin) index -= 1;
  if (index > 0 && spanEnd(geometry, index - 1) === begin) {
    store<u64>(geometry.spans + ((<usize>(index - 1)) << 4), end, 8);
    return;
  }
  const at = geometry.spans + ((<usize>index) << 4);
  memory.copy(at + 16, at, (geometry.spansCount - index) << 4);
  store<u64>(at, begin);
  store<u64>(at, end, 8);
  geometry.spansCount += 1;
}

export function spanBegin(geometry: Geometry, index: u32): u64 {
  return load<u64>(geometry.spans + ((<usize>index) << 4));
}

export function spanEnd(geometry: Geometry, index: u32): u64 {
  return load<u64>(geometry.spans + ((<usize>index) << 4), 8);
}

/** Where the run of metadata at `block` ends, or `block` itself: it is none. */
export function metaEnd(geometry: Geometry, block: u64): u64 {
  spansMake(geometry, <u32>(block / <u64>GROUP_BLOCKS));
  let at = block;
  for (let index: u32 = 0; index < geometry.spansCount; index++) {
    if (spanBegin(geometry, index) > at) break;
    if (spanEnd(geometry, index) > at) at = spanEnd(geometry, index);
  }
  return at;
}

/** Where metadata begins at or behind `block`, or where its flexible group ends. */
export function metaNext(geometry: Geometry, block: u64): u64 {
  spansMake(geometry, <u32>(block / <u64>GROUP_BLOCKS));
  for (let index: u32 = 0; index < geometry.spansCount; index++) {
    if (spanBegin(geometry, index) >= block) return spanBegin(geometry, index);
  }
  const end = (block / FLEX_BLOCKS + 1) * FLEX_BLOCKS;
  return min<u64>(end, geometry.blocks);
}
