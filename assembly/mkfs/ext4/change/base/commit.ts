/**
 * The commit of a transaction, in the order that keeps every cut harmless:
 *
 *   mark        once: the superblock says that the journal is in use; flush; the journal's
 *               superblock names the transaction that comes next; flush
 *   log         content of files at its place, changed blocks in the journal; flush
 *   commit      the commit block; flush: from here on the transaction counts
 *   checkpoint  the changed blocks at their places; flush
 *   empty       the journal's superblock names the transaction behind it; flush
 *   end         once, at the close: the journal is empty, flush; the superblock says so, flush
 *
 * So the log holds one transaction at most, always at its start: what an older one left there has
 * a lower number. A block that is given back is not logged, and as no older log is ever replayed
 * over what takes its place, there is nothing to revoke.
 */
import {
  cacheDrop,
  cacheFind,
  cacheForget,
  cacheTrim,
  Frame,
  frameClean,
} from "../../../../engine/cache";
import {
  deviceFail,
  deviceFlush,
  deviceQueueWrite,
  deviceSubmit,
  deviceWrite,
} from "../../../../engine/device";
import { lastFault } from "../../../../engine/fault";
import { planted } from "../../../../engine/planted";
import { requestsBegin } from "../../../../engine/requests";
import { Reason } from "../../../../format/abi";
import { ErrorCode } from "../../../../format/errors";
import {
  INCOMPATIBLE_RECOVER,
  SUPER_AT,
  SUPER_CHECKSUM,
  SUPER_INCOMPATIBLE,
  SUPER_SIZE,
  SUPER_WRITTEN_AT,
} from "../../../../format/media/ext4";
import {
  COMMIT_CHECKSUM,
  COMMIT_NANOSECONDS,
  COMMIT_SECONDS,
  JOURNAL_CHECKSUM,
  JOURNAL_HEADER_MAGIC,
  JOURNAL_HEADER_SEQUENCE,
  JOURNAL_HEADER_SIZE,
  JOURNAL_HEADER_TYPE,
  JOURNAL_INCOMPATIBLE_64BIT,
  JOURNAL_INCOMPATIBLE_CHECKSUM_2,
  JOURNAL_INCOMPATIBLE_CHECKSUM_3,
  JOURNAL_MAGIC,
  JOURNAL_SEQUENCE,
  JOURNAL_START,
  JOURNAL_TAIL_SIZE,
  JOURNAL_TYPE_COMMIT,
  JOURNAL_TYPE_DESCRIPTOR,
  JOURNAL_UUID,
  TAG_BLOCK_HIGH,
  TAG_BLOCK_LOW,
  TAG_CHECKSUM,
  TAG_ESCAPED,
  TAG_FLAGS,
  TAG_LAST,
  TAG_SAME_UUID,
  TAG_SIZE,
  TAG_SMALL_BLOCK_HIGH,
  TAG_SMALL_CHECKSUM,
  TAG_SMALL_CHECKSUM_PAD,
  TAG_SMALL_FLAGS,
  TAG_SMALL_HIGH_SIZE,
  TAG_SMALL_SIZE,
  TAG_UUID_SIZE,
} from "../../../../format/media/jbd2";
import { commitSum, journalBlockSum, journalSum, superSum, tagSum } from "../../base/sums";
import { Log, logPlace } from "../../journal/log";
import { blockAt, USE_SUPER } from "../../read/volume";
import {
  blockChange,
  Change,
  isUnchanged,
  RUN_METADATA,
  RUN_SIZE,
  spaceForget,
  undoEnd,
} from "./state";

const UUID_SIZE: u32 = 16;

/** Makes all changes so far durable. EIO: the device failed, and nothing is written any more. */
export function commit(change: Change): ErrorCode {
  if (change.latched !== ErrorCode.OK) {
    return deviceFail(change.ext4.device, ErrorCode.EIO, Reason.LATCHED, 0, 0);
  }
  undoEnd(change);
  if (isUnchanged(change)) return ErrorCode.OK;
  return latch(change, commitSteps(change));
}

/** commit(), then the volume is one that was unmounted. */
export function changeEnd(change: Change): ErrorCode {
  let code = commit(change);
  if (code !== ErrorCode.OK || !change.isMarked) return code;
  code = journalStore(change, 0);
  if (code === ErrorCode.OK) code = superMark(change, false);
  if (code === ErrorCode.OK) change.isMarked = false;
  return latch(change, code);
}

