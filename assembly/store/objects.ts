/** Objects by name: look up, delete, pin, list; and the store's numbers. */
import { failPlain } from "../engine/fault";
import { planted } from "../engine/planted";
import {
  EXCHANGE_LENGTH,
  ROW_HASH,
  ROW_LENGTH,
  ROW_PINS,
  ROW_SIZE,
  ROWS_MAX,
  SECTOR_SHIFT,
  STAT_CAPACITY,
  STAT_COMPACTED,
  STAT_EPOCH,
  STAT_FREE,
  STAT_HEALED,
  STAT_OBJECTS,
  STAT_PAYLOAD,
  STAT_PENDING,
} from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  CHUNK_CHANGED_EPOCH,
  CHUNK_OWNER,
  ChunkOwner,
  SPACE_KEY_CHUNK,
  TreeId,
} from "../format/page";
import { SUPERBLOCK_LIVE_ITEMS, SUPERBLOCK_LIVE_SIZE } from "../format/region";
import { HASH_SIZE, INDEX_FLAG_SEGMENTED, SEGMENTS_MAX } from "../format/store";
import { reserveChunks } from "../tree/bitmap";
import { volumeAbort } from "../tree/commit";
import { Cursor, cursorClose, cursorNext, cursorOpen, cursorSeek } from "../tree/cursor";
import { liveAdd, volumeField, volumeHasChanges } from "../tree/pages/volume";
import { COMPACTION_CHUNKS, chunksFree } from "../tree/space";
import {
  entryChunk,
  entryFlags,
  entryLength,
  entryPins,
  entrySector,
  entrySectors,
  INDEX_KEY_MAX,
  indexDecode,
  indexDelete,
  indexFind,
  indexKeyCheck,
  indexPut,
  suspectFind,
  suspectRemove,
} from "./pack/index";
import { exchangeAddress, NO_CHUNK, Store, storeStale } from "./pack/state";
import { chunkAccount, stale, storeReserve } from "./pack/writer";

const PLANT_DELETE_KEEPS_LIVE: u32 = 27;
/** Chunk entries and segment entries that one page holds at least. */
const RECORDS_PER_PAGE: u32 = 16;

const boundary: usize = memory.data(36, 8);

/** 1 with its length in the exchange if the object is there, 0 if not or known to be damaged. */
export function objectHas(at: Store, hash: usize): i32 {
  if (storeStale(at)) return stale(at);
  const code = indexFind(at, hash, 0);
  if (code === ErrorCode.ENOENT) return 0;
  if (code !== ErrorCode.OK) return code;
  store<f64>(at.exchange, <f64>entryLength, EXCHANGE_LENGTH);
  return suspectFind(at, hash) ? 0 : 1;
}

/** Pages to reserve for `segments` neighbouring index records: their leaves are shared. */
export function recordsReserved(segments: u32): u32 {
  return 1 + segments / RECORDS_PER_PAGE;
}

/** The same for their chunks, of which a region has only so many. */
export function chunksReserved(at: Store, segments: u32): u32 {
  return min<u32>(segments, 1 + at.region.chunks / RECORDS_PER_PAGE);
}

/** Removes an object: ENOENT, EBUSY while pinned. */
export function objectDelete(at: Store, hash: usize): ErrorCode {
  if (storeStale(at)) return stale(at);
  if (at.inlineOpen) return failPlain(ErrorCode.EBUSY);
  let code = indexFind(at, hash, 0);
  if (code !== ErrorCode.OK) return code;
  if (entryPins > 0) return failPlain(ErrorCode.EBUSY);
  const segments = segmentCount(at, hash);
  code = storeReserve(at, recordsReserved(segments), chunksReserved(at, segments), true);
  if (code !== ErrorCode.OK) return code;
  code = objectForget(at, hash);
  if (code === ErrorCode.OK) suspectRemove(at, hash);
  return code;
}

