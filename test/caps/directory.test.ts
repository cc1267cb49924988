/** Directory and File over a real CAPOSWF1 region: what they do, and what they refuse. */
import { expect, test } from "vitest";
import { unwrap } from "../../host/system/caps/outcome.ts";
import { region, rootOf, textOf, utf8, value, wordOf } from "./support.ts";

const HOSTILE = [
  ...["", "/", "/etc", "..", "../outside", "sub/..", "sub/../..", ".", "./a", "a/./b", "a//b"],
  ...["a/", "nul\0", "nul\0/../x", `${"n".repeat(256)}`, "\ud800", "a/\udfff"],
  ...["x/".repeat(256).concat("x"), `${"p".repeat(200)}/`.repeat(21).concat("p")],
];

function scene() {
  const { fixture, files, tree } = region();
  files().mkdir("/sub/deep", { recursive: true });
  files().writeFile("/secret", "outside");
  files().writeFile("/sub/inside", "inside");
  files().symlink("../secret", "/sub/way-out");
  files().symlink("..", "/sub/up");
  files().symlink("inside", "/sub/to-inside");
  files().sync();
  const root = rootOf(tree());
  return { fixture, files, root, sub: value(root.sub("sub")) };
}

test("a file written, appended to and cut reads back, also after the disk was opened anew", () => {
  const { fixture, files, tree } = region();
  const root = rootOf(tree());
  const file = value(root.open("motd", { write: true, create: true, read: true }));
  expect(value(file.write(0, utf8("hello world")))).toBe(11);
  expect(value(file.truncate(5))).toBeUndefined();
  expect(value(file.append(utf8("!")))).toBe(5);
  expect(textOf(value(file.read(0, 100)))).toBe("hello!");
  expect(textOf(value(file.read(4, 1)))).toBe("o");
  expect(value(file.read(6, 10))).toHaveLength(0);
  expect(value(file.read(2 ** 40, 10))).toHaveLength(0);
  expect(value(file.stat()).sizeBytes).toBe(6);
  const target = new Uint8Array(3);
  expect(value(file.readInto(1, target))).toBe(3);
  expect(textOf(target)).toBe("ell");
  value(file.close());
  fixture.crash();
  expect(files().readFile("/motd", "utf8")).toBe("hello!");
});

test("what was written and neither synced nor closed is gone after a crash", () => {
  const { fixture, files, tree } = region();
  const file = value(rootOf(tree()).open("motd", { write: true, create: true }));
  value(file.write(0, utf8("hello")));
  file.revoke();
  fixture.crash();
  expect(files().exists("/motd")).toBe(false);
});

test.each(HOSTILE)("no call takes the path %j", (path) => {
  const { root, sub } = scene();
  const calls = [
    () => sub.stat(path),
    () => sub.open(path),
    () => sub.open(path, { write: true, create: true }),
    () => sub.sub(path),
    () => sub.mkdir(path),
    () => sub.remove(path),
    () => sub.rename(path, "x"),
    () => sub.rename("inside", path),
    () => sub.rename("inside", path, root),
    () => sub.link(path, "x"),
    () => sub.link("inside", path),
    () => sub.readlink(path),
  ];
  expect(calls.map(wordOf)).toEqual(calls.map(() => "invalid"));
});

test("what is no string, no position and no bytes is an invalid argument, not an outcome", () => {
  const { sub } = scene();
  const file = value(sub.open("inside"));
  const words = [
    () => sub.open(undefined as never),
    () => sub.sub(7 as never),
    () => sub.rename("inside", null as never),
    () => sub.rename("inside", "x", {} as never),
    () => sub.list({ limit: -1 }),
    () => file.read(-1, 1),
    () => file.read(0.5, 1),
    () => file.read(0, Number.NaN),
    () => file.write(0, "text" as never),
    () => file.truncate(Number.POSITIVE_INFINITY),
  ].map(wordOf);
  expect(words).toEqual(words.map(() => "invalidArgument"));
});

