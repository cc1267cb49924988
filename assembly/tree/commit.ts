/**
 * Batches and the commit point: reserve, commit, abort.
 *
 * Interface: an operation first calls volumeReserve() with its worst case in pages, then changes
 * trees and superblock fields. The first reserve of a batch does the claim commit (M6), the fence
 * (C0a) and the mirror (C1). volumeCommit() makes everything since the last commit durable.
 */
import { ErrorCode } from "../format/errors";
import { Volume } from "./pages/volume";

/** What may use the last pages: RESERVE_DELETE for delete, reclaim, compaction. */
export const RESERVE_NORMAL: u32 = 0;
export const RESERVE_DELETE: u32 = 1;

/**
 * Before an operation: worst case `pages` (treeWorst of each tree, and data pages).
 * OK; EAGAIN: the batch is full, commit first; ENOSPC, EROFS, ESTALE, EIO, EBADMSG, ENOMEM:
 * nothing has changed.
 */
export function volumeReserve(volume: Volume, pages: u32, purpose: u32): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** OK also when there is nothing to commit. EIO: aborted, see lostSince. EUNKNOWN: in doubt. */
export function volumeCommit(volume: Volume): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** Throws the open batch away: back to N; `generation` rises. */
export function volumeAbort(volume: Volume): void {}

/** After an abort by a failed commit: the caller knows what was lost and goes on. */
export function volumeReopen(volume: Volume): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** Dirty pages of the open batch: the host commits at 4,096. */
export function volumeDirtyPages(volume: Volume): u32 {
  return 0;
}

/** Sets the functions to call before a commit writes (an error aborts it) and after an abort. */
export function volumeHooks(
  volume: Volume,
  beforeCommit: (context: usize) => ErrorCode,
  afterAbort: (context: usize) => ErrorCode,
  context: usize,
): void {}
