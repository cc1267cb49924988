/**
 * Content of files: writing at any offset. Up to INLINE_MAX bytes live in the tree; from the first
 * byte past that, or the first hole, content lives in data pages for good.
 *
 * Interface: a write takes new pages and changes the records only when all content is in place; a
 * page of the open batch, which no superblock names, is written again where it lies.
 */

import { failPlain } from "../../engine/fault";
import { allocate } from "../../engine/memory";
import { planted } from "../../engine/planted";
import { ErrorCode } from "../../format/errors";
import { PAGE_SHIFT, PAGE_SIZE, SUPERBLOCK_LIVE_SIZE } from "../../format/region";
import {
  EXTENT_PAGES_MAX,
  FileKey,
  FileType,
  INLINE_MAX,
  INODE_DATA_PAGES,
  INODE_FLAG_INLINE,
  INODE_FLAGS,
  INODE_LENGTH,
} from "../../format/wf";
import { RESERVE_NORMAL } from "../../tree/commit";
import { volumeAdd } from "../../tree/pages/volume";
import { allocatedPage, pagesAllocate, pagesFree } from "../../tree/space";
import { head, inline, inlineGet, readOld, STEP_SIZE, tail } from "./read";
import { dataRoom, dataStage, dataSum, dataWrite } from "./records/data";
import {
  cutPages,
  extentAdd,
  extentAt,
  extentBirth,
  extentCut,
  extentPage,
  extentPages,
  extentPut,
  extentStart,
  extentSums,
} from "./records/extent";
import {
  FILE_SIZE_MAX,
  inode,
  inodeGet,
  inodePut,
  inodeTouch,
  inodeType,
  recordDelete,
  recordPut,
  Wf,
  wfEpoch,
  wfKey,
  wfReserve,
  wfSettle,
} from "./records/wf";

/** From this many whole pages on a run goes to the device at once, past the stage. */
const DIRECT_PAGES: u32 = 16;

const sums: usize = allocate(257 * 8);
/** Runs of pages that a write took: { page u64, count u32 }. */
const runs: usize = allocate(257 * 16);
let runCount: u32 = 0;

/** Bug 31: a page of an older epoch is overwritten in place. */
export const PLANT_IN_PLACE: u32 = 31;
/** Bug 32: the checksum of the old page stays. */
export const PLANT_OLD_SUM: u32 = 32;

/**
 * Writes up to `length` bytes of file `ino`: the count (fewer where space runs out), or an error.
 */
export function fileWrite(wf: Wf, ino: u64, offset: u64, source: usize, length: u32): i32 {
  if (length === 0) return 0;
  if (offset >= FILE_SIZE_MAX) return failPlain(ErrorCode.EFBIG);
  let left = <u32>min<u64>(<u64>min<u32>(length, STEP_SIZE), FILE_SIZE_MAX - offset);
  while (true) {
    const code = writeOnce(wf, ino, offset, source, left);
    if (code === ErrorCode.OK) return <i32>left;
    if (code !== ErrorCode.ENOSPC || left <= PAGE_SIZE) return code;
    left = left >>> 1;
  }
}

function writeOnce(wf: Wf, ino: u64, offset: u64, source: usize, length: u32): ErrorCode {
  const code = inodeGet(wf, ino, inode);
  if (code !== ErrorCode.OK) return code;
  if (inodeType(inode) !== FileType.FILE) return failPlain(ErrorCode.EISDIR);
  const size = load<u64>(inode, INODE_LENGTH);
  const end = offset + <u64>length;
  const isInline = (<u32>load<u16>(inode, INODE_FLAGS) & INODE_FLAG_INLINE) !== 0;
  if (isInline && offset <= size && end <= <u64>INLINE_MAX) {
    return writeInline(wf, ino, <u32>offset, source, length);
  }
  const first = offset >>> PAGE_SHIFT;
  const count = <u32>(((end - 1) >>> PAGE_SHIFT) - first) + 1;
  const ready = fileReserve(wf, count, isInline ? <u32>size : 0);
  if (ready !== ErrorCode.OK) return ready;
  if (isInline) {
    const spilled = wfSettle(wf, fileSpill(wf, ino, inode));
    if (spilled !== ErrorCode.OK) return spilled;
  }
  const edges = readEdges(wf, ino, offset, end);
  if (edges !== ErrorCode.OK) return isInline ? wfSettle(wf, edges) : edges;
  if (count <= EXTENT_PAGES_MAX && isOwn(wf, ino, first, count)) {
    return wfSettle(wf, writeAgain(wf, ino, inode, offset, source, length));
  }
  const taken = takePages(wf, count);
  if (taken !== ErrorCode.OK) return isInline ? wfSettle(wf, taken) : taken;
  return wfSettle(wf, writeFresh(wf, ino, inode, offset, source, length, count));
}

