/**
 * Space back: compaction of pack chunks, chunks that a crash left half-filled, and the order of
 * attempts before a full store says so. Two chunks are kept for it, so it works when all is full.
 */
import { loadBigU32 } from "../engine/bytes";
import { deviceWrite } from "../engine/device";
import { failPlain } from "../engine/fault";
import { planted } from "../engine/planted";
import { Reason, SECTOR_SHIFT } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  CHUNK_CHANGED_EPOCH,
  CHUNK_LIVE_SECTORS,
  CHUNK_OWNER,
  CHUNK_SIZE,
  CHUNK_WRITE_SECTOR,
  ChunkOwner,
  SPACE_KEY_CHUNK,
  TreeId,
} from "../format/page";
import { HASH_SIZE, PACK_CHECKSUM, PACK_HASH, PACK_SEGMENT, PACK_SEGMENTS } from "../format/store";
import { volumeAbort, volumeCommit, volumeReclaim } from "../tree/commit";
import { cursorClose, cursorNext, cursorOpen } from "../tree/cursor";
import { batchOpen } from "../tree/protocol";
import { chunksFree } from "../tree/space";
import { recordCheck, recordDamaged, recordRead } from "./get";
import {
  entryChunk,
  entryFlags,
  entryLength,
  entryPayload,
  entryPins,
  entrySector,
  entrySectors,
  indexFind,
  indexPointsTo,
  indexPut,
} from "./pack/index";
import { packCheck, packLba, packWrite } from "./pack/record";
import { NO_CHUNK, Store, storeScratch, storeStale } from "./pack/state";
import {
  chunkAccount,
  chunkSeal,
  chunkTag,
  stale,
  storeReserve,
  tagFound,
  writerAddress,
  writerAdvance,
  writerFlush,
  writerLoad,
  writerNext,
  writerPlace,
} from "./pack/writer";
import { streamOwns } from "./streams";
import { sumAdd, sumBegin, sumMatches } from "./sums";

const PLANT_COMPACT_KEEPS_PLACE: u32 = 26;
/** A chunk is worth rewriting when at least this part of it is dead: 1/16. */
const DEAD_SHIFT: u32 = 4;
/** Two commits in one chunk leave as much between their records. */
const DEAD_MIN: u32 = 16;
/** A record of up to this part of a chunk is not cut: what is left before it is lost: 1/8. */
const REST_SHIFT: u32 = 3;
const ROUNDS_MAX: u32 = 64;

const hashNow: usize = memory.data(32, 8);

let victim: u32 = NO_CHUNK;
let victimDead: u32 = 0;
let victimEnd: u32 = 0;
let stray: u32 = NO_CHUNK;
let strayLive: u32 = 0;
let strayEnd: u32 = 0;
const deadTotal: u64 = 0;

/**
 * Before ENOSPC: commits that free what died, then compaction as long as it gains something.
 * OK if `chunks` can be taken then, else ENOSPC. After that nothing is tried again until something
 * was deleted.
 */
export function makeRoom(at: Store, chunks: u32): ErrorCode {
  if (at.hopeless > 0 && chunks >= at.hopeless) return failPlain(ErrorCode.ENOSPC);
  let code = settle(at);
  for (let round: u32 = 0; round < ROUNDS_MAX && code === ErrorCode.OK; round++) {
    if (chunksFree(at.volume, false) >= chunks) return ErrorCode.OK;
    code = gain(at);
    if (code === ErrorCode.OK) code = settle(at);
  }
  if (code !== ErrorCode.OK && code !== ErrorCode.ENOSPC) return code;
  at.hopeless = chunks;
  return failPlain(ErrorCode.ENOSPC);
}

/** Commits what is open, then frees what died and what the filesystem can give back. */
function settle(at: Store): ErrorCode {
  let code = volumeCommit(at.volume);
  if (code === ErrorCode.OK) code = batchOpen(at.volume);
  if (code === ErrorCode.OK) code = volumeReclaim(at.volume);
  // That nothing was gained is no error here: compaction may still gain something.
  return code === ErrorCode.ENOSPC ? ErrorCode.OK : code;
}

/** Compacts until a chunk's worth of dead sectors is regained; ENOSPC if there is not that much. */
function gain(at: Store): ErrorCode {
  let gained: u32 = 0;
  for (let round: u32 = 0; round < ROUNDS_MAX; round++) {
    const moved = compactStep(at);
    if (moved < 0) return <ErrorCode>moved;
    if (victim === NO_CHUNK) return gained > 0 ? ErrorCode.OK : failPlain(ErrorCode.ENOSPC);
    gained += victimDead;
    if (gained >= at.chunkSectors) return ErrorCode.OK;
  }
  return ErrorCode.OK;
}

