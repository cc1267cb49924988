/** Names that move, over what has the new name already: one step, so one of both is there. */
import { failPlain } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  INODE_CHANGED_AT,
  INODE_CHANGED_EXTRA,
  INODE_ROOT,
  MODE_DIRECTORY,
} from "../../../format/media/ext4-inode";
import { lookup, lookupInode } from "../read/directory";
import { inodeFail, inodeRead } from "../read/inode";
import { inodeStore, inodeTouch, linksAdd, timeStore } from "./base/inodes";
import { Change } from "./base/state";
import { nameAdd, nameDrop, namePoint, parentStore } from "./names/directory";
import { attempt } from "./operation";
import { inodeDrop } from "./remove";
import { entryType, Target, targetFind } from "./target";

/** Directories above each other, at most: paths are shorter. */
const ABOVE_MAX: u32 = 8192;
const dots: usize = memory.data<u8>([0x2e, 0x2e]);

const source = changetype<Target>(memory.data(offsetof<Target>(), 8));
const goal = changetype<Target>(memory.data(offsetof<Target>(), 8));
let from: usize = 0;
let fromLength: u32 = 0;
let to: usize = 0;
let toLength: u32 = 0;

/**
 * Renames `fromPath` to `toPath`, over a file or an empty directory that is there. ENOENT, ENOTDIR,
 * EISDIR, ENOTEMPTY, EINVAL (into itself), EBUSY (the root).
 */
export function renameEntry(
  change: Change,
  fromPath: usize,
  fromBytes: u32,
  toPath: usize,
  toBytes: u32,
): ErrorCode {
  from = fromPath;
  fromLength = fromBytes;
  to = toPath;
  toLength = toBytes;
  return attempt(change, renameStep);
}

function renameStep(change: Change): ErrorCode {
  const ext4 = change.ext4;
  let code = targetFind(ext4, from, fromLength, source);
  if (code !== ErrorCode.OK) return code;
  if (source.number === 0) return failPlain(ErrorCode.ENOENT);
  code = targetFind(ext4, to, toLength, goal);
  if (code !== ErrorCode.OK) return code;
  if (goal.number === source.number) return sameInode(change);
  code = inodeTouch(change, source.number, change.two);
  if (code !== ErrorCode.OK) return code;
  const type = change.two.type;
  const isDirectory = type === MODE_DIRECTORY;
  if (isDirectory) {
    code = insideCheck(change);
    if (code !== ErrorCode.OK) return code;
  }
  code = goal.number === 0 ? add(change, type) : replace(change, type);
  if (code === ErrorCode.OK) {
    code = nameDrop(change, source.parent, source.name, source.nameLength);
  }
  if (code === ErrorCode.OK && isDirectory && source.parent !== goal.parent) {
    code = parentStore(change, source.number, goal.parent);
    if (code === ErrorCode.OK) code = linksAdd(change, source.parent, -1);
    if (code === ErrorCode.OK) code = linksAdd(change, goal.parent, 1);
  }
  return code === ErrorCode.OK ? touch(change, source.number) : code;
}

/** Two names of one inode: the same one stays, of two nothing is taken away either. */
function sameInode(change: Change): ErrorCode {
  return inodeRead(change.ext4, source.number, change.two);
}

function add(change: Change, type: u32): ErrorCode {
  const kind = entryType(type);
  return nameAdd(change, goal.parent, goal.name, goal.nameLength, source.number, kind);
}

function replace(change: Change, type: u32): ErrorCode {
  const isDirectory = type === MODE_DIRECTORY;
  let code = inodeTouch(change, goal.number, change.two);
  if (code !== ErrorCode.OK) return code;
  if ((change.two.type === MODE_DIRECTORY) !== isDirectory) {
    return failPlain(isDirectory ? ErrorCode.ENOTDIR : ErrorCode.EISDIR);
  }
  const kind = entryType(type);
  code = namePoint(change, goal.parent, goal.name, goal.nameLength, source.number, kind);
  return code === ErrorCode.OK ? inodeDrop(change, goal.number, goal.parent) : code;
}

/** EINVAL where the new place is the directory itself or below it. */
function insideCheck(change: Change): ErrorCode {
  const ext4 = change.ext4;
  const inode = change.one;
  let number = goal.parent;
  for (let step: u32 = 0; step < ABOVE_MAX; step++) {
    if (number === source.number) return failPlain(ErrorCode.EINVAL);
    if (number === INODE_ROOT) return ErrorCode.OK;
    let code = inodeRead(ext4, number, inode);
    if (code === ErrorCode.OK) code = lookup(ext4, inode, dots, 2);
    if (code !== ErrorCode.OK) return code;
    number = lookupInode();
  }
  return inodeFail(ext4, inode, Reason.EXT4_DIRECTORY);
}

function touch(change: Change, number: u32): ErrorCode {
  const inode = change.two;
  const code = inodeTouch(change, number, inode);
  if (code !== ErrorCode.OK) return code;
  timeStore(change, inode, INODE_CHANGED_AT, INODE_CHANGED_EXTRA);
  return inodeStore(change, inode);
}
