/** The disks of this machine that an installer may show, and those that it never does. */
import { type Disk, type DiskPartition, type Obstacle, sortedPartitions } from "./disk.ts";
import { type BlockEntry, readBlockTable } from "./sysfs.ts";
import { type SystemView, thisSystem } from "./system.ts";
import { type InstallerFiles, usesOf } from "./use.ts";

/** Devices that are no disks: of memory, of files, of other devices, of the network, CD drives. */
const NO_DISK = /^(loop|ram|dm-|zram|md|sr|nbd)/;
/** The areas of an eMMC that its firmware boots from, and its replay-protected one. */
const EMMC_AREA = /^mmcblk\d+(boot\d+|rpmb)$/;

export interface LocalDisks {
  /** In the order of their names. */
  readonly disks: readonly Disk[];
  /** Those and all other block devices that have a size: for who names one of them. */
  readonly all: readonly Disk[];
  /** The installer runs from a removable disk. */
  readonly fromRemovable: boolean;
  /** What could not be read, as sentences. */
  readonly warnings: readonly string[];
}

/** Looks through the block devices of this machine; opens none. */
export function localDisks(
  installer: InstallerFiles = {},
  system: SystemView = thisSystem,
): LocalDisks {
  const table = readBlockTable(system.blockFolder);
  const uses = usesOf(table, system, installer);
  const own = table.entries.filter(({ name }) =>
    (uses.get(name) ?? []).some(({ kind }) => kind === "installer"),
  );
  const missing = table.found ? [] : [`${system.blockFolder} is missing: no local disks`];
  const filled = table.entries.filter(({ sizeBytes, hidden }) => sizeBytes !== 0 && !hidden);
  const all = filled.map((entry) => diskOf(entry, uses.get(entry.name) ?? []));
  return {
    disks: all.filter(({ name }) => isDisk(name)),
    all,
    fromRemovable: own.some(({ removable, usb }) => removable || usb),
    warnings: [...missing, ...table.unreadable.map((name) => `${name} could not be read`)],
  };
}

function isDisk(name: string): boolean {
  return !NO_DISK.test(name) && !EMMC_AREA.test(name);
}

function diskOf(entry: BlockEntry, obstacles: readonly Obstacle[]): Disk {
  return {
    kind: "local",
    name: entry.name,
    devPath: nodePath(entry.name),
    isRemovable: entry.removable,
    isReadOnly: entry.readOnly,
    sizeBytes: entry.sizeBytes,
    model: entry.model,
    serial: entry.serial,
    partitions: sortedPartitions(
      entry.partitions.map(
        ({ name, number, sizeBytes, firstSector }): DiskPartition => ({
          name,
          devPath: nodePath(name),
          number,
          sizeBytes,
          firstSector,
        }),
      ),
    ),
    obstacles,
  };
}

function nodePath(name: string): string {
  return `/dev/${name.replaceAll("!", "/")}`;
}
