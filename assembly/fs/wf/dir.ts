/**
 * Directories: create, remove, rename, link. Each is one step: what may refuse it is checked before
 * the first record changes.
 *
 * Interface: an entry is named by (directory, name); found entries and inodes stand in dirent.ts.
 */
import { nameCheck } from "../../engine/bytes";
import { failPlain } from "../../engine/fault";
import { allocate, release } from "../../engine/memory";
import { planted } from "../../engine/planted";
import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { SUPERBLOCK_LIVE_ITEMS } from "../../format/region";
import {
  DEPTH_MAX,
  FileKey,
  FileType,
  INO_ROOT,
  INODE_CTIME,
  INODE_LENGTH,
  INODE_NLINK,
  INODE_PARENT,
  SYMLINK_MAX,
} from "../../format/wf";
import { foundLength, foundValue } from "../../tree/btree";
import { RESERVE_DELETE, RESERVE_NORMAL } from "../../tree/commit";
import { volumeField } from "../../tree/pages/volume";
import { forgetLeaves, inodeForget } from "./free";
import {
  backDelete,
  directoryPut,
  direntDelete,
  direntGet,
  direntIno,
  direntName,
  direntNameLength,
  direntNext,
  direntPut,
  direntType,
  entryDelete,
} from "./records/dirent";
import {
  inodeFill,
  inodeGet,
  inodePut,
  inodeType,
  recordGet,
  recordPut,
  Wf,
  wfDamage,
  wfEpoch,
  wfKey,
  wfNextIno,
  wfNow,
  wfReserve,
  wfSettle,
} from "./records/wf";

const LINKS_MAX: u32 = 0xfffffff0;

const parentInode: usize = memory.data(80, 16);
const targetInode: usize = memory.data(80, 16);
const movedInode: usize = memory.data(80, 16);
const fresh: usize = memory.data(80, 16);

/** The inode that the last dirCreate made. */
export let createdIno: u64 = 0;

/** Bug 30: rename leaves the back reference of the old name behind. */
export const PLANT_BACK_REFERENCE: u32 = 30;
/** Bug 35: removing one of several names does not lower nlink. */
export const PLANT_NLINK: u32 = 35;
/** Bug 36: a rename that replaces a file forgets the file it replaced. */
export const PLANT_REPLACED: u32 = 36;

/** Reads directory inode `dir` into `out`. */
function directoryGet(wf: Wf, dir: u64, out: usize): ErrorCode {
  const code = inodeGet(wf, dir, out);
  if (code !== ErrorCode.OK) return code;
  if (inodeType(out) !== FileType.DIRECTORY) return failPlain(ErrorCode.ENOTDIR);
  return load<u32>(out, INODE_NLINK) === 0 ? failPlain(ErrorCode.ENOENT) : ErrorCode.OK;
}

/**
 * Creates a file, directory or symbolic link (with its target): createdIno. The name must not
 * exist.
 */
export function dirCreate(
  wf: Wf,
  dir: u64,
  name: usize,
  length: u32,
  type: u32,
  mode: u32,
  target: usize,
  targetLength: u32,
): ErrorCode {
  let code = nameCheck(name, length);
  if (code !== ErrorCode.OK) return failPlain(code);
  if (type === FileType.SYMLINK) {
    if (targetLength === 0) return failPlain(ErrorCode.ENOENT);
    if (targetLength > SYMLINK_MAX) return failPlain(ErrorCode.ENAMETOOLONG);
  }
  code = directoryGet(wf, dir, parentInode);
  if (code === ErrorCode.OK) code = wfReserve(wf, 4, 0, 0, false, RESERVE_NORMAL);
  if (code !== ErrorCode.OK) return code;
  const ino = wfNextIno(wf);
  inodeFill(fresh, type, mode, dir, wfEpoch(wf));
  code = ErrorCode.OK;
  if (type === FileType.SYMLINK) {
    store<u64>(fresh, <u64>targetLength, INODE_LENGTH);
    const key = wfKey(ino, FileKey.INLINE);
    code = recordPut(wf, key, target, targetLength);
  }
  if (code === ErrorCode.OK) code = inodePut(wf, ino, fresh);
  if (code === ErrorCode.OK) code = direntPut(wf, dir, name, length, ino, type);
  if (code === ErrorCode.OK) code = directoryPut(wf, dir, parentInode, 1);
  createdIno = ino;
  return wfSettle(wf, code);
}

