/** The core in a worker of a page: loaded from its address, over a disk in OPFS. */
import { expect, test } from "vitest";
import {
  createDiskOn,
  loadModules,
  MemoryDevice,
  OpfsDevice,
  removeOpfs,
} from "../../../host/browser.ts";
import { openDiskOn } from "../../../host/system/disk/disk.ts";
import { noise } from "../../support/contract.ts";

await loadModules({ core: "/build/core.wasm", media: "/build/media.wasm" });

test("a disk made in OPFS keeps its files over a reopen", async () => {
  expect(crossOriginIsolated).toBe(true);
  const device = await OpfsDevice.create("core.img", { size: "160MiB" });
  const disk = await createDiskOn(device, { layout: "capos" }, { owned: true });
  const content = noise(3_000_000, 1);
  await disk.fs?.promises.writeFile("/etc/large", content);
  await disk.close();
  const again = await OpfsDevice.open("core.img");
  const reopened = openDiskOn(again, {}, { owned: true });
  const found = (await reopened.fs?.promises.readFile("/etc/large")) as Uint8Array;
  expect(found.length).toBe(content.length);
  expect(found.every((byte, at) => byte === content[at])).toBe(true);
  await reopened.close();
  await removeOpfs("core.img");
});

test("files go in and out as a page has them, and encodings need no Buffer", async () => {
  const device = new MemoryDevice({ size: "16MiB" });
  const disk = await createDiskOn(device, { layout: "region" }, { owned: true });
  const { fs, store } = disk;
  if (fs === null || store === null) throw new Error("no filesystem or no store");
  const own = await navigator.storage.getDirectory();
  for (const root of [await fs.getDirectory(), own]) {
    // The same steps on a disk and on the page's own files.
    const folder = await root.getDirectoryHandle("folder", { create: true });
    const file = await folder.getFileHandle("file", { create: true });
    const stream = await file.createWritable();
    await stream.write("hello world");
    await stream.write({ type: "write", position: 6, data: "W" });
    await stream.truncate(8);
    await stream.write(new Blob(["!"]));
    await stream.close();
    const read = await file.getFile();
    expect([read.name, await read.text(), read instanceof File]).toEqual([
      "file",
      "hello W!",
      true,
    ]);
    const failing = [
      () => root.getFileHandle("none"),
      () => root.getFileHandle("folder"),
      () => folder.getDirectoryHandle("file"),
      () => root.removeEntry("folder"),
      () => root.getFileHandle("a/b"),
    ];
    const names: string[] = [];
    for (const act of failing) await act().catch(({ name }: Error) => names.push(name));
    expect(names).toEqual([
      ...["NotFoundError", "TypeMismatchError", "TypeMismatchError"],
      ...["InvalidModificationError", "TypeError"],
    ]);
    expect(await root.resolve(file)).toEqual(["folder", "file"]);
    await root.removeEntry("folder", { recursive: true });
  }
  expect("Buffer" in globalThis).toBe(false);
  await fs.promises.writeFile("/f", "68c3a9", "hex");
  expect(await fs.promises.readFile("/f", "utf8")).toBe("hé");
  expect(await fs.promises.readFile("/f", "base64")).toBe("aMOp");
  const hash = await store.putStream(new Blob(["object"]).stream());
  await store.getStream(hash).pipeTo(await fs.writeStream("/object"));
  expect(await fs.promises.readFile("/object", "utf8")).toBe("object");
  const handle = await fs.promises.open("/f");
  expect(() => handle.createReadStream()).toThrow(expect.objectContaining({ code: "EOPNOTSUPP" }));
  await handle.close();
  await disk.close();
});
