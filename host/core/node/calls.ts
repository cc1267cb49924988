/** The synchronous calls of a filesystem, shaped like node:fs without "Sync" in the names. */
import type { ModeLike, PathLike, TimeLike } from "./flags.ts";
import type { BigIntStats, BigIntStatsFs, Dirent, Stats, StatsFs } from "./stats.ts";
import type { Encoding } from "./text.ts";

export type EncodingOption = Encoding | { readonly encoding?: Encoding | null } | null | undefined;

export interface StatOptions {
  readonly bigint?: boolean;
  /** False: undefined instead of ENOENT. */
  readonly throwIfNoEntry?: boolean;
}

export interface StatFsOptions {
  readonly bigint?: boolean;
}

export interface ReaddirOptions {
  readonly encoding?: Encoding | null;
  readonly withFileTypes?: boolean;
  readonly recursive?: boolean;
}

export interface MkdirOptions {
  readonly recursive?: boolean;
  readonly mode?: ModeLike;
}

export interface RmOptions {
  readonly recursive?: boolean;
  /** No error if there is nothing at the path. */
  readonly force?: boolean;
  /** Taken, without an effect: nothing here is busy for a while. */
  readonly maxRetries?: number;
  readonly retryDelay?: number;
}

export interface ReadFileOptions {
  readonly encoding?: Encoding | null;
  readonly flag?: string | number;
}

export interface WriteFileOptions extends ReadFileOptions {
  readonly mode?: ModeLike;
}

export interface XattrOptions {
  /** EEXIST if it is there already. */
  readonly create?: boolean;
  /** ENODATA if it is not there. */
  readonly replace?: boolean;
  /** False: the attributes of a symbolic link itself. */
  readonly follow?: boolean;
}

export interface FileCalls {
  open(path: PathLike, flags?: string | number, mode?: ModeLike): number;
  close(fd: number): void;
  read(
    fd: number,
    buffer: Uint8Array,
    offset?: number,
    length?: number,
    position?: number | bigint | null,
  ): number;
  write(
    fd: number,
    data: Uint8Array | string,
    offset?: number,
    length?: number,
    position?: number | bigint | null,
  ): number;
  fsync(fd: number): void;
  ftruncate(fd: number, length?: number): void;
  fstat(fd: number, options?: StatOptions): Stats | BigIntStats;
  fchmod(fd: number, mode: ModeLike): void;
  fchown(fd: number, uid: number, gid: number): void;
  futimes(fd: number, atime: TimeLike, mtime: TimeLike): void;

  stat(path: PathLike, options?: StatOptions): Stats | BigIntStats | undefined;
  lstat(path: PathLike, options?: StatOptions): Stats | BigIntStats | undefined;
  statfs(options?: StatFsOptions): StatsFs | BigIntStatsFs;
  exists(path: PathLike): boolean;
  access(path: PathLike, mode?: number): void;
  readFile(
    path: PathLike | number,
    options?: ReadFileOptions | Encoding | null,
  ): Uint8Array | string;
  writeFile(path: PathLike | number, data: unknown, options?: WriteFileOptions | Encoding): void;
  appendFile(path: PathLike | number, data: unknown, options?: WriteFileOptions | Encoding): void;
  copyFile(from: PathLike, to: PathLike, mode?: number): void;
  truncate(path: PathLike, length?: number): void;
  mkdir(path: PathLike, options?: MkdirOptions | ModeLike): string | undefined;
  mkdtemp(prefix: string): string;
  readdir(path: PathLike, options?: ReaddirOptions | Encoding | null): string[] | Dirent[];
  /** The next entries of a directory opened with OPEN_DIRECTORY; empty at the end. */
  list(fd: number, path: string): Dirent[];
  rm(path: PathLike, options?: RmOptions): void;
  rmdir(path: PathLike): void;
  unlink(path: PathLike): void;
  rename(from: PathLike, to: PathLike): void;
  link(existing: PathLike, path: PathLike): void;
  symlink(target: PathLike, path: PathLike): void;
  readlink(path: PathLike, options?: EncodingOption): string | Uint8Array;
  realpath(path: PathLike): string;
  chmod(path: PathLike, mode: ModeLike): void;
  lchmod(path: PathLike, mode: ModeLike): void;
  chown(path: PathLike, uid: number, gid: number): void;
  lchown(path: PathLike, uid: number, gid: number): void;
  utimes(path: PathLike, atime: TimeLike, mtime: TimeLike): void;
  lutimes(path: PathLike, atime: TimeLike, mtime: TimeLike): void;
  getXattr(path: PathLike, name: string, options?: XattrOptions): Uint8Array;
  setXattr(path: PathLike, name: string, value: Uint8Array, options?: XattrOptions): void;
  listXattrs(path: PathLike, options?: XattrOptions): string[];
  removeXattr(path: PathLike, name: string, options?: XattrOptions): void;
  /** Makes everything so far durable. */
  sync(): void;
}