/** Copies the target of symbolic link `ino`, at most SYMLINK_MAX bytes: its length. */
export function linkTarget(wf: Wf, ino: u64, out: usize): i32 {
  const code = inodeGet(wf, ino, targetInode);
  if (code !== ErrorCode.OK) return code;
  if (inodeType(targetInode) !== FileType.SYMLINK) return wfDamage(wf, Reason.FIELD, ino);
  const got = recordGet(wf, wfKey(ino, FileKey.INLINE));
  if (got === ErrorCode.ENOENT) return wfDamage(wf, Reason.FIELD, ino);
  if (got !== ErrorCode.OK) return got;
  const length = foundLength;
  const isSound = length > 0 && length <= SYMLINK_MAX;
  if (!isSound || <u64>length !== load<u64>(targetInode, INODE_LENGTH)) {
    return wfDamage(wf, Reason.FIELD, ino);
  }
  memory.copy(out, foundValue, length);
  return <i32>length;
}

/** Removes a name: of an empty directory if `directory`, else of anything but a directory. */
export function dirRemove(wf: Wf, dir: u64, name: usize, length: u32, directory: bool): ErrorCode {
  let code = direntGet(wf, dir, name, length);
  if (code !== ErrorCode.OK) return code === ErrorCode.ENOENT ? failPlain(code) : code;
  const ino = direntIno;
  const isDirectory = direntType === FileType.DIRECTORY;
  if (directory && !isDirectory) return failPlain(ErrorCode.ENOTDIR);
  if (!directory && isDirectory) return failPlain(ErrorCode.EISDIR);
  code = checkRemovable(wf, ino);
  if (code === ErrorCode.OK) code = directoryGet(wf, dir, parentInode);
  if (code === ErrorCode.OK) {
    code = wfReserve(wf, 3, forgetLeaves(wf, ino), 0, true, RESERVE_DELETE);
  }
  if (code !== ErrorCode.OK) return code;
  code = direntDelete(wf, dir, name, length, ino);
  if (code === ErrorCode.OK) code = directoryPut(wf, dir, parentInode, -1);
  if (code === ErrorCode.OK) code = dropName(wf, ino);
  return wfSettle(wf, code);
}

/** Reads `ino` into targetInode: OK if it may lose a name. ENOTEMPTY: a directory with entries. */
function checkRemovable(wf: Wf, ino: u64): ErrorCode {
  let code = inodeGet(wf, ino, targetInode);
  if (code !== ErrorCode.OK) return code;
  if (load<u32>(targetInode, INODE_NLINK) === 0) return wfDamage(wf, Reason.LINKS, ino);
  if (inodeType(targetInode) !== FileType.DIRECTORY) return ErrorCode.OK;
  code = direntNext(wf, ino, 0, 0);
  if (code === ErrorCode.OK) return failPlain(ErrorCode.ENOTEMPTY);
  return code === ErrorCode.ENOENT ? ErrorCode.OK : code;
}

/** Lowers nlink of targetInode; the last name takes the inode with it. */
function dropName(wf: Wf, ino: u64): ErrorCode {
  const links = load<u32>(targetInode, INODE_NLINK);
  store<i64>(targetInode, wfNow(), INODE_CTIME);
  if (links > 1) {
    if (!planted(PLANT_NLINK)) store<u32>(targetInode, links - 1, INODE_NLINK);
    return inodePut(wf, ino, targetInode);
  }
  store<u32>(targetInode, 0, INODE_NLINK);
  return inodeForget(wf, ino, targetInode);
}

