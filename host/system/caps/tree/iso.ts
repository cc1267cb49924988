/**
 * An ISO 9660 volume as a tree: the image source of an installer. It is for reading and reaches the
 * device of its volume alone, so no capability over it can write, or find another disk.
 */
import { failure, StorageError } from "../../../base/errors.ts";
import type { IsoFile, IsoVolume } from "../../../core/media/iso.ts";
import type { Names, Tree, TreeEntry, TreeFile, TreeNode } from "../base/tree.ts";
import { pathOf, ReadOnlyFile, ReadOnlyTree } from "./read-only.ts";

const ROOT: TreeNode = { kind: "directory", sizeBytes: 0, mtimeMs: 0, identity: "/" };

/**
 * The tree of a volume.
 *
 * @example
 * const payload = DirectoryCap.over(new IsoTree(openIso(device)), { path: "boot/bins" });
 */
export class IsoTree extends ReadOnlyTree implements Tree {
  readonly volume: IsoVolume;

  constructor(volume: IsoVolume) {
    super();
    this.volume = volume;
  }

  stat(path: Names): TreeNode | undefined {
    if (path.length === 0) return ROOT;
    try {
      const { kind, sizeBytes, mtimeMs } = this.volume.stat(pathOf(path));
      return { kind, sizeBytes, mtimeMs, identity: this.#identity(path) };
    } catch (error) {
      const isAbsent = error instanceof StorageError && ["ENOENT", "ENOTDIR"].includes(error.code);
      if (isAbsent) return undefined;
      throw error;
    }
  }

  list(path: Names): TreeEntry[] {
    return this.volume.list(pathOf(path)).map(({ name, kind }) => ({ name, kind }));
  }

  readlink(path: Names): string {
    const { target } = this.volume.stat(pathOf(path));
    if (target === undefined) throw failure("EINVAL", "readlink", "it is no symbolic link.");
    return target;
  }

  protected openFile(path: Names, node: TreeNode): TreeFile {
    return new OpenFile(this.volume.openFile(pathOf(path)), node);
  }

  /** Nothing moves on a medium, so the path tells; plain names are found in either case. */
  #identity(path: Names): string {
    return this.volume.names === "plain" ? pathOf(path).toUpperCase() : pathOf(path);
  }
}

class OpenFile extends ReadOnlyFile {
  readonly #file: IsoFile;

  constructor(file: IsoFile, node: TreeNode) {
    super(node);
    this.#file = file;
  }

  read(position: number, target: Uint8Array): number {
    return this.#file.read(position, target);
  }

  close(): void {
    this.#file.close();
  }
}
