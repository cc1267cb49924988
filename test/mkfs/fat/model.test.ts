/** FAT32 against a map of paths: any sequence of changes does to both the same. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { FatVolume } from "../../../host/core/fat.ts";
import { bench, content, picture, type Tree, treeOf } from "./support.ts";

test("any sequence of changes leaves the tree that a map has, and a sound volume", () => {
  const names = ["a", "B.TXT", "a longer name.txt", "ünï", "Ümlaut", "日本", "x1", "X2"];
  const path = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 });
  const step = fc.oneof(
    fc.record({ op: fc.constant("write" as const), path, size: fc.nat(3000) }),
    fc.record({ op: fc.constant("mkdir" as const), path }),
    fc.record({ op: fc.constant("remove" as const), path }),
    fc.record({ op: fc.constant("rename" as const), path, to: path }),
    fc.record({ op: fc.constant("flush" as const), path }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { core, id, fat } = bench();
      const model: Tree = new Map();
      for (const [index, action] of steps.entries()) {
        const at = `/${action.path.join("/")}`;
        if (action.op === "flush") fat.flush();
        else
          expect(attempt(() => apply(fat, action, at, index))).toBe(
            applyModel(model, action, at, index),
          );
      }
      expect(picture(treeOf(fat))).toEqual(picture(model));
      expect(fat.check()).toEqual([]);
      fat.close();
      expect(picture(treeOf(FatVolume.open(core, id)))).toEqual(picture(model));
    }),
    { numRuns: 60 },
  );
});

type Action =
  | { op: "write"; size: number }
  | { op: "mkdir" | "remove" | "flush" }
  | { op: "rename"; to: readonly string[] };

function apply(fat: FatVolume, action: Action, path: string, seed: number): void {
  if (action.op === "write") fat.writeFile(path, content(action.size, seed));
  else if (action.op === "mkdir") fat.mkdir(path);
  else if (action.op === "remove") fat.remove(path);
  else if (action.op === "rename") fat.rename(path, `/${action.to.join("/")}`);
}

/** True if it worked. */
function attempt(run: () => void): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if ((error as Error).name !== "StorageError") throw error;
    return false;
  }
}

/** The same action on a map of paths; true if it works there. */
function applyModel(model: Tree, action: Action, path: string, seed: number): boolean {
  const parentOf = (of: string) => of.slice(0, of.lastIndexOf("/"));
  const isDirectory = (of: string) => of === "" || (model.has(of) && model.get(of) === undefined);
  const children = (of: string) => [...model.keys()].filter((key) => key.startsWith(`${of}/`));
  switch (action.op) {
    case "write":
      if (!isDirectory(parentOf(path)) || isDirectory(path)) return false;
      model.set(path, content(action.size, seed));
      return true;
    case "mkdir":
      if (!isDirectory(parentOf(path)) || model.has(path)) return false;
      model.set(path, undefined);
      return true;
    case "remove":
      if (!model.has(path) || children(path).length > 0) return false;
      model.delete(path);
      return true;
    case "rename": {
      const to = `/${action.to.join("/")}`;
      if (!model.has(path) || !isDirectory(parentOf(to))) return false;
      const directory = isDirectory(path);
      if (directory && `${to}/`.startsWith(`${path}/`)) return false;
      if (to === path) return true;
      if (model.has(to) && (isDirectory(to) !== directory || children(to).length > 0)) return false;
      for (const key of [path, ...children(path)]) {
        const bytes = model.get(key);
        model.delete(key);
        model.set(to + key.slice(path.length), bytes);
      }
      return true;
    }
    default:
      return true;
  }
}
