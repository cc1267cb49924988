/** The region: geometry, mkfs, mount, rest, close, growth. */
import { Device } from "../engine/device";
import { ErrorCode } from "../format/errors";
import { Region } from "./pages/volume";

export const OPEN_READ_ONLY: u32 = 1;
/** Full L2 check before the first write. */
export const OPEN_STRICT: u32 = 2;
/** No FLUSH at all: durability mode `none`. */
export const OPEN_NO_FLUSH: u32 = 4;
/** Read-only on N - 1 when N is damaged: explicit consent. */
export const OPEN_PREVIOUS: u32 = 8;

/** What mkfs needs to know; all memory is the caller's. */
@unmanaged
export class FormatOptions {
  /** 16 bytes. */
  uuid: usize;
  /** Sectors to use, 0 = the device's. */
  sectors: u64;
  /** Sectors to choose the chunk size for, 0 = `sectors`. */
  designSectors: u64;
  /** Sectors of the log ring, 0 = 2,048. */
  logSectors: u32;
  withFiles: bool;
  /** i64 ns since 1970 UTC: of the root directory. */
  timeNs: i64;
  /** Of the writer in the first superblocks. */
  session: u64;
}

export function regionFormat(device: Device, options: FormatOptions): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** Mounts; null after a fault (its code is in the fault report). The caller keeps the device. */
export function regionOpen(device: Device, flags: u32): Region | null {
  return null;
}

/** Makes the newest superblock stand in slot and mirror of each format. */
export function regionRest(region: Region): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** Commits what is open, marks it clean, rests, releases everything whatever happens. */
export function regionClose(region: Region): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** Releases everything and writes nothing. */
export function regionDrop(region: Region): void {}
