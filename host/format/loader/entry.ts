/**
 * A boot entry of Type #1 as systemd-boot reads it: UAPI.1, "Boot Loader Specification". A line is
 * a key, blanks and a value; what is unknown is passed over. The name of the file may end in a
 * counter, `name+LEFT-DONE.conf`, which is no part of the entry's identity.
 */
import { compareText, compareVersions } from "./version.ts";

export const ENTRIES_FOLDER = "loader/entries";
/** A longer file is passed over: entries are a few lines. */
export const ENTRY_BYTES_MAX = 65_536;
const SUFFIX = ".conf";
const COUNT_MAX = 2 ** 31 - 1;
/** As the kernel of the emulated machine is. */
const ARCHITECTURE = "x64";
const PROGRAM_KEYS: readonly string[] = ["linux", "efi", "uki"];

/** Starts that are left, and starts that were. */
export interface Tries {
  readonly left: number;
  readonly done: number;
}

export interface LoaderEntry {
  /** Name of its file. */
  readonly file: string;
  /** The same without a counter, in lower case: what patterns are compared with. */
  readonly id: string;
  readonly tries: Tries | undefined;
  readonly title: string;
  readonly version: string;
  readonly machineId: string;
  readonly sortKey: string | undefined;
  /** Path of the kernel, or of another EFI program, from the root of the volume. */
  readonly program: string;
  readonly initrds: readonly string[];
  readonly options: string;
}

/** True if systemd-boot takes a file of that name for an entry. */
export function isEntryName(file: string): boolean {
  return /\.conf$/i.test(file) && !file.startsWith(".") && !file.startsWith("auto-");
}

/** The entry of a file; a text says why it is none. */
export function parseEntry(file: string, content: Uint8Array): LoaderEntry | string {
  const fields = new Map<string, string>();
  const initrds: string[] = [];
  const options: string[] = [];
  let programKey: string | undefined;
  for (const { key, value } of linesOf(content)) {
    if (PROGRAM_KEYS.includes(key)) {
      if (programKey !== undefined && programKey !== key) {
        return `it names two programs, by ${programKey} and by ${key}`;
      }
      programKey = key;
    }
    if (key === "architecture" && value.toLowerCase() !== ARCHITECTURE) {
      return `it is for ${value}, not for ${ARCHITECTURE}`;
    }
    if (key === "initrd") initrds.push(pathOf(value));
    else if (key === "options") options.push(value);
    else fields.set(key, value);
  }
  if (programKey === undefined) return "it names no kernel";
  const { id, tries } = identityOf(file);
  return {
    ...{ file, id, tries, initrds },
    title: fields.get("title") ?? id,
    version: fields.get("version") ?? "",
    machineId: fields.get("machine-id") ?? "",
    sortKey: fields.get("sort-key"),
    program: pathOf(fields.get(programKey) ?? ""),
    options: options.join(" "),
  };
}

/**
 * Lines of a file of systemd-boot that have a key and a value. Quotes around a value are no part of
 * it, and the text ends at its first NUL.
 */
export function linesOf(content: Uint8Array): { readonly key: string; readonly value: string }[] {
  const end = content.indexOf(0);
  const text = new TextDecoder().decode(end < 0 ? content : content.subarray(0, end));
  const lines: { key: string; value: string }[] = [];
  for (const raw of text.split(/[\r\n]/)) {
    const line = withoutBlanks(raw);
    const border = line.search(/[ \t]/);
    if (border < 0 || line.startsWith("#")) continue;
    const value = line.slice(border).replace(/^[ \t]+/, "");
    const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
    lines.push({ key: line.slice(0, border), value: isQuoted ? value.slice(1, -1) : value });
  }
  return lines;
}

/** A pattern for the end of a text would begin anew at each blank of a run: this takes one pass. */
function withoutBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && " \t".includes(text.charAt(end - 1))) end--;
  return text.slice(0, end).replace(/^[ \t]+/, "");
}

/** Identity and counter of an entry by the name of its file. */
export function identityOf(file: string): Pick<LoaderEntry, "id" | "tries"> {
  const found = /^(.*)\+(\d+)(?:-(\d+))?\.conf$/is.exec(file);
  const [, name = "", left = "", done = "0"] = found ?? [];
  const tries = { left: Number(left), done: Number(done) };
  if (found === null || tries.left > COUNT_MAX || tries.done > COUNT_MAX) {
    return { id: file.toLowerCase(), tries: undefined };
  }
  return { id: `${name}${SUFFIX}`.toLowerCase(), tries };
}

/** The name that a counted entry gets before it is started; undefined: it is not counted. */
export function countedName({ file, tries }: LoaderEntry): string | undefined {
  if (tries === undefined) return undefined;
  const left = Math.max(0, tries.left - 1);
  const done = Math.min(COUNT_MAX, tries.done + 1);
  return `${file.slice(0, file.lastIndexOf("+"))}+${left}-${done}${SUFFIX}`;
}

/** The name of a counted entry whose start was good. */
export function blessedName(file: string): string {
  const { tries } = identityOf(file);
  return tries === undefined ? file : `${file.slice(0, file.lastIndexOf("+"))}${SUFFIX}`;
}

/**
 * The order of the menu: what has no tries left is last; entries with a sort key come first, by
 * key, machine and version, the newest first; then names, the newest first; then counters.
 */
export function compareEntries(one: LoaderEntry, other: LoaderEntry): number {
  const hasKeys = one.sortKey !== undefined && other.sortKey !== undefined;
  return (
    Number(isSpent(one)) - Number(isSpent(other)) ||
    Number(one.sortKey === undefined) - Number(other.sortKey === undefined) ||
    (hasKeys
      ? compareText(one.sortKey, other.sortKey) ||
        compareText(one.machineId, other.machineId) ||
        compareVersions(other.version, one.version)
      : 0) ||
    compareVersions(other.id, one.id) ||
    compareTries(one.tries, other.tries)
  );
}

/** True if it was started as often as it may be, and nobody has found it good. */
export function isSpent({ tries }: Pick<LoaderEntry, "tries">): boolean {
  return tries?.left === 0;
}

/** More tries left are first; of as many, fewer that were. */
function compareTries(one: Tries | undefined, other: Tries | undefined): number {
  if (one === undefined || other === undefined) return 0;
  return other.left - one.left || one.done - other.done;
}

/** As systemd-boot takes it: either slash divides, and several are one. */
function pathOf(value: string): string {
  return `/${value
    .split(/[/\\]+/)
    .filter((name) => name !== "")
    .join("/")}`;
}
