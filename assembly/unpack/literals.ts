/** The literals of a compressed block: as they are, one byte over and over, or Huffman codes. */
import { bitsLeft, bitsOpen, bitsTake } from "./bits";
import { fseBits, fseBytes, fseRead } from "./fse";
import { BLOCK_MAX, NO_TABLE, Zstd } from "./state";

const RAW: u32 = 0;
const REPEATED: u32 = 1;
const COMPRESSED: u32 = 2;
const HUFFMAN_BITS_MAX: u32 = 11;
const WEIGHT_BITS_MAX: u32 = 6;
const WEIGHTS_MAX: u32 = 255;
const weights: usize = memory.data(256, 8);
/** Of the weights themselves. */
const weightTable: usize = memory.data(256, 8);

/** Finds the literals at the start of a block; how many bytes they took there, -1: damaged. */
export function literalsRead(zstd: Zstd, at: usize, length: u32): i32 {
  if (length === 0) return -1;
  const first = <u32>load<u8>(at);
  const type = first & 3;
  const form = (first >>> 2) & 3;
  return type <= REPEATED
    ? plainRead(zstd, at, length, type, form)
    : codedRead(zstd, at, length, type, form);
}

function plainRead(zstd: Zstd, at: usize, length: u32, type: u32, form: u32): i32 {
  const head: u32 = (form & 1) === 0 ? 1 : form === 1 ? 2 : 3;
  if (length < head) return -1;
  const word = load<u32>(at) & (<u32>0xffffffff >>> (32 - (head << 3)));
  const size = head === 1 ? word >>> 3 : word >>> 4;
  const taken = head + (type === RAW ? size : 1);
  if (size > BLOCK_MAX || taken > length) return -1;
  zstd.literalsLength = size;
  zstd.literals = at + <usize>head;
  if (type === REPEATED) {
    zstd.literals = zstd.decoded;
    memory.fill(zstd.decoded, load<u8>(at + <usize>head), size);
  }
  return <i32>taken;
}

function codedRead(zstd: Zstd, at: usize, length: u32, type: u32, form: u32): i32 {
  const head: u32 = form < 2 ? 3 : form + 2;
  const sizeBits: u32 = form < 2 ? 10 : form === 2 ? 14 : 18;
  if (length < head) return -1;
  const mask = ((<u64>1) << (<u64>sizeBits)) - 1;
  const word = load<u64>(at) >>> 4;
  const size = <u32>(word & mask);
  let coded = <u32>((word >>> <u64>sizeBits) & mask);
  if (size > BLOCK_MAX || coded > length - head) return -1;
  const taken = <i32>(head + coded);
  let from = at + <usize>head;
  if (type === COMPRESSED) {
    const table = huffmanRead(zstd, from, coded);
    if (table < 0) return -1;
    from += <usize>table;
    coded -= <u32>table;
  }
  if (zstd.huffmanBits === NO_TABLE) return -1;
  zstd.literals = zstd.decoded;
  zstd.literalsLength = size;
  const isWhole =
    form === 0
      ? streamRead(zstd, from, coded, zstd.decoded, size)
      : streamsRead(zstd, from, coded, size);
  return isWhole ? taken : -1;
}

/** Four streams, of which the first three say how long they are. */
function streamsRead(zstd: Zstd, at: usize, length: u32, size: u32): bool {
  if (length < 6) return false;
  const quarter = (size + 3) >>> 2;
  let from = at + 6;
  let left = length - 6;
  let out = zstd.decoded;
  let due = size;
  for (let index: usize = 0; index < 3; index++) {
    const own = <u32>load<u16>(at + (index << 1));
    if (own > left || quarter > due) return false;
    if (!streamRead(zstd, from, own, out, quarter)) return false;
    from += <usize>own;
    left -= own;
    out += <usize>quarter;
    due -= quarter;
  }
  return streamRead(zstd, from, left, out, due);
}

