/**
 * Write-out: a thread that flushes a file's dirty pages while its writer goes on, so that the
 * writer's own FLUSH finds less to wait for. It promises nothing and may be missing.
 *
 * Interface: wrote() counts; at each STEP_BYTES the thread is asked to flush its own handle of the
 * file. Whoever closes a file waits for end() before it gives the file's name away. One thread
 * serves all files of a realm; its program is a text, so that every bundler leaves it alone.
 *
 * Only where the system is Linux: there every handle learns of a failed write-back by its own next
 * flush, whoever flushed first (errseq_t, since 4.13). Elsewhere the thread's flush could swallow
 * the error that the writer's FLUSH must see.
 */

/** A handle of the browser: only one that other handles may stand beside can be written out. */
export interface SharedFile {
  createSyncAccessHandle(options: { readonly mode: string }): Promise<unknown>;
}

/** Bytes between two flushes by the thread. */
const STEP_BYTES = 8 << 20;
/** How long the end of a file is waited for; a thread that is gone answers nothing. */
const END_WAIT_MS = 5000;

const PROGRAM = `
const files = new Map();
onmessage = async ({ data: { id, act, handle } }) => {
  try {
    if (act === "open") files.set(id, handle.createSyncAccessHandle({ mode: "readwrite-unsafe" }));
    const file = await files.get(id);
    if (act === "flush") file?.flush();
    if (act === "end") file?.close();
  } catch {
    // The writer's own flush will tell.
  }
  if (act !== "end") return;
  files.delete(id);
  postMessage(id);
};
`;

/** The thread's side of one open file. */
export class WriteOut {
  readonly #thread: Thread;
  readonly #file: SharedFile;
  /** The file's number in the thread, once it is open there. */
  #id: number | undefined;
  #waiting = 0;

  private constructor(thread: Thread, file: SharedFile) {
    this.#thread = thread;
    this.#file = file;
  }

  /** A write-out of `file`, or undefined where there can be none. */
  static of(file: SharedFile): WriteOut | undefined {
    const thread = Thread.ofRealm();
    return thread && new WriteOut(thread, file);
  }

  /** Counts a write of the file. */
  wrote(bytes: number): void {
    this.#waiting += bytes;
    if (this.#waiting < STEP_BYTES) return;
    this.#waiting = 0;
    this.#id ??= this.#thread.open(this.#file);
    this.#thread.flush(this.#id);
  }

  /** The writer has flushed. */
  flushed(): void {
    this.#waiting = 0;
  }

  /** Resolves once the thread has no handle of the file; undefined: it has none now. */
  end(): Promise<void> | undefined {
    return this.#id === undefined ? undefined : this.#thread.end(this.#id);
  }
}

class Thread {
  /** None yet; or that there can be none. */
  static #realm: Thread | null | undefined;
  readonly #worker: Worker;
  readonly #ends = new Map<number, () => void>();
  #next = 1;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<number>) => this.#ends.get(data)?.();
    // Forbidden by the page's policy, most likely.
    worker.onerror = (event) => {
      event.preventDefault();
      Thread.#realm = null;
      for (const ended of this.#ends.values()) ended();
    };
  }

  static ofRealm(): Thread | undefined {
    if (Thread.#realm === undefined) Thread.#realm = Thread.#start();
    return Thread.#realm ?? undefined;
  }

  static #start(): Thread | null {
    if (typeof Worker === "undefined" || !/Linux|Android|CrOS/.test(navigator.userAgent))
      return null;
    const url = URL.createObjectURL(new Blob([PROGRAM], { type: "text/javascript" }));
    try {
      return new Thread(new Worker(url, { name: "write-out" }));
    } catch {
      URL.revokeObjectURL(url);
      return null;
    }
  }

  open(handle: SharedFile): number {
    const id = this.#next++;
    this.#worker.postMessage({ id, act: "open", handle });
    return id;
  }

  flush(id: number): void {
    this.#worker.postMessage({ id, act: "flush" });
  }

  end(id: number): Promise<void> {
    if (Thread.#realm !== this) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, END_WAIT_MS);
      this.#ends.set(id, () => {
        this.#ends.delete(id);
        clearTimeout(timer);
        resolve();
      });
      this.#worker.postMessage({ id, act: "end" });
    });
  }
}
