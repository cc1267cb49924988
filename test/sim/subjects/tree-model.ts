/**
 * What a filesystem should hold: a slow, plain model of POSIX. A model never changes: apply()
 * answers the one that follows, so that every version of the history stays at hand.
 */
import { CLOCK } from "../engine/machine.ts";
import { Digest, Random } from "../engine/random.ts";
import { type RecordOperation, recordLine } from "./system-records.ts";

export type FileOperation =
  | { readonly kind: "create" | "unlink" | "mkdir" | "rmdir"; readonly path: string }
  | { readonly kind: "write"; readonly path: string; at: number; length: number; seed: number }
  | { readonly kind: "truncate"; readonly path: string; readonly length: number }
  | { readonly kind: "rename" | "link"; readonly path: string; readonly to: string }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | { readonly kind: "chmod" | "chown" | "utimes"; readonly path: string; readonly value: number }
  | {
      readonly kind: "xattr";
      readonly path: string;
      readonly name: string;
      readonly length: number;
    }
  | { readonly kind: "control"; readonly seed: number }
  | RecordOperation;

export interface Inode {
  readonly id: number;
  readonly type: "file" | "directory" | "symlink";
  readonly mode: number;
  readonly owner: number;
  readonly data: Uint8Array;
  readonly dataDigest: number;
  readonly target: string;
  readonly mtime: bigint;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

const EMPTY = new Uint8Array(0);
const EMPTY_DIGEST = new Digest().bytes(EMPTY).value();
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();
const NO_RECORDS: ReadonlyMap<string, string> = new Map();
export const FILE_MODE = 0o644;
export const DIRECTORY_MODE = 0o755;
const CONTROL_BYTES = 128;

/** Bytes that a write of `seed` brings. */
export function contentOf(seed: number, length: number): Uint8Array {
  return new Random(seed).bytes(length);
}

export class TreeModel {
  /** Every path but the root's, to its inode. */
  readonly paths: ReadonlyMap<string, Inode>;
  readonly control: Uint8Array;
  /** Lines of system-records.ts, by name. */
  readonly records: ReadonlyMap<string, string>;
  readonly #next: number;
  #digest: number | undefined;

  constructor(
    paths: ReadonlyMap<string, Inode> = new Map(),
    control: Uint8Array = new Uint8Array(CONTROL_BYTES),
    next = 1,
    records = NO_RECORDS,
  ) {
    this.paths = paths;
    this.control = control;
    this.records = records;
    this.#next = next;
  }

  /** The model after `operation`; undefined if a filesystem must refuse it. */
  apply(operation: FileOperation): TreeModel | undefined {
    if (operation.kind === "control") {
      const control = contentOf(operation.seed, CONTROL_BYTES);
      return new TreeModel(this.paths, control, this.#next, this.records);
    }
    if (operation.kind === "record") return this.#record(operation);
    if (!this.#isDirectory(parentOf(operation.path))) return undefined;
    const held = this.paths.get(operation.path);
    switch (operation.kind) {
      case "create":
      case "mkdir":
      case "symlink":
        return held === undefined ? this.#make(operation) : undefined;
      case "unlink":
        return held === undefined || held.type === "directory"
          ? undefined
          : this.#with([[operation.path, undefined]]);
      case "rmdir":
        if (held?.type !== "directory" || this.#hasChildren(operation.path)) return undefined;
        return this.#with([[operation.path, undefined]]);
      case "rename":
        return held === undefined ? undefined : this.#rename(operation.path, operation.to, held);
      case "link":
        return this.#link(operation.to, held);
      default:
        return held === undefined ? undefined : this.#change(operation, held);
    }
  }

  digest(): number {
    if (this.#digest !== undefined) return this.#digest;
    const entries = [...this.paths].sort(([one], [other]) => (one < other ? -1 : 1));
    const first = new Map<number, number>();
    const links = new Map<number, number>();
    for (const [index, [, { id }]] of entries.entries()) {
      if (!first.has(id)) first.set(id, index);
      links.set(id, (links.get(id) ?? 0) + 1);
    }
    const digest = new Digest().bytes(this.control);
    for (const [path, inode] of entries) {
      const group = first.get(inode.id) ?? 0;
      addInode(digest, path, inode, inode.dataDigest, links.get(inode.id) ?? 1, group);
    }
    addRecords(digest, this.records);
    this.#digest = digest.value();
    return this.#digest;
  }

  describe(): string {
    const parts = [...this.paths]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([path, { type, data, target }]) => {
        if (type === "directory") return `${path}/`;
        return type === "symlink" ? `${path} -> ${target}` : `${path} (${data.length} B)`;
      });
    parts.push(...[...this.records.keys()].sort());
    return parts.join(", ") || "an empty root";
  }

  #record(operation: RecordOperation): TreeModel | undefined {
    const records = new Map(this.records);
    const [name, line] = recordLine(operation);
    if (operation.removes && !records.delete(name)) return undefined;
    if (!operation.removes) records.set(name, line);
    return new TreeModel(this.paths, this.control, this.#next, records);
  }

  #isDirectory(path: string): boolean {
    return path === "" || this.paths.get(path)?.type === "directory";
  }

  #hasChildren(path: string): boolean {
    for (const other of this.paths.keys()) if (other.startsWith(`${path}/`)) return true;
    return false;
  }

  #with(changes: readonly (readonly [string, Inode | undefined])[], next = this.#next): TreeModel {
    const paths = new Map(this.paths);
    for (const [path, inode] of changes) {
      if (inode === undefined) paths.delete(path);
      else paths.set(path, inode);
    }
    return new TreeModel(paths, this.control, next, this.records);
  }

