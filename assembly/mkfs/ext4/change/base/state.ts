/**
 * What is known of a volume while it is changed, and which blocks the running transaction has
 * changed: they stay in memory, in front of the disk, until it is committed.
 *
 * Interface: blockChange() before a block is changed, blockFresh() for one that holds nothing yet;
 * both say what it is used as, and one that was changed as something else is damage.
 * Every operation either ends as a whole or is undone: undoBegin() before it, undo() where it
 * failed. Checksums are set by whoever changes a block, so that readers see whole blocks always.
 */
import { cacheAdd, cacheDrop, cacheFind, Frame, frameDirty } from "../../../../engine/cache";
import { deviceFail } from "../../../../engine/device";
import { failPlain } from "../../../../engine/fault";
import { clock } from "../../../../engine/host";
import { allocate, allocateZeroed, doubled, release } from "../../../../engine/memory";
import { Reason } from "../../../../format/abi";
import { ErrorCode } from "../../../../format/errors";
import { Ext4Refusal } from "../../../../format/media/calls-ext4";
import { SUPER_READ_ONLY, SUPER_SIZE } from "../../../../format/media/ext4";
import { Log } from "../../journal/log";
import { inodeClose, inodeOpen } from "../../read/inode";
import { blockFrame, Ext4, ext4Fail, Inode, useFits } from "../../read/volume";

const BLOCK_ROOM: u32 = 4096;
/** A block that the running operation changed (u64), and a copy of what it was, or 0 (u32). */
const UNDO_SIZE: u32 = 16;
const UNDO_FIRST: u32 = 64;
/** A run of blocks: the first (u64), how many (u32), and RUN_* (u32). */
export const RUN_SIZE: u32 = 16;
const RUNS_FIRST: u32 = 256;
/** Runs of a file, and of what one transaction frees: 64 MiB of them. */
const RUNS_MAX: u32 = 1 << 22;
export const RUN_CONTENT: u32 = 0;
export const RUN_METADATA: u32 = 1;

/** A list of runs that grows. */
@unmanaged
export class Runs {
  at: usize;
  count: u32;
  room: u32;
}

@unmanaged
export class Change {
  ext4: Ext4;
  log: Log;
  /** The superblock of the journal: a block. */
  journal: usize;
  /** Blocks that one transaction may change. */
  blocksMax: u32;
  /** The volume says that its journal is in use. */
  isMarked: bool;
  /** The superblock in memory is newer than its block. */
  isSuperNew: bool;
  /** What a commit failed with: nothing is written any more. */
  latched: ErrorCode;
  /** Number of the operation: frames remember which one changed them last. */
  operation: u64;
  undo: usize;
  undoCount: u32;
  undoRoom: u32;
  /** The superblock before the operation, and whether it was newer than its block. */
  superBefore: usize;
  isSuperNewBefore: bool;
  /** Freed since the last commit: not given out again before the next one. */
  freed: Runs;
  /** Their number before the operation, and the length of the last of them. */
  freedBefore: u32;
  freedLast: u32;
  /** The volume's own blocks, in order: see system.ts. */
  system: Runs;
  /** Blocks of the file that is being written, which nothing on the disk says yet. */
  reserved: Runs;
  isWriting: bool;
  /** Bitmap of a group with all that must not be given out; which group. */
  scratch: usize;
  scratchGroup: u32;
  /** Runs shorter than this are left alone while there are longer ones. */
  runWanted: u32;
  seconds: i64;
  nanoseconds: u32;
  /** Inodes in work, each for a while. */
  one: Inode;
  two: Inode;
}

const ROOM: u32 = offsetof<Change>() + 3 * offsetof<Runs>();
export const NO_GROUP: u32 = ~0;
const RUN_WANTED: u32 = 256;
const time: usize = memory.data(8, 8);

