/** DISK as people write it: `path`, `path:N` for a partition, `file:` and `mem:` URLs. */
import { Refusal, StorageError } from "../../base/errors.ts";
import { Core } from "../../core/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import {
  type DiskName,
  NAME_SYSCALL,
  openDevice as openNamed,
  parseDiskName,
} from "../../system/disk/open.ts";
import { AmbiguousPlace } from "../../system/place.ts";
import { UsageError } from "./command.ts";

/** Splits `path:N`. A file whose name ends so is meant itself. */
export function parseDisk(text: string): DiskName {
  return asUsage(() => parseDiskName(text));
}

/** Opens the device behind a path or URL; `blkSize` where the file itself cannot tell. */
export function openDevice(
  path: string,
  readOnly: boolean,
  blkSize?: 512 | 4096,
  pci?: number | string,
): BlockDevice {
  try {
    return asUsage(() => openNamed(path, { readOnly, blkSize, pci }));
  } catch (error) {
    throw readOnly ? error : refusedIfTaken(error);
  }
}

/** A disk that somebody else has, or that is read-only, is refused like any other unfit target. */
function refusedIfTaken(error: unknown): unknown {
  if (!(error instanceof StorageError) || !["EBUSY", "EROFS"].includes(error.code)) return error;
  const { errno, syscall, path, hint, message } = error;
  const told = message.replace(/^[A-Z]+: /, "refused: ");
  return new Refusal(errno, syscall, { path, hint, message: told, cause: error });
}

/** What is wrong with the name itself is wrong usage. */
function asUsage<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof StorageError && error.syscall === NAME_SYSCALL) {
      throw new UsageError(error.message);
    }
    throw error;
  }
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
