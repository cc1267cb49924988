/**
 * Rebuild of the index from the packs: every record says whose it is, so the index can be made anew
 * when it cannot be read. One batch: a crash leaves the old state, and the rebuild starts again.
 *
 * A record counts if its header is valid and its content has its hash (a segment: its checksum). Of
 * two records of one segment the newer one wins. Objects that lack a segment are left out. Pins are
 * lost with the index; objects deleted but not compacted come back.
 */
import { equalBytes } from "../../engine/bytes";
import { failPlain } from "../../engine/fault";
import { sha256 } from "../../engine/hash/sha256";
import { xxh64 } from "../../engine/hash/xxh64";
import { allocate, allocateZeroed, release } from "../../engine/memory";
import { planted } from "../../engine/planted";
import { Reason, SECTOR_SHIFT } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  CHUNK_LIVE_SECTORS,
  CHUNK_OWNER,
  CHUNK_WRITE_SECTOR,
  ChunkOwner,
  TreeId,
} from "../../format/page";
import {
  HASH_SIZE,
  INDEX_FLAG_SEGMENTED,
  PACK_CHECKSUM,
  PACK_EPOCH,
  PACK_HASH,
  PACK_LENGTH,
  PACK_SEGMENT,
  PACK_SEGMENTS,
  PACK_SIZE,
} from "../../format/store";
import { treeWorst } from "../../tree/btree";
import { RESERVE_DELETE, volumeAbort, volumeReserve } from "../../tree/commit";
import { Cursor, cursorClose, cursorNext, cursorOpen } from "../../tree/cursor";
import { liveAdd, volumeHasChanges } from "../../tree/pages/volume";
import { chunkEntry, chunkUpdate } from "../../tree/space";
import { indexGiveUp } from "../../tree/whole/lost";
import { recordRead } from "../get";
import {
  entryChunk,
  entryFlags,
  entryLength,
  entryPayload,
  entrySector,
  entrySectors,
  indexDecode,
  indexDelete,
  indexFind,
  indexPut,
  indexSegment,
} from "../pack/index";
import { packCheck, packLba, packSectors } from "../pack/record";
import { Store, storeScratch, storeStale } from "../pack/state";
import { chunkIsPack, chunkTag, stale, storeReserve, tagFound, writerLoad } from "../pack/writer";
import { sumAdd, sumBegin, sumMatches } from "../sums";

const PLANT_OLDER_RECORD: u32 = 29;

const entry: usize = memory.data(32, 8);
const hashNow: usize = memory.data(32, 8);
const digest: usize = memory.data(32, 8);
const header: usize = allocate(512);
const older: usize = allocate(512);

/**
 * Makes the index anew: the objects found. EBUSY: changes wait for a commit, or streams are open;
 * E2BIG: more objects than one batch holds (some 300,000). After an error the durable state stands,
 * and the store must be reopened.
 */
export function rebuild(at: Store): i32 {
  if (storeStale(at)) return stale(at);
  const volume = at.volume;
  if (volumeHasChanges(volume) || at.streams !== 0) {
    return failPlain(ErrorCode.EBUSY);
  }
  let code = storeReserve(at, 1, 1, true);
  if (code === ErrorCode.OK) code = writerLoad(at);
  if (code === ErrorCode.OK) code = indexGiveUp(at.region);
  if (code !== ErrorCode.OK) return code;
  at.suspectCount = 0;
  code = scanAll(at);
  const objects = code === ErrorCode.OK ? complete(at) : code;
  if (objects >= 0) code = accountAll(at);
  if (objects >= 0 && code === ErrorCode.OK) return objects;
  volumeAbort(volume);
  return objects < 0 ? objects : code;
}

/** Pages for one more record: a commit in between would make half an index durable. */
function reserve(at: Store): ErrorCode {
  const index = treeWorst(at.volume, TreeId.ST_INDEX, 1);
  const space = treeWorst(at.volume, TreeId.ST_SPACE, 1);
  const code = volumeReserve(at.volume, index + space, RESERVE_DELETE);
  return code === ErrorCode.EAGAIN ? failPlain(ErrorCode.E2BIG) : code;
}

