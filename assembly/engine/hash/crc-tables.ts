/**
 * Look-up tables of one CRC polynomial: 16 for slicing, 4 that move a checksum past 256 bytes, and
 * 8 of nibbles for the SIMD kernel.
 */
const SLICES_SIZE: u32 = 16384;
export const CRC_SHIFTS: usize = 16384;
export const CRC_NIBBLES: usize = 20480;
const NIBBLES_SIZE: u32 = 128;
export const CRC_TABLES_SIZE: u32 = 20608;
/** The tables of both polynomials stand before the arena: what is small keeps short addresses. */
export const CRC_TABLES: usize = (__heap_base + 15) & ~15;
export const CRC_TABLES_END: usize = CRC_TABLES + 2 * CRC_TABLES_SIZE;
/** Bytes that the shift tables move past: the length of one stream of the SIMD kernel. */
const STREAM_SIZE: u32 = 256;

if (SLICES_SIZE + 4096 + NIBBLES_SIZE !== CRC_TABLES_SIZE) ERROR("tables do not tile");

/** Fills the CRC_TABLES_SIZE bytes at `tables` for the reflected `polynomial`; about 0.1 ms. */
export function crcTables(tables: usize, polynomial: u32): void {
  for (let index: u32 = 0; index < 256; index++) {
    let crc = index;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    store<u32>(tables + (index << 2), crc);
  }
  for (let at: usize = 1024; at < <usize>SLICES_SIZE; at += 4) {
    store<u32>(tables + at, zeroByte(tables, load<u32>(tables + at - 1024)));
  }
  for (let position: u32 = 0; position < 4; position++) {
    for (let value: u32 = 0; value < 256; value++) {
      let crc = value << (8 * position);
      for (let byte: u32 = 0; byte < STREAM_SIZE; byte++) crc = zeroByte(tables, crc);
      store<u32>(tables + CRC_SHIFTS + (position << 10) + (value << 2), crc);
    }
  }
  const nibbles = tables + CRC_NIBBLES;
  for (let position: u32 = 0; position < 4; position++) {
    for (let value: u32 = 0; value < 16; value++) {
      const at = nibbles + (position << 4) + value;
      store<u8>(at, load<u32>(tables + (value << 2)) >>> (8 * position));
      store<u8>(at, load<u32>(tables + (value << 6)) >>> (8 * position), 64);
    }
  }
}

/** The checksum after one more byte, zero. */
function zeroByte(tables: usize, crc: u32): u32 {
  return load<u32>(tables + ((crc & 0xff) << 2)) ^ (crc >>> 8);
}
