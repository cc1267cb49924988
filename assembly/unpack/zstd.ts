/**
 * Blocks of Zstandard frames. Whoever calls walks the frames: their heads, the heads of blocks, and
 * checksums. @see RFC 8878, section 3.1.1.2
 */
import { literalsRead } from "./literals";
import { sequencesRun } from "./sequences";
import { BLOCK_MAX, Zstd } from "./state";

const RAW: u32 = 0;
const REPEATED: u32 = 1;
const COMPRESSED: u32 = 2;

/**
 * Decodes a block of `length` bytes at `at`, behind which 8 more can be read; of a repeated byte
 * `length` says how often. Answers how many bytes it became, which stand at `history + begin` until
 * the next block; -1: damaged.
 */
export function blockDecode(zstd: Zstd, type: u32, at: usize, length: u32): i32 {
  if (length > BLOCK_MAX) return -1;
  if (zstd.at + BLOCK_MAX > zstd.room) {
    zstd.lapEnd = zstd.at;
    zstd.at = 0;
  }
  zstd.begin = zstd.at;
  const out = zstd.history + <usize>zstd.at;
  if (type === RAW) {
    memory.copy(out, at, length);
    zstd.at += length;
  } else if (type === REPEATED) {
    memory.fill(out, load<u8>(at), length);
    zstd.at += length;
  } else if (type === COMPRESSED) {
    const literals = literalsRead(zstd, at, length);
    if (literals < 0) return -1;
    const rest = length - <u32>literals;
    if (!sequencesRun(zstd, at + <usize>literals, rest)) return -1;
  } else {
    return -1;
  }
  const made = zstd.at - zstd.begin;
  zstd.total += <u64>made;
  return <i32>made;
}
