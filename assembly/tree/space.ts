/** Space of a volume: chunks, bitmaps with three homes, freed pages until two commits later. */
import { ErrorCode } from "../format/errors";
import { ChunkOwner } from "../format/page";
import { Volume } from "./pages/volume";

/** First page of the run that the last pagesAllocate() got. */
export const allocatedPage: u64 = 0;

/**
 * Takes up to `wanted` contiguous pages for file data: the pages got (>= 1, first in
 * `allocatedPage`), or ENOSPC, EIO, EBADMSG. volumeReserve() must have counted them.
 */
export function pagesAllocate(volume: Volume, wanted: u32): i32 {
  return ErrorCode.EOPNOTSUPP;
}

/** Frees data pages born at `birth`: reused two commits later, at once if born in this batch. */
export function pagesFree(volume: Volume, page: u64, count: u32, birth: u64): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** Writes whole pages; they are durable with the next commit. */
export function pagesWrite(volume: Volume, page: u64, address: usize, count: u32): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** Reads whole pages; ERANGE outside the chunks. */
export function pagesRead(volume: Volume, page: u64, address: usize, count: u32): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/**
 * ST: makes a free chunk a PACK_OPEN one: its number or ENOSPC. `privileged` may use the reserve
 * (compaction, delete). The entry's chunk generation is the epoch of the open batch.
 */
export function chunkTake(volume: Volume, owner: ChunkOwner, privileged: bool): i32 {
  return ErrorCode.EOPNOTSUPP;
}

/** Copies the entry of `chunk` (format/page CHUNK) to `out`; ENOENT if the chunk has none. */
export function chunkEntry(volume: Volume, chunk: u32, out: usize): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** Writes the entry of a pack chunk; `changed_epoch` is set here. */
export function chunkUpdate(volume: Volume, chunk: u32, entry: usize): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}
