/**
 * A folder of this machine as a source: links are kept and never followed, hard links found by
 * their inode. Node reads no extended attributes, so a folder brings none; a tar does.
 *
 * Files of whoever runs this belong to root in the image: a build folder's owner is an accident of
 * the machine it was built on. Every other owner is kept.
 */
import type { BigIntStats } from "node:fs";
import { failure, systemFailure } from "../../../base/errors.ts";
import { node } from "../../../base/platform/node.ts";
import type { Work } from "../../../base/work.ts";
import {
  checkEntries,
  cleanPath,
  decodeName,
  ENTRIES_MAX,
  type EntryKind,
  type EntryReader,
  type ImageEntry,
  type SystemSource,
} from "./entry.ts";

/** Linux's own split of a device number in 64 bits. */
const MAJOR_LOW = 0xfff00n;

/**
 * Opens a folder and lists it whole, each folder before what is in it, by the bytes of the names.
 *
 * @throws {StorageError} as openTar, and what the system says of a folder that cannot be read
 */
export function* openFolder(root: string): Work<SystemSource> {
  const entries: ImageEntry[] = [];
  const seen = new Map<string, string>();
  const waiting: { local: Buffer; path: string }[] = [{ local: Buffer.from(root), path: "" }];
  // A stack, so that a folder's content follows it at once.
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    const inner: { local: Buffer; path: string }[] = [];
    for (const name of namesIn(folder.local, root)) {
      const text = decodeName(name, "the name", root);
      const path = cleanPath(folder.path === "" ? text : `${folder.path}/${text}`, root);
      const local = Buffer.concat([folder.local, Buffer.from("/"), name]);
      const entry = entryOf(local, path, root, seen);
      entries.push(entry);
      if (entry.kind === "directory") inner.push({ local, path });
    }
    waiting.push(...inner.reverse());
    if (entries.length > ENTRIES_MAX) {
      throw failure("EFBIG", "read", `'${root}' has too many entries.`, { path: root });
    }
    yield { step: "list the image", done: entries.length, total: entries.length, unit: "entries" };
  }
  checkEntries(entries, root);
  return { name: root, kind: "directory", entries, digests: new Map(), close: () => {} };
}

function namesIn(folder: Buffer, root: string): Buffer[] {
  try {
    return node.fs.readdirSync(folder, { encoding: "buffer" }).sort(Buffer.compare) as Buffer[];
  } catch (error) {
    throw systemFailure(error, "read", root);
  }
}

function entryOf(local: Buffer, path: string, root: string, seen: Map<string, string>): ImageEntry {
  let stats: BigIntStats;
  try {
    stats = node.fs.lstatSync(local, { bigint: true });
  } catch (error) {
    throw systemFailure(error, "stat", `${root}/${path}`);
  }
  const kind = kindOf(stats);
  const common = {
    path,
    mode: Number(stats.mode & 0o7777n),
    uid: ownerOf(stats.uid, process.getuid?.()),
    gid: ownerOf(stats.gid, process.getgid?.()),
    mtimeNs: stats.mtimeNs,
    sizeBytes: 0,
  };
  if (kind === "symlink") {
    const target = decodeName(
      node.fs.readlinkSync(local, { encoding: "buffer" }),
      "the link",
      root,
    );
    return { ...common, kind, mode: 0o777, target };
  }
  if (kind === "chardev" || kind === "blockdev")
    return { ...common, kind, device: numberOf(stats) };
  if (kind !== "file") return { ...common, kind };
  const inode = `${stats.dev}:${stats.ino}`;
  const first = stats.nlink > 1n ? seen.get(inode) : undefined;
  if (first !== undefined) return { ...common, kind: "link", target: first };
  seen.set(inode, path);
  return { ...common, kind, sizeBytes: Number(stats.size), open: () => fileReader(local, path) };
}

function kindOf(stats: BigIntStats): EntryKind {
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isFIFO()) return "fifo";
  if (stats.isSocket()) return "socket";
  if (stats.isCharacterDevice()) return "chardev";
  return stats.isBlockDevice() ? "blockdev" : "file";
}

function ownerOf(owner: bigint, own: number | undefined): number {
  return Number(owner) === own ? 0 : Number(owner);
}

function numberOf({ rdev }: BigIntStats): { major: number; minor: number } {
  const major = ((rdev & MAJOR_LOW) >> 8n) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffff_ff00n);
  return { major: Number(major), minor: Number(minor) };
}

function fileReader(local: Buffer, path: string): EntryReader {
  let descriptor: number;
  try {
    descriptor = node.fs.openSync(local, "r");
  } catch (error) {
    throw systemFailure(error, "open", path);
  }
  return {
    read: (into) => node.fs.readSync(descriptor, into),
    close: () => node.fs.closeSync(descriptor),
  };
}
