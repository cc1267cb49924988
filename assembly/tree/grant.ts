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
import { loadBigU64, storeBigU64 } from "../engine/bytes";
import { deviceFail } from "../engine/device";
import { failPlain } from "../engine/fault";
import { planted } from "../engine/planted";
import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  CHUNK_CHANGED_EPOCH,
  CHUNK_OWNER,
  ChunkOwner,
  SPACE_KEY_GRANT,
  SPACE_KEY_RETURN,
} from "../format/page";
import {
  SUPERBLOCK_GRANT_SEQ,
  SUPERBLOCK_RETURN_SEEN,
  SUPERBLOCK_RETURN_SEQ,
} from "../format/region";
import {
  chunkEntry,
  entryDelete,
  ownerPut,
  reserveChunks,
  SUMMARY_FREE,
  SUMMARY_OTHER,
  summaryGet,
  summarySet,
} from "./bitmap";
import { treeDelete, treePut } from "./btree";
import { cursorClose, cursorOpen, cursorSeek } from "./cursor";
import {
  Region,
  spaceTree,
  Volume,
  VolumeKind,
  volumeField,
  volumeHasChanges,
  volumeSetField,
} from "./pages/volume";
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
  const files = changetype<Volume>(region.wf);
  assert(!volumeHasChanges(files));
  const kept = reserveChunks(region.store) + COMPACTION_CHUNKS;
  return handOver(region.store, files, wanted, kept);
}

/** WF gives back empty chunks above what it keeps: OK if ST got any, ENOSPC if there are none. */
export function returnChunks(region: Region): ErrorCode {
  const files = region.wf;
  if (files === null) return failPlain(ErrorCode.ENOSPC);
  assert(!region.store.treesChanged && !files.treesChanged);
  const kept = max<u32>(EMPTY_RETURNED_ABOVE, reserveChunks(files) + EMPTY_KEPT);
  return handOver(files, region.store, region.chunks, kept);
}

/** True if what `giver` hands over are grants; else it is WF, and they are returns. */
function grants(giver: Volume): bool {
  return giver.kind === VolumeKind.ST;
}

/** The field of `giver` that counts what it has handed over. */
function givenField(giver: Volume): u32 {
  return grants(giver) ? SUPERBLOCK_GRANT_SEQ : SUPERBLOCK_RETURN_SEQ;
}

/** The field of the taker that says how far it has taken over what `giver` has handed over. */
function takenField(giver: Volume): u32 {
  return grants(giver) ? SUPERBLOCK_GRANT_SEQ : SUPERBLOCK_RETURN_SEEN;
}

/** Hands up to `wanted` free chunks above `kept` over: OK if `taker` got any, else ENOSPC. */
function handOver(giver: Volume, taker: Volume, wanted: u32, kept: u32): ErrorCode {
  let code = batchOpen(giver);
  if (code !== ErrorCode.OK) return code;
  let taken = takeAll(giver, taker);
  if (taken !== 0) return taken > 0 ? ErrorCode.OK : <ErrorCode>taken;
  const spare = giver.space.freeChunks - <i32>kept;
  if (spare <= 0) return deviceFail(giver.region.device, ErrorCode.ENOSPC, Reason.NONE, 0, wanted);
  code = giveRuns(giver, min<u32>(wanted, <u32>spare));
  // What both views of the taker have taken over needs no entry any more.
  if (code === ErrorCode.OK) code = runsForget(giver, bothViews(taker, takenField(giver)));
  if (code === ErrorCode.OK) code = volumeCommit(giver);
  // Planted 11: WF adopts what only one view of the store has granted.
  const once = planted(11) && grants(giver);
  if (code === ErrorCode.OK && !once) code = volumeCommitAlways(giver, false);
  if (code !== ErrorCode.OK) return code;
  taken = takeAll(giver, taker);
  if (taken > 0) return ErrorCode.OK;
  return taken < 0 ? <ErrorCode>taken : failPlain(ErrorCode.ENOSPC);
}

/** Marks up to `wanted` free chunks as granted, or takes them out of WF's tree, in runs. */
function giveRuns(giver: Volume, wanted: u32): ErrorCode {
  const space = giver.space;
  let left = wanted;
  let runs: u32 = 0;
  for (let chunk: u32 = 0; chunk < space.summaryChunks && left > 0 && runs < RUNS_MAX; chunk++) {
    if (summaryGet(space, chunk) !== SUMMARY_FREE) continue;
    let end = chunk;
    while (end < space.summaryChunks && left > 0 && summaryGet(space, end) === SUMMARY_FREE) {
      const code = grants(giver)
        ? ownerPut(giver, end, ChunkOwner.GRANTED)
        : entryDelete(giver, end);
      if (code !== ErrorCode.OK) return code;
      summarySet(giver, end, SUMMARY_OTHER);
      end += 1;
      left -= 1;
    }
    const seq = volumeField(giver, givenField(giver)) + 1;
    store<u32>(value, chunk);
    store<u32>(value, end - chunk, 4);
    const code = treePut(giver, spaceTree(giver), runKey(giver, seq), 9, value, 8);
    if (code !== ErrorCode.OK) return code;
    volumeSetField(giver, givenField(giver), seq);
    runs += 1;
    chunk = end;
  }
  return ErrorCode.OK;
}

