/** Directories and symbolic links that are made. */
import { failPlain, lastFault } from "../../../engine/fault";
import { ErrorCode } from "../../../format/errors";
import {
  INODE_BLOCK,
  INODE_BLOCK_SIZE,
  INODE_FLAGS,
  INODE_LINKS,
  MODE_DIRECTORY,
  MODE_SYMLINK,
} from "../../../format/media/ext4-inode";
import {
  ENTRY_TYPE_DIRECTORY,
  ENTRY_TYPE_SYMLINK,
  TARGET_FAST,
} from "../../../format/media/ext4-names";
import { walk } from "../read/path";
import { groupStart, USE_TARGET } from "../read/volume";
import { extentsAppend } from "./base/extents";
import { inodeNew, inodeStore, linksAdd, sizeStore } from "./base/inodes";
import { spaceOne } from "./base/space";
import { blockFresh, Change } from "./base/state";
import { directoryMake, nameAdd } from "./names/directory";
import { attempt } from "./operation";
import { Target, targetFind } from "./target";

const SLASH: u8 = 0x2f;
const MODE_NEW_DIRECTORY: u32 = MODE_DIRECTORY | 0o755;
const MODE_NEW_LINK: u32 = MODE_SYMLINK | 0o777;

const place = changetype<Target>(memory.data(offsetof<Target>(), 8));
let path: usize = 0;
let pathLength: u32 = 0;
let content: usize = 0;
let contentLength: u32 = 0;

/** Makes a directory; `recursive`: with those above it, and it may be there already. */
export function makeDirectory(change: Change, at: usize, length: u32, recursive: bool): ErrorCode {
  path = at;
  if (!recursive) {
    pathLength = length;
    return attempt(change, directoryStep);
  }
  const ext4 = change.ext4;
  for (let end: u32 = 0; end < length; ) {
    while (end < length && load<u8>(at + end) === SLASH) end += 1;
    while (end < length && load<u8>(at + end) !== SLASH) end += 1;
    pathLength = end;
    let code = walk(ext4, at, end, true);
    if (code === ErrorCode.ENOENT) code = attempt(change, directoryStep);
    else if (code === ErrorCode.OK && ext4.node.type !== MODE_DIRECTORY) {
      code = failPlain(end < length ? ErrorCode.ENOTDIR : ErrorCode.EEXIST);
    }
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

/** Makes a symbolic link to `target`. EEXIST, ENAMETOOLONG, EINVAL (no target). */
export function makeLink(
  change: Change,
  target: usize,
  targetLength: u32,
  at: usize,
  length: u32,
): ErrorCode {
  if (targetLength >= change.ext4.blockSize) return failPlain(ErrorCode.ENAMETOOLONG);
  for (let byte: u32 = 0; byte < targetLength; byte++) {
    if (load<u8>(target + byte) === 0) return failPlain(ErrorCode.EINVAL);
  }
  if (targetLength === 0) return failPlain(ErrorCode.EINVAL);
  path = at;
  pathLength = length;
  content = target;
  contentLength = targetLength;
  return attempt(change, linkStep);
}

function directoryStep(change: Change): ErrorCode {
  let code = targetFind(change.ext4, path, pathLength, place);
  if (code === ErrorCode.EBUSY || (code === ErrorCode.OK && place.number !== 0)) {
    return failPlain(ErrorCode.EEXIST);
  }
  if (code !== ErrorCode.OK) return code;
  const inode = change.two;
  code = inodeNew(change, place.parent, MODE_NEW_DIRECTORY, inode);
  if (code !== ErrorCode.OK) return code;
  store<u16>(inode.raw, 2, INODE_LINKS);
  code = directoryMake(change, inode, place.parent);
  if (code === ErrorCode.OK) code = inodeStore(change, inode);
  if (code === ErrorCode.OK) code = addPlace(change, inode.number, ENTRY_TYPE_DIRECTORY);
  return code === ErrorCode.OK ? linksAdd(change, place.parent, 1) : code;
}

function linkStep(change: Change): ErrorCode {
  let code = targetFind(change.ext4, path, pathLength, place);
  if (code !== ErrorCode.OK) return code;
  if (place.number !== 0) return failPlain(ErrorCode.EEXIST);
  const inode = change.two;
  code = inodeNew(change, place.parent, MODE_NEW_LINK, inode);
  if (code !== ErrorCode.OK) return code;
  if (contentLength < TARGET_FAST) {
    store<u32>(inode.raw, 0, INODE_FLAGS);
    memory.fill(inode.raw + INODE_BLOCK, 0, INODE_BLOCK_SIZE);
    memory.copy(inode.raw + INODE_BLOCK, content, contentLength);
  } else {
    const ext4 = change.ext4;
    const group = (inode.number - 1) / ext4.groupInodes;
    const block = spaceOne(change, groupStart(ext4, group));
    if (block === 0) return lastFault();
    const fresh = blockFresh(change, block, USE_TARGET | <u64>inode.number);
    if (fresh === 0) return lastFault();
    memory.copy(fresh, content, contentLength);
    code = extentsAppend(change, inode, 0, block, 1);
    if (code !== ErrorCode.OK) return code;
  }
  sizeStore(inode, <u64>contentLength);
  code = inodeStore(change, inode);
  return code === ErrorCode.OK ? addPlace(change, inode.number, ENTRY_TYPE_SYMLINK) : code;
}

function addPlace(change: Change, number: u32, type: u32): ErrorCode {
  return nameAdd(change, place.parent, place.name, place.nameLength, number, type);
}