/** Room for a change, without a journal yet; null without memory. */
export function changeNew(ext4: Ext4): Change | null {
  const address = allocateZeroed(ROOM);
  if (address === 0) {
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const change = changetype<Change>(address);
  change.ext4 = ext4;
  change.freed = changetype<Runs>(address + offsetof<Change>());
  change.reserved = changetype<Runs>(address + offsetof<Change>() + offsetof<Runs>());
  change.system = changetype<Runs>(address + offsetof<Change>() + 2 * offsetof<Runs>());
  change.journal = allocate(BLOCK_ROOM);
  change.superBefore = allocate(SUPER_SIZE);
  change.scratch = allocate(BLOCK_ROOM);
  const one = inodeOpen(ext4.inodeSize);
  const two = inodeOpen(ext4.inodeSize);
  if (one !== null) change.one = one;
  if (two !== null) change.two = two;
  change.undo = allocate(UNDO_FIRST * UNDO_SIZE);
  change.undoRoom = change.undo === 0 ? 0 : UNDO_FIRST;
  spaceForget(change);
  const isWhole = change.journal !== 0 && change.superBefore !== 0 && change.scratch !== 0;
  if (isWhole && one !== null && two !== null && change.undo !== 0) return change;
  changeRelease(change);
  failPlain(ErrorCode.ENOMEM);
  return null;
}

export function changeRelease(change: Change): void {
  const size = change.ext4.inodeSize;
  if (changetype<usize>(change.one) !== 0) inodeClose(change.one, size);
  if (changetype<usize>(change.two) !== 0) inodeClose(change.two, size);
  release(change.undo, change.undoRoom * UNDO_SIZE);
  runsRelease(change.freed);
  runsRelease(change.reserved);
  runsRelease(change.system);
  release(change.journal, BLOCK_ROOM);
  release(change.superBefore, SUPER_SIZE);
  release(change.scratch, BLOCK_ROOM);
  release(changetype<usize>(change), ROOM);
}

/** True if nothing was changed since the last commit. */
export function isUnchanged(change: Change): bool {
  return change.ext4.overlay.count === 0 && !change.isSuperNew && change.freed.count === 0;
}

/** What was remembered of free space does not hold any more. */
export function spaceForget(change: Change): void {
  change.scratchGroup = NO_GROUP;
  change.runWanted = RUN_WANTED;
}

/** Records why something is not changed here, and returns `code`. */
export function refuse(ext4: Ext4, code: ErrorCode, why: Ext4Refusal, block: u64 = 0): ErrorCode {
  const sector = block * <u64>ext4.blockSectors;
  return deviceFail(ext4.device, code, Reason.EXT4_CHANGE, sector, why);
}

/** Before an operation: from here on it can be undone. */
export function undoBegin(change: Change): void {
  undoEnd(change);
  change.operation += 1;
  memory.copy(change.superBefore, change.ext4.super, SUPER_SIZE);
  change.isSuperNewBefore = change.isSuperNew;
  change.freedBefore = change.freed.count;
  if (change.freedBefore > 0) change.freedLast = load<u32>(lastRun(change.freed), 8);
  clock(time);
  const now = load<i64>(time);
  change.seconds = now / 1_000_000_000;
  change.nanoseconds = <u32>(now - change.seconds * 1_000_000_000);
}

/** The operation is whole: copies of what was before it are given back. */
export function undoEnd(change: Change): void {
  for (let index: u32 = 0; index < change.undoCount; index++) {
    release(load<u32>(change.undo + <usize>(index * UNDO_SIZE), 8), BLOCK_ROOM);
  }
  change.undoCount = 0;
}

/** Makes everything as it was before the operation. */
export function undo(change: Change): void {
  const ext4 = change.ext4;
  for (let index: u32 = 0; index < change.undoCount; index++) {
    const entry = change.undo + <usize>(index * UNDO_SIZE);
    const frame = cacheFind(ext4.cache, load<u64>(entry));
    if (frame === null) continue;
    const copy = load<u32>(entry, 8);
    if (copy === 0) {
      cacheDrop(ext4.cache, ext4.overlay, frame);
      continue;
    }
    memory.copy(frame.address, copy, BLOCK_ROOM);
    frame.page = 0;
    frame.second = 0;
  }
  undoEnd(change);
  memory.copy(ext4.super, change.superBefore, SUPER_SIZE);
  ext4.readOnlyFeatures = load<u32>(ext4.super, SUPER_READ_ONLY);
  change.isSuperNew = change.isSuperNewBefore;
  change.freed.count = change.freedBefore;
  if (change.freedBefore > 0) store<u32>(lastRun(change.freed), change.freedLast, 8);
  spaceForget(change);
}

/**
 * Block `block`, to be changed as what `use` says; 0 after a fault. EFBIG: the journal takes no
 * more at a time; EBADMSG: it was changed as something else.
 */
export function blockChange(change: Change, block: u64, use: u64): usize {
  const frame = blockFrame(change.ext4, block);
  if (frame === null || !useFits(change.ext4, frame, use) || !keep(change, frame)) return 0;
  frame.page = use;
  return frame.address;
}

/** A block for new metadata, all zero, whatever stands on the disk; 0 after a fault. */
export function blockFresh(change: Change, block: u64, use: u64): usize {
  const ext4 = change.ext4;
  let frame = cacheFind(ext4.cache, block);
  if (frame === null) frame = cacheAdd(ext4.cache, block);
  if (frame === null) {
    failPlain(ErrorCode.ENOMEM);
    return 0;
  }
  if (frame.dirty && frame.page !== 0) {
    // A bitmap calls a block free that is in use.
    ext4Fail(ext4, Reason.BITMAP, block, <u32>use);
    return 0;
  }
  if (!keep(change, frame)) {
    if (!frame.dirty) cacheDrop(ext4.cache, ext4.cache.clean, frame);
    return 0;
  }
  frame.page = use;
  memory.fill(frame.address, 0, ext4.blockSize);
  return frame.address;
}

/** Remembers what a block was, and moves it in front of the disk. */
function keep(change: Change, frame: Frame): bool {
  const ext4 = change.ext4;
  if (frame.dirty && frame.second === change.operation) return true;
  if (!frame.dirty && ext4.overlay.count >= change.blocksMax) {
    refuse(ext4, ErrorCode.EFBIG, Ext4Refusal.TRANSACTION, frame.key);
    return false;
  }
  let copy: usize = 0;
  if (frame.dirty) {
    copy = allocate(BLOCK_ROOM);
    if (copy === 0) {
      failPlain(ErrorCode.ENOMEM);
      return false;
    }
    memory.copy(copy, frame.address, BLOCK_ROOM);
  }
  if (change.undoCount === change.undoRoom) {
    const larger = doubled(change.undo, change.undoRoom * UNDO_SIZE);
    if (larger === 0) {
      release(copy, BLOCK_ROOM);
      failPlain(ErrorCode.ENOMEM);
      return false;
    }
    change.undo = larger;
    change.undoRoom *= 2;
  }
  const entry = change.undo + <usize>(change.undoCount * UNDO_SIZE);
  store<u64>(entry, frame.key);
  store<u32>(entry, <u32>copy, 8);
  change.undoCount += 1;
  if (!frame.dirty) frameDirty(ext4.cache, frame, frame.key, ext4.overlay);
  frame.second = change.operation;
  return true;
}

/** Adds a run; one that goes on where the last one ends becomes part of it. ENOMEM, EFBIG. */
export function runsAdd(runs: Runs, start: u64, count: u32, kind: u32): ErrorCode {
  if (runs.count > 0) {
    const last = lastRun(runs);
    const length = load<u32>(last, 8);
    const isNext = load<u64>(last) + <u64>length === start && load<u32>(last, 12) === kind;
    if (isNext && length <= 0x7fffffff - count) {
      store<u32>(last, length + count, 8);
      return ErrorCode.OK;
    }
  }
  if (runs.count === runs.room) {
    if (runs.room >= RUNS_MAX) return failPlain(ErrorCode.EFBIG);
    const size = runs.room * RUN_SIZE;
    const larger = runs.room === 0 ? allocate(RUNS_FIRST * RUN_SIZE) : doubled(runs.at, size);
    if (larger === 0) return failPlain(ErrorCode.ENOMEM);
    runs.at = larger;
    runs.room = runs.room === 0 ? RUNS_FIRST : runs.room * 2;
  }
  const run = runs.at + <usize>(runs.count * RUN_SIZE);
  store<u64>(run, start);
  store<u32>(run, count, 8);
  store<u32>(run, kind, 12);
  runs.count += 1;
  return ErrorCode.OK;
}

function lastRun(runs: Runs): usize {
  return runs.at + <usize>((runs.count - 1) * RUN_SIZE);
}

export function runsRelease(runs: Runs): void {
  release(runs.at, runs.room * RUN_SIZE);
  runs.at = 0;
  runs.count = 0;
  runs.room = 0;
}
