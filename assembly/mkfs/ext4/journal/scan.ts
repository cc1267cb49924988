/**
 * The first pass over a log: which transactions are whole, and that all they say is possible.
 *
 * Interface: the log ends before the first transaction without a commit block, or whose commit
 * block does not hold: it was being written when the power went. Damage in a transaction with a
 * commit block that holds is damage, and stops everything before anything was changed.
 */
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  COMMIT_CHECKSUM,
  COMMIT_CHECKSUM_SIZE,
  COMMIT_CHECKSUM_TYPE,
  COMMIT_SECONDS,
  JOURNAL_COMPATIBLE_CHECKSUM,
  JOURNAL_HEADER_MAGIC,
  JOURNAL_HEADER_SEQUENCE,
  JOURNAL_HEADER_SIZE,
  JOURNAL_HEADER_TYPE,
  JOURNAL_INCOMPATIBLE_64BIT,
  JOURNAL_INCOMPATIBLE_ASYNC_COMMIT,
  JOURNAL_INCOMPATIBLE_CHECKSUM_2,
  JOURNAL_INCOMPATIBLE_CHECKSUM_3,
  JOURNAL_MAGIC,
  JOURNAL_TAIL_SIZE,
  JOURNAL_TYPE_COMMIT,
  JOURNAL_TYPE_DESCRIPTOR,
  JOURNAL_TYPE_REVOKE,
  TAG_BLOCK_HIGH,
  TAG_BLOCK_LOW,
  TAG_CHECKSUM,
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
} from "../../../format/media/jbd2";
import { commitSum, journalBlockSum, tagSum } from "../base/sums";
import { big, Log, logFail, logNext, logOwns, logRead } from "./log";

/** A logged block: where it belongs, and what is said of it. */
@unmanaged
export class Tag {
  block: u64;
  flags: u32;
  sum: u32;
  /** Where the next tag stands in the descriptor. */
  next: u32;
}

/** What kind of block `log.block` is, of the transaction `sequence`; 0: of none. */
export function typeOf(log: Log, sequence: u32): u32 {
  const isOf =
    big(log.block, JOURNAL_HEADER_MAGIC) === JOURNAL_MAGIC &&
    big(log.block, JOURNAL_HEADER_SEQUENCE) === sequence;
  return isOf ? big(log.block, JOURNAL_HEADER_TYPE) : 0;
}

const tag = changetype<Tag>(memory.data(offsetof<Tag>(), 8));
/** Of the transaction that is looked at. */
let isSumWrong = false;
let wrongAt: u32 = 0;
let isDataWrong = false;
let oldSum: u32 = 0;

/** Sets `log.stop`, and answers how many transactions are whole; or damage, or EIO. */
export function logScan(log: Log): i32 {
  let at = log.start;
  let sequence = log.sequence;
  let seconds: u64 = 0;
  let whole: i32 = 0;
  const length = log.end - log.first;
  transactionBegin();
  for (let seen: u32 = 0; seen < length; ) {
    const code = logRead(log, at, log.block);
    if (code !== ErrorCode.OK) return code;
    const type = typeOf(log, sequence);
    let steps: u32 = 1;
    if (type === JOURNAL_TYPE_DESCRIPTOR) {
      const blocks = scanDescriptor(log, at, sequence);
      if (blocks < 0) return blocks;
      steps += <u32>blocks;
    } else if (type === JOURNAL_TYPE_REVOKE) {
      if (!blockHolds(log)) wrongSum(at);
    } else if (type === JOURNAL_TYPE_COMMIT) {
      const now = bswap<u64>(load<u64>(log.block, COMMIT_SECONDS));
      if (!commitHolds(log)) break;
      if (isSumWrong || isDataWrong) {
        // A time that went back: an old block, left from the last round of the ring.
        if (now < seconds) break;
        const isAsync = (log.incompatible & JOURNAL_INCOMPATIBLE_ASYNC_COMMIT) !== 0;
        if (isDataWrong && !isSumWrong && isAsync) break;
        return logFail(log, wrongAt, Reason.EXT4_JOURNAL, sequence);
      }
      seconds = now;
      sequence += 1;
      whole += 1;
      transactionBegin();
    } else {
      break;
    }
    seen += steps;
    at = logNext(log, at, steps);
  }
  log.stop = sequence;
  return whole;
}

