/**
 * Opens and closes a volume: its superblock, or a backup of it, with its checksum, the features it
 * names, and the sizes that follow from it.
 */
import { cacheClose, cacheOpen, listClose, listOpen } from "../../../engine/cache";
import { deviceClose, deviceFail, deviceOpen, deviceRead } from "../../../engine/device";
import { failPlain, faultClear, lastFault } from "../../../engine/fault";
import { allocate, allocateZeroed, release } from "../../../engine/memory";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  CHECKSUM_CRC32C,
  EXT4_MAGIC,
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
  SUPER_AT,
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
  SUPER_GROUP_NUMBER,
  SUPER_INCOMPATIBLE,
  SUPER_INODE_SIZE,
  SUPER_INODES,
  SUPER_MAGIC,
  SUPER_READ_ONLY,
  SUPER_REVISION,
  SUPER_SIZE,
  SUPER_UUID,
} from "../../../format/media/ext4";
import { INODE_FIRST, INODE_SIZE_SMALL } from "../../../format/media/ext4-inode";
import { superSum, volumeSeed } from "../base/sums";
import { inodeClose, inodeOpen } from "./inode";
import { blockFrame, Ext4, ext4Forget } from "./volume";

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
/** Frames of a volume: a check needs many tables at a time. */
const FRAMES: u32 = 512;
const SECTOR_SHIFT: u64 = 9;
/** Groups whose backups are looked at: 1, 3 and 5 have one on every kind of volume. */
const BACKUPS: u32 = 3;
const BLOCK_SHIFT_MIN: u32 = 10;
const BLOCK_SHIFT_MAX: u32 = 12;

