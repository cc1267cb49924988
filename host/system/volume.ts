/**
 * Files of whatever filesystem is at a place: CAPOSWF1, CAPOSRO1, FAT32, ISO 9660 or one of the ext
 * family behind one small interface.
 * What a kind of filesystem lacks answers EOPNOTSUPP or EROFS.
 */
import { failure } from "../base/errors.ts";
import { FatVolume } from "../core/fat.ts";
import type { FileSystem } from "../core/files.ts";
import type { Core } from "../core/load.ts";
import { type Ext4Stat, Ext4Volume } from "../core/media/ext4.ts";
import type { IsoStat, IsoVolume } from "../core/media/iso.ts";
import { MediaCore } from "../core/media/load.ts";
import { isIso, openIso } from "../core/media/open.ts";
import type { MediaFile } from "../core/media/open-files.ts";
import { Region } from "../core/region.ts";
import type { BlockDevice } from "../device/device.ts";
import { SECTOR_BYTES } from "../format/layout.ts";
import { findPlace, findRegion, type NamedPlace } from "./place.ts";

export interface VolumeEntry {
  readonly name: string;
  readonly kind: Ext4Stat["kind"];
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** Permission bits; undefined where the filesystem has none. */
  readonly mode?: number | undefined;
  /** Target of a symlink. */
  readonly target?: string | undefined;
}

export interface VolumeSpace {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** An open filesystem. Paths are separated by "/"; changes are durable after sync() or close(). */
export interface Volume {
  readonly kind: "CAPOSWF1" | "CAPOSRO1" | "FAT32" | "ISO 9660" | "ext4";
  /** Entries of a directory, by name. */
  list(path: string): VolumeEntry[];
  stat(path: string): VolumeEntry;
  /** The content in pieces of at most PIECE_BYTES. */
  read(path: string): Iterable<Uint8Array>;
  /** Replaces or makes a file. */
  write(path: string, pieces: Iterable<Uint8Array>): void;
  /** Makes a directory and those above it; one that exists is fine. */
  mkdir(path: string): void;
  remove(path: string, recursive: boolean): void;
  rename(from: string, to: string): void;
  symlink(target: string, path: string): void;
  space(): VolumeSpace;
  sync(): void;
  close(): void;
}

/** What probe() calls an ISO volume. */
export const ISO_SIGNATURE = "iso9660";

/** What probe() calls a volume of ext2, ext3 or ext4. */
export const EXT_SIGNATURE = "ext";

/** Largest piece of content in memory at a time. */
export const PIECE_BYTES = 1 << 20;

/**
 * Opens the filesystem at `partition`; without one, that of the data region, else the ISO volume of
 * the whole device, else the only FAT there is, else the only ext volume.
 */
export function openVolume(
  core: Core,
  device: number,
  options: { readonly partition?: number | undefined; readonly readOnly: boolean },
): Volume {
  const place = findFiles(core, device, options.partition);
  return openVolumeAt(core, device, place, options.readOnly);
}

/** The place of the filesystem that openVolume() means. */
export function findFiles(core: Core, device: number, partition?: number): NamedPlace {
  try {
    return findRegion(core, device, partition);
  } catch (error) {
    if (partition !== undefined || (error as { code?: unknown }).code !== "ENOENT") throw error;
    return isoPlace(core, device) ?? fatOrExtPlace(core, device);
  }
}

function fatOrExtPlace(core: Core, device: number): NamedPlace {
  try {
    return findPlace(core, device, ["fat"]);
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ENOENT") throw error;
    return findPlace(core, device, ["fat", EXT_SIGNATURE]);
  }
}

/** A hybrid image has a partition table too, so its signature alone does not tell. */
function isoPlace(core: Core, device: number): NamedPlace | undefined {
  const base = core.device(device);
  if (base === undefined || !isIso(base)) return undefined;
  return { baseSector: 0, sectors: 0, signature: ISO_SIGNATURE };
}

/** Opens the filesystem at `place`. ENOENT: a region without one; EMEDIUMTYPE: none known. */
export function openVolumeAt(
  core: Core,
  device: number,
  place: NamedPlace,
  readOnly: boolean,
): Volume {
  if (place.signature === "fat") {
    return new FatFiles(FatVolume.open(core, device, { ...place, readOnly }));
  }
  const base = core.device(device);
  if (place.signature === ISO_SIGNATURE && base !== undefined) {
    const { baseSector, sectors } = place;
    return new IsoFiles(openIso(base, { baseSector, sectors }));
  }
  if (place.signature === EXT_SIGNATURE && base !== undefined) {
    return new Ext4Files(openExt4(base, { ...place, readOnly }));
  }
  if (place.signature !== "capos-region") {
    const found = place.signature ?? "nothing known";
    throw failure("EMEDIUMTYPE", "open", `no filesystem we can read is there: ${found}.`);
  }
  const region = Region.open(core, device, { ...place, readOnly });
  if (region.files === null) {
    region.close();
    throw failure("ENOENT", "open", "the region holds a store alone, no filesystem.");
  }
  const { files } = region;
  return new NodeFiles("CAPOSWF1", files, () => region.close());
}

/** CAPOSWF1 and CAPOSRO1: both speak Node's calls. */
export class NodeFiles implements Volume {
  readonly kind: "CAPOSWF1" | "CAPOSRO1";
  readonly #files: FileSystem;
  readonly #close: () => void;

