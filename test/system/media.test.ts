/** Installer media: one image for CD and USB, the disk it carries, and what is refused. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { finish } from "../../host/base/work.ts";
import { FatVolume } from "../../host/core/fat.ts";
import { readGpt, verifyGpt } from "../../host/core/gpt.ts";
import { Core } from "../../host/core/load.ts";
import { openIso } from "../../host/core/media/open.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { folderTree, memoryTree, type Tree } from "../../host/system/image/folder.ts";
import { splitDisk } from "../../host/system/image/split.ts";
import { inspectDisk } from "../../host/system/inspect.ts";
import { install, planOf } from "../../host/system/install/install.ts";
import { Machine } from "../../host/system/machine.ts";
import { type MakeMediaOptions, makeMedia, planMedia } from "../../host/system/media/media.ts";
import { verifyDisk } from "../../host/system/verify.ts";
import { openVolume } from "../../host/system/volume.ts";
import { diskwright, diskwrightJson } from "../support/cli.ts";
import { temporaryPaths } from "../support/folder.ts";
import { bootTree, digest, makeMedium, noise } from "./support.ts";

const fresh = temporaryPaths();
const PAYLOAD = memoryTree({ "A.BIN": noise(5000, 1), "deep/b.txt": "deep", empty: "" });

function medium(options: Partial<MakeMediaOptions> & { readonly extra?: number } = {}) {
  const { extra = 0, ...given } = options;
  const asked = { boot: bootTree(), payload: PAYLOAD, seed: "m", ...given };
  const plan = planMedia(asked);
  const device = new MemoryDevice({ size: plan.sectors * 512 + extra, name: "installer" });
  return { plan, device, made: finish(makeMedia(device, asked)) };
}

/** A folder of `image split`, as a payload. */
function splitPayload(): Tree {
  const folder = fresh("payload");
  finish(splitDisk(makeMedium(), folder));
  return folderTree(folder);
}

test("El Torito and the partition table lead to one FAT, which holds the boot files", () => {
  const { device, plan } = medium();
  const core = new Core();
  const id = core.attach(device);
  const { bootImage } = openIso(device);
  expect(verifyGpt(core, id)).toEqual([]);
  const { partitions } = readGpt(core, id);
  expect(partitions).toMatchObject([
    { index: 1, firstLba: plan.esp.first, lastLba: plan.esp.last },
  ]);
  expect(bootImage?.sector).toBe(plan.esp.first);
  const window = { baseSector: bootImage?.sector, sectors: bootImage?.sectors };
  const fat = FatVolume.open(core, id, { ...window, readOnly: true });
  expect(Buffer.compare(fat.readFile("/EFI/BOOT/BOOTX64.EFI"), noise(70_001, 1))).toBe(0);
  expect(fat.exists("/A.BIN")).toBe(false);
  expect(fat.check()).toEqual([]);
});

test("the payload is under /boot/bins of the ISO, or of the FAT of a USB disk", () => {
  for (const usb of [false, true]) {
    const { device, made } = medium({ usb });
    expect(made.kind).toBe(usb ? "usb" : "iso");
    const core = new Core();
    const volume = openVolume(core, core.attach(device), { readOnly: true });
    expect(volume.kind).toBe(usb ? "FAT32" : "ISO 9660");
    expect(volume.list("/boot/bins").map(({ name }) => name)).toContain("A.BIN");
    const content = Buffer.concat([...volume.read("/boot/bins/A.BIN")]);
    expect(Buffer.compare(content, noise(5000, 1))).toBe(0);
    const deep = Buffer.concat([...volume.read("/boot/bins/deep/b.txt")]);
    expect(deep.toString()).toBe("deep");
    expect(volume.stat("/boot/bins/empty").sizeBytes).toBe(0);
    volume.close();
  }
});

test("the same seed gives the same medium, another seed another", () => {
  for (const usb of [false, true]) {
    const one = digest(medium({ usb }).device);
    expect(digest(medium({ usb }).device)).toBe(one);
    expect(digest(medium({ usb, seed: "n" }).device)).not.toBe(one);
  }
});

test("on a larger disk the partition table ends where the disk does", () => {
  for (const usb of [false, true]) {
    const { device } = medium({ usb, extra: 8 << 20 });
    const core = new Core();
    const id = core.attach(device);
    expect(verifyGpt(core, id)).toEqual([]);
    expect(readGpt(core, id).lastUsableLba).toBe(device.config.capacity - 34);
  }
});

test("inspect and verify know a hybrid medium at every level", () => {
  const { device, plan } = medium();
  const view = inspectDisk(device);
  expect(view.iso).toEqual({
    label: "DISKWRIGHT",
    names: "rock-ridge",
    sizeBytes: device.sizeBytes,
    bootLba: plan.esp.first,
    payloadEntries: 3,
  });
  expect(view.volumes).toMatchObject([{ partition: 1, fat: { bootLoader: true } }]);
  const report = finish(verifyDisk(device));
  expect(report.checked).toEqual(["ISO 9660", "GPT", "partition 1: FAT32"]);
  expect(report.damage).toBe(0);
  const record = Buffer.from(device.peek(0, 1 << 17)).indexOf("A.BIN;1", 40_000) - 33;
  device.poke(record + 2, Uint8Array.of(255, 255, 255, 127, 127, 255, 255, 255));
  const { findings } = finish(verifyDisk(device));
  expect(findings).toMatchObject([{ area: "media", reason: "ISO_EXTENT", path: "/boot/bins" }]);
});

