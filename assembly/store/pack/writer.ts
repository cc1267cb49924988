/**
 * Writing packs: the open chunk, its buffer, and the accounts of all pack chunks.
 *
 * Interface: writerPlace() finds room for a record, the caller fills it in and calls
 * writerAdvance(). Records reach the device in large sequential writes, at the latest before the
 * first FLUSH of a commit (the hook below). Every write starts at a multiple of 8 sectors, so
 * whatever was flushed before it ends its own 4 KiB block (R7).
 */
import { deviceFail, deviceWrite } from "../../engine/device";
import { planted } from "../../engine/planted";
import { Reason, SECTOR_SHIFT } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  CHUNK_CHECKSUM,
  CHUNK_LIVE_SECTORS,
  CHUNK_OWNER,
  CHUNK_SIZE,
  CHUNK_WRITE_SECTOR,
  ChunkOwner,
  TreeId,
} from "../../format/page";
import { SUPERBLOCK_OPEN_DATA, SUPERBLOCK_OPEN_SECTOR } from "../../format/region";
import { SUMMARY_FREE, summarySet } from "../../tree/bitmap";
import { treeWorst } from "../../tree/btree";
import {
  RESERVE_DELETE,
  RESERVE_NORMAL,
  volumeAbort,
  volumeCommit,
  volumeReserve,
} from "../../tree/commit";
import { volumeChanged } from "../../tree/pages/volume";
import { chunkEntry, chunkTake, chunkUpdate } from "../../tree/space";
import { packLba, packTag } from "./record";
import { ALIGN_SECTORS, NO_CHUNK, Store, storeStale, TAG_SIZE, TAGS_MAX, Writer } from "./state";

/** Bugs that only the test build has; test/store/planted.test.ts tells what each breaks. */
const PLANT_UNALIGNED: u32 = 21;
const PLANT_FREE_EARLY: u32 = 23;
const PLANT_ABORT_KEEPS_WRITER: u32 = 24;
const PLANT_COMMIT_WITHOUT_RECORDS: u32 = 25;
const PLANT_OPEN_SECTOR_STALE: u32 = 28;

/** Entries of chunks that one operation changes at most, beside those of its own segments. */
const SPACE_CHANGES: u32 = 4;

const entry: usize = memory.data(32, 8);
if (CHUNK_SIZE > 32) ERROR("the chunk entry does not fit");

/**
 * Before an operation that changes `records` index records: pages reserved, batch open.
 * ENOSPC, EROFS, ESTALE, EIO, ...: nothing has changed.
 */
export function storeReserve(at: Store, records: u32, chunks: u32, last: bool): ErrorCode {
  if (storeStale(at)) return stale(at);
  const index = treeWorst(at.volume, TreeId.ST_INDEX, records);
  const space = treeWorst(at.volume, TreeId.ST_SPACE, chunks + SPACE_CHANGES);
  const purpose = last ? RESERVE_DELETE : RESERVE_NORMAL;
  const code = volumeReserve(at.volume, index + space, purpose);
  if (code !== ErrorCode.EAGAIN) return code;
  const committed = volumeCommit(at.volume);
  if (committed !== ErrorCode.OK) return committed;
  return volumeReserve(at.volume, index + space, purpose);
}

export function stale(at: Store): ErrorCode {
  const detail = <u32>at.volume.lostSince;
  return deviceFail(at.region.device, ErrorCode.ESTALE, Reason.LOST_SINCE, 0, detail);
}

/**
 * Finds `sectors` in a row in the open chunk and in the buffer; opens the next chunk if `next`
 * allows it, else answers EAGAIN. The record's place is then (chunk, position).
 */
export function writerPlace(at: Store, sectors: u32, next: bool, privileged: bool): ErrorCode {
  const writer = at.writer;
  let code = writerLoad(at);
  if (code !== ErrorCode.OK) return code;
  if (writer.chunk === NO_CHUNK || writer.position + sectors > at.chunkSectors) {
    if (!next) return ErrorCode.EAGAIN;
    code = writerNext(at, privileged, false);
    if (code !== ErrorCode.OK) return code;
  }
  const held = writer.position - writer.start;
  if ((held + sectors) << SECTOR_SHIFT <= writer.bufferSize) return ErrorCode.OK;
  return writerFlush(at);
}

