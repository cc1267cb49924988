/** Read-only images, FAT volumes and memory stand behind a Directory as CAPOSWF1 does. */
import { expect, test } from "vitest";
import { FatVolume } from "../../host/core/fat.ts";
import { buildImage, openImage } from "../../host/core/files.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { FatTree } from "../../host/system/caps/tree/fat.ts";
import { FilesTree } from "../../host/system/caps/tree/files.ts";
import { MemoryTree } from "../../host/system/caps/tree/memory.ts";
import { freshCore } from "../support/core.ts";
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
