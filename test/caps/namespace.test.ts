/** Namespace: the same in memory and over CAPOSWF1, across real re-mounts; parts that only narrow. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { FileSystem } from "../../host/core/files.ts";
import { DirectoryBindings, MemoryBindings } from "../../host/system/caps/bindings.ts";
import { DirectoryCap } from "../../host/system/caps/directory.ts";
import { NamespaceCap } from "../../host/system/caps/namespace.ts";
import type { Outcome } from "../../host/system/caps/outcome.ts";
import { FilesTree } from "../../host/system/caps/tree/files.ts";
import { freshCore } from "../support/core.ts";
import { Fixture } from "../support/store.ts";
import { rootOf, snapshot, utf8, value, wordOf } from "./support.ts";

const CORE = freshCore();
const hash = (seed: number) => new Uint8Array(32).fill(seed & 255);

function disk() {
  const fixture = new Fixture({ files: true, core: CORE, size: "4MiB" });
  const files = () => fixture.region.files as FileSystem;
  files().mkdir("/system/names", { recursive: true });
  files().writeFile("/system/other", "not a name");
  files().sync();
  const bindings = () => new DirectoryBindings(rootOf(new FilesTree(files()), "system/names"));
  return { fixture, files, bindings, names: () => NamespaceCap.over(bindings()) };
}

const name = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom("a", "b", "a/b", "a/c", "ä", "a b", "%2f", "b/a/c") },
  { weight: 1, arbitrary: fc.constantFrom("..", "a/../b", "/a", "a//b", "", "x".repeat(256)) },
  { weight: 1, arbitrary: fc.constantFrom("\\version", "\\new", "a\\b", "n\0", "n\n", "\ud800") },
);
const step = fc.record({
  kind: fc.constantFrom(
    "bind",
    "bind",
    "unbind",
    "resolve",
    "list",
    "sub",
    "view",
    "remount",
    "crash",
  ),
  who: fc.nat(),
  name,
  seed: fc.nat(255),
  expected: fc.option(fc.nat(6), { nil: undefined, freq: 1 }),
});

test("a namespace in memory and one over CAPOSWF1 answer the same, before and after re-mounts", () => {
  let bound = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 15, maxLength: 40 }), (steps) => {
      const { fixture, files, names } = disk();
      const memory = NamespaceCap.over(new MemoryBindings());
      const ways: ((top: NamespaceCap) => NamespaceCap)[] = [(top) => top];
      let durable = names();
      const outside = snapshot(files(), "/system").get("/system/other");
      for (const one of steps) {
        const way = ways[one.who % ways.length] as (typeof ways)[number];
        const run = (top: NamespaceCap) => answer(way(top), one);
        if (one.kind === "remount") fixture.reopen();
        else if (one.kind === "crash") fixture.crash();
        if (one.kind === "remount" || one.kind === "crash") {
          durable = names();
          continue;
        }
        const real = run(durable);
        expect(real, JSON.stringify(one)).toEqual(run(memory));
        if (one.kind === "bind" && real.startsWith("{")) bound += 1;
        if (one.kind === "sub" && real === "sub") {
          ways.push((top) => value(way(top).sub(one.name)));
        }
        if (one.kind === "view" && one.seed % 4 === 0) ways.push((top) => way(top).readOnly());
      }
      fixture.reopen();
      const all = { ...steps[0], kind: "list" } as Parameters<typeof answer>[1];
      expect(answer(names(), all)).toEqual(answer(memory, all));
      expect(snapshot(files(), "/system").get("/system/other")).toBe(outside);
      fixture.region.close();
    }),
    { numRuns: 50 },
  );
  expect(bound).toBeGreaterThan(100);
});

/** What a call says, as text: the value, or the code. */
function answer(
  top: NamespaceCap,
  one: { kind: string; name: string; seed: number; expected?: number | undefined },
): string {
  const options = one.expected === undefined ? {} : { expected: one.expected };
  const told = (outcome: Outcome<unknown>) =>
    outcome.ok ? JSON.stringify(outcome.value ?? null) : `${outcome.code}: ${outcome.reason}`;
  if (one.kind === "bind") return told(top.bind(one.name, hash(one.seed), options));
  if (one.kind === "unbind") return told(top.unbind(one.name, options));
  if (one.kind === "resolve") return told(top.resolve(one.name));
  if (one.kind === "list") return told(top.list());
  if (one.kind !== "sub") return "view";
  const sub = top.sub(one.name);
  return sub.ok ? "sub" : told(sub);
}

test("a version never comes twice, so an old one is refused after unbind and bind", () => {
  for (const make of [() => NamespaceCap.over(new MemoryBindings()), () => disk().names()]) {
    const names = make();
    const first = value(names.bind("a", hash(1), { expected: 0 }));
    expect(wordOf(() => names.bind("a", hash(2), { expected: 0 }))).toBe("conflict");
    const second = value(names.bind("a", hash(2), { expected: first.version }));
    value(names.unbind("a", { expected: second.version }));
    const third = value(names.bind("a", hash(1), { expected: 0 }));
    expect([first.version, second.version, third.version]).toEqual([1, 2, 3]);
    expect(wordOf(() => names.bind("a", hash(4), { expected: first.version }))).toBe("conflict");
    expect(wordOf(() => names.unbind("b"))).toBe("not-found");
    expect(wordOf(() => names.bind("a", new Uint8Array(31)))).toBe("invalidArgument");
    expect(value(names.resolve("a"))).toEqual({ hash: hash(1), version: 3 });
  }
});

