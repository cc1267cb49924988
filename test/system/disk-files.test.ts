/** A disk's filesystem: promises that keep the disk's durability, beside its store. */
import * as fs from "node:fs";
import { expect, test } from "vitest";
import { RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import type { CreateDiskOptions, Disk } from "../../host/system/disk/disk.ts";
import type { DiskFiles } from "../../host/system/disk/files.ts";
import { createDisk, openDisk } from "../../host/system/disk/named.ts";
import type { DiskStore } from "../../host/system/disk/store.ts";
import { noise } from "../support/contract.ts";
import { temporaryPaths } from "../support/folder.ts";

const { OUT } = RequestType;
const fresh = temporaryPaths();

interface Fixture {
  readonly disk: Disk;
  readonly trace: TraceDevice;
  readonly store: DiskStore;
  readonly files: DiskFiles["promises"];
}

async function fixture(options: CreateDiskOptions = {}): Promise<Fixture> {
  const trace = new TraceDevice(new MemoryDevice({ size: "32MiB" }));
  const disk = await createDisk(trace, { layout: "region", ...options });
  return { trace, ...parts(disk) };
}

function parts(disk: Disk) {
  const { store, fs: files } = disk;
  if (store === null || files === null) throw new Error("no store or no filesystem");
  return { disk, store, files: files.promises };
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "OK",
    (error: { code?: unknown }) => error.code,
  );

test("a disk on a file keeps objects and files from one open to the next", async () => {
  const path = fresh("disk.img");
  const disk = parts(await createDisk(path, { size: "256MiB", layout: "capos" }));
  const hash = await disk.store.put(noise(5000, 1));
  await disk.store.commit();
  await disk.files.writeFile("/system/config/motd", "hello");
  await disk.disk.sync();
  await disk.disk.close();
  expect(fs.existsSync(`${path}.lock`)).toBe(false);
  for (const name of [path, `${path}:2`]) {
    const again = parts(await openDisk(name, { readOnly: true }));
    expect(await again.store.get(hash)).toEqual(noise(5000, 1));
    expect(await again.files.readFile("/system/config/motd", "utf8")).toBe("hello");
    expect(await again.files.readdir("/")).toEqual(["etc", "system"]);
    expect(await codeOf(again.store.put(noise(9, 9)))).toBe("EROFS");
    await again.disk.sync();
    await again.disk.close();
  }
  await expect(openDisk(`${path}:1`)).rejects.toThrow();
  await expect(openDisk(`${path}:7`)).rejects.toMatchObject({ code: "ENOENT" });
  await expect(createDisk(path, { size: "256MiB" })).rejects.toMatchObject({ code: "EEXIST" });
});

test("concurrent syncs share their commits", async () => {
  const { disk, trace, store, files } = await fixture();
  await store.put(noise(10, 1));
  await files.writeFile("/f", "x");
  await disk.sync();
  await store.put(noise(10, 2));
  await files.writeFile("/f", "y");
  trace.reset();
  await Promise.all(Array.from({ length: 32 }, () => disk.sync()));
  expect(trace.counts.flushes).toBeLessThanOrEqual(4);
  expect(trace.counts.flushes).toBeGreaterThan(0);
  await disk.close();
});

test("a background commit that fails is told to the next sync", async () => {
  const { disk, trace, files } = await fixture();
  await files.writeFile("/kept", "1");
  await disk.sync();
  await files.writeFile("/lost", "2");
  trace.inject({ on: OUT, times: Number.POSITIVE_INFINITY });
  await until(() => trace.counts.failures > 0);
  expect(await codeOf(disk.sync())).toBe("EIO");
  trace.clear();
  await disk.reopen();
  expect(await parts(disk).files.readdir("/")).toEqual(["kept"]);
  await disk.close();
});

test("a failing commit rejects all writes that shared it, then ESTALE until reopen()", async () => {
  const { disk, trace, files } = await fixture({ durability: "each" });
  await files.writeFile("/kept", "1");
  const lostSince = disk.info?.filesEpoch;
  // The first flush covers the pages: when it fails, the batch is thrown away.
  trace.inject({ on: RequestType.FLUSH });
  const writes = ["/a", "/b"].map((path) => files.writeFile(path, "2").catch((error) => error));
  const errors = await Promise.all(writes);
  expect(errors.map(({ code }) => code)).toEqual(["EIO", "EIO"]);
  expect(errors.map((error) => error.lostSince)).toEqual([lostSince, lostSince]);
  await expect(files.writeFile("/c", "3")).rejects.toMatchObject({ code: "ESTALE" });
  await disk.reopen();
  const again = parts(disk).files;
  expect(await again.readdir("/")).toEqual(["kept"]);
  await again.writeFile("/c", "3");
  await disk.close();
  const copy = parts(await openDisk(trace.base));
  expect(await copy.files.readdir("/")).toEqual(["c", "kept"]);
  await copy.disk.close();
});

test("each answered change of files survives the loss of the process in mode each", async () => {
  const { disk, trace, files } = await fixture({ durability: "each" });
  await files.mkdir("/a/b", { recursive: true });
  await files.writeFile("/a/b/one", "1");
  await files.rename("/a/b/one", "/a/two");
  const handle = await files.open("/a/two", "a");
  await handle.write("2");
  const copy = parts(await openDisk((trace.base as MemoryDevice).clone()));
  expect(await copy.files.readFile("/a/two", "utf8")).toBe("12");
  expect(await copy.files.readdir("/a")).toEqual(["b", "two"]);
  await copy.disk.close();
  await handle.close();
  await disk.close();
});

test("64 concurrent writes in mode each share their commits", async () => {
  const { disk, trace, files } = await fixture({ durability: "each" });
  await files.writeFile("/first", "");
  trace.reset();
  const names = Array.from({ length: 64 }, (_, index) => `/f${index}`);
  await Promise.all(names.map((name) => files.writeFile(name, name)));
  expect(trace.counts.flushes).toBeGreaterThan(0);
  expect(trace.counts.flushes).toBeLessThanOrEqual(4);
  expect((await files.readdir("/")).length).toBe(65);
  await disk.close();
});

test("close() settles file changes that wait, and later calls are EBADF", async () => {
  const { disk, trace, files } = await fixture({ durability: "each" });
  const write = files.writeFile("/late", "text");
  const closed = disk.close();
  await Promise.all([write, closed]);
  expect(await codeOf(files.readFile("/late"))).toBe("EBADF");
  const copy = parts(await openDisk(trace.base));
  expect(await copy.files.readFile("/late", "utf8")).toBe("text");
  await copy.disk.close();
});

test("sync() of a file handle makes the file durable in mode batch", async () => {
  const { disk, trace, files } = await fixture();
  const handle = await files.open("/f", "w");
  await handle.writeFile("durable");
  await handle.sync();
  const copy = parts(await openDisk((trace.base as MemoryDevice).clone()));
  expect(await copy.files.readFile("/f", "utf8")).toBe("durable");
  await copy.disk.close();
  await handle.close();
  await disk.close();
});

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; waited < 5000 && !condition(); waited += 10) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(condition()).toBe(true);
}
