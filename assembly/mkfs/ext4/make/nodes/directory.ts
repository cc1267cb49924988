/**
 * Directories: one block of entries in the order of the nodes, or, where that is not enough, an
 * index over blocks of entries ordered by their hash:
 *
 *     root of the index | its nodes, if there are many blocks | blocks of entries, by hash
 */
import { allocate, release } from "../../../../engine/memory";
import { ErrorCode } from "../../../../format/errors";
import { Ext4Kind } from "../../../../format/media/calls-ext4-build";
import { BLOCK_SIZE } from "../../../../format/media/ext4";
import {
  ENTRY_INODE,
  ENTRY_LENGTH,
  ENTRY_NAME_LENGTH,
  ENTRY_SIZE,
  ENTRY_TYPE,
  ENTRY_TYPE_DIRECTORY,
  ENTRY_TYPE_TAIL,
  HASH_HALF_MD4,
  INDEX_ENTRY_BLOCK,
  INDEX_ENTRY_SIZE,
  INDEX_INFO_LENGTH,
  INDEX_LIMIT_NODE,
  INDEX_LIMIT_ROOT,
  INDEX_NODE_LENGTH,
  INDEX_NODE_LIMIT,
  INDEX_ROOT_HASH_VERSION,
  INDEX_ROOT_INFO_LENGTH,
  INDEX_ROOT_LEVELS,
  INDEX_ROOT_LIMIT,
  INDEX_TAIL_CHECKSUM,
  LEAF_TAIL_CHECKSUM,
  LEAF_TAIL_LENGTH,
  LEAF_TAIL_SIZE,
  LEAF_TAIL_TYPE,
} from "../../../../format/media/ext4-names";
import { halfMd4, minorHash } from "../../base/hash";
import { indexSum, indexTailAt, leafSum } from "../../base/sums";
import { Build, LOST_FOUND, Node, nodeAt, ROOT, resolved } from "../base/build";
import { blockOut, following } from "../base/space";

const LEAF_ROOM: u32 = BLOCK_SIZE - LEAF_TAIL_SIZE;
/** "." and "..", each with its name padded. */
const DOTS_SIZE: u32 = 24;
/** A name to be ordered: hash, the second hash, number of its node. */
const KEY_SIZE: u32 = 12;

function entrySize(nameLength: u32): u32 {
  return (ENTRY_SIZE + nameLength + 3) & ~3;
}

function child(build: Build, folder: Node, index: u32): u32 {
  return load<u32>(build.order + ((<usize>(folder.order + index)) << 2));
}

function hashOf(build: Build, number: u32): u32 {
  const node = nodeAt(build, number);
  return halfMd4(build.names + node.name, node.nameLength, build.hashSeed, true);
}

function isLinear(build: Build, folder: Node): bool {
  let bytes: u32 = DOTS_SIZE;
  for (let index: u32 = 0; index < folder.children && bytes <= LEAF_ROOM; index++) {
    bytes += entrySize(nodeAt(build, child(build, folder, index)).nameLength);
  }
  return bytes <= LEAF_ROOM;
}

/** Has the directory an index? Known from its blocks: lost+found has empty ones behind the first. */
export function isIndexed(build: Build, number: u32): bool {
  return !isLinear(build, nodeAt(build, number));
}

/**
 * Blocks that a directory takes; one with an index has its names ordered by hash from here on.
 * ENOMEM; EFBIG: more names than an index of two levels has room for.
 */
export function directoryBlocks(build: Build, number: u32): i32 {
  const folder = nodeAt(build, number);
  if (isLinear(build, folder)) return 1;
  if (!orderByHash(build, folder)) return ErrorCode.ENOMEM;
  const leaves = leavesOf(build, folder);
  const nodes = nodesOver(leaves);
  return nodes > INDEX_LIMIT_ROOT ? ErrorCode.EFBIG : <i32>(1 + nodes + leaves);
}

/** Nodes between the root and `leaves` blocks of entries. */
function nodesOver(leaves: u32): u32 {
  return leaves <= INDEX_LIMIT_ROOT ? 0 : (leaves + INDEX_LIMIT_NODE - 1) / INDEX_LIMIT_NODE;
}

function leavesOf(build: Build, folder: Node): u32 {
  let leaves: u32 = 0;
  for (let index: u32 = 0; index < folder.children; leaves++)
    index += leafCount(build, folder, index);
  return leaves;
}

/** How many names from `from` on fit into one block. */
function leafCount(build: Build, folder: Node, from: u32): u32 {
  let bytes: u32 = 0;
  let index = from;
  for (; index < folder.children; index++) {
    bytes += entrySize(nodeAt(build, child(build, folder, index)).nameLength);
    if (bytes > LEAF_ROOM) break;
  }
  return index - from;
}

