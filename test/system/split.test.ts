/** A disk taken apart and read back: the folder of three files is the whole disk again. */
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { finish } from "../../host/base/work.ts";
import { readGpt, verifyGpt } from "../../host/core/gpt.ts";
import { Core } from "../../host/core/load.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { readSectors } from "../../host/device/sectors.ts";
import { isSplitFolder, openParts } from "../../host/system/image/parts.ts";
import { splitDisk } from "../../host/system/image/split.ts";
import { Machine } from "../../host/system/machine.ts";
import { frozen, makeMedium } from "./support.ts";

const medium = makeMedium();
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "split-"));
  finish(splitDisk(frozen(medium), folder));
});
afterAll(() => rmSync(folder, { recursive: true }));

function differences(one: MemoryDevice, other: Parameters<typeof readSectors>[0]): number[] {
  const places: number[] = [];
  for (let at = 0; at < one.config.capacity; at += 2048) {
    const wanted = Buffer.from(readSectors(one, at, 2048));
    if (!wanted.equals(readSectors(other, at, 2048))) places.push(at);
  }
  return places;
}

describe("split", () => {
  test("writes three files, each only as long as its content", () => {
    const size = (name: string) => statSync(join(folder, name)).size;
    expect(size("BOOTHEAD.BIN")).toBeLessThan(4 << 20);
    expect(size("BOOTHEAD.BIN")).toBeGreaterThan(2048 * 512 + 250_000);
    expect(size("BOOTGPT.BIN")).toBe(33 * 512);
    expect(size("DATAIMG.BIN")).toBeLessThan(medium.sizeBytes - 264_192 * 512);
    expect(readFileSync(join(folder, "BOOTHEAD.BIN")).subarray(512, 520).toString()).toBe(
      "EFI PART",
    );
    expect(readFileSync(join(folder, "BOOTGPT.BIN")).subarray(-512, -504).toString()).toBe(
      "EFI PART",
    );
  });

  test("reads back as the disk it came from, sector for sector", () => {
    const parts = openParts(new Core(), folder);
    expect(parts.config.capacity).toBe(medium.config.capacity);
    expect(differences(medium, parts)).toEqual([]);
    const core = new Core();
    expect(verifyGpt(core, core.attach(parts))).toEqual([]);
    parts.close();
  });

  test("reads back as a disk that boots, read-only", () => {
    const parts = openParts(new Core(), folder);
    expect(new Machine({ disks: [parts] }).boot().lines[0]).toBe("data region: mounted");
    expect(() => readSectors(parts, parts.config.capacity, 1)).toThrow(/ERANGE/);
    parts.close();
  });

  test("refuses to write over files, unless it is forced", () => {
    expect(() => finish(splitDisk(frozen(medium), folder))).toThrow(/EEXIST/);
    expect(finish(splitDisk(frozen(medium), folder, { force: true }))).toHaveLength(3);
  });

  test("refuses a disk with a damaged table, and one of another layout", () => {
    const damaged = medium.clone();
    damaged.flip(600 * 8);
    expect(() => finish(splitDisk(damaged, join(folder, "x")))).toThrow(/gpt repair/);
    const blank = new MemoryDevice({ size: "64MiB" });
    expect(() => finish(splitDisk(blank, join(folder, "x")))).toThrow();
  });
});

describe("a folder of parts", () => {
  test("is known by its files", () => {
    expect(isSplitFolder(folder)).toBe(true);
    expect(isSplitFolder(tmpdir())).toBe(false);
  });

  test.each([
    ["BOOTHEAD.BIN", 0, /EINVAL/],
    ["BOOTHEAD.BIN", 777, /EINVAL/],
    ["DATAIMG.BIN", 777, /EINVAL/],
    ["BOOTHEAD.BIN", 1024, /EBADMSG|ENOENT/],
  ] as const)("is refused with %s cut to %i bytes", (name, size, error) => {
    const whole = readFileSync(join(folder, name));
    truncateSync(join(folder, name), size);
    try {
      expect(() => openParts(new Core(), folder)).toThrow(error);
    } finally {
      writeFileSync(join(folder, name), whole);
    }
    const parts = openParts(new Core(), folder);
    const core = new Core();
    expect(readGpt(core, core.attach(parts)).partitions).toHaveLength(2);
    parts.close();
  });
});
