/**
 * XXH64 in steps, for payloads that are never whole in memory. Every step but the last is a
 * multiple of 32 bytes, which is what callers that write whole sectors have anyway.
 */
import { merge, PRIME1, PRIME2, PRIME5, round, xxh64Tail } from "./xxh64";

/** Bytes of a state: four lanes. */
export const XXH64_STATE_SIZE: u32 = 32;

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
  const stripes = length & ~31;
  xxh64Update(state, address, stripes);
  const tail = address + stripes;
  const end = address + length;
  if (total < 32) return xxh64Tail(seed + PRIME5 + total, tail, end);
  const first = load<u64>(state);
  const second = load<u64>(state, 8);
  const third = load<u64>(state, 16);
  const fourth = load<u64>(state, 24);
  const sum = rotl<u64>(first, 1) + rotl<u64>(second, 7) + rotl<u64>(third, 12);
  const hash = merge(
    merge(merge(merge(sum + rotl<u64>(fourth, 18), first), second), third),
    fourth,
  );
  return xxh64Tail(hash + total, tail, end);
}
