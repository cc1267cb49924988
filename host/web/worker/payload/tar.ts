/** A tar, plain or packed, that a person chose, as the files of an ESP: read where it lies. */
import { failure } from "../../../base/errors.ts";
import { finish } from "../../../base/work.ts";
import { blobSource } from "../../../device/remote/blob.ts";
import type { Tree, TreeEntry } from "../../../system/image/folder.ts";
import type { ImageEntry } from "../../../system/rayos/source/entry.ts";
import { openTar } from "../../../system/rayos/source/tar.ts";
import { addFolders } from "./files.ts";

/**
 * Lists the archive.
 *
 * @throws {StorageError} EMEDIUMTYPE: it is no tar; EBADMSG: damaged or cut off; EINVAL: a link or
 *   device, which a FAT cannot hold
 */
export function tarTree(file: File): Tree {
  const { entries } = finish(openTar(blobSource(file)));
  const tree = new Map<string, TreeEntry>();
  for (const entry of entries) {
    const { path } = entry;
    addFolders(tree, path);
    if (entry.kind === "directory") addFolders(tree, `${path}/`);
    else tree.set(path, fileOf(entry, file.name));
  }
  return [...tree.values()];
}

function fileOf(entry: ImageEntry, archive: string): TreeEntry {
  const { path, kind, sizeBytes: size, mtimeNs } = entry;
  if (kind !== "file") {
    const message = `'${path}' in '${archive}' is a ${kind}, which a FAT cannot hold.`;
    throw failure("EINVAL", "read", message, { path: archive });
  }
  const modifiedMs = Number(mtimeNs / 1_000_000n);
  return { path, kind, size, modifiedMs, open: () => readerOf(entry) };
}

function readerOf(entry: ImageEntry) {
  const reader = entry.open?.();
  return {
    read: (into: Uint8Array) => reader?.read(into) ?? 0,
    close: () => reader?.close(),
  };
}
