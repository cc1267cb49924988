/**
 * ISO 9660 volumes, read-only: list, stat, read, and where the boot image for EFI firmware is.
 *
 * Interface: paths are separated by "/", the root is "/" or "". Names are those of Rock Ridge, else
 * of Joliet, else plain identifiers, which are found in upper and in lower case. Links are shown
 * and not followed. Nothing on the medium is believed before it is checked: what does not hold is
 * EBADMSG with its place, and a read never leaves the extents of its file.
 */
import {
  ISO_INFO_BOOT_SECTOR,
  ISO_INFO_BOOT_SECTORS,
  ISO_INFO_LABEL,
  ISO_INFO_LABEL_LENGTH,
  ISO_INFO_NAMES,
  ISO_INFO_SECTORS,
  ISO_INFO_SIZE,
  ISO_STAT_BYTES,
  ISO_STAT_EXTENTS,
  ISO_STAT_MODE,
  ISO_STAT_MODIFIED,
  ISO_STAT_NAME_LENGTH,
  ISO_STAT_NEXT,
  ISO_STAT_ROOM,
  ISO_STAT_SECTOR,
  ISO_STAT_SIZE,
  ISO_STAT_TARGET_LENGTH,
  ISO_STAT_TYPE,
  IsoNames,
  IsoType,
} from "../../../assembly/format/media/calls.ts";
import { failure, StorageError } from "../../base/errors.ts";
import type { MediaCore } from "./load.ts";
import { type MediaFile, OpenFiles } from "./open-files.ts";

const LIST_BYTES = 65536;
const NAMES = {
  plain: IsoNames.PLAIN,
  "rock-ridge": IsoNames.ROCK_RIDGE,
  joliet: IsoNames.JOLIET,
} as const;
const KINDS = {
  [IsoType.FILE]: "file",
  [IsoType.DIRECTORY]: "directory",
  [IsoType.SYMLINK]: "symlink",
} as const;

export type IsoNaming = keyof typeof NAMES;

export interface IsoOpenOptions {
  /** First sector of the volume on the device, units of 512 bytes; default 0. */
  readonly baseSector?: number | undefined;
  /** Sectors of the volume; default: to the end of the device. */
  readonly sectors?: number | undefined;
  /** Names to read by; default: the best there are. */
  readonly names?: IsoNaming | undefined;
}

export interface IsoStat {
  readonly name: string;
  readonly kind: "file" | "directory" | "symlink";
  /** 0 for a directory. */
  readonly sizeBytes: number;
  /** 0 where the medium does not say. */
  readonly mtimeMs: number;
  /** Permission bits. */
  readonly mode: number;
  /** Where its first extent begins: sectors of 512 bytes from the start of the volume. */
  readonly sector: number;
  readonly extents: number;
  /** Target of a symbolic link. */
  readonly target?: string | undefined;
}

/** A run of sectors of 512 bytes from the start of the volume. */
export interface BootImage {
  readonly sector: number;
  readonly sectors: number;
}

export type IsoFile = MediaFile;

/** One volume that is open. */
export class IsoVolume {
  readonly label: string;
  readonly names: IsoNaming;
  /** Sectors of 512 bytes that the volume says it has. */
  readonly sectors: number;
  /** The FAT image that EFI firmware boots (El Torito); undefined where there is none. */
  readonly bootImage: BootImage | undefined;
  readonly #media: MediaCore;
  readonly #files: OpenFiles;
  /** Paths of the directories that were listed, by their places. */
  readonly #directories = new Map<number, string>();
  #handle: number;

