/**
 * The two lists that a RayOS system image may carry: MANIFEST, which says where its files go, and
 * .checksums, which says what they are.
 */
import { failure, type StorageError } from "../../base/errors.ts";

export const MANIFEST_NAME = "MANIFEST";
export const VERSION_NAME = "VERSION";
export const CHECKSUMS_NAME = ".checksums";
/** Where these three are kept on the installed system. */
export const INFORMATION_FOLDER = "usr/share/rayos";
/** No list is longer. */
export const LIST_BYTES_MAX = 1 << 26;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** One row of a MANIFEST: both paths from the root, without a slash in front. */
export interface ManifestRow {
  readonly source: string;
  readonly target: string;
  readonly line: number;
}

/** One row of .checksums. `path` is as the builder saw it, mostly absolute. */
export interface ChecksumRow {
  readonly path: string;
  readonly digest: string;
  readonly algorithm: "sha256" | "md5";
  readonly line: number;
}

/**
 * Rows of a MANIFEST: comment lines, empty lines, and "source destination" with blanks between.
 *
 * @throws {StorageError} EBADMSG: a row that is none, or a path that leaves the tree
 */
export function parseManifest(data: Uint8Array): ManifestRow[] {
  const rows: ManifestRow[] = [];
  const targets = new Set<string>();
  for (const [index, text] of linesOf(data, MANIFEST_NAME).entries()) {
    const line = index + 1;
    const trimmed = text.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const [source = "", target = "", ...more] = trimmed.split(/\s+/);
    if (target === "" || more.length > 0) throw bad(MANIFEST_NAME, line, "is no 'source target'");
    const row = { source: inTree(source, line), target: inTree(target, line), line };
    if (targets.has(row.target)) throw bad(MANIFEST_NAME, line, `names '${target}' a second time`);
    targets.add(row.target);
    rows.push(row);
  }
  return rows;
}

/**
 * Rows of a .checksums: what sha256sum prints, or md5sum where a builder had nothing else.
 *
 * @param name of the list, for messages
 * @throws {StorageError} EBADMSG: a row that is none
 */
export function parseChecksums(data: Uint8Array, name = CHECKSUMS_NAME): ChecksumRow[] {
  const rows: ChecksumRow[] = [];
  for (const [index, text] of linesOf(data, name).entries()) {
    if (text === "") continue;
    const line = index + 1;
    const [, backslash = "", digest, file] =
      /^(\\?)([0-9a-fA-F]{64}|[0-9a-fA-F]{32}) [ *](.+)$/.exec(text) ?? [];
    if (digest === undefined || file === undefined) {
      throw bad(name, line, "is no line of sha256sum");
    }
    const path =
      backslash === "" ? file : file.replace(/\\([\\nr])/g, (_, code) => ESCAPES[code] ?? "");
    const algorithm = digest.length === 64 ? "sha256" : "md5";
    rows.push({ path, digest: digest.toLowerCase(), algorithm, line });
  }
  return rows;
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\", n: "\n", r: "\r" };

function linesOf(data: Uint8Array, name: string): string[] {
  try {
    return decoder.decode(data).split("\n");
  } catch (cause) {
    throw failure("EBADMSG", "read", `${name} is not UTF-8.`, { path: name, cause });
  }
}

function inTree(path: string, line: number): string {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.length === 0 || names.includes("..")) {
    throw bad(MANIFEST_NAME, line, `names '${path}', which is no path in the tree`);
  }
  return names.join("/");
}

function bad(name: string, line: number, why: string): StorageError {
  return failure("EBADMSG", "read", `line ${line} of ${name} ${why}.`, { path: name });
}
