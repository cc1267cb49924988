/**
 * CRC-32 (IEEE 802.3, as GPT has it) and CRC-32C (Castagnoli): slicing by 16.
 *
 * Interface: both chain, crc32(crc32(0, a), b) is the checksum of a followed by b; start with 0.
 */

import { CRC_TABLES, CRC_TABLES_SIZE, crcTables } from "./crc-tables";

const POLYNOMIAL_IEEE: u32 = 0xedb88320;
const POLYNOMIAL_CASTAGNOLI: u32 = 0x82f63b78;

const ieee: usize = CRC_TABLES;
const castagnoli: usize = CRC_TABLES + CRC_TABLES_SIZE;

export function crc32(crc: u32, address: usize, length: u32): u32 {
  if (load<u32>(ieee, 4) === 0) crcTables(ieee, POLYNOMIAL_IEEE);
  return ~run(ieee, ~crc, address, length);
}

export function crc32c(crc: u32, address: usize, length: u32): u32 {
  if (load<u32>(castagnoli, 4) === 0) crcTables(castagnoli, POLYNOMIAL_CASTAGNOLI);
  return ~run(castagnoli, ~crc, address, length);
}

function run(tables: usize, crc: u32, address: usize, length: u32): u32 {
  let at = address;
  const end = address + length;
  const sixteens = at + ((end - at) & ~15);
  while (at < sixteens) {
    const last = slice(tables, load<u32>(at, 12)) ^ slice(tables + 4096, load<u32>(at, 8));
    const first = slice(tables + 8192, load<u32>(at, 4));
    crc = last ^ (first ^ slice(tables + 12288, load<u32>(at) ^ crc));
    at += 16;
  }
  while (at < end) {
    crc = load<u32>(tables + (((crc ^ load<u8>(at)) & 0xff) << 2)) ^ (crc >>> 8);
    at += 1;
  }
  return crc;
}

/** Four look-ups, one per byte of `word`, joined as a balanced tree: a short chain for the CPU. */
function slice(tables: usize, word: u32): u32 {
  const low = load<u32>(tables + ((word << 2) & 0x3fc), 3072);
  const next = load<u32>(tables + ((word >>> 6) & 0x3fc), 2048);
  const third = load<u32>(tables + ((word >>> 14) & 0x3fc), 1024);
  const high = load<u32>(tables + ((word >>> 22) & 0x3fc));
  return low ^ next ^ (third ^ high);
}
