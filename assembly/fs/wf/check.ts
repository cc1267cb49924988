/**
 * The check of CAPOSWF1, L2 and, if asked, the scrub of all content: one walk over the tree in key
 * order, so that all records of an inode come together, with a look at the twin of each entry.
 *
 * Interface: findings are a list; the walk goes on behind damage where it can. What the walk cannot
 * read (EIO, EBADMSG of a tree page) is the last finding.
 */
import { loadBigU64, nameCheck } from "../../engine/bytes";
import { failPlain } from "../../engine/fault";
import { allocate, allocateZeroed, release } from "../../engine/memory";
import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { TreeId } from "../../format/page";
import {
  PAGE_SHIFT,
  PAGE_SIZE,
  SUPERBLOCK_LIVE_ITEMS,
  SUPERBLOCK_LIVE_SIZE,
  SUPERBLOCK_RETURN_SEEN,
} from "../../format/region";
import {
  DEPTH_MAX,
  DIRENT_INO,
  DIRENT_SIZE,
  DIRENT_TYPE,
  EXTENT_PAGES_MAX,
  FileKey,
  FileType,
  INLINE_MAX,
  INO_FIRST,
  INO_LOST_FOUND,
  INO_RECORDS,
  INO_ROOT,
  INODE_DATA_PAGES,
  INODE_FLAG_INLINE,
  INODE_FLAGS,
  INODE_LENGTH,
  INODE_NLINK,
  INODE_PARENT,
  INODE_SIZE,
  NAME_MAX,
  SYMLINK_MAX,
  XATTR_NAME_MAX,
  XATTR_VALUE_MAX,
  XATTRS_MAX,
} from "../../format/wf";
import { foundLength, foundValue, treeGet } from "../../tree/btree";
import { Cursor, cursorClose, cursorNext, cursorOpen, cursorSeek } from "../../tree/cursor";
import { volumeField } from "../../tree/pages/volume";
import { extentPages, extentRead, extentStart, extentTake } from "./records/extent";
import { Findings, finding, findingFault } from "./records/findings";
import { systemIsSound } from "./records/system";
import {
  inodeIsSound,
  inodeType,
  pageLba,
  RECLAIM_KEY_LENGTH,
  recordGet,
  Wf,
  wfKey,
  wfKeyBack,
  wfKeyName,
  wfQueueKey,
} from "./records/wf";

const BUFFER_SIZE: u32 = EXTENT_PAGES_MAX << PAGE_SHIFT;

/** What is known of the inode whose records are being walked. */
@unmanaged
class Walk {
  wf: Wf;
  findings: Findings;
  cursor: Cursor;
  /** 256 KiB for the scrub; 0 = no scrub. */
  buffer: usize;
  ino: u64;
  /** INODE_SIZE bytes, if `hasInode`. */
  inode: usize;
  hasInode: bool;
  entries: u64;
  attributes: u32;
  names: u64;
  parent: u64;
  /** Page of the file where the last extent ended, and the data pages so far. */
  extentEnd: u64;
  pages: u64;
  inlineLength: u32;
  hasInline: bool;
  /** Of the whole filesystem; what stands before, from `hasInode` on, is of one inode. */
  inodes: u64;
  allPages: u64;
}

/** A Walk, and behind it its inode. */
const WALK_ROOM: u32 = offsetof<Walk>() + INODE_SIZE;

/**
 * Checks the filesystem into `findings`, with `data` all content too. OK also where there is
 * damage;
 * ENOMEM: it could not be made. That no page belongs to two files the check of the region tells.
 */