/**
 * Reserves for `count` pages of content and for what leaves the inline record (`spill` bytes):
 * records of neighbouring extents share leaves, so a change of the tree stands for several.
 */
export function fileReserve(wf: Wf, count: u32, spill: u32): ErrorCode {
  const pages = spill > 0 ? count + 1 : count;
  const code = wfReserve(wf, 4, 2 + pages / 16, pages, false, RESERVE_NORMAL);
  return code === ErrorCode.OK ? dataRoom(wf, pages) : code;
}

/** Writes into the inline record. */
function writeInline(wf: Wf, ino: u64, offset: u32, source: usize, length: u32): ErrorCode {
  const size = <u32>load<u64>(inode, INODE_LENGTH);
  let code = inlineGet(wf, ino, size);
  if (code === ErrorCode.OK) code = wfReserve(wf, 2, 0, 0, false, RESERVE_NORMAL);
  if (code !== ErrorCode.OK) return code;
  memory.copy(inline + offset, source, length);
  const total = max<u32>(size, offset + length);
  store<u64>(inode, <u64>total, INODE_LENGTH);
  inodeTouch(inode);
  wf.stamp += 1;
  const key = wfKey(ino, FileKey.INLINE);
  code = recordPut(wf, key, inline, total);
  if (code === ErrorCode.OK) code = inodePut(wf, ino, inode);
  return wfSettle(wf, code);
}

/** Moves inline content into a data page: `node` is changed, and written by the caller. */
export function fileSpill(wf: Wf, ino: u64, node: usize): ErrorCode {
  const size = <u32>load<u64>(node, INODE_LENGTH);
  store<u16>(node, load<u16>(node, INODE_FLAGS) & <u16>~INODE_FLAG_INLINE, INODE_FLAGS);
  if (size === 0) return ErrorCode.OK;
  let code = inlineGet(wf, ino, size);
  if (code !== ErrorCode.OK) return code;
  code = recordDelete(wf, wfKey(ino, FileKey.INLINE));
  if (code !== ErrorCode.OK) return code;
  const got = pagesAllocate(wf.volume, 1);
  if (got < 0) return got;
  const page = allocatedPage;
  const staged = dataStage(wf, page);
  memory.copy(staged, inline, size);
  memory.fill(staged + size, 0, PAGE_SIZE - size);
  store<u64>(sums, dataSum(wf, staged));
  addPages(wf, node, 1);
  return extentAdd(wf, ino, 0, 1, page, wfEpoch(wf), sums);
}

/** Counts data pages of a file and of the filesystem. */
export function addPages(wf: Wf, node: usize, delta: i64): void {
  store<u64>(node, load<u64>(node, INODE_DATA_PAGES) + <u64>delta, INODE_DATA_PAGES);
  volumeAdd(wf.volume, SUPERBLOCK_LIVE_SIZE, delta);
}

/** Reads what stays of the first and last page of a write into `head` and `tail`. */
function readEdges(wf: Wf, ino: u64, offset: u64, end: u64): ErrorCode {
  const first = offset >>> PAGE_SHIFT;
  const last = (end - 1) >>> PAGE_SHIFT;
  const headPart = (offset & 4095) !== 0;
  const tailPart = (end & 4095) !== 0;
  if (headPart || (tailPart && first === last)) {
    const code = readOld(wf, ino, first, head);
    if (code !== ErrorCode.OK) return code;
  }
  return tailPart && first !== last ? readOld(wf, ino, last, tail) : ErrorCode.OK;
}

/** True if one extent of the open batch covers all the pages: they may be written again. */
function isOwn(wf: Wf, ino: u64, first: u64, count: u32): bool {
  if (extentAt(wf, ino, first) !== ErrorCode.OK) return false;
  if (extentStart + <u64>extentPages < first + <u64>count) return false;
  return extentBirth === wfEpoch(wf) || planted(PLANT_IN_PLACE);
}

/** Writes pages of the open batch where they lie; extentAt has just found their record. */
function writeAgain(
  wf: Wf,
  ino: u64,
  node: usize,
  offset: u64,
  source: usize,
  length: u32,
): ErrorCode {
  const end = offset + <u64>length;
  const first = offset >>> PAGE_SHIFT;
  const last = (end - 1) >>> PAGE_SHIFT;
  for (let number = first; number <= last; number++) {
    const at = <u32>(number - extentStart);
    const staged = dataStage(wf, extentPage + <u64>at);
    fillPage(staged, number, offset, end, source);
    if (planted(PLANT_OLD_SUM)) continue;
    store<u64>(extentSums + ((<usize>at) << 3), dataSum(wf, staged));
  }
  const code = extentPut(wf, ino, extentStart, extentPages, extentPage, extentBirth, extentSums);
  return code === ErrorCode.OK ? endWrite(wf, ino, node, end) : code;
}

