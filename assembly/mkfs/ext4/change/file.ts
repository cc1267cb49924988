/**
 * Files that are written. Content goes to free blocks as it comes, and nothing on the disk says so
 * before the end: then the file gets all of them at once, and what it had before is given back.
 */
import { deviceWrite } from "../../../engine/device";
import { failPlain } from "../../../engine/fault";
import { allocate, release } from "../../../engine/memory";
import { PATH_LENGTH_MAX } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import { READ_ONLY_LARGE_FILE, SUPER_READ_ONLY } from "../../../format/media/ext4";
import {
  INODE_FLAG_EXTENTS,
  INODE_FLAGS,
  MODE_DIRECTORY,
  MODE_FILE,
} from "../../../format/media/ext4-inode";
import { ENTRY_TYPE_FILE } from "../../../format/media/ext4-names";
import { walk } from "../read/path";
import { groupStart, Inode } from "../read/volume";
import { blocksForget, commit } from "./base/commit";
import { extentsAppend } from "./base/extents";
import {
  inodeNew,
  inodeStore,
  inodeTouch,
  rootStore,
  sectorsStore,
  sizeStore,
  timesTouch,
} from "./base/inodes";
import { spaceCount, spaceFind, spaceReserve, spaceStart, spaceTake } from "./base/space";
import { Change, isUnchanged, RUN_SIZE, spaceForget } from "./base/state";
import { nameAdd } from "./names/directory";
import { attempt } from "./operation";
import { contentFree } from "./remove";
import { Target, targetFind } from "./target";

const MODE_NEW_FILE: u32 = MODE_FILE | 0o644;
const TAIL_ROOM: u32 = 4096;
/** Bytes from which on a volume must say that it has large files. */
const LARGE_BYTES: u64 = 0x7fffffff;
const BLOCKS_MAX: u64 = 0xffffffff;

@unmanaged
export class Writer {
  change: Change;
  path: usize;
  pathLength: u32;
  /** The start of a block that is not full yet. */
  tail: usize;
  tailUsed: u32;
  bytes: u64;
  /** Where the next block is wanted. */
  goal: u64;
  /** What a piece failed with. */
  code: ErrorCode;
}

const place = changetype<Target>(memory.data(offsetof<Target>(), 8));
let writer: Writer = changetype<Writer>(0);

