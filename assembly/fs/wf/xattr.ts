/**
 * Extended attributes: names of at most XATTR_NAME_MAX bytes, values of at most XATTR_VALUE_MAX, at
 * most XATTRS_MAX for each inode.
 */
import { isUtf8 } from "../../engine/bytes";
import { failPlain } from "../../engine/fault";
import { Reason, XATTR_CREATE, XATTR_REPLACE } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { FileKey, INODE_CTIME, XATTR_NAME_MAX, XATTR_VALUE_MAX, XATTRS_MAX } from "../../format/wf";
import { foundLength, foundValue } from "../../tree/btree";
import { RESERVE_DELETE, RESERVE_NORMAL } from "../../tree/commit";
import { cursorNext, cursorSeek } from "../../tree/cursor";
import { isOf } from "./records/dirent";
import {
  inode,
  inodeGet,
  inodePut,
  keyLength,
  recordDelete,
  recordGet,
  recordPut,
  Wf,
  wfDamage,
  wfKey,
  wfKeyName,
  wfNow,
  wfReserve,
  wfSettle,
} from "./records/wf";

/** Copies a value: its length. ENODATA: no such name; ERANGE: `room` is too small (not if 0). */
export function xattrGet(wf: Wf, ino: u64, name: usize, length: u32, out: usize, room: u32): i32 {
  const checked = checkName(name, length);
  if (checked !== ErrorCode.OK) return checked;
  const key = wfKeyName(ino, FileKey.XATTR, name, length);
  const code = recordGet(wf, key);
  if (code === ErrorCode.ENOENT) return failPlain(ErrorCode.ENODATA);
  if (code !== ErrorCode.OK) return code;
  if (foundLength > XATTR_VALUE_MAX) return wfDamage(wf, Reason.FIELD, ino);
  if (room === 0) return <i32>foundLength;
  if (foundLength > room) return failPlain(ErrorCode.ERANGE);
  memory.copy(out, foundValue, foundLength);
  return <i32>foundLength;
}

/** Sets a value. EEXIST, ENODATA: what the flags forbid; E2BIG: value; ENOSPC: too many names. */
export function xattrSet(
  wf: Wf,
  ino: u64,
  name: usize,
  length: u32,
  value: usize,
  valueLength: u32,
  flags: u32,
): ErrorCode {
  let code = checkName(name, length);
  if (code !== ErrorCode.OK) return code;
  if (valueLength > XATTR_VALUE_MAX) return failPlain(ErrorCode.E2BIG);
  code = recordGet(wf, wfKeyName(ino, FileKey.XATTR, name, length));
  if (code !== ErrorCode.OK && code !== ErrorCode.ENOENT) return code;
  const isThere = code === ErrorCode.OK;
  if (isThere && (flags & XATTR_CREATE) !== 0) return failPlain(ErrorCode.EEXIST);
  if (!isThere && (flags & XATTR_REPLACE) !== 0) return failPlain(ErrorCode.ENODATA);
  if (!isThere) {
    const listed = xattrList(wf, ino, 0, 0);
    if (listed < 0) return listed;
    if (listedNames >= XATTRS_MAX) return failPlain(ErrorCode.ENOSPC);
  }
  return change(wf, ino, name, length, value, valueLength, RESERVE_NORMAL);
}

export function xattrRemove(wf: Wf, ino: u64, name: usize, length: u32): ErrorCode {
  const found = xattrGet(wf, ino, name, length, 0, 0);
  return found < 0 ? found : change(wf, ino, name, length, 0, 0, RESERVE_DELETE);
}

/** Puts a value, or deletes the name (RESERVE_DELETE), and writes the inode's ctime. */
function change(
  wf: Wf,
  ino: u64,
  name: usize,
  length: u32,
  value: usize,
  valueLength: u32,
  purpose: u32,
): ErrorCode {
  let code = inodeGet(wf, ino, inode);
  if (code === ErrorCode.OK) code = wfReserve(wf, 2, 0, 0, false, purpose);
  if (code !== ErrorCode.OK) return code;
  const key = wfKeyName(ino, FileKey.XATTR, name, length);
  code =
    purpose === RESERVE_DELETE ? recordDelete(wf, key) : recordPut(wf, key, value, valueLength);
  store<i64>(inode, wfNow(), INODE_CTIME);
  if (code === ErrorCode.OK) code = inodePut(wf, ino, inode);
  return wfSettle(wf, code);
}

/** Names that the last xattrList saw. */
let listedNames: u32 = 0;

/** Writes all names, each ended by NUL, or only counts them (`out` 0): bytes, or ERANGE. */
export function xattrList(wf: Wf, ino: u64, out: usize, room: u32): i32 {
  const cursor = wf.cursor;
  let used: u32 = 0;
  listedNames = 0;
  let code = cursorSeek(cursor, wfKey(ino, FileKey.XATTR), keyLength);
  while (code === ErrorCode.OK && isOf(cursor, ino, FileKey.XATTR)) {
    const length = cursor.keyLength - 9;
    if (length > XATTR_NAME_MAX) return wfDamage(wf, Reason.FIELD, ino);
    listedNames += 1;
    if (out !== 0) {
      if (length + 1 > room - used) return failPlain(ErrorCode.ERANGE);
      memory.copy(out + used, cursor.key + 9, length);
      store<u8>(out + used + length, 0);
    }
    used += length + 1;
    code = cursorNext(cursor);
  }
  return code === ErrorCode.OK || code === ErrorCode.ENOENT ? <i32>used : code;
}

function checkName(name: usize, length: u32): ErrorCode {
  if (length === 0) return failPlain(ErrorCode.EINVAL);
  if (length > XATTR_NAME_MAX) return failPlain(ErrorCode.ERANGE);
  for (let at: u32 = 0; at < length; at++) {
    if (load<u8>(name + at) === 0) return failPlain(ErrorCode.EINVAL);
  }
  return isUtf8(name, length) ? ErrorCode.OK : failPlain(ErrorCode.EILSEQ);
}
