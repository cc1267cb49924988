/** GUIDs: text to bytes and back, as UEFI 2.10 appendix A orders them, and new ones. */
import { failure } from "./errors.ts";
import type { RandomSource } from "./seed.ts";

export const GUID_SIZE = 16;
const PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Byte at each place of the text: the first three fields are little-endian. */
const ORDER = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
const DASHES_BEFORE = new Set([4, 6, 8, 10]);

export function isGuid(text: string): boolean {
  return PATTERN.test(text);
}

/**
 * The 16 bytes of a GUID as GPT stores them, mixed-endian.
 *
 * @throws {StorageError} EINVAL: `text` is not `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`
 */
export function guidBytes(text: string): Uint8Array {
  if (!isGuid(text)) throw failure("EINVAL", "guid", `'${text}' is not a GUID.`);
  const digits = text.replaceAll("-", "");
  const bytes = new Uint8Array(GUID_SIZE);
  ORDER.forEach((place, index) => {
    bytes[place] = Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16);
  });
  return bytes;
}

/** The text of the 16 bytes at `offset`, upper case as UEFI tools print it. */
export function guidText(bytes: Uint8Array, offset = 0): string {
  let text = "";
  ORDER.forEach((place, index) => {
    if (DASHES_BEFORE.has(index)) text += "-";
    text += (bytes[offset + place] ?? 0).toString(16).padStart(2, "0");
  });
  return text.toUpperCase();
}

/** A new GUID, version 4 of RFC 9562, from `random`. */
export function newGuid(random: RandomSource): string {
  const bytes = new Uint8Array(GUID_SIZE);
  random(bytes);
  // Version and variant stand in the text's 7th and 9th byte; the 7th is stored last of its field.
  bytes[7] = ((bytes[7] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return guidText(bytes);
}
