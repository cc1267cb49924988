/**
 * Objects larger than the read buffer: front to back in pieces, or a range of one. Hash and
 * checksums run along; the last piece of a verified read is given out only when they match.
 */
import { equalBytes } from "../engine/bytes";
import { SHA256_STATE_SIZE, sha256Begin, sha256End, sha256Update } from "../engine/hash/sha256";
import { XXH64_STATE_SIZE, xxh64Begin, xxh64End, xxh64Update } from "../engine/hash/xxh64";
import { allocateZeroed, release } from "../engine/memory";
import { EXCHANGE_ADDRESS, GET_UNVERIFIED, Reason, SECTOR_SHIFT } from "../format/abi";
import { ErrorCode } from "../format/errors";
import { HASH_SIZE, INDEX_FLAG_SEGMENTED, PACK_CHECKSUM, PACK_SIZE } from "../format/store";
import { entryDamaged, recordCheck, recordDamaged, recordRead, segmentFind } from "./get";
import {
  entryChunk,
  entryFlags,
  entryLength,
  entryPayload,
  entrySector,
  entrySectors,
  indexFind,
} from "./pack/index";
import { packLba } from "./pack/record";
import { exchangeAddress, Store, storeScratch, storeStale } from "./pack/state";
import { stale } from "./pack/writer";

const READER_HASH: u32 = 32;
const READER_SHA: u32 = READER_HASH + HASH_SIZE;
const READER_XXH: u32 = READER_SHA + SHA256_STATE_SIZE;
const READER_AREA: u32 = READER_XXH + XXH64_STATE_SIZE;

@unmanaged
export class Reader {
  at: Store;
  /** The host's handle of the store: tells whether it is still open. */
  storeHandle: u32;
  flags: u32;
  /** Bytes of the object, and of it read so far. */
  length: u64;
  done: u64;
  segment: u32;
  segmented: bool;
  /** Bytes of the segment read so far, its header included; a multiple of 512. */
  consumed: u32;
  /** Checksum that the segment's header promises. */
  checksum: u64;
  /** Digest, hash of the object, states of both sums. */
  area: usize;
}

/** A reader, and its area behind it. */
const READER_AREA_AT: usize = (offsetof<Reader>() + 7) & ~7;
const READER_SIZE: usize = READER_AREA_AT + READER_AREA;

/** A reader at the start of an object; null after a fault whose code is in `readerCode`. */
export let readerCode: ErrorCode = ErrorCode.OK;

export function readerOpen(at: Store, hash: usize, flags: u32): Reader | null {
  readerCode = storeStale(at) ? stale(at) : indexFind(at, hash, 0);
  if (readerCode !== ErrorCode.OK) return null;
  const address = allocateZeroed(READER_SIZE);
  if (address === 0 || storeScratch(at) === 0) {
    release(address, READER_SIZE);
    readerCode = ErrorCode.ENOMEM;
    return null;
  }
  const reader = changetype<Reader>(address);
  reader.at = at;
  reader.flags = flags;
  reader.length = entryLength;
  reader.segmented = (entryFlags & INDEX_FLAG_SEGMENTED) !== 0;
  const area = address + READER_AREA_AT;
  reader.area = area;
  memory.copy(area + READER_HASH, hash, HASH_SIZE);
  sha256Begin(area + READER_SHA);
  return reader;
}

export function readerClose(reader: Reader): void {
  release(changetype<usize>(reader), READER_SIZE);
}

