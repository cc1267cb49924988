/** Trees of extents: nodes checked once while they stay in memory, and the way down. */
import { Frame } from "../../../engine/cache";
import { lastFault } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  EXTENT_BLOCK,
  EXTENT_INDEX_BLOCK,
  EXTENT_INDEX_LEAF_HIGH,
  EXTENT_INDEX_LEAF_LOW,
  EXTENT_LENGTH,
  EXTENT_MAGIC,
  EXTENT_SIZE,
  EXTENT_START_HIGH,
  EXTENT_START_LOW,
  EXTENT_UNWRITTEN,
  EXTENTS_COUNT,
  EXTENTS_DEPTH,
  EXTENTS_DEPTH_MAX,
  EXTENTS_IN_INODE,
  EXTENTS_MAGIC,
  EXTENTS_MAX,
  EXTENTS_SIZE,
  INODE_BLOCK,
} from "../../../format/media/ext4-inode";
import { extentSum, extentTailAt } from "../base/sums";
import { blockFrame, Ext4, ext4Fail, Inode, isInside, Run, USE_NODE, useFits } from "./volume";

/** One past the last block that a file can have. */
const END: u64 = 1 << 32;

/** Depth of the root in an inode, or -1 after a fault: it is no node. */
export function rootDepth(ext4: Ext4, inode: Inode): i32 {
  const root = inode.raw + INODE_BLOCK;
  const depth = <u32>load<u16>(root, EXTENTS_DEPTH);
  if (depth > EXTENTS_DEPTH_MAX) {
    ext4Fail(ext4, Reason.EXT4_EXTENTS, inode.tableBlock, inode.number);
    return -1;
  }
  const code = nodeCheck(ext4, inode, root, EXTENTS_IN_INODE, depth, 0, END, inode.tableBlock);
  return code === ErrorCode.OK ? <i32>depth : -1;
}

/** What blocks `logical` and behind it of a file with extents are. Unwritten ones are holes. */
export function extentRun(ext4: Ext4, inode: Inode, logical: u64, run: Run): ErrorCode {
  if (logical >= END) return ext4Fail(ext4, Reason.EXT4_EXTENTS, inode.tableBlock, inode.number);
  const found = rootDepth(ext4, inode);
  if (found < 0) return lastFault();
  let depth = <u32>found;
  let node = inode.raw + INODE_BLOCK;
  let low: u64 = 0;
  let high = END;
  while (true) {
    const count = <u32>load<u16>(node, EXTENTS_COUNT);
    const index = lastBefore(node, count, <u32>logical);
    const entry = node + EXTENTS_SIZE + <usize>(index * EXTENT_SIZE);
    if (count === 0 || <u64>load<u32>(entry, EXTENT_BLOCK) > logical) {
      const next = count === 0 ? high : <u64>load<u32>(entry, EXTENT_BLOCK);
      return hole(run, next - logical);
    }
    low = <u64>load<u32>(entry, EXTENT_BLOCK);
    if (index + 1 < count) high = <u64>load<u32>(entry + EXTENT_SIZE, EXTENT_BLOCK);
    if (depth === 0) return leafRun(entry, logical, high, run);
    depth -= 1;
    const frame = nodeFrame(ext4, inode, indexLeaf(entry), depth, low, high);
    if (frame === null) return lastFault();
    node = frame.address;
  }
}

/** The node at `block`, checked; null after a fault. */
export function nodeFrame(
  ext4: Ext4,
  inode: Inode,
  block: u64,
  depth: u32,
  low: u64,
  high: u64,
): Frame | null {
  const frame = blockFrame(ext4, block);
  if (frame === null) return null;
  const node = frame.address;
  const use = nodeUse(inode);
  if (frame.page === use && <u32>load<u16>(node, EXTENTS_DEPTH) === depth) return frame;
  if (!useFits(ext4, frame, use)) return null;
  const room = (ext4.blockSize - EXTENTS_SIZE) / EXTENT_SIZE;
  if (nodeCheck(ext4, inode, node, room, depth, low, high, block) !== ErrorCode.OK) return null;
  frame.page = use;
  return frame;
}

