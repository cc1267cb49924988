/**
 * Replay: what whole transactions of the log changed goes to its place, in memory where nothing may
 * be written, else on the disk.
 *
 * On the disk the order is: flush, for a commit that only the device's cache shows must not be lost
 * once its blocks are in place; blocks, flush; the log is marked empty, flush; the superblock says
 * that nothing is to be replayed, flush. A cut anywhere before the last step leaves a disk that
 * replays the same again, for all writes say what, none says how much more.
 */
import { cacheAdd, cacheFind, frameDirty } from "../../../engine/cache";
import { deviceFail, deviceFlush, deviceWrite } from "../../../engine/device";
import { failPlain, faultClear, lastFault } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  COMPATIBLE_JOURNAL,
  INCOMPATIBLE_JOURNAL_DEVICE,
  INCOMPATIBLE_RECOVER,
  SUPER_AT,
  SUPER_CHECKSUM,
  SUPER_FREE_INODES,
  SUPER_INCOMPATIBLE,
  SUPER_JOURNAL_INODE,
} from "../../../format/media/ext4";
import {
  JOURNAL_CHECKSUM,
  JOURNAL_HEADER_SIZE,
  JOURNAL_INCOMPATIBLE_64BIT,
  JOURNAL_INCOMPATIBLE_FAST_COMMIT,
  JOURNAL_MAGIC,
  JOURNAL_SEQUENCE,
  JOURNAL_START,
  JOURNAL_TAIL_SIZE,
  JOURNAL_TYPE_COMMIT,
  JOURNAL_TYPE_DESCRIPTOR,
  JOURNAL_TYPE_REVOKE,
  REVOKE_BYTES,
  REVOKE_SIZE,
  TAG_ESCAPED,
} from "../../../format/media/jbd2";
import { journalSum, superSum } from "../base/sums";
import { countsStore, freeBlocks, freeBlocksStore } from "../read/groups";
import { ext4Reread } from "../read/open";
import { blockAt, Ext4, ext4Fail, ext4Forget, ext4Refuse } from "../read/volume";
import { big, Log, logClose, logFail, logNext, logOpen, logPlace, logRead } from "./log";
import { isRevoked, revokedAdd, revokedEnd } from "./revoked";
import { logScan, Tag, tagAt, typeOf } from "./scan";

/** Blocks kept in memory: 64 MiB of frames. */
const OVERLAY_MAX: u32 = 16384;
/** Head of an area of fast commits: its tag, and where the transaction's number stands. */
const FAST_HEAD: u16 = 9;
const FAST_HEAD_SEQUENCE: u32 = 8;

enum Pass {
  REVOKE = 0,
  REPLAY = 1,
}

const tag = changetype<Tag>(memory.data(offsetof<Tag>(), 8));

/** Replays the journal of a volume that was just opened, if it holds anything. */
export function journalReplay(ext4: Ext4): ErrorCode {
  const isNeeded = (ext4.incompatible & INCOMPATIBLE_RECOVER) !== 0;
  if ((ext4.compatible & COMPATIBLE_JOURNAL) === 0) {
    if (!isNeeded) return ErrorCode.OK;
    return ext4Fail(ext4, Reason.EXT4_JOURNAL, 0, SUPER_INCOMPATIBLE);
  }
  if (load<u32>(ext4.super, SUPER_JOURNAL_INODE) === 0) {
    return isNeeded ? ext4Refuse(ext4, INCOMPATIBLE_JOURNAL_DEVICE) : ErrorCode.OK;
  }
  const log = logOpen(ext4);
  if (log === null) {
    const code = lastFault();
    // What an unmounted volume holds is read without its journal; a check tells what is wrong.
    if (isNeeded || code === ErrorCode.EIO || code === ErrorCode.ENOMEM) return code;
    faultClear();
    return ErrorCode.OK;
  }
  ext4.journalBlocks = log.blocks;
  // A backup of the superblock never says that the journal is in use.
  const code = isNeeded || ext4.superGroup !== 0 ? replay(log) : ErrorCode.OK;
  revokedEnd();
  logClose(log);
  return code;
}

