/**
 * What a disk may hold: the versions of the content that operations issued, and how far they were
 * acknowledged. After a crash every version between the last acknowledged and the last issued one
 * is legal, and nothing else.
 */

/** A crash state that breaks a promise. */
export class Violation extends Error {
  override readonly name = "Violation";
}

export class History {
  readonly digests: number[] = [];
  readonly labels: string[] = [];
  /** Index of the last version known durable. */
  acked = 0;
  /** Which earlier versions stand at the front in place of one starting version. */
  #started = 0;
  /** Every version that was acknowledged, in order. */
  readonly #acks: number[] = [];

  constructor(digest?: number) {
    if (digest !== undefined) this.issue(digest, "start");
  }

  /** Index of the newest version that the life may have begun with. */
  get began(): number {
    return Math.max(0, this.#started - 1);
  }

  /** Index of the newest version that the disk may hold. */
  get issued(): number {
    return this.digests.length - 1;
  }

  /** Call before the operation that makes the content `digest` goes to the core. */
  issue(digest: number, label: string): void {
    this.digests.push(digest);
    this.labels.push(label);
  }

  /** Everything issued is durable. */
  ack(): void {
    this.acked = this.digests.length - 1;
    this.#acks.push(this.acked);
  }

  /**
   * The newest acknowledged version before `acked` with other content: what may be left where the
   * newest superblock rots before its mirror is durable.
   */
  ackedBefore(acked: number): number {
    const digest = this.digests[acked];
    for (let index = this.#acks.length - 1; index >= 0; index--) {
      const version = this.#acks[index] as number;
      if (version < acked && this.digests[version] !== digest) return version;
    }
    return 0;
  }

  /** The content is back at `digest`: what was issued since can never be found again. */
  abort(digest: number, label: string): void {
    this.issue(digest, label);
    this.ack();
  }

  /** Begins a life on a disk that may hold any version of `window`. */
  begin(window: Window): void {
    this.digests.length = 0;
    this.labels.length = 0;
    this.#acks.length = 0;
    this.acked = 0;
    for (let index = window.lower; index <= window.upper; index++) {
      this.issue(window.history.digests[index] as number, "before");
    }
    this.#started = this.digests.length;
  }

  /**
   * The life begun above found `digest`. Without unflushed writes of the life before, no later
   * crash can find another of the versions it began with.
   */
  settle(digest: number): void {
    for (let index = 0; index < this.#started; index++) this.digests[index] = digest;
  }
}

/** The versions that one crash state may hold. */
export class Window {
  history: History;
  lower = 0;
  upper = 0;

  constructor(history: History, lower: number, upper: number) {
    this.history = history;
    this.lower = lower;
    this.upper = upper;
  }

  accepts(digest: number): boolean {
    for (let index = this.upper; index >= this.lower; index--) {
      if (this.history.digests[index] === digest) return true;
    }
    return false;
  }

  describe(): string {
    const { labels } = this.history;
    const from = `version ${this.lower} (${labels[this.lower]})`;
    if (this.lower === this.upper) return from;
    return `${from} to ${this.upper} (${labels[this.upper]})`;
  }
}

/** One mounted life after a crash: what it found, and the history that it goes on to write. */
export class Life {
  readonly history = new History();
  found = Number.NaN;
  /** The mount made what it found durable: no later crash can find an older version. */
  durable = false;
  mounts = 0;
  /** True if further crashes of this very life will be visited. */
  readonly nested: boolean;
  /** Differs from life to life, the same in every run: seeds what the life does and draws. */
  readonly nonce: number;
  readonly #window: Window;

  constructor(window: Window, nonce: number, nested: boolean) {
    this.#window = window;
    this.nested = nested;
    this.nonce = nonce;
    this.history.begin(window);
  }

  /**
   * The content after the mount, which from here on is durable, unless the mount made nothing so.
   * Throws if it is not legal.
   */
  settle(digest: number, describe: () => string, durable = true): void {
    this.found = digest;
    if (!this.#window.accepts(digest)) {
      throw new Violation(
        `content is not ${this.#window.describe()} of the history; it is: ${describe()}`,
      );
    }
    this.history.issue(digest, "found after the crash");
    this.durable = durable;
    if (durable) this.history.ack();
  }

  /** The disk may still hold what it held before anything was done to it. */
  mayBeStart(): boolean {
    return this.#window.lower === 0;
  }

  /** A later look at the same life must see its newest version. */
  expect(digest: number, describe: () => string): void {
    const { digests, labels } = this.history;
    if (digests[digests.length - 1] === digest) return;
    const last = labels[labels.length - 1];
    throw new Violation(`content after "${last}" did not survive a re-open; it is: ${describe()}`);
  }
}
