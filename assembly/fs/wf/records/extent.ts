/**
 * Extents: which pages of a file lie where. A record at file offset o names up to EXTENT_PAGES_MAX
 * pages that stand side by side on the disk, their birth and a checksum for each. No record: a
 * hole.
 *
 * Interface: numbers count pages of the file. extentFirst() copies the record it finds, so that the
 * tree may change while it is used.
 */

import { loadBigU64, loadU48, storeU48 } from "../../../engine/bytes";
import { allocate } from "../../../engine/memory";
import { planted } from "../../../engine/planted";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import { PAGE_SHIFT } from "../../../format/region";
import {
  EXTENT_BIRTH,
  EXTENT_PAGE,
  EXTENT_PAGES,
  EXTENT_PAGES_MAX,
  EXTENT_SIZE,
  FileKey,
} from "../../../format/wf";
import { Cursor, cursorNext, cursorSeek, cursorSeekBack } from "../../../tree/cursor";
import { pagesInside } from "../../../tree/pages/volume";
import { pagesFree } from "../../../tree/space";
import { dataDrop, dataFetch, dataFetchBegin, dataFetchEnd } from "./data";
import { isOf } from "./dirent";
import {
  FILE_SIZE_MAX,
  keyLength,
  recordDelete,
  recordPut,
  Wf,
  wfDamage,
  wfEpoch,
  wfKeyNumber,
} from "./wf";

/** A record: 16 bytes and up to 64 checksums. */
const record: usize = allocate(528);
const joined: usize = allocate(528);
const kept: usize = allocate(512);

/** What the last extentFirst found: first page in the file, count, place, birth. */
export let extentStart: u64 = 0;
export let extentPages: u32 = 0;
export let extentPage: u64 = 0;
export let extentBirth: u64 = 0;
/** Its checksums; valid until the next extentFirst. */
export const extentSums: usize = record + EXTENT_SIZE;

/** Past the last page of the largest file. */
export const PAGES_END: u64 = FILE_SIZE_MAX >>> PAGE_SHIFT;

/** Pages that the last extentCut freed. */
export let cutPages: u64 = 0;

/** Bug 34: pages of an older epoch are freed as if they were born in the open batch. */
export const PLANT_FREE_AT_ONCE: u32 = 34;

/** What the last extentFirst was about: asked again before a change, it is not looked for again. */
let knownMount: u32 = 0;
let knownIno: u64 = 0;
let knownChanges: u32 = 0;

/** The first extent of `ino` that ends after page `from`: OK, ENOENT, or damage. */
export function extentFirst(wf: Wf, ino: u64, from: u64): ErrorCode {
  if (knownMount === wf.serial && knownIno === ino) {
    const isSame = knownChanges === wf.volume.changes;
    if (isSame && from >= extentStart && from < extentStart + <u64>extentPages) {
      return ErrorCode.OK;
    }
  }
  const code = extentSeek(wf, ino, from);
  if (code !== ErrorCode.OK) return code;
  knownMount = wf.serial;
  knownIno = ino;
  knownChanges = wf.volume.changes;
  return ErrorCode.OK;
}

/** The extent that holds page `number`: OK, ENOENT (a hole, up to page extentStart), or damage. */
export function extentAt(wf: Wf, ino: u64, number: u64): ErrorCode {
  const code = extentFirst(wf, ino, number);
  if (code === ErrorCode.OK && extentStart > number) return ErrorCode.ENOENT;
  if (code === ErrorCode.ENOENT) {
    knownMount = 0;
    extentStart = PAGES_END;
  }
  return code;
}

