/** What is told of an entry: the fields of its inode, its name, and the target of a link. */

import { lastFault } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  EXT4_STAT_ATIME,
  EXT4_STAT_ATIME_NS,
  EXT4_STAT_BYTES,
  EXT4_STAT_CRTIME,
  EXT4_STAT_CRTIME_NS,
  EXT4_STAT_CTIME,
  EXT4_STAT_CTIME_NS,
  EXT4_STAT_FLAGS,
  EXT4_STAT_GID,
  EXT4_STAT_INODE,
  EXT4_STAT_LINKS,
  EXT4_STAT_MAJOR,
  EXT4_STAT_MINOR,
  EXT4_STAT_MODE,
  EXT4_STAT_MTIME,
  EXT4_STAT_MTIME_NS,
  EXT4_STAT_NAME_LENGTH,
  EXT4_STAT_NEXT,
  EXT4_STAT_ROOM,
  EXT4_STAT_SECTORS,
  EXT4_STAT_SIZE,
  EXT4_STAT_TARGET_LENGTH,
  EXT4_STAT_UID,
} from "../../../format/media/calls-ext4";
import {
  EXTRA_EPOCH_MASK,
  EXTRA_NANOSECONDS_SHIFT,
  INODE_ACCESSED_AT,
  INODE_ACCESSED_EXTRA,
  INODE_BLOCK,
  INODE_CHANGED_AT,
  INODE_CHANGED_EXTRA,
  INODE_CREATED_AT,
  INODE_CREATED_EXTRA,
  INODE_MODIFIED_AT,
  INODE_MODIFIED_EXTRA,
  INODE_SIZE_SMALL,
  MODE_BLOCK,
  MODE_CHARACTER,
  MODE_SYMLINK,
} from "../../../format/media/ext4-inode";
import { ENTRY_INODE, ENTRY_NAME_LENGTH, ENTRY_SIZE } from "../../../format/media/ext4-names";
import { directoryBlock, directoryBlocks, entryLength } from "../read/directory";
import { inodeFail, inodeRead } from "../read/inode";
import { readTarget, target } from "../read/path";
import { Ext4, Inode } from "../read/volume";

const DOT: u8 = 0x2e;
const NANOSECONDS: u32 = 1_000_000_000;

/** Of the time that writeTime wrote last. */
let nanoseconds: u32 = 0;

/** Writes EXT4_STAT, name and target to `out`: how many bytes, or damage of a link. */
export function statWrite(ext4: Ext4, inode: Inode, name: usize, nameLength: u32, out: usize): i32 {
  memory.fill(out, 0, EXT4_STAT_SIZE);
  store<f64>(out, <f64>inode.size, EXT4_STAT_BYTES);
  store<f64>(out, <f64>inode.sectors, EXT4_STAT_SECTORS);
  store<u32>(out, inode.number, EXT4_STAT_INODE);
  store<u32>(out, inode.mode, EXT4_STAT_MODE);
  store<u32>(out, inode.links, EXT4_STAT_LINKS);
  store<u32>(out, inode.uid, EXT4_STAT_UID);
  store<u32>(out, inode.gid, EXT4_STAT_GID);
  store<u32>(out, inode.flags, EXT4_STAT_FLAGS);
  writeTimes(inode, out);
  if (inode.type === MODE_CHARACTER || inode.type === MODE_BLOCK) writeDevice(inode, out);
  memory.copy(out + EXT4_STAT_SIZE, name, nameLength);
  store<u32>(out, nameLength, EXT4_STAT_NAME_LENGTH);
  let size = EXT4_STAT_SIZE + nameLength;
  if (inode.type === MODE_SYMLINK) {
    const got = readTarget(ext4, inode);
    if (got < 0) return got;
    memory.copy(out + <usize>size, target, <usize>got);
    store<u32>(out, <u32>got, EXT4_STAT_TARGET_LENGTH);
    size += <u32>got;
  }
  return <i32>((size + 7) & ~7);
}

/**
 * Lists the directory at `ext4.node` from byte `from` on: as many records as surely fit into `size`
 * bytes. Answers their number, 0: no more.
 */
