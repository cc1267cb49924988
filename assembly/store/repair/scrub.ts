/**
 * Verification of everything in the packs: each record of each object (header, place, tag, hash),
 * and the accounts of all chunks against what the index really has in them. It writes nothing.
 *
 * Interface: verifierNext() does a bounded number of records and leaves findings in the rows; the
 * store must not change between two steps, or the accounts are those of different states.
 */
import { equalBytes, isZero, loadBigU32 } from "../../engine/bytes";
import { faultAddress } from "../../engine/fault";
import { allocate, allocateZeroed, release } from "../../engine/memory";
import {
  FAULT_LBA,
  FAULT_REASON,
  FINDING_CHUNK,
  FINDING_CODE,
  FINDING_HASH,
  FINDING_LBA,
  FINDING_REASON,
  FINDING_SEGMENT,
  FINDING_SIZE,
  Reason,
  ROWS_MAX,
  SECTOR_SHIFT,
} from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  CHUNK_LIVE_SECTORS,
  CHUNK_OWNER,
  CHUNK_SIZE,
  CHUNK_WRITE_SECTOR,
  SPACE_KEY_CHUNK,
  TreeId,
} from "../../format/page";
import { SUPERBLOCK_LIVE_ITEMS, SUPERBLOCK_LIVE_SIZE } from "../../format/region";
import { HASH_SIZE, PACK_SIZE } from "../../format/store";
import { Cursor, cursorClose, cursorNext, cursorOpen } from "../../tree/cursor";
import { volumeField } from "../../tree/pages/volume";
import { recordRead, storeGetWhole } from "../get";
import {
  entryChunk,
  entryLength,
  entryPayload,
  entrySector,
  entrySectors,
  indexDecode,
  indexKeyCheck,
  indexSegment,
} from "../pack/index";
import { packLba } from "../pack/record";
import { exchangeAddress, Store } from "../pack/state";
import { chunkIsPack } from "../pack/writer";
import { objectVerify } from "../read";

/** The last block of a record. */
const tail: usize = allocate(4096);

enum Phase {
  OBJECTS = 0,
  CHUNKS = 1,
  COUNTERS = 2,
}

@unmanaged
export class Verifier {
  at: Store;
  /** The host's handle of the store: tells whether it is still open. */
  storeHandle: u32;
  phase: Phase;
  finished: bool;
  cursor: Cursor | null;
  /** Sectors that the index has in each chunk. */
  sectors: usize;
  /** Hash of the last entry 0, its bytes, and those of its segments met so far. */
  hash: usize;
  length: u64;
  covered: u64;
  segment: u32;
  objects: u64;
  payload: u64;
  found: u32;
}

/** A verifier, and its hash behind it. */
const VERIFIER_SIZE: usize = offsetof<Verifier>() + HASH_SIZE;

/** A verifier before the first object; null without memory. */
export function verifierOpen(at: Store): Verifier | null {
  const address = allocateZeroed(VERIFIER_SIZE);
  const sectors = allocateZeroed(at.region.chunks << 2);
  const cursor = cursorOpen(at.volume, TreeId.ST_INDEX);
  if (address === 0 || sectors === 0 || cursor === null) {
    release(address, VERIFIER_SIZE);
    release(sectors, at.region.chunks << 2);
    if (cursor !== null) cursorClose(cursor);
    return null;
  }
  const verifier = changetype<Verifier>(address);
  verifier.at = at;
  verifier.cursor = cursor;
  verifier.sectors = sectors;
  verifier.hash = address + offsetof<Verifier>();
  return verifier;
}

export function verifierClose(verifier: Verifier): void {
  const cursor = verifier.cursor;
  if (cursor !== null) cursorClose(cursor);
  release(verifier.sectors, verifier.at.region.chunks << 2);
  release(changetype<usize>(verifier), VERIFIER_SIZE);
}

