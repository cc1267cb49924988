/** The IndexedDB device: by journal in the page itself, by the bridge in a worker, and killed. */
import { expect, test } from "vitest";
import { RequestStatus, RequestType, request } from "../../host/device/device.ts";
import { IndexedDbDevice, removeIndexedDb } from "../../host/device/local/indexeddb.ts";
import { BridgeDevice, canBridge } from "../../host/device/wrap/bridge/client.ts";
import { JournalDevice } from "../../host/device/wrap/bridge/journal.ts";
import { serveDevice } from "../../host/device/wrap/bridge/servant.ts";
import { deviceContract, expectRefused, noise, read, run } from "../support/contract.ts";
import { testsOfWorker } from "./support/in-worker.ts";

const { OUT, FLUSH, IN } = RequestType;
let count = 0;

function fresh(): string {
  return `page-${count++}-${Math.random()}`;
}

deviceContract(
  "indexeddb by a journal",
  async ({ sizeBytes, blkSize, readOnly, content }) => {
    const name = fresh();
    const shape = { blkSize, serial: "IDB-1" };
    let disk = await IndexedDbDevice.create(name, { size: sizeBytes, ...shape });
    if (content.length > 0) {
      const batch = [request(OUT, 0, content), request(FLUSH, 0)];
      await disk.submit(batch);
      expect(batch.map(({ status }) => status)).toEqual([0, 0]);
    }
    if (readOnly) {
      await disk.close();
      disk = await IndexedDbDevice.open(name, { ...shape, readOnly });
    }
    const device = await JournalDevice.open(disk);
    const reopen = async () => {
      await device.settled();
      return JournalDevice.open(await IndexedDbDevice.open(name, shape));
    };
    return { device, reopen, dispose: () => device.settled().then(() => removeIndexedDb(name)) };
  },
  { sizeMax: 2 ** 40, runs: 10 },
);

test("a page may serve a bridge, but not wait on one: EOPNOTSUPP, and the journal is there", async () => {
  const name = fresh();
  const disk = await IndexedDbDevice.create(name, { size: "1MiB" });
  const { end, closed, cancel } = serveDevice(disk);
  expect(canBridge()).toBe(false);
  expect(() => new BridgeDevice(end)).toThrow(expect.objectContaining({ code: "EOPNOTSUPP" }));
  cancel();
  await closed;
  await removeIndexedDb(name);
});

test("refused by code: no such disk, one that exists, a second writer; readers are let in", async () => {
  const name = fresh();
  await expect(IndexedDbDevice.open(name)).rejects.toMatchObject({ code: "ENOENT", path: name });
  const disk = await IndexedDbDevice.create(name, { size: "1MiB" });
  await expect(IndexedDbDevice.open(name, { waitMs: 50 })).rejects.toMatchObject({ code: "EBUSY" });
  const reader = await IndexedDbDevice.open(name, { readOnly: true });
  await reader.close();
  await disk.close();
  await expect(IndexedDbDevice.create(name, { size: "1MiB" })).rejects.toMatchObject({
    code: "EEXIST",
  });
  const signal = AbortSignal.abort();
  await expect(IndexedDbDevice.open(name, { signal })).rejects.toMatchObject({ code: "ECANCELED" });
  const grown = await IndexedDbDevice.open(name, { growTo: "2MiB" });
  expect(grown.config.capacity).toBe(4096);
  await grown.close();
  await removeIndexedDb(name);
});

test("a disk that is removed behind the device's back is ESTALE, and nothing is believed", async () => {
  const name = fresh();
  const disk = await IndexedDbDevice.create(name, { size: "1MiB" });
  const device = await JournalDevice.open(disk);
  run(device, request(OUT, 0, noise(512, 1)), request(FLUSH, 0));
  await device.settled();
  await removeIndexedDb(name);
  run(device, request(OUT, 8, noise(512, 2)), request(FLUSH, 0));
  await expect(device.settled()).rejects.toMatchObject({ code: "ESTALE" });
  const late = request(FLUSH, 0);
  expectRefused(device, late, RequestStatus.IOERR, "FLUSH");
  expect(late.cause).toMatchObject({ code: "ESTALE", path: name });
  expect(read(device, 8, 512)).toEqual(noise(512, 2));
  device.close();
});

test("a worker killed while it writes leaves the disk as one of its FLUSHes did", async () => {
  const name = fresh();
  const disk = await IndexedDbDevice.create(name, { size: "4MiB" });
  await disk.close();
  const stamps: number[] = [];
  for (let round = 0; round < 6; round++) {
    const worker = new Worker(new URL("./indexeddb-kill.worker.ts", import.meta.url), {
      type: "module",
    });
    await new Promise((resolve) => {
      worker.onmessage = resolve;
      worker.postMessage(name);
    });
    await new Promise((resolve) => setTimeout(resolve, 7 * round));
    worker.terminate();
    const after = await IndexedDbDevice.open(name, { waitMs: 10_000 });
    const asked = request(IN, 0, new Uint8Array(2 ** 22));
    await after.submit([asked]);
    await after.close();
    const words = new Uint32Array(asked.data.buffer);
    expect(words.every((word) => word === words[0])).toBe(true);
    stamps.push(words[0] as number);
  }
  // It went on from where it was, and never back.
  expect(stamps).toEqual([...stamps].sort((left, right) => left - right));
  expect(stamps.at(-1)).toBeGreaterThan(stamps[0] as number);
  await removeIndexedDb(name);
});

await testsOfWorker(
  new Worker(new URL("./indexeddb.worker.ts", import.meta.url), { type: "module" }),
);
