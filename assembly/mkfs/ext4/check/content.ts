/** The blocks of one inode: each is marked, so that none belongs to two. */
import { lastFault } from "../../../engine/fault";
import { ErrorCode } from "../../../format/errors";
import { Ext4Problem } from "../../../format/media/calls-ext4";
import {
  EXTENT_BLOCK,
  EXTENT_LENGTH,
  EXTENT_SIZE,
  EXTENT_UNWRITTEN,
  EXTENTS_COUNT,
  EXTENTS_DEPTH,
  EXTENTS_SIZE,
  INODE_BLOCK,
  INODE_FLAG_EXTENTS,
  INODE_FLAG_INLINE,
  MAP_DIRECT,
  MODE_DIRECTORY,
  MODE_FILE,
  MODE_SYMLINK,
} from "../../../format/media/ext4-inode";
import { XATTR_BLOCK_REFERENCES } from "../../../format/media/ext4-names";
import { xattrBlockCheck } from "../entries/xattrs";
import { extentCount, extentStart, indexLeaf, nodeFrame, rootDepth } from "../read/extents";
import { isFast } from "../read/path";
import { blockAt, Ext4, Inode, isInside } from "../read/volume";
import { found } from "./findings";
import { markBlocks, overlapBlock } from "./notes";

/** Blocks that the inode has, its own trees counted; and the end of those that are written. */
let total: u64 = 0;
let end: u64 = 0;

export function contentBlocks(): u64 {
  return total;
}

export function contentEnd(): u64 {
  return end;
}

/**
 * Marks every block of an inode. OK also where something is found: then the walk goes on where it
 * can. EIO, ENOMEM.
 */
export function contentMark(ext4: Ext4, inode: Inode): ErrorCode {
  total = 0;
  end = 0;
  let code = ErrorCode.OK;
  if (inode.xattrBlock !== 0) code = markAttributes(ext4, inode);
  if (code !== ErrorCode.OK) return code;
  const type = inode.type;
  const hasContent = type === MODE_FILE || type === MODE_DIRECTORY || type === MODE_SYMLINK;
  if (!hasContent || (inode.flags & INODE_FLAG_INLINE) !== 0) return ErrorCode.OK;
  if (type === MODE_SYMLINK && isFast(ext4, inode)) return ErrorCode.OK;
  if ((inode.flags & INODE_FLAG_EXTENTS) === 0) return markMap(ext4, inode);
  const depth = rootDepth(ext4, inode);
  if (depth < 0) return wrong(ext4, inode, inode.tableBlock);
  return markNode(ext4, inode, 0, <u32>depth, 0, (<u64>1) << 32);
}

function markAttributes(ext4: Ext4, inode: Inode): ErrorCode {
  const block = inode.xattrBlock;
  total += 1;
  if (!isInside(ext4, block, 1)) {
    found(ext4, Ext4Problem.XATTRS, inode.tableBlock, inode.number, block, 0);
    return ErrorCode.OK;
  }
  const at = blockAt(ext4, block);
  if (at === 0) return lastFault();
  if (xattrBlockCheck(ext4, block, at) !== ErrorCode.OK) {
    found(ext4, Ext4Problem.XATTRS, block, inode.number, 0, 0);
  }
  const isShared = load<u32>(at, XATTR_BLOCK_REFERENCES) > 1;
  const code = markBlocks(ext4, block, 1);
  if (code === ErrorCode.EEXIST && !isShared) {
    found(ext4, Ext4Problem.OVERLAP, block, inode.number, block, 0);
  }
  return code === ErrorCode.ENOMEM ? code : ErrorCode.OK;
}

/** Marks `count` blocks; true if they were free until now. */
function mark(ext4: Ext4, inode: Inode, block: u64, count: u64): bool {
  total += count;
  const code = markBlocks(ext4, block, count);
  if (code === ErrorCode.OK) return true;
  if (code === ErrorCode.EEXIST) {
    const where = overlapBlock();
    found(ext4, Ext4Problem.OVERLAP, where, inode.number, where, 0);
  }
  return false;
}