test.each([false, true])("a medium (usb %s) installs the disk that it carries", (usb) => {
  const { device } = medium({ payload: splitPayload(), usb });
  const before = digest(device);
  const trace = new TraceDevice(device);
  const target = new MemoryDevice({ size: "160MiB", name: "target" });
  const { plan } = finish(install(trace, target, { seed: "t" }));
  expect(plan.source.name).toBe("installer");
  expect(trace.counts.writes + trace.counts.zeroes + trace.counts.discards).toBe(0);
  expect(digest(device)).toBe(before);
  const direct = new MemoryDevice({ size: "160MiB", name: "target" });
  finish(install(makeMedium(), direct, { seed: "t" }));
  expect(digest(target)).toBe(digest(direct));
  expect(new Machine({ disks: [target] }).boot().lines).toContain("data region: mounted");
});

test("a medium is never its own target, and one without a disk installs nothing", () => {
  const { device } = medium({ payload: splitPayload() });
  expect(() => finish(planOf(device, device))).toThrow(/is the medium/);
  const other = new MemoryDevice({ size: "160MiB" });
  const lacking = () => finish(planOf(medium().device, other));
  expect(lacking).toThrow("has no /boot/bins/BOOTHEAD.BIN");
  const { device: damaged } = medium({ payload: splitPayload() });
  const parts = openIso(damaged);
  const { sector } = parts.stat("/boot/bins/BOOTHEAD.BIN");
  damaged.poke((sector + 1) * 512 + 56, noise(16, 5));
  expect(() => finish(planOf(damaged, other))).toThrow("EBADMSG");
});

test("a device that is too small or has blocks of 4096 bytes is refused and not written", () => {
  const asked = { boot: bootTree(), payload: PAYLOAD };
  const small = new TraceDevice(new MemoryDevice({ size: "20MiB" }));
  expect(() => finish(makeMedia(small, asked))).toThrow("refused: ");
  const large = new TraceDevice(new MemoryDevice({ size: "64MiB", blkSize: 4096 }));
  expect(() => finish(makeMedia(large, asked))).toThrow("needs 512");
  expect([small.counts.writes, large.counts.writes]).toEqual([0, 0]);
});

test("the boot image grows with what it holds", () => {
  const files = Object.fromEntries(
    Array.from({ length: 600 }, (_, index) => [`file-${index}`, noise(10 + index, index)]),
  );
  const boot = memoryTree({ ...files, big: noise(40 << 20, 7) });
  const { device, plan } = medium({ boot, usb: true });
  expect(plan.esp.sectors).toBeGreaterThan(40 * 2048);
  const core = new Core();
  const volume = openVolume(core, core.attach(device), { readOnly: true });
  expect(volume.stat("/big").sizeBytes).toBe(40 << 20);
});

test("image mkmedia from the command line: made, read, installed; --force to replace", () => {
  const boot = fresh("boot");
  const payload = fresh("parts");
  const disk = fresh("disk.img");
  const iso = fresh("installer.iso");
  const target = fresh("target.img");
  const made = (...args: string[]) => diskwright(["image", ...args]);
  finish(splitDisk(makeMedium(), payload));
  mkdirSync(join(boot, "EFI/BOOT"), { recursive: true });
  writeFileSync(join(boot, "EFI/BOOT/BOOTX64.EFI"), noise(4000, 1));
  const args = ["mkmedia", iso, "--boot", boot, "--payload", payload, "--seed", "1"];
  expect(made(...args)).toMatchObject({ code: 0, stderr: "" });
  const again = made(...args);
  expect([again.code, again.stderr]).toEqual([4, expect.stringContaining("--force")]);
  const bytes = readFileSync(iso);
  const told = diskwrightJson(["image", ...args, "--force"]);
  expect(told).toMatchObject({ path: iso, kind: "iso", payloadFiles: 3 });
  expect(Buffer.compare(readFileSync(iso), bytes)).toBe(0);
  expect(diskwright(["verify", iso]).stdout).toContain("ISO 9660, GPT, partition 1: FAT32: clean");
  expect(diskwright(["inspect", iso]).stdout).toContain("ISO 9660 DISKWRIGHT");
  expect(diskwright(["fs", "ls", iso, "/boot/bins"]).stdout).toContain("DATAIMG.BIN");
  expect(diskwright(["fs", "ls", `${iso}:1`, "/EFI/BOOT"]).stdout).toContain("BOOTX64.EFI");
  expect(diskwright(["fs", "get", iso, "/boot/bins/BOOTGPT.BIN", disk]).code).toBe(0);
  expect(Buffer.compare(readFileSync(disk), readFileSync(join(payload, "BOOTGPT.BIN")))).toBe(0);
  expect(diskwright(["fs", "rm", iso, "/boot/bins/BOOTGPT.BIN"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("EROFS"),
  });
  writeFileSync(target, "");
  diskwright(["image", "mkstore", target, "--size", "160MiB", "--force"]);
  const erase = ["--target", target, "--erase", "--yes", "--table-backup", fresh("table")];
  const installed = diskwright(["install", "--source", iso, ...erase]);
  expect(installed).toMatchObject({ code: 0, stdout: expect.stringContaining("read back") });
  const lower = made("mkmedia", fresh("x.iso"), ...args.slice(2), "--label", "lower");
  expect([lower.code, lower.stderr]).toEqual([1, expect.stringContaining("no label")]);
});
