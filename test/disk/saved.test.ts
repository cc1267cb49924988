/** Saved tables: what was saved comes back, onto the same geometry only. */
import { expect, test } from "vitest";
import { seededRandom } from "../../host/base/seed.ts";
import { backupGpt, createGpt, readGpt, restoreGpt, verifyGpt } from "../../host/core/gpt.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { attach } from "./support.ts";

test.each([512, 4096] as const)("a table comes back byte for byte, %i-byte blocks", (blkSize) => {
  const { core, device, id } = attach("8MiB", blkSize);
  createGpt(core, id, { entries: [{ type: "esp", name: "first" }], random: seededRandom("a") });
  device.poke(0, new Uint8Array(440).fill(0x90));
  const before = device.bytes();
  const saved = backupGpt(core, id);
  createGpt(core, id, { entries: [{ type: "linux", name: "second" }], entrySlots: 8 });
  expect(readGpt(core, id).partitions[0]?.name).toBe("second");
  restoreGpt(core, id, saved);
  expect(Buffer.compare(device.bytes(), before)).toBe(0);
  expect(verifyGpt(core, id)).toEqual([]);
});

test("a disk without a table comes back as it was, an MBR and what lay behind it too", () => {
  const { core, device, id } = attach("8MiB");
  const head = new Uint8Array(34 * 512);
  seededRandom("mbr")(head);
  device.poke(0, head);
  const before = device.bytes();
  const saved = backupGpt(core, id);
  createGpt(core, id);
  restoreGpt(core, id, saved);
  expect(Buffer.compare(device.bytes(), before)).toBe(0);
});

test("a damaged table is saved as it is, so that nothing is lost by saving", () => {
  const { core, device, id } = attach("8MiB");
  createGpt(core, id, { entries: [{ type: "esp", name: "only in the backup" }] });
  device.poke(512, new Uint8Array(8));
  const before = device.bytes();
  const saved = backupGpt(core, id);
  createGpt(core, id);
  restoreGpt(core, id, saved);
  expect(Buffer.compare(device.bytes(), before)).toBe(0);
  expect(readGpt(core, id)).toMatchObject({ usedSide: "backup" });
});

test("a backup that a grown device left behind is saved and comes back", () => {
  const small = attach("8MiB");
  createGpt(small.core, small.id, { entries: [{ type: "esp" }] });
  const device = MemoryDevice.from(small.device.bytes(), { size: "16MiB" });
  const id = small.core.attach(device);
  device.poke(512, new Uint8Array(512));
  const before = device.bytes();
  const saved = backupGpt(small.core, id);
  createGpt(small.core, id);
  device.poke(2 ** 23 - 512, new Uint8Array(512));
  restoreGpt(small.core, id, saved);
  expect(readGpt(small.core, id).partitions).toHaveLength(1);
  expect(Buffer.compare(device.peek(0, 2 ** 23), before.subarray(0, 2 ** 23))).toBe(0);
});

test("a table of another size or block size is refused with EINVAL and nothing is written", () => {
  const { core, id } = attach("8MiB");
  createGpt(core, id, { entries: [{ type: "esp" }] });
  const saved = backupGpt(core, id);
  for (const other of [
    new MemoryDevice({ size: "16MiB" }),
    new MemoryDevice({ size: "8MiB", blkSize: 4096 }),
  ]) {
    expect(() => restoreGpt(core, core.attach(other), saved)).toThrow("EINVAL");
    expect(other.allocatedBytes).toBe(0);
  }
});

test("the same table saved twice is the same bytes", () => {
  const { core, id } = attach("8MiB");
  createGpt(core, id, { entries: [{ type: "esp" }] });
  expect(Buffer.compare(backupGpt(core, id), backupGpt(core, id))).toBe(0);
});
