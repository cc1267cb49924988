/**
 * ABI: filesystems: mounts, handles, paths. What each call does is said in host/core/node/exports.
 */
import { isCount } from "../engine/bytes";
import { failPlain, lastFault } from "../engine/fault";
import { HandleKind, handleClose, handleOpen, handleRequire } from "../engine/handles";
import { FILE_FINDING_SIZE, FileSystemType } from "../format/abi";
import { ErrorCode } from "../format/errors";
import { callOpen, callReadlink, callStat } from "../fs/calls";
import {
  Open,
  openCheck,
  openClose,
  openCloseAll,
  openList,
  openRead,
  openWrite,
} from "../fs/files";
import { Mount, mountClose, mountStat, mountVolume } from "../fs/mount";
import { mountCheck, mountPath, mountStatfs } from "../fs/verify";
import { findingAt } from "../fs/wf/records/findings";
import { volumeAbort, volumeCommit, volumeDirtyPages, volumeReopen } from "../tree/commit";
import { Region } from "../tree/pages/volume";

const POSITION_MAX: f64 = 9007199254740991;

/** The CAPOSWF1 filesystem of a region as a mount; EMEDIUMTYPE: it has none. */
export function filesMount(region: u32): i32 {
  const object = changetype<Region>(handleRequire(region, HandleKind.REGION));
  if (changetype<usize>(object) === 0) return ErrorCode.EBADF;
  const volume = object.wf;
  if (volume === null) return failPlain(ErrorCode.EMEDIUMTYPE);
  const mount = mountVolume(volume);
  if (mount === null) return lastFault();
  const handle = handleOpen(HandleKind.MOUNT, changetype<usize>(mount));
  if (handle < 0) mountClose(mount);
  return handle;
}

/** Closes the handles of a mount and the mount. Commits nothing: before the region is closed. */
export function filesUnmount(mount: u32): void {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return;
  openCloseAll(changetype<Mount>(object));
  handleClose(mount);
  mountClose(changetype<Mount>(object));
}

export function filesReadOnly(mount: u32): i32 {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return ErrorCode.EBADF;
  const mounted = changetype<Mount>(object);
  if (mounted.type === FileSystemType.RO) return 1;
  return mounted.wf.volume.region.readOnly ? 1 : 0;
}

export function filesOpen(mount: u32, path: usize, length: u32, flags: u32, mode: u32): i32 {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return ErrorCode.EBADF;
  const open = callOpen(changetype<Mount>(object), path, length, flags, mode);
  if (open === null) return lastFault();
  const handle = handleOpen(HandleKind.FILE, changetype<usize>(open));
  if (handle < 0) openClose(open);
  else open.handle = handle;
  return handle;
}

export function filesClose(handle: u32): i32 {
  const open = handleRequire(handle, HandleKind.FILE);
  if (open === 0) return ErrorCode.EBADF;
  handleClose(handle);
  return openClose(changetype<Open>(open));
}

export function filesRead(handle: u32, address: usize, length: u32, position: f64): i32 {
  const open = handleRequire(handle, HandleKind.FILE);
  if (open === 0) return ErrorCode.EBADF;
  if (!(position <= POSITION_MAX)) return failPlain(ErrorCode.EINVAL);
  return openRead(changetype<Open>(open), address, length, <i64>position);
}

export function filesWrite(handle: u32, address: usize, length: u32, position: f64): i32 {
  const open = handleRequire(handle, HandleKind.FILE);
  if (open === 0) return ErrorCode.EBADF;
  if (!(position <= POSITION_MAX)) return failPlain(ErrorCode.EINVAL);
  return openWrite(changetype<Open>(open), address, length, <i64>position);
}

export function filesList(handle: u32, out: usize, room: u32): i32 {
  const open = handleRequire(handle, HandleKind.FILE);
  return open === 0 ? ErrorCode.EBADF : openList(changetype<Open>(open), out, room);
}

export function filesStat(target: u32, path: usize, length: u32, follow: u32, out: usize): i32 {
  if (length === 0) {
    const open = changetype<Open>(handleRequire(target, HandleKind.FILE));
    if (changetype<usize>(open) === 0) return ErrorCode.EBADF;
    const code = openCheck(open);
    return code === ErrorCode.OK ? mountStat(open.mount, open.ino, out) : code;
  }
  const mount = handleRequire(target, HandleKind.MOUNT);
  if (mount === 0) return ErrorCode.EBADF;
  return callStat(changetype<Mount>(mount), path, length, follow !== 0, out);
}

export function filesReadlink(mount: u32, path: usize, length: u32, out: usize, room: u32): i32 {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return ErrorCode.EBADF;
  return callReadlink(changetype<Mount>(object), path, length, out, room);
}

export function filesStatfs(mount: u32, out: usize): i32 {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return ErrorCode.EBADF;
  mountStatfs(changetype<Mount>(object), out);
  return ErrorCode.OK;
}

/** Runs a check: how many findings it kept. */
export function filesCheck(mount: u32, data: u32): i32 {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return ErrorCode.EBADF;
  const code = mountCheck(changetype<Mount>(object), data !== 0);
  return code === ErrorCode.OK ? <i32>changetype<Mount>(object).findings.kept : code;
}

export function filesFinding(mount: u32, index: u32, out: usize): i32 {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return ErrorCode.EBADF;
  const findings = changetype<Mount>(object).findings;
  if (index >= findings.kept) return failPlain(ErrorCode.ERANGE);
  memory.copy(out, findingAt(findings, index), FILE_FINDING_SIZE);
  return ErrorCode.OK;
}

/** A path that leads to inode `ino`: its length. */
export function filesPath(mount: u32, ino: f64, out: usize, room: u32): i32 {
  const object = handleRequire(mount, HandleKind.MOUNT);
  if (object === 0) return ErrorCode.EBADF;
  if (ino < 1 || !isCount(ino)) return failPlain(ErrorCode.EINVAL);
  return mountPath(changetype<Mount>(object), <u64>ino, out, room);
}

/** Makes everything so far durable. */
export function filesCommit(mount: u32): i32 {
  const object = changetype<Mount>(handleRequire(mount, HandleKind.MOUNT));
  if (changetype<usize>(object) === 0) return ErrorCode.EBADF;
  return object.type === FileSystemType.RO ? ErrorCode.OK : volumeCommit(object.wf.volume);
}

/** After a lost batch: the host knows what was lost, and opens anew what it had open. */
export function filesReopen(mount: u32): i32 {
  const object = changetype<Mount>(handleRequire(mount, HandleKind.MOUNT));
  if (changetype<usize>(object) === 0) return ErrorCode.EBADF;
  return object.type === FileSystemType.RO ? ErrorCode.OK : volumeReopen(object.wf.volume);
}

/** Throws away everything since the last commit. */
export function filesRevert(mount: u32): i32 {
  const object = changetype<Mount>(handleRequire(mount, HandleKind.MOUNT));
  if (changetype<usize>(object) === 0) return ErrorCode.EBADF;
  if (object.type === FileSystemType.WF) volumeAbort(object.wf.volume);
  return ErrorCode.OK;
}

/** Pages of the tree that the next commit writes. */
export function filesDirtyPages(mount: u32): i32 {
  const object = changetype<Mount>(handleRequire(mount, HandleKind.MOUNT));
  if (changetype<usize>(object) === 0) return ErrorCode.EBADF;
  return object.type === FileSystemType.RO ? 0 : <i32>volumeDirtyPages(object.wf.volume);
}
