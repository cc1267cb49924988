/**
 * A block device in a file of the browser's own filesystem (OPFS), for a worker.
 *
 * Large writes go straight from the caller's memory to the file; small ones wait and go out
 * together (see pending.ts), at the latest at FLUSH. So an error may come after the write it
 * belongs to was answered: then every later write and FLUSH is refused with it, as nothing that
 * waited can be believed. A writable device holds the lock of its name (see locks.ts).
 */

import { failure } from "../../base/errors.ts";
import { parseSize } from "../../base/size.ts";
import { domFailure, type StorageRoom, storageRoom, throwIfAborted } from "../../base/web/dom.ts";
import { haveLocks } from "../../base/web/life.ts";
import { moveSpans } from "../batch.ts";
import {
  admit,
  answerId,
  type BlockDevice,
  type BlockRequest,
  checkGeometry,
  complete,
  type DeviceConfig,
  type DeviceIdentity,
  type DurabilityClaim,
  deviceIdentity,
  Feature,
  type IdentityOptions,
  RequestType,
  refuse,
  refuseClosed,
  SECTOR_SIZE,
  zeroingConfig,
} from "../device.ts";
import { PendingWrites } from "../pending.ts";
import { isZero } from "../sectors.ts";
import { type LockOptions, lockName, type NameLock } from "./locks.ts";
import { type SharedFile, WriteOut } from "./write-out.ts";

