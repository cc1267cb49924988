/** verify: silent on what is whole, fresh or used; whatever bit is flipped, it says where. */
import { describe, expect, test } from "vitest";
import { finish } from "../../host/base/work.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { makeStore } from "../../host/system/image/mkstore.ts";
import { type DiskFinding, type VerifyOptions, verifyDisk } from "../../host/system/verify.ts";
import { frozen, makeMedium, noise, withRegion } from "./support.ts";

const SECTOR = 512;
const REGION = 264_192;

function usedDisk(): MemoryDevice {
  const disk = makeMedium();
  withRegion(disk, ({ store, files }) => {
    store.putMany([noise(100, 1), noise(40_000, 2), noise(200_000, 3)]);
    store.commit();
    store.delete(store.put(noise(50, 4)));
    for (let index = 0; index < 30; index++) {
      files?.writeFile(`/system/config/file-${index}`, noise(index * 700, index + 5));
    }
    files?.rm("/system/config/file-7");
    files?.sync();
  });
  return disk;
}

const used = usedDisk();

function verify(disk: MemoryDevice, options: VerifyOptions = {}): readonly DiskFinding[] {
  return finish(verifyDisk(disk, options)).findings;
}

describe("verify is silent on", () => {
  test("a fresh disk and a used one", () => {
    for (const disk of [makeMedium(), used]) {
      const report = finish(verifyDisk(frozen(disk)));
      expect(report.findings).toEqual([]);
      expect(report.damage).toBe(0);
      expect(report.checked).toEqual(["GPT", "partition 1: FAT32", "partition 2: data region"]);
    }
  });

  test("an image of a region alone", () => {
    const image = new MemoryDevice({ size: "4MiB" });
    finish(makeStore(image, { emptyConfig: true }));
    expect(finish(verifyDisk(frozen(image)))).toMatchObject({
      findings: [],
      checked: ["data region"],
    });
  });

  test("a flip in free space", () => {
    const disk = used.clone();
    disk.flip((disk.sizeBytes - 40 * SECTOR) * 8);
    disk.flip((REGION + 12_287) * SECTOR * 8);
    expect(verify(disk)).toEqual([]);
  });
});

describe("verify finds", () => {
  test.each<[string, number, DiskFinding["area"]]>([
    ["the primary header", 1 * SECTOR + 60, "table"],
    ["a primary entry", 2 * SECTOR + 40, "table"],
    ["the backup header", -1 * SECTOR + 60, "table"],
    ["a backup entry", -33 * SECTOR + 40, "table"],
    ["the boot sector of the ESP", 2048 * SECTOR + 13, "esp"],
    ["the second allocation table", (2048 + 32 + 530) * SECTOR + 9, "esp"],
    ["a store superblock", REGION * SECTOR + 100, "region"],
    ["its mirror", (REGION + 128) * SECTOR + 100, "region"],
    ["a filesystem superblock", (REGION + 257) * SECTOR + 100, "region"],
    ["its mirror", (REGION + 392) * SECTOR + 100, "region"],
    ["a region descriptor", (REGION + 264) * SECTOR + 20, "region"],
  ])("one flipped bit in %s, and says where", (_, byte, area) => {
    const disk = used.clone();
    const at = byte < 0 ? disk.sizeBytes + byte : byte;
    disk.flip(at * 8 + 3);
    const report = finish(verifyDisk(frozen(disk)));
    expect(report.damage).toBeGreaterThan(0);
    const [finding] = report.findings.filter((each) => each.area === area);
    expect(finding, JSON.stringify(report.findings)).toBeDefined();
    const lba = Math.floor(at / SECTOR);
    const near = report.findings.some((each) => Math.abs(each.lba - lba) <= 40);
    expect(near, JSON.stringify(report.findings)).toBe(true);
  });

  test("a data region that is gone, by the partition that should hold it", () => {
    const disk = used.clone();
    disk.poke(REGION * SECTOR, new Uint8Array(512 * SECTOR));
    const findings = verify(disk);
    expect(findings[0]).toMatchObject({ area: "region", partition: 2 });
  });

  test("an ESP that is gone", () => {
    const disk = used.clone();
    disk.poke(2048 * SECTOR, new Uint8Array(64 * SECTOR));
    expect(verify(disk)[0]).toMatchObject({ area: "esp", partition: 1 });
  });

  test("both tables gone, and still looks at the region behind them", () => {
    const disk = used.clone();
    disk.poke(SECTOR, new Uint8Array(33 * SECTOR));
    disk.poke(disk.sizeBytes - 33 * SECTOR, new Uint8Array(33 * SECTOR));
    const report = finish(verifyDisk(frozen(disk)));
    expect(report.damage).toBeGreaterThan(0);
    expect(report.checked).toContain("data region");
  });

  test("nothing that it knows on a blank disk, and says so", () => {
    expect(() => verify(new MemoryDevice({ size: "8MiB" }))).toThrow(/EMEDIUMTYPE/);
  });

  test("only what the named partition has", () => {
    const disk = used.clone();
    disk.poke(2048 * SECTOR, new Uint8Array(64 * SECTOR));
    const report = finish(verifyDisk(frozen(disk), { partition: 2 }));
    expect(report.checked).toEqual(["GPT", "partition 2: data region"]);
    expect(report.findings.filter(({ area }) => area === "esp")).toEqual([]);
  });
});

describe("verify --repair", () => {
  test.each<[string, number]>([
    ["the primary header", 1 * SECTOR + 60],
    ["the backup header", -1 * SECTOR + 60],
    ["a store superblock", REGION * SECTOR + 100],
    ["a filesystem mirror", (REGION + 392) * SECTOR + 100],
  ])("mends %s, and then the disk is clean", (_, byte) => {
    const disk = used.clone();
    disk.flip((byte < 0 ? disk.sizeBytes + byte : byte) * 8);
    const report = finish(verifyDisk(disk, { repair: true }));
    expect(report.findings.length).toBeGreaterThan(0);
    expect(report.findings.every(({ repaired }) => repaired)).toBe(true);
    expect(report.damage).toBe(0);
    expect(verify(frozen(disk))).toEqual([]);
  });

  test("does not claim what it cannot mend", () => {
    const disk = used.clone();
    disk.poke(REGION * SECTOR, new Uint8Array(512 * SECTOR));
    const report = finish(verifyDisk(disk, { repair: true }));
    expect(report.damage).toBeGreaterThan(0);
  });

  test("writes nothing to a disk that is clean", () => {
    const disk = frozen(used);
    expect(finish(verifyDisk(disk, { repair: true })).findings).toEqual([]);
  });
});
