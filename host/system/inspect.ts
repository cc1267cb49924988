/**
 * `inspect`: what is on a disk at every level, as one plain object. Nothing is written, nothing is
 * verified beyond what reading needs; a level that cannot be read says why and the rest goes on.
 */
import { failure, StorageError } from "../base/errors.ts";
import { FatVolume } from "../core/fat.ts";
import { GPT_TYPES, type GptTable, probe, readGpt } from "../core/gpt.ts";
import { Core } from "../core/load.ts";
import type { IsoNaming } from "../core/media/iso.ts";
import { isIso, openIso } from "../core/media/open.ts";
import { type ChunkOwner, Region, type RegionInfo, type RegionWindow } from "../core/region.ts";
import type { BlockDevice } from "../device/device.ts";
import { type Extent, extent, SECTOR_BYTES } from "../format/layout.ts";
import { DEFAULT_LOADER } from "./boot/firmware.ts";
import { CONFIG_ROOT } from "./boot/kernel.ts";
import { readJournal, readRecoveryRecipe } from "./install/journal.ts";
import { PAYLOAD_FOLDER } from "./media/media.ts";
import { partitionPlaces } from "./place.ts";
import { EXT_SIGNATURE, openExt4 } from "./volume.ts";

const PAYLOAD = `/${PAYLOAD_FOLDER}`;

export interface DiskView {
  readonly name: string;
  readonly sizeBytes: number;
  readonly blockSize: number;
  readonly pci: string;
  readonly serial: string;
  readonly durability: string;
  /** What probe() says of the disk as a whole. */
  readonly signature: string | null;
  readonly table?: TableView | undefined;
  /** Why there is no table, where one was looked for. */
  readonly tableError?: string | undefined;
  /** Partitions, or the one volume of a disk without a table; in the order of their places. */
  readonly volumes: readonly VolumeView[];
  /** Sectors of no partition, between the tables. */
  readonly free: readonly Extent[];
  /** The ISO volume of the whole disk; a hybrid one has partitions too. */
  readonly iso?: IsoView | undefined;
  /** An installation was cut short here. */
  readonly halfInstalled: boolean;
  /** Its recovery partition is half made; the system is whole. */
  readonly halfRecovery: boolean;
}

export interface IsoView {
  readonly label: string;
  readonly names: IsoNaming;
  readonly sizeBytes: number;
  /** LBA of the boot image that EFI firmware starts from a CD (El Torito). */
  readonly bootLba?: number | undefined;
  /** Entries of /boot/bins, the payload of an installer; undefined where there is none. */
  readonly payloadEntries?: number | undefined;
  /** Why it could not be read. */
  readonly error?: string | undefined;
}

export interface TableView {
  readonly diskGuid: string;
  readonly usedSide: "primary" | "backup";
  readonly firstUsableLba: number;
  readonly lastUsableLba: number;
}

/** A partition, or a whole disk, with what is in it. Places in sectors of 512 bytes. */
export interface VolumeView extends Extent {
  readonly partition?: number | undefined;
  readonly name?: string | undefined;
  readonly typeGuid?: string | undefined;
  readonly type?: string | undefined;
  readonly uniqueGuid?: string | undefined;
  readonly signature: string | null;
  readonly sizeBytes: number;
  readonly fat?: FatView | undefined;
  readonly region?: RegionView | undefined;
  readonly ext4?: Ext4View | undefined;
  /** Why its content could not be read. */
  readonly error?: string | undefined;
}

export interface FatView {
  readonly label: string;
  readonly serial: string;
  readonly clusterBytes: number;
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Firmware would start this volume. */
  readonly bootLoader: boolean;
}

export interface Ext4View {
  readonly label: string;
  readonly uuid: string;
  readonly features: readonly string[];
  readonly blockBytes: number;
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly inodes: number;
  readonly freeInodes: number;
  /** What its journal says; "none": there is no journal inside. */
  readonly journal: "none" | "empty" | "to be replayed";
}

