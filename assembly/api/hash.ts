/** ABI: hashes and checksums. */
import { xxh64 } from "../engine/hash/xxh64";

export { crc32, crc32c } from "../engine/hash/crc";
export {
  sha256,
  sha256Begin,
  sha256End,
  sha256Own,
  sha256Update,
} from "../engine/hash/sha256";
export { sha256Four } from "../engine/hash/sha256-four";

/** Writes the XXH64 of `length` bytes to the u64 at `out`, which holds the seed before. */
export function xxh64At(address: usize, length: u32, out: usize): void {
  store<u64>(out, xxh64(address, length, load<u64>(out)));
}