/** The use of a node of a file's tree. */
export function nodeUse(inode: Inode): u64 {
  return USE_NODE | <u64>inode.number;
}

/** Block of the node below an index entry. */
export function indexLeaf(entry: usize): u64 {
  const high = (<u64>load<u16>(entry, EXTENT_INDEX_LEAF_HIGH)) << 32;
  return <u64>load<u32>(entry, EXTENT_INDEX_LEAF_LOW) | high;
}

/** First block on the disk of an extent. */
export function extentStart(entry: usize): u64 {
  const high = (<u64>load<u16>(entry, EXTENT_START_HIGH)) << 32;
  return <u64>load<u32>(entry, EXTENT_START_LOW) | high;
}

/** Blocks of an extent; unwritten ones count too. */
export function extentCount(entry: usize): u32 {
  const length = <u32>load<u16>(entry, EXTENT_LENGTH);
  return length > EXTENT_UNWRITTEN ? length - EXTENT_UNWRITTEN : length;
}

/** Everything a node says must be possible: `room` entries fit, all from `low` to below `high`. */
export function nodeCheck(
  ext4: Ext4,
  inode: Inode,
  node: usize,
  room: u32,
  depth: u32,
  low: u64,
  high: u64,
  block: u64,
): ErrorCode {
  const reason = Reason.EXT4_EXTENTS;
  const count = <u32>load<u16>(node, EXTENTS_COUNT);
  const most = <u32>load<u16>(node, EXTENTS_MAX);
  const isNode =
    <u32>load<u16>(node, EXTENTS_MAGIC) === EXTENT_MAGIC &&
    <u32>load<u16>(node, EXTENTS_DEPTH) === depth &&
    count <= most &&
    most <= room &&
    (count > 0 || depth === 0);
  if (!isNode) return ext4Fail(ext4, reason, block, inode.number);
  if (room !== EXTENTS_IN_INODE && ext4.hasChecksums) {
    const tail = extentTailAt(node);
    const holds =
      tail + 4 <= ext4.blockSize && extentSum(inode.seed, node) === load<u32>(node + tail);
    if (!holds) return ext4Fail(ext4, Reason.CHECKSUM, block, inode.number);
  }
  let next = low;
  for (let index: u32 = 0; index < count; index++) {
    const entry = node + EXTENTS_SIZE + <usize>(index * EXTENT_SIZE);
    const first = <u64>load<u32>(entry, EXTENT_BLOCK);
    if (first < next || first >= high) return ext4Fail(ext4, reason, block, inode.number);
    if (depth > 0) {
      if (!isInside(ext4, indexLeaf(entry), 1)) return ext4Fail(ext4, reason, block, inode.number);
      next = first + 1;
      continue;
    }
    const length = <u64>extentCount(entry);
    const fits = length > 0 && isInside(ext4, extentStart(entry), length) && first + length <= high;
    if (!fits) return ext4Fail(ext4, reason, block, inode.number);
    next = first + length;
  }
  return ErrorCode.OK;
}

/** The last entry whose first block is not behind `logical`, or 0. */
function lastBefore(node: usize, count: u32, logical: u32): u32 {
  let low: u32 = 0;
  let high = count;
  while (low + 1 < high) {
    const middle = (low + high) >>> 1;
    const entry = node + EXTENTS_SIZE + <usize>(middle * EXTENT_SIZE);
    if (load<u32>(entry, EXTENT_INDEX_BLOCK) <= logical) low = middle;
    else high = middle;
  }
  return low;
}

function leafRun(entry: usize, logical: u64, high: u64, run: Run): ErrorCode {
  const first = <u64>load<u32>(entry, EXTENT_BLOCK);
  const length = <u64>extentCount(entry);
  const offset = logical - first;
  if (offset >= length) return hole(run, high - logical);
  const isUnwritten = <u32>load<u16>(entry, EXTENT_LENGTH) > EXTENT_UNWRITTEN;
  run.block = isUnwritten ? 0 : extentStart(entry) + offset;
  run.count = length - offset;
  return ErrorCode.OK;
}

function hole(run: Run, count: u64): ErrorCode {
  run.block = 0;
  run.count = count;
  return ErrorCode.OK;
}
