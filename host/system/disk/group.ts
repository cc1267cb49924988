/**
 * Group commit: when changes become durable, and who is told.
 *
 * Interface: after a change call changed() and await what it gives; sync() makes everything so far
 * durable. All who wait when a commit begins share it. In mode `batch` and `none` a commit also
 * comes 50 ms after the last change and at 4,096 changed pages; 50 ms after the last commit the
 * region is put to rest. The core has no clock: it is kept here.
 */
import { failure, StorageError } from "../../base/errors.ts";
import { nextTurn } from "../../base/work.ts";

/** When a mutating promise resolves; see docs/devices.md. */
export type Durability = "none" | "batch" | "each";

/** A store or a filesystem, as something that commits. */
export interface Part {
  commit(): void;
  /** Pages that the next commit has to write. */
  dirtyPages(): number;
  /** Of the newest durable commit. */
  epoch(): number;
}

export interface GroupOptions {
  readonly durability: Durability;
  /** Makes every copy of the newest superblock stand. */
  readonly rest?: () => void;
  /** Nothing can change, so sync() has nothing to do. */
  readonly readOnly?: boolean;
  readonly delayMs?: number;
  readonly dirtyPagesMax?: number;
}

const DELAY_MS = 50;
const DIRTY_PAGES_MAX = 4096;

interface Waiter {
  resolve(): void;
  reject(reason: unknown): void;
}

interface State {
  readonly part: Part;
  dirty: boolean;
  waiters: Waiter[];
  /** A commit failed that nobody waited for: the next who asks is told. */
  lost: unknown;
}

/** Shares commits among the callers of a disk's parts. */
export class CommitGroup {
  readonly #states: readonly State[];
  readonly #options: Required<GroupOptions>;
  #scheduled = false;
  #delay: ReturnType<typeof setTimeout> | undefined;
  #changedMs = 0;
  #resting: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  /** @param parts in the order in which they commit: what others point to comes first */
  constructor(parts: readonly Part[], options: GroupOptions) {
    this.#states = parts.map((part) => ({ part, dirty: false, waiters: [], lost: undefined }));
    this.#options = {
      rest: () => {},
      readOnly: false,
      delayMs: DELAY_MS,
      dirtyPagesMax: DIRTY_PAGES_MAX,
      ...options,
    };
  }

  /** After a change of `part`: resolves when it is as durable as the mode promises. */
  async changed(part: Part): Promise<void> {
    const state = this.#state(part);
    state.dirty = true;
    const { durability, dirtyPagesMax } = this.#options;
    if (durability === "each" || part.dirtyPages() >= dirtyPagesMax) await this.#wait(state);
    else this.#arm();
  }

  /** Makes everything so far durable: of all parts, or of one. */
  async sync(part?: Part): Promise<void> {
    const states = part === undefined ? this.#states : [this.#state(part)];
    const results = await Promise.allSettled(states.map((state) => this.#wait(state)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Commits what is left, here and now, and stops the clocks; throws what had failed. */
  stop(): void {
    this.#stopClocks();
    for (const state of this.#states) {
      if (state.dirty || state.waiters.length > 0) commit(state);
    }
    for (const state of this.#states) throwOnce(state);
  }

  /** Ends the group: tells all who wait that what they wait for is lost. Commits nothing. */
  abandon(reason: unknown): void {
    this.#stopClocks();
    for (const state of this.#states) {
      state.dirty = false;
      for (const { reject } of state.waiters.splice(0)) reject(reason);
    }
  }

  #stopClocks(): void {
    clearTimeout(this.#delay);
    clearTimeout(this.#resting);
    this.#stopped = true;
  }

  #state(part: Part): State {
    return this.#states.find((state) => state.part === part) as State;
  }

  #wait(state: State): Promise<void> {
    if (this.#options.readOnly) return Promise.resolve();
    return new Promise((resolve, reject) => {
      throwOnce(state);
      if (this.#stopped) throw failure("EBADF", "sync", "the disk is closed.");
      state.waiters.push({ resolve, reject });
      this.#schedule();
    });
  }

  /** One turn of the event loop later: all who ask in this turn share the commit. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    void nextTurn().then(() => {
      this.#scheduled = false;
      if (!this.#stopped) this.#commitWaiting();
    });
  }

  #commitWaiting(): void {
    for (const state of this.#states) if (state.waiters.length > 0) commit(state);
    this.#armRest();
  }

  /** Starts the clock of the delayed commit; later changes only put the time off. */
  #arm(): void {
    this.#changedMs = performance.now();
    this.#delay ??= setTimeout(() => this.#ring(), this.#options.delayMs);
  }

  #ring(): void {
    this.#delay = undefined;
    const leftMs = this.#changedMs + this.#options.delayMs - performance.now();
    if (leftMs > 1) {
      this.#delay = setTimeout(() => this.#ring(), leftMs);
      return;
    }
    for (const state of this.#states) if (state.dirty) commit(state);
    this.#armRest();
  }

  #armRest(): void {
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => {
      this.#resting = undefined;
      try {
        this.#options.rest();
      } catch {
        // The next commit writes the second copy first, and says so if it cannot.
      }
    }, this.#options.delayMs);
  }
}

function commit(state: State): void {
  const waiters = state.waiters;
  state.waiters = [];
  state.dirty = false;
  try {
    state.part.commit();
  } catch (error) {
    markLost(error, state.part);
    if (waiters.length === 0) state.lost = error;
    for (const { reject } of waiters) reject(error);
    return;
  }
  for (const { resolve } of waiters) resolve();
}

/** Says in an EIO from which epoch on everything is lost. */
export function markLost(error: unknown, part: Part): void {
  if (error instanceof StorageError && error.code === "EIO") error.lostSince = part.epoch();
}

function throwOnce(state: State): void {
  const { lost } = state;
  state.lost = undefined;
  if (lost !== undefined) throw lost;
}
