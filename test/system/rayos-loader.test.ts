/**
 * The machine's boot loader of RayOS: which registry.json starts the installer, what happens when
 * it has ended, and that nothing on a volume keeps the machine from going on.
 */
import { describe, expect, test } from "vitest";
import { finish } from "../../host/base/work.ts";
import { FatVolume } from "../../host/core/fat.ts";
import { readGpt } from "../../host/core/gpt.ts";
import { Core } from "../../host/core/load.ts";
import { type BlockDevice, RequestStatus, RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { Nvram } from "../../host/system/boot/nvram.ts";
import { memoryTree } from "../../host/system/image/folder.ts";
import { Machine, type MachineOptions } from "../../host/system/machine.ts";
import { makeMedia, planMedia } from "../../host/system/media/media.ts";
import type { InstallerCall, InstallerEnd } from "../../host/system/rayos-loader.ts";

const REGISTRY = "EFI/RAYOS/registry.json";
const ON = '[ { "installer_mode" :true , "vms":{}, "x":"kept" } ]\n';
const IMAGE = "rayos-system-image.tar";
const LOADER = "RayOS uefi_boot:";
const KERNEL_LINES = [
  `${LOADER} loading kernel...`,
  `${LOADER} binary read OK; exiting boot services`,
  "no data region; base floor",
];
const UNKNOWN = `${LOADER} could not check installer mode; assuming kernel boot`;
const DETECTED = [
  `${LOADER} start`,
  `${LOADER} installer mode detected`,
  `${LOADER} loading installer binary...`,
];
const FAILED = `${LOADER} installer load failed; falling back to kernel`;

type Files = Readonly<Record<string, string | Uint8Array>>;
const BOOT: Files = { "EFI/BOOT/BOOTX64.EFI": "loader", "EFI/RAYOS/current/kernel.efi": "kernel" };

/** A disk whose only volume holds these files; or an ISO, where the image lies beside them. */
function disk(files: Files, more: { pci?: number; image?: string; iso?: boolean } = {}) {
  const { pci = 4, image, iso = false } = more;
  const options = {
    boot: memoryTree(files),
    payload: memoryTree(image === undefined ? {} : { [IMAGE]: image }),
    ...{ folder: "", usb: !iso, seed: `disk ${pci}` },
  };
  const size = planMedia(options).sectors * 512;
  const name = iso ? "cd" : `disk${pci}`;
  const device = new MemoryDevice({ size, name, pci: iso ? "8086:7010@00:01.1" : pci });
  const { esp } = finish(makeMedia(device, options));
  return { device, esp };
}

function volumeOf({ device, esp }: ReturnType<typeof disk>): FatVolume {
  const core = new Core();
  return FatVolume.open(core, core.attach(device), { baseSector: esp.first, sectors: esp.sectors });
}

function registryOf(made: ReturnType<typeof disk>): string {
  const volume = volumeOf(made);
  const text = Buffer.from(volume.readFile(REGISTRY)).toString();
  volume.close();
  return text;
}

function machine(options: MachineOptions, end: InstallerEnd | "none") {
  const calls: InstallerCall[] = [];
  const made = new Machine(options);
  const install = (call: InstallerCall) => {
    calls.push(call);
    if (end === "none") throw new Error("nobody may ask for an installer");
    call.print("RAYOS_INSTALLER:STARTED");
    return Promise.resolve(end);
  };
  return { calls, nvram: made.nvram, boot: () => made.bootWith(install) };
}

describe("a volume of RayOS", () => {
  test.each([
    ["the switch is off", '{"installer_mode":false}', undefined],
    ["an array of one, off", '[{"installer_mode":false}]', undefined],
    ["no switch", '{"vms":{}}', undefined],
    ["a text that says true", '{"installer_mode":"true"}', undefined],
    ["a switch further in", '{"x":{"installer_mode":true}}', undefined],
    ["an array of two", '[{"installer_mode":true},{}]', "an array of 2, not of one object"],
    ["an empty array", "[]", "an array of 0, not of one object"],
    ["no JSON", '{"installer_mode":true', /./],
    ["an empty file", "", /./],
    ["the key twice", '{"installer_mode":true,"installer_mode":true}', /installer_mode/],
    ["not UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d), "not UTF-8"],
    ["too long", `{"installer_mode":true}${" ".repeat(65_536)}`, /65536 at most/],
    ["too deep", `${"[".repeat(50)}${"]".repeat(50)}`, /deeper than 32/],
  ])("%s: the kernel starts, and a file that is none is told", async (_, registry, reason) => {
    const { device } = disk({ ...BOOT, [REGISTRY]: registry }, { image: "x" });
    const report = await machine({ disks: [device] }, "none").boot();
    expect(report.outcome).toBe("checkpoint");
    const [start, ...rest] = report.lines;
    expect(start).toBe(`${LOADER} start`);
    if (reason === undefined) expect(rest).toEqual(KERNEL_LINES);
    else {
      const told = typeof reason === "string" ? `${LOADER} reason: ${reason}` : reason;
      expect(rest).toEqual([UNKNOWN, expect.stringMatching(told), ...KERNEL_LINES]);
    }
  });

  test("no registry, and a folder in its place", async () => {
    for (const [files, reason] of [
      [BOOT, `there is no ${REGISTRY}`],
      [{ ...BOOT, [`${REGISTRY}/x`]: "1" }, `${REGISTRY} is no file`],
    ] as const) {
      const report = await machine({ disks: [disk(files).device] }, "none").boot();
      const [, unknown, told, ...rest] = report.lines;
      expect([unknown, told]).toEqual([UNKNOWN, `${LOADER} reason: ${reason}`]);
      expect(rest).toEqual(KERNEL_LINES);
      expect(report.outcome).toBe("checkpoint");
    }
  });

  test("without EFI/RAYOS this loader says nothing", async () => {
    const { device } = disk({ "EFI/BOOT/BOOTX64.EFI": "loader" });
    const report = await machine({ disks: [device] }, "none").boot();
    expect(report.lines).toEqual(["no data region; base floor"]);
  });

  test("without a kernel the machine stays in the firmware", async () => {
    const off = { "EFI/BOOT/BOOTX64.EFI": "loader", [REGISTRY]: "{}" };
    const report = await machine({ disks: [disk(off).device] }, "none").boot();
    expect(report.lines.at(-1)).toBe(`${LOADER} kernel load failed; staying in UEFI`);
    expect(report.outcome).toBe("no-kernel");
    const on = disk({ ...off, [REGISTRY]: ON });
    const failed = await machine({ disks: [on.device] }, "none").boot();
    expect(failed.lines.at(-1)).toBe(`${LOADER} kernel load failed after installer fallback`);
  });
});

describe("a switch that is on", () => {
  test("with no system image on the volume: why, then the kernel; the switch stays", async () => {
    const made = disk({ ...BOOT, [REGISTRY]: ON });
    const report = await machine({ disks: [made.device] }, "none").boot();
    expect(report.lines).toEqual([
      ...DETECTED,
      FAILED,
      `${LOADER} reason: there is no system image '${IMAGE}' on 'disk4'`,
      ...KERNEL_LINES,
    ]);
    expect(report.outcome).toBe("checkpoint");
    expect(registryOf(made)).toBe(ON);
  });

  test("with settings that the schema refuses: no installer runs by them", async () => {
    const registry = '{"installer_mode":true,"installer":{"disk":{}}}';
    const made = disk({ ...BOOT, [REGISTRY]: registry }, { image: "x" });
    const report = await machine({ disks: [made.device] }, "none").boot();
    expect(report.lines.slice(3, 5)).toEqual([
      FAILED,
      expect.stringMatching(/reason: installer\.disk/),
    ]);
    expect(report.outcome).toBe("checkpoint");
  });

  test("in a machine without an installer: the kernel", () => {
    const { device } = disk({ ...BOOT, [REGISTRY]: ON }, { image: "x" });
    const report = new Machine({ disks: [device] }).boot();
    expect(report.lines).toEqual([
      ...DETECTED,
      FAILED,
      `${LOADER} reason: this machine has no installer`,
      ...KERNEL_LINES,
    ]);
  });

  test("an installer that installs nothing: the kernel, and the switch stays", async () => {
    const made = disk({ ...BOOT, [REGISTRY]: ON }, { image: "x" });
    const end = { kind: "nothing", reason: "cancelled" } as const;
    const { boot, calls } = machine({ disks: [made.device] }, end);
    const report = await boot();
    expect(report.lines).toEqual([
      ...DETECTED,
      `${LOADER} installer loaded successfully`,
      "RAYOS_INSTALLER:STARTED",
      `${LOADER} reason: cancelled`,
      ...KERNEL_LINES,
    ]);
    expect(report).toMatchObject({ outcome: "checkpoint", resets: 0, installer: end });
    expect(calls).toHaveLength(1);
    expect(registryOf(made)).toBe(ON);
  });

  test("an installation clears it, byte for byte else, and starts the new system first", async () => {
    const medium = disk({ ...BOOT, [REGISTRY]: ON }, { image: "x", pci: 4 });
    const target = disk({ ...BOOT, [REGISTRY]: "{}" }, { pci: 5 });
    const espGuid = guidOf(target.device);
    const end = { kind: "installed", disk: target.device, espGuid } as const;
    const disks = [medium.device, target.device];
    const { boot, calls, nvram } = machine({ disks }, end);
    const report = await boot();
    expect(report.lines).toEqual([
      ...DETECTED,
      `${LOADER} installer loaded successfully`,
      "RAYOS_INSTALLER:STARTED",
      `${LOADER} installer_mode cleared`,
      "machine: reset",
      `${LOADER} start`,
      ...KERNEL_LINES,
    ]);
    expect(report).toMatchObject({
      ...{ outcome: "checkpoint", resets: 1, loader: { disk: "disk5", option: 0 } },
      installer: { kind: "installed", disk: "disk5" },
    });
    const [call] = calls;
    expect(call).toMatchObject({ disks, bootDevice: medium.device, isRemovable: true });
    expect(call?.settings).toBeUndefined();
    expect(registryOf(medium)).toBe(ON.replace("true", "false"));
    expect(volumeOf(medium).check()).toEqual([]);
    // The variables last; without them the medium starts again, and as it says, its kernel.
    const next = await machine({ disks, nvram: Nvram.from(nvram.toBytes()) }, "none").boot();
    expect(next.loader?.disk).toBe("disk5");
    const fresh = await machine({ disks }, "none").boot();
    expect(fresh.loader?.disk).toBe("disk4");
    expect(fresh.lines).toEqual([`${LOADER} start`, ...KERNEL_LINES]);
  });

  test("from a CD the system image is on the ISO volume; the disk starts before the CD then", async () => {
    const cd = disk({ ...BOOT, [REGISTRY]: ON }, { image: "x", iso: true });
    const target = disk({ ...BOOT, [REGISTRY]: "{}" });
    const end = { kind: "installed", disk: target.device, espGuid: guidOf(target.device) } as const;
    const cdrom = cd.device.clone({ readOnly: true });
    const { boot, calls } = machine({ disks: [target.device], cdrom, cdromFirst: true }, end);
    const report = await boot();
    expect(report.lines).toContain(`${LOADER} installer_mode not cleared: the medium is read-only`);
    expect(report.loader?.disk).toBe("disk4");
    expect(calls[0]).toMatchObject({ bootDevice: cdrom, isRemovable: true });
    expect(registryOf(cd)).toBe(ON);
  });

  test("one that cannot be cleared is told, and the installer does not start twice", async () => {
    const medium = disk({ ...BOOT, [REGISTRY]: ON }, { image: "x" });
    const { device, fail } = failing(medium.device);
    const end = { kind: "installed", disk: device, espGuid: "nowhere" } as const;
    const { boot, calls } = machine({ disks: [device] }, end);
    fail();
    const report = await boot();
    expect(report.lines.slice(5)).toEqual([
      expect.stringMatching(/installer_mode not cleared: /),
      "machine: reset",
      `${LOADER} start`,
      `${LOADER} installer mode detected`,
      `${LOADER} the installer has run; starting the kernel`,
      ...KERNEL_LINES,
    ]);
    expect(calls).toHaveLength(1);
    expect(registryOf(medium)).toBe(ON);
  });

  test("a cut at any write while it is cleared leaves the old file or the new one", async () => {
    const given = disk({ ...BOOT, [REGISTRY]: ON }, { image: "x" });
    const end = { kind: "installed", disk: given.device, espGuid: "" } as const;
    const seen = new Set<string>();
    for (let writes = 0; ; writes++) {
      const medium = { ...given, device: given.device.clone() };
      const { device, fail, failed } = failing(medium.device);
      fail(writes);
      await machine({ disks: [device], resetsMax: 0 }, end).boot();
      seen.add(registryOf(medium));
      const next = await machine(
        { disks: [medium.device] },
        { kind: "nothing", reason: "" },
      ).boot();
      expect(next.outcome, `cut at write ${writes}`).toBe("checkpoint");
      if (!failed()) break;
    }
    expect([...seen]).toEqual([ON, ON.replace("true", "false")]);
  });

  test("where no reset is allowed the boot ends after the installation", async () => {
    const medium = disk({ ...BOOT, [REGISTRY]: ON }, { image: "x" });
    const end = { kind: "installed", disk: medium.device, espGuid: "" } as const;
    const report = await machine({ disks: [medium.device], resetsMax: 0 }, end).boot();
    expect(report).toMatchObject({ outcome: "installed", resets: 0 });
  });
});

function guidOf(device: BlockDevice): string {
  const core = new Core();
  return readGpt(core, core.attach(device)).partitions[0]?.uniqueGuid ?? "";
}

/** The same disk, whose writes fail once so many of them have come after `fail()`. */
function failing(base: MemoryDevice) {
  let left = Number.POSITIVE_INFINITY;
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
  return {
    device,
    fail: (writes = 0) => {
      left = writes;
    },
    failed: () => left < 0,
  };
}
