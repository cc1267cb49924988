/**
 * Groups: descriptors with their counts, and the two bitmaps, which are made where the descriptor
 * says that they were never written.
 */
import { lastFault } from "../../../../engine/fault";
import { Reason } from "../../../../format/abi";
import { ErrorCode } from "../../../../format/errors";
import {
  GROUP_BLOCK_BITMAP_CHECKSUM_HIGH,
  GROUP_BLOCK_BITMAP_CHECKSUM_LOW,
  GROUP_CHECKSUM,
  GROUP_FLAG_BLOCKS_UNUSED,
  GROUP_FLAG_INODES_UNUSED,
  GROUP_FLAGS,
  GROUP_FREE_BLOCKS_HIGH,
  GROUP_FREE_BLOCKS_LOW,
  GROUP_INODE_BITMAP_CHECKSUM_HIGH,
  GROUP_INODE_BITMAP_CHECKSUM_LOW,
  GROUP_SIZE,
  INCOMPATIBLE_META_BG,
  SUPER_FIRST_META_GROUP,
  SUPER_SPARE_DESCRIPTORS,
} from "../../../../format/media/ext4";
import { bitmapSum } from "../../base/sums";
import {
  blockBitmapOf,
  countOf,
  descriptorAt,
  descriptorBlock,
  descriptorSum,
  hasGroupSums,
  hasSuper,
  inodeBitmapOf,
  inodeTableOf,
  tableBlocks,
} from "../../read/groups";
import {
  blockFrame,
  Ext4,
  ext4Fail,
  groupStart,
  isInside,
  USE_BLOCK_BITMAP,
  USE_DESCRIPTORS,
  USE_INODE_BITMAP,
  useFits,
} from "../../read/volume";
import { blockChange, blockFresh, Change } from "./state";

/** The descriptor of a group, to be changed and then sealed; 0 after a fault. */
export function groupChange(change: Change, group: u32): usize {
  const ext4 = change.ext4;
  if (descriptorAt(ext4, group) === 0) return 0;
  const perBlock = ext4.blockSize / ext4.descriptorSize;
  const block = blockChange(change, descriptorBlock(ext4, group), USE_DESCRIPTORS);
  return block === 0 ? 0 : block + <usize>((group % perBlock) * ext4.descriptorSize);
}

export function groupSeal(ext4: Ext4, group: u32, at: usize): void {
  if (hasGroupSums(ext4)) store<u16>(at, <u16>descriptorSum(ext4, group, at), GROUP_CHECKSUM);
}

/** A number of 16 bits and, in large descriptors, 16 more. */
export function countStore(ext4: Ext4, at: usize, low: u32, high: u32, value: u32): void {
  store<u16>(at + low, <u16>value);
  if (ext4.descriptorSize >= GROUP_SIZE) store<u16>(at + high, <u16>(value >>> 16));
}

/** Blocks of a group: the last one may have fewer. */
export function groupLength(ext4: Ext4, group: u32): u32 {
  return <u32>min<u64>(ext4.blocks - groupStart(ext4, group), <u64>ext4.groupBlocks);
}

/** Copies the bitmap of the blocks of a group to `out`, a block. */
export function blocksCopy(ext4: Ext4, group: u32, out: usize): ErrorCode {
  const at = descriptorAt(ext4, group);
  if (at === 0) return lastFault();
  if (isUnused(ext4, at, GROUP_FLAG_BLOCKS_UNUSED)) return blocksMake(ext4, group, at, out);
  const bitmap = blocksAt(ext4, group, at);
  if (bitmap === 0) return lastFault();
  memory.copy(out, bitmap, ext4.blockSize);
  return ErrorCode.OK;
}

/** The bitmap of the blocks of a group, to be changed and then sealed; 0 after a fault. */
export function blocksChange(change: Change, group: u32): usize {
  const ext4 = change.ext4;
  let at = descriptorAt(ext4, group);
  if (at === 0) return 0;
  const place = placeOf(ext4, group, blockBitmapOf(ext4, at));
  if (place === 0) return 0;
  const use = USE_BLOCK_BITMAP | <u64>group;
  if (!isUnused(ext4, at, GROUP_FLAG_BLOCKS_UNUSED)) {
    return blocksAt(ext4, group, at) === 0 ? 0 : blockChange(change, place, use);
  }
  const bitmap = blockFresh(change, place, use);
  if (bitmap === 0) return 0;
  at = groupChange(change, group);
  if (at === 0 || blocksMake(ext4, group, at, bitmap) !== ErrorCode.OK) return 0;
  flagClear(ext4, group, at, GROUP_FLAG_BLOCKS_UNUSED);
  return bitmap;
}

