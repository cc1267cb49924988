/**
 * CAPOSRO1: builds an image from a sorted list of nodes and their content, streamed. The same
 * nodes,
 * content and uuid give the same bytes.
 *
 * Interface: buildOpen, buildNode for each node but the root, buildLayout, buildWrite with the
 * content of files and links in the order of the nodes, buildFinish. The superblock is written
 * last,
 * behind a FLUSH, and an older one dies first: an image cut short is no image.
 */
import { compareBytes, nameCheck } from "../../engine/bytes";
import { Device, deviceClose, deviceFail, deviceFlush, deviceWrite } from "../../engine/device";
import { failPlain } from "../../engine/fault";
import {
  SHA256_STATE_SIZE,
  sha256,
  sha256Begin,
  sha256End,
  sha256Update,
} from "../../engine/hash/sha256";
import { xxh64 } from "../../engine/hash/xxh64";
import { allocate, allocateZeroed, doubled, release } from "../../engine/memory";
import { Reason, SECTOR_SHIFT, SECTOR_SIZE } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  RO_INDEX_LBA,
  RO_INDEX_MAX,
  RO_MAGIC_HIGH,
  RO_MAGIC_LOW,
  RO_MAJOR,
  RO_MINOR,
  RO_NODE_DATA_LBA,
  RO_NODE_HASH,
  RO_NODE_LENGTH,
  RO_NODE_MODE,
  RO_NODE_NAME_LENGTH,
  RO_NODE_NAME_OFFSET,
  RO_NODE_PARENT,
  RO_NODE_SIZE,
  RO_NODE_TYPE,
  RO_SUPERBLOCK_CHECKSUM,
  RO_SUPERBLOCK_DATA_LBA,
  RO_SUPERBLOCK_INDEX_HASH,
  RO_SUPERBLOCK_INDEX_LBA,
  RO_SUPERBLOCK_INDEX_LENGTH,
  RO_SUPERBLOCK_MAJOR,
  RO_SUPERBLOCK_MINOR,
  RO_SUPERBLOCK_NODES,
  RO_SUPERBLOCK_SECTORS,
  RO_SUPERBLOCK_UUID,
} from "../../format/ro";
import { DEPTH_MAX, FileType, SYMLINK_MAX } from "../../format/wf";
import { sectorsOf, typeMode } from "./image";

const BUFFER_SIZE: u32 = 1 << 18;
const NODES_FIRST: u32 = 64 * RO_NODE_SIZE;
const NAMES_FIRST: u32 = 4096;
/** What a node of the table holds until buildLayout: its depth, in place of its first sector. */
const NODE_DEPTH: u32 = RO_NODE_DATA_LBA;

const padding: usize = allocate(512);

@unmanaged
export class Build {
  device: Device;
  table: usize;
  tableRoom: u32;
  nodes: u32;
  names: usize;
  namesRoom: u32;
  namesLength: u32;
  laidOut: bool;
  finished: bool;
  sectors: u64;
  dataLba: u64;
  /** Everything before the data, and what of the data shares its last block. */
  head: usize;
  headLength: u32;
  /** Bytes of data in the head. */
  headFilled: u32;
  /** Content that waits to be written; it begins at byte `bufferAt` of the image. */
  buffer: usize;
  bufferAt: u64;
  bufferLength: u32;
  /** The node whose content comes next, what it still needs, and its hash so far. */
  current: u32;
  remaining: u64;
  /** 16 bytes, and the state of the hash behind them: both stand behind the fields. */
  uuid: usize;
  hashState: usize;
}

const BUILD_ROOM: u32 = offsetof<Build>() + 16 + SHA256_STATE_SIZE;

