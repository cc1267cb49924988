/**
 * The three files of `image split` as the disk they came from: a read-only device that has their
 * bytes at their places and zeros everywhere else.
 */
import { failure } from "../../base/errors.ts";
import { node } from "../../base/platform/node.ts";
import { readGpt } from "../../core/gpt.ts";
import type { Core } from "../../core/load.ts";
import {
  admit,
  type BlockDevice,
  type BlockRequest,
  type DeviceConfig,
  type DeviceIdentity,
  type DurabilityClaim,
  deviceConfig,
  deviceIdentity,
  Feature,
  RequestStatus,
  RequestType,
  SECTOR_SIZE,
} from "../../device/device.ts";
import { DATA_REGION_BASE_LBA } from "../../format/layout.ts";

/** Protective MBR, primary GPT and the head of the ESP, up to its last byte that is not zero. */
export const BOOT_HEAD = "BOOTHEAD.BIN";
/** Backup GPT: entries, then header. */
export const BOOT_TABLE = "BOOTGPT.BIN";
/** The data region, up to its last byte that is not zero. */
export const DATA_IMAGE = "DATAIMG.BIN";

/** A run of sectors that has content. */
export interface Part {
  readonly name: string;
  readonly first: number;
  readonly sectors: number;
  /** Fills `into` with the part's bytes from `offset`. */
  read(offset: number, into: Uint8Array): void;
  close(): void;
}

/** Enough for any table: what a head alone pretends to be while its table is read. */
const UNKNOWN_SECTORS = 2 ** 40;

/** Parts at their places on an otherwise empty read-only disk. */
export class PartsDevice implements BlockDevice {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: DeviceIdentity = deviceIdentity({ serial: "split" });
  readonly durability: DurabilityClaim = { level: "none", flush: "nothing: read-only" };
  readonly parts: readonly Part[];

  constructor(name: string, parts: readonly Part[], capacity: number) {
    this.name = name;
    this.parts = parts;
    const features = Feature.SEG_MAX | Feature.BLK_SIZE | Feature.RO;
    this.config = deviceConfig(capacity, { features, writeback: false });
  }

  submit(requests: readonly BlockRequest[]): void {
    for (const asked of requests) {
      if (!admit(this.config, asked, this.name)) continue;
      if (asked.type === RequestType.IN) this.#read(asked);
      else asked.status = RequestStatus.OK;
    }
  }

  close(): void {
    for (const part of this.parts) part.close();
  }

  #read(asked: BlockRequest): void {
    const { sector, data } = asked;
    const end = sector + data.length / SECTOR_SIZE;
    data.fill(0);
    try {
      for (const part of this.parts) {
        const first = Math.max(sector, part.first);
        const last = Math.min(end, part.first + part.sectors);
        if (first >= last) continue;
        const from = (first - sector) * SECTOR_SIZE;
        const into = data.subarray(from, from + (last - first) * SECTOR_SIZE);
        part.read((first - part.first) * SECTOR_SIZE, into);
      }
      asked.status = RequestStatus.OK;
      asked.transferred = data.length;
    } catch (cause) {
      asked.status = RequestStatus.IOERR;
      asked.cause = cause;
    }
  }
}

/** True if `folder` has the files of `image split`. */
export function isSplitFolder(folder: string): boolean {
  const has = (name: string) => node.fs.existsSync(node.path.join(folder, name));
  return has(BOOT_HEAD) && has(BOOT_TABLE);
}

/**
 * Opens a folder of `image split` as one disk.
 *
 * @throws {StorageError} ENOENT: a file is missing; EINVAL: one is no whole number of sectors;
 *   EBADMSG: the head has no valid table, or the table does not end where BOOTGPT.BIN does
 */
export function openParts(core: Core, folder: string): PartsDevice {
  const open: Part[] = [];
  const { join } = node.path;
  try {
    const head = filePart(join(folder, BOOT_HEAD));
    open.push(head);
    const table = filePart(join(folder, BOOT_TABLE));
    open.push(table);
    const data = filePart(join(folder, DATA_IMAGE));
    open.push(data);
    return partsDisk(core, folder, head, table, data);
  } catch (error) {
    for (const part of open) part.close();
    throw error;
  }
}

/**
 * Three parts as one disk, each at the place that the table in the head says.
 *
 * @throws {StorageError} EBADMSG: the head has no valid table, or a part is longer than the disk
 */
export function partsDisk(
  core: Core,
  name: string,
  head: Part,
  table: Part,
  data: Part,
): PartsDevice {
  const { lastUsableLba, dataFirst } = placesIn(core, name, head);
  const parts = [head, { ...data, first: dataFirst }, { ...table, first: lastUsableLba + 1 }];
  for (const part of parts.slice(0, 2)) {
    const end = part.first + part.sectors - 1;
    if (end <= lastUsableLba) continue;
    throw failure("EBADMSG", "open", `'${part.name}' is longer than the disk it belongs to.`, {
      path: part.name,
    });
  }
  return new PartsDevice(name, parts, lastUsableLba + 1 + table.sectors);
}

/**
 * A part of `size` bytes whose content `read` fills in, as far as it goes.
 *
 * @throws {StorageError} EINVAL: no whole number of sectors
 */
export function partOf(
  name: string,
  size: number,
  read: (offset: number, into: Uint8Array) => number,
): Part {
  if (size === 0 || size % SECTOR_SIZE !== 0) {
    const message = `'${name}' has ${size} bytes, no whole number of sectors.`;
    throw failure("EINVAL", "open", message, { path: name });
  }
  return {
    name,
    first: 0,
    sectors: size / SECTOR_SIZE,
    read: (offset, into) => {
      for (let at = 0; at < into.length; ) {
        const got = read(offset + at, into.subarray(at));
        if (got === 0) throw failure("EIO", "read", `'${name}' ends too early.`, { path: name });
        at += got;
      }
    },
    close: () => {},
  };
}

/** What the primary table says: where the backup begins and where the data region is. */
function placesIn(core: Core, folder: string, head: Part) {
  const alone = new PartsDevice(folder, [head], UNKNOWN_SECTORS);
  const id = core.attach(alone);
  try {
    const { lastUsableLba, partitions } = readGpt(core, id);
    return { lastUsableLba, dataFirst: partitions[1]?.firstLba ?? DATA_REGION_BASE_LBA };
  } finally {
    core.detach(id);
  }
}

function filePart(path: string): Part {
  const { fs } = node;
  const descriptor = fs.openSync(path, "r");
  try {
    const { size } = fs.fstatSync(descriptor);
    const read = (offset: number, into: Uint8Array) =>
      fs.readSync(descriptor, into, 0, into.length, offset);
    return { ...partOf(path, size, read), close: () => fs.closeSync(descriptor) };
  } catch (error) {
    fs.closeSync(descriptor);
    throw error;
  }
}
