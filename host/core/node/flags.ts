/** What callers of node:fs may pass: flags, modes, times, paths and data, in the core's terms. */
import {
  OPEN_APPEND,
  OPEN_CREATE,
  OPEN_EXCLUSIVE,
  OPEN_READ,
  OPEN_READ_WRITE,
  OPEN_TRUNCATE,
  OPEN_WRITE,
} from "../../../assembly/format/abi.ts";
import { failure } from "../../base/errors.ts";
import { type Encoding, encodeText } from "./text.ts";

/** A path: text, its bytes, or a file: URL. */
export type PathLike = string | Uint8Array | URL;
export type TimeLike = number | bigint | string | Date;
export type ModeLike = number | string;

const FLAGS: Readonly<Record<string, number>> = {
  r: OPEN_READ,
  "r+": OPEN_READ_WRITE,
  w: OPEN_WRITE | OPEN_CREATE | OPEN_TRUNCATE,
  wx: OPEN_WRITE | OPEN_CREATE | OPEN_TRUNCATE | OPEN_EXCLUSIVE,
  "w+": OPEN_READ_WRITE | OPEN_CREATE | OPEN_TRUNCATE,
  "wx+": OPEN_READ_WRITE | OPEN_CREATE | OPEN_TRUNCATE | OPEN_EXCLUSIVE,
  a: OPEN_WRITE | OPEN_CREATE | OPEN_APPEND,
  ax: OPEN_WRITE | OPEN_CREATE | OPEN_APPEND | OPEN_EXCLUSIVE,
  "a+": OPEN_READ_WRITE | OPEN_CREATE | OPEN_APPEND,
  "ax+": OPEN_READ_WRITE | OPEN_CREATE | OPEN_APPEND | OPEN_EXCLUSIVE,
};

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** "r+", "wx" and the like, or Linux's numbers. An "s" for synchronous and the order are free. */
export function openFlags(flags: string | number): number {
  if (typeof flags === "number") return flags;
  const known =
    FLAGS[flags] ??
    FLAGS[flags.replace(/^([ra])s|^s([ra])/, "$1$2")] ??
    FLAGS[flags.replace(/^x([wa])/, "$1x")];
  if (known === undefined) throw failure("EINVAL", "open", `'${flags}' is not a flag of open().`);
  return known;
}

/** 0o644, or "644" in octal. */
export function permissions(mode: ModeLike | undefined | null, otherwise: number): number {
  if (mode === undefined || mode === null) return otherwise;
  const value = typeof mode === "number" ? mode : Number.parseInt(mode, 8);
  if (Number.isInteger(value) && value >= 0 && value <= 0xffffffff) return value & 0o7777;
  throw failure("EINVAL", "mode", `'${mode}' is not a mode.`);
}

/** Seconds (number or text), a Date, or a bigint of nanoseconds; as nanoseconds since 1970. */
export function nanoseconds(time: TimeLike): bigint {
  if (typeof time === "bigint") return time;
  const ms = time instanceof Date ? time.getTime() : Number(time) * 1000;
  if (!Number.isFinite(ms)) throw failure("EINVAL", "utimes", `'${String(time)}' is not a time.`);
  const whole = Math.floor(ms);
  return BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1e6));
}

/** The path as text, for messages. */
export function pathText(path: PathLike): string {
  if (typeof path === "string") return path;
  return path instanceof URL ? decodeURIComponent(path.pathname) : decoder.decode(path);
}

/** Content as bytes: text is encoded, a view is taken as it lies. */
export function contentBytes(data: unknown, encoding?: Encoding | null): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (typeof data === "string") return encodeText(data, encoding);
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw failure("EINVAL", "write", "the data is neither text nor bytes.");
}

/** A position in a file as the core has it: below 0 where the descriptor stands. */
export function placeOf(position: number | bigint | null): number {
  if (position === null) return -1;
  const value = typeof position === "number" ? position : Number(position);
  if (Number.isSafeInteger(value) && value >= -1) return value;
  throw failure("EINVAL", "read", `${position} is not a position in a file.`);
}

/** ERANGE: the part is not one of the buffer. */
export function checkSpan(
  buffer: Uint8Array,
  offset: number,
  length: number,
  syscall: string,
): void {
  const fits = offset >= 0 && length >= 0 && offset + length <= buffer.length;
  if (fits && Number.isInteger(offset) && Number.isInteger(length)) return;
  throw failure("ERANGE", syscall, `offset ${offset} and length ${length} leave the buffer.`);
}

/** A part of a buffer: the buffer itself where that is all of it. */
export function spanOf(buffer: Uint8Array, offset: number, length: number): Uint8Array {
  return length === buffer.length ? buffer : buffer.subarray(offset, offset + length);
}
