/** Inodes: those that are reserved, then one for each node, and the trees of their extents. */
import { ErrorCode } from "../../../../format/errors";
import { Ext4Kind } from "../../../../format/media/calls-ext4-build";
import { BLOCK_SECTORS, BLOCK_SHIFT, BLOCK_SIZE } from "../../../../format/media/ext4";
import {
  EXTRA_EPOCH_MASK,
  EXTRA_NANOSECONDS_SHIFT,
  INODE_ACCESSED_AT,
  INODE_ACCESSED_EXTRA,
  INODE_BLOCK,
  INODE_BLOCKS_HIGH,
  INODE_BLOCKS_LOW,
  INODE_CHANGED_AT,
  INODE_CHANGED_EXTRA,
  INODE_CHECKSUM_HIGH,
  INODE_CHECKSUM_LOW,
  INODE_CREATED_AT,
  INODE_CREATED_EXTRA,
  INODE_EXTRA,
  INODE_EXTRA_WANTED,
  INODE_FIRST,
  INODE_FLAG_EXTENTS,
  INODE_FLAG_INDEX,
  INODE_FLAGS,
  INODE_GENERATION,
  INODE_GID_HIGH,
  INODE_GID_LOW,
  INODE_JOURNAL,
  INODE_LINKS,
  INODE_LINKS_MAX,
  INODE_MODE,
  INODE_MODIFIED_AT,
  INODE_MODIFIED_EXTRA,
  INODE_RESIZE,
  INODE_ROOT,
  INODE_SIZE,
  INODE_SIZE_HIGH,
  INODE_SIZE_LOW,
  INODE_UID_HIGH,
  INODE_UID_LOW,
  INODE_XATTR_LOW,
  MAP_DIRECT,
  MAP_DOUBLE,
  MODE_BLOCK,
  MODE_CHARACTER,
  MODE_DIRECTORY,
  MODE_FIFO,
  MODE_FILE,
  MODE_SOCKET,
  MODE_SYMLINK,
} from "../../../../format/media/ext4-inode";
import { TARGET_FAST } from "../../../../format/media/ext4-names";
import { hasSuper, inodeTableAt } from "../../base/geometry";
import { inodeSeed, inodeSum, sumU32 } from "../../base/sums";
import { Build, LOST_FOUND, Node, nodeAt, ROOT } from "../base/build";
import { blockOut } from "../base/space";
import { isIndexed } from "./directory";
import { extentsStore } from "./extents";
import { xattrsInode } from "./xattrs";

const INODES_IN_BLOCK: u32 = BLOCK_SIZE / INODE_SIZE;
/** Block numbers in a block. */
const NUMBERS: u64 = BLOCK_SIZE / 4;

/** One block of a table: trees of extents go to the same buffer, between its inodes. */
const tableBlock: usize = memory.data(4096, 16);

/** The words of the journal's inode that the superblock keeps: see SUPER_JOURNAL_BACKUP. */
export const journalBackup: usize = memory.data(68, 8);
const BACKUP_WORDS: u32 = 15;

/** Of a new file: no two of one volume are the same, and every build has the same. */
function generationOf(build: Build, inode: u32): u32 {
  return inode > INODE_FIRST ? sumU32(build.seed, inode) : 0;
}

/** Seed of the checksums of what belongs to an inode. */
export function seedOf(build: Build, inode: u32): u32 {
  return inodeSeed(build.seed, inode, generationOf(build, inode));
}

