/** Partition tables as the host sees them: tables, partitions, requests, options. */
import type { Finding } from "../../base/finding.ts";
import type { RandomSource } from "../../base/seed.ts";

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
  readonly index?: number | undefined;
  /** A GUID or one of GPT_TYPES. */
  readonly type: string;
  /** Default: a new one from `random`. */
  readonly uniqueGuid?: string | undefined;
  /** Default: the first aligned free place that is large enough; without a size, the largest. */
  readonly firstLba?: number | undefined;
  /** Either this, or `sizeBytes`, or neither: to the last aligned end of the free place. */
  readonly lastLba?: number | undefined;
  readonly sizeBytes?: number | undefined;
  readonly attributes?: bigint | undefined;
  readonly name?: string | undefined;
}

/** What to change of a partition; what is absent stays. */
export interface GptChange {
  readonly type?: string | undefined;
  readonly uniqueGuid?: string | undefined;
  readonly firstLba?: number | undefined;
  readonly lastLba?: number | undefined;
  readonly sizeBytes?: number | undefined;
  readonly attributes?: bigint | undefined;
  readonly name?: string | undefined;
}

export interface GptCreateOptions {
  readonly diskGuid?: string | undefined;
  readonly entries?: readonly GptRequest[] | undefined;
  /** Room for so many partitions, 128 by default. */
  readonly entrySlots?: number | undefined;
  /** Where new GUIDs come from; the system by default. */
  readonly random?: RandomSource | undefined;
}

export interface GptWriteOptions {
  /**
   * "both" (default): the whole ordered update. "backup" writes and flushes the copy at the end
   * only; "primary" the protective MBR and the copy at the start. An installer writes "backup"
   * first and "primary" last: from there on the disk has the new table.
   */
  readonly sides?: "both" | GptSide | undefined;
  /**
   * True: whatever table the device has does not count: nothing of its places is kept, and the
   * first block is cleared around its record. What createGpt does, and an installer.
   */
  readonly fresh?: boolean | undefined;
}

export interface GptReadOptions {
  /** Reads a table whose partitions overlap or lie outside the disk too, to show or mend it. */
  readonly lenient?: boolean | undefined;
}

export interface GptDryRun {
  /** Says what would be done, or refuses it, and writes nothing. */
  readonly dryRun?: boolean | undefined;
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
