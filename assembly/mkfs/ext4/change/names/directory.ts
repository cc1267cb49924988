/**
 * Names of a directory: added, led elsewhere, taken away. A directory grows by a block at a time;
 * with its second block it gets an index, where the volume has them.
 */
import { lastFault } from "../../../../engine/fault";
import { Reason } from "../../../../format/abi";
import { ErrorCode } from "../../../../format/errors";
import { COMPATIBLE_DIRECTORY_INDEX } from "../../../../format/media/ext4";
import {
  ENTRY_INODE,
  ENTRY_LENGTH,
  ENTRY_NAME_LENGTH,
  ENTRY_SIZE,
  ENTRY_TYPE,
  ENTRY_TYPE_DIRECTORY,
  INDEX_ROOT_LIMIT,
  INDEX_ROOT_PARENT_INODE,
  INDEX_ROOT_PARENT_NAME,
  INDEX_ROOT_PARENT_NAME_LENGTH,
} from "../../../../format/media/ext4-names";
import {
  directoryBlock,
  directoryBlocks,
  entryLength,
  isIndexNode,
  lookup,
  lookupAt,
  lookupIndex,
} from "../../read/directory";
import { inodeFail } from "../../read/inode";
import { Ext4, Inode } from "../../read/volume";
import { inodeStore, inodeTouch, timesTouch } from "../base/inodes";
import { Change } from "../base/state";
import {
  entryDrop,
  entryFits,
  entryPut,
  indexSeal,
  isIndexed,
  leafMake,
  leafSeal,
} from "./entries";
import { directoryChange, directoryGrow } from "./grow";
import { indexAdd, indexMake } from "./htree";

const DOTS: u16 = 0x2e2e;
/** Of "." and "..", each. */
const DOT_LENGTH: u32 = 12;

/** Adds a name to directory `directory`, which does not have it. ENOSPC, EBADMSG, EIO. */
export function nameAdd(
  change: Change,
  directory: u32,
  name: usize,
  length: u32,
  number: u32,
  type: u32,
): ErrorCode {
  const inode = change.one;
  let code = inodeTouch(change, directory, inode);
  if (code !== ErrorCode.OK) return code;
  code = isIndexed(inode)
    ? indexAdd(change, inode, name, length, number, type)
    : linearAdd(change, inode, name, length, number, type);
  if (code !== ErrorCode.OK) return code;
  timesTouch(change, inode);
  return inodeStore(change, inode);
}

/** Lets a name that is there lead to another inode. */
export function namePoint(
  change: Change,
  directory: u32,
  name: usize,
  length: u32,
  number: u32,
  type: u32,
): ErrorCode {
  const block = nameOpen(change, directory, name, length);
  if (block === 0) return lastFault();
  const entry = block + <usize>lookupAt();
  store<u32>(entry, number, ENTRY_INODE);
  store<u8>(entry, <u8>type, ENTRY_TYPE);
  return nameClose(change, block);
}

/** Takes a name away. */
export function nameDrop(change: Change, directory: u32, name: usize, length: u32): ErrorCode {
  const block = nameOpen(change, directory, name, length);
  if (block === 0) return lastFault();
  entryDrop(block, lookupAt());
  return nameClose(change, block);
}

/** Lets ".." of a directory that was moved lead to `above`. */
export function parentStore(change: Change, directory: u32, above: u32): ErrorCode {
  const ext4 = change.ext4;
  const inode = change.one;
  const code = inodeTouch(change, directory, inode);
  if (code !== ErrorCode.OK) return code;
  if (directoryBlocks(ext4, inode) === 0) return lastFault();
  const block = directoryChange(change, inode, 0);
  if (block === 0) return lastFault();
  const isDots =
    load<u16>(block, INDEX_ROOT_PARENT_NAME) === DOTS &&
    load<u8>(block, INDEX_ROOT_PARENT_NAME_LENGTH) === 2 &&
    entryLength(block) === DOT_LENGTH;
  if (!isDots) return inodeFail(ext4, inode, Reason.EXT4_DIRECTORY);
  store<u32>(block, above, INDEX_ROOT_PARENT_INODE);
  if (isIndexed(inode)) indexSeal(ext4, inode, block, INDEX_ROOT_LIMIT);
  else leafSeal(ext4, inode, block);
  return ErrorCode.OK;
}

