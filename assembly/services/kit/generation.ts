/**
 * Generation objects, as host/format/generation has them: what one names, and whether the store
 * has all of it.
 *
 * Behind the head of 48 bytes: u64 epoch, u32 count of parents (0 or 1) and 32 bytes each, u16
 * oldest format, 32 bytes hash of the overlay, u64 overlay epoch, u32 count of objects; each
 * object: u8 role, u32 length of its name, the name, 32 bytes hash, u64 length.
 */
import { FAILED, NOT_FOUND } from "../abi/codes";
import { sha256, store_get, store_has, store_size } from "./cap";

const HEAD: u32 = 48;
const HASH: u32 = 32;
const ROLE_ACCOUNT: u8 = 1;
const MAGIC_LOW: u32 = 0x4f50_4143;
const MAGIC_HIGH: u32 = 0x314e_4753;
const BYTES_MAX: i32 = 262_144;

const size: usize = memory.data(8);
const sum: usize = memory.data(32);
const room: usize = heap.alloc(BYTES_MAX);

/** Set by inspect(): where the hash of the account is, 0 if there is none; the overlay's epoch. */
export let account: usize = 0;
export let overlayEpoch: u64 = 0;
/** Where the object is that is not there or does not fit; 0 if all are well. */
export let missing: usize = 0;

/** Walks the object at `address`: 0, FAILED if it is none, NOT_FOUND if the store lacks a part. */
export function inspect(store: i32, address: usize, length: i32): i32 {
  account = 0;
  missing = 0;
  const end = <u32>length;
  if (end < HEAD + 16 || !isGeneration(address)) return FAILED;
  const parents = load<u32>(address, 56);
  if (parents > 1) return FAILED;
  let at: u32 = 60 + parents * HASH + 2;
  if (end < at + HASH + 12) return FAILED;
  overlayEpoch = load<u64>(address + at + HASH);
  const count = load<u32>(address + at + HASH + 8);
  at += HASH + 12;
  for (let index: u32 = 0; index < count; index++) {
    if (end - at < 5) return FAILED;
    const role = load<u8>(address + at);
    const nameLength = load<u32>(address + at + 1);
    if (end - at - 5 < nameLength || end - at - 5 - nameLength < HASH + 8) return FAILED;
    at += 5 + nameLength;
    const hash = address + at;
    if (role === ROLE_ACCOUNT) account = hash;
    if (missing === 0 && !isThere(store, hash, load<u64>(hash, HASH))) missing = hash;
    at += HASH + 8;
  }
  if (at !== end) return FAILED;
  return missing === 0 ? 0 : NOT_FOUND;
}

/** Reads the generation object `hash` from the store and inspects it; a status as inspect(). */
export function resolve(store: i32, hash: usize): i32 {
  const length = fetch(store, hash);
  return length < 0 ? length : inspect(store, room, length);
}

/** Reads the account that inspect() found: 0, or a status. */
export function checkAccount(store: i32): i32 {
  if (account === 0) return NOT_FOUND;
  memory.copy(sum, account, 32);
  const copy = heap.alloc(32);
  memory.copy(copy, sum, 32);
  account = copy;
  const length = fetch(store, copy);
  return length < 0 ? length : 0;
}

/** The object `hash`, whole and verified, to where `room` is: its length, or a status. */
function fetch(store: i32, hash: usize): i32 {
  const length = store_get(store, hash, 0, room, BYTES_MAX);
  if (length < 0) return length;
  sha256(room, length, sum);
  return memory.compare(sum, hash, 32) === 0 ? length : FAILED;
}

function isThere(store: i32, hash: usize, length: u64): bool {
  if (store_has(store, hash) !== 1) return false;
  return store_size(store, hash, size) === 0 && load<u64>(size) === length;
}

function isGeneration(address: usize): bool {
  return load<u32>(address) === MAGIC_LOW && load<u32>(address, 4) === MAGIC_HIGH;
}
