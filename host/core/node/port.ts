/** The exports of api/files as typed calls: paths and data in and out of the core's memory. */
import {
  ATTRIBUTES_SIZE,
  FILE_FINDING_CODE,
  FILE_FINDING_INO,
  FILE_FINDING_LBA,
  FILE_FINDING_LENGTH,
  FILE_FINDING_OFFSET,
  FILE_FINDING_REASON,
  PATH_LENGTH_MAX,
  Reason,
  STATFS_AVAILABLE,
  STATFS_BLOCK_SIZE,
  STATFS_BLOCKS,
  STATFS_FILES,
  STATFS_FREE,
  STATFS_TYPE,
} from "../../../assembly/format/abi.ts";
import { ErrorCode } from "../../../assembly/format/errors.ts";
import {
  CONTROL_SIZE,
  NAME_MAX,
  SYMLINK_MAX,
  XATTR_NAME_MAX,
  XATTR_VALUE_MAX,
  XATTRS_MAX,
} from "../../../assembly/format/wf.ts";
import { codeName, failure } from "../../base/errors.ts";
import type { CoreAccess } from "./exports.ts";
import { type PathLike, pathText, spanOf } from "./flags.ts";
import { BigIntStats, type Dirent, readEntries, Stats, type StatsFs } from "./stats.ts";

/** Fixed places in the scratch block: two paths, a name, and a result or value. */
const PATH_ROOM = PATH_LENGTH_MAX + 8;
const PATH_A = 0;
const PATH_B = PATH_ROOM;
const NAME = 2 * PATH_ROOM;
const NAME_ROOM = 1024;
const OUT = NAME + NAME_ROOM;
const OUT_ROOM = 32768;
const SCRATCH_SIZE = OUT + OUT_ROOM;
/** Most bytes that move in one call. */
const DATA_ROOM = 1 << 20;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export interface RawFinding {
  readonly code: string;
  readonly reason: string;
  readonly lba: number;
  readonly ino: number;
  readonly path: string | undefined;
  readonly offset: number;
  readonly length: number;
}

/** One mount of a core, with the memory its calls go through. */
export class FilesPort {
  readonly #core: CoreAccess;
  readonly #mount: number;
  readonly #scratch: number;
  #data = 0;
  /** The view of the last read; empty once the memory has grown. */
  #last: Uint8Array = new Uint8Array(0);
  #open = true;

  constructor(core: CoreAccess, mount: number) {
    this.#core = core;
    this.#mount = mount;
    this.#scratch = core.memory.allocate(SCRATCH_SIZE);
  }

  readOnly(): boolean {
    return this.#core.exports.filesReadOnly(this.#mount) !== 0;
  }

  dirtyPages(): number {
    return this.#check(this.#core.exports.filesDirtyPages(this.#mount), "sync");
  }

  commit(): void {
    this.#check(this.#core.exports.filesCommit(this.#mount), "fsync");
  }

  revert(): void {
    this.#check(this.#core.exports.filesRevert(this.#mount), "revert");
  }

  reopen(): void {
    this.#check(this.#core.exports.filesReopen(this.#mount), "open");
  }

