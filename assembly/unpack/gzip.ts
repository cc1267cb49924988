/**
 * Members of a gzip file: heads, content, CRC-32 and length, and the zeros that tapes leave behind
 * the last one. @see RFC 1952
 */
import { crc32 } from "../engine/hash/crc";
import { allocateZeroed, release } from "../engine/memory";
import {
  Deflate,
  deflateClose,
  deflateOpen,
  deflateRestart,
  deflateRun,
  ENDED,
  INPUT_BYTES,
} from "./deflate";

/** Why a file is damaged. */
export const GZIP_DATA: u32 = 1;
export const GZIP_CHECKSUM: u32 = 2;
export const GZIP_CUT: u32 = 3;
export const GZIP_HEAD: u32 = 4;

/** Where in a member the input is. */
const HEAD: u32 = 0;
const CONTENT: u32 = 1;
const TRAILER: u32 = 2;

const MAGIC: u32 = 0x8b1f;
const HEAD_BYTES: u32 = 10;
const TRAILER_BYTES: u32 = 8;
const FLAG_HEAD_CRC: u32 = 2;
const FLAG_EXTRA: u32 = 4;
const FLAG_NAME: u32 = 8;
const FLAG_COMMENT: u32 = 16;
const FLAGS_RESERVED: u32 = 0xe0;
const METHOD_DEFLATE: u32 = 8;

@unmanaged
export class Gzip {
  stream: Deflate;
  place: u32;
  members: u32;
  crc: u32;
  /** Bytes of this member, modulo 2^32. */
  size: u32;
  reason: u32;
}

/** A file of which nothing is known yet; null without memory. */
export function gzipOpen(): Gzip | null {
  const address = allocateZeroed(offsetof<Gzip>());
  if (address === 0) return null;
  const stream = deflateOpen();
  if (stream === null) {
    release(address, offsetof<Gzip>());
    return null;
  }
  const gzip = changetype<Gzip>(address);
  gzip.stream = changetype<Deflate>(stream);
  return gzip;
}

export function gzipClose(gzip: Gzip): void {
  deflateClose(gzip.stream);
  release(changetype<usize>(gzip), offsetof<Gzip>());
}

/**
 * Decodes a piece: how many bytes it became; 0: it wants more input, or has ended if `isLast`; -1:
 * damaged, see `reason`.
 */
export function gzipRun(gzip: Gzip, isLast: bool): i32 {
  const stream = gzip.stream;
  while (true) {
    if (gzip.place === CONTENT) {
      const made = deflateRun(stream, isLast);
      if (made < 0) return damaged(gzip, stream.at >= stream.end ? GZIP_CUT : GZIP_DATA);
      gzip.crc = crc32(gzip.crc, stream.output + <usize>stream.begin, made);
      gzip.size += <u32>made;
      if (stream.next === ENDED) gzip.place = TRAILER;
      if (made > 0 || gzip.place === CONTENT) return made;
    } else if (gzip.place === TRAILER) {
      if (stream.end - stream.at < TRAILER_BYTES) return isLast ? damaged(gzip, GZIP_CUT) : 0;
      const at = stream.input + <usize>stream.at;
      const isSame = load<u32>(at) === gzip.crc && load<u32>(at, 4) === gzip.size;
      if (!isSame) return damaged(gzip, GZIP_CHECKSUM);
      stream.at += TRAILER_BYTES;
      gzip.place = HEAD;
      gzip.members += 1;
    } else {
      if (gzip.members > 0) zerosSkip(stream);
      if (stream.at === stream.end && gzip.members > 0) return 0;
      const length = headLength(stream);
      if (length < 0) return damaged(gzip, GZIP_HEAD);
      if (length === 0) {
        const isFull = stream.end - stream.at === INPUT_BYTES;
        if (isLast || isFull) return damaged(gzip, isFull ? GZIP_HEAD : GZIP_CUT);
        return 0;
      }
      stream.at += <u32>length;
      deflateRestart(stream);
      gzip.crc = 0;
      gzip.size = 0;
      gzip.place = CONTENT;
    }
  }
}

function damaged(gzip: Gzip, reason: u32): i32 {
  gzip.reason = reason;
  return -1;
}

function zerosSkip(stream: Deflate): void {
  while (stream.at < stream.end && load<u8>(stream.input + <usize>stream.at) === 0) stream.at += 1;
}

/** Bytes of the member's head that the input begins with; 0: more must come; -1: it is none. */
function headLength(stream: Deflate): i32 {
  const start = stream.input + <usize>stream.at;
  const there = stream.end - stream.at;
  if (there >= 2 && <u32>load<u16>(start) !== MAGIC) return -1;
  if (there < HEAD_BYTES) return 0;
  const flags = <u32>load<u8>(start, 3);
  if (<u32>load<u8>(start, 2) !== METHOD_DEFLATE || (flags & FLAGS_RESERVED) !== 0) return -1;
  let at = HEAD_BYTES;
  if ((flags & FLAG_EXTRA) !== 0) {
    if (there < at + 2) return 0;
    at += 2 + <u32>load<u16>(start + <usize>at);
  }
  if ((flags & FLAG_NAME) !== 0) at = textEnd(start, at, there);
  if ((flags & FLAG_COMMENT) !== 0) at = textEnd(start, at, there);
  if ((flags & FLAG_HEAD_CRC) !== 0) {
    if (there < at + 2) return 0;
    if (<u32>load<u16>(start + <usize>at) !== (crc32(0, start, at) & 0xffff)) return -1;
    at += 2;
  }
  return there < at ? 0 : <i32>at;
}

/** Behind the zero that ends a text; behind all that is there, if none does. */
function textEnd(start: usize, from: u32, there: u32): u32 {
  let at = from;
  while (at < there && load<u8>(start + <usize>at) !== 0) at += 1;
  return at + 1;
}
