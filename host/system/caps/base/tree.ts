/**
 * What can stand behind a Directory: a tree of files, addressed by the names from its root.
 *
 * Interface: names have been checked by path.ts. No call follows a symbolic link at the end of its
 * path; callers have made sure that there is none before the end. Errors are StorageErrors with
 * the codes of POSIX; an OutcomeError is answered to the service as it is.
 */

export type NodeKind = "file" | "directory" | "symlink";

export type Names = readonly string[];

export interface TreeNode {
  readonly kind: NodeKind;
  /** Of a file or link, in bytes; of a directory: 0. */
  readonly sizeBytes: number;
  /** Milliseconds since 1970 UTC; 0 where the tree does not keep it. */
  readonly mtimeMs: number;
  /** The same for the same file or directory, wherever it is; never given to another one. */
  readonly identity: string;
}

export interface TreeEntry {
  readonly name: string;
  readonly kind: NodeKind;
}

/** An open file. It follows the file, not its name: renamed or removed, it goes on. */
export interface TreeFile {
  stat(): TreeNode;
  /** Bytes read into `target`; fewer only at the end of the file. */
  read(position: number, target: Uint8Array): number;
  /** Bytes written. */
  write(position: number, bytes: Uint8Array): number;
  resize(lengthBytes: number): void;
  /** Makes what was written durable. */
  sync(): void;
  /** Gives it back; commits nothing. */
  close(): void;
}

export interface Tree {
  /** True: every change is refused before it is tried. */
  readonly readOnly: boolean;
  /** The filesystem: trees over the same one share its single-writer rule. */
  readonly volume: object;
  /** What is at `path`, a link as itself; undefined: nothing. [] is the root. */
  stat(path: Names): TreeNode | undefined;
  /** In any order, without "." and "..". */
  list(path: Names): TreeEntry[];
  /** "create": a new file; EEXIST if there is something. */
  open(path: Names, how: "read" | "write" | "create"): TreeFile;
  mkdir(path: Names): void;
  removeFile(path: Names): void;
  removeDirectory(path: Names): void;
  /** In one step, over what is at `to` if POSIX lets it. */
  rename(from: Names, to: Names): void;
  link(from: Names, to: Names): void;
  readlink(path: Names): string;
  /** Makes every change so far durable: one commit. */
  sync(): void;
}
