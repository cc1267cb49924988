/**
 * Volumes of ext2, ext3 and ext4: list, stat, read, attributes, a check of all of it, and changes.
 *
 * Interface: paths are separated by "/", the root is "/" or "". Links are followed inside the
 * volume, at most 40 on one path; lstat() and the entries of list() are the links themselves. A
 * journal that is not empty is replayed when a volume is opened: in memory where nothing may be
 * written, else on the disk. Nothing on the disk is believed before it is checked: what does not
 * hold is EBADMSG with its place, and a read never leaves the blocks of its file. Changes are
 * durable after flush() or close(); a cut leaves what the last of these did, or all of the next.
 */
import {
  EXT4_STAT_NAME_LENGTH,
  EXT4_STAT_NEXT,
  EXT4_STAT_ROOM,
  EXT4_STAT_SIZE,
  EXT4_STAT_TARGET_LENGTH,
  EXT4_XATTR_NAME_LENGTH,
  EXT4_XATTR_SIZE,
  EXT4_XATTR_VALUE_LENGTH,
  EXT4_XATTRS_ROOM,
} from "../../../assembly/format/media/calls-ext4.ts";
import { failure, StorageError } from "../../base/errors.ts";
import type { BlockDevice } from "../../device/device.ts";
import { Ext4Changes, type Ext4Writer } from "./ext4/change.ts";
import { type Ext4Finding, readFindings } from "./ext4/findings.ts";
import { type Ext4Info, featureNames, readInfo } from "./ext4/info.ts";
import { type Ext4Stat, readStat } from "./ext4/stat.ts";
import { MediaCore } from "./load.ts";
import { type MediaFile, OpenFiles } from "./open-files.ts";

export type { Ext4Writer } from "./ext4/change.ts";
export type { Ext4Finding } from "./ext4/findings.ts";
export type { Ext4Stat } from "./ext4/stat.ts";

const LIST_BYTES = 1 << 17;

export interface Ext4OpenOptions {
  /** First sector of the volume on the device, units of 512 bytes; default 0. */
  readonly baseSector?: number | undefined;
  /** Sectors of the window; default: to the end of the device. */
  readonly sectors?: number | undefined;
  /** Nothing is written, not even what the journal holds. */
  readonly readOnly?: boolean | undefined;
}

export interface Ext4Space {
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly blockBytes: number;
  readonly inodes: number;
  readonly freeInodes: number;
}

export type Ext4File = MediaFile;

/** One volume that is open. */
export class Ext4Volume {
  readonly label: string;
  /** Lower-case hexadecimal digits with dashes. */
  readonly uuid: string;
  /** Names as other tools print them; what has none is FEATURE_ and its number. */
  readonly features: readonly string[];
  readonly info: Ext4Info;
  readonly #media: MediaCore;
  readonly #files: OpenFiles;
  readonly #changes: Ext4Changes;
  /** Where each directory that was listed stands: the inode above it, and its name. */
  readonly #directories = new Map<number, string>();
  #handle: number;

