/**
 * The medium of an installation: opened read-only, measured and hashed before anything is written.
 *
 * A medium is a disk made by `image mkdisk`, or what reads as one: a folder of `image split`, or a
 * CD or USB disk of `image mkmedia`.
 */
import { failure } from "../../base/errors.ts";
import { isDamage } from "../../base/finding.ts";
import type { Work } from "../../base/work.ts";
import { FatVolume } from "../../core/fat.ts";
import { type GptTable, readGpt, verifyGpt } from "../../core/gpt.ts";
import type { Core } from "../../core/load.ts";
import { Region } from "../../core/region.ts";
import type { BlockDevice } from "../../device/device.ts";
import { ALIGNMENT_SECTORS, extent, SECTOR_BYTES } from "../../format/layout.ts";
import {
  type Content,
  filesContent,
  joinedDigest,
  storeContent,
  treeContent,
} from "../image/content.ts";
import { espTree } from "../image/esp.ts";
import type { Tree } from "../image/folder.ts";
import {
  type CaposPartitions,
  caposPartitions,
  type DiskParts,
  measureParts,
} from "../image/split.ts";
import { openMedium } from "../media/medium.ts";
import type { SourceFacts } from "./plan.ts";

/** Room that trees, logs and open chunks take beside the content of a region that is not tiny. */
const REGION_SLACK_SECTORS = 16 * ALIGNMENT_SECTORS;
const TINY_CONTENT_BYTES = 1 << 20;
const CONTENT_GROWTH = 1.1;
const FILE_BYTES = 4096;

/** What the medium holds, as hashes. */
export interface Contents {
  readonly boot: Content;
  readonly objects: Content;
  /** Undefined where the data region has no filesystem. */
  readonly files?: Content | undefined;
}

/** An open medium. */
export interface Source {
  /** The disk that is installed. */
  readonly device: BlockDevice;
  /** What that disk was read from: itself, or the CD or USB disk that carries it in parts. */
  readonly medium: BlockDevice;
  readonly table: GptTable;
  readonly label: string;
  readonly boot: Tree;
  readonly region: Region;
  readonly contents: Contents;
  readonly facts: SourceFacts;
  close(): void;
}

/**
 * Opens and hashes a medium. Writes nothing to it. `measure` looks for the end of each part's
 * content, which only a copy byte for byte needs.
 *
 * @throws {StorageError} EMEDIUMTYPE: no disk of the layout capos; EBADMSG: it is damaged, so that
 *   an installation would spread the damage
 */
export function* openSource(
  core: Core,
  medium: BlockDevice,
  options: { readonly measure: boolean },
): Work<Source> {
  const carried = openMedium(core, medium);
  const device = carried ?? medium;
  const id = core.attach(device);
  const open: { close(): void }[] = [{ close: () => core.detach(id) }];
  if (carried !== undefined) open.unshift(carried);
  const close = () => {
    for (const one of open.splice(0).reverse()) one.close();
  };
  try {
    refuseDamage(core, id, device);
    const table = readGpt(core, id);
    const places = caposPartitions(table, device.name);
    const espWindow = { baseSector: places.esp.first, sectors: places.esp.sectors };
    const volume = FatVolume.open(core, id, { ...espWindow, readOnly: true });
    open.push(volume);
    const dataWindow = { baseSector: places.data.first, sectors: places.data.sectors };
    const region = Region.open(core, id, { ...dataWindow, readOnly: true });
    open.push(region);
    const boot = espTree(volume);
    const contents = yield* hashContents(boot, region, "read the medium");
    const parts = options.measure ? yield* measureParts(device, table) : wholeParts(places, table);
    const facts: SourceFacts = {
      name: device.name,
      sectors: device.config.capacity,
      ...places,
      digest: digestOf(volume.label, contents),
      files: contents.boot.files + (contents.files?.files ?? 0) + contents.objects.files,
      bytes: contents.boot.bytes + (contents.files?.bytes ?? 0) + contents.objects.bytes,
      dataSectorsMin: smallestRegion(contents),
      parts,
    };
    const { label } = volume;
    return { device, medium, table, label, boot, region, contents, facts, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Hashes of boot files, objects and files, all read. */
export function* hashContents(boot: Tree, region: Region, step: string): Work<Contents> {
  return {
    boot: yield* treeContent(boot, step),
    objects: yield* storeContent(region.store, step, true),
    files: region.files === null ? undefined : yield* filesContent(region.files, step),
  };
}

/** One number for a label and contents. */
export function digestOf(label: string, contents: Contents): string {
  const { boot, objects, files } = contents;
  const named = { ...boot, digest: `${label}/${boot.digest}` };
  return joinedDigest(files === undefined ? [named, objects] : [named, objects, files]);
}

function refuseDamage(core: Core, id: number, device: BlockDevice): void {
  const damage = verifyGpt(core, id).find(isDamage);
  if (damage === undefined) return;
  const message = `the medium '${device.name}' is damaged at LBA ${damage.lba}: ${damage.message}`;
  throw failure("EBADMSG", "install", message, { path: device.name });
}

/** All of both partitions and of the backup table. */
function wholeParts({ esp, data }: CaposPartitions, table: GptTable): DiskParts {
  const back = table.lastUsableLba + 1;
  return { head: extent(0, esp.last + 1), data, table: extent(back, table.deviceBlocks - back) };
}

/** Sectors of a region that takes the contents and has room left to work in. */
function smallestRegion(contents: Contents): number {
  const { objects, files } = contents;
  const payload = objects.bytes + (files?.bytes ?? 0);
  const records = (objects.files + (files?.files ?? 0)) * FILE_BYTES;
  const bytes = (payload + records) * CONTENT_GROWTH;
  if (bytes < TINY_CONTENT_BYTES) return 0;
  return Math.ceil(bytes / SECTOR_BYTES) + REGION_SLACK_SECTORS;
}