/** Gives `ino`, no directory, one more name. The name must not exist. */
export function dirLink(wf: Wf, ino: u64, dir: u64, name: usize, length: u32): ErrorCode {
  let code = nameCheck(name, length);
  if (code !== ErrorCode.OK) return failPlain(code);
  code = inodeGet(wf, ino, targetInode);
  if (code !== ErrorCode.OK) return code;
  if (inodeType(targetInode) === FileType.DIRECTORY) return failPlain(ErrorCode.EPERM);
  const links = load<u32>(targetInode, INODE_NLINK);
  if (links >= LINKS_MAX) return failPlain(ErrorCode.EMLINK);
  code = directoryGet(wf, dir, parentInode);
  if (code === ErrorCode.OK) code = wfReserve(wf, 4, 0, 0, false, RESERVE_NORMAL);
  if (code !== ErrorCode.OK) return code;
  store<u32>(targetInode, links + 1, INODE_NLINK);
  store<i64>(targetInode, wfNow(), INODE_CTIME);
  code = direntPut(wf, dir, name, length, ino, inodeType(targetInode));
  if (code === ErrorCode.OK) code = inodePut(wf, ino, targetInode);
  if (code === ErrorCode.OK) code = directoryPut(wf, dir, parentInode, 1);
  return wfSettle(wf, code);
}

/**
 * Renames (dir, name) to (toDir, toName), over what is there if POSIX lets it: a file over a file,
 * a
 * directory over an empty directory. EINVAL: a directory would go below itself. `fromDepth`
 * and `toDepth` count the names on both paths.
 */
export function dirRename(
  wf: Wf,
  dir: u64,
  name: usize,
  length: u32,
  toDir: u64,
  toName: usize,
  toLength: u32,
  fromDepth: u32,
  toDepth: u32,
): ErrorCode {
  let code = nameCheck(toName, toLength);
  if (code !== ErrorCode.OK) return failPlain(code);
  code = direntGet(wf, dir, name, length);
  if (code !== ErrorCode.OK) return code === ErrorCode.ENOENT ? failPlain(code) : code;
  const ino = direntIno;
  const type = direntType;
  if (type === FileType.DIRECTORY) {
    code = checkNotBelow(wf, ino, toDir);
    if (code === ErrorCode.OK && toDepth > fromDepth) code = checkHeight(wf, ino, toDepth);
    if (code !== ErrorCode.OK) return code;
  }
  code = direntGet(wf, toDir, toName, toLength);
  if (code !== ErrorCode.OK && code !== ErrorCode.ENOENT) return code;
  const replaced: u64 = code === ErrorCode.OK ? direntIno : 0;
  if (replaced === ino) return ErrorCode.OK;
  if (replaced !== 0) {
    code = checkReplace(wf, type, replaced, direntType);
    if (code !== ErrorCode.OK) return code;
  }
  code = inodeGet(wf, ino, movedInode);
  if (code === ErrorCode.OK) code = directoryGet(wf, dir, parentInode);
  if (code === ErrorCode.OK) code = directoryGet(wf, toDir, fresh);
  const leaves = replaced !== 0 ? forgetLeaves(wf, replaced) : 0;
  if (code === ErrorCode.OK) code = wfReserve(wf, 6, leaves, 0, true, RESERVE_NORMAL);
  if (code !== ErrorCode.OK) return code;
  code = applyRename(wf, ino, type, dir, name, length, toDir, toName, toLength, replaced);
  return wfSettle(wf, code);
}

