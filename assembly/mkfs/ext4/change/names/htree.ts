/**
 * The index of a directory: made when it gets its second block, and grown name by name. A block of
 * entries that is full is split by the hashes of its names, a full node in the middle, and a full
 * root goes one level down.
 */
import { failPlain, lastFault } from "../../../../engine/fault";
import { Reason } from "../../../../format/abi";
import { ErrorCode } from "../../../../format/errors";
import {
  INCOMPATIBLE_LARGE_DIRECTORY,
  SUPER_HASH_SEED,
  SUPER_HASH_VERSION,
} from "../../../../format/media/ext4";
import { INODE_FLAG_INDEX, INODE_FLAGS } from "../../../../format/media/ext4-inode";
import {
  ENTRY_LENGTH,
  INDEX_ENTRY_BLOCK,
  INDEX_ENTRY_SIZE,
  INDEX_INFO_LENGTH,
  INDEX_LEVELS_MAX,
  INDEX_NODE_LENGTH,
  INDEX_NODE_LIMIT,
  INDEX_ROOT_FLAGS,
  INDEX_ROOT_HASH_VERSION,
  INDEX_ROOT_INFO_LENGTH,
  INDEX_ROOT_LEVELS,
  INDEX_ROOT_LIMIT,
  INDEX_ROOT_PARENT_NAME_LENGTH,
  INDEX_TAIL_SIZE,
} from "../../../../format/media/ext4-names";
import { isHash, nameHash } from "../../base/hash";
import {
  directoryBlocks,
  entryLength,
  hashVersion,
  INDEX_BLOCK_MASK,
  indexFits,
  isIndexNode,
} from "../../read/directory";
import { inodeFail } from "../../read/inode";
import { Ext4, Inode } from "../../read/volume";
import { Change } from "../base/state";
import { entryPut, indexSeal, leafSeal } from "./entries";
import { directoryChange, directoryGrow } from "./grow";
import { orderHash, orderMiddle, orderPut, orderTake } from "./order";

const DOT_LENGTH: u32 = 12;
/** Each step adds a level, splits a node or splits the block: more than these are damage. */
const STEPS_MAX: u32 = 16;
/** Root and nodes on the way down, which block of the directory, and which entry was followed. */
const path: usize = memory.data(16, 8);
const places: usize = memory.data(16, 8);
const followed: usize = memory.data(16, 8);
let levels: u32 = 0;
let hash: u32 = 0;
let version: u32 = 0;
let leaf: u32 = 0;

/** Turns a directory of one block into one with an index over one block of entries. */
export function indexMake(change: Change, inode: Inode): ErrorCode {
  const ext4 = change.ext4;
  const fresh = directoryGrow(change, inode);
  if (fresh === 0) return lastFault();
  const root = directoryChange(change, inode, 0);
  if (root === 0) return lastFault();
  const kind = <u32>load<u8>(ext4.super, SUPER_HASH_VERSION);
  const isDots =
    entryLength(root) === DOT_LENGTH && <u32>load<u8>(root, INDEX_ROOT_PARENT_NAME_LENGTH) === 2;
  if (!isDots || !isHash(kind)) return inodeFail(ext4, inode, Reason.EXT4_DIRECTORY);
  const first = DOT_LENGTH + entryLength(root + <usize>DOT_LENGTH);
  const count = orderTake(ext4, root, first, hashVersion(ext4, kind));
  orderPut(ext4, 0, count, fresh);
  leafSeal(ext4, inode, fresh);
  memory.fill(root + 2 * DOT_LENGTH, 0, ext4.blockSize - 2 * DOT_LENGTH);
  store<u16>(root + DOT_LENGTH, <u16>(ext4.blockSize - DOT_LENGTH), ENTRY_LENGTH);
  store<u8>(root, <u8>kind, INDEX_ROOT_HASH_VERSION);
  store<u8>(root, <u8>INDEX_INFO_LENGTH, INDEX_ROOT_INFO_LENGTH);
  countStore(root, INDEX_ROOT_LIMIT, roomOf(ext4, INDEX_ROOT_LIMIT), 1);
  store<u32>(root + INDEX_ROOT_LIMIT, 1, INDEX_ENTRY_BLOCK);
  store<u32>(inode.raw, inode.flags | INODE_FLAG_INDEX, INODE_FLAGS);
  inode.flags |= INODE_FLAG_INDEX;
  indexSeal(ext4, inode, root, INDEX_ROOT_LIMIT);
  return ErrorCode.OK;
}

