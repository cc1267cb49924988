/** The superblock and its copies: every field that is not zero. */
import {
  BLOCK_SIZE,
  CHECKSUM_CRC32C,
  COMPATIBLE_DIRECTORY_INDEX,
  COMPATIBLE_JOURNAL,
  COMPATIBLE_RESIZE,
  COMPATIBLE_XATTR,
  EXT4_MAGIC,
  GROUP_FREE_BLOCKS_HIGH,
  GROUP_FREE_BLOCKS_LOW,
  GROUP_SIZE,
  INCOMPATIBLE_64BIT,
  INCOMPATIBLE_EXTENTS,
  INCOMPATIBLE_FILE_TYPE,
  INCOMPATIBLE_FLEX_BG,
  LABEL_SIZE,
  READ_ONLY_DIRECTORY_LINKS,
  READ_ONLY_EXTRA_INODE_SIZE,
  READ_ONLY_HUGE_FILE,
  READ_ONLY_LARGE_FILE,
  READ_ONLY_METADATA_CHECKSUM,
  READ_ONLY_SPARSE_SUPER,
  SUPER_AT,
  SUPER_BLOCK_SHIFT,
  SUPER_BLOCKS_HIGH,
  SUPER_BLOCKS_LOW,
  SUPER_CHECKED_AT,
  SUPER_CHECKED_AT_HIGH,
  SUPER_CHECKSUM,
  SUPER_CHECKSUM_TYPE,
  SUPER_CLUSTER_SHIFT,
  SUPER_COMPATIBLE,
  SUPER_DESCRIPTOR_SIZE,
  SUPER_EXTRA_MIN,
  SUPER_EXTRA_WANTED,
  SUPER_FIRST_INODE,
  SUPER_FLAG_SIGNED_HASH,
  SUPER_FLAGS,
  SUPER_FLEX_SHIFT,
  SUPER_FREE_BLOCKS_HIGH,
  SUPER_FREE_BLOCKS_LOW,
  SUPER_FREE_INODES,
  SUPER_GROUP_BLOCKS,
  SUPER_GROUP_CLUSTERS,
  SUPER_GROUP_INODES,
  SUPER_GROUP_NUMBER,
  SUPER_HASH_SEED,
  SUPER_HASH_VERSION,
  SUPER_INCOMPATIBLE,
  SUPER_INODE_SIZE,
  SUPER_INODES,
  SUPER_JOURNAL_BACKUP,
  SUPER_JOURNAL_BACKUP_TYPE,
  SUPER_JOURNAL_INODE,
  SUPER_LABEL,
  SUPER_MADE_AT,
  SUPER_MADE_AT_HIGH,
  SUPER_MAGIC,
  SUPER_MOUNT_OPTIONS,
  SUPER_MOUNTS_MAX,
  SUPER_ON_ERRORS,
  SUPER_OVERHEAD,
  SUPER_READ_ONLY,
  SUPER_REVISION,
  SUPER_ROOT_BLOCKS_HIGH,
  SUPER_ROOT_BLOCKS_LOW,
  SUPER_SPARE_DESCRIPTORS,
  SUPER_STATE,
  SUPER_STATE_CLEAN,
  SUPER_UUID,
  SUPER_WRITTEN_AT,
  SUPER_WRITTEN_AT_HIGH,
} from "../../../format/media/ext4";
import {
  INODE_EXTRA_WANTED,
  INODE_FIRST,
  INODE_JOURNAL,
  INODE_SIZE,
} from "../../../format/media/ext4-inode";
import { HASH_HALF_MD4 } from "../../../format/media/ext4-names";
import { FLEX_SHIFT, GROUP_BLOCKS, hasSuper, inodesOf, superBlocks } from "../base/geometry";
import { superSum } from "../base/sums";
import { Build } from "./base/build";
import { journalBackup } from "./nodes/inodes";

/** superMake: where in its two blocks the block of a copy begins. */
export const SUPER_BLOCK_AT: u32 = SUPER_AT;
/** Extended attributes of users, and access control lists. */
const MOUNT_OPTIONS: u32 = 0xc;

