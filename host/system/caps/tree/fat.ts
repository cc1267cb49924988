/**
 * A FAT32 volume as a tree for reading. FAT takes "A" for "a" and knows short names too; here a
 * name is the one that stands in its directory, byte for byte.
 */
import { failure, StorageError } from "../../../base/errors.ts";
import type { FatStat, FatVolume } from "../../../core/fat.ts";
import type { Names, Tree, TreeEntry, TreeFile, TreeNode } from "../base/tree.ts";
import { pathOf, ReadOnlyFile, ReadOnlyTree } from "./read-only.ts";

/** The tree of a volume that nobody changes while it is looked at. */
export class FatTree extends ReadOnlyTree implements Tree {
  readonly volume: FatVolume;

  constructor(volume: FatVolume) {
    super();
    this.volume = volume;
  }

  stat(path: Names): TreeNode | undefined {
    if (path.length === 0) return { kind: "directory", sizeBytes: 0, mtimeMs: 0, identity: "/" };
    let found: FatStat | undefined;
    for (let depth = 1; depth <= path.length; depth++) {
      found = this.#entry(path.slice(0, depth));
      if (found?.name !== path[depth - 1]) return undefined;
    }
    return found === undefined ? undefined : node(found, pathOf(path));
  }

  list(path: Names): TreeEntry[] {
    return this.volume.list(pathOf(path)).map(({ name, kind }) => ({ name, kind }));
  }

  protected openFile(path: Names, node: TreeNode): TreeFile {
    return new FatFile(this.volume, pathOf(path), node);
  }

  readlink(): string {
    throw failure("EINVAL", "readlink", "FAT has no links.");
  }

  #entry(path: Names): FatStat | undefined {
    try {
      return this.volume.stat(pathOf(path));
    } catch (error) {
      const absent = ["ENOENT", "ENOTDIR", "EINVAL", "EILSEQ", "ENAMETOOLONG"];
      if (error instanceof StorageError && absent.includes(error.code)) return undefined;
      throw error;
    }
  }
}

class FatFile extends ReadOnlyFile {
  readonly #volume: FatVolume;
  readonly #path: string;

  constructor(volume: FatVolume, path: string, node: TreeNode) {
    super(node);
    this.#volume = volume;
    this.#path = path;
  }

  read(position: number, target: Uint8Array): number {
    return this.#volume.readInto(this.#path, position, target);
  }

  close(): void {}
}

/** Nothing moves on a volume that is only read, so the path tells one node from another. */
function node({ kind, sizeBytes, mtimeMs }: FatStat, path: string): TreeNode {
  return { kind, sizeBytes: kind === "file" ? sizeBytes : 0, mtimeMs, identity: path };
}