/** Address of the record at the write position. */
export function writerAddress(writer: Writer): usize {
  return writer.buffer + ((<usize>(writer.position - writer.start)) << SECTOR_SHIFT);
}

/**
 * Moves to the next 4 KiB block. The sectors between go out with those around them, so they become
 * zeros: the buffer still has what stood there one buffer before, whole records of other objects.
 */
export function writerAlign(writer: Writer): void {
  const aligned = (writer.position + ALIGN_SECTORS - 1) & ~(ALIGN_SECTORS - 1);
  const bytes = (<usize>(aligned - writer.position)) << SECTOR_SHIFT;
  memory.fill(writerAddress(writer), 0, bytes);
  writer.position = aligned;
}

/** Sectors left in the open chunk. */
export function writerRest(at: Store): u32 {
  return at.writer.chunk === NO_CHUNK ? 0 : at.chunkSectors - at.writer.position;
}

/** The record at the write position is complete and in the index. */
export function writerAdvance(at: Store, sectors: u32, live: bool): void {
  const writer = at.writer;
  writer.position += sectors;
  if (live) writer.live += sectors;
  writer.changed = true;
}

/** Looks up the open chunk of the last commit. */
export function writerLoad(at: Store): ErrorCode {
  const writer = at.writer;
  if (writer.loaded) return ErrorCode.OK;
  const chunk = load<u32>(at.volume.next, SUPERBLOCK_OPEN_DATA);
  const sector = load<u32>(at.volume.next, SUPERBLOCK_OPEN_SECTOR);
  writerForget(writer);
  if (chunk < at.region.chunks && sector <= at.chunkSectors) {
    const code = chunkEntry(at.volume, chunk, entry);
    if (code !== ErrorCode.OK && code !== ErrorCode.ENOENT) return code;
    const open = code === ErrorCode.OK && load<u8>(entry, CHUNK_OWNER) === <u8>ChunkOwner.PACK_OPEN;
    // An entry that disagrees with the superblock is not written to: it waits for compaction.
    if (open && load<u32>(entry, CHUNK_WRITE_SECTOR) === sector) {
      writer.chunk = chunk;
      writer.position = (sector + ALIGN_SECTORS - 1) & ~(ALIGN_SECTORS - 1);
      writer.start = writer.position;
      writer.live = load<u32>(entry, CHUNK_LIVE_SECTORS);
      writer.tag = packTag(at.volume, chunk, load<u64>(entry, CHUNK_CHECKSUM));
    }
  }
  writer.loaded = true;
  return ErrorCode.OK;
}

/** A chunk for `writer`, empty: its number is in it. ENOSPC if none may be taken. */
export function writerTake(at: Store, writer: Writer, privileged: bool): ErrorCode {
  const chunk = chunkTake(at.volume, ChunkOwner.PACK_OPEN, privileged);
  if (chunk < 0) return <ErrorCode>chunk;
  const code = chunkEntry(at.volume, <u32>chunk, entry);
  if (code !== ErrorCode.OK) return code;
  writer.chunk = <u32>chunk;
  writer.position = 0;
  writer.start = 0;
  writer.live = 0;
  writer.tag = packTag(at.volume, <u32>chunk, load<u64>(entry, CHUNK_CHECKSUM));
  tagRemember(at, <u32>chunk, writer.tag);
  return ErrorCode.OK;
}

/**
 * Seals the open chunk and opens the next one. `keep`: records of the old chunk that are not in
 * the index yet will be, so it is not given up even if nothing lives in it.
 */
export function writerNext(at: Store, privileged: bool, keep: bool): ErrorCode {
  const writer = at.writer;
  let code = writerFlush(at);
  if (code !== ErrorCode.OK) return code;
  const chunk = writer.chunk;
  const live = writer.live;
  const position = writer.position;
  // The new one first: without it the old one stays open.
  code = writerTake(at, writer, privileged);
  if (code !== ErrorCode.OK) return code;
  writer.changed = true;
  if (chunk === NO_CHUNK) return ErrorCode.OK;
  return chunkSeal(at, chunk, live, position, keep);
}

