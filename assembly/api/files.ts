/**
 * ABI: filesystems: mounts, handles, paths. What each call does is said in host/core/node/exports.
 */
import { failPlain, faultAddress } from "../engine/fault";
import { HandleKind, handleClose, handleObject, handleOpen } from "../engine/handles";
import { FAULT_CODE, FILE_FINDING_SIZE, FileSystemType } from "../format/abi";
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
import { regionOf } from "./region";

const POSITION_MAX: f64 = 9007199254740991;

function mountOf(handle: u32): usize {
  const mount = handleObject(handle, HandleKind.MOUNT);
  if (mount === 0) failPlain(ErrorCode.EBADF);
  return mount;
}

function openOf(handle: u32): usize {
  const open = handleObject(handle, HandleKind.FILE);
  if (open === 0) failPlain(ErrorCode.EBADF);
  return open;
}

function lastFault(): i32 {
  return load<i32>(faultAddress(), FAULT_CODE);
}

/** The CAPOSWF1 filesystem of a region as a mount; EMEDIUMTYPE: it has none. */
export function filesMount(region: u32): i32 {
  const object = regionOf(region);
  if (object === null) return ErrorCode.EBADF;
  const volume = object.wf;
  if (volume === null) return failPlain(ErrorCode.EMEDIUMTYPE);
  const mount = mountVolume(volume);
  if (mount === null) return lastFault();
  const handle = handleOpen(HandleKind.MOUNT, changetype<usize>(mount));
  if (handle !== 0) return <i32>handle;
  mountClose(mount);
  return failPlain(ErrorCode.ENOMEM);
}

/** Closes the handles of a mount and the mount. Commits nothing: before the region is closed. */
export function filesUnmount(mount: u32): void {
  const object = mountOf(mount);
  if (object === 0) return;
  openCloseAll(changetype<Mount>(object));
  handleClose(mount);
  mountClose(changetype<Mount>(object));
}

export function filesReadOnly(mount: u32): i32 {
  const object = mountOf(mount);
  if (object === 0) return ErrorCode.EBADF;
  const mounted = changetype<Mount>(object);
  if (mounted.type === FileSystemType.RO) return 1;
  return mounted.wf.volume.region.readOnly ? 1 : 0;
}

export function filesOpen(mount: u32, path: usize, length: u32, flags: u32, mode: u32): i32 {
  const object = mountOf(mount);
  if (object === 0) return ErrorCode.EBADF;
  const open = callOpen(changetype<Mount>(object), path, length, flags, mode);
  if (open === null) return lastFault();
  const handle = handleOpen(HandleKind.FILE, changetype<usize>(open));
  if (handle === 0) {
    openClose(open);
    return failPlain(ErrorCode.ENOMEM);
  }
  open.handle = handle;
  return handle;
}

export function filesClose(handle: u32): i32 {
  const open = openOf(handle);
  if (open === 0) return ErrorCode.EBADF;
  handleClose(handle);
  return openClose(changetype<Open>(open));
}

export function filesRead(handle: u32, address: usize, length: u32, position: f64): i32 {
  const open = openOf(handle);
  if (open === 0) return ErrorCode.EBADF;
  if (!(position <= POSITION_MAX)) return failPlain(ErrorCode.EINVAL);
  return openRead(changetype<Open>(open), address, length, <i64>position);
}

export function filesWrite(handle: u32, address: usize, length: u32, position: f64): i32 {
  const open = openOf(handle);
  if (open === 0) return ErrorCode.EBADF;
  if (!(position <= POSITION_MAX)) return failPlain(ErrorCode.EINVAL);
  return openWrite(changetype<Open>(open), address, length, <i64>position);
}

export function filesList(handle: u32, out: usize, room: u32): i32 {
  const open = openOf(handle);
  return open === 0 ? ErrorCode.EBADF : openList(changetype<Open>(open), out, room);
}

export function filesStat(target: u32, path: usize, length: u32, follow: u32, out: usize): i32 {
  if (length === 0) {
    const open = changetype<Open>(openOf(target));
    if (changetype<usize>(open) === 0) return ErrorCode.EBADF;
    const code = openCheck(open);
    return code === ErrorCode.OK ? mountStat(open.mount, open.ino, out) : code;
  }
  const mount = mountOf(target);
  if (mount === 0) return ErrorCode.EBADF;
  return callStat(changetype<Mount>(mount), path, length, follow !== 0, out);
}

export function filesReadlink(mount: u32, path: usize, length: u32, out: usize, room: u32): i32 {
  const object = mountOf(mount);
  if (object === 0) return ErrorCode.EBADF;
  return callReadlink(changetype<Mount>(object), path, length, out, room);
}

export function filesStatfs(mount: u32, out: usize): i32 {
  const object = mountOf(mount);
  if (object === 0) return ErrorCode.EBADF;
  mountStatfs(changetype<Mount>(object), out);
  return ErrorCode.OK;
}

/** Runs a check: how many findings it kept. */
export function filesCheck(mount: u32, data: u32): i32 {
  const object = mountOf(mount);
  if (object === 0) return ErrorCode.EBADF;
  const code = mountCheck(changetype<Mount>(object), data !== 0);
  return code === ErrorCode.OK ? <i32>changetype<Mount>(object).findings.kept : code;
}

export function filesFinding(mount: u32, index: u32, out: usize): i32 {
  const object = mountOf(mount);
  if (object === 0) return ErrorCode.EBADF;
  const findings = changetype<Mount>(object).findings;
  if (index >= findings.kept) return failPlain(ErrorCode.ERANGE);
  memory.copy(out, findingAt(findings, index), FILE_FINDING_SIZE);
  return ErrorCode.OK;
}

/** A path that leads to inode `ino`: its length. */
export function filesPath(mount: u32, ino: f64, out: usize, room: u32): i32 {
  const object = mountOf(mount);
  if (object === 0) return ErrorCode.EBADF;
  if (!(ino >= 1 && ino <= POSITION_MAX)) return failPlain(ErrorCode.EINVAL);
  return mountPath(changetype<Mount>(object), <u64>ino, out, room);
}

/** Makes everything so far durable. */
export function filesCommit(mount: u32): i32 {
  const object = changetype<Mount>(mountOf(mount));
  if (changetype<usize>(object) === 0) return ErrorCode.EBADF;
  return object.type === FileSystemType.RO ? ErrorCode.OK : volumeCommit(object.wf.volume);
}

/** After a lost batch: the host knows what was lost, and opens anew what it had open. */
export function filesReopen(mount: u32): i32 {
  const object = changetype<Mount>(mountOf(mount));
  if (changetype<usize>(object) === 0) return ErrorCode.EBADF;
  return object.type === FileSystemType.RO ? ErrorCode.OK : volumeReopen(object.wf.volume);
}

/** Throws away everything since the last commit. */
export function filesRevert(mount: u32): i32 {
  const object = changetype<Mount>(mountOf(mount));
  if (changetype<usize>(object) === 0) return ErrorCode.EBADF;
  if (object.type === FileSystemType.WF) volumeAbort(object.wf.volume);
  return ErrorCode.OK;
}

/** Pages of the tree that the next commit writes. */
export function filesDirtyPages(mount: u32): i32 {
  const object = changetype<Mount>(mountOf(mount));
  if (changetype<usize>(object) === 0) return ErrorCode.EBADF;
  return object.type === FileSystemType.RO ? 0 : <i32>volumeDirtyPages(object.wf.volume);
}
