/**
 * Chunks that change hands between the two formats (1.3). An ownership change is acted on only
 * when both superblock views of the old owner agree that it holds no data there.
 *
 *   grant   ST: FREE -> granted, entry 0x02 -> one more ST commit -> WF adopts them as EMPTY
 *   return  WF: EMPTY -> not mine, entry 0x03 -> one more WF commit -> ST: granted -> FREE
 *
 * Everything runs inside one call, so ST can never take back what an open WF batch adopts: that is
 * the lock of grant_bootstrap_model. A crash in between leaves entries that the next call finishes.
 */
import { loadBigU64, storeBigU32, storeBigU64 } from "../engine/bytes";
import { deviceFail } from "../engine/device";
import { failPlain } from "../engine/fault";
import { planted } from "../engine/planted";
import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  CHUNK_CHANGED_EPOCH,
  CHUNK_OWNER,
  CHUNK_SIZE,
  ChunkOwner,
  SPACE_KEY_CHUNK,
  SPACE_KEY_GRANT,
  SPACE_KEY_RETURN,
} from "../format/page";
import {
  SUPERBLOCK_GRANT_SEQ,
  SUPERBLOCK_RETURN_SEEN,
  SUPERBLOCK_RETURN_SEQ,
} from "../format/region";
import {
  batchEpoch,
  chunkEntry,
  entryPut,
  reserveChunks,
  SUMMARY_FREE,
  SUMMARY_OTHER,
  summaryGet,
  summarySet,
} from "./bitmap";
import { treeDelete, treePut } from "./btree";
import { cursorClose, cursorOpen, cursorSeek } from "./cursor";
import { Region, spaceTree, Volume, volumeField, volumeSetField } from "./pages/volume";
import { batchOpen, volumeCommit, volumeCommitAlways } from "./protocol";
import { COMPACTION_CHUNKS } from "./space";

/**
 * WF keeps so many empty chunks, asks when it has fewer, and returns only above the other (1.7).
 */
export const EMPTY_KEPT: u32 = 2;
export const EMPTY_RETURNED_ABOVE: u32 = 4;
/** Runs that one grant or return may consist of. */
const RUNS_MAX: u32 = 16;

const key: usize = memory.data(16, 8);
const value: usize = memory.data(32, 8);
/** What runNext() found. */
let runSeq: u64 = 0;
let runFirst: u32 = 0;
let runCount: u32 = 0;

/** Gives WF up to `wanted` chunks more: OK if it got any. WF's batch must hold no change. */
export function grantChunks(region: Region, wanted: u32): ErrorCode {
  const store = region.store;
  const files = changetype<Volume>(region.wf);
  assert(!files.treesChanged && !files.fieldsChanged);
  let code = batchOpen(store);
  if (code !== ErrorCode.OK) return code;
  let adopted = adoptAll(region);
  if (adopted !== 0) return adopted > 0 ? ErrorCode.OK : <ErrorCode>adopted;
  const kept = reserveChunks(store) + COMPACTION_CHUNKS;
  const spare = store.space.freeChunks - <i32>kept;
  if (spare <= 0) return deviceFail(region.device, ErrorCode.ENOSPC, Reason.NONE, 0, wanted);
  code = grantRuns(store, min<u32>(wanted, <u32>spare));
  if (code === ErrorCode.OK) code = runsForget(store, SPACE_KEY_GRANT, grantsAdopted(files));
  if (code === ErrorCode.OK) code = volumeCommit(store);
  // Planted 11: WF adopts what only one view of the store has granted.
  if (code === ErrorCode.OK && !planted(11)) code = volumeCommitAlways(store, false);
  if (code !== ErrorCode.OK) return code;
  adopted = adoptAll(region);
  if (adopted > 0) return ErrorCode.OK;
  return adopted < 0 ? <ErrorCode>adopted : failPlain(ErrorCode.ENOSPC);
}

/** Marks up to `wanted` free chunks as granted, in runs. */
function grantRuns(store_: Volume, wanted: u32): ErrorCode {
  const space = store_.space;
  let left = wanted;
  let runs: u32 = 0;
  for (let chunk: u32 = 0; chunk < space.summaryChunks && left > 0 && runs < RUNS_MAX; chunk++) {
    if (summaryGet(space, chunk) !== SUMMARY_FREE) continue;
    let end = chunk;
    while (end < space.summaryChunks && left > 0 && summaryGet(space, end) === SUMMARY_FREE) {
      const code = ownerPut(store_, end, ChunkOwner.GRANTED);
      if (code !== ErrorCode.OK) return code;
      summarySet(store_, end, SUMMARY_OTHER);
      end += 1;
      left -= 1;
    }
    const seq = volumeField(store_, SUPERBLOCK_GRANT_SEQ) + 1;
    const code = runPut(store_, SPACE_KEY_GRANT, seq, chunk, end - chunk);
    if (code !== ErrorCode.OK) return code;
    volumeSetField(store_, SUPERBLOCK_GRANT_SEQ, seq);
    runs += 1;
    chunk = end;
  }
  return ErrorCode.OK;
}

