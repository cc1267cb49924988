/** Partition tables: typed calls over the core. Bytes and places are the core's alone. */
import { failure } from "../base/errors.ts";
import type { Finding } from "../base/finding.ts";
import type { RandomSource } from "../base/seed.ts";
import type { Core } from "./load.ts";

/** Type GUIDs by the names people use for them. */
export const GPT_TYPES = {
  esp: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
  linux: "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
  "linux-root-x86-64": "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
  "linux-home": "933AC7E1-2EB4-4F13-B844-0E14E2AEF915",
  "linux-swap": "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
  "linux-lvm": "E6D6D379-F507-44C2-A23C-238F2A3DF928",
  "linux-raid": "A19D880F-05FC-4D3B-A006-743F0F84911E",
  "bios-boot": "21686148-6449-6E6F-744E-656564454649",
  xbootldr: "BC13C2FF-59E6-4262-A352-B275FD6F7172",
  "microsoft-basic-data": "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
  "microsoft-reserved": "E3C9E316-0B5C-4DB8-817D-F92DF00215AE",
  "diskwright-data": "A31EE2D7-3DF3-4A49-89DC-F2BE829129D9",
  "diskwright-log": "8B389550-A2E9-41FB-A8DC-28EF613EA0EB",
} as const;

export type GptTypeName = keyof typeof GPT_TYPES;

/** Which copy of the table: the one at the start of the disk or the one at its end. */
export type GptSide = "primary" | "backup";

/** One partition. LBAs count device blocks, not 512-byte sectors, and `lastLba` is included. */
export interface GptPartition {
  /** The number that tools and `path:N` use, from 1. */
  readonly index: number;
  readonly typeGuid: string;
  readonly uniqueGuid: string;
  readonly firstLba: number;
  readonly lastLba: number;
  readonly attributes: bigint;
  /** At most 36 UTF-16 units. */
  readonly name: string;
}

/** A partition table. LBAs count device blocks of `blockSize` bytes. */
export interface GptTable {
  readonly diskGuid: string;
  readonly blockSize: number;
  /** Blocks of the device. */
  readonly deviceBlocks: number;
  readonly firstUsableLba: number;
  readonly lastUsableLba: number;
  /** Partitions that the table has room for, 128 unless another tool made it. */
  readonly entrySlots: number;
  readonly entrySize: number;
  /** The copy that was read: "backup" means that the primary one is damaged. */
  readonly usedSide: GptSide;
  /** In the order of `index`. */
  readonly partitions: readonly GptPartition[];
}

/** What a new partition shall be; what is absent is chosen. */
export interface GptRequest {
  /** Default: the first free number. */
  readonly index?: number;
  /** A GUID or one of GPT_TYPES. */
  readonly type: string;
  /** Default: a new one from `random`. */
  readonly uniqueGuid?: string;
  /** Default: the first free place that is aligned and large enough. */
  readonly firstLba?: number;
  /** Either this, or `sizeBytes`, or neither: to the end of the free place. */
  readonly lastLba?: number;
  readonly sizeBytes?: number;
  readonly attributes?: bigint;
  readonly name?: string;
}

/** What to change of a partition; what is absent stays. */
export interface GptChange {
  readonly type?: string;
  readonly uniqueGuid?: string;
  readonly firstLba?: number;
  readonly lastLba?: number;
  readonly sizeBytes?: number;
  readonly attributes?: bigint;
  readonly name?: string;
}

export interface GptCreateOptions {
  readonly diskGuid?: string;
  readonly entries?: readonly GptRequest[];
  /** Room for so many partitions, 128 by default. */
  readonly entrySlots?: number;
  /** Where new GUIDs come from; the system by default. */
  readonly random?: RandomSource;
}

export interface GptWriteOptions {
  /**
   * "both" (default): the whole ordered update. "backup" writes and flushes the copy at the end
   * only; "primary" the protective MBR and the copy at the start. An installer writes "backup"
   * first and "primary" last: from there on the disk has the new table.
   */
  readonly sides?: "both" | GptSide;
  /** True: a new disk; boot code and other leftovers of the first block are cleared. */
  readonly fresh?: boolean;
}

export interface GptRepair {
  /** What was found and is mended now. */
  readonly repaired: readonly Finding[];
  /** What is still wrong, because only its owner can decide it, such as overlapping partitions. */
  readonly remaining: readonly Finding[];
}