/** Verifies up to `records` more entries: findings in the rows. */
export function verifierNext(verifier: Verifier, records: u32): i32 {
  const at = verifier.at;
  verifier.found = 0;
  for (let step: u32 = 0; step < records && !verifier.finished; step++) {
    // Two entries leave at most four findings each: stop while there is room for them.
    if (verifier.found + 8 > ROWS_MAX) break;
    if (verifier.phase === Phase.OBJECTS) objectStep(verifier);
    else if (verifier.phase === Phase.CHUNKS) chunkStep(verifier);
    else countersStep(verifier);
  }
  exchangeAddress(at, at.rows);
  return <i32>verifier.found;
}

function objectStep(verifier: Verifier): void {
  const at = verifier.at;
  const cursor = changetype<Cursor>(verifier.cursor);
  const code = cursorNext(cursor);
  if (code !== ErrorCode.OK) {
    objectDone(verifier);
    if (code !== ErrorCode.ENOENT) faultFinding(verifier, code, 0);
    nextPhase(verifier, Phase.CHUNKS);
    return;
  }
  let checked = indexKeyCheck(at, cursor.key, cursor.keyLength);
  const segment = indexSegment(cursor.key, cursor.keyLength);
  if (segment === 0) objectDone(verifier);
  if (checked === ErrorCode.OK) {
    checked = indexDecode(at, cursor.value, cursor.valueLength, segment);
  }
  if (checked !== ErrorCode.OK) {
    if (segment === 0) memory.copy(verifier.hash, cursor.key, HASH_SIZE);
    faultFinding(verifier, checked, cursor.key);
    return;
  }
  const place = verifier.sectors + ((<usize>entryChunk) << 2);
  store<u32>(place, load<u32>(place) + entrySectors);
  if (segment === 0) objectFirst(verifier, cursor.key);
  else segmentFurther(verifier, cursor.key, segment);
}

/** Entry 0 of an object: all of it is read. */
function objectFirst(verifier: Verifier, key: usize): void {
  const at = verifier.at;
  memory.copy(verifier.hash, key, HASH_SIZE);
  verifier.length = entryLength;
  verifier.covered = <u64>entryPayload;
  verifier.segment = 0;
  verifier.objects += 1;
  verifier.payload += entryLength;
  paddingStep(verifier, key, 0);
  let code: i32 = storeGetWhole(at, verifier.hash, 0);
  if (code === 0) code = objectVerify(at, verifier.hash);
  if (code < 0) faultFinding(verifier, <ErrorCode>code, verifier.hash);
}

/** What follows the payload up to the end of its block must be zero, in the entry last found. */
function paddingStep(verifier: Verifier, key: usize, segment: u32): void {
  const at = verifier.at;
  const last = entrySectors - at.blockSectors;
  const used = PACK_SIZE + entryPayload - (last << SECTOR_SHIFT);
  const block = at.blockSectors << SECTOR_SHIFT;
  if (used >= block) return;
  // A read that fails is found by the one that verifies the content.
  const code = recordRead(at, entryChunk, entrySector + last, at.blockSectors, tail);
  if (code !== ErrorCode.OK || isZero(tail + used, block - used)) return;
  const lba = packLba(at, entryChunk, entrySector);
  finding(verifier, ErrorCode.EBADMSG, Reason.PADDING, lba, entryChunk, segment, key);
}

/** Entry k: it must be the next one of the object before it. */
function segmentFurther(verifier: Verifier, key: usize, segment: u32): void {
  const follows = equalBytes(key, verifier.hash, HASH_SIZE) && segment === verifier.segment + 1;
  if (follows && verifier.covered + <u64>entryPayload <= verifier.length) {
    verifier.segment = segment;
    verifier.covered += <u64>entryPayload;
    paddingStep(verifier, key, segment);
    return;
  }
  const lba = packLba(verifier.at, entryChunk, entrySector);
  finding(verifier, ErrorCode.EBADMSG, Reason.POINTER, lba, entryChunk, segment, key);
}

/** The object before is complete: a segment that follows belongs to none. */
function objectDone(verifier: Verifier): void {
  verifier.length = 0;
  verifier.covered = 0;
  verifier.segment = 0;
  memory.fill(verifier.hash, 0, HASH_SIZE);
}

