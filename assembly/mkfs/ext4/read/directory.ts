/**
 * Directories: their blocks, each checked once while it stays in memory, and names looked up in
 * them. A directory with an index is listed linearly: its nodes look like blocks without entries.
 * The index says where to look for a name first.
 */
import { equalBytes } from "../../../engine/bytes";
import { deviceFail } from "../../../engine/device";
import { failPlain, lastFault } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  INCOMPATIBLE_FILE_TYPE,
  SUPER_FLAG_UNSIGNED_HASH,
  SUPER_FLAGS,
  SUPER_HASH_SEED,
} from "../../../format/media/ext4";
import {
  INODE_FLAG_ENCRYPTED,
  INODE_FLAG_INDEX,
  INODE_FLAG_INLINE,
} from "../../../format/media/ext4-inode";
import {
  ENTRY_INODE,
  ENTRY_LENGTH,
  ENTRY_NAME_LENGTH,
  ENTRY_SIZE,
  ENTRY_TYPE_TAIL,
  HASH_LEGACY_UNSIGNED,
  HASH_TEA,
  INDEX_ENTRY_BLOCK,
  INDEX_ENTRY_SIZE,
  INDEX_NODE_LIMIT,
  INDEX_ROOT_HASH_VERSION,
  INDEX_ROOT_LEVELS,
  INDEX_ROOT_LIMIT,
  INDEX_TAIL_CHECKSUM,
  INDEX_TAIL_SIZE,
  LEAF_TAIL_CHECKSUM,
  LEAF_TAIL_LENGTH,
  LEAF_TAIL_SIZE,
  LEAF_TAIL_TYPE,
  NAME_MAX,
} from "../../../format/media/ext4-names";
import { isHash, nameHash } from "../base/hash";
import { indexSum, indexTailAt, leafSum } from "../base/sums";
import { inodeFail } from "./inode";
import { runAt } from "./map";
import { blockFrame, Ext4, ext4Fail, Inode, Run, USE_DIRECTORY, useFits } from "./volume";

const SLASH: u8 = 0x2f;
/** Levels of nodes below the root of an index, with INCOMPATIBLE_LARGE_DIRECTORY. */
const INDEX_DEPTH_MAX: u32 = 2;
/** An index names blocks with 28 bits; the upper ones are kept for other uses. */
export const INDEX_BLOCK_MASK: u32 = 0x0fffffff;
/** The shortest entry: a name of up to four bytes. */
const ENTRY_LENGTH_MIN: u32 = 12;

const run = changetype<Run>(memory.data(offsetof<Run>(), 8));
let found: u32 = 0;
let foundAt: u32 = 0;
let foundIndex: u32 = 0;
/** The block before the one that an index named may have names of the same hash. */
let isShared = false;
let placeBlock: u64 = 0;

/** Blocks of a directory, or 0 after a fault: EBADMSG, EOPNOTSUPP (encrypted or inline). */
export function directoryBlocks(ext4: Ext4, directory: Inode): u32 {
  const strange = directory.flags & (INODE_FLAG_ENCRYPTED | INODE_FLAG_INLINE);
  if (strange !== 0) {
    const sector = directory.tableBlock * <u64>ext4.blockSectors;
    deviceFail(ext4.device, ErrorCode.EOPNOTSUPP, Reason.FEATURE, sector, strange);
    return 0;
  }
  const blocks = directory.size >>> ext4.blockShift;
  const isWhole = (directory.size & <u64>(ext4.blockSize - 1)) === 0;
  // More blocks than the volume has would be the same ones over and over.
  const most = min<u64>(ext4.blocks, <u64>INDEX_BLOCK_MASK);
  if (isWhole && blocks > 0 && blocks <= most) return <u32>blocks;
  inodeFail(ext4, directory, Reason.EXT4_DIRECTORY);
  return 0;
}

/** Block `index` of a directory, checked: its address, 0 after a fault. A hole is damage. */
export function directoryBlock(ext4: Ext4, directory: Inode, index: u32): usize {
  if (runAt(ext4, directory, <u64>index, run) !== ErrorCode.OK) return 0;
  if (run.block === 0) {
    inodeFail(ext4, directory, Reason.EXT4_DIRECTORY);
    return 0;
  }
  placeBlock = run.block;
  const frame = blockFrame(ext4, run.block);
  if (frame === null) return 0;
  const use = directoryUse(directory, index);
  if (frame.page === use) return frame.address;
  if (!useFits(ext4, frame, use)) return 0;
  if (!blockHolds(ext4, directory, index, frame.address)) {
    ext4Fail(ext4, Reason.CHECKSUM, run.block, directory.number);
    return 0;
  }
  const at = blockEntries(ext4, frame.address);
  if (at !== ext4.blockSize) {
    ext4Fail(ext4, Reason.EXT4_DIRECTORY, run.block, at);
    return 0;
  }
  frame.page = use;
  return frame.address;
}

