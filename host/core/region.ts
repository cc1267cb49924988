/**
 * The data region of a disk: one device window that holds a store and, beside it, a filesystem.
 *
 * Interface: a region is opened once and owns its store and filesystem; close() commits both.
 */
import { failure } from "../base/errors.ts";
import type { Finding } from "../base/finding.ts";
import type { FileSystem } from "./files.ts";
import type { Core } from "./load.ts";
import type { Store } from "./store.ts";

/** A window of a device, in sectors of 512 bytes. */
export interface RegionWindow {
  /** Default 0. */
  readonly baseSector?: number | undefined;
  /** Default, and 0: to the end of the device. */
  readonly sectors?: number | undefined;
}

export interface RegionFormatOptions extends RegionWindow {
  /** Default: a new one from the host's randomness. */
  readonly uuid?: string | undefined;
  /** False: a store alone. */
  readonly files?: boolean | undefined;
  /** Sectors of the disk that the region will be copied to: chooses the size of its chunks. */
  readonly designSectors?: number | undefined;
  readonly logSectors?: number | undefined;
}

export interface RegionOpenOptions extends RegionWindow {
  readonly readOnly?: boolean | undefined;
  /** Checks everything before the first write; default: up to 1 GiB. */
  readonly strict?: boolean | undefined;
  readonly durability?: "none" | "batch" | "each" | undefined;
}

export interface RegionInfo {
  readonly uuid: string;
  readonly sectors: number;
  readonly chunkBytes: number;
  readonly chunks: number;
  /** First sector of chunk 0 in the region. */
  readonly firstChunkSector: number;
  readonly logSectors: number;
  readonly storeEpoch: number;
  /** Undefined where there is no filesystem. */
  readonly filesEpoch?: number | undefined;
  readonly readOnly: boolean;
}

/** Who a chunk belongs to. */
export type ChunkOwner = "free" | "meta" | "pack" | "files" | "bad";

/** An open region. */
export class Region {
  readonly info!: RegionInfo;
  readonly store!: Store;
  /** Null where the region is a store alone. */
  readonly files!: FileSystem | null;

  /** Makes an empty region. EINVAL names the smallest size; EROFS; EIO. */
  static format(_core: Core, _device: number, _options: RegionFormatOptions = {}): void {
    throw missing("format");
  }

  /** Mounts a region. EMEDIUMTYPE: there is none; EBADMSG: it is damaged. */
  static open(_core: Core, _device: number, _options: RegionOpenOptions = {}): Region {
    throw missing("open");
  }

  /** Everything that is wrong, also with a region that cannot be mounted. Writes nothing. */
  static verify(_core: Core, _device: number, _window: RegionWindow = {}): Finding[] {
    throw missing("verify");
  }

  /** Owners of all chunks, in their order. */
  owners(): ChunkOwner[] {
    throw missing("owners");
  }

  /** Makes the newest superblock stand in slot and mirror of each format. */
  rest(): void {
    throw missing("rest");
  }

  /** Commits both formats, marks them clean, and gives everything back. */
  close(): void {
    throw missing("close");
  }
}

function missing(syscall: string): Error {
  return failure("EOPNOTSUPP", syscall, "the core has no regions yet.");
}
