/**
 * What a check remembers: a bit for each block, and two words for each inode. Memory is taken for
 * the groups that have any in use, so it follows what a volume holds, not how large it is.
 */
import { failPlain } from "../../../engine/fault";
import { allocateZeroed, release } from "../../../engine/memory";
import { ErrorCode } from "../../../format/errors";
import { Ext4 } from "../read/volume";

/**
 * 256 MiB: the bits of 8 TiB of blocks of 4 KiB, all in use. Twice that would leave too little of
 * the module's 4 GiB for hosts that hold several instances.
 */
const NOTES_MAX: u64 = 1 << 28;

/** The first word of an inode: flags, and how many entries lead to it. */
export const NOTE_USED: u32 = 0x80000000;
export const NOTE_DIRECTORY: u32 = 0x40000000;
/** A directory that was walked. */
export const NOTE_WALKED: u32 = 0x20000000;
/** Something was found about it before its path was known. */
export const NOTE_FOUND: u32 = 0x10000000;
/** On the list of inodes to be deleted. */
export const NOTE_ORPHAN: u32 = 0x08000000;
/** Its links are not counted. */
export const NOTE_APART: u32 = 0x04000000;
/** Type of the mode, its four bits. */
export const NOTE_TYPE_SHIFT: u32 = 20;
export const NOTE_COUNT: u32 = 0xfffff;
const NOTE_SIZE: u32 = 8;

let blockTable: usize = 0;
let inodeTable: usize = 0;
let groups: u32 = 0;
let blockBytes: u32 = 0;
let inodeBytes: u32 = 0;
let taken: u64 = 0;
let overlap: u64 = 0;
/** Blocks that may still be met twice before the rest of a run is passed over. */
let patience: u64 = 0;

/** Begins for a volume: ENOMEM. */
export function notesBegin(ext4: Ext4): ErrorCode {
  groups = ext4.groups;
  blockBytes = ext4.groupBlocks >>> 3;
  inodeBytes = ext4.groupInodes * NOTE_SIZE;
  blockTable = allocateZeroed(groups << 2);
  inodeTable = allocateZeroed(groups << 2);
  taken = 0;
  patience = ext4.blocks;
  if (blockTable !== 0 && inodeTable !== 0) return ErrorCode.OK;
  notesEnd();
  return failPlain(ErrorCode.ENOMEM);
}

export function notesEnd(): void {
  for (let group: u32 = 0; group < groups; group++) {
    if (blockTable !== 0) release(load<usize>(blockTable + <usize>(group << 2)), blockBytes);
    if (inodeTable !== 0) release(load<usize>(inodeTable + <usize>(group << 2)), inodeBytes);
  }
  release(blockTable, groups << 2);
  release(inodeTable, groups << 2);
  blockTable = 0;
  inodeTable = 0;
  groups = 0;
}

/** Bits of the blocks of a group that are in use; 0: none is. */
export function usedBlocks(group: u32): usize {
  return load<usize>(blockTable + <usize>(group << 2));
}

/** Notes of the inodes of a group; 0: there are none. */
export function notesOf(group: u32): usize {
  return load<usize>(inodeTable + <usize>(group << 2));
}

/** The note of an inode, 0 without memory. */
export function noteAt(ext4: Ext4, number: u32): usize {
  const group = (number - 1) / ext4.groupInodes;
  const notes = take(inodeTable + <usize>(group << 2), inodeBytes);
  if (notes === 0) return 0;
  return notes + <usize>(((number - 1) % ext4.groupInodes) * NOTE_SIZE);
}

/**
 * Marks `count` blocks as in use: OK, EEXIST (one was, see overlapBlock(); the others are marked),
 * or ENOMEM. They lie inside the volume.
 */
export function markBlocks(ext4: Ext4, block: u64, count: u64): ErrorCode {
  let result = ErrorCode.OK;
  const end = block + count;
  for (let at = block; at < end; ) {
    const index = at - <u64>ext4.firstBlock;
    const group = <u32>(index / <u64>ext4.groupBlocks);
    const bits = take(blockTable + <usize>(group << 2), blockBytes);
    if (bits === 0) return ErrorCode.ENOMEM;
    let bit = <u32>(index % <u64>ext4.groupBlocks);
    const most = <u32>min<u64>(end - at, <u64>(ext4.groupBlocks - bit));
    for (const last = bit + most; bit < last; ) {
      const place = bits + <usize>(bit >>> 3);
      const old = <u32>load<u8>(place);
      if ((bit & 7) === 0 && bit + 8 <= last && old === 0) {
        store<u8>(place, 0xff);
        bit += 8;
        at += 8;
        continue;
      }
      const mask: u32 = 1 << (bit & 7);
      if ((old & mask) !== 0) {
        if (result === ErrorCode.OK) overlap = at;
        result = ErrorCode.EEXIST;
        if (patience === 0) return result;
        patience -= 1;
      }
      store<u8>(place, old | mask);
      bit += 1;
      at += 1;
    }
  }
  return result;
}

export function overlapBlock(): u64 {
  return overlap;
}

function take(slot: usize, bytes: u32): usize {
  const known = load<usize>(slot);
  if (known !== 0) return known;
  if (taken + <u64>bytes > NOTES_MAX) {
    failPlain(ErrorCode.ENOMEM);
    return 0;
  }
  const fresh = allocateZeroed(bytes);
  if (fresh === 0) failPlain(ErrorCode.ENOMEM);
  else taken += <u64>bytes;
  store<usize>(slot, fresh);
  return fresh;
}
