/** Inodes: read from the table of their group, checked, and taken apart. */
import { deviceFail } from "../../../engine/device";
import { lastFault } from "../../../engine/fault";
import { allocate, release } from "../../../engine/memory";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  INODE_BLOCKS_HIGH,
  INODE_BLOCKS_LOW,
  INODE_CHECKSUM_HIGH,
  INODE_CHECKSUM_LOW,
  INODE_EXTRA,
  INODE_FLAG_HUGE,
  INODE_FLAGS,
  INODE_GENERATION,
  INODE_GID_HIGH,
  INODE_GID_LOW,
  INODE_LINKS,
  INODE_MODE,
  INODE_SIZE_HIGH,
  INODE_SIZE_LOW,
  INODE_SIZE_SMALL,
  INODE_UID_HIGH,
  INODE_UID_LOW,
  INODE_XATTR_HIGH,
  INODE_XATTR_LOW,
  MODE_BLOCK,
  MODE_CHARACTER,
  MODE_DIRECTORY,
  MODE_FIFO,
  MODE_FILE,
  MODE_SOCKET,
  MODE_SYMLINK,
  MODE_TYPE,
} from "../../../format/media/ext4-inode";
import { inodeSeed, inodeSum } from "../base/sums";
import { tableStart } from "./groups";
import { blockAt, Ext4, ext4Fail, Inode } from "./volume";

/** Room for an inode of `size` bytes; null without memory. */
export function inodeOpen(size: u32): Inode | null {
  const address = allocate(offsetof<Inode>());
  const raw = allocate(size);
  if (address === 0 || raw === 0) {
    release(address, offsetof<Inode>());
    release(raw, size);
    return null;
  }
  const inode = changetype<Inode>(address);
  inode.raw = raw;
  inode.number = 0;
  return inode;
}

export function inodeClose(inode: Inode, size: u32): void {
  release(inode.raw, size);
  release(changetype<usize>(inode), offsetof<Inode>());
}

/** Reads an inode that is in use: EBADMSG (number, checksum, a field), EIO. */
export function inodeRead(ext4: Ext4, number: u32, inode: Inode): ErrorCode {
  const code = inodeLoad(ext4, number, inode);
  if (code !== ErrorCode.OK) return code;
  if (!inodeHolds(ext4, inode)) return inodeFail(ext4, inode, Reason.CHECKSUM);
  if (inode.links === 0 || !isType(inode.type)) return inodeFail(ext4, inode, Reason.EXT4_INODE);
  const most = ext4.inodeSize - INODE_SIZE_SMALL;
  if (inode.extra > most || (inode.extra & 3) !== 0) {
    return inodeFail(ext4, inode, Reason.EXT4_INODE);
  }
  // No file is larger than what 2^48 sectors hold: sums of offsets cannot overflow.
  return inode.size <= (<u64>1) << 56 ? ErrorCode.OK : inodeFail(ext4, inode, Reason.EXT4_INODE);
}

/** Reads an inode and believes it: for a check, which tells what is wrong by itself. */
export function inodeLoad(ext4: Ext4, number: u32, inode: Inode): ErrorCode {
  if (number === 0 || number > ext4.inodes) {
    return deviceFail(ext4.device, ErrorCode.EBADMSG, Reason.EXT4_INODE, 0, number);
  }
  const group = (number - 1) / ext4.groupInodes;
  const table = tableStart(ext4, group);
  if (table === 0) return lastFault();
  const at = ((number - 1) % ext4.groupInodes) * ext4.inodeSize;
  const block = table + <u64>(at >>> ext4.blockShift);
  const content = blockAt(ext4, block);
  if (content === 0) return lastFault();
  inode.tableBlock = block;
  inode.tableByte = at & (ext4.blockSize - 1);
  memory.copy(inode.raw, content + <usize>inode.tableByte, ext4.inodeSize);
  inodeParse(ext4, number, inode);
  return ErrorCode.OK;
}

/** Takes the bytes at `inode.raw` apart. */
export function inodeParse(ext4: Ext4, number: u32, inode: Inode): void {
  const raw = inode.raw;
  inode.number = number;
  inode.mode = <u32>load<u16>(raw, INODE_MODE);
  inode.type = inode.mode & MODE_TYPE;
  inode.uid = <u32>load<u16>(raw, INODE_UID_LOW) | ((<u32>load<u16>(raw, INODE_UID_HIGH)) << 16);
  inode.gid = <u32>load<u16>(raw, INODE_GID_LOW) | ((<u32>load<u16>(raw, INODE_GID_HIGH)) << 16);
  inode.links = <u32>load<u16>(raw, INODE_LINKS);
  inode.flags = load<u32>(raw, INODE_FLAGS);
  inode.size = <u64>load<u32>(raw, INODE_SIZE_LOW);
  if (inode.type === MODE_FILE || inode.type === MODE_DIRECTORY) {
    inode.size |= (<u64>load<u32>(raw, INODE_SIZE_HIGH)) << 32;
  }
  const high = (<u64>load<u16>(raw, INODE_BLOCKS_HIGH)) << 32;
  inode.sectors = <u64>load<u32>(raw, INODE_BLOCKS_LOW) | high;
  if ((inode.flags & INODE_FLAG_HUGE) !== 0) inode.sectors *= <u64>ext4.blockSectors;
  const upper = (<u64>load<u16>(raw, INODE_XATTR_HIGH)) << 32;
  inode.xattrBlock = <u64>load<u32>(raw, INODE_XATTR_LOW) | upper;
  const isLarge = ext4.inodeSize > INODE_SIZE_SMALL;
  inode.extra = isLarge ? <u32>load<u16>(raw, INODE_EXTRA) : 0;
  inode.seed = inodeSeed(ext4.seed, number, load<u32>(raw, INODE_GENERATION));
}

/** True if the checksum of an inode holds, or the volume has none. */
export function inodeHolds(ext4: Ext4, inode: Inode): bool {
  if (!ext4.hasChecksums) return true;
  const raw = inode.raw;
  let told = <u32>load<u16>(raw, INODE_CHECKSUM_LOW);
  const isLarge = INODE_SIZE_SMALL + inode.extra >= INODE_CHECKSUM_HIGH + 2;
  if (isLarge) told |= (<u32>load<u16>(raw, INODE_CHECKSUM_HIGH)) << 16;
  return inodeSum(inode.seed, raw, ext4.inodeSize) === told;
}

export function inodeFail(ext4: Ext4, inode: Inode, reason: Reason): ErrorCode {
  return ext4Fail(ext4, reason, inode.tableBlock, inode.number);
}

export function isType(type: u32): bool {
  return (
    type === MODE_FILE ||
    type === MODE_DIRECTORY ||
    type === MODE_SYMLINK ||
    type === MODE_CHARACTER ||
    type === MODE_BLOCK ||
    type === MODE_FIFO ||
    type === MODE_SOCKET
  );
}
