/** Bitmaps and descriptors of the groups: what is in use follows from frontier and places. */
import { ErrorCode } from "../../../format/errors";
import { Ext4Kind } from "../../../format/media/calls-ext4-build";
import {
  BLOCK_SIZE,
  GROUP_BLOCK_BITMAP_CHECKSUM_HIGH,
  GROUP_BLOCK_BITMAP_CHECKSUM_LOW,
  GROUP_BLOCK_BITMAP_HIGH,
  GROUP_BLOCK_BITMAP_LOW,
  GROUP_CHECKSUM,
  GROUP_DIRECTORIES_HIGH,
  GROUP_DIRECTORIES_LOW,
  GROUP_FLAG_BLOCKS_UNUSED,
  GROUP_FLAG_INODES_UNUSED,
  GROUP_FLAGS,
  GROUP_FREE_BLOCKS_HIGH,
  GROUP_FREE_BLOCKS_LOW,
  GROUP_FREE_INODES_HIGH,
  GROUP_FREE_INODES_LOW,
  GROUP_INODE_BITMAP_CHECKSUM_HIGH,
  GROUP_INODE_BITMAP_CHECKSUM_LOW,
  GROUP_INODE_BITMAP_HIGH,
  GROUP_INODE_BITMAP_LOW,
  GROUP_INODE_TABLE_HIGH,
  GROUP_INODE_TABLE_LOW,
  GROUP_SIZE,
  GROUP_UNUSED_INODES_HIGH,
  GROUP_UNUSED_INODES_LOW,
} from "../../../format/media/ext4";
import {
  blockBitmapAt,
  groupEnd,
  groupStart,
  hasSuper,
  inodeBitmapAt,
  inodeTableAt,
  spanBegin,
  spanEnd,
  spansMake,
  superBlocks,
} from "../base/geometry";
import { bitmapSum, groupSum } from "../base/sums";
import { Build, nodeAt } from "./base/build";
import { blockOut } from "./base/space";

const BITS: u32 = BLOCK_SIZE * 8;
/** A bitmap in the making. */
const bitmap: usize = memory.data(4096, 16);

function groupAt(build: Build, group: u32): usize {
  return build.groups + <usize>(group * GROUP_SIZE);
}

/** Makes the table of groups and writes the bitmaps that are needed. */
export function groupsWrite(build: Build): ErrorCode {
  const geometry = build.geometry;
  for (let group: u32 = 0; group < geometry.groups; group++) {
    placesStore(build, group);
    if (!blocksStore(build, group)) return ErrorCode.EIO;
  }
  for (let group: u32 = 0; group < geometry.groups; group++) {
    if (!inodesStore(build, group)) return ErrorCode.EIO;
  }
  directoriesCount(build);
  for (let group: u32 = 0; group < geometry.groups; group++) {
    const at = groupAt(build, group);
    store<u16>(at, <u16>groupSum(build.seed, group, at, GROUP_SIZE), GROUP_CHECKSUM);
  }
  return ErrorCode.OK;
}

function placesStore(build: Build, group: u32): void {
  const at = groupAt(build, group);
  const blocks = blockBitmapAt(build.geometry, group);
  const inodes = inodeBitmapAt(build.geometry, group);
  const table = inodeTableAt(build.geometry, group);
  store<u32>(at, <u32>blocks, GROUP_BLOCK_BITMAP_LOW);
  store<u32>(at, <u32>(blocks >>> 32), GROUP_BLOCK_BITMAP_HIGH);
  store<u32>(at, <u32>inodes, GROUP_INODE_BITMAP_LOW);
  store<u32>(at, <u32>(inodes >>> 32), GROUP_INODE_BITMAP_HIGH);
  store<u32>(at, <u32>table, GROUP_INODE_TABLE_LOW);
  store<u32>(at, <u32>(table >>> 32), GROUP_INODE_TABLE_HIGH);
}

