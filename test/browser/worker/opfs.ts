/** The OPFS device: the contract on real files, sizes, locks, and what is refused. */
import { afterAll, expect, test, vi } from "vitest";
import { RequestType, request } from "../../../host/device/device.ts";
import { lockName } from "../../../host/device/local/locks.ts";
import { OpfsDevice, opfsExists, removeOpfs } from "../../../host/device/local/opfs.ts";
import { writeSectors } from "../../../host/device/sectors.ts";
import { deviceContract, expectBytes, noise, read, run } from "../../support/contract.ts";

const { OUT, FLUSH, WRITE_ZEROES } = RequestType;
const FOLDER = `test-${Math.random()}`;
let count = 0;

function fresh(): string {
  return `${FOLDER}/${count++}.img`;
}

afterAll(async () => {
  const root = await navigator.storage.getDirectory();
  await root.removeEntry(FOLDER, { recursive: true });
});

deviceContract(
  "opfs",
  async ({ sizeBytes, blkSize, readOnly, content }) => {
    const path = fresh();
    const shape = { blkSize, serial: "OPFS-1" };
    let device = await OpfsDevice.create(path, { size: sizeBytes, ...shape });
    if (content.length > 0) writeSectors(device, 0, content);
    if (readOnly) {
      device.close();
      device = await OpfsDevice.open(path, { ...shape, readOnly });
    }
    return {
      device,
      reopen: () => OpfsDevice.open(path, shape),
      dispose: () => removeOpfs(path),
    };
  },
  { sizeMax: 2 ** 33, runs: 10 },
);

test("a sparse file of 5 GiB keeps places beyond 4 GiB apart and grows without losing them", async () => {
  const path = fresh();
  const device = await OpfsDevice.create(path, { size: "5GiB" });
  const sectors = [0, 2 ** 23 - 8, 2 ** 23, 2 ** 23 + 8, device.config.capacity - 8];
  for (const [index, sector] of sectors.entries()) {
    run(device, request(OUT, sector, noise(4096, index)));
  }
  run(device, request(WRITE_ZEROES, 2 ** 22, undefined, 2 ** 18), request(FLUSH, 0));
  device.close();
  const grown = await OpfsDevice.open(path, { growTo: "6GiB" });
  expect(grown.config.capacity).toBe((6 * 2 ** 30) / 512);
  for (const [index, sector] of sectors.entries()) {
    expect(read(grown, sector, 4096)).toEqual(noise(4096, index));
  }
  expect(read(grown, grown.config.capacity - 8, 4096)).toEqual(new Uint8Array(4096));
  grown.close();
  const same = await OpfsDevice.open(path, { growTo: "1GiB" });
  expect(same.config.capacity).toBe(grown.config.capacity);
  same.close();
  await removeOpfs(path);
});

test("a second writer is EBUSY with a sentence, a reader is let in, close() frees the name", async () => {
  const path = fresh();
  const first = await OpfsDevice.create(path, { size: "1MiB" });
  run(first, request(OUT, 0, noise(512, 1)), request(FLUSH, 0));
  await expect(OpfsDevice.open(path, { waitMs: 50 })).rejects.toMatchObject({
    code: "EBUSY",
    path,
    message: expect.stringMatching(/open for writing in another tab or worker.*open it read-only/),
  });
  const reader = await OpfsDevice.open(path, { readOnly: true });
  expect(read(reader, 0, 512)).toEqual(noise(512, 1));
  reader.close();
  const waiting = OpfsDevice.open(path, { waitMs: 5000 });
  first.close();
  const second = await waiting;
  expect(read(second, 0, 512)).toEqual(noise(512, 1));
  second.close();
});

test("a file has one lock and one end, however its path is said and from whichever folder", async () => {
  const path = fresh();
  const storage = await navigator.storage.getDirectory();
  const root = await storage.getDirectoryHandle(FOLDER, { create: true });
  const name = path.slice(FOLDER.length + 1);
  const first = await OpfsDevice.create(name, { size: "64MiB", root });
  for (const other of [path, `/${path}`, `${FOLDER}//${name}/`]) {
    await expect(OpfsDevice.open(other, { waitMs: 0 }), other).rejects.toMatchObject({
      code: "EBUSY",
      path: other,
    });
  }
  for (let mib = 0; mib < 8; mib++) run(first, request(OUT, mib * 2048, MIB));
  first.close();
  await removeOpfs(`/${path}`);
  expect(await opfsExists(path)).toBe(false);
});

test("a name that becomes free is had, however late this thread learns of it", async () => {
  const name = fresh();
  for (let round = 0; round < 100; round++) {
    const first = await lockName(name);
    const waiting = lockName(name, { waitMs: 1 + (round % 5) });
    first?.release();
    const end = performance.now() + (round % 10);
    while (performance.now() < end);
    (await waiting)?.release();
  }
  await expect(lockName(name, { waitMs: 0 })).resolves.toBeDefined();
});

/** Resolves once somebody waits for the lock of `path`. */
async function waitedFor(path: string): Promise<void> {
  for (;;) {
    const { pending = [] } = await navigator.locks.query();
    if (pending.some(({ name }) => name === `diskwright:${path}`)) return;
  }
}

