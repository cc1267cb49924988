/** ABI: CAPOSRO1, the read-only image: open as a mount, and build. */
import { isCount } from "../engine/bytes";
import { Device, deviceClose, deviceOpen } from "../engine/device";
import { failPlain, lastFault } from "../engine/fault";
import {
  HandleKind,
  handleClose,
  handleObject,
  handleOpen,
  handleRequire,
} from "../engine/handles";
import { ErrorCode } from "../format/errors";
import { mountClose, mountImage } from "../fs/mount";
import {
  Build,
  buildClose,
  buildFinish,
  buildLayout,
  buildNode,
  buildOpen,
  buildWrite,
} from "../fs/ro/build";
import { imageCloseAll, imageOpenOn } from "../fs/ro/image";

/** Opens the image in a window of a device (`sectors` 0: to its end): a mount, or an errno. */
export function imageOpen(device: u32, base: f64, sectors: f64): i32 {
  const window = openWindow(device, base, sectors, true);
  if (window === null) return lastFault();
  const image = imageOpenOn(window);
  if (image === null) {
    deviceClose(window);
    return lastFault();
  }
  const mount = mountImage(image);
  if (mount === null) {
    imageCloseAll(image);
    return lastFault();
  }
  const handle = handleOpen(HandleKind.MOUNT, changetype<usize>(mount));
  if (handle < 0) mountClose(mount);
  return handle;
}

/** Begins an image in a window of a device; `uuid` is 16 bytes. */
export function imageBuild(device: u32, base: f64, sectors: f64, uuid: usize): i32 {
  const window = openWindow(device, base, sectors, false);
  if (window === null) return lastFault();
  const build = buildOpen(window, uuid);
  if (build === null) {
    deviceClose(window);
    return lastFault();
  }
  const handle = handleOpen(HandleKind.IMAGE_BUILD, changetype<usize>(build));
  if (handle < 0) buildClose(build);
  return handle;
}

export function imageNode(
  build: u32,
  parent: u32,
  type: u32,
  mode: u32,
  size: f64,
  name: usize,
  nameLength: u32,
): i32 {
  const object = handleRequire(build, HandleKind.IMAGE_BUILD);
  if (object === 0) return ErrorCode.EBADF;
  if (!isCount(size)) return failPlain(ErrorCode.EINVAL);
  return buildNode(changetype<Build>(object), parent, type, mode, <u64>size, name, nameLength);
}

export function imageLayout(build: u32): i32 {
  const object = handleRequire(build, HandleKind.IMAGE_BUILD);
  return object === 0 ? ErrorCode.EBADF : buildLayout(changetype<Build>(object));
}

export function imageWrite(build: u32, address: usize, length: u32): i32 {
  const object = handleRequire(build, HandleKind.IMAGE_BUILD);
  if (object === 0) return ErrorCode.EBADF;
  return buildWrite(changetype<Build>(object), address, length);
}

export function imageFinish(build: u32): i32 {
  const object = handleRequire(build, HandleKind.IMAGE_BUILD);
  return object === 0 ? ErrorCode.EBADF : buildFinish(changetype<Build>(object));
}

/** Sectors of the image: known after imageLayout. */
export function imageSectors(build: u32): f64 {
  const object = handleObject(build, HandleKind.IMAGE_BUILD);
  if (object === 0) return <f64>failPlain(ErrorCode.EBADF);
  return <f64>changetype<Build>(object).sectors;
}

export function imageEnd(build: u32): void {
  const object = handleObject(build, HandleKind.IMAGE_BUILD);
  if (object === 0) return;
  handleClose(build);
  buildClose(changetype<Build>(object));
}

function openWindow(device: u32, base: f64, sectors: f64, readOnly: bool): Device | null {
  if (!isCount(base) || !isCount(sectors)) {
    failPlain(ErrorCode.EINVAL);
    return null;
  }
  return deviceOpen(device, <u64>base, <u64>sectors, readOnly);
}
