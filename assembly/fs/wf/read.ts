/**
 * Content of files: reading. Every page is verified before a byte of it is given out: a damaged one
 * is EBADMSG for its own range alone, never zeros.
 */
import { failPlain } from "../../engine/fault";
import { allocate, release } from "../../engine/memory";
import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { PAGE_SHIFT, PAGE_SIZE } from "../../format/region";
import {
  FileKey,
  FileType,
  INLINE_MAX,
  INODE_FLAG_INLINE,
  INODE_FLAGS,
  INODE_LENGTH,
} from "../../format/wf";
import { foundLength, foundValue } from "../../tree/btree";
import { dataFetchBegin, dataFetchEnd, fetchBadAddress } from "./records/data";
import { extentAt, extentFetch, extentPages, extentRead, extentStart } from "./records/extent";
import { inode, inodeGet, inodeType, recordGet, Wf, wfDamage, wfKey } from "./records/wf";

/** Bytes of one step at most. */
export const STEP_SIZE: u32 = 1 << 20;
const WINDOW_PAGES: u32 = 16;

/** The first and last page of a read or a write, where it holds only a part of them. */
export const head: usize = allocate(4096);
export const tail: usize = allocate(4096);
/** What the last inlineGet found: INLINE_MAX bytes. */
export const inline: usize = allocate(1024);

/** Reads up to `length` bytes of file `ino`: the count, 0 at the end, or an error. */
export function fileRead(wf: Wf, ino: u64, offset: u64, out: usize, length: u32): i32 {
  const code = inodeGet(wf, ino, inode);
  if (code !== ErrorCode.OK) return code;
  if (inodeType(inode) !== FileType.FILE) return failPlain(ErrorCode.EISDIR);
  const size = load<u64>(inode, INODE_LENGTH);
  if (offset >= size || length === 0) return 0;
  const wanted = <u32>min<u64>(<u64>length, size - offset);
  if ((<u32>load<u16>(inode, INODE_FLAGS) & INODE_FLAG_INLINE) !== 0) {
    const got = inlineGet(wf, ino, <u32>size);
    if (got !== ErrorCode.OK) return got;
    memory.copy(out, inline + <usize>offset, wanted);
    return <i32>wanted;
  }
  const sequential = wf.lastIno === ino && wf.lastEnd === offset;
  let done: u32 = 0;
  while (done < wanted) {
    const piece = min<u32>(wanted - done, STEP_SIZE);
    const got = readStep(wf, ino, offset + <u64>done, out + done, piece, size, sequential);
    if (got < 0) return done > 0 ? <i32>done : got;
    done += <u32>got;
    if (<u32>got < piece) break;
  }
  wf.lastIno = ino;
  wf.lastEnd = offset + <u64>done;
  return <i32>done;
}

/** The inline content in `inline`; it must have the inode's length. */
export function inlineGet(wf: Wf, ino: u64, size: u32): ErrorCode {
  if (size === 0) return ErrorCode.OK;
  if (size > INLINE_MAX) return wfDamage(wf, Reason.FIELD, ino);
  const code = recordGet(wf, wfKey(ino, FileKey.INLINE));
  if (code === ErrorCode.ENOENT) return wfDamage(wf, Reason.FIELD, ino);
  if (code !== ErrorCode.OK) return code;
  if (foundLength !== size) return wfDamage(wf, Reason.FIELD, ino);
  memory.copy(inline, foundValue, size);
  return ErrorCode.OK;
}

/** Reads at most STEP_SIZE bytes that lie inside the file: bytes up to the first damaged page. */
function readStep(
  wf: Wf,
  ino: u64,
  offset: u64,
  out: usize,
  length: u32,
  size: u64,
  sequential: bool,
): i32 {
  const skip = <u32>offset & (PAGE_SIZE - 1);
  if (length < PAGE_SIZE && (sequential || skip + length <= PAGE_SIZE)) {
    return readWindow(wf, ino, offset, out, length, size, sequential);
  }
  const first = offset >>> PAGE_SHIFT;
  const last = (offset + <u64>length - 1) >>> PAGE_SHIFT;
  const endSkip = <u32>(offset + <u64>length) & (PAGE_SIZE - 1);
  dataFetchBegin();
  const isHead = skip !== 0 || (first === last && endSkip !== 0);
  let known = first;
  let isHole = false;
  for (let number = first; number <= last; number++) {
    if (number === known) {
      const found = extentAt(wf, ino, number);
      isHole = found === ErrorCode.ENOENT;
      if (found !== ErrorCode.OK && !isHole) return found;
      known = isHole ? extentStart : extentStart + <u64>extentPages;
    }
    let into = out + <usize>((number - first) << PAGE_SHIFT) - <usize>skip;
    if (number === last && endSkip !== 0) into = tail;
    if (number === first && isHead) into = head;
    if (isHole) {
      memory.fill(into, 0, PAGE_SIZE);
      continue;
    }
    const fetched = extentFetch(wf, number, 1, into);
    if (fetched !== ErrorCode.OK) return fetched;
  }
  let code = dataFetchEnd(wf);
  let good = length;
  if (code === ErrorCode.EBADMSG && fetchBadAddress !== 0) {
    good = goodBytes(out, skip, length);
    if (good === 0) return code;
    code = ErrorCode.OK;
  }
  if (code !== ErrorCode.OK) return code;
  if (skip !== 0) memory.copy(out, head + skip, min<u32>(PAGE_SIZE - skip, good));
  if (endSkip !== 0 && last > first && good === length) {
    memory.copy(out + length - endSkip, tail, endSkip);
  }
  return <i32>good;
}

