/**
 * SHA-256 (FIPS 180-4): one message at once or in pieces. The message schedule runs in SIMD, four
 * words a step; the rounds run on scalars.
 *
 * Interface: sha256() asks the host from 160 bytes up, where its hardware wins over the call, and
 * stays with the own kernel for good once the host has none. The streamed form: sha256Begin,
 * sha256Update as often as needed, sha256End, over SHA256_STATE_SIZE bytes of the caller.
 */
import { sha256 as hostSha256 } from "./host";
import { plainRounds } from "./sha256-plain";
import { SHA256_ROUNDS, SHA256_START } from "./sha256-tables";

/** From this length up a call to the host costs less than the own kernel. */
const HOST_LENGTH_MIN: u32 = 160;

/** State of a streamed hash: 8 words, the length so far, the block being filled. */
export const SHA256_STATE_SIZE: u32 = 112;
const STATE_LENGTH: usize = 32;
const STATE_BLOCK: usize = 48;

const schedule: usize = memory.data(256, 16);
const single: usize = memory.data(112, 16);
let hostRefused: bool = false;

/** Writes the SHA-256 of `length` bytes at `address` to the 32 bytes at `out`. */
export function sha256(address: usize, length: u32, out: usize): void {
  if (length >= HOST_LENGTH_MIN && !hostRefused) {
    if (hostSha256(address, length, out) >= 0) return;
    hostRefused = true;
  }
  sha256Own(address, length, out);
}

/** Like sha256(), by the own kernel in any case. */
export function sha256Own(address: usize, length: u32, out: usize): void {
  sha256Begin(single);
  sha256Update(single, address, length);
  sha256End(single, out);
}

export function sha256Begin(state: usize): void {
  memory.copy(state, SHA256_START, 32);
  store<u64>(state, 0, STATE_LENGTH);
}

export function sha256Update(state: usize, address: usize, length: u32): void {
  if (length === 0) return;
  const before = load<u64>(state, STATE_LENGTH);
  store<u64>(state, before + <u64>length, STATE_LENGTH);
  const block = state + STATE_BLOCK;
  const filled = <u32>before & 63;
  if (filled !== 0) {
    const piece = min<u32>(64 - filled, length);
    memory.copy(block + filled, address, piece);
    if (filled + piece < 64) return;
    compress(state, block, 1);
    address += piece;
    length -= piece;
  }
  const whole = length & ~63;
  if (whole !== 0) compress(state, address, whole >>> 6);
  memory.copy(block, address + whole, length & 63);
}

/** Pads the message and writes its hash to the 32 bytes at `out`; the state is spent. */
export function sha256End(state: usize, out: usize): void {
  const length = load<u64>(state, STATE_LENGTH);
  const block = state + STATE_BLOCK;
  let filled = <u32>length & 63;
  store<u8>(block + filled, 0x80);
  filled += 1;
  if (filled > 56) {
    memory.fill(block + filled, 0, 64 - filled);
    compress(state, block, 1);
    filled = 0;
  }
  memory.fill(block + filled, 0, 56 - filled);
  store<u64>(block, bswap<u64>(length << 3), 56);
  compress(state, block, 1);
  for (let at: usize = 0; at < 32; at += 4) {
    store<u32>(out + at, bswap<u32>(load<u32>(state + at)));
  }
}

/** Takes `blocks` blocks of 64 bytes at `address` into the state. */
function compress(state: usize, address: usize, blocks: u32): void {
  for (; blocks > 0; blocks--) {
    if (ASC_FEATURE_SIMD) rounds(state, address);
    else plainRounds(state, address, schedule);
    address += 64;
  }
}

/** Stores four words with their round constants added; answers them without. */
function put(words: v128, at: usize): v128 {
  v128.store(schedule + at, i32x4.add(words, v128.load(SHA256_ROUNDS + at)));
  return words;
}