function streamRead(zstd: Zstd, start: usize, length: u32, out: usize, count: u32): bool {
  if (!bitsOpen(start, length)) return false;
  const table = zstd.huffman;
  const width = zstd.huffmanBits;
  const mask = ((<u64>1) << (<u64>width)) - 1;
  let left = bitsLeft;
  const end = out + <usize>count;
  while (out < end) {
    let index: u64;
    if (left >= width) {
      const bit = left - width;
      index = (load<u64>(start + <usize>(bit >>> 3)) >>> <u64>(bit & 7)) & mask;
    } else {
      // The last codes are shorter than the widest: zeros stand for what is not there.
      const rest = load<u64>(start) & (((<u64>1) << (<u64>left)) - 1);
      index = rest << (<u64>(width - left));
    }
    const entry = <u32>load<u16>(table + ((<usize>index) << 1));
    store<u8>(out, <u8>entry);
    out += 1;
    left -= <i32>(entry >>> 8);
    if (left < 0) return false;
  }
  return left === 0;
}

/** Reads the weights of a code and makes its table; bytes they took, -1: damaged. */
function huffmanRead(zstd: Zstd, at: usize, length: u32): i32 {
  if (length === 0) return -1;
  const head = <u32>load<u8>(at);
  let count: u32 = 0;
  let taken: u32 = 1 + head;
  if (head >= 128) {
    count = head - 127;
    taken = 1 + ((count + 1) >>> 1);
    if (taken > length) return -1;
    for (let index: u32 = 0; index < count; index++) {
      const pair = <u32>load<u8>(at + 1 + <usize>(index >>> 1));
      store<u8>(weights + <usize>index, <u8>((index & 1) === 0 ? pair >>> 4 : pair & 15));
    }
  } else {
    if (taken > length) return -1;
    const decoded = weightsRead(at + 1, head);
    if (decoded < 0) return -1;
    count = <u32>decoded;
  }
  return huffmanBuild(zstd, count) ? <i32>taken : -1;
}

/** Weights that are coded themselves, by two states in turn; how many, -1: damaged. */
function weightsRead(at: usize, length: u32): i32 {
  if (!fseRead(at, length, 256, WEIGHT_BITS_MAX, weightTable)) return -1;
  if (!bitsOpen(at + <usize>fseBytes, length - fseBytes)) return -1;
  let state = bitsTake(fseBits);
  let other = bitsTake(fseBits);
  if (bitsLeft < 0) return -1;
  let count: u32 = 0;
  while (count < WEIGHTS_MAX) {
    const entry = load<u32>(weightTable + ((<usize>state) << 2));
    store<u8>(weights + <usize>count, <u8>entry);
    count += 1;
    const next = (entry >>> 16) + bitsTake((entry >>> 8) & 0xff);
    if (bitsLeft < 0) {
      // The other state has one more, for which no bits were left.
      if (count === WEIGHTS_MAX) return -1;
      store<u8>(weights + <usize>count, <u8>load<u32>(weightTable + ((<usize>other) << 2)));
      return <i32>(count + 1);
    }
    state = other;
    other = next;
  }
  return -1;
}

/** The weight of the last symbol is what is missing to a power of two. */
function huffmanBuild(zstd: Zstd, given: u32): bool {
  if (given > WEIGHTS_MAX) return false;
  let sum: u32 = 0;
  for (let index: u32 = 0; index < given; index++) {
    const weight = <u32>load<u8>(weights + <usize>index);
    if (weight > HUFFMAN_BITS_MAX) return false;
    if (weight > 0) sum += (<u32>1) << (weight - 1);
  }
  if (sum === 0) return false;
  const bits: u32 = 32 - <u32>clz<u32>(sum);
  const rest: u32 = ((<u32>1) << bits) - sum;
  if (bits > HUFFMAN_BITS_MAX || (rest & (rest - 1)) !== 0) return false;
  store<u8>(weights + <usize>given, <u8>(32 - <u32>clz<u32>(rest)));
  let at = zstd.huffman;
  for (let weight: u32 = 1; weight <= bits; weight++) {
    for (let symbol: u32 = 0; symbol <= given; symbol++) {
      if (<u32>load<u8>(weights + <usize>symbol) !== weight) continue;
      const entry = symbol | ((bits + 1 - weight) << 8);
      for (let left = (<u32>1) << (weight - 1); left > 0; left--) {
        store<u16>(at, <u16>entry);
        at += 2;
      }
    }
  }
  zstd.huffmanBits = <i32>bits;
  return true;
}
