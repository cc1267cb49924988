/** What operations on files are tried with: paths in a small tree, lengths, content. */
import fc from "fast-check";

const name = fc.constantFrom("a", "b", "c", "ä");
/** A path from the root, that may end in "/". */
export const path = fc
  .tuple(
    fc.array(fc.oneof({ weight: 12, arbitrary: name }, fc.constantFrom(".", "..")), {
      minLength: 1,
      maxLength: 4,
    }),
    fc.boolean(),
  )
  .map(([parts, slash]) => {
    // Never above the root: on the other side that is somebody else's directory.
    let depth = 0;
    const safe = parts.map((part) => {
      if (part === ".." && depth === 0) return "a";
      depth += part === ".." ? -1 : part === "." ? 0 : 1;
      return part;
    });
    return safe.join("/") + (slash && safe.length === 1 ? "/" : "");
  });
export const plainPath = path.map((text) => text.replace(/\/$/, ""));
/** Lengths of content, at the borders of what is kept how. */
export const size = fc.oneof(
  fc.integer({ min: 0, max: 1100 }),
  fc.integer({ min: 0, max: 20_000 }),
  fc.constantFrom(0, 1, 1023, 1024, 1025, 4095, 4096, 4097, 8192, 70_000, 300_000),
);

/** Content that differs by length, seed and place. */
export function bytes(length: number, seed: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at++) out[at] = (at * 13 + seed + (at >>> 8)) & 255;
  return out;
}
