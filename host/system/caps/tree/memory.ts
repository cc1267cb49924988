/** A tree of files in this process's memory, gone with it. */
import { failure } from "../../../base/errors.ts";
import type { Names, NodeKind, Tree, TreeEntry, TreeFile, TreeNode } from "../base/tree.ts";

/** Largest file. */
const FILE_BYTES_MAX = 64 << 20;

interface Node {
  readonly kind: NodeKind;
  readonly identity: string;
  readonly children: Map<string, Node>;
  /** Content of a file; target of a link. */
  data: Uint8Array;
  mtimeMs: number;
}

export interface MemoryTreeOptions {
  /** Milliseconds since 1970 UTC; default: the host's clock. */
  readonly now?: () => number;
}

/** Files and directories in memory; sync() has nothing to do. */
export class MemoryTree implements Tree {
  readonly readOnly = false;
  readonly volume: object = this;
  readonly #now: () => number;
  readonly #root: Node;
  #count = 0;

  constructor(options: MemoryTreeOptions = {}) {
    this.#now = options.now ?? Date.now;
    this.#root = this.#node("directory");
  }

  stat(path: Names): TreeNode | undefined {
    const found = this.#find(path);
    return found === undefined ? undefined : view(found);
  }

  list(path: Names): TreeEntry[] {
    const { children } = this.#directory(path, "list");
    return [...children].map(([name, { kind }]) => ({ name, kind }));
  }

  open(path: Names, how: "read" | "write" | "create"): TreeFile {
    if (how !== "create") return this.#file(this.#existing(path, "open"));
    const node = this.#node("file");
    this.#place(path, node, "open");
    return this.#file(node);
  }

  mkdir(path: Names): void {
    this.#place(path, this.#node("directory"), "mkdir");
  }

  /** Makes a symbolic link. A Directory shows it, and never follows it. */
  symlink(target: string, path: Names): void {
    const node = this.#node("symlink");
    node.data = new TextEncoder().encode(target);
    this.#place(path, node, "symlink");
  }

  removeFile(path: Names): void {
    if (this.#existing(path, "remove").kind === "directory") throw wrong("EISDIR", "remove");
    this.#detach(path, "remove");
  }

  removeDirectory(path: Names): void {
    const node = this.#existing(path, "remove");
    if (node === this.#root) throw wrong("EBUSY", "remove");
    if (node.kind !== "directory") throw wrong("ENOTDIR", "remove");
    if (node.children.size > 0) throw wrong("ENOTEMPTY", "remove");
    this.#detach(path, "remove");
  }

  rename(from: Names, to: Names): void {
    const node = this.#existing(from, "rename");
    const parent = this.#parent(to, "rename");
    if (isInside(from, to)) throw wrong("EINVAL", "rename");
    const target = this.#find(to);
    if (target === node) return;
    if (target !== undefined) {
      const directory = target.kind === "directory";
      if (directory && node.kind !== "directory") throw wrong("EISDIR", "rename");
      if (!directory && node.kind === "directory") throw wrong("ENOTDIR", "rename");
      if (target.children.size > 0) throw wrong("ENOTEMPTY", "rename");
    }
    this.#detach(from, "rename");
    parent.children.set(last(to), node);
  }

  link(from: Names, to: Names): void {
    const node = this.#existing(from, "link");
    if (node.kind === "directory") throw wrong("EPERM", "link");
    this.#place(to, node, "link");
  }

  readlink(path: Names): string {
    const node = this.#existing(path, "readlink");
    if (node.kind !== "symlink") throw wrong("EINVAL", "readlink");
    return new TextDecoder().decode(node.data);
  }

  sync(): void {}

  #node(kind: NodeKind): Node {
    this.#count += 1;
    return {
      kind,
      identity: `${this.#count}`,
      children: new Map(),
      data: new Uint8Array(0),
      mtimeMs: this.#now(),
    };
  }

  #file(node: Node): TreeFile {
    if (node.kind === "directory") throw wrong("EISDIR", "open");
    return new MemoryFile(node, this.#now);
  }

  #find(path: Names): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of path) node = node?.children.get(name);
    return node;
  }

  #existing(path: Names, syscall: string): Node {
    const node = this.#find(path);
    if (node === undefined) throw wrong("ENOENT", syscall);
    return node;
  }

  #directory(path: Names, syscall: string): Node {
    const node = this.#existing(path, syscall);
    if (node.kind !== "directory") throw wrong("ENOTDIR", syscall);
    return node;
  }

  #parent(path: Names, syscall: string): Node {
    if (path.length === 0) throw wrong("EBUSY", syscall);
    return this.#directory(path.slice(0, -1), syscall);
  }

  #place(path: Names, node: Node, syscall: string): void {
    const parent = this.#parent(path, syscall);
    if (parent.children.has(last(path))) throw wrong("EEXIST", syscall);
    parent.children.set(last(path), node);
    parent.mtimeMs = this.#now();
  }

  #detach(path: Names, syscall: string): void {
    const parent = this.#parent(path, syscall);
    parent.children.delete(last(path));
    parent.mtimeMs = this.#now();
  }
}

class MemoryFile implements TreeFile {
  readonly #node: Node;
  readonly #now: () => number;

  constructor(node: Node, now: () => number) {
    this.#node = node;
    this.#now = now;
  }

  stat(): TreeNode {
    return view(this.#node);
  }

  read(position: number, target: Uint8Array): number {
    const piece = this.#node.data.subarray(position, position + target.length);
    target.set(piece);
    return piece.length;
  }

  write(position: number, bytes: Uint8Array): number {
    if (bytes.length === 0) return 0;
    if (position + bytes.length > this.#node.data.length) this.resize(position + bytes.length);
    this.#node.data.set(bytes, position);
    this.#node.mtimeMs = this.#now();
    return bytes.length;
  }

  resize(lengthBytes: number): void {
    if (lengthBytes > FILE_BYTES_MAX) throw wrong("EFBIG", "write");
    const data = new Uint8Array(lengthBytes);
    data.set(this.#node.data.subarray(0, lengthBytes));
    this.#node.data = data;
    this.#node.mtimeMs = this.#now();
  }

  sync(): void {}

  close(): void {}
}

function view({ kind, identity, data, mtimeMs }: Node): TreeNode {
  return { kind, identity, mtimeMs, sizeBytes: kind === "directory" ? 0 : data.length };
}

function last(path: Names): string {
  return path[path.length - 1] as string;
}

/** True if `inner` lies below `outer`. */
function isInside(outer: Names, inner: Names): boolean {
  return inner.length > outer.length && outer.every((name, index) => name === inner[index]);
}

function wrong(code: Parameters<typeof failure>[0], syscall: string): Error {
  return failure(code, syscall, "the tree in memory refuses it.");
}
