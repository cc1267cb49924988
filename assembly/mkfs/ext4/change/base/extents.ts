/**
 * Trees of extents that grow at their end, leaf by leaf, each filled before the next; and all that
 * a tree takes given back.
 */
import { failPlain, lastFault } from "../../../../engine/fault";
import { ErrorCode } from "../../../../format/errors";
import { Ext4Refusal } from "../../../../format/media/calls-ext4";
import {
  EXTENT_BLOCK,
  EXTENT_INDEX_BLOCK,
  EXTENT_INDEX_LEAF_HIGH,
  EXTENT_INDEX_LEAF_LOW,
  EXTENT_LENGTH,
  EXTENT_LENGTH_MAX,
  EXTENT_MAGIC,
  EXTENT_SIZE,
  EXTENT_START_HIGH,
  EXTENT_START_LOW,
  EXTENTS_COUNT,
  EXTENTS_DEPTH,
  EXTENTS_DEPTH_MAX,
  EXTENTS_MAGIC,
  EXTENTS_MAX,
  EXTENTS_SIZE,
  INODE_BLOCK,
  INODE_FLAG_EXTENTS,
} from "../../../../format/media/ext4-inode";
import { extentSum, extentTailAt } from "../../base/sums";
import {
  extentCount,
  extentStart,
  indexLeaf,
  nodeFrame,
  nodeUse,
  rootDepth,
} from "../../read/extents";
import { Inode } from "../../read/volume";
import { sectorsStore } from "./inodes";
import { spaceFree, spaceOne } from "./space";
import { blockChange, blockFresh, Change, RUN_METADATA, refuse } from "./state";

const END: u64 = 1 << 32;
/** Addresses and blocks of the nodes from the root to the last leaf; the root's block is 0. */
const path: usize = memory.data(48, 8);
const pathBlocks: usize = memory.data(48, 8);

/**
 * Adds `count` blocks from `start` on as the blocks `logical` and behind it, which is the end of
 * the file. Nodes come from near `start`. `inode` is stored by the caller. ENOSPC, EBADMSG, EIO.
 */
export function extentsAppend(
  change: Change,
  inode: Inode,
  logical: u32,
  start: u64,
  count: u32,
): ErrorCode {
  while (count > 0) {
    const depth = lastPath(change, inode);
    if (depth < 0) return lastFault();
    const leaf = node(<u32>depth);
    const taken = lengthen(leaf, logical, start, count);
    let piece = taken;
    if (taken === 0) {
      piece = min<u32>(count, EXTENT_LENGTH_MAX);
      const room = leafWithRoom(change, inode, <u32>depth, logical, start);
      if (room === 0) return lastFault();
      const used = <u32>load<u16>(room, EXTENTS_COUNT);
      const entry = room + EXTENTS_SIZE + <usize>(used * EXTENT_SIZE);
      store<u32>(entry, logical, EXTENT_BLOCK);
      store<u16>(entry, <u16>piece, EXTENT_LENGTH);
      store<u16>(entry, <u16>(start >>> 32), EXTENT_START_HIGH);
      store<u32>(entry, <u32>start, EXTENT_START_LOW);
      store<u16>(room, <u16>(used + 1), EXTENTS_COUNT);
      seal(change, inode, room);
    } else {
      seal(change, inode, leaf);
    }
    const sectors = inode.sectors + <u64>piece * <u64>change.ext4.blockSectors;
    const code = sectorsStore(change.ext4, inode, sectors);
    if (code !== ErrorCode.OK) return code;
    logical += piece;
    start += <u64>piece;
    count -= piece;
  }
  return ErrorCode.OK;
}

/** Gives back all blocks of a file, and those of its tree. `kind`: of its content. */
export function extentsFree(change: Change, inode: Inode, kind: u32): ErrorCode {
  const ext4 = change.ext4;
  if ((inode.flags & INODE_FLAG_EXTENTS) === 0) {
    return refuse(ext4, ErrorCode.EOPNOTSUPP, Ext4Refusal.BLOCK_MAP, inode.tableBlock);
  }
  const depth = rootDepth(ext4, inode);
  if (depth < 0) return lastFault();
  return freeBelow(change, inode, 0, <u32>depth, 0, END, kind);
}

