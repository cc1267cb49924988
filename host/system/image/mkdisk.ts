/**
 * `image mkdisk`: a bootable disk of the layout `capos`: a FAT32 ESP with the boot files, a data
 * region, and around them a partition table whose primary copy is written last.
 */
import { refusal } from "../../base/errors.ts";
import { formatSize } from "../../base/size.ts";
import type { Work } from "../../base/work.ts";
import { createGpt, type GptRequest } from "../../core/gpt.ts";
import type { Core } from "../../core/load.ts";
import { Region } from "../../core/region.ts";
import type { BlockDevice } from "../../device/device.ts";
import { eachPiece, isZero, writeSectors, zeroSectors } from "../../device/sectors.ts";
import {
  ALIGNMENT_SECTORS,
  caposLayout,
  type DiskLayout,
  SECTOR_BYTES,
  smallestDisk,
} from "../../format/layout.ts";
import { makeEsp } from "./esp.ts";
import { type Tree, treeBytes } from "./folder.ts";
import { makeRegion } from "./mkstore.ts";
import {
  type CoreMaker,
  makeCore,
  type Origin,
  originOf,
  type SeedOptions,
} from "./reproducible.ts";

export const ESP_LABEL = "ESP";
export const DATA_PARTITION_NAME = "diskwright-data";

export interface MakeDiskOptions extends SeedOptions {
  /** What the ESP holds, exactly. */
  readonly boot: Tree;
  /** Sectors of the ESP, default 262144 (128 MiB). */
  readonly espSectors?: number | undefined;
  /** An image of mkstore to put into partition 2; default: a region with an empty system/config. */
  readonly dataImage?: BlockDevice | undefined;
  /** First byte of the data region, default 135266304 (LBA 264192): what the kernel trusts. */
  readonly dataOffsetBytes?: number | undefined;
  readonly makeCore?: CoreMaker | undefined;
}

export interface MadeDisk {
  readonly layout: DiskLayout;
  readonly identities: DiskIdentities;
  readonly bootFiles: number;
  readonly bootBytes: number;
  readonly data: "formatted" | "copied";
}

/** What tells one disk from every other. */
export interface DiskIdentities {
  readonly diskGuid: string;
  readonly espGuid: string;
  readonly dataGuid: string;
  readonly regionUuid: string;
  readonly fatSerial: number;
}

export function drawIdentities(origin: Origin): DiskIdentities {
  return {
    diskGuid: origin.guid("disk"),
    espGuid: origin.guid("partition 1"),
    dataGuid: origin.guid("partition 2"),
    regionUuid: origin.guid("region"),
    fatSerial: origin.serial("esp"),
  };
}

/** The partitions of a layout as table entries. */
export function tableEntries(
  { esp, data }: Pick<DiskLayout, "esp" | "data">,
  identities: DiskIdentities,
): GptRequest[] {
  return [
    {
      index: 1,
      type: "esp",
      uniqueGuid: identities.espGuid,
      firstLba: esp.first,
      lastLba: esp.last,
      name: "ESP",
    },
    {
      index: 2,
      type: "diskwright-data",
      uniqueGuid: identities.dataGuid,
      firstLba: data.first,
      lastLba: data.last,
      name: DATA_PARTITION_NAME,
    },
  ];
}

/** Where everything will lie; writes nothing. Refuses what makeDisk would refuse. */
export function planDisk(device: BlockDevice, options: MakeDiskOptions): DiskLayout {
  const { espSectors, dataImage, dataOffsetBytes } = options;
  const dataFirst = dataOffsetBytes === undefined ? undefined : dataOffsetBytes / SECTOR_BYTES;
  const dataSectorsMin = dataImage?.config.capacity;
  const { blkSize: blockSize, capacity } = device.config;
  const path = device.name;
  return caposLayout(capacity, { espSectors, dataFirst, dataSectorsMin, blockSize, path });
}

/**
 * Makes the disk on all of `device`.
 *
 * @throws {Refusal} too small, 4096-byte blocks, boot files that do not fit; before it is written
 */
export function* makeDisk(device: BlockDevice, options: MakeDiskOptions): Work<MadeDisk> {
  const { boot, dataImage } = options;
  const layout = planDisk(device, options);
  const origin = originOf(options);
  const identities = drawIdentities(origin);
  const core = (options.makeCore ?? makeCore)(origin.environment);
  const id = core.attach(device);
  try {
    if (dataImage !== undefined) checkDataImage(core, dataImage);
    const { tableBack } = layout;
    zeroSectors(device, 0, ALIGNMENT_SECTORS);
    zeroSectors(device, tableBack.first, tableBack.sectors);
    yield* makeEsp(core, id, {
      place: layout.esp,
      tree: boot,
      label: ESP_LABEL,
      serial: identities.fatSerial,
      timestampMs: timestampMs(origin),
    });
    if (dataImage === undefined) {
      const spec = { place: layout.data, uuid: identities.regionUuid, filesystem: true };
      yield* makeRegion(core, id, { ...spec, config: [] });
    } else {
      yield* copyImage(dataImage, device, layout);
    }
    const { diskGuid } = identities;
    // From here on the device is a disk: the table is written last, its primary copy after all.
    createGpt(core, id, {
      diskGuid,
      entries: tableEntries(layout, identities),
      random: origin.random("table"),
    });
  } finally {
    core.detach(id);
  }
  return {
    layout,
    identities,
    bootFiles: boot.length,
    bootBytes: treeBytes(boot),
    data: dataImage === undefined ? "formatted" : "copied",
  };
}

/** Milliseconds since 1970 UTC that everything on a FAT gets. */
export function timestampMs(origin: Origin): number {
  return Number(origin.environment.clock() / 1_000_000n);
}

/** An image that is no region would make a disk that never mounts. */
function checkDataImage(core: Core, image: BlockDevice): void {
  const id = core.attach(image);
  try {
    Region.open(core, id, { readOnly: true }).close();
  } finally {
    core.detach(id);
  }
}

function* copyImage(image: BlockDevice, device: BlockDevice, layout: DiskLayout): Work<void> {
  const { data } = layout;
  const total = image.config.capacity;
  if (total > data.sectors) {
    const smallest = smallestDisk({ dataFirst: data.first, dataSectorsMin: total });
    const message = `'${image.name}' takes ${formatSize(total * SECTOR_BYTES)}.`;
    const hint = `A disk of ${formatSize(smallest * SECTOR_BYTES)} would do.`;
    throw refusal("ENOSPC", "mkdisk", message, { path: image.name, hint });
  }
  zeroSectors(device, data.first, data.sectors);
  for (let at = 0; at < total; at += ALIGNMENT_SECTORS) {
    const count = Math.min(ALIGNMENT_SECTORS, total - at);
    eachPiece(image, at, count, (bytes, sector) => {
      if (!isZero(bytes)) writeSectors(device, data.first + sector, bytes);
      return true;
    });
    yield { step: "copy data image", done: at + count, total, unit: "sectors" };
  }
}