function latch(change: Change, code: ErrorCode): ErrorCode {
  if (code !== ErrorCode.OK) change.latched = code;
  return code;
}

function commitSteps(change: Change): ErrorCode {
  const ext4 = change.ext4;
  const device = ext4.device;
  if (!change.isMarked) {
    let marked = planted(75) ? ErrorCode.OK : superMark(change, true);
    if (marked === ErrorCode.OK) marked = journalStore(change, change.log.first);
    if (marked !== ErrorCode.OK) return marked;
    change.isMarked = true;
  }
  freedDrop(change);
  let code = superChange(change);
  const end = code === ErrorCode.OK ? logStore(change) : -1;
  if (end < 0) return lastFault();
  // Planted: the commit block may be durable before what it stands for.
  code = planted(71) ? ErrorCode.OK : deviceFlush(device);
  if (code === ErrorCode.OK && planted(72)) code = checkpoint(change);
  if (code === ErrorCode.OK) code = commitStore(change, <u32>end);
  if (code === ErrorCode.OK) code = deviceFlush(device);
  if (code === ErrorCode.OK) code = checkpoint(change);
  if (code === ErrorCode.OK && !planted(73)) code = deviceFlush(device);
  if (code !== ErrorCode.OK) return code;
  change.log.sequence += 1;
  code = journalStore(change, change.log.first);
  if (code !== ErrorCode.OK) return code;
  changesEnd(change);
  return ErrorCode.OK;
}

/** Blocks that were given back have no place in the log. */
function freedDrop(change: Change): void {
  const ext4 = change.ext4;
  for (let index: u32 = 0; index < change.freed.count; index++) {
    const run = change.freed.at + <usize>(index * RUN_SIZE);
    if (load<u32>(run, 12) !== RUN_METADATA) continue;
    const start = load<u64>(run);
    for (let step: u32 = 0; step < load<u32>(run, 8); step++) {
      const frame = cacheFind(ext4.cache, start + <u64>step);
      if (frame === null) continue;
      cacheDrop(ext4.cache, frame.dirty ? ext4.overlay : ext4.cache.clean, frame);
    }
  }
}

/** The superblock becomes one of the changed blocks. */
function superChange(change: Change): ErrorCode {
  const ext4 = change.ext4;
  store<u32>(ext4.super, <u32>change.seconds, SUPER_WRITTEN_AT);
  if (ext4.hasChecksums) store<u32>(ext4.super, superSum(ext4.super), SUPER_CHECKSUM);
  // There is room for it beside what the operations may change.
  change.blocksMax += 1;
  const block = blockChange(change, <u64>(SUPER_AT >>> ext4.blockShift), USE_SUPER);
  change.blocksMax -= 1;
  undoEnd(change);
  if (block === 0) return lastFault();
  memory.copy(block + <usize>(SUPER_AT & (ext4.blockSize - 1)), ext4.super, SUPER_SIZE);
  change.isSuperNew = false;
  return ErrorCode.OK;
}

/** Sets or takes off the mark in the superblock on the disk, which is that of the last commit. */
function superMark(change: Change, isUsed: bool): ErrorCode {
  const ext4 = change.ext4;
  const place = <u64>(SUPER_AT >>> ext4.blockShift);
  const block = blockAt(ext4, place);
  if (block === 0) return lastFault();
  const at = block + <usize>(SUPER_AT & (ext4.blockSize - 1));
  const others = ext4.incompatible & ~INCOMPATIBLE_RECOVER;
  ext4.incompatible = isUsed ? others | INCOMPATIBLE_RECOVER : others;
  store<u32>(at, ext4.incompatible, SUPER_INCOMPATIBLE);
  store<u32>(ext4.super, ext4.incompatible, SUPER_INCOMPATIBLE);
  if (ext4.hasChecksums) store<u32>(at, superSum(at), SUPER_CHECKSUM);
  const sector = place * <u64>ext4.blockSectors;
  const code = deviceWrite(ext4.device, sector, block, ext4.blockSize);
  return code === ErrorCode.OK ? deviceFlush(ext4.device) : code;
}

