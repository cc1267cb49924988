/**
 * A medium of `image mkmedia` as the disk whose parts it carries: BOOTHEAD.BIN, BOOTGPT.BIN and
 * DATAIMG.BIN under /boot/bins, of the ISO volume or of the FAT of a USB disk.
 */
import { failure, type StorageError } from "../../base/errors.ts";
import type { Core } from "../../core/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import {
  BOOT_HEAD,
  BOOT_TABLE,
  DATA_IMAGE,
  type Part,
  type PartsDevice,
  partOf,
  partsDisk,
} from "../image/parts.ts";
import { fatFiles, isoFiles, type MediumFiles, onlyEsp } from "./files.ts";
import { PAYLOAD_FOLDER } from "./media.ts";

/**
 * The disk that a medium carries, closed with `close()`; the medium's own device stays open.
 * Undefined for what is no medium: a disk of `image mkdisk`, a blank one.
 *
 * @throws {StorageError} EMEDIUMTYPE: an ISO volume without the parts; EBADMSG: it is damaged
 */
export function openMedium(core: Core, device: BlockDevice): PartsDevice | undefined {
  const files = isoFiles(device) ?? stickFiles(core, device);
  if (files === undefined) return undefined;
  try {
    const part = (name: string): Part => {
      const path = `/${PAYLOAD_FOLDER}/${name}`;
      const size = files.size(path);
      if (size === undefined) throw lacking(device, path);
      return partOf(device.name, size, (offset, into) => files.read(path, offset, into));
    };
    const head = { ...part(BOOT_HEAD), close: () => files.close() };
    return partsDisk(core, device.name, head, part(BOOT_TABLE), part(DATA_IMAGE));
  } catch (error) {
    files.close();
    throw error;
  }
}

/** The FAT of a disk with no other partition, if that has the parts. */
function stickFiles(core: Core, device: BlockDevice): MediumFiles | undefined {
  const esp = onlyEsp(core, device);
  const files = esp && fatFiles(device, esp, core.environment);
  if (files?.size(`/${PAYLOAD_FOLDER}/${BOOT_HEAD}`) !== undefined) return files;
  files?.close();
  return undefined;
}

function lacking(device: BlockDevice, path: string): StorageError {
  const message = `the medium '${device.name}' has no ${path}, so there is nothing to install.`;
  const hint = "image mkmedia --payload takes a folder of image split.";
  return failure("EMEDIUMTYPE", "install", message, { path: device.name, hint });
}