/** Heapsort of the names of a directory by hash, second hash and number. */
function orderByHash(build: Build, folder: Node): bool {
  const count = folder.children;
  const keys = allocate(count * KEY_SIZE);
  if (keys === 0) return false;
  for (let index: u32 = 0; index < count; index++) {
    const key = keys + <usize>(index * KEY_SIZE);
    const number = child(build, folder, index);
    store<u32>(key, hashOf(build, number));
    store<u32>(key, minorHash, 4);
    store<u32>(key, number, 8);
  }
  for (let index = count >>> 1; index > 0; index--) sink(keys, index - 1, count);
  for (let end = count - 1; end > 0; end--) {
    swap(keys, keys + <usize>(end * KEY_SIZE));
    sink(keys, 0, end);
  }
  for (let index: u32 = 0; index < count; index++) {
    const number = load<u32>(keys + <usize>(index * KEY_SIZE), 8);
    store<u32>(build.order + ((<usize>(folder.order + index)) << 2), number);
  }
  release(keys, count * KEY_SIZE);
  return true;
}

function sink(keys: usize, from: u32, end: u32): void {
  let at = from;
  for (;;) {
    let below: u32 = 2 * at + 1;
    if (below >= end) return;
    const left = keys + <usize>(below * KEY_SIZE);
    if (below + 1 < end && isBefore(left, left + KEY_SIZE)) below += 1;
    const lower = keys + <usize>(below * KEY_SIZE);
    const upper = keys + <usize>(at * KEY_SIZE);
    if (!isBefore(upper, lower)) return;
    swap(upper, lower);
    at = below;
  }
}

function isBefore(one: usize, other: usize): bool {
  if (load<u32>(one) !== load<u32>(other)) return load<u32>(one) < load<u32>(other);
  if (load<u32>(one, 4) !== load<u32>(other, 4)) return load<u32>(one, 4) < load<u32>(other, 4);
  return load<u32>(one, 8) < load<u32>(other, 8);
}

function swap(one: usize, other: usize): void {
  const head = load<u64>(one);
  const tail = load<u32>(one, 8);
  store<u64>(one, load<u64>(other));
  store<u32>(one, load<u32>(other, 8), 8);
  store<u64>(other, head);
  store<u32>(other, tail, 8);
}

/** Writes the blocks of a directory. `seed`: of the checksums of its inode. */
export function directoryWrite(build: Build, number: u32, seed: u32): ErrorCode {
  const folder = nodeAt(build, number);
  if (isIndexed(build, number)) return indexWrite(build, number, seed);
  let at = <u64>folder.first;
  let block = blockOut(build, at);
  if (block === 0) return ErrorCode.EIO;
  let entry = dotsStore(build, block, number);
  let last = block + 12;
  for (let index: u32 = 0; index < folder.children; index++) {
    last = entry;
    entry += entryStore(build, entry, child(build, folder, index));
  }
  store<u16>(last, <u16>(block + LEAF_ROOM - last), ENTRY_LENGTH);
  tailStore(block, seed);
  for (let rest: u32 = 1; rest < folder.blocks && number === LOST_FOUND; rest++) {
    at = following(build, at);
    block = blockOut(build, at);
    if (block === 0) return ErrorCode.EIO;
    store<u16>(block, LEAF_ROOM, ENTRY_LENGTH);
    tailStore(block, seed);
  }
  return ErrorCode.OK;
}

/** "." and ".."; where the next entry begins. */
function dotsStore(build: Build, block: usize, number: u32): usize {
  const folder = nodeAt(build, number);
  const above = number === ROOT ? folder : nodeAt(build, folder.parent);
  dotStore(block, folder.inode, 1);
  dotStore(block + 12, above.inode, 2);
  return block + DOTS_SIZE;
}

function dotStore(entry: usize, inode: u32, length: u32): void {
  store<u32>(entry, inode, ENTRY_INODE);
  store<u16>(entry, 12, ENTRY_LENGTH);
  store<u8>(entry, length, ENTRY_NAME_LENGTH);
  store<u8>(entry, ENTRY_TYPE_DIRECTORY, ENTRY_TYPE);
  store<u16>(entry, length === 1 ? 0x2e : 0x2e2e, ENTRY_SIZE);
}

/** Bytes of the entry. */
function entryStore(build: Build, entry: usize, number: u32): u32 {
  const node = nodeAt(build, number);
  const inode = resolved(build, number);
  const size = entrySize(node.nameLength);
  store<u32>(entry, inode.inode, ENTRY_INODE);
  store<u16>(entry, <u16>size, ENTRY_LENGTH);
  store<u8>(entry, node.nameLength, ENTRY_NAME_LENGTH);
  // Ext4Kind has the numbers of ENTRY_TYPE.
  store<u8>(entry, inode.kind, ENTRY_TYPE);
  memory.copy(entry + ENTRY_SIZE, build.names + node.name, node.nameLength);
  return size;
}

