/** Bitmaps and counters of each group, against what is in use. */
import { isZero } from "../../../engine/bytes";
import { lastFault } from "../../../engine/fault";
import { ErrorCode } from "../../../format/errors";
import { Ext4Problem } from "../../../format/media/calls-ext4";
import {
  GROUP_BLOCK_BITMAP_CHECKSUM_HIGH,
  GROUP_BLOCK_BITMAP_CHECKSUM_LOW,
  GROUP_DIRECTORIES_HIGH,
  GROUP_DIRECTORIES_LOW,
  GROUP_FLAG_BLOCKS_UNUSED,
  GROUP_FLAG_INODES_UNUSED,
  GROUP_FLAGS,
  GROUP_FREE_BLOCKS_HIGH,
  GROUP_FREE_BLOCKS_LOW,
  GROUP_FREE_INODES_HIGH,
  GROUP_FREE_INODES_LOW,
  GROUP_INODE_BITMAP_CHECKSUM_HIGH,
  GROUP_INODE_BITMAP_CHECKSUM_LOW,
  GROUP_SIZE,
  SUPER_FREE_INODES,
} from "../../../format/media/ext4";
import { bitmapSum } from "../base/sums";
import {
  blockBitmapOf,
  countOf,
  descriptorAt,
  descriptorBlock,
  freeBlocks,
  inodeBitmapOf,
} from "../read/groups";
import { blockAt, Ext4, groupStart } from "../read/volume";
import { found } from "./findings";
import { firstInode } from "./inodes";
import { NOTE_DIRECTORY, NOTE_ORPHAN, NOTE_USED, notesOf, usedBlocks } from "./notes";

let blocksFree: u64 = 0;
let inodesFree: u64 = 0;
let isWhole = true;

/** Compares the bitmaps of a group; group 0 begins the sums for checkTotals(). EIO. */
export function checkBitmaps(ext4: Ext4, group: u32): ErrorCode {
  if (group === 0) {
    blocksFree = 0;
    inodesFree = 0;
    isWhole = true;
  }
  let at = descriptorAt(ext4, group);
  if (at === 0) {
    isWhole = false;
    return lastFault() === ErrorCode.EIO ? ErrorCode.EIO : ErrorCode.OK;
  }
  const code = compareBlocks(ext4, group, at);
  if (code !== ErrorCode.OK) return code;
  at = descriptorAt(ext4, group);
  return at === 0 ? lastFault() : compareInodes(ext4, group, at);
}

/** Compares the sums with what the superblock counts. */
export function checkTotals(ext4: Ext4): void {
  if (!isWhole || ext4.superGroup !== 0) return;
  const blocks = freeBlocks(ext4);
  if (blocks !== blocksFree) found(ext4, Ext4Problem.FREE_BLOCKS, 0, 0, blocks, blocksFree);
  const inodes = <u64>load<u32>(ext4.super, SUPER_FREE_INODES);
  if (inodes !== inodesFree) found(ext4, Ext4Problem.FREE_INODES, 0, 0, inodes, inodesFree);
}

function compareBlocks(ext4: Ext4, group: u32, at: usize): ErrorCode {
  const start = groupStart(ext4, group);
  const count = <u32>min<u64>(ext4.blocks - start, <u64>ext4.groupBlocks);
  const used = usedBlocks(group);
  const told = countOf(ext4, at, GROUP_FREE_BLOCKS_LOW, GROUP_FREE_BLOCKS_HIGH);
  const place = blockBitmapOf(ext4, at);
  const flags = <u32>load<u16>(at, GROUP_FLAGS);
  const sum = sumOf(ext4, at, GROUP_BLOCK_BITMAP_CHECKSUM_LOW, GROUP_BLOCK_BITMAP_CHECKSUM_HIGH);
  let free = count;
  if (used !== 0) free = count - bitsOf(used, count);
  blocksFree += <u64>free;
  if (free !== told) {
    const block = descriptorBlock(ext4, group);
    found(ext4, Ext4Problem.GROUP_FREE_BLOCKS, block, 0, <u64>group, <u64>told);
  }
  if ((flags & GROUP_FLAG_BLOCKS_UNUSED) !== 0) return ErrorCode.OK;
  const bitmap = blockAt(ext4, place);
  if (bitmap === 0) return lastFault();
  if (!sumHolds(ext4, bitmap, ext4.groupBlocks >>> 3, sum)) {
    found(ext4, Ext4Problem.BLOCK_BITMAP_CHECKSUM, place, 0, <u64>group, 0);
  }
  compareBits(ext4, bitmap, used, start, count, place);
  return ErrorCode.OK;
}

