/** Begins to change a volume, if it is one that we know how to change as a whole. */
import { ErrorCode } from "../../../../format/errors";
import { Ext4Refusal } from "../../../../format/media/calls-ext4";
import {
  COMPATIBLE_JOURNAL,
  INCOMPATIBLE_CASE_FOLD,
  INCOMPATIBLE_ENCRYPT,
  INCOMPATIBLE_EXTENTS,
  INCOMPATIBLE_FILE_TYPE,
  INCOMPATIBLE_INLINE_DATA,
  INCOMPATIBLE_XATTR_INODE,
  SUPER_JOURNAL_INODE,
  SUPER_ORPHANS,
  SUPER_STATE,
  SUPER_STATE_CLEAN,
  SUPER_STATE_ERRORS,
} from "../../../../format/media/ext4";
import { JOURNAL_INCOMPATIBLE_64BIT } from "../../../../format/media/jbd2";
import { logClose, logOpen, logRead } from "../../journal/log";
import { countsStore } from "../../read/groups";
import { isForeign } from "../../read/open";
import { Ext4 } from "../../read/volume";
import { Change, changeNew, changeRelease, refuse } from "./state";
import { systemFind } from "./system";

/** Features that change what a file, a name or an attribute is. */
const STRANGE: u32 =
  INCOMPATIBLE_INLINE_DATA |
  INCOMPATIBLE_ENCRYPT |
  INCOMPATIBLE_CASE_FOLD |
  INCOMPATIBLE_XATTR_INODE;
/** The fewest blocks of a log: a quarter of them must hold any one operation. */
const LOG_MIN: u32 = 256;
/** 32 MiB of frames. */
const BLOCKS_MAX: u32 = 8192;

/** The change of a volume, begun if there is none; null after a fault. */
export function changeOf(ext4: Ext4): Change | null {
  if (ext4.change !== 0) return changetype<Change>(ext4.change);
  if (changeRefusal(ext4) !== ErrorCode.OK) return null;
  const log = logOpen(ext4);
  if (log === null) return null;
  const length = log.end - log.first;
  const isLarge = (log.incompatible & JOURNAL_INCOMPATIBLE_64BIT) !== 0;
  if (length < LOG_MIN || (!isLarge && ext4.blocks > <u64>0xffffffff + 1)) {
    refuse(ext4, ErrorCode.EOPNOTSUPP, Ext4Refusal.JOURNAL_SIZE);
  } else if (log.start !== 0 || ext4.journalError !== 0) {
    refuse(ext4, ErrorCode.EROFS, Ext4Refusal.ERRORS);
  } else {
    const change = changeNew(ext4);
    if (change !== null) {
      change.log = log;
      let code = logRead(log, 0, change.journal);
      if (code === ErrorCode.OK) code = systemFind(change);
      if (code === ErrorCode.OK) code = countsStore(ext4);
      if (code === ErrorCode.OK) {
        change.blocksMax = min<u32>(length >>> 2, BLOCKS_MAX);
        ext4.change = changetype<usize>(change);
        return change;
      }
      changeRelease(change);
    }
  }
  logClose(log);
  return null;
}

/** Releases what was needed to change a volume. What was not committed is forgotten. */
export function changeClose(ext4: Ext4): void {
  if (ext4.change === 0) return;
  const change = changetype<Change>(ext4.change);
  logClose(change.log);
  changeRelease(change);
  ext4.change = 0;
}

/** OK, or why the volume is not changed: EROFS, EOPNOTSUPP. */
function changeRefusal(ext4: Ext4): ErrorCode {
  const why = ext4.device.readOnly ? Ext4Refusal.READ_ONLY : refusalOf(ext4);
  return why === Ext4Refusal.NONE ? ErrorCode.OK : refuse(ext4, codeOf(why), why);
}

/** What is wrong with us is EOPNOTSUPP, what is wrong with the volume or device EROFS. */
function codeOf(why: Ext4Refusal): ErrorCode {
  const isOurs =
    why === Ext4Refusal.FEATURE ||
    why === Ext4Refusal.JOURNAL ||
    why === Ext4Refusal.EXTENTS ||
    why === Ext4Refusal.ORPHANS;
  return isOurs ? ErrorCode.EOPNOTSUPP : ErrorCode.EROFS;
}

/** Why the volume as it is on the disk is not changed, however it was opened. */
export function refusalOf(ext4: Ext4): Ext4Refusal {
  if (ext4.superGroup !== 0) return Ext4Refusal.BACKUP;
  if (ext4.device.blockSize > ext4.blockSize) return Ext4Refusal.BLOCK_SIZE;
  if (isForeign(ext4) || (ext4.incompatible & STRANGE) !== 0) return Ext4Refusal.FEATURE;
  const hasJournal =
    (ext4.compatible & COMPATIBLE_JOURNAL) !== 0 &&
    load<u32>(ext4.super, SUPER_JOURNAL_INODE) !== 0;
  if (!hasJournal) return Ext4Refusal.JOURNAL;
  const wanted = INCOMPATIBLE_EXTENTS | INCOMPATIBLE_FILE_TYPE;
  if ((ext4.incompatible & wanted) !== wanted) return Ext4Refusal.EXTENTS;
  const state = <u32>load<u16>(ext4.super, SUPER_STATE);
  if ((state & SUPER_STATE_CLEAN) === 0 || (state & SUPER_STATE_ERRORS) !== 0) {
    return Ext4Refusal.ERRORS;
  }
  return load<u32>(ext4.super, SUPER_ORPHANS) !== 0 ? Ext4Refusal.ORPHANS : Ext4Refusal.NONE;
}