/**
 * `taker` takes over every run that both views of `giver` carry: the number of chunks, 0 if there
 * is none, or a negative errno. One commit of the taker.
 */
function takeAll(giver: Volume, taker: Volume): i32 {
  const field = takenField(giver);
  let chunks: i32 = 0;
  let code = batchOpen(taker);
  if (code !== ErrorCode.OK) return code;
  for (;;) {
    code = runNext(giver, volumeField(taker, field));
    if (code === ErrorCode.ENOENT) break;
    if (code !== ErrorCode.OK) return code;
    const ready = grants(giver) ? runGranted(giver) : runSeq <= bothViews(giver, givenField(giver));
    if (ready < 0) return ready;
    if (ready === 0) break;
    for (let chunk = runFirst; chunk < runFirst + runCount; chunk++) {
      if (grants(giver)) code = ownerPut(taker, chunk, ChunkOwner.EMPTY);
      else {
        code = grantedEntry(taker, chunk);
        if (code === ErrorCode.OK) code = entryDelete(taker, chunk);
      }
      if (code !== ErrorCode.OK) return code;
      summarySet(taker, chunk, SUMMARY_FREE);
    }
    volumeSetField(taker, field, runSeq);
    chunks += <i32>runCount;
  }
  if (chunks === 0) return 0;
  code = volumeCommit(taker);
  if (code === ErrorCode.OK) code = batchOpen(taker);
  return code === ErrorCode.OK ? chunks : code;
}

/** 1 if the chunks of the run are granted in both views of the store, 0 if only in one. */
function runGranted(storage: Volume): i32 {
  if (runSeq > volumeField(storage, SUPERBLOCK_GRANT_SEQ)) return runFail(storage);
  for (let chunk = runFirst; chunk < runFirst + runCount; chunk++) {
    const code = grantedEntry(storage, chunk);
    if (code !== ErrorCode.OK) return code;
    if (load<u64>(value, CHUNK_CHANGED_EPOCH) >= storage.epoch && !planted(11)) return 0;
  }
  return 1;
}

/** OK with the store's entry of `chunk` in `value` if it is granted; else EBADMSG. */
function grantedEntry(storage: Volume, chunk: u32): ErrorCode {
  const code = chunkEntry(storage, chunk, value);
  if (code === ErrorCode.ENOENT) return runFail(storage);
  if (code !== ErrorCode.OK) return code;
  const granted = load<u8>(value, CHUNK_OWNER) === <u8>ChunkOwner.GRANTED;
  return granted ? ErrorCode.OK : runFail(storage);
}

/** The smaller of a field's values in the two durable views; 0 if one of them is not known. */
function bothViews(volume: Volume, field: u32): u64 {
  if (!volume.hasPrevious) return 0;
  const newest = load<u64>(volume.current + <usize>field);
  return min<u64>(newest, load<u64>(volume.previous + <usize>field));
}

/** Deletes the entries of runs up to `last`. */
function runsForget(giver: Volume, last: u64): ErrorCode {
  for (;;) {
    let code = runNext(giver, 0);
    if (code === ErrorCode.ENOENT || (code === ErrorCode.OK && runSeq > last)) break;
    if (code !== ErrorCode.OK) return code;
    code = treeDelete(giver, spaceTree(giver), runKey(giver, runSeq), 9);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

/** The first run of `giver` with a number above `after`, to runSeq, runFirst and runCount. */
function runNext(giver: Volume, after: u64): ErrorCode {
  const cursor = cursorOpen(giver, spaceTree(giver));
  if (cursor === null) return failPlain(ErrorCode.ENOMEM);
  let code = cursorSeek(cursor, runKey(giver, after + 1), 9);
  if (code === ErrorCode.OK) {
    if (load<u8>(cursor.key) !== load<u8>(key)) code = ErrorCode.ENOENT;
    else if (cursor.keyLength !== 9 || cursor.valueLength !== 8) code = runFail(giver);
  }
  if (code === ErrorCode.OK) {
    runSeq = loadBigU64(cursor.key + 1);
    runFirst = load<u32>(cursor.value);
    runCount = load<u32>(cursor.value, 4);
    const chunks = giver.region.chunks;
    const bad = runCount === 0 || runFirst >= chunks || runCount > chunks - runFirst;
    if (bad) code = runFail(giver);
  }
  cursorClose(cursor);
  return code;
}

/** The key of a run of `giver`, 9 bytes. */
function runKey(giver: Volume, seq: u64): usize {
  store<u8>(key, <u8>(grants(giver) ? SPACE_KEY_GRANT : SPACE_KEY_RETURN));
  storeBigU64(key + 1, seq);
  return key;
}

function runFail(volume: Volume): ErrorCode {
  return deviceFail(volume.region.device, ErrorCode.EBADMSG, Reason.OWNERSHIP, 0, runFirst);
}
