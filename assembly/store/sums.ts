/**
 * The sum of a record that is read in pieces: the hash of its content, or, where it is one of
 * several segments, the checksum of its payload. One record at a time.
 */
import { equalBytes } from "../engine/bytes";
import { SHA256_STATE_SIZE, sha256Begin, sha256End, sha256Update } from "../engine/hash/sha256";
import { XXH64_STATE_SIZE, xxh64Begin, xxh64End, xxh64Update } from "../engine/hash/xxh64";
import { SECTOR_SHIFT } from "../format/abi";
import { HASH_SIZE, PACK_SIZE } from "../format/store";

const digest: usize = memory.data(32, 8);
const shaState: usize = memory.data(112, 8);
const xxhState: usize = memory.data(32, 8);
if (SHA256_STATE_SIZE > 112 || XXH64_STATE_SIZE > 32) ERROR("the states do not fit");

let whole: bool = false;
let payload: u32 = 0;
/** Payload bytes that were not seen yet. */
let left: u32 = 0;
let checksum: u64 = 0;

/** Starts a record of `length` payload bytes, one of `segments`. */
export function sumBegin(length: u32, segments: u32): void {
  whole = segments === 1;
  payload = length;
  left = length;
  sha256Begin(shaState);
  xxh64Begin(xxhState, 0);
}

/** Adds the next `sectors` of the record, the first of which start with its header. */
export function sumAdd(address: usize, sectors: u32): void {
  const skip: u32 = left === payload ? PACK_SIZE : 0;
  const bytes = min<u32>(left, (sectors << SECTOR_SHIFT) - skip);
  left -= bytes;
  if (whole) sha256Update(shaState, address + skip, bytes);
  else if (left > 0) xxh64Update(xxhState, address + skip, bytes);
  else checksum = xxh64End(xxhState, address + skip, bytes, payload, 0);
}

/** All was added: true if it has `hash`, or `expected` as its checksum. */
export function sumMatches(hash: usize, expected: u64): bool {
  if (!whole) return checksum === expected;
  sha256End(shaState, digest);
  return equalBytes(digest, hash, HASH_SIZE);
}
