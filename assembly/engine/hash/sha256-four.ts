/** SHA-256 of four messages of one length at once: each lane of a vector is one message. */
import { sha256Own } from "./sha256";
import { SHA256_ROUNDS, SHA256_START } from "./sha256-tables";

/** 64 words of the schedule, four lanes each; 8 words of the state, likewise; the last blocks. */
const schedule: usize = memory.data(1024, 16);
const state: usize = memory.data(128, 16);
const ends: usize = memory.data(512, 16);

/** Writes the SHA-256 of `length` bytes at each of four addresses to the 128 bytes at `out`. */
export function sha256Four(
  a0: usize,
  a1: usize,
  a2: usize,
  a3: usize,
  length: u32,
  out: usize,
): void {
  if (!ASC_FEATURE_SIMD) {
    sha256Own(a0, length, out);
    sha256Own(a1, length, out + 32);
    sha256Own(a2, length, out + 64);
    sha256Own(a3, length, out + 96);
    return;
  }
  for (let word: usize = 0; word < 8; word++) {
    v128.store(state + (word << 4), v128.load_splat<u32>(SHA256_START + (word << 2)));
  }
  const whole = length & ~63;
  for (let at: u32 = 0; at < whole; at += 64) compress(a0 + at, a1 + at, a2 + at, a3 + at);
  const left = length & 63;
  const padded: u32 = left < 56 ? 64 : 128;
  pad(ends, a0 + whole, left, padded, length);
  pad(ends + 128, a1 + whole, left, padded, length);
  pad(ends + 256, a2 + whole, left, padded, length);
  pad(ends + 384, a3 + whole, left, padded, length);
  compress(ends, ends + 128, ends + 256, ends + 384);
  if (padded === 128) compress(ends + 64, ends + 192, ends + 320, ends + 448);
  for (let lane: usize = 0; lane < 4; lane++) {
    for (let word: usize = 0; word < 8; word++) {
      const value = load<u32>(state + (word << 4) + (lane << 2));
      store<u32>(out + (lane << 5) + (word << 2), bswap<u32>(value));
    }
  }
}

/** The last one or two blocks of a message: what is left of it, 0x80, zeros, its length in bits. */
function pad(target: usize, source: usize, left: u32, padded: u32, length: u32): void {
  memory.copy(target, source, left);
  store<u8>(target + left, 0x80);
  memory.fill(target + left + 1, 0, padded - 9 - left);
  store<u64>(target + padded - 8, bswap<u64>((<u64>length) << 3));
}

function compress(a0: usize, a1: usize, a2: usize, a3: usize): void {
  for (let at: usize = 0; at < 64; at += 16) {
    transpose(a0 + at, a1 + at, a2 + at, a3 + at, schedule + (at << 2));
  }
  rounds();
}

/** Four words of each of four messages to four vectors of one word of all, byte order swapped. */
function transpose(a0: usize, a1: usize, a2: usize, a3: usize, target: usize): void {
  const first = v128.load(a0);
  const second = v128.load(a1);
  const third = v128.load(a2);
  const fourth = v128.load(a3);
  const low = v128.shuffle<i32>(first, second, 0, 4, 1, 5);
  const lowNext = v128.shuffle<i32>(third, fourth, 0, 4, 1, 5);
  const high = v128.shuffle<i32>(first, second, 2, 6, 3, 7);
  const highNext = v128.shuffle<i32>(third, fourth, 2, 6, 3, 7);
  v128.store(target, swapped(v128.shuffle<i64>(low, lowNext, 0, 2)));
  v128.store(target, swapped(v128.shuffle<i64>(low, lowNext, 1, 3)), 16);
  v128.store(target, swapped(v128.shuffle<i64>(high, highNext, 0, 2)), 32);
  v128.store(target, swapped(v128.shuffle<i64>(high, highNext, 1, 3)), 48);
}