function swapped(words: v128): v128 {
  return v128.shuffle<u8>(words, words, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}

/** Words t to t + 3 of the schedule from the 16 before them, but for sigma 1. */
function head(first: v128, second: v128, third: v128, fourth: v128): v128 {
  const sum = addSmall0(first, v128.shuffle<i32>(first, second, 1, 2, 3, 4));
  return i32x4.add(sum, v128.shuffle<i32>(third, fourth, 1, 2, 3, 4));
}

/** Adds sigma 1. Words 2 and 3 need words 0 and 1: sigma 1 of the lanes of zero adds nothing. */
function tail(sum: v128, fourth: v128): v128 {
  const zero = i32x4.splat(0);
  const half = addSmall1(sum, v128.shuffle<i32>(fourth, zero, 2, 3, 4, 4));
  return addSmall1(half, v128.shuffle<i32>(zero, half, 0, 0, 4, 5));
}

function addSmall0(sum: v128, x: v128): v128 {
  const seven = v128.xor(i32x4.shr_u(x, 7), i32x4.shl(x, 25));
  const eighteen = v128.xor(i32x4.shr_u(x, 18), i32x4.shl(x, 14));
  return i32x4.add(sum, v128.xor(v128.xor(seven, eighteen), i32x4.shr_u(x, 3)));
}

function addSmall1(sum: v128, x: v128): v128 {
  const seventeen = v128.xor(i32x4.shr_u(x, 17), i32x4.shl(x, 15));
  const nineteen = v128.xor(i32x4.shr_u(x, 19), i32x4.shl(x, 13));
  return i32x4.add(sum, v128.xor(v128.xor(seventeen, nineteen), i32x4.shr_u(x, 10)));
}

/** One block: 64 rounds, eight unrolled, between them the schedule of the words 16 rounds on. */
function rounds(state: usize, address: usize): void {
  let first = put(swapped(v128.load(address)), 0);
  let second = put(swapped(v128.load(address, 16)), 16);
  let third = put(swapped(v128.load(address, 32)), 32);
  let fourth = put(swapped(v128.load(address, 48)), 48);
  let a = load<u32>(state);
  let b = load<u32>(state, 4);
  let c = load<u32>(state, 8);
  let d = load<u32>(state, 12);
  let e = load<u32>(state, 16);
  let f = load<u32>(state, 20);
  let g = load<u32>(state, 24);
  let h = load<u32>(state, 28);
  for (let at: usize = 0; at < 256; at += 32) {
    const words = schedule + at;
    if (at < 192) {
      const fifth = put(tail(head(first, second, third, fourth), fourth), at + 64);
      const sixth = put(tail(head(second, third, fourth, fifth), fifth), at + 80);
      first = third;
      second = fourth;
      third = fifth;
      fourth = sixth;
    }
    h = early(e, f, g, h, load<u32>(words));
    d += h;
    h = late(a, b, c, h);
    g = early(d, e, f, g, load<u32>(words, 4));
    c += g;
    g = late(h, a, b, g);
    f = early(c, d, e, f, load<u32>(words, 8));
    b += f;
    f = late(g, h, a, f);
    e = early(b, c, d, e, load<u32>(words, 12));
    a += e;
    e = late(f, g, h, e);
    d = early(a, b, c, d, load<u32>(words, 16));
    h += d;
    d = late(e, f, g, d);
    c = early(h, a, b, c, load<u32>(words, 20));
    g += c;
    c = late(d, e, f, c);
    b = early(g, h, a, b, load<u32>(words, 24));
    f += b;
    b = late(c, d, e, b);
    a = early(f, g, h, a, load<u32>(words, 28));
    e += a;
    a = late(b, c, d, a);
  }
  store<u32>(state, load<u32>(state) + a);
  store<u32>(state, load<u32>(state, 4) + b, 4);
  store<u32>(state, load<u32>(state, 8) + c, 8);
  store<u32>(state, load<u32>(state, 12) + d, 12);
  store<u32>(state, load<u32>(state, 16) + e, 16);
  store<u32>(state, load<u32>(state, 20) + f, 20);
  store<u32>(state, load<u32>(state, 24) + g, 24);
  store<u32>(state, load<u32>(state, 28) + h, 28);
}

/** Round, first half: h + word + choose(e, f, g) + Sigma 1(e), added in the fastest order. */
function early(e: u32, f: u32, g: u32, h: u32, word: u32): u32 {
  const sum = h + word + (g ^ (e & (f ^ g)));
  return sum + (rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25));
}

/** Round, second half: h + majority(a, b, c) + Sigma 0(a). a ^ b is the next round's b ^ c. */
function late(a: u32, b: u32, c: u32, h: u32): u32 {
  const sum = h + (b ^ ((b ^ c) & (a ^ b)));
  return sum + rotr<u32>(rotr<u32>(rotr<u32>(a, 9) ^ a, 11) ^ a, 2);
}
