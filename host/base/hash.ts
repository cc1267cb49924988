/** SHA-256 hashes as callers give them: 32 bytes, or 64 hexadecimal digits. */
import { failure } from "./errors.ts";

export const HASH_BYTES = 32;

/** The SHA-256 of an object: 32 bytes, or 64 hexadecimal digits. */
export type HashLike = Uint8Array | string;

/** The 32 bytes of a hash given either way. */
export function toHash(hash: HashLike): Uint8Array {
  if (typeof hash !== "string") {
    if (hash.length === HASH_BYTES) return hash;
    throw failure("EINVAL", "hash", `a hash has 32 bytes, not ${hash.length}.`);
  }
  if (!/^[0-9a-f]{64}$/i.test(hash)) {
    throw failure("EINVAL", "hash", `'${hash}' is not 64 hexadecimal digits.`);
  }
  const bytes = new Uint8Array(HASH_BYTES);
  for (let at = 0; at < HASH_BYTES; at++) {
    bytes[at] = Number.parseInt(hash.slice(at * 2, at * 2 + 2), 16);
  }
  return bytes;
}

export function toHex(hash: Uint8Array): string {
  let text = "";
  for (const byte of hash) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** True if both are there and have the same bytes. */
export function isSameBytes(one: Uint8Array, other: Uint8Array | undefined): boolean {
  if (other === undefined || one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

/** Order of two hashes, as their bytes: negative, 0 or positive. */
export function compareHashes(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < HASH_BYTES; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
