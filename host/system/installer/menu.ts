/** What the installer's menu offers: the disks, then places on them that are large enough. */
import { humanSize } from "../../base/size.ts";
import { smallestRayos } from "../../format/rayos/layout.ts";
import { AVAILABLE_DISKS, oneLine, REMOVABLE } from "../../format/rayos/lines.ts";
import { contentLines, type DiskContent } from "../disks/content.ts";
import { type Disk, SECTOR_BYTES } from "../disks/disk.ts";
import type { RayosRequest, RayosTargetPlace } from "../rayos/plan/types.ts";

/** One row: a disk as a whole, or a place on it. */
export interface MenuRow {
  readonly disk: Disk;
  readonly place: RayosTargetPlace;
  /** "sda", "sda, partition 3", "sda, free space from sector 2048". */
  readonly label: string;
  readonly sizeBytes: number | null;
  /** What is known beyond name and size, one line each. */
  readonly details: readonly string[];
}

export interface MenuOptions {
  /** What the installation shall be; its sizes decide which places are large enough. */
  readonly layout: RayosRequest["layout"];
  readonly sizes?: RayosRequest["sizes"];
  /** Chosen by an option: then there are only disks to choose from. */
  readonly place?: RayosTargetPlace | undefined;
}

/** Disks come first, so that their numbers do not depend on what is on them. */
export function menuRows(
  disks: readonly Disk[],
  contentOf: (disk: Disk) => DiskContent | string | undefined,
  options: MenuOptions,
): MenuRow[] {
  const place = options.place ?? { kind: "disk" };
  const whole = disks.map((disk): MenuRow => {
    const { name: label, sizeBytes } = disk;
    return { disk, place, label, sizeBytes, details: detailsOf(disk, contentOf(disk)) };
  });
  if (options.place !== undefined) return whole;
  const smallest = smallestRayos(options.layout, options.sizes);
  const places = disks
    .filter(({ obstacles }) => obstacles.length === 0)
    .flatMap((disk) => placesOf(disk, contentOf(disk)))
    .filter(({ sizeBytes }) => sizeBytes !== null && sizeBytes >= smallest);
  return [...whole, ...places];
}

/** The disks for a person, as the menu shows them but for the numbers. */
export function listLines(
  disks: readonly Disk[],
  contentOf: (disk: Disk) => DiskContent | string | undefined,
): string[] {
  const rows = disks.flatMap((disk) => {
    const { name, sizeBytes, isRemovable } = disk;
    const removable = isRemovable ? REMOVABLE : "";
    const head = `  ${oneLine(name)} - ${humanSize(sizeBytes ?? 0)}${removable}`;
    return [head, ...detailsOf(disk, contentOf(disk)).map((detail) => `      ${oneLine(detail)}`)];
  });
  return [AVAILABLE_DISKS, ...(rows.length === 0 ? ["  none"] : rows)];
}

function placesOf(disk: Disk, content: DiskContent | string | undefined): MenuRow[] {
  if (content === undefined || typeof content === "string" || !content.hasTable) return [];
  const rows = content.volumes.flatMap(({ number, sectors, name, label }): MenuRow[] => {
    if (number === undefined) return [];
    const sizeBytes = sectors * SECTOR_BYTES;
    const details = [name, label].filter((text) => text !== "");
    const place = { kind: "partition", number } as const;
    return [{ disk, place, label: `${disk.name}, partition ${number}`, sizeBytes, details }];
  });
  const [largest] = [...content.free].sort((one, other) => other.sectors - one.sectors);
  if (largest === undefined) return rows;
  const { first, sectors } = largest;
  const label = `${disk.name}, free space from sector ${first}`;
  const place = { kind: "free", first, sectors } as const;
  return [...rows, { disk, place, label, sizeBytes: sectors * SECTOR_BYTES, details: [] }];
}

function detailsOf(disk: Disk, content: DiskContent | string | undefined): string[] {
  if (disk.kind === "sample") return [];
  const { model, serial, devPath, obstacles } = disk;
  const names = [devPath, model, serial === undefined ? undefined : `serial ${serial}`];
  const lines = typeof content === "string" ? [`not readable: ${content}`] : [];
  if (typeof content === "object") lines.push(...contentLines(content));
  return [
    names.filter((name) => name !== undefined).join(", "),
    ...lines,
    ...obstacles.map(({ reason }) => `not available: ${reason}`),
  ];
}