test("a link is listed, read and removed, and never followed", () => {
  const { files, sub } = scene();
  expect(value(sub.list())).toEqual([
    { name: "deep", kind: "directory" },
    { name: "inside", kind: "file" },
    { name: "to-inside", kind: "symlink" },
    { name: "up", kind: "symlink" },
    { name: "way-out", kind: "symlink" },
  ]);
  expect(value(sub.readlink("way-out"))).toBe("../secret");
  expect(value(sub.stat("up")).kind).toBe("symlink");
  const words = [
    () => sub.open("way-out"),
    () => sub.open("way-out", { write: true, create: true }),
    () => sub.open("to-inside"),
    () => sub.sub("up"),
    () => sub.open("up/secret"),
    () => sub.stat("up/secret"),
    () => sub.mkdir("up/made"),
    () => sub.remove("up/secret"),
    () => sub.rename("inside", "up/inside"),
    () => sub.rename("up/secret", "mine"),
    () => sub.link("up/secret", "mine"),
    () => sub.link("way-out", "mine"),
  ].map(wordOf);
  expect(words).toEqual(words.map(() => "denied"));
  expect(wordOf(() => sub.mkdir("up"))).toBe("exists");
  expect(wordOf(() => sub.remove("way-out"))).toBe("ok");
  expect(files().readFile("/secret", "utf8")).toBe("outside");
});

test("each ordinary refusal has its code, and its text names only what the caller named", () => {
  const { sub } = scene();
  value(sub.mkdir("full"));
  value(sub.mkdir("full/below"));
  const cases: [string, () => ReturnType<typeof sub.mkdir> | ReturnType<typeof sub.open>][] = [
    ["not-found", () => sub.open("absent")],
    ["not-found", () => sub.open("absent/below", { write: true, create: true })],
    ["not-found", () => sub.remove("absent")],
    ["not-found", () => sub.rename("absent", "x")],
    ["exists", () => sub.mkdir("deep")],
    ["exists", () => sub.open("inside", { write: true, create: true, exclusive: true })],
    ["exists", () => sub.rename("inside", "full", undefined, { replace: false })],
    ["not-directory", () => sub.open("inside/below")],
    ["is-directory", () => sub.open("deep", { write: true })],
    ["is-directory", () => sub.link("deep", "again")],
    ["not-empty", () => sub.remove("full")],
    ["invalid", () => sub.rename("full", "full/below/itself")],
    ["invalid", () => sub.open("inside", { create: true })],
    ["invalid", () => sub.open("inside", { truncate: true, append: true })],
  ];
  for (const [code, call] of cases) {
    const outcome = call();
    expect(outcome).toMatchObject({ ok: false, code });
    expect(outcome.ok ? "" : outcome.reason).not.toContain("/sub");
  }
});

test("a read-only view refuses every change, and so does all that is made from it", () => {
  const { files, root, sub } = scene();
  const before = files().dirtyPages;
  const view = sub.readOnly();
  const deep = value(view.sub("deep"));
  const file = value(view.open("inside"));
  const words = [
    () => view.open("inside", { write: true }),
    () => view.open("new", { append: true, create: true }),
    () => view.mkdir("new"),
    () => view.remove("inside"),
    () => view.rename("inside", "new"),
    () => view.rename("inside", "new", root),
    () => root.rename("secret", "taken", view),
    () => root.link("secret", "taken", view),
    () => view.link("inside", "new"),
    () => deep.mkdir("new"),
    () => deep.readOnly().mkdir("new"),
    () => file.write(0, utf8("x")),
    () => file.append(utf8("x")),
    () => file.truncate(0),
  ].map(wordOf);
  expect(words).toEqual(words.map(() => "denied"));
  expect([wordOf(() => view.sync()), wordOf(() => file.sync())]).toEqual(["ok", "ok"]);
  expect(textOf(value(file.read(0, 10)))).toBe("inside");
  expect(files().dirtyPages).toBe(before);
});

test("a file has one writer: the second is refused, whatever directory and name it comes by", () => {
  const { root, sub } = scene();
  value(root.link("sub/inside", "other"));
  const writer = value(sub.open("inside", { write: true }));
  const words = () => [
    wordOf(() => sub.open("inside", { write: true })),
    wordOf(() => root.open("sub/inside", { append: true })),
    wordOf(() => root.open("other", { write: true, truncate: true })),
    wordOf(() => rootOf(region().tree()).open("inside", { write: true })),
  ];
  expect(words()).toEqual(["conflict", "conflict", "conflict", "not-found"]);
  expect(textOf(value(value(sub.open("inside")).read(0, 10)))).toBe("inside");
  value(writer.close());
  const again = value(sub.open("inside", { write: true }));
  again.revoke();
  expect(wordOf(() => sub.open("inside", { write: true }))).toBe("ok");
});

