/**
 * Filesystems of the core, CAPOSWF1 and CAPOSRO1, as a synchronous class shaped like node:fs.
 * Paths start at the root of the filesystem, with or without a leading "/". Errors carry code,
 * errno, syscall and path. A CAPOSRO1 image answers EROFS to every change.
 */
import {
  ATTRIBUTES_ATIME,
  ATTRIBUTES_GID,
  ATTRIBUTES_MODE,
  ATTRIBUTES_MTIME,
  ATTRIBUTES_UID,
  CHANGE_ATIME,
  CHANGE_GID,
  CHANGE_MODE,
  CHANGE_MTIME,
  CHANGE_UID,
  OPEN_DIRECTORY,
  XATTR_CREATE,
  XATTR_REPLACE,
} from "../../assembly/format/abi.ts";
import { CONTROL_SIZE } from "../../assembly/format/wf.ts";
import { failure } from "../base/errors.ts";
import { SystemRecords } from "./boot/records.ts";
import type { Core } from "./load.ts";
import { createPromises, type FilePromises } from "./node/async/promises.ts";
import type {
  EncodingOption,
  FileCalls,
  MkdirOptions,
  ReaddirOptions,
  ReadFileOptions,
  RmOptions,
  StatFsOptions,
  StatOptions,
  WriteFileOptions,
  XattrOptions,
} from "./node/calls.ts";
import {
  type AtomicRoom,
  changeAtOnce,
  copy,
  isCode,
  makeDirectories,
  makeTemporary,
  readDirectory,
  readWhole,
  removeTree,
  resolvePath,
  writeWhole,
} from "./node/compose.ts";
import {
  checkSpan,
  contentBytes,
  type ModeLike,
  nanoseconds,
  openFlags,
  type PathLike,
  pathText,
  permissions,
  placeOf,
  spanOf,
  type TimeLike,
} from "./node/flags.ts";
import { type BuildOptions, type ImageEntry, type ImageWindow, writeImage } from "./node/image.ts";
import { FilesPort } from "./node/port.ts";
import {
  type BigIntStats,
  type BigIntStatsFs,
  bigStatsFs,
  type Dirent,
  type Stats,
  type StatsFs,
} from "./node/stats.ts";
import { decoded, type Encoding, encodingOf } from "./node/text.ts";

const W_OK = 2;
const X_OK = 1;
/** It is a directory, or somebody has the right. */
const ANY_EXECUTES = 0o040111;
/** What node:fs makes of its defaults under the usual umask of 022. */
const DIRECTORY_MODE = 0o755;
const FILE_MODE = 0o644;

/** One damaged place that a check found. */
export interface FileFinding {
  readonly code: string;
  readonly reason: string;
  /** Sector of the device, units of 512 bytes. */
  readonly lba: number;
  /** Inode, or node of a read-only image; 0 = none. */
  readonly ino: number;
  /** A path that leads to it, where one could be found. */
  readonly path: string | undefined;
  /** Range of the file that cannot be read; length 0: not a matter of content. */
  readonly offset: number;
  readonly length: number;
}

export interface CheckOptions {
  /** Read and verify the content of every file too. */
  readonly data?: boolean;
}

/**
 * One mounted filesystem.
 *
 * @example
 * const files = region.files;
 * files.mkdir("/etc", { recursive: true });
 * files.writeFile("/etc/motd", "hello");
 * files.sync();
 */
export class FileSystem implements FileCalls {
  /** The same calls shaped like node:fs/promises. */
  readonly promises: FilePromises;
  /** Generations, BAD marks, named pointers: durable with the files at sync(). */
  readonly records: SystemRecords;
  readonly #port: FilesPort;

