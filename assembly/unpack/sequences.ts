/**
 * The sequences of a compressed block: so many literals, then so many bytes from so far back.
 * @see RFC 8878, sections 3.1.1.3.2 and 3.1.1.4
 */
import { bitsLeft, bitsOpen, bitsTake } from "./bits";
import { fseBits, fseBytes, fseKnown, fseRead, fseSingle } from "./fse";
import { BLOCK_MAX, LENGTHS_TABLE, MATCHES_TABLE, NO_TABLE, OFFSETS_TABLE, Zstd } from "./state";

const KNOWN: u32 = 0;
const SINGLE: u32 = 1;
const READ: u32 = 2;
const LENGTH_CODES: u32 = 36;
const MATCH_CODES: u32 = 53;
const OFFSET_CODES: u32 = 32;
const OFFSET_CODES_KNOWN: u32 = 29;
const LENGTH_BITS_MAX: u32 = 9;
const OFFSET_BITS_MAX: u32 = 8;

/** Distributions that need not be sent. */
const LENGTHS_KNOWN: usize = memory.data<i8>([
  4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1,
  -1, -1, -1, -1,
]);
const MATCHES_KNOWN: usize = memory.data<i8>([
  1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
]);
const OFFSETS_KNOWN: usize = memory.data<i8>([
  1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
]);
/** What a code stands for at least, and how many bits are added. */
const LENGTH_BASES: usize = memory.data<u32>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128,
  256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536,
]);
const LENGTH_EXTRA: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12,
  13, 14, 15, 16,
]);
const MATCH_BASES: usize = memory.data<u32>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
  29, 30, 31, 32, 33, 34, 35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051,
  4099, 8195, 16387, 32771, 65539,
]);
const MATCH_EXTRA: usize = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
  1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
]);

/** tableRead: bytes that a table took. */
let taken: u32 = 0;

/** Carries out the sequences and puts the rest of the literals behind them; false: damaged. */
export function sequencesRun(zstd: Zstd, at: usize, length: u32): bool {
  if (length === 0) return false;
  let count = <u32>load<u8>(at);
  let head: u32 = 1;
  if (count === 255) {
    head = 3;
    count = <u32>load<u16>(at, 1) + 0x7f00;
  } else if (count >= 128) {
    head = 2;
    count = ((count - 128) << 8) + <u32>load<u8>(at, 1);
  }
  if (count === 0) return length === head && literalsPut(zstd, zstd.literalsLength);
  if (length < head + 1) return false;
  const modes = <u32>load<u8>(at + <usize>head);
  if ((modes & 3) !== 0) return false;
  head += 1;
  const end = at + <usize>length;
  let from = at + <usize>head;
  const lengths = zstd.tables + <usize>LENGTHS_TABLE;
  zstd.lengthsBits = tableRead(modes >>> 6, from, end, lengths, 0, zstd.lengthsBits);
  if (zstd.lengthsBits === NO_TABLE) return false;
  from += <usize>taken;
  const offsets = zstd.tables + <usize>OFFSETS_TABLE;
  zstd.offsetsBits = tableRead((modes >>> 4) & 3, from, end, offsets, 1, zstd.offsetsBits);
  if (zstd.offsetsBits === NO_TABLE) return false;
  from += <usize>taken;
  const matches = zstd.tables + <usize>MATCHES_TABLE;
  zstd.matchesBits = tableRead((modes >>> 2) & 3, from, end, matches, 2, zstd.matchesBits);
  if (zstd.matchesBits === NO_TABLE) return false;
  from += <usize>taken;
  if (!bitsOpen(from, <u32>(end - from))) return false;
  return sequencesDecode(zstd, count) && literalsPut(zstd, zstd.literalsLength);
}

/** The table of literal lengths (0), offsets (1) or match lengths (2); its bits or NO_TABLE. */
function tableRead(mode: u32, at: usize, end: usize, table: usize, what: u32, before: i32): i32 {
  taken = 0;
  const symbols = what === 0 ? LENGTH_CODES : what === 1 ? OFFSET_CODES : MATCH_CODES;
  if (mode === KNOWN) {
    const known = what === 0 ? LENGTHS_KNOWN : what === 1 ? OFFSETS_KNOWN : MATCHES_KNOWN;
    const bits: u32 = what === 1 ? 5 : 6;
    fseKnown(known, what === 1 ? OFFSET_CODES_KNOWN : symbols, bits, table);
    return <i32>bits;
  }
  if (mode === SINGLE) {
    if (at >= end || <u32>load<u8>(at) >= symbols) return NO_TABLE;
    fseSingle(<u32>load<u8>(at), table);
    taken = 1;
    return 0;
  }
  if (mode === READ) {
    const bitsMax = what === 1 ? OFFSET_BITS_MAX : LENGTH_BITS_MAX;
    if (!fseRead(at, <u32>(end - at), symbols, bitsMax, table)) return NO_TABLE;
    taken = fseBytes;
    return <i32>fseBits;
  }
  return before;
}

