/**
 * The calls on paths: open, stat and every change. A read-only image answers EROFS to changes.
 *
 * Interface: results are 0, a count or a negative errno; a fault without a place on a device is
 * recorded too, so that no stale one is read for it.
 */

import { failPlain, faultAddress } from "../engine/fault";
import {
  ATTRIBUTES_ATIME,
  ATTRIBUTES_GID,
  ATTRIBUTES_MODE,
  ATTRIBUTES_MTIME,
  ATTRIBUTES_UID,
  CHANGE_ATIME,
  CHANGE_GID,
  CHANGE_MODE,
  CHANGE_MTIME,
  CHANGE_UID,
  FAULT_CODE,
  FileSystemType,
  OPEN_ACCESS,
  OPEN_CREATE,
  OPEN_DIRECTORY,
  OPEN_EXCLUSIVE,
  OPEN_NO_FOLLOW,
  OPEN_READ,
  OPEN_TRUNCATE,
} from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  FileType,
  INODE_ATIME,
  INODE_CTIME,
  INODE_GID,
  INODE_MODE,
  INODE_MTIME,
  INODE_UID,
  MODE_TYPE,
} from "../format/wf";
import { RESERVE_NORMAL } from "../tree/commit";
import { Open, openNew } from "./files";
import { Mount, mountBegin, mountReadlink, mountStat } from "./mount";
import {
  Follow,
  Last,
  target as linkRoom,
  Resolved,
  resolve,
  resolvedFirst,
  resolvedSecond,
} from "./path";
import { createdIno, dirCreate, dirLink, dirRemove, dirRename } from "./wf/dir";
import { fileResize } from "./wf/free";
import { inode, inodeGet, inodePut, Wf, wfNow, wfReserve, wfSettle } from "./wf/records/wf";

const SLASH: u8 = 0x2f;

/** Opens or creates; null after a fault. */
export function callOpen(
  mount: Mount,
  path: usize,
  length: u32,
  flags: u32,
  mode: u32,
): Open | null {
  const at = resolvedFirst();
  const code = openTarget(mount, path, length, flags, mode, at);
  if (code !== ErrorCode.OK) {
    plain(code);
    return null;
  }
  return openNew(mount, at.ino, at.type, flags);
}

/** Finds what open() is about, creating or cutting it as the flags say. */
function openTarget(
  mount: Mount,
  path: usize,
  length: u32,
  flags: u32,
  mode: u32,
  at: Resolved,
): ErrorCode {
  const creates = (flags & OPEN_CREATE) !== 0;
  const isExclusive = creates && (flags & OPEN_EXCLUSIVE) !== 0;
  const writes = (flags & OPEN_ACCESS) !== OPEN_READ || (flags & OPEN_TRUNCATE) !== 0;
  const follows = !isExclusive && (flags & OPEN_NO_FOLLOW) === 0;
  if ((flags & OPEN_ACCESS) === OPEN_ACCESS) return ErrorCode.EINVAL;
  // A path that ends in "/" cannot name a file to create, whatever it leads to: as Linux has it.
  const slashed = creates && length > 0 && load<u8>(path + length - 1) === SLASH;
  const follow = slashed ? Follow.NEVER : follows ? Follow.ALWAYS : Follow.SLASH;
  const code = resolve(mount, path, length, follow, at);
  if (code !== ErrorCode.OK) return code;
  if (slashed && at.last === Last.NAME) return ErrorCode.EISDIR;
  if (at.ino === 0) {
    if (!creates) return ErrorCode.ENOENT;
    const made = create(mount, at, FileType.FILE, mode, 0, 0);
    if (made !== ErrorCode.OK) return made;
    at.ino = createdIno;
    at.type = FileType.FILE;
    return ErrorCode.OK;
  }
  if (isExclusive) return ErrorCode.EEXIST;
  if (at.wantsDirectory && at.type !== FileType.DIRECTORY) return ErrorCode.ENOTDIR;
  if (at.type === FileType.SYMLINK) return ErrorCode.ELOOP;
  if (at.type === FileType.DIRECTORY) {
    return writes || creates ? ErrorCode.EISDIR : ErrorCode.OK;
  }
  if ((flags & OPEN_DIRECTORY) !== 0) return ErrorCode.ENOTDIR;
  if (writes && mount.type === FileSystemType.RO) return ErrorCode.EROFS;
  if ((flags & OPEN_TRUNCATE) === 0) return ErrorCode.OK;
  const begun = mountBegin(mount);
  return begun === ErrorCode.OK ? fileResize(mount.wf, at.ino, 0) : begun;
}

