/** Look-up tables of one CRC polynomial: 16 for slicing. */
export const CRC_TABLES_SIZE: u32 = 16384;
/** The tables of both polynomials stand before the arena: what is small keeps short addresses. */
export const CRC_TABLES: usize = (__heap_base + 15) & ~15;
export const CRC_TABLES_END: usize = CRC_TABLES + 2 * CRC_TABLES_SIZE;

/** Fills the CRC_TABLES_SIZE bytes at `tables` for the reflected `polynomial`. */
export function crcTables(tables: usize, polynomial: u32): void {
  for (let index: u32 = 0; index < 256; index++) {
    let crc = index;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    store<u32>(tables + (index << 2), crc);
  }
  for (let at: usize = 1024; at < <usize>CRC_TABLES_SIZE; at += 4) {
    const crc = load<u32>(tables + at - 1024);
    store<u32>(tables + at, load<u32>(tables + ((crc & 0xff) << 2)) ^ (crc >>> 8));
  }
}
