/** From a device to its ISO 9660 volume, without an instance of the module at hand. */
import { StorageError } from "../../base/errors.ts";
import type { BlockDevice } from "../../device/device.ts";
import { type IsoOpenOptions, IsoVolume } from "./iso.ts";
import { MediaCore } from "./load.ts";

/**
 * Opens the volume of a device in an instance of its own, which can reach that device and no other.
 * Errors as those of IsoVolume.open.
 */
export function openIso(device: BlockDevice, options: IsoOpenOptions = {}): IsoVolume {
  const media = new MediaCore();
  return IsoVolume.open(media, media.attach(device), options);
}

/** True if there is a volume, whole or damaged. EIO. */
export function isIso(device: BlockDevice): boolean {
  try {
    openIso(device).close();
    return true;
  } catch (error) {
    if (error instanceof StorageError && error.code === "EMEDIUMTYPE") return false;
    if (error instanceof StorageError && error.code === "EBADMSG") return true;
    throw error;
  }
}
