/** Names that are taken away, and inodes given back with the last of them. */
import { failPlain, lastFault } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import { Ext4Refusal } from "../../../format/media/calls-ext4";
import {
  INODE_CHANGED_AT,
  INODE_CHANGED_EXTRA,
  INODE_FLAG_EXTENTS,
  INODE_LINKS,
  INODE_XATTR_HIGH,
  INODE_XATTR_LOW,
  MODE_DIRECTORY,
  MODE_FILE,
  MODE_SYMLINK,
} from "../../../format/media/ext4-inode";
import {
  XATTR_BLOCK_CHECKSUM,
  XATTR_BLOCK_MAGIC,
  XATTR_BLOCK_REFERENCES,
  XATTR_MAGIC,
} from "../../../format/media/ext4-names";
import { xattrSum } from "../base/sums";
import { isFast } from "../read/path";
import { blockAt, ext4Fail, Inode, isInside, USE_XATTRS } from "../read/volume";
import { extentsFree } from "./base/extents";
import {
  inodeFree,
  inodeStore,
  inodeTouch,
  linksAdd,
  sectorsStore,
  timeStore,
} from "./base/inodes";
import { spaceFree } from "./base/space";
import { blockChange, Change, RUN_CONTENT, RUN_METADATA, refuse } from "./base/state";
import { emptyCheck, nameDrop } from "./names/directory";
import { attempt } from "./operation";
import { Target, targetFind } from "./target";

const place = changetype<Target>(memory.data(offsetof<Target>(), 8));
let path: usize = 0;
let pathLength: u32 = 0;

/** Removes a file, a link or an empty directory. ENOENT, ENOTEMPTY, EBUSY (the root). */
export function removeEntry(change: Change, at: usize, length: u32): ErrorCode {
  path = at;
  pathLength = length;
  return attempt(change, removeStep);
}

function removeStep(change: Change): ErrorCode {
  let code = targetFind(change.ext4, path, pathLength, place);
  if (code !== ErrorCode.OK) return code;
  if (place.number === 0) return failPlain(ErrorCode.ENOENT);
  code = nameDrop(change, place.parent, place.name, place.nameLength);
  return code === ErrorCode.OK ? inodeDrop(change, place.number, place.parent) : code;
}

/** One name less of an inode; with the last one it is given back. `parent`: where the name was. */
export function inodeDrop(change: Change, number: u32, parent: u32): ErrorCode {
  const inode = change.two;
  let code = inodeTouch(change, number, inode);
  if (code !== ErrorCode.OK) return code;
  if (inode.type === MODE_DIRECTORY) {
    code = emptyCheck(change.ext4, inode);
    if (code !== ErrorCode.OK) return failIf(code);
    code = linksAdd(change, parent, -1);
    if (code === ErrorCode.OK) code = inodeTouch(change, number, inode);
    if (code !== ErrorCode.OK) return code;
  } else if (inode.links > 1) {
    store<u16>(inode.raw, <u16>(inode.links - 1), INODE_LINKS);
    timeStore(change, inode, INODE_CHANGED_AT, INODE_CHANGED_EXTRA);
    return inodeStore(change, inode);
  }
  code = contentFree(change, inode);
  if (code === ErrorCode.OK) code = xattrsFree(change, inode);
  if (code === ErrorCode.OK) code = sectorsStore(change.ext4, inode, 0);
  return code === ErrorCode.OK ? inodeFree(change, inode) : code;
}

/** Gives back the blocks of what an inode holds. EBUSY: it may be that somebody reads them. */
export function contentFree(change: Change, inode: Inode): ErrorCode {
  const ext4 = change.ext4;
  if (ext4.users > 0) return refuse(ext4, ErrorCode.EBUSY, Ext4Refusal.OPEN_FILES);
  const type = inode.type;
  if (type !== MODE_FILE && type !== MODE_DIRECTORY && type !== MODE_SYMLINK) return ErrorCode.OK;
  if (type === MODE_SYMLINK && isFast(ext4, inode)) return ErrorCode.OK;
  const own: u64 = inode.xattrBlock === 0 ? 0 : <u64>ext4.blockSectors;
  if ((inode.flags & INODE_FLAG_EXTENTS) === 0 && inode.sectors <= own) return ErrorCode.OK;
  return extentsFree(change, inode, type === MODE_FILE ? RUN_CONTENT : RUN_METADATA);
}

/** Gives back the block of attributes, which other inodes may use too. */
function xattrsFree(change: Change, inode: Inode): ErrorCode {
  const ext4 = change.ext4;
  const number = inode.xattrBlock;
  if (number === 0) return ErrorCode.OK;
  if (!isInside(ext4, number, 1)) return ext4Fail(ext4, Reason.POINTER, number, inode.number);
  const block = blockAt(ext4, number);
  if (block === 0) return lastFault();
  const references = load<u32>(block, XATTR_BLOCK_REFERENCES);
  if (load<u32>(block, XATTR_BLOCK_MAGIC) !== XATTR_MAGIC || references === 0) {
    return ext4Fail(ext4, Reason.EXT4_XATTRS, number, inode.number);
  }
  store<u32>(inode.raw, 0, INODE_XATTR_LOW);
  store<u16>(inode.raw, 0, INODE_XATTR_HIGH);
  if (references === 1) return spaceFree(change, number, 1, RUN_METADATA);
  const shared = blockChange(change, number, USE_XATTRS);
  if (shared === 0) return lastFault();
  store<u32>(shared, references - 1, XATTR_BLOCK_REFERENCES);
  if (!ext4.hasChecksums) return ErrorCode.OK;
  store<u32>(shared, xattrSum(ext4.seed, number, shared, ext4.blockSize), XATTR_BLOCK_CHECKSUM);
  return ErrorCode.OK;
}

/** ENOTEMPTY has no fault of its own yet. */
function failIf(code: ErrorCode): ErrorCode {
  return code === ErrorCode.ENOTEMPTY ? failPlain(code) : code;
}
