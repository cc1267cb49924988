/** Text and bytes in the encodings of Node's Buffer, without one. */
import { failure } from "../errors.ts";
import { latin1 } from "./bytes.ts";

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The bytes of `text`, as Node reads ASCII text that is none of the encoding. EINVAL: no such. */
export function encodeText(text: string, encoding: string): Uint8Array {
  switch (encoding) {
    case "utf8":
    case "utf-8":
      return utf8Encoder.encode(text);
    case "latin1":
    case "binary":
    case "ascii":
      return lowBytes(text);
    case "hex":
      return fromHex(text);
    case "base64":
    case "base64url":
      return fromBase64(text);
    default:
      throw unknown(encoding);
  }
}

/** `bytes` as text. EINVAL: no such encoding. */
export function decodeText(bytes: Uint8Array, encoding: string): string {
  switch (encoding) {
    case "utf8":
    case "utf-8":
      return utf8Decoder.decode(bytes);
    case "latin1":
    case "binary":
      return latin1(bytes);
    case "ascii":
      return latin1(bytes.map((byte) => byte & 0x7f));
    case "hex": {
      let text = "";
      for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
      return text;
    }
    case "base64":
      return btoa(latin1(bytes));
    case "base64url":
      return btoa(latin1(bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
    default:
      throw unknown(encoding);
  }
}

/** The low byte of each UTF-16 unit. */
function lowBytes(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
}

function fromHex(text: string): Uint8Array {
  const digits = /^(?:[0-9a-f]{2})*/i.exec(text)?.[0] ?? "";
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Both alphabets, with or without "=" at the end; characters of neither are skipped. */
function fromBase64(text: string): Uint8Array {
  const [body = ""] = text.split("=");
  const plain = body
    .replaceAll("-", "+")
    .replaceAll("_", "/")
    .replace(/[^\w+/]/g, "");
  // One digit alone at the end is no byte.
  const whole = plain.length % 4 === 1 ? plain.slice(0, -1) : plain;
  return lowBytes(atob(whole));
}

function unknown(encoding: string): Error {
  return failure("EINVAL", "encoding", `there is no encoding '${encoding}'.`);
}
