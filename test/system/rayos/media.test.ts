/** Installer media of RayOS: what is on them, what is installed from them, and what is refused. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { Refusal } from "../../../host/base/errors.ts";
import { finish } from "../../../host/base/work.ts";
import { FatVolume } from "../../../host/core/fat.ts";
import { Core } from "../../../host/core/load.ts";
import { MediaCore } from "../../../host/core/media/load.ts";
import { openIso } from "../../../host/core/media/open.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { isZero } from "../../../host/device/sectors.ts";
import { memoryTree } from "../../../host/system/image/folder.ts";
import { makeMedia, planMedia } from "../../../host/system/media/media.ts";
import { detectInstalls, installRayos } from "../../../host/system/rayos/install.ts";
import { prepareRayosMedia, type RayosMediaOptions } from "../../../host/system/rayos/media.ts";
import { openFolder } from "../../../host/system/rayos/source/folder.ts";
import type { ImagePlace } from "../../../host/system/rayos/source/image.ts";
import { openImage } from "../../../host/system/rayos/source/image.ts";
import { tarOf } from "../../../host/system/rayos/source/tar-writer.ts";
import { openVolume } from "../../../host/system/volume.ts";
import { digest } from "../support.ts";
import { imageFolder, RAYOS_FILES, requestFor, SEED, SMALL_DISK, scratch } from "./support.ts";

const FOLDER_FILES = { ...RAYOS_FILES, "usr/Grüße": "x", "usr/empty": "" };

function medium(payload: string, more: Partial<RayosMediaOptions> = {}) {
  const media = finish(prepareRayosMedia({ payload, ...SEED, ...more }));
  const device = new MemoryDevice({ size: planMedia(media.options).sectors * 512, name: "medium" });
  const made = finish(makeMedia(device, media.options));
  media.close();
  return { device, made, media };
}

function installed(source: ImagePlace): MemoryDevice {
  const target = new MemoryDevice({ size: SMALL_DISK, name: "target" });
  finish(installRayos(new Core(), new MediaCore(), target, requestFor(undefined, { source })));
  return target;
}

/** A plain tar of a folder, as a file. */
function tarFile(folder: string): string {
  const tar = tarOf(finish(openFolder(folder)).entries);
  const bytes = new Uint8Array(tar.sizeBytes);
  tar.open().read(bytes);
  const path = join(scratch(), "image.tar");
  writeFileSync(path, bytes);
  return path;
}

function text(device: MemoryDevice, path: string): string {
  const core = new Core();
  const volume = openVolume(core, core.attach(device), { readOnly: true });
  const content = Buffer.concat([...volume.read(path)]).toString();
  volume.close();
  return content;
}

test("a disk installed from the ISO, the USB medium or a tar is the one from the folder", () => {
  const folder = imageFolder(FOLDER_FILES);
  const expected = digest(installed(folder));
  for (const usb of [false, true]) {
    const { device } = medium(folder, { usb });
    expect(digest(installed({ device })), `usb ${usb}`).toBe(expected);
  }
  expect(digest(installed(tarFile(folder)))).toBe(expected);
});

test("a medium is read by its path, with an ISO as with a USB image", () => {
  const folder = imageFolder(RAYOS_FILES);
  for (const usb of [false, true]) {
    const { device, media } = medium(folder, { usb });
    const path = join(scratch(), "m.img");
    writeFileSync(path, device.peek(0, device.config.capacity * 512));
    const image = finish(openImage(path));
    expect(image.release).toBe(media.image.release);
    expect(image.entries.map((entry) => entry.path)).toContain("boot/kernel.bin");
    image.close();
  }
});

