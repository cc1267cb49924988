/** What people write where a disk is meant. */
import * as fs from "node:fs";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { FileDevice } from "../../host/device/local/file.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { createDevice, openDevice, parseDiskName } from "../../host/system/disk/open.ts";
import { temporaryPaths } from "../support/folder.ts";

const fresh = temporaryPaths();

test("path:N names a partition, unless a file is called so", () => {
  expect(parseDiskName("disk.img:2")).toEqual({ path: "disk.img", partition: 2 });
  expect(parseDiskName("disk.img")).toEqual({ path: "disk.img" });
  expect(parseDiskName("mem:4096")).toEqual({ path: "mem:4096" });
  expect(parseDiskName("mem:64MiB:1")).toEqual({ path: "mem:64MiB", partition: 1 });
  const odd = fresh("odd:7");
  fs.writeFileSync(odd, "");
  expect(parseDiskName(odd)).toEqual({ path: odd });
  expect(() => parseDiskName("disk.img:0")).toThrow("EINVAL");
});

test("paths and file: URLs are files, mem: URLs are memory", () => {
  const path = fresh("a b.img");
  createDevice(path, { size: "1MiB" }).close();
  for (const name of [path, pathToFileURL(path), pathToFileURL(path).href]) {
    const device = openDevice(name);
    expect(device).toBeInstanceOf(FileDevice);
    expect(device.config.capacity).toBe(2048);
    device.close();
  }
  const memory = openDevice("mem:64MiB", { readOnly: true });
  expect(memory).toBeInstanceOf(MemoryDevice);
  expect(memory.config.capacity).toBe(131_072);
  expect(openDevice("mem:1MiB", { blkSize: 4096 }).config.blkSize).toBe(4096);
  const large = openDevice(path, { readOnly: true, blkSize: 4096 });
  expect(large.config.blkSize).toBe(4096);
  large.close();
  expect(createDevice("mem:", { size: "1MiB" }).config.capacity).toBe(2048);
});

test("a URL of another kind is refused by name, a missing file is ENOENT", () => {
  expect(() => openDevice("nbd+unix:///disk?socket=/x")).toThrow(/EINVAL.*nbd\+unix/);
  expect(() => openDevice(new URL("https://example.org/disk.img"))).toThrow(/EINVAL.*https/);
  expect(() => openDevice(fresh("absent.img"))).toThrow("ENOENT");
  expect(() => openDevice("mem:lots")).toThrow("EINVAL");
});