/** Reads the tag at byte `at` of the descriptor in `log.block`: false where none fits. */
export function tagAt(log: Log, at: u32, out: Tag): bool {
  const isThree = (log.incompatible & JOURNAL_INCOMPATIBLE_CHECKSUM_3) !== 0;
  const isTwo = (log.incompatible & JOURNAL_INCOMPATIBLE_CHECKSUM_2) !== 0;
  const isLarge = (log.incompatible & JOURNAL_INCOMPATIBLE_64BIT) !== 0;
  let size: u32 = TAG_SIZE;
  if (!isThree) {
    size = TAG_SMALL_SIZE + (isTwo ? TAG_SMALL_CHECKSUM_PAD : 0);
    if (!isLarge) size -= TAG_SMALL_HIGH_SIZE;
  }
  const end = log.ext4.blockSize - (log.hasSums ? JOURNAL_TAIL_SIZE : 0);
  if (at + size > end) return false;
  const place = log.block + <usize>at;
  out.block = <u64>big(place, TAG_BLOCK_LOW);
  if (isThree) {
    out.flags = big(place, TAG_FLAGS);
    out.sum = big(place, TAG_CHECKSUM);
    if (isLarge) out.block |= (<u64>big(place, TAG_BLOCK_HIGH)) << 32;
  } else {
    out.flags = <u32>bswap<u16>(load<u16>(place, TAG_SMALL_FLAGS));
    out.sum = <u32>bswap<u16>(load<u16>(place, TAG_SMALL_CHECKSUM));
    if (isLarge) out.block |= (<u64>big(place, TAG_SMALL_BLOCK_HIGH)) << 32;
  }
  out.next = at + size + ((out.flags & TAG_SAME_UUID) === 0 ? TAG_UUID_SIZE : 0);
  if ((out.flags & TAG_LAST) !== 0) out.next = log.ext4.blockSize;
  return true;
}

function transactionBegin(): void {
  isSumWrong = false;
  isDataWrong = false;
  oldSum = 0xffffffff;
}

function wrongSum(at: u32): void {
  if (!isSumWrong) wrongAt = at;
  isSumWrong = true;
}

/** How many blocks follow the descriptor at `at`; each is held against its sum. */
function scanDescriptor(log: Log, at: u32, sequence: u32): i32 {
  const size = log.ext4.blockSize;
  if (!blockHolds(log)) wrongSum(at);
  const hasOld = (log.compatible & JOURNAL_COMPATIBLE_CHECKSUM) !== 0;
  if (hasOld) oldSum = bigCrc(oldSum, log.block, size);
  const isThree = (log.incompatible & JOURNAL_INCOMPATIBLE_CHECKSUM_3) !== 0;
  const length = log.end - log.first;
  let count: u32 = 0;
  for (let byte = JOURNAL_HEADER_SIZE; tagAt(log, byte, tag); byte = tag.next) {
    count += 1;
    // More blocks than the ring has: no transaction can be so large.
    if (count >= length) {
      wrongSum(at);
      break;
    }
    if (tag.block >= log.ext4.blocks || logOwns(log, tag.block)) wrongData(at);
    if (!log.hasSums && !hasOld) continue;
    const place = logNext(log, at, count);
    const code = logRead(log, place, log.data);
    if (code !== ErrorCode.OK) return code;
    if (hasOld) oldSum = bigCrc(oldSum, log.data, size);
    if (!log.hasSums) continue;
    const sum = tagSum(log.seed, sequence, log.data, size);
    if ((isThree ? sum : sum & 0xffff) !== tag.sum) wrongData(place);
  }
  return <i32>count;
}

function wrongData(at: u32): void {
  if (!isSumWrong && !isDataWrong) wrongAt = at;
  isDataWrong = true;
}

/** True if the sum at the end of a descriptor or of revocations holds, or the log has none. */
function blockHolds(log: Log): bool {
  if (!log.hasSums) return true;
  const size = log.ext4.blockSize;
  const told = big(log.block, size - JOURNAL_TAIL_SIZE);
  return journalBlockSum(log.seed, log.block, size) === told;
}

/** True if a commit block holds; with the oldest kind of sums it speaks for all blocks. */
function commitHolds(log: Log): bool {
  const size = log.ext4.blockSize;
  if (log.hasSums) return commitSum(log.seed, log.block, size) === big(log.block, COMMIT_CHECKSUM);
  if ((log.compatible & JOURNAL_COMPATIBLE_CHECKSUM) === 0) return true;
  const told = big(log.block, COMMIT_CHECKSUM);
  const kind = load<u8>(log.block, COMMIT_CHECKSUM_TYPE);
  const bytes = load<u8>(log.block, COMMIT_CHECKSUM_SIZE);
  // A journal that got the feature later has commits without a sum.
  if (kind === 0 && bytes === 0 && told === 0) return true;
  return kind === 1 && bytes === 4 && told === oldSum;
}

/** CRC-32 with the highest bit first, bit by bit: only journals of old kernels have it. */
function bigCrc(crc: u32, at: usize, length: u32): u32 {
  for (let index: u32 = 0; index < length; index++) {
    crc ^= (<u32>load<u8>(at + index)) << 24;
    for (let bit: u32 = 0; bit < 8; bit++) {
      crc = (crc << 1) ^ ((crc & 0x80000000) !== 0 ? 0x04c11db7 : 0);
    }
  }
  return crc;
}
