/**
 * A folder of this machine as a source of files: listed whole before anything is written, read in
 * pieces afterwards, never held in memory.
 */
import { failure } from "../../base/errors.ts";
import { node } from "../../base/platform/node.ts";
import { type ByteSource, memorySource } from "../../base/platform/source.ts";

/** A file or folder to copy. */
export interface TreeEntry {
  /** From the root of the tree, with "/" between names and none in front. */
  readonly path: string;
  readonly kind: "file" | "directory";
  /** Bytes; 0 for a directory. */
  readonly size: number;
  /** Milliseconds since 1970 UTC. */
  readonly modifiedMs: number;
  /** Opens a file's content. */
  open(): TreeReader;
}

export interface TreeReader {
  /** Fills `into` from the next byte on; answers how many bytes it got, 0 at the end. */
  read(into: Uint8Array): number;
  close(): void;
}

/** Entries of a tree: each folder before what is in it. */
export type Tree = readonly TreeEntry[];

/**
 * All files and folders below `root`, in the order of their names' UTF-16 units. Links are
 * followed: a FAT has none.
 *
 * @throws {StorageError} ENOENT, ENOTDIR; ELOOP: a link leads back to a folder above it; EINVAL: a
 *   device, socket or pipe
 */
export function folderTree(root: string): Tree {
  const stats = node.fs.statSync(root, { throwIfNoEntry: false });
  if (stats === undefined) throw wrong("ENOENT", root, "there is no such folder.");
  if (!stats.isDirectory()) throw wrong("ENOTDIR", root, "it is not a folder.");
  const entries: TreeEntry[] = [];
  collect(root, "", [node.fs.realpathSync(root)], entries);
  return entries;
}

/** Bytes of all files of a tree. */
export function treeBytes(tree: Tree): number {
  return tree.reduce((sum, entry) => sum + entry.size, 0);
}

/** A tree in memory: `{"a/b.txt": bytes}`; folders come by themselves. */
export function memoryTree(files: Readonly<Record<string, Uint8Array | string>>): Tree {
  const entries = new Map<string, TreeEntry>();
  for (const path of Object.keys(files).sort()) {
    const names = path.split("/");
    for (let depth = 1; depth < names.length; depth++) {
      const folder = names.slice(0, depth).join("/");
      entries.set(folder, { path: folder, kind: "directory", size: 0, modifiedMs: 0, open });
    }
    const given = files[path] as Uint8Array | string;
    const content = typeof given === "string" ? new TextEncoder().encode(given) : given;
    const file = { path, kind: "file" as const, size: content.length, modifiedMs: 0 };
    entries.set(path, { ...file, open: () => memoryReader(content) });
  }
  return [...entries.values()];
}

function collect(
  folder: string,
  prefix: string,
  above: readonly string[],
  entries: TreeEntry[],
): void {
  for (const name of node.fs.readdirSync(folder).sort()) {
    const local = node.path.join(folder, name);
    const path = prefix === "" ? name : `${prefix}/${name}`;
    const stats = node.fs.statSync(local, { throwIfNoEntry: false });
    if (stats === undefined) throw wrong("ENOENT", local, "the link leads nowhere.");
    const modifiedMs = Math.floor(stats.mtimeMs);
    if (stats.isDirectory()) {
      const real = node.fs.realpathSync(local);
      if (above.includes(real)) throw wrong("ELOOP", local, "the link leads to a folder above it.");
      entries.push({ path, kind: "directory", size: 0, modifiedMs, open });
      collect(local, path, [...above, real], entries);
    } else if (stats.isFile()) {
      const file = { path, kind: "file" as const, size: stats.size, modifiedMs };
      entries.push({ ...file, open: () => fileReader(local) });
    } else {
      throw wrong("EINVAL", local, "it is neither a file nor a folder.");
    }
  }
}

function fileReader(path: string): TreeReader {
  const { fs } = node;
  const descriptor = fs.openSync(path, "r");
  return {
    read: (into) => fs.readSync(descriptor, into),
    close: () => fs.closeSync(descriptor),
  };
}

/** A reader of bytes in memory. */
export function memoryReader(content: Uint8Array): TreeReader {
  return sourceReader(memorySource("memory", content));
}

/** A reader of a source from its first byte on; it closes the source. */
export function sourceReader(source: ByteSource): TreeReader {
  let at = 0;
  return {
    read: (into) => {
      const got = source.read(into, at);
      at += got;
      return got;
    },
    close: () => source.close(),
  };
}

/** What a directory answers to open(). */
function open(): never {
  throw failure("EISDIR", "open", "a folder has no content to read.");
}

function wrong(code: "ENOENT" | "ENOTDIR" | "ELOOP" | "EINVAL", path: string, why: string) {
  return failure(code, "read", `'${path}': ${why}`, { path });
}
