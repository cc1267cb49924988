/**
 * Where the bindings of a namespace are: in memory, or in the files of a Directory.
 *
 * In a Directory each name is one small file, called as the name with "\" for "/", and "\version"
 * holds the last version given out. Each is written under another name and renamed, the version
 * before the binding, and all is one commit: a cut leaves the old binding or the new one.
 */
import { bytes, record, text, u8, u53 } from "../../base/wire.ts";
import { CapException, type Outcome, ok, refused } from "./base/outcome.ts";
import type { DirectoryCap } from "./directory.ts";

export interface Binding {
  /** SHA-256 of an object. */
  readonly hash: Uint8Array;
  /** From 1; the later binding of a namespace has the higher one. */
  readonly version: number;
}

/** What stands behind a namespace. Names are checked and whole. */
export interface Bindings {
  get(name: string): Outcome<Binding | undefined>;
  /** Binds under the next version. */
  set(name: string, hash: Uint8Array): Outcome<Binding>;
  /** Unbinds a name that is bound. */
  remove(name: string): Outcome<void>;
  /** In any order. */
  names(): Outcome<string[]>;
}

/** Bindings that are gone with the process. */
export class MemoryBindings implements Bindings {
  readonly #bound = new Map<string, Binding>();
  #version = 0;

  get(name: string): Outcome<Binding | undefined> {
    const bound = this.#bound.get(name);
    return ok(bound === undefined ? undefined : { ...bound, hash: bound.hash.slice() });
  }

  set(name: string, hash: Uint8Array): Outcome<Binding> {
    this.#version += 1;
    this.#bound.set(name, { hash: hash.slice(), version: this.#version });
    return ok({ hash, version: this.#version });
  }

  remove(name: string): Outcome<void> {
    this.#bound.delete(name);
    return ok();
  }

  names(): Outcome<string[]> {
    return ok([...this.#bound.keys()]);
  }
}

const FORMAT = 1;
const RECORD_BYTES_MAX = 1024;
const VERSION_NAME = "\\version";
const NEW_NAME = "\\new";

const bindingRecord = record("binding", {
  format: u8,
  version: u53,
  hash: bytes(32),
  name: text(255),
});
const versionRecord = record("version of a namespace", { format: u8, version: u53 });

/** Bindings in the files of a directory, which holds nothing else. */
export class DirectoryBindings implements Bindings {
  readonly #directory: DirectoryCap;

  constructor(directory: DirectoryCap) {
    this.#directory = directory;
  }

  get(name: string): Outcome<Binding | undefined> {
    const file = fileName(name);
    const data = this.#read(file);
    if (!data.ok) return data.code === "not-found" ? ok(undefined) : data;
    const found = decoded(file, () => bindingRecord.decode(data.value));
    if (found.format !== FORMAT || found.name !== name || found.version === 0) throw damaged(file);
    return ok({ hash: found.hash, version: found.version });
  }

  set(name: string, hash: Uint8Array): Outcome<Binding> {
    const last = this.#lastVersion();
    if (!last.ok) return last;
    const version = last.value + 1;
    const counted = this.#replace(VERSION_NAME, versionRecord.encode({ format: FORMAT, version }));
    if (!counted.ok) return counted;
    const fields = { format: FORMAT, version, hash, name };
    const bound = this.#replace(fileName(name), bindingRecord.encode(fields));
    if (!bound.ok) return bound;
    const durable = this.#directory.sync();
    return durable.ok ? ok({ hash, version }) : durable;
  }

  remove(name: string): Outcome<void> {
    const removed = this.#directory.remove(fileName(name));
    return removed.ok ? this.#directory.sync() : removed;
  }

  names(): Outcome<string[]> {
    const entries = this.#directory.list();
    if (!entries.ok) return entries;
    const files = entries.value.filter(({ name }) => !name.startsWith("\\"));
    const other = files.find(({ kind }) => kind !== "file");
    if (other !== undefined) throw damaged(other.name);
    return ok(files.map(({ name }) => name.replaceAll("\\", "/")));
  }

  #lastVersion(): Outcome<number> {
    const data = this.#read(VERSION_NAME);
    if (!data.ok) return data.code === "not-found" ? this.#highestVersion() : data;
    const found = decoded(VERSION_NAME, () => versionRecord.decode(data.value));
    if (found.format !== FORMAT || found.version === 0) throw damaged(VERSION_NAME);
    return ok(found.version);
  }

  /** Without a record of it: that of the newest binding. */
  #highestVersion(): Outcome<number> {
    const names = this.names();
    if (!names.ok) return names;
    let highest = 0;
    for (const name of names.value) {
      const found = this.get(name);
      if (!found.ok) return found;
      highest = Math.max(highest, found.value?.version ?? 0);
    }
    return ok(highest);
  }

  #read(file: string): Outcome<Uint8Array> {
    const opened = this.#directory.open(file);
    if (!opened.ok) return opened;
    try {
      return opened.value.read(0, RECORD_BYTES_MAX);
    } finally {
      opened.value.close();
    }
  }

  /** Writes under another name, then renames: never half, and never empty. */
  #replace(file: string, data: Uint8Array): Outcome<void> {
    const opened = this.#directory.open(NEW_NAME, { write: true, create: true, truncate: true });
    if (!opened.ok) return opened;
    let written: Outcome<number>;
    try {
      written = opened.value.write(0, data);
    } finally {
      // Not close(): the commit comes when everything is in place.
      opened.value.revoke();
    }
    if (!written.ok) return written;
    if (written.value < data.length) return refused("no-space", "no space is left");
    return this.#directory.rename(NEW_NAME, file);
  }
}

function fileName(name: string): string {
  return name.replaceAll("/", "\\");
}

function decoded<T>(file: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw damaged(file, cause);
  }
}

function damaged(file: string, cause?: unknown): CapException {
  return new CapException("failed", "resolve", `the record '${file}' is damaged.`, cause);
}
