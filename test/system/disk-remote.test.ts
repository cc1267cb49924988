/** A disk behind a MessagePort has the surface, the answers and the errors of one in this thread. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { createDiskOn, type Disk, openDiskOn } from "../../host/system/disk/disk.ts";
import {
  type AsyncDisk,
  connectDisk,
  type RemoteDisk,
  serveDisk,
} from "../../host/system/disk/remote/disk.ts";
import { noise } from "../support/contract.ts";

let local: Disk;
let remote: RemoteDisk;
let ports: MessageChannel;

beforeEach(async () => {
  const make = () =>
    createDiskOn(new MemoryDevice({ size: "64MiB" }), { layout: "region" }, { owned: true });
  local = await make();
  ports = new MessageChannel();
  serveDisk(ports.port1, async () => ({ disk: await make() }));
  remote = await connectDisk(ports.port2, undefined, { ended: () => ports.port2.close() });
});

afterEach(async () => {
  await Promise.all([local.close(), remote.close()]);
  ports.port1.close();
});

/** Runs `use` on both and expects one outcome, whatever it is; answers it. */
async function same(use: (disk: AsyncDisk) => Promise<unknown>): Promise<unknown> {
  const outcome = async (disk: AsyncDisk) => {
    try {
      const value = await use(disk);
      // No class of Node's travels.
      return { value: Buffer.isBuffer(value) ? new Uint8Array(value) : value };
    } catch (error) {
      const { name, message, code, errno, syscall, path } = error as NodeJS.ErrnoException;
      return { error: { name, message, code, errno, syscall, path } };
    }
  };
  const [here, there] = [await outcome(local), await outcome(remote)];
  expect(there).toEqual(here);
  return here.value ?? here.error;
}

function fsOf(disk: AsyncDisk) {
  if (disk.fs === null) throw new Error("no filesystem");
  return disk.fs.promises;
}

function storeOf(disk: AsyncDisk) {
  if (disk.store === null) throw new Error("no store");
  return disk.store;
}

test("files are written, read and listed; entries are entries", async () => {
  await same((disk) => fsOf(disk).mkdir("/a/b", { recursive: true }));
  await same((disk) => fsOf(disk).writeFile("/a/file", "héllo"));
  await same((disk) => fsOf(disk).writeFile(new URL("file:///a/b/c"), noise(70_000, 70_000)));
  expect(await same((disk) => fsOf(disk).readFile("/a/file", "utf8"))).toBe("héllo");
  await same((disk) => fsOf(disk).readFile("/a/b/c"));
  const kinds = await same(async (disk) => {
    const entries = await fsOf(disk).readdir("/a", { withFileTypes: true });
    return entries.map((entry) => [entry.name, entry.isFile(), entry.isDirectory(), entry.path]);
  });
  expect(kinds).toEqual([
    ["b", false, true, "/a"],
    ["file", true, false, "/a"],
  ]);
});

test("Stats have their methods and dates, as numbers or bigints", async () => {
  await same((disk) => fsOf(disk).writeFile("/f", "x"));
  await same((disk) => fsOf(disk).utimes("/f", 5, 7.5));
  const seen = await same(async (disk) => {
    const stats = await fsOf(disk).stat("/f");
    const big = await fsOf(disk).stat("/f", { bigint: true });
    return [stats.isFile(), stats.mtime.getTime(), stats.size, big.mtimeNs, big.isDirectory()];
  });
  expect(seen).toEqual([true, 7500, 1, 7_500_000_000n, false]);
});

test.each([
  ["ENOENT", (disk: AsyncDisk) => fsOf(disk).readFile("/none")],
  ["EEXIST", (disk: AsyncDisk) => fsOf(disk).mkdir("/")],
  ["EINVAL", (disk: AsyncDisk) => fsOf(disk).open("/x", "q")],
  ["ENOENT", (disk: AsyncDisk) => storeOf(disk).get("00".repeat(32))],
  ["EINVAL", (disk: AsyncDisk) => storeOf(disk).get("zz")],
])("%s is the same error, field by field", async (code, use) => {
  expect(await same(use)).toMatchObject({ code, name: "StorageError" });
});

