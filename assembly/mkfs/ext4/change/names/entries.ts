/** Entries in one block of a directory: room found, one added or taken away, checksums set. */
import { ErrorCode } from "../../../../format/errors";
import { INODE_FLAG_INDEX } from "../../../../format/media/ext4-inode";
import {
  ENTRY_INODE,
  ENTRY_LENGTH,
  ENTRY_NAME_LENGTH,
  ENTRY_SIZE,
  ENTRY_TYPE,
  ENTRY_TYPE_TAIL,
  INDEX_TAIL_CHECKSUM,
  LEAF_TAIL_CHECKSUM,
  LEAF_TAIL_LENGTH,
  LEAF_TAIL_SIZE,
  LEAF_TAIL_TYPE,
} from "../../../../format/media/ext4-names";
import { indexSum, indexTailAt, leafSum } from "../../base/sums";
import { entryLength } from "../../read/directory";
import { Ext4, Inode } from "../../read/volume";

/** Bytes that an entry with a name of that length takes. */
export function entryRoom(nameLength: u32): u32 {
  return (ENTRY_SIZE + nameLength + 3) & ~3;
}

/** Bytes of a block that entries may take: behind them stands the checksum, if there is one. */
export function leafRoom(ext4: Ext4): u32 {
  return ext4.blockSize - (ext4.hasChecksums ? LEAF_TAIL_SIZE : 0);
}

/** A new block of entries: one that says that nothing is there, and the checksum's place. */
export function leafMake(ext4: Ext4, block: usize): void {
  memory.fill(block, 0, ext4.blockSize);
  const room = leafRoom(ext4);
  store<u16>(block, <u16>room, ENTRY_LENGTH);
  if (!ext4.hasChecksums) return;
  store<u16>(block + room, <u16>LEAF_TAIL_SIZE, LEAF_TAIL_LENGTH);
  store<u8>(block + room, <u8>ENTRY_TYPE_TAIL, LEAF_TAIL_TYPE);
}

/** Sets the checksum of a block of entries. */
export function leafSeal(ext4: Ext4, directory: Inode, block: usize): void {
  if (!ext4.hasChecksums) return;
  const sum = leafSum(directory.seed, block, ext4.blockSize);
  store<u32>(block + leafRoom(ext4), sum, LEAF_TAIL_CHECKSUM);
}

/** Sets the checksum of a root or node of an index. */
export function indexSeal(ext4: Ext4, directory: Inode, block: usize, countAt: u32): void {
  if (!ext4.hasChecksums) return;
  const tail = indexTailAt(block, countAt);
  store<u32>(tail, 0);
  store<u32>(tail, indexSum(directory.seed, block, countAt), INDEX_TAIL_CHECKSUM);
}

export function isIndexed(directory: Inode): bool {
  return (directory.flags & INODE_FLAG_INDEX) !== 0;
}

/** True if a block, checked, has room for an entry with a name of `length` bytes. */
export function entryFits(ext4: Ext4, block: usize, length: u32): bool {
  return roomFor(ext4, block, length) !== 0;
}

/** Adds an entry where there is room for it; ENOSPC: there is none in this block. */
export function entryPut(
  ext4: Ext4,
  block: usize,
  name: usize,
  length: u32,
  number: u32,
  type: u32,
): ErrorCode {
  let entry = roomFor(ext4, block, length);
  if (entry === 0) return ErrorCode.ENOSPC;
  const used = usedBy(entry);
  if (used > 0) {
    const whole = entryLength(entry);
    store<u16>(entry, <u16>used, ENTRY_LENGTH);
    entry += used;
    store<u16>(entry, <u16>(whole - used), ENTRY_LENGTH);
  }
  store<u32>(entry, number, ENTRY_INODE);
  store<u8>(entry, <u8>length, ENTRY_NAME_LENGTH);
  store<u8>(entry, <u8>type, ENTRY_TYPE);
  memory.copy(entry + ENTRY_SIZE, name, length);
  return ErrorCode.OK;
}

/** The first entry that has room behind it, or is none itself and has enough; 0: there is none. */
function roomFor(ext4: Ext4, block: usize, length: u32): usize {
  const needed = entryRoom(length);
  const end = leafRoom(ext4);
  for (let at: u32 = 0; at < end; at += entryLength(block + <usize>at)) {
    const entry = block + <usize>at;
    if (entryLength(entry) >= usedBy(entry) + needed) return entry;
  }
  return 0;
}

/** Bytes that an entry needs; 0: it leads nowhere. */
function usedBy(entry: usize): u32 {
  if (load<u32>(entry, ENTRY_INODE) === 0) return 0;
  return entryRoom(<u32>load<u8>(entry, ENTRY_NAME_LENGTH));
}

/** Takes the entry at byte `at` away: the one before it takes its bytes. */
export function entryDrop(block: usize, at: u32): void {
  let before: u32 = 0;
  for (let next: u32 = 0; next < at; next += entryLength(block + <usize>next)) before = next;
  const entry = block + <usize>at;
  store<u32>(entry, 0, ENTRY_INODE);
  if (at === 0) return;
  const whole = entryLength(block + <usize>before) + entryLength(entry);
  store<u16>(block + <usize>before, <u16>whole, ENTRY_LENGTH);
}
