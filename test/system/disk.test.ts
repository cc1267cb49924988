/** A disk as one object: durability modes, shared commits, failing devices, closing. */
import * as fs from "node:fs";
import { expect, test } from "vitest";
import { RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import type { CreateDiskOptions, Disk } from "../../host/system/disk/disk.ts";
import { createDisk, openDisk } from "../../host/system/disk/named.ts";
import type { DiskStore } from "../../host/system/disk/store.ts";
import { expectBytes, noise } from "../support/contract.ts";
import { temporaryPaths } from "../support/folder.ts";

const { FLUSH } = RequestType;
const fresh = temporaryPaths();

interface Fixture {
  readonly disk: Disk;
  readonly trace: TraceDevice;
  readonly store: DiskStore;
}

async function fixture(options: CreateDiskOptions = {}): Promise<Fixture> {
  const trace = new TraceDevice(new MemoryDevice({ size: "32MiB" }));
  const disk = await createDisk(trace, { layout: "region", ...options });
  return { trace, ...parts(disk) };
}

function parts(disk: Disk) {
  const { store } = disk;
  if (store === null) throw new Error("no store");
  return { disk, store };
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "OK",
    (error: { code?: unknown }) => error.code,
  );

test("64 concurrent puts in mode each share a commit: a handful of flushes, not 128", async () => {
  const { disk, trace, store } = await fixture({ durability: "each" });
  await store.put(noise(100, 999));
  trace.reset();
  const hashes = await Promise.all(
    Array.from({ length: 64 }, (_, index) => store.put(noise(4096, index))),
  );
  expect(trace.counts.flushes).toBeLessThanOrEqual(2);
  expect(trace.counts.flushes).toBeGreaterThan(0);
  const copy = parts(await openDisk((trace.base as MemoryDevice).clone()));
  for (const [index, hash] of hashes.entries()) {
    expectBytes(await copy.store.get(hash), noise(4096, index));
  }
  await copy.disk.close();
  await disk.close();
});

test("each answered change of mode each survives the loss of the process", async () => {
  const { disk, trace, store } = await fixture({ durability: "each" });
  const hash = await store.put(noise(777, 5));
  await store.pin(hash);
  await store.putMany([noise(10, 1), noise(20, 2)]);
  const copy = parts(await openDisk((trace.base as MemoryDevice).clone()));
  expect(await copy.store.has(hash)).toBe(true);
  expect(await copy.store.unpin(hash)).toBe(0);
  expect((await copy.store.stat()).objects).toBe(3);
  await copy.disk.close();
  await disk.close();
});

test("mode batch sends no flush for a put, and commits by itself 50 ms after the last", async () => {
  const { disk, trace, store } = await fixture();
  // The first change of a session claims the region, with flushes of its own.
  await store.put(noise(10, 9));
  await disk.sync();
  await new Promise((resolve) => setTimeout(resolve, 120));
  trace.reset();
  const hash = await store.put(noise(4096, 1));
  expect(await store.get(hash)).toEqual(noise(4096, 1));
  expect(trace.counts.flushes).toBe(0);
  await until(() => trace.counts.flushes >= 2);
  const copy = parts(await openDisk((trace.base as MemoryDevice).clone()));
  expect(await copy.store.has(hash)).toBe(true);
  await copy.disk.close();
  await disk.close();
});

test("mode none never flushes, and a closed disk still opens", async () => {
  const device = new MemoryDevice({ size: "32MiB" });
  await (await createDisk(device, { layout: "region" })).close();
  const trace = new TraceDevice(device);
  const disk = parts(await openDisk(trace, { durability: "none" }));
  const hash = await disk.store.put(noise(50_000, 1));
  await disk.disk.sync();
  await disk.disk.close();
  expect(trace.counts.flushes).toBe(0);
  const again = parts(await openDisk(device));
  expect(await again.store.has(hash)).toBe(true);
  await again.disk.close();
});

test("close() settles what still waits, and everything after it is EBADF", async () => {
  const { disk, trace, store } = await fixture({ durability: "each" });
  const puts = Array.from({ length: 8 }, (_, index) => store.put(noise(4096, index)));
  const closed = disk.close();
  const hashes = await Promise.all(puts);
  await closed;
  expect(await codeOf(store.put(noise(1, 1)))).toBe("EBADF");
  expect(await codeOf(disk.sync())).toBe("EBADF");
  const copy = parts(await openDisk(trace.base));
  for (const hash of hashes) expect(await copy.store.has(hash)).toBe(true);
  await copy.disk.close();
});

test("a failing commit rejects all who shared it, later calls are ESTALE until reopen()", async () => {
  const { disk, trace, store } = await fixture({ durability: "each" });
  const kept = await store.put(noise(4096, 1));
  const epoch = disk.info?.storeEpoch;
  trace.inject({ on: FLUSH });
  const lost = [2, 3, 4].map((seed) => store.put(noise(4096, seed)));
  const errors = await Promise.all(lost.map((put) => put.catch((error) => error)));
  expect(errors.map(({ code }) => code)).toEqual(["EIO", "EIO", "EIO"]);
  expect(errors[0].cause).toBeInstanceOf(Error);
  expect(errors.map(({ lostSince }) => lostSince)).toEqual([epoch, epoch, epoch]);
  const later = store.put(noise(4096, 5));
  await expect(later).rejects.toMatchObject({ code: "ESTALE", lostSince: epoch });
  await disk.reopen();
  const again = parts(disk);
  expect(await again.store.has(kept)).toBe(true);
  const hash = await again.store.put(noise(4096, 2));
  await disk.close();
  const copy = parts(await openDisk(trace.base));
  expect(await copy.store.get(hash)).toEqual(noise(4096, 2));
  expect(await copy.store.get(kept)).toEqual(noise(4096, 1));
  await copy.disk.close();
});

test("objects stream in and out without being whole in memory", async () => {
  const { disk, store } = await fixture();
  const pieces = Array.from({ length: 40 }, (_, index) => noise(65_537, index));
  async function* slowly() {
    for (const piece of pieces) {
      await store.put(piece.subarray(0, 100));
      yield piece;
    }
  }
  const hash = await store.putStream(slowly());
  const whole = Buffer.concat(pieces);
  expect(await store.length(hash)).toBe(whole.length);
  const got: Uint8Array[] = [];
  for await (const piece of store.readStream(hash)) got.push(piece.slice());
  expect(Buffer.concat(got).equals(whole)).toBe(true);
  const count: string[] = [];
  for await (const entry of store) count.push(`${entry.length}`);
  expect(count.length).toBe(41);
  await disk.close();
});

test("wrong arguments and too small disks are told before anything is written", async () => {
  const device = new MemoryDevice({ size: "16MiB" });
  await expect(createDisk(device, { layout: "capos" })).rejects.toMatchObject({ code: "ENOSPC" });
  expect(device.allocatedBytes).toBe(0);
  const layout = "rayos-huge" as "capos";
  await expect(createDisk(device, { layout })).rejects.toMatchObject({ code: "EINVAL" });
  const path = fresh("small.img");
  await expect(createDisk(path)).rejects.toThrow(/EINVAL.*needs a size/);
  await expect(createDisk(path, { size: "1MiB" })).rejects.toMatchObject({
    code: "ENOSPC",
  });
  expect(fs.existsSync(path)).toBe(false);
  expect(fs.existsSync(`${path}.lock`)).toBe(false);
});

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; waited < 5000 && !condition(); waited += 10) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(condition()).toBe(true);
}
