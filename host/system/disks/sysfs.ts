/**
 * `/sys/block` as facts: each block device with its partitions, what is made of it and what it is
 * made of. Nothing is opened but small text files; what cannot be read is unknown.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { realOf } from "../install/target.ts";
import { byName, SECTOR_BYTES } from "./disk.ts";

export interface BlockPartition {
  readonly name: string;
  /** "major:minor". */
  readonly device: string;
  readonly number: number | null;
  readonly sizeBytes: number | null;
  readonly firstSector: number | undefined;
  /** Devices that are made of it: "dm-0". */
  readonly holders: readonly string[];
}

export interface BlockEntry {
  /** As sysfs spells it: a "!" stands for a "/" of the node's name. */
  readonly name: string;
  readonly device: string;
  readonly removable: boolean;
  readonly readOnly: boolean | null;
  readonly sizeBytes: number | null;
  readonly model: string | undefined;
  readonly serial: string | undefined;
  /** True where the bus on the way to it is USB. */
  readonly usb: boolean;
  /** No node belongs to it: one path of several to a disk. */
  readonly hidden: boolean;
  readonly partitions: readonly BlockPartition[];
  readonly holders: readonly string[];
  /** Devices that it is made of: of "dm-0" perhaps "sda2". */
  readonly slaves: readonly string[];
  /** File behind a loop device. */
  readonly backingFile: string | undefined;
}

export interface BlockTable {
  /** Every block device, in the order of their names. */
  readonly entries: readonly BlockEntry[];
  /** False: there is no such folder, so nothing is known. */
  readonly found: boolean;
  /** Devices whose folder could not be read. */
  readonly unreadable: readonly string[];
}

/** Reads the folder of block devices. */
export function readBlockTable(folder: string): BlockTable {
  const names = listed(folder);
  if (names === undefined) return { entries: [], found: false, unreadable: [] };
  const unreadable: string[] = [];
  const entries = names.sort(byName).map((name) => entryOf(join(folder, name), name, unreadable));
  return { entries, found: true, unreadable };
}

function entryOf(folder: string, name: string, unreadable: string[]): BlockEntry {
  const children = listed(folder);
  if (children === undefined) unreadable.push(name);
  const partitions = (children ?? [])
    .filter((child) => child.startsWith(name))
    .flatMap((child) => partitionOf(join(folder, child), child));
  const readOnly = text(folder, "ro");
  return {
    name,
    device: text(folder, "dev") ?? "",
    removable: text(folder, "removable") === "1",
    readOnly: readOnly === undefined ? null : readOnly !== "0",
    sizeBytes: bytesOf(folder),
    model: text(folder, "device/model"),
    serial: text(folder, "serial") ?? text(folder, "device/serial"),
    usb: /\/usb\d/.test(realOf(folder)),
    hidden: text(folder, "hidden") === "1",
    partitions,
    holders: listed(join(folder, "holders")) ?? [],
    slaves: listed(join(folder, "slaves")) ?? [],
    backingFile: text(folder, "loop/backing_file"),
  };
}

function partitionOf(folder: string, name: string): BlockPartition[] {
  const number = text(folder, "partition");
  if (number === undefined) return [];
  return [
    {
      name,
      device: text(folder, "dev") ?? "",
      number: /^[1-9]\d{0,5}$/.test(number) ? Number(number) : null,
      sizeBytes: bytesOf(folder),
      firstSector: count(folder, "start") ?? undefined,
      holders: listed(join(folder, "holders")) ?? [],
    },
  ];
}

function bytesOf(folder: string): number | null {
  const sectors = count(folder, "size");
  const bytes = sectors === null ? Number.NaN : sectors * SECTOR_BYTES;
  return Number.isSafeInteger(bytes) ? bytes : null;
}

function count(folder: string, name: string): number | null {
  const found = text(folder, name);
  return found !== undefined && /^\d{1,15}$/.test(found) ? Number(found) : null;
}

function text(folder: string, name: string): string | undefined {
  try {
    const found = readFileSync(join(folder, name), "utf8").trim();
    return found === "" ? undefined : found;
  } catch {
    return undefined;
  }
}

function listed(folder: string): string[] | undefined {
  try {
    return readdirSync(folder);
  } catch {
    return undefined;
  }
}
