/**
 * The hashes by which an index of a directory is ordered: half MD4, TEA, and an old one, each over
 * the bytes of the name, taken as signed or as unsigned.
 * Source: Linux kernel documentation, filesystems/ext4, "Hash Tree Directories"; RFC 1320 for the
 * three functions, of which eight steps each are done; Wheeler and Needham, "TEA, a Tiny Encryption
 * Algorithm", of whose 32 rounds half are done.
 */
import { isZero } from "../../../engine/bytes";
import {
  HASH_HALF_MD4,
  HASH_HALF_MD4_UNSIGNED,
  HASH_LEGACY,
  HASH_LEGACY_UNSIGNED,
  HASH_TEA_UNSIGNED,
} from "../../../format/media/ext4-names";

const words: usize = memory.data(32, 16);
const state: usize = memory.data(16, 16);
const ROUND_2: u32 = 0x5a827999;
const ROUND_3: u32 = 0x6ed9eba1;
const TEA_DELTA: u32 = 0x9e3779b9;
const TEA_ROUNDS: u32 = 16;
const PIECE: u32 = 32;
const TEA_PIECE: u32 = 16;
/** The last hash means the end of a directory, so no name has it. */
const HASH_END: u32 = 0xfffffffe;

/** The second half of the last hash: what orders names whose hashes are equal. */
export let minorHash: u32 = 0;

/** Hash of a name by `version`, one of HASH_* up to HASH_TEA_UNSIGNED; bit 0 is zero. */
export function nameHash(version: u32, name: usize, length: u32, seed: usize): u32 {
  const isSigned = version < HASH_LEGACY_UNSIGNED;
  let hash: u32 = 0;
  if (version === HASH_LEGACY || version === HASH_LEGACY_UNSIGNED) {
    hash = legacy(name, length, isSigned);
  } else if (version === HASH_HALF_MD4 || version === HASH_HALF_MD4_UNSIGNED) {
    hash = halfMd4(name, length, seed, isSigned);
  } else {
    hash = tea(name, length, seed, isSigned);
  }
  return hash === HASH_END ? HASH_END - 2 : hash;
}

/** True if nameHash() knows `version`. */
export function isHash(version: u32): bool {
  return version <= HASH_TEA_UNSIGNED;
}

/** Hash of a name; bit 0 is zero. `seed`: 16 bytes, all zero for the seed of MD4. */
export function halfMd4(name: usize, length: u32, seed: usize, isSigned: bool): u32 {
  begin(seed);
  for (let at: u32 = 0; at < length; at += PIECE) {
    fill(name + at, length - at, PIECE, isSigned);
    transform();
  }
  minorHash = load<u32>(state, 8);
  return load<u32>(state, 4) & ~1;
}

function tea(name: usize, length: u32, seed: usize, isSigned: bool): u32 {
  begin(seed);
  for (let at: u32 = 0; at < length; at += TEA_PIECE) {
    fill(name + at, length - at, TEA_PIECE, isSigned);
    transformTea();
  }
  minorHash = load<u32>(state, 4);
  return load<u32>(state) & ~1;
}

function legacy(name: usize, length: u32, isSigned: bool): u32 {
  let last: u32 = 0x12a3fe2d;
  let before: u32 = 0x37abe8f9;
  for (let at: u32 = 0; at < length; at++) {
    const byte: u32 = isSigned ? <u32>(<i32>load<i8>(name + at)) : <u32>load<u8>(name + at);
    let hash = before + (last ^ (byte * 7152373));
    if ((hash & 0x80000000) !== 0) hash -= 0x7fffffff;
    before = last;
    last = hash;
  }
  minorHash = 0;
  return last << 1;
}

function begin(seed: usize): void {
  if (isZero(seed, 16)) {
    store<u32>(state, 0x67452301);
    store<u32>(state, 0xefcdab89, 4);
    store<u32>(state, 0x98badcfe, 8);
    store<u32>(state, 0x10325476, 12);
  } else {
    memory.copy(state, seed, 16);
  }
}

