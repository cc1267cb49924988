/**
 * The plan of the RayOS installer as JSON: which disks there are. Keys, their order and the nulls
 * of what is unknown are a protocol; its schema is `docs/schema/rayos-inventory.schema.json`.
 */
import { type Disk, type DiskPartition, SECTOR_BYTES } from "./disk.ts";

export interface InventoryPartition {
  readonly name: string;
  readonly dev_path: string;
  readonly number: number | null;
  readonly size_bytes: number | null;
}

export interface InventoryDisk {
  readonly name: string;
  readonly dev_path: string;
  readonly is_removable: boolean;
  readonly is_read_only: boolean | null;
  readonly sector_size_bytes: number;
  readonly size_bytes: number | null;
  readonly partitions: readonly InventoryPartition[];
}

export interface Inventory {
  readonly timestamp_epoch_s: number;
  readonly disks: readonly InventoryDisk[];
}

/** `nowMs` counts milliseconds since 1970. */
export function inventoryOf(disks: readonly Disk[], nowMs: number): Inventory {
  return { timestamp_epoch_s: Math.floor(nowMs / 1000), disks: disks.map(diskOf) };
}

/** The text that goes to standard output, without its line end. */
export function inventoryText(inventory: Inventory): string {
  return JSON.stringify(inventory, undefined, 2);
}

function diskOf(disk: Disk): InventoryDisk {
  return {
    name: disk.name,
    dev_path: disk.devPath,
    is_removable: disk.isRemovable,
    is_read_only: disk.isReadOnly,
    sector_size_bytes: SECTOR_BYTES,
    size_bytes: disk.sizeBytes,
    partitions: disk.partitions.map(partitionOf),
  };
}

function partitionOf({ name, devPath, number, sizeBytes }: DiskPartition): InventoryPartition {
  return { name, dev_path: devPath, number, size_bytes: sizeBytes };
}
