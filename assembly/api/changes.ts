/** ABI: changes of filesystems by path. What each does is said in host/core/node/exports. */
import { isCount } from "../engine/bytes";
import { failPlain, lastFault } from "../engine/fault";
import { HandleKind, handleObject, handleRequire } from "../engine/handles";
import { FileSystemType, OPEN_ACCESS, OPEN_READ } from "../format/abi";
import { ErrorCode } from "../format/errors";
import { FileType } from "../format/wf";
import {
  callChange,
  callCreate,
  callLink,
  callRemove,
  callRename,
  callResize,
  resolveThere,
} from "../fs/calls";
import { Open, openCheck } from "../fs/files";
import { Mount, mountBegin } from "../fs/mount";
import { resolvedFirst } from "../fs/path";
import { systemGet, systemNext, systemSet } from "../fs/wf/records/system";
import { controlGet, controlSet, Wf, wfBegin } from "../fs/wf/records/wf";
import { xattrGet, xattrList, xattrRemove, xattrSet } from "../fs/wf/xattr";

const LINK_MODE: u32 = 0o777;

/** What the last targetOf() found. */
let targetMount: usize = 0;
let targetIno: u64 = 0;
let targetType: u32 = 0;
let targetFlags: u32 = 0;

/** The inode that a mount with a path, or an open file with the empty one, means. */
function targetOf(target: u32, path: usize, length: u32, follow: bool): ErrorCode {
  if (length === 0) {
    const object = handleObject(target, HandleKind.FILE);
    if (object === 0) return failPlain(ErrorCode.EBADF);
    const open = changetype<Open>(object);
    targetMount = changetype<usize>(open.mount);
    targetIno = open.ino;
    targetType = open.type;
    targetFlags = open.flags;
    return openCheck(open);
  }
  targetMount = handleRequire(target, HandleKind.MOUNT);
  if (targetMount === 0) return ErrorCode.EBADF;
  const at = resolvedFirst();
  const code = resolveThere(changetype<Mount>(targetMount), path, length, follow, at);
  targetIno = at.ino;
  targetType = at.type;
  targetFlags = OPEN_ACCESS;
  return code;
}

/** Like targetOf(), for a change. */
function targetToChange(target: u32, path: usize, length: u32, follow: bool): ErrorCode {
  const mount = handleObject(target, HandleKind.MOUNT);
  if (mount !== 0 && changetype<Mount>(mount).type === FileSystemType.RO) {
    return failPlain(ErrorCode.EROFS);
  }
  const code = targetOf(target, path, length, follow);
  return code === ErrorCode.OK ? mountBegin(changetype<Mount>(targetMount)) : code;
}

export function filesMkdir(mount: u32, path: usize, length: u32, mode: u32): i32 {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return ErrorCode.EBADF;
  return callCreate(changetype<Mount>(object), path, length, FileType.DIRECTORY, mode, 0, 0);
}

export function filesRemove(mount: u32, path: usize, length: u32, directory: u32): i32 {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return ErrorCode.EBADF;
  return callRemove(changetype<Mount>(object), path, length, directory !== 0);
}

export function filesRename(mount: u32, a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return ErrorCode.EBADF;
  return callRename(changetype<Mount>(object), a, aLength, b, bLength);
}

export function filesLink(mount: u32, a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return ErrorCode.EBADF;
  return callLink(changetype<Mount>(object), a, aLength, b, bLength);
}

/** `a` is the target, `b` the path of the link. */
export function filesSymlink(mount: u32, a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return ErrorCode.EBADF;
  const type = FileType.SYMLINK;
  return callCreate(changetype<Mount>(object), b, bLength, type, LINK_MODE, a, aLength);
}

export function filesResize(target: u32, path: usize, length: u32, size: f64): i32 {
  if (!isCount(size)) return failPlain(ErrorCode.EINVAL);
  const code = targetToChange(target, path, length, true);
  if (code !== ErrorCode.OK) return code;
  if ((targetFlags & OPEN_ACCESS) === OPEN_READ) return failPlain(ErrorCode.EINVAL);
  return callResize(changetype<Mount>(targetMount), targetIno, targetType, <u64>size);
}

export function filesChange(
  target: u32,
  path: usize,
  length: u32,
  follow: u32,
  mask: u32,
  attributes: usize,
): i32 {
  const code = targetToChange(target, path, length, follow !== 0);
  if (code !== ErrorCode.OK) return code;
  return callChange(changetype<Mount>(targetMount), targetIno, mask, attributes);
}

