/**
 * What takes content away: truncation, and the reclaim of inodes that have lost their last name.
 *
 * Interface: a large truncation goes from the end in steps, each a consistent smaller size. An
 * inode
 * without a name stands in the reclaim queue until its records are gone; mount goes on with it.
 */
import { loadBigU64 } from "../../engine/bytes";
import { failPlain } from "../../engine/fault";
import { allocate, release } from "../../engine/memory";
import { planted } from "../../engine/planted";
import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { TreeId } from "../../format/page";
import { PAGE_SHIFT, PAGE_SIZE, SUPERBLOCK_LIVE_ITEMS } from "../../format/region";
import {
  FileKey,
  FileType,
  INODE_FLAG_INLINE,
  INODE_FLAGS,
  INODE_LENGTH,
  INODE_NLINK,
  RECLAIM_EXTENTS_MAX,
} from "../../format/wf";
import { treeDelete, treeGet, treePut } from "../../tree/btree";
import { RESERVE_DELETE } from "../../tree/commit";
import { cursorNext, cursorSeek } from "../../tree/cursor";
import { volumeAdd } from "../../tree/pages/volume";
import { head, inline, inlineGet } from "./read";
import { dataRoom } from "./records/data";
import { isOf } from "./records/dirent";
import {
  cutPages,
  extentAt,
  extentCount,
  extentCut,
  extentFirst,
  extentPages,
  extentRead,
  extentStart,
  PAGES_END,
} from "./records/extent";
import {
  FILE_SIZE_MAX,
  inode,
  inodeGet,
  inodePut,
  inodeTouch,
  inodeType,
  keyLength,
  RECLAIM_KEY_LENGTH,
  recordDelete,
  recordPut,
  Wf,
  wfCommit,
  wfDamage,
  wfIsHeld,
  wfKey,
  wfQueueKey,
  wfReserve,
  wfSettle,
} from "./records/wf";
import { addPages, fileReserve, fileSpill, takePages, writeFresh } from "./write";

/** Records that one reservation of a reclaim frees: their leaves are few. */
const STEP_RECORDS: u32 = 32;
/** Where space is short. */
const STEP_RECORDS_MIN: u32 = 2;

const victim: usize = memory.data(80, 16);
/** Extents freed since the last commit of a reclaim. */
let freedExtents: u32 = 0;

/** Bug 33: the reclaim queue forgets the inode as soon as it has begun. */
export const PLANT_QUEUE_LOST: u32 = 33;

/** Sets the size of file `ino`: cuts it, or adds a hole. */
export function fileResize(wf: Wf, ino: u64, size: u64): ErrorCode {
  const code = inodeGet(wf, ino, inode);
  if (code !== ErrorCode.OK) return code;
  if (inodeType(inode) !== FileType.FILE) return failPlain(ErrorCode.EISDIR);
  if (size > FILE_SIZE_MAX) return failPlain(ErrorCode.EFBIG);
  const old = load<u64>(inode, INODE_LENGTH);
  if ((<u32>load<u16>(inode, INODE_FLAGS) & INODE_FLAG_INLINE) !== 0) {
    return size <= old ? cutInline(wf, ino, <u32>size) : growInline(wf, ino, size);
  }
  if (size >= old) return setSize(wf, ino, size);
  return shrink(wf, ino, size);
}

/** A size that frees nothing: the same, or a hole at the end. */
function setSize(wf: Wf, ino: u64, size: u64): ErrorCode {
  const code = wfReserve(wf, 1, 0, 0, false, RESERVE_DELETE);
  if (code !== ErrorCode.OK) return code;
  return wfSettle(wf, putSize(wf, ino, size));
}

function putSize(wf: Wf, ino: u64, size: u64): ErrorCode {
  store<u64>(inode, size, INODE_LENGTH);
  inodeTouch(inode);
  wf.stamp += 1;
  return inodePut(wf, ino, inode);
}

