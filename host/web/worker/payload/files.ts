/** Files that a person chose, as a tree to copy; read at once, as only a worker can. */
import { failure } from "../../../base/errors.ts";
import { blobBytes } from "../../../device/remote/blob.ts";
import type { Tree, TreeEntry, TreeReader } from "../../../system/image/folder.ts";
import type { PayloadFile } from "../../rpc/api.ts";

/** Files that were chosen as a tree; folders come by themselves. */
export function filesTree(files: readonly PayloadFile[]): Tree {
  const entries = new Map<string, TreeEntry>();
  const sorted = [...files].sort((one, other) => (one.path < other.path ? -1 : 1));
  for (const { path, file } of sorted) {
    addFolders(entries, path);
    entries.set(path, {
      ...{ path, kind: "file", size: file.size, modifiedMs: file.lastModified },
      open: () => blobReader(file, file.name),
    });
  }
  return [...entries.values()];
}

/** Adds the folders above `path` that are not there yet. */
export function addFolders(entries: Map<string, TreeEntry>, path: string): void {
  const names = path.split("/");
  for (let depth = 1; depth < names.length; depth++) {
    const folder = names.slice(0, depth).join("/");
    if (entries.has(folder)) continue;
    entries.set(folder, {
      ...{ path: folder, kind: "directory", size: 0, modifiedMs: 0 },
      open: () => {
        throw failure("EISDIR", "open", "a folder has no content to read.");
      },
    });
  }
}

/** Reads a Blob from its start on, at once: only in a worker. */
function blobReader(blob: Blob, name: string): TreeReader {
  let at = 0;
  return {
    read(into) {
      const got = readBlob(blob, name, into, at);
      at += got;
      return got;
    },
    close() {},
  };
}

/** Fills `into` from byte `offset` on; answers how many bytes it got. */
export function readBlob(blob: Blob, name: string, into: Uint8Array, offset: number): number {
  try {
    const piece = blobBytes(blob.slice(offset, offset + into.length));
    into.set(piece);
    return piece.length;
  } catch (cause) {
    const message = `'${name}' cannot be read any more: it has changed, moved or is gone.`;
    const hint = "Choose it again.";
    throw failure("EIO", "read", message, { path: name, hint, cause });
  }
}