/** Marks what is below a node of extents at `block`, 0: the one in the inode. */
function markNode(
  ext4: Ext4,
  inode: Inode,
  block: u64,
  depth: u32,
  low: u64,
  high: u64,
): ErrorCode {
  let index: u32 = 0;
  while (true) {
    // The node may have left the cache while what is below it was read.
    let node = inode.raw + INODE_BLOCK;
    if (block !== 0) {
      const frame = nodeFrame(ext4, inode, block, depth, low, high);
      if (frame === null) return wrong(ext4, inode, block);
      node = frame.address;
    }
    const count = <u32>load<u16>(node, EXTENTS_COUNT);
    if (index >= count || <u32>load<u16>(node, EXTENTS_DEPTH) !== depth) return ErrorCode.OK;
    const entry = node + EXTENTS_SIZE + <usize>(index * EXTENT_SIZE);
    const first = <u64>load<u32>(entry, EXTENT_BLOCK);
    index += 1;
    if (depth === 0) {
      const length = <u64>extentCount(entry);
      mark(ext4, inode, extentStart(entry), length);
      if (<u32>load<u16>(entry, EXTENT_LENGTH) <= EXTENT_UNWRITTEN) end = first + length;
      continue;
    }
    const isLast = index === count;
    const next = isLast ? high : <u64>load<u32>(entry + EXTENT_SIZE, EXTENT_BLOCK);
    const leaf = indexLeaf(entry);
    // A node that belongs to something already is not walked again: that has no end.
    if (!mark(ext4, inode, leaf, 1)) continue;
    const code = markNode(ext4, inode, leaf, depth - 1, first, next);
    if (code !== ErrorCode.OK) return code;
  }
}

function markMap(ext4: Ext4, inode: Inode): ErrorCode {
  const root = inode.raw + INODE_BLOCK;
  const perBlock = <u64>(ext4.blockSize >>> 2);
  for (let index: u32 = 0; index < MAP_DIRECT; index++) {
    const code = markPointer(ext4, inode, load<u32>(root + <usize>(index << 2)), <u64>index, 0);
    if (code !== ErrorCode.OK) return code;
  }
  let first = <u64>MAP_DIRECT;
  let span = perBlock;
  for (let level: u32 = 1; level <= 3; level++) {
    const pointer = load<u32>(root + <usize>((MAP_DIRECT + level - 1) << 2));
    const code = markPointer(ext4, inode, pointer, first, level);
    if (code !== ErrorCode.OK) return code;
    first += span;
    span *= perBlock;
  }
  return ErrorCode.OK;
}

/** Marks what block `block` of a map is, from block `first` of the file on. */
function markPointer(ext4: Ext4, inode: Inode, block: u32, first: u64, level: u32): ErrorCode {
  if (block === 0) return ErrorCode.OK;
  if (!isInside(ext4, <u64>block, 1)) {
    found(ext4, Ext4Problem.EXTENTS, inode.tableBlock, inode.number, <u64>block, 0);
    return ErrorCode.OK;
  }
  const isFresh = mark(ext4, inode, <u64>block, 1);
  if (level === 0) {
    end = first + 1;
    return ErrorCode.OK;
  }
  if (!isFresh) return ErrorCode.OK;
  const perBlock = ext4.blockSize >>> 2;
  let span: u64 = 1;
  for (let below: u32 = 1; below < level; below++) span *= <u64>perBlock;
  for (let index: u32 = 0; index < perBlock; index++) {
    const node = blockAt(ext4, <u64>block);
    if (node === 0) return wrong(ext4, inode, <u64>block);
    const pointer = load<u32>(node + <usize>(index << 2));
    const code = markPointer(ext4, inode, pointer, first + <u64>index * span, level - 1);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

/** A node that cannot be: told, unless the device or memory failed. */
function wrong(ext4: Ext4, inode: Inode, block: u64): ErrorCode {
  const code = lastFault();
  if (code === ErrorCode.EIO || code === ErrorCode.ENOMEM) return code;
  found(ext4, Ext4Problem.EXTENTS, block, inode.number, 0, 0);
  return ErrorCode.OK;
}
