/**
 * Free blocks: found near a goal, taken or kept for a file that is being written, and given back.
 *
 * Interface: what the running transaction freed is not given out before its commit, because until
 * then the last commit still shows it; nor is what a file in work has reserved.
 */
import { failPlain, lastFault } from "../../../../engine/fault";
import { planted } from "../../../../engine/planted";
import { Reason } from "../../../../format/abi";
import { ErrorCode } from "../../../../format/errors";
import { GROUP_FREE_BLOCKS_HIGH, GROUP_FREE_BLOCKS_LOW } from "../../../../format/media/ext4";
import { countOf, descriptorAt, freeBlocks, freeBlocksStore } from "../../read/groups";
import { Ext4, ext4Fail, groupStart, isInside } from "../../read/volume";
import {
  bitsGive,
  bitsSet,
  bitsTake,
  blocksChange,
  blocksCopy,
  blocksSeal,
  groupLength,
} from "./groups";
import { Change, NO_GROUP, RUN_SIZE, Runs, runsAdd } from "./state";
import { systemHas, systemNext } from "./system";

/** The run that spaceFind() found. */
export let spaceStart: u64 = 0;
export let spaceCount: u32 = 0;

/**
 * Finds a run of at most `want` free blocks, from `goal` on and then around: in spaceStart and
 * spaceCount. ENOSPC, EBADMSG, EIO.
 */
export function spaceFind(change: Change, goal: u64, want: u32): ErrorCode {
  const ext4 = change.ext4;
  const near = isInside(ext4, goal, 1) ? goal : <u64>ext4.firstBlock;
  const first = <u32>((near - <u64>ext4.firstBlock) / <u64>ext4.groupBlocks);
  const skip = <u32>(near - groupStart(ext4, first));
  while (true) {
    const least = min<u32>(want, change.runWanted);
    for (let step: u32 = 0; step <= ext4.groups; step++) {
      const group = (first + step) % ext4.groups;
      const code = findIn(change, group, step === 0 ? skip : 0, least, want);
      if (code !== ErrorCode.ENOSPC) return code;
    }
    if (least <= 1) return failPlain(ErrorCode.ENOSPC);
    // What is left is in pieces: from now on shorter ones are taken.
    change.runWanted = least >>> 2 === 0 ? 1 : least >>> 2;
  }
}

/** Takes the blocks of a run that is free: from here on they are in use. */
export function spaceTake(change: Change, start: u64, count: u32): ErrorCode {
  const ext4 = change.ext4;
  while (count > 0) {
    const group = groupOf(ext4, start);
    const bit = <u32>(start - groupStart(ext4, group));
    const piece = min<u32>(count, groupLength(ext4, group) - bit);
    const bitmap = blocksChange(change, group);
    if (bitmap === 0) return lastFault();
    if (!bitsTake(bitmap, bit, piece)) return ext4Fail(ext4, Reason.BITMAP, start, group);
    const code = blocksSeal(change, group, bitmap, -(<i32>piece));
    if (code !== ErrorCode.OK) return code;
    if (change.scratchGroup === group) bitsSet(change.scratch, bit, piece);
    start += <u64>piece;
    count -= piece;
    freeStore(change, freeBlocks(ext4) - <u64>piece);
  }
  return ErrorCode.OK;
}

/** One block near `goal`, in use from here on; 0 after a fault. */
export function spaceOne(change: Change, goal: u64): u64 {
  if (spaceFind(change, goal, 1) !== ErrorCode.OK) return 0;
  return spaceTake(change, spaceStart, 1) === ErrorCode.OK ? spaceStart : 0;
}

/** Keeps the run that was found for the file in work; nothing on the disk says so. */
export function spaceReserve(change: Change): ErrorCode {
  const group = groupOf(change.ext4, spaceStart);
  const bit = <u32>(spaceStart - groupStart(change.ext4, group));
  if (change.scratchGroup === group) bitsSet(change.scratch, bit, spaceCount);
  return runsAdd(change.reserved, spaceStart, spaceCount, 0);
}