/** Gives a new directory its first block. `inode` is stored by the caller. */
export function directoryMake(change: Change, inode: Inode, above: u32): ErrorCode {
  const ext4 = change.ext4;
  const block = directoryGrow(change, inode);
  if (block === 0) return lastFault();
  leafMake(ext4, block);
  const rest = entryLength(block) - DOT_LENGTH;
  dotStore(block, inode.number, 1, DOT_LENGTH);
  dotStore(block + <usize>DOT_LENGTH, above, 2, rest);
  leafSeal(ext4, inode, block);
  return ErrorCode.OK;
}

/** OK where a directory has nothing but "." and ".."; ENOTEMPTY, or damage. */
export function emptyCheck(ext4: Ext4, inode: Inode): ErrorCode {
  const blocks = directoryBlocks(ext4, inode);
  if (blocks === 0) return lastFault();
  for (let index: u32 = 0; index < blocks; index++) {
    const block = directoryBlock(ext4, inode, index);
    if (block === 0) return lastFault();
    if (isIndexed(inode) && index > 0 && isIndexNode(ext4, block)) continue;
    for (let at: u32 = 0; at < ext4.blockSize; at += entryLength(block + <usize>at)) {
      const entry = block + <usize>at;
      if (load<u32>(entry, ENTRY_INODE) !== 0 && !isDot(entry)) return ErrorCode.ENOTEMPTY;
    }
  }
  return ErrorCode.OK;
}

/** The block with the entry of a name, to be changed; 0 after a fault. */
function nameOpen(change: Change, directory: u32, name: usize, length: u32): usize {
  const inode = change.one;
  if (inodeTouch(change, directory, inode) !== ErrorCode.OK) return 0;
  if (lookup(change.ext4, inode, name, length) !== ErrorCode.OK) return 0;
  return directoryChange(change, inode, lookupIndex());
}

function nameClose(change: Change, block: usize): ErrorCode {
  const inode = change.one;
  leafSeal(change.ext4, inode, block);
  timesTouch(change, inode);
  return inodeStore(change, inode);
}

function linearAdd(
  change: Change,
  inode: Inode,
  name: usize,
  length: u32,
  number: u32,
  type: u32,
): ErrorCode {
  const ext4 = change.ext4;
  const blocks = directoryBlocks(ext4, inode);
  if (blocks === 0) return lastFault();
  for (let index: u32 = 0; index < blocks; index++) {
    const found = directoryBlock(ext4, inode, index);
    if (found === 0) return lastFault();
    if (!entryFits(ext4, found, length)) continue;
    const block = directoryChange(change, inode, index);
    if (block === 0) return lastFault();
    entryPut(ext4, block, name, length, number, type);
    leafSeal(ext4, inode, block);
    return ErrorCode.OK;
  }
  if (blocks === 1 && (ext4.compatible & COMPATIBLE_DIRECTORY_INDEX) !== 0) {
    const code = indexMake(change, inode);
    return code === ErrorCode.OK ? indexAdd(change, inode, name, length, number, type) : code;
  }
  const block = directoryGrow(change, inode);
  if (block === 0) return lastFault();
  leafMake(ext4, block);
  entryPut(ext4, block, name, length, number, type);
  leafSeal(ext4, inode, block);
  return ErrorCode.OK;
}

function dotStore(entry: usize, number: u32, length: u32, whole: u32): void {
  store<u32>(entry, number, ENTRY_INODE);
  store<u16>(entry, <u16>whole, ENTRY_LENGTH);
  store<u8>(entry, <u8>length, ENTRY_NAME_LENGTH);
  store<u8>(entry, <u8>ENTRY_TYPE_DIRECTORY, ENTRY_TYPE);
  store<u16>(entry, length === 1 ? 0x2e : DOTS, ENTRY_SIZE);
}

function isDot(entry: usize): bool {
  const length = <u32>load<u8>(entry, ENTRY_NAME_LENGTH);
  if (length > 2 || load<u8>(entry + ENTRY_SIZE) !== 0x2e) return false;
  return length === 1 || load<u8>(entry + ENTRY_SIZE, 1) === 0x2e;
}
