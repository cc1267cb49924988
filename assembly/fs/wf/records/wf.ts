/**
 * CAPOSWF1: the mounted filesystem, its keys, its inodes, and what every change begins with.
 *
 * Interface: one tree holds everything, by keys (inode, FileKey, rest). A change reserves its worst
 * case with wfReserve(), checks all that may refuse it, then changes; should the device fail in
 * between, wfSettle() throws the whole batch away, so that nothing is ever half done.
 */
import { storeBigU64 } from "../../../engine/bytes";
import { deviceFail } from "../../../engine/device";
import { failPlain } from "../../../engine/fault";
import { clock } from "../../../engine/host";
import { allocate, allocateZeroed, release } from "../../../engine/memory";
import {
  FILE_STAT_ATIME,
  FILE_STAT_BLOCKS,
  FILE_STAT_GID,
  FILE_STAT_INO,
  FILE_STAT_LENGTH,
  FILE_STAT_MODE,
  FILE_STAT_NLINK,
  FILE_STAT_SIZE,
  FILE_STAT_UID,
  Reason,
} from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import { TreeId } from "../../../format/page";
import {
  SECTORS_PER_PAGE,
  SUPERBLOCK_LIVE_ITEMS,
  SUPERBLOCK_RETURN_SEEN,
} from "../../../format/region";
import {
  CONTROL_SIZE,
  FILE_BITS_MAX,
  FileKey,
  FileType,
  INO_FIRST,
  INODE_ATIME,
  INODE_BTIME,
  INODE_CTIME,
  INODE_DATA_PAGES,
  INODE_FLAG_IMMUTABLE,
  INODE_FLAG_INLINE,
  INODE_FLAGS,
  INODE_GENERATION,
  INODE_GID,
  INODE_LENGTH,
  INODE_MODE,
  INODE_MTIME,
  INODE_NLINK,
  INODE_PARENT,
  INODE_SIZE,
  INODE_UID,
  MODE_DIRECTORY,
  MODE_FILE,
  MODE_SYMLINK,
  MODE_TYPE,
  NAME_MAX,
  RECLAIM_KEY,
} from "../../../format/wf";
import {
  foundLength,
  foundValue,
  treeDelete,
  treeGet,
  treePut,
  treeWorst,
} from "../../../tree/btree";
import { volumeAbort, volumeCommit, volumeReserveData } from "../../../tree/commit";
import { Cursor, cursorClose, cursorOpen } from "../../../tree/cursor";
import {
  Latch,
  Volume,
  volumeAdd,
  volumeBody,
  volumeChanged,
  volumeField,
  volumeSetField,
} from "../../../tree/pages/volume";

@unmanaged
export class Wf {
  volume: Volume;
  /** Over the files; each use seeks first. */
  cursor: Cursor;
  /** Over the reclaim queue. */
  queue: Cursor;
  /** Of this mount: no two have the same, not even one behind the other at one address. */
  serial: u32;
  /** The queue may hold inodes that no handle keeps. */
  reclaims: bool;
  /** The open batch commits as a whole: see wfBegin(). */
  whole: bool;
  /** Rises with every change of any file's content: what was read before may be old. */
  stamp: u32;
  /** Heads of chains of Held, by inode. */
  held: usize;
  /** Data pages that wait to be written: see data.ts. */
  stage: usize;
  stagePages: usize;
  stageIndex: usize;
  stageCount: u32;
  /** The last pages read ahead: see file.ts. */
  window: usize;
  windowIno: u64;
  windowFirst: u64;
  windowPages: u32;
  windowStamp: u32;
  /** Where the last read ended, to know a sequential reader. */
  lastIno: u64;
  lastEnd: u64;
}

/** An inode that open handles keep. */
@unmanaged
class Held {
  ino: u64;
  next: usize;
  count: u32;
  /** It may have lost its last name while it was open. */
  orphan: bool;
}

let serials: u32 = 0;
const BUCKETS: u32 = 256;
const BEGIN_MAX: u32 = 4095;
/** A Wf, and behind it the heads of its chains. */
const WF_ROOM: u32 = offsetof<Wf>() + BUCKETS * 4;
/** Larger than any key: ino, type, parent, name. */
const key: usize = allocate(320);
export let keyLength: u32 = 0;
/** A second one for the reclaim queue. */
const queueKey: usize = memory.data(16, 8);
/** The inode that the running call is about: of whoever read it last. */
export const inode: usize = memory.data(80, 16);
const time: usize = memory.data(8, 8);

export const FILE_SIZE_MAX: u64 = (<u64>1) << FILE_BITS_MAX;
export const RECLAIM_KEY_LENGTH: u32 = 9;

