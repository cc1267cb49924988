/** ABI: Zstandard, in which system images come, block by block. */
import { failPlain } from "../../engine/fault";
import { ErrorCode } from "../../format/errors";
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
