/**
 * One writer per name in this browser, by Web Locks: a lock ends with the tab or worker that holds
 * it, however that ends.
 */
import { failure } from "../../base/errors.ts";
import { domFailure } from "../../base/web/dom.ts";
import { haveLocks } from "../../base/web/life.ts";

export interface LockOptions {
  /** How long to wait for a holder that is just ending, such as this page before a reload. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const WAIT_MS = 2000;

/** A lock that is held until `release()` or the end of this tab or worker. */
export interface NameLock {
  release(): void;
}

/**
 * The lock of the disk `name`, or undefined where the browser has no Web Locks. Errors tell of
 * `path`, which is what the caller knows the disk by.
 *
 * @throws {StorageError} EBUSY: another tab or worker has it; EACCES: the browser refuses locks to
 *   this page; ECANCELED
 */
export async function lockName(
  name: string,
  options: LockOptions = {},
  path = name,
): Promise<NameLock | undefined> {
  const { waitMs = WAIT_MS, signal } = options;
  if (!haveLocks()) return undefined;
  const patience = AbortSignal.timeout(waitMs);
  const either = signal === undefined ? patience : AbortSignal.any([signal, patience]);
  return new Promise((resolve, reject) => {
    const held = () =>
      new Promise<void>((release) => {
        resolve({ release });
      });
    const key = `diskwright:${name}`;
    const probe = async (cause: unknown) => {
      if (signal?.aborted) throw cause;
      await navigator.locks.request(key, { ifAvailable: true }, (lock) => {
        if (lock === null) throw taken(path);
        return held();
      });
    };
    navigator.locks
      .request(key, { signal: either }, held)
      // A thread that was busy for so long has not seen yet that the lock is free.
      .catch(probe)
      // The lock may have been on its way to the request that was given up; it is back by now.
      .catch(probe)
      .catch((cause: unknown) => reject(refused(path, cause, signal)));
  });
}

function refused(path: string, cause: unknown, signal: AbortSignal | undefined): Error {
  if (!signal?.aborted) return domFailure(cause, "open", path);
  const message = `opening '${path}' was given up.`;
  return failure("ECANCELED", "open", message, { path, cause: signal.reason });
}

function taken(path: string): Error {
  const hint = "Close it there, or open it read-only.";
  const message = `'${path}' is open for writing in another tab or worker.`;
  return failure("EBUSY", "open", message, { path, hint });
}
