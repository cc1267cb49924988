/** A region of 16 TiB: data in its very last chunk, within the memory that is promised. */
import { expect, test } from "vitest";
import { RequestType } from "../../assembly/format/abi.ts";
import { FileSystem } from "../../host/core/files.ts";
import { Region } from "../../host/core/region.ts";
import { Store } from "../../host/core/store.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { freshCore } from "../support/core.ts";
import { bytesOf } from "../support/store.ts";
import { TreeCore } from "../support/tree.ts";

const SIZE = 2 ** 44;
const CHUNK_SECTORS = 2 ** 17;
/** The head and the log take the place of one chunk of 64 MiB. */
const LAST_CHUNK = SIZE / 512 / CHUNK_SECTORS - 2;
const MEMORY_MAX = 64 << 20;
/** A filesystem of this size keeps 512 chunks in reserve. */
const GRANTED = 1024;
const ST = 0;
const WF = 1;

/** A region of 16 TiB, open in the test build, whose store takes no chunk below `first`. */
function huge(first: number) {
  const memory = new MemoryDevice({ size: SIZE });
  const device = new TraceDevice(memory);
  const tree = new TreeCore(device);
  expect(tree.format({ files: true, logSectors: 2048 })).toBe(0);
  const handle = tree.open();
  expect(tree.exports.testSpaceFrom(handle, ST, first)).toBe(0);
  return { memory, device, tree, handle };
}

/** First sector of the last chunk, from what the superblock says. */
function lastChunkSector(memory: MemoryDevice): number {
  const slot = memory.peek(0, 512);
  const view = new DataView(slot.buffer, slot.byteOffset);
  expect(slot[322]).toBe(26);
  return view.getUint32(464, true) + LAST_CHUNK * CHUNK_SECTORS;
}

/** Bytes written at or behind `sector`, of what the trace has seen since its reset. */
function writtenFrom(device: TraceDevice, sector: number): number {
  return device.log
    .filter((entry) => entry.type === RequestType.OUT && entry.sector >= sector)
    .reduce((sum, entry) => sum + entry.sectors * 512, 0);
}

function reopened(device: TraceDevice) {
  const core = freshCore();
  const id = core.attach(device);
  const region = Region.open(core, id);
  expect(region.info.chunks).toBe(LAST_CHUNK + 1);
  device.reset();
  return { core, id, region };
}

function readFrom(device: TraceDevice, sector: number): number {
  return device.log
    .filter((entry) => entry.type === RequestType.IN && entry.sector >= sector)
    .reduce((sum, entry) => sum + entry.sectors * 512, 0);
}

test("objects in the last chunk of 16 TiB are read after a reopen within 64 MiB of memory", () => {
  const { memory, device, tree, handle } = huge(LAST_CHUNK);
  const store = new Store(tree.core, handle);
  device.reset();
  const objects = [bytesOf(3_000_000, 1), ...Array.from({ length: 50 }, (_, n) => bytesOf(n, n))];
  const hashes = store.putMany(objects);
  store.commit();
  const sector = lastChunkSector(memory);
  expect(writtenFrom(device, sector)).toBeGreaterThan(3_000_000);
  store.close();
  expect(tree.exports.regionClose(handle)).toBe(0);
  expect(tree.core.memory.sizeBytes).toBeLessThanOrEqual(MEMORY_MAX);

  const { core, id, region } = reopened(device);
  objects.forEach((object, index) => {
    const found = region.store.get(hashes[index] as Uint8Array);
    expect(Buffer.compare(found, object)).toBe(0);
  });
  expect(readFrom(device, sector)).toBeGreaterThan(3_000_000);
  // The open chunk goes on behind what stands there, with the product's core.
  const more = bytesOf(70_000, 2);
  const hash = region.store.put(more);
  region.store.commit();
  expect(writtenFrom(device, sector + Math.floor(3_000_000 / 512))).toBeGreaterThan(70_000);
  expect(region.store.get(hash)).toEqual(more);
  region.close();
  expect(Region.verify(core, id)).toEqual([]);
  expect(core.memory.sizeBytes).toBeLessThanOrEqual(MEMORY_MAX);
});

test("a file in the last chunk of 16 TiB is read after a reopen within 64 MiB of memory", () => {
  const { memory, device, tree, handle } = huge(LAST_CHUNK + 1 - GRANTED);
  expect(tree.exports.testGrant(handle, GRANTED)).toBe(0);
  expect(tree.exports.testSpaceFrom(handle, WF, LAST_CHUNK)).toBe(0);
  const { core } = tree;
  const files = new FileSystem(core, core.check(core.exports.filesMount(handle), "mount"));
  device.reset();
  const content = bytesOf(3_000_000, 3);
  files.writeFile("/far", content);
  files.sync();
  const sector = lastChunkSector(memory);
  expect(writtenFrom(device, sector)).toBeGreaterThan(3_000_000);
  expect(tree.exports.regionClose(handle)).toBe(0);
  expect(core.memory.sizeBytes).toBeLessThanOrEqual(MEMORY_MAX);

  const other = reopened(device);
  const again = other.region.files as FileSystem;
  expect(Buffer.compare(again.readFile("/far"), content)).toBe(0);
  expect(readFrom(device, sector)).toBeGreaterThanOrEqual(3_000_000);
  again.writeFile("/near", bytesOf(9000, 4));
  again.sync();
  expect(again.readFile("/near")).toEqual(bytesOf(9000, 4));
  other.region.close();
  expect(Region.verify(other.core, other.id)).toEqual([]);
  expect(other.core.memory.sizeBytes).toBeLessThanOrEqual(MEMORY_MAX);
});
