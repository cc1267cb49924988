/** Files that a person chose, as a tree to copy; read at once, as only a worker can. */
import { failure } from "../../../base/errors.ts";
import { blobSource } from "../../../device/remote/blob.ts";
import { sourceReader, type Tree, type TreeEntry } from "../../../system/image/folder.ts";
import type { PayloadFile } from "../../rpc/api.ts";

/** Files that were chosen as a tree; folders come by themselves. */
export function filesTree(files: readonly PayloadFile[]): Tree {
  const entries = new Map<string, TreeEntry>();
  const sorted = [...files].sort((one, other) => (one.path < other.path ? -1 : 1));
  for (const { path, file } of sorted) {
    addFolders(entries, path);
    entries.set(path, {
      ...{ path, kind: "file", size: file.size, modifiedMs: file.lastModified },
      open: () => sourceReader(blobSource(file)),
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
