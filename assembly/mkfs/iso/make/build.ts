/**
 * Builds an ISO 9660 image from a sorted list of nodes and their content, streamed. The same nodes,
 * content, label and time give the same bytes.
 *
 * Interface: buildOpen, buildNode for each node but the root, layout (layout.ts), then the content
 * of the files in the order of the nodes, and finish (write.ts). The descriptors are written last,
 * behind a FLUSH, and older ones die first: an image cut short is no image. The extent of the boot
 * image is the host's to fill, and so is the partition table around it all.
 */
import { compareBytes, nameCheck } from "../../../engine/bytes";
import { Device, deviceClose } from "../../../engine/device";
import { failPlain } from "../../../engine/fault";
import { allocate, allocateZeroed, doubled, release } from "../../../engine/memory";
import { ErrorCode } from "../../../format/errors";
import { IsoType } from "../../../format/media/calls";
import { VOLUME_ID_SIZE } from "../../../format/media/iso";

/** A volume of 8 TiB: blocks are numbered with 32 bits. */
const BYTES_MAX: u64 = 1 << 43;
const NODES_MAX: u32 = 1 << 18;
const DEPTH_MAX: u32 = 255;
const NODES_FIRST: u32 = 64;
const NAMES_FIRST: u32 = 4096;

/** One file or directory; its number is its place in the table, the root's is 0. */
@unmanaged
export class Node {
  parent: u32;
  type: IsoType;
  mode: u32;
  depth: u32;
  bytes: u64;
  nameOffset: u32;
  nameLength: u32;
  firstChild: u32;
  children: u32;
  /** Directories among the children. */
  folders: u32;
  lba: u32;
  /** Byte in the continuation areas where the long name stands; ~0: it fits the record. */
  more: u32;
  reserved: u32;
}

/** One of the two trees of records: with plain identifiers and Rock Ridge, or with Joliet names. */
@unmanaged
export class View {
  /** One Place for each node, each with room for an identifier behind it. */
  places: usize;
  stride: u32;
  /** Node numbers: the children of each directory, in the order of their identifiers. */
  order: usize;
  /** Numbers of directories in the order of the path table. */
  folders: usize;
  isJoliet: bool;
  pathBytes: u32;
  pathLba: u32;
}

@unmanaged
export class Place {
  /** Of the directory's own records. */
  lba: u32;
  bytes: u32;
  /** Its number in the path table, from 1. */
  number: u32;
  idLength: u32;
  /** The identifier had to be made up, for it stood twice. */
  renamed: u32;
}

export enum Stage {
  NODES = 0,
  LAID_OUT = 1,
  CONTENT = 2,
  FINISHED = 3,
}

@unmanaged
export class Build {
  device: Device;
  stage: Stage;
  timestampMs: i64;
  table: usize;
  tableRoom: u32;
  nodes: u32;
  folders: u32;
  names: usize;
  namesRoom: u32;
  namesLength: u32;
  plain: View;
  joliet: View;
  catalogLba: u32;
  moreLba: u32;
  moreBytes: u32;
  dataLba: u32;
  bootLba: u32;
  bootSectors: u64;
  /** Blocks of the image. */
  blocks: u32;
  /** Bytes that wait to be written at byte `at` of the window. */
  buffer: usize;
  filled: u32;
  at: u64;
  /** The node whose content comes next, and what it still needs. */
  current: u32;
  remaining: u64;
  label: usize;
  labelLength: u32;
}

export const BUFFER_BYTES: u32 = 1 << 18;
const ROOM: u32 = offsetof<Build>() + 2 * offsetof<View>() + VOLUME_ID_SIZE;
export const NO_MORE: u32 = 0xffffffff;

