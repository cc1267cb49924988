/**
 * One header of a tar archive, and the records in front of it: ustar, pax (POSIX.1-2001) and the
 * two long-name records of GNU tar. Strict: what does not hold is EBADMSG with its place.
 *
 * @see POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"
 */
import { failure, type StorageError } from "../../../base/errors.ts";
import { joined, latin1 } from "../../../base/platform/bytes.ts";

export const BLOCK_BYTES = 512;
/** What a pax record or a long name may take; a header of more is no header of a file system. */
export const EXTENSION_BYTES_MAX = 1 << 20;
const SIZE_DIGITS = 12;
const SLASH = Uint8Array.of(0x2f);
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Where in a header the fields are: offset and length. */
const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 6],
  major: [329, 8],
  minor: [337, 8],
  prefix: [345, 155],
} as const;

/** A header as it stands there; names are bytes, because nobody says what they are written in. */
export interface TarHeader {
  readonly name: Uint8Array;
  readonly linkName: Uint8Array;
  /** One character: "0" file, "5" directory, "x" pax, ... */
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeS: number;
  readonly major: number;
  readonly minor: number;
}

/** Records of a pax header by key; an empty value takes back what was said before. */
export type PaxRecords = ReadonlyMap<string, Uint8Array>;

/** True if all of the block is zero: two of these end an archive. */
export function isEndBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/** True if `block` is a header with a right checksum: how a tar is told from anything else. */
export function isTarHeader(block: Uint8Array): boolean {
  if (block.length < BLOCK_BYTES) return false;
  const told = octal(field(block, "checksum"));
  return told !== undefined && sums(block).includes(told);
}

/** @throws {StorageError} EBADMSG: checksum or a number of the header at byte `at` is wrong */
export function parseHeader(block: Uint8Array, at: number, source: string): TarHeader {
  const wrong = (what: string) => damagedTar(source, at, what);
  if (!isTarHeader(block)) throw wrong("the checksum of a header is wrong");
  const number = (name: "mode" | "uid" | "gid" | "size" | "mtime" | "major" | "minor") => {
    const value = numeric(field(block, name));
    if (value === undefined) throw wrong(`the field ${name} of a header is no number`);
    return value;
  };
  const type = String.fromCharCode(field(block, "type")[0] || 0x30);
  const isUstar = latin1(field(block, "magic")).startsWith("ustar");
  const isPosix = isUstar && field(block, "magic")[5] === 0;
  const prefix = isPosix ? untilNul(field(block, "prefix")) : new Uint8Array(0);
  const name = untilNul(field(block, "name"));
  const size = number("size");
  if (!Number.isSafeInteger(size) || size < 0) throw wrong(`a size of ${size} bytes`);
  return {
    name: prefix.length === 0 ? name : joined([prefix, SLASH, name]),
    linkName: untilNul(field(block, "linkName")),
    type,
    mode: number("mode"),
    uid: number("uid"),
    gid: number("gid"),
    size,
    mtimeS: number("mtime"),
    major: isUstar && isDevice(type) ? number("major") : 0,
    minor: isUstar && isDevice(type) ? number("minor") : 0,
  };
}

/** The records of a pax header: "length key=value\n". @throws {StorageError} EBADMSG */
export function parsePax(data: Uint8Array, at: number, source: string): PaxRecords {
  const wrong = () => damagedTar(source, at, "a pax header is malformed");
  const records = new Map<string, Uint8Array>();
  for (let from = 0; from < data.length; ) {
    const space = data.indexOf(0x20, from);
    if (space < 0 || space - from > SIZE_DIGITS) throw wrong();
    const digits = latin1(data.subarray(from, space));
    const length = /^[1-9]\d*$/.test(digits) ? Number(digits) : 0;
    const end = from + length;
    const equals = data.indexOf(0x3d, space + 1);
    if (length === 0 || end > data.length || data[end - 1] !== 0x0a) throw wrong();
    if (equals < 0 || equals >= end) throw wrong();
    const key = decoder.decode(data.subarray(space + 1, equals));
    records.set(key, data.slice(equals + 1, end - 1));
    from = end;
  }
  return records;
}

/** A whole number of a pax record. @throws {StorageError} EBADMSG */
export function paxNumber(value: Uint8Array, key: string, at: number, source: string): number {
  const text = latin1(value);
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw damagedTar(source, at, `the pax record ${key} is no number`);
}

/** A time of a pax record, seconds with a fraction, in ns. @throws {StorageError} EBADMSG */
export function paxTime(value: Uint8Array, at: number, source: string): bigint {
  const text = latin1(value);
  const [, sign = "", seconds, fraction = ""] = /^(-?)(\d{1,12})(?:\.(\d+))?$/.exec(text) ?? [];
  if (seconds === undefined) throw damagedTar(source, at, "the pax record mtime is no time");
  const ns = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -ns : ns;
}

export function damagedTar(source: string, at: number, what: string): StorageError {
  const message = `'${source}' is damaged at byte ${at} of the archive: ${what}.`;
  return failure("EBADMSG", "read", message, { path: source });
}

function isDevice(type: string): boolean {
  return type === "3" || type === "4";
}

function field(block: Uint8Array, name: keyof typeof FIELDS): Uint8Array {
  const [offset, length] = FIELDS[name];
  return block.subarray(offset, offset + length);
}

function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes.slice() : bytes.slice(0, end);
}

/** Octal digits with spaces or NULs around them; none at all is 0. */
function octal(bytes: Uint8Array): number | undefined {
  const text = latin1(bytes)
    .replace(/[\0 ]+$/, "")
    .trimStart();
  if (text === "") return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
}

/** Octal, or the binary form of GNU tar for what octal cannot hold. */
function numeric(bytes: Uint8Array): number | undefined {
  const first = bytes[0] as number;
  if ((first & 0x80) === 0) return octal(bytes);
  let value = BigInt(first & 0x7f);
  if ((first & 0x40) !== 0) value -= 0x80n;
  for (const byte of bytes.subarray(1)) value = value * 256n + BigInt(byte);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Sum of all bytes with the checksum's own as spaces; old tars added them as signed ones. */
function sums(block: Uint8Array): [number, number] {
  const [offset, length] = FIELDS.checksum;
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < BLOCK_BYTES; at++) {
    const byte = at >= offset && at < offset + length ? 0x20 : (block[at] as number);
    unsigned += byte;
    signed += byte < 0x80 ? byte : byte - 0x100;
  }
  return [unsigned, signed];
}
