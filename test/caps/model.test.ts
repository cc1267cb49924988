/** Directory and File against a plain Map of paths: same outcomes, same content, on two trees. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FileSystem } from "../../host/core/files.ts";
import type { Tree } from "../../host/system/caps/base/tree.ts";
import type { DirectoryCap, OpenOptions } from "../../host/system/caps/directory.ts";
import type { Outcome } from "../../host/system/caps/outcome.ts";
import { FilesTree } from "../../host/system/caps/tree/files.ts";
import { MemoryTree } from "../../host/system/caps/tree/memory.ts";
import { freshCore } from "../support/core.ts";
import { Fixture } from "../support/store.ts";
import { rootOf, textOf, utf8, value, wordOf } from "./support.ts";

const CORE = freshCore();

/** A file by content, which two names may share; "directory". */
type Node = { text: string } | "directory";

/** The whole model: a Map from path to node, and rules written down a second time. */
class Model {
  readonly nodes = new Map<string, Node>([["", "directory"]]);

  /** What a walk to the parent of `path` says; undefined: nothing against it. */
  walk(path: string): string | undefined {
    const names = path.split("/");
    for (let depth = 1; depth < names.length; depth++) {
      const node = this.nodes.get(names.slice(0, depth).join("/"));
      if (node === undefined) return "not-found";
      if (node !== "directory") return "not-directory";
    }
    return undefined;
  }

  below(path: string): string[] {
    return [...this.nodes.keys()].filter((other) => other.startsWith(`${path}/`));
  }

  mkdir(path: string): string {
    const word = this.walk(path) ?? (this.nodes.has(path) ? "exists" : "ok");
    if (word === "ok") this.nodes.set(path, "directory");
    return word;
  }

  open(path: string, options: OpenOptions): string {
    const against = this.walk(path);
    if (against !== undefined) return against;
    const node = this.nodes.get(path);
    if (node === undefined && options.create !== true) return "not-found";
    if (node !== undefined && options.exclusive === true) return "exists";
    if (node === "directory") return "is-directory";
    if (node === undefined) this.nodes.set(path, { text: "" });
    else if (options.truncate === true) node.text = "";
    return "ok";
  }

  remove(path: string): string {
    const against = this.walk(path);
    if (against !== undefined) return against;
    if (!this.nodes.has(path)) return "not-found";
    if (this.below(path).length > 0) return "not-empty";
    this.nodes.delete(path);
    return "ok";
  }

  rename(from: string, to: string): string {
    const against = this.walk(from) ?? this.walk(to);
    if (against !== undefined) return against;
    const node = this.nodes.get(from);
    if (node === undefined) return "not-found";
    if (to.startsWith(`${from}/`)) return "invalid";
    const target = this.nodes.get(to);
    if (from === to || (target === node && node !== "directory")) return "ok";
    if (target === "directory" && node !== "directory") return "is-directory";
    if (target !== undefined && target !== "directory" && node === "directory") {
      return "not-directory";
    }
    if (this.below(to).length > 0) return "not-empty";
    for (const path of [from, ...this.below(from)]) {
      this.nodes.set(to + path.slice(from.length), this.nodes.get(path) as Node);
      this.nodes.delete(path);
    }
    return "ok";
  }

  link(from: string, to: string): string {
    const against = this.walk(from) ?? this.walk(to);
    if (against !== undefined) return against;
    const node = this.nodes.get(from);
    if (node === undefined) return "not-found";
    if (node === "directory") return "is-directory";
    if (this.nodes.has(to)) return "exists";
    this.nodes.set(to, node);
    return "ok";
  }
}

