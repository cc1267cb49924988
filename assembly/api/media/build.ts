/** ABI: builds ISO 9660 images. */
import { isCount } from "../../engine/bytes";
import { deviceClose, deviceOpen } from "../../engine/device";
import { failPlain, lastFault } from "../../engine/fault";
import {
  HandleKind,
  handleClose,
  handleObject,
  handleOpen,
  handleRequire,
} from "../../engine/handles";
import { ErrorCode } from "../../format/errors";
import {
  ISO_PLACES_BOOT_SECTOR,
  ISO_PLACES_BOOT_SECTORS,
  ISO_PLACES_SECTORS,
} from "../../format/media/calls";
import { BLOCK_SECTORS, VOLUME_ID_SIZE } from "../../format/media/iso";
import { Build, buildClose, buildNode, buildOpen, Stage } from "../../mkfs/iso/make/build";
import { buildLayout } from "../../mkfs/iso/make/layout";
import { buildFinish, buildWrite } from "../../mkfs/iso/make/write";

/** The first and the last time that a record can tell. */
const TIME_MIN_MS: f64 = -2_208_988_800_000;
const TIME_MAX_MS: f64 = 5_869_583_999_999;

/**
 * Begins an image in a window of a device (`sectors` 0: to its end). `timestamp`: ms since 1970, of
 * everything; `label`: at most 32 ASCII bytes.
 */
export function isoBuild(
  device: u32,
  base: f64,
  sectors: f64,
  timestamp: f64,
  label: usize,
  labelLength: u32,
): i32 {
  const isTime = timestamp >= TIME_MIN_MS && timestamp <= TIME_MAX_MS;
  if (!isCount(base) || !isCount(sectors) || !isTime || labelLength > VOLUME_ID_SIZE) {
    return failPlain(ErrorCode.EINVAL);
  }
  const window = deviceOpen(device, <u64>base, <u64>sectors, false);
  if (window === null) return lastFault();
  const build = buildOpen(window, <i64>timestamp, label, labelLength);
  if (build === null) {
    deviceClose(window);
    return lastFault();
  }
  const handle = handleOpen(HandleKind.ISO_BUILD, changetype<usize>(build));
  if (handle < 0) buildClose(build);
  return handle;
}

/**
 * Adds a file (`type` 1) or directory (2): parents before children, siblings in the order of their
 * names' bytes. Its number; the root's is 0.
 */
export function isoBuildNode(
  build: u32,
  parent: u32,
  type: u32,
  mode: u32,
  bytes: f64,
  name: usize,
  nameLength: u32,
): i32 {
  const object = handleRequire(build, HandleKind.ISO_BUILD);
  if (object === 0) return ErrorCode.EBADF;
  if (!isCount(bytes)) return failPlain(ErrorCode.EINVAL);
  return buildNode(changetype<Build>(object), parent, type, mode, <u64>bytes, name, nameLength);
}

/** All nodes are known: gives everything its place, and writes nothing. ENOSPC, EFBIG. */
export function isoBuildLayout(build: u32, bootSectors: f64): i32 {
  const object = handleRequire(build, HandleKind.ISO_BUILD);
  if (object === 0) return ErrorCode.EBADF;
  if (!isCount(bootSectors)) return failPlain(ErrorCode.EINVAL);
  return buildLayout(changetype<Build>(object), <u64>bootSectors);
}

/** Writes ISO_PLACES: known after isoBuildLayout. */
export function isoBuildPlaces(build: u32, out: usize): i32 {
  const object = changetype<Build>(handleRequire(build, HandleKind.ISO_BUILD));
  if (object === null) return ErrorCode.EBADF;
  if (object.stage === Stage.NODES) return failPlain(ErrorCode.EINVAL);
  store<f64>(out, <f64>object.blocks * <f64>BLOCK_SECTORS, ISO_PLACES_SECTORS);
  store<f64>(out, <f64>object.bootLba * <f64>BLOCK_SECTORS, ISO_PLACES_BOOT_SECTOR);
  store<f64>(out, <f64>object.bootSectors, ISO_PLACES_BOOT_SECTORS);
  return ErrorCode.OK;
}

/** Appends content, in the order of the nodes. */
export function isoBuildWrite(build: u32, address: usize, length: u32): i32 {
  const object = handleRequire(build, HandleKind.ISO_BUILD);
  return object === 0 ? ErrorCode.EBADF : buildWrite(changetype<Build>(object), address, length);
}

/** Writes everything but the boot image, the descriptors last: from here on it is a volume. */
export function isoBuildFinish(build: u32): i32 {
  const object = handleRequire(build, HandleKind.ISO_BUILD);
  return object === 0 ? ErrorCode.EBADF : buildFinish(changetype<Build>(object));
}

/** Releases a build, finished or not. */
export function isoBuildEnd(build: u32): void {
  const object = handleObject(build, HandleKind.ISO_BUILD);
  if (object === 0) return;
  handleClose(build);
  buildClose(changetype<Build>(object));
}