function swapped(words: v128): v128 {
  return v128.shuffle<u8>(words, words, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
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

function rounds(): void {
  let a = v128.load(state);
  let b = v128.load(state, 16);
  let c = v128.load(state, 32);
  let d = v128.load(state, 48);
  let e = v128.load(state, 64);
  let f = v128.load(state, 80);
  let g = v128.load(state, 96);
  let h = v128.load(state, 112);
  for (let round: usize = 0; round < 64; round += 8) {
    const words = schedule + (round << 4);
    const constants = SHA256_ROUNDS + (round << 2);
    if (round < 48) {
      expand(words);
      expand(words + 16);
      expand(words + 32);
      expand(words + 48);
      expand(words + 64);
      expand(words + 80);
      expand(words + 96);
      expand(words + 112);
    }
    h = early(e, f, g, h, word(words, constants));
    d = i32x4.add(d, h);
    h = late(a, b, c, h);
    g = early(d, e, f, g, word(words + 16, constants + 4));
    c = i32x4.add(c, g);
    g = late(h, a, b, g);
    f = early(c, d, e, f, word(words + 32, constants + 8));
    b = i32x4.add(b, f);
    f = late(g, h, a, f);
    e = early(b, c, d, e, word(words + 48, constants + 12));
    a = i32x4.add(a, e);
    e = late(f, g, h, e);
    d = early(a, b, c, d, word(words + 64, constants + 16));
    h = i32x4.add(h, d);
    d = late(e, f, g, d);
    c = early(h, a, b, c, word(words + 80, constants + 20));
    g = i32x4.add(g, c);
    c = late(d, e, f, c);
    b = early(g, h, a, b, word(words + 96, constants + 24));
    f = i32x4.add(f, b);
    b = late(c, d, e, b);
    a = early(f, g, h, a, word(words + 112, constants + 28));
    e = i32x4.add(e, a);
    a = late(b, c, d, a);
  }
  add(0, a);
  add(16, b);
  add(32, c);
  add(48, d);
  add(64, e);
  add(80, f);
  add(96, g);
  add(112, h);
}

/** Word t + 16 of the schedule, `words` being word t. */
function expand(words: usize): void {
  const sum = i32x4.add(v128.load(words), v128.load(words, 144));
  v128.store(words, addSmall1(addSmall0(sum, v128.load(words, 16)), v128.load(words, 224)), 256);
}

function add(at: usize, word: v128): void {
  v128.store(state + at, i32x4.add(v128.load(state + at), word));
}

function word(words: usize, constants: usize): v128 {
  return i32x4.add(v128.load(words), v128.load_splat<u32>(constants));
}

/** Round, first half: h + word + constant + choose(e, f, g) + Sigma 1(e). */
function early(e: v128, f: v128, g: v128, h: v128, word: v128): v128 {
  const chosen = v128.xor(g, v128.and(e, v128.xor(f, g)));
  const six = v128.xor(i32x4.shr_u(e, 6), i32x4.shl(e, 26));
  const eleven = v128.xor(i32x4.shr_u(e, 11), i32x4.shl(e, 21));
  const twentyFive = v128.xor(i32x4.shr_u(e, 25), i32x4.shl(e, 7));
  const sum = i32x4.add(i32x4.add(h, word), v128.xor(v128.xor(six, eleven), twentyFive));
  return i32x4.add(sum, chosen);
}

/** Round, second half: h + majority(a, b, c) + Sigma 0(a). */
function late(a: v128, b: v128, c: v128, h: v128): v128 {
  const majority = v128.xor(b, v128.and(v128.xor(b, c), v128.xor(a, b)));
  const two = v128.xor(i32x4.shr_u(a, 2), i32x4.shl(a, 30));
  const thirteen = v128.xor(i32x4.shr_u(a, 13), i32x4.shl(a, 19));
  const twentyTwo = v128.xor(i32x4.shr_u(a, 22), i32x4.shl(a, 10));
  const sum = i32x4.add(h, v128.xor(v128.xor(two, thirteen), twentyTwo));
  return i32x4.add(sum, majority);
}
