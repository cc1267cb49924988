/**
 * The exclusive lock of a disk file: a file beside it that names its owner.
 *
 * The owner is a process id, the start time of that process, and the boot it belongs to. A lock
 * whose owner is dead is taken over; a lock of a living owner is EBUSY. Nothing is locked against
 * programs that do not look for the file.
 */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failure } from "../../base/errors.ts";

interface Owner {
  readonly pid: number;
  /** Clock ticks after boot at which the process started: a reused pid has another. */
  readonly start: string;
  readonly boot: string;
  /** A pid means nothing to a process of another namespace. */
  readonly namespace: string;
}

/** A lock file that is empty this long after its creation belongs to nobody. */
const WRITING_MS_MAX = 5000;
const ATTEMPTS_MAX = 5;

const held = new Set<FileLock>();
let watching = false;

/** A lock that this process holds, until release() or the end of the process. */
export class FileLock {
  readonly path: string;
  readonly #text: string;

  private constructor(path: string, text: string) {
    this.path = path;
    this.#text = text;
    held.add(this);
    if (watching) return;
    watching = true;
    process.on("exit", () => {
      for (const lock of held) lock.release();
    });
  }

  /**
   * Locks the file of `stat` at `target`, its real path.
   *
   * @throws {StorageError} EBUSY: a living process holds it
   */
  static acquire(target: string, stat: fs.Stats): FileLock {
    try {
      return FileLock.#acquireAt(lockPath(target, stat), target);
    } catch (error) {
      if (!isPermission(error)) throw error;
      // A folder we may not write: all who may write the file meet in the temporary folder.
      return FileLock.#acquireAt(sharedPath(stat), target);
    }
  }

  static #acquireAt(path: string, target: string): FileLock {
    const text = JSON.stringify(currentOwner());
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (createExclusive(path, text)) return new FileLock(path, text);
      const found = readLock(path);
      if (found === undefined) continue;
      const reason = whyAlive(found.text, found.ageMs);
      if (reason !== undefined) throw busy(target, path, reason);
      removeStale(path, found.text);
    }
    throw busy(target, path, "others are taking it over");
  }

  /** Removes the lock file if it is still ours. */
  release(): void {
    if (!held.delete(this)) return;
    if (readLock(this.path)?.text === this.#text) fs.rmSync(this.path, { force: true });
  }
}

function lockPath(target: string, stat: fs.Stats): string {
  return stat.isFile() ? `${target}.lock` : sharedPath(stat);
}

function sharedPath(stat: fs.Stats): string {
  const id = stat.isFile() ? `${stat.dev}-${stat.ino}` : `node-${stat.rdev}`;
  return join(tmpdir(), `diskwright-${id}.lock`);
}

function busy(target: string, path: string, reason: string): Error {
  const message = `'${target}' is in use: ${reason}.`;
  const hint = `If that is not so, remove ${path}.`;
  return failure("EBUSY", "open", message, { path: target, hint });
}

function createExclusive(path: string, text: string): boolean {
  try {
    fs.writeFileSync(path, text, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function readLock(path: string): { text: string; ageMs: number } | undefined {
  try {
    const text = fs.readFileSync(path, "utf8");
    return { text, ageMs: Date.now() - fs.statSync(path).mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Why the owner counts as living, or undefined if it is dead. */
function whyAlive(text: string, ageMs: number): string | undefined {
  const owner = parseOwner(text);
  if (owner === undefined) {
    return ageMs < WRITING_MS_MAX ? "another process is locking it" : undefined;
  }
  const here = currentOwner();
  if (owner.boot !== here.boot) return undefined;
  if (owner.namespace !== here.namespace) {
    return `process ${owner.pid} of another container may hold it`;
  }
  if (owner.pid === here.pid && owner.start === here.start) return "this process holds it";
  if (!processExists(owner.pid) || processStart(owner.pid) !== owner.start) return undefined;
  return `process ${owner.pid} holds it`;
}

/**
 * Takes a dead owner's file away, and nobody else's: several may find it dead at once, so only the
 * one that makes the guard may remove it, after another look.
 */
function removeStale(path: string, text: string): void {
  const guard = `${path}.takeover`;
  if (!createExclusive(guard, "")) {
    // Whoever made it was killed within microseconds, or is at it now.
    if ((readLock(guard)?.ageMs ?? 0) > WRITING_MS_MAX) fs.rmSync(guard, { force: true });
    return;
  }
  try {
    if (readLock(path)?.text === text) fs.rmSync(path, { force: true });
  } finally {
    fs.rmSync(guard, { force: true });
  }
}

function parseOwner(text: string): Owner | undefined {
  try {
    const { pid, start, boot, namespace } = JSON.parse(text) as Partial<Owner>;
    const texts = [start, boot, namespace];
    if (!Number.isSafeInteger(pid) || texts.some((part) => typeof part !== "string")) {
      return undefined;
    }
    return { pid, start, boot, namespace } as Owner;
  } catch {
    return undefined;
  }
}

function currentOwner(): Owner {
  return {
    pid: process.pid,
    start: processStart(process.pid),
    boot: readOr("/proc/sys/kernel/random/boot_id"),
    namespace: linkOr("/proc/self/ns/pid"),
  };
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Field 22 of /proc/PID/stat; the name before it may hold spaces and parentheses. */
function processStart(pid: number): string {
  const stat = readOr(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

function readOr(path: string): string {
  try {
    return fs.readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

function linkOr(path: string): string {
  try {
    return fs.readlinkSync(path);
  } catch {
    return "";
  }
}

function isPermission(error: unknown): boolean {
  return ["EACCES", "EPERM", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? "");
}
