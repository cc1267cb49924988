/** Trees for tests of capabilities, and what a call came to as one word. */

import { createHash } from "node:crypto";
import type { FileSystem } from "../../host/core/files.ts";
import { CapException } from "../../host/system/caps/base/outcome.ts";
import type { Tree } from "../../host/system/caps/base/tree.ts";
import { DirectoryCap } from "../../host/system/caps/directory.ts";
import type { Outcome } from "../../host/system/caps/outcome.ts";
import { FilesTree } from "../../host/system/caps/tree/files.ts";
import { Fixture } from "../support/store.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const utf8 = (text: string) => encoder.encode(text);
export const textOf = (bytes: Uint8Array) => decoder.decode(bytes);

/** A real CAPOSWF1 region in memory, its filesystem and the tree over it. */
export function region() {
  const fixture = new Fixture({ files: true });
  const files = () => fixture.region.files as FileSystem;
  return { fixture, files, tree: () => new FilesTree(files()) };
}

/** The root of a tree. */
export function rootOf(tree: Tree, path = ""): DirectoryCap {
  return value(DirectoryCap.over(tree, { path }));
}

/** The value of an outcome that must be one. */
export function value<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(`${outcome.code}: ${outcome.reason}`);
}

/** "ok", the code of an outcome, or the kind of the exception. */
export function wordOf(act: () => Outcome<unknown>): string {
  try {
    const outcome = act();
    return outcome.ok ? "ok" : outcome.code;
  } catch (error) {
    if (error instanceof CapException) return error.kind;
    throw error;
  }
}

/** Everything of a filesystem: kinds, hashes of contents, targets, by path. */
export function snapshot(files: FileSystem, path = "/"): Map<string, string> {
  const all = new Map<string, string>();
  for (const entry of files.readdir(path, { withFileTypes: true })) {
    const below = `${path === "/" ? "" : path}/${entry.name}`;
    if (entry.isSymbolicLink()) all.set(below, `link ${files.readlink(below)}`);
    else if (entry.isFile())
      all.set(below, `file ${createHash("sha256").update(files.readFile(below)).digest("hex")}`);
    else {
      all.set(below, "directory");
      for (const [name, what] of snapshot(files, below)) all.set(name, what);
    }
  }
  return all;
}