/** The next piece: its bytes (address in the exchange), 0 at the end, or an error. */
export function readerNext(reader: Reader): i32 {
  const at = reader.at;
  if (storeStale(at)) return stale(at);
  if (reader.done === reader.length) return reader.length === 0 ? readerEnd(reader) : 0;
  const hash = reader.area + READER_HASH;
  const code = segmentFind(at, hash, reader.segment);
  if (code !== ErrorCode.OK) return code;
  const payload = entryPayload;
  if (payload === 0 || reader.done - segmentDone(reader) + <u64>payload > reader.length) {
    return entryDamaged(at, hash, Reason.FIELD);
  }
  const result = piece(reader, payload);
  if (result < 0) return result;
  reader.done += <u64>result;
  if (segmentDone(reader) >= <u64>payload) {
    reader.segment += 1;
    reader.consumed = 0;
  }
  if (reader.done < reader.length) return result;
  const ended = readerEnd(reader);
  return ended === ErrorCode.OK ? result : ended;
}

/** Payload bytes of the current segment that were read. */
function segmentDone(reader: Reader): u64 {
  return reader.consumed === 0 ? 0 : <u64>(reader.consumed - PACK_SIZE);
}

/** Reads on in the segment of the entry last found; the payload bytes got, or an error. */
function piece(reader: Reader, payload: u32): i32 {
  const at = reader.at;
  const chunk = entryChunk;
  const sector = entrySector;
  const first = reader.consumed === 0;
  const left = entrySectors - (reader.consumed >>> SECTOR_SHIFT);
  const sectors = min<u32>(left, at.scratchSize >>> SECTOR_SHIFT);
  const from = sector + (reader.consumed >>> SECTOR_SHIFT);
  const scratch = at.scratch;
  let code = recordRead(at, chunk, from, sectors, scratch);
  if (code !== ErrorCode.OK) return code;
  if (first) {
    code = recordCheck(at, scratch, reader.area + READER_HASH, reader.segment);
    if (code !== ErrorCode.OK) return code;
    reader.checksum = load<u64>(scratch, PACK_CHECKSUM);
    xxh64Begin(reader.area + READER_XXH, 0);
  }
  const skip: u32 = first ? PACK_SIZE : 0;
  const wanted = payload - <u32>segmentDone(reader);
  const count = min<u32>(wanted, (sectors << SECTOR_SHIFT) - skip);
  reader.consumed += count === wanted ? skip + count : sectors << SECTOR_SHIFT;
  exchangeAddress(at, scratch + skip);
  if ((reader.flags & GET_UNVERIFIED) !== 0) return count;
  sha256Update(reader.area + READER_SHA, scratch + skip, count);
  if (!reader.segmented) return count;
  const state = reader.area + READER_XXH;
  if (count < wanted) {
    xxh64Update(state, scratch + skip, count);
    return count;
  }
  const sum = xxh64End(state, scratch + skip, count, <u64>payload, 0);
  if (sum === reader.checksum) return count;
  return recordDamaged(at, reader.area + READER_HASH, Reason.CHECKSUM, packLba(at, chunk, sector));
}

/** All has been read: OK if it has the hash. */
function readerEnd(reader: Reader): ErrorCode {
  if ((reader.flags & GET_UNVERIFIED) !== 0) return ErrorCode.OK;
  const hash = reader.area + READER_HASH;
  sha256End(reader.area + READER_SHA, reader.area);
  if (equalBytes(reader.area, hash, HASH_SIZE)) return ErrorCode.OK;
  const code = indexFind(reader.at, hash, 0);
  if (code !== ErrorCode.OK) return code;
  return entryDamaged(reader.at, hash, Reason.CONTENT_HASH);
}

/**
 * Finds what is wrong with an object that a host found not to match its hash: EBADMSG with the
 * place, or EIO if a second read of it is right.
 */
export function storeBlameObject(at: Store, hash: usize): ErrorCode {
  const code = objectVerify(at, hash);
  if (code !== ErrorCode.OK) return code;
  const found = indexFind(at, hash, 0);
  if (found !== ErrorCode.OK) return found;
  return entryDamaged(at, hash, Reason.CONTENT_HASH);
}

/** Reads an object from front to back: OK if all of it is as it was put. */
export function objectVerify(at: Store, hash: usize): ErrorCode {
  const reader = readerOpen(at, hash, 0);
  if (reader === null) return readerCode;
  let result = 1;
  // Every piece makes progress, so the length of the object bounds the loop.
  while (result > 0) result = readerNext(reader);
  readerClose(reader);
  return <ErrorCode>result;
}