/** Rewrites the entry of a pack chunk that is full: sealed, or dead if nothing lives in it. */
export function chunkSeal(at: Store, chunk: u32, live: u32, position: u32, keep: bool): ErrorCode {
  const code = chunkEntry(at.volume, chunk, entry);
  if (code !== ErrorCode.OK) return code;
  store<u8>(entry, sealedOwner(live, keep), CHUNK_OWNER);
  store<u32>(entry, live, CHUNK_LIVE_SECTORS);
  store<u32>(entry, position, CHUNK_WRITE_SECTOR);
  return chunkUpdate(at.volume, chunk, entry);
}

function sealedOwner(live: u32, keep: bool): u8 {
  if (live > 0) return <u8>ChunkOwner.PACK_SEALED;
  if (keep) return <u8>ChunkOwner.PACK_OPEN;
  return <u8>ChunkOwner.DEAD;
}

/**
 * Adds to (or takes from) the live sectors of `chunk`. A sealed chunk in which nothing lives any
 * more is dead, and free two commits later. EBADMSG: the account does not have that many.
 */
export function chunkAccount(at: Store, chunk: u32, sectors: u32, added: bool): ErrorCode {
  const loaded = writerLoad(at);
  if (loaded !== ErrorCode.OK) return loaded;
  const writer = at.writer;
  if (!added) at.hopeless = 0;
  if (chunk === writer.chunk) {
    if (!added && writer.live < sectors) return accountDamaged(at, chunk);
    writer.live = added ? writer.live + sectors : writer.live - sectors;
    writer.changed = true;
    return ErrorCode.OK;
  }
  const code = chunkEntry(at.volume, chunk, entry);
  if (code === ErrorCode.ENOENT) return accountDamaged(at, chunk);
  if (code !== ErrorCode.OK) return code;
  const live = load<u32>(entry, CHUNK_LIVE_SECTORS);
  if (!chunkIsPack(load<u8>(entry, CHUNK_OWNER))) return accountDamaged(at, chunk);
  if (!added && live < sectors) return accountDamaged(at, chunk);
  const after = added ? live + sectors : live - sectors;
  if (after > at.chunkSectors) return accountDamaged(at, chunk);
  store<u32>(entry, after, CHUNK_LIVE_SECTORS);
  store<u8>(entry, sealedOwner(after, false), CHUNK_OWNER);
  const updated = chunkUpdate(at.volume, chunk, entry);
  if (planted(PLANT_FREE_EARLY) && after === 0) summarySet(at.volume, chunk, SUMMARY_FREE);
  return updated;
}

export function chunkIsPack(owner: u8): bool {
  return owner === <u8>ChunkOwner.PACK_OPEN || owner === <u8>ChunkOwner.PACK_SEALED;
}

function accountDamaged(at: Store, chunk: u32): ErrorCode {
  const lba = packLba(at, chunk, 0);
  return deviceFail(at.region.device, ErrorCode.EBADMSG, Reason.OWNERSHIP, lba, chunk);
}

/**
 * Writes what the buffer holds. The sectors up to the next 4 KiB block are left out: nothing of the
 * buffer behind the last record may reach the disk.
 */
export function writerOut(at: Store, writer: Writer): ErrorCode {
  const sectors = writer.position - writer.start;
  if (sectors > 0) {
    const lba = packLba(at, writer.chunk, writer.start);
    const bytes = sectors << SECTOR_SHIFT;
    const code = deviceWrite(at.region.device, lba, writer.buffer, bytes);
    if (code !== ErrorCode.OK) return code;
  }
  if (!planted(PLANT_UNALIGNED) || at.blockSectors > 1) {
    writer.position = (writer.position + ALIGN_SECTORS - 1) & ~(ALIGN_SECTORS - 1);
  }
  writer.start = writer.position;
  return ErrorCode.OK;
}

/** Like writerOut() for the open chunk; the records are in the index already, so failing aborts. */
export function writerFlush(at: Store): ErrorCode {
  if (at.writer.chunk === NO_CHUNK) return ErrorCode.OK;
  const code = writerOut(at, at.writer);
  if (code !== ErrorCode.OK) volumeAbort(at.volume);
  return code;
}

