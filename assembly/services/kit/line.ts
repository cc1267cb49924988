/**
 * Lines for the console, put together from texts, numbers and hashes. One is under way at a time;
 * what does not fit is left out.
 */
import { console_write, find, reason } from "./cap";

const ROOM: i32 = 1024;
const REASON_ROOM: i32 = 512;

const line: usize = memory.data(ROOM);
const said: usize = memory.data(REASON_ROOM);
let used: i32 = 0;
let saidLength: i32 = 0;
const CONSOLE: usize = memory.data<u8>([0x63, 0x6f, 0x6e, 0x73, 0x6f, 0x6c, 0x65]);

/** A text of ASCII. */
export function text(characters: string): void {
  for (let at = 0; at < characters.length; at++) put(<u8>characters.charCodeAt(at));
}

export function number(value: u64): void {
  if (value >= 10) number(value / 10);
  put(<u8>(48 + (value % 10)));
}

/** 32 bytes as hexadecimal digits. */
export function hash(address: usize): void {
  for (let at: usize = 0; at < 32; at++) {
    const byte = load<u8>(address + at);
    put(digit(byte >> 4));
    put(digit(byte & 15));
  }
}

/** Bytes of UTF-8. */
export function bytes(address: usize, length: i32): void {
  for (let at = 0; at < length; at++) put(load<u8>(address + at));
}

/** What the host said of the last refusal, as it is now. */
export function keepReason(): void {
  const length = reason(said, REASON_ROOM);
  saidLength = min(length, REASON_ROOM);
}

export function keptReason(): void {
  bytes(said, saidLength);
}

/** Writes the line and starts the next one. */
export function end(): void {
  store<u8>(line + used, 10);
  console_write(console(), line, used + 1);
  used = 0;
}

/** A whole line of ASCII. */
export function say(characters: string): void {
  text(characters);
  end();
}

function console(): i32 {
  return find(CONSOLE, 7);
}

function put(byte: u8): void {
  if (used < ROOM - 1) store<u8>(line + used++, byte);
}

function digit(value: u8): u8 {
  return value < 10 ? 48 + value : 87 + value;
}