export function listHere(ext4: Ext4, from: u64, out: usize, size: u32): i32 {
  const directory = ext4.node;
  const blocks = directoryBlocks(ext4, directory);
  if (blocks === 0) return lastFault();
  let index = from >>> ext4.blockShift;
  let at = <u32>from & (ext4.blockSize - 1);
  let used: u32 = 0;
  let count: i32 = 0;
  for (; index < <u64>blocks; index++) {
    while (at < ext4.blockSize) {
      // The block may have left the cache while the last entry's inode was read.
      const block = directoryBlock(ext4, directory, <u32>index);
      if (block === 0) return lastFault();
      const entry = block + <usize>at;
      const length = entryLength(entry);
      // `from` may be any number: what it points at must fit as an entry does.
      if (length < ENTRY_SIZE || length > ext4.blockSize - at) {
        return inodeFail(ext4, directory, Reason.EXT4_DIRECTORY);
      }
      at += length;
      if (load<u32>(entry, ENTRY_INODE) === 0 || isDot(entry)) continue;
      if (size - used < EXT4_STAT_ROOM) return count;
      const written = listEntry(ext4, entry, out + <usize>used);
      if (written < 0) return written;
      store<f64>(out + <usize>used, <f64>((index << ext4.blockShift) + <u64>at), EXT4_STAT_NEXT);
      used += <u32>written;
      count += 1;
    }
    at = 0;
  }
  return count;
}

function listEntry(ext4: Ext4, entry: usize, out: usize): i32 {
  const nameLength = <u32>load<u8>(entry, ENTRY_NAME_LENGTH);
  if (ENTRY_SIZE + nameLength > entryLength(entry)) {
    return inodeFail(ext4, ext4.node, Reason.EXT4_DIRECTORY);
  }
  const number = load<u32>(entry, ENTRY_INODE);
  // The name is taken along first: reading the inode may move the block.
  memory.copy(out + EXT4_STAT_SIZE, entry + ENTRY_SIZE, nameLength);
  const code = inodeRead(ext4, number, ext4.other);
  if (code !== ErrorCode.OK) return code;
  return statWrite(ext4, ext4.other, out + EXT4_STAT_SIZE, nameLength, out);
}

function isDot(entry: usize): bool {
  const length = <u32>load<u8>(entry, ENTRY_NAME_LENGTH);
  if (length > 2 || load<u8>(entry + ENTRY_SIZE) !== DOT) return false;
  return length === 1 || load<u8>(entry + ENTRY_SIZE, 1) === DOT;
}

function writeTimes(inode: Inode, out: usize): void {
  writeTime(inode, INODE_ACCESSED_AT, INODE_ACCESSED_EXTRA, out + EXT4_STAT_ATIME);
  store<u32>(out, nanoseconds, EXT4_STAT_ATIME_NS);
  writeTime(inode, INODE_MODIFIED_AT, INODE_MODIFIED_EXTRA, out + EXT4_STAT_MTIME);
  store<u32>(out, nanoseconds, EXT4_STAT_MTIME_NS);
  writeTime(inode, INODE_CHANGED_AT, INODE_CHANGED_EXTRA, out + EXT4_STAT_CTIME);
  store<u32>(out, nanoseconds, EXT4_STAT_CTIME_NS);
  if (!hasField(inode, INODE_CREATED_AT)) return;
  writeTime(inode, INODE_CREATED_AT, INODE_CREATED_EXTRA, out + EXT4_STAT_CRTIME);
  store<u32>(out, nanoseconds, EXT4_STAT_CRTIME_NS);
}

/** Seconds and what is added to them; the epoch's bits reach to the year 2446. */
function writeTime(inode: Inode, at: u32, extraAt: u32, out: usize): void {
  let seconds = <i64>load<i32>(inode.raw + at);
  nanoseconds = 0;
  if (hasField(inode, extraAt)) {
    const extra = load<u32>(inode.raw + extraAt);
    seconds += (<i64>(extra & EXTRA_EPOCH_MASK)) << 32;
    nanoseconds = extra >>> EXTRA_NANOSECONDS_SHIFT;
    if (nanoseconds >= NANOSECONDS) nanoseconds = 0;
  }
  store<i64>(out, seconds);
}

/** True if the four bytes at `field` are in use. */
function hasField(inode: Inode, field: u32): bool {
  return field + 4 <= INODE_SIZE_SMALL + inode.extra;
}

/** Two ways to write a device's numbers: of 8 bits each in the first word, else in the second. */
function writeDevice(inode: Inode, out: usize): void {
  const old = load<u32>(inode.raw, INODE_BLOCK);
  const word = load<u32>(inode.raw, INODE_BLOCK + 4);
  const isOld = old !== 0;
  const major = isOld ? (old >>> 8) & 0xff : (word >>> 8) & 0xfff;
  const minor = isOld ? old & 0xff : (word & 0xff) | ((word >>> 12) & 0xfff00);
  store<u32>(out, major, EXT4_STAT_MAJOR);
  store<u32>(out, minor, EXT4_STAT_MINOR);
}
