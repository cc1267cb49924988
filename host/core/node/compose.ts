/** Calls made of other calls: whole files, trees of directories. */
import {
  OPEN_CREATE,
  OPEN_DIRECTORY,
  OPEN_EXCLUSIVE,
  OPEN_TRUNCATE,
  OPEN_WRITE,
} from "../../../assembly/format/abi.ts";
import { failure, StorageError } from "../../base/errors.ts";
import type {
  FileCalls,
  MkdirOptions,
  ReaddirOptions,
  RmOptions,
  WriteFileOptions,
} from "./calls.ts";
import { NodeError } from "./codes.ts";
import { contentBytes, openFlags, type PathLike, pathText } from "./flags.ts";
import type { Dirent } from "./stats.ts";
import { decoded, type Encoding, encodingOf } from "./text.ts";

/** The largest file that is read whole, as in node:fs. */
const WHOLE_SIZE_MAX = 2 ** 31 - 1;
const COPY_STEP = 1 << 20;
const ATOMIC_RECORDS = 40;
const ATOMIC_BYTES = 65536;
const PAGE_BYTES = 4096;
const COPYFILE_EXCL = 1;
const COPYFILE_FICLONE_FORCE = 4;
const READ_STEP_MIN = 4096;
const TRIES_MAX = 100;
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/** How much one atomic change may be. */
export interface AtomicRoom {
  /** 1 for a record of the system, 4 to create a file or remove a name, 6 to rename. Default 40. */
  readonly records?: number;
  /** Content of files of more than 1,024 bytes. Default 65,536. */
  readonly bytes?: number;
}

/**
 * Carries out `change` as one commit: all of it is durable when this returns, or none of it. What
 * was changed before is committed first. If `change` throws, all of it is taken back, and
 * descriptors opened before are stale. It must not change the store of the region.
 *
 * @throws {StorageError} ENOSPC: it does not fit one batch, by the free space or by `room`
 */
export function changeAtOnce(
  files: { begin(records: number, pages: number): void; revert(): void; commit(): void },
  change: () => void,
  room: AtomicRoom,
): void {
  const { records = ATOMIC_RECORDS, bytes = ATOMIC_BYTES } = room;
  files.begin(records, Math.ceil(bytes / PAGE_BYTES));
  try {
    change();
  } catch (error) {
    files.revert();
    throw error;
  }
  files.commit();
}

/** All of a file, from the position of the descriptor if one is given. */
export function readWhole(
  files: FileCalls,
  path: PathLike | number,
  options: { encoding?: Encoding | null; flag?: string | number } | Encoding | null | undefined,
): Uint8Array | string {
  const flag = (options as { flag?: string | number } | null | undefined)?.flag ?? "r";
  const fd = typeof path === "number" ? path : files.open(path, flag);
  try {
    return decoded(readRest(files, fd, typeof path === "number"), encodingOf(options));
  } finally {
    if (typeof path !== "number") files.close(fd);
  }
}

/** All that follows; `fromPosition`: the descriptor may stand anywhere, not only at the start. */
export function readRest(files: FileCalls, fd: number, fromPosition: boolean): Uint8Array {
  const status = files.fstat(fd);
  // Only to have it refused as read() does.
  if (status.isDirectory()) files.read(fd, new Uint8Array(1));
  const size = Number(status.size);
  if (size > WHOLE_SIZE_MAX) {
    const message = `a file of ${size} bytes is too large to be read at once.`;
    throw failure("EFBIG", "read", message);
  }
  let content = new Uint8Array(size);
  let length = 0;
  while (true) {
    if (length === content.length) {
      // The size is known, so a file of that size ends here; a descriptor may stand anywhere.
      if (length === size && !fromPosition) return content;
      const larger = new Uint8Array(Math.max(READ_STEP_MIN, content.length * 2));
      larger.set(content);
      content = larger;
    }
    const got = files.read(fd, content, length, content.length - length, null);
    if (got === 0) return content.subarray(0, length);
    length += got;
  }
}