/** Sets checksum and count of free blocks after `bitmap` changed. */
export function blocksSeal(change: Change, group: u32, bitmap: usize, delta: i32): ErrorCode {
  const ext4 = change.ext4;
  const at = groupChange(change, group);
  if (at === 0) return lastFault();
  const free = <i32>countOf(ext4, at, GROUP_FREE_BLOCKS_LOW, GROUP_FREE_BLOCKS_HIGH) + delta;
  if (free < 0 || <u32>free > ext4.groupBlocks) return groupFail(ext4, group);
  countStore(ext4, at, GROUP_FREE_BLOCKS_LOW, GROUP_FREE_BLOCKS_HIGH, <u32>free);
  if (ext4.hasChecksums) {
    const sum = bitmapSum(ext4.seed, bitmap, ext4.groupBlocks >>> 3);
    countStore(ext4, at, GROUP_BLOCK_BITMAP_CHECKSUM_LOW, GROUP_BLOCK_BITMAP_CHECKSUM_HIGH, sum);
  }
  groupSeal(ext4, group, at);
  return ErrorCode.OK;
}

/** The bitmap of the inodes of a group, to be changed and then sealed; 0 after a fault. */
export function inodesChange(change: Change, group: u32): usize {
  const ext4 = change.ext4;
  const at = descriptorAt(ext4, group);
  if (at === 0) return 0;
  const place = placeOf(ext4, group, inodeBitmapOf(ext4, at));
  if (place === 0) return 0;
  const bytes = ext4.groupInodes >>> 3;
  const use = USE_INODE_BITMAP | <u64>group;
  if (isUnused(ext4, at, GROUP_FLAG_INODES_UNUSED)) {
    const bitmap = blockFresh(change, place, use);
    if (bitmap === 0) return 0;
    memory.fill(bitmap + bytes, 0xff, ext4.blockSize - bytes);
    const own = groupChange(change, group);
    if (own === 0) return 0;
    flagClear(ext4, group, own, GROUP_FLAG_INODES_UNUSED);
    return bitmap;
  }
  const sum = countOf(ext4, at, GROUP_INODE_BITMAP_CHECKSUM_LOW, GROUP_INODE_BITMAP_CHECKSUM_HIGH);
  if (bitmapAt(ext4, place, bytes, sum, use) === 0) return 0;
  return blockChange(change, place, use);
}

/** Sets the checksum of a bitmap of inodes in the descriptor at `at`, which is sealed. */
export function inodesSeal(ext4: Ext4, group: u32, bitmap: usize, at: usize): void {
  if (ext4.hasChecksums) {
    const sum = bitmapSum(ext4.seed, bitmap, ext4.groupInodes >>> 3);
    countStore(ext4, at, GROUP_INODE_BITMAP_CHECKSUM_LOW, GROUP_INODE_BITMAP_CHECKSUM_HIGH, sum);
  }
  groupSeal(ext4, group, at);
}

export function groupFail(ext4: Ext4, group: u32): ErrorCode {
  return ext4Fail(ext4, Reason.EXT4_GROUP, descriptorBlock(ext4, group), group);
}

export function isUnused(ext4: Ext4, at: usize, flag: u32): bool {
  return hasGroupSums(ext4) && (<u32>load<u16>(at, GROUP_FLAGS) & flag) !== 0;
}

/** Sets bits; false where one was set already. */
export function bitsTake(bitmap: usize, from: u32, count: u32): bool {
  for (let bit = from; bit < from + count; bit++) {
    const at = bitmap + <usize>(bit >>> 3);
    const mask: u32 = 1 << (bit & 7);
    const byte = <u32>load<u8>(at);
    if ((byte & mask) !== 0) return false;
    store<u8>(at, <u8>(byte | mask));
  }
  return true;
}

/** Clears bits; false where one was clear already. */
export function bitsGive(bitmap: usize, from: u32, count: u32): bool {
  for (let bit = from; bit < from + count; bit++) {
    const at = bitmap + <usize>(bit >>> 3);
    const mask: u32 = 1 << (bit & 7);
    const byte = <u32>load<u8>(at);
    if ((byte & mask) === 0) return false;
    store<u8>(at, <u8>(byte & ~mask));
  }
  return true;
}

