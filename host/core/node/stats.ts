/** What stat and readdir answer: classes with the fields and methods of node:fs. */
import {
  ENTRY_INO,
  ENTRY_NAME_LENGTH,
  ENTRY_SIZE,
  ENTRY_STEP,
  ENTRY_TYPE,
  FILE_STAT_ATIME,
  FILE_STAT_BLOCKS,
  FILE_STAT_BTIME,
  FILE_STAT_CTIME,
  FILE_STAT_GID,
  FILE_STAT_INO,
  FILE_STAT_LENGTH,
  FILE_STAT_MODE,
  FILE_STAT_MTIME,
  FILE_STAT_NLINK,
  FILE_STAT_UID,
} from "../../../assembly/format/abi.ts";
import { FileType } from "../../../assembly/format/wf.ts";

const TYPE_MASK = 0o170000;
const TYPE_FILE = 0o100000;
const TYPE_DIRECTORY = 0o040000;
const TYPE_SYMLINK = 0o120000;
const BLOCK_SIZE = 4096;
const NS_PER_MS = 1_000_000n;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

abstract class StatsMethods<T extends number | bigint> {
  declare readonly mode: T;

  isFile(): boolean {
    return (Number(this.mode) & TYPE_MASK) === TYPE_FILE;
  }

  isDirectory(): boolean {
    return (Number(this.mode) & TYPE_MASK) === TYPE_DIRECTORY;
  }

  isSymbolicLink(): boolean {
    return (Number(this.mode) & TYPE_MASK) === TYPE_SYMLINK;
  }

  isBlockDevice(): boolean {
    return false;
  }

  isCharacterDevice(): boolean {
    return false;
  }

  isFIFO(): boolean {
    return false;
  }

  isSocket(): boolean {
    return false;
  }
}

/** Like Stats of node:fs; numbers. */
export class Stats extends StatsMethods<number> {
  readonly dev = 0;
  readonly ino: number;
  override readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev = 0;
  /** Bytes; of a directory: entries. */
  readonly size: number;
  readonly blksize = BLOCK_SIZE;
  /** Blocks of 512 bytes that hold data: fewer than `size` needs where the file has holes. */
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly birthtimeMs: number;

  constructor(raw: BigIntStats) {
    super();
    this.ino = Number(raw.ino);
    this.mode = Number(raw.mode);
    this.nlink = Number(raw.nlink);
    this.uid = Number(raw.uid);
    this.gid = Number(raw.gid);
    this.size = Number(raw.size);
    this.blocks = Number(raw.blocks);
    this.atimeMs = milliseconds(raw.atimeNs);
    this.mtimeMs = milliseconds(raw.mtimeNs);
    this.ctimeMs = milliseconds(raw.ctimeNs);
    this.birthtimeMs = milliseconds(raw.birthtimeNs);
  }

  get atime(): Date {
    return new Date(this.atimeMs);
  }

  get mtime(): Date {
    return new Date(this.mtimeMs);
  }

  get ctime(): Date {
    return new Date(this.ctimeMs);
  }

  get birthtime(): Date {
    return new Date(this.birthtimeMs);
  }
}

/** Like BigIntStats of node:fs: every number a bigint, and times in ns too. */
export class BigIntStats extends StatsMethods<bigint> {
  readonly dev = 0n;
  readonly ino: bigint;
  override readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly rdev = 0n;
  readonly size: bigint;
  readonly blksize = BigInt(BLOCK_SIZE);
  readonly blocks: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs: bigint;