function replay(log: Log): ErrorCode {
  const ext4 = log.ext4;
  if (log.start !== 0) {
    const whole = logScan(log);
    if (whole < 0) return whole;
    ext4.transactions = <u32>whole;
    ext4.isReplayed = true;
    const fast = refuseFast(log);
    if (fast !== ErrorCode.OK) return fast;
    if (!ext4.isReadOnly && whole > 0) {
      const flushed = deviceFlush(ext4.device);
      if (flushed !== ErrorCode.OK) return flushed;
    }
    const revoked = walkLog(log, Pass.REVOKE);
    if (revoked !== ErrorCode.OK) return revoked;
    const written = walkLog(log, Pass.REPLAY);
    if (written !== ErrorCode.OK) return written;
  }
  if (!ext4.isReadOnly) return settle(log);
  const code = ext4Reread(ext4);
  return code === ErrorCode.OK ? recount(ext4) : code;
}

/** Fast commits are another log, of changes and not of blocks, which we do not know. */
function refuseFast(log: Log): ErrorCode {
  if ((log.incompatible & JOURNAL_INCOMPATIBLE_FAST_COMMIT) === 0) return ErrorCode.OK;
  const code = logRead(log, log.end, log.data);
  if (code !== ErrorCode.OK) return code;
  const isHead = load<u16>(log.data) === FAST_HEAD;
  if (!isHead || load<u32>(log.data, FAST_HEAD_SEQUENCE) !== log.stop) return ErrorCode.OK;
  const sector = logPlace(log, log.end) * <u64>log.ext4.blockSectors;
  const bit = JOURNAL_INCOMPATIBLE_FAST_COMMIT;
  return deviceFail(log.ext4.device, ErrorCode.EOPNOTSUPP, Reason.EXT4_JOURNAL, sector, bit);
}

/** Goes over the whole transactions once more; logScan() has seen that it ends. */
function walkLog(log: Log, pass: Pass): ErrorCode {
  let at = log.start;
  let sequence = log.sequence;
  while (sequence !== log.stop) {
    let code = logRead(log, at, log.block);
    if (code !== ErrorCode.OK) return code;
    const type = typeOf(log, sequence);
    let steps: u32 = 1;
    if (type === JOURNAL_TYPE_DESCRIPTOR) {
      for (let byte = JOURNAL_HEADER_SIZE; tagAt(log, byte, tag); byte = tag.next) {
        if (pass === Pass.REPLAY && !isRevoked(tag.block, sequence)) {
          code = replayBlock(log, logNext(log, at, steps));
          if (code !== ErrorCode.OK) return code;
        }
        steps += 1;
      }
    } else if (type === JOURNAL_TYPE_REVOKE) {
      if (pass === Pass.REVOKE) code = readRevoked(log, at, sequence);
      if (code !== ErrorCode.OK) return code;
    } else if (type === JOURNAL_TYPE_COMMIT) {
      sequence += 1;
    } else {
      // It was there a moment ago.
      return logFail(log, at, Reason.EXT4_JOURNAL, sequence);
    }
    at = logNext(log, at, steps);
  }
  return ErrorCode.OK;
}

