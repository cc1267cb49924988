/** The superblock: its checksum, the features it names, and the sizes that follow from it. */
import { deviceFail } from "../../../engine/device";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  CHECKSUM_CRC32C,
  GROUP_SIZE,
  GROUP_SIZE_SMALL,
  INCOMPATIBLE_64BIT,
  INCOMPATIBLE_CASE_FOLD,
  INCOMPATIBLE_CSUM_SEED,
  INCOMPATIBLE_ENCRYPT,
  INCOMPATIBLE_EXTENTS,
  INCOMPATIBLE_FILE_TYPE,
  INCOMPATIBLE_FLEX_BG,
  INCOMPATIBLE_INLINE_DATA,
  INCOMPATIBLE_LARGE_DIRECTORY,
  INCOMPATIBLE_META_BG,
  INCOMPATIBLE_MMP,
  INCOMPATIBLE_RECOVER,
  INCOMPATIBLE_XATTR_INODE,
  READ_ONLY_BIG_ALLOCATION,
  READ_ONLY_BTREE_DIRECTORY,
  READ_ONLY_DIRECTORY_LINKS,
  READ_ONLY_EXTRA_INODE_SIZE,
  READ_ONLY_GDT_CHECKSUM,
  READ_ONLY_HUGE_FILE,
  READ_ONLY_LARGE_FILE,
  READ_ONLY_METADATA_CHECKSUM,
  READ_ONLY_SPARSE_SUPER,
  SUPER_BLOCK_SHIFT,
  SUPER_BLOCKS_HIGH,
  SUPER_BLOCKS_LOW,
  SUPER_CHECKSUM,
  SUPER_CHECKSUM_SEED,
  SUPER_CHECKSUM_TYPE,
  SUPER_COMPATIBLE,
  SUPER_DESCRIPTOR_SIZE,
  SUPER_FIRST_DATA_BLOCK,
  SUPER_FIRST_INODE,
  SUPER_GROUP_BLOCKS,
  SUPER_GROUP_INODES,
  SUPER_INCOMPATIBLE,
  SUPER_INODE_SIZE,
  SUPER_INODES,
  SUPER_MAGIC,
  SUPER_MAGIC_VALUE,
  SUPER_READ_ONLY,
  SUPER_REVISION,
  SUPER_UUID,
} from "../../../format/media/ext4";
import { INODE_FIRST, INODE_SIZE_SMALL } from "../../../format/media/ext4-inode";
import { chain } from "../base/sums";
import { Ext4 } from "./volume";

const INCOMPATIBLE_KNOWN: u32 =
  INCOMPATIBLE_FILE_TYPE |
  INCOMPATIBLE_RECOVER |
  INCOMPATIBLE_META_BG |
  INCOMPATIBLE_EXTENTS |
  INCOMPATIBLE_64BIT |
  INCOMPATIBLE_MMP |
  INCOMPATIBLE_FLEX_BG |
  INCOMPATIBLE_XATTR_INODE |
  INCOMPATIBLE_CSUM_SEED |
  INCOMPATIBLE_LARGE_DIRECTORY |
  INCOMPATIBLE_INLINE_DATA |
  INCOMPATIBLE_ENCRYPT |
  INCOMPATIBLE_CASE_FOLD;
/** What a writer of the journal's blocks must know; MMP asks who else is writing. */
const READ_ONLY_KNOWN: u32 =
  READ_ONLY_SPARSE_SUPER |
  READ_ONLY_LARGE_FILE |
  READ_ONLY_BTREE_DIRECTORY |
  READ_ONLY_HUGE_FILE |
  READ_ONLY_GDT_CHECKSUM |
  READ_ONLY_DIRECTORY_LINKS |
  READ_ONLY_EXTRA_INODE_SIZE |
  READ_ONLY_METADATA_CHECKSUM;
const BLOCK_SHIFT_MIN: u32 = 10;
const BLOCK_SHIFT_MAX: u32 = 12;

/**
 * Takes over what the superblock at `ext4.super`, read from `sector`, says: EMEDIUMTYPE (no magic),
 * EBADMSG, EOPNOTSUPP (an unknown feature; its bits are the fault's detail).
 */
export function superAccept(ext4: Ext4, sector: u64): ErrorCode {
  const block = ext4.super;
  if (<u32>load<u16>(block, SUPER_MAGIC) !== SUPER_MAGIC_VALUE) {
    return deviceFail(ext4.device, ErrorCode.EMEDIUMTYPE, Reason.MAGIC, sector, SUPER_MAGIC);
  }
  const isOld = load<u32>(block, SUPER_REVISION) === 0;
  ext4.compatible = isOld ? 0 : load<u32>(block, SUPER_COMPATIBLE);
  ext4.incompatible = isOld ? 0 : load<u32>(block, SUPER_INCOMPATIBLE);
  ext4.readOnlyFeatures = isOld ? 0 : load<u32>(block, SUPER_READ_ONLY);
  ext4.hasChecksums = (ext4.readOnlyFeatures & READ_ONLY_METADATA_CHECKSUM) !== 0;
  if (ext4.hasChecksums) {
    if (<u32>load<u8>(block, SUPER_CHECKSUM_TYPE) !== CHECKSUM_CRC32C) {
      return wrong(ext4, sector, SUPER_CHECKSUM_TYPE);
    }
    if (chain(0xffffffff, block, SUPER_CHECKSUM) !== load<u32>(block, SUPER_CHECKSUM)) {
      return deviceFail(ext4.device, ErrorCode.EBADMSG, Reason.CHECKSUM, sector, SUPER_CHECKSUM);
    }
  }
  const unknown = ext4.incompatible & ~INCOMPATIBLE_KNOWN;
  if (unknown !== 0) {
    return deviceFail(ext4.device, ErrorCode.EOPNOTSUPP, Reason.FEATURE, sector, unknown);
  }
  const isForeign = (ext4.readOnlyFeatures & ~READ_ONLY_KNOWN) !== 0;
  if (isForeign || (ext4.incompatible & INCOMPATIBLE_MMP) !== 0) ext4.isReadOnly = true;
  const hasSeed = (ext4.incompatible & INCOMPATIBLE_CSUM_SEED) !== 0;
  ext4.seed = hasSeed
    ? load<u32>(block, SUPER_CHECKSUM_SEED)
    : chain(0xffffffff, block + SUPER_UUID, 16);
  return acceptSizes(ext4, sector, isOld);
}

