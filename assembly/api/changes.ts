/** ABI: changes of filesystems by path. What each does is said in host/core/node/exports. */
import { failPlain } from "../engine/fault";
import { HandleKind, handleObject } from "../engine/handles";
import { ErrorCode } from "../format/errors";
import { Open } from "../fs/files";

export function filesMkdir(mount: u32, path: usize, length: u32, mode: u32): i32 {
  return refused(mount);
}
export function filesRemove(mount: u32, path: usize, length: u32, directory: u32): i32 {
  return refused(mount);
}
export function filesRename(mount: u32, a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  return refused(mount);
}
export function filesLink(mount: u32, a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  return refused(mount);
}
export function filesSymlink(mount: u32, a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  return refused(mount);
}
export function filesResize(target: u32, path: usize, length: u32, size: f64): i32 {
  return refused(target);
}
export function filesChange(
  target: u32,
  path: usize,
  length: u32,
  follow: u32,
  mask: u32,
  attributes: usize,
): i32 {
  return refused(target);
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
  return refused(target);
}
export function filesXattrRemove(
  target: u32,
  path: usize,
  length: u32,
  follow: u32,
  name: usize,
  nameLength: u32,
): i32 {
  return refused(target);
}
export function filesSetControl(mount: u32, address: usize): i32 {
  return refused(mount);
}

function refused(target: u32): i32 {
  const open = handleObject(target, HandleKind.FILE);
  const mount =
    open === 0
      ? handleObject(target, HandleKind.MOUNT)
      : changetype<usize>(changetype<Open>(open).mount);
  if (mount === 0) return failPlain(ErrorCode.EBADF);
  return failPlain(ErrorCode.EROFS);
}
