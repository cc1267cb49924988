/**
 * DEFLATE in pieces: as much input as there is becomes as much output as there is room for. @see
 * RFC 1951
 *
 * Interface: input is laid down at `input + end`; deflateRun() decodes, and its output stands at
 * `output + begin` until the next call. Bits that were not used up go back to the input before a
 * call ends, so more input may follow at any place. After -1 `at` says how far it came: at `end` or
 * beyond, the stream was cut off.
 */
import { allocate, allocateZeroed, release } from "../engine/memory";
import { CODE_BYTES, codeBuild, codeFind, SYMBOLS_MAX } from "./codes";

export const INPUT_BYTES: u32 = 65536;
/** Words of 8 bytes are loaded and stored: what may be touched behind input and output. */
const SLACK_BYTES: u32 = 64;
const WINDOW_BYTES: u32 = 32768;
/** What one call makes at most. */
const PIECE_BYTES: u32 = 262144;
const OUTPUT_BYTES: u32 = WINDOW_BYTES + PIECE_BYTES;
/** Longest match. */
const MATCH_MAX: u32 = 258;
/** Longest head of a block, its codes included; and what a symbol with its bits may take. */
const HEAD_BYTES: u32 = 600;
const SYMBOL_BYTES: u32 = 16;

/** What comes next. */
const HEAD: u32 = 0;
const STORED: u32 = 1;
const CODED: u32 = 2;
export const ENDED: u32 = 3;

const END_OF_BLOCK: u32 = 256;
const LITERALS: u32 = 286;
const DISTANCES: u32 = 30;
const LENGTH_CODES: u32 = 19;

/** Base and extra bits of the lengths from symbol 257 on, and of the distances. */
const lengthBases: usize = memory.data<u16>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
  163, 195, 227, 258,
]);
const lengthExtras: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
]);
const distanceBases: usize = memory.data<u16>([
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049,
  3073, 4097, 6145, 8193, 12289, 16385, 24577,
]);
/** Order in which the lengths of the lengths' own code come. */
const lengthOrder: usize = memory.data<u8>([
  16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
]);
/** Lengths of a block's codes, one behind the other. */
const lengths: usize = memory.data(320);

@unmanaged
export class Deflate {
  input: usize;
  /** Bytes of the input that are used, and that there are. */
  at: u32;
  end: u32;
  output: usize;
  /** Where the output of the last call begins, and where it ends. */
  begin: u32;
  out: u32;
  /** Bytes since the start of the stream: what a distance may reach. */
  total: u64;
  bits: u64;
  bitCount: u32;
  next: u32;
  isLastBlock: bool;
  storedLeft: u32;
  literals: usize;
  distances: usize;
}

/** A stream that has nothing yet; null without memory. */
export function deflateOpen(): Deflate | null {
  const address = allocateZeroed(offsetof<Deflate>());
  if (address === 0) return null;
  const stream = changetype<Deflate>(address);
  stream.input = allocate(INPUT_BYTES + SLACK_BYTES);
  stream.output = allocate(OUTPUT_BYTES + SLACK_BYTES);
  stream.literals = allocate(CODE_BYTES);
  stream.distances = allocate(CODE_BYTES);
  const isWhole =
    stream.input !== 0 && stream.output !== 0 && stream.literals !== 0 && stream.distances !== 0;
  if (isWhole) return stream;
  deflateClose(stream);
  return null;
}

export function deflateClose(stream: Deflate): void {
  release(stream.input, INPUT_BYTES + SLACK_BYTES);
  release(stream.output, OUTPUT_BYTES + SLACK_BYTES);
  release(stream.literals, CODE_BYTES);
  release(stream.distances, CODE_BYTES);
  release(changetype<usize>(stream), offsetof<Deflate>());
}

/** Begins another stream in what is left of the input. */
export function deflateRestart(stream: Deflate): void {
  stream.total = 0;
  stream.next = HEAD;
  stream.isLastBlock = false;
}

/** Moves what is left of the input to its start. */
export function deflateCompact(stream: Deflate): void {
  const left = stream.end - stream.at;
  memory.copy(stream.input, stream.input + <usize>stream.at, left);
  stream.at = 0;
  stream.end = left;
}

/**
 * Decodes until the output is full, the stream has ended or the input is used up; `isLast`: no more
 * of that will come. Answers how many bytes it made, 0 with `next` not ENDED: it wants more input;
 * -1: damaged, or cut off.
 */
