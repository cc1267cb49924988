/** What the subjects on a region share: format, mount, full check, and pulling the plug. */
import { SUPERBLOCK_EPOCH } from "../../../assembly/format/region.ts";
import { StorageError } from "../../../host/base/errors.ts";
import { type Finding, isDamage } from "../../../host/base/finding.ts";
import type { Core } from "../../../host/core/load.ts";
import { Region, type RegionFormatOptions } from "../../../host/core/region.ts";
import type { SimDisk } from "../engine/disk.ts";
import { Violation } from "../engine/history.ts";
import { CLOCK } from "../engine/machine.ts";

/** The smallest region: 2 MiB, 64 KiB of it log ring, 27 chunks of 64 KiB. */
export const REGION_SECTORS = 4096;
export const LOG_SECTORS = 128;
const UUID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
/** Where the copies of both superblocks stand. */
const HEAD_COPIES = [0, 1, 128, 136, 256, 257, 384, 392];
/** Those of one format: one of them may rot, and the others must do. */
export const STORE_COPIES = HEAD_COPIES.slice(0, 4);
export const FILES_COPIES = HEAD_COPIES.slice(4);
const HEAD_SECTORS = 512;
const FIRST_CHUNK = 640;
const CHUNK_SECTORS = 128;

export function isSuperblock(sector: number): boolean {
  return HEAD_COPIES.includes(sector);
}

/** In the 4 KiB block of a superblock copy: a tear takes all of it. */
function besideSuperblock(sector: number): boolean {
  return HEAD_COPIES.includes(sector) || HEAD_COPIES.includes(sector - (sector % 8));
}

/** What lies at `sector` of a region. */
export function regionPlace(sector: number): string {
  const head = ["ST slot even", "ST slot odd", "ST mirror even", "ST mirror odd"];
  head.push("WF slot even", "WF slot odd", "WF mirror even", "WF mirror odd");
  const copy = HEAD_COPIES.indexOf(sector);
  if (copy >= 0) return head[copy] as string;
  if (sector === 8 || sector === 264) return "region descriptor";
  if (sector < HEAD_SECTORS) return "region head";
  if (sector < FIRST_CHUNK) return "log ring";
  const inside = sector - FIRST_CHUNK;
  const page = Math.floor((inside % CHUNK_SECTORS) / 8);
  return `chunk ${Math.floor(inside / CHUNK_SECTORS)}, page ${page}`;
}

export function formatRegion(core: Core, device: number, options: RegionFormatOptions): void {
  Region.format(core, device, { uuid: UUID, logSectors: LOG_SECTORS, timeNs: CLOCK, ...options });
}

/** The region on the device, or undefined where there is none that anything would mount. */
export function openIfAny(
  core: Core,
  device: number,
  options: Parameters<typeof Region.open>[2],
): Region | undefined {
  try {
    return Region.open(core, device, options);
  } catch (error) {
    const none = ["EMEDIUMTYPE", "EBADMSG", "ENOENT"];
    if (error instanceof StorageError && none.includes(error.code)) return undefined;
    throw error;
  }
}

/** Opens a region. A flush that fails at the mount fails the mount, and it is tried again. */
export function openRegion(core: Core, device: number, each: boolean): Region {
  const options = { durability: each ? "each" : "batch" } as const;
  try {
    return Region.open(core, device, options);
  } catch (error) {
    if (!isRefusal(error, "EIO")) throw error;
    return Region.open(core, device, options);
  }
}

/** Ends a region's life as a power cut does: nothing of it reaches the disk any more. */
export function pullPlug(disk: SimDisk, region: Region): void {
  disk.off = true;
  try {
    region.close();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
  } finally {
    disk.off = false;
  }
}

/** A writing mount has put the superblock of `epoch` where it belongs: the slots begin at `first`. */
export function expectSlot(disk: SimDisk, first: number, epoch: number): void {
  const at = (first + (epoch & 1)) * 512 + SUPERBLOCK_EPOCH;
  const found = new DataView(disk.image.buffer).getBigUint64(at, true);
  if (Number(found) === epoch) return;
  throw new Violation(`slot ${epoch & 1} at LBA ${first} holds epoch ${found}, not ${epoch}`);
}

/**
 * The full check of both formats. A superblock copy that a tear left damaged, with the rest of its
 * block, is healed by the next commits; until then `copies` lets it pass.
 */
export function expectClean(
  core: Core,
  device: number,
  when: string,
  copies: "whole" | "lagging",
): void {
  const damage = Region.verify(core, device).filter((finding) => {
    if (!isDamage(finding)) return false;
    return copies === "whole" || !besideSuperblock(finding.lba);
  });
  if (damage.length === 0) return;
  throw new Violation(`${when} the region is damaged: ${damage.slice(0, 4).map(words).join("; ")}`);
}

function words({ reason, lba, message, path }: Finding): string {
  const named = path === undefined ? "" : ` (${path})`;
  return `${reason} at LBA ${lba} (${regionPlace(lba)})${named}: ${message}`;
}

/** True if `error` is the core's refusal with one of `codes`. */
export function isRefusal(error: unknown, ...codes: readonly string[]): error is StorageError {
  return error instanceof StorageError && codes.includes(error.code);
}
