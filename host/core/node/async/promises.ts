/** The calls of a filesystem shaped like node:fs/promises, over the synchronous ones. */
import { OPEN_DIRECTORY } from "../../../../assembly/format/abi.ts";
import { failure, type StorageError } from "../../../base/errors.ts";
import type {
  EncodingOption,
  FileCalls,
  MkdirOptions,
  ReaddirOptions,
  RmOptions,
  StatFsOptions,
  StatOptions,
} from "../calls.ts";
import { throwIfAborted } from "../codes.ts";
import { type ModeLike, openFlags, type PathLike, pathText } from "../flags.ts";
import type { BigIntStats, BigIntStatsFs, Dirent, Stats, StatsFs } from "../stats.ts";
import { decoded, type Encoding, encodingOf, nodeBytes } from "../text.ts";
import { constants } from "./constants.ts";
import { type Content, readAll, writeContent } from "./content.ts";
import { type CopyOptions, copyTree } from "./copy.ts";
import { Directory } from "./directory.ts";
import {
  FileHandle,
  type PromiseHooks,
  type ReadPathOptions,
  type WriteOptions,
  type WritePathOptions,
} from "./handle.ts";

type Sync<T extends (...given: never[]) => unknown> = (
  ...given: Parameters<T>
) => Promise<ReturnType<T>>;

export interface OpendirOptions {
  readonly recursive?: boolean;
  /** Taken, without an effect: entries come in pages of 32 KiB. */
  readonly bufferSize?: number;
}

export interface FilePromises {
  readonly constants: typeof constants;
  access: Sync<FileCalls["access"]>;
  appendFile(
    path: PathLike | FileHandle,
    data: Content,
    options?: WritePathOptions | Encoding | null,
  ): Promise<void>;
  chmod: Sync<FileCalls["chmod"]>;
  chown: Sync<FileCalls["chown"]>;
  copyFile: Sync<FileCalls["copyFile"]>;
  cp(source: PathLike, destination: PathLike, options?: CopyOptions): Promise<void>;
  lchmod: Sync<FileCalls["lchmod"]>;
  lchown: Sync<FileCalls["lchown"]>;
  link: Sync<FileCalls["link"]>;
  lstat(path: PathLike, options: StatOptions & { readonly bigint: true }): Promise<BigIntStats>;
  lstat(path: PathLike, options?: StatOptions): Promise<Stats>;
  lutimes: Sync<FileCalls["lutimes"]>;
  mkdir(path: PathLike, options?: MkdirOptions | ModeLike | null): Promise<string | undefined>;
  mkdtemp(prefix: string, options?: EncodingOption): Promise<string>;
  open(path: PathLike, flags?: string | number, mode?: ModeLike): Promise<FileHandle>;
  opendir(path: PathLike, options?: OpendirOptions | Encoding | null): Promise<Directory>;
  readFile(
    path: PathLike | FileHandle,
    options: Encoding | (ReadPathOptions & { readonly encoding: Encoding }),
  ): Promise<string>;
  readFile(path: PathLike | FileHandle, options?: ReadPathOptions | null): Promise<Uint8Array>;
  readdir(
    path: PathLike,
    options: ReaddirOptions & { readonly withFileTypes: true },
  ): Promise<Dirent[]>;
  readdir(
    path: PathLike,
    options: "buffer" | { readonly encoding: "buffer" },
  ): Promise<Uint8Array[]>;
  readdir(path: PathLike, options?: ReaddirOptions | Encoding | null): Promise<string[]>;
  readlink(
    path: PathLike,
    options: "buffer" | { readonly encoding: "buffer" },
  ): Promise<Uint8Array>;
  readlink(path: PathLike, options?: EncodingOption): Promise<string>;
  realpath(
    path: PathLike,
    options: "buffer" | { readonly encoding: "buffer" },
  ): Promise<Uint8Array>;
  realpath(path: PathLike, options?: EncodingOption): Promise<string>;
  rename: Sync<FileCalls["rename"]>;
  rm(path: PathLike, options?: RmOptions): Promise<void>;
  rmdir(path: PathLike, options?: { readonly recursive?: boolean }): Promise<void>;
  stat(path: PathLike, options: StatOptions & { readonly bigint: true }): Promise<BigIntStats>;
  stat(path: PathLike, options?: StatOptions): Promise<Stats>;
  statfs(path: PathLike, options: { readonly bigint: true }): Promise<BigIntStatsFs>;
  statfs(path: PathLike, options?: StatFsOptions): Promise<StatsFs>;
  /** `type` is accepted and ignored, as Node does away from Windows. */
  symlink(target: PathLike, path: PathLike, type?: string | null): Promise<void>;
  truncate: Sync<FileCalls["truncate"]>;
  unlink: Sync<FileCalls["unlink"]>;
  utimes: Sync<FileCalls["utimes"]>;
  /** EOPNOTSUPP: changes are not announced. */
  watch(path: PathLike, options?: unknown): AsyncIterable<never>;
  writeFile(
    path: PathLike | FileHandle,
    data: Content,
    options?: WritePathOptions | Encoding | null,
  ): Promise<void>;
}

