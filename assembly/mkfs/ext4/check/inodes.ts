/** The tables of inodes: each inode in use is checked, and its blocks are marked. */
import { lastFault } from "../../../engine/fault";
import { ErrorCode } from "../../../format/errors";
import { Ext4Problem } from "../../../format/media/calls-ext4";
import {
  COMPATIBLE_ORPHAN_FILE,
  GROUP_FLAG_INODES_UNUSED,
  GROUP_FLAGS,
  GROUP_UNUSED_INODES_HIGH,
  GROUP_UNUSED_INODES_LOW,
  READ_ONLY_GDT_CHECKSUM,
  SUPER_FIRST_INODE,
  SUPER_ORPHAN_FILE_INODE,
  SUPER_ORPHANS,
} from "../../../format/media/ext4";
import {
  INODE_BAD,
  INODE_DELETED_AT,
  INODE_EXTRA,
  INODE_FLAG_VERITY,
  INODE_FLAG_XATTR,
  INODE_RESIZE,
  INODE_ROOT,
  INODE_SIZE_SMALL,
  MODE_DIRECTORY,
  MODE_FILE,
} from "../../../format/media/ext4-inode";
import { countOf, descriptorAt } from "../read/groups";
import { inodeHolds, inodeLoad, isType } from "../read/inode";
import { Ext4, Inode } from "../read/volume";
import { contentBlocks, contentEnd, contentMark } from "./content";
import { findingsCount, found, foundAdvice } from "./findings";
import {
  NOTE_APART,
  NOTE_DIRECTORY,
  NOTE_FOUND,
  NOTE_ORPHAN,
  NOTE_TYPE_SHIFT,
  NOTE_USED,
  noteAt,
} from "./notes";

/** First inode that is not reserved. */
export function firstInode(ext4: Ext4): u32 {
  return max<u32>(load<u32>(ext4.super, SUPER_FIRST_INODE), 11);
}

/** The inode that lists orphans, where a file does: it has no name. 0: there is none. */
function orphanFile(ext4: Ext4): u32 {
  const hasFile = (ext4.compatible & COMPATIBLE_ORPHAN_FILE) !== 0;
  return hasFile ? load<u32>(ext4.super, SUPER_ORPHAN_FILE_INODE) : 0;
}

/** Notes the inodes that wait to be deleted: they hold blocks without a name. */
export function noteOrphans(ext4: Ext4): ErrorCode {
  let number = load<u32>(ext4.super, SUPER_ORPHANS);
  if (number === 0) return ErrorCode.OK;
  found(ext4, Ext4Problem.ORPHANS, 0, number, 0, 0);
  foundAdvice();
  while (number !== 0 && number <= ext4.inodes) {
    const note = noteAt(ext4, number);
    if (note === 0) return lastFault();
    if ((load<u32>(note) & NOTE_ORPHAN) !== 0) break;
    store<u32>(note, load<u32>(note) | NOTE_ORPHAN);
    const code = inodeLoad(ext4, number, ext4.node);
    if (code !== ErrorCode.OK) return code === ErrorCode.EBADMSG ? ErrorCode.OK : code;
    number = load<u32>(ext4.node.raw, INODE_DELETED_AT);
  }
  return ErrorCode.OK;
}

/** How many inodes of a group may be in use: what stands behind them was never written. */
export function usedTable(ext4: Ext4, at: usize): u32 {
  const hasCounts = ext4.hasChecksums || (ext4.readOnlyFeatures & READ_ONLY_GDT_CHECKSUM) !== 0;
  if (!hasCounts) return ext4.groupInodes;
  if ((<u32>load<u16>(at, GROUP_FLAGS) & GROUP_FLAG_INODES_UNUSED) !== 0) return 0;
  const unused = countOf(ext4, at, GROUP_UNUSED_INODES_LOW, GROUP_UNUSED_INODES_HIGH);
  return unused > ext4.groupInodes ? ext4.groupInodes : ext4.groupInodes - unused;
}

