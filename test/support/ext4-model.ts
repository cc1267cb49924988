/** A tree of files as a map of paths, slow and obvious, and the same changes on an ext4 volume. */
import { StorageError } from "../../host/base/errors.ts";
import type { Ext4Volume } from "../../host/core/media/ext4.ts";

/** Bytes of a file, the target of a link, or a directory. */
export type ModelNode = Uint8Array | string | null;
export type ModelTree = Map<string, ModelNode>;

/** One kind of step for each name. */
export type StepOf<Op> = Op extends string ? { readonly op: Op; readonly path: string } : never;

export type Ext4Step =
  | { readonly op: "put"; readonly path: string; readonly bytes: number; readonly seed: number }
  | StepOf<"mkdir" | "mkdirs" | "remove" | "removeAll">
  | { readonly op: "symlink"; readonly path: string; readonly target: string }
  | { readonly op: "rename"; readonly path: string; readonly to: string };

/** Content that differs from seed to seed and from block to block. */
export function contentOf(bytes: number, seed: number): Uint8Array {
  const content = new Uint8Array(bytes);
  let value = (seed * 2654435761) >>> 0;
  for (let at = 0; at < bytes; at++) {
    if (at % 509 === 0) value = (Math.imul(value, 1664525) + 1013904223) >>> 0;
    content[at] = value >>> 24;
    value = (value << 8) | (value >>> 24);
  }
  return content;
}

/** Carries out a step on the map; answers the code that it fails with, or "OK". */
export function changeModel(tree: ModelTree, step: Ext4Step): string {
  const { path } = step;
  const here = tree.get(path);
  const above = parentCode(tree, path);
  switch (step.op) {
    case "put":
      if (above !== "OK") return above;
      if (here === null) return "EISDIR";
      // A link is followed; none of these leads to anything that is there.
      if (typeof here === "string") return "ENOENT";
      tree.set(path, contentOf(step.bytes, step.seed));
      return "OK";
    case "mkdir":
      if (above !== "OK") return above;
      if (here !== undefined) return "EEXIST";
      tree.set(path, null);
      return "OK";
    case "mkdirs":
      return makeAll(tree, path);
    case "symlink":
      if (above !== "OK") return above;
      if (here !== undefined) return "EEXIST";
      tree.set(path, step.target);
      return "OK";
    case "remove":
      if (above !== "OK") return above;
      if (here === undefined) return "ENOENT";
      if (here === null && below(tree, path).length > 0) return "ENOTEMPTY";
      tree.delete(path);
      return "OK";
    case "removeAll":
      if (above !== "OK") return above;
      if (here === undefined) return "ENOENT";
      for (const each of [path, ...below(tree, path)]) tree.delete(each);
      return "OK";
    default:
      return rename(tree, path, step.to);
  }
}

/** The same on a volume. */
export function changeVolume(volume: Ext4Volume, step: Ext4Step): string {
  try {
    carryOut(volume, step);
    return "OK";
  } catch (error) {
    if (error instanceof StorageError && error.code !== "EIO") return error.code;
    throw error;
  }
}

/** Everything on a volume but lost+found, read whole. */
export function treeOf(volume: Ext4Volume, folder = "", tree: ModelTree = new Map()): ModelTree {
  for (const { name, kind, target } of volume.list(folder)) {
    const path = `${folder}/${name}`;
    if (path === "/lost+found") continue;
    tree.set(
      path,
      kind === "directory" ? null : kind === "file" ? volume.readFile(path) : (target ?? ""),
    );
    if (kind === "directory") treeOf(volume, path, tree);
  }
  return tree;
}

/** A tree as lines in the order of the paths, content by its length and a sum. */
export function picture(tree: ModelTree): string[] {
  return [...tree].map(([path, node]) => `${path} ${described(node)}`).sort();
}

function described(node: ModelNode): string {
  if (node === null) return "directory";
  if (typeof node === "string") return `-> ${node}`;
  let sum = 0;
  for (const byte of node) sum = (Math.imul(sum, 31) + byte) >>> 0;
  return `${node.length} bytes, ${sum}`;
}

function carryOut(volume: Ext4Volume, step: Ext4Step): void {
  const { path } = step;
  if (step.op === "put") {
    const writer = volume.create(path);
    const content = contentOf(step.bytes, step.seed);
    // In pieces that are no whole blocks.
    for (let at = 0; at < content.length; at += 70_001) {
      writer.write(content.subarray(at, at + 70_001));
    }
    writer.close();
  } else if (step.op === "mkdir" || step.op === "mkdirs") {
    volume.mkdir(path, { recursive: step.op === "mkdirs" });
  } else if (step.op === "symlink") volume.symlink(step.target, path);
  else if (step.op === "remove") volume.remove(path);
  else if (step.op === "removeAll") removeAll(volume, path);
  else volume.rename(path, step.to);
}

function removeAll(volume: Ext4Volume, path: string): void {
  if (volume.lstat(path).kind === "directory") {
    for (const { name } of volume.list(path)) removeAll(volume, `${path}/${name}`);
  }
  volume.remove(path);
}

/** "OK" where what is above `path` is a directory. */
function parentCode(tree: ModelTree, path: string): string {
  const end = path.lastIndexOf("/");
  for (let at = path.indexOf("/", 1); at > 0; at = path.indexOf("/", at + 1)) {
    const node = tree.get(path.slice(0, at));
    if (node === undefined || typeof node === "string") return "ENOENT";
    if (node !== null) return "ENOTDIR";
    if (at === end) break;
  }
  return "OK";
}

function below(tree: ModelTree, path: string): string[] {
  return [...tree.keys()].filter((each) => each.startsWith(`${path}/`));
}

function makeAll(tree: ModelTree, path: string): string {
  for (let at = path.indexOf("/", 1); ; at = path.indexOf("/", at + 1)) {
    const part = at < 0 ? path : path.slice(0, at);
    const node = tree.get(part);
    // A link that leads nowhere is in the way.
    if (typeof node === "string") return "EEXIST";
    if (node === undefined) tree.set(part, null);
    else if (node !== null) return at < 0 ? "EEXIST" : "ENOTDIR";
    if (at < 0) return "OK";
  }
}

function rename(tree: ModelTree, path: string, to: string): string {
  const node = tree.get(path);
  const above = parentCode(tree, path);
  if (above !== "OK") return above;
  if (node === undefined) return "ENOENT";
  const place = parentCode(tree, to);
  if (place !== "OK") return place;
  if (path === to) return "OK";
  if (node === null && to.startsWith(`${path}/`)) return "EINVAL";
  const there = tree.get(to);
  if (there !== undefined) {
    if ((there === null) !== (node === null)) return node === null ? "ENOTDIR" : "EISDIR";
    if (there === null && below(tree, to).length > 0) return "ENOTEMPTY";
  }
  for (const each of [path, ...below(tree, path)]) {
    const moved = tree.get(each) as ModelNode;
    tree.delete(each);
    tree.set(to + each.slice(path.length), moved);
  }
  return "OK";
}
