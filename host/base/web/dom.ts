/** What a browser says went wrong, as a StorageError; its exception's name decides the code. */
import type { ErrorCode } from "../../../assembly/format/errors.ts";
import { failure, StorageError } from "../errors.ts";
import { humanSize } from "../size.ts";

/** What the browser grants this origin, in bytes, when it was last asked. */
export interface StorageRoom {
  readonly usage: number;
  readonly quota: number;
}

type Told = readonly [code: keyof typeof ErrorCode, sentence: string, hint?: string];

const TOLD: Readonly<Record<string, Told>> = {
  NoModificationAllowedError: [
    "EBUSY",
    "is open for writing elsewhere, perhaps in another tab",
    "Close it there, or open it read-only.",
  ],
  InvalidStateError: [
    "ESTALE",
    "is lost: the browser closed its storage, or removed it for want of space",
    "Reload the page and open the disk again; what was flushed before is on it if it still exists.",
  ],
  NotFoundError: ["ENOENT", "does not exist in this browser's storage"],
  TypeMismatchError: ["EISDIR", "is a folder"],
  NotAllowedError: ["EACCES", "may not be used: the browser refuses access to storage"],
  SecurityError: ["EACCES", "may not be used: the browser refuses storage to this page"],
  AbortError: ["ECANCELED", "was given up"],
  TimeoutError: ["ETIMEDOUT", "did not answer in time"],
  NotReadableError: ["EIO", "cannot be read"],
  ConstraintError: ["EEXIST", "exists"],
};

/** `cause` as a StorageError about `path`; `room` is what a full storage is told with. */
export function domFailure(
  cause: unknown,
  syscall: string,
  path: string,
  room?: StorageRoom,
): StorageError {
  if (cause instanceof StorageError) return cause;
  const { name = "", message = "" } = (cause ?? {}) as { name?: string; message?: string };
  if (name === "QuotaExceededError") {
    const figures =
      room === undefined
        ? ""
        : `: ${humanSize(room.usage)} of ${humanSize(room.quota)} were in use`;
    const hint = "Delete other disks of this site, or free space on this computer.";
    const sentence = `'${path}' finds no room in this browser's storage${figures}.`;
    return failure("ENOSPC", syscall, sentence, { path, cause, hint });
  }
  const [code, sentence, hint] = TOLD[name] ?? ["EIO", `failed: ${message || String(cause)}`];
  return failure(code, syscall, `'${path}' ${sentence}.`, { path, cause, hint });
}

/** What `navigator.storage` grants; undefined where it does not say. */
export async function storageRoom(): Promise<StorageRoom | undefined> {
  try {
    const { usage, quota } = await navigator.storage.estimate();
    return usage === undefined || quota === undefined ? undefined : { usage, quota };
  } catch {
    return undefined;
  }
}

/** Throws ECANCELED if `signal` has been aborted. */
export function throwIfAborted(signal: AbortSignal | undefined, syscall: string, path: string) {
  if (signal?.aborted !== true) return;
  throw failure("ECANCELED", syscall, `'${path}' was given up.`, { path, cause: signal.reason });
}