/** Adds an entry to a directory with an index. ENOSPC, EFBIG (the index is full), EBADMSG, EIO. */
export function indexAdd(
  change: Change,
  inode: Inode,
  name: usize,
  length: u32,
  number: u32,
  type: u32,
): ErrorCode {
  const ext4 = change.ext4;
  for (let step: u32 = 0; step < STEPS_MAX; step++) {
    const found = probe(change, inode, name, length);
    if (found !== ErrorCode.OK) return found;
    const block = directoryChange(change, inode, leaf);
    if (block === 0) return lastFault();
    if (entryPut(ext4, block, name, length, number, type) === ErrorCode.OK) {
      leafSeal(ext4, inode, block);
      return ErrorCode.OK;
    }
    const code = isFull(levels) ? makeRoom(change, inode) : splitLeaf(change, inode, block);
    if (code !== ErrorCode.OK) return code;
  }
  return inodeFail(ext4, inode, Reason.EXT4_DIRECTORY);
}

/** Goes down to the block of entries for a name: `path`, `followed`, `leaf`. */
function probe(change: Change, inode: Inode, name: usize, length: u32): ErrorCode {
  const ext4 = change.ext4;
  const blocks = directoryBlocks(ext4, inode);
  if (blocks === 0) return lastFault();
  let index: u32 = 0;
  levels = 0;
  for (let level: u32 = 0; level <= levels; level++) {
    const block = directoryChange(change, inode, index);
    if (block === 0) return lastFault();
    store<u32>(places + <usize>(level << 2), index);
    if (level === 0) {
      version = hashVersion(ext4, <u32>load<u8>(block, INDEX_ROOT_HASH_VERSION));
      levels = <u32>load<u8>(block, INDEX_ROOT_LEVELS);
      const isKnown = isHash(version) && (load<u8>(block, INDEX_ROOT_FLAGS) & 1) === 0;
      if (!isKnown || levels > levelsMax(ext4)) return wrong(ext4, inode);
      hash = nameHash(version, name, length, ext4.super + SUPER_HASH_SEED);
    } else if (!isIndexNode(ext4, block)) {
      return wrong(ext4, inode);
    }
    const countAt = countPlace(level);
    if (!indexFits(ext4, block, countAt)) return wrong(ext4, inode);
    const first = block + <usize>countAt;
    let low: u32 = 0;
    let high = <u32>load<u16>(first, 2);
    while (low + 1 < high) {
      const middle = (low + high) >>> 1;
      if ((load<u32>(first + <usize>(middle * INDEX_ENTRY_SIZE)) & ~1) <= hash) low = middle;
      else high = middle;
    }
    store<u32>(path + <usize>(level << 2), <u32>block);
    store<u32>(followed + <usize>(level << 2), low);
    index =
      load<u32>(first + <usize>(low * INDEX_ENTRY_SIZE), INDEX_ENTRY_BLOCK) & INDEX_BLOCK_MASK;
    if (index >= blocks || isOnPath(level, index)) return wrong(ext4, inode);
  }
  leaf = index;
  return ErrorCode.OK;
}

/** True if block `index` of the directory was met on the way down to `level`: the root was. */
function isOnPath(level: u32, index: u32): bool {
  for (let above: u32 = 0; above <= level; above++) {
    if (load<u32>(places + <usize>(above << 2)) === index) return true;
  }
  return false;
}

/** Moves the upper half of a block of entries to a new one, which gets its place in the index. */
function splitLeaf(change: Change, inode: Inode, block: usize): ErrorCode {
  const ext4 = change.ext4;
  const count = orderTake(ext4, block, 0, version);
  // A block without two entries has room for any name.
  if (count < 2) return wrong(ext4, inode);
  const logical = <u32>(inode.size >>> ext4.blockShift);
  const fresh = directoryGrow(change, inode);
  if (fresh === 0) return lastFault();
  const middle = orderMiddle(ext4);
  orderPut(ext4, 0, middle, block);
  orderPut(ext4, middle, count, fresh);
  leafSeal(ext4, inode, block);
  leafSeal(ext4, inode, fresh);
  const lowest = orderHash(middle);
  // A hash that stands on both sides is marked, so that a search goes on to the next block.
  const isOnBoth = orderHash(middle - 1) === lowest;
  return insert(ext4, inode, levels, isOnBoth ? lowest | 1 : lowest, logical);
}

