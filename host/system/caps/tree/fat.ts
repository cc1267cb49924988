/**
 * A FAT32 volume as a tree for reading. FAT takes "A" for "a" and knows short names too; here a
 * name is the one that stands in its directory, byte for byte.
 */
import { failure, StorageError } from "../../../base/errors.ts";
import type { FatStat, FatVolume } from "../../../core/fat.ts";
import type { Names, Tree, TreeEntry, TreeFile, TreeNode } from "../base/tree.ts";

/** The tree of a volume that nobody changes while it is looked at. */
export class FatTree implements Tree {
  readonly readOnly = true;
  readonly volume: FatVolume;

  constructor(volume: FatVolume) {
    this.volume = volume;
  }

  stat(path: Names): TreeNode | undefined {
    if (path.length === 0) return { kind: "directory", sizeBytes: 0, mtimeMs: 0, identity: "/" };
    let found: FatStat | undefined;
    for (let depth = 1; depth <= path.length; depth++) {
      found = this.#entry(path.slice(0, depth));
      if (found?.name !== path[depth - 1]) return undefined;
    }
    return found === undefined ? undefined : node(found, text(path));
  }

  list(path: Names): TreeEntry[] {
    return this.volume.list(text(path)).map(({ name, kind }) => ({ name, kind }));
  }

  open(path: Names, how: "read" | "write" | "create"): TreeFile {
    if (how !== "read") throw readOnly("open");
    const found = this.stat(path);
    if (found === undefined) throw failure("ENOENT", "open", "there is no such file.");
    if (found.kind !== "file") throw failure("EISDIR", "open", "it is a directory.");
    return new FatFile(this.volume, text(path), found);
  }

  mkdir(): void {
    throw readOnly("mkdir");
  }

  removeFile(): void {
    throw readOnly("remove");
  }

  removeDirectory(): void {
    throw readOnly("remove");
  }

  rename(): void {
    throw readOnly("rename");
  }

  link(): void {
    throw readOnly("link");
  }

  readlink(): string {
    throw failure("EINVAL", "readlink", "FAT has no links.");
  }

  sync(): void {}

  #entry(path: Names): FatStat | undefined {
    try {
      return this.volume.stat(text(path));
    } catch (error) {
      const absent = ["ENOENT", "ENOTDIR", "EINVAL", "EILSEQ", "ENAMETOOLONG"];
      if (error instanceof StorageError && absent.includes(error.code)) return undefined;
      throw error;
    }
  }
}

class FatFile implements TreeFile {
  readonly #volume: FatVolume;
  readonly #path: string;
  readonly #node: TreeNode;

  constructor(volume: FatVolume, path: string, node: TreeNode) {
    this.#volume = volume;
    this.#path = path;
    this.#node = node;
  }

  stat(): TreeNode {
    return this.#node;
  }

  read(position: number, target: Uint8Array): number {
    const bytes = this.#volume.read(this.#path, position, target.length);
    target.set(bytes);
    return bytes.length;
  }

  write(): number {
    throw readOnly("write");
  }

  resize(): void {
    throw readOnly("truncate");
  }

  sync(): void {}

  close(): void {}
}

function text(path: Names): string {
  return `/${path.join("/")}`;
}

/** Nothing moves on a volume that is only read, so the path tells one node from another. */
function node({ kind, sizeBytes, mtimeMs }: FatStat, path: string): TreeNode {
  return { kind, sizeBytes: kind === "file" ? sizeBytes : 0, mtimeMs, identity: path };
}

function readOnly(syscall: string): Error {
  return failure("EROFS", syscall, "the volume is open for reading only.");
}
