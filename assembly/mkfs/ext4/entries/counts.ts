/**
 * Free blocks and inodes of the whole volume. A system counts them in memory while it has a volume
 * mounted, so what a cut leaves in the superblock is old; the descriptors are right.
 */
import { lastFault } from "../../../engine/fault";
import { ErrorCode } from "../../../format/errors";
import {
  GROUP_FREE_BLOCKS_HIGH,
  GROUP_FREE_BLOCKS_LOW,
  GROUP_FREE_INODES_HIGH,
  GROUP_FREE_INODES_LOW,
  INCOMPATIBLE_64BIT,
  READ_ONLY_BIG_ALLOCATION,
  SUPER_FREE_BLOCKS_HIGH,
  SUPER_FREE_BLOCKS_LOW,
  SUPER_FREE_INODES,
} from "../../../format/media/ext4";
import { countOf, descriptorAt } from "../read/groups";
import { Ext4 } from "../read/volume";

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

/** Counts anew, from the descriptors, in the superblock at `at`. EBADMSG: one is damaged; EIO. */
export function countsStore(ext4: Ext4, at: usize): ErrorCode {
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
  freeBlocksStore(ext4, at, blocks);
  store<u32>(at, inodes, SUPER_FREE_INODES);
  return ErrorCode.OK;
}