test("a binding is durable when bind returns", () => {
  const { fixture, names } = disk();
  const { version } = value(names().bind("generations/7", hash(7)));
  fixture.crash();
  expect(value(names().resolve("generations/7"))).toEqual({ hash: hash(7), version });
});

test("the versions go on from the highest binding where their record is lost", () => {
  const { files, names } = disk();
  value(names().bind("a", hash(1)));
  value(names().bind("b", hash(2)));
  files().unlink("/system/names/\\version");
  expect(value(names().bind("c", hash(3))).version).toBe(3);
});

test("a part sees and changes its own names only, and a read-only one changes none", () => {
  const names = NamespaceCap.over(new MemoryBindings());
  for (const at of ["a", "a/b", "a/c/d", "ab", "b"]) value(names.bind(at, hash(1)));
  const part = value(names.sub("a"));
  expect(value(part.list()).map((one) => one.name)).toEqual(["b", "c/d"]);
  expect(value(part.list({ after: "b", limit: 1 })).map((one) => one.name)).toEqual(["c/d"]);
  for (const way of ["../b", "..", "/b", "b/../../b"]) {
    expect(wordOf(() => part.resolve(way))).toBe("invalid");
    expect(wordOf(() => part.bind(way, hash(2)))).toBe("invalid");
    expect(wordOf(() => part.sub(way))).toBe("invalid");
  }
  value(part.bind("b", hash(9)));
  expect(value(names.resolve("a/b")).hash).toEqual(hash(9));
  expect(value(names.resolve("b")).hash).toEqual(hash(1));
  const view = value(names.readOnly().sub("a"));
  expect(wordOf(() => view.bind("b", hash(2)))).toBe("denied");
  expect(wordOf(() => view.unbind("b"))).toBe("denied");
  expect(view.isReadOnly).toBe(true);
});

test("a name at the limit of its length fits, one byte more does not", () => {
  const { names } = disk();
  const long = `${"a/".repeat(100)}${"b".repeat(55)}`;
  expect(utf8(long)).toHaveLength(255);
  expect(wordOf(() => names().bind(long, hash(1)))).toBe("ok");
  expect(wordOf(() => names().bind(`${long}b`, hash(1)))).toBe("invalid");
  expect(wordOf(() => value(names().sub("a")).bind(long, hash(1)))).toBe("invalid");
  expect(value(names().list()).map((one) => one.name)).toEqual([long]);
});

test("a record that is damaged or of another name is an exception, never a binding", () => {
  const { files, names } = disk();
  value(names().bind("a", hash(1)));
  const good = files().readFile("/system/names/a");
  const changes: [string, () => void][] = [
    ["cut", () => files().truncate("/system/names/a", good.length - 1)],
    ["empty", () => files().truncate("/system/names/a", 0)],
    ["longer", () => files().writeFile("/system/names/a", Buffer.concat([good, good]))],
    [
      "of another format",
      () =>
        files().writeFile(
          "/system/names/a",
          good.map((b, at) => (at === 0 ? 2 : b)),
        ),
    ],
    ["huge", () => files().writeFile("/system/names/a", new Uint8Array(100_000))],
  ];
  for (const [what, change] of changes) {
    files().writeFile("/system/names/a", good);
    change();
    expect(
      wordOf(() => names().resolve("a")),
      what,
    ).toBe("failed");
    expect(
      wordOf(() => names().list()),
      what,
    ).toBe("failed");
  }
  files().writeFile("/system/names/a", good);
  files().rename("/system/names/a", "/system/names/b");
  expect(wordOf(() => names().resolve("b"))).toBe("failed");
  files().unlink("/system/names/b");
  files().mkdir("/system/names/c");
  expect(wordOf(() => names().list())).toBe("failed");
});

test("on a full disk bind is no-space, and what was bound stays", () => {
  const { files, names } = disk();
  value(names().bind("a", hash(1)));
  const words = new Set<string>();
  for (let count = 0; count < 100; count++) {
    try {
      files().writeFile(`/system/fill-${count}`, new Uint8Array(64 << 10));
    } catch {
      break;
    }
  }
  for (let count = 0; count < 400; count++)
    words.add(wordOf(() => names().bind(`n${count}`, hash(2))));
  expect(words.has("no-space")).toBe(true);
  expect([...words].filter((word) => word !== "ok" && word !== "no-space")).toEqual([]);
  expect(value(names().resolve("a")).hash).toEqual(hash(1));
});

test("a persistent namespace over a read-only directory resolves and does not bind", () => {
  const { files, names } = disk();
  value(names().bind("a", hash(1)));
  const directory = value(
    DirectoryCap.over(new FilesTree(files()), { path: "system/names", readOnly: true }),
  );
  const only = NamespaceCap.over(new DirectoryBindings(directory));
  expect(value(only.resolve("a")).hash).toEqual(hash(1));
  expect(wordOf(() => only.bind("a", hash(2)))).toBe("denied");
  directory.revoke();
  expect(wordOf(() => only.resolve("a"))).toBe("disconnected");
});
