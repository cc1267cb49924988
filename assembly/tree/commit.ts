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
import { pointerLevel, pointerPage } from "./pages/page";
import { rootPointer, spaceTree, Volume } from "./pages/volume";
import { batchOpen, volumeCommitAlways } from "./protocol";

export {
  volumeAbort,
  volumeCommit,
  volumeDirtyPages,
  volumeHooks,
  volumeReopen,
  volumeWritable,
} from "./protocol";

/** What may use the last pages: RESERVE_DELETE for delete, reclaim, compaction. */
export const RESERVE_NORMAL: u32 = 0;
export const RESERVE_DELETE: u32 = 1;
/** Dirty pages of one commit at most (1.7). */
export const BATCH_PAGES_MAX: u32 = 8192;

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
  if (fits(volume, pages, dataPages, purpose)) return ErrorCode.OK;
  return makeRoom(volume, pages, dataPages, purpose);
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

function fits(volume: Volume, pages: u32, dataPages: u32, purpose: u32): bool {
  const space = volume.space;
  const usable = <i32>usablePages(volume);
  let chunks = space.freeChunks;
  const dataShort = <i32>dataPages - space.freeData;
  if (dataShort > 0) chunks -= (dataShort + usable - 1) / usable;
  if (chunks < 0) return false;
  const kept = purpose === RESERVE_NORMAL ? <i32>reserveChunks(volume) * usable : 0;
  const needed = <i32>(volume.dirtyCost + pages + overheadPages(volume));
  return space.freeMeta + chunks * usable >= needed + kept;
}

/** Space is short: EAGAIN while a batch is open; else drains limbo, then ENOSPC. */
function makeRoom(volume: Volume, pages: u32, dataPages: u32, purpose: u32): ErrorCode {
  if (volume.treesChanged || volume.fieldsChanged) return ErrorCode.EAGAIN;
  for (let round = 0; round < 2; round++) {
    const current = pointerPage(volume.current + SUPERBLOCK_LIMBO_CURRENT);
    const previous = pointerPage(volume.current + SUPERBLOCK_LIMBO_PREVIOUS);
    if (current === 0 && previous === 0) break;
    let code = volumeCommitAlways(volume, true);
    if (code === ErrorCode.OK) code = batchOpen(volume);
    if (code !== ErrorCode.OK) return code;
    if (fits(volume, pages, dataPages, purpose)) return ErrorCode.OK;
  }
  const device = volume.region.device;
  return deviceFail(device, ErrorCode.ENOSPC, Reason.NONE, 0, pages);
}
