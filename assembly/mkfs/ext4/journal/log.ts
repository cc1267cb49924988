/**
 * The journal as a file of blocks: its superblock, where its blocks are, and the sums in it.
 *
 * Interface: numbers of blocks are those of the log unless they are said to be of the volume. The
 * blocks of the log are read past the cache: each is needed a few times, far apart.
 */
import { deviceFail, deviceRead } from "../../../engine/device";
import { failPlain, faultClear } from "../../../engine/fault";
import { allocate, allocateZeroed, release } from "../../../engine/memory";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  SUPER_AT,
  SUPER_JOURNAL_BACKUP,
  SUPER_JOURNAL_BACKUP_TYPE,
  SUPER_JOURNAL_INODE,
} from "../../../format/media/ext4";
import {
  EXTENT_MAGIC,
  INODE_BLOCK,
  INODE_BLOCK_SIZE,
  INODE_FLAG_EXTENTS,
  INODE_FLAGS,
  INODE_LINKS,
  INODE_MODE,
  INODE_SIZE_HIGH,
  INODE_SIZE_LOW,
  MODE_FILE,
} from "../../../format/media/ext4-inode";
import {
  JOURNAL_BLOCK_SIZE,
  JOURNAL_BLOCKS,
  JOURNAL_CHECKSUM,
  JOURNAL_CHECKSUM_CRC32C,
  JOURNAL_CHECKSUM_TYPE,
  JOURNAL_COMPATIBLE,
  JOURNAL_ERROR,
  JOURNAL_FAST_BLOCKS,
  JOURNAL_FIRST,
  JOURNAL_HEADER_MAGIC,
  JOURNAL_HEADER_TYPE,
  JOURNAL_INCOMPATIBLE,
  JOURNAL_INCOMPATIBLE_64BIT,
  JOURNAL_INCOMPATIBLE_ASYNC_COMMIT,
  JOURNAL_INCOMPATIBLE_CHECKSUM_2,
  JOURNAL_INCOMPATIBLE_CHECKSUM_3,
  JOURNAL_INCOMPATIBLE_FAST_COMMIT,
  JOURNAL_INCOMPATIBLE_REVOKE,
  JOURNAL_MAGIC,
  JOURNAL_SEQUENCE,
  JOURNAL_START,
  JOURNAL_TYPE_SUPER_1,
  JOURNAL_TYPE_SUPER_2,
  JOURNAL_UUID,
} from "../../../format/media/jbd2";
import { journalSeed, journalSum } from "../base/sums";
import { inodeFail, inodeParse, inodeRead } from "../read/inode";
import { runAt } from "../read/map";
import { Ext4, Inode, Run } from "../read/volume";

const KNOWN: u32 =
  JOURNAL_INCOMPATIBLE_REVOKE |
  JOURNAL_INCOMPATIBLE_64BIT |
  JOURNAL_INCOMPATIBLE_ASYNC_COMMIT |
  JOURNAL_INCOMPATIBLE_CHECKSUM_2 |
  JOURNAL_INCOMPATIBLE_CHECKSUM_3 |
  JOURNAL_INCOMPATIBLE_FAST_COMMIT;
/** Pieces of the journal on the disk: tools make it of few. */
const RUNS_MAX: u32 = 4096;
const RUNS_SIZE: u32 = RUNS_MAX * 16;
const FAST_BLOCKS_DEFAULT: u32 = 256;
const BLOCK_ROOM: u32 = 4096;

@unmanaged
export class Log {
  ext4: Ext4;
  /** A block of the log that tells of others, and one that is told of. */
  block: usize;
  data: usize;
  /** Places of RUNS_MAX pieces: block of the volume (u64), and blocks (u64). */
  runs: usize;
  runCount: u32;
  first: u32;
  /** One past the last block in use; fast commits are behind it. */
  end: u32;
  blocks: u32;
  start: u32;
  sequence: u32;
  compatible: u32;
  incompatible: u32;
  hasSums: bool;
  seed: u32;
  /** The first transaction that is not whole. */
  stop: u32;
}

const run = changetype<Run>(memory.data(offsetof<Run>(), 8));