function cutInline(wf: Wf, ino: u64, size: u32): ErrorCode {
  const old = <u32>load<u64>(inode, INODE_LENGTH);
  let code = inlineGet(wf, ino, old);
  if (code === ErrorCode.OK) code = wfReserve(wf, 2, 0, 0, false, RESERVE_DELETE);
  if (code !== ErrorCode.OK) return code;
  if (size !== old) {
    const key = wfKey(ino, FileKey.INLINE);
    code = size === 0 ? recordDelete(wf, key) : recordPut(wf, key, inline, size);
  }
  if (code === ErrorCode.OK) code = putSize(wf, ino, size);
  return wfSettle(wf, code);
}

/** A hole ends the inline form for good. */
function growInline(wf: Wf, ino: u64, size: u64): ErrorCode {
  const old = <u32>load<u64>(inode, INODE_LENGTH);
  let code = fileReserve(wf, 0, old);
  if (code !== ErrorCode.OK) return code;
  code = fileSpill(wf, ino, inode);
  if (code === ErrorCode.OK) code = putSize(wf, ino, size);
  return wfSettle(wf, code);
}

/** Cuts content: at once where the batch can take it, else from the end in steps. */
function shrink(wf: Wf, ino: u64, size: u64): ErrorCode {
  let most = RECLAIM_EXTENTS_MAX;
  while (true) {
    const code = shrinkBy(wf, ino, size, most);
    if (code !== ErrorCode.ENOSPC || most <= STEP_RECORDS) return code;
    most >>>= 2;
  }
}

function shrinkBy(wf: Wf, ino: u64, size: u64, most: u32): ErrorCode {
  const end = (size + <u64>(PAGE_SIZE - 1)) >>> PAGE_SHIFT;
  const found = extentCount(wf, ino, end, PAGES_END, most + 1);
  if (found < 0) return found;
  if (<u32>found > most) {
    const code = shrinkInSteps(wf, ino, end, most);
    if (code !== ErrorCode.OK) return code;
  }
  const cutsPage = (size & 4095) !== 0;
  let code = wfReserve(
    wf,
    4,
    min<u32>(<u32>found, most) / 3 + 4,
    cutsPage ? 1 : 0,
    false,
    RESERVE_DELETE,
  );
  if (code === ErrorCode.OK && cutsPage) {
    code = dataRoom(wf, 1);
    if (code === ErrorCode.OK) code = zeroTail(wf, ino, size);
  }
  if (code !== ErrorCode.OK) return code;
  return wfSettle(wf, cutAt(wf, ino, end, size));
}

/** Frees the pages from `end` on and sets the size; `inode` is the file's. */
function cutAt(wf: Wf, ino: u64, end: u64, size: u64): ErrorCode {
  const code = extentCut(wf, ino, end, PAGES_END, u32.MAX_VALUE);
  if (code !== ErrorCode.OK) return code;
  addPages(wf, inode, -(<i64>cutPages));
  return putSize(wf, ino, size);
}

/** Zeroes the last page behind `size`, on a new page, if there is content behind it. */
function zeroTail(wf: Wf, ino: u64, size: u64): ErrorCode {
  const number = size >>> PAGE_SHIFT;
  const skip = <u32>size & (PAGE_SIZE - 1);
  let code = extentAt(wf, ino, number);
  if (code === ErrorCode.ENOENT) return ErrorCode.OK;
  if (code === ErrorCode.OK) code = extentRead(wf, number, 1, head);
  if (code !== ErrorCode.OK) return code;
  memory.fill(head + skip, 0, PAGE_SIZE - skip);
  code = takePages(wf, 1);
  if (code !== ErrorCode.OK) return code;
  const old = load<u64>(inode, INODE_LENGTH);
  code = writeFresh(wf, ino, inode, number << PAGE_SHIFT, head, PAGE_SIZE, 1);
  store<u64>(inode, old, INODE_LENGTH);
  return wfSettle(wf, code);
}

