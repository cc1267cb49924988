/**
 * A tar archive as a source: listed whole, then read at the places that the list names.
 *
 * A plain tar is read where it lies. A packed one can only be read forwards: entries that are asked
 * for in their order cost one pass over the file, and going back starts the decoder anew. So a
 * packed archive is decoded twice, once for the list and once for the content, and never kept: in
 * memory it would not fit, and a copy beside it would ask for a disk that an installer need not
 * have. The first pass hashes what it sees, since it decodes everything anyway.
 */
import { failure } from "../../../base/errors.ts";
import type { ByteSource } from "../../../base/platform/source.ts";
import { decodeText, encodeText } from "../../../base/platform/text.ts";
import type { Work } from "../../../base/work.ts";
import { createDigest } from "../../../core/hash/digest.ts";
import { CHECKSUMS_NAME, MANIFEST_NAME, VERSION_NAME } from "../../../format/rayos/image-lists.ts";
import { memoryReader } from "../../image/folder.ts";
import {
  checkEntries,
  cleanPath,
  decodeName,
  ENTRIES_MAX,
  type EntryKind,
  type EntryReader,
  type ImageEntry,
  type SystemSource,
} from "./entry.ts";
import {
  BLOCK_BYTES,
  damagedTar,
  EXTENSION_BYTES_MAX,
  isEndBlock,
  isTarHeader,
  type PaxRecords,
  parseHeader,
  parsePax,
  paxNumber,
  paxTime,
  type TarHeader,
} from "./tar-header.ts";
import { type ByteStream, type Packing, packerOf, readAt, unpack } from "./unpack/unpack.ts";

/** One for all: it is filled and used without a pause between. */
const PIECE = new Uint8Array(1 << 18);
const LISTS = [MANIFEST_NAME, VERSION_NAME, CHECKSUMS_NAME];
const KEPT_BYTES_MAX = 1 << 22;
const KINDS: Readonly<Record<string, EntryKind>> = {
  "0": "file",
  "7": "file",
  "1": "link",
  "2": "symlink",
  "3": "chardev",
  "4": "blockdev",
  "5": "directory",
  "6": "fifo",
};
const XATTR_KEYS = ["SCHILY.xattr.", "LIBARCHIVE.xattr."];
const GNU_LONG_NAME = "L";
const GNU_LONG_LINK = "K";

/** The plain bytes of an archive, forwards as a stream or anywhere. */
class Archive {
  readonly file: ByteSource;
  readonly packing: Packing;
  #stream: ByteStream | undefined;
  #at = 0;

  constructor(file: ByteSource, packing: Packing) {
    this.file = file;
    this.packing = packing;
  }

