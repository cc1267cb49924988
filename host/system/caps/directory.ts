/**
 * A directory as a capability: everything below it can be reached, nothing else.
 *
 * Interface: paths are relative and lead down only (base/path). A symbolic link is listed, read
 * and removed, and never followed. The capability stands for the directory it was made for, at its
 * place: while that directory has been moved or removed, every call throws "disconnected".
 */
import { Capability, checkCount, Grant } from "./base/grant.ts";
import { attempt, CapException, type Outcome, ok, refused } from "./base/outcome.ts";
import { compareNames, quoted, splitPath } from "./base/path.ts";
import type { Names, NodeKind, Tree, TreeEntry, TreeNode } from "./base/tree.ts";
import { FileCap, type FileRights } from "./file.ts";

export interface OpenOptions {
  /** Default: true, unless the file is opened for writing or appending. */
  readonly read?: boolean;
  readonly write?: boolean;
  /** Writes go to the end, whatever was there before stays. */
  readonly append?: boolean;
  /** Makes the file if it is not there; needs write or append. */
  readonly create?: boolean;
  /** With create: "exists" if it is there. */
  readonly exclusive?: boolean;
  /** Empties it; needs write. */
  readonly truncate?: boolean;
}

export interface ListOptions {
  /** Goes on behind this name. */
  readonly after?: string;
  readonly limit?: number;
}

export interface EntryStat {
  readonly kind: NodeKind;
  /** Of a file or link; 0 of a directory. */
  readonly sizeBytes: number;
  /** Milliseconds since 1970 UTC. */
  readonly mtimeMs: number;
}

export interface DirectoryOptions {
  /** From the root of the tree; "" (default) is the root itself. */
  readonly path?: string;
  readonly readOnly?: boolean;
}

/** Identities of the files open for writing, by volume: one writer each. */
const WRITERS = new WeakMap<object, Set<string>>();

/** One directory and what is below it. */
export class DirectoryCap extends Capability {
  readonly kind = "directory";
  /** True: every change is "denied". */
  readonly isReadOnly: boolean;
  readonly #tree: Tree;
  readonly #place: Names;
  readonly #identity: string;

  private constructor(grant: Grant, tree: Tree, place: Names, identity: string, readOnly: boolean) {
    super(grant);
    this.#tree = tree;
    this.#place = place;
    this.#identity = identity;
    this.isReadOnly = readOnly;
  }

  /**
   * A capability for a directory of `tree`, with no other above it.
   *
   * @returns "not-found", "not-directory", "denied" (a link on the way), "invalid"
   * @example
   * const config = unwrap(DirectoryCap.over(new FilesTree(region.files), { path: "etc" }), "open");
   */
  static over(tree: Tree, options: DirectoryOptions = {}): Outcome<DirectoryCap> {
    const { path = "", readOnly = false } = options;
    return attempt("open", path, () => {
      const root = tree.stat([]);
      if (root === undefined) return refused("not-found", "the tree has no root");
      const only = readOnly || tree.readOnly;
      const top = new DirectoryCap(new Grant(), tree, [], root.identity, only);
      return path === "" ? ok(top) : top.sub(path);
    });
  }

