/** Partition tables from one end to the other: create, read, change, and the bytes UEFI wants. */
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../host/base/seed.ts";
import {
  addPartition,
  createGpt,
  GPT_TYPES,
  readGpt,
  removePartition,
  updatePartition,
  verifyGpt,
} from "../../host/core/gpt.ts";
import { attach } from "./support.ts";

const CAPOS = [
  { type: "esp", firstLba: 2048, lastLba: 264191, name: "ESP" },
  { type: "diskwright-data", name: "diskwright-data" },
] as const;

describe.each([512, 4096] as const)("%i-byte blocks", (blkSize) => {
  test("a created table is read back as it was asked for and has nothing wrong", () => {
    const { core, id } = attach("64MiB", blkSize);
    const random = seededRandom("create");
    const made = createGpt(core, id, {
      random,
      entries: [
        { type: "esp", sizeBytes: 2 ** 24, name: "ESP" },
        { type: GPT_TYPES.linux, index: 7, name: "Größe 💾", attributes: 1n << 63n },
      ],
    });
    const read = readGpt(core, id);
    expect(read).toEqual({ ...made, usedSide: "primary" });
    expect(read.partitions.map(({ index, firstLba, name }) => ({ index, firstLba, name }))).toEqual(
      [
        { index: 1, firstLba: 2 ** 20 / blkSize, name: "ESP" },
        { index: 7, firstLba: (17 * 2 ** 20) / blkSize, name: "Größe 💾" },
      ],
    );
    expect(verifyGpt(core, id)).toEqual([]);
  });

  test("every number of both headers is where UEFI 5.3.2 puts it", () => {
    const { core, device, id } = attach("8MiB", blkSize);
    createGpt(core, id, { entries: [{ type: "linux" }] });
    const blocks = device.sizeBytes / blkSize;
    const area = 16384 / blkSize;
    const primary = Buffer.from(device.peek(blkSize, blkSize));
    const backup = Buffer.from(device.peek((blocks - 1) * blkSize, blkSize));
    for (const [header, my, other, entries] of [
      [primary, 1, blocks - 1, 2],
      [backup, blocks - 1, 1, blocks - 1 - area],
    ] as const) {
      expect(header.toString("latin1", 0, 8)).toBe("EFI PART");
      expect(header.readUInt32LE(8)).toBe(0x10000);
      expect(header.readUInt32LE(12)).toBe(92);
      expect(Number(header.readBigUInt64LE(24))).toBe(my);
      expect(Number(header.readBigUInt64LE(32))).toBe(other);
      expect(Number(header.readBigUInt64LE(40))).toBe(2 + area);
      expect(Number(header.readBigUInt64LE(48))).toBe(blocks - 2 - area);
      expect(Number(header.readBigUInt64LE(72))).toBe(entries);
      expect(header.readUInt32LE(80)).toBe(128);
      expect(header.readUInt32LE(84)).toBe(128);
      expect(header.readUInt32LE(88)).toBe(crc32(device.peek(entries * blkSize, 16384)));
      const zeroed = Buffer.from(header.subarray(0, 92));
      zeroed.writeUInt32LE(0, 16);
      expect(header.readUInt32LE(16)).toBe(crc32(zeroed));
    }
    const mbr = Buffer.from(device.peek(0, 512));
    expect(mbr.toString("hex", 446, 451)).toBe("00000200ee");
    expect(mbr.readUInt32LE(454)).toBe(1);
    expect(mbr.readUInt32LE(458)).toBe(blocks - 1);
    expect(mbr.readUInt16LE(510)).toBe(0xaa55);
  });
});

test("the capOS layout has its partitions at the sectors of the design", () => {
  const { core, id } = attach("256MiB");
  createGpt(core, id, { entries: CAPOS });
  const { partitions } = readGpt(core, id);
  expect(partitions.map(({ firstLba, lastLba }) => [firstLba, lastLba])).toEqual([
    [2048, 264191],
    [264192, 522239],
  ]);
});

test("add, update and remove change one partition and leave the others as they are", () => {
  const { core, id } = attach("64MiB");
  createGpt(core, id, { entries: [{ type: "esp", sizeBytes: 2 ** 23, name: "ESP" }] });
  const added = addPartition(core, id, { type: "linux", sizeBytes: 2 ** 22, name: "root" });
  expect(added.index).toBe(2);
  const [esp] = readGpt(core, id).partitions;
  const grown = updatePartition(core, id, 2, { sizeBytes: 2 ** 23, name: "system", type: "esp" });
  expect(grown.lastLba - grown.firstLba + 1).toBe(2 ** 14);
  expect(grown.uniqueGuid).toBe(added.uniqueGuid);
  expect(readGpt(core, id).partitions).toEqual([esp, grown]);
  removePartition(core, id, 1);
  expect(readGpt(core, id).partitions).toEqual([grown]);
  expect(verifyGpt(core, id)).toEqual([]);
});