function tailStore(block: usize, seed: u32): void {
  const tail = block + LEAF_ROOM;
  store<u16>(tail, LEAF_TAIL_SIZE, LEAF_TAIL_LENGTH);
  store<u8>(tail, ENTRY_TYPE_TAIL, LEAF_TAIL_TYPE);
  store<u32>(tail, leafSum(seed, block, BLOCK_SIZE), LEAF_TAIL_CHECKSUM);
}

/** Root and nodes first: which hash each block begins with is found by a walk over the names. */
function indexWrite(build: Build, number: u32, seed: u32): ErrorCode {
  const folder = nodeAt(build, number);
  const leaves = leavesOf(build, folder);
  const nodes = nodesOver(leaves);
  let at = <u64>folder.first;
  const root = blockOut(build, at);
  if (root === 0) return ErrorCode.EIO;
  dotsStore(build, root, number);
  store<u16>(root + 12, <u16>(BLOCK_SIZE - 12), ENTRY_LENGTH);
  store<u8>(root, HASH_HALF_MD4, INDEX_ROOT_HASH_VERSION);
  store<u8>(root, INDEX_INFO_LENGTH, INDEX_ROOT_INFO_LENGTH);
  store<u8>(root, nodes > 0 ? 1 : 0, INDEX_ROOT_LEVELS);
  const perEntry = nodes > 0 ? INDEX_LIMIT_NODE : 1;
  countStore(root, INDEX_ROOT_LIMIT, INDEX_LIMIT_ROOT, nodes > 0 ? nodes : leaves);
  let index: u32 = 0;
  for (let leaf: u32 = 0; leaf < leaves; leaf++) {
    if (leaf % perEntry === 0) {
      const entry = leaf / perEntry;
      // The lowest level below the root: its nodes, or the blocks of entries.
      indexStore(root + INDEX_ROOT_LIMIT, entry, hashAt(build, folder, index), 1 + entry);
    }
    index += leafCount(build, folder, index);
  }
  indexSeal(root, INDEX_ROOT_LIMIT, seed);
  index = 0;
  for (let each: u32 = 0; each < nodes; each++) {
    at = following(build, at);
    const node = blockOut(build, at);
    if (node === 0) return ErrorCode.EIO;
    const from = each * INDEX_LIMIT_NODE;
    const count = min<u32>(INDEX_LIMIT_NODE, leaves - from);
    store<u16>(node, <u16>BLOCK_SIZE, INDEX_NODE_LENGTH);
    countStore(node, INDEX_NODE_LIMIT, INDEX_LIMIT_NODE, count);
    for (let leaf: u32 = 0; leaf < count; leaf++) {
      const block = 1 + nodes + from + leaf;
      indexStore(node + INDEX_NODE_LIMIT, leaf, hashAt(build, folder, index), block);
      index += leafCount(build, folder, index);
    }
    indexSeal(node, INDEX_NODE_LIMIT, seed);
  }
  return leavesWrite(build, folder, at, seed);
}

function leavesWrite(build: Build, folder: Node, from: u64, seed: u32): ErrorCode {
  let at = from;
  for (let index: u32 = 0; index < folder.children; ) {
    at = following(build, at);
    const block = blockOut(build, at);
    if (block === 0) return ErrorCode.EIO;
    const end = index + leafCount(build, folder, index);
    let entry = block;
    let last = block;
    for (; index < end; index++) {
      last = entry;
      entry += entryStore(build, entry, child(build, folder, index));
    }
    store<u16>(last, <u16>(block + LEAF_ROOM - last), ENTRY_LENGTH);
    tailStore(block, seed);
  }
  return ErrorCode.OK;
}

/** The hash a block begins with; bit 0: the block before ends with the same. */
function hashAt(build: Build, folder: Node, index: u32): u32 {
  const hash = hashOf(build, child(build, folder, index));
  if (index === 0) return 0;
  return hashOf(build, child(build, folder, index - 1)) === hash ? hash | 1 : hash;
}

function countStore(block: usize, at: u32, limit: u32, count: u32): void {
  store<u16>(block + at, <u16>limit);
  store<u16>(block + at, <u16>count, 2);
}

/** Entry `index`, of which the first has limit and count where the others have their hash. */
function indexStore(list: usize, index: u32, hash: u32, block: u32): void {
  const entry = list + <usize>(index * INDEX_ENTRY_SIZE);
  if (index > 0) store<u32>(entry, hash);
  store<u32>(entry, block, INDEX_ENTRY_BLOCK);
}

function indexSeal(block: usize, countAt: u32, seed: u32): void {
  store<u32>(indexTailAt(block, countAt), indexSum(seed, block, countAt), INDEX_TAIL_CHECKSUM);
}

if (Ext4Kind.DIRECTORY !== <i32>ENTRY_TYPE_DIRECTORY) ERROR("kinds have the numbers of entries");