export interface RegionView extends RegionInfo {
  readonly objects: number;
  readonly payloadBytes: number;
  readonly freeBytes: number;
  readonly files?: number | undefined;
  /** Entries of system/config; undefined where there is no such folder. */
  readonly configEntries?: number | undefined;
  /** How many chunks each owner has. */
  readonly chunksByOwner: Readonly<Record<ChunkOwner, number>>;
  /** The owner of each chunk, in their order. */
  readonly owners: readonly ChunkOwner[];
}

/**
 * Looks at a disk.
 *
 * @throws {StorageError} EIO: the device fails
 */
export function inspectDisk(
  device: BlockDevice,
  options: { readonly core?: Core; readonly partition?: number | undefined } = {},
): DiskView {
  const core = options.core ?? new Core();
  const id = core.attach(device);
  try {
    const { capacity, blkSize } = device.config;
    const signature = probe(core, id, { baseSector: 0, sectors: 0 });
    const iso = isoView(device);
    const { table, tableError } = tableOf(core, id);
    const whole = table === undefined && signature !== null;
    const all = table === undefined ? [] : partitionViews(core, id, table);
    const volumes = whole ? [wholeView(core, id, capacity, signature)] : all;
    const { partition } = options;
    const wanted = volumes.filter(
      (view) => partition === undefined || view.partition === partition,
    );
    if (partition !== undefined && wanted.length === 0) {
      const message = `'${device.name}' has no partition ${partition}.`;
      throw failure("ENOENT", "inspect", message, { path: device.name });
    }
    const journal = readJournal(device);
    const halfRecovery = journal !== undefined && readRecoveryRecipe(journal) !== undefined;
    return {
      name: device.name,
      sizeBytes: capacity * SECTOR_BYTES,
      blockSize: blkSize,
      pci: device.identity.pci,
      serial: device.identity.serial,
      durability: device.durability.flush,
      signature,
      table: table === undefined ? undefined : tableView(table),
      tableError: whole ? undefined : tableError,
      volumes: wanted,
      // What lies before the boot image of a hybrid medium is its ISO volume.
      free: table === undefined || iso !== undefined ? [] : freeRuns(table, all),
      iso,
      halfInstalled: journal !== undefined && !halfRecovery,
      halfRecovery,
    };
  } finally {
    core.detach(id);
  }
}

function isoView(device: BlockDevice): IsoView | undefined {
  if (!isIso(device)) return undefined;
  try {
    const volume = openIso(device);
    const { label, names, sectors, bootImage } = volume;
    const payloadEntries = volume.exists(PAYLOAD) ? volume.list(PAYLOAD).length : undefined;
    volume.close();
    const bootLba = bootImage?.sector;
    return { label, names, sizeBytes: sectors * SECTOR_BYTES, bootLba, payloadEntries };
  } catch (error) {
    return { label: "", names: "plain", sizeBytes: 0, error: reasonOf(error) };
  }
}

/** The name that people use for a type GUID, or the GUID. */
export function typeName(typeGuid: string): string {
  const entry = Object.entries(GPT_TYPES).find(([, guid]) => guid === typeGuid.toUpperCase());
  return entry?.[0] ?? typeGuid;
}

function tableOf(core: Core, id: number): { table?: GptTable; tableError?: string } {
  try {
    return { table: readGpt(core, id, { lenient: true }) };
  } catch (error) {
    return { tableError: reasonOf(error) };
  }
}

function tableView({ diskGuid, usedSide, firstUsableLba, lastUsableLba }: GptTable): TableView {
  return { diskGuid, usedSide, firstUsableLba, lastUsableLba };
}

function partitionViews(core: Core, id: number, table: GptTable): VolumeView[] {
  return partitionPlaces(core, id, table)
    .map(({ baseSector, sectors, partition, signature }): VolumeView => {
      const entry = table.partitions.find(({ index }) => index === partition);
      return {
        ...extent(baseSector, sectors),
        partition,
        name: entry?.name,
        typeGuid: entry?.typeGuid,
        type: entry === undefined ? undefined : typeName(entry.typeGuid),
        uniqueGuid: entry?.uniqueGuid,
        signature,
        sizeBytes: sectors * SECTOR_BYTES,
        ...contentOf(core, id, { baseSector, sectors }, signature),
      };
    })
    .sort((one, other) => one.first - other.first);
}

