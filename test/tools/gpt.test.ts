/**
 * Partition tables between us and sgdisk, sfdisk, fdisk and parted: they accept ours, on small and
 * huge disks and both block sizes; we read and accept theirs, and mend what they call broken.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isDamage } from "../../host/base/finding.ts";
import {
  createGpt,
  GPT_TYPES,
  type GptTable,
  readGpt,
  repairGpt,
  updatePartition,
  verifyGpt,
} from "../../host/core/gpt.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { diskwright } from "../support/cli.ts";
import { freshCore } from "../support/core.ts";
import { expectGoodTable } from "./judges.ts";
import { run, scratch, testWith } from "./tools.ts";

const MIB = 2 ** 20;

/** Writes what `device` holds into a sparse file. */
function save(device: MemoryDevice): string {
  const path = join(scratch(), "disk.img");
  const file = openSync(path, "w");
  ftruncateSync(file, device.sizeBytes);
  for (const [offset, bytes] of device.touched()) writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
  return path;
}

/** An image of `mebibytes` that a tool has made, as a device of ours. */
function toolMade(mebibytes: number, make: (path: string) => void, blkSize: 512 | 4096 = 512) {
  const path = join(scratch(), "disk.img");
  const file = openSync(path, "w");
  ftruncateSync(file, mebibytes * MIB);
  closeSync(file);
  make(path);
  const device = MemoryDevice.from(readFileSync(path), { blkSize, name: path });
  const core = freshCore();
  return { core, device, id: core.attach(device), path };
}

function ours(size: string, blkSize: 512 | 4096 = 512) {
  const device = new MemoryDevice({ size, blkSize });
  const core = freshCore();
  const id = core.attach(device);
  const table = createGpt(core, id, {
    entries: [
      { type: "esp", sizeBytes: MIB, name: "ESP" },
      { type: "linux", sizeBytes: 2 * MIB, name: "Größe", attributes: 5n },
      { type: "diskwright-data", name: "diskwright-data" },
    ],
  });
  return { core, device, id, table };
}

const listed = ({ partitions }: GptTable) =>
  partitions.map(({ index, firstLba, lastLba }) => ({
    number: index,
    first: firstLba,
    last: lastLba,
  }));

for (const size of ["6MiB", "256MiB", "8GiB", "3TiB"]) {
  testWith(
    "sgdisk",
    "sfdisk",
    "parted",
  )(`three tools accept our table on ${size}`, () => {
    const { device, table } = ours(size);
    expectGoodTable(save(device), listed(table));
  });
}

testWith(
  "sgdisk",
  "sfdisk",
  "parted",
)("an edited, repaired and grown table is accepted too", () => {
  const { core, device, id } = ours("16MiB");
  updatePartition(core, id, 2, { sizeBytes: MIB, name: "smaller" });
  const larger = MemoryDevice.from(device.bytes(), { size: 32 * MIB });
  larger.poke(512, new Uint8Array(512));
  const grown = core.attach(larger);
  repairGpt(core, grown);
  const table = readGpt(core, grown);
  expect(table.lastUsableLba).toBe(65536 - 34);
  expectGoodTable(save(larger), listed(table));
});

testWith(
  "sgdisk",
  "sfdisk",
  "parted",
)("a disk made and changed by our program is accepted", () => {
  const path = join(scratch(), "disk.img");
  for (const args of [
    ["create", path, "--size", "64MiB", "-p", "esp:16MiB:ESP", "-p", "linux:8MiB:root"],
    ["add", path, "--type", "diskwright-data", "--size", "4MiB", "--name", "diskwright-data"],
    ["resize", path, "3", "max"],
    ["rename", path, "2", "system"],
    ["type", path, "2", "linux-root-x86-64"],
    ["remove", path, "1", "--yes"],
  ]) {
    expect(diskwright(["gpt", ...args])).toMatchObject({ code: 0, stderr: "" });
  }
  expectGoodTable(path, [
    { number: 2, first: 34816, last: 51199 },
    { number: 3, first: 51200, last: 129023 },
  ]);
});

testWith("sgdisk")("sgdisk reads back every field that we wrote", () => {
  const { device, table } = ours("16MiB");
  const path = save(device);
  expect(run("sgdisk", ["-p", path]).stdout).toContain(`(GUID): ${table.diskGuid}`);
  for (const each of table.partitions) {
    const { stdout } = run("sgdisk", ["-i", `${each.index}`, path]);
    expect(stdout).toContain(`Partition GUID code: ${each.typeGuid}`);
    expect(stdout).toContain(`Partition unique GUID: ${each.uniqueGuid}`);
    expect(stdout).toContain(`First sector: ${each.firstLba} `);
    expect(stdout).toContain(`Last sector: ${each.lastLba} `);
    expect(stdout).toContain(`Partition name: '${each.name}'`);
    const flags = each.attributes.toString(16).padStart(16, "0").toUpperCase();
    expect(stdout).toContain(`Attribute flags: ${flags}`);
  }
});

