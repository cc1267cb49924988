/**
 * The calls on paths: open, stat and every change. A read-only image answers EROFS to changes.
 *
 * Interface: results are 0, a count or a negative errno; a fault without a place on a device is
 * recorded too, so that no stale one is read for it.
 */
import { failPlain } from "../engine/fault";
import {
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
import { FileType } from "../format/wf";
import { Open, openNew } from "./files";
import { Mount, mountReadlink, mountResize, mountStat } from "./mount";
import { Resolved, resolve, resolvedFirst } from "./path";

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
  const code = resolve(mount, path, length, follows, at);
  if (code !== ErrorCode.OK) return code;
  if (at.ino === 0) {
    if (!creates) return ErrorCode.ENOENT;
    if (at.wantsDirectory) return ErrorCode.EISDIR;
    if (mount.type === FileSystemType.RO) return ErrorCode.EROFS;
    return ErrorCode.EOPNOTSUPP;
  }
  if (isExclusive) return ErrorCode.EEXIST;
  if (at.type === FileType.SYMLINK) return ErrorCode.ELOOP;
  if (at.type === FileType.DIRECTORY) {
    return writes || creates ? ErrorCode.EISDIR : ErrorCode.OK;
  }
  if ((flags & OPEN_DIRECTORY) !== 0) return ErrorCode.ENOTDIR;
  if (writes && mount.type === FileSystemType.RO) return ErrorCode.EROFS;
  return (flags & OPEN_TRUNCATE) !== 0 ? mountResize(mount, at.ino, 0) : ErrorCode.OK;
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
  const got = mountReadlink(mount, at.ino, link);
  if (got < 0) return got;
  const size = min<u32>(<u32>got, room);
  memory.copy(out, link, size);
  return <i32>size;
}

const link: usize = memory.data(1024, 16);

/** Like resolve(), and what the path leads to must exist. */
export function resolveThere(
  mount: Mount,
  path: usize,
  length: u32,
  follows: bool,
  at: Resolved,
): ErrorCode {
  const code = resolve(mount, path, length, follows, at);
  if (code !== ErrorCode.OK) return plain(code);
  return at.ino === 0 ? plain(ErrorCode.ENOENT) : ErrorCode.OK;
}

/** Records a fault without a place, unless one with a place is recorded for this very code. */
export function plain(code: ErrorCode): ErrorCode {
  if (code === ErrorCode.EIO || code === ErrorCode.EBADMSG) return code;
  return failPlain(code);
}