/**
 * WF takes over every grant that both views of the store carry: the number of chunks, 0 if there
 * is none, or a negative errno. One WF commit.
 */
function adoptAll(region: Region): i32 {
  const store_ = region.store;
  const files = changetype<Volume>(region.wf);
  let chunks: i32 = 0;
  let code = batchOpen(files);
  if (code !== ErrorCode.OK) return code;
  for (;;) {
    const seen = volumeField(files, SUPERBLOCK_GRANT_SEQ);
    code = runNext(store_, SPACE_KEY_GRANT, seen);
    if (code === ErrorCode.ENOENT) break;
    if (code !== ErrorCode.OK) return code;
    if (runSeq > volumeField(store_, SUPERBLOCK_GRANT_SEQ)) return runFail(store_);
    const ready = runGranted(store_);
    if (ready < 0) return ready;
    if (ready === 0) break;
    for (let chunk = runFirst; chunk < runFirst + runCount; chunk++) {
      code = ownerPut(files, chunk, ChunkOwner.EMPTY);
      if (code !== ErrorCode.OK) return code;
      summarySet(files, chunk, SUMMARY_FREE);
    }
    volumeSetField(files, SUPERBLOCK_GRANT_SEQ, runSeq);
    chunks += <i32>runCount;
  }
  if (chunks === 0) return 0;
  code = volumeCommit(files);
  if (code === ErrorCode.OK) code = batchOpen(files);
  return code === ErrorCode.OK ? chunks : code;
}

/** 1 if the chunks of the run are granted in both views of the store, 0 if only in one. */
function runGranted(store_: Volume): i32 {
  for (let chunk = runFirst; chunk < runFirst + runCount; chunk++) {
    const code = chunkEntry(store_, chunk, value);
    if (code === ErrorCode.ENOENT) return runFail(store_);
    if (code !== ErrorCode.OK) return code;
    if (load<u8>(value, CHUNK_OWNER) !== <u8>ChunkOwner.GRANTED) return runFail(store_);
    if (load<u64>(value, CHUNK_CHANGED_EPOCH) >= store_.epoch && !planted(11)) return 0;
  }
  return 1;
}

/** WF gives back empty chunks above what it keeps: OK if ST got any, ENOSPC if there are none. */
export function returnChunks(region: Region): ErrorCode {
  const files = region.wf;
  if (files === null) return failPlain(ErrorCode.ENOSPC);
  assert(!region.store.treesChanged && !files.treesChanged);
  let code = batchOpen(files);
  if (code !== ErrorCode.OK) return code;
  let taken = takeBack(region);
  if (taken !== 0) return taken > 0 ? ErrorCode.OK : <ErrorCode>taken;
  const keep = max<u32>(EMPTY_RETURNED_ABOVE, reserveChunks(files) + EMPTY_KEPT);
  const spare = files.space.freeChunks - <i32>keep;
  if (spare <= 0) return deviceFail(region.device, ErrorCode.ENOSPC, Reason.NONE, 0, 0);
  code = returnRuns(files, <u32>spare);
  if (code === ErrorCode.OK) code = runsForget(files, SPACE_KEY_RETURN, returnsTaken(region));
  if (code === ErrorCode.OK) code = volumeCommit(files);
  if (code === ErrorCode.OK) code = volumeCommitAlways(files, false);
  if (code !== ErrorCode.OK) return code;
  taken = takeBack(region);
  if (taken > 0) return ErrorCode.OK;
  return taken < 0 ? <ErrorCode>taken : failPlain(ErrorCode.ENOSPC);
}

function returnRuns(files: Volume, wanted: u32): ErrorCode {
  const space = files.space;
  let left = wanted;
  let runs: u32 = 0;
  for (let chunk: u32 = 0; chunk < space.summaryChunks && left > 0 && runs < RUNS_MAX; chunk++) {
    if (summaryGet(space, chunk) !== SUMMARY_FREE) continue;
    let end = chunk;
    while (end < space.summaryChunks && left > 0 && summaryGet(space, end) === SUMMARY_FREE) {
      store<u8>(key, <u8>SPACE_KEY_CHUNK);
      storeBigU32(key + 1, end);
      const code = treeDelete(files, spaceTree(files), key, 5);
      if (code !== ErrorCode.OK) return code;
      summarySet(files, end, SUMMARY_OTHER);
      end += 1;
      left -= 1;
    }
    const seq = volumeField(files, SUPERBLOCK_RETURN_SEQ) + 1;
    const code = runPut(files, SPACE_KEY_RETURN, seq, chunk, end - chunk);
    if (code !== ErrorCode.OK) return code;
    volumeSetField(files, SUPERBLOCK_RETURN_SEQ, seq);
    runs += 1;
    chunk = end;
  }
  return ErrorCode.OK;
}