/** Sets bits, whatever they were. */
export function bitsSet(bitmap: usize, from: u32, count: u32): void {
  for (let bit = from; bit < from + count; bit++) {
    const at = bitmap + <usize>(bit >>> 3);
    store<u8>(at, <u8>(<u32>load<u8>(at) | ((<u32>1) << (bit & 7))));
  }
}

function flagClear(ext4: Ext4, group: u32, at: usize, flag: u32): void {
  store<u16>(at, <u16>(<u32>load<u16>(at, GROUP_FLAGS) & ~flag), GROUP_FLAGS);
  groupSeal(ext4, group, at);
}

function placeOf(ext4: Ext4, group: u32, block: u64): u64 {
  if (isInside(ext4, block, 1)) return block;
  groupFail(ext4, group);
  return 0;
}

/** The bitmap of blocks of a group where it was written; 0 after a fault. */
function blocksAt(ext4: Ext4, group: u32, at: usize): usize {
  const low = GROUP_BLOCK_BITMAP_CHECKSUM_LOW;
  const sum = countOf(ext4, at, low, GROUP_BLOCK_BITMAP_CHECKSUM_HIGH);
  const use = USE_BLOCK_BITMAP | <u64>group;
  return bitmapAt(ext4, blockBitmapOf(ext4, at), ext4.groupBlocks >>> 3, sum, use);
}

/** A bitmap that was written, its checksum verified once; 0 after a fault. */
function bitmapAt(ext4: Ext4, block: u64, bytes: u32, told: u32, use: u64): usize {
  const frame = blockFrame(ext4, block);
  if (frame === null) return 0;
  if (frame.page === use) return frame.address;
  if (!useFits(ext4, frame, use)) return 0;
  if (ext4.hasChecksums) {
    let sum = bitmapSum(ext4.seed, frame.address, bytes);
    if (ext4.descriptorSize < GROUP_SIZE) sum &= 0xffff;
    if (sum !== told) {
      ext4Fail(ext4, Reason.CHECKSUM, block, 0);
      return 0;
    }
  }
  frame.page = use;
  return frame.address;
}

/** The bitmap of a group that has nothing but its own metadata, which its count must confirm. */
function blocksMake(ext4: Ext4, group: u32, at: usize, out: usize): ErrorCode {
  const length = groupLength(ext4, group);
  memory.fill(out, 0, ext4.blockSize);
  bitsSet(out, 0, ownBlocks(ext4, group));
  placeSet(ext4, group, blockBitmapOf(ext4, at), 1, out);
  placeSet(ext4, group, inodeBitmapOf(ext4, at), 1, out);
  placeSet(ext4, group, inodeTableOf(ext4, at), tableBlocks(ext4), out);
  let free: u32 = 0;
  for (let bit: u32 = 0; bit < length; bit++) {
    if (((<u32>load<u8>(out + <usize>(bit >>> 3)) >>> (bit & 7)) & 1) === 0) free += 1;
  }
  bitsSet(out, length, (ext4.blockSize << 3) - length);
  const told = countOf(ext4, at, GROUP_FREE_BLOCKS_LOW, GROUP_FREE_BLOCKS_HIGH);
  return free === told ? ErrorCode.OK : groupFail(ext4, group);
}

/** Superblock, descriptors and what is kept for more of them, at the start of a group. */
export function ownBlocks(ext4: Ext4, group: u32): u32 {
  const isCopy = hasSuper(ext4, group);
  const perBlock = ext4.blockSize / ext4.descriptorSize;
  let tables = (ext4.groups + perBlock - 1) / perBlock;
  if ((ext4.incompatible & INCOMPATIBLE_META_BG) !== 0) {
    const first = load<u32>(ext4.super, SUPER_FIRST_META_GROUP);
    const index = group / perBlock;
    const step = group % perBlock;
    if (index >= first) {
      const isOwn = step <= 1 || step === perBlock - 1;
      return (isCopy ? 1 : 0) + (isOwn ? 1 : 0);
    }
    tables = min<u32>(tables, first);
  }
  if (!isCopy) return 0;
  const spare = <u32>load<u16>(ext4.super, SUPER_SPARE_DESCRIPTORS);
  return min<u32>(1 + tables + spare, groupLength(ext4, group));
}

/** Marks what of [block, block + count) lies in the group. */
function placeSet(ext4: Ext4, group: u32, block: u64, count: u32, out: usize): void {
  const start = groupStart(ext4, group);
  const end = start + <u64>groupLength(ext4, group);
  const from = max<u64>(block, start);
  const to = min<u64>(block + <u64>count, end);
  if (from < to) bitsSet(out, <u32>(from - start), <u32>(to - from));
}
