/**
 * A medium of `image mkmedia` as the disk whose parts it carries: BOOTHEAD.BIN, BOOTGPT.BIN and
 * DATAIMG.BIN under /boot/bins, of the ISO volume or of the FAT of a USB disk.
 */
import { failure, StorageError } from "../../base/errors.ts";
import { FatVolume, type FatWindow } from "../../core/fat.ts";
import { GPT_TYPES, readGpt } from "../../core/gpt.ts";
import { Core } from "../../core/load.ts";
import { isIso, openIso } from "../../core/media/open.ts";
import type { BlockDevice } from "../../device/device.ts";
import { SECTOR_BYTES } from "../../format/layout.ts";
import {
  BOOT_HEAD,
  BOOT_TABLE,
  DATA_IMAGE,
  type Part,
  type PartsDevice,
  partOf,
  partsDisk,
} from "../image/parts.ts";
import { PAYLOAD_FOLDER } from "./media.ts";

/** How both kinds of medium give their files. */
interface Files {
  size(path: string): number | undefined;
  read(path: string, offset: number, into: Uint8Array): number;
  close(): void;
}

/**
 * The disk that a medium carries, closed with `close()`; the medium's own device stays open.
 * Undefined for what is no medium: a disk of `image mkdisk`, a blank one.
 *
 * @throws {StorageError} EMEDIUMTYPE: an ISO volume without the parts; EBADMSG: it is damaged
 */
export function openMedium(core: Core, device: BlockDevice): PartsDevice | undefined {
  const files = isoFiles(device) ?? fatFiles(core, device);
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

function isoFiles(device: BlockDevice): Files | undefined {
  if (!isIso(device)) return undefined;
  const volume = openIso(device);
  const open = new Map<string, ReturnType<typeof volume.openFile>>();
  return {
    size: (path) => (volume.exists(path) ? volume.stat(path).sizeBytes : undefined),
    read: (path, offset, into) => {
      const file = open.get(path) ?? volume.openFile(path);
      open.set(path, file);
      return file.read(offset, into);
    },
    close: () => volume.close(),
  };
}

/** The FAT of a disk with no other partition: its ESP, if that has the parts. */
function fatFiles(core: Core, device: BlockDevice): Files | undefined {
  const window = onlyEsp(core, device);
  if (window === undefined) return undefined;
  // A core of its own: it reads while another one waits for a sector of the disk that is carried.
  const own = new Core({ environment: core.environment });
  const volume = fatIn(own, own.attach(device), window);
  if (volume?.exists(`/${PAYLOAD_FOLDER}/${BOOT_HEAD}`) !== true) {
    volume?.close();
    return undefined;
  }
  return {
    size: (path) => (volume.exists(path) ? volume.stat(path).sizeBytes : undefined),
    read: (path, offset, into) => volume.readInto(path, offset, into),
    close: () => volume.close(),
  };
}

/** The place of the ESP of a disk that has no other partition. */
function onlyEsp(core: Core, device: BlockDevice): FatWindow | undefined {
  const id = core.attach(device);
  try {
    const { partitions, blockSize } = readGpt(core, id);
    const [esp] = partitions;
    if (partitions.length !== 1 || esp?.typeGuid !== GPT_TYPES.esp) return undefined;
    const perBlock = blockSize / SECTOR_BYTES;
    const sectors = (esp.lastLba - esp.firstLba + 1) * perBlock;
    return { baseSector: esp.firstLba * perBlock, sectors };
  } catch (error) {
    return absent(error);
  } finally {
    core.detach(id);
  }
}

function fatIn(core: Core, id: number, window: FatWindow): FatVolume | undefined {
  try {
    return FatVolume.open(core, id, { ...window, readOnly: true });
  } catch (error) {
    return absent(error);
  }
}

/** Whatever else is wrong is for the one to say who wants a whole disk. */
function absent(error: unknown): undefined {
  if (error instanceof StorageError && error.code !== "EIO") return undefined;
  throw error;
}

function lacking(device: BlockDevice, path: string): StorageError {
  const message = `the medium '${device.name}' has no ${path}, so there is nothing to install.`;
  const hint = "image mkmedia --payload takes a folder of image split.";
  return failure("EMEDIUMTYPE", "install", message, { path: device.name, hint });
}