/** Writes all inodes in use, in order, and the trees of extents below them. */
export function inodesWrite(build: Build): ErrorCode {
  for (let inode: u32 = 1; inode < INODE_FIRST; inode++) {
    let code = ErrorCode.OK;
    const at = slot(inode);
    if (inode === INODE_ROOT) code = nodeInode(build, ROOT, at);
    if (inode === INODE_RESIZE && build.geometry.reserveBlocks > 0) resizeInode(build, at);
    if (inode === INODE_JOURNAL) code = journalInode(build, at);
    if (code === ErrorCode.OK) code = slotEnd(build, inode);
    if (code !== ErrorCode.OK) return code;
  }
  for (let number: u32 = LOST_FOUND; number < build.nodes; number++) {
    const inode = nodeAt(build, number).inode;
    if (nodeAt(build, number).kind === Ext4Kind.LINK) continue;
    let code = nodeInode(build, number, slot(inode));
    if (code === ErrorCode.OK) code = slotEnd(build, inode);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

function slot(inode: u32): usize {
  const index = (inode - 1) % INODES_IN_BLOCK;
  if (index === 0) memory.fill(tableBlock, 0, BLOCK_SIZE);
  return tableBlock + <usize>(index * INODE_SIZE);
}

/** The last inode of a block, or of all, writes the block. */
function slotEnd(build: Build, inode: u32): ErrorCode {
  if (inode % INODES_IN_BLOCK !== 0 && inode !== build.inodes) return ErrorCode.OK;
  const groupInodes = build.geometry.groupInodes;
  const group = (inode - 1) / groupInodes;
  const index = ((inode - 1) % groupInodes) / INODES_IN_BLOCK;
  const block = blockOut(build, inodeTableAt(build.geometry, group) + <u64>index);
  if (block === 0) return ErrorCode.EIO;
  memory.copy(block, tableBlock, BLOCK_SIZE);
  return ErrorCode.OK;
}

function nodeInode(build: Build, number: u32, at: usize): ErrorCode {
  const node = nodeAt(build, number);
  const isFolder = node.kind === Ext4Kind.DIRECTORY;
  const seed = seedOf(build, node.inode);
  store<u16>(at, <u16>(typeOf(node.kind) | node.mode), INODE_MODE);
  store<u16>(at, <u16>node.uid, INODE_UID_LOW);
  store<u16>(at, <u16>(node.uid >>> 16), INODE_UID_HIGH);
  store<u16>(at, <u16>node.gid, INODE_GID_LOW);
  store<u16>(at, <u16>(node.gid >>> 16), INODE_GID_HIGH);
  // A directory with more links than there can be says 1 (dir_nlink).
  const links: u32 = isFolder && node.links > INODE_LINKS_MAX ? 1 : node.links;
  store<u16>(at, <u16>links, INODE_LINKS);
  store<u32>(at, generationOf(build, node.inode), INODE_GENERATION);
  timesStore(build, at);
  timeStore(at, INODE_MODIFIED_AT, INODE_MODIFIED_EXTRA, node.modifiedS, node.modifiedNs);
  sizeStore(at, isFolder ? (<u64>node.blocks) << BLOCK_SHIFT : node.bytes);
  const own = node.blocks + node.treeBlocks + (node.xattrBlock !== 0 ? 1 : 0);
  blocksStore(at, own);
  store<u32>(at, node.xattrBlock, INODE_XATTR_LOW);
  let code = ErrorCode.OK;
  if (isFolder || node.kind === Ext4Kind.FILE || node.blocks > 0) {
    const index: u32 = isFolder && isIndexed(build, number) ? INODE_FLAG_INDEX : 0;
    store<u32>(at, INODE_FLAG_EXTENTS | index, INODE_FLAGS);
    const blocks = <u64>node.blocks;
    code = extentsStore(build, at, seed, <u64>node.first, blocks, <u64>node.tree, true);
  }
  if (node.kind === Ext4Kind.SYMLINK) targetStore(build, node, at);
  if (node.kind === Ext4Kind.CHARACTER || node.kind === Ext4Kind.BLOCK) deviceStore(node, at);
  xattrsInode(build, node, at);
  seal(seed, at);
  return code;
}

function typeOf(kind: Ext4Kind): u32 {
  if (kind === Ext4Kind.FILE) return MODE_FILE;
  if (kind === Ext4Kind.DIRECTORY) return MODE_DIRECTORY;
  if (kind === Ext4Kind.SYMLINK) return MODE_SYMLINK;
  if (kind === Ext4Kind.CHARACTER) return MODE_CHARACTER;
  if (kind === Ext4Kind.BLOCK) return MODE_BLOCK;
  return kind === Ext4Kind.FIFO ? MODE_FIFO : MODE_SOCKET;
}

function targetStore(build: Build, node: Node, at: usize): void {
  sizeStore(at, <u64>node.targetLength);
  if (node.targetLength >= TARGET_FAST) return;
  memory.copy(at + INODE_BLOCK, targetOf(build, node), node.targetLength);
}

/** Address of the target of a symbolic link. */
export function targetOf(build: Build, node: Node): usize {
  return build.names + node.name + node.nameLength;
}

/** Word 0 has 8 bits each of major and minor; what is larger stands in word 1. */
function deviceStore(node: Node, at: usize): void {
  const isOld = node.other < 1 << 16;
  store<u32>(at + INODE_BLOCK + (isOld ? 0 : 4), node.other);
}

/** Block map, not extents: its double map leads to the reserve of the first group and copies. */
function resizeInode(build: Build, at: usize): void {
  const reserveBlocks = build.geometry.reserveBlocks;
  const groups = build.geometry.groups;
  let copies: u32 = 0;
  for (let group: u32 = 1; group < groups; group++) if (hasSuper(group)) copies += 1;
  store<u16>(at, <u16>(MODE_FILE | 0o600), INODE_MODE);
  store<u16>(at, 1, INODE_LINKS);
  sizeStore(at, (NUMBERS * NUMBERS + NUMBERS + <u64>MAP_DIRECT) << BLOCK_SHIFT);
  blocksStore(at, 1 + reserveBlocks * (1 + copies));
  store<u32>(at + INODE_BLOCK + (MAP_DOUBLE << 2), <u32>build.resizeMap);
  timesStore(build, at);
  timeStore(at, INODE_MODIFIED_AT, INODE_MODIFIED_EXTRA, build.timestampS, build.timestampNs);
  seal(seedOf(build, INODE_RESIZE), at);
}

function journalInode(build: Build, at: usize): ErrorCode {
  const blocks = build.geometry.journalBlocks;
  const seed = seedOf(build, INODE_JOURNAL);
  store<u16>(at, <u16>(MODE_FILE | 0o600), INODE_MODE);
  store<u16>(at, 1, INODE_LINKS);
  store<u32>(at, INODE_FLAG_EXTENTS, INODE_FLAGS);
  sizeStore(at, (<u64>blocks) << BLOCK_SHIFT);
  blocksStore(at, blocks + (build.journalTree !== 0 ? 1 : 0));
  timesStore(build, at);
  timeStore(at, INODE_MODIFIED_AT, INODE_MODIFIED_EXTRA, build.timestampS, build.timestampNs);
  const first = load<u64>(build.journal);
  const code = extentsStore(build, at, seed, first, <u64>blocks, build.journalTree, false);
  seal(seed, at);
  memory.copy(journalBackup, at + INODE_BLOCK, BACKUP_WORDS << 2);
  store<u32>(journalBackup + (BACKUP_WORDS << 2), load<u32>(at, INODE_SIZE_HIGH));
  store<u32>(journalBackup + (BACKUP_WORDS << 2), load<u32>(at, INODE_SIZE_LOW), 4);
  return code;
}

function sizeStore(at: usize, bytes: u64): void {
  store<u32>(at, <u32>bytes, INODE_SIZE_LOW);
  store<u32>(at, <u32>(bytes >>> 32), INODE_SIZE_HIGH);
}

function blocksStore(at: usize, blocks: u32): void {
  const sectors = <u64>blocks * <u64>BLOCK_SECTORS;
  store<u32>(at, <u32>sectors, INODE_BLOCKS_LOW);
  store<u16>(at, <u16>(sectors >>> 32), INODE_BLOCKS_HIGH);
}

/** All but the time of the content: the build's. */
function timesStore(build: Build, at: usize): void {
  const seconds = build.timestampS;
  const nanoseconds = build.timestampNs;
  store<u16>(at, INODE_EXTRA_WANTED, INODE_EXTRA);
  timeStore(at, INODE_ACCESSED_AT, INODE_ACCESSED_EXTRA, seconds, nanoseconds);
  timeStore(at, INODE_CHANGED_AT, INODE_CHANGED_EXTRA, seconds, nanoseconds);
  timeStore(at, INODE_CREATED_AT, INODE_CREATED_EXTRA, seconds, nanoseconds);
}

/** The lower 32 bits are read with their sign; what is missing then stands in two bits more. */
function timeStore(at: usize, field: u32, extra: u32, seconds: i64, nanoseconds: u32): void {
  const epoch = <u32>((seconds - <i64>(<i32>seconds)) >> 32) & EXTRA_EPOCH_MASK;
  store<u32>(at + field, <u32>seconds);
  store<u32>(at + extra, (nanoseconds << EXTRA_NANOSECONDS_SHIFT) | epoch);
}

function seal(seed: u32, at: usize): void {
  const crc = inodeSum(seed, at, INODE_SIZE);
  store<u16>(at, <u16>crc, INODE_CHECKSUM_LOW);
  store<u16>(at, <u16>(crc >>> 16), INODE_CHECKSUM_HIGH);
}