function create(
  mount: Mount,
  at: Resolved,
  type: u32,
  mode: u32,
  target: usize,
  targetLength: u32,
): ErrorCode {
  const code = mountBegin(mount);
  if (code !== ErrorCode.OK) return code;
  return dirCreate(mount.wf, at.parent, at.name, at.nameLength, type, mode, target, targetLength);
}

/** Creates a directory or a symbolic link. EEXIST: something is there. */
export function callCreate(
  mount: Mount,
  path: usize,
  length: u32,
  type: u32,
  mode: u32,
  target: usize,
  targetLength: u32,
): ErrorCode {
  const at = resolvedFirst();
  const code = resolveWritable(mount, path, length, at);
  if (code !== ErrorCode.OK) return code;
  if (at.ino !== 0) return failPlain(ErrorCode.EEXIST);
  if (at.wantsDirectory && type !== FileType.DIRECTORY) return failPlain(ErrorCode.ENOENT);
  return create(mount, at, type, mode, target, targetLength);
}

/** Removes a name. */
export function callRemove(mount: Mount, path: usize, length: u32, directory: bool): ErrorCode {
  const at = resolvedFirst();
  let code = resolveWritable(mount, path, length, at);
  if (code !== ErrorCode.OK) return code;
  if (at.ino === 0) return failPlain(ErrorCode.ENOENT);
  if (at.last !== Last.NAME) {
    if (!directory) return failPlain(ErrorCode.EISDIR);
    if (at.last === Last.ROOT) return failPlain(ErrorCode.EBUSY);
    return failPlain(at.last === Last.DOT ? ErrorCode.EINVAL : ErrorCode.ENOTEMPTY);
  }
  if (at.wantsDirectory && at.type !== FileType.DIRECTORY) return failPlain(ErrorCode.ENOTDIR);
  code = mountBegin(mount);
  if (code !== ErrorCode.OK) return code;
  code = dirRemove(mount.wf, at.parent, at.name, at.nameLength, directory);
  // What has many records is queued: it goes now, in steps of its own.
  return code === ErrorCode.OK ? mountBegin(mount) : code;
}

/** Renames, over what is there where POSIX lets it. */
export function callRename(
  mount: Mount,
  from: usize,
  fromLength: u32,
  to: usize,
  toLength: u32,
): ErrorCode {
  const a = resolvedFirst();
  const b = resolvedSecond();
  let code = resolveWritable(mount, from, fromLength, a);
  if (code === ErrorCode.OK) code = resolveWritable(mount, to, toLength, b);
  if (code !== ErrorCode.OK) return code;
  if (a.last !== Last.NAME || b.last !== Last.NAME) return failPlain(ErrorCode.EBUSY);
  if (a.ino === 0) return failPlain(ErrorCode.ENOENT);
  const wantsDirectory = a.wantsDirectory || b.wantsDirectory;
  if (wantsDirectory && a.type !== FileType.DIRECTORY) return failPlain(ErrorCode.ENOTDIR);
  code = mountBegin(mount);
  if (code !== ErrorCode.OK) return code;
  code = dirRename(
    mount.wf,
    a.parent,
    a.name,
    a.nameLength,
    b.parent,
    b.name,
    b.nameLength,
    a.depth,
    b.depth,
  );
  return code === ErrorCode.OK ? mountBegin(mount) : code;
}

/** One more name for a file or a symbolic link, which is not followed. */
export function callLink(
  mount: Mount,
  from: usize,
  fromLength: u32,
  to: usize,
  toLength: u32,
): ErrorCode {
  const a = resolvedFirst();
  const b = resolvedSecond();
  let code = resolveWritable(mount, from, fromLength, a);
  if (code !== ErrorCode.OK) return code;
  if (a.ino === 0) return failPlain(ErrorCode.ENOENT);
  code = resolveWritable(mount, to, toLength, b);
  if (code !== ErrorCode.OK) return code;
  if (b.ino !== 0) return failPlain(ErrorCode.EEXIST);
  if (b.wantsDirectory) return failPlain(ErrorCode.ENOENT);
  if (a.type === FileType.DIRECTORY) return failPlain(ErrorCode.EPERM);
  code = mountBegin(mount);
  return code === ErrorCode.OK ? dirLink(mount.wf, a.ino, b.parent, b.name, b.nameLength) : code;
}