/** The filesystem of a volume; null without memory. */
export function wfOpen(volume: Volume): Wf | null {
  const address = allocateZeroed(WF_ROOM);
  const cursor = cursorOpen(volume, TreeId.WF_FILES);
  const queue = cursorOpen(volume, TreeId.WF_RECLAIM);
  if (address === 0 || cursor === null || queue === null) {
    release(address, WF_ROOM);
    if (cursor !== null) cursorClose(cursor);
    if (queue !== null) cursorClose(queue);
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const wf = changetype<Wf>(address);
  wf.volume = volume;
  wf.cursor = cursor;
  wf.queue = queue;
  wf.held = address + offsetof<Wf>();
  wf.reclaims = true;
  serials += 1;
  wf.serial = serials;
  return wf;
}

/** Releases it; data.ts has given its own memory back before. */
export function wfClose(wf: Wf): void {
  cursorClose(wf.cursor);
  cursorClose(wf.queue);
  for (let bucket: u32 = 0; bucket < BUCKETS; bucket++) {
    let at = load<usize>(wf.held + <usize>(bucket << 2));
    while (at !== 0) {
      const next = changetype<Held>(at).next;
      release(at, offsetof<Held>());
      at = next;
    }
  }
  release(changetype<usize>(wf), WF_ROOM);
}

/** The key (ino, kind); its length is keyLength. One buffer: valid until the next wfKey. */
export function wfKey(ino: u64, kind: FileKey): usize {
  storeBigU64(key, ino);
  store<u8>(key, <u8>kind, 8);
  keyLength = 9;
  return key;
}

/** The key (ino, kind, name). */
export function wfKeyName(ino: u64, kind: FileKey, name: usize, length: u32): usize {
  assert(length <= NAME_MAX);
  wfKey(ino, kind);
  memory.copy(key + 9, name, length);
  keyLength = 9 + length;
  return key;
}

/** The key (ino, kind, number). */
export function wfKeyNumber(ino: u64, kind: FileKey, number: u64): usize {
  wfKey(ino, kind);
  storeBigU64(key + 9, number);
  keyLength = 17;
  return key;
}

/** The key (ino, BACK_REFERENCE, parent, name). */
export function wfKeyBack(ino: u64, parent: u64, name: usize, length: u32): usize {
  assert(length <= NAME_MAX);
  wfKeyNumber(ino, FileKey.BACK_REFERENCE, parent);
  memory.copy(key + 17, name, length);
  keyLength = 17 + length;
  return key;
}

/** The key of `ino` in the reclaim queue: RECLAIM_KEY_LENGTH bytes. */
export function wfQueueKey(ino: u64): usize {
  store<u8>(queueKey, <u8>RECLAIM_KEY);
  storeBigU64(queueKey + 1, ino);
  return queueKey;
}

/** i64 ns since 1970 UTC. */
export function wfNow(): i64 {
  clock(time);
  return load<i64>(time);
}

/** The epoch that the open batch will be. */
export function wfEpoch(wf: Wf): u64 {
  return wf.volume.epoch + 1;
}

/**
 * Before a change: `changes` records at distinct places of the tree, `leaves` whole leaves of
 * records
 * that stand side by side, `dataPages` pages of content and, if `queue`, one record of the reclaim
 * queue. A full batch is committed first.
 */
export function wfReserve(
  wf: Wf,
  changes: u32,
  leaves: u32,
  dataPages: u32,
  queue: bool,
  purpose: u32,
): ErrorCode {
  const volume = wf.volume;
  let code = ErrorCode.OK;
  for (let round = 0; round < 2; round++) {
    let pages = treeWorst(volume, TreeId.WF_FILES, changes);
    // Each leaf once, its neighbour in a merge, and a share of what is above them.
    pages += leaves * 3;
    if (queue) pages += treeWorst(volume, TreeId.WF_RECLAIM, 1);
    code = volumeReserveData(volume, pages, dataPages, purpose);
    if (code !== ErrorCode.EAGAIN) break;
    code = wfCommit(wf);
    if (code !== ErrorCode.OK) break;
    code = ErrorCode.EAGAIN;
  }
  return code === ErrorCode.EAGAIN ? failPlain(ErrorCode.ENOSPC) : code;
}

/** A commit between two steps; ENOSPC where the batch must stay whole. */
export function wfCommit(wf: Wf): ErrorCode {
  return wf.whole ? failPlain(ErrorCode.ENOSPC) : volumeCommit(wf.volume);
}

/**
 * Commits what is open and makes room for `changes` records and `dataPages`, 4,095 at most: from
 * here to the next commit or abort nothing is committed but by the caller. ENOSPC, then and later:
 * it does not fit one batch.
 */
export function wfBegin(wf: Wf, changes: u32, dataPages: u32): ErrorCode {
  if ((changes | dataPages) > BEGIN_MAX) return failPlain(ErrorCode.EINVAL);
  let code = volumeCommit(wf.volume);
  if (code === ErrorCode.OK) code = wfReserve(wf, changes, 0, dataPages, true, 0);
  wf.whole = code === ErrorCode.OK;
  return code;
}

/**
 * After the changes of one operation: an error in the middle of them aborts the batch, because half
 * an operation must never be committed.
 */
export function wfSettle(wf: Wf, code: ErrorCode): ErrorCode {
  if (code !== ErrorCode.OK) {
    volumeAbort(wf.volume);
    wf.volume.latch = Latch.LOST;
  }
  return code;
}

/** Records damage at the root page of the files and answers EBADMSG. */
export function wfDamage(wf: Wf, reason: Reason, ino: u64): ErrorCode {
  return deviceFail(wf.volume.region.device, ErrorCode.EBADMSG, reason, 0, <u32>ino);
}

export function pageLba(page: u64): u64 {
  return page * <u64>SECTORS_PER_PAGE;
}

/** A number for a new inode, never given out before; the batch must be open. */
export function wfNextIno(wf: Wf): u64 {
  const next = volumeField(wf.volume, SUPERBLOCK_RETURN_SEEN);
  const ino = next < <u64>INO_FIRST ? <u64>INO_FIRST : next;
  volumeSetField(wf.volume, SUPERBLOCK_RETURN_SEEN, ino + 1);
  volumeAdd(wf.volume, SUPERBLOCK_LIVE_ITEMS, 1);
  return ino;
}

/** The record with a key of the last wfKey*(): foundValue, or ENOENT, EIO, EBADMSG. */
export function recordGet(wf: Wf, at: usize): ErrorCode {
  return treeGet(wf.volume, TreeId.WF_FILES, at, keyLength);
}

export function recordPut(wf: Wf, at: usize, value: usize, length: u32): ErrorCode {
  return treePut(wf.volume, TreeId.WF_FILES, at, keyLength, value, length);
}

export function recordDelete(wf: Wf, at: usize): ErrorCode {
  return treeDelete(wf.volume, TreeId.WF_FILES, at, keyLength);
}

/** Reads inode `ino` into the INODE_SIZE bytes at `out`. A missing one is damage: EBADMSG. */
export function inodeGet(wf: Wf, ino: u64, out: usize): ErrorCode {
  const code = recordGet(wf, wfKey(ino, FileKey.INODE));
  if (code === ErrorCode.ENOENT) return wfDamage(wf, Reason.LINKS, ino);
  if (code !== ErrorCode.OK) return code;
  if (foundLength !== INODE_SIZE) return wfDamage(wf, Reason.FIELD, ino);
  memory.copy(out, foundValue, INODE_SIZE);
  return inodeIsSound(out) ? ErrorCode.OK : wfDamage(wf, Reason.FIELD, ino);
}

/** True if the fields of an inode lie inside what the format allows. */
export function inodeIsSound(inode: usize): bool {
  const flags = <u32>load<u16>(inode, INODE_FLAGS);
  if ((flags & ~(INODE_FLAG_INLINE | INODE_FLAG_IMMUTABLE)) !== 0) return false;
  if (inodeType(inode) === 0) return false;
  return load<u64>(inode, INODE_LENGTH) <= FILE_SIZE_MAX;
}

export function inodePut(wf: Wf, ino: u64, inode: usize): ErrorCode {
  const at = wfKey(ino, FileKey.INODE);
  return recordPut(wf, at, inode, INODE_SIZE);
}

/** FileType of an inode, 0 for a type that the format does not have. */
export function inodeType(inode: usize): u32 {
  const type = <u32>load<u16>(inode, INODE_MODE) & MODE_TYPE;
  if (type === MODE_FILE) return FileType.FILE;
  if (type === MODE_DIRECTORY) return FileType.DIRECTORY;
  return type === MODE_SYMLINK ? FileType.SYMLINK : 0;
}

export function typeMode(type: u32): u32 {
  if (type === FileType.FILE) return MODE_FILE;
  return type === FileType.DIRECTORY ? MODE_DIRECTORY : MODE_SYMLINK;
}

/** Fills a fresh inode; `parent` counts for directories. */
export function inodeFill(inode: usize, type: u32, mode: u32, parent: u64, epoch: u64): void {
  const now = wfNow();
  memory.fill(inode, 0, INODE_SIZE);
  store<u16>(inode, <u16>(typeMode(type) | (mode & 0o7777)), INODE_MODE);
  store<u16>(inode, type === FileType.DIRECTORY ? 0 : <u16>INODE_FLAG_INLINE, INODE_FLAGS);
  store<u32>(inode, 1, INODE_NLINK);
  store<i64>(inode, now, INODE_ATIME);
  store<i64>(inode, now, INODE_MTIME);
  store<i64>(inode, now, INODE_CTIME);
  store<i64>(inode, now, INODE_BTIME);
  store<u64>(inode, epoch, INODE_GENERATION);
  store<u64>(inode, type === FileType.DIRECTORY ? parent : 0, INODE_PARENT);
}

/** The content has changed: mtime and ctime. */
export function inodeTouch(inode: usize): void {
  const now = wfNow();
  store<i64>(inode, now, INODE_MTIME);
  store<i64>(inode, now, INODE_CTIME);
}

/** Four times stand side by side, in the same order, in an inode and in FILE_STAT. */
const TIMES_SIZE: u32 = FILE_STAT_SIZE - FILE_STAT_ATIME;
if (INODE_GENERATION - INODE_ATIME !== TIMES_SIZE) ERROR("an inode has other times than FILE_STAT");

/** Writes FILE_STAT of an inode. */
export function inodeStat(inode: usize, ino: u64, out: usize): void {
  memory.fill(out, 0, FILE_STAT_SIZE);
  store<u64>(out, ino, FILE_STAT_INO);
  store<u32>(out, load<u16>(inode, INODE_MODE), FILE_STAT_MODE);
  store<u32>(out, load<u32>(inode, INODE_NLINK), FILE_STAT_NLINK);
  store<u32>(out, load<u32>(inode, INODE_UID), FILE_STAT_UID);
  store<u32>(out, load<u32>(inode, INODE_GID), FILE_STAT_GID);
  store<u64>(out, load<u64>(inode, INODE_LENGTH), FILE_STAT_LENGTH);
  const pages = load<u64>(inode, INODE_DATA_PAGES);
  store<u64>(out, pages * <u64>SECTORS_PER_PAGE, FILE_STAT_BLOCKS);
  memory.copy(out + FILE_STAT_ATIME, inode + INODE_ATIME, TIMES_SIZE);
}

/** Notes one more handle on `ino`; false without memory. */
export function wfRetain(wf: Wf, ino: u64): bool {
  const bucket = bucketOf(wf, ino);
  const known = heldFind(wf, ino);
  if (known !== 0) {
    changetype<Held>(known).count += 1;
    return true;
  }
  const address = allocateZeroed(offsetof<Held>());
  if (address === 0) return false;
  const held = changetype<Held>(address);
  held.ino = ino;
  held.count = 1;
  held.next = load<usize>(bucket);
  store<usize>(bucket, address);
  return true;
}

/** One handle less; true if it was the last one of an inode that may have lost its last name. */
export function wfRelease(wf: Wf, ino: u64): bool {
  let link = bucketOf(wf, ino);
  for (let at = load<usize>(link); at !== 0; at = load<usize>(link)) {
    const held = changetype<Held>(at);
    if (held.ino !== ino) {
      link = at + offsetof<Held>("next");
      continue;
    }
    held.count -= 1;
    if (held.count > 0) return false;
    const orphan = held.orphan;
    store<usize>(link, held.next);
    release(at, offsetof<Held>());
    return orphan;
  }
  return false;
}

/** True if a handle keeps `ino`; `orphan`: it has just lost its last name. */
export function wfIsHeld(wf: Wf, ino: u64, orphan: bool): bool {
  const known = heldFind(wf, ino);
  if (known === 0) return false;
  if (orphan) changetype<Held>(known).orphan = true;
  return true;
}

function bucketOf(wf: Wf, ino: u64): usize {
  return wf.held + ((<usize>ino & (BUCKETS - 1)) << 2);
}

function heldFind(wf: Wf, ino: u64): usize {
  let at = load<usize>(bucketOf(wf, ino));
  while (at !== 0 && changetype<Held>(at).ino !== ino) at = changetype<Held>(at).next;
  return at;
}

/** Copies the boot-control block of the newest state, committed or not. */
export function controlGet(wf: Wf, out: usize): void {
  memory.copy(out, volumeBody(wf.volume), CONTROL_SIZE);
}

/** Replaces the boot-control block: durable in the same commit as the files changed before. */
export function controlSet(wf: Wf, address: usize): ErrorCode {
  const code = wfReserve(wf, 0, 0, 0, false, 0);
  if (code !== ErrorCode.OK) return code;
  memory.copy(volumeBody(wf.volume), address, CONTROL_SIZE);
  volumeChanged(wf.volume);
  return ErrorCode.OK;
}
