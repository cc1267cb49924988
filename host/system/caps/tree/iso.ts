/**
 * An ISO 9660 volume as a tree: the image source of an installer. It is for reading and reaches the
 * device of its volume alone, so no capability over it can write, or find another disk.
 */
import { failure, StorageError } from "../../../base/errors.ts";
import type { IsoFile, IsoVolume } from "../../../core/media/iso.ts";
import type { Names, Tree, TreeEntry, TreeFile, TreeNode } from "../base/tree.ts";

const ROOT: TreeNode = { kind: "directory", sizeBytes: 0, mtimeMs: 0, identity: "/" };

/**
 * The tree of a volume.
 *
 * @example
 * const payload = DirectoryCap.over(new IsoTree(openIso(device)), { path: "boot/bins" });
 */
export class IsoTree implements Tree {
  readonly readOnly = true;
  readonly volume: IsoVolume;

  constructor(volume: IsoVolume) {
    this.volume = volume;
  }

  stat(path: Names): TreeNode | undefined {
    if (path.length === 0) return ROOT;
    try {
      const { kind, sizeBytes, mtimeMs } = this.volume.stat(text(path));
      return { kind, sizeBytes, mtimeMs, identity: this.#identity(path) };
    } catch (error) {
      const isAbsent = error instanceof StorageError && ["ENOENT", "ENOTDIR"].includes(error.code);
      if (isAbsent) return undefined;
      throw error;
    }
  }

  list(path: Names): TreeEntry[] {
    return this.volume.list(text(path)).map(({ name, kind }) => ({ name, kind }));
  }

  open(path: Names, how: "read" | "write" | "create"): TreeFile {
    if (how !== "read") throw readOnly("open");
    const found = this.stat(path);
    if (found === undefined) throw failure("ENOENT", "open", "there is no such file.");
    return new OpenFile(this.volume.openFile(text(path)), found);
  }

  readlink(path: Names): string {
    const { target } = this.volume.stat(text(path));
    if (target === undefined) throw failure("EINVAL", "readlink", "it is no symbolic link.");
    return target;
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

  sync(): void {}

  /** Nothing moves on a medium, so the path tells; plain names are found in either case. */
  #identity(path: Names): string {
    return this.volume.names === "plain" ? text(path).toUpperCase() : text(path);
  }
}

class OpenFile implements TreeFile {
  readonly #file: IsoFile;
  readonly #node: TreeNode;

  constructor(file: IsoFile, node: TreeNode) {
    this.#file = file;
    this.#node = node;
  }

  stat(): TreeNode {
    return this.#node;
  }

  read(position: number, target: Uint8Array): number {
    return this.#file.read(position, target);
  }

  write(): number {
    throw readOnly("write");
  }

  resize(): void {
    throw readOnly("truncate");
  }

  sync(): void {}

  close(): void {
    this.#file.close();
  }
}

function text(path: Names): string {
  return `/${path.join("/")}`;
}

function readOnly(syscall: string): Error {
  return failure("EROFS", syscall, "the medium is for reading only.");
}
