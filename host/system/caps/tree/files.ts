/** A CAPOSWF1 filesystem or a CAPOSRO1 image as a tree. */
import { StorageError } from "../../../base/errors.ts";
import type { FileSystem } from "../../../core/files.ts";
import type { BigIntStats } from "../../../core/node/stats.ts";
import type { Names, NodeKind, Tree, TreeEntry, TreeFile, TreeNode } from "../base/tree.ts";

/** The tree of a mounted filesystem. */
export class FilesTree implements Tree {
  readonly volume: FileSystem;

  constructor(files: FileSystem) {
    this.volume = files;
  }

  get readOnly(): boolean {
    return this.volume.readOnly;
  }

  stat(path: Names): TreeNode | undefined {
    try {
      return node(this.volume.lstat(text(path), { bigint: true }));
    } catch (error) {
      const gone = error instanceof StorageError && ["ENOENT", "ENOTDIR"].includes(error.code);
      if (gone) return undefined;
      throw error;
    }
  }

  list(path: Names): TreeEntry[] {
    const entries = this.volume.readdir(text(path), { withFileTypes: true });
    return entries.map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
  }

  open(path: Names, how: "read" | "write" | "create"): TreeFile {
    const flags = { read: "r", write: "r+", create: "wx+" }[how];
    return new OpenFile(this.volume, this.volume.open(text(path), flags));
  }

  mkdir(path: Names): void {
    this.volume.mkdir(text(path));
  }

  removeFile(path: Names): void {
    this.volume.unlink(text(path));
  }

  removeDirectory(path: Names): void {
    this.volume.rmdir(text(path));
  }

  rename(from: Names, to: Names): void {
    this.volume.rename(text(from), text(to));
  }

  link(from: Names, to: Names): void {
    this.volume.link(text(from), text(to));
  }

  readlink(path: Names): string {
    return this.volume.readlink(text(path));
  }

  sync(): void {
    if (!this.readOnly) this.volume.sync();
  }
}

class OpenFile implements TreeFile {
  readonly #files: FileSystem;
  readonly #descriptor: number;

  constructor(files: FileSystem, descriptor: number) {
    this.#files = files;
    this.#descriptor = descriptor;
  }

  stat(): TreeNode {
    return node(this.#files.fstat(this.#descriptor, { bigint: true }));
  }

  read(position: number, target: Uint8Array): number {
    return this.#files.read(this.#descriptor, target, 0, target.length, position);
  }

  write(position: number, bytes: Uint8Array): number {
    return this.#files.write(this.#descriptor, bytes, 0, bytes.length, position);
  }

  resize(lengthBytes: number): void {
    this.#files.ftruncate(this.#descriptor, lengthBytes);
  }

  sync(): void {
    if (!this.#files.readOnly) this.#files.fsync(this.#descriptor);
  }

  close(): void {
    this.#files.close(this.#descriptor);
  }
}

function text(path: Names): string {
  return `/${path.join("/")}`;
}

/** No inode number is given out twice, but after revert(): so the time of birth is part of it. */
function node(stats: BigIntStats): TreeNode {
  const kind = kindOf(stats);
  return {
    kind,
    sizeBytes: kind === "directory" ? 0 : Number(stats.size),
    mtimeMs: Number(stats.mtimeMs),
    identity: `${stats.ino}.${stats.birthtimeNs}`,
  };
}

function kindOf(entry: { isDirectory(): boolean; isSymbolicLink(): boolean }): NodeKind {
  if (entry.isDirectory()) return "directory";
  return entry.isSymbolicLink() ? "symlink" : "file";
}
