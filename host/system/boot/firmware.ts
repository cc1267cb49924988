/**
 * The firmware of the emulated machine: finds a boot loader as UEFI does, and touches no sector.
 *
 * UEFI 2.10, section 3: the options of NVRAM first, then the default path of each disk in the
 * order of the bus: an EFI system partition with \EFI\BOOT\BOOTX64.EFI on it. A damaged primary
 * partition table is passed over for the backup, as real firmware does.
 */
import { StorageError } from "../../base/errors.ts";
import { FatVolume } from "../../core/fat.ts";
import { GPT_TYPES, type GptPartition, type GptTable, readGpt } from "../../core/gpt.ts";
import type { Core } from "../../core/load.ts";
import { openIso } from "../../core/media/open.ts";
import type { BlockDevice } from "../../device/device.ts";
import type { BootOption, Nvram } from "./nvram.ts";

export const DEFAULT_LOADER = "/EFI/BOOT/BOOTX64.EFI";
const SECTOR_BYTES = 512;

/** A disk as the core knows it. */
export interface AttachedDisk {
  readonly id: number;
  readonly device: BlockDevice;
}

/** The boot loader that the firmware starts. */
export interface BootTarget {
  readonly disk: AttachedDisk;
  /** 0: the EFI boot image of a CD-ROM. */
  readonly partition: number;
  readonly partitionGuid: string;
  /** Where the volume is, in sectors of the disk. */
  readonly place: { readonly baseSector: number; readonly sectors: number };
  readonly path: string;
  readonly sizeBytes: number;
  /** Number of the NVRAM option; undefined for the default path. */
  readonly option?: number | undefined;
  /** Names of the files beside the loader. */
  readonly beside: readonly string[];
}

/** What the firmware saw and why it passed it over, for the report. */
export interface FirmwareNote {
  readonly disk: string;
  readonly partition?: number;
  readonly note: string;
}

export interface FirmwareResult {
  readonly target?: BootTarget;
  readonly notes: readonly FirmwareNote[];
}

/** What a machine may boot from. */
export interface BootDevices {
  /** In the order of the bus. */
  readonly disks: readonly AttachedDisk[];
  readonly cdrom?: AttachedDisk | undefined;
  /** The CD-ROM is tried before the disks; else after them. */
  readonly cdromFirst?: boolean | undefined;
}

/** Looks for a boot loader: the options of NVRAM, then the default path of each device. */
export function runFirmware(core: Core, devices: BootDevices, nvram: Nvram): FirmwareResult {
  const { disks, cdrom, cdromFirst = false } = devices;
  const notes: FirmwareNote[] = [];
  const onCdrom = () => (cdrom === undefined ? undefined : cdromLoader(core, cdrom, notes));
  if (cdromFirst) {
    const target = onCdrom();
    if (target !== undefined) return { target, notes };
  }
  const seen = disks.map((disk) => ({ disk, table: tableOf(core, disk, notes) }));
  nvram.bootCurrent = undefined;
  for (const option of nvram.takeCandidates()) {
    for (const { disk, table } of seen) {
      const partition = table?.partitions.find((entry) => isNamed(entry, option));
      if (table === undefined || partition === undefined) continue;
      const target = loaderOn(core, disk, table, partition, option.path, notes);
      if (target === undefined) continue;
      nvram.bootCurrent = option.number;
      return { target: { ...target, option: option.number }, notes };
    }
  }
  for (const { disk, table } of seen) {
    for (const partition of table?.partitions ?? []) {
      if (partition.typeGuid !== GPT_TYPES.esp || table === undefined) continue;
      const target = loaderOn(core, disk, table, partition, DEFAULT_LOADER, notes);
      if (target !== undefined) return { target, notes };
    }
  }
  const target = cdromFirst ? undefined : onCdrom();
  return target === undefined ? { notes } : { target, notes };
}

/** The loader in the EFI boot image of a CD-ROM (El Torito), if it has one. */
function cdromLoader(
  core: Core,
  disk: AttachedDisk,
  notes: FirmwareNote[],
): BootTarget | undefined {
  const told = { disk: disk.device.name };
  try {
    const volume = openIso(disk.device);
    const { bootImage } = volume;
    volume.close();
    if (bootImage === undefined) {
      notes.push({ ...told, note: "the medium has no EFI boot image" });
      return undefined;
    }
    const place = { baseSector: bootImage.sector, sectors: bootImage.sectors };
    const volumeOf = { disk, partition: 0, partitionGuid: "", place };
    return loaderAt(core, volumeOf, DEFAULT_LOADER, told, notes);
  } catch (error) {
    notes.push({ ...told, note: messageOf(error) });
    return undefined;
  }
}

function isNamed(entry: GptPartition, option: BootOption): boolean {
  return entry.uniqueGuid.toUpperCase() === option.partitionGuid.toUpperCase();
}

function tableOf(core: Core, disk: AttachedDisk, notes: FirmwareNote[]): GptTable | undefined {
  const { name } = disk.device;
  try {
    const table = readGpt(core, disk.id);
    if (table.usedSide === "backup") {
      notes.push({ disk: name, note: "the primary partition table is damaged; the backup serves" });
    }
    return table;
  } catch (error) {
    notes.push({ disk: name, note: messageOf(error) });
    return undefined;
  }
}

/** The loader at `path` of a partition, if it is a FAT volume that has it. */
function loaderOn(
  core: Core,
  disk: AttachedDisk,
  table: GptTable,
  partition: GptPartition,
  path: string,
  notes: FirmwareNote[],
): BootTarget | undefined {
  const perBlock = table.blockSize / SECTOR_BYTES;
  const place = {
    baseSector: partition.firstLba * perBlock,
    sectors: (partition.lastLba - partition.firstLba + 1) * perBlock,
  };
  const { index, uniqueGuid: partitionGuid } = partition;
  const told = { disk: disk.device.name, partition: index };
  return loaderAt(core, { disk, partition: index, partitionGuid, place }, path, told, notes);
}

/** The loader at `path` of the FAT volume at a place. */
function loaderAt(
  core: Core,
  at: Pick<BootTarget, "disk" | "partition" | "partitionGuid" | "place">,
  path: string,
  told: Omit<FirmwareNote, "note">,
  notes: FirmwareNote[],
): BootTarget | undefined {
  try {
    const volume = FatVolume.open(core, at.disk.id, { ...at.place, readOnly: true });
    try {
      const stat = volume.stat(path);
      if (stat.kind !== "file" || stat.sizeBytes === 0) {
        notes.push({ ...told, note: `${path} is no file with content` });
        return undefined;
      }
      const folder = path.slice(0, path.lastIndexOf("/")) || "/";
      const beside = volume.list(folder).map((entry) => entry.name);
      return { ...at, path, sizeBytes: stat.sizeBytes, beside };
    } finally {
      volume.close();
    }
  } catch (error) {
    notes.push({ ...told, note: messageOf(error) });
    return undefined;
  }
}
/** What a disk can cause is a note; a bug goes through. */
export function messageOf(error: unknown): string {
  if (error instanceof StorageError) return error.message;
  throw error;
}