test("an open file keeps its place; read() fills the caller's own buffer and answers it", async () => {
  const seen = await same(async (disk) => {
    const file = await fsOf(disk).open("/f", "w+");
    const written = await file.write(new Uint8Array([1, 2, 3, 4, 5]));
    // In the middle of a larger one: what is around it stays.
    const all = new Uint8Array(9).fill(9);
    const into = all.subarray(2, 6);
    const { bytesRead, buffer } = await file.read(into, 1, 3, 1);
    const size = (await file.stat()).size;
    const text = await fsOf(disk).readFile(file as never);
    await file.close();
    const late = await file.read(into).then(String, (error) => error.code);
    return [written.bytesWritten, bytesRead, buffer === into, [...all], size, text.length, late];
  });
  expect(seen).toEqual([5, 3, true, [9, 9, 9, 2, 3, 4, 9, 9, 9], 5, 0, "EBADF"]);
});

test("reads at once into parts of one buffer each leave what the others have read", async () => {
  const seen = await same(async (disk) => {
    await fsOf(disk).writeFile("/f", noise(24, 24));
    const file = await fsOf(disk).open("/f", "r");
    const all = new Uint8Array(32);
    const words = new Uint32Array(all.buffer, 4, 6);
    const counts = await Promise.all([
      file.read(all, 0, 4, 0),
      file.read(words, 4, 4, 8),
      file.read(all, { offset: 12, length: 4, position: 12 }),
      file.read({ buffer: all, offset: 16, length: 8, position: 16 }),
      file.readv([all.subarray(24, 25), all.subarray(25, 32)], 20),
      file.read(all, 4, 4, 4),
    ]);
    await file.close();
    return [counts.map(({ bytesRead }) => bytesRead), [...all]];
  });
  const content = [...noise(24, 24)];
  expect(seen).toEqual([
    [4, 4, 4, 8, 4, 4],
    [...content, ...content.slice(20), 0, 0, 0, 0],
  ]);
});

test("a part that leaves its buffer is refused, and the buffer stays as it was", async () => {
  await same(async (disk) => {
    await fsOf(disk).writeFile("/f", noise(24, 24));
    const file = await fsOf(disk).open("/f", "r");
    const all = new Uint8Array(8);
    const codes: string[] = [];
    for (const [offset, length] of [
      [-4, 4],
      [6, 4],
      [9, 1],
      [0.5, 1],
    ]) {
      await file.read(all, offset, length, 0).catch(({ code }) => codes.push(code));
    }
    await file.close();
    return [codes, [...all]];
  });
});

describe("the store", () => {
  test("puts, gets, streams and lists objects", async () => {
    const hash = (await same((disk) => storeOf(disk).put(noise(5000, 5000)))) as Uint8Array;
    await same((disk) => storeOf(disk).putMany([noise(10, 10), noise(20, 20)]));
    await same((disk) => storeOf(disk).get(hash));
    await same(async (disk) => {
      const into = new Uint8Array(100);
      return [await storeOf(disk).readInto(hash, into, 4950), into];
    });
    await same(async (disk) => {
      const pieces: number[] = [];
      for await (const piece of storeOf(disk).readStream(hash)) pieces.push(piece.length);
      return pieces;
    });
    await same(async (disk) => {
      const hashes: string[] = [];
      for await (const entry of storeOf(disk)) hashes.push(`${entry.hash} ${entry.length}`);
      for await (const entry of storeOf(disk).list({ limit: 1 })) hashes.push(`${entry.hash}`);
      return hashes;
    });
    await same((disk) => storeOf(disk).verify());
  });

  test("takes a stream of the caller's, and fails with the caller's own error", async () => {
    async function* source(fail: boolean) {
      yield noise(3000, 3000);
      if (fail) throw new RangeError("the source has failed");
      yield noise(10, 10);
    }
    await same((disk) => storeOf(disk).putStream(source(false)));
    const failed = storeOf(remote).putStream(source(true));
    await expect(failed).rejects.toThrow("the source has failed");
    expect(await same((disk) => storeOf(disk).stat())).toMatchObject({ objects: 1 });
  });

  test("a list that is left early is ended at the other end, too", async () => {
    await same((disk) => storeOf(disk).putMany([noise(1, 1), noise(2, 2), noise(3, 3)]));
    await same(async (disk) => {
      for await (const { length } of storeOf(disk).list()) return length;
      return undefined;
    });
  });
});

