/** Descriptors of block groups: where they stand, their checksums, what they name and count. */
import { lastFault } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  COMPATIBLE_SPARSE_SUPER2,
  GROUP_BLOCK_BITMAP_HIGH,
  GROUP_BLOCK_BITMAP_LOW,
  GROUP_CHECKSUM,
  GROUP_FREE_BLOCKS_HIGH,
  GROUP_FREE_BLOCKS_LOW,
  GROUP_FREE_INODES_HIGH,
  GROUP_FREE_INODES_LOW,
  GROUP_INODE_BITMAP_HIGH,
  GROUP_INODE_BITMAP_LOW,
  GROUP_INODE_TABLE_HIGH,
  GROUP_INODE_TABLE_LOW,
  GROUP_SIZE,
  INCOMPATIBLE_64BIT,
  INCOMPATIBLE_META_BG,
  READ_ONLY_BIG_ALLOCATION,
  READ_ONLY_GDT_CHECKSUM,
  READ_ONLY_SPARSE_SUPER,
  SUPER_BACKUP_GROUPS,
  SUPER_FIRST_META_GROUP,
  SUPER_FREE_BLOCKS_HIGH,
  SUPER_FREE_BLOCKS_LOW,
  SUPER_FREE_INODES,
  SUPER_UUID,
} from "../../../format/media/ext4";
import { groupSum } from "../base/sums";
import { blockAt, Ext4, ext4Fail, groupStart, isInside } from "./volume";

const number: usize = memory.data(4, 4);

/** Where the descriptor of `group` stands: its block. */
export function descriptorBlock(ext4: Ext4, group: u32): u64 {
  const perBlock = ext4.blockSize / ext4.descriptorSize;
  const index = group / perBlock;
  const hasMeta = (ext4.incompatible & INCOMPATIBLE_META_BG) !== 0;
  if (hasMeta && index >= load<u32>(ext4.super, SUPER_FIRST_META_GROUP)) {
    const first = index * perBlock;
    return groupStart(ext4, first) + <u64>(hasSuper(ext4, first) ? 1 : 0);
  }
  // A superblock of blocks larger than 1 KiB shares its block with what stands before it.
  return groupStart(ext4, ext4.superGroup) + 1 + <u64>index;
}

/** True if a copy of the superblock, and of the table of groups, stands in `group`. */
export function hasSuper(ext4: Ext4, group: u32): bool {
  if (group === 0) return true;
  if ((ext4.compatible & COMPATIBLE_SPARSE_SUPER2) !== 0) {
    const pair = ext4.super + SUPER_BACKUP_GROUPS;
    return load<u32>(pair) === group || load<u32>(pair, 4) === group;
  }
  if (group === 1 || (ext4.readOnlyFeatures & READ_ONLY_SPARSE_SUPER) === 0) return true;
  return isPower(group, 3) || isPower(group, 5) || isPower(group, 7);
}

/** Address of the descriptor of `group`, its checksum verified; 0 after a fault. */
export function descriptorAt(ext4: Ext4, group: u32): usize {
  const at = descriptorPlain(ext4, group);
  if (at === 0 || descriptorHolds(ext4, group, at)) return at;
  ext4Fail(ext4, Reason.CHECKSUM, descriptorBlock(ext4, group), group);
  return 0;
}

/** The same, whatever its checksum says. */
export function descriptorPlain(ext4: Ext4, group: u32): usize {
  const perBlock = ext4.blockSize / ext4.descriptorSize;
  const block = blockAt(ext4, descriptorBlock(ext4, group));
  return block === 0 ? 0 : block + <usize>((group % perBlock) * ext4.descriptorSize);
}

/** True if the checksum of a descriptor holds, or it has none. */
export function descriptorHolds(ext4: Ext4, group: u32, at: usize): bool {
  if (!hasGroupSums(ext4)) return true;
  return descriptorSum(ext4, group, at) === <u32>load<u16>(at, GROUP_CHECKSUM);
}

/** True if descriptors have a checksum: then their flags and the count of unused inodes hold. */
export function hasGroupSums(ext4: Ext4): bool {
  return ext4.hasChecksums || (ext4.readOnlyFeatures & READ_ONLY_GDT_CHECKSUM) !== 0;
}

/** What belongs into GROUP_CHECKSUM, where there is one. */
export function descriptorSum(ext4: Ext4, group: u32, at: usize): u32 {
  if (ext4.hasChecksums) return groupSum(ext4.seed, group, at, ext4.descriptorSize);
  store<u32>(number, group);
  let crc = crc16(0xffff, ext4.super + SUPER_UUID, 16);
  crc = crc16(crc, number, 4);
  crc = crc16(crc, at, GROUP_CHECKSUM);
  const rest = GROUP_CHECKSUM + 2;
  if (ext4.descriptorSize > rest) crc = crc16(crc, at + rest, ext4.descriptorSize - rest);
  return crc;
}