/** Checks the inodes of a group. OK also where something is found; EIO, ENOMEM. */
export function checkTable(ext4: Ext4, group: u32): ErrorCode {
  const at = descriptorAt(ext4, group);
  if (at === 0) return spared(lastFault());
  const count = usedTable(ext4, at);
  const inode = ext4.node;
  for (let index: u32 = 0; index < count; index++) {
    const number = group * ext4.groupInodes + index + 1;
    let code = inodeLoad(ext4, number, inode);
    if (code !== ErrorCode.OK) return spared(code);
    code = checkInode(ext4, inode);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

function spared(code: ErrorCode): ErrorCode {
  return code === ErrorCode.EIO || code === ErrorCode.ENOMEM ? code : ErrorCode.OK;
}

function checkInode(ext4: Ext4, inode: Inode): ErrorCode {
  const number = inode.number;
  if (number === INODE_BAD) {
    inode.type = MODE_FILE;
    return inode.sectors === 0 ? ErrorCode.OK : contentMark(ext4, inode);
  }
  const isReserved =
    (number < firstInode(ext4) && number !== INODE_ROOT) || number === orphanFile(ext4);
  let note: usize = 0;
  if (inode.links === 0) {
    // Only inodes that are used have a note, but for those that wait to be deleted.
    if (load<u32>(ext4.super, SUPER_ORPHANS) === 0) return ErrorCode.OK;
    note = noteAt(ext4, number);
    if (note === 0) return lastFault();
    if ((load<u32>(note) & NOTE_ORPHAN) === 0) return ErrorCode.OK;
  }
  note = noteAt(ext4, number);
  if (note === 0) return lastFault();
  let flags = load<u32>(note) | NOTE_USED | ((inode.type >>> 12) << NOTE_TYPE_SHIFT);
  if (inode.type === MODE_DIRECTORY) flags |= NOTE_DIRECTORY;
  if (isReserved || (inode.flags & INODE_FLAG_XATTR) !== 0) flags |= NOTE_APART;
  const before = findingsCount();
  const code = checkFields(ext4, inode);
  if (findingsCount() !== before) flags |= NOTE_FOUND;
  store<u32>(note, flags);
  store<u32>(note, inode.links, 4);
  return code;
}

function checkFields(ext4: Ext4, inode: Inode): ErrorCode {
  const number = inode.number;
  const table = inode.tableBlock;
  if (!inodeHolds(ext4, inode)) {
    found(ext4, Ext4Problem.INODE_CHECKSUM, table, number, 0, 0);
    return ErrorCode.OK;
  }
  if (!isType(inode.type)) {
    found(ext4, Ext4Problem.INODE_FIELD, table, number, 0, 0);
    return ErrorCode.OK;
  }
  if (inode.extra > ext4.inodeSize - INODE_SIZE_SMALL || (inode.extra & 3) !== 0) {
    found(ext4, Ext4Problem.INODE_FIELD, table, number, <u64>INODE_EXTRA, 0);
  }
  const before = findingsCount();
  const code = contentMark(ext4, inode);
  if (code !== ErrorCode.OK || findingsCount() !== before) return code;
  const sectors = contentBlocks() * <u64>ext4.blockSectors;
  if (sectors !== inode.sectors && (inode.flags & INODE_FLAG_XATTR) === 0) {
    found(ext4, Ext4Problem.INODE_SECTORS, table, number, inode.sectors, sectors);
  }
  checkSize(ext4, inode);
  return ErrorCode.OK;
}

/** A directory is exactly its blocks; a file may end before them only where they are unwritten. */
function checkSize(ext4: Ext4, inode: Inode): void {
  if (inode.number === INODE_RESIZE || (inode.flags & INODE_FLAG_VERITY) !== 0) return;
  const end = contentEnd() << ext4.blockShift;
  const rounded = (inode.size + <u64>(ext4.blockSize - 1)) & ~(<u64>(ext4.blockSize - 1));
  const isWrong =
    inode.type === MODE_DIRECTORY
      ? end !== 0 && inode.size !== end
      : inode.type === MODE_FILE && rounded < end;
  if (!isWrong) return;
  found(ext4, Ext4Problem.INODE_SIZE, inode.tableBlock, inode.number, inode.size, end);
}
