/** Trees of records: get, put, delete, copy-on-write. */
import { ErrorCode } from "../format/errors";
import { TreeId } from "../format/page";
import { Volume } from "./pages/volume";

/** Where the last treeGet found the value: valid until the next tree call on that region. */
export const foundValue: usize = 0;
export const foundLength: u32 = 0;

/** OK with foundValue and foundLength; ENOENT; EIO or EBADMSG on damage. */
export function treeGet(volume: Volume, tree: TreeId, key: usize, keyLength: u32): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** Inserts or replaces. E2BIG if key or record are too large. volumeReserve() must have been OK. */
export function treePut(
  volume: Volume,
  tree: TreeId,
  key: usize,
  keyLength: u32,
  value: usize,
  valueLength: u32,
): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** ENOENT if absent. volumeReserve() must have been OK. */
export function treeDelete(volume: Volume, tree: TreeId, key: usize, keyLength: u32): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** Most pages that `changes` puts or deletes in `tree` can take: the argument of volumeReserve. */
export function treeWorst(volume: Volume, tree: TreeId, changes: u32): u32 {
  return changes * 8;
}
