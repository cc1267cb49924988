/**
 * Where the partitions of a RayOS disk lie: the layouts `rayos` and `rayos-full`, as pure
 * arithmetic over sectors of 512 bytes, on a whole disk or inside a run of sectors of one.
 *
 * ```
 * rayos       | table | 1 ESP | 2 System |                       3 VM pool ... | table |
 * rayos-full  | table | 1 ESP | 2 System | 4 state | 5 log | 6 recovery | 3 pool  | table |
 * ```
 *
 * The VM pool takes what is left, up to the last usable sector, aligned or not; every partition
 * starts on a border of 1 MiB. The pool keeps number 3 wherever it lies.
 */
import { refusal } from "../../base/errors.ts";
import { formatSize } from "../../base/size.ts";
import { ALIGNMENT_SECTORS, type Extent, extent, SECTOR_BYTES } from "../layout.ts";

export type RayosLayoutName = "rayos" | "rayos-full";
export const RAYOS_LAYOUTS: readonly RayosLayoutName[] = ["rayos", "rayos-full"];

export type RayosRole = "esp" | "system" | "pool" | "state" | "log" | "recovery";

/** Sizes in bytes, each a multiple of 1 MiB; what is absent is the layout's own. */
export interface RayosSizes {
  readonly espBytes?: number | undefined;
  readonly systemBytes?: number | undefined;
  readonly stateBytes?: number | undefined;
  readonly logBytes?: number | undefined;
  readonly recoveryBytes?: number | undefined;
  /** The pool takes the rest; this is the least that will do. */
  readonly poolBytesMin?: number | undefined;
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;

export const SIZES_DEFAULT: Readonly<Record<keyof RayosSizes, number>> = {
  espBytes: 512 * MIB,
  systemBytes: 40 * GIB,
  stateBytes: GIB,
  logBytes: 128 * MIB,
  recoveryBytes: GIB,
  poolBytesMin: GIB,
};
/** The least of each: FAT32, ext4 and the data region have their own lower ends. */
const SIZES_MIN: Readonly<Record<keyof RayosSizes, number>> = {
  espBytes: 33 * MIB,
  systemBytes: 64 * MIB,
  stateBytes: 4 * MIB,
  logBytes: MIB,
  recoveryBytes: 33 * MIB,
  poolBytesMin: 64 * MIB,
};

/** Order on the disk. */
const ORDER: Readonly<Record<RayosLayoutName, readonly RayosRole[]>> = {
  rayos: ["esp", "system", "pool"],
  "rayos-full": ["esp", "system", "state", "log", "recovery", "pool"],
};

/** The number of each role on a disk that is RayOS's alone. */
export const NUMBERS: Readonly<Record<RayosRole, number>> = {
  esp: 1,
  system: 2,
  pool: 3,
  state: 4,
  log: 5,
  recovery: 6,
};

/** Types by the names of GPT_TYPES; recovery is a second ESP, so that firmware can start it. */
export const PARTITION_TYPES: Readonly<Record<RayosRole, string>> = {
  esp: "esp",
  system: "linux",
  pool: "linux",
  state: "diskwright-data",
  log: "diskwright-log",
  recovery: "esp",
};

export const PARTITION_NAMES: Readonly<Record<RayosRole, string>> = {
  esp: "ESP",
  system: "RAYOS_SYSTEM",
  pool: "RAYOS_VM_POOL",
  state: "diskwright-data",
  log: "diskwright-log",
  recovery: "RAYOS_RECOV",
};

/** Labels of the filesystems. */
export interface RayosLabels {
  readonly esp: string;
  readonly system: string;
  readonly pool: string;
  readonly recovery: string;
}

export const LABELS_DEFAULT: RayosLabels = {
  esp: "RAYOS_ESP",
  system: "RAYOS_SYSTEM",
  pool: "RAYOS_VM_POOL",
  recovery: "RAYOS_RECOV",
};

/** Of the FAT of an installer medium, so that no kernel takes it for that of an installed disk. */
export const MEDIUM_LABEL = "RAYOSESP";

export interface RayosPlace extends Extent {
  readonly role: RayosRole;
}

/** The sectors that partitions may take; `last` need not be aligned. */
export interface Room {
  readonly first: number;
  readonly last: number;
  /** What messages call it: "'disk.img'", "partition 3 of 'disk.img'". */
  readonly name: string;
  /** Sectors of the disk around it that no partition may take, for the smallest size. */
  readonly overheadSectors: number;
  readonly path?: string | undefined;
}

/**
 * The partitions of a layout in `room`, in the order of the disk; `hasEsp` false: without one, for
 * the boot files go onto an ESP that is there.
 *
 * @throws {Refusal} EINVAL: a size that is none; ENOSPC: too small, with the smallest that would do
 */
export function rayosPlaces(
  name: RayosLayoutName,
  room: Room,
  sizes: RayosSizes = {},
  hasEsp = true,
): RayosPlace[] {
  const settled = settleSizes(sizes);
  const places: RayosPlace[] = [];
  const start = alignUp(room.first);
  let next = start;
  for (const role of ORDER[name]) {
    if (role === "pool" || (role === "esp" && !hasEsp)) continue;
    const sectors = settled[`${role}Bytes`] / SECTOR_BYTES;
    places.push({ role, ...extent(next, sectors) });
    next += sectors;
  }
  const left = room.last - next + 1;
  const roomBytes = (room.last - room.first + 1 + room.overheadSectors) * SECTOR_BYTES;
  const smallest = smallestRayos(name, sizes, hasEsp);
  const isShort = isDefault(sizes) && roomBytes < smallest;
  if (isShort || left * SECTOR_BYTES < settled.poolBytesMin) {
    const message =
      `${room.name} has ${formatSize(roomBytes)}; the smallest size that would do ` +
      `is ${formatSize(smallest)}.`;
    const hint = "Smaller partitions are options: --system-size, --esp-size.";
    throw refusal("ENOSPC", "plan", message, { path: room.path, hint });
  }
  places.push({ role: "pool", ...extent(next, left) });
  return places;
}

/**
 * Bytes of the smallest disk or free place that holds the layout. With sizes that somebody chose it
 * is exact, and the pool may be tiny; the defaults ask for a pool of 1 GiB and whole GiB in all, so
 * that the answer is one to remember: 42 and 44 GiB.
 */
export function smallestRayos(
  name: RayosLayoutName,
  sizes: RayosSizes = {},
  hasEsp = true,
): number {
  const settled = settleSizes(sizes);
  const roles = ORDER[name].filter((role) => hasEsp || role !== "esp");
  const parts = roles.map((role) =>
    role === "pool" ? settled.poolBytesMin : settled[`${role}Bytes`],
  );
  // One MiB in front for the table, one behind for its backup.
  const exact = parts.reduce((sum, bytes) => sum + bytes, 2 * MIB);
  return isDefault(sizes) ? Math.ceil(exact / GIB) * GIB : exact;
}

function isDefault(sizes: RayosSizes): boolean {
  return Object.values(sizes).every((bytes) => bytes === undefined);
}

function settleSizes(sizes: RayosSizes): Record<keyof RayosSizes, number> {
  const settled = { ...SIZES_DEFAULT };
  if (!isDefault(sizes)) settled.poolBytesMin = SIZES_MIN.poolBytesMin;
  for (const key of Object.keys(SIZES_DEFAULT) as (keyof RayosSizes)[]) {
    const bytes = sizes[key] ?? settled[key];
    const least = SIZES_MIN[key];
    const what = key.replace(/Bytes(Min)?$/, "");
    if (!Number.isSafeInteger(bytes) || bytes % MIB !== 0) {
      const message = `the size of ${what}, ${bytes} bytes, is not a multiple of 1 MiB.`;
      throw refusal("EINVAL", "plan", message);
    }
    if (bytes < least) {
      const message = `${formatSize(bytes)} is too small for ${what}.`;
      throw refusal("EINVAL", "plan", message, { hint: `The least is ${formatSize(least)}.` });
    }
    settled[key] = bytes;
  }
  return settled;
}

function alignUp(sectors: number): number {
  return Math.ceil(sectors / ALIGNMENT_SECTORS) * ALIGNMENT_SECTORS;
}
