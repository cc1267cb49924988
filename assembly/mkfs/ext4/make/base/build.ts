/**
 * Builds an ext4 volume from a list of nodes and the content of its files, streamed. The same
 * nodes, content and options give the same bytes.
 *
 * Interface: buildOpen, buildNode for each node (parents before children) and xattrAdd, then
 * layout, then the content of the files in the order of the nodes, and finish. The superblock is
 * written last, behind a FLUSH, and an older one dies first: a volume cut short is no volume.
 */
import { nameCheck } from "../../../../engine/bytes";
import { Device, deviceClose } from "../../../../engine/device";
import { failPlain } from "../../../../engine/fault";
import { allocate, allocateZeroed, doubled, release } from "../../../../engine/memory";
import { ErrorCode } from "../../../../format/errors";
import {
  EXT4_NODE_BYTES,
  EXT4_NODE_GID,
  EXT4_NODE_KIND,
  EXT4_NODE_MAJOR,
  EXT4_NODE_MINOR,
  EXT4_NODE_MODE,
  EXT4_NODE_MODIFIED,
  EXT4_NODE_NANOSECONDS,
  EXT4_NODE_ORIGINAL,
  EXT4_NODE_PARENT,
  EXT4_NODE_UID,
  EXT4_OPTIONS_HASH_SEED,
  EXT4_OPTIONS_LABEL,
  EXT4_OPTIONS_ROOT_MODE,
  EXT4_OPTIONS_SIZE,
  EXT4_OPTIONS_TIMESTAMP,
  EXT4_OPTIONS_UUID,
  Ext4Kind,
} from "../../../../format/media/calls-ext4-build";
import { BLOCK_SIZE } from "../../../../format/media/ext4";
import { INODE_LINKS_MAX } from "../../../../format/media/ext4-inode";
import { TARGET_MAX } from "../../../../format/media/ext4-names";
import { GEOMETRY_ROOM, Geometry } from "../../base/geometry";
import { volumeSeed } from "../../base/sums";

/** One name; but for a LINK, one inode. Its number is its place in the table, the root's is 0. */
@unmanaged
export class Node {
  parent: u32;
  kind: Ext4Kind;
  mode: u32;
  uid: u32;
  gid: u32;
  links: u32;
  bytes: u64;
  modifiedS: i64;
  modifiedNs: u32;
  /** Place in the names, and of the target behind it. */
  name: u32;
  nameLength: u32;
  targetLength: u32;
  /** LINK: the number of the node it is; a device: its number as an inode has it. */
  other: u32;
  /** Place of its first attribute in the names, NONE without. */
  xattrs: u32;
  inode: u32;
  /** Of its content. */
  first: u32;
  blocks: u32;
  /** Of the nodes of its extents that are not in the inode. */
  tree: u32;
  treeBlocks: u32;
  xattrBlock: u32;
  /** Of a directory: names in it, and where they stand in `order`. */
  children: u32;
  order: u32;
}

export enum Stage {
  NODES = 0,
  LAID_OUT = 1,
  CONTENT = 2,
  FINISHED = 3,
  /** A write failed: what was gathered is lost. */
  FAILED = 4,
}

@unmanaged
export class Build {
  device: Device;
  geometry: Geometry;
  stage: Stage;
  timestampS: i64;
  timestampNs: u32;
  /** Seed of all checksums. */
  seed: u32;
  uuid: usize;
  hashSeed: usize;
  label: usize;
  table: usize;
  tableRoom: u32;
  nodes: u32;
  names: usize;
  namesRoom: u32;
  namesLength: u32;
  /** Numbers of nodes, the names of each directory together. */
  order: usize;
  /** The table of groups, in memory. */
  groups: usize;
  /** Spans of the journal, pairs of first block and end. */
  journal: usize;
  journalSpans: u32;
  journalTree: u64;
  resizeMap: u64;
  inodes: u32;
  /** Blocks below it are all in use. */
  frontier: u64;
  /** Blocks given out below the frontier. */
  taken: u64;
  /** What the layout did not find room for. */
  missing: u64;
  missingInodes: u64;
  /** Blocks that wait to be written, from block `at` on. */
  buffer: usize;
  filled: u32;
  at: u64;
  /** The run of blocks that content fills ends here. */
  runEnd: u64;
  /** The node whose content comes next, and what it still needs. */
  current: u32;
  remaining: u64;
}