/** The content of page `number` after a write of [offset, end): from the source and the edges. */
function fillPage(out: usize, number: u64, offset: u64, end: u64, source: usize): void {
  const start = number << PAGE_SHIFT;
  const low = max<u64>(start, offset);
  const high = min<u64>(start + <u64>PAGE_SIZE, end);
  if (<u32>(high - low) < PAGE_SIZE) {
    const isFirst = number === offset >>> PAGE_SHIFT;
    memory.copy(out, isFirst ? head : tail, PAGE_SIZE);
  }
  memory.copy(out + <usize>(low - start), source + <usize>(low - offset), <usize>(high - low));
}

/** Takes `count` pages in as few runs as there are; on an error none. */
export function takePages(wf: Wf, count: u32): ErrorCode {
  runCount = 0;
  let left = count;
  while (left > 0) {
    const got = pagesAllocate(wf.volume, left);
    if (got < 0) {
      for (let run: u32 = 0; run < runCount; run++) {
        const at = runs + <usize>(run << 4);
        const code = pagesFree(wf.volume, load<u64>(at), load<u32>(at, 8), wfEpoch(wf));
        if (code !== ErrorCode.OK) return wfSettle(wf, code);
      }
      return got;
    }
    const at = runs + <usize>(runCount << 4);
    store<u64>(at, allocatedPage);
    store<u32>(at, <u32>got, 8);
    runCount += 1;
    left -= <u32>got;
  }
  return ErrorCode.OK;
}

/** Writes all content into the taken pages, then changes the records. */
export function writeFresh(
  wf: Wf,
  ino: u64,
  node: usize,
  offset: u64,
  source: usize,
  length: u32,
  count: u32,
): ErrorCode {
  const first = offset >>> PAGE_SHIFT;
  const end = offset + <u64>length;
  let number = first;
  for (let run: u32 = 0; run < runCount; run++) {
    const at = runs + <usize>(run << 4);
    const code = writeRun(wf, load<u64>(at), load<u32>(at, 8), number, first, offset, end, source);
    if (code !== ErrorCode.OK) return code;
    number += <u64>load<u32>(at, 8);
  }
  let code = extentCut(wf, ino, first, first + <u64>count, count);
  if (code !== ErrorCode.OK) return code;
  addPages(wf, node, <i64>count - <i64>cutPages);
  number = first;
  for (let run: u32 = 0; run < runCount; run++) {
    const at = runs + <usize>(run << 4);
    let page = load<u64>(at);
    let left = load<u32>(at, 8);
    while (left > 0) {
      const piece = min<u32>(left, EXTENT_PAGES_MAX);
      const sum = sums + <usize>((number - first) << 3);
      code = extentAdd(wf, ino, number, piece, page, wfEpoch(wf), sum);
      if (code !== ErrorCode.OK) return code;
      page += <u64>piece;
      number += <u64>piece;
      left -= piece;
    }
  }
  return endWrite(wf, ino, node, end);
}

/** One run of pages: whole ones from the source in one request if they are many, else staged. */
function writeRun(
  wf: Wf,
  page: u64,
  pages: u32,
  number: u64,
  first: u64,
  offset: u64,
  end: u64,
  source: usize,
): ErrorCode {
  let at: u32 = 0;
  while (at < pages) {
    const start = (number + <u64>at) << PAGE_SHIFT;
    const sum = sums + <usize>((number - first + <u64>at) << 3);
    const wholeEnd = end >>> PAGE_SHIFT;
    const isWhole = start >= offset && number + <u64>at < wholeEnd;
    const whole = isWhole ? <u32>min<u64>(<u64>(pages - at), wholeEnd - number - <u64>at) : 0;
    if (whole >= DIRECT_PAGES) {
      const from = source + <usize>(start - offset);
      for (let index: u32 = 0; index < whole; index++) {
        store<u64>(sum + (index << 3), dataSum(wf, from + ((<usize>index) << PAGE_SHIFT)));
      }
      const code = dataWrite(wf, page + <u64>at, from, whole);
      if (code !== ErrorCode.OK) return code;
      at += whole;
      continue;
    }
    const staged = dataStage(wf, page + <u64>at);
    fillPage(staged, number + <u64>at, offset, end, source);
    store<u64>(sum, dataSum(wf, staged));
    at += 1;
  }
  return ErrorCode.OK;
}

/** The inode after a write that ended at byte `end`. */
function endWrite(wf: Wf, ino: u64, node: usize, end: u64): ErrorCode {
  if (end > load<u64>(node, INODE_LENGTH)) store<u64>(node, end, INODE_LENGTH);
  inodeTouch(node);
  wf.stamp += 1;
  return inodePut(wf, ino, node);
}