/** Begins to write a file; null after a fault. EBUSY: another one is being written. */
export function writerOpen(change: Change, path: usize, length: u32): Writer | null {
  if (change.isWriting) {
    failPlain(ErrorCode.EBUSY);
    return null;
  }
  if (length > PATH_LENGTH_MAX) {
    failPlain(ErrorCode.ENAMETOOLONG);
    return null;
  }
  if (targetCheck(change, path, length) !== ErrorCode.OK) return null;
  const address = allocate(offsetof<Writer>());
  const copy = allocate(PATH_LENGTH_MAX);
  const tail = allocate(TAIL_ROOM);
  if (address === 0 || copy === 0 || tail === 0) {
    release(address, offsetof<Writer>());
    release(copy, PATH_LENGTH_MAX);
    release(tail, TAIL_ROOM);
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  memory.copy(copy, path, length);
  const made = changetype<Writer>(address);
  made.change = change;
  made.path = copy;
  made.pathLength = length;
  made.tail = tail;
  made.tailUsed = 0;
  made.bytes = 0;
  const ext4 = change.ext4;
  made.goal = groupStart(ext4, (place.parent - 1) / ext4.groupInodes);
  made.code = ErrorCode.OK;
  change.isWriting = true;
  return made;
}

/** Appends content. ENOSPC, EFBIG, EIO: nothing of the file will be seen. */
export function writerWrite(it: Writer, address: usize, length: u32): ErrorCode {
  if (it.code !== ErrorCode.OK) return failPlain(it.code);
  const ext4 = it.change.ext4;
  it.bytes += <u64>length;
  if (it.bytes >>> ext4.blockShift >= BLOCKS_MAX) it.code = failPlain(ErrorCode.EFBIG);
  while (length > 0 && it.code === ErrorCode.OK) {
    let piece = length;
    if (it.tailUsed > 0 || length < ext4.blockSize) {
      piece = min<u32>(length, ext4.blockSize - it.tailUsed);
      memory.copy(it.tail + it.tailUsed, address, piece);
      it.tailUsed += piece;
      if (it.tailUsed === ext4.blockSize) {
        it.tailUsed = 0;
        it.code = blocksOut(it, it.tail, 1);
      }
    } else {
      piece = length & ~(ext4.blockSize - 1);
      it.code = blocksOut(it, address, piece >>> ext4.blockShift);
    }
    address += piece;
    length -= piece;
  }
  return it.code;
}

/** The file is whole: its name leads to it from here on. */
export function writerEnd(it: Writer): ErrorCode {
  if (it.code !== ErrorCode.OK) return failPlain(it.code);
  const ext4 = it.change.ext4;
  if (it.tailUsed > 0) {
    memory.fill(it.tail + it.tailUsed, 0, ext4.blockSize - it.tailUsed);
    it.tailUsed = 0;
    it.code = blocksOut(it, it.tail, 1);
    if (it.code !== ErrorCode.OK) return it.code;
  }
  writer = it;
  it.code = attempt(it.change, fileStep);
  return it.code;
}

/** Releases what a writer holds; blocks that no file got are free again. */
export function writerClose(it: Writer): void {
  const change = it.change;
  change.reserved.count = 0;
  change.isWriting = false;
  spaceForget(change);
  release(it.path, PATH_LENGTH_MAX);
  release(it.tail, TAIL_ROOM);
  release(changetype<usize>(it), offsetof<Writer>());
}

/** Writes whole blocks to places that are free in the last commit too. */
function blocksOut(it: Writer, address: usize, count: u32): ErrorCode {
  const change = it.change;
  const ext4 = change.ext4;
  while (count > 0) {
    let code = spaceFind(change, it.goal, count);
    if (code === ErrorCode.ENOSPC && !isUnchanged(change)) {
      code = commit(change);
      if (code === ErrorCode.OK) code = spaceFind(change, it.goal, count);
    }
    if (code === ErrorCode.OK) code = spaceReserve(change);
    if (code !== ErrorCode.OK) return code;
    const bytes = spaceCount << ext4.blockShift;
    blocksForget(change, spaceStart, spaceCount);
    code = deviceWrite(ext4.device, spaceStart * <u64>ext4.blockSectors, address, bytes);
    if (code !== ErrorCode.OK) return code;
    it.goal = spaceStart + <u64>spaceCount;
    address += bytes;
    count -= spaceCount;
  }
  return ErrorCode.OK;
}

/** Finds the place: a file that is there, through links, or a name for a new one. */
function targetCheck(change: Change, path: usize, length: u32): ErrorCode {
  const ext4 = change.ext4;
  let code = targetFind(ext4, path, length, place);
  if (code === ErrorCode.EBUSY) return failPlain(ErrorCode.EISDIR);
  if (code !== ErrorCode.OK || place.number === 0) return code;
  code = walk(ext4, path, length, true);
  if (code !== ErrorCode.OK) return code;
  place.number = ext4.node.number;
  if (ext4.node.type === MODE_FILE) return ErrorCode.OK;
  return failPlain(ext4.node.type === MODE_DIRECTORY ? ErrorCode.EISDIR : ErrorCode.EINVAL);
}

function fileStep(change: Change): ErrorCode {
  let code = targetCheck(change, writer.path, writer.pathLength);
  if (code !== ErrorCode.OK) return code;
  const inode = change.two;
  const isNew = place.number === 0;
  code = isNew
    ? inodeNew(change, place.parent, MODE_NEW_FILE, inode)
    : contentDrop(change, place.number, inode);
  if (code === ErrorCode.OK) code = contentGive(change, inode);
  if (code === ErrorCode.OK) code = inodeStore(change, inode);
  if (code !== ErrorCode.OK || !isNew) return code;
  const name = place.name;
  const number = inode.number;
  return nameAdd(change, place.parent, name, place.nameLength, number, ENTRY_TYPE_FILE);
}

/** A file that is there gives back its content; all else of it stays. */
function contentDrop(change: Change, number: u32, inode: Inode): ErrorCode {
  let code = inodeTouch(change, number, inode);
  if (code === ErrorCode.OK) code = contentFree(change, inode);
  if (code !== ErrorCode.OK) return code;
  rootStore(inode.raw);
  inode.flags |= INODE_FLAG_EXTENTS;
  store<u32>(inode.raw, inode.flags, INODE_FLAGS);
  timesTouch(change, inode);
  const own: u64 = inode.xattrBlock === 0 ? 0 : <u64>change.ext4.blockSectors;
  return sectorsStore(change.ext4, inode, own);
}

/** Gives `inode` all that was written. */
function contentGive(change: Change, inode: Inode): ErrorCode {
  const ext4 = change.ext4;
  let logical: u32 = 0;
  for (let index: u32 = 0; index < change.reserved.count; index++) {
    const run = change.reserved.at + <usize>(index * RUN_SIZE);
    const start = load<u64>(run);
    const count = load<u32>(run, 8);
    let code = spaceTake(change, start, count);
    if (code === ErrorCode.OK) code = extentsAppend(change, inode, logical, start, count);
    if (code !== ErrorCode.OK) return code;
    logical += count;
  }
  sizeStore(inode, writer.bytes);
  if (writer.bytes > LARGE_BYTES && (ext4.readOnlyFeatures & READ_ONLY_LARGE_FILE) === 0) {
    ext4.readOnlyFeatures |= READ_ONLY_LARGE_FILE;
    store<u32>(ext4.super, ext4.readOnlyFeatures, SUPER_READ_ONLY);
    change.isSuperNew = true;
  }
  return ErrorCode.OK;
}