function extentSeek(wf: Wf, ino: u64, from: u64): ErrorCode {
  const cursor = wf.cursor;
  const offset = from << PAGE_SHIFT;
  // The last record at or before `from` may reach over it; else the next one is the first behind.
  let code = cursorSeekBack(cursor, wfKeyNumber(ino, FileKey.EXTENT, offset), keyLength);
  if (code === ErrorCode.ENOENT) {
    code = cursorSeek(cursor, wfKeyNumber(ino, FileKey.EXTENT, offset), keyLength);
  }
  for (let round = 0; round < 2; round++) {
    if (code !== ErrorCode.OK) return code;
    if (isOf(cursor, ino, FileKey.EXTENT)) {
      code = extentTake(wf, ino, cursor);
      if (code !== ErrorCode.OK || extentStart + <u64>extentPages > from) return code;
    } else if (round > 0) {
      return ErrorCode.ENOENT;
    }
    if (round === 0) code = cursorNext(cursor);
  }
  return wfDamage(wf, Reason.OVERLAP, ino);
}

/** Checks the record under `cursor` and copies it; EBADMSG if it breaks a rule of the format. */
export function extentTake(wf: Wf, ino: u64, cursor: Cursor): ErrorCode {
  knownMount = 0;
  const value = cursor.value;
  const length = cursor.valueLength;
  if (cursor.keyLength !== 17 || length < EXTENT_SIZE) return wfDamage(wf, Reason.FIELD, ino);
  const offset = loadBigU64(cursor.key + 9);
  const pages = <u32>load<u16>(value, EXTENT_PAGES);
  const end = offset + ((<u64>pages) << PAGE_SHIFT);
  const isWhole = pages !== 0 && length === EXTENT_SIZE + (pages << 3) && (offset & 4095) === 0;
  if (!isWhole || pages > EXTENT_PAGES_MAX || offset > FILE_SIZE_MAX || end > FILE_SIZE_MAX) {
    return wfDamage(wf, Reason.FIELD, ino);
  }
  memory.copy(record, value, length);
  extentStart = offset >>> PAGE_SHIFT;
  extentPages = pages;
  extentPage = loadU48(record + EXTENT_PAGE);
  extentBirth = load<u64>(record, EXTENT_BIRTH);
  if (extentBirth > wfEpoch(wf)) return wfDamage(wf, Reason.BIRTH, ino);
  if (pagesInside(wf.volume.region, extentPage, pages)) return ErrorCode.OK;
  return wfDamage(wf, Reason.POINTER, ino);
}

/** Asks for `count` pages, from page `number` of the file on, of the extent that was found last. */
export function extentFetch(wf: Wf, number: u64, count: u32, address: usize): ErrorCode {
  const at = number - extentStart;
  return dataFetch(wf, extentPage + at, count, extentSums + ((<usize>at) << 3), address);
}

/** Reads and verifies them. */
export function extentRead(wf: Wf, number: u64, count: u32, address: usize): ErrorCode {
  dataFetchBegin();
  const code = extentFetch(wf, number, count, address);
  return code === ErrorCode.OK ? dataFetchEnd(wf) : code;
}

/** Writes one record, as it is. */
export function extentPut(
  wf: Wf,
  ino: u64,
  start: u64,
  pages: u32,
  page: u64,
  birth: u64,
  sums: usize,
): ErrorCode {
  storeU48(joined + EXTENT_PAGE, page);
  store<u16>(joined, <u16>pages, EXTENT_PAGES);
  store<u64>(joined, birth, EXTENT_BIRTH);
  memory.copy(joined + EXTENT_SIZE, sums, pages << 3);
  const key = wfKeyNumber(ino, FileKey.EXTENT, start << PAGE_SHIFT);
  const length = EXTENT_SIZE + (pages << 3);
  return recordPut(wf, key, joined, length);
}

function extentDelete(wf: Wf, ino: u64, start: u64): ErrorCode {
  const key = wfKeyNumber(ino, FileKey.EXTENT, start << PAGE_SHIFT);
  return recordDelete(wf, key);
}

/**
 * Adds an extent where there is a hole, joined with its neighbours where they go on in the file and
 * on the disk, are of one birth, and fit one record together.
 */
