/** Web Streams into and out of a disk's files and objects, and `await using`. */
import { expect, test } from "vitest";
import { toHex } from "../../host/base/hash.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import type { Disk } from "../../host/system/disk/disk.ts";
import { createDisk, openDisk } from "../../host/system/disk/named.ts";
import { noise } from "../support/contract.ts";

async function fixture() {
  const device = new MemoryDevice({ size: "64MiB" });
  return { device, ...parts(await createDisk(device, { layout: "region" })) };
}

function parts(disk: Disk) {
  const { store, fs } = disk;
  if (store === null || fs === null) throw new Error("no store or no filesystem");
  return { disk, store, fs };
}

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream as ReadableStream<BufferSource>).arrayBuffer());
}

/** Of long runs; one by one that takes a minute. */
const isSame = (one: Uint8Array, other: Uint8Array) => Buffer.compare(one, other) === 0;

const streamOf = (bytes: Uint8Array, step = 10_000) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += step) {
        controller.enqueue(bytes.slice(at, at + step));
      }
      controller.close();
    },
  });

test("an object and a file go in and out as streams, byte for byte", async () => {
  const { disk, store, fs } = await fixture();
  const bytes = noise(3_000_001, 1);
  const hash = await store.putStream(streamOf(bytes));
  expect(toHex(hash)).toBe(toHex(await store.put(bytes)));
  const object = store.writeStream();
  await streamOf(bytes).pipeTo(object.writable);
  expect(toHex(await object.hash)).toBe(toHex(hash));
  expect(isSame(await bytesOf(store.getStream(hash)), bytes)).toBe(true);
  await store.getStream(hash).pipeTo(await fs.writeStream("/copy"));
  expect(isSame(await bytesOf(await fs.readStream("/copy")), bytes)).toBe(true);
  const part = await fs.readStream("/copy", { start: 5000, length: 100_000 });
  expect(isSame(await bytesOf(part), bytes.subarray(5000, 105_000))).toBe(true);
  await disk.close();
});

test("a byte stream fills the reader's own buffer, and reads no more than it is asked", async () => {
  const { disk, fs } = await fixture();
  await fs.promises.writeFile("/f", noise(1 << 20, 2));
  const handle = await fs.promises.open("/f");
  let read = 0;
  const stream = handle.readableWebStream();
  const reader = stream.getReader({ mode: "byob" });
  let buffer = new Uint8Array(1000);
  for (let round = 0; round < 3; round++) {
    const { value } = await reader.read(buffer);
    buffer = value as Uint8Array<ArrayBuffer>;
    read += buffer.length;
  }
  expect(read).toBe(3000);
  reader.releaseLock();
  // Where the file stands says how much was read: nothing ahead.
  expect((await handle.read(new Uint8Array(1))).bytesRead).toBe(1);
  let rest = 0;
  for await (const piece of stream) rest += piece.length;
  expect(rest).toBe((1 << 20) - 3001);
  await handle.close();
  await disk.close();
});

test("a writer waits while a MiB is on the way", async () => {
  const { disk, fs } = await fixture();
  const writer = (await fs.writeStream("/f")).getWriter();
  expect(writer.desiredSize).toBe(1 << 20);
  const first = writer.write(noise(1 << 20, 3));
  expect(writer.desiredSize).toBe(0);
  await first;
  await writer.ready;
  expect(writer.desiredSize).toBe(1 << 20);
  await writer.close();
  expect((await fs.promises.stat("/f")).size).toBe(1 << 20);
  await disk.close();
});

test("an aborted stream stores no object, and its hash rejects", async () => {
  const { disk, store } = await fixture();
  const object = store.writeStream();
  const writer = object.writable.getWriter();
  await writer.write(noise(100_000, 4));
  await writer.abort(new Error("no more"));
  await expect(object.hash).rejects.toThrow("no more");
  expect((await store.stat()).objects).toBe(0);
  await disk.close();
});

