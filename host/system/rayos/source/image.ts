/**
 * A system image as it will be installed: its source with MANIFEST and .checksums honoured.
 *
 *  - With a MANIFEST the listed sources go to their destinations, and everything that is not listed
 *    stays at its own path. A row whose source is not there is a warning: builders write rows for
 *    what is optional too.
 *  - MANIFEST, VERSION and .checksums themselves are kept under /usr/share/rayos.
 *  - Every row of .checksums must find its file, by the longest end of its path that is one, and
 *    the file must be what the row says. The row that such a list has about itself says nothing.
 *  - An image that is one folder with these lists in it, as the builder packs it, is that folder.
 */
import { failure, type StorageError } from "../../../base/errors.ts";
import { node } from "../../../base/platform/node.ts";
import { type ByteSource, fileSource } from "../../../base/platform/source.ts";
import type { Work } from "../../../base/work.ts";
import { createDigest, type DigestAlgorithm } from "../../../core/hash/digest.ts";
import { BytesDevice } from "../../../device/remote/bytes.ts";
import {
  CHECKSUMS_NAME,
  type ChecksumRow,
  INFORMATION_FOLDER,
  LIST_BYTES_MAX,
  MANIFEST_NAME,
  parseChecksums,
  parseManifest,
  VERSION_NAME,
} from "../../../format/rayos/image-lists.ts";
import { isMedium, type SourceMedium } from "../../media/system-image.ts";
import { checkEntries, type ImageEntry, type SystemSource } from "./entry.ts";
import { openFolder } from "./folder.ts";
import { openMedium } from "./medium.ts";
import { isTar, openTar } from "./tar.ts";

/** One for all: it is filled and hashed without a pause between. */
const PIECE = new Uint8Array(1 << 18);
const LISTS = [MANIFEST_NAME, VERSION_NAME, CHECKSUMS_NAME];
const NOTHING: SystemSource = {
  name: "nothing",
  kind: "directory",
  entries: [],
  digests: new Map(),
  close: () => {},
};

/** An image that is open; `close()` it. */
export interface SystemImage {
  readonly name: string;
  readonly kind: SystemSource["kind"] | "none";
  /** In the order of the source, at the places where they will be. */
  readonly entries: readonly ImageEntry[];
  /** SHA-256 by path, as far as it is known without reading anything again. */
  readonly digests: Map<string, string>;
  /** First line of VERSION and its build date, or "unknown". */
  readonly release: string;
  readonly warnings: readonly string[];
  close(): void;
}

/** Where an image is: a folder, tar or medium at a path, or a medium that is open. */
export type ImagePlace = string | ByteSource | SourceMedium;

/** What messages call the place, a path where it is one. */
export function imageName(place: ImagePlace | undefined): string | undefined {
  if (typeof place !== "object") return place;
  return "device" in place ? place.device.name : place.name;
}

/**
 * Opens, lists and checks an image; reads what has a checksum. Writes nothing.
 *
 * @throws {StorageError} as openTar, openFolder and openMedium; EBADMSG: a list is malformed, or a
 *   file is not what .checksums says, which is named
 */
export function* openImage(place: ImagePlace | undefined): Work<SystemImage> {
  const source = place === undefined ? NOTHING : yield* openSource(place);
  try {
    const unfolded = withoutTop(source);
    const byPath = new Map(unfolded.map((entry) => [entry.path, entry]));
    const digests = digestsOf(source, unfolded);
    const checksums = fileAt(byPath, CHECKSUMS_NAME);
    if (checksums !== undefined) {
      const rows = parseChecksums(contentOf(checksums));
      yield* verifyChecksums(rows, byPath, digests, source);
    }
    const warnings: string[] = place === undefined ? ["there is no system image"] : [];
    const moves = movesOf(byPath, warnings);
    const entries = unfolded.map((entry) => moved(entry, moves));
    // The source has checked its own list; what was put elsewhere is another one.
    const isOther = entries.some((entry, index) => entry !== source.entries[index]);
    if (isOther) checkEntries(entries, source.name);
    return {
      name: source.name,
      kind: place === undefined ? "none" : source.kind,
      entries,
      digests: new Map([...digests].map(([from, digest]) => [moves(from), digest])),
      release: releaseOf(fileAt(byPath, VERSION_NAME)),
      warnings,
      close: () => source.close(),
    };
  } catch (error) {
    source.close();
    throw error;
  }
}