/** Cuts from the end, `most` extents a commit, until fewer are left behind page `end`. */
function shrinkInSteps(wf: Wf, ino: u64, end: u64, most: u32): ErrorCode {
  const total = extentCount(wf, ino, end, PAGES_END, i32.MAX_VALUE);
  if (total < 0) return total;
  const steps = <u32>total / most;
  const places = allocate(steps << 3);
  if (places === 0) return failPlain(ErrorCode.ENOMEM);
  let code = markSteps(wf, ino, end, places, steps, most);
  for (let step = steps; step > 0 && code === ErrorCode.OK; step--) {
    const from = load<u64>(places + <usize>((step - 1) << 3));
    code = wfCommit(wf);
    if (code === ErrorCode.OK) code = wfReserve(wf, 4, most / 3 + 4, 0, false, RESERVE_DELETE);
    if (code === ErrorCode.OK) code = inodeGet(wf, ino, inode);
    if (code === ErrorCode.OK) code = wfSettle(wf, cutAt(wf, ino, from, from << PAGE_SHIFT));
  }
  release(places, steps << 3);
  return code;
}

/** Notes where every `most`-th extent behind page `end` begins. */
function markSteps(wf: Wf, ino: u64, end: u64, places: usize, steps: u32, most: u32): ErrorCode {
  let from = end;
  let seen: u32 = 0;
  for (let step: u32 = 0; step < steps; ) {
    const code = extentFirst(wf, ino, from);
    if (code !== ErrorCode.OK) return code;
    from = extentStart + <u64>extentPages;
    seen += 1;
    if (seen % most !== 0) continue;
    store<u64>(places + <usize>(step << 3), max<u64>(extentStart, end));
    step += 1;
  }
  return ErrorCode.OK;
}

/**
 * After `ino` has lost its last name (`inode` says nlink 0 already): takes it away at once if it
 * has
 * few records, else queues it. Within the reservation of forgetLeaves() and the
 * queue.
 */
export function inodeForget(wf: Wf, ino: u64, node: usize): ErrorCode {
  if (!wfIsHeld(wf, ino, true) && recordCount(wf, ino) <= STEP_RECORDS) {
    const code = deleteRecords(wf, ino, node, STEP_RECORDS);
    return code === ErrorCode.OK ? deleteInode(wf, ino) : code;
  }
  const key = wfQueueKey(ino);
  const code = treePut(wf.volume, TreeId.WF_RECLAIM, key, RECLAIM_KEY_LENGTH, key, 0);
  if (code !== ErrorCode.OK) return code;
  wf.reclaims = true;
  return inodePut(wf, ino, node);
}

/** Leaves that inodeForget() may touch beside the one of the inode. */
export function forgetLeaves(wf: Wf, ino: u64): u32 {
  const count = recordCount(wf, ino);
  return count <= STEP_RECORDS ? count / 2 : 0;
}

/** Records of `ino` that inodeForget would delete, counted up to STEP_RECORDS + 1. */
function recordCount(wf: Wf, ino: u64): u32 {
  const cursor = wf.cursor;
  let count: u32 = 0;
  let code = cursorSeek(cursor, wfKey(ino, FileKey.INODE), keyLength);
  while (code === ErrorCode.OK && loadBigU64(cursor.key) === ino && count <= STEP_RECORDS) {
    count += 1;
    code = cursorNext(cursor);
  }
  // Damage: the queue keeps it for a repair.
  return code === ErrorCode.OK || code === ErrorCode.ENOENT ? count : STEP_RECORDS + 1;
}

