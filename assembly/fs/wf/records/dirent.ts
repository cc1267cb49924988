/**
 * Directory entries and the back references that mirror them: every entry (directory, name) ->
 * inode
 * stands with a record (inode, directory, name), so that hard links, checks and repair know both
 * ways.
 */

import { equalBytes, loadBigU64 } from "../../../engine/bytes";
import { deviceFail } from "../../../engine/device";
import { allocate } from "../../../engine/memory";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  DIRENT_INO,
  DIRENT_SIZE,
  DIRENT_TYPE,
  FileKey,
  FileType,
  INO_FIRST,
  INO_LOST_FOUND,
  INODE_LENGTH,
  NAME_MAX,
} from "../../../format/wf";
import { foundLength, foundValue } from "../../../tree/btree";
import { Cursor, cursorNext, cursorSeek } from "../../../tree/cursor";
import {
  inodePut,
  inodeTouch,
  keyLength,
  recordDelete,
  recordGet,
  recordPut,
  Wf,
  wfDamage,
  wfKey,
  wfKeyBack,
  wfKeyName,
} from "./wf";

const value: usize = memory.data(16, 8);

/** What the last direntGet, direntNext or backFirst found. */
export let direntIno: u64 = 0;
export let direntType: u32 = 0;
export const direntName: usize = allocate(256);
export let direntNameLength: u32 = 0;

/** The entry `name` of directory `dir`: OK with direntIno and direntType, ENOENT, or damage. */
export function direntGet(wf: Wf, dir: u64, name: usize, length: u32): ErrorCode {
  const key = wfKeyName(dir, FileKey.DIRENT, name, length);
  const code = recordGet(wf, key);
  return code === ErrorCode.OK ? take(wf, dir, foundValue, foundLength) : code;
}

/** The first entry of `dir` whose name sorts after `name` (length 0: the first); ENOENT: none. */
export function direntNext(wf: Wf, dir: u64, name: usize, length: u32): ErrorCode {
  const code = seekNext(wf, dir, FileKey.DIRENT, name, length);
  return code === ErrorCode.OK ? takeNamed(wf, dir, wf.cursor) : code;
}

/** Moves the cursor to the first record (ino, kind) behind `name` (length 0: the first); ENOENT. */
export function seekNext(wf: Wf, ino: u64, kind: u32, name: usize, length: u32): ErrorCode {
  const cursor = wf.cursor;
  let code = cursorSeek(cursor, wfKeyName(ino, kind, name, length), keyLength);
  if (code === ErrorCode.OK && length > 0 && cursor.keyLength === 9 + length) {
    if (equalBytes(cursor.key + 9, name, length)) code = cursorNext(cursor);
  }
  if (code !== ErrorCode.OK) return code;
  return isOf(cursor, ino, kind) ? ErrorCode.OK : ErrorCode.ENOENT;
}

/** Goes on where direntNext stands, if nothing has moved the cursor since. */
export function direntMore(wf: Wf, dir: u64): ErrorCode {
  const cursor = wf.cursor;
  const code = cursorNext(cursor);
  if (code !== ErrorCode.OK) return code;
  return isOf(cursor, dir, FileKey.DIRENT) ? takeNamed(wf, dir, cursor) : ErrorCode.ENOENT;
}

/** True if the cursor stands at a record (ino, kind, ...). */
export function isOf(cursor: Cursor, ino: u64, kind: FileKey): bool {
  if (cursor.keyLength < 9 || loadBigU64(cursor.key) !== ino) return false;
  return load<u8>(cursor.key, 8) === <u8>kind;
}

function takeNamed(wf: Wf, dir: u64, cursor: Cursor): ErrorCode {
  const length = cursor.keyLength - 9;
  if (length === 0 || length > NAME_MAX) return wfDamage(wf, Reason.FIELD, dir);
  direntNameLength = length;
  memory.copy(direntName, cursor.key + 9, length);
  return take(wf, dir, cursor.value, cursor.valueLength);
}

function take(wf: Wf, dir: u64, at: usize, length: u32): ErrorCode {
  if (length !== DIRENT_SIZE) return wfDamage(wf, Reason.FIELD, dir);
  direntIno = load<u64>(at, DIRENT_INO);
  direntType = load<u8>(at, DIRENT_TYPE);
  const isKnown = direntType >= 1 && direntType <= <u32>FileType.SYMLINK;
  const isPlace = direntIno >= <u64>INO_FIRST || direntIno === <u64>INO_LOST_FOUND;
  return isKnown && isPlace ? ErrorCode.OK : wfDamage(wf, Reason.FIELD, dir);
}

/** Writes the entry and its back reference; the inodes are the caller's. */
export function direntPut(
  wf: Wf,
  dir: u64,
  name: usize,
  length: u32,
  ino: u64,
  type: u32,
): ErrorCode {
  store<u64>(value, ino, DIRENT_INO);
  store<u8>(value, <u8>type, DIRENT_TYPE);
  const key = wfKeyName(dir, FileKey.DIRENT, name, length);
  const code = recordPut(wf, key, value, DIRENT_SIZE);
  if (code !== ErrorCode.OK) return code;
  const back = wfKeyBack(ino, dir, name, length);
  return recordPut(wf, back, value, 0);
}

/** Deletes the entry and its back reference. */
export function direntDelete(wf: Wf, dir: u64, name: usize, length: u32, ino: u64): ErrorCode {
  const code = entryDelete(wf, dir, name, length, ino);
  return code === ErrorCode.OK ? backDelete(wf, dir, name, length, ino) : code;
}

/** Deletes the entry alone. */
export function entryDelete(wf: Wf, dir: u64, name: usize, length: u32, ino: u64): ErrorCode {
  const key = wfKeyName(dir, FileKey.DIRENT, name, length);
  return missing(wf, recordDelete(wf, key), ino);
}

/** Deletes the back reference alone. */

export function backDelete(wf: Wf, dir: u64, name: usize, length: u32, ino: u64): ErrorCode {
  const back = wfKeyBack(ino, dir, name, length);
  return missing(wf, recordDelete(wf, back), ino);
}

/** A record that its twin promised is damage, not "no entry". */
function missing(wf: Wf, code: ErrorCode, ino: u64): ErrorCode {
  if (code !== ErrorCode.ENOENT) return code;
  return deviceFail(wf.volume.region.device, ErrorCode.EBADMSG, Reason.LINKS, 0, <u32>ino);
}

/** The first name of `ino`: its directory in direntIno, its name in direntName. */
export function backFirst(wf: Wf, ino: u64): ErrorCode {
  const cursor = wf.cursor;
  const key = wfKey(ino, FileKey.BACK_REFERENCE);
  const code = cursorSeek(cursor, key, keyLength);
  if (code !== ErrorCode.OK) return code;
  if (!isOf(cursor, ino, FileKey.BACK_REFERENCE)) return ErrorCode.ENOENT;
  if (cursor.keyLength <= 17 || cursor.keyLength > 17 + NAME_MAX) {
    return wfDamage(wf, Reason.FIELD, ino);
  }
  direntIno = loadBigU64(cursor.key + 9);
  direntNameLength = cursor.keyLength - 17;
  memory.copy(direntName, cursor.key + 17, direntNameLength);
  return ErrorCode.OK;
}

/** Writes directory inode `dir` with `delta` entries more, and the time of it. */
export function directoryPut(wf: Wf, dir: u64, inode: usize, delta: i32): ErrorCode {
  store<u64>(inode, load<u64>(inode, INODE_LENGTH) + <u64>(<i64>delta), INODE_LENGTH);
  inodeTouch(inode);
  return inodePut(wf, dir, inode);
}
