/** The `encoding` that calls of node:fs take: of content, names and links. */
import * as platform from "../../base/platform/text.ts";

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

/** Text as bytes; without an encoding as UTF-8. */
export function encodeText(text: string, encoding?: Encoding | null): Uint8Array {
  return platform.encodeText(text, bytesFor(encoding) ? "utf8" : encoding);
}

/** Bytes as the encoding asks: text, or the bytes themselves where it is absent or "buffer". */
export function decoded(bytes: Uint8Array, encoding?: Encoding | null): Uint8Array | string {
  return bytesFor(encoding) ? bytes : platform.decodeText(bytes, encoding);
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

function bytesFor(encoding: Encoding | null | undefined): encoding is "buffer" | null | undefined {
  return encoding === undefined || encoding === null || encoding === "buffer";
}
