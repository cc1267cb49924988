/**
 * What the formats call around every change: reserve, commit, abort.
 *
 * Interface: an operation first calls volumeReserve() with its worst case in pages, then changes
 * trees and superblock fields. The first reserve of a batch does the claim commit (M6), the fence
 * (C0a) and the mirror (C1). volumeCommit() makes everything since the last commit durable.
 */
import { deviceFail } from "../engine/device";
import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import { SUPERBLOCK_LIMBO_CURRENT, SUPERBLOCK_LIMBO_PREVIOUS } from "../format/region";
import { reserveChunks, usablePages } from "./bitmap";
import { EMPTY_KEPT, grantChunks, returnChunks } from "./grant";
import { pointerLevel, pointerPage } from "./pages/page";
import {
  Region,
  rootPointer,
  spaceTree,
  Volume,
  VolumeKind,
  volumeHasChanges,
} from "./pages/volume";
import { batchOpen, volumeCommit, volumeCommitAlways } from "./protocol";

export {
  volumeAbort,
  volumeCommit,
  volumeDirtyPages,
  volumeHook,
  volumeReopen,
  volumeWritable,
} from "./protocol";

/** What may use the last pages: RESERVE_DELETE for delete, reclaim, compaction. */
export const RESERVE_NORMAL: u32 = 0;
export const RESERVE_DELETE: u32 = 1;
/** Dirty pages of one commit at most (1.7). */
export const BATCH_PAGES_MAX: u32 = 8192;
/** A grant is at least this share of the store's free chunks. */
const GRANT_SHARE: u32 = 4;
const SUPPLY_ROUNDS: i32 = 3;

/**
 * Before an operation: worst case `pages` (treeWorst of each tree).
 * OK; EAGAIN: the batch is full, commit first; ENOSPC, EROFS, ESTALE, EIO, EBADMSG, ENOMEM:
 * nothing has changed.
 */
export function volumeReserve(volume: Volume, pages: u32, purpose: u32): ErrorCode {
  return volumeReserveData(volume, pages, 0, purpose);
}

/** Like volumeReserve(), with `dataPages` that pagesAllocate() will be asked for. */
export function volumeReserveData(
  volume: Volume,
  pages: u32,
  dataPages: u32,
  purpose: u32,
): ErrorCode {
  const code = batchOpen(volume);
  if (code !== ErrorCode.OK) return code;
  if (volume.dirtyCost > 0 && volume.dirtyCost + pages > BATCH_PAGES_MAX) return ErrorCode.EAGAIN;
  const changed = volumeHasChanges(volume);
  const short = chunksShort(volume, pages, dataPages, purpose);
  // WF keeps empty chunks in hand, and asks for more between two batches.
  const low = volume.kind === VolumeKind.WF && volume.space.freeChunks < <i32>EMPTY_KEPT;
  if (short === 0 && (changed || !low)) return ErrorCode.OK;
  if (changed) return ErrorCode.EAGAIN;
  if (volume.kind === VolumeKind.WF) return filesSupply(volume, pages, dataPages, purpose);
  return makeRoom(volume, pages, dataPages, purpose);
}

/**
 * Does what can be done for free space before ENOSPC (1.7 e): two empty commits that drain limbo,
 * one return cycle from WF. OK: something may have been gained, ask again; ENOSPC: nothing.
 * The open batch must hold no change.
 */
export function volumeReclaim(volume: Volume): ErrorCode {
  const before = volume.space.freeChunks;
  let code = drainTwice(volume);
  if (code !== ErrorCode.OK) return code;
  if (volume.space.freeChunks > before) return ErrorCode.OK;
  if (volume.kind === VolumeKind.WF || volume.region.wf === null) return noSpace(volume);
  const files = changetype<Volume>(volume.region.wf);
  if (volumeHasChanges(files)) {
    code = volumeCommit(files);
    if (code !== ErrorCode.OK) return code;
  }
  code = returnChunks(volume.region);
  return code === ErrorCode.OK ? batchOpen(volume) : code;
}

function noSpace(volume: Volume): ErrorCode {
  return deviceFail(volume.region.device, ErrorCode.ENOSPC, Reason.NONE, 0, 0);
}

