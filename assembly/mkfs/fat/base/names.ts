/**
 * Names: UTF-8 to UTF-16 and back, comparison without case, 8.3 names and what is made of them.
 *
 * Interface: results are left in module tables until the next call: `wide` (UTF-16 units of a
 * name), `alias` (11 bytes of an 8.3 name).
 */

import { isUtf8 } from "../../../engine/bytes";
import { failPlain } from "../../../engine/fault";
import { allocate } from "../../../engine/memory";
import { ErrorCode } from "../../../format/errors";
import {
  CASE_BASE,
  CASE_EXTENSION,
  ENTRY_CASE_FLAGS,
  ENTRY_KANJI,
  NAME_SIZE,
  NAME_UNITS_MAX,
} from "../../../format/fat32";

/** Room for NAME_UNITS_MAX units and for what a directory's 20 pieces could hold. */
export const wide: usize = allocate(544);
export const alias: usize = memory.data(16, 16);
const SPACE: u32 = 0x20;
const DOT: u32 = 0x2e;
const UNDERSCORE: u32 = 0x5f;
const REPLACEMENT: u32 = 0xfffd;

/** Code page 437, bytes 0x80 to 0xff. */
const codePage: usize = memory.data<u16>([
  0xc7, 0xfc, 0xe9, 0xe2, 0xe4, 0xe0, 0xe5, 0xe7, 0xea, 0xeb, 0xe8, 0xef, 0xee, 0xec, 0xc4, 0xc5,
  0xc9, 0xe6, 0xc6, 0xf4, 0xf6, 0xf2, 0xfb, 0xf9, 0xff, 0xd6, 0xdc, 0xa2, 0xa3, 0xa5, 0x20a7, 0x192,
  0xe1, 0xed, 0xf3, 0xfa, 0xf1, 0xd1, 0xaa, 0xba, 0xbf, 0x2310, 0xac, 0xbd, 0xbc, 0xa1, 0xab, 0xbb,
  0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557,
  0x255d, 0x255c, 0x255b, 0x2510, 0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f,
  0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559,
  0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580,
  0x3b1, 0xdf, 0x393, 0x3c0, 0x3a3, 0x3c3, 0xb5, 0x3c4, 0x3a6, 0x398, 0x3a9, 0x3b4, 0x221e, 0x3c6,
  0x3b5, 0x2229, 0x2261, 0xb1, 0x2265, 0x2264, 0x2320, 0x2321, 0xf7, 0x2248, 0xb0, 0x2219, 0xb7,
  0x221a, 0x207f, 0xb2, 0x25a0, 0xa0,
]);

/** Sets of ASCII characters, a bit for each: what 8.3 names have, what no name has. */
const aliasCharacters: usize = memory.data<u32>([0x0, 0x3ff23fa, 0xc7ffffff, 0x68000001]);
const forbidden: usize = memory.data<u32>([0xffffffff, 0xd4008404, 0x10000000, 0x90000000]);

/**
 * Reads one name of a path into `wide`. Answers its units, or EILSEQ (not UTF-8), EINVAL (a
 * character or ending that FAT has no name for), ENAMETOOLONG.
 */
export function wideFromUtf8(address: usize, length: u32): i32 {
  let units: u32 = 0;
  let at: u32 = 0;
  if (!isUtf8(address, length)) return failPlain(ErrorCode.EILSEQ);
  while (at < length) {
    const first = load<u8>(address + at);
    const size: u32 = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    const point = decodePoint(address + at, size);
    at += size;
    if (isForbidden(point)) return failPlain(ErrorCode.EINVAL);
    if (units + (point > 0xffff ? 2 : 1) > NAME_UNITS_MAX) {
      return failPlain(ErrorCode.ENAMETOOLONG);
    }
    units += putPoint(wide + (units << 1), point);
  }
  if (units === 0) return failPlain(ErrorCode.EINVAL);
  // Windows drops trailing dots and spaces: such a name could not be opened there.
  const last = <u32>load<u16>(wide + (units << 1) - 2);
  return last === DOT || last === SPACE ? failPlain(ErrorCode.EINVAL) : <i32>units;
}

/** Writes `units` of UTF-16 as UTF-8 to `out` (3 bytes a unit at most); answers the bytes. */
export function utf8FromWide(source: usize, units: u32, out: usize): u32 {
  let bytes: u32 = 0;
  for (let at: u32 = 0; at < units; at++) {
    let point = <u32>load<u16>(source + (at << 1));
    if (point >= 0xd800 && point < 0xe000) {
      const second: u32 = at + 1 < units ? load<u16>(source + (at << 1), 2) : 0;
      const paired = point < 0xdc00 && second >= 0xdc00 && second < 0xe000;
      point = paired ? 0x10000 + ((point - 0xd800) << 10) + (second - 0xdc00) : REPLACEMENT;
      if (paired) at += 1;
    }
    bytes += encodePoint(out + bytes, point);
  }
  return bytes;
}