/** Sets the size of a file. */
export function callResize(mount: Mount, ino: u64, type: u32, size: u64): ErrorCode {
  if (type === FileType.DIRECTORY) return failPlain(ErrorCode.EISDIR);
  if (type !== FileType.FILE) return failPlain(ErrorCode.EINVAL);
  const code = mountBegin(mount);
  return code === ErrorCode.OK ? fileResize(mount.wf, ino, size) : code;
}

/** Changes what `mask` names of the attributes; every change is one of ctime too. */
export function callChange(mount: Mount, ino: u64, mask: u32, given: usize): ErrorCode {
  let code = mountBegin(mount);
  if (code !== ErrorCode.OK) return code;
  const wf: Wf = mount.wf;
  code = inodeGet(wf, ino, inode);
  if (code === ErrorCode.OK) code = wfReserve(wf, 1, 0, 0, false, RESERVE_NORMAL);
  if (code !== ErrorCode.OK) return code;
  if ((mask & CHANGE_MODE) !== 0) {
    const type = <u32>load<u16>(inode, INODE_MODE) & MODE_TYPE;
    store<u16>(inode, <u16>(type | (load<u32>(given, ATTRIBUTES_MODE) & 0o7777)), INODE_MODE);
  }
  if ((mask & CHANGE_UID) !== 0) store<u32>(inode, load<u32>(given, ATTRIBUTES_UID), INODE_UID);
  if ((mask & CHANGE_GID) !== 0) store<u32>(inode, load<u32>(given, ATTRIBUTES_GID), INODE_GID);
  if ((mask & CHANGE_ATIME) !== 0) {
    store<i64>(inode, load<i64>(given, ATTRIBUTES_ATIME), INODE_ATIME);
  }
  if ((mask & CHANGE_MTIME) !== 0) {
    store<i64>(inode, load<i64>(given, ATTRIBUTES_MTIME), INODE_MTIME);
  }
  store<i64>(inode, wfNow(), INODE_CTIME);
  return wfSettle(wf, inodePut(wf, ino, inode));
}

/** Like resolve() for a change of names, in a filesystem that can be changed. */
function resolveWritable(mount: Mount, path: usize, length: u32, at: Resolved): ErrorCode {
  if (mount.type === FileSystemType.RO) return failPlain(ErrorCode.EROFS);
  return plain(resolve(mount, path, length, Follow.NEVER, at));
}

/** Writes FILE_STAT of what a path leads to. */
export function callStat(
  mount: Mount,
  path: usize,
  length: u32,
  follows: bool,
  out: usize,
): ErrorCode {
  const at = resolvedFirst();
  const code = resolveThere(mount, path, length, follows, at);
  return code === ErrorCode.OK ? mountStat(mount, at.ino, out) : code;
}

/** Copies the target of a symbolic link, cut at `room`: bytes. EINVAL: it is none. */
export function callReadlink(mount: Mount, path: usize, length: u32, out: usize, room: u32): i32 {
  const at = resolvedFirst();
  const code = resolveThere(mount, path, length, false, at);
  if (code !== ErrorCode.OK) return code;
  if (at.type !== FileType.SYMLINK) return plain(ErrorCode.EINVAL);
  const got = mountReadlink(mount, at.ino, linkRoom);
  if (got < 0) return got;
  const size = min<u32>(<u32>got, room);
  memory.copy(out, linkRoom, size);
  return <i32>size;
}

/** Like resolve(), and what the path leads to must exist. */
export function resolveThere(
  mount: Mount,
  path: usize,
  length: u32,
  follows: bool,
  at: Resolved,
): ErrorCode {
  const code = resolve(mount, path, length, follows ? Follow.ALWAYS : Follow.SLASH, at);
  if (code !== ErrorCode.OK) return plain(code);
  if (at.ino === 0) return plain(ErrorCode.ENOENT);
  const isOther = at.wantsDirectory && at.type !== FileType.DIRECTORY;
  return isOther ? plain(ErrorCode.ENOTDIR) : ErrorCode.OK;
}

/** Records a fault without a place, unless one is recorded for this very code. */
export function plain(code: ErrorCode): ErrorCode {
  if (code === ErrorCode.OK || load<i32>(faultAddress(), FAULT_CODE) === code) return code;
  return failPlain(code);
}