  unmount(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#core.exports.filesUnmount(this.#mount);
    this.#core.memory.release(this.#scratch, SCRATCH_SIZE);
    if (this.#data !== 0) this.#core.memory.release(this.#data, DATA_ROOM);
  }

  open(path: PathLike, flags: number, mode: number): number {
    const length = this.#path(path, PATH_A, "open");
    const { exports } = this.#core;
    const fd = exports.filesOpen(this.#mount, this.#scratch, length, flags, mode);
    return this.#check(fd, "open", path);
  }

  close(fd: number): void {
    this.#check(this.#core.exports.filesClose(fd), "close");
  }

  read(fd: number, into: Uint8Array, position: number): number {
    const data = this.#dataRoom();
    let done = 0;
    while (done < into.length) {
      const asked = Math.min(DATA_ROOM, into.length - done);
      const from = position < 0 ? -1 : position + done;
      const got = this.#core.exports.filesRead(fd, data, asked, from);
      if (got < 0 && done > 0) return done;
      this.#check(got, "read");
      into.set(this.#moved(data, got), done);
      done += got;
      if (got < asked) break;
    }
    return done;
  }

  write(fd: number, from: Uint8Array, position: number): number {
    const data = this.#dataRoom();
    let done = 0;
    do {
      const asked = Math.min(DATA_ROOM, from.length - done);
      this.#core.memory.bytes.set(spanOf(from, done, asked), data);
      const to = position < 0 ? -1 : position + done;
      const put = this.#core.exports.filesWrite(fd, data, asked, to);
      if (put < 0 && done > 0) return done;
      done += this.#check(put, "write");
      if (put < asked) break;
    } while (done < from.length);
    return done;
  }

  resize(fd: number | undefined, path: PathLike | undefined, size: number, syscall: string): void {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw failure("EINVAL", syscall, `${size} is not a length.`);
    }
    const length = this.#path(path, PATH_A, syscall);
    const result = this.#core.exports.filesResize(fd ?? this.#mount, this.#scratch, length, size);
    this.#check(result, syscall, path);
  }

  fstat(fd: number, big = false): Stats | BigIntStats {
    const out = this.#scratch + OUT;
    this.#check(this.#core.exports.filesStat(fd, this.#scratch, 0, 1, out), "fstat");
    return this.#stats(out, big);
  }

  stat(path: PathLike, follow: boolean, big: boolean, syscall: string): Stats | BigIntStats {
    const result = this.#lookUp(path, follow, syscall);
    this.#check(result, syscall, path);
    return this.#stats(this.#scratch + OUT, big);
  }

  /** The same, undefined where nothing is: cheaper than an error that nobody wants to see. */
  statIfAny(path: PathLike, follow: boolean, big: boolean, syscall: string) {
    if (pathText(path) === "") return undefined;
    const result = this.#lookUp(path, follow, syscall);
    if (result === ErrorCode.ENOENT) return undefined;
    this.#check(result, syscall, path);
    return this.#stats(this.#scratch + OUT, big);
  }

  #lookUp(path: PathLike, follow: boolean, syscall: string): number {
    const length = this.#path(path, PATH_A, syscall);
    const { exports } = this.#core;
    const out = this.#scratch + OUT;
    return exports.filesStat(this.#mount, this.#scratch, length, follow ? 1 : 0, out);
  }

  statfs(): StatsFs {
    const out = this.#scratch + OUT;
    this.#check(this.#core.exports.filesStatfs(this.#mount, out), "statfs");
    const { view } = this.#core.memory;
    const u64 = (offset: number) => Number(view.getBigUint64(out + offset, true));
    return {
      type: view.getUint32(out + STATFS_TYPE, true),
      bsize: view.getUint32(out + STATFS_BLOCK_SIZE, true),
      blocks: u64(STATFS_BLOCKS),
      bfree: u64(STATFS_FREE),
      bavail: u64(STATFS_AVAILABLE),
      files: u64(STATFS_FILES),
      ffree: u64(STATFS_AVAILABLE),
    };
  }

  /** Changes attributes: `fill` writes them into the structure that `mask` speaks of. */
  change(
    fd: number | undefined,
    path: PathLike | undefined,
    follow: boolean,
    mask: number,
    syscall: string,
    fill: (view: DataView, out: number) => void,
  ): void {
    const length = this.#path(path, PATH_A, syscall);
    const out = this.#scratch + OUT;
    this.#core.memory.bytes.fill(0, out, out + ATTRIBUTES_SIZE);
    fill(this.#core.memory.view, out);
    const { exports } = this.#core;
    const target = fd ?? this.#mount;
    const result = exports.filesChange(target, this.#scratch, length, follow ? 1 : 0, mask, out);
    this.#check(result, syscall, path);
  }

  mkdir(path: PathLike, mode: number): void {
    const length = this.#path(path, PATH_A, "mkdir");
    const { exports } = this.#core;
    this.#check(exports.filesMkdir(this.#mount, this.#scratch, length, mode), "mkdir", path);
  }

  remove(path: PathLike, directory: boolean): void {
    const syscall = directory ? "rmdir" : "unlink";
    const length = this.#path(path, PATH_A, syscall);
    const { exports } = this.#core;
    const result = exports.filesRemove(this.#mount, this.#scratch, length, directory ? 1 : 0);
    this.#check(result, syscall, path);
  }

  two(
    name: "filesRename" | "filesLink" | "filesSymlink",
    syscall: string,
    a: PathLike,
    b: PathLike,
  ): void {
    const aLength = this.#path(a, PATH_A, syscall);
    const bLength = this.#path(b, PATH_B, syscall);
    const call = this.#core.exports[name];
    const result = call(this.#mount, this.#scratch, aLength, this.#scratch + PATH_B, bLength);
    this.#check(result, syscall, a, b);
  }

  readlink(path: PathLike): Uint8Array {
    const length = this.#path(path, PATH_A, "readlink");
    const out = this.#scratch + OUT;
    const { exports } = this.#core;
    const room = SYMLINK_MAX + 1;
    const got = exports.filesReadlink(this.#mount, this.#scratch, length, out, room);
    return this.#core.memory.slice(out, this.#check(got, "readlink", path));
  }

  list(fd: number, path: string): Dirent[] {
    const out = this.#scratch + OUT;
    const got = this.#core.exports.filesList(fd, out, OUT_ROOM);
    this.#check(got, "scandir", path);
    const { bytes, view } = this.#core.memory;
    return readEntries(bytes, view, out, got, path);
  }

  xattrGet(path: PathLike, name: string, follow: boolean): Uint8Array {
    const length = this.#path(path, PATH_A, "getxattr");
    const nameLength = this.#name(name, "getxattr");
    const out = this.#scratch + OUT;
    const got = this.#core.exports.filesXattrGet(
      this.#mount,
      this.#scratch,
      length,
      follow ? 1 : 0,
      this.#scratch + NAME,
      nameLength,
      out,
      OUT_ROOM,
    );
    return this.#core.memory.slice(out, this.#check(got, "getxattr", path));
  }

  xattrSet(path: PathLike, name: string, value: Uint8Array, flags: number, follow: boolean): void {
    const length = this.#path(path, PATH_A, "setxattr");
    const nameLength = this.#name(name, "setxattr");
    if (value.length > XATTR_VALUE_MAX) {
      const most = `an attribute holds at most ${XATTR_VALUE_MAX} bytes, not ${value.length}.`;
      throw failure("E2BIG", "setxattr", most, { path: pathText(path) });
    }
    this.#core.memory.bytes.set(value, this.#scratch + OUT);
    const result = this.#core.exports.filesXattrSet(
      this.#mount,
      this.#scratch,
      length,
      follow ? 1 : 0,
      this.#scratch + NAME,
      nameLength,
      this.#scratch + OUT,
      value.length,
      flags,
    );
    this.#check(result, "setxattr", path);
  }

  xattrList(path: PathLike, follow: boolean): string[] {
    const length = this.#path(path, PATH_A, "listxattr");
    const out = this.#scratch + OUT;
    const { exports } = this.#core;
    const got = this.#check(
      exports.filesXattrList(this.#mount, this.#scratch, length, follow ? 1 : 0, out, OUT_ROOM),
      "listxattr",
      path,
    );
    const names = decoder.decode(this.#core.memory.subarray(out, got)).split("\0");
    return names.slice(0, -1);
  }

  xattrRemove(path: PathLike, name: string, follow: boolean): void {
    const length = this.#path(path, PATH_A, "removexattr");
    const nameLength = this.#name(name, "removexattr");
    const { exports } = this.#core;
    const result = exports.filesXattrRemove(
      this.#mount,
      this.#scratch,
      length,
      follow ? 1 : 0,
      this.#scratch + NAME,
      nameLength,
    );
    this.#check(result, "removexattr", path);
  }

  /** Commits, and makes room for one batch that stays whole. */
  begin(changes: number, dataPages: number): void {
    this.#check(this.#core.exports.filesBegin(this.#mount, changes, dataPages), "atomically");
  }

  record(kind: number, key: Uint8Array): Uint8Array | undefined {
    const out = this.#scratch + OUT;
    const { exports, memory } = this.#core;
    const at = this.#key(key, "getrecord");
    const got = exports.filesRecord(this.#mount, kind, at, key.length, out, OUT_ROOM);
    if (got === ErrorCode.ENOENT) return undefined;
    return memory.slice(out, this.#check(got, "getrecord"));
  }

  setRecord(kind: number, key: Uint8Array, value: Uint8Array | undefined): boolean {
    const from = this.#scratch + OUT;
    const { exports, memory } = this.#core;
    const at = this.#key(key, "setrecord");
    const length = value?.length ?? 0;
    if (length > OUT_ROOM) throw failure("EINVAL", "setrecord", `no record has ${length} bytes.`);
    if (value !== undefined) memory.bytes.set(value, from);
    const result = exports.filesSetRecord(this.#mount, kind, at, key.length, from, length);
    if (result === ErrorCode.ENOENT) return false;
    this.#check(result, "setrecord");
    return true;
  }

  nextRecord(kind: number, key: Uint8Array): Uint8Array | undefined {
    const out = this.#scratch + OUT;
    const { exports, memory } = this.#core;
    const at = this.#key(key, "listrecords");
    const got = exports.filesNextRecord(this.#mount, kind, at, key.length, out, OUT_ROOM);
    const length = this.#check(got, "listrecords");
    return length === 0 ? undefined : memory.slice(out, length);
  }

  control(): Uint8Array {
    const out = this.#scratch + OUT;
    this.#check(this.#core.exports.filesControl(this.#mount, out), "control");
    return this.#core.memory.slice(out, CONTROL_SIZE);
  }

  setControl(block: Uint8Array): void {
    this.#alive("control");
    const at = this.#scratch + OUT;
    this.#core.memory.bytes.set(block, at);
    this.#check(this.#core.exports.filesSetControl(this.#mount, at), "control");
  }

  check(data: boolean): RawFinding[] {
    const { exports, memory } = this.#core;
    const out = this.#scratch + OUT;
    const count = this.#check(exports.filesCheck(this.#mount, data ? 1 : 0), "check");
    const findings: RawFinding[] = [];
    for (let index = 0; index < count; index++) {
      this.#check(exports.filesFinding(this.#mount, index, out), "check");
      const { view } = memory;
      const u64 = (offset: number) => Number(view.getBigUint64(out + offset, true));
      const ino = u64(FILE_FINDING_INO);
      const found = {
        code: codeName(view.getInt32(out + FILE_FINDING_CODE, true)),
        reason: Reason[view.getUint32(out + FILE_FINDING_REASON, true)] ?? "NONE",
        lba: u64(FILE_FINDING_LBA),
        ino,
        offset: u64(FILE_FINDING_OFFSET),
        length: u64(FILE_FINDING_LENGTH),
      };
      findings.push({ ...found, path: ino === 0 ? undefined : this.#pathOf(ino) });
    }
    return findings;
  }

  #pathOf(ino: number): string | undefined {
    const out = this.#scratch + OUT;
    const got = this.#core.exports.filesPath(this.#mount, ino, out, PATH_LENGTH_MAX);
    return got < 0 ? undefined : this.#core.memory.text(out, got);
  }

  #stats(out: number, big: boolean): Stats | BigIntStats {
    const raw = new BigIntStats(this.#core.memory.view, out);
    return big ? raw : new Stats(raw);
  }

  /** Encodes a path into its place; 0 for a call that names a descriptor instead. */
  #path(path: PathLike | undefined, place: number, syscall: string): number {
    if (path === undefined) return 0;
    this.#alive(syscall);
    const target = this.#core.memory.subarray(this.#scratch + place, PATH_ROOM);
    let length = 0;
    if (path instanceof Uint8Array) {
      length = path.length;
      if (length <= PATH_LENGTH_MAX) target.set(path);
    } else {
      const text = pathText(path);
      const { read, written } = encoder.encodeInto(text, target);
      length = read < text.length ? PATH_LENGTH_MAX + 1 : written;
    }
    const code = pathFault(target, length);
    if (code === ErrorCode.OK) return length;
    throw this.#core.error(code, syscall, { path: pathText(path) });
  }

  /** Nothing may be written into the scratch block of a closed one. */
  #alive(syscall: string): void {
    if (!this.#open) throw failure("EBADF", syscall, "the filesystem is closed.");
  }

  /** Puts the key of a record into its place. */
  #key(key: Uint8Array, syscall: string): number {
    this.#alive(syscall);
    if (key.length > NAME_MAX) {
      throw failure("EINVAL", syscall, `no key of a record has ${key.length} bytes.`);
    }
    this.#core.memory.bytes.set(key, this.#scratch + NAME);
    return this.#scratch + NAME;
  }

  #name(name: string, syscall: string): number {
    const target = this.#core.memory.subarray(this.#scratch + NAME, NAME_ROOM);
    const { read, written } = encoder.encodeInto(name, target);
    if (read === name.length && written > 0 && written <= XATTR_NAME_MAX) return written;
    throw failure(written === 0 ? "EINVAL" : "ERANGE", syscall, `'${name}' is no attribute name.`);
  }

  #check(result: number, syscall: string, path?: PathLike, dest?: PathLike): number {
    if (result >= 0) return result;
    if (path === undefined) throw this.#core.error(result, syscall);
    const error = this.#core.error(result, syscall, { path: pathText(path) });
    if (dest !== undefined) Object.assign(error, { dest: pathText(dest) });
    throw error;
  }

  /** What the core has put at `data`. Callers mostly ask for one size again and again. */
  #moved(data: number, length: number): Uint8Array {
    if (this.#last.length !== length || length === 0) {
      this.#last = this.#core.memory.subarray(data, length);
    }
    return this.#last;
  }

  #dataRoom(): number {
    if (this.#data === 0) this.#data = this.#core.memory.allocate(DATA_ROOM);
    return this.#data;
  }
}

function pathFault(bytes: Uint8Array, length: number): ErrorCode {
  if (length > PATH_LENGTH_MAX) return ErrorCode.ENAMETOOLONG;
  if (length === 0) return ErrorCode.ENOENT;
  return bytes.subarray(0, length).includes(0) ? ErrorCode.EINVAL : ErrorCode.OK;
}

if (XATTRS_MAX * (XATTR_NAME_MAX + 1) > OUT_ROOM) {
  throw new Error("the names of all attributes of an inode must fit the result");
}
