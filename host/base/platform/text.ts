/**
 * Text and bytes in the encodings of Node's Buffer, without one. Wrong digits are treated as there:
 * they end a hex text, and base64 leaves them out.
 */
import { failure } from "../errors.ts";
import { latin1 as latin1Text } from "./bytes.ts";

interface Codec {
  encode(text: string): Uint8Array;
  decode(bytes: Uint8Array): string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const utf8: Codec = {
  encode: (text) => encoder.encode(text),
  decode: (bytes) => decoder.decode(bytes),
};
const latin1: Codec = {
  encode: (text) => Uint8Array.from({ length: text.length }, (_, at) => text.charCodeAt(at)),
  decode: latin1Text,
};
const ascii: Codec = {
  encode: latin1.encode,
  decode: (bytes) => latin1Text(bytes.map((byte) => byte & 0x7f)),
};
const utf16: Codec = { encode: utf16Bytes, decode: utf16Text };
const hex: Codec = {
  encode: hexBytes,
  decode: (bytes) => Array.from(bytes, (byte) => HEX[byte]).join(""),
};
const base64: Codec = { encode: base64Bytes, decode: (bytes) => btoa(latin1Text(bytes)) };
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

/** The bytes of `text`. EINVAL: no such encoding. */
export function encodeText(text: string, encoding: string): Uint8Array {
  return codec(encoding).encode(text);
}

/** `bytes` as text. EINVAL: no such encoding. */
export function decodeText(bytes: Uint8Array, encoding: string): string {
  return codec(encoding).decode(bytes);
}

function codec(encoding: string): Codec {
  const found = CODECS.get(encoding) ?? CODECS.get(encoding.toLowerCase());
  if (found !== undefined) return found;
  throw failure("EINVAL", "encoding", `there is no encoding '${encoding}'.`);
}

function utf16Bytes(text: string): Uint8Array {
  const view = new DataView(new ArrayBuffer(text.length * 2));
  for (let at = 0; at < text.length; at++) view.setUint16(at * 2, text.charCodeAt(at), true);
  return new Uint8Array(view.buffer);
}

function utf16Text(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const units: string[] = [];
  for (let at = 0; at + 2 <= bytes.length; at += 2) {
    units.push(String.fromCharCode(view.getUint16(at, true)));
  }
  return units.join("");
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
