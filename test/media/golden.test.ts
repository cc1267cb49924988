/** Volumes that other people's tools made, kept as files: read entry by entry, byte by byte. */
import { expect, test } from "vitest";
import { goldenIso, openOn, walkIso } from "../support/media.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const LONG = `/${"n".repeat(250)}.txt`;
const DEEP = "/a/b/c/d/e/f/g/h/i/deep.txt";
const MADE_MS = Date.UTC(2024, 1, 29, 12, 34, 56);
const SHARED: Readonly<Record<string, string>> = {
  [DEEP]: "deep",
  "/boot/bins/BOOTGPT.BIN": "table",
  "/boot/bins/BOOTHEAD.BIN": "head",
  "/Grüße aus Köln.txt": "Grüße",
  "/empty": "",
  "/five.bin": "z".repeat(5000),
};

test.each(["rock", "moved", "genisoimage"])("%s: names, modes, times and bytes", (name) => {
  const volume = openOn(goldenIso(name));
  expect(volume.names).toBe("rock-ridge");
  const entries = walkIso(volume);
  for (const [path, content] of Object.entries({ ...SHARED, [LONG]: "long" })) {
    expect(text(volume.readFile(path)), path).toBe(content);
    expect(entries.get(path), path).toMatchObject({ kind: "file", mtimeMs: MADE_MS, extents: 1 });
  }
  expect(entries.get("/five.bin")).toMatchObject({ sizeBytes: 5000, mode: 0o640 });
  expect(entries.get("/boot")).toMatchObject({ kind: "directory", sizeBytes: 0, mode: 0o755 });
  const files = [...entries.values()].filter(({ kind }) => kind === "file");
  expect(files).toHaveLength(7);
});

test("a link's target is whole, also where it takes several entries", () => {
  const target = `../x/./${"t".repeat(200)}/${"u".repeat(200)}`;
  for (const name of ["rock", "moved"]) {
    expect(openOn(goldenIso(name)).stat("/link")).toMatchObject({ kind: "symlink", target });
  }
  expect(openOn(goldenIso("genisoimage")).stat("/link").target).toBe("../x/./target");
  expect(() => openOn(goldenIso("rock")).readFile("/link")).toThrow("ELOOP");
});

test.each(["rock", "joliet", "genisoimage"])("%s: the same bytes by Joliet's names", (name) => {
  const volume = openOn(goldenIso(name), { names: "joliet" });
  expect(volume.names).toBe("joliet");
  walkIso(volume);
  for (const [path, content] of Object.entries(SHARED)) {
    expect(text(volume.readFile(path)), path).toBe(content);
  }
});

test("without Rock Ridge the names are Joliet's, without both the plain ones in any case", () => {
  const joliet = openOn(goldenIso("joliet"));
  expect([joliet.names, joliet.label]).toEqual(["joliet", "JOLIET"]);
  expect(() => openOn(goldenIso("joliet"), { names: "rock-ridge" })).toThrow("EOPNOTSUPP");
  const plain = openOn(goldenIso("plain"));
  expect([plain.names, plain.label]).toEqual(["plain", "PLAIN"]);
  expect([...walkIso(plain).keys()]).toEqual(["/BINS", "/BINS/BOOTGPT.BIN", "/BINS/BOOTHEAD.BIN"]);
  expect(text(plain.readFile("/bins/BootHead.bin"))).toBe("head");
  expect(plain.list("/bins")).toEqual(plain.list("/BINS"));
  expect(() => openOn(goldenIso("plain"), { names: "joliet" })).toThrow("EOPNOTSUPP");
});

test("a directory that was moved up is where it belongs, and not where it was moved to", () => {
  for (const name of ["moved", "genisoimage"]) {
    const paths = [...walkIso(openOn(goldenIso(name))).keys()];
    const deep = paths.filter((path) => path.endsWith("/deep.txt"));
    expect(deep, name).toEqual([DEEP]);
  }
});
