/**
 * FAT32 volumes in a window of a device: format, write, read, check. Synchronous.
 *
 * Interface: paths are separated by "/", the root is "/" or ""; names are case-insensitive and keep
 * their case. Changes are durable after flush() or close(); until then a cut leaves the old tree or
 * the new one, every file of it whole, with the volume marked as not closed.
 */
import {
  ATTRIBUTE_DIRECTORY,
  ATTRIBUTE_HIDDEN,
  ATTRIBUTE_READ_ONLY,
  ATTRIBUTE_SYSTEM,
  FAT_SPACE_CLUSTER_SIZE,
  FAT_SPACE_CLUSTERS,
  FAT_SPACE_FREE,
  FAT_SPACE_LABEL,
  FAT_SPACE_SERIAL,
  FAT_SPACE_SIZE,
  FAT_STAT_ATTRIBUTES,
  FAT_STAT_BYTES,
  FAT_STAT_CLUSTER,
  FAT_STAT_CREATED,
  FAT_STAT_MODIFIED,
  FAT_STAT_NAME_LENGTH,
  FAT_STAT_NEXT,
  FAT_STAT_ROOM,
  FAT_STAT_SHORT_LENGTH,
  FAT_STAT_SHORT_NAME,
  FAT_STAT_SIZE,
  LABEL_SIZE,
} from "../../assembly/format/fat32.ts";
import { failure, StorageError } from "../base/errors.ts";
import { joined } from "../base/platform/bytes.ts";
import { type FatFinding, findingFromError, readFindings } from "./fat/findings.ts";
import type { Core } from "./load.ts";

export type { FatFinding } from "./fat/findings.ts";