test("the image lies at the root with its checksum; the ESP starts the installer once", () => {
  const folder = imageFolder(RAYOS_FILES);
  for (const usb of [false, true]) {
    const { device, media, made } = medium(folder, { usb });
    const { name, sha256 } = media.image;
    expect(name).toBe("rayos-system-image.tar");
    expect(text(device, "/rayos-system-image.sha256")).toBe(`${sha256}  ${name}\n`);
    const core = new Core();
    const place = { baseSector: made.esp.first, sectors: made.esp.sectors };
    const esp = FatVolume.open(core, core.attach(device), { ...place, readOnly: true });
    const read = (path: string) => Buffer.from(esp.readFile(path)).toString();
    expect(JSON.parse(read("/EFI/RAYOS/registry.json"))).toEqual({
      installer_mode: true,
      rayos_version: "RayOS System Image, Tue Jan  6",
      created: SEED.sourceDateEpoch,
      vms: {},
    });
    expect(read("/EFI/RAYOS/installer/kernel.efi")).toBe(RAYOS_FILES["kernel.bin"]);
    expect(read("/EFI/RAYOS/installer/initrd")).toBe(RAYOS_FILES["boot/initrd"]);
    expect(read("/EFI/BOOT/BOOTX64.EFI")).toBe(RAYOS_FILES["EFI/BOOT/BOOTX64.EFI"]);
    const label = usb ? "RAYOSESP" : "RAYOS";
    expect(read("/loader/entries/rayos-installer.conf")).toContain(
      `options rayos.medium=LABEL=${label} console=ttyS0 rayos.boot=installer panic=1`,
    );
    esp.close();
    if (!usb) expect(openIso(device).label).toBe("RAYOS");
    expect(detectInstalls(new Core(), new MediaCore(), device)).toEqual([]);
  }
});

test("the same seed gives the same medium; files of --boot and a registry are as they were given", () => {
  const payload = imageFolder(RAYOS_FILES);
  const one = digest(medium(payload).device);
  expect(digest(medium(payload).device)).toBe(one);
  expect(digest(medium(payload, { seed: "other" }).device)).not.toBe(one);
  const registry = '[ {"installer_mode":true, "installer":{"disk":{"name":"vda"}}} ]';
  const boot = memoryTree({ "efi/boot/bootx64.efi": "mine", "efi/extra": "more" });
  const { device, media } = medium(payload, {
    ...{ usb: true, registry: new TextEncoder().encode(registry), boot },
  });
  expect(text(device, "/EFI/RAYOS/registry.json")).toBe(registry);
  expect(text(device, "/EFI/BOOT/BOOTX64.EFI")).toBe("mine");
  expect(text(device, "/EFI/extra")).toBe("more");
  expect(media.warnings).toEqual([]);
});

test("a packed archive is copied as it is, and installs the same files", () => {
  const folder = imageFolder(RAYOS_FILES);
  const packed = join(scratch(), "image.tar.gz");
  writeFileSync(packed, gzipSync(readFileSync(tarFile(folder))));
  const { device, media } = medium(packed);
  const { name, sha256 } = media.image;
  expect(name).toBe("rayos-system-image.tar.gz");
  expect(sha256).toBe(createHash("sha256").update(readFileSync(packed)).digest("hex"));
  expect(digest(installed({ device }))).toBe(digest(installed(folder)));
});

test("an image without kernel or loader makes a medium, with warnings", () => {
  const { media } = medium(imageFolder({ "etc/x": "1" }));
  expect(media.warnings).toEqual([
    "the image has no kernel: the disk will not start",
    "the image has no boot loader: the disk will not start",
    "firmware finds nothing to start on the medium",
  ]);
});

/** An ISO with any files at its root. */
function iso(files: Readonly<Record<string, Uint8Array | string>>): MemoryDevice {
  const options = {
    boot: memoryTree({ x: "" }),
    payload: memoryTree(files),
    folder: "",
    seed: "s",
  };
  const device = new MemoryDevice({ size: planMedia(options).sectors * 512, name: "medium" });
  finish(makeMedia(device, options));
  return device;
}

test("a medium without an image, a cut tar, a wrong checksum, no checksum list: errors, no write", () => {
  const tar = readFileSync(tarFile(imageFolder(RAYOS_FILES)));
  const name = "rayos-system-image.tar";
  const sum = (bytes: Uint8Array) =>
    `${createHash("sha256").update(bytes).digest("hex")}  ./${name}\n`;
  const cut = tar.subarray(0, tar.indexOf("kernel kernel") + 100);
  const changed = Buffer.from(tar);
  changed[600] = (changed[600] ?? 0) ^ 1;
  const cases: [string, RegExp, Readonly<Record<string, Uint8Array | string>>][] = [
    ["EMEDIUMTYPE", /no system image 'rayos-system-image.tar'/, { other: "1" }],
    ["EBADMSG", /ends inside a file/, { [name]: cut }],
    ["EBADMSG", /ends inside a file/, { [name]: cut, "rayos-system-image.sha256": sum(cut) }],
    [
      "EBADMSG",
      /not what its checksum says/,
      { [name]: cut, "rayos-system-image.sha256": sum(tar) },
    ],
    [
      "EBADMSG",
      /not what its checksum says/,
      { [name]: changed, "rayos-system-image.sha256": sum(tar) },
    ],
    [
      "EBADMSG",
      /line 1 of rayos-system-image.sha256/,
      { [name]: tar, "rayos-system-image.sha256": "x" },
    ],
    ["EMEDIUMTYPE", /is no system image/, { [name]: "x".repeat(600) }],
  ];
  const target = new MemoryDevice({ size: SMALL_DISK, name: "target" });
  for (const [code, message, files] of cases) {
    const request = requestFor(undefined, { source: { device: iso(files) } });
    const work = () => finish(installRayos(new Core(), new MediaCore(), target, request));
    const told = { code, message: expect.stringMatching(message) };
    expect(work, `${message}`).toThrow(expect.objectContaining(told));
  }
  expect(isZero(target.bytes())).toBe(true);
});

