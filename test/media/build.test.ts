/** Images that we write: read back whole, the same each time, and never half an image. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { finish } from "../../host/base/work.ts";
import { buildIso, planIso } from "../../host/core/media/build.ts";
import { MediaCore } from "../../host/core/media/load.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { ReadOnlyDevice } from "../../host/device/wrap/readonly.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { memoryTree } from "../../host/system/image/folder.ts";
import { isoOf, openOn, WHEN_MS, walkIso } from "../support/media.ts";
import { digest, noise } from "../system/support.ts";

const LONG = `${"langer Name ".repeat(20)}.bin`;
const FILES = {
  "boot/bins/BOOTHEAD.BIN": noise(70_001, 1),
  "boot/bins/BOOTGPT.BIN": noise(16_896, 2),
  "a/b/c/d/e/f/g/h/i/j/k/deep.txt": "deep",
  "Grüße aus Köln.txt": "Grüße",
  "GRÜSSE AUS KÖLN.TXT": "another",
  "日本語 😀.txt": "emoji",
  [LONG]: noise(2048, 3),
  [`${"x".repeat(252)}1.y`]: "255 bytes",
  [`${"x".repeat(252)}2.y`]: "255 others",
  "a*b?c:d;e": "signs",
  empty: "",
};
const bytesOf = (content: Uint8Array | string) =>
  typeof content === "string" ? new TextEncoder().encode(content) : content;

test("every file is read back equal, by its own name", () => {
  const volume = openOn(isoOf(FILES).device);
  expect([volume.label, volume.names, volume.bootImage]).toEqual(["TEST", "rock-ridge", undefined]);
  for (const [path, content] of Object.entries(FILES)) {
    expect(Buffer.compare(volume.readFile(path), bytesOf(content)), path).toBe(0);
    expect(volume.stat(path)).toMatchObject({ kind: "file", mode: 0o444, mtimeMs: WHEN_MS });
  }
  const files = [...walkIso(volume).values()].filter(({ kind }) => kind === "file");
  expect(files).toHaveLength(Object.keys(FILES).length);
});

test("Joliet and plain names reach as many files with the same bytes", () => {
  const { device } = isoOf(FILES);
  for (const names of ["joliet", "plain"] as const) {
    const volume = openOn(device, { names });
    const read = [...walkIso(volume)]
      .filter(([, { kind }]) => kind === "file")
      .map(([path]) => Buffer.from(volume.readFile(path)).toString("hex"));
    const given = Object.values(FILES).map((each) => Buffer.from(bytesOf(each)).toString("hex"));
    expect(read.sort(), names).toEqual(given.sort());
  }
  expect(openOn(device, { names: "joliet" }).exists("/日本語 😀.txt")).toBe(true);
  expect(openOn(device, { names: "plain" }).exists("/BOOT/BINS/BOOTHEAD.BIN")).toBe(true);
});

test("the same input gives the same bytes on blocks of 512 and of 4096", () => {
  const first = digest(isoOf(FILES, { bootSectors: 100 }).device);
  expect(digest(isoOf(FILES, { bootSectors: 100 }).device)).toBe(first);
  expect(digest(isoOf(FILES, { bootSectors: 100, blkSize: 4096 }).device)).toBe(first);
  expect(digest(isoOf(FILES, { bootSectors: 100, label: "OTHER" }).device)).not.toBe(first);
});

test("what an older image left is gone, but the boot image's place is not touched", () => {
  const device = new MemoryDevice({ size: "8MiB" });
  const dirty = noise(device.sizeBytes, 9);
  device.poke(0, dirty);
  const media = new MediaCore();
  const given = { label: "A", timestampMs: 0, bootSectors: 4096, entries: memoryTree(FILES) };
  const { bootSector, sectors } = finish(buildIso(media, media.attach(device), given));
  const clean = isoOf(FILES, { ...given, size: "8MiB" }).device;
  const [from, end] = [bootSector * 512, (bootSector + 4096) * 512];
  const same = (start: number, length: number, other: Uint8Array) =>
    Buffer.compare(device.peek(start, length), other);
  expect(same(0, from, clean.peek(0, from))).toBe(0);
  expect(same(from, end - from, dirty.subarray(from, end))).toBe(0);
  const tail = sectors * 512 - end;
  expect(same(end, tail, clean.peek(end, tail))).toBe(0);
});

test("a plan says the places that the image has, and writes nothing", () => {
  const device = new MemoryDevice({ size: "16MiB" });
  const trace = new TraceDevice(new ReadOnlyDevice(device));
  const media = new MediaCore();
  const given = { label: "T", timestampMs: 0, bootSectors: 5000, entries: memoryTree(FILES) };
  const plan = planIso(media, media.attach(trace), given);
  expect(trace.log).toEqual([]);
  expect(isoOf(FILES, given).places).toEqual(plan);
  expect(openOn(isoOf(FILES, given).device).bootImage).toEqual({
    sector: plan.bootSector,
    sectors: plan.bootSectors,
  });
  expect([plan.bootSector % 2048, plan.sectors % 2048]).toEqual([0, 0]);
  expect(plan.sectors - plan.bootSector - plan.bootSectors).toBeGreaterThanOrEqual(33);
});

test("a boot image that 16 bits cannot count reaches to the end of the medium", () => {
  const { device, places } = isoOf({ a: "a" }, { bootSectors: 70_000, size: "40MiB" });
  const { bootImage } = openOn(device);
  expect(bootImage?.sector).toBe(places.bootSector);
  expect(bootImage?.sectors).toBe(device.config.capacity - places.bootSector);
});

test("a build that stops half-way leaves no image, old or new", () => {
  const { device } = isoOf(FILES);
  const media = new MediaCore();
  const entries = memoryTree(FILES);
  const work = buildIso(media, media.attach(device), {
    entries,
    label: "NEW",
    timestampMs: 0,
    bootSectors: 0,
  });
  work.next();
  work.return(undefined as never);
  expect(() => openOn(device)).toThrow("EMEDIUMTYPE");
});

test("an image refuses what it cannot hold, with the reason", () => {
  const one = { size: 1, open: () => ({ read: () => 0, close: () => {} }), kind: "file" } as const;
  const entry = (path: string) => ({ ...one, path });
  expect(() => isoOf({ a: noise(20 << 20) })).toThrow("ENOSPC");
  expect(() => isoOf({}, { label: "lower case" })).toThrow("EINVAL");
  expect(() => isoOf({}, { label: "X".repeat(33) })).toThrow("EINVAL");
  expect(() => isoOf({}, { timestampMs: Number.NaN })).toThrow("EINVAL");
  expect(() => isoOf({}, { timestampMs: Date.UTC(2200, 0) })).toThrow("EINVAL");
  expect(() => isoOf({}, { entries: [entry("a"), entry("a")] })).toThrow("EEXIST");
  expect(() => isoOf({}, { entries: [entry("a"), entry("a/b")] })).toThrow("ENOTDIR");
  expect(() => isoOf({}, { entries: [entry("x".repeat(256))] })).toThrow("ENAMETOOLONG");
  expect(() => isoOf({}, { entries: [entry("a/..")] })).toThrow("EINVAL");
  expect(() => isoOf({}, { entries: [entry("short")] })).toThrow("changed while it was read");
});

test("500 files in one directory, names that collide in both short forms, stay apart", () => {
  const files = Object.fromEntries(
    Array.from({ length: 500 }, (_, index) => [
      `${"same beginning ".repeat(8)}${index}`,
      `${index}`,
    ]),
  );
  const { device } = isoOf(files);
  for (const names of ["rock-ridge", "joliet", "plain"] as const) {
    const volume = openOn(device, { names });
    const contents = volume.list("/").map(({ name }) => volume.readFile(name).toString());
    expect(new Set(contents).size, names).toBe(500);
  }
});

test("any tree is read back as it was given", () => {
  const name = fc
    .string({ unit: "grapheme", minLength: 1, maxLength: 60 })
    .map((given) => given.replaceAll(/[/\0]/g, "_"))
    .filter((given) => given !== "." && given !== ".." && Buffer.byteLength(given) <= 255);
  const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((names) => names.join("/"));
  const tree = fc.dictionary(path, fc.uint8Array({ maxLength: 5000 }), { maxKeys: 20 });
  fc.assert(
    fc.property(tree, (given) => {
      const paths = Object.keys(given);
      // A path that leads through a file is another test's.
      const files = Object.fromEntries(
        Object.entries(given).filter(([one]) => !paths.some((two) => two.startsWith(`${one}/`))),
      );
      const volume = openOn(isoOf(files).device);
      const found = [...walkIso(volume)].filter(([, { kind }]) => kind === "file");
      expect(found.map(([each]) => each.slice(1)).sort()).toEqual(Object.keys(files).sort());
      for (const [each, content] of Object.entries(files)) {
        expect(Buffer.compare(volume.readFile(each), content)).toBe(0);
      }
    }),
    { numRuns: 60 },
  );
});