export function deflateRun(stream: Deflate, isLast: bool): i32 {
  if (stream.out > WINDOW_BYTES) {
    const old = stream.output + <usize>(stream.out - WINDOW_BYTES);
    memory.copy(stream.output, old, WINDOW_BYTES);
    stream.out = WINDOW_BYTES;
  }
  stream.begin = stream.out;
  while (stream.next !== ENDED) {
    const before = stream.out;
    let going = false;
    if (stream.next === HEAD) {
      if (stream.isLastBlock) stream.next = ENDED;
      else if (!isLast && stream.at + HEAD_BYTES > stream.end) break;
      else if (!headRead(stream)) return broken(stream);
      going = true;
    } else if (stream.next === STORED) {
      going = storedRun(stream);
    } else {
      const result = codedRun(stream, isLast);
      if (result < 0) return broken(stream);
      going = result > 0;
    }
    stream.total += <u64>(stream.out - before);
    if (!going) break;
  }
  if (stream.next === ENDED) bitsAlign(stream);
  else bitsReturn(stream);
  if (stream.at > stream.end) return -1;
  const made = stream.out - stream.begin;
  return made === 0 && isLast && stream.next !== ENDED ? -1 : <i32>made;
}

function broken(stream: Deflate): i32 {
  bitsReturn(stream);
  return -1;
}

/** At least 56 bits are there; those behind the end of the input are anything. */
function bitsFill(stream: Deflate): void {
  stream.bits |= load<u64>(stream.input + <usize>stream.at) << (<u64>stream.bitCount);
  stream.at += (63 - stream.bitCount) >>> 3;
  stream.bitCount |= 56;
}

function bitsTake(stream: Deflate, count: u32): u32 {
  const taken = <u32>(stream.bits & (((<u64>1) << (<u64>count)) - 1));
  stream.bits >>>= <u64>count;
  stream.bitCount -= count;
  return taken;
}

/** True if more bits were taken than there are. */
function isOverrun(stream: Deflate): bool {
  return (stream.at << 3) - stream.bitCount > stream.end << 3;
}

/** Gives whole bytes back to the input: less than one stays. */
function bitsReturn(stream: Deflate): void {
  stream.at -= stream.bitCount >>> 3;
  stream.bitCount &= 7;
  stream.bits &= ((<u64>1) << (<u64>stream.bitCount)) - 1;
}

/** Drops what is left of a byte. */
function bitsAlign(stream: Deflate): void {
  bitsReturn(stream);
  stream.bits = 0;
  stream.bitCount = 0;
}

/** Reads the head of a block. False: damaged, or cut off. */
function headRead(stream: Deflate): bool {
  bitsFill(stream);
  stream.isLastBlock = bitsTake(stream, 1) !== 0;
  const type = bitsTake(stream, 2);
  if (type === 0) {
    bitsAlign(stream);
    const at = stream.input + <usize>stream.at;
    stream.at += 4;
    if (stream.at > stream.end) return false;
    stream.storedLeft = <u32>load<u16>(at);
    stream.next = STORED;
    return (load<u16>(at) ^ load<u16>(at, 2)) === 0xffff;
  }
  stream.next = CODED;
  if (type === 1) return fixedCodes(stream);
  return type === 2 && ownCodes(stream) && !isOverrun(stream);
}

/** @see RFC 1951, section 3.2.6 */
function fixedCodes(stream: Deflate): bool {
  memory.fill(lengths, 8, 144);
  memory.fill(lengths + 144, 9, 112);
  memory.fill(lengths + 256, 7, 24);
  memory.fill(lengths + 280, 8, 8);
  const literals = codeBuild(stream.literals, lengths, SYMBOLS_MAX, false);
  memory.fill(lengths, 5, 32);
  return literals && codeBuild(stream.distances, lengths, 32, false);
}

/** @see RFC 1951, section 3.2.7 */
function ownCodes(stream: Deflate): bool {
  const literals = bitsTake(stream, 5) + 257;
  const distances = bitsTake(stream, 5) + 1;
  const count = bitsTake(stream, 4) + 4;
  if (literals > LITERALS || distances > DISTANCES) return false;
  memory.fill(lengths, 0, LENGTH_CODES);
  for (let index: u32 = 0; index < count; index++) {
    bitsFill(stream);
    const symbol = <usize>load<u8>(lengthOrder + <usize>index);
    store<u8>(lengths + symbol, <u8>bitsTake(stream, 3));
  }
  // The distances' room holds the code of the lengths until their own is known.
  if (!codeBuild(stream.distances, lengths, LENGTH_CODES, false)) return false;
  if (!lengthsRead(stream, literals + distances)) return false;
  if (load<u8>(lengths + <usize>END_OF_BLOCK) === 0) return false;
  return (
    codeBuild(stream.literals, lengths, literals, true) &&
    codeBuild(stream.distances, lengths + <usize>literals, distances, true)
  );
}