testWith("parted", "fdisk")("parted and fdisk accept our table on 4096-byte blocks", () => {
  const { device, table } = ours("64MiB", 4096);
  const path = save(device);
  const env = { PARTED_SECTOR_SIZE: "4096" };
  const printed = run("parted", ["-s", "-m", path, "unit", "s", "print"], { env });
  expect(printed.code).toBe(0);
  expect(printed.text).not.toMatch(/error|warning/i);
  expect(printed.stdout).toContain(":gpt:");
  const listing = run("fdisk", ["-b", "4096", "-l", path]);
  expect(listing.text).not.toMatch(/corrupt|mismatch|not on the end|overlap|unrecognized/i);
  for (const { index, firstLba, lastLba } of table.partitions) {
    expect(printed.stdout).toContain(`\n${index}:${firstLba}s:${lastLba}s:`);
    expect(listing.stdout).toMatch(new RegExp(`disk\\.img${index} +${firstLba} +${lastLba} `));
  }
});

testWith("sgdisk")("a table that sgdisk made is read field by field and has nothing wrong", () => {
  const { core, id } = toolMade(64, (path) => {
    const made = run("sgdisk", [
      ...["-n", "1:2048:+8M", "-t", "1:ef00", "-c", "1:EFI system"],
      ...["-n", "5:0:+16M", "-t", "5:8300", "-c", "5:Größe", "-A", "5:set:60"],
      ...["-u", "5:11111111-2222-3333-4444-555555555555", path],
    ]);
    expect(made.code).toBe(0);
  });
  const { partitions } = readGpt(core, id);
  expect(partitions).toMatchObject([
    { index: 1, typeGuid: GPT_TYPES.esp, firstLba: 2048, lastLba: 18431, name: "EFI system" },
    {
      index: 5,
      typeGuid: GPT_TYPES.linux,
      uniqueGuid: "11111111-2222-3333-4444-555555555555",
      name: "Größe",
      attributes: 1n << 60n,
    },
  ]);
  expect(verifyGpt(core, id)).toEqual([]);
});

testWith("sfdisk")("a table that sfdisk made has nothing wrong", () => {
  const { core, id } = toolMade(64, (path) => {
    const input = 'label: gpt\nsize=8MiB, type=U, name="boot"\ntype=L, name="root"\n';
    expect(run("sfdisk", [path], { input }).code).toBe(0);
  });
  expect(readGpt(core, id).partitions.map(({ name }) => name)).toEqual(["boot", "root"]);
  expect(verifyGpt(core, id)).toEqual([]);
});

testWith("parted")("tables that parted made, of both block sizes, have nothing wrong", () => {
  for (const blkSize of [512, 4096] as const) {
    const { core, id } = toolMade(
      64,
      (path) => {
        const args = ["-s", path, "mklabel", "gpt", "mkpart", "one", "ext4", "1MiB", "33MiB"];
        const env = { PARTED_SECTOR_SIZE: `${blkSize}` };
        expect(run("parted", args, { env }).code).toBe(0);
      },
      blkSize,
    );
    const { partitions } = readGpt(core, id);
    expect(partitions).toMatchObject([{ firstLba: MIB / blkSize, name: "one" }]);
    expect(verifyGpt(core, id)).toEqual([]);
  }
});

testWith(
  "sgdisk",
  "sfdisk",
  "parted",
)("what sgdisk calls broken is found and mended", () => {
  const { core, device, id } = toolMade(64, (path) => {
    run("sgdisk", ["-n", "1:2048:+8M", "-n", "2:0:34815", path]);
  });
  device.poke(3 * 512 - 1, Uint8Array.of(1));
  device.poke(512 + 60, Uint8Array.of(0xff));
  expect(run("sgdisk", ["-v", save(device)]).text).toMatch(/caution|problem:|invalid/i);
  expect(verifyGpt(core, id).some(isDamage)).toBe(true);
  expect(repairGpt(core, id).remaining).toEqual([]);
  expectGoodTable(save(device), [
    { number: 1, first: 2048, last: 18431 },
    { number: 2, first: 18432, last: 34815 },
  ]);
});

test("the judge's words are in the file, so that a blank disk cannot pass", () => {
  const text = readFileSync(new URL("./judges.ts", import.meta.url), "utf8");
  expect(text).toContain("creating new gpt");
});