/** The use of block `index` of a directory. */
export function directoryUse(directory: Inode, index: u32): u64 {
  return USE_DIRECTORY | ((<u64>index) << 32) | <u64>directory.number;
}

/** Where the block that was asked for last stands on the disk. */
export function directoryPlace(): u64 {
  return placeBlock;
}

/** The number of the inode that `name` leads to, in lookupInode(): ENOENT, or damage. */
export function lookup(ext4: Ext4, directory: Inode, name: usize, length: u32): ErrorCode {
  const blocks = directoryBlocks(ext4, directory);
  if (blocks === 0) return lastFault();
  if (length > NAME_MAX) return failPlain(ErrorCode.ENAMETOOLONG);
  if ((directory.flags & INODE_FLAG_INDEX) !== 0) {
    const leaf = indexedBlock(ext4, directory, blocks, name, length);
    if (leaf > 0 && lookupIn(ext4, directory, leaf, name, length) === ErrorCode.OK) {
      return ErrorCode.OK;
    }
  }
  // An index only says where to look first: a name that is not there may be elsewhere.
  for (let index: u32 = 0; index < blocks; index++) {
    const code = lookupIn(ext4, directory, index, name, length);
    if (code !== ErrorCode.ENOENT) return code;
  }
  return failPlain(ErrorCode.ENOENT);
}

/**
 * lookup() for a name that is mostly not there: where the index can tell, it is believed. Whoever
 * changes a directory keeps its index right, and would otherwise read all of it for each name.
 */
export function lookupIndexed(ext4: Ext4, directory: Inode, name: usize, length: u32): ErrorCode {
  const isIndexed = (directory.flags & INODE_FLAG_INDEX) !== 0 && length <= NAME_MAX;
  const blocks = isIndexed ? directoryBlocks(ext4, directory) : 0;
  const leaf = blocks > 0 ? indexedBlock(ext4, directory, blocks, name, length) : 0;
  if (leaf === 0 || isShared) return lookup(ext4, directory, name, length);
  const code = lookupIn(ext4, directory, leaf, name, length);
  return code === ErrorCode.ENOENT ? failPlain(code) : code;
}

/** The same in block `index` alone; ENOENT is no fault yet. */
function lookupIn(ext4: Ext4, directory: Inode, index: u32, name: usize, length: u32): ErrorCode {
  const block = directoryBlock(ext4, directory, index);
  if (block === 0) return lastFault();
  for (let at: u32 = 0; at < ext4.blockSize; at += entryLength(block + at)) {
    const entry = block + <usize>at;
    const number = load<u32>(entry, ENTRY_INODE);
    if (number === 0 || <u32>load<u8>(entry, ENTRY_NAME_LENGTH) !== length) continue;
    if (!equalBytes(entry + ENTRY_SIZE, name, length)) continue;
    found = number;
    foundAt = at;
    foundIndex = index;
    return ErrorCode.OK;
  }
  return ErrorCode.ENOENT;
}

/** Byte of its block, directoryPlace(), where the entry stands that lookup() found. */
export function lookupAt(): u32 {
  return foundAt;
}

/** Which block of the directory that is. */
export function lookupIndex(): u32 {
  return foundIndex;
}

/** Block where the index of a directory has `name`; 0: it cannot tell. */
function indexedBlock(ext4: Ext4, directory: Inode, blocks: u32, name: usize, length: u32): u32 {
  let block = directoryBlock(ext4, directory, 0);
  if (block === 0) return 0;
  const version = hashVersion(ext4, <u32>load<u8>(block, INDEX_ROOT_HASH_VERSION));
  if (!isHash(version)) return 0;
  const hash = nameHash(version, name, length, ext4.super + SUPER_HASH_SEED);
  const levels = <u32>load<u8>(block, INDEX_ROOT_LEVELS);
  let countAt = INDEX_ROOT_LIMIT;
  let lowest: u32 = 0;
  for (let level: u32 = 0; level <= min<u32>(levels, INDEX_DEPTH_MAX); level++) {
    if (!indexFits(ext4, block, countAt)) return 0;
    const first = block + <usize>countAt;
    let low: u32 = 0;
    let high = <u32>load<u16>(first, 2);
    while (low + 1 < high) {
      const middle = (low + high) >>> 1;
      if ((load<u32>(first + <usize>(middle * INDEX_ENTRY_SIZE)) & ~1) <= hash) low = middle;
      else high = middle;
    }
    if (low > 0) lowest = load<u32>(first + <usize>(low * INDEX_ENTRY_SIZE));
    isShared = lowest === (hash | 1);
    const below = load<u32>(first + <usize>(low * INDEX_ENTRY_SIZE), INDEX_ENTRY_BLOCK);
    const index = below & INDEX_BLOCK_MASK;
    if (index === 0 || index >= blocks) return 0;
    if (level === levels) return index;
    block = directoryBlock(ext4, directory, index);
    if (block === 0 || !isIndexNode(ext4, block)) return 0;
    countAt = INDEX_NODE_LIMIT;
  }
  return 0;
}