/** Compacts the chunk that gains most: records moved, 0 if none is worth it. */
export function compactStep(at: Store): i32 {
  if (storeStale(at)) return stale(at);
  if (at.inlineOpen) return failPlain(ErrorCode.EBUSY);
  let code = storeReserve(at, 1, 2, true);
  if (code === ErrorCode.OK) code = writerLoad(at);
  if (code === ErrorCode.OK) code = choose(at);
  // A chunk that a crash or a broken stream left open holds nothing, or is as good as sealed.
  if (code === ErrorCode.OK && stray !== NO_CHUNK) {
    code = chunkSeal(at, stray, strayLive, strayEnd, false);
    if (code !== ErrorCode.OK) return code;
    victim = stray;
    victimDead = at.chunkSectors - strayLive;
    return 0;
  }
  if (code !== ErrorCode.OK || victim === NO_CHUNK) return code;
  return empty(at, victim, victimEnd);
}

/** Looks through all chunks for the victim: much dead for little to move, old before young. */
function choose(at: Store): ErrorCode {
  victim = NO_CHUNK;
  stray = NO_CHUNK;
  victimDead = 0;
  let best: f64 = 0;
  const cursor = cursorOpen(at.volume, TreeId.ST_SPACE);
  if (cursor === null) return failPlain(ErrorCode.ENOMEM);
  let code = cursorNext(cursor);
  while (code === ErrorCode.OK && load<u8>(cursor.key) === <u8>SPACE_KEY_CHUNK) {
    if (cursor.keyLength === 5 && cursor.valueLength === CHUNK_SIZE) {
      best = consider(at, loadBigU32(cursor.key + 1), cursor.value, best);
    }
    code = cursorNext(cursor);
  }
  cursorClose(cursor);
  return code === ErrorCode.ENOENT ? ErrorCode.OK : code;
}

function consider(at: Store, chunk: u32, entry: usize, best: f64): f64 {
  const owner = load<u8>(entry, CHUNK_OWNER);
  if (chunk === at.writer.chunk || chunk === at.stuckChunk || chunk >= at.region.chunks) {
    return best;
  }
  const live = load<u32>(entry, CHUNK_LIVE_SECTORS);
  if (owner === <u8>ChunkOwner.PACK_OPEN && !streamOwns(at, chunk)) {
    stray = chunk;
    strayLive = live;
    strayEnd = min<u32>(load<u32>(entry, CHUNK_WRITE_SECTOR), at.chunkSectors);
    return best;
  }
  const end = min<u32>(load<u32>(entry, CHUNK_WRITE_SECTOR), at.chunkSectors);
  if (owner !== <u8>ChunkOwner.PACK_SEALED || live >= end) return best;
  // A small rest is lost in any chunk: moving its records would only lose it elsewhere.
  const rest = at.chunkSectors - end;
  const dead = end - live + (rest > at.chunkSectors >>> REST_SHIFT ? rest : 0);
  if (dead < max<u32>(at.chunkSectors >>> DEAD_SHIFT, DEAD_MIN)) return best;
  const epoch = at.volume.epoch + 1;
  const changed = load<u64>(entry, CHUNK_CHANGED_EPOCH);
  const age = changed < epoch ? <f64>(epoch - changed) : 1;
  const score = (<f64>dead * sqrt(age)) / <f64>(live + 1);
  if (score <= best) return best;
  victim = chunk;
  victimDead = dead;
  victimEnd = end;
  return score;
}

/**
 * Moves every live record out of `chunk`. What lies there is never trusted for its length: a record
 * is live only if the index points exactly at it, anything else is stepped over sector by sector.
 */
function empty(at: Store, chunk: u32, end: u32): i32 {
  const scratch = storeScratch(at);
  if (scratch === 0) return failPlain(ErrorCode.ENOMEM);
  let code = chunkTag(at, chunk);
  if (code !== ErrorCode.OK) return code;
  const tag = tagFound;
  const window = at.scratchSize >>> SECTOR_SHIFT;
  let from: u32 = 0;
  let held: u32 = 0;
  let moved: i32 = 0;
  for (let sector: u32 = 0; sector < end; ) {
    if (sector >= from + held) {
      from = sector;
      held = min<u32>(window, end - sector);
      code = recordRead(at, chunk, from, held, scratch);
      if (code !== ErrorCode.OK) return code;
    }
    const header = scratch + ((<usize>(sector - from)) << SECTOR_SHIFT);
    const lba = packLba(at, chunk, sector);
    const valid = packCheck(header, at.volume, lba, tag) === Reason.NONE;
    if (!valid || !isLive(at, header, chunk, sector)) {
      sector += at.blockSectors;
      continue;
    }
    const sectors = entrySectors;
    code = move(at, header, load<u32>(header, PACK_SEGMENT), load<u32>(header, PACK_SEGMENTS));
    if (code === ErrorCode.EBADMSG) at.stuckChunk = chunk;
    else if (code !== ErrorCode.OK) return code;
    else moved += 1;
    sector += sectors;
  }
  // What the index has here without a header to find it by cannot be moved: left alone.
  if (moved === 0) at.stuckChunk = chunk;
  return moved;
}