function sequencesDecode(zstd: Zstd, count: u32): bool {
  const tables = zstd.tables;
  let lengthState = bitsTake(<u32>zstd.lengthsBits);
  let offsetState = bitsTake(<u32>zstd.offsetsBits);
  let matchState = bitsTake(<u32>zstd.matchesBits);
  for (let left = count; ; left--) {
    const lengthEntry = load<u32>(tables + ((<usize>lengthState) << 2), LENGTHS_TABLE);
    const offsetEntry = load<u32>(tables + ((<usize>offsetState) << 2), OFFSETS_TABLE);
    const matchEntry = load<u32>(tables + ((<usize>matchState) << 2), MATCHES_TABLE);
    const offsetCode = offsetEntry & 0xff;
    const offsetValue = ((<u32>1) << offsetCode) + bitsTake(offsetCode);
    const matchCode = <usize>(matchEntry & 0xff);
    const extra = <u32>load<u8>(MATCH_EXTRA + matchCode);
    const match = load<u32>(MATCH_BASES + (matchCode << 2)) + bitsTake(extra);
    const code = <usize>(lengthEntry & 0xff);
    const own = <u32>load<u8>(LENGTH_EXTRA + code);
    const literals = load<u32>(LENGTH_BASES + (code << 2)) + bitsTake(own);
    if (bitsLeft < 0) return false;
    if (!literalsPut(zstd, literals)) return false;
    if (!matchPut(zstd, offsetOf(zstd, offsetValue, literals), match)) return false;
    if (left === 1) break;
    lengthState = (lengthEntry >>> 16) + bitsTake((lengthEntry >>> 8) & 0xff);
    matchState = (matchEntry >>> 16) + bitsTake((matchEntry >>> 8) & 0xff);
    offsetState = (offsetEntry >>> 16) + bitsTake((offsetEntry >>> 8) & 0xff);
  }
  return bitsLeft === 0;
}

/** How far back: said, or one of the last three, which it then leads. 0 is damaged. */
function offsetOf(zstd: Zstd, value: u32, literals: u32): u32 {
  let offset = value - 3;
  if (value <= 3) {
    // Right behind a match the last offset itself would be no news: the next ones move up.
    const place = literals === 0 ? value + 1 : value;
    if (place === 1) return zstd.offset1;
    if (place === 2) offset = zstd.offset2;
    else offset = place === 3 ? zstd.offset3 : zstd.offset1 - 1;
    if (place === 2) {
      zstd.offset2 = zstd.offset1;
      zstd.offset1 = offset;
      return offset;
    }
  }
  zstd.offset3 = zstd.offset2;
  zstd.offset2 = zstd.offset1;
  zstd.offset1 = offset;
  return offset;
}

function literalsPut(zstd: Zstd, length: u32): bool {
  if (length > zstd.literalsLength || zstd.at - zstd.begin + length > BLOCK_MAX) return false;
  memory.copy(zstd.history + <usize>zstd.at, zstd.literals, length);
  zstd.at += length;
  zstd.literals += <usize>length;
  zstd.literalsLength -= length;
  return true;
}

function matchPut(zstd: Zstd, offset: u32, length: u32): bool {
  const inBlock = zstd.at - zstd.begin;
  if (inBlock + length > BLOCK_MAX) return false;
  if (offset === 0 || offset > zstd.windowBytes) return false;
  if (<u64>offset > zstd.total + <u64>inBlock) return false;
  let left = length;
  if (offset > zstd.at) {
    // It begins at the end of the lap before.
    const back = offset - zstd.at;
    const piece = min<u32>(left, back);
    const from = zstd.history + <usize>(zstd.lapEnd - back);
    memory.copy(zstd.history + <usize>zstd.at, from, piece);
    zstd.at += piece;
    left -= piece;
  }
  let to = zstd.history + <usize>zstd.at;
  let from = to - <usize>offset;
  zstd.at += left;
  if (offset >= left && left > 64) {
    memory.copy(to, from, left);
    return true;
  }
  // A match may overlap what it makes: 8 bytes at once only where they are 8 apart.
  while (left >= 8 && offset >= 8) {
    store<u64>(to, load<u64>(from));
    to += 8;
    from += 8;
    left -= 8;
  }
  for (; left > 0; left--) {
    store<u8>(to, load<u8>(from));
    to += 1;
    from += 1;
  }
  return true;
}