function readRevoked(log: Log, at: u32, sequence: u32): ErrorCode {
  const isLarge = (log.incompatible & JOURNAL_INCOMPATIBLE_64BIT) !== 0;
  const size: u32 = isLarge ? 8 : 4;
  const end = big(log.block, REVOKE_BYTES);
  const most = log.ext4.blockSize - (log.hasSums ? JOURNAL_TAIL_SIZE : 0);
  if (end < REVOKE_SIZE || end > most) return logFail(log, at, Reason.EXT4_JOURNAL, REVOKE_BYTES);
  for (let byte = REVOKE_SIZE; byte + size <= end; byte += size) {
    const place = log.block + <usize>byte;
    const block = isLarge ? bswap<u64>(load<u64>(place)) : <u64>big(place, 0);
    const code = revokedAdd(block, sequence);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

/** Brings block `index` of the log to where `tag` says. */
function replayBlock(log: Log, index: u32): ErrorCode {
  const ext4 = log.ext4;
  let code = logRead(log, index, log.data);
  if (code !== ErrorCode.OK) return code;
  if ((tag.flags & TAG_ESCAPED) !== 0) store<u32>(log.data, bswap<u32>(JOURNAL_MAGIC));
  if (!ext4.isReadOnly) {
    const sector = tag.block * <u64>ext4.blockSectors;
    code = deviceWrite(ext4.device, sector, log.data, ext4.blockSize);
    return code;
  }
  const known = cacheFind(ext4.cache, tag.block);
  const frame = known === null ? cacheAdd(ext4.cache, tag.block) : known;
  if (frame === null) return failPlain(ErrorCode.ENOMEM);
  if (!frame.dirty) {
    if (ext4.overlay.count >= OVERLAY_MAX) return failPlain(ErrorCode.ENOMEM);
    frameDirty(ext4.cache, frame, tag.block, ext4.overlay);
  }
  frame.page = 0;
  memory.copy(frame.address, log.data, ext4.blockSize);
  return ErrorCode.OK;
}

/** The superblock's counts are those of the descriptors, as far as these can be read. */
function recount(ext4: Ext4): ErrorCode {
  const code = countsStore(ext4);
  if (code === ErrorCode.EIO) return code;
  faultClear();
  return ErrorCode.OK;
}

/** What was replayed is made to stay, and the log is empty: see the head of this file. */
function settle(log: Log): ErrorCode {
  const ext4 = log.ext4;
  const device = ext4.device;
  let code = deviceFlush(device);
  if (code !== ErrorCode.OK) return code;
  ext4Forget(ext4);
  code = ext4Reread(ext4);
  if (code !== ErrorCode.OK) return code;
  if (log.start !== 0) {
    code = logRead(log, 0, log.block);
    if (code !== ErrorCode.OK) return code;
    store<u32>(log.block, 0, JOURNAL_START);
    store<u32>(log.block, bswap<u32>(log.stop + 1), JOURNAL_SEQUENCE);
    if (log.hasSums) store<u32>(log.block, bswap<u32>(journalSum(log.block)), JOURNAL_CHECKSUM);
    const sector = logPlace(log, 0) * <u64>ext4.blockSectors;
    code = deviceWrite(device, sector, log.block, ext4.blockSize);
    if (code === ErrorCode.OK) code = deviceFlush(device);
    if (code !== ErrorCode.OK) return code;
  }
  // From here on the volume is one that was unmounted.
  code = recount(ext4);
  if (code !== ErrorCode.OK) return code;
  const block = <u64>(SUPER_AT >>> ext4.blockShift);
  const frame = blockAt(ext4, block);
  if (frame === 0) return lastFault();
  const at = frame + <usize>(SUPER_AT & (ext4.blockSize - 1));
  freeBlocksStore(ext4, at, freeBlocks(ext4));
  store<u32>(at, load<u32>(ext4.super, SUPER_FREE_INODES), SUPER_FREE_INODES);
  store<u32>(at, load<u32>(at, SUPER_INCOMPATIBLE) & ~INCOMPATIBLE_RECOVER, SUPER_INCOMPATIBLE);
  if (ext4.hasChecksums) store<u32>(at, superSum(at), SUPER_CHECKSUM);
  code = deviceWrite(device, block * <u64>ext4.blockSectors, frame, ext4.blockSize);
  if (code === ErrorCode.OK) code = deviceFlush(device);
  return code === ErrorCode.OK ? ext4Reread(ext4) : code;
}