function lengthsRead(stream: Deflate, total: u32): bool {
  let index: u32 = 0;
  while (index < total) {
    bitsFill(stream);
    const found = codeFind(stream.distances, <u32>stream.bits);
    if (found === 0 || isOverrun(stream)) return false;
    bitsTake(stream, found & 15);
    const symbol = found >>> 4;
    if (symbol < 16) {
      store<u8>(lengths + <usize>index, <u8>symbol);
      index += 1;
      continue;
    }
    if (symbol === 16 && index === 0) return false;
    const value: u8 = symbol === 16 ? load<u8>(lengths + <usize>(index - 1)) : 0;
    const extra: u32 = symbol === 16 ? 2 : symbol === 17 ? 3 : 7;
    const times = bitsTake(stream, extra) + (symbol === 18 ? 11 : 3);
    if (times > total - index) return false;
    memory.fill(lengths + <usize>index, value, times);
    index += times;
  }
  return true;
}

/** Copies of a stored block what there is and what has room: true if something can go on. */
function storedRun(stream: Deflate): bool {
  const there = min<u32>(stream.storedLeft, stream.end - stream.at);
  const count = min<u32>(there, OUTPUT_BYTES - stream.out);
  memory.copy(stream.output + <usize>stream.out, stream.input + <usize>stream.at, count);
  stream.at += count;
  stream.out += count;
  stream.storedLeft -= count;
  if (stream.storedLeft === 0) stream.next = HEAD;
  return stream.storedLeft === 0;
}

/** Decodes symbols: 1 the block has ended, 0 there is no room or too little input, -1 damaged. */
function codedRun(stream: Deflate, isLast: bool): i32 {
  const literals = stream.literals;
  const distances = stream.distances;
  const before = stream.total - <u64>stream.out;
  const outMax = OUTPUT_BYTES - MATCH_MAX;
  while (stream.out <= outMax) {
    if (isLast) {
      if (stream.at > stream.end && isOverrun(stream)) return -1;
    } else if (stream.at + SYMBOL_BYTES > stream.end) {
      return 0;
    }
    bitsFill(stream);
    let found = codeFind(literals, <u32>stream.bits);
    if (found === 0) return -1;
    bitsTake(stream, found & 15);
    let symbol = found >>> 4;
    if (symbol < END_OF_BLOCK) {
      store<u8>(stream.output + <usize>stream.out, <u8>symbol);
      stream.out += 1;
      continue;
    }
    if (symbol === END_OF_BLOCK) {
      stream.next = HEAD;
      return 1;
    }
    symbol -= 257;
    if (symbol > 28) return -1;
    const lengthExtra = <u32>load<u8>(lengthExtras + <usize>symbol);
    const length =
      <u32>load<u16>(lengthBases + <usize>(symbol << 1)) + bitsTake(stream, lengthExtra);
    found = codeFind(distances, <u32>stream.bits);
    if (found === 0) return -1;
    bitsTake(stream, found & 15);
    symbol = found >>> 4;
    if (symbol >= DISTANCES) return -1;
    const extra: u32 = symbol < 4 ? 0 : (symbol >>> 1) - 1;
    const distance = <u32>load<u16>(distanceBases + <usize>(symbol << 1)) + bitsTake(stream, extra);
    if (<u64>distance > before + <u64>stream.out) return -1;
    matchCopy(stream.output + <usize>stream.out, distance, length);
    stream.out += length;
  }
  return 0;
}

/** Copies `length` bytes from `distance` before `to`, which may overlap; some more are spoilt. */
function matchCopy(to: usize, distance: u32, length: u32): void {
  const from = to - <usize>distance;
  if (distance >= 8) {
    for (let at: u32 = 0; at < length; at += 8) {
      store<u64>(to + <usize>at, load<u64>(from + <usize>at));
    }
  } else if (distance === 1) {
    memory.fill(to, load<u8>(from), length);
  } else {
    for (let at: u32 = 0; at < length; at++) {
      store<u8>(to + <usize>at, load<u8>(from + <usize>at));
    }
  }
}
