/** The tree of directories: every entry leads to an inode in use, and each is counted. */
import { failPlain, lastFault } from "../../../engine/fault";
import { allocate, release } from "../../../engine/memory";
import { ErrorCode } from "../../../format/errors";
import { Ext4Problem } from "../../../format/media/calls-ext4";
import { INCOMPATIBLE_FILE_TYPE } from "../../../format/media/ext4";
import {
  INODE_FLAG_INDEX,
  INODE_ROOT,
  MODE_BLOCK,
  MODE_CHARACTER,
  MODE_DIRECTORY,
  MODE_FIFO,
  MODE_FILE,
  MODE_SOCKET,
  MODE_SYMLINK,
} from "../../../format/media/ext4-inode";
import {
  ENTRY_INODE,
  ENTRY_NAME_LENGTH,
  ENTRY_SIZE,
  ENTRY_TYPE,
  ENTRY_TYPE_BLOCK,
  ENTRY_TYPE_CHARACTER,
  ENTRY_TYPE_DIRECTORY,
  ENTRY_TYPE_FIFO,
  ENTRY_TYPE_FILE,
  ENTRY_TYPE_SOCKET,
  ENTRY_TYPE_SYMLINK,
  ENTRY_TYPE_UNKNOWN,
  INDEX_ENTRY_SIZE,
  INDEX_INFO_LENGTH,
  INDEX_NODE_FIRST,
  INDEX_NODE_LIMIT,
  INDEX_ROOT_FIRST,
  INDEX_ROOT_INFO_LENGTH,
  INDEX_ROOT_LIMIT,
} from "../../../format/media/ext4-names";
import {
  blockEntries,
  blockHolds,
  directoryBlocks,
  entryLength,
  indexFits,
  isIndexNode,
} from "../read/directory";
import { inodeLoad } from "../read/inode";
import { runAt } from "../read/map";
import { blockAt, Ext4, Inode, Run } from "../read/volume";
import { findingsCount, findingsName, found } from "./findings";
import {
  NOTE_COUNT,
  NOTE_DIRECTORY,
  NOTE_FOUND,
  NOTE_TYPE_SHIFT,
  NOTE_USED,
  NOTE_WALKED,
  notesOf,
} from "./notes";

/** Directories that wait, on the way from the root down. */
const DEPTH_MAX: u32 = 16384;
const PLACE_SIZE: u32 = 20;
const PATHS_SIZE: u32 = 1 << 16;
const DOT: u8 = 0x2e;
const SLASH: u8 = 0x2f;

const run = changetype<Run>(memory.data(offsetof<Run>(), 8));
/** Places of { inode, above, block, pathLength, byte in the block }, each u32. */
let places: usize = 0;
let path: usize = 0;
let depth: u32 = 0;

/** Walks all directories from the root. EIO, ENOMEM. */
export function checkTree(ext4: Ext4): ErrorCode {
  places = allocate(DEPTH_MAX * PLACE_SIZE);
  path = allocate(PATHS_SIZE);
  let code = ErrorCode.ENOMEM;
  if (places !== 0 && path !== 0) code = walkAll(ext4);
  else failPlain(code);
  release(places, DEPTH_MAX * PLACE_SIZE);
  release(path, PATHS_SIZE);
  return code;
}

