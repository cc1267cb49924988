/** A disk that an installer may choose, and why it may not: the words of the other files. */

/** Sizes of sysfs and places of partitions count sectors of 512 bytes, whatever the disk's own. */
export const SECTOR_BYTES = 512;

/** "sample": no disk at all; "image": a file that was given; "local": a disk of this machine. */
export type DiskKind = "sample" | "image" | "local";

/** Why nothing may be written to a disk, whatever the options. */
export type ObstacleKind = "boot" | "installer" | "mounted" | "swap" | "held" | "read-only";

export interface Obstacle {
  readonly kind: ObstacleKind;
  /** A clause: "it is mounted at /home". */
  readonly reason: string;
}

export interface DiskPartition {
  readonly name: string;
  /** Path of its device node; of an image, `path:N` as every command takes it. */
  readonly devPath: string;
  readonly number: number | null;
  readonly sizeBytes: number | null;
  /** Where it starts, in sectors of 512 bytes; the sample disk's have no place. */
  readonly firstSector?: number | undefined;
}

export interface Disk {
  readonly kind: DiskKind;
  /** What people and rules call it; no two disks of a list share it. */
  readonly name: string;
  readonly devPath: string;
  readonly isRemovable: boolean;
  /** Null where nobody knows. */
  readonly isReadOnly: boolean | null;
  readonly sizeBytes: number | null;
  readonly model?: string | undefined;
  readonly serial?: string | undefined;
  /** In the order of their numbers, those without one last. */
  readonly partitions: readonly DiskPartition[];
  /** Empty: it may be written to, as far as this can tell. The first one is the gravest. */
  readonly obstacles: readonly Obstacle[];
}

/** Why a disk is no target, as a sentence without its end. */
export function obstacleText({ name }: Disk, { reason }: Obstacle): string {
  return `${name} is not available: ${reason}`;
}

/** The order in which obstacles are told. */
const GRAVITY: readonly ObstacleKind[] = [
  "boot",
  "installer",
  "mounted",
  "swap",
  "held",
  "read-only",
];

/** One obstacle of each reason, the gravest first. */
export function ordered(obstacles: readonly Obstacle[]): Obstacle[] {
  const reasons = new Map(obstacles.map((each) => [each.reason, each]));
  return [...reasons.values()].sort(
    (one, other) => GRAVITY.indexOf(one.kind) - GRAVITY.indexOf(other.kind),
  );
}

/** What partition `number` of a disk is called: a "p" stands behind a name that ends in a digit. */
export function partitionName(disk: string, number: number): string {
  return /\d$/.test(disk) ? `${disk}p${number}` : `${disk}${number}`;
}

/** In the order of their numbers, those without one last, then of their names. */
export function sortedPartitions(partitions: readonly DiskPartition[]): DiskPartition[] {
  const rank = (each: DiskPartition) => each.number ?? Number.POSITIVE_INFINITY;
  return [...partitions].sort(
    (one, other) => compare(rank(one), rank(other)) || byName(one.name, other.name),
  );
}

const collator = new Intl.Collator("en", { numeric: true });

/** Names in an order that does not depend on the machine: "sda2" before "sda10". */
export function byName(one: string, other: string): number {
  return collator.compare(one, other) || compare(one, other);
}

function compare<T extends number | string>(one: T, other: T): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

const GIB = 2 ** 30;
const SAMPLE_PATH = "sample://disk0";

/**
 * The sample disk stands in where no disk was given and none may be looked for. It has no storage
 * behind it, so an installation onto it is a dry run. 256 GiB with the three partitions of an
 * installed RayOS.
 */
export const SAMPLE_DISK: Disk = {
  kind: "sample",
  name: "sample0",
  devPath: SAMPLE_PATH,
  isRemovable: false,
  isReadOnly: false,
  sizeBytes: 256 * GIB,
  partitions: [GIB / 2, 40 * GIB, 200 * GIB].map((sizeBytes, index) => ({
    name: `sample0p${index + 1}`,
    devPath: `${SAMPLE_PATH}p${index + 1}`,
    number: index + 1,
    sizeBytes,
  })),
  obstacles: [],
};