export const NONE: u32 = 0xffffffff;
export const ROOT: u32 = 0;
export const LOST_FOUND: u32 = 1;
export const BUFFER_BYTES: u32 = 1 << 18;
export const JOURNAL_SPANS_MAX: u32 = 64;
const NODES_MAX: u32 = 1 << 23;
const NODES_FIRST: u32 = 64;
const NAMES_FIRST: u32 = 4096;
const NAMES_MAX: u32 = 1 << 29;
/** What 34 bits tell, up to 2310: e2fsck takes later times for ones before 1970, badly stored. */
export const SECONDS_MIN: i64 = -2147483648;
export const SECONDS_MAX: i64 = 10737418239;
const BUILD_BYTES: u32 = (offsetof<Build>() + 15) & ~15;
const JOURNAL_BYTES: u32 = JOURNAL_SPANS_MAX * 16;
const ROOM: u32 = BUILD_BYTES + EXT4_OPTIONS_SIZE + JOURNAL_BYTES + GEOMETRY_ROOM;
const lostFound: usize = memory.data<u8>([
  0x6c, 0x6f, 0x73, 0x74, 0x2b, 0x66, 0x6f, 0x75, 0x6e, 0x64,
]);
const LOST_FOUND_LENGTH: u32 = 10;

/** Begins a volume in the window, which the build takes over; null after a fault. */
export function buildOpen(device: Device, options: usize): Build | null {
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
  const kept = address + BUILD_BYTES;
  memory.copy(kept, options, EXT4_OPTIONS_SIZE);
  build.device = device;
  build.uuid = kept + EXT4_OPTIONS_UUID;
  build.hashSeed = kept + EXT4_OPTIONS_HASH_SEED;
  build.label = kept + EXT4_OPTIONS_LABEL;
  build.journal = kept + EXT4_OPTIONS_SIZE;
  build.geometry = changetype<Geometry>(build.journal + JOURNAL_BYTES);
  build.seed = volumeSeed(build.uuid);
  const timestamp = load<f64>(options, EXT4_OPTIONS_TIMESTAMP);
  const seconds = floor(timestamp / 1000);
  build.timestampS = <i64>seconds;
  build.timestampNs = <u32>((timestamp - seconds * 1000) * 1000000) % 1000000000;
  build.table = table;
  build.tableRoom = NODES_FIRST * offsetof<Node>();
  build.names = names;
  build.namesRoom = NAMES_FIRST;
  build.buffer = buffer;
  build.nodes = 2;
  addFolder(build, ROOT, load<u32>(options, EXT4_OPTIONS_ROOT_MODE) & 0o7777);
  addFolder(build, LOST_FOUND, 0o700);
  const lost = nodeAt(build, LOST_FOUND);
  lost.nameLength = LOST_FOUND_LENGTH;
  memory.copy(names, lostFound, LOST_FOUND_LENGTH);
  build.namesLength = LOST_FOUND_LENGTH;
  const root = nodeAt(build, ROOT);
  root.children = 1;
  root.links = 3;
  return build;
}

function addFolder(build: Build, number: u32, mode: u32): void {
  const node = nodeAt(build, number);
  node.kind = Ext4Kind.DIRECTORY;
  node.mode = mode;
  node.links = 2;
  node.xattrs = NONE;
  node.modifiedS = build.timestampS;
  node.modifiedNs = build.timestampNs;
}