test("info follows the commits; reopen() throws away what is not durable", async () => {
  const before = remote.info?.storeEpoch ?? 0;
  expect(before).toBe(local.info?.storeEpoch);
  await same((disk) => storeOf(disk).put(noise(9, 9)));
  await same((disk) => disk.sync());
  expect(remote.info?.storeEpoch).toBeGreaterThan(before);
  expect(remote.info?.storeEpoch).toBe(local.info?.storeEpoch);
  const old = fsOf(remote);
  await remote.reopen();
  await expect(old.stat("/")).rejects.toMatchObject({ code: "EBADF" });
  expect((await fsOf(remote).stat("/")).isDirectory()).toBe(true);
});

test("after close() every call is EBADF, and closing again is the same promise", async () => {
  const [fs, store] = [fsOf(remote), storeOf(remote)];
  await remote.close();
  await expect(fs.stat("/")).rejects.toMatchObject({ code: "EBADF" });
  await expect(store.stat()).rejects.toMatchObject({ code: "EBADF" });
  expect(remote.close()).toBe(remote.close());
});

test("a signal that is aborted here ends calls there", async () => {
  const { port1, port2 } = new MessageChannel();
  const device = new MemoryDevice({ size: "64MiB" });
  serveDisk<{ signal: AbortSignal }>(port1, async ({ signal }) => {
    const disk = await createDiskOn(device, { layout: "region", signal }, { owned: true });
    return { disk };
  });
  const abort = new AbortController();
  const disk = await connectDisk(port2, { signal: abort.signal });
  await storeOf(disk).put(noise(3, 3));
  abort.abort(new Error("enough"));
  await expect(storeOf(disk).stat()).rejects.toMatchObject({
    code: "ECANCELED",
    cause: { message: "enough" },
  });
  await disk.close();
  port1.close();
});

test("fs.promises is an own enumerable property, and so is each of its functions", () => {
  expect(Object.keys(remote.fs ?? {})).toEqual(["promises"]);
  expect(Object.keys(fsOf(remote)).sort()).toEqual(Object.keys(fsOf(local)).sort());
});

test("directory handles and streams are the same, over the calls to the other end", async () => {
  await same(async ({ fs }) => {
    const root = await fs?.getDirectory();
    const file = await root?.getFileHandle("f", { create: true });
    const stream = await file?.createWritable({ keepExistingData: true });
    await stream?.write({ type: "write", position: 2, data: "hello" });
    await stream?.close();
    return (await file?.getFile())?.text();
  });
  await same(async ({ fs }) => (await fs?.getDirectory())?.removeEntry("none"));
  await same(async ({ fs }) => fs?.promises.rm("/").catch(({ code }) => code));
  await same(async ({ fs }) => fs?.promises.constants.O_CREAT);
  await same(async (disk) => {
    const fs = disk.fs as NonNullable<AsyncDisk["fs"]>;
    const store = storeOf(disk);
    const hash = await store.putStream(new Response("text ".repeat(60_000)).body ?? []);
    await store.getStream(hash).pipeTo(await fs.writeStream("/g"));
    const object = store.writeStream();
    await (await fs.readStream("/g", { start: 5 })).pipeTo(object.writable);
    return [hash, await object.hash, await store.length(await object.hash)];
  });
  await same(async (disk) => {
    const object = storeOf(disk).writeStream();
    await object.writable.abort(new Error("no more"));
    return object.hash.catch(({ message }) => message);
  });
  await same(async ({ fs }) => fs?.promises.readFile("/g", { signal: AbortSignal.abort() }));
});

test("opening fails as it does here; the other end can be asked again", async () => {
  const { port1, port2 } = new MessageChannel();
  const device = new TraceDevice(new MemoryDevice({ size: "8MiB" }));
  serveDisk(port1, async () => ({ disk: openDiskOn(device, {}, { owned: true }) }));
  await expect(connectDisk(port2, undefined)).rejects.toMatchObject({ code: "ENOENT" });
  port1.close();
});

test("what is no method of an object is not called", async () => {
  const { port1, port2 } = new MessageChannel();
  serveDisk(port1, async () => ({ disk: local }));
  const answer = new Promise<{ error?: { code: string } }>((resolve) => {
    port2.onmessage = ({ data }) => resolve(data);
  });
  const call = { kind: "call", id: 1, object: 1, method: "constructor", given: ["return 1"] };
  port2.postMessage(call);
  expect((await answer).error?.code).toBe("EOPNOTSUPP");
  port1.close();
});
