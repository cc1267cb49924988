/**
 * Reading objects. Whatever is given out has been compared with the hash that names it, or with
 * the checksum of its segment where only a part was asked for, unless the caller wants neither.
 */
import { equalBytes } from "../engine/bytes";
import { deviceFail, deviceRead } from "../engine/device";
import { sha256 } from "../engine/hash/sha256";
import { xxh64 } from "../engine/hash/xxh64";
import { planted } from "../engine/planted";
import {
  EXCHANGE_COUNT,
  EXCHANGE_LENGTH,
  GET_UNVERIFIED,
  Reason,
  SECTOR_SHIFT,
} from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  HASH_SIZE,
  INDEX_FLAG_SEGMENTED,
  PACK_CHECKSUM,
  PACK_HASH,
  PACK_LENGTH,
  PACK_SEGMENT,
  PACK_SEGMENTS,
  PACK_SIZE,
} from "../format/store";
import {
  entryChunk,
  entryFlags,
  entryLength,
  entryPayload,
  entrySector,
  entrySectors,
  indexFind,
  suspectAdd,
} from "./pack/index";
import { packCheck, packLba } from "./pack/record";
import { exchangeAddress, Store, storeScratch, storeStale } from "./pack/state";
import { chunkTag, stale, tagFound } from "./pack/writer";

const PLANT_GET_UNVERIFIED: u32 = 22;

const digest: usize = memory.data(32, 8);
const saved: usize = memory.data(128, 8);
if (PACK_SIZE > 128) ERROR("the header does not fit");

/** Reads `sectors` of a chunk from `sector` on; from the write buffer if they are there. */
export function recordRead(
  at: Store,
  chunk: u32,
  sector: u32,
  sectors: u32,
  target: usize,
): ErrorCode {
  const writer = at.writer;
  const length = sectors << SECTOR_SHIFT;
  if (chunk === writer.chunk && sector >= writer.start && writer.position > sector) {
    const held = (<usize>(sector - writer.start)) << SECTOR_SHIFT;
    memory.copy(target, writer.buffer + held, length);
    return ErrorCode.OK;
  }
  return deviceRead(at.region.device, packLba(at, chunk, sector), target, length);
}

/** Checks the header of the record that the entry last found names; EBADMSG says where it lies. */
export function recordCheck(at: Store, header: usize, hash: usize, segment: u32): ErrorCode {
  const chunk = entryChunk;
  const sector = entrySector;
  const code = chunkTag(at, chunk);
  if (code !== ErrorCode.OK) return code;
  const lba = packLba(at, chunk, sector);
  let reason = packCheck(header, at.volume, lba, tagFound);
  if (reason === Reason.NONE) reason = belongs(header, hash, segment);
  return reason === Reason.NONE ? ErrorCode.OK : recordDamaged(at, hash, reason, lba);
}

/** NONE if a valid header is of this segment of this object, as the index has it. */
function belongs(header: usize, hash: usize, segment: u32): Reason {
  if (!equalBytes(header + PACK_HASH, hash, HASH_SIZE)) return Reason.CONTENT_HASH;
  if (load<u64>(header, PACK_LENGTH) !== <u64>entryPayload) return Reason.FIELD;
  if (load<u32>(header, PACK_SEGMENT) !== segment) return Reason.FIELD;
  const several = load<u32>(header, PACK_SEGMENTS) > 1;
  return several === ((entryFlags & INDEX_FLAG_SEGMENTED) !== 0) ? Reason.NONE : Reason.FIELD;
}

export function recordDamaged(at: Store, hash: usize, reason: Reason, lba: u64): ErrorCode {
  suspectAdd(at, hash);
  return deviceFail(at.region.device, ErrorCode.EBADMSG, reason, lba, 0);
}

/** Damage where the entry last found says that the record lies. */
export function entryDamaged(at: Store, hash: usize, reason: Reason): ErrorCode {
  return recordDamaged(at, hash, reason, packLba(at, entryChunk, entrySector));
}

/** True if the bytes have the hash. */
export function contentMatches(address: usize, length: u32, hash: usize): bool {
  sha256(address, length, digest);
  return equalBytes(digest, hash, HASH_SIZE) || planted(PLANT_GET_UNVERIFIED);
}

/**
 * Looks an object up and reads it whole if it is small enough: 1 with its address in the exchange,
 * 0 if it must be read in parts (count: 2 if it has segments, else 1), or an error.
 */