  private constructor(media: MediaCore, handle: number) {
    this.#media = media;
    this.#handle = handle;
    const { exports } = media;
    this.#files = new OpenFiles(media, {
      open: exports.ext4FileOpen,
      read: exports.ext4FileRead,
      bytes: exports.ext4FileBytes,
      close: exports.ext4FileClose,
    });
    this.info = readInfo(media, handle);
    this.label = this.info.label;
    this.uuid = this.info.uuid;
    this.features = this.info.features;
    this.#changes = new Ext4Changes(media, handle, this.features);
  }

  /**
   * Opens a volume, and replays its journal if that holds anything.
   *
   * @throws {StorageError} EMEDIUMTYPE: there is none; EBADMSG: it is damaged; EOPNOTSUPP: it needs
   *   a feature that is not known here, which the message names; ENOMEM: the journal changed more
   *   than 64 MiB and nothing may be written; EIO
   * @example
   * const media = new MediaCore();
   * const volume = Ext4Volume.open(media, media.attach(device), { readOnly: true });
   */
  static open(media: MediaCore, device: number, options: Ext4OpenOptions = {}): Ext4Volume {
    const { baseSector = 0, sectors = 0, readOnly = false } = options;
    const handle = media.exports.ext4Open(device, baseSector, sectors, readOnly ? 1 : 0);
    if (handle < 0) throw refused(media.error(handle, "ext4Open"));
    try {
      return new Ext4Volume(media, handle);
    } catch (error) {
      media.exports.ext4Close(handle);
      throw error;
    }
  }

  /**
   * Opens a volume to change it. One that is not changed here is refused before anything is
   * written, its journal's content included, unless that does not fit into memory.
   *
   * @throws {StorageError} as open(); EROFS, EOPNOTSUPP: it is not changed here, and why
   */
  static openForChange(
    media: MediaCore,
    device: number,
    options: Ext4OpenOptions = {},
  ): Ext4Volume {
    const before = openToLook(media, device, options);
    try {
      if (before !== undefined) before.#changes.refuse();
    } finally {
      before?.close();
    }
    const volume = Ext4Volume.open(media, device, { ...options, readOnly: false });
    try {
      volume.#changes.begin();
    } catch (error) {
      volume.close();
      throw error;
    }
    return volume;
  }

  /** The entries of a directory in the order of the disk. ENOENT, ENOTDIR, EBADMSG. */
  list(path = "/"): Ext4Stat[] {
    const { memory, exports } = this.#media;
    const entries: Ext4Stat[] = [];
    const out = memory.allocate(LIST_BYTES);
    try {
      for (let from = 0; ; ) {
        const count = this.#withPath("readdir", path, (at, length) =>
          exports.ext4List(this.#handle, at, length, from, out, LIST_BYTES),
        );
        if (count === 0) break;
        for (let index = 0, at = out; index < count; index++) {
          const { view } = memory;
          const nameLength = view.getUint32(at + EXT4_STAT_NAME_LENGTH, true);
          const name = memory.text(at + EXT4_STAT_SIZE, nameLength);
          entries.push(readStat(memory, at, name));
          from = view.getFloat64(at + EXT4_STAT_NEXT, true);
          const targetLength = view.getUint32(at + EXT4_STAT_TARGET_LENGTH, true);
          at += (EXT4_STAT_SIZE + nameLength + targetLength + 7) & ~7;
        }
      }
    } finally {
      memory.release(out, LIST_BYTES);
    }
    this.#refuseTwice(path, entries);
    return entries;
  }

  /** What an entry says, through links. ENOENT, ELOOP. */
  stat(path: string): Ext4Stat {
    return this.#stat(path, true);
  }

  /** What an entry says; of a link, what it says itself. ENOENT. */
  lstat(path: string): Ext4Stat {
    return this.#stat(path, false);
  }

  /** Target of a symbolic link; EINVAL: it is none. */
  readlink(path: string): string {
    const { target } = this.lstat(path);
    if (target !== undefined) return target;
    throw failure("EINVAL", "readlink", `'${path}' is no symbolic link.`, { path });
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

  /** Opens a file, through links. ENOENT, EISDIR, EINVAL: no file; EBADMSG, EOPNOTSUPP. */
  open(path: string): Ext4File {
    return this.#files.open(this.#handle, path);
  }

  /** Up to `length` bytes from `offset`; fewer at the end of the file. */
  read(path: string, offset: number, length: number): Uint8Array {
    return this.#files.read(this.#handle, path, offset, length);
  }

  readFile(path: string): Uint8Array {
    return this.read(path, 0, Number.MAX_SAFE_INTEGER);
  }

  /**
   * Extended attributes by their full names ("user.x"); of a link, its own. Access lists are the
   * bytes of the disk. EOPNOTSUPP: a value stands in an inode of its own.
   */
  xattrs(path: string): Map<string, Uint8Array> {
    const { memory, exports } = this.#media;
    const found = new Map<string, Uint8Array>();
    const out = memory.allocate(EXT4_XATTRS_ROOM);
    try {
      const bytes = this.#withPath("listxattr", path, (at, length) =>
        exports.ext4Xattrs(this.#handle, at, length, 0, out, EXT4_XATTRS_ROOM),
      );
      for (let at = out; at < out + bytes; ) {
        const nameLength = memory.view.getUint32(at + EXT4_XATTR_NAME_LENGTH, true);
        const valueLength = memory.view.getUint32(at + EXT4_XATTR_VALUE_LENGTH, true);
        const name = at + EXT4_XATTR_SIZE;
        found.set(memory.text(name, nameLength), memory.slice(name + nameLength, valueLength));
        at += (EXT4_XATTR_SIZE + nameLength + valueLength + 7) & ~7;
      }
    } finally {
      memory.release(out, EXT4_XATTRS_ROOM);
    }
    return found;
  }

  space(): Ext4Space {
    const info = readInfo(this.#media, this.#handle);
    const { blocks, freeBlocks, blockBytes, inodes, freeInodes } = info;
    return {
      totalBytes: blocks * blockBytes,
      freeBytes: freeBlocks * blockBytes,
      ...{ blockBytes, inodes, freeInodes },
    };
  }

  /**
   * Compares everything the volume says of itself with what can be reached from its root.
   *
   * @throws {StorageError} EOPNOTSUPP: clusters (bigalloc), whose bitmaps are of another kind;
   *   ENOMEM: more is in use than 256 MiB of notes can tell apart; EIO
   */
  check(): Ext4Finding[] {
    const { exports } = this.#media;
    try {
      return readFindings(
        this.#media,
        this.#media.check(exports.ext4Check(this.#handle), "ext4Check"),
      );
    } finally {
      exports.ext4CheckEnd();
    }
  }

  /**
   * Begins to write a file, in place of one that is there, through links: that one keeps all but
   * its content. A new one belongs to the superuser and has mode 0644. One file at a time.
   *
   * @throws {StorageError} ENOENT, ENOTDIR, EISDIR, EBUSY; EROFS, EOPNOTSUPP: it is not changed
   */
  create(path: string): Ext4Writer {
    return this.#changes.create(path);
  }

  /** Makes a directory (0755); `recursive`: with those above it, and it may be there already. */
  mkdir(path: string, options: { readonly recursive?: boolean } = {}): void {
    this.#directories.clear();
    this.#changes.mkdir(path, options.recursive === true);
  }

  symlink(target: string, path: string): void {
    this.#changes.symlink(target, path);
  }

  /** Removes a file, a link or an empty directory. ENOENT, ENOTEMPTY, EBUSY. */
  remove(path: string): void {
    this.#directories.clear();
    this.#changes.remove(path);
  }

  /** Renames, over a file or an empty directory that is there: one of both has the name always. */
  rename(from: string, to: string): void {
    this.#directories.clear();
    this.#changes.rename(from, to);
  }

  /** Makes all changes so far durable, as a whole. */
  flush(): void {
    this.#changes.commit();
  }

  /** Makes changes durable, and releases what the module holds. Open files are closed. */
  close(): void {
    if (this.#handle === 0) return;
    const { exports } = this.#media;
    this.#files.closeAll();
    try {
      this.#changes.end();
    } finally {
      exports.ext4Close(this.#handle);
      this.#handle = 0;
    }
  }

  /** A directory that stands at two places makes a tree without end, or one far too large. */
  #refuseTwice(path: string, entries: readonly Ext4Stat[]): void {
    const directories = entries.filter(({ kind }) => kind === "directory");
    const names = new Set(entries.map(({ name }) => name));
    if (names.size < entries.length) throw twice(path, "a name");
    if (directories.length === 0) return;
    const { inode: above } = this.stat(path);
    for (const { name, inode } of directories) {
      const here = `${above}/${name}`;
      const known = this.#directories.get(inode) ?? here;
      if (known !== here || inode === above || inode === ROOT_INODE) throw twice(path, name);
      this.#directories.set(inode, here);
    }
  }

  #stat(path: string, follow: boolean): Ext4Stat {
    const { memory, exports } = this.#media;
    const out = memory.allocate(EXT4_STAT_ROOM);
    try {
      this.#withPath("stat", path, (at, length) =>
        exports.ext4Stat(this.#handle, at, length, follow ? 1 : 0, out),
      );
      const name = path.split("/").findLast((part) => part !== "") ?? "";
      return readStat(memory, out, name);
    } finally {
      memory.release(out, EXT4_STAT_ROOM);
    }
  }

  #withPath(syscall: string, path: string, use: (at: number, length: number) => number): number {
    return this.#media.check(this.#media.memory.with(path, use), syscall, { path });
  }
}