  /** Takes over `mount`, a handle of the core. Region and openImage() make these. */
  constructor(core: Core, mount: number) {
    this.#port = new FilesPort(core, mount);
    this.promises = createPromises(this);
    this.records = new SystemRecords(this.#port);
  }

  get readOnly(): boolean {
    return this.#port.readOnly();
  }

  /** Pages changed since the last sync(). */
  get dirtyPages(): number {
    return this.#port.dirtyPages();
  }

  open(path: PathLike, flags: string | number = "r", mode?: ModeLike): number {
    return this.#port.open(path, openFlags(flags), permissions(mode, FILE_MODE));
  }

  close(fd: number): void {
    this.#port.close(fd);
  }

  /** Reads up to `length` bytes; without a position from where the descriptor stands. */
  read(
    fd: number,
    buffer: Uint8Array,
    offset = 0,
    length = buffer.length - offset,
    position: number | bigint | null = null,
  ): number {
    checkSpan(buffer, offset, length, "read");
    return this.#port.read(fd, spanOf(buffer, offset, length), placeOf(position));
  }

  /** Writes bytes, or text as UTF-8; without a position where the descriptor stands. */
  write(
    fd: number,
    data: Uint8Array | string,
    offset = 0,
    length?: number,
    position: number | bigint | null = null,
  ): number {
    const bytes = contentBytes(data);
    const size = length ?? bytes.length - offset;
    checkSpan(bytes, offset, size, "write");
    return this.#port.write(fd, spanOf(bytes, offset, size), placeOf(position));
  }

  fsync(fd: number): void {
    this.#port.fstat(fd);
    this.sync();
  }

  /** Makes everything so far durable: one commit. */
  sync(): void {
    this.#port.commit();
  }

  /** Throws away everything since the last sync(); open descriptors are stale from then on. */
  revert(): void {
    this.#port.revert();
  }

  /**
   * After a failed commit: everything since the last durable one is lost, descriptors and changes
   * answer ESTALE until this call. Descriptors opened before stay stale.
   */
  reopen(): void {
    this.#port.reopen();
  }

  /** Carries out `change` as one commit, all of it or nothing: see changeAtOnce(). */
  atomically(change: () => void, room: AtomicRoom = {}): void {
    changeAtOnce(this.#port, change, room);
  }

  ftruncate(fd: number, length = 0): void {
    this.#port.resize(fd, undefined, length, "ftruncate");
  }

  truncate(path: PathLike, length = 0): void {
    this.#port.resize(undefined, path, length, "truncate");
  }

  fstat(fd: number, options?: StatOptions & { readonly bigint?: false }): Stats;
  fstat(fd: number, options: StatOptions & { readonly bigint: true }): BigIntStats;
  fstat(fd: number, options?: StatOptions): Stats | BigIntStats;
  fstat(fd: number, options?: StatOptions): Stats | BigIntStats {
    return this.#port.fstat(fd, options?.bigint === true);
  }

  stat(path: PathLike): Stats;
  stat(path: PathLike, options: { readonly bigint: true }): BigIntStats;
  stat(path: PathLike, options?: StatOptions): Stats | BigIntStats | undefined;
  stat(path: PathLike, options?: StatOptions): Stats | BigIntStats | undefined {
    return this.#stat(path, true, options);
  }

  lstat(path: PathLike): Stats;
  lstat(path: PathLike, options: { readonly bigint: true }): BigIntStats;
  lstat(path: PathLike, options?: StatOptions): Stats | BigIntStats | undefined;
  lstat(path: PathLike, options?: StatOptions): Stats | BigIntStats | undefined {
    return this.#stat(path, false, options);
  }

  statfs(): StatsFs;
  statfs(options?: StatFsOptions): StatsFs | BigIntStatsFs;
  statfs(options?: StatFsOptions): StatsFs | BigIntStatsFs {
    return options?.bigint ? bigStatsFs(this.#port.statfs()) : this.#port.statfs();
  }

  exists(path: PathLike): boolean {
    try {
      return this.stat(path, { throwIfNoEntry: false }) !== undefined;
    } catch (error) {
      const nothing = ["ENOTDIR", "ELOOP", "ENAMETOOLONG", "EINVAL", "EILSEQ"];
      if (nothing.some((code) => isCode(error, code))) return false;
      throw error;
    }
  }

  /** Throws if the path leads nowhere, or if `mode` asks to write where nothing can be written. */
  access(path: PathLike, mode = 0): void {
    const { mode: bits } = this.#port.stat(path, true, false, "access");
    if ((mode & X_OK) !== 0 && (Number(bits) & ANY_EXECUTES) === 0) {
      throw failure("EACCES", "access", `nobody may execute '${pathText(path)}'.`, {
        path: pathText(path),
      });
    }
    if ((mode & W_OK) !== 0 && this.readOnly) {
      throw failure("EROFS", "access", `'${pathText(path)}' is on a read-only filesystem.`, {
        path: pathText(path),
      });
    }
  }

  readFile(path: PathLike | number): Uint8Array;
  readFile(path: PathLike | number, options: Encoding | { readonly encoding: Encoding }): string;
  readFile(
    path: PathLike | number,
    options?: ReadFileOptions | Encoding | null,
  ): Uint8Array | string;
  readFile(
    path: PathLike | number,
    options?: ReadFileOptions | Encoding | null,
  ): Uint8Array | string {
    return readWhole(this, path, options);
  }

  writeFile(path: PathLike | number, data: unknown, options?: WriteFileOptions | Encoding): void {
    writeWhole(this, path, data, options, "w");
  }

  appendFile(path: PathLike | number, data: unknown, options?: WriteFileOptions | Encoding): void {
    writeWhole(this, path, data, options, "a");
  }

  copyFile(from: PathLike, to: PathLike, mode = 0): void {
    copy(this, from, to, mode);
  }

  /** Creates a directory. With `recursive` those above it too: answers the first one created. */
  mkdir(path: PathLike, options?: MkdirOptions | ModeLike): string | undefined {
    const given = typeof options === "object" ? options : { mode: options ?? DIRECTORY_MODE };
    if (given.recursive) return makeDirectories(this, path, given);
    this.#port.mkdir(path, permissions(given.mode, DIRECTORY_MODE));
    return undefined;
  }

  mkdtemp(prefix: string): string {
    return makeTemporary(this, prefix);
  }

  readdir(path: PathLike): string[];
  readdir(path: PathLike, options: ReaddirOptions & { readonly withFileTypes: true }): Dirent[];
  readdir(path: PathLike, options: ReaddirOptions & { readonly withFileTypes?: false }): string[];
  readdir(path: PathLike, options?: ReaddirOptions | Encoding | null): string[] | Dirent[];
  readdir(path: PathLike, options?: ReaddirOptions | Encoding | null): string[] | Dirent[] {
    const given = typeof options === "object" && options !== null ? options : {};
    return readDirectory(this, path, given);
  }

  list(fd: number, path: string): Dirent[] {
    return this.#port.list(fd, path);
  }

  rm(path: PathLike, options: RmOptions = {}): void {
    removeTree(this, path, options);
  }

  rmdir(path: PathLike): void {
    this.#port.remove(path, true);
  }

  unlink(path: PathLike): void {
    this.#port.remove(path, false);
  }

  /** Renames, over what is at `to` if POSIX lets it: all of it in one step. */
  rename(from: PathLike, to: PathLike): void {
    this.#port.two("filesRename", "rename", from, to);
  }

  link(existing: PathLike, path: PathLike): void {
    this.#port.two("filesLink", "link", existing, path);
  }

  symlink(target: PathLike, path: PathLike): void {
    this.#port.two("filesSymlink", "symlink", target, path);
  }

  readlink(path: PathLike): string;
  readlink(path: PathLike, options?: EncodingOption): string | Uint8Array;
  readlink(path: PathLike, options?: EncodingOption): string | Uint8Array {
    return decoded(this.#port.readlink(path), encodingOf(options) ?? "utf8");
  }

  realpath(path: PathLike): string {
    return resolvePath(this, path);
  }

  chmod(path: PathLike, mode: ModeLike): void {
    this.#mode(undefined, path, true, mode, "chmod");
  }

  lchmod(path: PathLike, mode: ModeLike): void {
    this.#mode(undefined, path, false, mode, "lchmod");
  }

  fchmod(fd: number, mode: ModeLike): void {
    this.#mode(fd, undefined, true, mode, "fchmod");
  }

  chown(path: PathLike, uid: number, gid: number): void {
    this.#owner(undefined, path, true, uid, gid, "chown");
  }

  lchown(path: PathLike, uid: number, gid: number): void {
    this.#owner(undefined, path, false, uid, gid, "lchown");
  }

  fchown(fd: number, uid: number, gid: number): void {
    this.#owner(fd, undefined, true, uid, gid, "fchown");
  }

  utimes(path: PathLike, atime: TimeLike, mtime: TimeLike): void {
    this.#times(undefined, path, true, atime, mtime, "utime");
  }

  lutimes(path: PathLike, atime: TimeLike, mtime: TimeLike): void {
    this.#times(undefined, path, false, atime, mtime, "lutime");
  }

  futimes(fd: number, atime: TimeLike, mtime: TimeLike): void {
    this.#times(fd, undefined, true, atime, mtime, "futime");
  }

  getXattr(path: PathLike, name: string, options: XattrOptions = {}): Uint8Array {
    return this.#port.xattrGet(path, name, options.follow !== false);
  }

  setXattr(path: PathLike, name: string, value: Uint8Array, options: XattrOptions = {}): void {
    const flags = (options.create ? XATTR_CREATE : 0) | (options.replace ? XATTR_REPLACE : 0);
    this.#port.xattrSet(path, name, value, flags, options.follow !== false);
  }

  listXattrs(path: PathLike, options: XattrOptions = {}): string[] {
    return this.#port.xattrList(path, options.follow !== false);
  }

  removeXattr(path: PathLike, name: string, options: XattrOptions = {}): void {
    this.#port.xattrRemove(path, name, options.follow !== false);
  }

  /** The boot-control block: 128 bytes that change in the same commit as the files. */
  control(): Uint8Array {
    return this.#port.control();
  }

  /** Replaces the boot-control block; durable, with the files changed before, at sync(). */
  setControl(block: Uint8Array): void {
    if (block.length !== CONTROL_SIZE) {
      throw failure("EINVAL", "control", `the block has ${CONTROL_SIZE} bytes.`);
    }
    this.#port.setControl(block);
  }

  /** Checks every structure, and with `data` every page of every file. Empty: no damage. */
  check(options: CheckOptions = {}): FileFinding[] {
    return this.#port.check(options.data === true);
  }

  /** Opens a directory for list(). */
  openDirectory(path: PathLike): number {
    return this.open(path, OPEN_DIRECTORY);
  }

  /** Ends the mount: descriptors are closed. Commits nothing. */
  unmount(): void {
    this.#port.unmount();
  }

  #stat(path: PathLike, follow: boolean, options?: StatOptions): Stats | BigIntStats | undefined {
    const big = options?.bigint === true;
    const syscall = follow ? "stat" : "lstat";
    if (options?.throwIfNoEntry === false) {
      return this.#port.statIfAny(path, follow, big, syscall);
    }
    return this.#port.stat(path, follow, big, syscall);
  }

  #mode(
    fd: number | undefined,
    path: PathLike | undefined,
    follow: boolean,
    mode: ModeLike,
    syscall: string,
  ): void {
    this.#port.change(fd, path, follow, CHANGE_MODE, syscall, (view, out) => {
      view.setUint32(out + ATTRIBUTES_MODE, permissions(mode, 0), true);
    });
  }