/** Writes the superblock of the journal: the log begins at `start` (0: it is empty). */
function journalStore(change: Change, start: u32): ErrorCode {
  const ext4 = change.ext4;
  const log = change.log;
  const at = change.journal;
  store<u32>(at, bswap<u32>(start), JOURNAL_START);
  store<u32>(at, bswap<u32>(log.sequence), JOURNAL_SEQUENCE);
  if (log.hasSums) store<u32>(at, bswap<u32>(journalSum(at)), JOURNAL_CHECKSUM);
  const sector = logPlace(log, 0) * <u64>ext4.blockSectors;
  const code = deviceWrite(ext4.device, sector, at, ext4.blockSize);
  return code === ErrorCode.OK ? deviceFlush(ext4.device) : code;
}

/** Writes descriptors and changed blocks to the log: where it ends, or an error. */
function logStore(change: Change): i32 {
  const ext4 = change.ext4;
  const log = change.log;
  let frame = ext4.overlay.oldest;
  let at = log.first;
  while (frame !== null) {
    requestsBegin();
    const descriptor = at;
    headStore(log, JOURNAL_TYPE_DESCRIPTOR);
    let byte = JOURNAL_HEADER_SIZE;
    let last: u32 = 0;
    while (frame !== null) {
      const size = tagSize(log) + (last === 0 ? TAG_UUID_SIZE : 0);
      if (byte + size > ext4.blockSize - (log.hasSums ? JOURNAL_TAIL_SIZE : 0)) break;
      at += 1;
      const code = blockStore(change, frame, at, byte, last === 0);
      if (code !== ErrorCode.OK) return code;
      last = byte;
      byte += size;
      frame = frame.newer;
    }
    flagsAdd(log, last, TAG_LAST);
    if (log.hasSums) {
      const tail = ext4.blockSize - JOURNAL_TAIL_SIZE;
      store<u32>(log.block + tail, 0);
      const sum = journalBlockSum(log.seed, log.block, ext4.blockSize);
      store<u32>(log.block + tail, bswap<u32>(sum));
    }
    let code = queue(change, descriptor, log.block);
    if (code === ErrorCode.OK) code = deviceSubmit(ext4.device);
    if (code !== ErrorCode.OK) return code;
    at += 1;
  }
  return <i32>at;
}

/** Adds a tag to the descriptor and its block to the batch. */
function blockStore(change: Change, frame: Frame, at: u32, byte: u32, isFirst: bool): ErrorCode {
  const ext4 = change.ext4;
  const log = change.log;
  const tag = log.block + <usize>byte;
  let content = frame.address;
  let flags: u32 = isFirst ? 0 : TAG_SAME_UUID;
  const isMagic = load<u32>(content) === bswap<u32>(JOURNAL_MAGIC);
  if (isMagic) {
    flags |= TAG_ESCAPED;
    content = log.data;
    memory.copy(content, frame.address, ext4.blockSize);
    store<u32>(content, 0);
  }
  const isLarge = (log.incompatible & JOURNAL_INCOMPATIBLE_64BIT) !== 0;
  const sum = log.hasSums ? tagSum(log.seed, log.sequence, content, ext4.blockSize) : 0;
  store<u32>(tag, bswap<u32>(<u32>frame.key), TAG_BLOCK_LOW);
  if ((log.incompatible & JOURNAL_INCOMPATIBLE_CHECKSUM_3) !== 0) {
    store<u32>(tag, bswap<u32>(flags), TAG_FLAGS);
    store<u32>(tag, bswap<u32>(<u32>(frame.key >>> 32)), TAG_BLOCK_HIGH);
    store<u32>(tag, bswap<u32>(sum), TAG_CHECKSUM);
  } else {
    store<u16>(tag, bswap<u16>(<u16>sum), TAG_SMALL_CHECKSUM);
    store<u16>(tag, bswap<u16>(<u16>flags), TAG_SMALL_FLAGS);
    if (isLarge) store<u32>(tag, bswap<u32>(<u32>(frame.key >>> 32)), TAG_SMALL_BLOCK_HIGH);
  }
  if (isFirst) {
    memory.copy(tag + <usize>tagSize(log), change.journal + JOURNAL_UUID, UUID_SIZE);
  }
  if (!isMagic) return queue(change, at, content);
  // There is one buffer for escaped blocks, and they are rare.
  const sector = logPlace(log, at) * <u64>ext4.blockSectors;
  let code = deviceSubmit(ext4.device);
  if (code === ErrorCode.OK) code = deviceWrite(ext4.device, sector, content, ext4.blockSize);
  requestsBegin();
  return code;
}