/** Gives back what is below the node in `block`, 0: the root. */
function freeBelow(
  change: Change,
  inode: Inode,
  block: u64,
  depth: u32,
  low: u64,
  high: u64,
  kind: u32,
): ErrorCode {
  const ext4 = change.ext4;
  let index: u32 = 0;
  while (true) {
    // Other blocks were read below it, so the node may have left the cache.
    let from = inode.raw + INODE_BLOCK;
    if (block !== 0) {
      const frame = nodeFrame(ext4, inode, block, depth, low, high);
      if (frame === null) return lastFault();
      from = frame.address;
    }
    const count = <u32>load<u16>(from, EXTENTS_COUNT);
    if (index >= count) return ErrorCode.OK;
    const entry = from + EXTENTS_SIZE + <usize>(index * EXTENT_SIZE);
    if (depth === 0) {
      const code = spaceFree(change, extentStart(entry), extentCount(entry), kind);
      if (code !== ErrorCode.OK) return code;
      index += 1;
      continue;
    }
    const first = <u64>load<u32>(entry, EXTENT_INDEX_BLOCK);
    const isLast = index + 1 === count;
    const end = isLast ? high : <u64>load<u32>(entry + EXTENT_SIZE, EXTENT_INDEX_BLOCK);
    const below = indexLeaf(entry);
    // Given back before it is followed: a node that is met twice is met as damage.
    let code = spaceFree(change, below, 1, RUN_METADATA);
    if (code === ErrorCode.OK) {
      code = freeBelow(change, inode, below, depth - 1, first, end, kind);
    }
    if (code !== ErrorCode.OK) return code;
    index += 1;
  }
}

function node(depth: u32): usize {
  return load<u32>(path + <usize>(depth << 2));
}

/** Fills `path` with the last node of each level; the depth, or -1 after a fault. */
function lastPath(change: Change, inode: Inode): i32 {
  const ext4 = change.ext4;
  if ((inode.flags & INODE_FLAG_EXTENTS) === 0) {
    refuse(ext4, ErrorCode.EOPNOTSUPP, Ext4Refusal.BLOCK_MAP, inode.tableBlock);
    return -1;
  }
  const depth = rootDepth(ext4, inode);
  if (depth < 0) return -1;
  let at = inode.raw + INODE_BLOCK;
  store<u32>(path, <u32>at);
  store<u64>(pathBlocks, 0);
  for (let level: u32 = 1; level <= <u32>depth; level++) {
    const count = <u32>load<u16>(at, EXTENTS_COUNT);
    const entry = at + EXTENTS_SIZE + <usize>((count - 1) * EXTENT_SIZE);
    const block = indexLeaf(entry);
    const low = <u64>load<u32>(entry, EXTENT_INDEX_BLOCK);
    if (nodeFrame(ext4, inode, block, <u32>depth - level, low, END) === null) return -1;
    at = blockChange(change, block, nodeUse(inode));
    if (at === 0) return -1;
    store<u32>(path + <usize>(level << 2), <u32>at);
    store<u64>(pathBlocks + <usize>(level << 3), block);
  }
  return depth;
}

/** How many of the blocks the last extent takes, because they go on where it ends. */
function lengthen(leaf: usize, logical: u32, start: u64, count: u32): u32 {
  const used = <u32>load<u16>(leaf, EXTENTS_COUNT);
  if (used === 0) return 0;
  const entry = leaf + EXTENTS_SIZE + <usize>((used - 1) * EXTENT_SIZE);
  const length = <u32>load<u16>(entry, EXTENT_LENGTH);
  // An unwritten extent says more than the most.
  if (length >= EXTENT_LENGTH_MAX || load<u32>(entry, EXTENT_BLOCK) + length !== logical) return 0;
  if (extentStart(entry) + <u64>length !== start) return 0;
  const piece = min<u32>(count, EXTENT_LENGTH_MAX - length);
  store<u16>(entry, <u16>(length + piece), EXTENT_LENGTH);
  return piece;
}