export function filesXattrGet(
  target: u32,
  path: usize,
  length: u32,
  follow: u32,
  name: usize,
  nameLength: u32,
  out: usize,
  room: u32,
): i32 {
  const code = targetOf(target, path, length, follow !== 0);
  if (code !== ErrorCode.OK) return code;
  const mount = changetype<Mount>(targetMount);
  if (mount.type === FileSystemType.RO) return failPlain(ErrorCode.ENODATA);
  return xattrGet(mount.wf, targetIno, name, nameLength, out, room);
}

export function filesXattrSet(
  target: u32,
  path: usize,
  length: u32,
  follow: u32,
  name: usize,
  nameLength: u32,
  value: usize,
  valueLength: u32,
  flags: u32,
): i32 {
  const code = targetToChange(target, path, length, follow !== 0);
  if (code !== ErrorCode.OK) return code;
  const wf = changetype<Mount>(targetMount).wf;
  return xattrSet(wf, targetIno, name, nameLength, value, valueLength, flags);
}

export function filesXattrList(
  target: u32,
  path: usize,
  length: u32,
  follow: u32,
  out: usize,
  room: u32,
): i32 {
  const code = targetOf(target, path, length, follow !== 0);
  if (code !== ErrorCode.OK) return code;
  const mount = changetype<Mount>(targetMount);
  return mount.type === FileSystemType.RO ? 0 : xattrList(mount.wf, targetIno, out, room);
}

export function filesXattrRemove(
  target: u32,
  path: usize,
  length: u32,
  follow: u32,
  name: usize,
  nameLength: u32,
): i32 {
  const code = targetToChange(target, path, length, follow !== 0);
  if (code !== ErrorCode.OK) return code;
  return xattrRemove(changetype<Mount>(targetMount).wf, targetIno, name, nameLength);
}

/** The CAPOSWF1 filesystem of a mount, or null after a fault: EBADF, or `code` for an image. */
function wfOf(mount: u32, code: ErrorCode): Wf | null {
  const object = changetype<Mount>(handleRequire(mount, HandleKind.MOUNT));
  if (changetype<usize>(object) === 0) return null;
  if (object.type === FileSystemType.WF) return object.wf;
  failPlain(code);
  return null;
}

/** Copies the boot-control block, CONTROL_SIZE bytes. */
export function filesControl(mount: u32, out: usize): i32 {
  const wf = wfOf(mount, ErrorCode.EOPNOTSUPP);
  if (wf === null) return lastFault();
  controlGet(wf, out);
  return ErrorCode.OK;
}

/** Replaces it: durable in the commit that covers the changes before. */
export function filesSetControl(mount: u32, address: usize): i32 {
  const wf = wfOf(mount, ErrorCode.EROFS);
  return wf === null ? lastFault() : controlSet(wf, address);
}

/** Commits, and makes room for changes that commit as a whole or not at all: see wfBegin(). */
export function filesBegin(mount: u32, changes: u32, dataPages: u32): i32 {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return ErrorCode.EBADF;
  const code = mountBegin(changetype<Mount>(object));
  return code === ErrorCode.OK ? wfBegin(changetype<Mount>(object).wf, changes, dataPages) : code;
}

/** Copies the value of a record of the system: its length. */
export function filesRecord(
  mount: u32,
  kind: u32,
  key: usize,
  keyLength: u32,
  out: usize,
  room: u32,
): i32 {
  const wf = wfOf(mount, ErrorCode.EOPNOTSUPP);
  return wf === null ? lastFault() : systemGet(wf, kind, key, keyLength, out, room);
}

/** Writes the record, or deletes it (no value): durable like the control block. */
export function filesSetRecord(
  mount: u32,
  kind: u32,
  key: usize,
  keyLength: u32,
  value: usize,
  valueLength: u32,
): i32 {
  const wf = wfOf(mount, ErrorCode.EROFS);
  return wf === null ? lastFault() : systemSet(wf, kind, key, keyLength, value, valueLength);
}

/** Copies the key that follows `key` (length 0: the first): its length, 0 at the end. */
export function filesNextRecord(
  mount: u32,
  kind: u32,
  key: usize,
  keyLength: u32,
  out: usize,
  room: u32,
): i32 {
  const wf = wfOf(mount, ErrorCode.EOPNOTSUPP);
  return wf === null ? lastFault() : systemNext(wf, kind, key, keyLength, out, room);
}
