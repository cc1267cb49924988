/** An ISO 9660 volume as a tree: read-only, and out of reach of any other device. */
import { StorageError } from "../../../base/errors.ts";
import type { IsoFile, IsoStat, IsoVolume } from "../../../core/media/iso.ts";
import { OutcomeError } from "../base/outcome.ts";
import type { Names, Tree, TreeEntry, TreeFile, TreeNode } from "../base/tree.ts";

/** The tree of an open volume. */
export class IsoTree implements Tree {
  readonly readOnly = true;
  readonly volume: IsoVolume;

  constructor(volume: IsoVolume) {
    this.volume = volume;
  }

  stat(path: Names): TreeNode | undefined {
    try {
      return node(path, this.volume.stat(text(path)));
    } catch (error) {
      const gone = error instanceof StorageError && ["ENOENT", "ENOTDIR"].includes(error.code);
      if (gone) return undefined;
      throw error;
    }
  }

  list(path: Names): TreeEntry[] {
    return this.volume.list(text(path)).map(({ name, kind }) => ({ name, kind }));
  }

  open(path: Names, how: "read" | "write" | "create"): TreeFile {
    if (how !== "read") throw denied("open");
    return new OpenFile(path, this.volume.stat(text(path)), this.volume.openFile(text(path)));
  }

  mkdir(): void {
    throw denied("mkdir");
  }

  removeFile(): void {
    throw denied("remove");
  }

  removeDirectory(): void {
    throw denied("remove");
  }

  rename(): void {
    throw denied("rename");
  }

  link(): void {
    throw denied("link");
  }

  readlink(path: Names): string {
    return this.volume.stat(text(path)).target ?? "";
  }

  /** Nothing can have changed. */
  sync(): void {}
}

class OpenFile implements TreeFile {
  readonly #node: TreeNode;
  readonly #file: IsoFile;

  constructor(path: Names, stat: IsoStat, file: IsoFile) {
    this.#node = node(path, stat);
    this.#file = file;
  }

  stat(): TreeNode {
    return this.#node;
  }

  read(position: number, target: Uint8Array): number {
    return this.#file.read(position, target);
  }

  write(): number {
    throw denied("write");
  }

  resize(): void {
    throw denied("truncate");
  }

  sync(): void {}

  close(): void {
    this.#file.close();
  }
}

/** A medium does not change, so a path is an identity. */
function node(path: Names, { kind, sizeBytes, mtimeMs }: IsoStat): TreeNode {
  return { kind, sizeBytes, mtimeMs, identity: text(path) };
}

function text(path: Names): string {
  return `/${path.join("/")}`;
}

function denied(syscall: string): OutcomeError {
  return new OutcomeError("denied", syscall, "the medium is read-only");
}
