/**
 * Where the blocks of a file are: through its tree of extents, or through the block map of ext2
 * and ext3. Every node is checked before it is followed; each step goes one level down, so no
 * tree has an end that is not reached.
 */
import { lastFault } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import { INODE_BLOCK, INODE_FLAG_EXTENTS, MAP_DIRECT } from "../../../format/media/ext4-inode";
import { extentRun } from "./extents";
import { blockAt, Ext4, ext4Fail, Inode, isInside, Run } from "./volume";

const LEVELS: u32 = 3;

/** What blocks `logical` and behind it of a file are. */
export function runAt(ext4: Ext4, inode: Inode, logical: u64, run: Run): ErrorCode {
  if ((inode.flags & INODE_FLAG_EXTENTS) !== 0) return extentRun(ext4, inode, logical, run);
  return mapRun(ext4, inode, logical, run);
}

function mapRun(ext4: Ext4, inode: Inode, logical: u64, run: Run): ErrorCode {
  const root = inode.raw + INODE_BLOCK;
  const perBlock = <u64>(ext4.blockSize >>> 2);
  if (logical < <u64>MAP_DIRECT) {
    return follow(ext4, inode, root, <u32>logical, MAP_DIRECT, run);
  }
  let index = logical - <u64>MAP_DIRECT;
  let span = perBlock;
  let level: u32 = 0;
  while (index >= span) {
    index -= span;
    span *= perBlock;
    level += 1;
    if (level === LEVELS)
      return ext4Fail(ext4, Reason.EXT4_EXTENTS, inode.tableBlock, inode.number);
  }
  let block = <u64>load<u32>(root + <usize>((MAP_DIRECT + level) << 2));
  while (true) {
    // `span` blocks are below `block`, and `index` is the one that is wanted.
    if (block === 0) {
      run.block = 0;
      run.count = span - index;
      return ErrorCode.OK;
    }
    if (!isInside(ext4, block, 1)) return outside(ext4, inode);
    const node = blockAt(ext4, block);
    if (node === 0) return lastFault();
    if (span === perBlock) return follow(ext4, inode, node, <u32>index, <u32>perBlock, run);
    span /= perBlock;
    block = <u64>load<u32>(node + <usize>((index / span) << 2));
    index %= span;
  }
}

/** The pointers behind each other that lead to blocks behind each other. */
function follow(ext4: Ext4, inode: Inode, at: usize, first: u32, end: u32, run: Run): ErrorCode {
  const block = load<u32>(at + <usize>(first << 2));
  let next = first + 1;
  while (next < end && next - first < 0x8000) {
    const expected = block === 0 ? 0 : block + (next - first);
    if (load<u32>(at + <usize>(next << 2)) !== expected) break;
    next += 1;
  }
  run.block = <u64>block;
  run.count = <u64>(next - first);
  if (block === 0 || isInside(ext4, run.block, run.count)) return ErrorCode.OK;
  return outside(ext4, inode);
}

function outside(ext4: Ext4, inode: Inode): ErrorCode {
  return ext4Fail(ext4, Reason.POINTER, inode.tableBlock, inode.number);
}