/** Before a commit writes: records on the device, the open chunk's entry and place up to date. */
function beforeCommit(at: Store): ErrorCode {
  const writer = at.writer;
  if (!writer.loaded || !writer.changed || writer.chunk === NO_CHUNK) return ErrorCode.OK;
  let code = ErrorCode.OK;
  if (planted(PLANT_COMMIT_WITHOUT_RECORDS)) writer.start = writer.position;
  code = writerOut(at, writer);
  if (code !== ErrorCode.OK) return code;
  code = chunkEntry(at.volume, writer.chunk, entry);
  if (code !== ErrorCode.OK) return code;
  store<u8>(entry, <u8>ChunkOwner.PACK_OPEN, CHUNK_OWNER);
  store<u32>(entry, writer.live, CHUNK_LIVE_SECTORS);
  const stalePosition = planted(PLANT_OPEN_SECTOR_STALE);
  if (!stalePosition) store<u32>(entry, writer.position, CHUNK_WRITE_SECTOR);
  code = chunkUpdate(at.volume, writer.chunk, entry);
  if (code !== ErrorCode.OK) return code;
  const position = load<u32>(entry, CHUNK_WRITE_SECTOR);
  store<u32>(at.volume.next, writer.chunk, SUPERBLOCK_OPEN_DATA);
  store<u32>(at.volume.next, position, SUPERBLOCK_OPEN_SECTOR);
  volumeChanged(at.volume);
  writer.changed = false;
  return ErrorCode.OK;
}

/** After an abort: back to the open chunk of the durable state. */
export function afterAbort(at: Store): void {
  at.placed = 0;
  at.inlineOpen = false;
  at.stuckChunk = NO_CHUNK;
  at.hopeless = 0;
  memory.fill(at.tags, 0, TAGS_MAX * TAG_SIZE);
  if (!planted(PLANT_ABORT_KEEPS_WRITER)) writerForget(at.writer);
}

/** The hook of the store's volume. */
export function storeHook(context: usize, aborted: bool): ErrorCode {
  const at = changetype<Store>(context);
  if (!aborted) return beforeCommit(at);
  afterAbort(at);
  return ErrorCode.OK;
}

function writerForget(writer: Writer): void {
  writer.chunk = NO_CHUNK;
  writer.position = 0;
  writer.start = 0;
  writer.live = 0;
  writer.loaded = false;
  writer.changed = false;
}

/**
 * The tag that records of `chunk` must carry, in `tagFound`. EBADMSG: it is no pack chunk, so no
 * record can lie there.
 */
export let tagFound: u64 = 0;

export function chunkTag(at: Store, chunk: u32): ErrorCode {
  const place = at.tags + <usize>((chunk & (TAGS_MAX - 1)) * TAG_SIZE);
  if (load<u32>(place) === chunk + 1) {
    tagFound = load<u64>(place, 8);
    return ErrorCode.OK;
  }
  const code = chunkEntry(at.volume, chunk, entry);
  if (code === ErrorCode.ENOENT) return accountDamaged(at, chunk);
  if (code !== ErrorCode.OK) return code;
  if (!chunkIsPack(load<u8>(entry, CHUNK_OWNER))) return accountDamaged(at, chunk);
  tagFound = packTag(at.volume, chunk, load<u64>(entry, CHUNK_CHECKSUM));
  tagRemember(at, chunk, tagFound);
  return ErrorCode.OK;
}

function tagRemember(at: Store, chunk: u32, tag: u64): void {
  const place = at.tags + <usize>((chunk & (TAGS_MAX - 1)) * TAG_SIZE);
  store<u32>(place, chunk + 1);
  store<u64>(place, tag, 8);
}

/** Before a store is closed: records, account and place are the volume's from here on. */
export function storeReset(at: Store): ErrorCode {
  const code = storeStale(at) ? ErrorCode.OK : beforeCommit(at);
  at.volume.hook = 0;
  if (code !== ErrorCode.OK) volumeAbort(at.volume);
  return code;
}