/** True if a name cannot hold this character, long or short: controls and " * / : < > ? \\ |. */
export function isForbidden(point: u32): bool {
  return point < 0x80 && isIn(forbidden, point);
}

/** True if the set of ASCII characters at `set`, a bit for each, has this one. */
function isIn(set: usize, character: u32): bool {
  return ((load<u8>(set + (character >>> 3)) >>> <u8>(character & 7)) & 1) !== 0;
}

/** Upper case of one UTF-16 unit: the simple mappings of the scripts that have case. */
export function foldUnit(unit: u32): u32 {
  if (unit < 0x80) return unit >= 0x61 && unit <= 0x7a ? unit - 0x20 : unit;
  if (unit < 0x100) {
    if (unit === 0xff) return 0x178;
    return unit >= 0xe0 && unit !== 0xf7 ? unit - 0x20 : unit;
  }
  if (unit === 0x3c2) return unit;
  for (let row: usize = folds; ; row += 6) {
    if (unit > <u32>load<u16>(row, 2)) continue;
    if (unit < <u32>load<u16>(row)) return unit;
    const how = <u32>load<u16>(row, 4);
    if (how === FOLD_EVEN) return unit & ~1;
    return how === FOLD_ODD ? (unit - 1) | 1 : unit - how;
  }
}

/** Pairs of letters with the upper case at the even or at the odd unit; else: what to subtract. */
const FOLD_EVEN: u32 = 0;
const FOLD_ODD: u32 = 1;
/** Rows of first and last unit and how it folds, ascending; the last row ends every search. */
// biome-ignore format: one row a line
const folds: usize = memory.data<u16>([
  0x100, 0x12f, 0,
  0x132, 0x137, 0,
  0x139, 0x148, 1,
  0x14a, 0x177, 0,
  0x179, 0x17e, 1,
  0x3b1, 0x3cb, 0x20,
  0x430, 0x44f, 0x20,
  0x450, 0x45f, 0x50,
  0x460, 0x481, 0,
  0x48a, 0x4bf, 0,
  0x4d0, 0x52f, 0,
  0x561, 0x586, 0x30,
  0x1e00, 0x1e95, 0,
  0x1ea0, 0x1eff, 0,
  0xff41, 0xff5a, 0x20,
  0xffff, 0xffff, 1,
]);

/** True if two names are the same without regard to case. */
export function sameName(a: usize, aUnits: u32, b: usize, bUnits: u32): bool {
  if (aUnits !== bUnits) return false;
  for (let at: u32 = 0; at < aUnits; at++) {
    const left = load<u16>(a + (at << 1));
    const right = load<u16>(b + (at << 1));
    if (left !== right && foldUnit(left) !== foldUnit(right)) return false;
  }
  return true;
}

/** A hash that is equal for names that are the same without case (FNV-1a over folded units). */
export function hashName(name: usize, units: u32): u32 {
  let hash: u32 = 0x811c9dc5;
  for (let at: u32 = 0; at < units; at++) {
    hash = (hash ^ foldUnit(load<u16>(name + (at << 1)))) * 0x01000193;
  }
  return hash ^ (hash >>> 15);
}

/** Checksum of an 8.3 name, which every piece of its long name carries. */
export function aliasChecksum(name: usize): u32 {
  let sum: u32 = 0;
  for (let at: u32 = 0; at < NAME_SIZE; at++) {
    sum = (((sum & 1) << 7) + (sum >>> 1) + <u32>load<u8>(name + at)) & 0xff;
  }
  return sum;
}

/** Writes the 8.3 name of an entry as it is shown, UTF-16, to `out`; answers its units. */
export function wideFromEntry(entry: usize, out: usize): u32 {
  const flags = <u32>load<u8>(entry, ENTRY_CASE_FLAGS);
  let units = showPart(entry, 8, (flags & CASE_BASE) !== 0, out);
  if (load<u8>(entry, 8) === <u8>SPACE) return units;
  store<u16>(out + (units << 1), DOT);
  units += 1;
  return units + showPart(entry + 8, 3, (flags & CASE_EXTENSION) !== 0, out + (units << 1));
}

function showPart(source: usize, size: u32, lower: bool, out: usize): u32 {
  let units: u32 = 0;
  for (let at: u32 = 0; at < size; at++) {
    let byte = <u32>load<u8>(source + at);
    if (byte === ENTRY_KANJI && at === 0 && size === 8) byte = 0xe5;
    if (lower && byte >= 0x41 && byte <= 0x5a) byte += 0x20;
    const unit: u32 = byte < 0x80 ? byte : <u32>load<u16>(codePage + ((byte - 0x80) << 1));
    store<u16>(out + (at << 1), unit);
    if (byte !== SPACE) units = at + 1;
  }
  return units;
}

/** True if the 11 bytes at `name` are an 8.3 name that the specification allows. */
export function isAlias(name: usize): bool {
  if (load<u8>(name) === <u8>SPACE) return false;
  for (let at: u32 = 0; at < NAME_SIZE; at++) {
    const byte = <u32>load<u8>(name + at);
    if (byte === ENTRY_KANJI && at === 0) continue;
    if (byte !== SPACE && byte < 0x80 && !isAliasCharacter(byte)) return false;
  }
  return true;
}

