/**
 * What a disk's content is, as hashes: what an installation copies, and what it reads back to
 * prove it. Two disks of equal content have equal digests, whatever their sizes and identities.
 */
import { toHex } from "../../base/hash.ts";
import type { Work } from "../../base/work.ts";
import type { FileSystem } from "../../core/files.ts";
import { createDigest, type Digest } from "../../core/hash/digest.ts";
import type { Store } from "../../core/store.ts";
import type { Tree, TreeEntry } from "./folder.ts";

const PIECE_BYTES = 1 << 20;
const MODE_BITS = 0o177777n;

/** A content's size and digest. */
export interface Content {
  readonly files: number;
  readonly bytes: number;
  /** SHA-256, hexadecimal. */
  readonly digest: string;
}

/** Names and bytes of a tree of boot files. */
export function* treeContent(tree: Tree, step: string): Work<Content> {
  const all = createDigest();
  const total = tree.reduce((sum, entry) => sum + entry.size, 0);
  let bytes = 0;
  for (const entry of [...tree].sort((one, other) => (one.path < other.path ? -1 : 1))) {
    const { path, kind, size } = entry;
    const hash = kind === "file" ? hashOf(entry) : "";
    feed(all, [path, kind, size, hash]);
    bytes += size;
    yield { step, done: bytes, total, unit: "bytes" };
  }
  return { files: tree.length, bytes, digest: all.hex() };
}

/** Hashes and pins of a store's objects. Their bytes are verified when they are read. */
export function* storeContent(store: Store, step: string, read: boolean): Work<Content> {
  const all = createDigest();
  const total = store.stat().objects;
  let files = 0;
  let bytes = 0;
  for (const { hash, length, pins } of store.list()) {
    // Every piece is verified against the object's hash on its way.
    if (read) for (const _ of store.readStream(hash));
    feed(all, [toHex(hash), length, pins]);
    files++;
    bytes += length;
    if (files % 64 === 0) yield { step, done: files, total, unit: "objects" };
  }
  return { files, bytes, digest: all.hex() };
}

/** Paths, attributes and bytes of a filesystem, its records and its boot-control block. */
export function* filesContent(files: FileSystem, step: string): Work<Content> {
  const all = createDigest();
  const total = Number(files.statfs().files);
  const seen = new Map<bigint, string>();
  const folders = ["/"];
  let count = 0;
  let bytes = 0;
  for (let index = 0; index < folders.length; index++) {
    const folder = folders[index] as string;
    feed(all, attributesOf(files, folder));
    const entries = files.readdir(folder, { withFileTypes: true });
    for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
      const path = folder === "/" ? `/${entry.name}` : `${folder}/${entry.name}`;
      count++;
      if (entry.isDirectory()) {
        folders.push(path);
        continue;
      }
      const stats = files.lstat(path, { bigint: true });
      const first = stats === undefined ? undefined : seen.get(stats.ino);
      if (first !== undefined) {
        feed(all, [path, "link", first]);
        continue;
      }
      if (stats !== undefined && stats.nlink > 1n) seen.set(stats.ino, path);
      feed(all, attributesOf(files, path));
      const size = Number(stats?.size ?? 0n);
      feed(all, [entry.isSymbolicLink() ? linkOf(files, path) : contentOf(files, path, size)]);
      bytes += size;
      yield { step, done: count, total: Math.max(total, count), unit: "files" };
    }
  }
  for (const { kind, key, value } of files.records.entries()) {
    feed(all, ["record", kind, toHex(key), toHex(value)]);
  }
  feed(all, ["control", toHex(files.control())]);
  return { files: count, bytes, digest: all.hex() };
}

/** One digest over several. */
export function joinedDigest(parts: readonly Content[]): string {
  return createDigest()
    .update(JSON.stringify(parts.map((part) => part.digest)))
    .hex();
}

/** Access times are left out: reading changes them. */
function attributesOf(files: FileSystem, path: string): readonly unknown[] {
  const stats = files.lstat(path, { bigint: true });
  if (stats === undefined) return [path, "gone"];
  const follow = { follow: false };
  const attributes = files
    .listXattrs(path, follow)
    .sort()
    .map((name) => [name, toHex(files.getXattr(path, name, follow))]);
  const { mode, uid, gid, mtimeNs } = stats;
  const size = stats.isDirectory() ? 0n : stats.size;
  return [path, `${mode & MODE_BITS}`, `${uid}`, `${gid}`, `${mtimeNs}`, `${size}`, attributes];
}

function linkOf(files: FileSystem, path: string): string {
  const target = files.readlink(path, "buffer");
  return typeof target === "string" ? target : toHex(target);
}

function contentOf(files: FileSystem, path: string, size: number): string {
  const hash = createDigest();
  const file = files.open(path, "r");
  try {
    const buffer = bufferFor(size);
    for (let at = 0; ; ) {
      const got = files.read(file, buffer, 0, buffer.length, at);
      if (got === 0) return hash.hex();
      hash.update(buffer.subarray(0, got));
      at += got;
    }
  } finally {
    files.close(file);
  }
}

function hashOf(entry: TreeEntry): string {
  const hash = createDigest();
  const reader = entry.open();
  try {
    const buffer = bufferFor(entry.size);
    for (let got = reader.read(buffer); got > 0; got = reader.read(buffer)) {
      hash.update(buffer.subarray(0, got));
    }
    return hash.hex();
  } finally {
    reader.close();
  }
}

function bufferFor(size: number): Uint8Array {
  return new Uint8Array(Math.min(PIECE_BYTES, Math.max(1, size)));
}

/** JSON keeps the fields apart whatever bytes a name has. */
function feed(hash: Digest, fields: readonly unknown[]): void {
  hash.update(JSON.stringify(fields)).update("\n");
}
