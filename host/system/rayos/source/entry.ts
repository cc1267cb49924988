/**
 * What a system image holds, before it is known where it goes: entries in their order, each with a
 * way to its content, and the rules that every list of them must keep before anything is written.
 */
import { failure, type StorageError } from "../../../base/errors.ts";
import { latin1 } from "../../../base/platform/bytes.ts";
import type { Ext4Entry, Ext4Reader } from "../../../core/media/ext4-build.ts";

/** An entry is one of the ext4 builder, so that it can be handed on as it is. */
export type ImageEntry = Ext4Entry;
export type EntryReader = Ext4Reader;
export type EntryKind = ImageEntry["kind"];

/** An image that is open for reading. */
export interface SystemSource {
  readonly name: string;
  readonly kind: "directory" | "tar" | "tar.gz" | "tar.zst";
  readonly entries: readonly ImageEntry[];
  /**
   * SHA-256 of files that were read anyway while the list was made, by path; hexadecimal. Empty
   * for a source that can be read at any place.
   */
  readonly digests: ReadonlyMap<string, string>;
  close(): void;
}

const NAME_BYTES_MAX = 255;
const PATH_BYTES_MAX = 4095;
const SYMLINK_BYTES_MAX = 4095;
/** What Linux's new_encode_dev holds. */
const MAJOR_MAX = 0xfff;
const MINOR_MAX = 0xfffff;
const ID_MAX = 0xffff_fffe;
/** ext4 keeps 34 bits of seconds from 1901 on. */
const TIME_MIN_NS = -(2n ** 31n) * 1_000_000_000n;
const TIME_MAX_NS = (2n ** 34n - 2n ** 31n) * 1_000_000_000n;
/** More than any system has, so that a list in memory stays within bounds. */
export const ENTRIES_MAX = 1_000_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws {StorageError} EILSEQ: the bytes are no UTF-8 */
export function decodeName(bytes: Uint8Array, what: string, source: string): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    const shown = latin1(bytes);
    const message = `${what} '${shown}' of '${source}' is not UTF-8.`;
    throw failure("EILSEQ", "read", message, { path: source, cause });
  }
}

/**
 * A path as it stands in an archive as one from the root: "./a//b/" is "a/b", the root itself "".
 *
 * @throws {StorageError} EINVAL: absolute, a "..", a NUL; ENAMETOOLONG
 */
export function cleanPath(given: string, source: string): string {
  if (given.startsWith("/")) throw badPath("EINVAL", given, source, "is absolute");
  const names = given.split("/").filter((name) => name !== "" && name !== ".");
  for (const name of names) {
    if (name === "..") throw badPath("EINVAL", given, source, "has a '..'");
    if (name.includes("\0")) throw badPath("EINVAL", given, source, "has a NUL");
    if (byteLength(name) > NAME_BYTES_MAX) {
      throw badPath("ENAMETOOLONG", given, source, `has a name over ${NAME_BYTES_MAX} bytes`);
    }
  }
  const path = names.join("/");
  if (byteLength(path) > PATH_BYTES_MAX) {
    throw badPath("ENAMETOOLONG", given, source, `is longer than ${PATH_BYTES_MAX} bytes`);
  }
  return path;
}

/**
 * The rules of a whole list: what it asks for can be written, and nothing is written through a
 * link.
 *
 * @throws {StorageError} EEXIST: a path twice; ENOTDIR: a path through a file or a link; ENOENT: a
 *   hard link to nothing; EINVAL: a link that leaves the tree, a number out of range
 */
export function checkEntries(entries: readonly ImageEntry[], source: string): void {
  const seen = new Map<string, ImageEntry>();
  if (entries.length > ENTRIES_MAX) {
    const message = `'${source}' has more than ${ENTRIES_MAX} entries.`;
    throw failure("EFBIG", "read", message, { path: source });
  }
  for (const entry of entries) {
    const { path, kind } = entry;
    const before = seen.get(path);
    if (before !== undefined && !(kind === "directory" && before.kind === "directory")) {
      throw badPath("EEXIST", path, source, "is there twice");
    }
    if (kind === "link") checkLink(entry, seen, source);
    if (kind === "symlink") checkSymlink(entry, source);
    checkNumbers(entry, source);
    seen.set(path, entry);
  }
  for (const { path } of entries) {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      const above = seen.get(path.slice(0, end));
      if (above === undefined || above.kind === "directory") continue;
      throw badPath("ENOTDIR", path, source, `leads through the ${above.kind} '${above.path}'`);
    }
  }
}

function checkLink(
  { path, target = "" }: ImageEntry,
  seen: ReadonlyMap<string, ImageEntry>,
  source: string,
): void {
  const file = seen.get(target);
  if (file?.kind === "file") return;
  const why = file === undefined ? "is not in the image before it" : `is a ${file.kind}`;
  throw badPath("ENOENT", path, source, `is a hard link to '${target}', which ${why}`);
}

/** A relative link must end inside the tree; an absolute one is text for the installed system. */
function checkSymlink({ path, target = "" }: ImageEntry, source: string): void {
  const length = byteLength(target);
  if (length === 0 || length > SYMLINK_BYTES_MAX || target.includes("\0")) {
    throw badPath("EINVAL", path, source, `is a link with a target of ${length} bytes`);
  }
  if (target.startsWith("/")) return;
  let depth = path.split("/").length - 1;
  for (const name of target.split("/")) {
    if (name === "" || name === ".") continue;
    depth += name === ".." ? -1 : 1;
    if (depth < 0) throw badPath("EINVAL", path, source, `leaves the tree: '${target}'`);
  }
}

function checkNumbers(entry: ImageEntry, source: string): void {
  const { path, mode, uid, gid, mtimeNs, sizeBytes, device, kind } = entry;
  const whole = (value: number, most: number) =>
    Number.isSafeInteger(value) && value >= 0 && value <= most;
  if (!whole(mode, 0o7777)) throw badPath("EINVAL", path, source, `has mode ${mode}`);
  if (!whole(uid, ID_MAX) || !whole(gid, ID_MAX)) {
    throw badPath("EINVAL", path, source, `has owner ${uid}:${gid}`);
  }
  if (!whole(sizeBytes, Number.MAX_SAFE_INTEGER)) {
    throw badPath("EINVAL", path, source, `has ${sizeBytes} bytes`);
  }
  if (mtimeNs < TIME_MIN_NS || mtimeNs >= TIME_MAX_NS) {
    throw badPath("ERANGE", path, source, "has a time that ext4 cannot hold");
  }
  if (kind !== "chardev" && kind !== "blockdev") return;
  if (device === undefined || !whole(device.major, MAJOR_MAX) || !whole(device.minor, MINOR_MAX)) {
    const number = `${device?.major}:${device?.minor}`;
    throw badPath("ERANGE", path, source, `has the device number ${number}`);
  }
}

export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

function badPath(
  code: "EINVAL" | "EEXIST" | "ENOTDIR" | "ENOENT" | "ENAMETOOLONG" | "ERANGE",
  path: string,
  source: string,
  why: string,
): StorageError {
  return failure(code, "read", `'${path}' of '${source}' ${why}.`, { path });
}