/** Makes the superblock at byte SUPER_AT of two blocks at `address`; the rest is zeros. */
export function superMake(build: Build, group: u32, address: usize): void {
  memory.fill(address, 0, 2 * BLOCK_SIZE);
  const at = address + SUPER_AT;
  countsStore(build, at);
  featuresStore(at);
  const geometry = build.geometry;
  store<u32>(at, 2, SUPER_BLOCK_SHIFT);
  store<u32>(at, 2, SUPER_CLUSTER_SHIFT);
  store<u32>(at, GROUP_BLOCKS, SUPER_GROUP_BLOCKS);
  store<u32>(at, GROUP_BLOCKS, SUPER_GROUP_CLUSTERS);
  store<u32>(at, geometry.groupInodes, SUPER_GROUP_INODES);
  store<u16>(at, 0xffff, SUPER_MOUNTS_MAX);
  store<u16>(at, EXT4_MAGIC, SUPER_MAGIC);
  store<u16>(at, SUPER_STATE_CLEAN, SUPER_STATE);
  store<u16>(at, 1, SUPER_ON_ERRORS);
  store<u32>(at, 1, SUPER_REVISION);
  store<u32>(at, INODE_FIRST, SUPER_FIRST_INODE);
  store<u16>(at, INODE_SIZE, SUPER_INODE_SIZE);
  store<u16>(at, <u16>group, SUPER_GROUP_NUMBER);
  memory.copy(at + SUPER_UUID, build.uuid, 16);
  memory.copy(at + SUPER_LABEL, build.label, LABEL_SIZE);
  store<u16>(at, <u16>geometry.reserveBlocks, SUPER_SPARE_DESCRIPTORS);
  store<u32>(at, INODE_JOURNAL, SUPER_JOURNAL_INODE);
  memory.copy(at + SUPER_HASH_SEED, build.hashSeed, 16);
  store<u8>(at, HASH_HALF_MD4, SUPER_HASH_VERSION);
  store<u8>(at, 1, SUPER_JOURNAL_BACKUP_TYPE);
  store<u16>(at, GROUP_SIZE, SUPER_DESCRIPTOR_SIZE);
  store<u32>(at, MOUNT_OPTIONS, SUPER_MOUNT_OPTIONS);
  memory.copy(at + SUPER_JOURNAL_BACKUP, journalBackup, 68);
  store<u16>(at, INODE_EXTRA_WANTED, SUPER_EXTRA_MIN);
  store<u16>(at, INODE_EXTRA_WANTED, SUPER_EXTRA_WANTED);
  store<u32>(at, SUPER_FLAG_SIGNED_HASH, SUPER_FLAGS);
  store<u8>(at, FLEX_SHIFT, SUPER_FLEX_SHIFT);
  store<u8>(at, CHECKSUM_CRC32C, SUPER_CHECKSUM_TYPE);
  timeStore(at, build.timestampS, SUPER_WRITTEN_AT, SUPER_WRITTEN_AT_HIGH);
  timeStore(at, build.timestampS, SUPER_CHECKED_AT, SUPER_CHECKED_AT_HIGH);
  timeStore(at, build.timestampS, SUPER_MADE_AT, SUPER_MADE_AT_HIGH);
  store<u32>(at, superSum(at), SUPER_CHECKSUM);
}

function timeStore(at: usize, seconds: i64, field: u32, high: u32): void {
  store<u32>(at + field, <u32>seconds);
  store<u8>(at + high, <u8>(seconds >> 32));
}

function countsStore(build: Build, at: usize): void {
  const geometry = build.geometry;
  let free: u64 = 0;
  for (let group: u32 = 0; group < geometry.groups; group++) {
    const descriptor = build.groups + <usize>(group * GROUP_SIZE);
    free += <u64>load<u16>(descriptor, GROUP_FREE_BLOCKS_LOW);
    free += (<u64>load<u16>(descriptor, GROUP_FREE_BLOCKS_HIGH)) << 16;
  }
  const inodes = inodesOf(geometry);
  store<u32>(at, inodes, SUPER_INODES);
  store<u32>(at, inodes - build.inodes, SUPER_FREE_INODES);
  store<u32>(at, <u32>geometry.blocks, SUPER_BLOCKS_LOW);
  store<u32>(at, <u32>(geometry.blocks >>> 32), SUPER_BLOCKS_HIGH);
  store<u32>(at, <u32>geometry.reserved, SUPER_ROOT_BLOCKS_LOW);
  store<u32>(at, <u32>(geometry.reserved >>> 32), SUPER_ROOT_BLOCKS_HIGH);
  store<u32>(at, <u32>free, SUPER_FREE_BLOCKS_LOW);
  store<u32>(at, <u32>(free >>> 32), SUPER_FREE_BLOCKS_HIGH);
  store<u32>(at, <u32>overhead(build), SUPER_OVERHEAD);
}

/** Blocks of metadata and journal: what a filesystem has less than its size. */
export function overhead(build: Build): u64 {
  const geometry = build.geometry;
  let blocks = <u64>geometry.groups * <u64>(2 + geometry.tableBlocks);
  for (let group: u32 = 0; group < geometry.groups; group++) {
    if (hasSuper(group)) blocks += <u64>superBlocks(geometry);
  }
  return blocks + <u64>geometry.journalBlocks;
}

/** Those of mke2fs -t ext4, version 1.47.0. */
function featuresStore(at: usize): void {
  const compatible =
    COMPATIBLE_JOURNAL | COMPATIBLE_XATTR | COMPATIBLE_RESIZE | COMPATIBLE_DIRECTORY_INDEX;
  const incompatible =
    INCOMPATIBLE_FILE_TYPE | INCOMPATIBLE_EXTENTS | INCOMPATIBLE_64BIT | INCOMPATIBLE_FLEX_BG;
  const readOnly =
    READ_ONLY_SPARSE_SUPER |
    READ_ONLY_LARGE_FILE |
    READ_ONLY_HUGE_FILE |
    READ_ONLY_DIRECTORY_LINKS |
    READ_ONLY_EXTRA_INODE_SIZE |
    READ_ONLY_METADATA_CHECKSUM;
  store<u32>(at, compatible, SUPER_COMPATIBLE);
  store<u32>(at, incompatible, SUPER_INCOMPATIBLE);
  store<u32>(at, readOnly, SUPER_READ_ONLY);
}
