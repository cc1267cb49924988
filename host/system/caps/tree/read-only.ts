/** What all trees that are only read have in common: every change is refused, in one place. */
import { failure } from "../../../base/errors.ts";
import type { Names, TreeEntry, TreeFile, TreeNode } from "../base/tree.ts";

/** A tree whose capabilities cannot change it. */
export abstract class ReadOnlyTree {
  readonly readOnly = true;

  abstract stat(path: Names): TreeNode | undefined;
  abstract list(path: Names): TreeEntry[];
  abstract readlink(path: Names): string;
  protected abstract openFile(path: Names, node: TreeNode): TreeFile;

  open(path: Names, how: "read" | "write" | "create"): TreeFile {
    if (how !== "read") throw readOnly("open");
    const found = this.stat(path);
    if (found === undefined) throw failure("ENOENT", "open", "there is no such file.");
    if (found.kind !== "file") throw failure("EISDIR", "open", "it is a directory.");
    return this.openFile(path, found);
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
}

/** An open file of such a tree. */
export abstract class ReadOnlyFile implements TreeFile {
  readonly #node: TreeNode;

  constructor(node: TreeNode) {
    this.#node = node;
  }

  abstract read(position: number, target: Uint8Array): number;
  abstract close(): void;

  stat(): TreeNode {
    return this.#node;
  }

  write(): number {
    throw readOnly("write");
  }

  resize(): void {
    throw readOnly("truncate");
  }

  sync(): void {}
}

/** The path of a volume that these names stand for. */
export function pathOf(names: Names): string {
  return `/${names.join("/")}`;
}

function readOnly(syscall: string): Error {
  return failure("EROFS", syscall, "it is open for reading only.");
}