/** ST takes every return that both views of WF carry: chunks, 0, or an errno. One ST commit. */
function takeBack(region: Region): i32 {
  const store_ = region.store;
  const files = changetype<Volume>(region.wf);
  let chunks: i32 = 0;
  let code = batchOpen(store_);
  if (code !== ErrorCode.OK) return code;
  const shown = bothViews(files, SUPERBLOCK_RETURN_SEQ);
  for (;;) {
    code = runNext(files, SPACE_KEY_RETURN, volumeField(store_, SUPERBLOCK_RETURN_SEEN));
    if (code === ErrorCode.ENOENT || (code === ErrorCode.OK && runSeq > shown)) break;
    if (code !== ErrorCode.OK) return code;
    for (let chunk = runFirst; chunk < runFirst + runCount; chunk++) {
      code = chunkEntry(store_, chunk, value);
      if (code !== ErrorCode.OK) return code;
      if (load<u8>(value, CHUNK_OWNER) !== <u8>ChunkOwner.GRANTED) return runFail(store_);
      store<u8>(key, <u8>SPACE_KEY_CHUNK);
      storeBigU32(key + 1, chunk);
      code = treeDelete(store_, spaceTree(store_), key, 5);
      if (code !== ErrorCode.OK) return code;
      summarySet(store_, chunk, SUMMARY_FREE);
    }
    volumeSetField(store_, SUPERBLOCK_RETURN_SEEN, runSeq);
    chunks += <i32>runCount;
  }
  if (chunks === 0) return 0;
  code = volumeCommit(store_);
  if (code === ErrorCode.OK) code = batchOpen(store_);
  return code === ErrorCode.OK ? chunks : code;
}

/** Grants up to this number are adopted in both views of WF: their entries may go. */
function grantsAdopted(files: Volume): u64 {
  return bothViews(files, SUPERBLOCK_GRANT_SEQ);
}

/** Returns up to this number are taken in both views of ST. */
function returnsTaken(region: Region): u64 {
  return bothViews(region.store, SUPERBLOCK_RETURN_SEEN);
}

/** The smaller of a field's values in the two durable views; 0 if one of them is not known. */
function bothViews(volume: Volume, field: u32): u64 {
  if (!volume.hasPrevious) return 0;
  const newest = load<u64>(volume.current + <usize>field);
  return min<u64>(newest, load<u64>(volume.previous + <usize>field));
}

/** Deletes the entries of `kind` up to `last`. */
function runsForget(volume: Volume, kind: u32, last: u64): ErrorCode {
  for (;;) {
    let code = runNext(volume, kind, 0);
    if (code === ErrorCode.ENOENT || (code === ErrorCode.OK && runSeq > last)) break;
    if (code !== ErrorCode.OK) return code;
    store<u8>(key, <u8>kind);
    storeBigU64(key + 1, runSeq);
    code = treeDelete(volume, spaceTree(volume), key, 9);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

/** The first entry of `kind` with a number above `after`, to runSeq, runFirst and runCount. */
function runNext(volume: Volume, kind: u32, after: u64): ErrorCode {
  const cursor = cursorOpen(volume, spaceTree(volume));
  if (cursor === null) return failPlain(ErrorCode.ENOMEM);
  store<u8>(key, <u8>kind);
  storeBigU64(key + 1, after + 1);
  let code = cursorSeek(cursor, key, 9);
  if (code === ErrorCode.OK) {
    if (load<u8>(cursor.key) !== <u8>kind) code = ErrorCode.ENOENT;
    else if (cursor.keyLength !== 9 || cursor.valueLength !== 8) code = runFail(volume);
  }
  if (code === ErrorCode.OK) {
    runSeq = loadBigU64(cursor.key + 1);
    runFirst = load<u32>(cursor.value);
    runCount = load<u32>(cursor.value, 4);
    const chunks = volume.region.chunks;
    const bad = runCount === 0 || runFirst >= chunks || runCount > chunks - runFirst;
    if (bad) code = runFail(volume);
  }
  cursorClose(cursor);
  return code;
}

function runFail(volume: Volume): ErrorCode {
  return deviceFail(volume.region.device, ErrorCode.EBADMSG, Reason.OWNERSHIP, 0, runFirst);
}

function runPut(volume: Volume, kind: u32, seq: u64, first: u32, count: u32): ErrorCode {
  store<u8>(key, <u8>kind);
  storeBigU64(key + 1, seq);
  store<u32>(value, first);
  store<u32>(value, count, 4);
  return treePut(volume, spaceTree(volume), key, 9, value, 8);
}

function ownerPut(volume: Volume, chunk: u32, owner: ChunkOwner): ErrorCode {
  memory.fill(value, 0, CHUNK_SIZE);
  store<u8>(value, <u8>owner, CHUNK_OWNER);
  store<u64>(value, batchEpoch(volume), CHUNK_CHANGED_EPOCH);
  return entryPut(volume, chunk, value);
}