function acceptSizes(ext4: Ext4, sector: u64, isOld: bool): ErrorCode {
  const block = ext4.super;
  const shift = load<u32>(block, SUPER_BLOCK_SHIFT);
  if (shift > 6) return wrong(ext4, sector, SUPER_BLOCK_SHIFT);
  ext4.blockShift = shift + BLOCK_SHIFT_MIN;
  if (ext4.blockShift > BLOCK_SHIFT_MAX) {
    // Blocks larger than a page: few systems make them, and fewer read them.
    return deviceFail(ext4.device, ErrorCode.EOPNOTSUPP, Reason.BLOCK_SIZE, sector, shift);
  }
  const size: u32 = 1 << ext4.blockShift;
  ext4.blockSize = size;
  ext4.blockSectors = size >>> 9;
  const isLarge = (ext4.incompatible & INCOMPATIBLE_64BIT) !== 0;
  const high: u64 = isLarge ? <u64>load<u32>(block, SUPER_BLOCKS_HIGH) : 0;
  ext4.blocks = (high << 32) | <u64>load<u32>(block, SUPER_BLOCKS_LOW);
  ext4.firstBlock = load<u32>(block, SUPER_FIRST_DATA_BLOCK);
  if (ext4.firstBlock !== (ext4.blockShift === BLOCK_SHIFT_MIN ? 1 : 0)) {
    return wrong(ext4, sector, SUPER_FIRST_DATA_BLOCK);
  }
  const fits = ext4.device.sectors / <u64>ext4.blockSectors;
  if (ext4.blocks > fits) {
    return deviceFail(ext4.device, ErrorCode.EBADMSG, Reason.CAPACITY, sector, SUPER_BLOCKS_LOW);
  }
  if (ext4.blocks <= <u64>ext4.firstBlock + 2) return wrong(ext4, sector, SUPER_BLOCKS_LOW);
  ext4.inodeSize = isOld ? INODE_SIZE_SMALL : <u32>load<u16>(block, SUPER_INODE_SIZE);
  const isPower = (ext4.inodeSize & (ext4.inodeSize - 1)) === 0;
  if (ext4.inodeSize < INODE_SIZE_SMALL || ext4.inodeSize > size || !isPower) {
    return wrong(ext4, sector, SUPER_INODE_SIZE);
  }
  ext4.descriptorSize = isLarge ? <u32>load<u16>(block, SUPER_DESCRIPTOR_SIZE) : GROUP_SIZE_SMALL;
  const known = ext4.descriptorSize === GROUP_SIZE || ext4.descriptorSize === GROUP_SIZE_SMALL;
  if (!known || (isLarge && ext4.descriptorSize < GROUP_SIZE)) {
    return wrong(ext4, sector, SUPER_DESCRIPTOR_SIZE);
  }
  return acceptGroups(ext4, sector, isOld);
}

function acceptGroups(ext4: Ext4, sector: u64, isOld: bool): ErrorCode {
  const block = ext4.super;
  const bits = ext4.blockSize << 3;
  ext4.groupBlocks = load<u32>(block, SUPER_GROUP_BLOCKS);
  // A bigalloc volume has more blocks in a group: one bit stands for several.
  const blocksMost: u32 = isBig(ext4) ? 0x40000000 : bits;
  if (ext4.groupBlocks < 256 || ext4.groupBlocks > blocksMost || (ext4.groupBlocks & 7) !== 0) {
    return wrong(ext4, sector, SUPER_GROUP_BLOCKS);
  }
  ext4.groupInodes = load<u32>(block, SUPER_GROUP_INODES);
  const perBlock = ext4.blockSize / ext4.inodeSize;
  const isWhole = ext4.groupInodes % perBlock === 0 && (ext4.groupInodes & 7) === 0;
  if (ext4.groupInodes === 0 || ext4.groupInodes > bits || !isWhole) {
    return wrong(ext4, sector, SUPER_GROUP_INODES);
  }
  const span = ext4.blocks - <u64>ext4.firstBlock;
  const groups = (span + <u64>(ext4.groupBlocks - 1)) / <u64>ext4.groupBlocks;
  ext4.inodes = load<u32>(block, SUPER_INODES);
  if (groups * <u64>ext4.groupInodes !== <u64>ext4.inodes) return wrong(ext4, sector, SUPER_INODES);
  ext4.groups = <u32>groups;
  const first = isOld ? INODE_FIRST : load<u32>(block, SUPER_FIRST_INODE);
  if (first < INODE_FIRST || first > ext4.inodes) return wrong(ext4, sector, SUPER_FIRST_INODE);
  return ErrorCode.OK;
}

function isBig(ext4: Ext4): bool {
  return (ext4.readOnlyFeatures & READ_ONLY_BIG_ALLOCATION) !== 0;
}

function wrong(ext4: Ext4, sector: u64, field: u32): ErrorCode {
  return deviceFail(ext4.device, ErrorCode.EBADMSG, Reason.EXT4_SUPER, sector, field);
}
