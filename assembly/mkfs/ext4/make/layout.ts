/**
 * Gives every inode, directory and file its place, once all nodes are known. Writes nothing.
 *
 * Order on the volume: map of the resize inode, directories with targets and attributes (what a
 * search of the tree reads stands together), then the content of the files with their extents.
 */
import { failPlain } from "../../../engine/fault";
import { allocate, allocateZeroed } from "../../../engine/memory";
import { ErrorCode } from "../../../format/errors";
import { Ext4Kind } from "../../../format/media/calls-ext4-build";
import { BLOCK_SHIFT, BLOCK_SIZE } from "../../../format/media/ext4";
import {
  EXTENTS_IN_BLOCK,
  EXTENTS_IN_INODE,
  INODE_FIRST,
  INODE_ROOT,
} from "../../../format/media/ext4-inode";
import { TARGET_FAST } from "../../../format/media/ext4-names";
import {
  FLEX_GROUPS,
  Geometry,
  GROUP_BLOCKS,
  groupEnd,
  groupStart,
  inodesOf,
  spanBegin,
  spanEnd,
  spansMake,
} from "../base/geometry";
import { Build, JOURNAL_SPANS_MAX, LOST_FOUND, Node, nodeAt, ROOT, Stage } from "./base/build";
import { extentsOf, runEnd, runFrom, runStart, take } from "./base/space";
import { directoryBlocks } from "./nodes/directory";
import { xattrsInBlock } from "./nodes/xattrs";

/** lost+found has room from the start: fsck may not be able to allocate. */
const LOST_FOUND_BLOCKS: u32 = 4;

/** ENOSPC with what is missing in the build, ENOMEM, EFBIG. */
export function layout(build: Build): ErrorCode {
  if (build.stage !== Stage.NODES || build.order !== 0) return failPlain(ErrorCode.EINVAL);
  const geometry = build.geometry;
  build.order = allocate(build.nodes * 4);
  build.groups = allocateZeroed(geometry.descriptorBlocks * BLOCK_SIZE);
  if (build.order === 0 || build.groups === 0) return failPlain(ErrorCode.ENOMEM);
  inodesNumber(build);
  orderChildren(build);
  if (!journalPlace(build)) return failPlain(ErrorCode.ENOSPC);
  if (geometry.reserveBlocks > 0) build.resizeMap = take(build, 1);
  if (journalExtents(build) > EXTENTS_IN_INODE) build.journalTree = take(build, 1);
  for (let number: u32 = 0; number < build.nodes; number++) {
    const code = placeSmall(build, number);
    if (code !== ErrorCode.OK) return failPlain(code);
  }
  for (let number: u32 = 0; number < build.nodes; number++) {
    const node = nodeAt(build, number);
    if (node.kind !== Ext4Kind.FILE || node.bytes === 0) continue;
    place(build, node, (node.bytes + <u64>BLOCK_SIZE - 1) >>> BLOCK_SHIFT);
  }
  const inodes = inodesOf(geometry);
  if (build.inodes > inodes) build.missingInodes = <u64>(build.inodes - inodes);
  if (build.missing > 0 || build.missingInodes > 0) return failPlain(ErrorCode.ENOSPC);
  build.stage = Stage.LAID_OUT;
  return ErrorCode.OK;
}

function inodesNumber(build: Build): void {
  let next = INODE_FIRST + 1;
  for (let number: u32 = 0; number < build.nodes; number++) {
    const node = nodeAt(build, number);
    if (number === ROOT) node.inode = INODE_ROOT;
    else if (number === LOST_FOUND) node.inode = INODE_FIRST;
    else if (node.kind !== Ext4Kind.LINK) {
      node.inode = next;
      next += 1;
    }
  }
  build.inodes = next - 1;
}

/** The names of each directory side by side, in the order of the nodes. */
function orderChildren(build: Build): void {
  let at: u32 = 0;
  for (let number: u32 = 0; number < build.nodes; number++) {
    const node = nodeAt(build, number);
    node.order = at;
    at += node.children;
    node.children = 0;
  }
  for (let number: u32 = 1; number < build.nodes; number++) {
    const above = nodeAt(build, nodeAt(build, number).parent);
    store<u32>(build.order + ((<usize>(above.order + above.children)) << 2), number);
    above.children += 1;
  }
}