function walkAll(ext4: Ext4): ErrorCode {
  depth = 0;
  const root = noteOf(ext4, INODE_ROOT);
  // Without the root's table of inodes there is nothing to hold anything against.
  if (root === 0 && findingsCount() > 0) return ErrorCode.OK;
  if (root === 0 || (load<u32>(root) & NOTE_DIRECTORY) === 0) {
    found(ext4, Ext4Problem.UNATTACHED, 0, INODE_ROOT, 0, 0);
    return ErrorCode.OK;
  }
  store<u32>(root, load<u32>(root) | NOTE_WALKED);
  push(INODE_ROOT, INODE_ROOT, 0);
  while (depth > 0) {
    const code = walkOne(ext4, places + <usize>((depth - 1) * PLACE_SIZE));
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

/** The note of an inode, or 0: no inode of its group is in use. */
function noteOf(ext4: Ext4, number: u32): usize {
  if (number === 0 || number > ext4.inodes) return 0;
  const notes = notesOf((number - 1) / ext4.groupInodes);
  return notes === 0 ? 0 : notes + <usize>(((number - 1) % ext4.groupInodes) * 8);
}

function push(inode: u32, above: u32, pathLength: u32): bool {
  if (depth === DEPTH_MAX) return false;
  const place = places + <usize>(depth * PLACE_SIZE);
  store<u32>(place, inode);
  store<u32>(place, above, 4);
  store<u32>(place, 0, 8);
  store<u32>(place, pathLength, 12);
  store<u32>(place, 0, 16);
  depth += 1;
  return true;
}

/**
 * The directory on top, from where it was left. A subdirectory goes on top of it and is walked
 * first, so that `path` is right for each; then this one is taken up behind the entry that led
 * there.
 */
function walkOne(ext4: Ext4, place: usize): ErrorCode {
  const directory = ext4.node;
  const number = load<u32>(place);
  const code = inodeLoad(ext4, number, directory);
  const blocks = code === ErrorCode.OK ? directoryBlocks(ext4, directory) : 0;
  if (blocks === 0) {
    depth -= 1;
    if (code === ErrorCode.OK && lastFault() === ErrorCode.EBADMSG) {
      found(ext4, Ext4Problem.INODE_SIZE, directory.tableBlock, number, directory.size, 0);
    }
    return spared(lastFault());
  }
  const before = depth;
  while (load<u32>(place, 8) < blocks) {
    const walked = walkBlock(ext4, directory, place, load<u32>(place, 8));
    if (walked !== ErrorCode.OK) return walked;
    if (depth !== before) return ErrorCode.OK;
    store<u32>(place, load<u32>(place, 8) + 1, 8);
    store<u32>(place, 0, 16);
  }
  depth -= 1;
  return ErrorCode.OK;
}

function spared(code: ErrorCode): ErrorCode {
  return code === ErrorCode.EIO || code === ErrorCode.ENOMEM ? code : ErrorCode.OK;
}

function walkBlock(ext4: Ext4, directory: Inode, place: usize, index: u32): ErrorCode {
  const number = directory.number;
  const pathLength = load<u32>(place, 12);
  const from = load<u32>(place, 16);
  const code = runAt(ext4, directory, <u64>index, run);
  if (code !== ErrorCode.OK) return spared(code);
  if (run.block === 0) {
    foundHere(ext4, Ext4Problem.ENTRY, directory.tableBlock, number, 0, pathLength);
    return ErrorCode.OK;
  }
  const block = blockAt(ext4, run.block);
  if (block === 0) return lastFault();
  const end = blockEntries(ext4, block);
  if (from === 0) {
    if (!blockHolds(ext4, directory, index, block)) {
      foundHere(ext4, Ext4Problem.DIRECTORY_CHECKSUM, run.block, number, 0, pathLength);
    }
    if (!indexHere(ext4, directory, index, block)) {
      foundHere(ext4, Ext4Problem.HASH_TREE, run.block, number, 0, pathLength);
    }
    if (end !== ext4.blockSize) {
      foundHere(ext4, Ext4Problem.ENTRY, run.block, number, <u64>end, pathLength);
    }
  }
  const before = depth;
  for (let at = from; at < end; ) {
    walkEntry(ext4, place, run.block, block + <usize>at, index === 0 ? at : ext4.blockSize);
    at += entryLength(block + at);
    if (depth === before) continue;
    store<u32>(place, at, 16);
    return ErrorCode.OK;
  }
  return ErrorCode.OK;
}

/** found(), in the directory whose path stands in `path`. */
function foundHere(
  ext4: Ext4,
  problem: Ext4Problem,
  block: u64,
  inode: u32,
  detail: u64,
  pathLength: u32,
): void {
  const before = findingsCount();
  found(ext4, problem, block, inode, detail, 0);
  nameHere(before, inode, pathLength);
}

/** The root's path is "/", that of all others has no "/" at its end. */
function nameHere(from: u32, inode: u32, pathLength: u32): void {
  if (pathLength === 0) store<u8>(path, SLASH);
  findingsName(from, inode, path, max<u32>(pathLength, 1));
}

/** `at`: offset of an entry in the first block, where the first two are "." and "..". */
function walkEntry(ext4: Ext4, place: usize, block: u64, entry: usize, at: u32): void {
  const number = load<u32>(entry, ENTRY_INODE);
  if (number === 0) return;
  const here = load<u32>(place);
  const nameLength = <u32>load<u8>(entry, ENTRY_NAME_LENGTH);
  const dots = dotsOf(entry + ENTRY_SIZE, nameLength);
  if (dots > 0 || at <= 12) {
    const right = at === 0 ? here : load<u32>(place, 4);
    const isRight = number === right && dots === (at === 0 ? 1 : 2) && at <= 12;
    if (!isRight) {
      const from = findingsCount();
      found(ext4, Ext4Problem.DOTS, block, here, <u64>number, <u64>right);
      nameHere(from, here, load<u32>(place, 12));
    }
  }
  const note = noteOf(ext4, number);
  if (note === 0 || (load<u32>(note) & NOTE_USED) === 0) {
    const from = findingsCount();
    found(ext4, Ext4Problem.ENTRY_FREE, block, here, <u64>number, 0);
    findingsName(from, here, path, joinPath(load<u32>(place, 12), entry + ENTRY_SIZE, nameLength));
    return;
  }
  let flags = load<u32>(note);
  if ((flags & NOTE_COUNT) < NOTE_COUNT) flags += 1;
  store<u32>(note, flags);
  if (dots > 0) return;
  const pathLength = joinPath(load<u32>(place, 12), entry + ENTRY_SIZE, nameLength);
  const before = findingsCount();
  checkType(ext4, block, entry, number, flags);
  if ((flags & NOTE_DIRECTORY) !== 0) {
    if ((flags & NOTE_WALKED) !== 0) {
      found(ext4, Ext4Problem.DIRECTORY_TWICE, block, number, 0, 0);
    } else if (push(number, here, pathLength)) {
      store<u32>(note, flags | NOTE_WALKED);
    }
  }
  if ((flags & NOTE_FOUND) !== 0) findingsName(0, number, path, pathLength);
  else if (findingsCount() !== before) findingsName(before, number, path, pathLength);
}

function checkType(ext4: Ext4, block: u64, entry: usize, number: u32, flags: u32): void {
  if ((ext4.incompatible & INCOMPATIBLE_FILE_TYPE) === 0) return;
  const type = <u32>load<u8>(entry, ENTRY_TYPE);
  const right = typeOf(((flags >>> NOTE_TYPE_SHIFT) & 0xf) << 12);
  if (type === ENTRY_TYPE_UNKNOWN || type === right) return;
  found(ext4, Ext4Problem.ENTRY_TYPE, block, number, <u64>type, <u64>right);
}

/** A block of an index must lead to blocks that the directory has. */
function indexHere(ext4: Ext4, directory: Inode, index: u32, block: usize): bool {
  if ((directory.flags & INODE_FLAG_INDEX) === 0) return true;
  if (index !== 0 && !isIndexNode(ext4, block)) return true;
  const countAt = index === 0 ? INDEX_ROOT_LIMIT : INDEX_NODE_LIMIT;
  const first = index === 0 ? INDEX_ROOT_FIRST : INDEX_NODE_FIRST;
  let fits = indexFits(ext4, block, countAt);
  if (index === 0) {
    fits = fits && <u32>load<u8>(block, INDEX_ROOT_INFO_LENGTH) === INDEX_INFO_LENGTH;
  }
  const blocks = <u32>(directory.size >>> ext4.blockShift);
  const count = fits ? <u32>load<u16>(block + countAt, 2) : 0;
  for (let entry: u32 = 0; entry < count; entry++) {
    const below = load<u32>(block + <usize>(first + entry * INDEX_ENTRY_SIZE)) & 0x0fffffff;
    if (below === 0 || below >= blocks) fits = false;
  }
  return fits;
}

function joinPath(length: u32, name: usize, nameLength: u32): u32 {
  if (length + nameLength + 1 > PATHS_SIZE) return length;
  store<u8>(path + length, SLASH);
  memory.copy(path + length + 1, name, nameLength);
  return length + nameLength + 1;
}

/** 1 for ".", 2 for "..", 0 for a name. */
function dotsOf(name: usize, length: u32): u32 {
  if (length > 2 || load<u8>(name) !== DOT) return 0;
  if (length === 1) return 1;
  return load<u8>(name, 1) === DOT ? 2 : 0;
}

function typeOf(type: u32): u32 {
  if (type === MODE_FILE) return ENTRY_TYPE_FILE;
  if (type === MODE_DIRECTORY) return ENTRY_TYPE_DIRECTORY;
  if (type === MODE_SYMLINK) return ENTRY_TYPE_SYMLINK;
  if (type === MODE_CHARACTER) return ENTRY_TYPE_CHARACTER;
  if (type === MODE_BLOCK) return ENTRY_TYPE_BLOCK;
  if (type === MODE_FIFO) return ENTRY_TYPE_FIFO;
  if (type === MODE_SOCKET) return ENTRY_TYPE_SOCKET;
  return ENTRY_TYPE_UNKNOWN;
}
