/** Bytes: big-endian and 48-bit access, comparison, zero checks. */
import { ErrorCode } from "../format/errors";

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
    if (ASC_FEATURE_SIMD) {
      if (v128.any_true(v128.load(address + at))) return false;
    } else if ((load<u64>(address + at) | load<u64>(address + at, 8)) !== 0) return false;
  }
  for (; at < length; at++) {
    if (load<u8>(address + at) !== 0) return false;
  }
  return true;
}

/** True if `length` bytes at `address` are well-formed UTF-8 (no surrogates, no long forms). */
export function isUtf8(address: usize, length: u32): bool {
  const end = address + length;
  while (address < end) {
    const lead = <u32>load<u8>(address);
    address += 1;
    if (lead < 0x80) continue;
    if (lead < 0xc2 || lead > 0xf4) return false;
    const more: u32 = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (address + more > end) return false;
    const first = <u32>load<u8>(address);
    // The second byte alone tells long forms, surrogates and numbers past U+10FFFF.
    const least: u32 = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const most: u32 = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (first < least || first > most) return false;
    for (let at: u32 = 1; at < more; at++) {
      if ((load<u8>(address + at) & 0xc0) !== 0x80) return false;
    }
    address += more;
  }
  return true;
}

/**
 * May this be the name of a file: OK, ENOENT (empty), ENAMETOOLONG (over 255 bytes), EINVAL ("/",
 * NUL, "." or ".."), EILSEQ (not UTF-8).
 */
export function nameCheck(name: usize, length: u32): ErrorCode {
  if (length === 0) return ErrorCode.ENOENT;
  if (length > 255) return ErrorCode.ENAMETOOLONG;
  for (let at: u32 = 0; at < length; at++) {
    const byte = load<u8>(name + at);
    if (byte === 0 || byte === 0x2f) return ErrorCode.EINVAL;
  }
  if (load<u8>(name) === 0x2e) {
    if (length === 1) return ErrorCode.EINVAL;
    if (length === 2 && load<u8>(name, 1) === 0x2e) return ErrorCode.EINVAL;
  }
  return isUtf8(name, length) ? ErrorCode.OK : ErrorCode.EILSEQ;
}

/** True for a whole number from 0 to 2^53 - 1: what the host may say as a 64-bit number. */
export function isCount(value: f64): bool {
  return value >= 0 && value <= 9007199254740991 && floor(value) === value;
}
