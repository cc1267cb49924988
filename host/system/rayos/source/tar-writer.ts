/**
 * A list of entries as a tar archive, streamed: its size is known before anything of it is read.
 * The same list gives the same bytes, and openTar reads the same list back: what a ustar header
 * cannot hold stands in pax records, times to the nanosecond.
 *
 * @see POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"
 */
import { failure } from "../../../base/errors.ts";
import type { TreeReader } from "../../image/folder.ts";
import type { EntryKind, EntryReader, ImageEntry } from "./entry.ts";
import { BLOCK_BYTES } from "./tar-header.ts";

const TYPES: Readonly<Partial<Record<EntryKind, string>>> = {
  file: "0",
  link: "1",
  symlink: "2",
  chardev: "3",
  blockdev: "4",
  directory: "5",
  fifo: "6",
};
const NAME_BYTES_MAX = 100;
const NANOSECONDS = 1_000_000_000n;
const encoder = new TextEncoder();

/** An archive that can be read any number of times. */
export interface TarContent {
  readonly sizeBytes: number;
  /** How many entries are left out, because a tar has no kind for them: sockets. */
  readonly omitted: number;
  open(): TreeReader;
}

/** Bytes, or the content of a file that must have exactly the size that was listed. */
type Segment = Uint8Array | ImageEntry;

export function tarOf(entries: readonly ImageEntry[]): TarContent {
  const kept = entries.filter(({ kind }) => TYPES[kind] !== undefined);
  const sizeBytes = kept.reduce(
    (sum, entry) => sum + headOf(entry).length + padded(entry.sizeBytes),
    2 * BLOCK_BYTES,
  );
  const omitted = entries.length - kept.length;
  return { sizeBytes, omitted, open: () => new SegmentReader(segmentsOf(kept)) };
}

function* segmentsOf(entries: readonly ImageEntry[]): Generator<Segment> {
  for (const entry of entries) {
    yield headOf(entry);
    if (entry.kind !== "file") continue;
    yield entry;
    yield new Uint8Array(padded(entry.sizeBytes) - entry.sizeBytes);
  }
  yield new Uint8Array(2 * BLOCK_BYTES);
}

function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

class SegmentReader implements TreeReader {
  readonly #segments: Iterator<Segment>;
  #segment: Segment | undefined;
  #reader: EntryReader | undefined;
  #at = 0;

  constructor(segments: Generator<Segment>) {
    this.#segments = segments;
    this.#next();
  }

  read(into: Uint8Array): number {
    let done = 0;
    while (done < into.length && this.#segment !== undefined) {
      const got = this.#piece(this.#segment, into.subarray(done));
      done += got;
      if (got === 0) this.#next();
    }
    return done;
  }

  close(): void {
    this.#reader?.close();
    this.#reader = undefined;
    this.#segment = undefined;
  }

  /** The next bytes of a segment; 0 at its end. */
  #piece(segment: Segment, into: Uint8Array): number {
    if (segment instanceof Uint8Array) {
      const piece = segment.subarray(this.#at, this.#at + into.length);
      into.set(piece);
      this.#at += piece.length;
      return piece.length;
    }
    const { path, sizeBytes } = segment;
    const wanted = Math.min(into.length, sizeBytes - this.#at);
    if (wanted === 0) return 0;
    this.#reader ??= segment.open?.();
    const got = this.#reader?.read(into.subarray(0, wanted)) ?? 0;
    if (got === 0) {
      const message = `'${path}' has ${this.#at} bytes now, not the ${sizeBytes} it had.`;
      throw failure("EIO", "read", message, { path });
    }
    this.#at += got;
    return got;
  }

  #next(): void {
    this.#reader?.close();
    this.#reader = undefined;
    this.#at = 0;
    const { value, done } = this.#segments.next();
    this.#segment = done === true ? undefined : value;
  }
}

/** The header of an entry, behind a pax header where one is needed. */
function headOf(entry: ImageEntry): Uint8Array {
  const records = paxRecords(entry);
  const own = header(entry, TYPES[entry.kind] ?? "0");
  if (records.length === 0) return own;
  const text = Buffer.concat(records);
  const about: ImageEntry = { ...entry, path: "pax", kind: "file", sizeBytes: text.length };
  const front = header({ ...about, target: undefined, device: undefined }, "x");
  return Buffer.concat([front, text, new Uint8Array(padded(text.length) - text.length), own]);
}

function paxRecords(entry: ImageEntry): Uint8Array[] {
  const { uid, gid, mtimeNs, sizeBytes, target = "", xattrs } = entry;
  const records: Uint8Array[] = [];
  const add = (key: string, value: string | Uint8Array) => records.push(record(key, value));
  const name = nameOf(entry);
  if (!isPlain(name)) add("path", name);
  if (!isPlain(target)) add("linkpath", target);
  if (!fits(uid, 8)) add("uid", `${uid}`);
  if (!fits(gid, 8)) add("gid", `${gid}`);
  if (!fits(sizeBytes, 12)) add("size", `${sizeBytes}`);
  if (mtimeNs % NANOSECONDS !== 0n || !fits(Number(mtimeNs / NANOSECONDS), 12)) {
    add("mtime", timeText(mtimeNs));
  }
  for (const [key, value] of xattrs ?? []) add(`SCHILY.xattr.${key}`, value);
  return records;
}

/** "length key=value\n", where the length counts its own digits. */
function record(key: string, value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === "string" ? encoder.encode(value) : value;
  const rest = Buffer.concat([encoder.encode(` ${key}=`), bytes, encoder.encode("\n")]);
  let length = rest.length + 1;
  while (`${length}`.length + rest.length !== length) length = `${length}`.length + rest.length;
  return Buffer.concat([encoder.encode(`${length}`), rest]);
}

function timeText(ns: bigint): string {
  const size = ns < 0n ? -ns : ns;
  const fraction = `${size % NANOSECONDS}`.padStart(9, "0");
  return `${ns < 0n ? "-" : ""}${size / NANOSECONDS}.${fraction}`;
}

function header(entry: ImageEntry, type: string): Uint8Array {
  const block = Buffer.alloc(BLOCK_BYTES);
  const put = (at: number, bytes: string | Uint8Array) => Buffer.from(bytes).copy(block, at);
  const octal = (at: number, room: number, value: number) =>
    put(at, `${(fits(value, room) ? value : 0).toString(8).padStart(room - 1, "0")}\0`);
  put(0, encoder.encode(nameOf(entry)).subarray(0, NAME_BYTES_MAX));
  octal(100, 8, entry.mode);
  octal(108, 8, entry.uid);
  octal(116, 8, entry.gid);
  octal(124, 12, entry.sizeBytes);
  octal(136, 12, Number(entry.mtimeNs / NANOSECONDS));
  put(156, type);
  put(157, encoder.encode(entry.target ?? "").subarray(0, NAME_BYTES_MAX));
  put(257, "ustar\0");
  put(263, "00");
  octal(329, 8, entry.device?.major ?? 0);
  octal(337, 8, entry.device?.minor ?? 0);
  // The checksum counts its own field as spaces.
  put(148, "        ");
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

function nameOf({ path, kind }: ImageEntry): string {
  return kind === "directory" ? `${path}/` : path;
}

/** ASCII that fits a header's field: every reader takes it as it stands. */
function isPlain(text: string): boolean {
  return text.length <= NAME_BYTES_MAX && /^[\x20-\x7e]*$/.test(text);
}

/** True if a field of `room` bytes holds the value, in octal with a NUL behind it. */
function fits(value: number, room: number): boolean {
  return value >= 0 && value < 8 ** (room - 1);
}
