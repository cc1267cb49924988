/**
 * Order of versions as boot loaders have it: UAPI.10, "Version Format Specification".
 *
 * Both texts are read piece by piece from the left. What is no letter, digit or one of "-.~^" only
 * divides. Then, in this order: "~" is before everything, the end of the text included; a text that
 * ends is before one that goes on; "-", "^" and "." are each before what follows them; digits
 * compare as a number, and a number is after letters; letters compare byte by byte.
 */

const DIVIDES = /^[^A-Za-z0-9\-.~^]+/;
/** Each is before what is not it. */
const MARKS = ["-", "^", "."] as const;

/** Below, equal to or above 0 as `one` is before, the same as or after `other`. */
export function compareVersions(one: string, other: string): number {
  let [left, right] = [one, other];
  for (;;) {
    left = left.replace(DIVIDES, "");
    right = right.replace(DIVIDES, "");
    const tilde = compareMark(left, right, "~");
    if (tilde !== 0) return tilde;
    if (left.startsWith("~")) {
      [left, right] = [left.slice(1), right.slice(1)];
      continue;
    }
    if (left === "" || right === "") return Math.sign(left.length - right.length);
    const mark = MARKS.find((each) => left.startsWith(each) || right.startsWith(each));
    if (mark !== undefined) {
      const order = compareMark(left, right, mark);
      if (order !== 0) return order;
      [left, right] = [left.slice(1), right.slice(1)];
      continue;
    }
    const isNumber = /^\d/.test(left) || /^\d/.test(right);
    const [mine, leftRest] = isNumber ? number(left) : letters(left);
    const [theirs, rightRest] = isNumber ? number(right) : letters(right);
    // A longer number is larger; letters compare before their lengths do.
    const order = isNumber
      ? mine.length - theirs.length || compareText(mine, theirs)
      : compareText(mine, theirs);
    if (order !== 0) return Math.sign(order);
    [left, right] = [leftRest, rightRest];
  }
}

/** Byte order of texts, as strcmp has it: no locale. */
export function compareText(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

function compareMark(left: string, right: string, mark: string): number {
  return Number(right.startsWith(mark)) - Number(left.startsWith(mark));
}

/** The digits at the start without leading zeros, and what follows them. */
function number(text: string): [digits: string, rest: string] {
  const digits = /^\d*/.exec(text)?.[0] ?? "";
  return [digits.replace(/^0+/, ""), text.slice(digits.length)];
}

function letters(text: string): [letters: string, rest: string] {
  const found = /^[A-Za-z]*/.exec(text)?.[0] ?? "";
  return [found, text.slice(found.length)];
}
