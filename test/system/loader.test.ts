/**
 * systemd-boot of the emulated machine on a volume of RayOS: a system that fails is counted down
 * and fallen back from, what cannot be loaded is told and passed over, and no cut loses an entry.
 */
import { describe, expect, test } from "vitest";
import { finish } from "../../host/base/work.ts";
import { FatVolume } from "../../host/core/fat.ts";
import { Core } from "../../host/core/load.ts";
import { type BlockDevice, RequestStatus, RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import {
  BOOT_SLOTS,
  bootEntry,
  entryPath,
  loaderConf,
  slotFolder,
} from "../../host/format/rayos/boot-entries.ts";
import { Nvram } from "../../host/system/boot/nvram.ts";
import { memoryTree } from "../../host/system/image/folder.ts";
import { ENTRIES_MAX } from "../../host/system/loader/menu.ts";
import { Machine, type MachineOptions } from "../../host/system/machine.ts";
import { makeMedia, planMedia } from "../../host/system/media/media.ts";

type Files = Record<string, string | Uint8Array>;
const ENTRIES = "loader/entries";
const REGISTRY = "EFI/RAYOS/registry.json";

/** What an installation puts on the ESP. */
function installed(kernelOptions = ""): Files {
  const files: Files = {
    ...{ "EFI/BOOT/BOOTX64.EFI": "loader", [REGISTRY]: '{"installer_mode":false}' },
    "loader/loader.conf": loaderConf("rayos*"),
  };
  for (const slot of BOOT_SLOTS) {
    files[`${slotFolder(slot)}/kernel.efi`] = "kernel";
    files[`${slotFolder(slot)}/initrd`] = "initrd";
    const options = { release: "1", systemLabel: "RAYOS_SYSTEM", kernelOptions, hasInitrd: true };
    files[entryPath(slot)] = bootEntry(slot, options);
  }
  return files;
}

function disk(files: Files) {
  const options = { boot: memoryTree(files), payload: memoryTree({}), folder: "", usb: true };
  const size = planMedia({ ...options, seed: "disk" }).sectors * 512;
  const device = new MemoryDevice({ size, name: "disk", pci: 4 });
  const { esp } = finish(makeMedia(device, { ...options, seed: "disk" }));
  return { files, device, place: { baseSector: esp.first, sectors: esp.sectors } };
}

type Disk = ReturnType<typeof disk>;

function volumeOf({ device, place }: Disk): FatVolume {
  const core = new Core();
  return FatVolume.open(core, core.attach(device), { ...place, readOnly: true });
}

function entriesOf(made: Disk): string[] {
  const volume = volumeOf(made);
  try {
    return volume
      .list(ENTRIES)
      .map(({ name }) => name)
      .sort();
  } finally {
    volume.close();
  }
}

function boot(device: BlockDevice, more: Partial<MachineOptions> = {}) {
  return new Machine({ disks: [device], ...more }).boot();
}

/** What each boot of a report started. */
function started(lines: readonly string[]): string[] {
  return lines.flatMap((line) => /^systemd-boot: starting ([^,]*), /.exec(line)?.slice(1) ?? []);
}

describe("an installed disk", () => {
  test("a good boot is counted first and blessed then; the next one is not counted", () => {
    const made = disk(installed());
    expect(boot(made.device).lines).toEqual([
      "RayOS uefi_boot: start",
      "RayOS uefi_boot: loading kernel...",
      "systemd-boot: 3 entries, timeout 5 s",
      "systemd-boot: rayos+3.conf is now rayos+2-1.conf",
      "systemd-boot: starting RayOS, rayos+2-1.conf",
      "RayOS uefi_boot: binary read OK; exiting boot services",
      "no data region; base floor",
      "[boot] good: rayos+2-1.conf is now rayos.conf",
    ]);
    expect(entriesOf(made)).toEqual([
      ...["rayos-previous+3.conf", "rayos-recovery.conf", "rayos.conf"],
    ]);
    const before = made.device.clone();
    const again = boot(made.device);
    expect(started(again.lines)).toEqual(["RayOS"]);
    expect(again.entry).toMatchObject({ id: "rayos.conf", file: "rayos.conf" });
    expect(Buffer.compare(made.device.bytes(), before.bytes())).toBe(0);
  });

  test("three failing boots, and the fourth is the previous system", () => {
    const made = disk(installed("rayos.fail=current"));
    for (const [left, done] of [
      [2, 1],
      [1, 2],
      [0, 3],
    ]) {
      const { outcome, lines, init } = boot(made.device, { resetsMax: 0 });
      expect(outcome).toBe("unhealthy");
      expect(started(lines)).toEqual(["RayOS"]);
      expect(lines.at(-1)).toBe("[init] health checkpoint: failed, reasons: 1");
      expect(init?.why).toEqual(["rayos.fail=current"]);
      expect(entriesOf(made)).toContain(`rayos+${left}-${done}.conf`);
    }
    const fourth = boot(made.device, { resetsMax: 0 });
    expect(fourth.outcome).toBe("checkpoint");
    expect(started(fourth.lines)).toEqual(["RayOS (previous)"]);
    expect(entriesOf(made)).toEqual([
      ...["rayos+0-3.conf", "rayos-previous.conf", "rayos-recovery.conf"],
    ]);
  });

  test("by itself, through resets, and to recovery where the previous one fails too", () => {
    const made = disk(installed("rayos.fail=current,previous"));
    const { outcome, lines, resets } = boot(made.device);
    expect(started(lines)).toEqual([
      ...["RayOS", "RayOS", "RayOS"],
      ...["RayOS (previous)", "RayOS (previous)", "RayOS (previous)", "RayOS (recovery)"],
    ]);
    expect([outcome, resets]).toEqual(["checkpoint", 6]);
    expect(started(boot(made.device).lines)).toEqual(["RayOS (recovery)"]);
  });

  test("where all of them fail the machine stops after its resets", () => {
    const made = disk(installed("rayos.fail=current,previous,recovery"));
    const { outcome, resets } = boot(made.device);
    expect([outcome, resets]).toEqual(["unhealthy", 10]);
  });

  test("a kernel with panic=0 does not reset the machine", () => {
    const made = disk(installed("rayos.fail=current panic=0"));
    expect(boot(made.device)).toMatchObject({ outcome: "unhealthy", resets: 0 });
  });

  test("without its kernel an entry is passed over and keeps its tries", () => {
    const { [`${slotFolder("current")}/kernel.efi`]: _, ...files } = installed();
    const made = disk(files);
    const { lines } = boot(made.device);
    expect(lines).toContain(
      "systemd-boot: rayos+3.conf passed over: there is no /EFI/RAYOS/current/kernel.efi",
    );
    expect(started(lines)).toEqual(["RayOS (previous)"]);
    expect(entriesOf(made)).toContain("rayos+3.conf");
  });

  test("without its initrd it is tried, told, and the next one starts", () => {
    const { [`${slotFolder("current")}/initrd`]: _, ...files } = installed();
    const made = disk({ ...files, [`${slotFolder("previous")}/kernel.efi`]: "" });
    const { lines } = boot(made.device);
    expect(lines.slice(3, 7)).toEqual([
      "systemd-boot: rayos+3.conf is now rayos+2-1.conf",
      "systemd-boot: rayos+3.conf passed over: there is no /EFI/RAYOS/current/initrd",
      "systemd-boot: rayos-previous+3.conf passed over: /EFI/RAYOS/previous/kernel.efi is empty",
      "systemd-boot: starting RayOS (recovery), rayos-recovery.conf",
    ]);
  });

  test("with no kernel at all: why of each, and the machine stays in the firmware", () => {
    const files = Object.entries(installed()).filter(([path]) => !path.endsWith("kernel.efi"));
    const { outcome, lines } = boot(disk(Object.fromEntries(files)).device);
    expect(lines.filter((line) => line.includes("passed over"))).toHaveLength(3);
    expect(lines.at(-1)).toBe("RayOS uefi_boot: kernel load failed; staying in UEFI");
    expect(outcome).toBe("no-kernel");
  });

  test("on a read-only disk it starts, is not counted and keeps its counter", () => {
    const made = disk(installed());
    const { outcome, lines } = boot(made.device.clone({ readOnly: true }));
    expect(outcome).toBe("checkpoint");
    expect(lines).toContain("systemd-boot: rayos+3.conf not counted: the medium is read-only");
    expect(lines.at(-1)).toBe(
      "[boot] good, but rayos+3.conf keeps its counter: the medium is read-only",
    );
  });

  test("a blessed entry of that name stays what it is", () => {
    const files = installed();
    const made = disk({ ...files, [`${ENTRIES}/rayos.conf`]: "title Old\nlinux /none\n" });
    expect(boot(made.device).lines.at(-1)).toBe(
      "[boot] good, but rayos+2-1.conf keeps its counter: there is a rayos.conf",
    );
  });

  test("NVRAM chooses: once, and else before loader.conf; a pattern that fits nothing does not", () => {
    const made = disk(installed());
    const nvram = new Nvram();
    nvram.entryOneShot = "*recovery*";
    nvram.entryDefault = "rayos-previous.conf";
    const kept = Nvram.from(nvram.toBytes());
    const titles = [1, 2, 3].map((turn) => {
      if (turn === 3) kept.entryDefault = "nothing*";
      return started(boot(made.device, { nvram: kept }).lines)[0];
    });
    expect(titles).toEqual(["RayOS (recovery)", "RayOS (previous)", "RayOS"]);
    expect(kept.entryOneShot).toBeUndefined();
  });
});

describe("a hostile volume", () => {
  test("what is no entry is told, and what is one starts", () => {
    const good = "title Good\nlinux /EFI/RAYOS/current/kernel.efi\n";
    const made = disk({
      "EFI/BOOT/BOOTX64.EFI": "loader",
      "EFI/RAYOS/current/kernel.efi": "kernel",
      "loader/loader.conf/x": "a folder in its place",
      [`${ENTRIES}/huge.conf`]: new Uint8Array(1 << 20).fill(0x20),
      [`${ENTRIES}/empty.conf`]: "",
      [`${ENTRIES}/zeros.conf`]: new Uint8Array(4096),
      [`${ENTRIES}/up.conf`]: "linux /../../etc/passwd\n",
      [`${ENTRIES}/arm.conf`]: "architecture aa64\nlinux /x\n",
      [`${ENTRIES}/folder.conf/x`]: "1",
      [`${ENTRIES}/good.conf`]: good,
    });
    const { outcome, lines } = boot(made.device);
    expect(outcome).toBe("checkpoint");
    const told = lines.filter((line) => line.includes("passed over")).sort();
    expect(told).toEqual([
      "systemd-boot: arm.conf passed over: it is for aa64, not for x64",
      "systemd-boot: empty.conf passed over: loader/entries/empty.conf is empty",
      "systemd-boot: huge.conf passed over: it has 1048576 bytes, more than 65536",
      expect.stringMatching(/^systemd-boot: up.conf passed over: /),
      "systemd-boot: zeros.conf passed over: it names no kernel",
    ]);
    expect(started(lines)).toEqual(["Good"]);
  });

  test("more entries than anybody needs are passed over", () => {
    const files: Files = {
      "EFI/BOOT/BOOTX64.EFI": "loader",
      "EFI/RAYOS/current/kernel.efi": "kernel",
    };
    for (let n = 0; n < ENTRIES_MAX + 2; n++) {
      files[`${ENTRIES}/e${n}.conf`] = "linux /EFI/RAYOS/current/kernel.efi\n";
    }
    const { outcome, lines } = boot(disk(files).device);
    expect(outcome).toBe("checkpoint");
    expect(lines.filter((line) => line.includes("more than 512"))).toHaveLength(2);
  });
});

describe("entries that cannot be read", () => {
  /** Where a directory entry or its long name lies on the disk. */
  const find = ({ device }: Disk, name: Buffer) => Buffer.from(device.bytes()).indexOf(name);

  // The reason once was dropped and a kernel of any slot started, without a try taken.
  test("because the device fails start no kernel, and the reason is told", () => {
    const made = disk(installed());
    const bad = Math.floor(find(made, Buffer.from("rayos", "utf16le")) / 512);
    const { outcome, lines } = boot(unreadable(made.device, bad));
    expect(lines.slice(-2)).toEqual([
      expect.stringMatching(/^systemd-boot: loader\/entries passed over: EIO: /),
      "RayOS uefi_boot: kernel load failed; staying in UEFI",
    ]);
    expect(outcome).toBe("no-kernel");
  });

  test("because the FAT is damaged start no kernel, and the reason is told", () => {
    const made = disk(installed());
    // The cluster of the folder, in its directory entry, leads nowhere.
    made.device.poke(find(made, Buffer.from("ENTRIES    ")) + 26, Uint8Array.of(0xff, 0xff));
    const { outcome, lines } = boot(made.device);
    expect(lines.at(-2)).toMatch(/^systemd-boot: loader\/entries passed over: EBADMSG: /);
    expect(outcome).toBe("no-kernel");
  });
});

test("a cut at any write of a boot leaves the entry whole, old or new or both; it starts", () => {
  const given = disk(installed());
  const text = given.files[entryPath("current")];
  const seen = new Set<string>();
  for (let writes = 0; ; writes++) {
    const made = { ...given, device: given.device.clone() };
    const { device, failed } = failing(made.device, writes);
    boot(device);
    const volume = volumeOf(made);
    const names = entriesOf(made).filter((file) => /^rayos[.+]/.test(file));
    expect(names.length, `cut at write ${writes}`).toBeGreaterThan(0);
    for (const name of names) {
      expect(Buffer.from(volume.readFile(`${ENTRIES}/${name}`)).toString()).toBe(text);
    }
    volume.close();
    seen.add(names.join(", "));
    const next = boot(made.device);
    expect(started(next.lines), `cut at write ${writes}`).toEqual(["RayOS"]);
    // What the cut left unused is found, but no two files share anything.
    const after = volumeOf(made);
    const kinds = after.check().map(({ kind }) => kind);
    const harmless = ["DIRTY", "FSINFO", "FREE_COUNT", "LOST", "TABLES_DIFFER"];
    expect(harmless, `cut at write ${writes}`).toEqual(expect.arrayContaining(kinds));
    after.close();
    if (!failed()) break;
  }
  expect([...seen].sort()).toEqual([
    ...["rayos+2-1.conf", "rayos+2-1.conf, rayos+3.conf", "rayos+2-1.conf, rayos.conf"],
    ...["rayos+3.conf", "rayos.conf"],
  ]);
});

/** The same disk, one sector of which cannot be read. */
function unreadable(base: MemoryDevice, sector: number): BlockDevice {
  return {
    ...{ name: base.name, config: base.config, identity: base.identity },
    durability: base.durability,
    submit(requests) {
      for (const asked of requests) {
        const end = asked.sector + asked.data.length / 512;
        const isBad = asked.type === RequestType.IN && asked.sector <= sector && sector < end;
        if (isBad) asked.status = RequestStatus.IOERR;
        else base.submit([asked]);
      }
    },
    close: () => base.close(),
  };
}

/** The same disk, whose writes fail after so many of them. */
function failing(base: MemoryDevice, writes: number) {
  let left = writes;
  const device: BlockDevice = {
    ...{ name: base.name, config: base.config, identity: base.identity },
    durability: base.durability,
    submit(requests) {
      for (const asked of requests) {
        if (asked.type === RequestType.OUT && left-- <= 0) asked.status = RequestStatus.IOERR;
        else base.submit([asked]);
      }
    },
    close: () => base.close(),
  };
  return { device, failed: () => left < 0 };
}