/** Bytes before the first damaged page of a fetch into `out`, `head` and `tail`. */
function goodBytes(out: usize, skip: u32, length: u32): u32 {
  if (fetchBadAddress === head) return 0;
  if (fetchBadAddress !== tail) return <u32>(fetchBadAddress - out);
  return length - ((skip + length) & (PAGE_SIZE - 1));
}

/** Small reads: through a window of pages, read ahead where the reader goes on in order. */
function readWindow(
  wf: Wf,
  ino: u64,
  offset: u64,
  out: usize,
  length: u32,
  size: u64,
  sequential: bool,
): i32 {
  const page = offset >>> PAGE_SHIFT;
  const isKnown = wf.windowIno === ino && wf.windowStamp === wf.stamp && wf.windowPages > 0;
  if (!isKnown || page < wf.windowFirst || page >= wf.windowFirst + <u64>wf.windowPages) {
    const code = windowLoad(wf, ino, page, size, sequential);
    if (code !== ErrorCode.OK) return code;
  }
  const end = (wf.windowFirst + <u64>wf.windowPages) << PAGE_SHIFT;
  const good = <u32>min<u64>(<u64>length, end - offset);
  const from = wf.window + <usize>(offset - (wf.windowFirst << PAGE_SHIFT));
  memory.copy(out, from, good);
  if (good === length) return <i32>good;
  const rest = readWindow(wf, ino, offset + <u64>good, out + good, length - good, size, sequential);
  return rest < 0 ? <i32>good : <i32>good + rest;
}

/** Fills the window from `page` on: one page, or as many as one extent and the window allow. */
function windowLoad(wf: Wf, ino: u64, page: u64, size: u64, sequential: bool): ErrorCode {
  if (wf.window === 0) {
    wf.window = allocate(WINDOW_PAGES << PAGE_SHIFT);
    if (wf.window === 0) return failPlain(ErrorCode.ENOMEM);
  }
  wf.windowPages = 0;
  let code = extentAt(wf, ino, page);
  let count: u32 = 1;
  if (code === ErrorCode.ENOENT) {
    memory.fill(wf.window, 0, PAGE_SIZE);
  } else {
    if (code !== ErrorCode.OK) return code;
    if (sequential) {
      const end = min<u64>(extentStart + <u64>extentPages, ((size - 1) >>> PAGE_SHIFT) + 1);
      count = <u32>min<u64>(end - page, <u64>WINDOW_PAGES);
    }
    code = extentRead(wf, page, count, wf.window);
    if (code === ErrorCode.EBADMSG && count > 1) {
      // Damage further on is that page's own matter: this one alone may still be good.
      count = 1;
      code = extentRead(wf, page, 1, wf.window);
    }
    if (code !== ErrorCode.OK) return code;
  }
  wf.windowIno = ino;
  wf.windowFirst = page;
  wf.windowPages = count;
  wf.windowStamp = wf.stamp;
  return ErrorCode.OK;
}

/** The page of a file as it is, verified; zeros in a hole. */
export function readOld(wf: Wf, ino: u64, number: u64, out: usize): ErrorCode {
  const code = extentAt(wf, ino, number);
  if (code === ErrorCode.OK) return extentRead(wf, number, 1, out);
  if (code !== ErrorCode.ENOENT) return code;
  memory.fill(out, 0, PAGE_SIZE);
  return ErrorCode.OK;
}

/** Gives the window's memory back. */
export function readClose(wf: Wf): void {
  release(wf.window, WINDOW_PAGES << PAGE_SHIFT);
  wf.window = 0;
}
