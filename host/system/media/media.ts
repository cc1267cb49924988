/**
 * `image mkmedia`: the installer's medium, with a boot image that EFI firmware starts and a payload
 * beside it, by default under /boot/bins.
 *
 *   iso: ISO 9660 with the payload; the boot image (FAT32) lies behind it. El Torito leads there
 *        from a CD, a partition table from a USB stick: one image for both
 *   usb: a partition table and one FAT32 with boot files and payload
 */
import { failure, refusal } from "../../base/errors.ts";
import { formatSize } from "../../base/size.ts";
import type { Work } from "../../base/work.ts";
import { createGpt } from "../../core/gpt.ts";
import { buildIso, type IsoBuildOptions, planIso } from "../../core/media/build.ts";
import { MediaCore } from "../../core/media/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import { flushDevice, zeroSectors } from "../../device/sectors.ts";
import {
  ALIGNMENT_SECTORS,
  ESP_FIRST_LBA,
  ESP_SECTORS_MIN,
  type Extent,
  extent,
  SECTOR_BYTES,
  TABLE_BACK_SECTORS,
  TABLE_FRONT_SECTORS,
} from "../../format/layout.ts";
import { makeEsp } from "../image/esp.ts";
import { type Tree, treeBytes } from "../image/folder.ts";
import { ESP_LABEL, timestampMs } from "../image/mkdisk.ts";
import { PartsDevice } from "../image/parts.ts";
import {
  type CoreMaker,
  makeCore,
  type Origin,
  originOf,
  type SeedOptions,
} from "../image/reproducible.ts";

/** Where the payload is unless something else is asked for. */
export const PAYLOAD_FOLDER = "boot/bins";
const LABEL_DEFAULT = "DISKWRIGHT";
/** What places are looked for on before a device is there. */
const PLAN_SECTORS = 2 ** 34;
/** Largest cluster of a FAT32 up to 16 GiB, and what one more costs in both tables. */
const CLUSTER_BYTES = 8192;
const TABLE_SHARE = 1.02;

export interface MakeMediaOptions extends SeedOptions {
  /** What the boot image holds, exactly. */
  readonly boot: Tree;
  readonly payload: Tree;
  /** Where the payload is: a path from the root, "" for the root itself. Default boot/bins. */
  readonly folder?: string | undefined;
  /** Label of the FAT, and name of its partition. Default ESP. */
  readonly espLabel?: string | undefined;
  readonly espName?: string | undefined;
  /** Of the ISO volume: up to 32 capitals, digits and "_". Default DISKWRIGHT. */
  readonly label?: string | undefined;
  /** A disk with one FAT in place of the hybrid ISO. */
  readonly usb?: boolean | undefined;
  readonly makeCore?: CoreMaker | undefined;
}

/** Where things will be; sectors of 512 bytes. */
export interface MediaPlan {
  readonly kind: "iso" | "usb";
  readonly sectors: number;
  /** The boot image, which is the ESP of the partition table too. */
  readonly esp: Extent;
}

export interface MadeMedia extends MediaPlan {
  readonly sizeBytes: number;
  readonly diskGuid: string;
  readonly bootFiles: number;
  readonly payloadFiles: number;
  readonly payloadBytes: number;
}

/** Sizes and places, before there is a device: a file for the medium is made as long as it says. */
export function planMedia(options: MakeMediaOptions): MediaPlan {
  const espSectors = espSize(espFiles(options));
  if (options.usb === true) {
    const esp = extent(ESP_FIRST_LBA, espSectors);
    const end = esp.first + esp.sectors + TABLE_BACK_SECTORS;
    return { kind: "usb", sectors: alignUp(end), esp };
  }
  const media = new MediaCore();
  const nowhere = new PartsDevice("a medium that is planned", [], PLAN_SECTORS);
  const given = isoOptions(options, originOf(options), espSectors);
  const { sectors, bootSector, bootSectors } = planIso(media, media.attach(nowhere), given);
  return { kind: "iso", sectors, esp: extent(bootSector, bootSectors) };
}

/**
 * Makes the medium on all of `device`, which may be larger than the plan: the partition table ends
 * where the device does.
 *
 * @throws {Refusal} too small, or blocks of 4096 bytes: before anything is written
 */