const name = fc.constantFrom("a", "b", "c");
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
const flag = fc.boolean();
const step = fc.oneof(
  fc.record({ kind: fc.constant("mkdir" as const), path }),
  fc.record({ kind: fc.constant("remove" as const), path }),
  fc.record({ kind: fc.constantFrom("rename" as const, "link" as const), path, to: path }),
  fc.record({
    kind: fc.constant("write" as const),
    path,
    at: fc.nat(2000),
    text: fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 40 }),
    exclusive: flag,
    truncate: flag,
  }),
  fc.record({ kind: fc.constant("append" as const), path, text: fc.constantFrom("+", "++") }),
  fc.record({ kind: fc.constant("cut" as const), path, length: fc.nat(3000) }),
  fc.record({ kind: fc.constantFrom("read" as const, "look" as const), path }),
  fc.record({ kind: fc.constant("remount" as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function then<T>(outcome: Outcome<T>, next: (value: T) => Outcome<unknown>): Outcome<unknown> {
  return outcome.ok ? next(outcome.value) : outcome;
}

/** Runs one step on both; answers what each says, content included. */
function both(root: DirectoryCap, model: Model, one: Exclude<Step, { kind: "remount" }>) {
  const { path: where } = one;
  switch (one.kind) {
    case "mkdir":
    case "remove":
      return [wordOf(() => root[one.kind](where)), model[one.kind](where)];
    case "rename":
    case "link":
      return [wordOf(() => root[one.kind](where, one.to)), model[one.kind](where, one.to)];
    case "write": {
      const options = {
        ...{ write: true, create: true, exclusive: one.exclusive, truncate: one.truncate },
      };
      const word = model.open(where, options);
      const node = model.nodes.get(where);
      if (word === "ok" && typeof node === "object") {
        const padded = node.text.padEnd(one.at, "\0");
        node.text = padded.slice(0, one.at) + one.text + padded.slice(one.at + one.text.length);
      }
      const act = () =>
        then(root.open(where, options), (file) =>
          then(file.write(one.at, utf8(one.text)), () => file.close()),
        );
      return [wordOf(act), word];
    }
    case "append":
    case "cut": {
      const append = one.kind === "append";
      const options = append ? { append } : { write: true };
      const word = model.open(where, options);
      const node = model.nodes.get(where);
      if (word === "ok" && typeof node === "object") {
        node.text = append
          ? node.text + one.text
          : node.text.slice(0, one.length).padEnd(one.length, "\0");
      }
      const act = () =>
        then(root.open(where, options), (file) =>
          then<unknown>(append ? file.append(utf8(one.text)) : file.truncate(one.length), () =>
            file.close(),
          ),
        );
      return [wordOf(act), word];
    }
    case "read": {
      const word = model.open(where, {});
      const node = model.nodes.get(where);
      const opened = root.open(where);
      const text = opened.ok ? textOf(value(opened.value.read(0, 10_000))) : "";
      if (opened.ok) value(opened.value.close());
      return [
        `${opened.ok ? "ok" : opened.code} ${text}`,
        `${word} ${word === "ok" && typeof node === "object" ? node.text : ""}`,
      ];
    }
    case "look": {
      const node = model.walk(where) === undefined ? model.nodes.get(where) : undefined;
      const stat = root.stat(where);
      const size = typeof node === "object" ? node.text.length : 0;
      const expected =
        node === undefined ? "none" : `${typeof node === "object" ? "file" : node} ${size}`;
      return [stat.ok ? `${stat.value.kind} ${stat.value.sizeBytes}` : "none", expected];
    }
  }
}

/** Every path with its content, through sub() and list() alone. */
function contents(directory: DirectoryCap, prefix = ""): string[] {
  const found: string[] = [];
  for (const { name: entry, kind } of value(directory.list())) {
    if (prefix === "" && entry === "lost+found") continue;
    const where = prefix + entry;
    if (kind === "directory") {
      found.push(where, ...contents(value(directory.sub(entry)), `${where}/`));
    } else {
      const file = value(directory.open(entry));
      found.push(`${where}=${textOf(value(file.read(0, 10_000)))}`);
      value(file.close());
    }
  }
  return found;
}

function expected(model: Model): string[] {
  const list: string[] = [];
  for (const [where, node] of model.nodes) {
    if (where !== "") list.push(typeof node === "object" ? `${where}=${node.text}` : where);
  }
  return list.sort();
}

function run(steps: readonly Step[], make: () => { tree: Tree; remount: () => Tree }): void {
  const { tree, remount } = make();
  const model = new Model();
  let root = rootOf(tree, "top");
  for (const one of steps) {
    if (one.kind === "remount") {
      value(root.sync());
      root = rootOf(remount(), "top");
      continue;
    }
    const [real, wanted] = both(root, model, one) as [string, string];
    expect(real, JSON.stringify(one)).toBe(wanted);
  }
  expect(contents(root).sort()).toEqual(expected(model));
}

describe("every sequence of calls comes to what the model says", () => {
  test("over a CAPOSWF1 region, opened anew now and then", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const fixture = new Fixture({ files: true, core: CORE, size: "4MiB" });
        const files = () => fixture.region.files as FileSystem;
        files().mkdir("/top");
        files().sync();
        run(steps, () => ({
          tree: new FilesTree(files()),
          remount: () => {
            fixture.reopen();
            return new FilesTree(files());
          },
        }));
        fixture.region.close();
      }),
      { numRuns: 150 },
    );
    expect.hasAssertions();
  });

  test("over a tree in memory", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tree = new MemoryTree();
        tree.mkdir(["top"]);
        run(steps, () => ({ tree, remount: () => tree }));
      }),
      { numRuns: 400 },
    );
    expect.hasAssertions();
  });
});
