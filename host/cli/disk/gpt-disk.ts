/** What the gpt commands share: opening a disk for its table, keeping the old one, printing. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from "node:fs";
import { failure, refusal, StorageError } from "../../base/errors.ts";
import { parseSize } from "../../base/size.ts";
import {
  backupGpt,
  freeRuns,
  type GptPartition,
  type GptTable,
  readGpt,
  typeNameOf,
} from "../../core/gpt.ts";
import { Core } from "../../core/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import {
  type Context,
  Exit,
  type ExitCode,
  type Given,
  type OptionSpec,
  UsageError,
} from "../kit/command.ts";
import { openDevice, parseDisk } from "../kit/open.ts";
import { table } from "../kit/output.ts";

/** No saved table is larger: the MBR and two arrays of 1 MiB, twice. */
const SAVED_SIZE_MAX = 2 ** 23;

export const DISK = { "<disk>": "path of a whole disk, or a file: URL" };

export const BLOCK_SIZE: OptionSpec = {
  flags: "--block-size <bytes>",
  summary: "logical block; default: the device's, or the one whose table an image has",
  choices: ["512", "4096"],
};

export const TABLE_BACKUP: readonly OptionSpec[] = [
  {
    flags: "--table-backup <file>",
    summary: "where the old table is saved; default: a new file beside the image",
  },
  { flags: "--no-table-backup", summary: "do not save the old table" },
];

/** A disk that a gpt command has opened. */
export interface TableDisk {
  readonly path: string;
  readonly device: BlockDevice;
  readonly core: Core;
  readonly id: number;
}

type Block = 512 | 4096;

/** Runs `use` on the disk; a table that cannot be read is damage: exit 3, with the reason. */
export async function withTable(
  { out }: Context,
  { positionals: [text = ""], options }: Given,
  readOnly: boolean,
  use: (disk: TableDisk) => Promise<ExitCode | undefined> | ExitCode | undefined,
): Promise<ExitCode | undefined> {
  const disk = openTable(pathOf(text), readOnly, blockSizeOf(options));
  try {
    return await use(disk);
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== "EBADMSG") throw error;
    const { code, errno, syscall, fault } = error;
    out.failure(error.message, { message: error.message, code, errno, syscall, fault });
    return Exit.DAMAGE;
  } finally {
    disk.device.close();
  }
}

/** The path of a whole disk; a partition has no table of its own. */
export function pathOf(text: string): string {
  const { path, partition } = parseDisk(text);
  if (partition === undefined) return path;
  throw new UsageError(`${text}: a partition table is that of the whole disk, ${path}`);
}

export function blockSizeOf(options: Given["options"]): Block | undefined {
  const { blockSize } = options as { blockSize?: string };
  return blockSize === undefined ? undefined : blockSize === "4096" ? 4096 : 512;
}

function openTable(path: string, readOnly: boolean, wanted: Block | undefined): TableDisk {
  const first = attach(path, openDevice(path, readOnly, wanted));
  const { blkSize, capacity } = first.device.config;
  if (wanted !== undefined || blkSize !== 512 || capacity % 8 !== 0 || hasTable(first))
    return first;
  // An image does not say what its blocks are; the place of its header does.
  first.device.close();
  const second = attach(path, openDevice(path, readOnly, 4096));
  if (hasTable(second)) return second;
  second.device.close();
  return attach(path, openDevice(path, readOnly));
}

function attach(path: string, device: BlockDevice): TableDisk {
  const core = new Core();
  return { path, device, core, id: core.attach(device) };
}

/** True if there is a table at all, whole or damaged. */
export function hasTable({ core, id }: TableDisk): boolean {
  try {
    readGpt(core, id, { lenient: true });
    return true;
  } catch (error) {
    if (error instanceof StorageError && ["ENOENT", "ENOSPC"].includes(error.code)) return false;
    if (error instanceof StorageError && error.code === "EBADMSG") return true;
    throw error;
  }
}

/**
 * Saves the table that is there now, before it changes; answers the file, or undefined where there
 * is none to keep or the person does not want it.
 */
