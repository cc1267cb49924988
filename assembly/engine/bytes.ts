/** Bytes: big-endian and 48-bit access, comparison, zero checks. */

export function loadU48(address: usize): u64 {
  return <u64>load<u32>(address) | ((<u64>load<u16>(address, 4)) << 32);
}

export function storeU48(address: usize, value: u64): void {
  store<u32>(address, <u32>value);
  store<u16>(address, <u16>(value >>> 32), 4);
}

export function loadBigU32(address: usize): u32 {
  return bswap<u32>(load<u32>(address));
}

export function storeBigU32(address: usize, value: u32): void {
  store<u32>(address, bswap<u32>(value));
}

export function loadBigU64(address: usize): u64 {
  return bswap<u64>(load<u64>(address));
}

export function storeBigU64(address: usize, value: u64): void {
  store<u64>(address, bswap<u64>(value));
}

/** Order of two byte strings, as memcmp with the shorter one first: negative, 0 or positive. */
export function compareBytes(a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const common = min<u32>(aLength, bLength);
  let at: u32 = 0;
  for (; at + 8 <= common; at += 8) {
    const x = load<u64>(a + at);
    const y = load<u64>(b + at);
    if (x !== y) return bswap<u64>(x) < bswap<u64>(y) ? -1 : 1;
  }
  for (; at < common; at++) {
    const difference = <i32>load<u8>(a + at) - <i32>load<u8>(b + at);
    if (difference !== 0) return difference;
  }
  return <i32>aLength - <i32>bLength;
}

export function equalBytes(a: usize, b: usize, length: u32): bool {
  return compareBytes(a, length, b, length) === 0;
}

/** True if `length` bytes at `address` are all zero. */
export function isZero(address: usize, length: u32): bool {
  let at: u32 = 0;
  for (; at + 16 <= length; at += 16) {
    if (v128.any_true(v128.load(address + at))) return false;
  }
  for (; at < length; at++) {
    if (load<u8>(address + at) !== 0) return false;
  }
  return true;
}