/** Opens the journal of a volume; null after a fault. */
export function logOpen(ext4: Ext4): Log | null {
  const address = allocateZeroed(offsetof<Log>());
  const block = allocate(BLOCK_ROOM);
  const data = allocate(BLOCK_ROOM);
  const runs = allocate(RUNS_SIZE);
  if (address === 0 || block === 0 || data === 0 || runs === 0) {
    release(address, offsetof<Log>());
    release(block, BLOCK_ROOM);
    release(data, BLOCK_ROOM);
    release(runs, RUNS_SIZE);
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const log = changetype<Log>(address);
  log.ext4 = ext4;
  log.block = block;
  log.data = data;
  log.runs = runs;
  let code = findRuns(log);
  if (code === ErrorCode.OK) code = readSuper(log);
  if (code === ErrorCode.OK) return log;
  logClose(log);
  return null;
}

export function logClose(log: Log): void {
  release(log.block, BLOCK_ROOM);
  release(log.data, BLOCK_ROOM);
  release(log.runs, RUNS_SIZE);
  release(changetype<usize>(log), offsetof<Log>());
}

/** Reads block `index` of the log to `out`. */
export function logRead(log: Log, index: u32, out: usize): ErrorCode {
  const ext4 = log.ext4;
  const sector = logPlace(log, index) * <u64>ext4.blockSectors;
  return deviceRead(ext4.device, sector, out, ext4.blockSize);
}

/** Block of the volume where block `index` of the log stands; it is below `log.blocks`. */
export function logPlace(log: Log, index: u32): u64 {
  let left = <u64>index;
  let at = log.runs;
  while (left >= load<u64>(at, 8)) {
    left -= load<u64>(at, 8);
    at += 16;
  }
  return load<u64>(at) + left;
}

/** True if block `block` of the volume belongs to the journal. */
export function logOwns(log: Log, block: u64): bool {
  for (let index: u32 = 0; index < log.runCount; index++) {
    const at = log.runs + <usize>(index * 16);
    const first = load<u64>(at);
    if (block >= first && block - first < load<u64>(at, 8)) return true;
  }
  return false;
}

/** The block of the log behind `index`, `steps` on: the log is a ring. */
export function logNext(log: Log, index: u32, steps: u32): u32 {
  const length = log.end - log.first;
  return log.first + ((index - log.first + steps) % length);
}

/** Records damage at block `index` of the log. */
export function logFail(log: Log, index: u32, reason: Reason, detail: u32): ErrorCode {
  const ext4 = log.ext4;
  const sector = logPlace(log, index) * <u64>ext4.blockSectors;
  return deviceFail(ext4.device, ErrorCode.EBADMSG, reason, sector, detail);
}

export function big(at: usize, field: u32): u32 {
  return bswap<u32>(load<u32>(at + field));
}

function findRuns(log: Log): ErrorCode {
  const ext4 = log.ext4;
  const inode = ext4.node;
  const code = inodeRead(ext4, load<u32>(ext4.super, SUPER_JOURNAL_INODE), inode);
  if (code !== ErrorCode.OK && !(code === ErrorCode.EBADMSG && backupRead(ext4, inode)))
    return code;
  const blocks = inode.size >>> ext4.blockShift;
  if (blocks < 8 || blocks > ext4.blocks || blocks > 0x7fffffff) return wrong(ext4, inode);
  log.blocks = <u32>blocks;
  for (let at: u64 = 0; at < blocks; ) {
    const found = runAt(ext4, inode, at, run);
    if (found !== ErrorCode.OK) return found;
    if (run.block === 0 || log.runCount === RUNS_MAX) return wrong(ext4, inode);
    const piece = log.runs + <usize>(log.runCount * 16);
    const count = min<u64>(run.count, blocks - at);
    store<u64>(piece, run.block);
    store<u64>(piece, count, 8);
    log.runCount += 1;
    at += count;
  }
  return ErrorCode.OK;
}

/**
 * The inode of the journal as the superblock remembers it; false where it does not. A cut may have
 * left its block of the table, or the descriptor that leads there, half written: then what mends
 * them stands in this very journal.
 */
function backupRead(ext4: Ext4, inode: Inode): bool {
  const backup = ext4.super + SUPER_JOURNAL_BACKUP;
  const isKept = <u32>load<u8>(ext4.super, SUPER_JOURNAL_BACKUP_TYPE) === 1;
  if (!isKept || <u32>load<u16>(backup) !== EXTENT_MAGIC) return false;
  faultClear();
  const raw = inode.raw;
  memory.fill(raw, 0, ext4.inodeSize);
  store<u16>(raw, <u16>MODE_FILE, INODE_MODE);
  store<u16>(raw, 1, INODE_LINKS);
  store<u32>(raw, INODE_FLAG_EXTENTS, INODE_FLAGS);
  memory.copy(raw + INODE_BLOCK, backup, INODE_BLOCK_SIZE);
  store<u32>(raw, load<u32>(backup, INODE_BLOCK_SIZE), INODE_SIZE_HIGH);
  store<u32>(raw, load<u32>(backup, INODE_BLOCK_SIZE + 4), INODE_SIZE_LOW);
  inode.tableBlock = <u64>(SUPER_AT >>> ext4.blockShift);
  inodeParse(ext4, load<u32>(ext4.super, SUPER_JOURNAL_INODE), inode);
  return inode.size <= (<u64>1) << 56;
}

function wrong(ext4: Ext4, inode: Inode): ErrorCode {
  return inodeFail(ext4, inode, Reason.EXT4_JOURNAL);
}

function readSuper(log: Log): ErrorCode {
  const at = log.block;
  const code = logRead(log, 0, at);
  if (code !== ErrorCode.OK) return code;
  const type = big(at, JOURNAL_HEADER_TYPE);
  const isOld = type === JOURNAL_TYPE_SUPER_1;
  if (
    big(at, JOURNAL_HEADER_MAGIC) !== JOURNAL_MAGIC ||
    (!isOld && type !== JOURNAL_TYPE_SUPER_2)
  ) {
    return logFail(log, 0, Reason.EXT4_JOURNAL, JOURNAL_HEADER_MAGIC);
  }
  log.compatible = isOld ? 0 : big(at, JOURNAL_COMPATIBLE);
  log.incompatible = isOld ? 0 : big(at, JOURNAL_INCOMPATIBLE);
  const sums = JOURNAL_INCOMPATIBLE_CHECKSUM_2 | JOURNAL_INCOMPATIBLE_CHECKSUM_3;
  log.hasSums = (log.incompatible & sums) !== 0;
  if (log.hasSums) {
    const isTwice = (log.incompatible & sums) === sums;
    const kind = <u32>load<u8>(at, JOURNAL_CHECKSUM_TYPE);
    if (isTwice || kind !== JOURNAL_CHECKSUM_CRC32C) {
      return logFail(log, 0, Reason.EXT4_JOURNAL, JOURNAL_CHECKSUM_TYPE);
    }
    if (journalSum(at) !== big(at, JOURNAL_CHECKSUM)) {
      return logFail(log, 0, Reason.CHECKSUM, JOURNAL_CHECKSUM);
    }
  }
  const unknown = log.incompatible & ~KNOWN;
  if (unknown !== 0) {
    const sector = logPlace(log, 0) * <u64>log.ext4.blockSectors;
    return deviceFail(log.ext4.device, ErrorCode.EOPNOTSUPP, Reason.EXT4_JOURNAL, sector, unknown);
  }
  log.seed = journalSeed(at + JOURNAL_UUID);
  log.ext4.journalError = big(at, JOURNAL_ERROR);
  return readPlaces(log);
}

function readPlaces(log: Log): ErrorCode {
  const at = log.block;
  const blocks = big(at, JOURNAL_BLOCKS);
  const isWhole = blocks >= 8 && blocks <= log.blocks;
  if (big(at, JOURNAL_BLOCK_SIZE) !== log.ext4.blockSize || !isWhole) {
    return logFail(log, 0, Reason.EXT4_JOURNAL, JOURNAL_BLOCK_SIZE);
  }
  log.blocks = blocks;
  log.end = blocks;
  if ((log.incompatible & JOURNAL_INCOMPATIBLE_FAST_COMMIT) !== 0) {
    const told = big(at, JOURNAL_FAST_BLOCKS);
    const fast = told === 0 ? FAST_BLOCKS_DEFAULT : told;
    if (fast >= blocks) return logFail(log, 0, Reason.EXT4_JOURNAL, JOURNAL_FAST_BLOCKS);
    log.end = blocks - fast;
  }
  log.first = big(at, JOURNAL_FIRST);
  log.start = big(at, JOURNAL_START);
  log.sequence = big(at, JOURNAL_SEQUENCE);
  if (log.first === 0 || log.end < 2 || log.first > log.end - 2) {
    return logFail(log, 0, Reason.EXT4_JOURNAL, JOURNAL_FIRST);
  }
  if (log.start === 0 || (log.start >= log.first && log.start < log.end)) return ErrorCode.OK;
  return logFail(log, 0, Reason.EXT4_JOURNAL, JOURNAL_START);
}