/** Begins an image in the window, which the build takes over; null after a fault. */
export function buildOpen(device: Device, uuid: usize): Build | null {
  const address = allocateZeroed(BUILD_ROOM);
  const table = allocateZeroed(NODES_FIRST);
  const names = allocate(NAMES_FIRST);
  if (address === 0 || table === 0 || names === 0) {
    release(address, BUILD_ROOM);
    release(table, NODES_FIRST);
    release(names, NAMES_FIRST);
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const build = changetype<Build>(address);
  build.device = device;
  build.uuid = address + offsetof<Build>();
  build.hashState = build.uuid + 16;
  build.tableRoom = NODES_FIRST;
  build.table = table;
  build.namesRoom = NAMES_FIRST;
  build.names = names;
  memory.copy(build.uuid, uuid, 16);
  store<u8>(build.table, <u8>FileType.DIRECTORY, RO_NODE_TYPE);
  store<u32>(build.table, typeMode(FileType.DIRECTORY) | 0o755, RO_NODE_MODE);
  build.nodes = 1;
  return build;
}

/** Releases everything, the device window too; what was not finished is no image. */
export function buildClose(build: Build): void {
  deviceClose(build.device);
  release(build.table, build.tableRoom);
  release(build.names, build.namesRoom);
  release(build.head, build.headLength);
  release(build.buffer, BUFFER_SIZE);
  release(changetype<usize>(build), BUILD_ROOM);
}

/**
 * Adds a node after all that sort before it, or sets the mode of the root (empty name): its number.
 * EINVAL: order, parent, type or name; EEXIST: the name is there; EFBIG: too much for an index.
 */
export function buildNode(
  build: Build,
  parent: u32,
  type: u32,
  mode: u32,
  length: u64,
  name: usize,
  nameLength: u32,
): i32 {
  if (build.laidOut || typeMode(type) === 0 || length >>> 62 !== 0) {
    return failPlain(ErrorCode.EINVAL);
  }
  const fullMode = typeMode(type) | (mode & 0o7777);
  if (nameLength === 0) {
    if (build.nodes !== 1 || type !== FileType.DIRECTORY) return failPlain(ErrorCode.EINVAL);
    store<u32>(build.table, fullMode, RO_NODE_MODE);
    return 0;
  }
  let code = nameCheck(name, nameLength);
  if (code === ErrorCode.OK) code = checkOrder(build, parent, name, nameLength);
  if (code === ErrorCode.OK) code = checkLength(type, length);
  if (code === ErrorCode.OK) code = makeRoom(build, nameLength);
  if (code !== ErrorCode.OK) return failPlain(code);
  const number = build.nodes;
  const node = build.table + <usize>(number * RO_NODE_SIZE);
  memory.fill(node, 0, RO_NODE_SIZE);
  store<u32>(node, parent, RO_NODE_PARENT);
  store<u32>(node, build.namesLength, RO_NODE_NAME_OFFSET);
  store<u16>(node, <u16>nameLength, RO_NODE_NAME_LENGTH);
  store<u8>(node, <u8>type, RO_NODE_TYPE);
  store<u32>(node, fullMode, RO_NODE_MODE);
  store<u64>(node, length, RO_NODE_LENGTH);
  memory.copy(build.names + build.namesLength, name, nameLength);
  store<u64>(node, depthOf(build, parent) + 1, NODE_DEPTH);
  build.namesLength += nameLength;
  build.nodes = number + 1;
  return <i32>number;
}

function depthOf(build: Build, number: u32): u64 {
  return load<u64>(build.table + <usize>(number * RO_NODE_SIZE), NODE_DEPTH);
}

function checkLength(type: u32, length: u64): ErrorCode {
  if (type === FileType.DIRECTORY && length !== 0) return ErrorCode.EINVAL;
  if (type !== FileType.SYMLINK) return ErrorCode.OK;
  if (length === 0) return ErrorCode.EINVAL;
  return length > <u64>SYMLINK_MAX ? ErrorCode.ENAMETOOLONG : ErrorCode.OK;
}

function checkOrder(build: Build, parent: u32, name: usize, nameLength: u32): ErrorCode {
  if (parent >= build.nodes) return ErrorCode.EINVAL;
  const above = build.table + <usize>(parent * RO_NODE_SIZE);
  if (load<u8>(above, RO_NODE_TYPE) !== <u8>FileType.DIRECTORY) return ErrorCode.ENOTDIR;
  if (depthOf(build, parent) >= <u64>DEPTH_MAX) return ErrorCode.ENAMETOOLONG;
  if (build.nodes === 1) return ErrorCode.OK;
  const last = build.table + <usize>((build.nodes - 1) * RO_NODE_SIZE);
  const lastParent = load<u32>(last, RO_NODE_PARENT);
  if (lastParent !== parent) return lastParent < parent ? ErrorCode.OK : ErrorCode.EINVAL;
  const lastName = build.names + load<u32>(last, RO_NODE_NAME_OFFSET);
  const lastLength = <u32>load<u16>(last, RO_NODE_NAME_LENGTH);
  const order = compareBytes(lastName, lastLength, name, nameLength);
  if (order < 0) return ErrorCode.OK;
  return order === 0 ? ErrorCode.EEXIST : ErrorCode.EINVAL;
}

/** Room for one node more and its name; both blocks double. */
function makeRoom(build: Build, nameLength: u32): ErrorCode {
  const tableLength = (build.nodes + 1) * RO_NODE_SIZE;
  const namesLength = build.namesLength + nameLength;
  if (tableLength + namesLength > RO_INDEX_MAX) return ErrorCode.EFBIG;
  if (tableLength > build.tableRoom) {
    const table = doubled(build.table, build.tableRoom);
    if (table === 0) return ErrorCode.ENOMEM;
    build.table = table;
    build.tableRoom <<= 1;
  }
  if (namesLength > build.namesRoom) {
    const names = doubled(build.names, build.namesRoom);
    if (names === 0) return ErrorCode.ENOMEM;
    build.names = names;
    build.namesRoom <<= 1;
  }
  return ErrorCode.OK;
}

/** Ends the nodes and gives everything its place. ENOSPC: the window is too small. */
export function buildLayout(build: Build): ErrorCode {
  if (build.laidOut) return failPlain(ErrorCode.EINVAL);
  const nodesLength = build.nodes * RO_NODE_SIZE;
  const indexLength = nodesLength + build.namesLength;
  build.dataLba = <u64>RO_INDEX_LBA + sectorsOf(indexLength);
  let place = build.dataLba;
  for (let number: u32 = 0; number < build.nodes; number++) {
    const node = build.table + <usize>(number * RO_NODE_SIZE);
    const length = load<u64>(node, RO_NODE_LENGTH);
    const nameOffset = load<u32>(node, RO_NODE_NAME_OFFSET) + nodesLength;
    store<u32>(node, nameOffset, RO_NODE_NAME_OFFSET);
    store<u64>(node, length === 0 ? 0 : place, RO_NODE_DATA_LBA);
    place += sectorsOf(length);
    if (place > build.device.sectors) {
      return deviceFail(build.device, ErrorCode.ENOSPC, Reason.CAPACITY, 0, number);
    }
  }
  build.sectors = place;
  build.laidOut = true;
  const block = build.device.blockSize;
  build.headLength = (((<u32>build.dataLba) << SECTOR_SHIFT) + block - 1) & ~(block - 1);
  build.head = allocateZeroed(build.headLength);
  build.buffer = allocate(BUFFER_SIZE);
  if (build.head === 0 || build.buffer === 0) return failPlain(ErrorCode.ENOMEM);
  build.bufferAt = <u64>build.headLength;
  // An older image dies first: what follows may be cut short at any write.
  const code = deviceWrite(build.device, 0, build.head, block);
  if (code !== ErrorCode.OK) return code;
  sha256Begin(build.hashState);
  build.remaining = load<u64>(build.table, RO_NODE_LENGTH);
  const skipped = skipEmpty(build);
  return skipped === ErrorCode.OK ? deviceFlush(build.device) : skipped;
}

/** The next content bytes. EINVAL: more than the nodes have. */
export function buildWrite(build: Build, address: usize, length: u32): ErrorCode {
  if (!build.laidOut || build.finished || build.buffer === 0) return failPlain(ErrorCode.EINVAL);
  while (length > 0) {
    if (build.current === build.nodes) return failPlain(ErrorCode.EINVAL);
    const piece = <u32>min<u64>(<u64>length, build.remaining);
    sha256Update(build.hashState, address, piece);
    let code = append(build, address, piece);
    if (code !== ErrorCode.OK) return code;
    address += piece;
    length -= piece;
    build.remaining -= <u64>piece;
    if (build.remaining !== 0) continue;
    code = endContent(build);
    if (code === ErrorCode.OK) code = skipEmpty(build);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

/** Writes what is left, the index, and, behind a FLUSH, the superblock: then it is an image. */
export function buildFinish(build: Build): ErrorCode {
  if (!build.laidOut || build.finished || build.current !== build.nodes || build.buffer === 0) {
    return failPlain(ErrorCode.EINVAL);
  }
  build.finished = true;
  const device = build.device;
  const block = device.blockSize;
  const used = <u32>(build.sectors << SECTOR_SHIFT) & (block - 1);
  let code = build.bufferLength > 0 && used !== 0 ? appendZeros(build, block - used) : ErrorCode.OK;
  if (code === ErrorCode.OK) code = drain(build);
  if (code !== ErrorCode.OK) return code;
  const index = build.head + SECTOR_SIZE;
  const nodesLength = build.nodes * RO_NODE_SIZE;
  memory.copy(index, build.table, nodesLength);
  memory.copy(index + nodesLength, build.names, build.namesLength);
  superblock(build, index, nodesLength + build.namesLength);
  const after = <u64>(block >>> SECTOR_SHIFT);
  if (build.headLength > block) {
    code = deviceWrite(device, after, build.head + block, build.headLength - block);
  }
  if (code === ErrorCode.OK) code = deviceFlush(device);
  // From here on the image is what the device holds.
  if (code === ErrorCode.OK) code = deviceWrite(device, 0, build.head, block);
  return code === ErrorCode.OK ? deviceFlush(device) : code;
}

function superblock(build: Build, index: usize, indexLength: u32): void {
  const out = build.head;
  store<u32>(out, RO_MAGIC_LOW);
  store<u32>(out, RO_MAGIC_HIGH, 4);
  store<u16>(out, <u16>RO_MAJOR, RO_SUPERBLOCK_MAJOR);
  store<u16>(out, <u16>RO_MINOR, RO_SUPERBLOCK_MINOR);
  store<u32>(out, build.nodes, RO_SUPERBLOCK_NODES);
  memory.copy(out + RO_SUPERBLOCK_UUID, build.uuid, 16);
  store<u64>(out, build.sectors, RO_SUPERBLOCK_SECTORS);
  store<u64>(out, <u64>RO_INDEX_LBA, RO_SUPERBLOCK_INDEX_LBA);
  store<u64>(out, <u64>indexLength, RO_SUPERBLOCK_INDEX_LENGTH);
  store<u64>(out, build.dataLba, RO_SUPERBLOCK_DATA_LBA);
  sha256(index, indexLength, out + RO_SUPERBLOCK_INDEX_HASH);
  store<u64>(out, xxh64(out, RO_SUPERBLOCK_CHECKSUM, 0), RO_SUPERBLOCK_CHECKSUM);
}

/** Ends every node that needs no more content; directories have no hash. */
function skipEmpty(build: Build): ErrorCode {
  while (build.current < build.nodes && build.remaining === 0) {
    const code = endContent(build);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

/** Keeps the hash of the current node, pads its last sector, goes on to the next. */
function endContent(build: Build): ErrorCode {
  const node = build.table + <usize>(build.current * RO_NODE_SIZE);
  if (load<u8>(node, RO_NODE_TYPE) !== <u8>FileType.DIRECTORY) {
    sha256End(build.hashState, node + RO_NODE_HASH);
    sha256Begin(build.hashState);
  }
  const last = <u32>load<u64>(node, RO_NODE_LENGTH) & (SECTOR_SIZE - 1);
  build.current += 1;
  const following = node + RO_NODE_SIZE;
  build.remaining = build.current < build.nodes ? load<u64>(following, RO_NODE_LENGTH) : 0;
  return last === 0 ? ErrorCode.OK : appendZeros(build, SECTOR_SIZE - last);
}

function appendZeros(build: Build, length: u32): ErrorCode {
  memory.fill(padding, 0, SECTOR_SIZE);
  while (length > 0) {
    const piece = min<u32>(length, SECTOR_SIZE);
    const code = append(build, padding, piece);
    if (code !== ErrorCode.OK) return code;
    length -= piece;
  }
  return ErrorCode.OK;
}

/** Content goes to the rest of the head's last block first, then through the buffer. */
function append(build: Build, address: usize, length: u32): ErrorCode {
  const headAt = ((<u32>build.dataLba) << SECTOR_SHIFT) + build.headFilled;
  if (headAt < build.headLength) {
    const piece = min<u32>(length, build.headLength - headAt);
    memory.copy(build.head + headAt, address, piece);
    build.headFilled += piece;
    address += piece;
    length -= piece;
  }
  while (length > 0) {
    const piece = min<u32>(length, BUFFER_SIZE - build.bufferLength);
    memory.copy(build.buffer + build.bufferLength, address, piece);
    build.bufferLength += piece;
    address += piece;
    length -= piece;
    if (build.bufferLength < BUFFER_SIZE) continue;
    const code = drain(build);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

function drain(build: Build): ErrorCode {
  const length = build.bufferLength;
  if (length === 0) return ErrorCode.OK;
  const sector = build.bufferAt >>> SECTOR_SHIFT;
  build.bufferLength = 0;
  build.bufferAt += <u64>length;
  return deviceWrite(build.device, sector, build.buffer, length);
}
