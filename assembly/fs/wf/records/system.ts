/**
 * The records of the system, at inode 0: generations, named pointers, BAD marks. They change in the
 * same batch as files and boot control.
 *
 * Interface: a record is named by its kind (FileKey.GENERATION, POINTER, BAD_MARK) and what stands
 * behind it in the key. Each has a value; nothing that breaks a rule of the format is written.
 */
import { nameCheck } from "../../../engine/bytes";
import { failPlain } from "../../../engine/fault";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  BAD_MARK_SIZE,
  FileKey,
  GENERATION_ID_SIZE,
  GENERATION_RECORD_SIZE,
  GENERATION_RECORD_STATE,
  GenerationState,
  INO_RECORDS,
  MANIFEST_HASH_SIZE,
  NAME_MAX,
  POINTER_VALUE_MAX,
} from "../../../format/wf";
import { foundLength, foundValue } from "../../../tree/btree";
import { RESERVE_DELETE, RESERVE_NORMAL } from "../../../tree/commit";
import { seekNext } from "./dirent";
import {
  recordDelete,
  recordGet,
  recordPut,
  Wf,
  wfDamage,
  wfKeyName,
  wfReserve,
  wfSettle,
} from "./wf";

/** True if this is a record that the format has; `key` is what stands behind the kind. */
export function systemIsSound(
  kind: u32,
  key: usize,
  length: u32,
  value: usize,
  valueLength: u32,
): bool {
  if (kind === <u32>FileKey.POINTER) {
    if (valueLength === 0 || valueLength > POINTER_VALUE_MAX) return false;
    return nameCheck(key, length) === ErrorCode.OK;
  }
  if (kind === <u32>FileKey.BAD_MARK) {
    return length === MANIFEST_HASH_SIZE && valueLength === BAD_MARK_SIZE;
  }
  if (kind !== <u32>FileKey.GENERATION || length !== GENERATION_ID_SIZE) return false;
  if (valueLength !== GENERATION_RECORD_SIZE || load<u64>(key) === 0) return false;
  // The state is the low byte of a word whose other bytes are reserved.
  return load<u64>(value, GENERATION_RECORD_STATE) <= <u64>GenerationState.RETIRED;
}

/** True if there may be a record of that kind with a key of that length; else EINVAL. */
function mayBe(kind: u32, length: u32): bool {
  if (kind - <u32>FileKey.GENERATION <= 2 && length <= NAME_MAX) return true;
  failPlain(ErrorCode.EINVAL);
  return false;
}

/** Copies a value: its length. ENOENT; ERANGE: `room` is too small. */
export function systemGet(wf: Wf, kind: u32, key: usize, length: u32, out: usize, room: u32): i32 {
  if (!mayBe(kind, length)) return ErrorCode.EINVAL;
  const code = recordGet(wf, wfKeyName(INO_RECORDS, kind, key, length));
  if (code !== ErrorCode.OK) return code === ErrorCode.ENOENT ? failPlain(code) : code;
  const size = foundLength;
  if (!systemIsSound(kind, key, length, foundValue, size)) return wfDamage(wf, Reason.FIELD, 0);
  if (size > room) return failPlain(ErrorCode.ERANGE);
  memory.copy(out, foundValue, size);
  return size;
}

/** Writes a record, or deletes it (`valueLength` 0; ENOENT). EINVAL: it breaks a rule. */
export function systemSet(
  wf: Wf,
  kind: u32,
  key: usize,
  length: u32,
  value: usize,
  valueLength: u32,
): ErrorCode {
  if (!mayBe(kind, length)) return ErrorCode.EINVAL;
  const deletes = valueLength === 0;
  if (!deletes && !systemIsSound(kind, key, length, value, valueLength)) {
    return failPlain(ErrorCode.EINVAL);
  }
  let code = wfReserve(wf, 1, 0, 0, false, deletes ? RESERVE_DELETE : RESERVE_NORMAL);
  if (code !== ErrorCode.OK) return code;
  const at = wfKeyName(INO_RECORDS, kind, key, length);
  code = deletes ? recordDelete(wf, at) : recordPut(wf, at, value, valueLength);
  // Nothing was changed.
  return code === ErrorCode.ENOENT ? failPlain(code) : wfSettle(wf, code);
}

/** Copies the key that follows `key` (length 0: the first): its length, 0 at the end; ERANGE. */
export function systemNext(wf: Wf, kind: u32, key: usize, length: u32, out: usize, room: u32): i32 {
  if (!mayBe(kind, length)) return ErrorCode.EINVAL;
  const code = seekNext(wf, INO_RECORDS, kind, key, length);
  if (code !== ErrorCode.OK) return code === ErrorCode.ENOENT ? 0 : code;
  const size = wf.cursor.keyLength - 9;
  if (size === 0 || size > NAME_MAX) return wfDamage(wf, Reason.FIELD, 0);
  if (size > room) return failPlain(ErrorCode.ERANGE);
  memory.copy(out, wf.cursor.key + 9, size);
  return size;
}
