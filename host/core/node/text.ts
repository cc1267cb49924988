/**
 * Text as bytes and back in the encodings that node:fs takes, without Buffer: it exists in Node
 * alone. Wrong digits are treated as Node treats them: they end a hex text, and base64 leaves them
 * out.
 */
import { failure } from "../../base/errors.ts";

export type Encoding =
  | "utf8"
  | "utf-8"
  | "utf16le"
  | "utf-16le"
  | "ucs2"
  | "ucs-2"
  | "latin1"
  | "binary"
  | "hex"
  | "base64"
  | "base64url"
  | "ascii"
  | "buffer";

interface Codec {
  encode(text: string): Uint8Array;
  decode(bytes: Uint8Array): string;
}

/** What String.fromCharCode takes in one call. */
const UNITS_MAX = 8192;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const utf8: Codec = {
  encode: (text) => encoder.encode(text),
  decode: (bytes) => decoder.decode(bytes),
};
const latin1: Codec = {
  encode: (text) => Uint8Array.from({ length: text.length }, (_, at) => text.charCodeAt(at)),
  decode: (bytes) => textOf(bytes),
};
const ascii: Codec = {
  encode: latin1.encode,
  decode: (bytes) => textOf(bytes.map((byte) => byte & 0x7f)),
};
const utf16: Codec = { encode: utf16Bytes, decode: utf16Text };
const hex: Codec = {
  encode: hexBytes,
  decode: (bytes) => Array.from(bytes, (byte) => HEX[byte]).join(""),
};
const base64: Codec = { encode: base64Bytes, decode: (bytes) => btoa(textOf(bytes)) };
const base64url: Codec = {
  encode: base64Bytes,
  decode: (bytes) =>
    base64.decode(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""),
};

const CODECS = new Map<string, Codec>([
  ["utf8", utf8],
  ["utf-8", utf8],
  ["utf16le", utf16],
  ["utf-16le", utf16],
  ["ucs2", utf16],
  ["ucs-2", utf16],
  ["latin1", latin1],
  ["binary", latin1],
  ["ascii", ascii],
  ["hex", hex],
  ["base64", base64],
  ["base64url", base64url],
]);

/** Text as bytes; without an encoding as UTF-8. */
export function encodeText(text: string, encoding?: Encoding | null): Uint8Array {
  if (encoding === undefined || encoding === null || encoding === "buffer")
    return utf8.encode(text);
  return codec(encoding).encode(text);
}

/** Bytes as the encoding asks: text, or the bytes themselves where it is absent or "buffer". */
export function decoded(bytes: Uint8Array, encoding?: Encoding | null): Uint8Array | string {
  if (encoding === undefined || encoding === null || encoding === "buffer") return bytes;
  return codec(encoding).decode(bytes);
}

/** The `encoding` of an options argument, which may be the encoding itself. */
export function encodingOf(options: unknown): Encoding | null {
  if (typeof options === "string") return options as Encoding;
  const named = (options as { encoding?: Encoding | null } | null | undefined)?.encoding;
  return named ?? null;
}

/** The bytes as Node's users expect them: as a Buffer, where there is that class. No copy. */
export function nodeBytes(bytes: Uint8Array): Uint8Array {
  const { Buffer } = globalThis as { Buffer?: typeof globalThis.Buffer };
  if (Buffer === undefined || bytes instanceof Buffer) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function codec(encoding: string): Codec {
  const found = CODECS.get(encoding) ?? CODECS.get(encoding.toLowerCase());
  if (found !== undefined) return found;
  throw failure("EINVAL", "encoding", `there is no encoding '${encoding}'.`);
}

/** One UTF-16 unit for each number. */
function textOf(units: Uint8Array | Uint16Array): string {
  const parts: string[] = [];
  for (let at = 0; at < units.length; at += UNITS_MAX) {
    parts.push(String.fromCharCode(...units.subarray(at, at + UNITS_MAX)));
  }
  return parts.join("");
}

function utf16Bytes(text: string): Uint8Array {
  const view = new DataView(new ArrayBuffer(text.length * 2));
  for (let at = 0; at < text.length; at++) view.setUint16(at * 2, text.charCodeAt(at), true);
  return new Uint8Array(view.buffer);
}

function utf16Text(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const units = new Uint16Array(bytes.length >>> 1);
  for (let at = 0; at < units.length; at++) units[at] = view.getUint16(at * 2, true);
  return textOf(units);
}

function hexBytes(text: string): Uint8Array {
  const end = text.search(/[^0-9a-f]/i);
  const digits = end < 0 ? text.length : end;
  return Uint8Array.from({ length: digits >>> 1 }, (_, at) =>
    Number.parseInt(text.slice(at * 2, at * 2 + 2), 16),
  );
}

function base64Bytes(text: string): Uint8Array {
  const end = text.indexOf("=");
  const digits = (end < 0 ? text : text.slice(0, end))
    .replaceAll("-", "+")
    .replaceAll("_", "/")
    .replace(/[^A-Za-z0-9+/]/g, "");
  // A digit left over holds no byte.
  const whole = digits.length % 4 === 1 ? digits.slice(0, -1) : digits;
  return latin1.encode(atob(whole));
}