const ROOT_INODE = 2;

/** True if a volume of the ext family is there, whole or damaged. EIO. */
export function isExt4(
  device: BlockDevice,
  window: { readonly baseSector?: number; readonly sectors?: number } = {},
): boolean {
  try {
    const media = new MediaCore();
    const options = { ...window, readOnly: true };
    const volume = Ext4Volume.open(media, media.attach(device), options);
    const { isMarked } = volume.info;
    volume.close();
    return isMarked;
  } catch (error) {
    if (!(error instanceof StorageError) || error.code === "EIO") throw error;
    return error.code !== "EMEDIUMTYPE" && error.code !== "ERANGE";
  }
}

/** Names the features for which opening was refused. */
/** The volume as it is once its journal is replayed; undefined: in memory that cannot be. */
function openToLook(
  media: MediaCore,
  device: number,
  options: Ext4OpenOptions,
): Ext4Volume | undefined {
  try {
    return Ext4Volume.open(media, device, { ...options, readOnly: true });
  } catch (error) {
    if (error instanceof StorageError && error.code === "ENOMEM") return undefined;
    throw error;
  }
}

function refused(error: StorageError): StorageError {
  const { fault, code } = error;
  if (code !== "EOPNOTSUPP" || fault?.reason !== "FEATURE") return error;
  const names = featureNames({ incompat: fault.detail ?? 0 }).join(", ");
  return failure("EOPNOTSUPP", "ext4Open", `the volume needs what is not known here: ${names}.`, {
    fault,
  });
}

function twice(path: string, name: string): StorageError {
  const message = `'${name}' in '${path}' stands twice on the volume.`;
  return failure("EBADMSG", "readdir", message, { path, fault: { reason: "DUPLICATE" } });
}
