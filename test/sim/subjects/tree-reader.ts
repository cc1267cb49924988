/** Reads a whole filesystem through its public calls, into the digest that the model has too. */
import type { FileSystem } from "../../../host/core/files.ts";
import { Digest } from "../engine/random.ts";
import { readRecords } from "./system-records.ts";
import { addInode, addRecords } from "./tree-model.ts";

interface Found {
  readonly path: string;
  readonly ino: number;
  readonly text: string;
  readonly add: (digest: Digest, group: number) => void;
}

/** What a filesystem holds: its digest, and a text for people. */
export interface Reading {
  readonly digest: number;
  readonly text: string;
}

export function readTree(files: FileSystem): Reading {
  const found: Found[] = [];
  walk(files, "", found);
  found.sort((one, other) => (one.path < other.path ? -1 : 1));
  const first = new Map<number, number>();
  const digest = new Digest().bytes(files.control());
  for (const [index, { ino, add }] of found.entries()) {
    if (!first.has(ino)) first.set(ino, index);
    add(digest, first.get(ino) ?? 0);
  }
  const records = readRecords(files.records);
  addRecords(digest, records);
  const names = [...records.keys()].sort();
  const text = [...found.map((one) => one.text), ...names].join(", ") || "an empty root";
  return { digest: digest.value(), text };
}

function walk(files: FileSystem, folder: string, found: Found[]): void {
  for (const name of files.readdir(folder || "/")) {
    const path = `${folder}/${name}`;
    const entry = readEntry(files, path);
    found.push(entry);
    if (entry.text.endsWith("/")) walk(files, path, found);
  }
}

function readEntry(files: FileSystem, path: string): Found {
  const stat = files.lstat(path, { bigint: true });
  const ino = Number(stat.ino);
  const mode = Number(stat.mode) & 0o777;
  const owner = Number(stat.uid);
  if (stat.isSymbolicLink()) {
    const target = files.readlink(path);
    const inode = { type: "symlink" as const, mode, owner, target, mtime: 0n, xattrs: new Map() };
    const add = (digest: Digest, group: number) => addInode(digest, path, inode, 0, 1, group);
    return { path, ino, text: `${path} -> ${target}`, add };
  }
  const directory = stat.isDirectory();
  const type = directory ? ("directory" as const) : ("file" as const);
  const data = directory ? new Uint8Array(0) : files.readFile(path);
  const xattrs = new Map<string, Uint8Array>();
  for (const name of files.listXattrs(path)) xattrs.set(name, files.getXattr(path, name));
  const inode = { type, mode, owner, target: "", mtime: stat.mtimeNs, xattrs };
  const content = new Digest().bytes(data).value();
  const links = Number(stat.nlink);
  const add = (digest: Digest, group: number) =>
    addInode(digest, path, inode, content, links, group);
  return { path, ino, text: directory ? `${path}/` : `${path} (${data.length} B)`, add };
}
