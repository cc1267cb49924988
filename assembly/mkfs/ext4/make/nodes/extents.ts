/**
 * Extents: in the inode where four are enough, else a tree of blocks below it, all of its nodes
 * full but the last of a level. The nodes of a tree stand in the order leaves, their index, its
 * index ...
 */
import { allocate, release } from "../../../../engine/memory";
import { ErrorCode } from "../../../../format/errors";
import { BLOCK_SIZE } from "../../../../format/media/ext4";
import {
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
  EXTENTS_IN_BLOCK,
  EXTENTS_IN_INODE,
  EXTENTS_MAGIC,
  EXTENTS_MAX,
  EXTENTS_SIZE,
  INODE_BLOCK,
} from "../../../../format/media/ext4-inode";
import { extentSum, extentTailAt } from "../../base/sums";
import { Build } from "../base/build";
import { blockOut, extentsOf, following, runEnd, runFrom, runStart } from "../base/space";

/**
 * Writes the root at INODE_BLOCK of `inode`, and the nodes below it, which stand from block `tree`
 * on. `seed`: of the inode's checksums; `around`: the blocks go around the journal.
 */
export function extentsStore(
  build: Build,
  inode: usize,
  seed: u32,
  first: u64,
  blocks: u64,
  tree: u64,
  around: bool,
): ErrorCode {
  const root = inode + INODE_BLOCK;
  const count = extentsOf(build, first, blocks, around);
  const room = max<u32>(count, 1) * EXTENT_SIZE;
  const list = allocate(room);
  if (list === 0) return ErrorCode.ENOMEM;
  extentsFill(build, list, first, blocks, around);
  let entries = count;
  let depth: u32 = 0;
  let at = tree;
  let code = ErrorCode.OK;
  while (entries > EXTENTS_IN_INODE && code === ErrorCode.OK) {
    let made: u32 = 0;
    for (let from: u32 = 0; from < entries; from += EXTENTS_IN_BLOCK) {
      const node = blockOut(build, at);
      if (node === 0) {
        code = ErrorCode.EIO;
        break;
      }
      const source = list + <usize>(from * EXTENT_SIZE);
      nodeStore(node, source, min<u32>(EXTENTS_IN_BLOCK, entries - from), EXTENTS_IN_BLOCK, depth);
      store<u32>(node + extentTailAt(node), extentSum(seed, node));
      // The entries of the next level replace those that are written.
      const block = load<u32>(source);
      indexStore(list + <usize>(made * EXTENT_SIZE), block, at);
      made += 1;
      at = following(build, at);
    }
    entries = made;
    depth += 1;
  }
  nodeStore(root, list, entries, EXTENTS_IN_INODE, depth);
  release(list, room);
  return code;
}

/** The extents of a file, in order, none longer than a length can say. */
function extentsFill(build: Build, list: usize, first: u64, blocks: u64, around: bool): void {
  let at = first;
  let left = blocks;
  let block: u32 = 0;
  while (left > 0) {
    runFrom(build, at, around);
    const run = min<u64>(left, runEnd - runStart);
    for (let done: u64 = 0; done < run; ) {
      const length = min<u64>(run - done, <u64>EXTENT_LENGTH_MAX);
      const start = runStart + done;
      store<u32>(list, block);
      store<u16>(list, <u16>length, EXTENT_LENGTH);
      store<u16>(list, <u16>(start >>> 32), EXTENT_START_HIGH);
      store<u32>(list, <u32>start, EXTENT_START_LOW);
      list += EXTENT_SIZE;
      block += <u32>length;
      done += length;
    }
    at = runStart + run;
    left -= run;
  }
}

function indexStore(at: usize, block: u32, leaf: u64): void {
  store<u32>(at, block, EXTENT_INDEX_BLOCK);
  store<u32>(at, <u32>leaf, EXTENT_INDEX_LEAF_LOW);
  store<u16>(at, <u16>(leaf >>> 32), EXTENT_INDEX_LEAF_HIGH);
  store<u16>(at, 0, EXTENT_INDEX_LEAF_HIGH + 2);
}

function nodeStore(node: usize, entries: usize, count: u32, most: u32, depth: u32): void {
  store<u16>(node, EXTENT_MAGIC, EXTENTS_MAGIC);
  store<u16>(node, count, EXTENTS_COUNT);
  store<u16>(node, most, EXTENTS_MAX);
  store<u16>(node, depth, EXTENTS_DEPTH);
  memory.copy(node + EXTENTS_SIZE, entries, count * EXTENT_SIZE);
}

if (EXTENTS_SIZE + EXTENTS_IN_BLOCK * EXTENT_SIZE + 4 > BLOCK_SIZE) ERROR("no room for the tail");
