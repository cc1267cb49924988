/** The bits of a bitmap page: bit i = page i of the chunk, LSB first, 1 = used. */
import { BITMAP_HOMES, HEADER_SIZE } from "../../format/page";
import { PAGE_SIZE } from "../../format/region";

/** Length of the run that the last bitsFindRun() found. */
export let runLength: u32 = 0;

export function bitGet(page: usize, index: u32): bool {
  return ((load<u8>(page + <usize>(index >>> 3), HEADER_SIZE) >>> (index & 7)) & 1) !== 0;
}

export function bitSet(page: usize, index: u32): void {
  const at = page + HEADER_SIZE + <usize>(index >>> 3);
  store<u8>(at, load<u8>(at) | <u8>(1 << (<u8>(index & 7))));
}

export function bitClear(page: usize, index: u32): void {
  const at = page + HEADER_SIZE + <usize>(index >>> 3);
  store<u8>(at, load<u8>(at) & ~(<u8>(1 << (<u8>(index & 7)))));
}

/** First zero bit in from..to, or `to`. */
export function bitsFindFree(page: usize, from: u32, to: u32): u32 {
  let index = from;
  while (index < to) {
    const word = ~load<u64>(page + HEADER_SIZE + <usize>((index >>> 6) << 3)) >>> (<u64>index & 63);
    if (word !== 0) return min<u32>(index + <u32>ctz<u64>(word), to);
    index = (index | 63) + 1;
  }
  return to;
}

/** First run of zero bits from `from` on, `wanted` at most; answers its start or `to`. */
export function bitsFindRun(page: usize, from: u32, to: u32, wanted: u32): u32 {
  const start = bitsFindFree(page, from, to);
  let end = start;
  while (end < to && end - start < wanted && !bitGet(page, end)) end++;
  runLength = end - start;
  return start;
}

/** Zero bits among the first `pages`. */
export function bitsCountFree(page: usize, pages: u32): u32 {
  let used: u32 = 0;
  for (let index: u32 = 0; index < pages; index += 64) {
    let word = load<u64>(page + HEADER_SIZE + <usize>((index >>> 6) << 3));
    if (pages - index < 64) word &= ((<u64>1) << (<u64>(pages - index))) - 1;
    used += <u32>popcnt<u64>(word);
  }
  return pages - used;
}

/** True if the homes are set and nothing past the first `pages` is. */
export function bitsValid(page: usize, pages: u32): bool {
  const homes = (1 << BITMAP_HOMES) - 1;
  if ((load<u8>(page, HEADER_SIZE) & <u8>homes) !== <u8>homes) return false;
  const tail = HEADER_SIZE + (pages >>> 3);
  for (let at = tail; at < PAGE_SIZE; at += 2) {
    if (load<u16>(page + <usize>at) !== 0) return false;
  }
  return true;
}