function chunkStep(verifier: Verifier): void {
  const at = verifier.at;
  const cursor = changetype<Cursor>(verifier.cursor);
  const code = cursorNext(cursor);
  if (code !== ErrorCode.OK || load<u8>(cursor.key) !== <u8>SPACE_KEY_CHUNK) {
    if (code !== ErrorCode.OK && code !== ErrorCode.ENOENT) faultFinding(verifier, code, 0);
    nextPhase(verifier, Phase.COUNTERS);
    return;
  }
  const chunk = cursor.keyLength === 5 ? loadBigU32(cursor.key + 1) : at.region.chunks;
  if (chunk >= at.region.chunks || cursor.valueLength !== CHUNK_SIZE) {
    finding(verifier, ErrorCode.EBADMSG, Reason.OWNERSHIP, 0, chunk, 0, 0);
    return;
  }
  const counted = load<u32>(verifier.sectors + ((<usize>chunk) << 2));
  const pack = chunkIsPack(load<u8>(cursor.value, CHUNK_OWNER));
  const open = chunk === at.writer.chunk;
  const live = open ? at.writer.live : load<u32>(cursor.value, CHUNK_LIVE_SECTORS);
  const end = open ? at.writer.position : load<u32>(cursor.value, CHUNK_WRITE_SECTOR);
  const lba = packLba(at, chunk, 0);
  if (counted !== (pack ? live : 0)) {
    finding(verifier, ErrorCode.EBADMSG, Reason.COUNTER, lba, chunk, 0, 0);
  } else if (pack && (end > at.chunkSectors || live > end)) {
    finding(verifier, ErrorCode.EBADMSG, Reason.FIELD, lba, chunk, 0, 0);
  }
}

function countersStep(verifier: Verifier): void {
  const volume = verifier.at.volume;
  const objects = volumeField(volume, SUPERBLOCK_LIVE_ITEMS);
  const payload = volumeField(volume, SUPERBLOCK_LIVE_SIZE);
  if (objects !== verifier.objects || payload !== verifier.payload) {
    finding(verifier, ErrorCode.EBADMSG, Reason.COUNTER, 0, 0, 0, 0);
  }
  verifier.finished = true;
}

function nextPhase(verifier: Verifier, phase: Phase): void {
  const old = verifier.cursor;
  if (old !== null) cursorClose(old);
  verifier.phase = phase;
  const cursor = phase === Phase.CHUNKS ? cursorOpen(verifier.at.volume, TreeId.ST_SPACE) : null;
  verifier.cursor = cursor;
  // Without memory for a cursor the accounts stay unchecked, and that is said.
  if (phase === Phase.CHUNKS && cursor === null) {
    finding(verifier, ErrorCode.ENOMEM, Reason.NONE, 0, 0, 0, 0);
    verifier.phase = Phase.COUNTERS;
  }
}

/** A finding from the fault report that a failing call has left. */
function faultFinding(verifier: Verifier, code: ErrorCode, hash: usize): void {
  const report = faultAddress();
  const lba = load<u64>(report, FAULT_LBA);
  const base = verifier.at.region.device.base;
  const sector = lba >= base ? lba - base : 0;
  const reason = <Reason>load<u32>(report, FAULT_REASON);
  finding(verifier, code, reason, sector, entryChunk, verifier.segment, hash);
}

function finding(
  verifier: Verifier,
  code: ErrorCode,
  reason: Reason,
  sector: u64,
  chunk: u32,
  segment: u32,
  hash: usize,
): void {
  const at = verifier.at;
  const row = at.rows + <usize>(verifier.found * FINDING_SIZE);
  memory.fill(row, 0, FINDING_SIZE);
  store<i32>(row, code, FINDING_CODE);
  store<u32>(row, reason, FINDING_REASON);
  store<f64>(row, <f64>(at.region.device.base + sector), FINDING_LBA);
  store<u32>(row, chunk, FINDING_CHUNK);
  store<u32>(row, segment, FINDING_SEGMENT);
  if (hash !== 0) memory.copy(row + FINDING_HASH, hash, HASH_SIZE);
  verifier.found += 1;
}