/** Bytes that go to the core or come from it in one call. */
const PIECE_BYTES = 4 << 20;
/** Room beside what is read: the core reads whole sectors. */
const EDGE_BYTES = 1024;
const LIST_BYTES = 65536;
/** Characters of an 8.3 name but letters and digits; a label may have spaces too. */
const LABEL = /^[A-Z0-9 $%'\-_@~`!(){}^#&]*$/;
const NO_NAME = "NO NAME";

export interface FatWindow {
  /** First sector of the volume on the device, units of 512 bytes; default 0. */
  readonly baseSector?: number | undefined;
  /** Sectors of the volume; default: to the end of the device. */
  readonly sectors?: number | undefined;
}

export interface FatFormatOptions extends FatWindow {
  /** At most 11 characters that an 8.3 name may have, or spaces; written in upper case. */
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
  /** 0 for an empty file. */
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

/** Writes one file from start to end. The file appears under its name at close(). */
export interface FatWriter {
  write(bytes: Uint8Array): void;
  close(): void;
  /** Gives up: the name keeps what it had before. */
  abort(): void;
}

/** One mounted FAT32 volume. */
export class FatVolume {
  /** Of the boot sector; "" if there is none. */
  readonly label: string;
  readonly serial: number;
  readonly #core: Core;
  readonly #writers = new Set<number>();
  #handle: number;

  private constructor(core: Core, handle: number) {
    this.#core = core;
    this.#handle = handle;
    const space = this.#space(false);
    this.label = space.label === NO_NAME ? "" : space.label;
    this.serial = space.serial;
  }

  /**
   * Makes an empty volume and opens it for writing. Same arguments, same bytes.
   *
   * @throws {StorageError} ENOSPC: too small for FAT32; EINVAL: a label or cluster size that FAT32
   *   does not have; EROFS, EIO
   */
  static format(core: Core, deviceId: number, options: FatFormatOptions): FatVolume {
    const { baseSector = 0, sectors = 0, serial, clusterBytes = 0, timestamp } = options;
    const label = labelBytes(options.label ?? "");
    const result = core.memory.with(label, (address) =>
      core.exports.fatFormat(
        deviceId,
        baseSector,
        sectors,
        serial >>> 0,
        clusterBytes,
        timestamp,
        address,
      ),
    );
    const message = formatMessage(result);
    core.check(result, "fatFormat", message === undefined ? {} : { message });
    return FatVolume.open(core, deviceId, options);
  }

  /**
   * Opens a volume.
   *
   * @throws {StorageError} EMEDIUMTYPE: there is no FAT32 volume; EBADMSG: its boot sector lies,
   *   `fault.detail` is the offset of the field; ERANGE, EIO
   */
  static open(core: Core, deviceId: number, options: FatOpenOptions = {}): FatVolume {
    const { baseSector = 0, sectors = 0, readOnly = false, timestamp = Number.NaN } = options;
    const { fatOpen } = core.exports;
    const handle = fatOpen(deviceId, baseSector, sectors, readOnly ? 1 : 0, timestamp);
    return new FatVolume(core, core.check(handle, "fatOpen"));
  }

  /** Everything that is wrong, also with a volume that cannot be opened. Writes nothing. */
  static verify(core: Core, deviceId: number, window: FatWindow = {}): FatFinding[] {
    let volume: FatVolume;
    try {
      volume = FatVolume.open(core, deviceId, { ...window, readOnly: true });
    } catch (error) {
      if (error instanceof StorageError && ["EBADMSG", "EMEDIUMTYPE", "EIO"].includes(error.code)) {
        return [findingFromError(error, window.baseSector ?? 0)];
      }
      throw error;
    }
    try {
      return volume.check();
    } finally {
      volume.close();
    }
  }

  /** The entries of a directory, in the order in which they stand there. */
  list(path = "/"): FatStat[] {
    const { memory, exports } = this.#core;
    const entries: FatStat[] = [];
    const out = memory.allocate(LIST_BYTES);
    try {
      for (let from = 0; ; ) {
        const count = this.#withPath("readdir", path, (at, length) =>
          exports.fatList(this.#handle, at, length, from, out, LIST_BYTES),
        );
        if (count === 0) return entries;
        for (let index = 0, at = out; index < count; index++) {
          entries.push(this.#stat(at));
          from = memory.view.getUint32(at + FAT_STAT_NEXT, true);
          at += (FAT_STAT_SIZE + memory.view.getUint32(at + FAT_STAT_NAME_LENGTH, true) + 7) & ~7;
        }
      }
    } finally {
      memory.release(out, LIST_BYTES);
    }
  }

  /** What an entry says; ENOENT. */
  stat(path: string): FatStat {
    const { memory, exports } = this.#core;
    const out = memory.allocate(FAT_STAT_ROOM);
    try {
      this.#withPath("stat", path, (at, length) => exports.fatStat(this.#handle, at, length, out));
      return this.#stat(out);
    } finally {
      memory.release(out, FAT_STAT_ROOM);
    }
  }

  exists(path: string): boolean {
    try {
      this.stat(path);
      return true;
    } catch (error) {
      if (error instanceof StorageError && ["ENOENT", "ENOTDIR"].includes(error.code)) return false;
      throw error;
    }
  }

  /** Up to `length` bytes from `offset`; fewer at the end of the file. */
  read(path: string, offset: number, length: number): Uint8Array {
    const pieces: Uint8Array[] = [];
    let total = 0;
    let wanted: number;
    do {
      wanted = Math.min(PIECE_BYTES - EDGE_BYTES, length - total);
      const piece = this.#readPiece(path, offset + total, wanted);
      total += piece.length;
      pieces.push(piece);
      // Fewer bytes than asked for: the end of the file.
      if (piece.length < wanted) break;
    } while (total < length);
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : joined(pieces);
  }

  readFile(path: string): Uint8Array {
    return this.read(path, 0, this.stat(path).sizeBytes);
  }

  /**
   * A writer for `path`, whose directory must exist. A file that has the name is replaced when the
   * writer is closed; until then, and after abort(), it is as it was.
   */
  create(path: string): FatWriter {
    const { exports, memory } = this.#core;
    const writer = this.#withPath("open", path, (at, length) =>
      exports.fatCreate(this.#handle, at, length),
    );
    this.#writers.add(writer);
    return {
      write: (bytes) => {
        for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
          const result = memory.with(bytes.subarray(from, from + PIECE_BYTES), (at, length) =>
            exports.fatWrite(writer, at, length),
          );
          this.#core.check(result, "write", { path });
        }
      },
      close: () => {
        this.#writers.delete(writer);
        this.#core.check(exports.fatWriterClose(writer), "close", { path });
      },
      abort: () => {
        if (!this.#writers.delete(writer)) return;
        this.#core.check(exports.fatWriterAbort(writer), "close", { path });
      },
    };
  }

  writeFile(path: string, bytes: Uint8Array): void {
    const writer = this.create(path);
    try {
      writer.write(bytes);
    } catch (error) {
      writer.abort();
      throw error;
    }
    writer.close();
  }

  mkdir(path: string, options: { readonly recursive?: boolean } = {}): void {
    this.#withPath("mkdir", path, (at, length) =>
      this.#core.exports.fatMkdir(this.#handle, at, length, options.recursive ? 1 : 0),
    );
  }

  /** Removes a file or an empty directory. */
  remove(path: string): void {
    this.#withPath("unlink", path, (at, length) =>
      this.#core.exports.fatRemove(this.#handle, at, length),
    );
  }

  /** Renames, over a file or an empty directory that has the name. */
  rename(from: string, to: string): void {
    const { memory, exports } = this.#core;
    this.#withPath("rename", from, (at, length) =>
      memory.with(to, (toAt, toLength) =>
        exports.fatRename(this.#handle, at, length, toAt, toLength),
      ),
    );
  }

  statfs(): FatSpace {
    const { label: _label, serial: _serial, ...space } = this.#space(true);
    return space;
  }

  /** Everything that is wrong; an empty list for a sound volume. Flushes first. */
  check(): FatFinding[] {
    const count = this.#core.check(this.#core.exports.fatCheck(this.#handle), "fatCheck");
    try {
      return readFindings(this.#core, count);
    } finally {
      this.#core.exports.fatCheckEnd();
    }
  }

  /** Makes everything written so far durable and the volume clean. */
  flush(): void {
    this.#core.check(this.#core.exports.fatFlush(this.#handle), "fsync");
  }

  /** flush(), then releases what the core holds for it, in any case. Open writers are given up. */
  close(): void {
    if (this.#handle === 0) return;
    const { exports } = this.#core;
    for (const writer of this.#writers) exports.fatWriterAbort(writer);
    this.#writers.clear();
    const flushed = exports.fatFlush(this.#handle);
    const error = flushed < 0 ? this.#core.error(flushed, "close") : undefined;
    exports.fatClose(this.#handle);
    this.#handle = 0;
    if (error !== undefined) throw error;
  }

  #withPath(syscall: string, path: string, use: (at: number, length: number) => number): number {
    const result = this.#core.memory.with(path, use);
    return result >= 0 ? result : this.#core.check(result, syscall, { path });
  }

  #readPiece(path: string, offset: number, length: number): Uint8Array {
    const { memory, exports } = this.#core;
    const room = length + EDGE_BYTES;
    const out = memory.allocate(room);
    try {
      const count = this.#withPath("read", path, (at, pathLength) =>
        exports.fatRead(this.#handle, at, pathLength, offset, out, length),
      );
      // What is asked for begins inside the first sector.
      return memory.slice(out + (offset % 512), count);
    } finally {
      memory.release(out, room);
    }
  }

  #stat(at: number): FatStat {
    const { memory } = this.#core;
    const { view } = memory;
    const attributes = view.getUint32(at + FAT_STAT_ATTRIBUTES, true);
    const has = (bit: number) => (attributes & bit) !== 0;
    const shortLength = view.getUint32(at + FAT_STAT_SHORT_LENGTH, true);
    const nameLength = view.getUint32(at + FAT_STAT_NAME_LENGTH, true);
    return {
      name: memory.text(at + FAT_STAT_SIZE, nameLength),
      kind: has(ATTRIBUTE_DIRECTORY) ? "directory" : "file",
      sizeBytes: view.getUint32(at + FAT_STAT_BYTES, true),
      mtimeMs: view.getFloat64(at + FAT_STAT_MODIFIED, true),
      ctimeMs: view.getFloat64(at + FAT_STAT_CREATED, true),
      readOnly: has(ATTRIBUTE_READ_ONLY),
      hidden: has(ATTRIBUTE_HIDDEN),
      system: has(ATTRIBUTE_SYSTEM),
      firstCluster: view.getUint32(at + FAT_STAT_CLUSTER, true),
      shortName: memory.text(at + FAT_STAT_SHORT_NAME, shortLength),
    };
  }

  #space(count: boolean): FatSpace & { label: string; serial: number } {
    const { memory, exports } = this.#core;
    const out = memory.allocate(FAT_SPACE_SIZE);
    try {
      this.#core.check(exports.fatSpace(this.#handle, out, count ? 1 : 0), "statfs");
      const { view } = memory;
      const clusterBytes = view.getUint32(out + FAT_SPACE_CLUSTER_SIZE, true);
      const clusters = view.getUint32(out + FAT_SPACE_CLUSTERS, true);
      const freeClusters = view.getUint32(out + FAT_SPACE_FREE, true);
      return {
        clusterBytes,
        clusters,
        freeClusters,
        totalBytes: clusters * clusterBytes,
        freeBytes: freeClusters * clusterBytes,
        serial: view.getUint32(out + FAT_SPACE_SERIAL, true),
        label: memory.text(out + FAT_SPACE_LABEL, LABEL_SIZE).trimEnd(),
      };
    } finally {
      memory.release(out, FAT_SPACE_SIZE);
    }
  }
}

function labelBytes(label: string): Uint8Array {
  const upper = label.toUpperCase();
  if (upper.length > LABEL_SIZE || !LABEL.test(upper) || upper.startsWith(" ")) {
    throw failure("EINVAL", "fatFormat", `'${label}' is not a FAT volume label.`, {
      hint: "A label has up to 11 letters, digits, spaces and $%'-_@~`!(){}^#&.",
    });
  }
  return new TextEncoder().encode(upper.padEnd(LABEL_SIZE));
}

function formatMessage(result: number): string | undefined {
  const code = new StorageError(result, "fatFormat").code;
  if (code === "ENOSPC") {
    const least = "33 MiB with blocks of 512 bytes, 257 MiB with 4096";
    return `ENOSPC: FAT32 needs at least 65,525 clusters: ${least}.`;
  }
  if (code === "EINVAL") return "EINVAL: fatFormat: the cluster size does not fit the volume.";
  return code === "EFBIG" ? "EFBIG: the volume is larger than FAT32 can be." : undefined;
}
