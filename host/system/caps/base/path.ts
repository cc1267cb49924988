/**
 * Names that a service may use: relative, without a way up, compared as the bytes of their UTF-8.
 */
import { CapException, type Outcome, ok, refused } from "./outcome.ts";

export const NAME_BYTES_MAX = 255;
export const PATH_BYTES_MAX = 4096;
export const PATH_NAMES_MAX = 256;

const encoder = new TextEncoder();

/**
 * The names of a path such as "a/b/c".
 *
 * @returns "invalid": empty, absolute, an empty name, "." or "..", NUL, not Unicode, or too long
 * @throws {CapException} invalidArgument: not a string
 */
export function splitPath(path: string, syscall: string): Outcome<readonly string[]> {
  if (typeof path !== "string") {
    throw new CapException("invalidArgument", syscall, "the path is not a string.");
  }
  const no = (why: string) => refused("invalid", `${quoted(path)}: ${why}`);
  if (path.length > PATH_BYTES_MAX || encoder.encode(path).length > PATH_BYTES_MAX) {
    return no(`a path has at most ${PATH_BYTES_MAX} bytes`);
  }
  if (path === "") return no("the path is empty");
  if (path.startsWith("/")) return no("the path is absolute");
  const names = path.split("/");
  if (names.length > PATH_NAMES_MAX) return no(`a path has at most ${PATH_NAMES_MAX} names`);
  for (const name of names) {
    const why = nameFault(name);
    if (why !== undefined) return no(why);
  }
  return ok(names);
}

/** What is wrong with one name; undefined if nothing is. */
function nameFault(name: string): string | undefined {
  if (name === "") return "a name is empty";
  if (name === "." || name === "..") return `'${name}' is not a name`;
  if (name.includes("\0")) return "a name holds NUL";
  if (/\p{Surrogate}/u.test(name)) return "a name is not Unicode";
  if (encoder.encode(name).length > NAME_BYTES_MAX) {
    return `a name has at most ${NAME_BYTES_MAX} bytes`;
  }
  return undefined;
}

/** Order of two names as their bytes: negative, 0 or positive. */
export function compareNames(a: string, b: string): number {
  const left = encoder.encode(a);
  const right = encoder.encode(b);
  const shared = Math.min(left.length, right.length);
  for (let at = 0; at < shared; at++) {
    const difference = (left[at] as number) - (right[at] as number);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** A name of somebody else's making, for a sentence. */
export function quoted(name: string): string {
  const text = name.replaceAll(/[\p{Cc}\p{Surrogate}\p{Zl}\p{Zp}]/gu, "\ufffd");
  return `'${text.length > 60 ? `${text.slice(0, 60)}...` : text}'`;
}