export function wfCheck(wf: Wf, findings: Findings, data: bool): ErrorCode {
  const cursor = cursorOpen(wf.volume, TreeId.WF_FILES);
  const buffer = data ? allocate(BUFFER_SIZE) : 0;
  const place = allocateZeroed(WALK_ROOM);
  if (cursor === null || place === 0 || (data && buffer === 0)) {
    if (cursor !== null) cursorClose(cursor);
    release(place, WALK_ROOM);
    release(buffer, BUFFER_SIZE);
    return failPlain(ErrorCode.ENOMEM);
  }
  const walk = changetype<Walk>(place);
  walk.wf = wf;
  walk.findings = findings;
  walk.cursor = cursor;
  walk.buffer = buffer;
  walk.inode = place + offsetof<Walk>();
  let code = cursorNext(cursor);
  while (code === ErrorCode.OK) {
    visit(walk);
    code = cursorNext(cursor);
  }
  if (walk.ino !== <u64>INO_RECORDS || walk.inodes === 0) endInode(walk);
  if (code !== ErrorCode.ENOENT) findingFault(findings, 0, 0, 0);
  else endWalk(walk);
  checkQueue(walk);
  cursorClose(cursor);
  release(buffer, BUFFER_SIZE);
  release(place, WALK_ROOM);
  return ErrorCode.OK;
}

/** A finding at the record under the cursor. */
function bad(walk: Walk, reason: Reason): void {
  const device = walk.wf.volume.region.device;
  const lba = device.base + pageLba(walk.cursor.leafKey & 0x7fffffffffff);
  finding(walk.findings, ErrorCode.EBADMSG, reason, lba, walk.ino, 0, 0);
}

function visit(walk: Walk): void {
  const cursor = walk.cursor;
  const key = cursor.key;
  if (cursor.keyLength < 9) {
    bad(walk, Reason.FIELD);
    return;
  }
  const ino = loadBigU64(key);
  const kind = <u32>load<u8>(key, 8);
  if (ino === <u64>INO_RECORDS) {
    const length = cursor.keyLength - 9;
    const isSound = systemIsSound(kind, key + 9, length, cursor.value, cursor.valueLength);
    if (!isSound) bad(walk, Reason.FIELD);
    return;
  }
  if (ino !== walk.ino) beginInode(walk, ino);
  if (kind === <u32>FileKey.INODE) visitInode(walk);
  else if (!walk.hasInode) bad(walk, Reason.LINKS);
  else if (kind === <u32>FileKey.DIRENT) visitEntry(walk);
  else if (kind === <u32>FileKey.XATTR) visitAttribute(walk);
  else if (kind === <u32>FileKey.EXTENT) visitExtent(walk);
  else if (kind === <u32>FileKey.INLINE) visitInline(walk);
  else if (kind === <u32>FileKey.BACK_REFERENCE) visitName(walk);
  else bad(walk, Reason.FIELD);
}

function beginInode(walk: Walk, ino: u64): void {
  if (walk.ino !== <u64>INO_RECORDS) endInode(walk);
  const known = offsetof<Walk>("hasInode");
  memory.fill(changetype<usize>(walk) + known, 0, offsetof<Walk>("inodes") - known);
  walk.ino = ino;
}

function visitInode(walk: Walk): void {
  const cursor = walk.cursor;
  walk.inodes += 1;
  if (cursor.keyLength !== 9 || cursor.valueLength !== INODE_SIZE) {
    bad(walk, Reason.FIELD);
    return;
  }
  memory.copy(walk.inode, cursor.value, INODE_SIZE);
  walk.hasInode = inodeIsSound(walk.inode);
  if (!walk.hasInode) bad(walk, Reason.FIELD);
  const next = volumeField(walk.wf.volume, SUPERBLOCK_RETURN_SEEN);
  const isFixed = walk.ino === <u64>INO_ROOT || walk.ino === <u64>INO_LOST_FOUND;
  if (!isFixed && (walk.ino < <u64>INO_FIRST || walk.ino >= next)) bad(walk, Reason.COUNTER);
}

/** An entry: its inode is there, of that type, and knows of it. */
function visitEntry(walk: Walk): void {
  const cursor = walk.cursor;
  const wf = walk.wf;
  const length = cursor.keyLength - 9;
  const name = cursor.key + 9;
  walk.entries += 1;
  if (inodeType(walk.inode) !== FileType.DIRECTORY) bad(walk, Reason.FIELD);
  if (nameCheck(name, length) !== ErrorCode.OK || cursor.valueLength !== DIRENT_SIZE) {
    bad(walk, Reason.FIELD);
    return;
  }
  const ino = load<u64>(cursor.value, DIRENT_INO);
  const type = <u32>load<u8>(cursor.value, DIRENT_TYPE);
  if (!inodeStands(wf, ino) || inodeType(foundValue) !== type) bad(walk, Reason.LINKS);
  const back = wfKeyBack(ino, walk.ino, name, length);
  const code = recordGet(wf, back);
  if (code !== ErrorCode.OK || foundLength !== 0) bad(walk, Reason.LINKS);
}

