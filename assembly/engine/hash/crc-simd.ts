/**
 * The SIMD kernel of the CRCs: a block of 4 KiB is read as 16 streams of 256 bytes. Their bytes are
 * transposed, so that one vector holds the same byte of all streams, and the four bytes of the 16
 * running checksums are kept in four vectors, looked up nibble by nibble.
 */
import { CRC_NIBBLES, CRC_SHIFTS } from "./crc-tables";

const BLOCK_SIZE: usize = 4096;
const STREAM_SIZE: usize = 256;
const mixed: usize = memory.data(256, 16);
const columns: usize = memory.data(256, 16);
const planes: usize = memory.data(64, 16);
const sums: usize = memory.data(64, 16);

/** Runs `crc` (not complemented) over `length` bytes, a multiple of 4096. */
export function crcBlocks(tables: usize, crc: u32, address: usize, length: u32): u32 {
  const end = address + length;
  for (let block = address; block < end; block += BLOCK_SIZE) {
    memory.fill(planes, 0, 64);
    store<u8>(planes, crc);
    store<u8>(planes, crc >>> 8, 16);
    store<u8>(planes, crc >>> 16, 32);
    store<u8>(planes, crc >>> 24, 48);
    streams(tables + CRC_NIBBLES, block);
    spread(planes, 16, sums);
    crc = join(tables + CRC_SHIFTS);
  }
  return crc;
}

/** Advances the 16 checksums in `planes` over their streams of the block at `block`. */
function streams(nibbles: usize, block: usize): void {
  const low0 = v128.load(nibbles);
  const low1 = v128.load(nibbles, 16);
  const low2 = v128.load(nibbles, 32);
  const low3 = v128.load(nibbles, 48);
  const high0 = v128.load(nibbles, 64);
  const high1 = v128.load(nibbles, 80);
  const high2 = v128.load(nibbles, 96);
  const high3 = v128.load(nibbles, 112);
  const mask = i8x16.splat(15);
  let byte0 = v128.load(planes);
  let byte1 = v128.load(planes, 16);
  let byte2 = v128.load(planes, 32);
  let byte3 = v128.load(planes, 48);
  for (let at = block; at < block + STREAM_SIZE; at += 16) {
    for (let quad: usize = 0; quad < 4; quad++) {
      spread(at + quad * STREAM_SIZE, 4 * STREAM_SIZE, mixed + (quad << 6));
    }
    for (let quad: usize = 0; quad < 4; quad++) {
      spread(mixed + (quad << 4), 64, columns + (quad << 6));
    }
    for (let column = columns; column < columns + 256; column += 16) {
      const index = v128.xor(byte0, v128.load(column));
      const low = v128.and(index, mask);
      const high = i8x16.shr_u(index, 4);
      byte0 = look(byte1, low0, high0, low, high);
      byte1 = look(byte2, low1, high1, low, high);
      byte2 = look(byte3, low2, high2, low, high);
      byte3 = v128.xor(v128.swizzle(low3, low), v128.swizzle(high3, high));
    }
  }
  v128.store(planes, byte0);
  v128.store(planes, byte1, 16);
  v128.store(planes, byte2, 32);
  v128.store(planes, byte3, 48);
}

function look(previous: v128, lowTable: v128, highTable: v128, low: v128, high: v128): v128 {
  const first = v128.xor(previous, v128.swizzle(lowTable, low));
  return v128.xor(first, v128.swizzle(highTable, high));
}

/**
 * A fourth of a 16 by 16 transposition: interleaves the bytes of four vectors, `stride` apart, to
 * four neighbours at `target`. Done on all quarters twice, rows have become columns; done once on
 * four byte planes, it gives 16 little-endian words.
 */
function spread(source: usize, stride: usize, target: usize): void {
  const first = v128.load(source);
  const second = v128.load(source + stride);
  const third = v128.load(source + 2 * stride);
  const fourth = v128.load(source + 3 * stride);
  const even = lowBytes(first, third);
  const evenHigh = highBytes(first, third);
  const odd = lowBytes(second, fourth);
  const oddHigh = highBytes(second, fourth);
  v128.store(target, lowBytes(even, odd));
  v128.store(target, highBytes(even, odd), 16);
  v128.store(target, lowBytes(evenHigh, oddHigh), 32);
  v128.store(target, highBytes(evenHigh, oddHigh), 48);
}

function lowBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

function highBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** Joins the 16 checksums of the streams to that of the block. */
function join(shifts: usize): u32 {
  let crc = load<u32>(sums);
  for (let at: usize = 4; at < 64; at += 4) {
    const low = load<u32>(shifts + ((crc & 0xff) << 2));
    const next = load<u32>(shifts + (((crc >>> 8) & 0xff) << 2), 1024);
    const third = load<u32>(shifts + (((crc >>> 16) & 0xff) << 2), 2048);
    crc =
      low ^ next ^ (third ^ load<u32>(shifts + ((crc >>> 24) << 2), 3072)) ^ load<u32>(sums + at);
  }
  return crc;
}