function wholeView(core: Core, id: number, capacity: number, signature: string): VolumeView {
  return {
    ...extent(0, capacity),
    signature,
    sizeBytes: capacity * SECTOR_BYTES,
    ...contentOf(core, id, {}, signature),
  };
}

function contentOf(
  core: Core,
  id: number,
  window: RegionWindow,
  signature: string | null,
): Pick<VolumeView, "fat" | "region" | "ext4" | "error"> {
  try {
    if (signature?.startsWith("fat")) return { fat: fatView(core, id, window) };
    if (signature === "capos-region") return { region: regionView(core, id, window) };
    const device = core.device(id);
    if (signature !== EXT_SIGNATURE || device === undefined) return {};
    return { ext4: ext4View(device, window) };
  } catch (error) {
    return { error: reasonOf(error) };
  }
}

function ext4View(device: BlockDevice, { baseSector = 0, sectors = 0 }: RegionWindow): Ext4View {
  const volume = openExt4(device, { baseSector, sectors });
  try {
    const { label, uuid, features } = volume;
    const { blocks, wasDirty } = volume.info.journal;
    const journal = wasDirty ? "to be replayed" : blocks === 0 ? "none" : "empty";
    return { label, uuid, features, ...volume.space(), journal };
  } finally {
    volume.close();
  }
}

function fatView(core: Core, id: number, window: RegionWindow): FatView {
  const volume = FatVolume.open(core, id, { ...window, readOnly: true });
  try {
    const { clusterBytes, totalBytes, freeBytes } = volume.statfs();
    const digits = (volume.serial >>> 0).toString(16).toUpperCase().padStart(8, "0");
    return {
      label: volume.label,
      serial: `${digits.slice(0, 4)}-${digits.slice(4)}`,
      clusterBytes,
      totalBytes,
      freeBytes,
      bootLoader: volume.exists(DEFAULT_LOADER),
    };
  } finally {
    volume.close();
  }
}

function regionView(core: Core, id: number, window: RegionWindow): RegionView {
  const region = Region.open(core, id, { ...window, readOnly: true });
  try {
    const { objects, payloadBytes, freeBytes } = region.store.stat();
    const owners = region.owners();
    const chunksByOwner = { free: 0, meta: 0, pack: 0, files: 0, bad: 0 };
    for (const owner of owners) chunksByOwner[owner]++;
    const { files } = region;
    const config = files?.stat(CONFIG_ROOT, { throwIfNoEntry: false });
    return {
      ...region.info,
      objects,
      payloadBytes,
      freeBytes,
      files: files === null ? undefined : Number(files.statfs().files),
      configEntries: config?.isDirectory() ? files?.readdir(CONFIG_ROOT).length : undefined,
      chunksByOwner,
      owners,
    };
  } finally {
    region.close();
  }
}

/** What is left between the usable blocks' ends, in sectors of 512 bytes. */
function freeRuns(table: GptTable, volumes: readonly VolumeView[]): Extent[] {
  const perBlock = table.blockSize / SECTOR_BYTES;
  const runs: Extent[] = [];
  let next = table.firstUsableLba * perBlock;
  for (const { first, last } of volumes) {
    if (first > next) runs.push(extent(next, first - next));
    next = Math.max(next, last + 1);
  }
  const end = (table.lastUsableLba + 1) * perBlock;
  if (end > next) runs.push(extent(next, end - next));
  return runs;
}

/** What a disk can cause is told in the view; a device that fails, and bugs, go through. */
function reasonOf(error: unknown): string {
  if (error instanceof StorageError && error.code !== "EIO") return error.message;
  throw error;
}