  /** Fills `into` from `offset`; fewer only at the end. */
  read(into: Uint8Array, offset: number): number {
    if (this.packing === "tar") return readAt(this.file, into, offset);
    if (this.#stream === undefined || offset < this.#at) {
      this.release();
      this.#stream = unpack(this.file, this.packing);
      this.#at = 0;
    }
    while (this.#at < offset) {
      const wanted = Math.min(PIECE.length, offset - this.#at);
      const got = this.#stream.read(PIECE.subarray(0, wanted));
      if (got === 0) return 0;
      this.#at += got;
    }
    let done = 0;
    while (done < into.length) {
      const got = this.#stream.read(into.subarray(done));
      if (got === 0) break;
      done += got;
    }
    this.#at += done;
    return done;
  }

  /** Gives back what decoding holds. */
  release(): void {
    this.#stream?.release();
    this.#stream = undefined;
  }
}

/** What a tar says of the entries that follow. */
interface Context {
  readonly source: string;
  global: PaxRecords;
  next: PaxRecords;
  longName: Uint8Array | undefined;
  longLink: Uint8Array | undefined;
}

/**
 * Lists an archive whole. It is closed with the source, and when this fails.
 *
 * @throws {StorageError} EMEDIUMTYPE: it is no tar; EBADMSG: damaged or cut off; EINVAL, EILSEQ,
 *   EEXIST, ENOTDIR, ENOENT, ENAMETOOLONG, ERANGE: an entry that cannot be; EOPNOTSUPP
 */
export function* openTar(file: ByteSource): Work<SystemSource> {
  const { name } = file;
  let archive: Archive | undefined;
  const close = () => {
    archive?.release();
    file.close();
  };
  try {
    archive = new Archive(file, packingOf(file));
    const { entries, digests } = yield* list(archive);
    checkEntries(entries, name);
    return { name, kind: archive.packing, entries, digests, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** True if the file begins as a tar that holds something, packed or not. */
export function isTar(file: ByteSource): boolean {
  const head = new Uint8Array(BLOCK_BYTES);
  const got = readAt(file, head, 0);
  if (packerOf(head.subarray(0, got)) !== undefined) return true;
  return got === BLOCK_BYTES && isTarHeader(head);
}

function packingOf(file: ByteSource): Packing {
  const head = new Uint8Array(BLOCK_BYTES);
  const got = readAt(file, head, 0);
  const packer = packerOf(head.subarray(0, got));
  if (packer !== undefined) {
    const packing = packer === "gzip" ? "tar.gz" : "tar.zst";
    const first = new Uint8Array(BLOCK_BYTES);
    const archive = new Archive(file, packing);
    try {
      if (archive.read(first, 0) === BLOCK_BYTES && looksLikeTar(first)) return packing;
    } finally {
      archive.release();
    }
    throw noTar(file.name, `what is packed in it with ${packer} is no tar`);
  }
  if (got === BLOCK_BYTES && looksLikeTar(head)) return "tar";
  throw noTar(file.name, "it is neither a folder nor a tar, tar.gz or tar.zst, nor a medium");
}

function looksLikeTar(block: Uint8Array): boolean {
  return isEndBlock(block) || isTarHeader(block);
}

function noTar(path: string, why: string): Error {
  return failure("EMEDIUMTYPE", "read", `'${path}' is no system image: ${why}.`, { path });
}

function* list(
  archive: Archive,
): Work<{ entries: ImageEntry[]; digests: ReadonlyMap<string, string> }> {
  const { name: source, sizeBytes: fileBytes } = archive.file;
  const entries: ImageEntry[] = [];
  const digests = new Map<string, string>();
  const context: Context = { source, ...fresh(), global: new Map() };
  const block = new Uint8Array(BLOCK_BYTES);
  let at = 0;
  for (;;) {
    const got = archive.read(block, at);
    // An archive may end without its two empty blocks, but only between two entries.
    if (got === 0 && at > 0) break;
    if (got < BLOCK_BYTES) throw damagedTar(source, at, "it ends inside a header");
    if (isEndBlock(block)) {
      at += BLOCK_BYTES;
      break;
    }
    const header = parseHeader(block, at, source);
    at += BLOCK_BYTES;
    if (isExtension(header.type)) {
      at = readExtension(archive, header, at, context);
      continue;
    }
    const { entry, dataBytes } = toEntry(archive, header, at, context);
    Object.assign(context, fresh());
    if (entry !== undefined) {
      entries.push(entry);
      if (entries.length > ENTRIES_MAX) {
        throw failure("EFBIG", "read", `'${source}' has too many entries.`, { path: source });
      }
    }
    const end = at + dataBytes;
    if (archive.packing === "tar") {
      if (end > fileBytes) throw damagedTar(source, at, "it ends inside a file");
      yield {
        step: "list the image",
        done: Math.min(end, fileBytes),
        total: fileBytes,
        unit: "bytes",
      };
    } else {
      const isKept = entry !== undefined && isList(entry.path) && dataBytes <= KEPT_BYTES_MAX;
      const kept = new Uint8Array(isKept ? dataBytes : 0);
      const digest = yield* hashData(archive, at, dataBytes, kept);
      if (entry?.kind === "file") digests.set(entry.path, digest);
      if (isKept) entries[entries.length - 1] = { ...entry, open: () => memoryReader(kept) };
    }
    at = Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES;
  }
  // A packed archive is read to its end, so that what its packer checks there is checked.
  if (archive.packing !== "tar") drain(archive, at);
  return { entries, digests };
}

/** Reads what is behind the last entry. */
function drain(archive: Archive, from: number): void {
  for (let at = from; ; ) {
    const got = archive.read(PIECE, at);
    if (got === 0) return;
    at += got;
  }
}

function fresh(): { next: PaxRecords; longName: undefined; longLink: undefined } {
  return { next: new Map(), longName: undefined, longLink: undefined };
}

function isExtension(type: string): boolean {
  return ["x", "g", GNU_LONG_NAME, GNU_LONG_LINK].includes(type);
}

/** Takes a record that describes what follows; answers where the next header is. */
function readExtension(archive: Archive, header: TarHeader, at: number, context: Context): number {
  const { source } = context;
  const { size, type } = header;
  if (size > EXTENSION_BYTES_MAX) throw damagedTar(source, at, `a header of ${size} bytes`);
  const data = new Uint8Array(size);
  if (archive.read(data, at) < size) throw damagedTar(source, at, "it ends inside a header");
  if (type === "x") context.next = new Map([...context.next, ...parsePax(data, at, source)]);
  else if (type === "g")
    context.global = new Map([...context.global, ...parsePax(data, at, source)]);
  else {
    const end = data.indexOf(0);
    const name = end < 0 ? data : data.subarray(0, end);
    if (type === GNU_LONG_NAME) context.longName = name;
    else context.longLink = name;
  }
  return Math.ceil((at + size) / BLOCK_BYTES) * BLOCK_BYTES;
}

function toEntry(
  archive: Archive,
  header: TarHeader,
  at: number,
  context: Context,
): { entry: ImageEntry | undefined; dataBytes: number } {
  const { source, longName, longLink } = context;
  const records = new Map([...context.global, ...context.next]);
  const record = (key: string) => {
    const value = records.get(key);
    return value === undefined || value.length === 0 ? undefined : value;
  };
  const number = (key: string, otherwise: number) => {
    const value = record(key);
    return value === undefined ? otherwise : paxNumber(value, key, at, source);
  };
  const given = decodeName(longName ?? record("path") ?? header.name, "the name", source);
  // Old tars tell a folder from a file by the slash at its end alone.
  const isFolder = header.type === "0" && given.endsWith("/");
  const kind = isFolder ? "directory" : KINDS[header.type];
  if (kind === undefined || [...records.keys()].some((key) => key.startsWith("GNU.sparse"))) {
    const what = kind === undefined ? `entries of type '${header.type}'` : "sparse files";
    const message = `'${given}' of '${source}': ${what} are not read.`;
    throw failure("EOPNOTSUPP", "read", message, { path: given });
  }
  const sizeBytes = number("size", header.size);
  const dataBytes = kind === "file" ? sizeBytes : 0;
  const path = cleanPath(given, source);
  // The root itself: its attributes are the file system's own.
  if (path === "") return { entry: undefined, dataBytes };
  const mtime = record("mtime");
  const link = decodeName(longLink ?? record("linkpath") ?? header.linkName, "the link", source);
  const target = kind === "symlink" ? link : kind === "link" ? cleanPath(link, source) : undefined;
  const isDevice = kind === "chardev" || kind === "blockdev";
  const entry: ImageEntry = {
    path,
    kind,
    mode: header.mode & 0o7777,
    uid: number("uid", header.uid),
    gid: number("gid", header.gid),
    mtimeNs:
      mtime === undefined ? BigInt(header.mtimeS) * 1_000_000_000n : paxTime(mtime, at, source),
    sizeBytes: dataBytes,
    ...(target === undefined ? {} : { target }),
    ...(isDevice ? { device: { major: header.major, minor: header.minor } } : {}),
    ...xattrsOf(records),
    ...(kind === "file" ? { open: () => dataReader(archive, at, dataBytes) } : {}),
  };
  return { entry, dataBytes };
}

/** Extended attributes as GNU tar and libarchive write them; the latter packs values in base64. */
function xattrsOf(records: PaxRecords): { xattrs?: ReadonlyMap<string, Uint8Array> } {
  const xattrs = new Map<string, Uint8Array>();
  for (const [key, value] of records) {
    const [gnu = "", archive = ""] = XATTR_KEYS;
    if (key.startsWith(gnu)) xattrs.set(key.slice(gnu.length), value);
    else if (key.startsWith(archive)) {
      const name = unescaped(key.slice(archive.length));
      if (!xattrs.has(name)) {
        xattrs.set(name, encodeText(decodeText(value, "latin1"), "base64"));
      }
    }
  }
  return xattrs.size === 0 ? {} : { xattrs };
}

/** libarchive writes odd bytes of a name as "%3D"; what is no such text is the name itself. */
function unescaped(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function dataReader(archive: Archive, first: number, sizeBytes: number): EntryReader {
  let at = 0;
  return {
    read: (into) => {
      const wanted = Math.min(into.length, sizeBytes - at);
      const got = wanted === 0 ? 0 : archive.read(into.subarray(0, wanted), first + at);
      at += got;
      return got;
    },
    close: () => {},
  };
}

/** A list of the image, which is read before everything else: a packed archive keeps it. */
function isList(path: string): boolean {
  return LISTS.includes(path.slice(path.lastIndexOf("/") + 1));
}

/** Hashes a file's data; the first bytes of it go to `kept`, as many as fit. */
function* hashData(
  archive: Archive,
  first: number,
  sizeBytes: number,
  kept: Uint8Array,
): Work<string> {
  const hash = createDigest();
  for (let at = 0; at < sizeBytes; ) {
    const wanted = Math.min(PIECE.length, sizeBytes - at);
    const got = archive.read(PIECE.subarray(0, wanted), first + at);
    if (got < wanted) throw damagedTar(archive.file.name, first + at, "it ends inside a file");
    hash.update(PIECE.subarray(0, got));
    if (at < kept.length) kept.set(PIECE.subarray(0, got), at);
    at += got;
    yield { step: "list the image", done: at, total: sizeBytes, unit: "bytes" };
  }
  return hash.hex();
}