function scanAll(at: Store): ErrorCode {
  if (storeScratch(at) === 0) return failPlain(ErrorCode.ENOMEM);
  for (let chunk: u32 = 0; chunk < at.region.chunks; chunk++) {
    let code = chunkEntry(at.volume, chunk, entry);
    if (code === ErrorCode.ENOENT) continue;
    if (code !== ErrorCode.OK) return code;
    if (!chunkIsPack(load<u8>(entry, CHUNK_OWNER))) continue;
    const written = load<u32>(entry, CHUNK_WRITE_SECTOR);
    const end = chunk === at.writer.chunk ? at.writer.position : written;
    code = scanChunk(at, chunk, min<u32>(end, at.chunkSectors));
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

/** Looks for records at every block of a chunk; only a record that is right is stepped over. */
function scanChunk(at: Store, chunk: u32, end: u32): ErrorCode {
  let code = chunkTag(at, chunk);
  if (code !== ErrorCode.OK) return code;
  const tag = tagFound;
  const most = at.scratchSize >>> SECTOR_SHIFT;
  windowFrom = 0;
  windowHeld = 0;
  for (let sector: u32 = 0; sector < end; ) {
    if (sector >= windowFrom + windowHeld) {
      windowFrom = sector;
      windowHeld = min<u32>(most, end - sector);
      // What the device cannot read in one piece is tried block by block.
      if (recordRead(at, chunk, sector, windowHeld, at.scratch) !== ErrorCode.OK) windowHeld = 0;
    }
    let sectors = at.blockSectors;
    if (headerAt(at, chunk, sector) && isRecord(at, chunk, sector, end, tag)) {
      sectors = <u32>packSectors(at, load<u64>(header, PACK_LENGTH));
      code = enter(at, chunk, sector, sectors);
      if (code !== ErrorCode.OK) return code;
    }
    sector += sectors;
  }
  return ErrorCode.OK;
}

/** Sectors of the chunk that stand in the room for reads. */
let windowFrom: u32 = 0;
let windowHeld: u32 = 0;

function windowAt(at: Store, sector: u32): usize {
  return at.scratch + ((<usize>(sector - windowFrom)) << SECTOR_SHIFT);
}

function headerAt(at: Store, chunk: u32, sector: u32): bool {
  if (windowHeld === 0) {
    return recordRead(at, chunk, sector, at.blockSectors, header) === ErrorCode.OK;
  }
  memory.copy(header, windowAt(at, sector), PACK_SIZE);
  return true;
}

/** True if the header and what follows it are a record of a committed epoch, and whole. */
function isRecord(at: Store, chunk: u32, sector: u32, end: u32, tag: u64): bool {
  const lba = packLba(at, chunk, sector);
  if (packCheck(header, at.volume, lba, tag) !== Reason.NONE) return false;
  if (load<u64>(header, PACK_EPOCH) > at.volume.epoch) return false;
  const length = load<u64>(header, PACK_LENGTH);
  const sectors = packSectors(at, length);
  if (sectors > <u64>(end - sector)) return false;
  const inWindow = <u64>sector + sectors <= <u64>windowFrom + <u64>windowHeld;
  if (!inWindow) return contentIntact(at, chunk, sector, <u32>length);
  const content = windowAt(at, sector) + PACK_SIZE;
  if (load<u32>(header, PACK_SEGMENTS) > 1) {
    return xxh64(content, <u32>length, 0) === load<u64>(header, PACK_CHECKSUM);
  }
  sha256(content, <u32>length, digest);
  return equalBytes(digest, header + PACK_HASH, HASH_SIZE);
}

/** Reads a record in pieces and compares it with its hash or checksum. */
function contentIntact(at: Store, chunk: u32, sector: u32, length: u32): bool {
  const sectors = <u32>packSectors(at, length);
  const most = at.scratchSize >>> SECTOR_SHIFT;
  windowHeld = 0;
  sumBegin(length, load<u32>(header, PACK_SEGMENTS));
  for (let done: u32 = 0; done < sectors; ) {
    const count = min<u32>(most, sectors - done);
    if (recordRead(at, chunk, sector + done, count, at.scratch) !== ErrorCode.OK) return false;
    sumAdd(at.scratch, count);
    done += count;
  }
  return sumMatches(header + PACK_HASH, load<u64>(header, PACK_CHECKSUM));
}

/** Puts a record into the index, unless it has a newer one of the same segment. */
function enter(at: Store, chunk: u32, sector: u32, sectors: u32): ErrorCode {
  const hash = header + PACK_HASH;
  const segment = load<u32>(header, PACK_SEGMENT);
  let code = indexFind(at, hash, segment);
  if (code === ErrorCode.OK) {
    const read = recordRead(at, entryChunk, entrySector, at.blockSectors, older) === ErrorCode.OK;
    const newer = read && load<u64>(older, PACK_EPOCH) > load<u64>(header, PACK_EPOCH);
    if (newer !== planted(PLANT_OLDER_RECORD)) return ErrorCode.OK;
  } else if (code !== ErrorCode.ENOENT) return code;
  code = reserve(at);
  if (code !== ErrorCode.OK) return code;
  const several = load<u32>(header, PACK_SEGMENTS) > 1;
  // complete() adds the other segments to the length of the first: no entry is shorter than that.
  const length = load<u64>(header, PACK_LENGTH) + (several && segment === 0 ? 1 : 0);
  const flags = several ? INDEX_FLAG_SEGMENTED : 0;
  return indexPut(at, hash, segment, chunk, sector, length, flags, sectors, 0);
}

/** Lengths of objects with segments; those that lack one go again: how many objects there are. */
function complete(at: Store): i32 {
  const cursor = cursorOpen(at.volume, TreeId.ST_INDEX);
  if (cursor === null) return failPlain(ErrorCode.ENOMEM);
  const result = completeAll(at, cursor);
  cursorClose(cursor);
  return result;
}

function completeAll(at: Store, cursor: Cursor): i32 {
  let objects: i32 = 0;
  let last: u32 = 0;
  let code = cursorNext(cursor);
  for (; code === ErrorCode.OK; code = cursorNext(cursor)) {
    const segment = indexSegment(cursor.key, cursor.keyLength);
    const follows = segment > 0 && segment <= last && equalBytes(cursor.key, hashNow, HASH_SIZE);
    if (follows) continue;
    const decoded = indexDecode(at, cursor.value, cursor.valueLength, segment);
    if (decoded !== ErrorCode.OK) return decoded;
    memory.copy(hashNow, cursor.key, HASH_SIZE);
    last = 0;
    if (segment > 0) {
      // Its first segment is missing, or it is of another cut of the same object.
      const dropped = indexDelete(at, hashNow, segment);
      if (dropped !== ErrorCode.OK) return dropped;
      continue;
    }
    const result = completeOne(at);
    if (result < 0) return result;
    if (result === 0) continue;
    last = <u32>result - 1;
    objects += 1;
  }
  return code === ErrorCode.ENOENT ? objects : code;
}

/** The object of `hashNow` and its entry 0: its segments, 0 if it is not whole and was dropped. */
function completeOne(at: Store): i32 {
  let length = entryLength;
  let segments: u32 = 1;
  if ((entryFlags & INDEX_FLAG_SEGMENTED) !== 0) {
    const chunk = entryChunk;
    const sector = entrySector;
    const sectors = entrySectors;
    length = entryPayload;
    let code = recordRead(at, chunk, sector, at.blockSectors, header);
    if (code !== ErrorCode.OK) return code;
    segments = load<u32>(header, PACK_SEGMENTS);
    for (let segment: u32 = 1; segment < segments; segment++) {
      code = indexFind(at, hashNow, segment);
      if (code === ErrorCode.ENOENT) return indexDelete(at, hashNow, 0);
      if (code !== ErrorCode.OK) return code;
      length += <u64>entryPayload;
    }
    code = reserve(at);
    if (code !== ErrorCode.OK) return code;
    code = indexPut(at, hashNow, 0, chunk, sector, length, INDEX_FLAG_SEGMENTED, sectors, 0);
    if (code !== ErrorCode.OK) return code;
  }
  liveAdd(at.volume, 1, <i64>length);
  return <i32>segments;
}

/** Live sectors of every pack chunk, counted anew. */
function accountAll(at: Store): ErrorCode {
  const size = at.region.chunks << 2;
  const counts = allocateZeroed(size);
  const cursor = cursorOpen(at.volume, TreeId.ST_INDEX);
  if (counts === 0 || cursor === null) {
    release(counts, size);
    return failPlain(ErrorCode.ENOMEM);
  }
  let code = cursorNext(cursor);
  for (; code === ErrorCode.OK; code = cursorNext(cursor)) {
    const segment = indexSegment(cursor.key, cursor.keyLength);
    code = indexDecode(at, cursor.value, cursor.valueLength, segment);
    if (code !== ErrorCode.OK) break;
    const place = counts + ((<usize>entryChunk) << 2);
    store<u32>(place, load<u32>(place) + entrySectors);
  }
  cursorClose(cursor);
  if (code === ErrorCode.ENOENT) code = accountChunks(at, counts);
  release(counts, size);
  return code;
}

function accountChunks(at: Store, counts: usize): ErrorCode {
  for (let chunk: u32 = 0; chunk < at.region.chunks; chunk++) {
    let code = chunkEntry(at.volume, chunk, entry);
    if (code === ErrorCode.ENOENT) continue;
    if (code !== ErrorCode.OK) return code;
    if (!chunkIsPack(load<u8>(entry, CHUNK_OWNER))) continue;
    const live = load<u32>(counts + ((<usize>chunk) << 2));
    if (chunk === at.writer.chunk) {
      at.writer.live = live;
      at.writer.changed = true;
      continue;
    }
    if (load<u32>(entry, CHUNK_LIVE_SECTORS) === live && live > 0) continue;
    const owner = live > 0 ? ChunkOwner.PACK_SEALED : ChunkOwner.DEAD;
    store<u32>(entry, live, CHUNK_LIVE_SECTORS);
    store<u8>(entry, <u8>owner, CHUNK_OWNER);
    code = reserve(at);
    if (code === ErrorCode.OK) code = chunkUpdate(at.volume, chunk, entry);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}