/** Gives a run back: free in this transaction, given out again after it. EBADMSG: it was not. */
export function spaceFree(change: Change, start: u64, count: u32, kind: u32): ErrorCode {
  const ext4 = change.ext4;
  const isFile = isInside(ext4, start, <u64>count) && !systemHas(change, start, <u64>count);
  if (!isFile) return ext4Fail(ext4, Reason.POINTER, start, count);
  const code = runsAdd(change.freed, start, count, kind);
  if (code !== ErrorCode.OK) return code;
  while (count > 0) {
    const group = groupOf(ext4, start);
    const bit = <u32>(start - groupStart(ext4, group));
    const piece = min<u32>(count, groupLength(ext4, group) - bit);
    const bitmap = blocksChange(change, group);
    if (bitmap === 0) return lastFault();
    if (!bitsGive(bitmap, bit, piece)) return ext4Fail(ext4, Reason.BITMAP, start, group);
    const sealed = blocksSeal(change, group, bitmap, <i32>piece);
    if (sealed !== ErrorCode.OK) return sealed;
    start += <u64>piece;
    count -= piece;
    freeStore(change, freeBlocks(ext4) + <u64>piece);
  }
  return ErrorCode.OK;
}

export function groupOf(ext4: Ext4, block: u64): u32 {
  return <u32>((block - <u64>ext4.firstBlock) / <u64>ext4.groupBlocks);
}

function freeStore(change: Change, free: u64): void {
  freeBlocksStore(change.ext4, change.ext4.super, free);
  change.isSuperNew = true;
}

function findIn(change: Change, group: u32, from: u32, least: u32, want: u32): ErrorCode {
  const ext4 = change.ext4;
  const at = descriptorAt(ext4, group);
  if (at === 0) return lastFault();
  if (countOf(ext4, at, GROUP_FREE_BLOCKS_LOW, GROUP_FREE_BLOCKS_HIGH) < least) {
    return ErrorCode.ENOSPC;
  }
  const code = scratchMake(change, group);
  if (code !== ErrorCode.OK) return code;
  const length = groupLength(ext4, group);
  let bit = from;
  while (bit < length) {
    bit = nextFree(change.scratch, bit, length);
    let end = bit;
    while (end < length && end - bit < want && !isSet(change.scratch, end)) end += 1;
    if (end > bit && end - bit >= least) {
      spaceStart = groupStart(ext4, group) + <u64>bit;
      spaceCount = end - bit;
      return ErrorCode.OK;
    }
    bit = end + 1;
  }
  return ErrorCode.ENOSPC;
}

function nextFree(bitmap: usize, bit: u32, length: u32): u32 {
  while (bit < length) {
    if ((bit & 7) === 0 && load<u8>(bitmap + <usize>(bit >>> 3)) === 0xff) bit += 8;
    else if (isSet(bitmap, bit)) bit += 1;
    else return bit;
  }
  return length;
}

function isSet(bitmap: usize, bit: u32): bool {
  return ((<u32>load<u8>(bitmap + <usize>(bit >>> 3)) >>> (bit & 7)) & 1) !== 0;
}

/** Makes the scratch that of `group`: its bitmap, and what must not be given out beside it. */
function scratchMake(change: Change, group: u32): ErrorCode {
  if (change.scratchGroup === group) return ErrorCode.OK;
  change.scratchGroup = NO_GROUP;
  const code = blocksCopy(change.ext4, group, change.scratch);
  if (code !== ErrorCode.OK) return code;
  if (!planted(74)) scratchAdd(change, group, change.freed);
  scratchAdd(change, group, change.reserved);
  const start = groupStart(change.ext4, group);
  const end = start + <u64>groupLength(change.ext4, group);
  for (let index = systemNext(change, start); index < change.system.count; index++) {
    const at = change.system.at + <usize>(index * RUN_SIZE);
    if (load<u64>(at) >= end) break;
    scratchSet(change, group, load<u64>(at), <u64>load<u32>(at, 8));
  }
  change.scratchGroup = group;
  return ErrorCode.OK;
}

function scratchAdd(change: Change, group: u32, runs: Runs): void {
  for (let index: u32 = 0; index < runs.count; index++) {
    const at = runs.at + <usize>(index * RUN_SIZE);
    scratchSet(change, group, load<u64>(at), <u64>load<u32>(at, 8));
  }
}

function scratchSet(change: Change, group: u32, run: u64, count: u64): void {
  const ext4 = change.ext4;
  const start = groupStart(ext4, group);
  const from = max<u64>(run, start);
  const to = min<u64>(run + count, start + <u64>groupLength(ext4, group));
  if (from < to) bitsSet(change.scratch, <u32>(from - start), <u32>(to - from));
}