export function extentAdd(
  wf: Wf,
  ino: u64,
  start: u64,
  pages: u32,
  page: u64,
  birth: u64,
  sums: usize,
): ErrorCode {
  memory.copy(kept, sums, pages << 3);
  let code = start === 0 ? ErrorCode.ENOENT : extentFirst(wf, ino, start - 1);
  if (code === ErrorCode.OK && extentStart < start) {
    const joins = extentPage + <u64>extentPages === page && extentBirth === birth;
    if (joins && extentPages + pages <= EXTENT_PAGES_MAX) {
      knownMount = 0;
      memory.copy(extentSums + (extentPages << 3), kept, pages << 3);
      memory.copy(kept, extentSums, (extentPages + pages) << 3);
      start = extentStart;
      page = extentPage;
      pages += extentPages;
    }
  } else if (code !== ErrorCode.OK && code !== ErrorCode.ENOENT) {
    return code;
  }
  const end = start + <u64>pages;
  code = extentFirst(wf, ino, end);
  if (code === ErrorCode.OK && extentStart === end) {
    const joins = page + <u64>pages === extentPage && extentBirth === birth;
    if (joins && extentPages + pages <= EXTENT_PAGES_MAX) {
      memory.copy(kept + (pages << 3), extentSums, extentPages << 3);
      pages += extentPages;
      code = extentDelete(wf, ino, end);
      if (code !== ErrorCode.OK) return code;
    }
  } else if (code !== ErrorCode.OK && code !== ErrorCode.ENOENT) {
    return code;
  }
  return extentPut(wf, ino, start, pages, page, birth, kept);
}

/**
 * Takes the pages [from, to) out of a file and frees them, at most `most` records of them; a record
 * that reaches over an end is cut in two. cutPages says how many pages went. EAGAIN: there are
 * more.
 */
export function extentCut(wf: Wf, ino: u64, from: u64, to: u64, most: u32): ErrorCode {
  cutPages = 0;
  for (let count: u32 = 0; ; count++) {
    let code = extentFirst(wf, ino, from);
    if (code === ErrorCode.ENOENT || (code === ErrorCode.OK && extentStart >= to)) break;
    if (code !== ErrorCode.OK) return code;
    if (count === most) return ErrorCode.EAGAIN;
    const start = extentStart;
    const end = start + <u64>extentPages;
    const low = max<u64>(start, from);
    const high = min<u64>(end, to);
    const page = extentPage;
    const birth = extentBirth;
    const left = <u32>(low - start);
    const gone = <u32>(high - low);
    // The checksums of the right part move to `kept`, for the tree calls in between.
    memory.copy(kept, extentSums + ((left + gone) << 3), (<u32>(end - high)) << 3);
    if (left > 0) code = extentPut(wf, ino, start, left, page, birth, extentSums);
    else code = extentDelete(wf, ino, start);
    if (code === ErrorCode.OK && high < end) {
      const place = page + <u64>(left + gone);
      code = extentPut(wf, ino, high, <u32>(end - high), place, birth, kept);
    }
    if (code === ErrorCode.OK) code = freePages(wf, page + <u64>left, gone, birth);
    if (code !== ErrorCode.OK) return code;
    cutPages += <u64>gone;
    from = high;
  }
  return ErrorCode.OK;
}

function freePages(wf: Wf, page: u64, count: u32, birth: u64): ErrorCode {
  dataDrop(wf, page, count);
  if (planted(PLANT_FREE_AT_ONCE)) return pagesFree(wf.volume, page, count, wfEpoch(wf));
  return pagesFree(wf.volume, page, count, birth);
}

/** Counts the extents of [from, to), at most `most`. A negative errno is damage. */
export function extentCount(wf: Wf, ino: u64, from: u64, to: u64, most: u32): i32 {
  let count: u32 = 0;
  let code = extentFirst(wf, ino, from);
  while (code === ErrorCode.OK && extentStart < to && count < most) {
    count += 1;
    code = cursorNext(wf.cursor);
    if (code !== ErrorCode.OK) break;
    const cursor = wf.cursor;
    if (!isOf(cursor, ino, FileKey.EXTENT)) break;
    code = extentTake(wf, ino, cursor);
  }
  return code === ErrorCode.OK || code === ErrorCode.ENOENT ? <i32>count : code;
}