/** FileSystemSyncAccessHandle, whose type stands in no library that goes with the DOM's. */
export interface SyncFile {
  read(into: Uint8Array, options: { readonly at: number }): number;
  write(from: Uint8Array, options: { readonly at: number }): number;
  truncate(sizeBytes: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

interface SyncFileSource extends SharedFile {
  createSyncAccessHandle(options: { readonly mode: string }): Promise<SyncFile>;
}

export interface OpfsOptions extends IdentityOptions, LockOptions {
  readonly readOnly?: boolean | undefined;
  /** Logical block, 512 (default) or 4096. */
  readonly blkSize?: 512 | 4096 | undefined;
  /** False: no lock; for a caller who has one of its own. */
  readonly lock?: boolean | undefined;
  /** Where the path begins. Default: the root of this origin's storage. */
  readonly root?: FileSystemDirectoryHandle | undefined;
}

export interface OpenOpfsOptions extends OpfsOptions {
  /** The file grows to this size if it is smaller; it never shrinks. */
  readonly growTo?: number | string | undefined;
}

export interface CreateOpfsOptions extends OpfsOptions {
  /** Bytes, or text such as "256MiB". */
  readonly size: number | string;
  /** True: an existing file loses its content. Default: EEXIST. */
  readonly overwrite?: boolean | undefined;
}

export interface OverOptions extends OpfsOptions {
  /** Ends with the device. */
  readonly held?: NameLock | undefined;
  /** What a full storage is told with. */
  readonly room?: StorageRoom | undefined;
  /** Ends with the device too. */
  readonly writeOut?: WriteOut | undefined;
  /** What the file is called among all of this origin. Default: its path. */
  readonly key?: string | undefined;
}

interface Opened {
  readonly path: string;
  readonly key: string;
  readonly file: SyncFile;
  /** It was not there before: it goes again if it comes to nothing. */
  readonly isNew: boolean;
  readonly lock: NameLock | undefined;
  readonly room: StorageRoom | undefined;
  /** What another thread can open the file by. */
  readonly shared: SharedFile | undefined;
}

/** A file of this size is worth a thread that writes it out. */
const WRITE_OUT_SIZE = 2 ** 26;
const PIECE_SIZE = 2 ** 20;
/** How long the figures of a full storage are good enough. */
const ROOM_AGE_MS = 5000;

/**
 * An OPFS file as a block device.
 *
 * @example
 * const device = await OpfsDevice.create("disks/main.img", { size: "256MiB" });
 */
export class OpfsDevice implements BlockDevice {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: DeviceIdentity;
  readonly durability: DurabilityClaim = {
    level: "power-loss",
    flush: "flush() of the browser's file handle; in Chromium fdatasync",
  };
  readonly #file: SyncFile;
  readonly #key: string;
  readonly #lock: NameLock | undefined;
  readonly #writeOut: WriteOut | undefined;
  readonly #pending: PendingWrites;
  readonly #reads: BlockRequest[] = [];
  readonly #writes: BlockRequest[] = [];
  #room: StorageRoom | undefined;
  #roomAtMs = 0;
  #closed = false;

  private constructor(path: string, file: SyncFile, options: OverOptions) {
    const { blkSize = 512, readOnly = false, held, room, writeOut } = options;
    const capacity = Math.floor(file.getSize() / blkSize) * (blkSize / SECTOR_SIZE);
    checkGeometry(capacity, blkSize, path);
    const name = path.slice(path.lastIndexOf("/") + 1).replace(/[^\x20-\x7e]/g, "_");
    const serial = options.serial ?? name.slice(0, 20);
    this.identity = deviceIdentity({ pci: options.pci, serial });
    this.name = path;
    this.config = zeroingConfig(capacity, readOnly, { blkSize, segMax: 1024 });
    this.#file = file;
    this.#key = options.key ?? path;
    this.#lock = held;
    this.#writeOut = writeOut;
    this.#room = room;
    this.#pending = new PendingWrites((offset, bytes) => this.#put(offset, bytes));
  }

  /**
   * Opens an existing file. A size that is no whole number of blocks is cut down.
   *
   * @throws {StorageError} ENOENT; EBUSY: open elsewhere; ENOSPC: no room to grow; EACCES,
   *   EOPNOTSUPP: no storage, or no worker; ECANCELED
   */
  static async open(path: string, options: OpenOpfsOptions = {}): Promise<OpfsDevice> {
    const { growTo } = options;
    const sizeBytes = growTo === undefined ? 0 : parseSize(growTo);
    checkGeometry(sizeBytes / SECTOR_SIZE, options.blkSize ?? 512, path);
    const opened = await openFile(path, undefined, options);
    return finish(opened, options, () => {
      if (opened.file.getSize() < sizeBytes) opened.file.truncate(sizeBytes);
    });
  }

  /**
   * Makes a sparse file of `size` bytes, and the folders on its way.
   *
   * @throws {StorageError} EEXIST (see `overwrite`); ENOSPC: more than the browser grants; and as
   *   open()
   */
  static async create(path: string, options: CreateOpfsOptions): Promise<OpfsDevice> {
    const sizeBytes = parseSize(options.size);
    checkGeometry(sizeBytes / SECTOR_SIZE, options.blkSize ?? 512, path);
    const made = { overwrite: options.overwrite === true };
    // Asked again under the lock; whoever holds that may have it for long.
    await checkNew(path, made, options.root);
    const opened = await openFile(path, made, options);
    return finish(opened, options, () => {
      opened.file.truncate(0);
      opened.file.truncate(sizeBytes);
      opened.file.flush();
    });
  }

  /** A device over `file`, which is open already and closes with it. */
  static over(path: string, file: SyncFile, options: OverOptions = {}): OpfsDevice {
    return new OpfsDevice(path, file, options);
  }

  submit(requests: readonly BlockRequest[]): void {
    if (this.#closed) {
      refuseClosed(this.name, requests);
      return;
    }
    for (const asked of requests) {
      if (!admit(this.config, asked, this.name)) continue;
      if (asked.type === RequestType.IN) this.#reads.push(asked);
      else if (asked.type === RequestType.GET_ID) answerId(asked, this.identity.serial);
      else if (this.#pending.lost !== undefined) refuse(asked, this.#pending.lost);
      else if (asked.type === RequestType.OUT) this.#writes.push(asked);
      else {
        // Whatever came before in the batch comes before in fact.
        this.#settle();
        if (asked.type === RequestType.FLUSH) this.#flush(asked);
        else this.#zero(asked);
      }
    }
    this.#settle();
  }

  /** Hands what waits to the browser, so that only a power cut loses it, and ends the lock. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#pending.drain();
    } catch {
      // Whoever closes without a FLUSH has asked for no promise.
    }
    try {
      this.#file.close();
    } finally {
      const ended = this.#writeOut?.end();
      if (ended === undefined) this.#lock?.release();
      else endSlowly(this.#key, ended, this.#lock);
    }
  }

  #settle(): void {
    if (this.#writes.length > 0) {
      moveSpans(this.#writes, (offset, bytes) => this.#pending.put(offset, bytes));
    }
    if (this.#reads.length > 0) {
      moveSpans(this.#reads, (offset, bytes) => this.#read(offset, bytes));
    }
  }

  #read(offset: number, bytes: Uint8Array): void {
    if (this.#pending.overlaps(offset, bytes.length)) this.#pending.drain();
    for (let at = 0; at < bytes.length; ) {
      const moved = this.#call("read", () =>
        this.#file.read(bytes.subarray(at), { at: offset + at }),
      );
      if (moved <= 0) {
        const message = `${this.name} ends at byte ${offset + at}: it was truncated while open.`;
        throw failure("EIO", "read", message, { path: this.name });
      }
      at += moved;
    }
  }

  #put(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const moved = this.#call("write", () =>
        this.#file.write(at === 0 ? bytes : bytes.subarray(at), { at: offset + at }),
      );
      if (moved <= 0) {
        const message = `${this.name} took no more bytes at byte ${offset + at}.`;
        throw failure("EIO", "write", message, { path: this.name });
      }
      at += moved;
    }
    this.#writeOut?.wrote(bytes.length);
  }

  #flush(asked: BlockRequest): void {
    try {
      if ((this.config.features & Feature.RO) === 0) {
        this.#pending.drain();
        this.#call("flush", () => this.#file.flush());
        this.#writeOut?.flushed();
        this.#checkSize();
        this.#renewRoom();
      }
      complete(asked);
    } catch (cause) {
      // What the browser could not keep it may have forgotten: a second FLUSH would prove nothing.
      refuse(asked, this.#pending.lose(cause));
    }
  }

  #checkSize(): void {
    const expected = this.config.capacity * SECTOR_SIZE;
    const sizeBytes = this.#call("flush", () => this.#file.getSize());
    if (sizeBytes >= expected) return;
    const message = `${this.name} was truncated from ${expected} to ${sizeBytes} bytes while open.`;
    throw failure("EIO", "flush", message, { path: this.name });
  }

  /** Zeros where there are none yet: a hole stays one, as there is no call that makes one. */
  #zero(asked: BlockRequest): void {
    const buffer = new Uint8Array(Math.min(asked.length * SECTOR_SIZE, PIECE_SIZE));
    const end = (asked.sector + asked.length) * SECTOR_SIZE;
    try {
      for (let offset = asked.sector * SECTOR_SIZE; offset < end; offset += PIECE_SIZE) {
        const piece = buffer.subarray(0, Math.min(PIECE_SIZE, end - offset));
        this.#read(offset, piece);
        if (isZero(piece)) continue;
        piece.fill(0);
        this.#pending.drain();
        this.#put(offset, piece);
      }
      complete(asked);
    } catch (cause) {
      refuse(asked, cause);
    }
  }

  #call<T>(syscall: string, call: () => T): T {
    try {
      return call();
    } catch (cause) {
      throw domFailure(cause, syscall, this.name, this.#room);
    }
  }

  #renewRoom(): void {
    if (Date.now() - this.#roomAtMs < ROOM_AGE_MS) return;
    this.#roomAtMs = Date.now();
    void storageRoom().then((room) => {
      this.#room = room ?? this.#room;
    });
  }
}

/** True if there is a file of that path. */
export async function opfsExists(path: string, root?: FileSystemDirectoryHandle): Promise<boolean> {
  try {
    const { folder, name } = await folderOf(path, false, root);
    await folder.getFileHandle(name);
    return true;
  } catch (cause) {
    if ((cause as Error).name === "NotFoundError") return false;
    throw domFailure(cause, "open", path);
  }
}

/** Removes a file. ENOENT, EBUSY. */
export async function removeOpfs(path: string, root?: FileSystemDirectoryHandle): Promise<void> {
  await opfsEnded(path, root);
  try {
    const { folder, name } = await folderOf(path, false, root);
    await folder.removeEntry(name);
  } catch (cause) {
    throw domFailure(cause, "unlink", path);
  }
}

/**
 * Resolves once nothing here has a handle of a file that was closed: another thread may remove it,
 * and this one may end.
 */
export async function opfsEnded(path: string, root?: FileSystemDirectoryHandle): Promise<void> {
  await ending.get(await keyOf(path, root));
}

/** By key: files of this realm that are closed, but for the handle of the write-out. */
const ending = new Map<string, Promise<void>>();

function endSlowly(key: string, ended: Promise<void>, lock: NameLock | undefined): void {
  const over = ended.then(() => {
    lock?.release();
    if (ending.get(key) === over) ending.delete(key);
  });
  ending.set(key, over);
}

/** True if there is no such file yet; EEXIST: there is one, and it must stay. */
async function checkNew(
  path: string,
  made: { readonly overwrite: boolean },
  root?: FileSystemDirectoryHandle,
): Promise<boolean> {
  const exists = await opfsExists(path, root);
  if (!exists || made.overwrite) return !exists;
  const hint = "Choose another name, or allow it to be overwritten.";
  throw failure("EEXIST", "open", `'${path}' exists.`, { path, hint });
}

async function openFile(
  path: string,
  made: { readonly overwrite: boolean } | undefined,
  options: OpfsOptions,
): Promise<Opened> {
  const { readOnly = false, lock = true, signal } = options;
  throwIfAborted(signal, "open", path);
  const key = await keyOf(path, options.root);
  if (!readOnly) await ending.get(key);
  const held = lock && !readOnly ? await lockName(key, options, path) : undefined;
  try {
    const room = await storageRoom();
    const create = made !== undefined;
    const isNew = create && (await checkNew(path, made, options.root));
    const { folder, name } = await folderOf(path, create, options.root);
    const handle = (await folder.getFileHandle(name, { create })) as unknown as SyncFileSource;
    if (typeof handle.createSyncAccessHandle !== "function") {
      const message = `'${path}' can be opened in a dedicated worker only.`;
      throw failure("EOPNOTSUPP", "open", message, { path });
    }
    // Where a lock keeps writers apart, the handle may let readers in; else it keeps all out.
    const shared = haveLocks() && (lock || readOnly);
    const mode = shared ? "readwrite-unsafe" : "readwrite";
    const file = await handle.createSyncAccessHandle({ mode });
    if (signal?.aborted) file.close();
    throwIfAborted(signal, "open", path);
    const writable = shared && !readOnly ? handle : undefined;
    return { path, key, file, isNew, lock: held, room, shared: writable };
  } catch (cause) {
    held?.release();
    throw domFailure(cause, "open", path);
  }
}

/** Builds the device once `prepare` is done, or closes all of it, the lock last. */
async function finish(
  opened: Opened,
  options: OpfsOptions,
  prepare: () => void,
): Promise<OpfsDevice> {
  try {
    prepare();
    const { path, key, file, lock, room, shared } = opened;
    const isLarge = shared !== undefined && file.getSize() >= WRITE_OUT_SIZE;
    const writeOut = isLarge ? WriteOut.of(shared) : undefined;
    return OpfsDevice.over(path, file, { ...options, held: lock, room, writeOut, key });
  } catch (cause) {
    opened.file.close();
    if (opened.isNew) await removeOpfs(opened.path, options.root).catch(() => undefined);
    opened.lock?.release();
    throw domFailure(cause, "ftruncate", opened.path, await storageRoom());
  }
}

async function folderOf(
  path: string,
  create: boolean,
  root?: FileSystemDirectoryHandle,
): Promise<{ folder: FileSystemDirectoryHandle; name: string }> {
  const parts = partsOf(path);
  const name = parts.pop() as string;
  if (root === undefined && navigator.storage?.getDirectory === undefined) {
    const message = "this browser gives the page no filesystem of its own (OPFS).";
    throw failure("EOPNOTSUPP", "open", message, { path });
  }
  let folder = root ?? (await navigator.storage.getDirectory());
  for (const part of parts) folder = await folder.getDirectoryHandle(part, { create });
  return { folder, name };
}

/** The file's name in all of this origin, however it is said and from wherever: its lock's. */
async function keyOf(path: string, root?: FileSystemDirectoryHandle): Promise<string> {
  const parts = partsOf(path);
  if (root === undefined) return parts.join("/");
  try {
    // Null: a folder of a storage that is not the origin's first one.
    const above = await (await navigator.storage.getDirectory()).resolve(root);
    return [...(above ?? []), ...parts].join("/");
  } catch (cause) {
    throw domFailure(cause, "open", path);
  }
}

/** EINVAL: it names no file. */
function partsOf(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  if (parts.length > 0 && !parts.includes("..")) return parts;
  throw failure("EINVAL", "open", `'${path}' names no file.`, { path });
}