/** Segments that the index has of an object whose entry 0 was last found. */
function segmentCount(at: Store, hash: usize): u32 {
  if ((entryFlags & INDEX_FLAG_SEGMENTED) === 0) return 1;
  let segments: u32 = 1;
  while (segments < SEGMENTS_MAX && indexFind(at, hash, segments) === ErrorCode.OK) segments += 1;
  return segments;
}

/** Takes an object out of index and accounts; the batch is reserved. An error aborts it. */
export function objectForget(at: Store, hash: usize): ErrorCode {
  let code = indexFind(at, hash, 0);
  if (code !== ErrorCode.OK) return code;
  const length = entryLength;
  const segmented = (entryFlags & INDEX_FLAG_SEGMENTED) !== 0;
  // The account first: where it is damaged nothing has changed yet, and nothing is lost.
  if (!planted(PLANT_DELETE_KEEPS_LIVE)) {
    code = chunkAccount(at, entryChunk, entrySectors, false);
    if (code !== ErrorCode.OK) return code;
  }
  code = indexDelete(at, hash, 0);
  for (let segment: u32 = 1; segmented && code === ErrorCode.OK; segment++) {
    code = indexFind(at, hash, segment);
    if (code === ErrorCode.OK) code = forgetSegment(at, hash, segment);
    else if (code === ErrorCode.ENOENT) break;
  }
  if (code !== ErrorCode.OK && code !== ErrorCode.ENOENT) {
    volumeAbort(at.volume);
    return code;
  }
  liveAdd(at.volume, -1, -(<i64>length));
  return ErrorCode.OK;
}

function forgetSegment(at: Store, hash: usize, segment: u32): ErrorCode {
  const chunk = entryChunk;
  const sectors = entrySectors;
  const code = indexDelete(at, hash, segment);
  return code === ErrorCode.OK ? chunkAccount(at, chunk, sectors, false) : code;
}

/** Changes the pins of an object by `change`: how many it has then. EINVAL below 0. */
export function objectPin(at: Store, hash: usize, change: i32): i32 {
  if (storeStale(at)) return stale(at);
  let code = indexFind(at, hash, 0);
  if (code !== ErrorCode.OK) return code;
  const pins = <i64>entryPins + <i64>change;
  if (pins < 0) return failPlain(ErrorCode.EINVAL);
  if (pins > <i64>i32.MAX_VALUE) return failPlain(ErrorCode.EOVERFLOW);
  code = storeReserve(at, 1, 0, true);
  if (code !== ErrorCode.OK) return code;
  code = indexFind(at, hash, 0);
  if (code !== ErrorCode.OK) return code;
  code = indexPut(
    at,
    hash,
    0,
    entryChunk,
    entrySector,
    entryLength,
    entryFlags,
    entrySectors,
    <u32>pins,
  );
  return code === ErrorCode.OK ? <i32>pins : code;
}

/** Fills up to `limit` rows with objects behind the hash at `after` (0 = from the first). */
export function objectList(at: Store, after: usize, limit: u32): i32 {
  if (storeStale(at)) return stale(at);
  const cursor = cursorOpen(at.volume, TreeId.ST_INDEX);
  if (cursor === null) return failPlain(ErrorCode.ENOMEM);
  const result = fillRows(at, cursor, after, min<u32>(limit, ROWS_MAX));
  cursorClose(cursor);
  exchangeAddress(at, at.rows);
  return result;
}