/** Writes `data` to a file that `flags` open, or to a descriptor where it stands. */
export function writeWhole(
  files: FileCalls,
  path: PathLike | number,
  data: unknown,
  options: WriteFileOptions | Encoding | null | undefined,
  otherwise: string,
): void {
  const given = typeof options === "object" ? options : undefined;
  const bytes = contentBytes(data, encodingOf(options));
  const fd =
    typeof path === "number"
      ? path
      : files.open(path, openFlags(given?.flag ?? otherwise), given?.mode);
  try {
    writeAll(files, fd, bytes);
  } finally {
    if (typeof path !== "number") files.close(fd);
  }
}

export function writeAll(files: FileCalls, fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    at += files.write(fd, bytes, at, bytes.length - at, null);
  }
}

/** Copies a file with its permissions; what a call in it refuses is an error of copyfile. */
export function copy(files: FileCalls, from: PathLike, to: PathLike, mode: number): void {
  try {
    copyContent(files, from, to, mode);
  } catch (error) {
    if (!(error instanceof StorageError) || error.syscall === "copyfile") throw error;
    const { errno, fault } = error;
    const told = new StorageError(errno, "copyfile", { path: pathText(from), fault, cause: error });
    throw Object.assign(told, { dest: pathText(to) });
  }
}

function copyContent(files: FileCalls, from: PathLike, to: PathLike, mode: number): void {
  if ((mode & COPYFILE_FICLONE_FORCE) !== 0) {
    throw new StorageError(-95, "copyfile", { path: pathText(from) });
  }
  const source = files.open(from, "r");
  try {
    const status = files.fstat(source);
    if (status.isDirectory()) throw new StorageError(-21, "copyfile", { path: pathText(from) });
    const exclusive = (mode & COPYFILE_EXCL) !== 0;
    const there = exclusive ? undefined : files.stat(to, { throwIfNoEntry: false });
    // Onto itself: cutting the target would cut the source.
    if (there !== undefined && Number(there.ino) === Number(status.ino)) return;
    const flags = OPEN_WRITE | OPEN_CREATE | (exclusive ? OPEN_EXCLUSIVE : OPEN_TRUNCATE);
    const target = files.open(to, flags, Number(status.mode) & 0o7777);
    try {
      const buffer = new Uint8Array(Math.min(COPY_STEP, Math.max(1, Number(status.size))));
      for (let got = 1; got > 0; ) {
        got = files.read(source, buffer, 0, buffer.length, null);
        writeAll(files, target, buffer.subarray(0, got));
      }
    } finally {
      files.close(target);
    }
  } finally {
    files.close(source);
  }
}

/** Creates a directory and those above it; the first one that was created, as node:fs answers. */
export function makeDirectories(
  files: FileCalls,
  path: PathLike,
  options: MkdirOptions,
): string | undefined {
  const text = pathText(path);
  const ends = [...text.matchAll(/[^/](?=\/)/g)].map(({ index }) => index + 1);
  if (!text.endsWith("/")) ends.push(text.length);
  let first: string | undefined;
  for (const [depth, end] of ends.entries()) {
    const isLast = depth === ends.length - 1;
    const step = isLast ? text : text.slice(0, end);
    try {
      files.mkdir(step, { ...options, recursive: false });
      first ??= step;
    } catch (error) {
      if (!isCode(error, "EEXIST")) throw error;
      const there = files.stat(step, { throwIfNoEntry: false });
      if (there?.isDirectory()) continue;
      throw isLast ? error : new StorageError(-20, "mkdir", { path: text, cause: error });
    }
  }
  return first;
}