  constructor(kind: "CAPOSWF1" | "CAPOSRO1", files: FileSystem, close: () => void) {
    this.kind = kind;
    this.#files = files;
    this.#close = close;
  }

  list(path: string): VolumeEntry[] {
    const at = path.endsWith("/") ? path : `${path}/`;
    return this.#files.readdir(path).map((name) => this.stat(`${at}${name}`));
  }

  stat(path: string): VolumeEntry {
    const stats = this.#files.lstat(path);
    const link = stats.isSymbolicLink();
    return {
      name: baseName(path),
      kind: link ? "symlink" : stats.isDirectory() ? "directory" : "file",
      sizeBytes: stats.isDirectory() ? 0 : stats.size,
      modifiedMs: stats.mtimeMs,
      mode: stats.mode & 0o7777,
      target: link ? this.#files.readlink(path) : undefined,
    };
  }

  *read(path: string): Iterable<Uint8Array> {
    const fd = this.#files.open(path, "r");
    try {
      for (;;) {
        const piece = new Uint8Array(PIECE_BYTES);
        const count = this.#files.read(fd, piece, 0, piece.length, null);
        if (count === 0) return;
        yield piece.subarray(0, count);
      }
    } finally {
      this.#files.close(fd);
    }
  }

  write(path: string, pieces: Iterable<Uint8Array>): void {
    const fd = this.#files.open(path, "w");
    try {
      for (const piece of pieces) {
        for (let done = 0; done < piece.length; ) {
          done += this.#files.write(fd, piece, done, piece.length - done, null);
        }
      }
    } finally {
      this.#files.close(fd);
    }
  }

  mkdir(path: string): void {
    this.#files.mkdir(path, { recursive: true });
  }

  remove(path: string, recursive: boolean): void {
    if (recursive) this.#files.rm(path, { recursive });
    else if (this.#files.lstat(path).isDirectory()) this.#files.rmdir(path);
    else this.#files.unlink(path);
  }

  rename(from: string, to: string): void {
    this.#files.rename(from, to);
  }

  symlink(target: string, path: string): void {
    this.#files.symlink(target, path);
  }

  space(): VolumeSpace {
    const { bsize, blocks, bfree } = this.#files.statfs();
    return { totalBytes: bsize * blocks, freeBytes: bsize * bfree };
  }

  sync(): void {
    this.#files.sync();
  }

  close(): void {
    this.#close();
  }
}

/** All pieces, or nothing of them. */
function writeTo(
  writer: { write(piece: Uint8Array): void; close(): void; abort(): void },
  pieces: Iterable<Uint8Array>,
): void {
  try {
    for (const piece of pieces) writer.write(piece);
  } catch (error) {
    writer.abort();
    throw error;
  }
  writer.close();
}

class FatFiles implements Volume {
  readonly kind = "FAT32";
  readonly #volume: FatVolume;

  constructor(volume: FatVolume) {
    this.#volume = volume;
  }