/** Releases everything, the device window too; what was not finished is no volume. */
export function buildClose(build: Build): void {
  deviceClose(build.device);
  release(build.order, build.nodes * 4);
  release(build.groups, build.geometry.descriptorBlocks * BLOCK_SIZE);
  release(build.table, build.tableRoom);
  release(build.names, build.namesRoom);
  release(build.buffer, BUFFER_BYTES);
  release(changetype<usize>(build), ROOM);
}

export function nodeAt(build: Build, number: u32): Node {
  return changetype<Node>(build.table + <usize>(number * offsetof<Node>()));
}

/** The inode that a name leads to. */
export function resolved(build: Build, number: u32): Node {
  const node = nodeAt(build, number);
  return node.kind === Ext4Kind.LINK ? nodeAt(build, node.other) : node;
}

/**
 * Adds a node (EXT4_NODE at `given`); its number. EINVAL, ENOTDIR, ENAMETOOLONG, EMLINK, EFBIG.
 * That no name stands twice in a directory is the caller's to see.
 */
export function buildNode(
  build: Build,
  given: usize,
  name: usize,
  nameLength: u32,
  target: usize,
  targetLength: u32,
): i32 {
  if (build.stage !== Stage.NODES) return failPlain(ErrorCode.EINVAL);
  if (build.nodes === NODES_MAX) return failPlain(ErrorCode.EFBIG);
  const kind: Ext4Kind = load<u32>(given, EXT4_NODE_KIND);
  const parent = load<u32>(given, EXT4_NODE_PARENT);
  let code = nameCheck(name, nameLength);
  // ext4 takes any bytes in a name but "/" and NUL.
  if (code === ErrorCode.EILSEQ) code = ErrorCode.OK;
  if (code === ErrorCode.OK) code = checkNode(build, given, kind, targetLength);
  if (code !== ErrorCode.OK) return failPlain(code);
  const isLost =
    parent === ROOT &&
    nameLength === LOST_FOUND_LENGTH &&
    memory.compare(name, lostFound, LOST_FOUND_LENGTH) === 0;
  if (isLost) {
    if (kind !== Ext4Kind.DIRECTORY) return failPlain(ErrorCode.EEXIST);
    fill(nodeAt(build, LOST_FOUND), given);
    return LOST_FOUND;
  }
  code = makeRoom(build, nameLength + targetLength);
  if (code !== ErrorCode.OK) return failPlain(code);
  return append(build, given, kind, parent, name, nameLength, target, targetLength);
}