/** All entries of a directory; with `recursive` those below it too, names relative to it. */
export function readDirectory(
  files: FileCalls,
  path: PathLike,
  options: ReaddirOptions,
): string[] | Dirent[] {
  const root = pathText(path);
  const all: Dirent[] = [];
  const names: string[] = [];
  const waiting: { directory: string; prefix: string }[] = [{ directory: root, prefix: "" }];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { directory, prefix } = next;
    for (const entry of listAll(files, directory)) {
      all.push(entry);
      names.push(prefix + entry.name);
      if (options.recursive && entry.isDirectory()) {
        const below = directory.endsWith("/") ? directory : `${directory}/`;
        waiting.push({ directory: below + entry.name, prefix: `${prefix}${entry.name}/` });
      }
    }
  }
  return options.withFileTypes ? all : names;
}

function listAll(files: FileCalls, path: string): Dirent[] {
  const fd = files.open(path, OPEN_DIRECTORY);
  try {
    const all: Dirent[] = [];
    for (let page = files.list(fd, path); page.length > 0; page = files.list(fd, path)) {
      for (const entry of page) all.push(entry);
    }
    return all;
  } catch (error) {
    // What the caller asked for is the directory, not its descriptor.
    if (error instanceof StorageError && error.path === undefined) {
      throw new StorageError(error.errno, "scandir", { path, fault: error.fault, cause: error });
    }
    throw error;
  } finally {
    files.close(fd);
  }
}

/** Removes a file, or with `recursive` a directory and everything below it. */
export function removeTree(files: FileCalls, path: PathLike, options: RmOptions): void {
  const text = pathText(path);
  const status = files.lstat(path, { throwIfNoEntry: false });
  if (status === undefined) {
    if (options.force) return;
    throw new StorageError(-2, "rm", { path: text });
  }
  if (!status.isDirectory()) {
    files.unlink(path);
    return;
  }
  if (!options.recursive) {
    const message = `'${text}' is a directory; with recursive it goes, and what is in it.`;
    throw new NodeError("ERR_FS_EISDIR", "rm", message, { path: text });
  }
  try {
    files.rmdir(path);
    return;
  } catch (error) {
    // Nothing is removed below what cannot go itself, such as the root.
    if (!isCode(error, "ENOTEMPTY")) throw error;
  }
  // Depth first without recursion: a directory is visited again when all below it is gone.
  const stack = [text];
  while (stack.length > 0) {
    const directory = stack[stack.length - 1] as string;
    const below = directory.endsWith("/") ? directory : `${directory}/`;
    let directories = 0;
    for (const entry of listAll(files, directory)) {
      if (entry.isDirectory()) {
        stack.push(below + entry.name);
        directories += 1;
      } else {
        files.unlink(below + entry.name);
      }
    }
    if (directories > 0) continue;
    files.rmdir(directory);
    stack.pop();
  }
}

/** Creates a directory of a fresh name that starts with `prefix`. */
export function makeTemporary(files: FileCalls, prefix: string): string {
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const random = crypto.getRandomValues(new Uint8Array(6));
    const name = prefix + Array.from(random, (byte) => LETTERS[byte % LETTERS.length]).join("");
    try {
      files.mkdir(name, { mode: 0o700 });
      return name;
    } catch (error) {
      if (!isCode(error, "EEXIST")) throw error;
    }
  }
  throw new StorageError(-17, "mkdtemp", { path: prefix });
}

/** Resolves every link and dot of a path, one component after the other. */
export function resolvePath(files: FileCalls, path: PathLike): string {
  // What leads nowhere is refused as a whole.
  const found = files.stat(path, { throwIfNoEntry: false });
  if (found === undefined) throw new StorageError(-2, "realpath", { path: pathText(path) });
  const left = pathText(path).split("/");
  const done: string[] = [];
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      done.pop();
      continue;
    }
    const next = `/${[...done, part].join("/")}`;
    if (!(files.lstat(next) as { isSymbolicLink(): boolean }).isSymbolicLink()) {
      done.push(part);
      continue;
    }
    const target = files.readlink(next) as string;
    if (target.startsWith("/")) done.length = 0;
    left.unshift(...target.split("/"));
  }
  return `/${done.join("/")}`;
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof StorageError && error.code === code;
}
