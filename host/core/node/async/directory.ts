/** An open directory as a class shaped like Dir of node:fs: entries by their names, in pages. */
import { OPEN_DIRECTORY } from "../../../../assembly/format/abi.ts";
import type { FileCalls } from "../calls.ts";
import { NodeError } from "../codes.ts";
import type { Dirent } from "../stats.ts";
import { disposeBy } from "./dispose.ts";

export class Directory implements AsyncIterable<Dirent> {
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly path: string;
  readonly #files: FileCalls;
  readonly #recursive: boolean;
  /** Directories below that are still to be read. */
  readonly #waiting: string[] = [];
  #reading: string;
  #fd: number;
  #page: Dirent[] = [];

  /** @internal */
  constructor(files: FileCalls, fd: number, path: string, recursive: boolean) {
    this.#files = files;
    this.#fd = fd;
    this.#recursive = recursive;
    this.path = path;
    this.#reading = path;
  }

  /** The next entry, null at the end. */
  async read(): Promise<Dirent | null> {
    for (;;) {
      if (this.#fd < 0) throw this.#closed();
      if (this.#page.length === 0) {
        this.#page = this.#files.list(this.#fd, this.#reading).reverse();
      }
      const entry = this.#page.pop();
      if (entry === undefined) {
        if (!this.#next()) return null;
        continue;
      }
      if (this.#recursive && entry.isDirectory()) {
        const base = this.#reading;
        this.#waiting.push(`${base.endsWith("/") ? base : `${base}/`}${entry.name}`);
      }
      return entry;
    }
  }

  /** @throws {StorageError} ERR_DIR_CLOSED: it is closed already */
  async close(): Promise<void> {
    if (this.#fd < 0) throw this.#closed();
    this.#files.close(this.#fd);
    this.#fd = -1;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Dirent> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry;
    } finally {
      if (this.#fd >= 0) await this.close();
    }
  }

  /** Goes on with the next directory below; false if there is none. */
  #next(): boolean {
    const path = this.#waiting.shift();
    if (path === undefined) return false;
    const fd = this.#files.open(path, OPEN_DIRECTORY);
    this.#files.close(this.#fd);
    this.#fd = fd;
    this.#reading = path;
    return true;
  }

  #closed(): Error {
    const message = "the directory is closed.";
    return new NodeError("ERR_DIR_CLOSED", "opendir", message, { path: this.path });
  }
}

disposeBy(Directory, async (directory) => {
  await directory.close().catch((error: { code?: string }) => {
    if (error.code !== "ERR_DIR_CLOSED") throw error;
  });
});