function append(
  build: Build,
  given: usize,
  kind: Ext4Kind,
  parent: u32,
  name: usize,
  nameLength: u32,
  target: usize,
  targetLength: u32,
): i32 {
  const number = build.nodes;
  const node = nodeAt(build, number);
  const above = nodeAt(build, parent);
  memory.fill(changetype<usize>(node), 0, offsetof<Node>());
  node.parent = parent;
  node.kind = kind;
  node.xattrs = NONE;
  node.links = kind === Ext4Kind.DIRECTORY ? 2 : 1;
  fill(node, given);
  node.name = build.namesLength;
  node.nameLength = nameLength;
  node.targetLength = targetLength;
  memory.copy(build.names + build.namesLength, name, nameLength);
  memory.copy(build.names + build.namesLength + nameLength, target, targetLength);
  build.namesLength += nameLength + targetLength;
  if (kind === Ext4Kind.LINK) {
    node.other = load<u32>(given, EXT4_NODE_ORIGINAL);
    nodeAt(build, node.other).links += 1;
  }
  if (kind === Ext4Kind.CHARACTER || kind === Ext4Kind.BLOCK) {
    const major = load<u32>(given, EXT4_NODE_MAJOR);
    const minor = load<u32>(given, EXT4_NODE_MINOR);
    node.other = (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
  }
  above.children += 1;
  if (kind === Ext4Kind.DIRECTORY) above.links += 1;
  build.nodes = number + 1;
  return <i32>number;
}

function fill(node: Node, given: usize): void {
  node.mode = load<u32>(given, EXT4_NODE_MODE);
  node.uid = load<u32>(given, EXT4_NODE_UID);
  node.gid = load<u32>(given, EXT4_NODE_GID);
  node.bytes = <u64>load<f64>(given, EXT4_NODE_BYTES);
  node.modifiedS = <i64>load<f64>(given, EXT4_NODE_MODIFIED);
  node.modifiedNs = load<u32>(given, EXT4_NODE_NANOSECONDS);
}

/** Numbers of a node. That of 2^32 blocks and more is EFBIG: a file has 32 bits of them. */
function checkNode(build: Build, given: usize, kind: Ext4Kind, targetLength: u32): ErrorCode {
  const parent = load<u32>(given, EXT4_NODE_PARENT);
  if (parent >= build.nodes) return ErrorCode.EINVAL;
  if (nodeAt(build, parent).kind !== Ext4Kind.DIRECTORY) return ErrorCode.ENOTDIR;
  const bytes = load<f64>(given, EXT4_NODE_BYTES);
  const modified = load<f64>(given, EXT4_NODE_MODIFIED);
  if (kind < Ext4Kind.FILE || kind > Ext4Kind.LINK) return ErrorCode.EINVAL;
  if (!(bytes >= 0) || floor(bytes) !== bytes) return ErrorCode.EINVAL;
  if (bytes > 17592186040320) return ErrorCode.EFBIG;
  if (bytes > 0 && kind !== Ext4Kind.FILE) return ErrorCode.EINVAL;
  if (!(modified >= <f64>SECONDS_MIN && modified <= <f64>SECONDS_MAX)) return ErrorCode.EINVAL;
  if (load<u32>(given, EXT4_NODE_NANOSECONDS) >= 1000000000) return ErrorCode.EINVAL;
  if (load<u32>(given, EXT4_NODE_MODE) > 0o7777) return ErrorCode.EINVAL;
  if (kind === Ext4Kind.SYMLINK && targetLength > TARGET_MAX) return ErrorCode.ENAMETOOLONG;
  if (targetLength > 0 !== (kind === Ext4Kind.SYMLINK)) return ErrorCode.EINVAL;
  if (kind === Ext4Kind.CHARACTER || kind === Ext4Kind.BLOCK) {
    if (load<u32>(given, EXT4_NODE_MAJOR) >= 1 << 12) return ErrorCode.EINVAL;
    if (load<u32>(given, EXT4_NODE_MINOR) >= 1 << 20) return ErrorCode.EINVAL;
  }
  if (kind !== Ext4Kind.LINK) return ErrorCode.OK;
  const original = load<u32>(given, EXT4_NODE_ORIGINAL);
  if (original >= build.nodes) return ErrorCode.EINVAL;
  const node = nodeAt(build, original);
  if (node.kind === Ext4Kind.DIRECTORY || node.kind === Ext4Kind.LINK) return ErrorCode.EPERM;
  return node.links >= INODE_LINKS_MAX ? ErrorCode.EMLINK : ErrorCode.OK;
}

/** Room for one node more and `bytes` of names; both blocks double. */
export function makeRoom(build: Build, bytes: u32): ErrorCode {
  if ((build.nodes + 1) * offsetof<Node>() > build.tableRoom) {
    const table = doubled(build.table, build.tableRoom);
    if (table === 0) return ErrorCode.ENOMEM;
    build.table = table;
    build.tableRoom <<= 1;
  }
  while (build.namesLength + bytes > build.namesRoom) {
    const names: usize = build.namesRoom >= NAMES_MAX ? 0 : doubled(build.names, build.namesRoom);
    if (names === 0) return ErrorCode.ENOMEM;
    build.names = names;
    build.namesRoom <<= 1;
  }
  return ErrorCode.OK;
}