export function saveOldTable(disk: TableDisk, options: Given["options"]): string | undefined {
  const { tableBackup } = options as { tableBackup?: string | boolean };
  if (tableBackup === false || !hasTable(disk)) return undefined;
  const path = typeof tableBackup === "string" ? tableBackup : besides(disk.path);
  if (path === undefined) {
    throw refusal("EINVAL", "gpt", `there is no place beside ${disk.path} for the old table.`, {
      hint: "Name a file with --table-backup, or pass --no-table-backup.",
    });
  }
  writeDurably(path, backupGpt(disk.core, disk.id), false);
  return path;
}

/** Writes a file and makes it durable; an existing one is replaced with `force` only. */
export function writeDurably(path: string, bytes: Uint8Array, force: boolean): void {
  if (!force && existsSync(path)) {
    throw refusal("EEXIST", "open", `'${path}' exists.`, { path, hint: "Choose another name." });
  }
  const file = openSync(path, force ? "w" : "wx");
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The bytes of a saved table; `-` is standard input. */
export function readSaved(path: string): Uint8Array {
  if (path !== "-" && statSync(path).size > SAVED_SIZE_MAX) {
    throw failure("EBADMSG", "restoreGpt", `'${path}' is too large to be a saved table.`);
  }
  return readFileSync(path === "-" ? 0 : path);
}

function besides(path: string): string | undefined {
  if (path.startsWith("/dev/") || !existsSync(path)) return undefined;
  for (let number = 1; number < 1000; number++) {
    const name = `${path}.gpt-backup${number === 1 ? "" : `-${number}`}`;
    if (!existsSync(name)) return name;
  }
  return undefined;
}

/** The table as --json prints it. */
export function tableJson(path: string, read: GptTable): Record<string, unknown> {
  const { partitions, ...rest } = read;
  const free = freeRuns(read);
  return {
    path,
    ...rest,
    partitions: partitions.map((each) => ({
      ...each,
      type: typeNameOf(each.typeGuid) ?? null,
      sizeBytes: sizeOf(read, each),
      attributes: `0x${each.attributes.toString(16)}`,
    })),
    free: free.map((run) => ({ ...run, sizeBytes: sizeOf(read, run) })),
  };
}

/** The table as people read it. */
export function tableText(path: string, read: GptTable): string {
  const { diskGuid, blockSize, deviceBlocks, firstUsableLba, lastUsableLba, partitions } = read;
  const free = freeRuns(read).reduce((sum, run) => sum + sizeOf(read, run), 0);
  const copy = read.usedSide === "backup" ? ", read from the backup: the primary is damaged" : "";
  const rows = partitions.map((each) => [
    each.index,
    each.firstLba,
    each.lastLba,
    about(sizeOf(read, each)),
    typeNameOf(each.typeGuid) ?? each.typeGuid,
    each.attributes === 0n ? "" : `0x${each.attributes.toString(16)}`,
    JSON.stringify(each.name).slice(1, -1),
  ]);
  const head = ["#", "first", "last", "size", "type", "attributes", "name"];
  return [
    `${path}: GPT ${diskGuid}${copy}`,
    `${deviceBlocks} blocks of ${blockSize} bytes, usable ${firstUsableLba} to ${lastUsableLba}, ` +
      `${about(free)} free`,
    rows.length === 0 ? "no partitions" : table(rows, head),
  ].join("\n");
}

const UNITS = ["TiB", "GiB", "MiB", "KiB"] as const;

/** A size for people, to one decimal: the blocks beside it are exact. */
function about(bytes: number): string {
  for (const unit of UNITS) {
    const size = parseSize(`1${unit}`);
    if (bytes >= size) return `${Math.round((bytes / size) * 10) / 10}${unit}`;
  }
  return `${bytes} bytes`;
}

function sizeOf({ blockSize }: GptTable, run: Pick<GptPartition, "firstLba" | "lastLba">): number {
  return Math.max(0, run.lastLba - run.firstLba + 1) * blockSize;
}
