/**
 * Prefix codes of DEFLATE: a table of what the next FAST_BITS bits stand for, and for longer codes
 * how many there are of each length. @see RFC 1951, section 3.2.2
 */

/** Bits that the table is asked with. */
export const FAST_BITS: u32 = 10;
export const FAST_MASK: u32 = (1 << FAST_BITS) - 1;
/** Longest code. */
const LENGTH_MAX: u32 = 15;
/** Symbols of one code at most: literals and lengths. */
export const SYMBOLS_MAX: u32 = 288;
/** The table: u16 symbol << 4 | length, 0 where the code is longer or there is none. */
const FAST_BYTES: u32 = 2 << FAST_BITS;
/** Behind it u16 codes of each length, and u16 symbols in the order of their codes. */
const COUNTS: u32 = FAST_BYTES;
const SYMBOLS: u32 = COUNTS + 32;
export const CODE_BYTES: u32 = SYMBOLS + 2 * SYMBOLS_MAX;

/** First code and first place in SYMBOLS of each length. */
const firsts: usize = memory.data(32, 2);
const places: usize = memory.data(32, 2);

/**
 * Builds the code of `count` symbols from their lengths, a byte each, 0 for none. False: there are
 * more codes than fit, or fewer than there could be; a single one of one bit, and none at all, are
 * fine if `mayLack`.
 */
export function codeBuild(code: usize, lengths: usize, count: u32, mayLack: bool): bool {
  assert(count <= SYMBOLS_MAX);
  memory.fill(code, 0, SYMBOLS);
  for (let symbol: u32 = 0; symbol < count; symbol++) {
    const at = countAt(code, <u32>load<u8>(lengths + <usize>symbol));
    store<u16>(at, load<u16>(at) + 1);
  }
  store<u16>(code, 0, COUNTS);
  let left: i32 = 1;
  let longest: u32 = 0;
  let first: u32 = 0;
  let place: u32 = 0;
  for (let length: u32 = 1; length <= LENGTH_MAX; length++) {
    const codes = <u32>load<u16>(countAt(code, length));
    left = (left << 1) - <i32>codes;
    if (left < 0) return false;
    if (codes > 0) longest = length;
    first <<= 1;
    store<u16>(firsts + <usize>(length << 1), <u16>first);
    store<u16>(places + <usize>(length << 1), <u16>place);
    first += codes;
    place += codes;
  }
  if (left > 0 && !(mayLack && longest <= 1)) return false;
  for (let symbol: u32 = 0; symbol < count; symbol++) {
    const length = <u32>load<u8>(lengths + <usize>symbol);
    if (length > 0) codeAdd(code, symbol, length);
  }
  return true;
}

/** Gives `symbol` the next code of `length` bits. */
function codeAdd(code: usize, symbol: u32, length: u32): void {
  const placeAt = places + <usize>(length << 1);
  const place = <u32>load<u16>(placeAt);
  store<u16>(placeAt, <u16>(place + 1));
  store<u16>(code + <usize>(place << 1), <u16>symbol, SYMBOLS);
  const firstAt = firsts + <usize>(length << 1);
  const value = <u32>load<u16>(firstAt);
  store<u16>(firstAt, <u16>(value + 1));
  if (length > FAST_BITS) return;
  const entry = <u16>((symbol << 4) | length);
  for (let at = mirrored(value, length); at <= FAST_MASK; at += (<u32>1) << length) {
    store<u16>(code + <usize>(at << 1), entry);
  }
}

/** A code as it stands in the stream: its first bit is the lowest. */
function mirrored(value: u32, length: u32): u32 {
  let out: u32 = 0;
  for (let bit: u32 = 0; bit < length; bit++) out |= ((value >>> bit) & 1) << (length - 1 - bit);
  return out;
}

/** The symbol that `bits` begin with, as symbol << 4 | length, 0: none does. */
export function codeFind(code: usize, bits: u32): u32 {
  const entry = <u32>load<u16>(code + <usize>((bits & FAST_MASK) << 1));
  return entry !== 0 ? entry : findLong(code, bits);
}

function findLong(code: usize, bits: u32): u32 {
  let value: u32 = 0;
  let first: u32 = 0;
  let place: u32 = 0;
  for (let length: u32 = 1; length <= LENGTH_MAX; length++) {
    value |= bits & 1;
    bits >>>= 1;
    const codes = <u32>load<u16>(countAt(code, length));
    if (value < first + codes) {
      const symbol = <u32>load<u16>(code + <usize>((place + value - first) << 1), SYMBOLS);
      return (symbol << 4) | length;
    }
    place += codes;
    first = (first + codes) << 1;
    value <<= 1;
  }
  return 0;
}

function countAt(code: usize, length: u32): usize {
  return code + <usize>(COUNTS + (length << 1));
}