/** Directories, targets and attributes of one node. */
function placeSmall(build: Build, number: u32): ErrorCode {
  const node = nodeAt(build, number);
  if (node.kind === Ext4Kind.LINK) return ErrorCode.OK;
  if (node.kind === Ext4Kind.DIRECTORY) {
    const blocks = directoryBlocks(build, number);
    if (blocks < 0) return <ErrorCode>blocks;
    const least = number === LOST_FOUND && blocks === 1 ? LOST_FOUND_BLOCKS : 1;
    place(build, node, <u64>max<u32>(<u32>blocks, least));
  }
  if (node.kind === Ext4Kind.SYMLINK && node.targetLength >= TARGET_FAST) place(build, node, 1);
  if (xattrsInBlock(build, node)) node.xattrBlock = <u32>take(build, 1);
  return ErrorCode.OK;
}

/** Blocks for content, and behind them those for the extents that do not fit the inode. */
function place(build: Build, node: Node, blocks: u64): void {
  node.first = <u32>take(build, blocks);
  node.blocks = <u32>blocks;
  if (build.missing > 0) return;
  const extents = extentsOf(build, <u64>node.first, blocks, true);
  if (extents <= EXTENTS_IN_INODE) return;
  node.treeBlocks = treeBlocks(extents);
  node.tree = <u32>take(build, <u64>node.treeBlocks);
}

function treeBlocks(extents: u32): u32 {
  let level = extents;
  let blocks: u32 = 0;
  while (level > EXTENTS_IN_INODE) {
    level = (level + EXTENTS_IN_BLOCK - 1) / EXTENTS_IN_BLOCK;
    blocks += level;
  }
  return blocks;
}

/**
 * The journal begins where mke2fs puts it: in the emptier of the two groups at the middle, those
 * of a whole flexible group if there is more than one.
 */
function journalPlace(build: Build): bool {
  const geometry = build.geometry;
  let group = <u32>(geometry.blocks / 2 / <u64>GROUP_BLOCKS);
  let start = group > 0 ? group - 1 : 0;
  if (group > FLEX_GROUPS) {
    group &= ~(FLEX_GROUPS - 1);
    start = group;
  }
  const end = min<u32>(group + 1, geometry.groups - 1);
  let best = start;
  for (let each = start + 1; each <= end; each++) {
    if (metaFree(geometry, each) > metaFree(geometry, best)) best = each;
  }
  let at = groupStart(best);
  let left = <u64>geometry.journalBlocks;
  let wrapped = false;
  while (left > 0) {
    runFrom(build, at, false);
    if (runStart >= geometry.blocks) {
      if (wrapped) return false;
      wrapped = true;
      at = 0;
      continue;
    }
    if (wrapped && runStart >= groupStart(best)) return false;
    if (build.journalSpans === JOURNAL_SPANS_MAX) return false;
    const piece = min<u64>(left, runEnd - runStart);
    const span = build.journal + ((<usize>build.journalSpans) << 4);
    store<u64>(span, runStart);
    store<u64>(span, runStart + piece, 8);
    build.journalSpans += 1;
    at = runStart + piece;
    left -= piece;
  }
  return true;
}

function journalExtents(build: Build): u32 {
  let extents: u32 = 0;
  for (let index: u32 = 0; index < build.journalSpans; index++) {
    const span = build.journal + ((<usize>index) << 4);
    extents += <u32>((load<u64>(span, 8) - load<u64>(span) + 32767) >>> 15);
  }
  return extents;
}

/** Blocks of a group that hold no metadata. */
export function metaFree(geometry: Geometry, group: u32): u32 {
  spansMake(geometry, group);
  const start = groupStart(group);
  const end = groupEnd(geometry, group);
  let free = end - start;
  for (let index: u32 = 0; index < geometry.spansCount; index++) {
    const from = max<u64>(start, spanBegin(geometry, index));
    const to = min<u64>(end, spanEnd(geometry, index));
    if (from < to) free -= to - from;
  }
  return <u32>free;
}

/** Blocks in use once all is written: metadata, journal and what was taken. */
export function usedBlocks(build: Build): u64 {
  const geometry = build.geometry;
  let used = <u64>geometry.journalBlocks;
  for (let group: u32 = 0; group < geometry.groups; group++) {
    const start = groupStart(group);
    used += groupEnd(geometry, group) - start - <u64>metaFree(geometry, group);
  }
  return used + build.taken;
}
