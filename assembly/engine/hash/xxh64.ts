/**
 * XXH64, the checksum of metadata, file pages and payloads (specification: xxHash, XXH64
 * algorithm): at once, or in steps for what is never whole in memory. Every step but the last is a
 * multiple of 32 bytes, which is what callers that write whole sectors have anyway.
 */

// Two halves each: the linter reads TypeScript, where such a literal would lose bits.
const PRIME1: u64 = ((<u64>0x9e3779b1) << 32) | 0x85ebca87;
const PRIME2: u64 = ((<u64>0xc2b2ae3d) << 32) | 0x27d4eb4f;
const PRIME3: u64 = ((<u64>0x165667b1) << 32) | 0x9e3779f9;
const PRIME4: u64 = ((<u64>0x85ebca77) << 32) | 0xc2b2ae63;
const PRIME5: u64 = ((<u64>0x27d4eb2f) << 32) | 0x165667c5;

/** Bytes of a state: four lanes. */
export const XXH64_STATE_SIZE: u32 = 32;
const single: usize = memory.data(32, 8);

/** The XXH64 of `length` bytes at `address`. */
export function xxh64(address: usize, length: u32, seed: u64): u64 {
  xxh64Begin(single, seed);
  return xxh64End(single, address, length, <u64>length, seed);
}

export function xxh64Begin(state: usize, seed: u64): void {
  store<u64>(state, seed + PRIME1 + PRIME2);
  store<u64>(state, seed + PRIME2, 8);
  store<u64>(state, seed, 16);
  store<u64>(state, seed - PRIME1, 24);
}

/** Takes `length` bytes, a multiple of 32. */
export function xxh64Update(state: usize, address: usize, length: u32): void {
  assert((length & 31) === 0);
  let first = load<u64>(state);
  let second = load<u64>(state, 8);
  let third = load<u64>(state, 16);
  let fourth = load<u64>(state, 24);
  const end = address + length;
  for (let at = address; at < end; at += 32) {
    first = round(first, load<u64>(at));
    second = round(second, load<u64>(at, 8));
    third = round(third, load<u64>(at, 16));
    fourth = round(fourth, load<u64>(at, 24));
  }
  store<u64>(state, first);
  store<u64>(state, second, 8);
  store<u64>(state, third, 16);
  store<u64>(state, fourth, 24);
}

/**
 * The XXH64 of all `total` bytes, of which the last `length` stand at `address` and were not taken.
 */
export function xxh64End(state: usize, address: usize, length: u32, total: u64, seed: u64): u64 {
  const end = address + length;
  let hash = seed + PRIME5;
  if (total >= 32) {
    const stripes = length & ~31;
    xxh64Update(state, address, stripes);
    address += stripes;
    const first = load<u64>(state);
    const second = load<u64>(state, 8);
    const third = load<u64>(state, 16);
    const fourth = load<u64>(state, 24);
    hash = rotl<u64>(first, 1) + rotl<u64>(second, 7) + rotl<u64>(third, 12);
    hash = merge(merge(hash + rotl<u64>(fourth, 18), first), second);
    hash = merge(merge(hash, third), fourth);
  }
  hash += total;
  for (; address + 8 <= end; address += 8) {
    hash = rotl<u64>(hash ^ round(0, load<u64>(address)), 27) * PRIME1 + PRIME4;
  }
  if (address + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(address) * PRIME1), 23) * PRIME2 + PRIME3;
    address += 4;
  }
  for (; address < end; address++) {
    hash = rotl<u64>(hash ^ (<u64>load<u8>(address) * PRIME5), 11) * PRIME1;
  }
  hash = (hash ^ (hash >>> 33)) * PRIME2;
  hash = (hash ^ (hash >>> 29)) * PRIME3;
  return hash ^ (hash >>> 32);
}

function round(lane: u64, word: u64): u64 {
  return rotl<u64>(lane + word * PRIME2, 31) * PRIME1;
}

function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME1 + PRIME4;
}