  /** Entries in the order of their bytes. */
  list(options: ListOptions = {}): Outcome<TreeEntry[]> {
    return this.#call("list", "", () => {
      const { after, limit = Number.MAX_SAFE_INTEGER } = options;
      checkCount(limit, "list", "the limit");
      const entries = this.#tree.list(this.#place);
      entries.sort((a, b) => compareNames(a.name, b.name));
      const rest = entries.filter(
        ({ name }) => after === undefined || compareNames(name, after) > 0,
      );
      return ok(rest.slice(0, limit));
    });
  }

  /** What is at `path`, a link as itself; without a path, this directory. */
  stat(path?: string): Outcome<EntryStat> {
    return this.#call("stat", path ?? "", () => {
      if (path === undefined) return ok(entryStat(this.#tree.stat(this.#place) as TreeNode));
      const found = this.#existing(path, "stat");
      return found.ok ? ok(entryStat(found.value.node)) : found;
    });
  }

  /** A file; "conflict" if it is to be written and has a writer already. */
  open(path: string, options: OpenOptions = {}): Outcome<FileCap> {
    return this.#call("open", path, () => {
      const fault = optionFault(options);
      if (fault !== undefined) return refused("invalid", fault);
      const writes = options.write === true || options.append === true;
      if (writes && this.isReadOnly) return denied(path);
      const names = this.#names(path, "open");
      if (!names.ok) return names;
      const node = this.#tree.stat(names.value);
      const objection = openObjection(path, node, options);
      if (objection !== undefined) return objection;
      return this.#open(names.value, path, node, options, writes);
    });
  }

  /** The directory at `path`, narrowed to it: nothing leads back. Keeps read-only. */
  sub(path: string): Outcome<DirectoryCap> {
    return this.#call("sub", path, () => {
      const found = this.#existing(path, "sub");
      if (!found.ok) return found;
      const { names, node } = found.value;
      if (node.kind === "symlink") return linkRefused(path);
      if (node.kind !== "directory") return refused("not-directory", notDirectory(path));
      return ok(this.#derive(names, node.identity, this.isReadOnly));
    });
  }

  mkdir(path: string): Outcome<void> {
    return this.#change("mkdir", path, (names) => {
      if (this.#tree.stat(names) !== undefined) return there(path);
      this.#tree.mkdir(names);
      return ok();
    });
  }

  /** Removes a file, a link or an empty directory. */
  remove(path: string): Outcome<void> {
    return this.#change("remove", path, (names) => {
      const node = this.#tree.stat(names);
      if (node === undefined) return missing(path);
      if (node.kind === "directory") this.#tree.removeDirectory(names);
      else this.#tree.removeFile(names);
      return ok();
    });
  }

  /**
   * Renames in one step, over what is at `to` if POSIX lets it.
   *
   * @param target a directory of the same tree that `to` counts from; default: this one
   * @returns "denied": one of both is read-only; "invalid": into itself, or another tree
   */
  rename(
    from: string,
    to: string,
    target: DirectoryCap = this,
    options: { readonly replace?: boolean } = {},
  ): Outcome<void> {
    return this.#change("rename", from, (names) => {
      const goal = this.#goal(to, target, "rename");
      if (!goal.ok) return goal;
      if (this.#tree.stat(names) === undefined) return missing(from);
      const occupied = options.replace === false && this.#tree.stat(goal.value) !== undefined;
      if (occupied) return there(to);
      this.#tree.rename(names, goal.value);
      return ok();
    });
  }

  /** Gives the file at `from` a second name. */
  link(from: string, to: string, target: DirectoryCap = this): Outcome<void> {
    return this.#change("link", from, (names) => {
      const goal = this.#goal(to, target, "link");
      if (!goal.ok) return goal;
      const node = this.#tree.stat(names);
      if (node === undefined) return missing(from);
      if (node.kind === "symlink") return linkRefused(from);
      if (node.kind === "directory") return refused("is-directory", isDirectory(from));
      if (this.#tree.stat(goal.value) !== undefined) return there(to);
      this.#tree.link(names, goal.value);
      return ok();
    });
  }

  /** Where a symbolic link says it leads. It is text; nothing is looked up. */
  readlink(path: string): Outcome<string> {
    return this.#call("readlink", path, () => {
      const found = this.#existing(path, "readlink");
      if (!found.ok) return found;
      const { names, node } = found.value;
      if (node.kind !== "symlink") return refused("invalid", `${quoted(path)} is no link`);
      return ok(this.#tree.readlink(names));
    });
  }

  /** Makes every change so far durable. */
  sync(): Outcome<void> {
    return this.#call("sync", "", () => {
      if (!this.isReadOnly) this.#tree.sync();
      return ok();
    });
  }

  /** The same directory, where every change is "denied". */
  readOnly(): DirectoryCap {
    this.grant.check("readOnly");
    return this.#derive(this.#place, this.#identity, true);
  }

  #derive(place: Names, identity: string, readOnly: boolean): DirectoryCap {
    return new DirectoryCap(this.grant.child(), this.#tree, place, identity, readOnly);
  }

  #open(
    names: Names,
    path: string,
    node: TreeNode | undefined,
    options: OpenOptions,
    writes: boolean,
  ): Outcome<FileCap> {
    const writers = writersOf(this.#tree);
    if (writes && node !== undefined && writers.has(node.identity)) {
      return refused("conflict", `${quoted(path)} has a writer already`);
    }
    const grant = this.grant.child();
    const how = node === undefined ? "create" : writes ? "write" : "read";
    const file = this.#tree.open(names, how);
    const rights: FileRights = {
      read: options.read ?? !writes,
      write: options.write ? "any" : options.append ? "append" : "no",
    };
    const opened = FileCap.over(grant, file, path, rights);
    try {
      if (writes) {
        const { identity } = file.stat();
        writers.add(identity);
        grant.onEnd(() => writers.delete(identity));
      }
      if (options.truncate !== true || node === undefined) return ok(opened);
      const emptied = opened.truncate(0);
      if (emptied.ok) return ok(opened);
      opened.revoke();
      return emptied;
    } catch (error) {
      opened.revoke();
      throw error;
    }
  }

  /** A call that changes something at `path`. */
  #change(syscall: string, path: string, act: (names: Names) => Outcome<void>): Outcome<void> {
    return this.#call(syscall, path, () => {
      if (this.isReadOnly) return denied(path);
      const names = this.#names(path, syscall);
      return names.ok ? act(names.value) : names;
    });
  }

  /** The names that `to` stands for in `target`, which must be of this tree and writable. */
  #goal(to: string, target: DirectoryCap, syscall: string): Outcome<Names> {
    if (!(target instanceof DirectoryCap)) {
      throw new CapException("invalidArgument", syscall, "the target is no Directory.");
    }
    target.grant.check(syscall);
    if (target.#tree !== this.#tree) return refused("invalid", "the target is in another tree");
    if (target.isReadOnly) return denied(to);
    if (target !== this) target.#here(syscall);
    return target.#names(to, syscall);
  }

  /** What is at `path`, or "not-found". */
  #existing(path: string, syscall: string): Outcome<{ names: Names; node: TreeNode }> {
    const names = this.#names(path, syscall);
    if (!names.ok) return names;
    const node = this.#tree.stat(names.value);
    return node === undefined ? missing(path) : ok({ names: names.value, node });
  }

  /** The names from the root of the tree to `path`, every one before the last a directory. */
  #names(path: string, syscall: string): Outcome<Names> {
    const split = splitPath(path, syscall);
    if (!split.ok) return split;
    const names = [...this.#place];
    for (const [index, name] of split.value.entries()) {
      names.push(name);
      if (index === split.value.length - 1) break;
      const node = this.#tree.stat(names);
      if (node === undefined) return missing(path);
      if (node.kind === "symlink") return linkRefused(path);
      if (node.kind !== "directory") return refused("not-directory", notDirectory(path));
    }
    return ok(names);
  }

  #call<T>(syscall: string, path: string, act: () => Outcome<T>): Outcome<T> {
    this.grant.check(syscall);
    return attempt(syscall, typeof path === "string" ? path : "", () => {
      this.#here(syscall);
      return act();
    });
  }

  /** The tree is asked each time: that its identity is here proves that no link led here. */
  #here(syscall: string): void {
    const node = this.#tree.stat(this.#place);
    if (node?.kind === "directory" && node.identity === this.#identity) return;
    throw new CapException("disconnected", syscall, "the directory was moved or removed.");
  }
}

