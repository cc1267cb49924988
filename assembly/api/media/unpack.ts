/** ABI: Zstandard and gzip, in which system images come, block by block and piece by piece. */
import { failPlain } from "../../engine/fault";
import { ErrorCode } from "../../format/errors";
import { deflateCompact, INPUT_BYTES } from "../../unpack/deflate";
import { Gzip, gzipClose, gzipOpen, gzipRun } from "../../unpack/gzip";
import { Zstd, zstdClose, zstdOpen } from "../../unpack/state";
import { blockDecode } from "../../unpack/zstd";

/** A frame with a window of `windowBytes`; 0: there is no memory for it. */
export function zstdBegin(windowBytes: u32): usize {
  const zstd = zstdOpen(windowBytes);
  return zstd === null ? 0 : changetype<usize>(zstd);
}

/**
 * Decodes the next block of the frame: 0 as it is, 1 one byte `length` times, 2 compressed. 8 bytes
 * behind it must be readable. Answers how many bytes it became, or EBADMSG.
 */
export function zstdBlock(frame: usize, type: u32, address: usize, length: u32): i32 {
  const made = blockDecode(changetype<Zstd>(frame), type, address, length);
  return made < 0 ? failPlain(ErrorCode.EBADMSG) : made;
}

/** Where the bytes of the last block stand, until the next one or the end. */
export function zstdContent(frame: usize): usize {
  const zstd = changetype<Zstd>(frame);
  return zstd.history + <usize>zstd.begin;
}

export function zstdEnd(frame: usize): void {
  zstdClose(changetype<Zstd>(frame));
}

/** A gzip file; 0: there is no memory for it. */
export function gzipBegin(): usize {
  const gzip = gzipOpen();
  return gzip === null ? 0 : changetype<usize>(gzip);
}

/** Where the next bytes of the file go: see `gzipRoomBytes` and `gzipFed`. */
export function gzipRoom(file: usize): usize {
  const stream = changetype<Gzip>(file).stream;
  deflateCompact(stream);
  return stream.input + <usize>stream.end;
}

/** How many go there at most. */
export function gzipRoomBytes(file: usize): u32 {
  return INPUT_BYTES - changetype<Gzip>(file).stream.end;
}

/** So many bytes were laid down there. */
export function gzipFed(file: usize, length: u32): void {
  const stream = changetype<Gzip>(file).stream;
  assert(length <= INPUT_BYTES - stream.end);
  stream.end += length;
}

/**
 * Decodes a piece of what was fed. Answers how many bytes it became, 256 KiB at most; 0: more of
 * the file is wanted, or if all of it was fed (`isLast` 1) it is at its end; EBADMSG: see
 * `gzipReason`.
 */
export function gzipStep(file: usize, isLast: u32): i32 {
  const made = gzipRun(changetype<Gzip>(file), isLast !== 0);
  return made < 0 ? failPlain(ErrorCode.EBADMSG) : made;
}

/** Where the bytes of the last piece stand, until the next one or the end. */
export function gzipContent(file: usize): usize {
  const stream = changetype<Gzip>(file).stream;
  return stream.output + <usize>stream.begin;
}

/** Why it is damaged: 1 its data, 2 CRC-32 or length, 3 it was cut off, 4 no head of a member. */
export function gzipReason(file: usize): u32 {
  return changetype<Gzip>(file).reason;
}

export function gzipEnd(file: usize): void {
  gzipClose(changetype<Gzip>(file));
}