/** The lowest level of the index is full: splits the highest full node below one with room. */
function makeRoom(change: Change, inode: Inode): ErrorCode {
  const ext4 = change.ext4;
  let level = levels;
  while (level > 0 && isFull(level - 1)) level -= 1;
  if (level === 0) return deepen(change, inode);
  const node = nodeAt(level);
  const logical = <u32>(inode.size >>> ext4.blockShift);
  const fresh = nodeNew(change, inode);
  if (fresh === 0) return lastFault();
  const from = node + <usize>INDEX_NODE_LIMIT;
  const count = <u32>load<u16>(from, 2);
  const kept = count >>> 1;
  const upper = from + <usize>(kept * INDEX_ENTRY_SIZE);
  const lowest = load<u32>(upper);
  memory.copy(fresh + INDEX_NODE_LIMIT, upper, (count - kept) * INDEX_ENTRY_SIZE);
  countStore(fresh, INDEX_NODE_LIMIT, roomOf(ext4, INDEX_NODE_LIMIT), count - kept);
  store<u16>(from, <u16>kept, 2);
  indexSeal(ext4, inode, node, INDEX_NODE_LIMIT);
  indexSeal(ext4, inode, fresh, INDEX_NODE_LIMIT);
  return insert(ext4, inode, level - 1, lowest, logical);
}

/** The entries of the root go to a node, which becomes its only one. */
function deepen(change: Change, inode: Inode): ErrorCode {
  const ext4 = change.ext4;
  if (levels >= levelsMax(ext4)) return failPlain(ErrorCode.EFBIG);
  const root = nodeAt(0);
  const logical = <u32>(inode.size >>> ext4.blockShift);
  const fresh = nodeNew(change, inode);
  if (fresh === 0) return lastFault();
  const from = root + <usize>INDEX_ROOT_LIMIT;
  const count = <u32>load<u16>(from, 2);
  memory.copy(fresh + INDEX_NODE_LIMIT, from, count * INDEX_ENTRY_SIZE);
  countStore(fresh, INDEX_NODE_LIMIT, roomOf(ext4, INDEX_NODE_LIMIT), count);
  indexSeal(ext4, inode, fresh, INDEX_NODE_LIMIT);
  store<u16>(from, 1, 2);
  store<u32>(from, logical, INDEX_ENTRY_BLOCK);
  store<u8>(root, <u8>(levels + 1), INDEX_ROOT_LEVELS);
  indexSeal(ext4, inode, root, INDEX_ROOT_LIMIT);
  return ErrorCode.OK;
}

/** A node without entries; 0 after a fault. */
function nodeNew(change: Change, inode: Inode): usize {
  const fresh = directoryGrow(change, inode);
  if (fresh === 0) return 0;
  store<u16>(fresh, <u16>change.ext4.blockSize, INDEX_NODE_LENGTH);
  return fresh;
}

/** Adds an entry to the node at `level`, which has room, behind the one that was followed. */
function insert(ext4: Ext4, inode: Inode, level: u32, lowest: u32, logical: u32): ErrorCode {
  const node = nodeAt(level);
  const countAt = countPlace(level);
  const first = node + <usize>countAt;
  const count = <u32>load<u16>(first, 2);
  const index = load<u32>(followed + <usize>(level << 2)) + 1;
  const holds = indexFits(ext4, node, countAt) && !isFull(level) && index <= count;
  if (!holds) return wrong(ext4, inode);
  const entry = first + <usize>(index * INDEX_ENTRY_SIZE);
  memory.copy(entry + INDEX_ENTRY_SIZE, entry, (count - index) * INDEX_ENTRY_SIZE);
  store<u32>(entry, lowest);
  store<u32>(entry, logical, INDEX_ENTRY_BLOCK);
  store<u16>(first, <u16>(count + 1), 2);
  indexSeal(ext4, inode, node, countAt);
  return ErrorCode.OK;
}

function nodeAt(level: u32): usize {
  return load<u32>(path + <usize>(level << 2));
}

function countPlace(level: u32): u32 {
  return level === 0 ? INDEX_ROOT_LIMIT : INDEX_NODE_LIMIT;
}

function isFull(level: u32): bool {
  const first = nodeAt(level) + <usize>countPlace(level);
  return load<u16>(first, 2) >= load<u16>(first);
}

function levelsMax(ext4: Ext4): u32 {
  const isLarge = (ext4.incompatible & INCOMPATIBLE_LARGE_DIRECTORY) !== 0;
  return isLarge ? INDEX_LEVELS_MAX + 1 : INDEX_LEVELS_MAX;
}

/** Entries that fit behind `countAt`. */
function roomOf(ext4: Ext4, countAt: u32): u32 {
  const tail: u32 = ext4.hasChecksums ? INDEX_TAIL_SIZE : 0;
  return (ext4.blockSize - countAt - tail) / INDEX_ENTRY_SIZE;
}

function countStore(block: usize, at: u32, limit: u32, count: u32): void {
  store<u16>(block + at, <u16>limit);
  store<u16>(block + at, <u16>count, 2);
}

function wrong(ext4: Ext4, inode: Inode): ErrorCode {
  return inodeFail(ext4, inode, Reason.EXT4_DIRECTORY);
}
