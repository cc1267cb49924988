/** The calls of a filesystem shaped like node:fs/promises, over the synchronous ones. */
import { OPEN_DIRECTORY } from "../../../assembly/format/abi.ts";
import { StorageError } from "../../base/errors.ts";
import type {
  EncodingOption,
  FileCalls,
  MkdirOptions,
  ReaddirOptions,
  ReadFileOptions,
  RmOptions,
  StatOptions,
  WriteFileOptions,
} from "./calls.ts";
import type { Encoding, ModeLike, PathLike, TimeLike } from "./flags.ts";
import { pathText } from "./flags.ts";
import type { BigIntStats, Dirent, Stats, StatsFs } from "./stats.ts";

type Sync<T extends (...given: never[]) => unknown> = (
  ...given: Parameters<T>
) => Promise<ReturnType<T>>;

/** An open file, like FileHandle of node:fs/promises. */
export class FileHandle {
  readonly #files: FileCalls;
  readonly #settle: () => Promise<void>;
  readonly #sync: () => Promise<void>;
  readonly #path: string;
  #fd: number;

  constructor(
    files: FileCalls,
    { settle, sync }: Required<PromiseHooks>,
    fd: number,
    path: string,
  ) {
    this.#files = files;
    this.#settle = settle;
    this.#sync = sync;
    this.#fd = fd;
    this.#path = path;
  }

  get fd(): number {
    return this.#fd;
  }