/** Up to `piece` bytes to words, each as its first byte highest; what is missing is the length. */
function fill(name: usize, length: u32, piece: u32, isSigned: bool): void {
  // A name has at most 255 bytes.
  const pad = length * 0x01010101;
  let word = pad;
  let at: u32 = 0;
  const used = min<u32>(length, piece);
  for (; at < used; at++) {
    const byte: u32 = isSigned ? <u32>(<i32>load<i8>(name + at)) : <u32>load<u8>(name + at);
    word = byte + (word << 8);
    if ((at & 3) !== 3) continue;
    store<u32>(words + (at & ~3), word);
    word = pad;
  }
  if ((at & 3) !== 0) {
    store<u32>(words + (at & ~3), word);
    at = (at + 3) & ~3;
  }
  for (; at < piece; at += 4) store<u32>(words + at, pad);
}

function transform(): void {
  let a = load<u32>(state);
  let b = load<u32>(state, 4);
  let c = load<u32>(state, 8);
  let d = load<u32>(state, 12);
  for (let half: u32 = 0; half < 8; half += 4) {
    a = rotl<u32>(a + choose(b, c, d) + word(half), 3);
    d = rotl<u32>(d + choose(a, b, c) + word(half + 1), 7);
    c = rotl<u32>(c + choose(d, a, b) + word(half + 2), 11);
    b = rotl<u32>(b + choose(c, d, a) + word(half + 3), 19);
  }
  for (let half: u32 = 0; half < 2; half++) {
    const odd = 1 - half;
    a = rotl<u32>(a + majority(b, c, d) + word(odd) + ROUND_2, 3);
    d = rotl<u32>(d + majority(a, b, c) + word(odd + 2) + ROUND_2, 5);
    c = rotl<u32>(c + majority(d, a, b) + word(odd + 4) + ROUND_2, 9);
    b = rotl<u32>(b + majority(c, d, a) + word(odd + 6) + ROUND_2, 13);
  }
  for (let half: u32 = 0; half < 2; half++) {
    // Words 3, 7, 2, 6 and then 1, 5, 0, 4.
    const odd = 3 - 2 * half;
    a = rotl<u32>(a + (b ^ c ^ d) + word(odd) + ROUND_3, 3);
    d = rotl<u32>(d + (a ^ b ^ c) + word(odd + 4) + ROUND_3, 9);
    c = rotl<u32>(c + (d ^ a ^ b) + word(odd - 1) + ROUND_3, 11);
    b = rotl<u32>(b + (c ^ d ^ a) + word(odd + 3) + ROUND_3, 15);
  }
  store<u32>(state, load<u32>(state) + a);
  store<u32>(state, load<u32>(state, 4) + b, 4);
  store<u32>(state, load<u32>(state, 8) + c, 8);
  store<u32>(state, load<u32>(state, 12) + d, 12);
}

function transformTea(): void {
  let one = load<u32>(state);
  let other = load<u32>(state, 4);
  let step: u32 = 0;
  for (let round: u32 = 0; round < TEA_ROUNDS; round++) {
    step += TEA_DELTA;
    one += ((other << 4) + word(0)) ^ (other + step) ^ ((other >>> 5) + word(1));
    other += ((one << 4) + word(2)) ^ (one + step) ^ ((one >>> 5) + word(3));
  }
  store<u32>(state, load<u32>(state) + one);
  store<u32>(state, load<u32>(state, 4) + other, 4);
}

function word(index: u32): u32 {
  return load<u32>(words + ((<usize>index) << 2));
}

function choose(x: u32, y: u32, z: u32): u32 {
  return z ^ (x & (y ^ z));
}

function majority(x: u32, y: u32, z: u32): u32 {
  return (x & y) + ((x ^ y) & z);
}