/** Sectors of 512 bytes on a device. */
export interface Place {
  readonly baseSector: number;
  /** 0: to the end of the device. */
  readonly sectors: number;
}

/**
 * Reads the partition table, from the backup copy if the primary one is damaged.
 *
 * @throws {StorageError} ENOENT: no GPT on this device; EBADMSG: both copies are damaged, or a
 *   partition lies outside the disk or over another (`lenient` reads these too); EIO
 */
export function readGpt(_core: Core, _device: number, _options?: { lenient?: boolean }): GptTable {
  throw failure("EOPNOTSUPP", "readGpt", "the core has no partition tables yet.");
}

/** A table without partitions for this device; nothing is written. */
export function emptyGpt(_core: Core, _device: number, _options?: GptCreateOptions): GptTable {
  throw failure("EOPNOTSUPP", "emptyGpt", "the core has no partition tables yet.");
}

/**
 * The table with one more partition; nothing is written.
 *
 * @throws {StorageError} ENOSPC: no free place is large enough; EEXIST: the number is taken;
 *   EINVAL: outside the usable blocks or over another partition
 */
export function withPartition(
  _table: GptTable,
  _request: GptRequest,
  _random?: RandomSource,
): GptTable {
  throw failure("EOPNOTSUPP", "withPartition", "the core has no partition tables yet.");
}

/** Writes a new table with `entries` over whatever the device has. */
export function createGpt(_core: Core, _device: number, _options?: GptCreateOptions): GptTable {
  throw failure("EOPNOTSUPP", "createGpt", "the core has no partition tables yet.");
}

/** Writes the whole table in one ordered update: a cut anywhere leaves the old or the new one. */
export function writeGpt(
  _core: Core,
  _device: number,
  _table: GptTable,
  _options?: GptWriteOptions,
): void {
  throw failure("EOPNOTSUPP", "writeGpt", "the core has no partition tables yet.");
}

export function addPartition(
  _core: Core,
  _device: number,
  _request: GptRequest,
  _random?: RandomSource,
): GptPartition {
  throw failure("EOPNOTSUPP", "addPartition", "the core has no partition tables yet.");
}

export function removePartition(_core: Core, _device: number, _index: number): GptTable {
  throw failure("EOPNOTSUPP", "removePartition", "the core has no partition tables yet.");
}

export function updatePartition(
  _core: Core,
  _device: number,
  _index: number,
  _change: GptChange,
): GptPartition {
  throw failure("EOPNOTSUPP", "updatePartition", "the core has no partition tables yet.");
}

/** Everything that UEFI 2.10 section 5 asks of both copies and the protective MBR, and more. */
export function verifyGpt(_core: Core, _device: number): Finding[] {
  throw failure("EOPNOTSUPP", "verifyGpt", "the core has no partition tables yet.");
}

/** Mends a damaged copy from the other one and moves the backup to the end of a grown device. */
export function repairGpt(_core: Core, _device: number): GptRepair {
  throw failure("EOPNOTSUPP", "repairGpt", "the core has no partition tables yet.");
}

/** The MBR and both copies as bytes to keep in a file: what restoreGpt takes. */
export function backupGpt(_core: Core, _device: number): Uint8Array {
  throw failure("EOPNOTSUPP", "backupGpt", "the core has no partition tables yet.");
}

/**
 * Writes back what backupGpt saved, ordered like any update.
 *
 * @throws {StorageError} EBADMSG: `saved` is damaged; EINVAL: it was taken from a device of another
 *   size or block size
 */
export function restoreGpt(_core: Core, _device: number, _saved: Uint8Array): void {
  throw failure("EOPNOTSUPP", "restoreGpt", "the core has no partition tables yet.");
}

/** What is at `place` by its signature, such as "fat" or "capos-region"; null if nothing known. */
export function probe(_core: Core, _device: number, _place?: Place): string | null {
  throw failure("EOPNOTSUPP", "probe", "the core has no partition tables yet.");
}

/** True if probe knows nothing there and the first and last MiB are zero. */
export function isBlank(_core: Core, _device: number, _place?: Place): boolean {
  throw failure("EOPNOTSUPP", "isBlank", "the core has no partition tables yet.");
}