/** Deletes up to `most` attributes, extents and the inline record. EAGAIN: there are more. */
function deleteRecords(wf: Wf, ino: u64, node: usize, most: u32): ErrorCode {
  const volume = wf.volume;
  const cursor = wf.cursor;
  let code = extentCut(wf, ino, 0, PAGES_END, most);
  addPages(wf, node, -(<i64>cutPages));
  if (code !== ErrorCode.OK) return code;
  for (let count: u32 = 0; count < most; count++) {
    code = cursorSeek(cursor, wfKey(ino, FileKey.XATTR), keyLength);
    if (code === ErrorCode.ENOENT) return ErrorCode.OK;
    if (code !== ErrorCode.OK) return code;
    if (!isOf(cursor, ino, FileKey.XATTR) && !isOf(cursor, ino, FileKey.INLINE)) {
      return ErrorCode.OK;
    }
    memory.copy(head, cursor.key, cursor.keyLength);
    code = treeDelete(volume, TreeId.WF_FILES, head, cursor.keyLength);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.EAGAIN;
}

function deleteInode(wf: Wf, ino: u64): ErrorCode {
  volumeAdd(wf.volume, SUPERBLOCK_LIVE_ITEMS, -1);
  wf.stamp += 1;
  return recordDelete(wf, wfKey(ino, FileKey.INODE));
}

/** Frees a queued inode, in steps, with a commit after RECLAIM_EXTENTS_MAX extents. */
export function inodeReclaim(wf: Wf, ino: u64): ErrorCode {
  const volume = wf.volume;
  let step = STEP_RECORDS;
  while (true) {
    let code = wfReserve(wf, 2, step / 2 + 1, 0, true, RESERVE_DELETE);
    if (code === ErrorCode.ENOSPC && step > STEP_RECORDS_MIN) {
      step = STEP_RECORDS_MIN;
      continue;
    }
    if (code !== ErrorCode.OK) return code;
    const queued = treeGet(volume, TreeId.WF_RECLAIM, wfQueueKey(ino), RECLAIM_KEY_LENGTH);
    if (queued === ErrorCode.ENOENT) return ErrorCode.OK;
    if (queued !== ErrorCode.OK) return queued;
    code = inodeGet(wf, ino, victim);
    if (code !== ErrorCode.OK) return code;
    if (load<u32>(victim, INODE_NLINK) !== 0) return wfDamage(wf, Reason.LINKS, ino);
    code = deleteRecords(wf, ino, victim, step);
    const more = code === ErrorCode.EAGAIN;
    if (code !== ErrorCode.OK && !more) return wfSettle(wf, code);
    code = more ? inodePut(wf, ino, victim) : deleteInode(wf, ino);
    if (code === ErrorCode.OK && (!more || planted(PLANT_QUEUE_LOST))) {
      const key = wfQueueKey(ino);
      code = treeDelete(volume, TreeId.WF_RECLAIM, key, RECLAIM_KEY_LENGTH);
    }
    if (code !== ErrorCode.OK) return wfSettle(wf, code);
    if (!more) return ErrorCode.OK;
    freedExtents += step;
    if (freedExtents < RECLAIM_EXTENTS_MAX) continue;
    freedExtents = 0;
    code = wfCommit(wf);
    if (code !== ErrorCode.OK) return code;
  }
}

/** Frees every queued inode that no handle keeps: on the first change after mount, and later. */
export function reclaimAll(wf: Wf): ErrorCode {
  wf.reclaims = false;
  let last: u64 = 0;
  while (true) {
    const code = cursorSeek(wf.queue, wfQueueKey(last), RECLAIM_KEY_LENGTH);
    if (code === ErrorCode.ENOENT) return ErrorCode.OK;
    if (code !== ErrorCode.OK) return code;
    if (wf.queue.keyLength !== RECLAIM_KEY_LENGTH) return wfDamage(wf, Reason.FIELD, 0);
    const ino = loadBigU64(wf.queue.key + 1);
    last = ino + 1;
    if (wfIsHeld(wf, ino, true)) continue;
    const done = inodeReclaim(wf, ino);
    if (done !== ErrorCode.OK) return done;
  }
}