/** A back reference: the entry that it mirrors leads here. */
function visitName(walk: Walk): void {
  const cursor = walk.cursor;
  const length = cursor.keyLength - 17;
  walk.names += 1;
  if (cursor.keyLength <= 17 || length > NAME_MAX || cursor.valueLength !== 0) {
    bad(walk, Reason.FIELD);
    return;
  }
  walk.parent = loadBigU64(cursor.key + 9);
  const key = wfKeyName(walk.parent, FileKey.DIRENT, cursor.key + 17, length);
  const code = recordGet(walk.wf, key);
  const isThere = code === ErrorCode.OK && foundLength === DIRENT_SIZE;
  if (!isThere || load<u64>(foundValue, DIRENT_INO) !== walk.ino) bad(walk, Reason.LINKS);
}

function visitAttribute(walk: Walk): void {
  const cursor = walk.cursor;
  const length = cursor.keyLength - 9;
  walk.attributes += 1;
  const fits = length > 0 && length <= XATTR_NAME_MAX && cursor.valueLength <= XATTR_VALUE_MAX;
  if (!fits || walk.attributes === XATTRS_MAX + 1) bad(walk, Reason.FIELD);
}

function visitInline(walk: Walk): void {
  walk.hasInline = true;
  walk.inlineLength = walk.cursor.valueLength;
  if (walk.cursor.keyLength !== 9) bad(walk, Reason.FIELD);
}

/** An extent: behind the last one, inside the file; its pages are claimed and scrubbed. */
function visitExtent(walk: Walk): void {
  const isFile = inodeType(walk.inode) === FileType.FILE;
  const isInline = (<u32>load<u16>(walk.inode, INODE_FLAGS) & INODE_FLAG_INLINE) !== 0;
  if (!isFile || isInline) bad(walk, Reason.FIELD);
  const code = extentTake(walk.wf, walk.ino, walk.cursor);
  if (code !== ErrorCode.OK) {
    findingFault(walk.findings, walk.ino, 0, 0);
    return;
  }
  const end = extentStart + <u64>extentPages;
  const size = load<u64>(walk.inode, INODE_LENGTH);
  if (extentStart < walk.extentEnd) bad(walk, Reason.OVERLAP);
  if (end > (size + <u64>(PAGE_SIZE - 1)) >>> PAGE_SHIFT) bad(walk, Reason.FIELD);
  walk.extentEnd = end;
  walk.pages += <u64>extentPages;
  if (walk.buffer !== 0) scrub(walk, size);
}

/** Reads all pages of the extent at once; where that fails, one by one, to name each bad one. */
function scrub(walk: Walk, size: u64): void {
  const wf = walk.wf;
  if (extentRead(wf, extentStart, extentPages, walk.buffer) === ErrorCode.OK) return;
  const end = extentStart + <u64>extentPages;
  for (let number = extentStart; number < end; number++) {
    if (extentRead(wf, number, 1, walk.buffer) === ErrorCode.OK) continue;
    const offset = number << PAGE_SHIFT;
    findingFault(walk.findings, walk.ino, offset, min<u64>(<u64>PAGE_SIZE, size - offset));
  }
}

