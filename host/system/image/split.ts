/**
 * `image split`: a disk as three files that an installer can read over a slow medium, each only as
 * long as its content: BOOTHEAD.BIN, BOOTGPT.BIN and DATAIMG.BIN.
 */
import { failure } from "../../base/errors.ts";
import { isDamage } from "../../base/finding.ts";
import { node } from "../../base/platform/node.ts";
import type { Work } from "../../base/work.ts";
import { GPT_TYPES, type GptTable, readGpt, verifyGpt } from "../../core/gpt.ts";
import { Core } from "../../core/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import { isZero, readInto, readSectors } from "../../device/sectors.ts";
import { ALIGNMENT_SECTORS, type Extent, extent, SECTOR_BYTES } from "../../format/layout.ts";
import { BOOT_HEAD, BOOT_TABLE, DATA_IMAGE } from "./parts.ts";

/** Content is cut at whole pages, so that a file is never shorter than what a region reads. */
const PAGE_SECTORS = 8;

/** The three runs of sectors of a disk. */
export interface DiskParts {
  readonly head: Extent;
  readonly table: Extent;
  readonly data: Extent;
}

/** The two partitions of the layout `capos`, from a table that has them. */
export interface CaposPartitions {
  readonly esp: Extent;
  readonly data: Extent;
}

export interface SplitFile {
  readonly name: string;
  readonly path: string;
  readonly firstLba: number;
  readonly bytes: number;
}

/**
 * The partitions of a disk that this tool, or another of the same layout, has made.
 *
 * @throws {StorageError} EMEDIUMTYPE: other partitions than an ESP and a data region behind it
 */
export function caposPartitions(table: GptTable, path: string): CaposPartitions {
  const [first, second] = table.partitions;
  const fits =
    table.partitions.length === 2 &&
    first?.typeGuid === GPT_TYPES.esp &&
    second?.typeGuid === GPT_TYPES["diskwright-data"] &&
    table.blockSize === SECTOR_BYTES &&
    first.lastLba < second.firstLba;
  if (!fits) {
    const message = `'${path}' has no ESP and data region of the layout capos.`;
    throw failure("EMEDIUMTYPE", "read", message, { path });
  }
  return {
    esp: extent(first.firstLba, first.lastLba - first.firstLba + 1),
    data: extent(second.firstLba, second.lastLba - second.firstLba + 1),
  };
}

/** Measures the content of a disk: where each part ends. Reads from the back, until a set byte. */
export function* measureParts(device: BlockDevice, table: GptTable): Work<DiskParts> {
  const { esp, data } = caposPartitions(table, device.name);
  const espEnd = yield* lastContent(device, esp);
  const dataEnd = yield* lastContent(device, data);
  const back = table.lastUsableLba + 1;
  return {
    head: extent(0, espEnd),
    table: extent(back, device.config.capacity - back),
    data: extent(data.first, dataEnd - data.first),
  };
}

/**
 * Writes the three files into `folder`, which is made if it is not there.
 *
 * @throws {StorageError} EBADMSG: the table is damaged; EMEDIUMTYPE: another layout; EEXIST: a file
 *   is there and `force` is not given
 */
export function* splitDisk(
  device: BlockDevice,
  folder: string,
  options: { readonly force?: boolean; readonly core?: Core } = {},
): Work<SplitFile[]> {
  const core = options.core ?? new Core();
  const id = core.attach(device);
  try {
    const damage = verifyGpt(core, id).find(isDamage);
    if (damage !== undefined) {
      const message = `the partition table of '${device.name}' is damaged: ${damage.message}`;
      const hint = "Mend it first: diskwright gpt repair.";
      throw failure("EBADMSG", "split", message, { path: device.name, hint });
    }
    const parts = yield* measureParts(device, readGpt(core, id));
    node.fs.mkdirSync(folder, { recursive: true });
    const total = parts.head.sectors + parts.table.sectors + parts.data.sectors;
    const files: SplitFile[] = [];
    let done = 0;
    for (const [name, place] of [
      [BOOT_HEAD, parts.head],
      [BOOT_TABLE, parts.table],
      [DATA_IMAGE, parts.data],
    ] as const) {
      const path = node.path.join(folder, name);
      yield* writePart(device, place, path, options.force === true, { done, total });
      done += place.sectors;
      files.push({ name, path, firstLba: place.first, bytes: place.sectors * SECTOR_BYTES });
    }
    return files;
  } finally {
    core.detach(id);
  }
}

function* writePart(
  device: BlockDevice,
  place: Extent,
  path: string,
  force: boolean,
  progress: { readonly done: number; readonly total: number },
): Work<void> {
  const { fs } = node;
  const file = fs.openSync(path, force ? "w" : "wx");
  try {
    for (let at = 0; at < place.sectors; at += ALIGNMENT_SECTORS) {
      const count = Math.min(ALIGNMENT_SECTORS, place.sectors - at);
      const bytes = readSectors(device, place.first + at, count);
      for (let from = 0; from < bytes.length; ) from += fs.writeSync(file, bytes, from);
      const done = progress.done + at + count;
      yield { step: "split", done, total: progress.total, unit: "sectors" };
    }
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
}

/** The sector behind the last page with a set byte in `place`; at least one page. */
function* lastContent(device: BlockDevice, place: Extent): Work<number> {
  const end = place.last + 1;
  const buffer = new Uint8Array(ALIGNMENT_SECTORS * SECTOR_BYTES);
  for (let at = end; at > place.first; ) {
    const from = Math.max(place.first, at - ALIGNMENT_SECTORS);
    const bytes = readInto(device, from, buffer.subarray(0, (at - from) * SECTOR_BYTES));
    if (!isZero(bytes)) {
      let used = bytes.findLastIndex((byte) => byte !== 0) + 1;
      used = Math.ceil(used / (PAGE_SECTORS * SECTOR_BYTES)) * PAGE_SECTORS;
      return Math.min(end, from + used);
    }
    at = from;
    yield { step: "measure", done: end - at, total: place.sectors, unit: "sectors" };
  }
  return Math.min(end, place.first + PAGE_SECTORS);
}