/** One finding for each kind of difference in a group: its first block, and how many. */
function compareBits(
  ext4: Ext4,
  bitmap: usize,
  used: usize,
  start: u64,
  count: u32,
  place: u64,
): void {
  let lost: u32 = 0;
  let lostFirst: u32 = 0;
  let open: u32 = 0;
  let openFirst: u32 = 0;
  for (let bit: u32 = 0; bit < count; bit++) {
    const byte = <usize>(bit >>> 3);
    const told = <u32>load<u8>(bitmap + byte);
    const right = used === 0 ? 0 : <u32>load<u8>(used + byte);
    if (told === right && (bit & 7) === 0) {
      bit += 7;
      continue;
    }
    const mask: u32 = 1 << (bit & 7);
    if ((told & mask) === (right & mask)) continue;
    if ((told & mask) !== 0) {
      if (lost === 0) lostFirst = bit;
      lost += 1;
    } else {
      if (open === 0) openFirst = bit;
      open += 1;
    }
  }
  const first = start + <u64>openFirst;
  if (open > 0) found(ext4, Ext4Problem.BLOCK_MARKED_FREE, place, 0, first, <u64>open);
  const firstLost = start + <u64>lostFirst;
  if (lost > 0) found(ext4, Ext4Problem.BLOCK_LOST, place, 0, firstLost, <u64>lost);
}

function compareInodes(ext4: Ext4, group: u32, at: usize): ErrorCode {
  const notes = notesOf(group);
  const freeTold = countOf(ext4, at, GROUP_FREE_INODES_LOW, GROUP_FREE_INODES_HIGH);
  const directoriesTold = countOf(ext4, at, GROUP_DIRECTORIES_LOW, GROUP_DIRECTORIES_HIGH);
  const isUnused = (<u32>load<u16>(at, GROUP_FLAGS) & GROUP_FLAG_INODES_UNUSED) !== 0;
  const sum = sumOf(ext4, at, GROUP_INODE_BITMAP_CHECKSUM_LOW, GROUP_INODE_BITMAP_CHECKSUM_HIGH);
  const place = inodeBitmapOf(ext4, at);
  let bitmap: usize = 0;
  if (!isUnused) bitmap = blockAt(ext4, place);
  if (bitmap === 0 && !isUnused) return lastFault();
  if (!isUnused && !sumHolds(ext4, bitmap, ext4.groupInodes >>> 3, sum)) {
    found(ext4, Ext4Problem.INODE_BITMAP_CHECKSUM, place, 0, <u64>group, 0);
  }
  let free: u32 = 0;
  let directories: u32 = 0;
  const reserved = firstInode(ext4) - 1;
  const isQuiet = notes === 0 && group > 0;
  if (isQuiet && (isUnused || isZero(bitmap, ext4.groupInodes >>> 3))) {
    free = ext4.groupInodes;
  } else {
    for (let index: u32 = 0; index < ext4.groupInodes; index++) {
      const number = group * ext4.groupInodes + index + 1;
      const note = notes === 0 ? 0 : load<u32>(notes + <usize>(index << 3));
      const isUsed = number <= reserved || (note & (NOTE_USED | NOTE_ORPHAN)) !== 0;
      const isTold =
        !isUnused && ((<u32>load<u8>(bitmap + (index >>> 3)) >>> (index & 7)) & 1) !== 0;
      if (!isUsed) free += 1;
      if (isUsed && (note & NOTE_DIRECTORY) !== 0) directories += 1;
      if (isUsed === isTold) continue;
      const problem = isUsed ? Ext4Problem.INODE_MARKED_FREE : Ext4Problem.INODE_LOST;
      found(ext4, problem, place, number, 0, 0);
    }
  }
  inodesFree += <u64>free;
  const block = descriptorBlock(ext4, group);
  if (free !== freeTold) {
    found(ext4, Ext4Problem.GROUP_FREE_INODES, block, 0, <u64>group, <u64>freeTold);
  }
  if (directories !== directoriesTold) {
    found(ext4, Ext4Problem.GROUP_DIRECTORIES, block, 0, <u64>group, <u64>directoriesTold);
  }
  return ErrorCode.OK;
}

function sumOf(ext4: Ext4, at: usize, low: u32, high: u32): u32 {
  return countOf(ext4, at, low, high);
}

function sumHolds(ext4: Ext4, bitmap: usize, bytes: u32, told: u32): bool {
  if (!ext4.hasChecksums) return true;
  const sum = bitmapSum(ext4.seed, bitmap, bytes);
  return (ext4.descriptorSize >= GROUP_SIZE ? sum : sum & 0xffff) === told;
}

function bitsOf(bits: usize, count: u32): u32 {
  let total: u32 = 0;
  for (let byte: u32 = 0; byte < count >>> 3; byte++) {
    total += popcnt<u32>(<u32>load<u8>(bits + byte));
  }
  const rest = count & 7;
  if (rest !== 0) {
    total += popcnt<u32>(<u32>load<u8>(bits + (count >>> 3)) & ((1 << rest) - 1));
  }
  return total;
}
