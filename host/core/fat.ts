/**
 * FAT32 volumes in a window of a device: format, write, read, check. Synchronous.
 *
 * Interface: paths are separated by "/", the root is "/" or ""; names are case-insensitive and keep
 * their case. Changes are durable after flush() or close(); until then a cut leaves the old tree,
 * with the dirty bit set.
 */
import { failure } from "../base/errors.ts";
import type { Core } from "./load.ts";

export interface FatWindow {
  /** First sector of the volume on the device, units of 512 bytes; default 0. */
  readonly baseSector?: number | undefined;
  /** Sectors of the volume; default: to the end of the device. */
  readonly sectors?: number | undefined;
}

export interface FatFormatOptions extends FatWindow {
  /** At most 11 characters of the FAT character set; written in upper case. */
  readonly label?: string | undefined;
  /** Volume serial number, 32 bits. */
  readonly serial: number;
  /** Milliseconds since 1970 UTC, for the label's entry and what is written afterwards. */
  readonly timestamp: number;
  /** Bytes in a cluster, a power of two; default: Microsoft's table, at least 65,525 clusters. */
  readonly clusterBytes?: number | undefined;
}

export interface FatOpenOptions extends FatWindow {
  readonly readOnly?: boolean | undefined;
  /** Milliseconds since 1970 UTC for all that is written; default: the host's clock. */
  readonly timestamp?: number | undefined;
}

export interface FatStat {
  readonly name: string;
  readonly kind: "file" | "directory";
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly readOnly: boolean;
  readonly hidden: boolean;
  readonly system: boolean;
  readonly firstCluster: number;
  /** The 8.3 name. */
  readonly shortName: string;
}

export interface FatSpace {
  readonly clusterBytes: number;
  readonly clusters: number;
  readonly freeClusters: number;
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** Something wrong on the volume. */
export interface FatFinding {
  /** Name of a FatProblem of assembly/format/fat32. */
  readonly kind: string;
  /** Sector of the device, units of 512 bytes. */
  readonly lba: number;
  /** The directory entry concerned, if there is one. */
  readonly path?: string;
  /** A sentence: what is wrong. */
  readonly reason: string;
}

/** Writes one file from start to end. The file appears under its name at close(). */
export interface FatWriter {
  write(bytes: Uint8Array): void;
  close(): void;
  /** Gives up: the name keeps what it had before. */
  abort(): void;
}

/** One mounted FAT32 volume. */
export class FatVolume {
  readonly label: string = "";
  readonly serial: number = 0;

  /** Makes an empty volume and opens it for writing. */
  static format(_core: Core, _deviceId: number, _options: FatFormatOptions): FatVolume {
    throw missing("format");
  }

  /** Opens a volume. EMEDIUMTYPE: there is none; EBADMSG: its boot sector lies. */
  static open(_core: Core, _deviceId: number, _options: FatOpenOptions = {}): FatVolume {
    throw missing("open");
  }

  /** Everything that is wrong, also with a volume that cannot be opened. Writes nothing. */
  static verify(_core: Core, _deviceId: number, _window: FatWindow = {}): FatFinding[] {
    throw missing("verify");
  }

  list(_path = "/"): FatStat[] {
    throw missing("list");
  }

  stat(_path: string): FatStat {
    throw missing("stat");
  }

  exists(_path: string): boolean {
    throw missing("exists");
  }

  /** Up to `length` bytes from `offset`; fewer at the end of the file. */
  read(_path: string, _offset: number, _length: number): Uint8Array {
    throw missing("read");
  }

  readFile(_path: string): Uint8Array {
    throw missing("readFile");
  }

  /** A writer for `path`, whose directory must exist; an existing file is replaced at close(). */
  create(_path: string): FatWriter {
    throw missing("create");
  }

  writeFile(_path: string, _bytes: Uint8Array): void {
    throw missing("writeFile");
  }

  mkdir(_path: string, _options: { readonly recursive?: boolean } = {}): void {
    throw missing("mkdir");
  }

  /** Removes a file or an empty directory. */
  remove(_path: string): void {
    throw missing("remove");
  }

  rename(_from: string, _to: string): void {
    throw missing("rename");
  }

  statfs(): FatSpace {
    throw missing("statfs");
  }

  check(): FatFinding[] {
    throw missing("check");
  }

  /** Makes everything written so far durable and the volume clean. */
  flush(): void {
    throw missing("flush");
  }

  /** flush(), then releases what the core holds for it. */
  close(): void {
    throw missing("close");
  }
}

function missing(syscall: string): Error {
  return failure("EOPNOTSUPP", syscall, "FAT32 is not built yet.");
}
