/** ABI: builds ext4 volumes. */
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
  EXT4_FACTS_BLOCKS,
  EXT4_FACTS_GROUPS,
  EXT4_FACTS_INODES,
  EXT4_FACTS_JOURNAL_BLOCKS,
  EXT4_FACTS_MISSING_BLOCKS,
  EXT4_FACTS_MISSING_INODES,
  EXT4_FACTS_USED_BLOCKS,
  EXT4_FACTS_USED_INODES,
  EXT4_OPTIONS_INODE_BYTES,
  EXT4_OPTIONS_ROOT_PERCENT,
  EXT4_OPTIONS_TIMESTAMP,
} from "../../format/media/calls-ext4-build";
import { BLOCK_SECTORS } from "../../format/media/ext4";
import { geometryMake, inodesOf } from "../../mkfs/ext4/base/geometry";
import {
  Build,
  buildClose,
  buildNode,
  buildOpen,
  SECONDS_MAX,
  SECONDS_MIN,
} from "../../mkfs/ext4/make/base/build";
import { contentWrite } from "../../mkfs/ext4/make/content";
import { finish } from "../../mkfs/ext4/make/finish";
import { layout, usedBlocks } from "../../mkfs/ext4/make/layout";
import { xattrAdd } from "../../mkfs/ext4/make/nodes/xattrs";

/** Begins a volume in a window of a device (`sectors` 0: to its end); `options`: EXT4_OPTIONS. */
export function ext4Build(device: u32, base: f64, sectors: f64, options: usize): i32 {
  const seconds = load<f64>(options, EXT4_OPTIONS_TIMESTAMP) / 1000;
  const isTime = seconds >= <f64>SECONDS_MIN && seconds < <f64>SECONDS_MAX;
  if (!isCount(base) || !isCount(sectors) || !isTime) return failPlain(ErrorCode.EINVAL);
  const window = deviceOpen(device, <u64>base, <u64>sectors, false);
  if (window === null) return lastFault();
  const build = buildOpen(window, options);
  if (build === null) {
    deviceClose(window);
    return lastFault();
  }
  const inodeBytes = load<u32>(options, EXT4_OPTIONS_INODE_BYTES);
  const percent = load<f64>(options, EXT4_OPTIONS_ROOT_PERCENT);
  const blocks = window.sectors / <u64>BLOCK_SECTORS;
  const code = geometryMake(build.geometry, blocks, inodeBytes, percent);
  const handle =
    code === ErrorCode.OK
      ? handleOpen(HandleKind.EXT4_BUILD, changetype<usize>(build))
      : <i32>failPlain(code);
  if (handle < 0) buildClose(build);
  return handle;
}

/** Adds a node (EXT4_NODE), parents first; its number. The root's is 0, that of lost+found 1. */
export function ext4BuildNode(
  build: u32,
  node: usize,
  name: usize,
  nameLength: u32,
  target: usize,
  targetLength: u32,
): i32 {
  const object = handleRequire(build, HandleKind.EXT4_BUILD);
  if (object === 0) return ErrorCode.EBADF;
  return buildNode(changetype<Build>(object), node, name, nameLength, target, targetLength);
}

/** Adds an extended attribute, by its full name, to a node. */
export function ext4BuildXattr(
  build: u32,
  node: u32,
  name: usize,
  nameLength: u32,
  value: usize,
  valueLength: u32,
): i32 {
  const object = handleRequire(build, HandleKind.EXT4_BUILD);
  if (object === 0) return ErrorCode.EBADF;
  return xattrAdd(changetype<Build>(object), node, name, nameLength, value, valueLength);
}

/** All nodes are known: gives everything its place, and writes nothing. ENOSPC, see the facts. */
export function ext4BuildLayout(build: u32): i32 {
  const object = handleRequire(build, HandleKind.EXT4_BUILD);
  return object === 0 ? ErrorCode.EBADF : layout(changetype<Build>(object));
}

/** Writes EXT4_FACTS; what is used and missing is known after ext4BuildLayout. */
export function ext4BuildFacts(build: u32, out: usize): i32 {
  const object = changetype<Build>(handleRequire(build, HandleKind.EXT4_BUILD));
  if (object === null) return ErrorCode.EBADF;
  const geometry = object.geometry;
  store<f64>(out, <f64>geometry.blocks, EXT4_FACTS_BLOCKS);
  store<f64>(out, <f64>inodesOf(geometry), EXT4_FACTS_INODES);
  store<f64>(out, <f64>usedBlocks(object), EXT4_FACTS_USED_BLOCKS);
  store<f64>(out, <f64>object.inodes, EXT4_FACTS_USED_INODES);
  store<f64>(out, <f64>object.missing, EXT4_FACTS_MISSING_BLOCKS);
  store<f64>(out, <f64>object.missingInodes, EXT4_FACTS_MISSING_INODES);
  store<u32>(out, geometry.groups, EXT4_FACTS_GROUPS);
  store<u32>(out, geometry.journalBlocks, EXT4_FACTS_JOURNAL_BLOCKS);
  return ErrorCode.OK;
}

/** Appends content, in the order of the nodes. */
export function ext4BuildWrite(build: u32, address: usize, length: u32): i32 {
  const object = handleRequire(build, HandleKind.EXT4_BUILD);
  return object === 0 ? ErrorCode.EBADF : contentWrite(changetype<Build>(object), address, length);
}

/** Writes everything else, the superblock last: from here on it is a volume. */
export function ext4BuildFinish(build: u32): i32 {
  const object = handleRequire(build, HandleKind.EXT4_BUILD);
  return object === 0 ? ErrorCode.EBADF : finish(changetype<Build>(object));
}

/** Releases a build, finished or not. */
export function ext4BuildEnd(build: u32): void {
  const object = handleObject(build, HandleKind.EXT4_BUILD);
  if (object === 0) return;
  handleClose(build);
  buildClose(changetype<Build>(object));
}