/** The last leaf, or a new one behind it, with nodes above it as they are needed. */
function leafWithRoom(change: Change, inode: Inode, depth: u32, logical: u32, near: u64): usize {
  let level = <i32>depth;
  while (level >= 0 && isFull(node(<u32>level))) level -= 1;
  if (level === <i32>depth) return node(depth);
  if (level < 0) {
    if (depth >= EXTENTS_DEPTH_MAX) {
      failPlain(ErrorCode.EFBIG);
      return 0;
    }
    if (!deepen(change, inode, depth, near)) return 0;
    // The root has one entry now, and its old content stands one level down.
    const deeper = lastPath(change, inode);
    return deeper < 0 ? 0 : leafWithRoom(change, inode, <u32>deeper, logical, near);
  }
  for (let below = <u32>level + 1; below <= depth; below++) {
    const block = newNode(change, inode, depth - below, near);
    if (block === 0) return 0;
    const above = node(below - 1);
    const used = <u32>load<u16>(above, EXTENTS_COUNT);
    indexStore(above, used, logical, block);
    store<u16>(above, <u16>(used + 1), EXTENTS_COUNT);
    seal(change, inode, above);
    const fresh = blockChange(change, block, nodeUse(inode));
    if (fresh === 0) return 0;
    store<u32>(path + <usize>(below << 2), <u32>fresh);
  }
  return node(depth);
}

function isFull(at: usize): bool {
  return load<u16>(at, EXTENTS_COUNT) >= load<u16>(at, EXTENTS_MAX);
}

/** The content of the root goes to a block, which becomes its only entry. */
function deepen(change: Change, inode: Inode, depth: u32, near: u64): bool {
  const block = newNode(change, inode, depth, near);
  if (block === 0) return false;
  const fresh = blockChange(change, block, nodeUse(inode));
  if (fresh === 0) return false;
  const root = inode.raw + INODE_BLOCK;
  const count = <u32>load<u16>(root, EXTENTS_COUNT);
  memory.copy(fresh + EXTENTS_SIZE, root + EXTENTS_SIZE, count * EXTENT_SIZE);
  store<u16>(fresh, <u16>count, EXTENTS_COUNT);
  seal(change, inode, fresh);
  const first = load<u32>(root + EXTENTS_SIZE, EXTENT_BLOCK);
  memory.fill(root + EXTENTS_SIZE, 0, count * EXTENT_SIZE);
  store<u16>(root, 1, EXTENTS_COUNT);
  store<u16>(root, <u16>(depth + 1), EXTENTS_DEPTH);
  indexStore(root, 0, first, block);
  return true;
}

/** A new empty node: its block, 0 after a fault. */
function newNode(change: Change, inode: Inode, depth: u32, near: u64): u64 {
  const ext4 = change.ext4;
  const block = spaceOne(change, near);
  if (block === 0) return 0;
  const at = blockFresh(change, block, nodeUse(inode));
  if (at === 0) return 0;
  store<u16>(at, EXTENT_MAGIC, EXTENTS_MAGIC);
  const room = (ext4.blockSize - EXTENTS_SIZE) / EXTENT_SIZE;
  store<u16>(at, <u16>room, EXTENTS_MAX);
  store<u16>(at, <u16>depth, EXTENTS_DEPTH);
  seal(change, inode, at);
  const code = sectorsStore(ext4, inode, inode.sectors + <u64>ext4.blockSectors);
  return code === ErrorCode.OK ? block : 0;
}

function indexStore(at: usize, index: u32, logical: u32, block: u64): void {
  const entry = at + EXTENTS_SIZE + <usize>(index * EXTENT_SIZE);
  store<u32>(entry, logical, EXTENT_INDEX_BLOCK);
  store<u32>(entry, <u32>block, EXTENT_INDEX_LEAF_LOW);
  store<u16>(entry, <u16>(block >>> 32), EXTENT_INDEX_LEAF_HIGH);
  store<u16>(entry, 0, EXTENT_INDEX_LEAF_HIGH + 2);
}

/** The checksum behind the entries of a node; the root of an inode has none of its own. */
function seal(change: Change, inode: Inode, at: usize): void {
  const ext4 = change.ext4;
  if (!ext4.hasChecksums || at === inode.raw + INODE_BLOCK) return;
  const tail = extentTailAt(at);
  if (tail + 4 <= ext4.blockSize) store<u32>(at + tail, extentSum(inode.seed, at));
}
