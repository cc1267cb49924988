/** Made disks: the layout, an ESP that holds exactly the tree, reproducible bytes, refusals. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Refusal } from "../../host/base/errors.ts";
import { finish } from "../../host/base/work.ts";
import { FatVolume } from "../../host/core/fat.ts";
import { readGpt, verifyGpt } from "../../host/core/gpt.ts";
import { Core } from "../../host/core/load.ts";
import { Region } from "../../host/core/region.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { readSectors } from "../../host/device/sectors.ts";
import { treeContent } from "../../host/system/image/content.ts";
import { espTree } from "../../host/system/image/esp.ts";
import { folderTree, memoryTree } from "../../host/system/image/folder.ts";
import { makeDisk } from "../../host/system/image/mkdisk.ts";
import { makeStore } from "../../host/system/image/mkstore.ts";
import { bootTree, digest, ESP_SECTORS, frozen, makeMedium, noise, withRegion } from "./support.ts";

const ESP = { baseSector: 2048, sectors: ESP_SECTORS, readOnly: true };

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mkdisk-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a made disk", () => {
  test("has a clean table with its two partitions at the published places", () => {
    const disk = makeMedium({ espSectors: undefined });
    const core = new Core();
    const id = core.attach(disk);
    expect(verifyGpt(core, id)).toEqual([]);
    const { partitions } = readGpt(core, id);
    expect(partitions.map(({ firstLba, lastLba, name }) => [firstLba, lastLba, name])).toEqual([
      [2048, 264_191, "ESP"],
      [264_192, 276_479, "diskwright-data"],
    ]);
  });

  test("holds exactly the tree: every name, every byte, nothing else", () => {
    const core = new Core();
    const volume = FatVolume.open(core, core.attach(frozen(makeMedium())), ESP);
    const tree = espTree(volume);
    const paths = (entries: typeof tree) => entries.map(({ path, kind }) => `${kind} ${path}`);
    expect(paths(tree).sort()).toEqual(paths(bootTree()).sort());
    expect(finish(treeContent(tree, "read"))).toEqual(finish(treeContent(bootTree(), "read")));
    expect(volume.check()).toEqual([]);
    volume.close();
  });

  test("has a data region with an empty system/config", () => {
    withRegion(makeMedium(), ({ files, store }) => {
      expect(files?.readdir("/")).toEqual(["system"]);
      expect(files?.readdir("/system")).toEqual(["config"]);
      expect(files?.readdir("/system/config")).toEqual([]);
      expect(store.stat().objects).toBe(0);
    });
  });

  test("is the same bytes for the same seed, and others for another seed", () => {
    const first = digest(makeMedium());
    expect(digest(makeMedium())).toBe(first);
    expect(digest(makeMedium({ seed: "n" }))).not.toBe(first);
    const dated = { seed: undefined, sourceDateEpoch: 1_700_000_000 };
    expect(digest(makeMedium(dated))).toBe(digest(makeMedium(dated)));
  });

  test("takes a folder of this machine, through links, with any bytes", () => {
    const boot = join(folder, "boot");
    mkdirSync(join(boot, "EFI", "BOOT"), { recursive: true });
    const loader = noise(3_000_000, 9);
    writeFileSync(join(folder, "loader.efi"), loader);
    symlinkSync("../../../loader.efi", join(boot, "EFI", "BOOT", "BOOTX64.EFI"));
    mkdirSync(join(boot, "leer"));
    const core = new Core();
    const disk = makeMedium({ boot: folderTree(boot) });
    const volume = FatVolume.open(core, core.attach(disk), ESP);
    expect(Buffer.from(volume.readFile("/EFI/BOOT/BOOTX64.EFI")).equals(loader)).toBe(true);
    expect(volume.list("/").map(({ name, kind }) => [name, kind])).toEqual([
      ["EFI", "directory"],
      ["leer", "directory"],
    ]);
    volume.close();
  });

  test("keeps a data image byte for byte", () => {
    const image = new MemoryDevice({ size: "4MiB", name: "data.img" });
    const seedConfig = memoryTree({ "a/b": "two", hostname: "box" });
    finish(makeStore(image, { seedConfig, seed: "d" }));
    const disk = makeMedium({ dataImage: frozen(image) });
    const copied = readSectors(disk, 264_192, 8192);
    expect(Buffer.from(copied).equals(readSectors(image, 0, 8192))).toBe(true);
    withRegion(disk, ({ files }) => {
      expect(files?.readFile("/system/config/a/b", "utf8")).toBe("two");
      expect(files?.readdir("/system/config").sort()).toEqual(["a", "hostname"]);
    });
  });

  test("is made over whatever was there, without a trace of it in the way", () => {
    const device = new MemoryDevice({ size: "136MiB" });
    for (let at = 0; at < 136; at++) device.poke(at << 20, noise(65_536, at + 1));
    finish(makeDisk(device, { boot: bootTree(), espSectors: ESP_SECTORS, seed: "m" }));
    const core = new Core();
    const id = core.attach(device);
    expect(verifyGpt(core, id)).toEqual([]);
    expect(FatVolume.verify(core, id, ESP)).toEqual([]);
    expect(Region.verify(core, id, { baseSector: 264_192, sectors: 12_288 })).toEqual([]);
  });
});

describe("mkdisk refuses", () => {
  test("boot files that do not fit, with an ESP that does", () => {
    const boot = memoryTree({ "EFI/BOOT/BOOTX64.EFI": noise(36 << 20) });
    let hint = "";
    expect(() => {
      try {
        makeMedium({ boot });
      } catch (error) {
        if (error instanceof Refusal) hint = error.hint ?? "";
        throw error;
      }
    }).toThrow(/ESP has room for/);
    const espSectors = Number(/--esp-sectors (\d+)/.exec(hint)?.[1]);
    expect(espSectors).toBeGreaterThan(ESP_SECTORS);
    const core = new Core();
    const disk = makeMedium({ boot, espSectors });
    const volume = FatVolume.open(core, core.attach(disk), { ...ESP, sectors: espSectors });
    expect(volume.stat("/EFI/BOOT/BOOTX64.EFI").sizeBytes).toBe(36 << 20);
    volume.close();
  });

  test("two names that differ only in case", () => {
    const boot = memoryTree({ "EFI/a.txt": "1", "EFI/A.TXT": "2" });
    expect(() => makeMedium({ boot })).toThrow(/there twice/);
  });

  test("a data image that is none, or too large", () => {
    const none = new MemoryDevice({ size: "4MiB", name: "none.img", readOnly: true });
    expect(() => makeMedium({ dataImage: none })).toThrow();
    const large = new MemoryDevice({ size: "9MiB", name: "large.img" });
    finish(makeStore(large, { emptyConfig: true }));
    expect(() => makeMedium({ dataImage: frozen(large) })).toThrow(/smallest size that would do/);
  });

  test("a loop of links, and what is no file", () => {
    const boot = join(folder, "loop");
    mkdirSync(join(boot, "a"), { recursive: true });
    symlinkSync("..", join(boot, "a", "up"));
    expect(() => folderTree(boot)).toThrow(/leads to a folder above it/);
    expect(() => folderTree(join(folder, "absent"))).toThrow(/ENOENT/);
    writeFileSync(join(folder, "file"), "x");
    expect(() => folderTree(join(folder, "file"))).toThrow(/ENOTDIR/);
  });
});

describe("mkstore", () => {
  test("makes a store alone, or a filesystem beside it", () => {
    const image = new MemoryDevice({ size: "4MiB" });
    expect(finish(makeStore(image, {}))).toMatchObject({ filesystem: false });
    const core = new Core();
    const alone = Region.open(core, core.attach(image));
    expect(alone.files).toBeNull();
    alone.close();
    expect(finish(makeStore(image, { emptyConfig: true }))).toMatchObject({
      filesystem: true,
      configEntries: 0,
    });
    const both = new Core();
    const region = Region.open(both, both.attach(image));
    expect(region.files?.readdir("/system/config")).toEqual([]);
    region.close();
  });

  test("chooses chunks for the disk that the image is made for", () => {
    const chunkBytes = (forBytes: number | undefined) => {
      const image = new MemoryDevice({ size: "64MiB" });
      finish(makeStore(image, { forBytes }));
      const core = new Core();
      const region = Region.open(core, core.attach(image), { readOnly: true });
      const { info } = region;
      region.close();
      return info.chunkBytes;
    };
    expect(chunkBytes(undefined)).toBe(1 << 20);
    expect(chunkBytes(16 * 2 ** 30)).toBe(8 << 20);
  });

  test("refuses an empty and a seeded system/config at once", () => {
    const image = new MemoryDevice({ size: "4MiB" });
    expect(() => finish(makeStore(image, { emptyConfig: true, seedConfig: [] }))).toThrow(/EINVAL/);
  });
});