/**
 * Makes the 8.3 name of `wide` in `alias`. Answers true if the name is that already, so that no
 * long name is needed. aliasIsExact() tells whether only case was lost, so that it may stay as it
 * is; otherwise aliasTail() gives it a number.
 */
export function aliasFromWide(units: u32): bool {
  memory.fill(alias, <u8>SPACE, NAME_SIZE);
  const dot = lastDot(units);
  exact = true;
  same = true;
  let start: u32 = 0;
  while (start < units && isSkipped(load<u16>(wide + (start << 1)))) start += 1;
  if (start > 0) exact = false;
  const base = aliasPart(start, dot, 8, alias);
  if (base === 0) {
    store<u8>(alias, UNDERSCORE);
    exact = false;
  }
  if (dot < units && aliasPart(dot + 1, units, 3, alias + 8) === 0) exact = false;
  return exact && same;
}

let exact: bool = false;
let same: bool = false;

/** After aliasFromWide(): nothing but case was lost. */
export function aliasIsExact(): bool {
  return exact;
}

/**
 * Gives the name in `alias` its number: ~1 to ~4 behind the name, then behind two characters and
 * four digits of a hash of the long name, as Windows does, so that many like names stay cheap.
 */
export function aliasTail(attempt: u32, hash: u32): void {
  let keep: u32 = 6;
  if (attempt >= 4) {
    const step = attempt - 4;
    const digits = (hash + step / 9) & 0xffff;
    keep = min<u32>(baseLength(), 2);
    for (let at: u32 = 0; at < 4; at++) {
      const digit = (digits >>> (12 - 4 * at)) & 15;
      store<u8>(alias + keep + at, digit < 10 ? 0x30 + digit : 0x37 + digit);
    }
    keep += 4;
    attempt = step % 9;
  } else {
    keep = min<u32>(baseLength(), 6);
  }
  store<u8>(alias + keep, 0x7e);
  store<u8>(alias + keep, 0x31 + attempt, 1);
  for (let at = keep + 2; at < 8; at++) store<u8>(alias + at, SPACE);
}

function baseLength(): u32 {
  let length: u32 = 8;
  while (length > 1 && load<u8>(alias + length - 1) === <u8>SPACE) length -= 1;
  return length;
}

function lastDot(units: u32): u32 {
  for (let at = units; at > 1; at--) {
    if (load<u16>(wide + ((at - 1) << 1)) === <u16>DOT) return at - 1;
  }
  return units;
}

function isSkipped(unit: u32): bool {
  return unit === DOT || unit === SPACE;
}

/** Units [from, to) of `wide` as up to `size` bytes of an 8.3 name; answers the bytes. */
function aliasPart(from: u32, to: u32, size: u32, out: usize): u32 {
  let bytes: u32 = 0;
  for (let at = from; at < to; at++) {
    const unit = <u32>load<u16>(wide + (at << 1));
    if (isSkipped(unit)) {
      exact = false;
      continue;
    }
    if (bytes === size) {
      exact = false;
      break;
    }
    const upper: u32 = unit >= 0x61 && unit <= 0x7a ? unit - 0x20 : unit;
    if (upper !== unit) same = false;
    const fits = upper < 0x80 && isAliasCharacter(upper);
    if (!fits) exact = false;
    store<u8>(out + bytes, fits ? upper : UNDERSCORE);
    bytes += 1;
    // A pair of surrogates is one character.
    if (unit >= 0xd800 && unit < 0xdc00) at += 1;
  }
  return bytes;
}

/** Letters in upper case, digits and $ % ' - _ @ ~ ` ! ( ) { } ^ # & are what an 8.3 name has. */
function isAliasCharacter(byte: u32): bool {
  return isIn(aliasCharacters, byte);
}

function decodePoint(address: usize, size: u32): u32 {
  const first = <u32>load<u8>(address);
  if (size === 1) return first;
  let point = first & (0x7f >>> size);
  for (let at: u32 = 1; at < size; at++) point = (point << 6) | (load<u8>(address + at) & 0x3f);
  return point;
}

function putPoint(out: usize, point: u32): u32 {
  if (point <= 0xffff) {
    store<u16>(out, point);
    return 1;
  }
  store<u16>(out, 0xd800 + ((point - 0x10000) >>> 10));
  store<u16>(out, 0xdc00 + ((point - 0x10000) & 0x3ff), 2);
  return 2;
}

function encodePoint(out: usize, point: u32): u32 {
  if (point < 0x80) {
    store<u8>(out, point);
    return 1;
  }
  const size: u32 = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  for (let at = size - 1; at > 0; at--) {
    store<u8>(out + at, 0x80 | (point & 0x3f));
    point >>>= 6;
  }
  store<u8>(out, ((0xf00 >>> size) & 0xff) | point);
  return size;
}
