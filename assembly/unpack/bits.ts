/**
 * Bits that are read from the end of a stream to its start, as entropy coders leave them. The
 * highest bit that is set in the last byte marks the end. Words of 8 bytes are loaded, so up to 7
 * bytes behind a stream must be there; what they hold does not matter.
 */

let base: usize = 0;
/** Bits that are left; negative: more were taken than there were, and those read as zeros. */
export let bitsLeft: i32 = 0;

/** Begins with the `length` bytes at `start`; false: there is no mark. */
export function bitsOpen(start: usize, length: u32): bool {
  if (length === 0) return false;
  const last = <u32>load<u8>(start + <usize>(length - 1));
  if (last === 0) return false;
  base = start;
  bitsLeft = <i32>((length - 1) << 3) + (31 - <i32>clz<u32>(last));
  return true;
}

/** The next `count` bits, 57 at most. */
export function bitsTake(count: u32): u32 {
  bitsLeft -= <i32>count;
  if (bitsLeft < 0) return 0;
  const word = load<u64>(base + <usize>(bitsLeft >>> 3)) >>> <u64>(bitsLeft & 7);
  return <u32>(word & (((<u64>1) << (<u64>count)) - 1));
}
