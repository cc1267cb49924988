/** Disks by their names on this machine: paths, `file:` and `mem:` URLs. For Node. */
import { rmSync } from "node:fs";
import { FileDevice } from "../../device/local/file.ts";
import {
  type CreateDiskOptions,
  checkLayout,
  createDiskOn,
  type Disk,
  type DiskSource,
  isDevice,
  type OpenDiskOptions,
  openDiskOn,
  throwIfAborted,
} from "./disk.ts";
import { createDevice, openDevice, parseDiskName } from "./open.ts";

/**
 * Makes a disk and opens it. A fresh disk of layout `capos` has the folders `/etc` and
 * `/system/config`; a fresh region is empty.
 *
 * @throws {StorageError} EEXIST: the file is there; ENOSPC: too small, with the size that would do
 * @example
 * const disk = await createDisk("disk.img", { size: "256MiB", layout: "capos" });
 */
export async function createDisk(
  source: DiskSource,
  options: CreateDiskOptions = {},
): Promise<Disk> {
  if (isDevice(source)) return createDiskOn(source, options, { owned: false });
  checkLayout(options.layout ?? "capos");
  throwIfAborted(options.signal);
  const device = createDevice(source, options);
  try {
    return await createDiskOn(device, options, { owned: true });
  } catch (error) {
    device.close();
    // Half a disk is none: what was made here goes again.
    if (device instanceof FileDevice && options.overwrite !== true) {
      rmSync(device.name, { force: true });
    }
    throw error;
  }
}

/**
 * Opens the data region of a disk: the partition that `path:N` names, else one at the start of the
 * device, else the only partition that holds one.
 *
 * @throws {StorageError} ENOENT: no such file, or no region on it; EBUSY: another process has it;
 *   EINVAL: several partitions hold a region, and which; EBADMSG: it is damaged
 */
export async function openDisk(source: DiskSource, options: OpenDiskOptions = {}): Promise<Disk> {
  throwIfAborted(options.signal);
  if (isDevice(source)) return openDiskOn(source, options, { owned: false });
  const name = source instanceof URL ? { path: source.href } : parseDiskName(source);
  const device = openDevice(name.path, options);
  try {
    return openDiskOn(device, options, { owned: true, partition: name.partition });
  } catch (error) {
    device.close();
    throw error;
  }
}