/** All records of an inode have been seen: do they agree with it? */
function endInode(walk: Walk): void {
  if (!walk.hasInode) return;
  const inode = walk.inode;
  const type = inodeType(inode);
  const size = load<u64>(inode, INODE_LENGTH);
  const links = load<u32>(inode, INODE_NLINK);
  const isInline = (<u32>load<u16>(inode, INODE_FLAGS) & INODE_FLAG_INLINE) !== 0;
  walk.allPages += walk.pages;
  if (load<u64>(inode, INODE_DATA_PAGES) !== walk.pages) bad(walk, Reason.COUNTER);
  if (links === 0 && !isQueued(walk)) bad(walk, Reason.LINKS);
  if (type === FileType.DIRECTORY) {
    endDirectory(walk, links);
    return;
  }
  if (<u64>links !== walk.names || load<u64>(inode, INODE_PARENT) !== 0) bad(walk, Reason.LINKS);
  const most = type === FileType.SYMLINK ? SYMLINK_MAX : INLINE_MAX;
  if (type === FileType.SYMLINK && (!isInline || size === 0)) bad(walk, Reason.FIELD);
  if (isInline !== walk.hasInline && (walk.hasInline || size !== 0)) bad(walk, Reason.FIELD);
  if (isInline && (size > <u64>most || <u64>walk.inlineLength !== size)) bad(walk, Reason.FIELD);
}

/** A directory has one name, knows its parent and its entries, and hangs from the root. */
function endDirectory(walk: Walk, links: u32): void {
  const inode = walk.inode;
  const parent = load<u64>(inode, INODE_PARENT);
  if (load<u64>(inode, INODE_LENGTH) !== walk.entries || walk.hasInline) {
    bad(walk, Reason.COUNTER);
  }
  if (walk.ino === <u64>INO_ROOT) {
    if (links !== 1 || walk.names !== 0 || parent !== <u64>INO_ROOT) bad(walk, Reason.LINKS);
    return;
  }
  if (links === 0) {
    if (walk.names !== 0 || walk.entries !== 0) bad(walk, Reason.LINKS);
    return;
  }
  if (links !== 1 || walk.names !== 1 || walk.parent !== parent) bad(walk, Reason.LINKS);
  else if (!reachesRoot(walk, parent)) bad(walk, Reason.LINKS);
}

/** Climbs from `dir`: false where the chain breaks or does not end. */
function reachesRoot(walk: Walk, dir: u64): bool {
  for (let depth: u32 = 0; depth <= DEPTH_MAX; depth++) {
    if (dir === <u64>INO_ROOT) return true;
    if (!inodeStands(walk.wf, dir) || inodeType(foundValue) !== FileType.DIRECTORY) return false;
    dir = load<u64>(foundValue, INODE_PARENT);
  }
  return false;
}

/** True if there is a record of inode `ino`: then foundValue is its address. */
function inodeStands(wf: Wf, ino: u64): bool {
  const code = recordGet(wf, wfKey(ino, FileKey.INODE));
  return code === ErrorCode.OK && foundLength === INODE_SIZE;
}

function isQueued(walk: Walk): bool {
  const key = wfQueueKey(walk.ino);
  const code = treeGet(walk.wf.volume, TreeId.WF_RECLAIM, key, RECLAIM_KEY_LENGTH);
  return code === ErrorCode.OK;
}

function endWalk(walk: Walk): void {
  const volume = walk.wf.volume;
  walk.ino = 0;
  if (volumeField(volume, SUPERBLOCK_LIVE_ITEMS) !== walk.inodes) bad(walk, Reason.COUNTER);
  if (volumeField(volume, SUPERBLOCK_LIVE_SIZE) !== walk.allPages) bad(walk, Reason.COUNTER);
  if (!inodeStands(walk.wf, <u64>INO_ROOT)) bad(walk, Reason.LINKS);
}

/** Every queued inode is there and has no name. */
function checkQueue(walk: Walk): void {
  const wf = walk.wf;
  const queue = wf.queue;
  let code = cursorSeek(queue, wfQueueKey(0), RECLAIM_KEY_LENGTH);
  while (code === ErrorCode.OK) {
    const isSound = queue.keyLength === RECLAIM_KEY_LENGTH && queue.valueLength === 0;
    walk.ino = isSound ? loadBigU64(queue.key + 1) : 0;
    if (!isSound || !inodeStands(wf, walk.ino) || load<u32>(foundValue, INODE_NLINK) !== 0) {
      bad(walk, isSound ? Reason.LINKS : Reason.FIELD);
    }
    code = cursorNext(queue);
  }
  if (code !== ErrorCode.ENOENT) findingFault(walk.findings, 0, 0, 0);
}
