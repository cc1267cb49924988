/**
 * Directory entries: reading them with their long names out of a directory's bytes, writing them,
 * and the time they carry.
 *
 * Interface: entryNext() leaves what it found in module variables until its next call.
 */

import { clock } from "../../../engine/host";
import { allocate } from "../../../engine/memory";
import { planted } from "../../../engine/planted";
import {
  ATTRIBUTE_LONG,
  ATTRIBUTE_MASK,
  ENTRY_ACCESSED_DATE,
  ENTRY_ATTRIBUTES,
  ENTRY_CLUSTER_HIGH,
  ENTRY_CLUSTER_LOW,
  ENTRY_CREATED_DATE,
  ENTRY_CREATED_TENTHS,
  ENTRY_CREATED_TIME,
  ENTRY_DELETED,
  ENTRY_END,
  ENTRY_SIZE,
  ENTRY_WRITTEN_DATE,
  ENTRY_WRITTEN_TIME,
  LONG_ATTRIBUTES,
  LONG_CHECKSUM,
  LONG_CLUSTER,
  LONG_FIRST,
  LONG_KIND,
  LONG_LAST,
  LONG_ORDER,
  LONG_SECOND,
  LONG_THIRD,
  LONG_UNITS,
  NAME_SIZE,
} from "../../../format/fat32";
import { alias, aliasChecksum, wide, wideFromEntry } from "./names";

const PIECES_MAX: u32 = 20;
const DAY_MS: i64 = 86400000;
/** Days from 1970 to 1980, where FAT's time begins, and to 2108, where it has ended. */
const DAYS_FIRST: i64 = 3652;
const DAYS_END: i64 = 50403;

/** The name of the entry found, UTF-16. */
export const entryName: usize = allocate(560);
const instant: usize = memory.data(8, 8);

/** Offset of the entry found, and of the first piece of its long name. */
export let entryAt: u32 = 0;
export let entryStart: u32 = 0;
export let entryUnits: u32 = 0;
/** Its name is a long one. */
export let entryLong: bool = false;
/** Pieces of long names were met that belong to nothing. */
export let entryOrphan: bool = false;

let pending: bool = false;
let expected: u32 = 0;
let checksum: u32 = 0;
let units: u32 = 0;

/**
 * Finds the first entry in use in [from, length) of the directory at `data`, labels and dots
 * included; false at the end, with entryAt where no entry ever was.
 */
export function entryNext(data: usize, from: u32, length: u32): bool {
  entryOrphan = false;
  pending = false;
  let at = from;
  for (; at < length; at += ENTRY_SIZE) {
    const entry = data + at;
    const first = <u32>load<u8>(entry);
    if (first === ENTRY_END) break;
    if (first === ENTRY_DELETED) {
      dropPieces();
      continue;
    }
    const attributes = <u32>load<u8>(entry, ENTRY_ATTRIBUTES);
    if ((attributes & ATTRIBUTE_MASK) === ATTRIBUTE_LONG) {
      takePiece(entry, at);
      continue;
    }
    entryAt = at;
    entryLong = pending && expected === 0 && checksum === aliasChecksum(entry);
    entryUnits = units;
    if (!entryLong) {
      dropPieces();
      entryStart = at;
      entryUnits = wideFromEntry(entry, entryName);
    }
    return true;
  }
  dropPieces();
  entryAt = at;
  return false;
}

function dropPieces(): void {
  if (pending) entryOrphan = true;
  pending = false;
}

function takePiece(piece: usize, at: u32): void {
  const order = <u32>load<u8>(piece, LONG_ORDER);
  const number = order & ~LONG_LAST;
  const sum = <u32>load<u8>(piece, LONG_CHECKSUM);
  const last = (order & LONG_LAST) !== 0;
  if (last) {
    dropPieces();
    expected = number;
    checksum = sum;
    entryStart = at;
    pending = true;
  }
  const whole = load<u8>(piece, LONG_KIND) === 0 && load<u16>(piece, LONG_CLUSTER) === 0;
  const fits = pending && number === expected && sum === checksum && whole;
  if (!fits || number === 0 || number > PIECES_MAX || !takeUnits(piece, number, last)) {
    entryOrphan = true;
    pending = false;
    return;
  }
  expected -= 1;
}

/** Copies the characters of a piece; false if they end where they must not, or do not end well. */
function takeUnits(piece: usize, number: u32, last: bool): bool {
  const start = (number - 1) * LONG_UNITS;
  let ended = false;
  for (let at: u32 = 0; at < LONG_UNITS; at++) {
    const unit = <u32>load<u16>(piece + unitOffset(at));
    if (ended) {
      if (unit !== 0xffff) return false;
    } else if (unit === 0) {
      if (!last || at === 0) return false;
      ended = true;
      units = start + at;
    } else {
      store<u16>(entryName + ((start + at) << 1), unit);
    }
  }
  if (last && !ended) units = start + LONG_UNITS;
  return true;
}

function unitOffset(index: u32): u32 {
  if (index < 5) return LONG_FIRST + (index << 1);
  if (index < 11) return LONG_SECOND + ((index - 5) << 1);
  return LONG_THIRD + ((index - 11) << 1);
}