  #make(operation: FileOperation & { readonly path: string }): TreeModel {
    const target = operation.kind === "symlink" ? operation.target : "";
    const type =
      operation.kind === "create" ? "file" : operation.kind === "mkdir" ? "directory" : "symlink";
    const mode = type === "file" ? FILE_MODE : type === "directory" ? DIRECTORY_MODE : 0o777;
    const inode: Inode = {
      ...{ id: this.#next, type, mode, owner: 0, target, mtime: CLOCK, xattrs: NO_XATTRS },
      ...{ data: EMPTY, dataDigest: EMPTY_DIGEST },
    };
    return this.#with([[operation.path, inode]], this.#next + 1);
  }

  #link(to: string, held: Inode | undefined): TreeModel | undefined {
    if (held?.type !== "file" || this.paths.has(to)) return undefined;
    return this.#isDirectory(parentOf(to)) ? this.#with([[to, held]]) : undefined;
  }

  #rename(from: string, to: string, held: Inode): TreeModel | undefined {
    if (!this.#isDirectory(parentOf(to)) || to.startsWith(`${from}/`)) return undefined;
    const over = this.paths.get(to);
    if (over !== undefined) {
      // Two names of one file: rename does nothing, and succeeds.
      if (over.id === held.id) return this;
      if ((over.type === "directory") !== (held.type === "directory")) return undefined;
      if (over.type === "directory" && this.#hasChildren(to)) return undefined;
    }
    const changes: (readonly [string, Inode | undefined])[] = [];
    for (const [path, inode] of this.paths) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      changes.push([path, undefined], [to + path.slice(from.length), inode]);
    }
    return this.#with(changes);
  }

  /** A change of one inode, under every name it has. */
  #change(operation: FileOperation, held: Inode): TreeModel | undefined {
    const changed = changedInode(operation, held);
    if (changed === undefined) return undefined;
    const names = [...this.paths].filter(([, { id }]) => id === held.id);
    return this.#with(names.map(([path]) => [path, changed] as const));
  }
}

function changedInode(operation: FileOperation, held: Inode): Inode | undefined {
  switch (operation.kind) {
    case "write": {
      if (held.type !== "file") return undefined;
      const end = operation.at + operation.length;
      const data = resized(held.data, Math.max(held.data.length, end));
      data.set(contentOf(operation.seed, operation.length), operation.at);
      return withData(held, data);
    }
    case "truncate":
      return held.type === "file"
        ? withData(held, resized(held.data, operation.length))
        : undefined;
    case "chmod":
      return held.type === "symlink" ? undefined : { ...held, mode: operation.value & 0o777 };
    case "chown":
      return held.type === "symlink" ? undefined : { ...held, owner: operation.value };
    case "utimes":
      // Times of directories change with every entry: the model leaves them out.
      return held.type === "symlink"
        ? undefined
        : { ...held, mtime: BigInt(operation.value) * 1_000_000_000n };
    case "xattr": {
      if (held.type === "symlink") return undefined;
      const xattrs = new Map(held.xattrs);
      if (operation.length === 0 && !xattrs.delete(operation.name)) return undefined;
      if (operation.length > 0) {
        xattrs.set(operation.name, contentOf(operation.length, operation.length));
      }
      return { ...held, xattrs };
    }
    default:
      return undefined;
  }
}

function resized(data: Uint8Array, length: number): Uint8Array {
  const fresh = new Uint8Array(length);
  fresh.set(data.subarray(0, length));
  return fresh;
}

function withData(held: Inode, data: Uint8Array): Inode {
  return { ...held, data, dataDigest: new Digest().bytes(data).value(), mtime: CLOCK };
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** Adds all records of the system. */
export function addRecords(digest: Digest, records: ReadonlyMap<string, string>): void {
  for (const [name, line] of [...records].sort(([one], [other]) => (one < other ? -1 : 1))) {
    digest.text(name).text(line);
  }
}

/** Adds one name of a tree: model and filesystem must say the same. */
export function addInode(
  digest: Digest,
  path: string,
  inode: Omit<Inode, "id" | "data" | "dataDigest">,
  dataDigest: number,
  links: number,
  group: number,
): void {
  digest.text(path).text(inode.type).number(inode.mode).number(inode.owner).number(group);
  if (inode.type === "symlink") {
    digest.text(inode.target);
    return;
  }
  if (inode.type === "file") {
    digest
      .number(links)
      .number(Math.floor(dataDigest / 0x1_0000_0000))
      .number(dataDigest >>> 0);
    digest.number(Number(inode.mtime / 1_000_000_000n));
  }
  for (const [name, value] of [...inode.xattrs].sort(([one], [other]) => (one < other ? -1 : 1))) {
    digest.text(name).bytes(value);
  }
}