export function* makeMedia(device: BlockDevice, options: MakeMediaOptions): Work<MadeMedia> {
  const plan = planMedia(options);
  refuseUnfit(device, plan);
  const origin = originOf(options);
  const core = (options.makeCore ?? makeCore)(origin.environment);
  const id = core.attach(device);
  const diskGuid = origin.guid("disk");
  try {
    // An older table must not lead anywhere while this is half done: both of its ends go first.
    const tail = Math.max(plan.esp.last + 1, device.config.capacity - TABLE_BACK_SECTORS);
    zeroSectors(device, tail, device.config.capacity - tail);
    zeroSectors(device, 0, TABLE_FRONT_SECTORS);
    flushDevice(device);
    if (plan.kind === "iso") {
      const media = new MediaCore({ environment: origin.environment });
      const given = isoOptions(options, origin, plan.esp.sectors);
      yield* buildIso(media, media.attach(device), { ...given, sectors: plan.sectors });
    } else {
      zeroSectors(device, 0, plan.esp.first);
    }
    yield* makeEsp(core, id, {
      place: plan.esp,
      tree: espFiles(options),
      label: options.espLabel ?? ESP_LABEL,
      serial: origin.serial("esp"),
      timestampMs: timestampMs(origin),
    });
    const { espName: name = "ESP" } = options;
    const entry = { index: 1, type: "esp", name, uniqueGuid: origin.guid("partition 1") };
    // From here on firmware finds it on a disk too.
    createGpt(core, id, {
      diskGuid,
      entries: [{ ...entry, firstLba: plan.esp.first, lastLba: plan.esp.last }],
      random: origin.random("table"),
    });
  } finally {
    core.detach(id);
  }
  return {
    ...plan,
    sizeBytes: plan.sectors * SECTOR_BYTES,
    diskGuid,
    bootFiles: options.boot.length,
    payloadFiles: options.payload.length,
    payloadBytes: treeBytes(options.payload),
  };
}

function refuseUnfit(device: BlockDevice, plan: MediaPlan): void {
  const { capacity, blkSize } = device.config;
  const path = device.name;
  if (blkSize !== SECTOR_BYTES) {
    const message =
      `'${path}' has blocks of ${blkSize} bytes; ` +
      "a medium that boots from CD and USB alike needs 512.";
    throw refusal("EINVAL", "mkmedia", message, { path });
  }
  if (capacity >= plan.sectors) return;
  const message =
    `'${path}' has ${formatSize(capacity * SECTOR_BYTES)}; ` +
    `the medium takes ${formatSize(plan.sectors * SECTOR_BYTES)}.`;
  throw refusal("ENOSPC", "mkmedia", message, { path });
}

function isoOptions(
  options: MakeMediaOptions,
  origin: Origin,
  bootSectors: number,
): IsoBuildOptions {
  return {
    entries: placed(options),
    label: options.label ?? LABEL_DEFAULT,
    timestampMs: timestampMs(origin),
    bootSectors,
  };
}

/** Boot files, and on a USB disk the payload beside them. */
function espFiles(options: MakeMediaOptions): Tree {
  const { boot, usb } = options;
  if (usb !== true) return boot;
  const folders = new Set(
    boot.filter(({ kind }) => kind === "directory").map(({ path }) => path.toLowerCase()),
  );
  const added = placed(options).filter(
    ({ path, kind }) => kind === "file" || !folders.has(path.toLowerCase()),
  );
  return [...boot, ...added];
}

/** The payload where it belongs, the folders above it first. */
function placed({ payload, folder = PAYLOAD_FOLDER }: MakeMediaOptions): Tree {
  if (folder === "") return payload;
  const names = folder.split("/");
  const above = names.map((_, depth): Tree[number] => {
    const path = names.slice(0, depth + 1).join("/");
    return { path, kind: "directory", size: 0, modifiedMs: 0, open: noContent };
  });
  return [...above, ...payload.map((entry) => ({ ...entry, path: `${folder}/${entry.path}` }))];
}

/** Sectors of a FAT32 that surely takes the files. */
function espSize(files: Tree): number {
  const bytes = files.reduce(
    (sum, { size }) => sum + (Math.ceil(size / CLUSTER_BYTES) + 1) * CLUSTER_BYTES,
    0,
  );
  const sectors = Math.ceil((bytes * TABLE_SHARE) / SECTOR_BYTES) + ALIGNMENT_SECTORS;
  return Math.max(ESP_SECTORS_MIN, alignUp(sectors));
}

function alignUp(sectors: number): number {
  return Math.ceil(sectors / ALIGNMENT_SECTORS) * ALIGNMENT_SECTORS;
}

function noContent(): never {
  throw failure("EISDIR", "open", "a folder has no content to read.");
}