test("a medium that is read with errors or was changed in one byte of the image is refused", () => {
  const { device } = medium(imageFolder(RAYOS_FILES));
  const at = Buffer.from(device.peek(0, 1 << 20)).indexOf("kernel kernel");
  expect(at).toBeGreaterThan(0);
  device.poke(at, Uint8Array.of(0x4b));
  expect(() => finish(openImage({ device }))).toThrow(/EBADMSG.*the medium is damaged/);
  const blank = new MemoryDevice({ size: "1MiB", name: "blank" });
  expect(() => finish(openImage({ device: blank }))).toThrow(/EMEDIUMTYPE.*no installer medium/);
  const { device: whole } = medium(imageFolder(RAYOS_FILES));
  expect(() => finish(openImage({ device: whole, path: "/other.tar" }))).toThrow(/'\/other.tar'/);
});

test("what cannot be a medium is refused before anything is made", () => {
  const payload = imageFolder(RAYOS_FILES);
  const prepare = (more: Partial<RayosMediaOptions>) => () =>
    finish(prepareRayosMedia({ payload, ...SEED, ...more })).close();
  const bytes = (value: string) => new TextEncoder().encode(value);
  expect(prepare({ registry: bytes('{"installer_mode":false}') })).toThrow(Refusal);
  expect(prepare({ registry: bytes("{") })).toThrow(expect.objectContaining({ code: "EINVAL" }));
  const off = memoryTree({ "EFI/RAYOS/registry.json": "{}" });
  expect(prepare({ boot: off })).toThrow(/installer_mode is not true/);
  expect(prepare({ payload: join(payload, "nothing") })).toThrow(
    expect.objectContaining({ code: "ENOENT" }),
  );
  const bad = imageFolder({ x: "1", ".checksums": `${"0".repeat(64)}  /b/x\n` });
  expect(prepare({ payload: bad })).toThrow(/'x' .*not what .checksums says/);
  const huge = imageFolder({ ...RAYOS_FILES, huge: "" });
  truncateSync(join(huge, "huge"), 2 ** 32);
  expect(prepare({ payload: huge, usb: true })).toThrow(/refused: .*too many for a FAT/);
  const { device } = medium(payload);
  const path = join(scratch(), "m.iso");
  writeFileSync(path, device.peek(0, device.config.capacity * 512));
  expect(prepare({ payload: path })).toThrow(expect.objectContaining({ code: "EMEDIUMTYPE" }));
});

test("a payload that changes between the check and the writing makes no medium", () => {
  const payload = imageFolder(RAYOS_FILES);
  const changes: [RegExp, () => void][] = [
    [
      /changed while the medium was made/,
      () => writeFileSync(join(payload, "boot/initrd"), "x".repeat(2800)),
    ],
    [/EIO/, () => writeFileSync(join(payload, "boot/initrd"), "short")],
  ];
  for (const [message, change] of changes) {
    mkdirSync(join(payload, "boot"), { recursive: true });
    writeFileSync(join(payload, "boot/initrd"), RAYOS_FILES["boot/initrd"] ?? "");
    const media = finish(prepareRayosMedia({ payload, ...SEED }));
    // The initrd of the boot entry would tell first; here it is the archive that must.
    const options = { ...media.options, boot: memoryTree({ x: "" }) };
    const device = new MemoryDevice({ size: planMedia(options).sectors * 512 });
    change();
    expect(() => finish(makeMedia(device, options))).toThrow(message);
    media.close();
  }
});