  private constructor(media: MediaCore, handle: number) {
    this.#media = media;
    this.#handle = handle;
    const { exports } = media;
    this.#files = new OpenFiles(media, {
      open: exports.isoFileOpen,
      read: exports.isoFileRead,
      bytes: exports.isoFileBytes,
      close: exports.isoFileClose,
    });
    const info = this.#info();
    this.label = info.label;
    this.names = info.names;
    this.sectors = info.sectors;
    this.bootImage = info.bootImage;
  }

  /**
   * Opens a volume.
   *
   * @throws {StorageError} EMEDIUMTYPE: there is none; EBADMSG: it lies, or its end is missing;
   *   EOPNOTSUPP: it has no such names; EIO
   * @example
   * const media = new MediaCore();
   * const volume = IsoVolume.open(media, media.attach(device));
   */
  static open(media: MediaCore, device: number, options: IsoOpenOptions = {}): IsoVolume {
    const { baseSector = 0, sectors = 0, names } = options;
    const wanted = names === undefined ? IsoNames.BEST : NAMES[names];
    const handle = media.check(
      media.exports.isoOpen(device, baseSector, sectors, wanted),
      "isoOpen",
    );
    try {
      return new IsoVolume(media, handle);
    } catch (error) {
      media.exports.isoClose(handle);
      throw error;
    }
  }

  /** The entries of a directory in the order of the medium. ENOENT, ENOTDIR, EBADMSG. */
  list(path = "/"): IsoStat[] {
    const { memory, exports } = this.#media;
    const entries: IsoStat[] = [];
    const out = memory.allocate(LIST_BYTES);
    try {
      for (let from = 0; ; ) {
        const count = this.#withPath("readdir", path, (at, length) =>
          exports.isoList(this.#handle, at, length, from, out, LIST_BYTES),
        );
        if (count === 0) break;
        for (let index = 0, at = out; index < count; index++) {
          const { view } = memory;
          entries.push(this.#stat(at));
          from = view.getUint32(at + ISO_STAT_NEXT, true);
          const nameLength = view.getUint32(at + ISO_STAT_NAME_LENGTH, true);
          const targetLength = view.getUint32(at + ISO_STAT_TARGET_LENGTH, true);
          at += (ISO_STAT_SIZE + nameLength + targetLength + 7) & ~7;
        }
      }
    } finally {
      memory.release(out, LIST_BYTES);
    }
    this.#refuseTwice(path, entries);
    return entries;
  }

  /** What an entry says; ENOENT. */
  stat(path: string): IsoStat {
    const { memory, exports } = this.#media;
    const out = memory.allocate(ISO_STAT_ROOM);
    try {
      this.#withPath("stat", path, (at, length) => exports.isoStat(this.#handle, at, length, out));
      return this.#stat(out);
    } finally {
      memory.release(out, ISO_STAT_ROOM);
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

  /** Opens a file. ENOENT, EISDIR, ELOOP: a symbolic link; EBADMSG. */
  openFile(path: string): IsoFile {
    return this.#files.open(this.#handle, path);
  }

  /** Up to `length` bytes from `offset`; fewer at the end of the file. */
  read(path: string, offset: number, length: number): Uint8Array {
    return this.#files.read(this.#handle, path, offset, length);
  }

  readFile(path: string): Uint8Array {
    return this.read(path, 0, Number.MAX_SAFE_INTEGER);
  }

  /** Releases what the module holds for it. Open files are closed. */
  close(): void {
    if (this.#handle === 0) return;
    const { exports } = this.#media;
    this.#files.closeAll();
    exports.isoClose(this.#handle);
    this.#handle = 0;
  }

  /**
   * A name must mean one thing; and a directory that stands at two places makes a tree without end,
   * though each level of it is finite.
   */
  #refuseTwice(path: string, entries: readonly IsoStat[]): void {
    const parent = plainPath(path, this.names);
    const names = new Set<string>();
    for (const { name, kind, sector } of entries) {
      if (names.has(name)) throw twice(path, name, "DUPLICATE", sector);
      names.add(name);
      if (kind !== "directory") continue;
      const here = plainPath(`${parent}/${name}`, this.names);
      const known = this.#directories.get(sector) ?? here;
      if (known !== here) throw twice(path, name, "ISO_PARENT", sector);
      this.#directories.set(sector, here);
    }
  }

  #withPath(syscall: string, path: string, use: (at: number, length: number) => number): number {
    return this.#media.check(this.#media.memory.with(path, use), syscall, { path });
  }

  #stat(at: number): IsoStat {
    const { memory } = this.#media;
    const { view } = memory;
    const nameLength = view.getUint32(at + ISO_STAT_NAME_LENGTH, true);
    const targetLength = view.getUint32(at + ISO_STAT_TARGET_LENGTH, true);
    const kind = KINDS[view.getUint32(at + ISO_STAT_TYPE, true) as IsoType];
    const name = at + ISO_STAT_SIZE;
    return {
      name: memory.text(name, nameLength),
      kind,
      sizeBytes: view.getFloat64(at + ISO_STAT_BYTES, true),
      mtimeMs: view.getFloat64(at + ISO_STAT_MODIFIED, true) || 0,
      mode: view.getUint32(at + ISO_STAT_MODE, true),
      sector: view.getFloat64(at + ISO_STAT_SECTOR, true),
      extents: view.getUint32(at + ISO_STAT_EXTENTS, true),
      target: kind === "symlink" ? memory.text(name + nameLength, targetLength) : undefined,
    };
  }

  #info() {
    const { memory, exports } = this.#media;
    const out = memory.allocate(ISO_INFO_SIZE);
    try {
      this.#media.check(exports.isoInfo(this.#handle, out), "isoInfo");
      const { view } = memory;
      const number = (field: number) => view.getFloat64(out + field, true);
      const sector = number(ISO_INFO_BOOT_SECTOR);
      const named = view.getUint32(out + ISO_INFO_NAMES, true);
      const names = (Object.keys(NAMES) as IsoNaming[]).find((name) => NAMES[name] === named);
      return {
        sectors: number(ISO_INFO_SECTORS),
        bootImage: sector === 0 ? undefined : { sector, sectors: number(ISO_INFO_BOOT_SECTORS) },
        names: names ?? "plain",
        label: memory.text(out + ISO_INFO_LABEL, view.getUint32(out + ISO_INFO_LABEL_LENGTH, true)),
      };
    } finally {
      memory.release(out, ISO_INFO_SIZE);
    }
  }
}

function twice(path: string, name: string, reason: string, lba: number): StorageError {
  const message = `'${name}' in '${path}' stands twice on the medium.`;
  return failure("EBADMSG", "readdir", message, { path, fault: { reason, lba } });
}

/** The one way to write a path: "/a/b", the root "". */
function plainPath(path: string, names: IsoNaming): string {
  const parts = path.split("/").filter((name) => name !== "");
  const joined = parts.map((name) => `/${name}`).join("");
  return names === "plain" ? joined.toUpperCase() : joined;
}
