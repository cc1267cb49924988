/**
 * Records of the whole filesystem, at inode 0: generations, named pointers, BAD marks. To the core
 * a record is its kind, a key and a value; the host gives it meaning. They change in the same
 * commit as the files and boot control.
 */
import { failPlain } from "../../engine/fault";
import { ErrorCode } from "../../format/errors";
import { FileKey, INO_RECORDS, RECORD_KEY_MAX, RECORD_VALUE_MAX } from "../../format/wf";
import { foundLength, foundValue } from "../../tree/btree";
import { RESERVE_DELETE, RESERVE_NORMAL } from "../../tree/commit";
import { cursorSeek } from "../../tree/cursor";
import { isOf } from "./records/dirent";
import {
  keyLength,
  recordDelete,
  recordGet,
  recordPut,
  Wf,
  wfKeyName,
  wfReserve,
  wfSettle,
} from "./records/wf";

/** Copies a record's value, cut at `room`: its length. ENOENT: there is none. */
export function systemGet(wf: Wf, kind: u32, key: usize, length: u32, out: usize, room: u32): i32 {
  if (!isRecord(kind, length)) return failPlain(ErrorCode.EINVAL);
  const code = recordGet(wf, wfKeyName(INO_RECORDS, kind, key, length));
  if (code !== ErrorCode.OK) return code;
  memory.copy(out, foundValue, min(foundLength, room));
  return <i32>foundLength;
}

/** Puts a record, or with an empty value takes it away: ENOENT if there is none. */
export function systemSet(
  wf: Wf,
  kind: u32,
  key: usize,
  length: u32,
  value: usize,
  valueLength: u32,
): ErrorCode {
  if (!isRecord(kind, length) || valueLength > RECORD_VALUE_MAX) {
    return failPlain(ErrorCode.EINVAL);
  }
  const gone = valueLength === 0;
  let code = gone ? systemGet(wf, kind, key, length, 0, 0) : 0;
  if (code >= 0) {
    code = wfReserve(wf, 1, 0, 0, false, gone ? RESERVE_DELETE : RESERVE_NORMAL);
  }
  if (code !== ErrorCode.OK) return code;
  const at = wfKeyName(INO_RECORDS, kind, key, length);
  return wfSettle(wf, gone ? recordDelete(wf, at) : recordPut(wf, at, value, valueLength));
}

/** Copies the key of the first record of `kind` from `key` on, cut at `room`: its length. */
export function systemNext(wf: Wf, kind: u32, key: usize, length: u32, out: usize, room: u32): i32 {
  if (!isRecord(kind, length)) return failPlain(ErrorCode.EINVAL);
  const cursor = wf.cursor;
  const code = cursorSeek(cursor, wfKeyName(INO_RECORDS, kind, key, length), keyLength);
  if (code !== ErrorCode.OK) return code;
  if (!isOf(cursor, INO_RECORDS, kind)) return failPlain(ErrorCode.ENOENT);
  const found = cursor.keyLength - 9;
  memory.copy(out, cursor.key + 9, min(found, room));
  return <i32>found;
}

function isRecord(kind: u32, length: u32): bool {
  const isKind = kind >= <u32>FileKey.GENERATION && kind <= <u32>FileKey.BAD_MARK;
  return isKind && length !== 0 && length <= RECORD_KEY_MAX;
}
