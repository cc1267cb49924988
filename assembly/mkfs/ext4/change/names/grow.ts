/** Blocks of a directory: one that is changed, and one more at its end. */
import { failPlain } from "../../../../engine/fault";
import { ErrorCode } from "../../../../format/errors";
import {
  directoryBlock,
  directoryPlace,
  directoryUse,
  INDEX_BLOCK_MASK,
} from "../../read/directory";
import { runAt } from "../../read/map";
import { groupStart, Inode, Run } from "../../read/volume";
import { extentsAppend } from "../base/extents";
import { sizeStore } from "../base/inodes";
import { spaceOne } from "../base/space";
import { blockChange, blockFresh, Change } from "../base/state";

const run = changetype<Run>(memory.data(offsetof<Run>(), 8));

/** Block `index`, checked, to be changed and then sealed: its address, 0 after a fault. */
export function directoryChange(change: Change, inode: Inode, index: u32): usize {
  if (directoryBlock(change.ext4, inode, index) === 0) return 0;
  return blockChange(change, directoryPlace(), directoryUse(inode, index));
}

/** Adds a block, all zero: its address, 0 after a fault. `inode` is stored by the caller. */
export function directoryGrow(change: Change, inode: Inode): usize {
  const ext4 = change.ext4;
  const logical = inode.size >>> ext4.blockShift;
  if (logical >= <u64>INDEX_BLOCK_MASK) {
    failPlain(ErrorCode.EFBIG);
    return 0;
  }
  let goal = groupStart(ext4, (inode.number - 1) / ext4.groupInodes);
  if (logical > 0) {
    if (runAt(ext4, inode, logical - 1, run) !== ErrorCode.OK) return 0;
    goal = run.block + 1;
  }
  const block = spaceOne(change, goal);
  if (block === 0) return 0;
  if (extentsAppend(change, inode, <u32>logical, block, 1) !== ErrorCode.OK) return 0;
  sizeStore(inode, inode.size + <u64>ext4.blockSize);
  return blockFresh(change, block, directoryUse(inode, <u32>logical));
}
