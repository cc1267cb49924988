/** `cp` of node:fs/promises: files, links and whole trees. */
import type { FileCalls } from "../calls.ts";
import { type NodeCode, NodeError } from "../codes.ts";
import { isCode } from "../compose.ts";
import { type PathLike, pathText } from "../flags.ts";
import type { BigIntStats } from "../stats.ts";

export interface CopyOptions {
  /** Copies what links lead to instead of the links. */
  readonly dereference?: boolean;
  /** With `force: false`: an error where something is in the way. */
  readonly errorOnExist?: boolean;
  /** False, also as a promise: that one is left out, and what is below it. */
  readonly filter?: (source: string, destination: string) => boolean | Promise<boolean>;
  /** Replaces files that are there. Default true. */
  readonly force?: boolean;
  /** COPYFILE_EXCL and the like. */
  readonly mode?: number;
  readonly preserveTimestamps?: boolean;
  /** Directories too. */
  readonly recursive?: boolean;
  /** Keeps the text of relative links; else they lead to where they led. */
  readonly verbatimSymlinks?: boolean;
}

interface Job {
  readonly files: FileCalls;
  readonly options: CopyOptions;
}

export async function copyTree(
  files: FileCalls,
  source: PathLike,
  destination: PathLike,
  options: CopyOptions = {},
): Promise<void> {
  const job = { files, options };
  const [from, to] = [trimmed(pathText(source)), trimmed(pathText(destination))];
  if (!(await isWanted(job, from, to))) return;
  const stats = statOf(job, from);
  if (stats === undefined) lookUp(job, from);
  checkPair(job, from, to);
  checkAbove(job, lookUp(job, from), from, to);
  files.mkdir(folderOf(to), { recursive: true });
  await copyOne(job, from, to);
}

async function copyOne(job: Job, from: string, to: string): Promise<void> {
  const { files, options } = job;
  const stats = lookUp(job, from);
  const there = statOf(job, to);
  checkPair(job, from, to);
  if (stats.isSymbolicLink()) return copyLink(job, from, to, there !== undefined);
  if (!stats.isDirectory()) return copyFile(job, stats, from, to, there !== undefined);
  if (!options.recursive) {
    throw refused("ERR_FS_EISDIR", `'${from}' is a directory; with recursive it is copied.`, from);
  }
  if (there === undefined) files.mkdir(to);
  for (const name of files.readdir(from) as string[]) {
    const [source, destination] = [`${below(from)}${name}`, `${below(to)}${name}`];
    if (await isWanted(job, source, destination)) await copyOne(job, source, destination);
  }
  if (there === undefined) files.chmod(to, Number(stats.mode) & 0o7777);
}

function copyFile(job: Job, stats: BigIntStats, from: string, to: string, there: boolean): void {
  const { files, options } = job;
  if (there) {
    if (options.force === false) {
      if (!options.errorOnExist) return;
      throw refused("ERR_FS_CP_EEXIST", `'${to}' is there already.`, to);
    }
    files.unlink(to);
  }
  files.copyFile(from, to, options.mode ?? 0);
  if (options.preserveTimestamps) files.utimes(to, stats.atimeNs, stats.mtimeNs);
}

function copyLink(job: Job, from: string, to: string, there: boolean): void {
  const { files, options } = job;
  const text = files.readlink(from) as string;
  const leads = options.verbatimSymlinks ? text : resolved(from, text);
  if (!there) {
    files.symlink(leads, to);
    return;
  }
  let old: string;
  try {
    old = resolved(to, files.readlink(to) as string);
  } catch (error) {
    if (!isCode(error, "EINVAL")) throw error;
    // A file is in the way: the link cannot be made, and that is the answer.
    files.symlink(leads, to);
    return;
  }
  if (isBelow(leads, old)) {
    const message = `'${old}' is below '${leads}', which is what is copied.`;
    throw refused("ERR_FS_CP_EINVAL", message, to);
  }
  if (files.stat(from)?.isDirectory() && isBelow(old, leads)) {
    const message = `'${leads}' is below '${old}', which '${to}' leads to.`;
    throw refused("ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY", message, to);
  }
  files.unlink(to);
  files.symlink(leads, to);
}

/** Refuses what cannot replace what is there, and a directory into itself. */
function checkPair(job: Job, from: string, to: string): void {
  const source = lookUp(job, from);
  const there = statOf(job, to);
  if (there !== undefined) {
    if (there.ino === source.ino) {
      throw refused("ERR_FS_CP_EINVAL", `'${from}' and '${to}' are the same.`, to);
    }
    if (source.isDirectory() && !there.isDirectory()) {
      const message = `'${from}' is a directory, '${to}' is none.`;
      throw refused("ERR_FS_CP_DIR_TO_NON_DIR", message, to);
    }
    if (!source.isDirectory() && there.isDirectory()) {
      const message = `'${to}' is a directory, '${from}' is none.`;
      throw refused("ERR_FS_CP_NON_DIR_TO_DIR", message, to);
    }
  }
  if (source.isDirectory() && isBelow(resolved("", from), resolved("", to))) {
    throw refused("ERR_FS_CP_EINVAL", `'${to}' is below '${from}', which is what is copied.`, to);
  }
}

/** The same through links: none of the directories above `to` may be the source. */
function checkAbove(job: Job, source: BigIntStats, from: string, to: string): void {
  const last = folderOf(resolved("", from));
  for (let above = folderOf(resolved("", to)); ; above = folderOf(above)) {
    if (above === last || above === "/") return;
    const stats = job.files.stat(above, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) return;
    if (stats.ino !== source.ino) continue;
    throw refused("ERR_FS_CP_EINVAL", `'${to}' is below '${from}', which is what is copied.`, to);
  }
}

async function isWanted({ options }: Job, from: string, to: string): Promise<boolean> {
  return options.filter === undefined || (await options.filter(from, to));
}

function lookUp({ files, options }: Job, path: string): BigIntStats {
  const look = options.dereference ? files.stat : files.lstat;
  return look.call(files, path, { bigint: true }) as BigIntStats;
}

function statOf({ files, options }: Job, path: string): BigIntStats | undefined {
  const look = options.dereference ? files.stat : files.lstat;
  const given = { bigint: true, throwIfNoEntry: false };
  return look.call(files, path, given) as BigIntStats | undefined;
}

function refused(code: NodeCode, message: string, path: string) {
  return new NodeError(code, "cp", message, { path });
}

/** `text` seen from the directory of `path`, without "." and "..". */
function resolved(path: string, text: string): string {
  const full = text.startsWith("/") ? text : `${folderOf(path)}/${text}`;
  const parts: string[] = [];
  for (const part of full.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** True where `inner` is `outer` or below it. */
function isBelow(outer: string, inner: string): boolean {
  return inner === outer || inner.startsWith(outer === "/" ? "/" : `${outer}/`);
}

function folderOf(path: string): string {
  const end = path.lastIndexOf("/");
  return end <= 0 ? "/" : path.slice(0, end);
}

function below(path: string): string {
  return path.endsWith("/") ? path : `${path}/`;
}

function trimmed(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, "") || "/" : path;
}
