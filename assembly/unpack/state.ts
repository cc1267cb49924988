/**
 * What a Zstandard frame keeps from block to block: the bytes that later ones may copy, the tables
 * that later ones may use again, the last three offsets. @see RFC 8878, section 3.1.1
 *
 * The history is a lap of a fixed room. A block is written in one piece; where the room behind the
 * last one is too small, a new lap begins at its start, and what is older lies at the end of the
 * lap before. The room is two blocks larger than the window, so nothing is overwritten that may
 * still be copied.
 */
import { allocate, allocateZeroed, release } from "../engine/memory";

/** Bytes that one block may become. */
export const BLOCK_MAX: u32 = 131072;
/** Entries of 4 bytes: literal lengths, offsets, match lengths. */
export const LENGTHS_TABLE: u32 = 0;
export const OFFSETS_TABLE: u32 = 2048;
export const MATCHES_TABLE: u32 = 3072;
const TABLES_BYTES: u32 = 5120;
/** Symbol and length of a code, 2 bytes, for each of 11 bits. */
const HUFFMAN_BYTES: u32 = 4096;
const LITERALS_BYTES: u32 = BLOCK_MAX + 16;
/** No table yet. */
export const NO_TABLE: i32 = -1;

@unmanaged
export class Zstd {
  windowBytes: u32;
  /** Bytes of the history. */
  room: u32;
  history: usize;
  /** Where the next byte goes, where the block began, and where the lap before ended. */
  at: u32;
  begin: u32;
  lapEnd: u32;
  /** Bytes of the frame before this block. */
  total: u64;
  literals: usize;
  literalsLength: u32;
  /** Room for literals that must be decoded; others stay where they are in the block. */
  decoded: usize;
  huffman: usize;
  huffmanBits: i32;
  tables: usize;
  lengthsBits: i32;
  offsetsBits: i32;
  matchesBits: i32;
  offset1: u32;
  offset2: u32;
  offset3: u32;
}

/** A frame with a window of `windowBytes`; null without memory. */
export function zstdOpen(windowBytes: u32): Zstd | null {
  const address = allocateZeroed(offsetof<Zstd>());
  if (address === 0) return null;
  const zstd = changetype<Zstd>(address);
  zstd.windowBytes = windowBytes;
  zstd.room = windowBytes + 2 * BLOCK_MAX;
  zstd.history = allocate(zstd.room);
  zstd.decoded = allocate(LITERALS_BYTES);
  zstd.huffman = allocate(HUFFMAN_BYTES);
  zstd.tables = allocate(TABLES_BYTES);
  if (zstd.history === 0 || zstd.decoded === 0 || zstd.huffman === 0 || zstd.tables === 0) {
    zstdClose(zstd);
    return null;
  }
  zstd.huffmanBits = NO_TABLE;
  zstd.lengthsBits = NO_TABLE;
  zstd.offsetsBits = NO_TABLE;
  zstd.matchesBits = NO_TABLE;
  zstd.offset1 = 1;
  zstd.offset2 = 4;
  zstd.offset3 = 8;
  return zstd;
}

export function zstdClose(zstd: Zstd): void {
  release(zstd.history, zstd.room);
  release(zstd.decoded, LITERALS_BYTES);
  release(zstd.huffman, HUFFMAN_BYTES);
  release(zstd.tables, TABLES_BYTES);
  release(changetype<usize>(zstd), offsetof<Zstd>());
}
