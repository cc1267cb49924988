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
  /** An ESP of the disk that the boot files go onto. */
  readonly esp?: number | undefined;
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
  /** Chosen by an option: then no row offers another. */
  readonly esp?: number | undefined;
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
  const { layout, sizes, esp } = options;
  const places = disks
    .filter(({ obstacles }) => obstacles.length === 0)
    .flatMap((disk) => placesOf(disk, contentOf(disk)));
  const fits = (hasEsp: boolean) => {
    const smallest = smallestRayos(layout, sizes, hasEsp);
    return ({ sizeBytes }: MenuRow) => sizeBytes !== null && sizeBytes >= smallest;
  };
  if (esp !== undefined) return [...whole, ...places.filter(fits(false))];
  // Behind all others, so that their numbers do not depend on what an ESP has room for.
  const shared = places.filter(fits(false)).flatMap((row) => withEsps(row, contentOf(row.disk)));
  return [...whole, ...places.filter(fits(true)), ...shared];
}

/** The same place once for each ESP that could be shared. */
function withEsps(row: MenuRow, content: DiskContent | string | undefined): MenuRow[] {
  if (typeof content !== "object") return [];
  const { place, label } = row;
  return content.esps
    .filter((esp) => place.kind !== "partition" || place.number !== esp)
    .map((esp) => ({ ...row, esp, label: `${label}, with the ESP of partition ${esp}` }));
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