/** A version of hash as nameHash() wants it: the volume says whether bytes are unsigned. */
export function hashVersion(ext4: Ext4, version: u32): u32 {
  const isUnsigned = (load<u32>(ext4.super, SUPER_FLAGS) & SUPER_FLAG_UNSIGNED_HASH) !== 0;
  return isUnsigned && version <= HASH_TEA ? version + HASH_LEGACY_UNSIGNED : version;
}

export function lookupInode(): u32 {
  return found;
}

export function entryLength(entry: usize): u32 {
  return <u32>load<u16>(entry, ENTRY_LENGTH);
}

/** True if the checksum of block `index` of a directory holds, or the volume has none. */
export function blockHolds(ext4: Ext4, directory: Inode, index: u32, block: usize): bool {
  if (!ext4.hasChecksums) return true;
  const isIndexed = (directory.flags & INODE_FLAG_INDEX) !== 0;
  if (isIndexed && index === 0) return indexHolds(ext4, directory, block, INDEX_ROOT_LIMIT);
  if (isIndexed && isIndexNode(ext4, block)) {
    return indexHolds(ext4, directory, block, INDEX_NODE_LIMIT);
  }
  const tail = block + <usize>(ext4.blockSize - LEAF_TAIL_SIZE);
  const isTail =
    load<u32>(tail) === 0 &&
    <u32>load<u16>(tail, LEAF_TAIL_LENGTH) === LEAF_TAIL_SIZE &&
    <u32>load<u8>(tail, LEAF_TAIL_TYPE) === ENTRY_TYPE_TAIL;
  if (!isTail) return false;
  return leafSum(directory.seed, block, ext4.blockSize) === load<u32>(tail, LEAF_TAIL_CHECKSUM);
}

/** True if a block of a directory with an index is a node of it: one entry without a name. */
export function isIndexNode(ext4: Ext4, block: usize): bool {
  return load<u32>(block, ENTRY_INODE) === 0 && entryLength(block) === ext4.blockSize;
}

/** True if the numbers of an index node are possible. */
export function indexFits(ext4: Ext4, block: usize, countAt: u32): bool {
  const limit = <u32>load<u16>(block + countAt);
  const count = <u32>load<u16>(block + countAt, 2);
  const tail: u32 = ext4.hasChecksums ? INDEX_TAIL_SIZE : 0;
  const most = (ext4.blockSize - countAt - tail) / INDEX_ENTRY_SIZE;
  return count > 0 && count <= limit && limit <= most;
}

/** Offset of the first entry of a block that is impossible; the block's size: there is none. */
export function blockEntries(ext4: Ext4, block: usize): u32 {
  const hasTypes = (ext4.incompatible & INCOMPATIBLE_FILE_TYPE) !== 0;
  let at: u32 = 0;
  while (at < ext4.blockSize) {
    if (ext4.blockSize - at < ENTRY_LENGTH_MIN) return at;
    const entry = block + <usize>at;
    const length = entryLength(entry);
    const nameLength = <u32>load<u8>(entry, ENTRY_NAME_LENGTH);
    const fits =
      length >= ENTRY_LENGTH_MIN &&
      (length & 3) === 0 &&
      length <= ext4.blockSize - at &&
      ENTRY_SIZE + nameLength <= length;
    if (!fits) return at;
    const number = load<u32>(entry, ENTRY_INODE);
    if (number > ext4.inodes || (number !== 0 && nameLength === 0)) return at;
    if (!hasTypes && load<u8>(entry, ENTRY_NAME_LENGTH + 1) !== 0) return at;
    for (let byte: u32 = 0; number !== 0 && byte < nameLength; byte++) {
      const letter = load<u8>(entry + ENTRY_SIZE + byte);
      if (letter === 0 || letter === SLASH) return at;
    }
    at += length;
  }
  return at;
}

function indexHolds(ext4: Ext4, directory: Inode, block: usize, countAt: u32): bool {
  if (!indexFits(ext4, block, countAt)) return false;
  const told = load<u32>(indexTailAt(block, countAt), INDEX_TAIL_CHECKSUM);
  return indexSum(directory.seed, block, countAt) === told;
}
