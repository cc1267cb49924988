/** Tables that other people's tools made, kept as files: read field by field, with nothing wrong. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { GPT_TYPES, readGpt, repairGpt, updatePartition, verifyGpt } from "../../host/core/gpt.ts";
import { type Attached, attach, reasonsOf } from "./support.ts";

function golden(name: string, blkSize: 512 | 4096): Attached {
  const disk = attach("64MiB", blkSize);
  const packed = readFileSync(new URL(`../golden/gpt/${name}.bin.gz`, import.meta.url));
  const ends = gunzipSync(packed);
  const half = ends.length / 2;
  disk.device.poke(0, ends.subarray(0, half));
  disk.device.poke(disk.device.sizeBytes - half, ends.subarray(half));
  return disk;
}

const GOLDEN = [
  {
    name: "sgdisk-512",
    blkSize: 512,
    diskGuid: "00112233-4455-6677-8899-AABBCCDDEEFF",
    firstUsableLba: 34,
    partitions: [
      {
        index: 1,
        typeGuid: GPT_TYPES.esp,
        uniqueGuid: "10000000-0000-4000-8000-000000000001",
        firstLba: 2048,
        lastLba: 18431,
        attributes: 0n,
        name: "EFI system",
      },
      {
        index: 5,
        typeGuid: GPT_TYPES.linux,
        uniqueGuid: "10000000-0000-4000-8000-000000000005",
        firstLba: 18432,
        lastLba: 51199,
        attributes: 1n << 60n,
        name: "Größe",
      },
    ],
  },
  {
    name: "sfdisk-512",
    blkSize: 512,
    diskGuid: "00112233-4455-6677-8899-AABBCCDDEEFF",
    firstUsableLba: 2048,
    partitions: [
      { index: 1, typeGuid: GPT_TYPES.esp, firstLba: 2048, lastLba: 18431, name: "boot" },
      { index: 2, typeGuid: GPT_TYPES.linux, firstLba: 18432, lastLba: 129023, name: "root" },
    ],
  },
  {
    name: "parted-4096",
    blkSize: 4096,
    firstUsableLba: 6,
    partitions: [
      { index: 1, typeGuid: GPT_TYPES.linux, firstLba: 256, lastLba: 8447, name: "one" },
      { index: 2, typeGuid: GPT_TYPES.esp, firstLba: 8448, lastLba: 15871, name: "two" },
    ],
  },
] as const;

test.each(GOLDEN)("$name is read as it was made, and needs no repair", ({ name, ...expected }) => {
  const { core, device, id } = golden(name, expected.blkSize);
  const { blkSize, ...table } = expected;
  expect(readGpt(core, id)).toMatchObject({ ...table, blockSize: blkSize, usedSide: "primary" });
  expect(verifyGpt(core, id)).toEqual([]);
  const before = device.bytes();
  expect(repairGpt(core, id)).toEqual({ repaired: [], remaining: [] });
  expect(Buffer.compare(device.bytes(), before)).toBe(0);
});

test.each(GOLDEN)("$name keeps its places and its other partition when one is renamed", (made) => {
  const disk = golden(made.name, made.blkSize);
  const before = readGpt(disk.core, disk.id);
  const [first, second] = before.partitions;
  const renamed = updatePartition(disk.core, disk.id, first?.index ?? 0, { name: "renamed" });
  expect(renamed).toEqual({ ...first, name: "renamed" });
  expect(readGpt(disk.core, disk.id)).toEqual({ ...before, partitions: [renamed, second] });
  expect(reasonsOf(disk)).toEqual([]);
});
