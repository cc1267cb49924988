/** Runs of bytes: joined, compared, shown; what Node's Buffer does elsewhere. */

/** What String.fromCharCode takes at once. */
const PIECE_BYTES = 8192;

/** Each byte as the character of its number. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    text += String.fromCharCode(...bytes.subarray(at, at + PIECE_BYTES));
  }
  return text;
}

/** All of `parts` in one. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Order of two runs of bytes: negative, 0 or positive. The shorter of two alike is first. */
export function compareBytes(one: Uint8Array, other: Uint8Array): number {
  const end = Math.min(one.length, other.length);
  for (let at = 0; at < end; at++) {
    const difference = (one[at] as number) - (other[at] as number);
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}
