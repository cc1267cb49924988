/** A disk whose region is a read-only image: files, no store, nothing to commit. */
import { expect, test } from "vitest";
import { buildImage } from "../../host/core/files.ts";
import { createGpt } from "../../host/core/gpt.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { openDisk } from "../../host/system/disk/named.ts";
import { freshCore } from "../support/core.ts";

const UUID = new Uint8Array(16).fill(7);

function imageDisk(first?: number[]): MemoryDevice {
  const device = new MemoryDevice({ size: "32MiB" });
  const core = freshCore();
  const id = core.attach(device);
  if (first !== undefined) {
    const entries = first.map((firstLba, index) => ({
      index: index + 1,
      type: "linux",
      firstLba,
      lastLba: firstLba + 2047,
      name: `part ${index + 1}`,
    }));
    createGpt(core, id, { entries });
  }
  for (const [index, baseSector] of (first ?? [0]).entries()) {
    const entries = [{ path: "etc/motd", content: `hello ${index + 1}` }];
    buildImage(core, id, entries, { uuid: UUID, baseSector });
  }
  return device;
}

test("an image at the start of a device is opened: files, no store, and sync does nothing", async () => {
  const device = imageDisk();
  const disk = await openDisk(device);
  expect([disk.store, disk.info]).toEqual([null, null]);
  expect(await disk.fs?.promises.readFile("/etc/motd", "utf8")).toBe("hello 1");
  await expect(disk.fs?.promises.writeFile("/etc/motd", "x")).rejects.toMatchObject({
    code: "EROFS",
  });
  await disk.sync();
  await disk.reopen();
  expect(await disk.fs?.promises.readFile("/etc/motd", "utf8")).toBe("hello 1");
  const { promises } = disk.fs as NonNullable<typeof disk.fs>;
  await disk.close();
  await disk.close();
  await expect(promises.readFile("/etc/motd")).rejects.toMatchObject({ code: "EBADF" });
  await expect(disk.sync()).rejects.toMatchObject({ code: "EBADF" });
});

test("promises is an own enumerable property, as plug-ins look for it", async () => {
  const disk = await openDisk(imageDisk());
  expect(Object.keys(disk.fs as object)).toContain("promises");
  await disk.close();
});

test("await using closes the disk, where the engine has it", async () => {
  const disk = await openDisk(imageDisk());
  // Node 20 has the symbol, not the syntax.
  expect(typeof Symbol.asyncDispose).toBe("symbol");
  await disk[Symbol.asyncDispose]();
  await expect(disk.sync()).rejects.toMatchObject({ code: "EBADF" });
});

test("the only partition with a region is found; of several one must be named", async () => {
  const disk = await openDisk(imageDisk([4096]));
  expect(await disk.fs?.promises.readFile("/etc/motd", "utf8")).toBe("hello 1");
  await disk.close();
  await expect(openDisk(imageDisk([4096, 8192]))).rejects.toThrow(/EINVAL.*partitions 1, 2/);
  await expect(openDisk(new MemoryDevice({ size: "1MiB" }))).rejects.toMatchObject({
    code: "ENOENT",
  });
});

test("an aborted signal stops opening and later calls with ECANCELED, but not close()", async () => {
  const controller = new AbortController();
  const disk = await openDisk(imageDisk(), { signal: controller.signal });
  controller.abort();
  await expect(disk.sync()).rejects.toMatchObject({ code: "ECANCELED" });
  await disk.close();
  const { signal } = controller;
  await expect(openDisk(imageDisk(), { signal })).rejects.toMatchObject({ code: "ECANCELED" });
});

test("a device of the caller's stays open when its disk is closed", async () => {
  const device = imageDisk();
  await (await openDisk(device)).close();
  const again = await openDisk(device);
  expect(await again.fs?.promises.readdir("/")).toEqual(["etc"]);
  await again.close();
});
