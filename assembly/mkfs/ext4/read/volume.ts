/**
 * A volume that is open: its superblock, checked, and the one way to blocks.
 *
 * Interface: blocks are those of the filesystem, from the start of the window. What was read stays
 * in a cache; blocks that a journal replaced stay in `overlay`, in front of the disk, and are
 * never given up. Nothing on the disk is believed before it is checked.
 */
import { Cache, cacheAdd, cacheDrop, cacheFind, Frame, FrameList } from "../../../engine/cache";
import { Device, deviceFail, deviceRead } from "../../../engine/device";
import { failPlain } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";

/**
 * What a block was last used as, in `page` of its frame: the kind here, in a directory its index
 * (28 bits from bit 32 on), and whose it is (32 bits). 0: not known. A frame with a use was checked
 * as that, where there is a check.
 */
export const USE_NODE: u64 = (<u64>1) << 60;
export const USE_DIRECTORY: u64 = (<u64>2) << 60;
export const USE_BLOCK_BITMAP: u64 = (<u64>3) << 60;
export const USE_INODE_BITMAP: u64 = (<u64>4) << 60;
export const USE_TABLE: u64 = (<u64>5) << 60;
export const USE_DESCRIPTORS: u64 = (<u64>6) << 60;
export const USE_SUPER: u64 = (<u64>7) << 60;
export const USE_XATTRS: u64 = (<u64>8) << 60;
export const USE_TARGET: u64 = (<u64>9) << 60;

@unmanaged
export class Inode {
  number: u32;
  mode: u32;
  /** MODE_TYPE of the mode. */
  type: u32;
  uid: u32;
  gid: u32;
  links: u32;
  flags: u32;
  size: u64;
  /** Sectors of 512 bytes that it takes. */
  sectors: u64;
  /** Block with more attributes, 0: none. */
  xattrBlock: u64;
  /** Where checksums of what belongs to it begin. */
  seed: u32;
  /** Bytes past the small inode that are in use. */
  extra: u32;
  /** Block of the table and byte in it. */
  tableBlock: u64;
  tableByte: u32;
  /** All its bytes. */
  raw: usize;
}

/** Blocks of a file that follow each other: on the disk from `block` on, or a hole (0). */
@unmanaged
export class Run {
  block: u64;
  count: u64;
}

@unmanaged
export class Ext4 {
  device: Device;
  cache: Cache;
  /** Blocks newer than those on the disk: from the journal, or changed since the last commit. */
  overlay: FrameList;
  /** SUPER_SIZE bytes: the superblock in use. */
  super: usize;
  /** Group it stands in. */
  superGroup: u32;
  /** The place of the primary one has the magic. */
  isMarked: bool;
  isReadOnly: bool;
  blockShift: u32;
  blockSize: u32;
  /** Sectors of a block. */
  blockSectors: u32;
  blocks: u64;
  firstBlock: u32;
  groupBlocks: u32;
  groups: u32;
  inodes: u32;
  groupInodes: u32;
  inodeSize: u32;
  descriptorSize: u32;
  compatible: u32;
  incompatible: u32;
  readOnlyFeatures: u32;
  hasChecksums: bool;
  /** Where checksums of metadata begin. */
  seed: u32;
  /** Open files. */
  users: u32;
  /** Transactions that were replayed, and that the journal was not empty. */
  transactions: u32;
  isReplayed: bool;
  journalBlocks: u32;
  journalError: u32;
  /** What changes it; 0 before the first change. */
  change: usize;
  /** Where a path led, and another one beside it. */
  node: Inode;
  other: Inode;
}

/** Forgets every block in memory, those of the journal too. */
export function ext4Forget(ext4: Ext4): void {
  let frame = ext4.overlay.oldest;
  while (frame !== null) {
    cacheDrop(ext4.cache, ext4.overlay, frame);
    frame = ext4.overlay.oldest;
  }
  frame = ext4.cache.clean.oldest;
  while (frame !== null) {
    cacheDrop(ext4.cache, ext4.cache.clean, frame);
    frame = ext4.cache.clean.oldest;
  }
}

/** Records damage at `block` and returns EBADMSG. */
export function ext4Fail(ext4: Ext4, reason: Reason, block: u64, detail: u32): ErrorCode {
  const sector = block * <u64>ext4.blockSectors;
  return deviceFail(ext4.device, ErrorCode.EBADMSG, reason, sector, detail);
}

/** Records that something is not known here, and returns EOPNOTSUPP. */
export function ext4Refuse(ext4: Ext4, detail: u32): ErrorCode {
  return deviceFail(ext4.device, ErrorCode.EOPNOTSUPP, Reason.FEATURE, 0, detail);
}

/** True if `count` blocks from `block` on can hold something. */
export function isInside(ext4: Ext4, block: u64, count: u64): bool {
  return block > <u64>ext4.firstBlock && block < ext4.blocks && count <= ext4.blocks - block;
}

/**
 * True if a block may be used as `use`. One that was changed has one use, so that no change is made
 * through another: EBADMSG where a damaged volume gives it two.
 */
export function useFits(ext4: Ext4, frame: Frame, use: u64): bool {
  const isOther = frame.page !== 0 && frame.page !== use;
  if (!isOther || !frame.dirty || ext4.change === 0) return true;
  ext4Fail(ext4, Reason.POINTER, frame.key, <u32>use);
  return false;
}

/** Block `block` in memory, or null after a fault; valid until 48 others were asked for. */
export function blockFrame(ext4: Ext4, block: u64): Frame | null {
  const known = cacheFind(ext4.cache, block);
  if (known !== null) return known;
  if (block >= ext4.blocks) {
    ext4Fail(ext4, Reason.POINTER, block, 0);
    return null;
  }
  const frame = cacheAdd(ext4.cache, block);
  if (frame === null) {
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  frame.page = 0;
  const sector = block * <u64>ext4.blockSectors;
  const code = deviceRead(ext4.device, sector, frame.address, ext4.blockSize);
  if (code === ErrorCode.OK) return frame;
  cacheDrop(ext4.cache, ext4.cache.clean, frame);
  return null;
}

/** Address of block `block` in memory, 0 after a fault. */
export function blockAt(ext4: Ext4, block: u64): usize {
  const frame = blockFrame(ext4, block);
  return frame === null ? 0 : frame.address;
}

/** First block of a group. */
export function groupStart(ext4: Ext4, group: u32): u64 {
  return <u64>ext4.firstBlock + <u64>group * <u64>ext4.groupBlocks;
}