/** Opens the volume in a window, without a look at its journal; null after a fault. */
export function ext4OpenOn(id: u32, base: u64, sectors: u64, readOnly: bool): Ext4 | null {
  const device = deviceOpen(id, base, sectors, readOnly);
  if (device === null) return null;
  const address = allocateZeroed(offsetof<Ext4>());
  const block = allocate(SUPER_SIZE);
  const cache = cacheOpen(FRAMES);
  const overlay = listOpen();
  if (address === 0 || block === 0 || cache === null || overlay === null) {
    release(address, offsetof<Ext4>());
    release(block, SUPER_SIZE);
    if (cache !== null) cacheClose(cache);
    if (overlay !== null) listClose(overlay);
    deviceClose(device);
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const ext4 = changetype<Ext4>(address);
  ext4.device = device;
  ext4.cache = cache;
  ext4.overlay = overlay;
  ext4.super = block;
  ext4.isReadOnly = device.readOnly;
  const code = findSuper(ext4);
  // A block that is part of a block of the device cannot be written alone.
  if (device.blockSize > ext4.blockSize) ext4.isReadOnly = true;
  if (code === ErrorCode.OK) {
    const node = inodeOpen(ext4.inodeSize);
    const other = inodeOpen(ext4.inodeSize);
    if (node !== null) ext4.node = node;
    if (other !== null) ext4.other = other;
    if (node !== null && other !== null) return ext4;
    failPlain(ErrorCode.ENOMEM);
  }
  ext4CloseAll(ext4);
  return null;
}

export function ext4CloseAll(ext4: Ext4): void {
  ext4Forget(ext4);
  cacheClose(ext4.cache);
  listClose(ext4.overlay);
  if (changetype<usize>(ext4.node) !== 0) inodeClose(ext4.node, ext4.inodeSize);
  if (changetype<usize>(ext4.other) !== 0) inodeClose(ext4.other, ext4.inodeSize);
  deviceClose(ext4.device);
  release(ext4.super, SUPER_SIZE);
  release(changetype<usize>(ext4), offsetof<Ext4>());
}

/**
 * Reads the superblock again, after the journal changed it. A volume may have grown, but what was
 * set aside by its sizes so far must go on to fit.
 */
export function ext4Reread(ext4: Ext4): ErrorCode {
  if (ext4.superGroup !== 0) return ErrorCode.OK;
  const frame = blockFrame(ext4, <u64>(SUPER_AT >>> ext4.blockShift));
  if (frame === null) return lastFault();
  const shift = ext4.blockShift;
  const inodeSize = ext4.inodeSize;
  memory.copy(ext4.super, frame.address + <usize>(SUPER_AT & (ext4.blockSize - 1)), SUPER_SIZE);
  const sector = <u64>(SUPER_AT >>> 9);
  const code = superAccept(ext4, sector);
  const isSame = ext4.blockShift === shift && ext4.inodeSize === inodeSize;
  ext4.blockShift = shift;
  ext4.blockSize = 1 << shift;
  ext4.inodeSize = inodeSize;
  if (code !== ErrorCode.OK) return code;
  return isSame ? ErrorCode.OK : wrong(ext4, sector, SUPER_INODE_SIZE);
}

/**
 * Takes over what the superblock at `ext4.super`, read from `sector`, says: EMEDIUMTYPE (no magic),
 * EBADMSG, EOPNOTSUPP (an unknown feature; its bits are the fault's detail).
 */
export function superAccept(ext4: Ext4, sector: u64): ErrorCode {
  const block = ext4.super;
  if (<u32>load<u16>(block, SUPER_MAGIC) !== EXT4_MAGIC) {
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
    if (superSum(block) !== load<u32>(block, SUPER_CHECKSUM)) {
      return deviceFail(ext4.device, ErrorCode.EBADMSG, Reason.CHECKSUM, sector, SUPER_CHECKSUM);
    }
  }
  const unknown = ext4.incompatible & ~INCOMPATIBLE_KNOWN;
  if (unknown !== 0) {
    return deviceFail(ext4.device, ErrorCode.EOPNOTSUPP, Reason.FEATURE, sector, unknown);
  }
  if (isForeign(ext4)) ext4.isReadOnly = true;
  const hasSeed = (ext4.incompatible & INCOMPATIBLE_CSUM_SEED) !== 0;
  ext4.seed = hasSeed ? load<u32>(block, SUPER_CHECKSUM_SEED) : volumeSeed(block + SUPER_UUID);
  return acceptSizes(ext4, sector, isOld);
}

/** True if the volume has a feature that a writer must know, and we do not. */
export function isForeign(ext4: Ext4): bool {
  const isUnknown = (ext4.readOnlyFeatures & ~READ_ONLY_KNOWN) !== 0;
  return isUnknown || (ext4.incompatible & INCOMPATIBLE_MMP) !== 0;
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

/** The primary superblock, else a backup of it: then nothing is written. */
function findSuper(ext4: Ext4): ErrorCode {
  const device = ext4.device;
  const sector = <u64>(SUPER_AT >>> 9);
  if (device.sectors < 2 * sector) {
    return deviceFail(device, ErrorCode.EMEDIUMTYPE, Reason.CAPACITY, 0, 0);
  }
  let code = deviceRead(device, sector, ext4.super, SUPER_SIZE);
  if (code === ErrorCode.OK) {
    ext4.isMarked = <u32>load<u16>(ext4.super, SUPER_MAGIC) === EXT4_MAGIC;
    code = superAccept(ext4, sector);
  }
  // A feature we do not know is no damage, and a device that fails may have a backup elsewhere.
  if (code === ErrorCode.OK || code === ErrorCode.EOPNOTSUPP) return code;
  for (let shift: u32 = 10; shift <= 12; shift++) {
    let group: u32 = 1;
    for (let step: u32 = 0; step < BACKUPS; step++) {
      if (tryBackup(ext4, shift, group)) return ErrorCode.OK;
      group = group === 1 ? 3 : group + 2;
    }
  }
  ext4.isReadOnly = device.readOnly;
  faultClear();
  if (code === ErrorCode.EIO) return deviceFail(device, code, Reason.DEVICE_ERROR, sector, 0);
  if (!ext4.isMarked) {
    return deviceFail(device, ErrorCode.EMEDIUMTYPE, Reason.MAGIC, sector, 0);
  }
  return deviceFail(device, code, Reason.EXT4_SUPER, sector, SUPER_MAGIC);
}

function tryBackup(ext4: Ext4, shift: u32, group: u32): bool {
  const perGroup = (<u64>8) << shift;
  const first: u64 = shift === 10 ? 1 : 0;
  const sector = ((first + <u64>group * perGroup) << shift) >>> SECTOR_SHIFT;
  if (sector + 2 > ext4.device.sectors) return false;
  if (deviceRead(ext4.device, sector, ext4.super, SUPER_SIZE) !== ErrorCode.OK) return false;
  if (<u32>load<u16>(ext4.super, SUPER_GROUP_NUMBER) !== group) return false;
  if (superAccept(ext4, sector) !== ErrorCode.OK || ext4.blockShift !== shift) return false;
  if (<u64>ext4.groupBlocks !== perGroup) return false;
  ext4.superGroup = group;
  ext4.isReadOnly = true;
  return true;
}
