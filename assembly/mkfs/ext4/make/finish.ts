/**
 * Writes what makes a volume of the content: directories, targets, attributes, journal, inodes,
 * bitmaps, descriptors and their copies, and then, behind a FLUSH, the superblock.
 *
 * What is not written: bitmaps of groups in which nothing is used but their own copies
 * (GROUP_FLAG_BLOCKS_UNUSED), bitmaps and tables of inodes of groups without any
 * (GROUP_FLAG_INODES_UNUSED), and the unused end of a table, which descriptors count. Nobody reads
 * those, and Linux zeroes tables after a mount, for GROUP_FLAG_TABLE_ZEROED is not set.
 */
import { deviceFlush, deviceWrite, deviceZero } from "../../../engine/device";
import { failPlain } from "../../../engine/fault";
import { ErrorCode } from "../../../format/errors";
import { Ext4Kind } from "../../../format/media/calls-ext4-build";
import { BLOCK_SHIFT, BLOCK_SIZE } from "../../../format/media/ext4";
import { TARGET_FAST } from "../../../format/media/ext4-names";
import {
  JOURNAL_BLOCK_SIZE,
  JOURNAL_BLOCKS,
  JOURNAL_FIRST,
  JOURNAL_HEADER_TYPE,
  JOURNAL_MAGIC,
  JOURNAL_SEQUENCE,
  JOURNAL_TYPE_SUPER_2,
  JOURNAL_USERS,
  JOURNAL_UUID,
} from "../../../format/media/jbd2";
import { GROUP_BLOCKS, groupStart, hasSuper } from "../base/geometry";
import { Build, NONE, nodeAt, Stage } from "./base/build";
import { blockOut, bufferFlush, sectorOf } from "./base/space";
import { contentBegin } from "./content";
import { groupsWrite } from "./groups";
import { directoryWrite } from "./nodes/directory";
import { inodesWrite, seedOf, targetOf } from "./nodes/inodes";
import { xattrsBlock } from "./nodes/xattrs";
import { SUPER_BLOCK_AT, superMake } from "./super";

/** From here on the volume is one. EINVAL: content is missing. */
export function finish(build: Build): ErrorCode {
  let code = contentBegin(build);
  if (code !== ErrorCode.OK) return code;
  if (build.current !== NONE) return failPlain(ErrorCode.EINVAL);
  code = smallWrite(build);
  if (code === ErrorCode.OK) code = resizeWrite(build);
  if (code === ErrorCode.OK) code = journalWrite(build);
  if (code === ErrorCode.OK) code = inodesWrite(build);
  if (code === ErrorCode.OK) code = groupsWrite(build);
  if (code === ErrorCode.OK) code = bufferFlush(build);
  if (code === ErrorCode.OK) code = descriptorsWrite(build);
  if (code === ErrorCode.OK) code = deviceFlush(build.device);
  if (code !== ErrorCode.OK) return code;
  // From here on it is a volume.
  superMake(build, 0, build.buffer);
  code = deviceWrite(build.device, 0, build.buffer, BLOCK_SIZE);
  if (code === ErrorCode.OK) code = deviceFlush(build.device);
  if (code === ErrorCode.OK) build.stage = Stage.FINISHED;
  return code;
}

/** What stands in blocks of its own beside content, in the order of the layout. */
function smallWrite(build: Build): ErrorCode {
  for (let number: u32 = 0; number < build.nodes; number++) {
    const node = nodeAt(build, number);
    if (node.kind === Ext4Kind.DIRECTORY) {
      const code = directoryWrite(build, number, seedOf(build, node.inode));
      if (code !== ErrorCode.OK) return code;
    }
    if (node.kind === Ext4Kind.SYMLINK && node.targetLength >= TARGET_FAST) {
      const block = blockOut(build, <u64>node.first);
      if (block === 0) return ErrorCode.EIO;
      memory.copy(block, targetOf(build, node), node.targetLength);
    }
    if (node.xattrBlock === 0) continue;
    const block = blockOut(build, <u64>node.xattrBlock);
    if (block === 0) return ErrorCode.EIO;
    xattrsBlock(build, node, block);
  }
  return ErrorCode.OK;
}

/** The map of the resize inode, and the reserve of the first group, which names its copies. */
function resizeWrite(build: Build): ErrorCode {
  const geometry = build.geometry;
  const first = 1 + geometry.descriptorBlocks;
  if (geometry.reserveBlocks === 0) return ErrorCode.OK;
  const map = blockOut(build, build.resizeMap);
  if (map === 0) return ErrorCode.EIO;
  for (let index: u32 = 0; index < geometry.reserveBlocks; index++) {
    const place = (geometry.descriptorBlocks + index) & ((BLOCK_SIZE >>> 2) - 1);
    store<u32>(map + ((<usize>place) << 2), first + index);
  }
  for (let index: u32 = 0; index < geometry.reserveBlocks; index++) {
    let at = blockOut(build, <u64>(first + index));
    if (at === 0) return ErrorCode.EIO;
    for (let group: u32 = 1; group < geometry.groups; group++) {
      if (!hasSuper(group)) continue;
      store<u32>(at, group * GROUP_BLOCKS + first + index);
      at += 4;
    }
  }
  return ErrorCode.OK;
}

/**
 * An empty journal. It is zeroed: an older one at the same place, of a volume with the same uuid,
 * could be taken for transactions of this one.
 */
function journalWrite(build: Build): ErrorCode {
  let code = bufferFlush(build);
  for (let index: u32 = 0; index < build.journalSpans && code === ErrorCode.OK; index++) {
    const span = build.journal + ((<usize>index) << 4);
    // The first block is written below.
    const begin = load<u64>(span) + (index === 0 ? 1 : 0);
    code = deviceZero(build.device, sectorOf(begin), sectorOf(load<u64>(span, 8) - begin));
  }
  if (code !== ErrorCode.OK) return code;
  const block = blockOut(build, load<u64>(build.journal));
  if (block === 0) return ErrorCode.EIO;
  store<u32>(block, bswap<u32>(JOURNAL_MAGIC));
  store<u32>(block, bswap<u32>(JOURNAL_TYPE_SUPER_2), JOURNAL_HEADER_TYPE);
  store<u32>(block, bswap<u32>(BLOCK_SIZE), JOURNAL_BLOCK_SIZE);
  store<u32>(block, bswap<u32>(build.geometry.journalBlocks), JOURNAL_BLOCKS);
  store<u32>(block, bswap<u32>(1), JOURNAL_FIRST);
  store<u32>(block, bswap<u32>(1), JOURNAL_SEQUENCE);
  store<u32>(block, bswap<u32>(1), JOURNAL_USERS);
  memory.copy(block + JOURNAL_UUID, build.uuid, 16);
  return ErrorCode.OK;
}

/** The table of groups, and copies of it and of the superblock. */
function descriptorsWrite(build: Build): ErrorCode {
  const geometry = build.geometry;
  const length = geometry.descriptorBlocks << BLOCK_SHIFT;
  for (let group: u32 = 0; group < geometry.groups; group++) {
    if (!hasSuper(group)) continue;
    const start = groupStart(group);
    let code = deviceWrite(build.device, sectorOf(start + 1), build.groups, length);
    if (code === ErrorCode.OK && group > 0) {
      superMake(build, group, build.buffer);
      const copy = build.buffer + SUPER_BLOCK_AT;
      code = deviceWrite(build.device, sectorOf(start), copy, BLOCK_SIZE);
    }
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}
