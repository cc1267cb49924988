/** The emulated machine: the lines of each boot, and that nothing short of a whole grant is given. */
import { describe, expect, test } from "vitest";
import { readGpt } from "../../host/core/gpt.ts";
import { Core } from "../../host/core/load.ts";
import { RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { BASE_FLOOR, DATA_REGION_MOUNTED, NO_BOOTABLE_DEVICE } from "../../host/format/lines.ts";
import { Nvram } from "../../host/system/boot/nvram.ts";
import { memoryTree } from "../../host/system/image/folder.ts";
import { type InitContext, Machine } from "../../host/system/machine.ts";
import { frozen, makeMedium, noise, withRegion } from "./support.ts";

/** Where the eight copies of the superblocks are in the region: formats.md 1.3. */
const SUPERBLOCKS = [0, 1, 128, 136, 256, 257, 384, 392];
const REGION_BYTE = 264_192 * 512;
const ZERO = new Uint8Array(512);

function boot(disk: MemoryDevice) {
  return new Machine({ disks: [disk] }).boot();
}

const medium = makeMedium();

describe("a boot", () => {
  test("of a new disk mounts its data region, with no entries", () => {
    const report = boot(medium.clone());
    expect(report.lines).toEqual([
      "data region: mounted",
      "[init] data-region mounted: system/config entries=0",
    ]);
    expect(report.outcome).toBe("checkpoint");
    expect(report.loader).toMatchObject({ partition: 1, path: "/EFI/BOOT/BOOTX64.EFI" });
    expect(report.dataRegion).toEqual({ mounted: true, configEntries: 0, readOnly: false });
  });

  test("counts what the last session left in system/config", () => {
    const disk = medium.clone();
    withRegion(disk, ({ files }) => {
      for (const name of ["a", "b", "c"]) files?.writeFile(`/system/config/${name}`, name);
    });
    expect(boot(disk).lines[1]).toBe("[init] data-region mounted: system/config entries=3");
    expect(boot(disk).lines[1]).toBe("[init] data-region mounted: system/config entries=3");
  });

  test("mounts with any one copy of a superblock zeroed", () => {
    for (const lba of SUPERBLOCKS) {
      const disk = medium.clone();
      disk.poke(REGION_BYTE + lba * 512, ZERO);
      expect(boot(disk).lines[0], `copy at LBA ${lba}`).toBe(DATA_REGION_MOUNTED);
    }
  });

  test("falls back wholesale with all copies zeroed, and still reaches the checkpoint", () => {
    const disk = medium.clone();
    for (const lba of SUPERBLOCKS) disk.poke(REGION_BYTE + lba * 512, ZERO);
    const report = boot(disk);
    expect(report.lines).toEqual(["no data region; base floor"]);
    expect(report.outcome).toBe("checkpoint");
  });

  test("of a read-only disk mounts it and writes nothing", () => {
    const report = boot(frozen(medium));
    expect(report.dataRegion).toEqual({ mounted: true, configEntries: 0, readOnly: true });
  });

  test("does not parse the table to find the region: the LBA is trusted", () => {
    const report = new Machine({ disks: [medium.clone()], dataRegionBase: 266_240 }).boot();
    expect(report.lines).toEqual([BASE_FLOOR]);
  });

  test("prints to the console as it goes", () => {
    const seen: string[] = [];
    const machine = new Machine({ disks: [medium.clone()], console: (line) => seen.push(line) });
    expect(machine.boot().lines).toEqual(seen);
  });
});

describe("the base floor", () => {
  const given = (change: (disk: MemoryDevice) => void) => {
    const disk = medium.clone();
    change(disk);
    const grants: (InitContext["grant"] | "never")[] = ["never"];
    const init = ({ grant }: InitContext) => {
      grants[0] = grant;
    };
    return { report: new Machine({ disks: [disk], init }).boot(), grant: grants[0] };
  };

  test.each<[string, (disk: MemoryDevice) => void]>([
    [
      "there is no system/config",
      (disk) => withRegion(disk, ({ files }) => files?.rmdir("/system/config")),
    ],
    [
      "system/config is a file",
      (disk) =>
        withRegion(disk, ({ files }) => {
          files?.rmdir("/system/config");
          files?.writeFile("/system/config", "no folder");
        }),
    ],
    ["the region's head is noise", (disk) => disk.poke(REGION_BYTE, noise(512 * 512))],
    [
      "the filesystem's superblocks are zero",
      (disk) => {
        for (const lba of SUPERBLOCKS.slice(4)) disk.poke(REGION_BYTE + lba * 512, ZERO);
      },
    ],
    [
      "the store's superblocks are zero",
      (disk) => {
        for (const lba of SUPERBLOCKS.slice(0, 4)) disk.poke(REGION_BYTE + lba * 512, ZERO);
      },
    ],
  ])("is what init gets when %s: neither capability, one line", (_, change) => {
    const { report, grant } = given(change);
    expect(report.lines).toEqual([BASE_FLOOR]);
    expect(grant).toBeUndefined();
    expect(report.outcome).toBe("checkpoint");
    expect(report.dataRegion).toMatchObject({ mounted: false });
  });

  test("says why in the report, not on the console", () => {
    const { report } = given((disk) =>
      withRegion(disk, ({ files }) => files?.rmdir("/system/config")),
    );
    expect(report.dataRegion).toMatchObject({
      floor: { code: "ENOENT", reason: expect.stringContaining("/system/config") },
    });
  });

  test("is not what a whole region gets: both capabilities", () => {
    const { grant } = given(() => {});
    expect(grant).toMatchObject({ config: { root: "/system/config" }, store: expect.anything() });
  });
});

describe("the firmware", () => {
  test("finds no boot loader on a blank disk, nor on an ESP without one", () => {
    const blank = new MemoryDevice({ size: "64MiB" });
    const empty = makeMedium({ boot: memoryTree({ "README.TXT": "no loader" }) });
    for (const disk of [blank, empty]) {
      const report = boot(disk);
      expect(report.lines).toEqual([NO_BOOTABLE_DEVICE]);
      expect(report.outcome).toBe("no-bootable-device");
      expect(report.notes.length).toBeGreaterThan(0);
    }
  });

  test("passes a damaged primary table over for the backup, and says so", () => {
    const disk = medium.clone();
    disk.poke(512, ZERO);
    const report = boot(disk);
    expect(report.lines[0]).toBe(DATA_REGION_MOUNTED);
    expect(report.notes[0]?.note).toMatch(/backup serves/);
  });

  test("tries disks in the order of the bus", () => {
    const early = medium.clone({ pci: 3, name: "early" });
    const late = medium.clone({ pci: 5, name: "late" });
    const blank = new MemoryDevice({ size: "1MiB", pci: 2, name: "blank" });
    const machine = new Machine({ disks: [late, blank, early] });
    expect(machine.boot().loader?.disk).toBe("early");
    expect(machine.disk("1af4:1042@00:05.0").name).toBe("late");
    expect(() => machine.disk("1af4:1042@00:09.0")).toThrow(/ENOENT/);
  });

  test("refuses two disks at one place", () => {
    expect(() => new Machine({ disks: [medium.clone(), medium.clone()] })).toThrow(/EEXIST/);
  });

  test("prefers an option of NVRAM that names a partition, whatever its slot", () => {
    const other = makeMedium({ seed: "other" }).clone({ pci: 9, name: "other" });
    const disk = medium.clone({ pci: 3, name: "first" });
    const guid = boot(other).loader;
    expect(guid?.disk).toBe("other");
    const nvram = new Nvram();
    const table = partitionGuid(other);
    const entry = { active: true, description: "other", partitionGuid: table };
    nvram.setOption({ ...entry, number: 7, path: "/EFI/Linux/linux-6.1.0-cloud-amd64.efi" });
    const machine = new Machine({ disks: [disk, other], nvram });
    expect(machine.boot().loader).toMatchObject({ disk: "other", option: 7 });
    expect(nvram.bootCurrent).toBe(7);
    nvram.setOption({ ...entry, number: 7, path: "/gone.efi" });
    expect(machine.boot().loader).toMatchObject({ disk: "first", option: undefined });
    expect(nvram.bootCurrent).toBeUndefined();
  });
});

test("a disk that fails altogether boots nothing, and the report says why", () => {
  const disk = medium.clone();
  disk.close();
  const report = boot(disk);
  expect(report.lines).toEqual([NO_BOOTABLE_DEVICE]);
  expect(report.notes[0]?.note).toMatch(/EIO/);
});

test("a disk that fails under the kernel is the base floor, not half of a grant", () => {
  const disk = new TraceDevice(medium.clone());
  const within = { sector: 264_192, sectors: 8192 };
  disk.inject({ on: RequestType.IN, within, times: Number.POSITIVE_INFINITY });
  const report = new Machine({ disks: [disk] }).boot();
  expect(report.lines).toEqual([BASE_FLOOR]);
  expect(report.dataRegion).toMatchObject({ floor: { code: "EIO" } });
});

test("what stops init goes through, also when its disk has gone with it", () => {
  const disk = medium.clone();
  const init = ({ grant }: InitContext) => {
    grant?.config.files.writeFile("/system/config/half", "written");
    disk.close();
    throw new RangeError("init stopped");
  };
  expect(() => new Machine({ disks: [disk], init }).boot()).toThrow("init stopped");
  expect(boot(disk.clone()).lines[0]).toBe(DATA_REGION_MOUNTED);
});

test("what init writes is there at the next boot", () => {
  const disk = medium.clone();
  const init = ({ grant, print }: InitContext) => {
    grant?.config.files.writeFile("/system/config/marker", "1");
    print("[init] wrote a marker");
  };
  expect(new Machine({ disks: [disk], init }).boot().lines.at(-1)).toBe("[init] wrote a marker");
  expect(boot(disk).dataRegion).toMatchObject({ configEntries: 1 });
});

function partitionGuid(disk: MemoryDevice): string {
  const core = new Core();
  return readGpt(core, core.attach(disk)).partitions[0]?.uniqueGuid ?? "";
}
