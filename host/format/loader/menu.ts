/**
 * The menu of systemd-boot: `loader/loader.conf`, and which of its entries is started. A pattern is
 * compared with the identity of each entry, in the order of the menu, without regard to case.
 */
import { compareEntries, isSpent, type LoaderEntry, linesOf } from "./entry.ts";

export const LOADER_CONF = "loader/loader.conf";
const PATTERN_MAX = 1024;
const TIMEOUT_WORDS = ["menu-force", "menu-hidden", "menu-disabled"] as const;

export interface LoaderConf {
  /** Pattern of the entry that is started unasked. */
  readonly default: string | undefined;
  /** Seconds that the menu waits; undefined: it does not show. */
  readonly timeout: number | (typeof TIMEOUT_WORDS)[number] | undefined;
}

/** Reads loader.conf; what it does not know, or a number that is none, is passed over. */
export function parseLoaderConf(content: Uint8Array): LoaderConf {
  let [pattern, timeout]: [LoaderConf["default"], LoaderConf["timeout"]] = [undefined, undefined];
  for (const { key, value } of linesOf(content)) {
    if (key === "default") pattern = value;
    else if (key === "timeout") {
      timeout = TIMEOUT_WORDS.find((word) => word === value) ?? secondsOf(value) ?? timeout;
    }
  }
  return { default: pattern, timeout };
}

/** The entries in the order of the menu. */
export function orderEntries(entries: readonly LoaderEntry[]): LoaderEntry[] {
  return [...entries].sort(compareEntries);
}

/**
 * Entries in the order in which they are tried: the first that fits the first pattern that fits
 * any, as systemd-boot starts it, then the others in the order of the menu. What is not there is
 * no entry for systemd-boot, so the second choice of a pattern comes before what fits none.
 */
export function triedInOrder(
  entries: readonly LoaderEntry[],
  patterns: readonly (string | undefined)[],
): LoaderEntry[] {
  const ordered = orderEntries(entries);
  const fitting = patterns.flatMap((pattern) =>
    pattern === undefined ? [] : ordered.filter(({ id }) => fitsPattern(pattern, id)),
  );
  const all = [...new Set([...fitting, ...ordered])];
  const [first, ...rest] = all;
  if (first === undefined) return [];
  // A spent one is started where a pattern means it and no other; behind that it is the last.
  return [first, ...rest.filter((each) => !isSpent(each)), ...rest.filter(isSpent)];
}

/** `*`, `?`, `[a-z]` and `\` as in a shell; a pattern that is too long or open fits nothing. */
export function fitsPattern(pattern: string, id: string): boolean {
  if (pattern.length > PATTERN_MAX) return false;
  const tokens = tokensOf(pattern.toLowerCase());
  if (tokens === undefined) return false;
  const text = id.toLowerCase();
  // The last star can always take one character more: no two are ever tried against each other.
  let [at, token, star, starAt] = [0, 0, -1, 0];
  while (at < text.length) {
    const one = tokens[token];
    if (one === "*") {
      [star, starAt] = [token, at];
      token++;
    } else if (one?.(text.charAt(at))) {
      at++;
      token++;
    } else if (star >= 0) {
      starAt++;
      [at, token] = [starAt, star + 1];
    } else return false;
  }
  return tokens.slice(token).every((one) => one === "*");
}

type Token = "*" | ((character: string) => boolean);

function tokensOf(pattern: string): Token[] | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const found = pattern.charAt(at);
    if (found === "*") tokens.push("*");
    else if (found === "?") tokens.push(() => true);
    else if (found === "[") {
      const end = pattern.indexOf("]", at + 2);
      if (end < 0) return undefined;
      tokens.push(rangeOf(pattern.slice(at + 1, end)));
      at = end;
    } else {
      if (found === "\\") at++;
      const wanted = pattern.charAt(at);
      if (wanted === "") return undefined;
      tokens.push((character) => character === wanted);
    }
  }
  return tokens;
}

function rangeOf(inner: string): Token {
  const isNegated = inner.startsWith("!") || inner.startsWith("^");
  const ranges = (isNegated ? inner.slice(1) : inner).match(/.-.|./gs) ?? [];
  return (character) =>
    isNegated !==
    ranges.some((range) =>
      range.length === 3
        ? range.charAt(0) <= character && character <= range.charAt(2)
        : range === character,
    );
}

function secondsOf(text: string): number | undefined {
  const seconds = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(seconds) ? seconds : undefined;
}