function fillRows(at: Store, cursor: Cursor, after: usize, limit: u32): i32 {
  let code = after === 0 ? cursorNext(cursor) : cursorPast(cursor, after);
  let count: u32 = 0;
  while (code === ErrorCode.OK && count < limit) {
    code = indexKeyCheck(at, cursor.key, cursor.keyLength);
    if (code !== ErrorCode.OK) break;
    if (cursor.keyLength !== HASH_SIZE) {
      code = cursorPast(cursor, cursor.key);
      continue;
    }
    code = indexDecode(at, cursor.value, cursor.valueLength, 0);
    if (code !== ErrorCode.OK) break;
    const row = at.rows + <usize>(count * ROW_SIZE);
    memory.copy(row + ROW_HASH, cursor.key, HASH_SIZE);
    store<f64>(row, <f64>entryLength, ROW_LENGTH);
    store<f64>(row, <f64>entryPins, ROW_PINS);
    count += 1;
    const segmented = (entryFlags & INDEX_FLAG_SEGMENTED) !== 0;
    code = segmented ? cursorPast(cursor, cursor.key) : cursorNext(cursor);
  }
  if (code === ErrorCode.OK || code === ErrorCode.ENOENT) return <i32>count;
  return code;
}

/** Moves behind all segments of the object `hash`: no segment has the number 2^32 - 1. */
export function cursorPast(cursor: Cursor, hash: usize): ErrorCode {
  memory.copy(boundary, hash, HASH_SIZE);
  store<u32>(boundary + HASH_SIZE, 0xffffffff);
  return cursorSeek(cursor, boundary, INDEX_KEY_MAX);
}

/** Writes STAT at the exchange's address. */
export function objectStat(at: Store): ErrorCode {
  const volume = at.volume;
  const chunkSize = <f64>((<u64>at.chunkSectors) << SECTOR_SHIFT);
  const free = freeChunks(at);
  if (free < 0) return <ErrorCode>free;
  const writer = at.writer;
  const rest: u32 = writer.chunk === NO_CHUNK ? 0 : at.chunkSectors - writer.position;
  const rows = at.rows;
  store<f64>(rows, <f64>volumeField(volume, SUPERBLOCK_LIVE_ITEMS), STAT_OBJECTS);
  store<f64>(rows, <f64>volumeField(volume, SUPERBLOCK_LIVE_SIZE), STAT_PAYLOAD);
  store<f64>(rows, <f64>at.region.chunks * chunkSize, STAT_CAPACITY);
  store<f64>(rows, <f64>free * chunkSize + <f64>(rest << SECTOR_SHIFT), STAT_FREE);
  store<f64>(rows, <f64>volume.epoch, STAT_EPOCH);
  store<f64>(rows, volumeHasChanges(volume) ? 1 : 0, STAT_PENDING);
  store<f64>(rows, <f64>at.compacted, STAT_COMPACTED);
  store<f64>(rows, <f64>at.healed, STAT_HEALED);
  exchangeAddress(at, rows);
  return ErrorCode.OK;
}

/** Chunks that puts may still take: from the summary of the space layer, else from its tree. */
export function freeChunks(at: Store): i32 {
  const volume = at.volume;
  if (volume.space.summary !== 0) return <i32>chunksFree(volume, false);
  const cursor = cursorOpen(volume, TreeId.ST_SPACE);
  if (cursor === null) return failPlain(ErrorCode.ENOMEM);
  let used: u32 = 0;
  let code = cursorNext(cursor);
  while (code === ErrorCode.OK && load<u8>(cursor.key) === <u8>SPACE_KEY_CHUNK) {
    if (cursor.valueLength >= 32 && !expired(cursor.value, volume.epoch)) used += 1;
    code = cursorNext(cursor);
  }
  cursorClose(cursor);
  if (code !== ErrorCode.OK && code !== ErrorCode.ENOENT) return code;
  used += reserveChunks(volume) + COMPACTION_CHUNKS;
  return used > at.region.chunks ? 0 : <i32>(at.region.chunks - used);
}

/** True for a chunk that may be taken: free, or dead since two commits. */
function expired(entry: usize, epoch: u64): bool {
  const owner = load<u8>(entry, CHUNK_OWNER);
  if (owner === <u8>ChunkOwner.FREE) return true;
  return owner === <u8>ChunkOwner.DEAD && load<u64>(entry, CHUNK_CHANGED_EPOCH) + 2 <= epoch + 1;
}
