/** Times of ISO 9660, in its two forms, and milliseconds since 1970 UTC. */

const DAY_MS: i64 = 86_400_000;
const ZONE_MS: i64 = 900_000;
/** A date in front of every month of a year that begins in March. */
const EPOCH_DAYS: i64 = 719_468;

/** The 7 bytes of a record: NaN if they are no date. */
export function shortTime(address: usize): f64 {
  const year = 1900 + <i64>load<u8>(address);
  const day = daysOf(year, <i64>load<u8>(address, 1), <i64>load<u8>(address, 2));
  const hour = <i64>load<u8>(address, 3);
  const minute = <i64>load<u8>(address, 4);
  const second = <i64>load<u8>(address, 5);
  const zone = <i64>load<i8>(address, 6);
  if (load<u8>(address, 1) - 1 > 11 || load<u8>(address, 2) - 1 > 30) return NaN;
  const seconds = (hour * 60 + minute) * 60 + second;
  return <f64>(day * DAY_MS + seconds * 1000 - zone * ZONE_MS);
}

/** The 17 bytes of a descriptor: NaN if they are no date. */
export function longTime(address: usize): f64 {
  const year = digits(address, 4);
  const month = digits(address + 4, 2);
  const day = digits(address + 6, 2);
  const hour = digits(address + 8, 2);
  const minute = digits(address + 10, 2);
  const second = digits(address + 12, 2);
  const hundredth = digits(address + 14, 2);
  const wrong = (year | month | day | hour | minute | second | hundredth) < 0;
  if (wrong || month < 1 || month > 12 || day < 1 || day > 31) return NaN;
  const zone = <i64>load<i8>(address, 16);
  const seconds = (hour * 60 + minute) * 60 + second;
  const ms = daysOf(year, month, day) * DAY_MS + seconds * 1000 + hundredth * 10;
  return <f64>(ms - zone * ZONE_MS);
}

/** Writes the 7 bytes of a time from 1900 to 2155, UTC. */
export function storeShortTime(address: usize, ms: i64): void {
  const day = floorDiv(ms, DAY_MS);
  const second = (ms - day * DAY_MS) / 1000;
  const date = dateOf(day);
  store<u8>(address, <u8>(date / 10_000 - 1900));
  store<u8>(address, <u8>((date / 100) % 100), 1);
  store<u8>(address, <u8>(date % 100), 2);
  store<u8>(address, <u8>(second / 3600), 3);
  store<u8>(address, <u8>((second / 60) % 60), 4);
  store<u8>(address, <u8>(second % 60), 5);
  store<u8>(address, 0, 6);
}

/** Writes the 17 bytes of a time, UTC. */
export function storeLongTime(address: usize, ms: i64): void {
  const day = floorDiv(ms, DAY_MS);
  const rest = ms - day * DAY_MS;
  const second = rest / 1000;
  storeDigits(address, 8, dateOf(day));
  storeDigits(address + 8, 2, second / 3600);
  storeDigits(address + 10, 2, (second / 60) % 60);
  storeDigits(address + 12, 2, second % 60);
  storeDigits(address + 14, 2, (rest / 10) % 100);
  store<u8>(address, 0, 16);
}

/** Writes `count` digits. */
export function storeDigits(address: usize, count: i32, value: i64): void {
  for (let at = count - 1; at >= 0; at--) {
    store<u8>(address + at, <u8>(0x30 + (value % 10)));
    value /= 10;
  }
}

/** The number that `count` digits say, -1 if they are none. */
function digits(address: usize, count: i32): i64 {
  let value: i64 = 0;
  for (let at = 0; at < count; at++) {
    const digit = <i64>load<u8>(address + at) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function floorDiv(value: i64, by: i64): i64 {
  const whole = value / by;
  return whole * by > value ? whole - 1 : whole;
}

/** Days since 1970 of a date (by eras of 400 years that begin in March). */
function daysOf(year: i64, month: i64, day: i64): i64 {
  const shifted = month <= 2 ? year - 1 : year;
  const era = floorDiv(shifted, 400);
  const yearOfEra = shifted - era * 400;
  const monthFromMarch = (month + 9) % 12;
  const dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1;
  return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - EPOCH_DAYS;
}

/** The date of a day since 1970 as the number yyyymmdd. */
function dateOf(day: i64): i64 {
  const shifted = day + EPOCH_DAYS;
  const era = floorDiv(shifted, 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const month = (5 * dayOfYear + 2) / 153;
  const date = dayOfYear - (153 * month + 2) / 5 + 1;
  const calendar = month < 10 ? month + 3 : month - 9;
  const year = yearOfEra + era * 400 + (calendar <= 2 ? 1 : 0);
  return year * 10_000 + calendar * 100 + date;
}