/** Bitmap and number of free blocks. */
function blocksStore(build: Build, group: u32): bool {
  const geometry = build.geometry;
  const at = groupAt(build, group);
  const start = groupStart(group);
  const end = groupEnd(geometry, group);
  memory.fill(bitmap, 0, BLOCK_SIZE);
  bitsSet(start, end, start, build.frontier);
  spansMake(geometry, group);
  for (let index: u32 = 0; index < geometry.spansCount; index++) {
    bitsSet(start, end, spanBegin(geometry, index), spanEnd(geometry, index));
  }
  for (let index: u32 = 0; index < build.journalSpans; index++) {
    const span = build.journal + ((<usize>index) << 4);
    bitsSet(start, end, load<u64>(span), load<u64>(span, 8));
  }
  const used = bitsCount();
  const free = <u32>(end - start) - used;
  store<u16>(at, <u16>free, GROUP_FREE_BLOCKS_LOW);
  store<u16>(at, <u16>(free >>> 16), GROUP_FREE_BLOCKS_HIGH);
  const own: u32 = hasSuper(group) ? superBlocks(geometry) : 0;
  // What is more than the copies is metadata, content or the journal. The last group has padding.
  if (used === own && group !== geometry.groups - 1) {
    store<u16>(at, GROUP_FLAG_BLOCKS_UNUSED, GROUP_FLAGS);
    return true;
  }
  bitsSet(start, start + <u64>BITS, end, start + <u64>BITS);
  const crc = bitmapSum(build.seed, bitmap, BLOCK_SIZE);
  store<u16>(at, <u16>crc, GROUP_BLOCK_BITMAP_CHECKSUM_LOW);
  store<u16>(at, <u16>(crc >>> 16), GROUP_BLOCK_BITMAP_CHECKSUM_HIGH);
  return bitmapOut(build, blockBitmapAt(geometry, group));
}

/** Bitmap and number of free inodes; all in use have the lowest numbers. */
function inodesStore(build: Build, group: u32): bool {
  const geometry = build.geometry;
  const at = groupAt(build, group);
  const all = geometry.groupInodes;
  const before = group * all;
  const used = build.inodes > before ? min<u32>(build.inodes - before, all) : 0;
  const free = all - used;
  store<u16>(at, <u16>free, GROUP_FREE_INODES_LOW);
  store<u16>(at, <u16>(free >>> 16), GROUP_FREE_INODES_HIGH);
  store<u16>(at, <u16>free, GROUP_UNUSED_INODES_LOW);
  store<u16>(at, <u16>(free >>> 16), GROUP_UNUSED_INODES_HIGH);
  if (used === 0) {
    store<u16>(at, load<u16>(at, GROUP_FLAGS) | <u16>GROUP_FLAG_INODES_UNUSED, GROUP_FLAGS);
    return true;
  }
  memory.fill(bitmap, 0, BLOCK_SIZE);
  bitsSet(0, <u64>BITS, 0, <u64>used);
  bitsSet(0, <u64>BITS, <u64>all, <u64>BITS);
  const crc = bitmapSum(build.seed, bitmap, all >>> 3);
  store<u16>(at, <u16>crc, GROUP_INODE_BITMAP_CHECKSUM_LOW);
  store<u16>(at, <u16>(crc >>> 16), GROUP_INODE_BITMAP_CHECKSUM_HIGH);
  return bitmapOut(build, inodeBitmapAt(geometry, group));
}

function bitmapOut(build: Build, block: u64): bool {
  const target = blockOut(build, block);
  if (target !== 0) memory.copy(target, bitmap, BLOCK_SIZE);
  return target !== 0;
}

/** Each directory counts in the group of its inode. */
function directoriesCount(build: Build): void {
  for (let number: u32 = 0; number < build.nodes; number++) {
    const node = nodeAt(build, number);
    if (node.kind !== Ext4Kind.DIRECTORY) continue;
    const at = groupAt(build, (node.inode - 1) / build.geometry.groupInodes);
    const low = <u32>load<u16>(at, GROUP_DIRECTORIES_LOW);
    const count = (low | ((<u32>load<u16>(at, GROUP_DIRECTORIES_HIGH)) << 16)) + 1;
    store<u16>(at, <u16>count, GROUP_DIRECTORIES_LOW);
    store<u16>(at, <u16>(count >>> 16), GROUP_DIRECTORIES_HIGH);
  }
}

/** Sets the bits of [from, to) as far as they lie in [start, end). */
function bitsSet(start: u64, end: u64, from: u64, to: u64): void {
  if (from >= end || to <= start) return;
  let bit = <u32>(max<u64>(from, start) - start);
  const last = <u32>(min<u64>(to, end) - start);
  for (; bit < last && (bit & 7) !== 0; bit++) bitSet(bit);
  const whole = last > bit ? (last - bit) >>> 3 : 0;
  memory.fill(bitmap + (bit >>> 3), 0xff, whole);
  for (bit += whole << 3; bit < last; bit++) bitSet(bit);
}

function bitSet(bit: u32): void {
  const at = bitmap + (bit >>> 3);
  store<u8>(at, <u8>(<u32>load<u8>(at) | ((<u32>1) << (bit & 7))));
}

function bitsCount(): u32 {
  let count: u32 = 0;
  for (let at: usize = 0; at < <usize>BLOCK_SIZE; at += 8) {
    count += <u32>popcnt<u64>(load<u64>(bitmap + at));
  }
  return count;
}
