/** Read-only images, FAT volumes and memory stand behind a Directory as CAPOSWF1 does. */
import { expect, test } from "vitest";
import { FatVolume } from "../../host/core/fat.ts";
import { buildImage, openImage } from "../../host/core/files.ts";
import { openIso } from "../../host/core/media/open.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { FatTree } from "../../host/system/caps/tree/fat.ts";
import { FilesTree } from "../../host/system/caps/tree/files.ts";
import { IsoTree } from "../../host/system/caps/tree/iso.ts";
import { MemoryTree } from "../../host/system/caps/tree/memory.ts";
import { freshCore } from "../support/core.ts";
import { isoOf } from "../support/media.ts";
import { rootOf, textOf, utf8, value, wordOf } from "./support.ts";

test("a read-only image lists and reads, and refuses every change", () => {
  const core = freshCore();
  const id = core.attach(new MemoryDevice({ size: "1MiB" }));
  const entries = [
    { path: "boot/bins/init", content: "program" },
    { path: "boot/bins/link", target: "init" },
  ];
  buildImage(core, id, entries, { uuid: new Uint8Array(16) });
  const bins = rootOf(new FilesTree(openImage(core, id)), "boot/bins");
  expect(bins.isReadOnly).toBe(true);
  expect(value(bins.list()).map(({ name }) => name)).toEqual(["init", "link"]);
  expect(textOf(value(value(bins.open("init")).read(0, 100)))).toBe("program");
  expect(wordOf(() => bins.open("init", { write: true }))).toBe("denied");
  expect(wordOf(() => bins.remove("init"))).toBe("denied");
  expect(wordOf(() => bins.open("link"))).toBe("denied");
});

test("a FAT volume is read by the names that stand in it, byte for byte", () => {
  const core = freshCore();
  const id = core.attach(new MemoryDevice({ size: "33MiB" }));
  const fat = FatVolume.format(core, id, { serial: 1, timestamp: 0 });
  fat.mkdir("/boot/bins", { recursive: true });
  fat.writeFile("/boot/bins/a-long-name.wasm", utf8("program"));
  fat.writeFile("/boot/bins/empty", new Uint8Array(0));
  fat.flush();
  const root = rootOf(new FatTree(fat));
  const bins = value(root.sub("boot/bins"));
  expect(value(bins.list())).toEqual([
    { name: "a-long-name.wasm", kind: "file" },
    { name: "empty", kind: "file" },
  ]);
  const file = value(bins.open("a-long-name.wasm"));
  expect(textOf(value(file.read(3, 100)))).toBe("gram");
  expect(value(file.read(7, 100))).toHaveLength(0);
  expect(value(value(bins.open("empty")).read(0, 10))).toHaveLength(0);
  const words = ["A-LONG-NAME.WASM", "A-LONG~1.WAS", "Empty", "empty.", "empty ", "absent"];
  expect(words.map((name) => wordOf(() => bins.open(name)))).toEqual(words.map(() => "not-found"));
  expect(wordOf(() => root.sub("Boot/bins"))).toBe("not-found");
  expect(wordOf(() => bins.open("empty/below"))).toBe("not-directory");
  expect(wordOf(() => bins.mkdir("new"))).toBe("denied");
  expect(wordOf(() => bins.readlink("empty"))).toBe("invalid");
});

test("an image source reads /boot/bins of a CD, refuses changes, and reaches nothing beside it", () => {
  const { device } = isoOf({
    "boot/bins/BOOTHEAD.BIN": "head of a disk",
    "boot/bins/deep/name with spaces": "deep",
    "outside.txt": "outside",
  });
  const trace = new TraceDevice(device);
  const bins = rootOf(new IsoTree(openIso(trace)), "boot/bins");
  expect(bins.isReadOnly).toBe(true);
  expect(value(bins.list())).toEqual([
    { name: "BOOTHEAD.BIN", kind: "file" },
    { name: "deep", kind: "directory" },
  ]);
  const file = value(bins.open("BOOTHEAD.BIN"));
  expect(value(file.stat()).sizeBytes).toBe(14);
  expect(textOf(value(file.read(8, 100)))).toBe("a disk");
  expect(value(file.read(14, 1))).toHaveLength(0);
  expect(value(file.read(2 ** 40, 1))).toHaveLength(0);
  expect(textOf(value(value(bins.open("deep/name with spaces")).read(0, 9)))).toBe("deep");
  const absent = ["boothead.bin", "absent", "deep/absent"];
  expect(absent.map((name) => wordOf(() => bins.open(name)))).toEqual(
    absent.map(() => "not-found"),
  );
  expect(wordOf(() => bins.open("../../outside.txt"))).not.toBe("ok");
  const changes = [
    () => bins.open("BOOTHEAD.BIN", { write: true }),
    () => bins.open("new", { write: true, create: true }),
    () => bins.mkdir("new"),
    () => bins.remove("BOOTHEAD.BIN"),
    () => bins.rename("BOOTHEAD.BIN", "B"),
  ];
  expect(changes.map(wordOf)).toEqual(changes.map(() => "denied"));
  expect(trace.counts.writes + trace.counts.zeroes + trace.counts.discards).toBe(0);
});

test("a tree in memory keeps an open file that was removed", () => {
  const tree = new MemoryTree({ now: () => 0 });
  const root = rootOf(tree);
  const file = value(root.open("a", { write: true, create: true, read: true }));
  value(root.remove("a"));
  expect(wordOf(() => file.write(0, utf8("still")))).toBe("ok");
  expect(textOf(value(file.read(0, 9)))).toBe("still");
  expect(wordOf(() => root.open("a"))).toBe("not-found");
  expect(wordOf(() => file.truncate(2 ** 40))).toBe("too-large");
  tree.symlink("..", ["out"]);
  expect(wordOf(() => root.sub("out"))).toBe("denied");
  expect(value(root.readlink("out"))).toBe("..");
});