/** The changes of a rename: inodes stand in movedInode, parentInode, fresh (toDir), targetInode. */
function applyRename(
  wf: Wf,
  ino: u64,
  type: u32,
  dir: u64,
  name: usize,
  length: u32,
  toDir: u64,
  toName: usize,
  toLength: u32,
  replaced: u64,
): ErrorCode {
  let code = planted(PLANT_BACK_REFERENCE)
    ? entryDelete(wf, dir, name, length, ino)
    : direntDelete(wf, dir, name, length, ino);
  if (code === ErrorCode.OK && replaced !== 0) {
    code = backDelete(wf, toDir, toName, toLength, replaced);
    if (code === ErrorCode.OK && !planted(PLANT_REPLACED)) code = dropName(wf, replaced);
  }
  if (code === ErrorCode.OK) code = direntPut(wf, toDir, toName, toLength, ino, type);
  if (code !== ErrorCode.OK) return code;
  store<i64>(movedInode, wfNow(), INODE_CTIME);
  if (type === FileType.DIRECTORY) store<u64>(movedInode, toDir, INODE_PARENT);
  code = inodePut(wf, ino, movedInode);
  if (code !== ErrorCode.OK) return code;
  const gained = replaced === 0 ? 1 : 0;
  if (dir === toDir) return directoryPut(wf, dir, parentInode, gained - 1);
  code = directoryPut(wf, dir, parentInode, -1);
  return code === ErrorCode.OK ? directoryPut(wf, toDir, fresh, gained) : code;
}

/** What a rename would replace: the kinds must fit, a directory must be empty. */
function checkReplace(wf: Wf, type: u32, replaced: u64, replacedType: u32): ErrorCode {
  const isDirectory = type === FileType.DIRECTORY;
  const ontoDirectory = replacedType === FileType.DIRECTORY;
  if (isDirectory && !ontoDirectory) return failPlain(ErrorCode.ENOTDIR);
  if (!isDirectory && ontoDirectory) return failPlain(ErrorCode.EISDIR);
  return checkRemovable(wf, replaced);
}

/** EINVAL if directory `dir` is `ino` or below it; a chain that does not end is damage. */
function checkNotBelow(wf: Wf, ino: u64, dir: u64): ErrorCode {
  for (let depth: u32 = 0; depth <= DEPTH_MAX; depth++) {
    if (dir === ino) return failPlain(ErrorCode.EINVAL);
    if (dir === <u64>INO_ROOT) return ErrorCode.OK;
    const code = inodeGet(wf, dir, targetInode);
    if (code !== ErrorCode.OK) return code;
    dir = load<u64>(targetInode, INODE_PARENT);
  }
  return wfDamage(wf, Reason.LINKS, dir);
}

/** ENAMETOOLONG if `ino` at `depth` names from the root would hold something too deep. */
function checkHeight(wf: Wf, ino: u64, depth: u32): ErrorCode {
  if (depth > DEPTH_MAX) return failPlain(ErrorCode.ENAMETOOLONG);
  const room = DEPTH_MAX - depth;
  const stack = allocate((DEPTH_MAX + 1) * LEVEL_SIZE);
  if (stack === 0) return failPlain(ErrorCode.ENOMEM);
  let code = ErrorCode.OK;
  let level: u32 = 0;
  // Entries of a sound tree: more of them would be a directory that stands in two places.
  let budget = volumeField(wf.volume, SUPERBLOCK_LIVE_ITEMS);
  levelOpen(stack, ino);
  while (true) {
    const at = stack + <usize>(level * LEVEL_SIZE);
    code = direntNext(wf, load<u64>(at), at + 12, load<u32>(at, 8));
    if (code === ErrorCode.OK) {
      if (budget === 0) code = wfDamage(wf, Reason.PAGE_BUDGET, ino);
      budget -= 1;
      if (level + 1 > room) code = failPlain(ErrorCode.ENAMETOOLONG);
      if (code !== ErrorCode.OK) break;
      store<u32>(at, direntNameLength, 8);
      memory.copy(at + 12, direntName, direntNameLength);
      if (direntType !== FileType.DIRECTORY) continue;
      level += 1;
      levelOpen(at + LEVEL_SIZE, direntIno);
      continue;
    }
    if (code !== ErrorCode.ENOENT) break;
    code = ErrorCode.OK;
    if (level === 0) break;
    level -= 1;
  }
  release(stack, (DEPTH_MAX + 1) * LEVEL_SIZE);
  return code;
}

/** A place in a walk: { ino u64, length of the last name u32, last name }. */
const LEVEL_SIZE: u32 = 272;

function levelOpen(at: usize, ino: u64): void {
  store<u64>(at, ino);
  store<u32>(at, 0, 8);
}