/**
 * Reads up to `length` bytes from `offset`, no further than the end of a segment: the bytes got
 * (address in the exchange), 0 behind the end. Verified: by the segment's checksum; an object
 * without segments as a whole.
 */
export function storeReadRange(at: Store, hash: usize, offset: u64, length: u32, flags: u32): i32 {
  if (storeStale(at)) return stale(at);
  let code = indexFind(at, hash, 0);
  if (code !== ErrorCode.OK) return code;
  if (storeScratch(at) === 0) return ErrorCode.ENOMEM;
  if (offset >= entryLength) return 0;
  const total = entryLength;
  let start: u64 = 0;
  let segment: u32 = 0;
  while (offset - start >= <u64>entryPayload) {
    if (entryPayload === 0) return recordDamaged(at, hash, Reason.FIELD, 0);
    start += <u64>entryPayload;
    segment += 1;
    code = segmentFind(at, hash, segment);
    if (code !== ErrorCode.OK) return code;
  }
  if (start + <u64>entryPayload > total) return recordDamaged(at, hash, Reason.FIELD, 0);
  const from = <u32>(offset - start);
  // Half of the room for what is given out, half for what is only checked.
  const most = min<u32>(length, (at.scratchSize >>> 1) - (1 << SECTOR_SHIFT) * 16);
  const count = min<u32>(most, entryPayload - from);
  if ((flags & GET_UNVERIFIED) !== 0) return rangeRead(at, from, count);
  return rangeVerified(at, hash, segment, from, count);
}

/** Only the sectors that hold the range. */
function rangeRead(at: Store, from: u32, count: u32): i32 {
  const first = (from + PACK_SIZE) >>> SECTOR_SHIFT;
  const last = (from + PACK_SIZE + count + 511) >>> SECTOR_SHIFT;
  const scratch = at.scratch;
  const code = recordRead(at, entryChunk, entrySector + first, last - first, scratch);
  if (code !== ErrorCode.OK) return code;
  exchangeAddress(at, scratch + <usize>(from + PACK_SIZE - (first << SECTOR_SHIFT)));
  return count;
}

/** The whole record, checked; the range is copied out as it passes. */
function rangeVerified(at: Store, hash: usize, segment: u32, from: u32, count: u32): i32 {
  const reader = readerOpen(at, hash, 0);
  if (reader === null) return readerCode;
  reader.segment = segment;
  const code = rangeThrough(reader, from, count);
  readerClose(reader);
  if (code !== ErrorCode.OK) return code;
  exchangeAddress(at, at.scratch + <usize>(at.scratchSize >>> 1));
  return count;
}

function rangeThrough(reader: Reader, from: u32, count: u32): ErrorCode {
  const at = reader.at;
  const code = segmentFind(at, reader.area + READER_HASH, reader.segment);
  if (code !== ErrorCode.OK) return code;
  const payload = entryPayload;
  const target = at.scratch + <usize>(at.scratchSize >>> 1);
  const whole = at.scratchSize;
  let done: u32 = 0;
  // The pieces must leave the upper half of the room alone.
  at.scratchSize = whole >>> 1;
  let result: i32 = ErrorCode.OK;
  while (done < payload) {
    result = piece(reader, payload);
    if (result < 0) break;
    const end = done + <u32>result;
    const low = max<u32>(done, from);
    const high = min<u32>(end, from + count);
    if (low < high) {
      const source = load<usize>(at.exchange + EXCHANGE_ADDRESS) + <usize>(low - done);
      memory.copy(target + <usize>(low - from), source, high - low);
    }
    done = end;
  }
  at.scratchSize = whole;
  if (result < 0) return <ErrorCode>result;
  return reader.segmented ? ErrorCode.OK : readerEnd(reader);
}