/** All of a file's bytes, for the small ones that are read whole. EFBIG. */
export function contentOf(entry: ImageEntry): Uint8Array {
  if (entry.sizeBytes > LIST_BYTES_MAX) {
    throw failure("EFBIG", "read", `'${entry.path}' is too large.`, { path: entry.path });
  }
  const bytes = new Uint8Array(entry.sizeBytes);
  const reader = entry.open?.();
  try {
    for (let at = 0; at < bytes.length; ) {
      const got = reader?.read(bytes.subarray(at)) ?? 0;
      if (got === 0) throw shrunk(entry, at);
      at += got;
    }
  } finally {
    reader?.close();
  }
  return bytes;
}

/** Digest of a file's content. @throws {StorageError} EIO: it is shorter or longer than it was */
export function* hashEntry(entry: ImageEntry, algorithm: DigestAlgorithm = "sha256"): Work<string> {
  const hash = createDigest(algorithm);
  const reader = entry.open?.();
  if (reader === undefined) return hash.hex();
  let at = 0;
  try {
    for (let got = reader.read(PIECE); got > 0; got = reader.read(PIECE)) {
      hash.update(PIECE.subarray(0, got));
      at += got;
      if (at > entry.sizeBytes) break;
      yield { step: "check the image", done: at, total: entry.sizeBytes, unit: "bytes" };
    }
  } finally {
    reader.close();
  }
  if (at !== entry.sizeBytes) throw shrunk(entry, at);
  return hash.hex();
}

function* openSource(place: ImagePlace): Work<SystemSource> {
  // What the caller has opened is the caller's to close.
  if (typeof place === "object") {
    return yield* "device" in place ? openMedium(place) : openTar(lent(place));
  }
  const path = place;
  const stats = node.fs.statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    throw failure("ENOENT", "read", `there is no system image '${path}'.`, { path });
  }
  if (stats.isDirectory()) return yield* openFolder(path);
  const file = fileSource(path);
  if (isTar(file)) return yield* openTar(file);
  const device = new BytesDevice(file);
  if (!isMedium(device)) return yield* openTar(file);
  try {
    const source = yield* openMedium({ device });
    const close = () => {
      source.close();
      device.close();
    };
    return { ...source, close };
  } catch (error) {
    device.close();
    throw error;
  }
}

function lent(source: ByteSource): ByteSource {
  const { name, sizeBytes } = source;
  return { name, sizeBytes, read: (into, at) => source.read(into, at), close: () => {} };
}

/** The entries without the one folder that a builder packs around them. */
function withoutTop({ entries }: SystemSource): readonly ImageEntry[] {
  const [first] = entries;
  const top = first?.path.split("/")[0];
  if (
    top === undefined ||
    entries.some(({ path }) => path !== top && !path.startsWith(`${top}/`))
  ) {
    return entries;
  }
  const isImage = entries.some(({ path }) =>
    [...LISTS, "kernel.bin"].some((name) => path === `${top}/${name}`),
  );
  if (!isImage) return entries;
  const rest = (path: string) => path.slice(top.length + 1);
  return entries
    .filter(({ path }) => path !== top)
    .map((entry) => ({
      ...entry,
      path: rest(entry.path),
      ...(entry.kind === "link" ? { target: rest(entry.target ?? "") } : {}),
    }));
}

function digestsOf(source: SystemSource, unfolded: readonly ImageEntry[]): Map<string, string> {
  const isUnfolded = unfolded !== source.entries;
  const rest = (path: string) => (isUnfolded ? path.slice(path.indexOf("/") + 1) : path);
  return new Map([...source.digests].map(([path, digest]) => [rest(path), digest]));
}