/** Pieces that a long name of `nameUnits` takes. */
export function piecesFor(nameUnits: u32): u32 {
  return (nameUnits + LONG_UNITS - 1) / LONG_UNITS;
}

/**
 * Writes the pieces of the long name in `wide` from `target` on, and the 8.3 name in `alias` into
 * the entry behind them; its other fields are zero.
 */
export function entryWriteName(target: usize, nameUnits: u32, pieces: u32): void {
  const sum = aliasChecksum(alias) ^ (planted(54) ? 1 : 0);
  for (let number = pieces; number > 0; number--) {
    const piece = target + (pieces - number) * ENTRY_SIZE;
    memory.fill(piece, 0, ENTRY_SIZE);
    store<u8>(piece, number === pieces ? number | LONG_LAST : number, LONG_ORDER);
    store<u8>(piece, ATTRIBUTE_LONG, LONG_ATTRIBUTES);
    store<u8>(piece, sum, LONG_CHECKSUM);
    for (let at: u32 = 0; at < LONG_UNITS; at++) {
      const index = (number - 1) * LONG_UNITS + at;
      let unit: u32 = index === nameUnits ? 0 : 0xffff;
      if (index < nameUnits) unit = load<u16>(wide + (index << 1));
      store<u16>(piece + unitOffset(at), unit);
    }
  }
  const entry = target + pieces * ENTRY_SIZE;
  memory.fill(entry, 0, ENTRY_SIZE);
  memory.copy(entry, alias, NAME_SIZE);
}

export function entryCluster(entry: usize): u32 {
  const high = <u32>load<u16>(entry, ENTRY_CLUSTER_HIGH);
  return ((high & 0x0fff) << 16) | <u32>load<u16>(entry, ENTRY_CLUSTER_LOW);
}

export function entrySetCluster(entry: usize, cluster: u32): void {
  store<u16>(entry, cluster >>> 16, ENTRY_CLUSTER_HIGH);
  store<u16>(entry, cluster, ENTRY_CLUSTER_LOW);
}

/** Stamps an entry as written at `timestamp` (ms since 1970, NaN: now), new ones as created too. */
export function entryStamp(entry: usize, timestamp: f64, created: bool): void {
  const ms = momentOf(timestamp);
  const date = dosDate(ms / DAY_MS);
  const time = dosTime(<u32>(ms % DAY_MS));
  store<u16>(entry, time, ENTRY_WRITTEN_TIME);
  store<u16>(entry, date, ENTRY_WRITTEN_DATE);
  store<u16>(entry, date, ENTRY_ACCESSED_DATE);
  if (!created) return;
  store<u8>(entry, <u32>((ms % 2000) / 10), ENTRY_CREATED_TENTHS);
  store<u16>(entry, time, ENTRY_CREATED_TIME);
  store<u16>(entry, date, ENTRY_CREATED_DATE);
}

/** Milliseconds since 1970 of a date and time of an entry; 0 if they are none. */
export function momentFromEntry(date: u32, time: u32, tenths: u32): f64 {
  if (!isDate(date) || !isTime(time)) return 0;
  const days = daysOf(1980 + (date >>> 9), (date >>> 5) & 15, date & 31);
  const minutes = (time >>> 11) * 60 + ((time >>> 5) & 63);
  const ms = <i64>((minutes * 60 + (time & 31) * 2) * 1000 + tenths * 10);
  return <f64>(days * DAY_MS + ms);
}

export function isDate(date: u32): bool {
  const month = (date >>> 5) & 15;
  const day = date & 31;
  return month >= 1 && month <= 12 && day >= 1;
}

export function isTime(time: u32): bool {
  return time >>> 11 < 24 && ((time >>> 5) & 63) < 60 && (time & 31) < 30;
}

/** The moment in ms, inside what FAT can say: 1980 to 2107. */
function momentOf(timestamp: f64): i64 {
  let ms: i64 = 0;
  if (isNaN<f64>(timestamp)) {
    clock(instant);
    ms = load<i64>(instant) / 1000000;
  } else {
    ms = <i64>timestamp;
  }
  return max<i64>(DAYS_FIRST * DAY_MS, min<i64>(DAYS_END * DAY_MS - 1, ms));
}

function dosTime(ms: u32): u32 {
  const seconds = ms / 1000;
  const hours = seconds / 3600;
  const minutes = (seconds / 60) % 60;
  return (hours << 11) | (minutes << 5) | ((seconds % 60) >>> 1);
}

/** Year, month and day of a day since 1970, by eras of 400 years counted from March. */
function dosDate(days: i64): u32 {
  const shifted = <u32>(days + 719468);
  const era = shifted / 146097;
  const ofEra = shifted - era * 146097;
  const yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146096) / 365;
  const ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const shiftedMonth = (5 * ofYear + 2) / 153;
  const day = ofYear - (153 * shiftedMonth + 2) / 5 + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return ((year - 1980) << 9) | (month << 5) | day;
}

function daysOf(year: u32, month: u32, day: u32): i64 {
  const shifted = month <= 2 ? year - 1 : year;
  const era = shifted / 400;
  const yearOfEra = shifted - era * 400;
  const ofYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const ofEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + ofYear;
  return <i64>(era * 146097 + ofEra) - 719468;
}
