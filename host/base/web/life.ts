/**
 * Whether a worker still lives, by Web Locks: one that the browser ends, or that has no memory,
 * says nothing, but a lock that it held becomes free.
 */

/** True where this browser has Web Locks. */
export function haveLocks(): boolean {
  return typeof navigator !== "undefined" && navigator.locks !== undefined;
}

/** A name that no other worker has. */
export function lifeName(): string {
  // Not randomUUID(), which pages without https do not have.
  const words = crypto.getRandomValues(new Uint32Array(4));
  return [...words].map((word) => word.toString(16).padStart(8, "0")).join("");
}

/**
 * In the worker: holds the lock of `name` to its end. Resolves once it is held, or cannot be: where
 * the page may not have storage, the browser refuses locks, too.
 */
export function holdLife(name: string): Promise<void> {
  if (!haveLocks()) return Promise.resolve();
  return new Promise((go) => {
    const held = () => {
      go();
      return new Promise<never>(() => {});
    };
    navigator.locks.request(keyOf(name), held).catch(() => go());
  });
}

/**
 * Outside of it: calls `ended` once the worker of `name`, which holds its lock already, has ended.
 * Answers how to stop waiting for that. Where there are no locks, nothing is ever noticed.
 */
export function watchLife(name: string, ended: () => void): () => void {
  if (!haveLocks()) return () => undefined;
  const stop = new AbortController();
  const told = () => {
    if (!stop.signal.aborted) ended();
  };
  navigator.locks.request(keyOf(name), { signal: stop.signal }, told).catch(() => undefined);
  return () => stop.abort();
}

function keyOf(name: string): string {
  return `diskwright-worker:${name}`;
}