function* verifyChecksums(
  rows: readonly ChecksumRow[],
  byPath: ReadonlyMap<string, ImageEntry>,
  digests: Map<string, string>,
  source: SystemSource,
): Work<void> {
  // In the order of the source, so that a packed one is read in one pass.
  const wanted = new Map<string, ChecksumRow>();
  for (const row of rows) {
    const path = longestEnd(row.path, byPath);
    if (path === undefined && row.path.split("/").at(-1) === CHECKSUMS_NAME) continue;
    if (path === undefined) throw mismatch(row.path, source, "is in .checksums but not there");
    if (path !== CHECKSUMS_NAME) wanted.set(path, row);
  }
  for (const entry of byPath.values()) {
    const row = wanted.get(entry.path);
    if (row === undefined) continue;
    const file = entry.kind === "link" ? byPath.get(entry.target ?? "") : entry;
    if (file?.kind !== "file") throw mismatch(entry.path, source, "is no file");
    const isKnown = row.algorithm === "sha256" && digests.has(file.path);
    const digest = isKnown ? digests.get(file.path) : yield* hashEntry(file, row.algorithm);
    if (digest !== row.digest) throw mismatch(entry.path, source, "is not what .checksums says");
    if (row.algorithm === "sha256") digests.set(file.path, row.digest);
  }
}

function longestEnd(path: string, byPath: ReadonlyMap<string, ImageEntry>): string | undefined {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  for (let from = 0; from < names.length; from++) {
    const end = names.slice(from).join("/");
    if (byPath.has(end)) return end;
  }
  return undefined;
}

/** A file by its path, or by another name of it that the image has as a hard link. */
function fileAt(byPath: ReadonlyMap<string, ImageEntry>, path: string): ImageEntry | undefined {
  const entry = byPath.get(path);
  const file = entry?.kind === "link" ? byPath.get(entry.target ?? "") : entry;
  return file?.kind === "file" ? file : undefined;
}

/** Where each path of the image goes. */
function movesOf(
  byPath: ReadonlyMap<string, ImageEntry>,
  warnings: string[],
): (path: string) => string {
  const manifest = fileAt(byPath, MANIFEST_NAME);
  const rows = manifest === undefined ? [] : parseManifest(contentOf(manifest));
  const moves = new Map<string, string>();
  for (const { source, target } of rows) {
    const isThere =
      byPath.has(source) || [...byPath.keys()].some((p) => p.startsWith(`${source}/`));
    if (!isThere) warnings.push(`MANIFEST lists '${source}', which the image does not have`);
    moves.set(source, target);
  }
  for (const name of LISTS) if (!moves.has(name)) moves.set(name, `${INFORMATION_FOLDER}/${name}`);
  return (path) => {
    const own = moves.get(path);
    if (own !== undefined) return own;
    // A listed folder takes what is in it along; the innermost row counts.
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      const above = moves.get(path.slice(0, end));
      if (above !== undefined) return `${above}${path.slice(end)}`;
    }
    return path;
  };
}

function moved(entry: ImageEntry, moves: (path: string) => string): ImageEntry {
  const path = moves(entry.path);
  const target = entry.kind === "link" ? moves(entry.target ?? "") : entry.target;
  if (path === entry.path && target === entry.target) return entry;
  return { ...entry, path, target };
}

/** "RayOS System Image, Tue Jan 6 ..." of the builder's four lines. */
function releaseOf(entry: ImageEntry | undefined): string {
  if (entry === undefined || entry.sizeBytes === 0) return "unknown";
  const text = new TextDecoder().decode(contentOf(entry)).replace(/[^\x20-\x7e\n]/g, "?");
  const [title = "", ...lines] = text.split("\n").map((line) => line.trim());
  const built = lines.find((line) => /^build date:/i.test(line))?.replace(/^[^:]*:\s*/, "");
  const release = built === undefined ? title : `${title}, ${built}`;
  return release === "" ? "unknown" : release.slice(0, 200);
}

function mismatch(path: string, source: SystemSource, why: string): StorageError {
  return failure("EBADMSG", "read", `'${path}' of '${source.name}' ${why}.`, { path });
}

function shrunk({ path, sizeBytes }: ImageEntry, now: number): StorageError {
  const message = `'${path}' changed while it was read: ${sizeBytes} bytes before, now ${now}.`;
  return failure("EIO", "read", message, { path });
}