function flagsAdd(log: Log, byte: u32, flags: u32): void {
  const tag = log.block + <usize>byte;
  if ((log.incompatible & JOURNAL_INCOMPATIBLE_CHECKSUM_3) !== 0) {
    store<u32>(tag, load<u32>(tag, TAG_FLAGS) | bswap<u32>(flags), TAG_FLAGS);
  } else {
    const old = load<u16>(tag, TAG_SMALL_FLAGS);
    store<u16>(tag, old | bswap<u16>(<u16>flags), TAG_SMALL_FLAGS);
  }
}

/** Bytes of a tag: as scan reads it. */
function tagSize(log: Log): u32 {
  if ((log.incompatible & JOURNAL_INCOMPATIBLE_CHECKSUM_3) !== 0) return TAG_SIZE;
  const isTwo = (log.incompatible & JOURNAL_INCOMPATIBLE_CHECKSUM_2) !== 0;
  const isLarge = (log.incompatible & JOURNAL_INCOMPATIBLE_64BIT) !== 0;
  const size = TAG_SMALL_SIZE + (isTwo ? TAG_SMALL_CHECKSUM_PAD : 0);
  return isLarge ? size : size - TAG_SMALL_HIGH_SIZE;
}

/** Makes `log.block` a block of the log of kind `type`, otherwise zero. */
function headStore(log: Log, type: u32): void {
  memory.fill(log.block, 0, log.ext4.blockSize);
  store<u32>(log.block, bswap<u32>(JOURNAL_MAGIC), JOURNAL_HEADER_MAGIC);
  store<u32>(log.block, bswap<u32>(type), JOURNAL_HEADER_TYPE);
  store<u32>(log.block, bswap<u32>(log.sequence), JOURNAL_HEADER_SEQUENCE);
}

function commitStore(change: Change, at: u32): ErrorCode {
  const ext4 = change.ext4;
  const log = change.log;
  headStore(log, JOURNAL_TYPE_COMMIT);
  store<u64>(log.block, bswap<u64>(<u64>change.seconds), COMMIT_SECONDS);
  store<u32>(log.block, bswap<u32>(change.nanoseconds), COMMIT_NANOSECONDS);
  if (log.hasSums) {
    const sum = commitSum(log.seed, log.block, ext4.blockSize);
    store<u32>(log.block, bswap<u32>(sum), COMMIT_CHECKSUM);
  }
  const sector = logPlace(log, at) * <u64>ext4.blockSectors;
  return deviceWrite(ext4.device, sector, log.block, ext4.blockSize);
}

function queue(change: Change, at: u32, content: usize): ErrorCode {
  const ext4 = change.ext4;
  const sector = logPlace(change.log, at) * <u64>ext4.blockSectors;
  return deviceQueueWrite(ext4.device, sector, content, ext4.blockSize);
}

/** Brings the changed blocks to their places. */
function checkpoint(change: Change): ErrorCode {
  const ext4 = change.ext4;
  requestsBegin();
  let frame = ext4.overlay.oldest;
  while (frame !== null) {
    const sector = frame.key * <u64>ext4.blockSectors;
    const code = deviceQueueWrite(ext4.device, sector, frame.address, ext4.blockSize);
    if (code !== ErrorCode.OK) return code;
    frame = frame.newer;
  }
  return deviceSubmit(ext4.device);
}

/** What was changed is what the disk has; what was freed may be given out. */
function changesEnd(change: Change): void {
  const ext4 = change.ext4;
  let frame = ext4.overlay.oldest;
  while (frame !== null) {
    frameClean(ext4.cache, frame, frame.key, ext4.overlay);
    frame = ext4.overlay.oldest;
  }
  cacheTrim(ext4.cache);
  change.freed.count = 0;
  spaceForget(change);
}

/** Forgets what the cache knows of blocks that get content past it. */
export function blocksForget(change: Change, start: u64, count: u32): void {
  for (let step: u32 = 0; step < count; step++) {
    cacheForget(change.ext4.cache, start + <u64>step);
  }
}
