/**
 * Checks a volume: what it says is in use is held against what can be reached, and everything that
 * has a checksum against it. Nothing is written.
 */
import { deviceFail } from "../../../engine/device";
import { lastFault } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import { Ext4Problem } from "../../../format/media/calls-ext4";
import {
  INCOMPATIBLE_META_BG,
  READ_ONLY_BIG_ALLOCATION,
  READ_ONLY_DIRECTORY_LINKS,
  SUPER_FIRST_META_GROUP,
  SUPER_STATE,
  SUPER_STATE_ERRORS,
} from "../../../format/media/ext4";
import {
  blockBitmapOf,
  descriptorAt,
  descriptorBlock,
  descriptorHolds,
  descriptorPlain,
  hasSuper,
  inodeBitmapOf,
  inodeTableOf,
  tableBlocks,
} from "../read/groups";
import { Ext4, groupStart, isInside } from "../read/volume";
import { checkBitmaps, checkTotals } from "./bitmaps";
import { findingsBegin, findingsCount, found, foundAdvice } from "./findings";
import { checkTable, noteOrphans } from "./inodes";
import {
  markBlocks,
  NOTE_APART,
  NOTE_COUNT,
  NOTE_DIRECTORY,
  NOTE_ORPHAN,
  NOTE_USED,
  notesBegin,
  notesEnd,
  notesOf,
} from "./notes";
import { checkTree } from "./tree";

/** Checks all of a volume: how many findings there are, or EIO, ENOMEM, EOPNOTSUPP. */
export function ext4CheckAll(ext4: Ext4): i32 {
  if ((ext4.readOnlyFeatures & READ_ONLY_BIG_ALLOCATION) !== 0) {
    const bit = READ_ONLY_BIG_ALLOCATION;
    return deviceFail(ext4.device, ErrorCode.EOPNOTSUPP, Reason.BITMAP, 0, bit);
  }
  if (!findingsBegin()) return ErrorCode.ENOMEM;
  let code = notesBegin(ext4);
  if (code === ErrorCode.OK) code = checkSteps(ext4);
  notesEnd();
  return code === ErrorCode.OK ? <i32>findingsCount() : code;
}

function checkSteps(ext4: Ext4): ErrorCode {
  checkSuper(ext4);
  let code = ErrorCode.OK;
  for (let group: u32 = 0; group < ext4.groups && code === ErrorCode.OK; group++) {
    code = markGroup(ext4, group);
  }
  if (code === ErrorCode.OK) code = noteOrphans(ext4);
  for (let group: u32 = 0; group < ext4.groups && code === ErrorCode.OK; group++) {
    code = checkTable(ext4, group);
  }
  if (code === ErrorCode.OK) code = checkTree(ext4);
  for (let group: u32 = 0; group < ext4.groups && code === ErrorCode.OK; group++) {
    checkLinks(ext4, group);
    code = checkBitmaps(ext4, group);
  }
  if (code === ErrorCode.OK) checkTotals(ext4);
  return code;
}

function checkSuper(ext4: Ext4): void {
  if (ext4.superGroup !== 0) {
    found(ext4, Ext4Problem.SUPERBLOCK, 0, 0, <u64>ext4.superGroup, 0);
  }
  if ((<u32>load<u16>(ext4.super, SUPER_STATE) & SUPER_STATE_ERRORS) !== 0) {
    found(ext4, Ext4Problem.ERRORS_MET, 0, 0, 0, 0);
  }
  if (ext4.isReplayed) {
    found(ext4, Ext4Problem.DIRTY, 0, 0, <u64>ext4.transactions, 0);
    foundAdvice();
  }
  if (ext4.journalError !== 0) {
    found(ext4, Ext4Problem.JOURNAL_ERROR, 0, 0, <u64>ext4.journalError, 0);
  }
}