test("two trees over one filesystem share the one writer", () => {
  const { tree } = region();
  value(rootOf(tree()).open("a", { write: true, create: true }));
  expect(wordOf(() => rootOf(tree()).open("a", { write: true }))).toBe("conflict");
});

test("a file opened for appending takes nothing but appends", () => {
  const { sub } = scene();
  const log = value(sub.open("inside", { append: true }));
  expect(wordOf(() => log.write(0, utf8("x")))).toBe("denied");
  expect(wordOf(() => log.truncate(0))).toBe("denied");
  expect(wordOf(() => log.read(0, 1))).toBe("denied");
  expect(value(log.append(utf8("!")))).toBe(6);
});

test("a directory that is moved, removed or replaced by a link ends what points to it", () => {
  const { files, root } = scene();
  const deep = value(root.sub("sub/deep"));
  const file = value(deep.open("file", { write: true, create: true }));
  expect(wordOf(() => root.rename("sub", "moved"))).toBe("ok");
  value(root.mkdir("sub"));
  value(root.mkdir("sub/deep"));
  expect(wordOf(() => deep.list())).toBe("disconnected");
  // An open file follows the file, not its name.
  expect(wordOf(() => file.write(0, utf8("followed")))).toBe("ok");
  value(file.close());
  expect(files().readFile("/moved/deep/file", "utf8")).toBe("followed");
  value(root.remove("sub/deep"));
  value(root.remove("sub"));
  files().symlink("moved", "/sub");
  // Through the link it is the same directory at the same path: still the one that was granted.
  expect(wordOf(() => deep.list())).toBe("ok");
  expect(wordOf(() => root.sub("sub/deep"))).toBe("denied");
  files().rm("/moved/deep", { recursive: true });
  expect(wordOf(() => deep.list())).toBe("disconnected");
});

test("a directory of the state that revert() threw away is not found again under its number", () => {
  const { files, tree } = region();
  const root = rootOf(tree());
  value(root.mkdir("fresh"));
  const fresh = value(root.sub("fresh"));
  files().revert();
  expect(wordOf(() => fresh.list())).toBe("disconnected");
});

test("rename moves between two directories of one tree, and not into another tree", () => {
  const { files, root, sub } = scene();
  const deep = value(root.sub("sub/deep"));
  expect(wordOf(() => sub.rename("inside", "moved", deep))).toBe("ok");
  expect(files().readFile("/sub/deep/moved", "utf8")).toBe("inside");
  expect(wordOf(() => deep.rename("moved", "x", rootOf(region().tree())))).toBe("invalid");
});

test("a full filesystem is no-space, and a file too long too-large", () => {
  const { sub } = scene();
  const file = value(sub.open("big", { write: true, create: true }));
  expect(wordOf(() => file.write(2 ** 52, utf8("x")))).toBe("too-large");
  const words = new Set<string>();
  for (let at = 0; at < 16; at++) {
    const outcome = file.write(at << 20, new Uint8Array(1 << 20));
    words.add(outcome.ok ? "ok" : outcome.code);
  }
  expect([...words]).toEqual(["ok", "no-space"]);
});

test("list goes on behind a name, in the order of the bytes", () => {
  const { root, files } = scene();
  for (const name of ["b", "a", "ä", "\u{10000}", "\uffee", "A"])
    files().writeFile(`/sub/deep/${name}`, "");
  const deep = value(root.sub("sub/deep"));
  const names = value(deep.list()).map(({ name }) => name);
  expect(names).toEqual(["A", "a", "b", "ä", "\uffee", "\u{10000}"]);
  const some = value(deep.list({ after: "a", limit: 2 })).map(({ name }) => name);
  expect(some).toEqual(["b", "ä"]);
});

test("a failing device is an exception that does not name what is above the directory", () => {
  const { fixture, sub } = scene();
  const file = value(sub.open("inside", { write: true }));
  value(file.write(0, utf8("x")));
  fixture.device.inject({ times: Number.POSITIVE_INFINITY });
  let message = "";
  try {
    file.close();
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toMatch(/^failed: close: what is behind it failed \(EIO/);
  expect(message).not.toMatch(/sub|inside|memory/);
  expect(wordOf(() => file.stat())).toBe("disconnected");
});

test("unwrap gives a value, or throws what Node would call it", () => {
  const { sub } = scene();
  expect(unwrap(sub.stat("inside"), "stat").kind).toBe("file");
  expect(() => unwrap(sub.stat("absent"), "stat")).toThrow("ENOENT: 'absent': not found.");
});