/** Begins an image in the window, which the build takes over; null after a fault. */
export function buildOpen(
  device: Device,
  timestampMs: i64,
  label: usize,
  labelLength: u32,
): Build | null {
  const address = allocateZeroed(ROOM);
  const table = allocateZeroed(NODES_FIRST * offsetof<Node>());
  const names = allocate(NAMES_FIRST);
  const buffer = allocate(BUFFER_BYTES);
  if (address === 0 || table === 0 || names === 0 || buffer === 0) {
    release(address, ROOM);
    release(table, NODES_FIRST * offsetof<Node>());
    release(names, NAMES_FIRST);
    release(buffer, BUFFER_BYTES);
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const build = changetype<Build>(address);
  build.device = device;
  build.timestampMs = timestampMs;
  build.plain = changetype<View>(address + offsetof<Build>());
  build.joliet = changetype<View>(address + offsetof<Build>() + offsetof<View>());
  build.label = address + offsetof<Build>() + 2 * offsetof<View>();
  build.labelLength = labelLength;
  memory.copy(build.label, label, labelLength);
  build.table = table;
  build.tableRoom = NODES_FIRST * offsetof<Node>();
  build.names = names;
  build.namesRoom = NAMES_FIRST;
  build.buffer = buffer;
  const root = nodeAt(build, 0);
  root.type = IsoType.DIRECTORY;
  root.mode = 0o555;
  root.more = NO_MORE;
  build.nodes = 1;
  build.folders = 1;
  return build;
}

/** Releases everything, the device window too; what was not finished is no image. */
export function buildClose(build: Build): void {
  deviceClose(build.device);
  viewRelease(build, build.plain);
  viewRelease(build, build.joliet);
  release(build.table, build.tableRoom);
  release(build.names, build.namesRoom);
  release(build.buffer, BUFFER_BYTES);
  release(changetype<usize>(build), ROOM);
}

/** Makes the blocks of a view, once all nodes are known. */
export function viewOpen(build: Build, view: View, stride: u32, isJoliet: bool): ErrorCode {
  view.stride = stride;
  view.isJoliet = isJoliet;
  view.places = allocateZeroed(build.nodes * stride);
  view.order = allocate(build.nodes * 4);
  view.folders = allocate(build.folders * 4);
  const complete = view.places !== 0 && view.order !== 0 && view.folders !== 0;
  return complete ? ErrorCode.OK : failPlain(ErrorCode.ENOMEM);
}

function viewRelease(build: Build, view: View): void {
  release(view.places, build.nodes * view.stride);
  release(view.order, build.nodes * 4);
  release(view.folders, build.folders * 4);
}

export function nodeAt(build: Build, number: u32): Node {
  return changetype<Node>(build.table + <usize>(number * offsetof<Node>()));
}

export function placeAt(view: View, number: u32): Place {
  return changetype<Place>(view.places + <usize>(number * view.stride));
}

/** Address of the identifier of a node; what stands behind its version is not part of it. */
export function idAt(view: View, number: u32): usize {
  return view.places + <usize>(number * view.stride + offsetof<Place>());
}

/** Node `index` of a list of node numbers. */
export function listed(list: usize, index: u32): u32 {
  return load<u32>(list + ((<usize>index) << 2));
}

/**
 * Adds a node after all that sort before it (by parent, then by the bytes of its name): its number.
 * EINVAL: order, parent, type or name; EEXIST: the name is there; EFBIG: too many, or too large.
 */
export function buildNode(
  build: Build,
  parent: u32,
  type: u32,
  mode: u32,
  bytes: u64,
  name: usize,
  nameLength: u32,
): i32 {
  const isFolder = type === IsoType.DIRECTORY;
  if (build.stage !== Stage.NODES || (!isFolder && type !== IsoType.FILE)) {
    return failPlain(ErrorCode.EINVAL);
  }
  if (isFolder && bytes !== 0) return failPlain(ErrorCode.EINVAL);
  if (bytes > BYTES_MAX || build.nodes === NODES_MAX) return failPlain(ErrorCode.EFBIG);
  let code = nameCheck(name, nameLength);
  if (code === ErrorCode.OK) code = checkOrder(build, parent, name, nameLength);
  if (code === ErrorCode.OK) code = makeRoom(build, nameLength);
  if (code !== ErrorCode.OK) return failPlain(code);
  const number = build.nodes;
  const node = nodeAt(build, number);
  const above = nodeAt(build, parent);
  memory.fill(changetype<usize>(node), 0, offsetof<Node>());
  node.parent = parent;
  node.type = type;
  node.mode = mode & 0o7777;
  node.depth = above.depth + 1;
  node.bytes = bytes;
  node.nameOffset = build.namesLength;
  node.nameLength = nameLength;
  node.more = NO_MORE;
  if (above.children === 0) above.firstChild = number;
  above.children += 1;
  if (isFolder) above.folders += 1;
  memory.copy(build.names + build.namesLength, name, nameLength);
  build.namesLength += nameLength;
  build.nodes = number + 1;
  if (isFolder) build.folders += 1;
  return <i32>number;
}

function checkOrder(build: Build, parent: u32, name: usize, nameLength: u32): ErrorCode {
  if (parent >= build.nodes) return ErrorCode.EINVAL;
  const above = nodeAt(build, parent);
  if (above.type !== IsoType.DIRECTORY) return ErrorCode.ENOTDIR;
  if (above.depth >= DEPTH_MAX) return ErrorCode.ENAMETOOLONG;
  if (build.nodes === 1) return ErrorCode.OK;
  const last = nodeAt(build, build.nodes - 1);
  if (last.parent !== parent) return last.parent < parent ? ErrorCode.OK : ErrorCode.EINVAL;
  const order = compareBytes(build.names + last.nameOffset, last.nameLength, name, nameLength);
  if (order < 0) return ErrorCode.OK;
  return order === 0 ? ErrorCode.EEXIST : ErrorCode.EINVAL;
}

/** Room for one node more and its name; both blocks double. */
function makeRoom(build: Build, nameLength: u32): ErrorCode {
  if ((build.nodes + 1) * offsetof<Node>() > build.tableRoom) {
    const table = doubled(build.table, build.tableRoom);
    if (table === 0) return ErrorCode.ENOMEM;
    build.table = table;
    build.tableRoom <<= 1;
  }
  if (build.namesLength + nameLength > build.namesRoom) {
    const names = doubled(build.names, build.namesRoom);
    if (names === 0) return ErrorCode.ENOMEM;
    build.names = names;
    build.namesRoom <<= 1;
  }
  return ErrorCode.OK;
}
