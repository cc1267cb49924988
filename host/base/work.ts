/**
 * Long work in pieces: a generator that yields its progress between two pieces, so that one text
 * serves a blocking caller, a caller with an event loop, and one who wants to stop it.
 *
 * Interface: `finish` runs it here and now; `run` gives the event loop a turn between pieces and
 * stops at the next border when its signal is aborted. Both run the work's `finally` blocks.
 */
import { failure } from "./errors.ts";

/** One step of a flow: `done` of `total` units. */
export interface ProgressEvent {
  readonly step: string;
  readonly done: number;
  readonly total: number;
  readonly unit: string;
}

export type Work<T> = Generator<ProgressEvent, T, void>;

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((event: ProgressEvent) => void) | undefined;
  /** Awaited before a piece is told as done: what it has flushed lasts from then on. */
  readonly settled?: (() => Promise<void>) | undefined;
}

/** Runs `work` to its end without a pause. */
export function finish<T>(work: Work<T>, progress?: (event: ProgressEvent) => void): T {
  for (;;) {
    const turn = work.next();
    if (turn.done) return turn.value;
    progress?.(turn.value);
  }
}

/**
 * Runs `work` to its end, with a turn of the event loop between its pieces.
 *
 * @throws {StorageError} ECANCELED: the signal was aborted; what was done stays as it is. And what
 *   `settled` rejects with
 */
export async function run<T>(work: Work<T>, options: RunOptions = {}): Promise<T> {
  const { signal, progress, settled } = options;
  for (;;) {
    const turn = signal?.aborted ? work.throw(cancelled(signal)) : work.next();
    try {
      await settled?.();
    } catch (error) {
      giveUp(work, error);
      throw error;
    }
    if (turn.done) return turn.value;
    progress?.(turn.value);
    await nextTurn();
  }
}

/** What else fails while the work ends follows from `error`. */
function giveUp(work: Work<unknown>, error: unknown): void {
  try {
    work.throw(error);
  } catch {
    // That is how it ends.
  }
}

/** A turn of the event loop: others have their go first. */
export function nextTurn(): Promise<void> {
  return new Promise(later);
}

/** Runs `then` in the next turn. No timer where that can be: in a page those wait 4 ms and more. */
const later: (then: () => void) => void =
  typeof setImmediate === "function" ? (then) => void setImmediate(then) : byChannel();

function byChannel(): (then: () => void) => void {
  if (typeof MessageChannel !== "function") return (then) => void setTimeout(then, 0);
  const waiting: (() => void)[] = [];
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => waiting.shift()?.();
  return (then) => {
    waiting.push(then);
    port2.postMessage(null);
  };
}

function cancelled(signal: AbortSignal): Error {
  const cause: unknown = signal.reason;
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return failure("ECANCELED", "run", `stopped${why}.`, { cause });
}