  /** Reads the STAT structure of the ABI at `at`. */
  constructor(view: DataView, at: number) {
    super();
    const u32 = (offset: number) => BigInt(view.getUint32(at + offset, true));
    this.ino = view.getBigUint64(at + FILE_STAT_INO, true);
    this.mode = u32(FILE_STAT_MODE);
    this.nlink = u32(FILE_STAT_NLINK);
    this.uid = u32(FILE_STAT_UID);
    this.gid = u32(FILE_STAT_GID);
    this.size = view.getBigUint64(at + FILE_STAT_LENGTH, true);
    this.blocks = view.getBigUint64(at + FILE_STAT_BLOCKS, true);
    this.atimeNs = view.getBigInt64(at + FILE_STAT_ATIME, true);
    this.mtimeNs = view.getBigInt64(at + FILE_STAT_MTIME, true);
    this.ctimeNs = view.getBigInt64(at + FILE_STAT_CTIME, true);
    this.birthtimeNs = view.getBigInt64(at + FILE_STAT_BTIME, true);
  }

  get atimeMs(): bigint {
    return this.atimeNs / NS_PER_MS;
  }

  get mtimeMs(): bigint {
    return this.mtimeNs / NS_PER_MS;
  }

  get ctimeMs(): bigint {
    return this.ctimeNs / NS_PER_MS;
  }

  get birthtimeMs(): bigint {
    return this.birthtimeNs / NS_PER_MS;
  }

  get atime(): Date {
    return new Date(milliseconds(this.atimeNs));
  }

  get mtime(): Date {
    return new Date(milliseconds(this.mtimeNs));
  }

  get ctime(): Date {
    return new Date(milliseconds(this.ctimeNs));
  }

  get birthtime(): Date {
    return new Date(milliseconds(this.birthtimeNs));
  }
}

/** What statfs answers: the fields of StatsFs of node:fs. */
export interface StatsFs {
  readonly type: number;
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

/** The same with every number a bigint. */
export type BigIntStatsFs = { readonly [Field in keyof StatsFs]: bigint };

export function bigStatsFs(numbers: StatsFs): BigIntStatsFs {
  const rows = Object.entries(numbers).map(([field, number]) => [field, BigInt(number)]);
  return Object.fromEntries(rows) as BigIntStatsFs;
}

/** Like Dirent of node:fs, with the inode number too. */
export class Dirent {
  readonly name: string;
  /** Path of the directory that holds the entry. */
  readonly parentPath: string;
  readonly ino: number;
  readonly #type: number;

  constructor(name: string, parentPath: string, type: number, ino: number) {
    this.name = name;
    this.parentPath = parentPath;
    this.ino = ino;
    this.#type = type;
  }

  /** What the constructor was given, so that the entry can be made again in another thread. */
  static given(entry: Dirent): ConstructorParameters<typeof Dirent> {
    return [entry.name, entry.parentPath, entry.#type, entry.ino];
  }

  /** The older name of `parentPath`. */
  get path(): string {
    return this.parentPath;
  }

  isFile(): boolean {
    return this.#type === FileType.FILE;
  }

  isDirectory(): boolean {
    return this.#type === FileType.DIRECTORY;
  }

  isSymbolicLink(): boolean {
    return this.#type === FileType.SYMLINK;
  }

  isBlockDevice(): boolean {
    return false;
  }

  isCharacterDevice(): boolean {
    return false;
  }

  isFIFO(): boolean {
    return false;
  }

  isSocket(): boolean {
    return false;
  }
}

/** Reads a page of ENTRY structures, `length` bytes at `at`. */
export function readEntries(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  length: number,
  parentPath: string,
): Dirent[] {
  const entries: Dirent[] = [];
  for (let entry = at; entry < at + length; entry += view.getUint32(entry + ENTRY_STEP, true)) {
    const size = view.getUint16(entry + ENTRY_NAME_LENGTH, true);
    const name = decoder.decode(bytes.subarray(entry + ENTRY_SIZE, entry + ENTRY_SIZE + size));
    const ino = Number(view.getBigUint64(entry + ENTRY_INO, true));
    entries.push(new Dirent(name, parentPath, view.getUint8(entry + ENTRY_TYPE), ino));
  }
  return entries;
}

/** A time in ns as ms with its fraction, exact to a double. */
function milliseconds(ns: bigint): number {
  return Number(ns / NS_PER_MS) + Number(ns % NS_PER_MS) / 1e6;
}
