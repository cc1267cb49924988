/**
 * An open file as a capability. It leads to that file only, wherever its name goes, until close().
 *
 * Interface: positions and lengths are bytes, whole numbers from 0. sync() and close() are commit
 * points: what was written before is durable once they have returned.
 */
import { StorageError } from "../../base/errors.ts";
import { Capability, checkBytes, checkCount, type Grant } from "./base/grant.ts";
import { attempt, type Outcome, ok, refused } from "./base/outcome.ts";
import { quoted } from "./base/path.ts";
import type { TreeFile } from "./base/tree.ts";

/** Most bytes that one read answers; ask again for the rest. */
export const READ_BYTES_MAX = 16 << 20;

export interface FileRights {
  readonly read: boolean;
  /** "append": only at the end, and never shorter. */
  readonly write: "no" | "append" | "any";
}

export interface FileStat {
  readonly sizeBytes: number;
  /** Milliseconds since 1970 UTC. */
  readonly mtimeMs: number;
}

/** What a FileCap and those made from it share. */
interface Opened {
  readonly file: TreeFile;
  /** As the opener named it. */
  readonly name: string;
  dirty: boolean;
}

/** One open file. DirectoryCap.open() makes these. */
export class FileCap extends Capability {
  readonly kind = "file";
  readonly #opened: Opened;
  readonly #rights: FileRights;

  private constructor(grant: Grant, opened: Opened, rights: FileRights) {
    super(grant);
    this.#opened = opened;
    this.#rights = rights;
  }

  /** Takes over `file`, which is closed when `grant` ends. */
  static over(grant: Grant, file: TreeFile, name: string, rights: FileRights): FileCap {
    grant.onEnd(() => closeQuietly(file));
    return new FileCap(grant, { file, name, dirty: false }, rights);
  }

  /** Up to `lengthBytes` bytes from `position`: fewer at the end, none behind it. */
  read(position: number, lengthBytes: number): Outcome<Uint8Array> {
    return this.#call("read", () => {
      checkCount(position, "read", "the position");
      checkCount(lengthBytes, "read", "the length");
      if (!this.#rights.read) return this.#denied("not open for reading");
      const left = Math.max(0, this.#opened.file.stat().sizeBytes - position);
      const target = new Uint8Array(Math.min(lengthBytes, left, READ_BYTES_MAX));
      const count = target.length === 0 ? 0 : this.#opened.file.read(position, target);
      return ok(target.subarray(0, count));
    });
  }

  /** Fills `target` from `position` on; answers the bytes read, fewer only at the end. */
  readInto(position: number, target: Uint8Array): Outcome<number> {
    return this.#call("read", () => {
      checkCount(position, "read", "the position");
      checkBytes(target, "read");
      if (!this.#rights.read) return this.#denied("not open for reading");
      return ok(target.length === 0 ? 0 : this.#opened.file.read(position, target));
    });
  }

  /** Writes at `position`, a hole before it if the file ends earlier; answers bytes written. */
  write(position: number, bytes: Uint8Array): Outcome<number> {
    return this.#call("write", () => {
      checkCount(position, "write", "the position");
      checkBytes(bytes, "write");
      if (this.#rights.write !== "any") return this.#unwritable();
      return ok(this.#put(position, bytes));
    });
  }

  /** Writes at the end; answers where. */
  append(bytes: Uint8Array): Outcome<number> {
    return this.#call("append", () => {
      checkBytes(bytes, "append");
      if (this.#rights.write === "no") return this.#unwritable();
      const { file } = this.#opened;
      const position = file.stat().sizeBytes;
      if (this.#put(position, bytes) === bytes.length) return ok(position);
      file.resize(position);
      return refused("no-space", `${quoted(this.#opened.name)}: no space is left`);
    });
  }

  /** Sets the length: what is cut off is gone, what is added reads as zeros. */
  truncate(lengthBytes: number): Outcome<void> {
    return this.#call("truncate", () => {
      checkCount(lengthBytes, "truncate", "the length");
      if (this.#rights.write !== "any") return this.#unwritable();
      this.#opened.dirty = true;
      this.#opened.file.resize(lengthBytes);
      return ok();
    });
  }

  stat(): Outcome<FileStat> {
    return this.#call("stat", () => {
      const { sizeBytes, mtimeMs } = this.#opened.file.stat();
      return ok({ sizeBytes, mtimeMs });
    });
  }

  /** Makes what was written durable. */
  sync(): Outcome<void> {
    return this.#call("sync", () => this.#sync());
  }

  /** Makes what was written durable and ends the capability, in any case. */
  close(): Outcome<void> {
    return this.#call("close", () => {
      try {
        return this.#opened.dirty ? this.#sync() : ok();
      } finally {
        this.revoke("the file was closed");
      }
    });
  }

  /** The same open file, for reading. Ends with this one. */
  readOnly(): FileCap {
    this.grant.check("readOnly");
    return new FileCap(this.grant.child(), this.#opened, { ...this.#rights, write: "no" });
  }

  #sync(): Outcome<void> {
    if (this.#rights.write === "no") return ok();
    this.#opened.file.sync();
    this.#opened.dirty = false;
    return ok();
  }

  #put(position: number, bytes: Uint8Array): number {
    if (bytes.length === 0) return 0;
    this.#opened.dirty = true;
    return this.#opened.file.write(position, bytes);
  }

  #unwritable(): Outcome<never> {
    return this.#denied(
      this.#rights.write === "append" ? "open for appending only" : "not open for writing",
    );
  }

  #denied(why: string): Outcome<never> {
    return refused("denied", `${quoted(this.#opened.name)}: ${why}`);
  }

  #call<T>(syscall: string, act: () => Outcome<T>): Outcome<T> {
    this.grant.check(syscall);
    return attempt(syscall, this.#opened.name, act);
  }
}

/** A descriptor whose filesystem was thrown back is gone already. */
function closeQuietly(file: TreeFile): void {
  try {
    file.close();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
  }
}
