/** DISK as people write it: `path`, `path:N` for a partition, `file:` and `mem:` URLs. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseSize } from "../../base/size.ts";
import { Core } from "../../core/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import { FileDevice } from "../../device/local/file.ts";
import { MemoryDevice } from "../../device/local/memory.ts";
import { AmbiguousPlace } from "../../system/place.ts";
import { UsageError } from "./command.ts";

export interface DiskName {
  readonly path: string;
  readonly partition?: number;
}

/** Splits `path:N`. A file whose name ends so is meant itself. */
export function parseDisk(text: string): DiskName {
  const [, path = "", digits = ""] = /^(.+):(\d+)$/.exec(text) ?? [];
  if (path === "" || existsSync(text) || text.startsWith("mem:")) return { path: text };
  const partition = Number(digits);
  if (partition === 0) throw new UsageError(`${text}: partitions count from 1`);
  return { path, partition };
}

/** Opens the device behind a path or URL; `blkSize` where the file itself cannot tell. */
export function openDevice(path: string, readOnly: boolean, blkSize?: 512 | 4096): BlockDevice {
  const block = blkSize === undefined ? {} : { blkSize };
  if (path.startsWith("mem:"))
    return new MemoryDevice({ size: parseSize(path.slice(4)), ...block });
  const [, scheme] = /^([a-z][a-z0-9+.-]+):\/\//i.exec(path) ?? [];
  if (scheme !== undefined && scheme !== "file") {
    throw new UsageError(`${path}: no device for ${scheme}: URLs; there are paths, file: and mem:`);
  }
  return FileDevice.open(path.startsWith("file:") ? fileURLToPath(path) : path, {
    readOnly,
    ...block,
  });
}

/** An open disk of a command. */
export interface OpenDisk extends DiskName {
  readonly core: Core;
  readonly device: BlockDevice;
  /** The core's number of the device. */
  readonly id: number;
}

/** Opens DISK, runs `use`, and closes it whatever happens. */
export async function withDisk<T>(
  text: string,
  options: { readonly readOnly: boolean },
  use: (disk: OpenDisk) => T | Promise<T>,
): Promise<T> {
  const name = parseDisk(text);
  const device = openDevice(name.path, options.readOnly);
  try {
    const core = new Core();
    return await use({ ...name, core, device, id: core.attach(device) });
  } catch (error) {
    if (error instanceof AmbiguousPlace) throw new UsageError(`${name.path}: ${error.message}`);
    throw error;
  } finally {
    device.close();
  }
}
