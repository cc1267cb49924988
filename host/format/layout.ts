/**
 * Where partitions lie: the disk layout `capos`, as pure arithmetic over sectors of 512 bytes.
 *
 * ```
 * LBA 0      34        2048                  264192                 last 1 MiB border      last
 *  | MBR GPT | gap      | 1 ESP, FAT32        | 2 data region        | free | backup GPT     |
 * ```
 *
 * The kernel trusts the data region's LBA and reads no partition table, so it does not move with
 * the ESP: an ESP that would run into it is refused unless another place is asked for.
 */
import { refusal } from "../base/errors.ts";
import { formatSize } from "../base/size.ts";

export const SECTOR_BYTES = 512;
/** Partitions start and end on borders of 1 MiB; sgdisk warns of anything else. */
export const ALIGNMENT_SECTORS = 2048;
export const ESP_FIRST_LBA = 2048;
export const ESP_SECTORS = 262_144;
/** What the kernel trusts: partition 2 starts here on every disk of this layout. */
export const DATA_REGION_BASE_LBA = 264_192;
/** Protective MBR, GPT header and 128 entries at the front; entries and header at the end. */
export const TABLE_FRONT_SECTORS = 34;
export const TABLE_BACK_SECTORS = 33;
/** FAT32 needs 65,525 clusters: with 512-byte clusters and two tables that is 33 MiB. */
export const ESP_SECTORS_MIN = 33 * ALIGNMENT_SECTORS;
/** The smallest region with the default log: formats.md 1.3. */
export const DATA_SECTORS_MIN = 4 * ALIGNMENT_SECTORS;

/** A run of sectors; `last` is included. */
export interface Extent {
  readonly first: number;
  readonly last: number;
  readonly sectors: number;
}

export interface DiskLayout {
  readonly name: "capos";
  readonly diskSectors: number;
  readonly esp: Extent;
  readonly data: Extent;
  /** MBR, primary header and entries. */
  readonly tableFront: Extent;
  /** Backup entries and header, up to the last sector. */
  readonly tableBack: Extent;
  /** Between the table and the first partition: nobody's. */
  readonly gap: Extent;
}

export interface LayoutOptions {
  /** Sectors of the ESP, default 262144. */
  readonly espSectors?: number | undefined;
  /** First sector of the data region, default 264192. */
  readonly dataFirst?: number | undefined;
  /** Smallest data region that will do, in sectors. */
  readonly dataSectorsMin?: number | undefined;
  /** Logical block of the disk in bytes. */
  readonly blockSize?: number | undefined;
  /** What messages call the disk. */
  readonly path?: string | undefined;
}

export function extent(first: number, sectors: number): Extent {
  return { first, last: first + sectors - 1, sectors };
}

/** Sectors of the smallest disk that the layout fits on. */
export function smallestDisk(options: LayoutOptions = {}): number {
  const { dataFirst, dataSectorsMin } = settle(options);
  return alignUp(dataFirst + dataSectorsMin + TABLE_BACK_SECTORS);
}

/**
 * The layout `capos` for a disk of `diskSectors`.
 *
 * @throws {Refusal} EINVAL: blocks of 4096 bytes, or a place that is not on a 1 MiB border;
 *   ENOSPC: the disk is too small, with the smallest size that would do
 */
export function caposLayout(diskSectors: number, options: LayoutOptions = {}): DiskLayout {
  const { espSectors, dataFirst, path } = settle(options);
  const name = path === undefined ? "the disk" : `'${path}'`;
  if ((options.blockSize ?? SECTOR_BYTES) !== SECTOR_BYTES) {
    const message =
      `${name} has blocks of ${options.blockSize} bytes; layout capos needs 512, ` +
      "because its kernel trusts LBA 264192.";
    throw refusal("EINVAL", "plan", message, { path });
  }
  if (espSectors < ESP_SECTORS_MIN) {
    const message = `an ESP of ${espSectors} sectors is too small for FAT32.`;
    const hint = `The smallest is ${ESP_SECTORS_MIN} sectors (33 MiB).`;
    throw refusal("EINVAL", "plan", message, { path, hint });
  }
  for (const [what, sector] of [
    ["the ESP's size", espSectors],
    ["the data region's start", dataFirst],
  ] as const) {
    if (Number.isSafeInteger(sector) && sector % ALIGNMENT_SECTORS === 0) continue;
    const message = `${what}, sector ${sector}, is not on a 1 MiB border.`;
    throw refusal("EINVAL", "plan", message, { path });
  }
  const esp = extent(ESP_FIRST_LBA, espSectors);
  if (esp.last >= dataFirst) {
    const message =
      `an ESP of ${espSectors} sectors ends at LBA ${esp.last}, ` +
      `inside the data region at LBA ${dataFirst}.`;
    const hint = "Give --data-offset-bytes a place behind it.";
    throw refusal("EINVAL", "plan", message, { path, hint });
  }
  const smallest = smallestDisk(options);
  if (diskSectors < smallest) {
    const message =
      `${name} has ${formatSize(diskSectors * SECTOR_BYTES)}; ` +
      `the smallest size that would do is ${formatSize(smallest * SECTOR_BYTES)}.`;
    throw refusal("ENOSPC", "plan", message, { path });
  }
  const lastUsable = diskSectors - TABLE_BACK_SECTORS - 1;
  const dataEnd = Math.floor((lastUsable + 1) / ALIGNMENT_SECTORS) * ALIGNMENT_SECTORS;
  return {
    name: "capos",
    diskSectors,
    esp,
    data: extent(dataFirst, dataEnd - dataFirst),
    tableFront: extent(0, TABLE_FRONT_SECTORS),
    tableBack: extent(diskSectors - TABLE_BACK_SECTORS, TABLE_BACK_SECTORS),
    gap: extent(TABLE_FRONT_SECTORS, ESP_FIRST_LBA - TABLE_FRONT_SECTORS),
  };
}

/** True if the two runs share a sector. */
export function overlaps(one: Extent, other: Extent): boolean {
  return one.first <= other.last && other.first <= one.last;
}

function settle(options: LayoutOptions) {
  return {
    espSectors: options.espSectors ?? ESP_SECTORS,
    dataFirst: options.dataFirst ?? DATA_REGION_BASE_LBA,
    dataSectorsMin: alignUp(Math.max(options.dataSectorsMin ?? 0, DATA_SECTORS_MIN)),
    path: options.path,
  };
}

function alignUp(sectors: number): number {
  return Math.ceil(sectors / ALIGNMENT_SECTORS) * ALIGNMENT_SECTORS;
}