/** Pages that the commit itself may take beside what is dirty already. */
function overheadPages(volume: Volume): u32 {
  const root = rootPointer(volume, spaceTree(volume));
  const levels: u32 = pointerPage(root) === 0 ? 1 : pointerLevel(root) + 1;
  // Every chunk whose bitmap changes dirties a leaf; a tree of one level has only one.
  const leaves: u32 = levels === 1 ? 2 : volume.space.drainChunks + 6;
  const limbo = (volume.freedCount + volume.dirtyCost * 2) / 256 + 2;
  return leaves + levels * 4 + limbo;
}

/** Free chunks that the volume lacks for the operation; 0: it fits. */
function chunksShort(volume: Volume, pages: u32, dataPages: u32, purpose: u32): u32 {
  const space = volume.space;
  const usable = <i32>usablePages(volume);
  let chunks = space.freeChunks;
  const dataShort = <i32>dataPages - space.freeData;
  if (dataShort > 0) chunks -= (dataShort + usable - 1) / usable;
  const kept = purpose === RESERVE_NORMAL ? <i32>reserveChunks(volume) * usable : 0;
  const needed = <i32>(volume.dirtyCost + pages + overheadPages(volume)) + kept;
  const metaShort = max<i32>(needed - space.freeMeta, 0);
  chunks -= (metaShort + usable - 1) / usable;
  return chunks >= 0 ? 0 : <u32>-chunks;
}

/** WF before a batch: asks ST for what it lacks, and a little more. */
function filesSupply(volume: Volume, pages: u32, dataPages: u32, purpose: u32): ErrorCode {
  const region = volume.region;
  for (let round = 0; round < SUPPLY_ROUNDS; round++) {
    const short = chunksShort(volume, pages, dataPages, purpose);
    if (short === 0 && volume.space.freeChunks >= <i32>EMPTY_KEPT) return ErrorCode.OK;
    let code = storeSettle(region);
    if (code === ErrorCode.OK) {
      const share = <u32>region.store.space.freeChunks / GRANT_SHARE;
      code = grantChunks(region, max<u32>(short + EMPTY_KEPT, share));
    }
    if (code === ErrorCode.OK) continue;
    // Too few to keep in hand is no reason to refuse what fits.
    if (short === 0) return batchOpen(volume);
    if (code !== ErrorCode.ENOSPC) return code;
    code = drainTwice(volume);
    if (code === ErrorCode.OK) code = drainTwice(region.store);
    if (code !== ErrorCode.OK) return code;
    if (chunksShort(volume, pages, dataPages, purpose) === 0) return ErrorCode.OK;
  }
  return noSpace(volume);
}

/** ST's open batch is committed before grants ride on its next ones. */
function storeSettle(region: Region): ErrorCode {
  const store = region.store;
  const code = batchOpen(store);
  if (code !== ErrorCode.OK || !volumeHasChanges(store)) return code;
  return volumeCommit(store);
}

/** Space is short: EAGAIN while a batch is open; else drains limbo, takes returns, then ENOSPC. */
function makeRoom(volume: Volume, pages: u32, dataPages: u32, purpose: u32): ErrorCode {
  for (let round = 0; round < SUPPLY_ROUNDS; round++) {
    const code = volumeReclaim(volume);
    if (code !== ErrorCode.OK) return code;
    if (chunksShort(volume, pages, dataPages, purpose) === 0) return ErrorCode.OK;
  }
  return noSpace(volume);
}

/** Two commits of nothing: pages and chunks that the last two have freed can be used. */
function drainTwice(volume: Volume): ErrorCode {
  for (let round = 0; round < 2; round++) {
    const space = volume.space;
    const current = pointerPage(volume.current + SUPERBLOCK_LIMBO_CURRENT);
    const previous = pointerPage(volume.current + SUPERBLOCK_LIMBO_PREVIOUS);
    const dead = space.deadEven + space.deadOdd;
    if (current === 0 && previous === 0 && dead === 0) break;
    let code = volumeCommitAlways(volume, true);
    if (code === ErrorCode.OK) code = batchOpen(volume);
    if (code !== ErrorCode.OK) return code;
  }
  return batchOpen(volume);
}