function optionFault(options: OpenOptions): string | undefined {
  const {
    write = false,
    append = false,
    create = false,
    exclusive = false,
    truncate = false,
  } = options;
  if (write && append) return "a file is opened for writing or for appending, not for both";
  if (create && !write && !append) return "create needs write or append";
  if (exclusive && !create) return "exclusive needs create";
  if (truncate && !write) return "truncate needs write";
  if (options.read === false && !write && !append) return "a file is opened for something";
  return undefined;
}

function openObjection(
  path: string,
  node: TreeNode | undefined,
  options: OpenOptions,
): Outcome<never> | undefined {
  if (node === undefined) return options.create ? undefined : missing(path);
  if (options.exclusive) return there(path);
  if (node.kind === "symlink") return linkRefused(path);
  if (node.kind === "directory") return refused("is-directory", isDirectory(path));
  return undefined;
}

function writersOf(tree: Tree): Set<string> {
  const known = WRITERS.get(tree.volume);
  if (known !== undefined) return known;
  const writers = new Set<string>();
  WRITERS.set(tree.volume, writers);
  return writers;
}

function entryStat({ kind, sizeBytes, mtimeMs }: TreeNode): EntryStat {
  return { kind, sizeBytes, mtimeMs };
}

function missing(path: string): Outcome<never> {
  return refused("not-found", `${quoted(path)}: not found`);
}

function there(path: string): Outcome<never> {
  return refused("exists", `${quoted(path)} is there already`);
}

function denied(path: string): Outcome<never> {
  return refused("denied", `${quoted(path)}: the directory is read-only`);
}

function linkRefused(path: string): Outcome<never> {
  return refused("denied", `${quoted(path)} leads through a symbolic link`);
}

function notDirectory(path: string): string {
  return `${quoted(path)}: not a directory`;
}

function isDirectory(path: string): string {
  return `${quoted(path)} is a directory`;
}