  list(path: string): VolumeEntry[] {
    return this.#volume.list(path).map(({ name, kind, sizeBytes, mtimeMs }) => ({
      name,
      kind,
      sizeBytes,
      modifiedMs: mtimeMs,
    }));
  }

  stat(path: string): VolumeEntry {
    const { name, kind, sizeBytes, mtimeMs } = this.#volume.stat(path);
    return { name, kind, sizeBytes, modifiedMs: mtimeMs };
  }

  *read(path: string): Iterable<Uint8Array> {
    const { sizeBytes } = this.#volume.stat(path);
    for (let offset = 0; offset < sizeBytes; offset += PIECE_BYTES) {
      yield this.#volume.read(path, offset, Math.min(PIECE_BYTES, sizeBytes - offset));
    }
  }

  write(path: string, pieces: Iterable<Uint8Array>): void {
    writeTo(this.#volume.create(path), pieces);
  }

  mkdir(path: string): void {
    this.#volume.mkdir(path, { recursive: true });
  }

  remove(path: string, recursive: boolean): void {
    if (recursive && this.#volume.stat(path).kind === "directory") {
      for (const { name } of this.#volume.list(path)) this.remove(`${path}/${name}`, true);
    }
    this.#volume.remove(path);
  }

  rename(from: string, to: string): void {
    this.#volume.rename(from, to);
  }

  symlink(_target: string, path: string): void {
    throw failure("EOPNOTSUPP", "symlink", "FAT has no symbolic links.", { path });
  }

  space(): VolumeSpace {
    return this.#volume.statfs();
  }

  sync(): void {
    this.#volume.flush();
  }

  close(): void {
    this.#volume.close();
  }
}

/**
 * Opens a volume of the ext family in an instance of its own. Read-only nothing is written, also
 * where its journal holds what is not at its place yet: that is read from memory.
 */
export function openExt4(
  device: BlockDevice,
  options: {
    readonly baseSector?: number;
    readonly sectors?: number;
    readonly readOnly?: boolean;
  },
): Ext4Volume {
  const { baseSector, sectors, readOnly = true } = options;
  const media = new MediaCore();
  const window = { baseSector, sectors };
  if (!readOnly) return Ext4Volume.openForChange(media, media.attach(device), window);
  return Ext4Volume.open(media, media.attach(device), { ...window, readOnly });
}

/** Content of an open file in pieces; the file is closed at the end. */
function* piecesOf(file: MediaFile): Iterable<Uint8Array> {
  try {
    const piece = new Uint8Array(Math.min(PIECE_BYTES, Math.max(1, file.sizeBytes)));
    for (let offset = 0; offset < file.sizeBytes; ) {
      const got = file.read(offset, piece);
      if (got === 0) return;
      yield piece.slice(0, got);
      offset += got;
    }
  } finally {
    file.close();
  }
}

/** Links are shown and not followed. */
class IsoFiles implements Volume {
  readonly kind = "ISO 9660";
  readonly #volume: IsoVolume;

  constructor(volume: IsoVolume) {
    this.#volume = volume;
  }

  list(path: string): VolumeEntry[] {
    return this.#volume.list(path).map(isoEntry);
  }

  stat(path: string): VolumeEntry {
    return isoEntry(this.#volume.stat(path));
  }

  *read(path: string): Iterable<Uint8Array> {
    yield* piecesOf(this.#volume.openFile(path));
  }

  write(path: string): never {
    throw this.#refusal("write", path);
  }

  mkdir(path: string): never {
    throw this.#refusal("mkdir", path);
  }

  remove(path: string): never {
    throw this.#refusal("unlink", path);
  }

  rename(path: string): never {
    throw this.#refusal("rename", path);
  }

  symlink(_target: string, path: string): never {
    throw this.#refusal("symlink", path);
  }

  space(): VolumeSpace {
    return { totalBytes: this.#volume.sectors * SECTOR_BYTES, freeBytes: 0 };
  }

  sync(): void {}

  close(): void {
    this.#volume.close();
  }

  #refusal(syscall: string, path: string): Error {
    return failure("EROFS", syscall, "an ISO volume does not change.", { path });
  }
}

/** Links are shown, and followed where content is read or written. */
class Ext4Files implements Volume {
  readonly kind = "ext4";
  readonly #volume: Ext4Volume;

  constructor(volume: Ext4Volume) {
    this.#volume = volume;
  }

  list(path: string): VolumeEntry[] {
    const entries = this.#volume.list(path).map(ext4Entry);
    return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  stat(path: string): VolumeEntry {
    return ext4Entry(this.#volume.lstat(path));
  }

  *read(path: string): Iterable<Uint8Array> {
    yield* piecesOf(this.#volume.open(path));
  }

  write(path: string, pieces: Iterable<Uint8Array>): void {
    writeTo(this.#volume.create(path), pieces);
  }

  mkdir(path: string): void {
    this.#volume.mkdir(path, { recursive: true });
  }

  remove(path: string, recursive: boolean): void {
    if (recursive && this.stat(path).kind === "directory") {
      for (const { name } of this.list(path)) this.remove(`${path}/${name}`, true);
    }
    this.#volume.remove(path);
  }

  rename(from: string, to: string): void {
    this.#volume.rename(from, to);
  }

  symlink(target: string, path: string): void {
    this.#volume.symlink(target, path);
  }

  space(): VolumeSpace {
    return this.#volume.space();
  }

  sync(): void {
    this.#volume.flush();
  }

  close(): void {
    this.#volume.close();
  }
}

function ext4Entry({ name, kind, sizeBytes, mtimeNs, mode, target }: Ext4Stat): VolumeEntry {
  return { name, kind, sizeBytes, modifiedMs: Number(mtimeNs / 1_000_000n), mode, target };
}

function isoEntry({ name, kind, sizeBytes, mtimeMs, mode, target }: IsoStat): VolumeEntry {
  return { name, kind, sizeBytes, modifiedMs: mtimeMs, mode, target };
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