export function blockBitmapOf(ext4: Ext4, at: usize): u64 {
  return wide(ext4, at, GROUP_BLOCK_BITMAP_LOW, GROUP_BLOCK_BITMAP_HIGH);
}

export function inodeBitmapOf(ext4: Ext4, at: usize): u64 {
  return wide(ext4, at, GROUP_INODE_BITMAP_LOW, GROUP_INODE_BITMAP_HIGH);
}

export function inodeTableOf(ext4: Ext4, at: usize): u64 {
  return wide(ext4, at, GROUP_INODE_TABLE_LOW, GROUP_INODE_TABLE_HIGH);
}

/** Blocks of the table of inodes of a group. */
export function tableBlocks(ext4: Ext4): u32 {
  return ext4.groupInodes / (ext4.blockSize / ext4.inodeSize);
}

/** First block of the inodes of `group`; 0 after a fault. */
export function tableStart(ext4: Ext4, group: u32): u64 {
  const at = descriptorAt(ext4, group);
  if (at === 0) return 0;
  const table = inodeTableOf(ext4, at);
  if (isInside(ext4, table, <u64>tableBlocks(ext4))) return table;
  ext4Fail(ext4, Reason.EXT4_GROUP, descriptorBlock(ext4, group), group);
  return 0;
}

/** A number of 16 bits and, in large descriptors, 16 more. */
export function countOf(ext4: Ext4, at: usize, low: u32, high: u32): u32 {
  const upper: u32 = ext4.descriptorSize >= GROUP_SIZE ? <u32>load<u16>(at + high) : 0;
  return <u32>load<u16>(at + low) | (upper << 16);
}

/** Free blocks, as the superblock counts them. */
export function freeBlocks(ext4: Ext4): u64 {
  const isLarge = (ext4.incompatible & INCOMPATIBLE_64BIT) !== 0;
  const upper: u64 = isLarge ? <u64>load<u32>(ext4.super, SUPER_FREE_BLOCKS_HIGH) : 0;
  return <u64>load<u32>(ext4.super, SUPER_FREE_BLOCKS_LOW) | (upper << 32);
}

/** Stores that count in the superblock at `at`. */
export function freeBlocksStore(ext4: Ext4, at: usize, free: u64): void {
  store<u32>(at, <u32>free, SUPER_FREE_BLOCKS_LOW);
  const isLarge = (ext4.incompatible & INCOMPATIBLE_64BIT) !== 0;
  if (isLarge) store<u32>(at, <u32>(free >>> 32), SUPER_FREE_BLOCKS_HIGH);
}

/**
 * Counts free blocks and inodes anew, from the descriptors, in `ext4.super`: a system that has a
 * volume mounted counts in memory, and a cut leaves old sums. EBADMSG: one is damaged; EIO.
 */
export function countsStore(ext4: Ext4): ErrorCode {
  // Descriptors count blocks there, and the superblock clusters.
  if ((ext4.readOnlyFeatures & READ_ONLY_BIG_ALLOCATION) !== 0) return ErrorCode.OK;
  let blocks: u64 = 0;
  let inodes: u32 = 0;
  for (let group: u32 = 0; group < ext4.groups; group++) {
    const descriptor = descriptorAt(ext4, group);
    if (descriptor === 0) return lastFault();
    blocks += <u64>countOf(ext4, descriptor, GROUP_FREE_BLOCKS_LOW, GROUP_FREE_BLOCKS_HIGH);
    inodes += countOf(ext4, descriptor, GROUP_FREE_INODES_LOW, GROUP_FREE_INODES_HIGH);
  }
  freeBlocksStore(ext4, ext4.super, blocks);
  store<u32>(ext4.super, inodes, SUPER_FREE_INODES);
  return ErrorCode.OK;
}

function wide(ext4: Ext4, at: usize, low: u32, high: u32): u64 {
  const upper: u64 = ext4.descriptorSize >= GROUP_SIZE ? <u64>load<u32>(at + high) : 0;
  return <u64>load<u32>(at + low) | (upper << 32);
}

function isPower(group: u32, base: u32): bool {
  while (group % base === 0) group /= base;
  return group === 1;
}

/** CRC-16 with the polynomial 0xa001, bit by bit: for descriptors of ext4 before its checksums. */
function crc16(crc: u32, address: usize, length: u32): u32 {
  for (let at: u32 = 0; at < length; at++) {
    crc ^= <u32>load<u8>(address + at);
    for (let bit: u32 = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) !== 0 ? 0xa001 : 0);
  }
  return crc;
}