  async read(
    into: Uint8Array | { buffer?: Uint8Array; offset?: number; length?: number; position?: number },
    offset?: number,
    length?: number,
    position?: number | bigint | null,
  ): Promise<{ bytesRead: number; buffer: Uint8Array }> {
    if (into instanceof Uint8Array) {
      const bytesRead = this.#files.read(this.#open(), into, offset, length, position);
      return { bytesRead, buffer: into };
    }
    const { buffer = new Uint8Array(16384), ...span } = into;
    const at = [span.offset, span.length, span.position ?? null] as const;
    return { bytesRead: this.#files.read(this.#open(), buffer, ...at), buffer };
  }

  async write(
    data: Uint8Array | string,
    offset?: number,
    length?: number,
    position?: number | bigint | null,
  ): Promise<{ bytesWritten: number; buffer: Uint8Array | string }> {
    // With text the second argument is the position, as Node has it.
    const isText = typeof data === "string";
    const span = isText
      ? ([0, undefined, offset ?? null] as const)
      : ([offset ?? 0, length, position] as const);
    const bytesWritten = this.#files.write(this.#open(), data, ...span);
    await this.#settle();
    return { bytesWritten, buffer: data };
  }

  async stat(options?: StatOptions): Promise<Stats | BigIntStats> {
    return this.#files.fstat(this.#open(), options);
  }

  async truncate(length = 0): Promise<void> {
    this.#files.ftruncate(this.#open(), length);
    await this.#settle();
  }

  async sync(): Promise<void> {
    this.#files.fstat(this.#open());
    await this.#sync();
  }

  async datasync(): Promise<void> {
    await this.sync();
  }

  async readFile(options?: ReadFileOptions | Encoding | null): Promise<Uint8Array | string> {
    return this.#files.readFile(this.#open(), options);
  }

  async writeFile(data: unknown, options?: WriteFileOptions | Encoding): Promise<void> {
    this.#files.writeFile(this.#open(), data, options);
    await this.#settle();
  }

  async appendFile(data: unknown, options?: WriteFileOptions | Encoding): Promise<void> {
    this.#files.writeFile(this.#open(), data, options);
    await this.#settle();
  }

  async chmod(mode: ModeLike): Promise<void> {
    this.#files.fchmod(this.#open(), mode);
    await this.#settle();
  }

  async chown(uid: number, gid: number): Promise<void> {
    this.#files.fchown(this.#open(), uid, gid);
    await this.#settle();
  }

  async utimes(atime: TimeLike, mtime: TimeLike): Promise<void> {
    this.#files.futimes(this.#open(), atime, mtime);
    await this.#settle();
  }

  async close(): Promise<void> {
    const fd = this.#open();
    this.#fd = -1;
    this.#files.close(fd);
    await this.#settle();
  }

  #open(): number {
    if (this.#fd >= 0) return this.#fd;
    throw new StorageError(-9, "file handle", { path: this.#path });
  }
}

/** An open directory, like Dir of node:fs: entries in order of their names, page by page. */
export class Directory implements AsyncIterable<Dirent> {
  readonly path: string;
  readonly #files: FileCalls;
  #fd: number;
  #page: Dirent[] = [];

  constructor(files: FileCalls, fd: number, path: string) {
    this.#files = files;
    this.#fd = fd;
    this.path = path;
  }

  async read(): Promise<Dirent | null> {
    if (this.#fd < 0) throw new StorageError(-9, "opendir", { path: this.path });
    if (this.#page.length === 0) this.#page = this.#files.list(this.#fd, this.path).reverse();
    return this.#page.pop() ?? null;
  }

  async close(): Promise<void> {
    if (this.#fd >= 0) this.#files.close(this.#fd);
    this.#fd = -1;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Dirent> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry;
    } finally {
      await this.close();
    }
  }
}

export interface FilePromises {
  access: Sync<FileCalls["access"]>;
  appendFile(
    path: PathLike | FileHandle,
    data: unknown,
    options?: WriteFileOptions | Encoding,
  ): Promise<void>;
  chmod: Sync<FileCalls["chmod"]>;
  chown: Sync<FileCalls["chown"]>;
  copyFile: Sync<FileCalls["copyFile"]>;
  lchown: Sync<FileCalls["lchown"]>;
  link: Sync<FileCalls["link"]>;
  lstat(path: PathLike, options: StatOptions & { readonly bigint: true }): Promise<BigIntStats>;
  lstat(path: PathLike, options?: StatOptions): Promise<Stats>;
  lutimes: Sync<FileCalls["lutimes"]>;
  mkdir(path: PathLike, options?: MkdirOptions | ModeLike): Promise<string | undefined>;
  mkdtemp: Sync<FileCalls["mkdtemp"]>;
  open(path: PathLike, flags?: string | number, mode?: ModeLike): Promise<FileHandle>;
  opendir(path: PathLike): Promise<Directory>;
  readFile(
    path: PathLike | FileHandle,
    options: Encoding | { readonly encoding: Encoding },
  ): Promise<string>;
  readFile(path: PathLike | FileHandle, options?: ReadFileOptions | null): Promise<Uint8Array>;
  readdir(
    path: PathLike,
    options: ReaddirOptions & { readonly withFileTypes: true },
  ): Promise<Dirent[]>;
  readdir(path: PathLike, options?: ReaddirOptions | Encoding | null): Promise<string[]>;
  readlink(path: PathLike, options?: EncodingOption): Promise<string>;
  realpath: Sync<FileCalls["realpath"]>;
  rename: Sync<FileCalls["rename"]>;
  rm(path: PathLike, options?: RmOptions): Promise<void>;
  rmdir: Sync<FileCalls["rmdir"]>;
  stat(path: PathLike, options: StatOptions & { readonly bigint: true }): Promise<BigIntStats>;
  stat(path: PathLike, options?: StatOptions): Promise<Stats>;
  statfs(path?: PathLike): Promise<StatsFs>;
  /** `type` is accepted and ignored, as Node does away from Windows. */
  symlink(target: PathLike, path: PathLike, type?: string | null): Promise<void>;
  truncate: Sync<FileCalls["truncate"]>;
  unlink: Sync<FileCalls["unlink"]>;
  utimes: Sync<FileCalls["utimes"]>;
  writeFile(
    path: PathLike | FileHandle,
    data: unknown,
    options?: WriteFileOptions | Encoding,
  ): Promise<void>;
}

/** How promises become durable; without hooks a change is durable at the next sync(). */
export interface PromiseHooks {
  /** Awaited after each change: makes it as durable as the caller asked for. */
  readonly settle?: () => Promise<void>;
  /** Makes everything so far durable. */
  readonly sync?: () => Promise<void>;
}

/** The promises of `files`. */
export function createPromises(files: FileCalls, hooks: PromiseHooks = {}): FilePromises {
  const settle = hooks.settle ?? (async () => {});
  const sync = hooks.sync ?? (async () => files.sync());
  const change = changing(settle);
  const promises = {
    access: read((path: PathLike, mode?: number) => files.access(path, mode)),
    appendFile: change(
      (path: PathLike | FileHandle, data: unknown, options?: WriteFileOptions | Encoding) =>
        files.appendFile(target(path), data, options),
    ),
    chmod: change((path: PathLike, mode: ModeLike) => files.chmod(path, mode)),
    chown: change((path: PathLike, uid: number, gid: number) => files.chown(path, uid, gid)),
    copyFile: change((from: PathLike, to: PathLike, mode?: number) =>
      files.copyFile(from, to, mode),
    ),
    lchown: change((path: PathLike, uid: number, gid: number) => files.lchown(path, uid, gid)),
    link: change((existing: PathLike, path: PathLike) => files.link(existing, path)),
    lstat: read((path: PathLike, options?: StatOptions) => files.lstat(path, options)),
    lutimes: change((path: PathLike, atime: TimeLike, mtime: TimeLike) =>
      files.lutimes(path, atime, mtime),
    ),
    mkdir: change((path: PathLike, options?: MkdirOptions | ModeLike) =>
      files.mkdir(path, options),
    ),
    mkdtemp: change((prefix: string) => files.mkdtemp(prefix)),
    open: change((path: PathLike, flags?: string | number, mode?: ModeLike) => {
      const fd = files.open(path, flags, mode);
      return new FileHandle(files, { settle, sync }, fd, pathText(path));
    }),
    opendir: read((path: PathLike) => {
      const fd = files.open(path, OPEN_DIRECTORY);
      return new Directory(files, fd, pathText(path));
    }),
    readFile: read((path: PathLike | FileHandle, options?: ReadFileOptions | Encoding | null) =>
      files.readFile(target(path), options),
    ),
    readdir: read((path: PathLike, options?: ReaddirOptions | Encoding | null) =>
      files.readdir(path, options),
    ),
    readlink: read((path: PathLike, options?: EncodingOption) => files.readlink(path, options)),
    realpath: read((path: PathLike) => files.realpath(path)),
    rename: change((from: PathLike, to: PathLike) => files.rename(from, to)),
    rm: change((path: PathLike, options?: RmOptions) => files.rm(path, options)),
    rmdir: change((path: PathLike) => files.rmdir(path)),
    stat: read((path: PathLike, options?: StatOptions) => files.stat(path, options)),
    statfs: read((_path?: PathLike) => files.statfs()),
    symlink: change((to: PathLike, path: PathLike, _type?: string | null) =>
      files.symlink(to, path),
    ),
    truncate: change((path: PathLike, length?: number) => files.truncate(path, length)),
    unlink: change((path: PathLike) => files.unlink(path)),
    utimes: change((path: PathLike, atime: TimeLike, mtime: TimeLike) =>
      files.utimes(path, atime, mtime),
    ),
    writeFile: change(
      (path: PathLike | FileHandle, data: unknown, options?: WriteFileOptions | Encoding) =>
        files.writeFile(target(path), data, options),
    ),
  };
  // The overloads say by option what the one implementation answers by value.
  return promises as unknown as FilePromises;
}

/** A call that changes something: answered when it is as durable as `settle` makes it. */
function changing(settle: () => Promise<void>) {
  return <T extends unknown[], R>(call: (...given: T) => R) =>
    async (...given: T): Promise<R> => {
      const result = call(...given);
      await settle();
      return result;
    };
}

function read<T extends unknown[], R>(call: (...given: T) => R) {
  return async (...given: T): Promise<R> => call(...given);
}

function target(path: PathLike | FileHandle): PathLike | number {
  return path instanceof FileHandle ? path.fd : path;
}