test("a file that came while its name was waited for is neither emptied nor removed", async () => {
  const path = fresh();
  const held = await lockName(path);
  const making = OpfsDevice.create(path, { size: "1MiB" });
  const refused = expect(making).rejects.toMatchObject({ code: "EEXIST", path });
  await waitedFor(path);
  const other = await OpfsDevice.create(path, { size: "2MiB", lock: false });
  run(other, request(OUT, 0, noise(512, 1)), request(FLUSH, 0));
  other.close();
  held?.release();
  await refused;
  const found = await OpfsDevice.open(path);
  expect(found.config.capacity).toBe(4096);
  expect(read(found, 0, 512)).toEqual(noise(512, 1));
  found.close();
});

test("a file that came while its name was waited for stays where overwriting it fails", async () => {
  const path = fresh();
  const held = await lockName(path);
  const making = OpfsDevice.create(path, { size: "4096TiB", overwrite: true });
  const refused = expect(making).rejects.toMatchObject({ code: "ENOSPC", path });
  await waitedFor(path);
  (await OpfsDevice.create(path, { size: "1MiB", lock: false })).close();
  held?.release();
  await refused;
  expect(await opfsExists(path)).toBe(true);
});

test("a file that something else holds is EBUSY, and the lock is free again", async () => {
  const path = fresh();
  (await OpfsDevice.create(path, { size: "1MiB" })).close();
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle(FOLDER);
  const handle = (await folder.getFileHandle(path.split("/")[1] as string)) as unknown as {
    createSyncAccessHandle(): Promise<{ close(): void }>;
  };
  const other = await handle.createSyncAccessHandle();
  await expect(OpfsDevice.open(path)).rejects.toMatchObject({ code: "EBUSY", path });
  other.close();
  (await OpfsDevice.open(path)).close();
});

test("what does not exist, exists already, or is no name is refused by its code", async () => {
  const path = fresh();
  await expect(OpfsDevice.open(path)).rejects.toMatchObject({ code: "ENOENT", path });
  const made = await OpfsDevice.create(path, { size: "1MiB" });
  made.close();
  await expect(OpfsDevice.create(path, { size: "1MiB" })).rejects.toMatchObject({ code: "EEXIST" });
  await expect(OpfsDevice.open(FOLDER)).rejects.toMatchObject({ code: "EISDIR" });
  await expect(OpfsDevice.open(`${path}/below`)).rejects.toMatchObject({ code: "EISDIR" });
  for (const bad of ["", "/", "../up", "a/.."]) {
    await expect(OpfsDevice.open(bad), bad).rejects.toMatchObject({ code: "EINVAL" });
  }
  await expect(OpfsDevice.create(fresh(), { size: "1.5KiB", blkSize: 4096 })).rejects.toMatchObject(
    {
      code: "EINVAL",
    },
  );
  const signal = AbortSignal.abort(new Error("changed my mind"));
  await expect(OpfsDevice.open(path, { signal })).rejects.toMatchObject({ code: "ECANCELED" });
  await removeOpfs(path);
  await expect(removeOpfs(path)).rejects.toMatchObject({ code: "ENOENT" });
});

test("a size beyond what the browser grants is ENOSPC with its figures, and leaves no file", async () => {
  const path = fresh();
  await expect(OpfsDevice.create(path, { size: "4096TiB" })).rejects.toMatchObject({
    code: "ENOSPC",
    path,
    message: expect.stringMatching(/no room in this browser's storage: .* of .* were in use/),
  });
  expect(await opfsExists(path)).toBe(false);
});

/** What is asked of the thread that writes out, from here on. */
function askedOfThread() {
  return vi.spyOn(Worker.prototype, "postMessage");
}

function actsOf(spy: ReturnType<typeof askedOfThread>): string[] {
  return spy.mock.calls.map(([message]) => (message as { act?: string }).act ?? "");
}

const MIB = noise(1 << 20, 7);

test("a large file is written out while it is written, and its name is free once close() is over", async () => {
  const spy = askedOfThread();
  const path = fresh();
  const device = await OpfsDevice.create(path, { size: "64MiB" });
  for (let mib = 0; mib < 20; mib++) run(device, request(OUT, mib * 2048, MIB));
  run(device, request(FLUSH, 0));
  expect(actsOf(spy)).toEqual(["open", "flush", "flush"]);
  for (let mib = 20; mib < 27; mib++) run(device, request(OUT, mib * 2048, MIB));
  run(device, request(FLUSH, 0));
  expect(actsOf(spy), "8 MiB since a FLUSH").toHaveLength(3);
  device.close();
  expect(actsOf(spy).at(-1)).toBe("end");
  const again = await OpfsDevice.open(path);
  for (let mib = 0; mib < 27; mib++) expectBytes(read(again, mib * 2048, 1 << 20), MIB);
  for (let mib = 0; mib < 8; mib++) run(again, request(OUT, mib * 2048, MIB));
  again.close();
  await removeOpfs(path);
  expect(await opfsExists(path)).toBe(false);
  spy.mockRestore();
});

test("a small file, and one that is only read, has no such thread", async () => {
  const spy = askedOfThread();
  const path = fresh();
  const device = await OpfsDevice.create(path, { size: "63MiB" });
  for (let mib = 0; mib < 16; mib++) run(device, request(OUT, mib * 2048, MIB));
  device.close();
  const large = fresh();
  (await OpfsDevice.create(large, { size: "64MiB" })).close();
  const reader = await OpfsDevice.open(large, { readOnly: true });
  for (let mib = 0; mib < 16; mib++) read(reader, mib * 2048, 1 << 20);
  reader.close();
  expect(actsOf(spy)).toEqual([]);
  spy.mockRestore();
});
