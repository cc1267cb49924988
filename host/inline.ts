/**
 * The same as the browser's entry, with the modules in it as base64, for where no second file can
 * be fetched: one file that works wherever JavaScript does. Disks have names in a worker only, so
 * here they are opened on devices.
 */
import CORE from "diskwright:core.wasm";
import MEDIA from "diskwright:media.wasm";
import { loadModules as load, type ModuleSources } from "./core/load.ts";
import type { BlockDevice } from "./device/device.ts";
import {
  type CreateDiskOptions,
  createDiskOn,
  type Disk,
  type OpenDiskOptions,
  openDiskOn,
} from "./system/disk/disk.ts";

export { OpfsDevice, opfsEnded, opfsExists, removeOpfs } from "./device/local/opfs.ts";
export * from "./portable.ts";

/** Compiles the modules that are in this file, or others. As loadModules() of the other entries. */
export function loadModules(sources: ModuleSources = {}): Promise<void> {
  return load({ core: sources.core ?? CORE, media: sources.media ?? MEDIA });
}

/** Opens the disk on a device that the caller keeps. As openDisk() of Node. */
export async function openDisk(device: BlockDevice, options: OpenDiskOptions = {}): Promise<Disk> {
  return openDiskOn(device, options, { owned: false });
}

/** Makes a disk on a device that the caller keeps, and opens it. As createDisk() of Node. */
export async function createDisk(
  device: BlockDevice,
  options: CreateDiskOptions = {},
): Promise<Disk> {
  return createDiskOn(device, options, { owned: false });
}