/** The promises of `files`. */
export function createPromises(files: FileCalls, given: PromiseHooks = {}): FilePromises {
  const settle = given.settle ?? (async () => {});
  const sync = given.sync ?? (async () => files.sync());
  const hooks = { settle, sync };
  const change = changing(settle);
  const promises = {
    constants,
    access: reading((path: PathLike, mode?: number) => files.access(path, mode)),
    appendFile: writing(files, hooks, "a"),
    chmod: change((path: PathLike, mode: ModeLike) => files.chmod(path, mode)),
    chown: change((path: PathLike, uid: number, gid: number) => files.chown(path, uid, gid)),
    copyFile: change((from: PathLike, to: PathLike, mode?: number) =>
      files.copyFile(from, to, mode),
    ),
    async cp(source: PathLike, destination: PathLike, options?: CopyOptions): Promise<void> {
      await copyTree(files, source, destination, options);
      await settle();
    },
    lchmod: change((path: PathLike, mode: ModeLike) => files.lchmod(path, mode)),
    lchown: change((path: PathLike, uid: number, gid: number) => files.lchown(path, uid, gid)),
    link: change((existing: PathLike, path: PathLike) => files.link(existing, path)),
    lstat: reading((path: PathLike, options?: StatOptions) => files.lstat(path, options)),
    lutimes: change((...all: Parameters<FileCalls["lutimes"]>) => files.lutimes(...all)),
    mkdir: change((path: PathLike, options?: MkdirOptions | ModeLike | null) =>
      files.mkdir(path, options ?? undefined),
    ),
    mkdtemp: change((prefix: string, options?: EncodingOption) =>
      inEncoding(files.mkdtemp(prefix), options),
    ),
    async open(path: PathLike, flags?: string | number, mode?: ModeLike): Promise<FileHandle> {
      const fd = files.open(path, flags, mode);
      const handle = new FileHandle(files, hooks, fd, pathText(path));
      // To open may create or cut; to read does neither.
      if (flags !== undefined && openFlags(flags) !== constants.O_RDONLY) await settle();
      return handle;
    },
    opendir: reading((path: PathLike, options?: OpendirOptions | Encoding | null) => {
      const fd = opened(files, path);
      const recursive = typeof options === "object" && options?.recursive === true;
      return new Directory(files, fd, pathText(path), recursive);
    }),
    readFile: (path: PathLike | FileHandle, options?: ReadPathOptions | Encoding | null) =>
      readFile(files, path, options),
    readdir: reading((path: PathLike, options?: ReaddirOptions | Encoding | null) => {
      const found = files.readdir(path, options);
      if (encodingOf(options) !== "buffer") return found;
      return (found as string[]).map((name) => inEncoding(name, "buffer"));
    }),
    readlink: reading((path: PathLike, options?: EncodingOption) => {
      const text = files.readlink(path, options);
      return typeof text === "string" ? text : nodeBytes(text);
    }),
    realpath: reading((path: PathLike, options?: EncodingOption) =>
      inEncoding(files.realpath(path), options),
    ),
    rename: change((from: PathLike, to: PathLike) => files.rename(from, to)),
    rm: change((path: PathLike, options?: RmOptions) => files.rm(path, options)),
    rmdir: change((path: PathLike, options?: { readonly recursive?: boolean }) =>
      options?.recursive ? files.rm(path, { recursive: true }) : files.rmdir(path),
    ),
    stat: reading((path: PathLike, options?: StatOptions) => files.stat(path, options)),
    statfs: reading((path: PathLike, options?: StatFsOptions) => {
      files.stat(path);
      return files.statfs(options);
    }),
    symlink: change((to: PathLike, path: PathLike, _type?: string | null) =>
      files.symlink(to, path),
    ),
    truncate: change((path: PathLike, length?: number) => files.truncate(path, length)),
    unlink: change((path: PathLike) => files.unlink(path)),
    utimes: change((...all: Parameters<FileCalls["utimes"]>) => files.utimes(...all)),
    watch: (path: PathLike) => {
      throw noWatch(path);
    },
    writeFile: writing(files, hooks, "w"),
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

function reading<T extends unknown[], R>(call: (...given: T) => R) {
  return async (...given: T): Promise<R> => call(...given);
}

async function readFile(
  files: FileCalls,
  path: PathLike | FileHandle,
  options: ReadPathOptions | Encoding | null | undefined,
): Promise<Uint8Array | string> {
  const given = typeof options === "object" ? options : undefined;
  if (path instanceof FileHandle) return path.readFile(options as Encoding);
  throwIfAborted(given?.signal, "open");
  const fd = files.open(path, given?.flag ?? "r");
  try {
    const read = readAll(files, fd, false, given?.signal);
    const bytes = read instanceof Promise ? await read : read;
    return decoded(nodeBytes(bytes), encodingOf(options));
  } finally {
    files.close(fd);
  }
}

/** writeFile or appendFile: the same, but for the flag they open with. */
function writing(files: FileCalls, hooks: Required<PromiseHooks>, otherwise: string) {
  return async (
    path: PathLike | FileHandle,
    data: Content,
    options?: WritePathOptions | Encoding | null,
  ): Promise<void> => {
    if (path instanceof FileHandle) return path.writeFile(data, options as WriteOptions);
    const given = typeof options === "object" ? options : undefined;
    throwIfAborted(given?.signal, "open");
    const fd = files.open(path, given?.flag ?? otherwise, given?.mode);
    try {
      const left = writeContent(files, fd, data, encodingOf(options), given?.signal);
      if (left !== undefined) await left;
    } finally {
      files.close(fd);
    }
    await (given?.flush ? hooks.sync() : hooks.settle());
  };
}

function opened(files: FileCalls, path: PathLike): number {
  try {
    return files.open(path, OPEN_DIRECTORY);
  } catch (error) {
    throw Object.assign(error as StorageError, { syscall: "opendir" });
  }
}

function inEncoding(text: string, options: EncodingOption): string | Uint8Array {
  const encoding = encodingOf(options) ?? "utf8";
  if (encoding === "utf8") return text;
  return decoded(nodeBytes(new TextEncoder().encode(text)), encoding);
}

function noWatch(path: PathLike): Error {
  return failure("EOPNOTSUPP", "watch", `'${pathText(path)}' cannot be watched.`, {
    path: pathText(path),
    hint: "Who changes the disk knows of it: there is one writer.",
  });
}
