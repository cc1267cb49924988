/** Names of records without Rock Ridge: plain identifiers and those of Joliet, as UTF-8. */
import { VOLUME_ID_SIZE } from "../../format/media/iso";

const SEMICOLON: u32 = 0x3b;
const DOT: u32 = 0x2e;
const REPLACEMENT: u32 = 0xfffd;

/** A plain identifier without its version and an empty extension; bytes above 127 are Latin-1. */
export function plainName(id: usize, length: u32, out: usize): u32 {
  let end = length;
  for (let at: u32 = 0; at < length; at++) {
    if (<u32>load<u8>(id + at) === SEMICOLON) {
      end = at;
      break;
    }
  }
  if (end > 1 && <u32>load<u8>(id + end - 1) === DOT) end -= 1;
  let written: u32 = 0;
  for (let at: u32 = 0; at < end; at++) {
    written += storeUtf8(out + written, <u32>load<u8>(id + at));
  }
  return written;
}

/** An identifier of Joliet, UTF-16 with the high byte first, without its version. */
export function jolietName(id: usize, length: u32, out: usize): u32 {
  const units = length >>> 1;
  let written: u32 = 0;
  for (let at: u32 = 0; at < units; at++) {
    let point = unitAt(id, at);
    if (point === SEMICOLON) break;
    if (point >>> 11 === 0x1b) {
      const low = at + 1 < units ? unitAt(id, at + 1) : 0;
      if (point < 0xdc00 && low >>> 10 === 0x37) {
        point = 0x10000 + ((point & 0x3ff) << 10) + (low & 0x3ff);
        at += 1;
      } else {
        point = REPLACEMENT;
      }
    }
    written += storeUtf8(out + written, point);
  }
  return written;
}

/** A label of VOLUME_ID_SIZE bytes without the spaces behind it, as UTF-8: its bytes. */
export function labelOf(id: usize, out: usize): u32 {
  let end = VOLUME_ID_SIZE;
  while (end > 0 && isBlank(load<u8>(id + end - 1))) end -= 1;
  let written: u32 = 0;
  for (let at: u32 = 0; at < end; at++) {
    written += storeUtf8(out + written, <u32>load<u8>(id + at));
  }
  return written;
}

/** True if two names are the same but for upper and lower case of ASCII letters. */
export function sameLetters(a: usize, aLength: u32, b: usize, bLength: u32): bool {
  if (aLength !== bLength) return false;
  for (let at: u32 = 0; at < aLength; at++) {
    if (upper(load<u8>(a + at)) !== upper(load<u8>(b + at))) return false;
  }
  return true;
}

function isBlank(byte: u8): bool {
  return byte === 0x20 || byte === 0;
}

function upper(byte: u8): u8 {
  return byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
}

function unitAt(id: usize, index: u32): u32 {
  return <u32>bswap<u16>(load<u16>(id + 2 * index));
}

/** Writes a code point and answers its bytes. */
function storeUtf8(out: usize, point: u32): u32 {
  if (point < 0x80) {
    store<u8>(out, <u8>point);
    return 1;
  }
  const more: u32 = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  const lead: u32 = more === 1 ? 0xc0 : more === 2 ? 0xe0 : 0xf0;
  store<u8>(out, <u8>(lead | (point >>> (6 * more))));
  for (let at: u32 = 1; at <= more; at++) {
    store<u8>(out + at, <u8>(0x80 | ((point >>> (6 * (more - at))) & 0x3f)));
  }
  return more + 1;
}