test("a signal stops streams both ways with an AbortError", async () => {
  const { disk, store, fs } = await fixture();
  await fs.promises.writeFile("/f", noise(1 << 20, 5));
  const { signal } = { signal: AbortSignal.abort(new Error("enough")) };
  const aborted = { name: "AbortError", code: "ABORT_ERR", cause: signal.reason };
  const reading = bytesOf(await fs.readStream("/f", { signal }));
  await expect(reading).rejects.toMatchObject(aborted);
  const writing = (await fs.writeStream("/g", { signal })).getWriter();
  await expect(writing.write("x")).rejects.toMatchObject(aborted);
  const putting = store.putStream(streamOf(noise(10, 1)), { signal });
  await expect(putting).rejects.toMatchObject(aborted);
  await expect(fs.promises.readFile("/f", { signal })).rejects.toMatchObject(aborted);
  expect((await store.stat()).objects).toBe(0);
  await disk.close();
});

test("a signal stops a large read and a large write between two pieces", async () => {
  const { disk, fs } = await fixture();
  const large = noise(8 << 20, 6);
  await fs.promises.writeFile("/f", large);
  for (const act of [
    (signal: AbortSignal) => fs.promises.readFile("/f", { signal }),
    (signal: AbortSignal) => fs.promises.writeFile("/g", large, { signal }),
  ]) {
    const controller = new AbortController();
    const work = act(controller.signal);
    setImmediate(() => controller.abort());
    await expect(work).rejects.toMatchObject({ code: "ABORT_ERR" });
  }
  expect((await fs.promises.stat("/g")).size).toBeLessThan(large.length);
  await disk.close();
});

test("a stream of what is not there says so; a damaged object ends in EBADMSG, not at its end", async () => {
  const { device, disk, store, fs } = await fixture();
  await expect(fs.readStream("/none")).rejects.toMatchObject({ code: "ENOENT" });
  await expect(bytesOf(store.getStream(new Uint8Array(32)))).rejects.toMatchObject({
    code: "ENOENT",
  });
  const bytes = noise(200_000, 7);
  const hash = await store.put(bytes);
  await disk.close();
  const content = device.clone().bytes();
  const at = Buffer.from(content).indexOf(Buffer.from(bytes.subarray(50_000, 50_100)));
  expect(at).toBeGreaterThan(0);
  content[at] = (content[at] as number) ^ 1;
  const damaged = MemoryDevice.from(content);
  const again = parts(await openDisk(damaged));
  await expect(bytesOf(again.store.getStream(hash))).rejects.toMatchObject({ code: "EBADMSG" });
  await again.disk.close();
});

test("await using closes a file handle and a directory, commits a store, closes a disk", async () => {
  const device = new MemoryDevice({ size: "32MiB" });
  let handle: { readonly fd: number };
  {
    await using disk = await createDisk(device, { layout: "region" });
    const { store, fs } = parts(disk);
    {
      await using kept = store;
      await kept.put(noise(10, 1));
    }
    const copy = parts(await openDisk(device.clone()));
    expect((await copy.store.stat()).objects).toBe(1);
    await copy.disk.close();
    {
      await using file = await fs.promises.open("/f", "w");
      await file.writeFile("x");
      await using folder = await fs.promises.opendir("/");
      expect((await folder.read())?.name).toBe("f");
      handle = file;
    }
    expect(handle.fd).toBe(-1);
  }
  const again = parts(await openDisk(device));
  expect(await again.fs.promises.readFile("/f", "utf8")).toBe("x");
  await again.disk.close();
});

test("lines of a file, whatever ends them and wherever a piece ends", async () => {
  const { disk, fs } = await fixture();
  const lines = Array.from({ length: 20_000 }, (_, at) => `größe ${at}`);
  await fs.promises.writeFile(
    "/f",
    `${lines.slice(0, 10_000).join("\r\n")}\n${lines.slice(10_000).join("\n")}`,
  );
  const found: string[] = [];
  for await (const line of (await fs.promises.open("/f")).readLines()) found.push(line);
  expect(found).toEqual(lines);
  await disk.close();
});
