/**
 * The hash by which an index of a directory is ordered: half MD4 over the bytes of the name, taken
 * as signed (HASH_HALF_MD4) or unsigned (HASH_HALF_MD4_UNSIGNED).
 * Source: Linux kernel documentation, filesystems/ext4, "Hash Tree Directories"; RFC 1320 for the
 * three functions, of which eight steps each are done.
 */
import { isZero } from "../../../engine/bytes";

const words: usize = memory.data(32, 16);
const state: usize = memory.data(16, 16);
const ROUND_2: u32 = 0x5a827999;
const ROUND_3: u32 = 0x6ed9eba1;
const PIECE: u32 = 32;

/** The second half of the last hash: what orders names whose hashes are equal. */
export let minorHash: u32 = 0;

/** Hash of a name; bit 0 is zero. `seed`: 16 bytes, all zero for the seed of MD4. */
export function halfMd4(name: usize, length: u32, seed: usize, isSigned: bool): u32 {
  if (isZero(seed, 16)) {
    store<u32>(state, 0x67452301);
    store<u32>(state, 0xefcdab89, 4);
    store<u32>(state, 0x98badcfe, 8);
    store<u32>(state, 0x10325476, 12);
  } else {
    memory.copy(state, seed, 16);
  }
  for (let at: u32 = 0; at < length; at += PIECE) {
    fill(name + at, length - at, isSigned);
    transform();
  }
  minorHash = load<u32>(state, 8);
  return load<u32>(state, 4) & ~1;
}

/** Up to 32 bytes to eight words, each as its first byte highest; what is missing is the length. */
function fill(name: usize, length: u32, isSigned: bool): void {
  // A name has at most 255 bytes.
  const pad = length * 0x01010101;
  let word = pad;
  let at: u32 = 0;
  const used = min<u32>(length, PIECE);
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
  for (; at < PIECE; at += 4) store<u32>(words + at, pad);
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

function word(index: u32): u32 {
  return load<u32>(words + ((<usize>index) << 2));
}

function choose(x: u32, y: u32, z: u32): u32 {
  return z ^ (x & (y ^ z));
}

function majority(x: u32, y: u32, z: u32): u32 {
  return (x & y) + ((x ^ y) & z);
}