/** Marks what a group has for itself: copies of the superblock, bitmaps, its table of inodes. */
function markGroup(ext4: Ext4, group: u32): ErrorCode {
  const place = descriptorBlock(ext4, group);
  const at = descriptorPlain(ext4, group);
  if (at === 0) return lastFault();
  let code = markCopies(ext4, group);
  if (code !== ErrorCode.OK) return code;
  if (!descriptorHolds(ext4, group, at)) {
    found(ext4, Ext4Problem.GROUP_CHECKSUM, place, 0, <u64>group, 0);
    return ErrorCode.OK;
  }
  code = markPlace(ext4, group, place, blockBitmapOf(ext4, at), 1);
  if (code === ErrorCode.OK) code = markPlace(ext4, group, place, inodeBitmapOf(ext4, at), 1);
  const table = inodeTableOf(ext4, at);
  if (code === ErrorCode.OK) code = markPlace(ext4, group, place, table, tableBlocks(ext4));
  return code;
}

function markPlace(ext4: Ext4, group: u32, place: u64, block: u64, count: u32): ErrorCode {
  if (!isInside(ext4, block, <u64>count)) {
    found(ext4, Ext4Problem.GROUP_PLACE, place, 0, <u64>group, block);
    return ErrorCode.OK;
  }
  const code = markBlocks(ext4, block, <u64>count);
  if (code !== ErrorCode.EEXIST) return code;
  found(ext4, Ext4Problem.GROUP_PLACE, place, 0, <u64>group, block);
  return ErrorCode.OK;
}

/** Copies of the superblock and of the table of groups. */
function markCopies(ext4: Ext4, group: u32): ErrorCode {
  const start = groupStart(ext4, group);
  const perBlock = ext4.blockSize / ext4.descriptorSize;
  let tables = (ext4.groups + perBlock - 1) / perBlock;
  let count: u64 = 0;
  if ((ext4.incompatible & INCOMPATIBLE_META_BG) !== 0) {
    const first = load<u32>(ext4.super, SUPER_FIRST_META_GROUP);
    tables = min<u32>(tables, first);
    const index = group / perBlock;
    const step = group % perBlock;
    // Each table of a meta group stands in its first, second and last group.
    if (index >= first && (step <= 1 || step === perBlock - 1)) count += 1;
    else if (index < first && hasSuper(ext4, group)) count += <u64>tables;
  } else if (hasSuper(ext4, group)) {
    count += <u64>tables;
  }
  if (hasSuper(ext4, group)) count += 1;
  const room = ext4.blocks - start;
  return count === 0 ? ErrorCode.OK : markBlocks(ext4, start, min<u64>(count, room));
}

/** Every inode in use has as many names as it says. */
function checkLinks(ext4: Ext4, group: u32): void {
  const notes = notesOf(group);
  if (notes === 0) return;
  const at = descriptorAt(ext4, group);
  if (at === 0) return;
  const table = inodeTableOf(ext4, at);
  const perBlock = ext4.blockSize / ext4.inodeSize;
  const canLose = (ext4.readOnlyFeatures & READ_ONLY_DIRECTORY_LINKS) !== 0;
  for (let index: u32 = 0; index < ext4.groupInodes; index++) {
    const note = load<u32>(notes + <usize>(index << 3));
    if ((note & NOTE_USED) === 0 || (note & (NOTE_APART | NOTE_ORPHAN)) !== 0) continue;
    const count = note & NOTE_COUNT;
    const told = load<u32>(notes + <usize>(index << 3), 4);
    if (count === told) continue;
    // A directory with more subdirectories than the field can count says 1.
    if (told === 1 && canLose && (note & NOTE_DIRECTORY) !== 0 && count > 2) continue;
    const number = group * ext4.groupInodes + index + 1;
    const block = table + <u64>(index / perBlock);
    const problem = count === 0 ? Ext4Problem.UNATTACHED : Ext4Problem.LINKS;
    found(ext4, problem, block, number, <u64>told, <u64>count);
  }
}
