/** ABI: XXH64 of a stream, seed 0: the checksum of Zstandard frames, in which images come. */
import { xxh64Begin, xxh64End, xxh64Update } from "../../engine/hash/xxh64";

/** Begins a hash in the 32 bytes at `state`. */
export function xxh64StreamBegin(state: usize): void {
  xxh64Begin(state, 0);
}

/** Takes `length` bytes; what is behind the last multiple of 32 is left to the next call. */
export function xxh64StreamUpdate(state: usize, address: usize, length: u32): u32 {
  const taken = length & ~31;
  xxh64Update(state, address, taken);
  return taken;
}

/** The low 32 bits of the hash of `total` bytes, of which the last `length` were not taken. */
export function xxh64StreamEnd(state: usize, address: usize, length: u32, total: f64): u32 {
  return <u32>xxh64End(state, address, length, <u64>total, 0);
}
