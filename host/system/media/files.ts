/** The files of a medium, whichever filesystem they are on: an ISO volume, or the FAT of a disk. */
import { StorageError } from "../../base/errors.ts";
import { FatVolume, type FatWindow } from "../../core/fat.ts";
import { GPT_TYPES, readGpt } from "../../core/gpt.ts";
import type { Environment } from "../../core/imports.ts";
import { Core } from "../../core/load.ts";
import type { IsoVolume } from "../../core/media/iso.ts";
import { isIso, openIso } from "../../core/media/open.ts";
import type { BlockDevice } from "../../device/device.ts";
import { SECTOR_BYTES } from "../../format/layout.ts";

/** How both kinds of medium give their files. */
export interface MediumFiles {
  /** Bytes of a file; undefined: there is none. */
  size(path: string): number | undefined;
  /** Fills `into` from byte `offset` on; answers how many bytes it got, fewer only at the end. */
  read(path: string, offset: number, into: Uint8Array): number;
  close(): void;
}

/** Those of the ISO volume of a device; undefined where there is none. EBADMSG, EIO. */
export function isoFiles(device: BlockDevice): MediumFiles | undefined {
  if (!isIso(device)) return undefined;
  const volume = openIso(device);
  const open = new Map<string, ReturnType<typeof volume.openFile>>();
  return {
    size: (path) => sizeIn(volume, path),
    read: (path, offset, into) => {
      const file = open.get(path) ?? volume.openFile(path);
      open.set(path, file);
      return file.read(offset, into);
    },
    close: () => volume.close(),
  };
}

/** Those of the FAT in a window of a device; undefined: there is none that can be read. EIO. */
export function fatFiles(
  device: BlockDevice,
  window: FatWindow,
  environment?: Environment,
): MediumFiles | undefined {
  // A core of its own: it reads while another one waits for a sector of the disk that is carried.
  const own = new Core(environment === undefined ? {} : { environment });
  const volume = fatIn(own, own.attach(device), window);
  if (volume === undefined) return undefined;
  return {
    size: (path) => sizeIn(volume, path),
    read: (path, offset, into) => volume.readInto(path, offset, into),
    close: () => volume.close(),
  };
}

function sizeIn(volume: IsoVolume | FatVolume, path: string): number | undefined {
  if (!volume.exists(path)) return undefined;
  const { kind, sizeBytes } = volume.stat(path);
  return kind === "file" ? sizeBytes : undefined;
}

/** The place of the ESP of a disk that has no other partition. */
export function onlyEsp(core: Core, device: BlockDevice): FatWindow | undefined {
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
