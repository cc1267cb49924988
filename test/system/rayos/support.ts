/** Images and small disks for the tests of the RayOS installer. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { finish } from "../../../host/base/work.ts";
import { Core } from "../../../host/core/load.ts";
import { MediaCore } from "../../../host/core/media/load.ts";
import type { BlockDevice } from "../../../host/device/device.ts";
import type { RayosRequest } from "../../../host/system/rayos/install.ts";
import { installRayos, planRayosInstall } from "../../../host/system/rayos/install.ts";

const MIB = 2 ** 20;
/** The least of everything, so that a disk is small. */
export const SMALL = {
  espBytes: 33 * MIB,
  systemBytes: 64 * MIB,
  stateBytes: 4 * MIB,
  logBytes: MIB,
  recoveryBytes: 33 * MIB,
  poolBytesMin: 64 * MIB,
};
export const SMALL_DISK = "170MiB";
export const SMALL_FULL_DISK = "208MiB";

/** A folder of this test's own. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "diskwright-rayos-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files into a new folder, `{"a/b": "text"}`, and answers the folder. */
export function imageFolder(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = join(scratch(), "image");
  mkdirSync(folder);
  for (const [path, content] of Object.entries(files)) {
    const local = join(folder, path);
    mkdirSync(dirname(local), { recursive: true });
    writeFileSync(local, content);
  }
  return folder;
}

/** What an image of RayOS's own builder looks like. */
export const RAYOS_FILES: Readonly<Record<string, string>> = {
  "kernel.bin": "kernel ".repeat(900),
  "boot/initrd": "initrd ".repeat(400),
  "EFI/BOOT/BOOTX64.EFI": "loader ".repeat(300),
  VERSION: "RayOS System Image\nBuild Date: Tue Jan  6\nKernel: kernel.bin\nInitrd: boot/initrd\n",
  MANIFEST:
    "# RayOS System Installation Manifest\n\nkernel.bin   /boot/kernel.bin\n" +
    "boot/initrd  /boot/initrd\nEFI/BOOT/BOOTX64.EFI  /EFI/BOOT/BOOTX64.EFI\n",
  "usr/lib/os-release": "NAME=RayOS\n",
};

export const SEED = { seed: "rayos", sourceDateEpoch: 1_700_000_000 } as const;

export function requestFor(source: RayosRequest["source"], more: Partial<RayosRequest> = {}) {
  return {
    layout: "rayos",
    source,
    place: { kind: "disk" },
    sizes: SMALL,
    ...SEED,
    ...more,
  } as RayosRequest;
}

export function install(target: BlockDevice, request: RayosRequest) {
  return finish(installRayos(new Core(), new MediaCore(), target, request));
}

export function plan(target: BlockDevice, request: RayosRequest) {
  return planRayosInstall(new Core(), new MediaCore(), target, request);
}
