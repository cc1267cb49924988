/** XXH64, the checksum of metadata and file pages (specification: xxHash, XXH64 algorithm). */

// Two halves each: the linter reads TypeScript, where such a literal would lose bits.
export const PRIME1: u64 = ((<u64>0x9e3779b1) << 32) | 0x85ebca87;
export const PRIME2: u64 = ((<u64>0xc2b2ae3d) << 32) | 0x27d4eb4f;
const PRIME3: u64 = ((<u64>0x165667b1) << 32) | 0x9e3779f9;
const PRIME4: u64 = ((<u64>0x85ebca77) << 32) | 0xc2b2ae63;
export const PRIME5: u64 = ((<u64>0x27d4eb2f) << 32) | 0x165667c5;

/** The XXH64 of `length` bytes at `address`. */
export function xxh64(address: usize, length: u32, seed: u64): u64 {
  const end = address + length;
  let at = address;
  let hash = seed + PRIME5;
  if (length >= 32) {
    hash = stripes(at, end - 32, seed);
    at += length & ~31;
  }
  return xxh64Tail(hash + <u64>length, at, end);
}

/** The end of XXH64: the bytes from `at` to `end`, fewer than 32, and the last mixing. */
export function xxh64Tail(hash: u64, at: usize, end: usize): u64 {
  for (; at + 8 <= end; at += 8) {
    hash = rotl<u64>(hash ^ round(0, load<u64>(at)), 27) * PRIME1 + PRIME4;
  }
  if (at + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(at) * PRIME1), 23) * PRIME2 + PRIME3;
    at += 4;
  }
  for (; at < end; at++) hash = rotl<u64>(hash ^ (<u64>load<u8>(at) * PRIME5), 11) * PRIME1;
  hash = (hash ^ (hash >>> 33)) * PRIME2;
  hash = (hash ^ (hash >>> 29)) * PRIME3;
  return hash ^ (hash >>> 32);
}

/** Four lanes over stripes of 32 bytes from `at`; the last one starts at `last` or before it. */
function stripes(at: usize, last: usize, seed: u64): u64 {
  let first = seed + PRIME1 + PRIME2;
  let second = seed + PRIME2;
  let third = seed;
  let fourth = seed - PRIME1;
  for (; at <= last; at += 32) {
    first = round(first, load<u64>(at));
    second = round(second, load<u64>(at, 8));
    third = round(third, load<u64>(at, 16));
    fourth = round(fourth, load<u64>(at, 24));
  }
  const sum = rotl<u64>(first, 1) + rotl<u64>(second, 7) + rotl<u64>(third, 12);
  return merge(merge(merge(merge(sum + rotl<u64>(fourth, 18), first), second), third), fourth);
}

export function round(lane: u64, word: u64): u64 {
  return rotl<u64>(lane + word * PRIME2, 31) * PRIME1;
}

export function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME1 + PRIME4;
}
