/**
 * Tables of finite state entropy: read from a stream, made of a known distribution, or of one
 * symbol. An entry of 4 bytes has a symbol (8 bits), how many bits follow (8), and what is added to
 * them for the next state (16). @see RFC 8878, section 4.1
 */

const SYMBOLS_MAX: u32 = 256;
/** i16 for each symbol: how many states it has, -1 for less than one; then the next of them. */
const counts: usize = memory.data(512, 8);
const nexts: usize = memory.data(512, 8);

/** fseRead: bytes that the table took, and the bits of a state. */
export let fseBytes: u32 = 0;
export let fseBits: u32 = 0;

/** Reads a distribution of at most `symbolsMax` symbols and makes its table; false: damaged. */
export function fseRead(at: usize, length: u32, symbolsMax: u32, bitsMax: u32, table: usize): bool {
  if (length === 0) return false;
  const bits: u32 = 5 + (<u32>load<u8>(at) & 15);
  if (bits > bitsMax) return false;
  const limit = length << 3;
  let position: u32 = 4;
  let left: i32 = 1 << bits;
  let symbols: u32 = 0;
  while (left > 0) {
    if (symbols >= symbolsMax || position > limit) return false;
    const width: u32 = 32 - <u32>clz<u32>(<u32>left + 1);
    let value = peek(at, position, width);
    const low: u32 = ((<u32>1) << (width - 1)) - 1;
    const threshold: u32 = ((<u32>1) << width) - 2 - <u32>left;
    if ((value & low) < threshold) {
      position += width - 1;
      value &= low;
    } else {
      position += width;
      if (value > low) value -= threshold;
    }
    const count = <i32>value - 1;
    left -= count < 0 ? 1 : count;
    store<i16>(counts + ((<usize>symbols) << 1), <i16>count);
    symbols += 1;
    let repeat: u32 = count === 0 ? 3 : 0;
    while (repeat === 3) {
      repeat = peek(at, position, 2);
      position += 2;
      if (symbols + repeat > symbolsMax || position > limit) return false;
      memory.fill(counts + ((<usize>symbols) << 1), 0, repeat << 1);
      symbols += repeat;
    }
  }
  if (left !== 0 || position > limit) return false;
  fseBytes = (position + 7) >>> 3;
  fseBits = bits;
  return build(symbols, bits, table);
}

/** The table of a distribution that is known: `symbols` counts of one byte each. */
export function fseKnown(distribution: usize, symbols: u32, bits: u32, table: usize): void {
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = <i16>load<i8>(distribution + <usize>symbol);
    store<i16>(counts + ((<usize>symbol) << 1), count);
  }
  assert(build(symbols, bits, table));
}

/** The table of one symbol, which takes no bits. */
export function fseSingle(symbol: u32, table: usize): void {
  store<u32>(table, symbol);
}

function build(symbols: u32, bits: u32, table: usize): bool {
  assert(symbols <= SYMBOLS_MAX);
  const size = (<u32>1) << bits;
  const mask = size - 1;
  const step = (size >>> 1) + (size >>> 3) + 3;
  let high = size;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = load<i16>(counts + ((<usize>symbol) << 1));
    store<u16>(nexts + ((<usize>symbol) << 1), count < 0 ? 1 : <u16>count);
    if (count >= 0) continue;
    if (high === 0) return false;
    high -= 1;
    store<u32>(table + ((<usize>high) << 2), symbol);
  }
  let position: u32 = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = <i32>load<i16>(counts + ((<usize>symbol) << 1));
    for (let index = 0; index < count; index++) {
      store<u32>(table + ((<usize>position) << 2), symbol);
      do {
        position = (position + step) & mask;
      } while (position >= high);
    }
  }
  if (position !== 0) return false;
  for (let state: u32 = 0; state < size; state++) {
    const at = table + ((<usize>state) << 2);
    const symbol = load<u32>(at);
    const nextAt = nexts + ((<usize>symbol) << 1);
    const next = <u32>load<u16>(nextAt);
    store<u16>(nextAt, <u16>(next + 1));
    const width: u32 = bits - (31 - <u32>clz<u32>(next));
    store<u32>(at, symbol | (width << 8) | (((next << width) - size) << 16));
  }
  return true;
}

/** `count` bits from bit `position` on, the lowest first. */
function peek(at: usize, position: u32, count: u32): u32 {
  const word = load<u64>(at + <usize>(position >>> 3)) >>> <u64>(position & 7);
  return <u32>(word & (((<u64>1) << (<u64>count)) - 1));
}
