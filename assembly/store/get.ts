/**
 * Reading objects. Whatever is given out has been compared with the hash that names it, or with
 * the checksum of its segment where only a part was asked for, unless the caller wants neither.
 */
import { equalBytes } from "../engine/bytes";
import { deviceFail, deviceRead } from "../engine/device";
import { sha256 } from "../engine/hash/sha256";
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
 * Looks an object up and reads it whole if it is one small record: 1 with its address in the
 * exchange, 0 if it must be read in parts (count: 2 if it has segments, else 1), or an error.
 */
export function storeGetWhole(at: Store, hash: usize, flags: u32): i32 {
  if (storeStale(at)) return stale(at);
  let code = indexFind(at, hash, 0);
  if (code !== ErrorCode.OK) return code;
  const length = entryLength;
  const segmented = (entryFlags & INDEX_FLAG_SEGMENTED) !== 0;
  store<f64>(at.exchange, <f64>length, EXCHANGE_LENGTH);
  store<u32>(at.exchange, segmented ? 2 : 1, EXCHANGE_COUNT);
  // A record ends with up to a block of padding behind its payload.
  const block = (<u64>at.blockSectors) << SECTOR_SHIFT;
  if (segmented || length + PACK_SIZE + block > <u64>at.scratchSize) return 0;
  const scratch = storeScratch(at);
  if (scratch === 0) return ErrorCode.ENOMEM;
  code = recordRead(at, entryChunk, entrySector, entrySectors, scratch);
  if (code === ErrorCode.OK) code = recordCheck(at, scratch, hash, 0);
  if (code !== ErrorCode.OK) return code;
  exchangeAddress(at, scratch + PACK_SIZE);
  if ((flags & GET_UNVERIFIED) !== 0) return 1;
  if (contentMatches(scratch + PACK_SIZE, <u32>length, hash)) return 1;
  return entryDamaged(at, hash, Reason.CONTENT_HASH);
}

/** Like indexFind() for a segment that must be there: one that is missing is damage. */
export function segmentFind(at: Store, hash: usize, segment: u32): ErrorCode {
  const code = indexFind(at, hash, segment);
  if (code !== ErrorCode.ENOENT || segment === 0) return code;
  return recordDamaged(at, hash, Reason.POINTER, 0);
}