  #owner(
    fd: number | undefined,
    path: PathLike | undefined,
    follow: boolean,
    uid: number,
    gid: number,
    syscall: string,
  ): void {
    const mask = (uid === -1 ? 0 : CHANGE_UID) | (gid === -1 ? 0 : CHANGE_GID);
    this.#port.change(fd, path, follow, mask, syscall, (view, out) => {
      view.setUint32(out + ATTRIBUTES_UID, uid >>> 0, true);
      view.setUint32(out + ATTRIBUTES_GID, gid >>> 0, true);
    });
  }

  #times(
    fd: number | undefined,
    path: PathLike | undefined,
    follow: boolean,
    atime: TimeLike,
    mtime: TimeLike,
    syscall: string,
  ): void {
    this.#port.change(fd, path, follow, CHANGE_ATIME | CHANGE_MTIME, syscall, (view, out) => {
      view.setBigInt64(out + ATTRIBUTES_ATIME, nanoseconds(atime), true);
      view.setBigInt64(out + ATTRIBUTES_MTIME, nanoseconds(mtime), true);
    });
  }
}

/**
 * Opens the CAPOSRO1 image in a window of an attached device.
 *
 * @throws {StorageError} EMEDIUMTYPE: no image is there; EBADMSG: it breaks a rule of the format
 */
export function openImage(core: Core, device: number, window: ImageWindow = {}): FileSystem {
  const { baseSector = 0, sectors = 0 } = window;
  const mount = core.exports.imageOpen(device, baseSector, sectors);
  return new FileSystem(core, core.check(mount, "mount"));
}

/**
 * Builds a CAPOSRO1 image in a window of an attached device: the same entries and uuid give the
 * same bytes. Answers its size in sectors of 512 bytes.
 */
export function buildImage(
  core: Core,
  device: number,
  entries: Iterable<ImageEntry>,
  options: BuildOptions,
): number {
  return writeImage(core, device, entries, options);
}