export function storeGetWhole(at: Store, hash: usize, flags: u32): i32 {
  if (storeStale(at)) return stale(at);
  let code = indexFind(at, hash, 0);
  if (code !== ErrorCode.OK) return code;
  const length = entryLength;
  const segmented = (entryFlags & INDEX_FLAG_SEGMENTED) !== 0;
  store<f64>(at.exchange, <f64>length, EXCHANGE_LENGTH);
  store<u32>(at.exchange, segmented ? 2 : 1, EXCHANGE_COUNT);
  // Every segment ends with up to a block of padding behind its payload.
  const block = (<u64>at.blockSectors) << SECTOR_SHIFT;
  if (length + PACK_SIZE + block > <u64>at.scratchSize) return 0;
  const scratch = storeScratch(at);
  if (scratch === 0) return ErrorCode.ENOMEM;
  const chunk = entryChunk;
  const sector = entrySector;
  code = segmented ? assemble(at, hash, length, scratch) : single(at, hash, scratch);
  if (code !== ErrorCode.OK) return code;
  exchangeAddress(at, scratch + PACK_SIZE);
  if ((flags & GET_UNVERIFIED) !== 0) return 1;
  if (contentMatches(scratch + PACK_SIZE, <u32>length, hash)) return 1;
  if (segmented) code = blameSegment(at, hash, <u32>length);
  if (code !== ErrorCode.OK) return code;
  return recordDamaged(at, hash, Reason.CONTENT_HASH, packLba(at, chunk, sector));
}

function single(at: Store, hash: usize, scratch: usize): ErrorCode {
  const code = recordRead(at, entryChunk, entrySector, entrySectors, scratch);
  return code === ErrorCode.OK ? recordCheck(at, scratch, hash, 0) : code;
}

/** Reads all segments so that their payloads stand in a row behind one header. */
function assemble(at: Store, hash: usize, length: u64, scratch: usize): ErrorCode {
  let done: u64 = 0;
  for (let segment: u32 = 0; done < length; segment++) {
    const code = segmentInto(at, hash, segment, scratch, done, length);
    if (code !== ErrorCode.OK) return code;
    done += <u64>entryPayload;
  }
  return ErrorCode.OK;
}

/**
 * Reads a segment so that its payload starts `done` bytes behind the first one's: its header falls
 * on the end of the payload before it, which is put back afterwards.
 */
function segmentInto(
  at: Store,
  hash: usize,
  segment: u32,
  scratch: usize,
  done: u64,
  length: u64,
): ErrorCode {
  let code = segmentFind(at, hash, segment);
  if (code !== ErrorCode.OK) return code;
  if (<u64>entryPayload > length - done || entryPayload === 0) {
    return entryDamaged(at, hash, Reason.FIELD);
  }
  const bytes = (<u64>entrySectors) << SECTOR_SHIFT;
  if (done + bytes > <u64>at.scratchSize) return ErrorCode.EBADMSG;
  const target = scratch + <usize>done;
  memory.copy(saved, target, PACK_SIZE);
  code = recordRead(at, entryChunk, entrySector, entrySectors, target);
  if (code === ErrorCode.OK) code = recordCheck(at, target, hash, segment);
  if (segment > 0) memory.copy(target, saved, PACK_SIZE);
  return code;
}

/** Like indexFind() for a segment that must be there: one that is missing is damage. */
export function segmentFind(at: Store, hash: usize, segment: u32): ErrorCode {
  const code = indexFind(at, hash, segment);
  if (code !== ErrorCode.ENOENT || segment === 0) return code;
  return recordDamaged(at, hash, Reason.POINTER, 0);
}

/** The whole does not match its hash: names the segment whose checksum does not match, if one. */
function blameSegment(at: Store, hash: usize, length: u32): ErrorCode {
  const scratch = at.scratch;
  let done: u32 = 0;
  for (let segment: u32 = 0; done < length; segment++) {
    let code = segmentFind(at, hash, segment);
    if (code !== ErrorCode.OK) return code;
    code = recordRead(at, entryChunk, entrySector, entrySectors, scratch);
    if (code === ErrorCode.OK) code = recordCheck(at, scratch, hash, segment);
    if (code !== ErrorCode.OK) return code;
    const checksum = load<u64>(scratch, PACK_CHECKSUM);
    if (xxh64(scratch + PACK_SIZE, entryPayload, 0) !== checksum) {
      return entryDamaged(at, hash, Reason.CHECKSUM);
    }
    done += entryPayload;
  }
  return ErrorCode.OK;
}
