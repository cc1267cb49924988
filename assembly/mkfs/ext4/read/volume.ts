/**
 * A volume that is open: its superblock, checked, and the one way to blocks.
 *
 * Interface: blocks are those of the filesystem, from the start of the window. What was read stays
 * in a cache; blocks that a journal replaced stay in `overlay`, in front of the disk, and are
 * never given up. Nothing on the disk is believed before it is checked.
 */
import {
  Cache,
  cacheAdd,
  cacheClose,
  cacheDrop,
  cacheFind,
  cacheOpen,
  Frame,
  FrameList,
  listClose,
  listOpen,
} from "../../../engine/cache";
import { Device, deviceClose, deviceFail, deviceOpen, deviceRead } from "../../../engine/device";
import { failPlain, faultClear, lastFault } from "../../../engine/fault";
import { allocate, allocateZeroed, release } from "../../../engine/memory";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  SUPER_AT,
  SUPER_GROUP_NUMBER,
  SUPER_MAGIC,
  SUPER_MAGIC_VALUE,
  SUPER_SIZE,
} from "../../../format/media/ext4";
import { Inode, inodeClose, inodeOpen } from "./inode";
import { superAccept } from "./super";

/** Frames of a volume that is read, and of one whose check needs many tables at a time. */
const FRAMES: u32 = 512;
const SECTOR_SHIFT: u64 = 9;
/** Groups that have a backup on every kind of volume. */
const BACKUPS: u32 = 3;

@unmanaged
export class Ext4 {
  device: Device;
  cache: Cache;
  /** Blocks from the journal, newer than those on the disk. */
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
  /** Where a path led, and another one beside it. */
  node: Inode;
  other: Inode;
}

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

/** Reads the superblock again, after the journal changed it. */
export function ext4Reread(ext4: Ext4): ErrorCode {
  const block = <u64>(SUPER_AT >>> ext4.blockShift);
  const frame = blockFrame(ext4, block);
  if (frame === null) return lastFault();
  const group = ext4.superGroup;
  const at = frame.address + <usize>(SUPER_AT & (ext4.blockSize - 1));
  if (group === 0) memory.copy(ext4.super, at, SUPER_SIZE);
  return superAccept(ext4, <u64>(SUPER_AT >>> 9));
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

/** The primary superblock, else a backup of it: then nothing is written. */
function findSuper(ext4: Ext4): ErrorCode {
  const device = ext4.device;
  const sector = <u64>(SUPER_AT >>> 9);
  if (device.sectors < 2 * sector) {
    return deviceFail(device, ErrorCode.EMEDIUMTYPE, Reason.CAPACITY, 0, 0);
  }
  let code = deviceRead(device, sector, ext4.super, SUPER_SIZE);
  if (code === ErrorCode.OK) {
    ext4.isMarked = <u32>load<u16>(ext4.super, SUPER_MAGIC) === SUPER_MAGIC_VALUE;
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
  const perGroup = <u64>8 << shift;
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