/** True if the index has this very record; the entry is found then. */
function isLive(at: Store, header: usize, chunk: u32, sector: u32): bool {
  const code = indexFind(at, header + PACK_HASH, load<u32>(header, PACK_SEGMENT));
  return code === ErrorCode.OK && indexPointsTo(chunk, sector);
}

/** Moves the record of the entry last found to the open chunk, verified, and points to it. */
function move(at: Store, header: usize, segment: u32, segments: u32): ErrorCode {
  memory.copy(hashNow, header + PACK_HASH, HASH_SIZE);
  const chunk = entryChunk;
  const sectors = entrySectors;
  const length = entryLength;
  const flags = entryFlags;
  const pins = entryPins;
  let code = storeReserve(at, 1, 2, true);
  if (code !== ErrorCode.OK) return code;
  code = indexFind(at, hashNow, segment);
  if (code !== ErrorCode.OK) return code;
  code = copyRecord(at, segment, segments);
  if (code !== ErrorCode.OK) return code;
  const writer = at.writer;
  if (!planted(PLANT_COMPACT_KEEPS_PLACE)) {
    code = indexPut(at, hashNow, segment, writer.chunk, copiedSector, length, flags, sectors, pins);
  }
  if (code === ErrorCode.OK) code = chunkAccount(at, chunk, sectors, false);
  if (code !== ErrorCode.OK) {
    volumeAbort(at.volume);
    return code;
  }
  writer.live += sectors;
  writer.changed = true;
  at.compacted += 1;
  return ErrorCode.OK;
}

/** Where copyRecord() put the record in the open chunk. */
let copiedSector: u32 = 0;

/** Copies a record behind the last one, in pieces of the buffer, and checks what it copies. */
function copyRecord(at: Store, segment: u32, segments: u32): ErrorCode {
  const writer = at.writer;
  const chunk = entryChunk;
  const sector = entrySector;
  const sectors = entrySectors;
  const payload = entryPayload;
  const most = writer.bufferSize >>> SECTOR_SHIFT;
  let code = ErrorCode.OK;
  if (sectors <= most) code = writerPlace(at, sectors, true, true);
  else {
    code = writerFlush(at);
    if (
      code === ErrorCode.OK &&
      (writer.chunk === NO_CHUNK || writer.position + sectors > at.chunkSectors)
    ) {
      code = writerNext(at, true, false);
    }
  }
  if (code !== ErrorCode.OK) return code;
  const start = writer.position;
  sumBegin(payload, segments);
  let checksum: u64 = 0;
  for (let done: u32 = 0; done < sectors; ) {
    const count = min<u32>(most, sectors - done);
    const place = sectors <= most ? writerAddress(writer) : writer.buffer;
    code = recordRead(at, chunk, sector + done, count, place);
    if (code !== ErrorCode.OK) return code;
    if (done === 0) {
      code = recordCheck(at, place, hashNow, segment);
      if (code !== ErrorCode.OK) return code;
      checksum = load<u64>(place, PACK_CHECKSUM);
      const lba = packLba(at, writer.chunk, start);
      packWrite(place, at.volume, hashNow, payload, lba, writer.tag, segment, segments, checksum);
    }
    sumAdd(place, count);
    if (sectors > most) {
      code = deviceWrite(
        at.region.device,
        packLba(at, writer.chunk, start + done),
        place,
        count << SECTOR_SHIFT,
      );
      if (code !== ErrorCode.OK) return code;
    }
    done += count;
  }
  if (!sumMatches(hashNow, checksum)) {
    const reason = segments === 1 ? Reason.CONTENT_HASH : Reason.CHECKSUM;
    return recordDamaged(at, hashNow, reason, packLba(at, chunk, sector));
  }
  copiedSector = start;
  writerAdvance(at, sectors, false);
  if (sectors > most) {
    writer.position = (writer.position + 7) & ~7;
    writer.start = writer.position;
  }
  return ErrorCode.OK;
}
