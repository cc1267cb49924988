/**
 * Collection of objects that nothing needs: a walk through the index beside the sorted set that is
 * kept, in steps of which each is a commit. An interrupted run starts again and finds less to do.
 */
import { compareBytes } from "../../engine/bytes";
import { failPlain } from "../../engine/fault";
import { ROW_HASH, ROW_PINS, ROW_SIZE, ROWS_MAX } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { HASH_SIZE } from "../../format/store";
import { volumeCommit } from "../../tree/commit";
import { objectDelete, objectList } from "../objects";
import { Store } from "../pack/state";

const after: usize = memory.data(32, 8);

/**
 * Deletes every object that is neither pinned nor among `count` ascending hashes at `hashes`:
 * how many. EINVAL: the hashes do not ascend.
 */
export function collect(at: Store, hashes: usize, count: u32): i32 {
  for (let index: u32 = 1; index < count; index++) {
    const hash = hashes + <usize>(index * HASH_SIZE);
    if (compareBytes(hash - HASH_SIZE, HASH_SIZE, hash, HASH_SIZE) > 0) {
      return failPlain(ErrorCode.EINVAL);
    }
  }
  let deleted: i32 = 0;
  let kept: u32 = 0;
  let rows = objectList(at, 0, ROWS_MAX);
  while (rows > 0) {
    for (let index: i32 = 0; index < rows; index++) {
      const row = at.rows + <usize>(<u32>index * ROW_SIZE);
      while (kept < count && orderOf(hashes, kept, row) < 0) kept += 1;
      const needed = kept < count && orderOf(hashes, kept, row) === 0;
      if (needed || load<f64>(row, ROW_PINS) > 0) continue;
      const code = objectDelete(at, row + ROW_HASH);
      if (code === ErrorCode.OK) deleted += 1;
      // A damaged account keeps its object; the rest is collected all the same.
      else if (code !== ErrorCode.EBADMSG) return code;
    }
    memory.copy(after, at.rows + <usize>((<u32>rows - 1) * ROW_SIZE) + ROW_HASH, HASH_SIZE);
    const code = volumeCommit(at.volume);
    if (code !== ErrorCode.OK) return code;
    rows = objectList(at, after, ROWS_MAX);
  }
  return rows < 0 ? rows : deleted;
}

function orderOf(hashes: usize, index: u32, row: usize): i32 {
  return compareBytes(hashes + <usize>(index * HASH_SIZE), HASH_SIZE, row + ROW_HASH, HASH_SIZE);
}
