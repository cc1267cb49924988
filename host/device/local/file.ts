/**
 * A block device in a regular file or behind a raw device node.
 *
 * Reads and writes go straight between the file and the caller's memory, neighbours as one vectored
 * call (see transfer.ts). FLUSH is fdatasync; once one has failed, all later ones do, because the
 * kernel forgets the pages it could not write. A writable device is locked (see lock.ts).
 */
import * as fs from "node:fs";
import { basename, dirname } from "node:path";
import { failure, systemFailure } from "../../base/errors.ts";
import { parseSize } from "../../base/size.ts";
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
  deviceConfig,
  deviceIdentity,
  Feature,
  type IdentityOptions,
  RequestType,
  refuse,
  refuseClosed,
  SECTOR_SIZE,
} from "../device.ts";
import { fallocateTool, type PunchMode, punch } from "./file/punch.ts";
import { type FileCalls, nodeCalls, Transfer } from "./file/transfer.ts";
import { Written } from "./file/written.ts";
import { FileLock } from "./lock.ts";
import { type NodeFacts, nodeFacts } from "./node.ts";

/** Sectors of one DISCARD or WRITE_ZEROES: 1 TiB, a whole number of blocks. */
const ERASE_SECTORS_MAX = 2 ** 31;
/** Below this a hole is not worth starting a process for. */
const PUNCH_SIZE_MIN = 2 ** 22;
const ZEROS_SIZE = 2 ** 20;
/** f_type of filesystems that live in memory: tmpfs, ramfs. */
const MEMORY_FILESYSTEMS = [0x01021994, 0x858458f6];
/**
 * f_type of filesystems whose st_blocks counts what is written at once, even before it has a place:
 * ext2 to ext4, XFS, Btrfs, F2FS, tmpfs, overlayfs. Others may say 0 of a file with content.
 */
const EXACT_FILESYSTEMS = [0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x01021994, 0x794c7630];

export interface FileOptions extends IdentityOptions {
  readonly readOnly?: boolean;
  /** Logical block, 512 or 4096. Default: 512; of a device node, its own. */
  readonly blkSize?: 512 | 4096;
  /** False: no lock; for a caller who has one of its own. */
  readonly lock?: boolean;
  /** False: DISCARD and WRITE_ZEROES are not offered. Default: where `fallocate` is. */
  readonly punch?: boolean;
  /** Other calls than Node's. */
  readonly calls?: Partial<FileCalls>;
}

export interface CreateFileOptions extends FileOptions {
  /** Bytes, or text such as "256MiB". */
  readonly size: number | string;
  /** True: an existing file loses its content. Default: EEXIST. */
  readonly overwrite?: boolean;
}

interface Opened {
  readonly fd: number;
  readonly path: string;
  readonly lock: FileLock | undefined;
  readonly node: NodeFacts | undefined;
  readonly sizeBytes: number;
  /** Known to be one hole, with nobody else to write to it. */
  readonly isHole: boolean;
}

/**
 * A file or device node as a block device.
 *
 * @example
 * const device = FileDevice.create("disk.img", { size: "256MiB" });
 */
export class FileDevice implements BlockDevice {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: DeviceIdentity;
  readonly durability: DurabilityClaim;
  readonly #fd: number;
  readonly #regular: boolean;
  readonly #lock: FileLock | undefined;
  readonly #calls: FileCalls;
  readonly #transfer: Transfer;
  /** Of a file that was one hole when it was opened; undefined: anything may be anywhere. */
  readonly #written: Written | undefined;
  /** Why no FLUSH can be believed any more. */
  #lost: unknown;
  #canPunch = true;
  #closed = false;

  private constructor(opened: Opened, options: FileOptions) {
    const { fd, path, node } = opened;
    this.name = path;
    this.#fd = fd;
    this.#regular = node === undefined;
    this.#lock = opened.lock;
    this.#calls = { ...nodeCalls, ...options.calls };
    this.#transfer = new Transfer(this.#calls, fd, path);
    this.#written = opened.isHole ? new Written(opened.sizeBytes) : undefined;
    this.config = configOf(opened, options);
    this.identity = identityOf(opened, options);
    this.durability = durabilityOf(path, this.#regular);
  }

  /**
   * Opens an existing file or device node. A size that is no whole number of blocks is cut down.
   *
   * @throws {StorageError} ENOENT, EACCES, EROFS, EBUSY (locked, or a mounted node), EINVAL (not a
   *   file or block device)
   */
  static open(path: string, options: FileOptions = {}): FileDevice {
    const opened = openExisting(path, options);
    return FileDevice.#build(opened, options);
  }

  /**
   * Makes a sparse file of `size` bytes.
   *
   * @throws {StorageError} EEXIST (see `overwrite`), EBUSY, EFBIG, and as open()
   */
  static create(path: string, options: CreateFileOptions): FileDevice {
    const sizeBytes = parseSize(options.size);
    checkGeometry(sizeBytes / SECTOR_SIZE, options.blkSize ?? 512, path);
    const exists = fs.existsSync(path);
    if (exists && options.overwrite !== true) {
      const hint = "Choose another name, or allow it to be overwritten.";
      throw failure("EEXIST", "open", `'${path}' exists.`, { path, hint });
    }
    const opened = exists ? openExisting(path, options) : openNew(path, options);
    if (opened.node !== undefined) {
      abandon(opened);
      throw failure("EINVAL", "open", `'${path}' is a device node; its size is its own.`, { path });
    }
    try {
      fs.ftruncateSync(opened.fd, 0);
      fs.ftruncateSync(opened.fd, sizeBytes);
      fs.fsyncSync(opened.fd);
      if (!exists) syncFolder(dirname(opened.path));
    } catch (error) {
      abandon(opened);
      if (!exists) fs.rmSync(path, { force: true });
      throw systemFailure(error, "ftruncate", path);
    }
    const isHole = opened.lock !== undefined;
    return FileDevice.#build({ ...opened, sizeBytes, isHole }, options);
  }

  static #build(opened: Opened, options: FileOptions): FileDevice {
    try {
      return new FileDevice(opened, options);
    } catch (error) {
      abandon(opened);
      throw error;
    }
  }

  submit(requests: readonly BlockRequest[]): void {
    if (this.#closed) {
      refuseClosed(this.name, requests);
      return;
    }
    for (const asked of requests) {
      if (!admit(this.config, asked, this.name)) continue;
      if (asked.type === RequestType.IN || asked.type === RequestType.OUT) {
        // Noted before it is tried: a write that fails may have written something.
        if (asked.type === RequestType.OUT) {
          this.#written?.add(asked.sector * SECTOR_SIZE, asked.data.length);
        }
        this.#transfer.add(asked);
        continue;
      }
      // Whatever came before in the batch comes before in fact.
      this.#transfer.settle();
      if (asked.type === RequestType.FLUSH) this.#flush(asked);
      else if (asked.type === RequestType.GET_ID) answerId(asked, this.identity.serial);
      else this.#erase(asked);
    }
    this.#transfer.settle();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#calls.close(this.#fd);
    } finally {
      this.#lock?.release();
    }
  }

  #flush(asked: BlockRequest): void {
    if ((this.config.features & Feature.RO) === 0 && this.#lost === undefined) {
      try {
        this.#calls.datasync(this.#fd);
        this.#lost = this.#damage();
      } catch (cause) {
        this.#lost = cause;
      }
    }
    if (this.#lost === undefined) complete(asked);
    else refuse(asked, this.#lost);
  }

  /** What happened to the file behind our back so that its content will not be found again. */
  #damage(): Error | undefined {
    if (!this.#regular) return undefined;
    const { size, nlink } = this.#calls.stat(this.#fd);
    const expected = this.config.capacity * SECTOR_SIZE;
    if (nlink === 0) return failure("EIO", "flush", `${this.name} was deleted while open.`);
    if (size >= expected) return undefined;
    const message = `${this.name} was truncated from ${expected} to ${size} bytes while open.`;
    return failure("EIO", "flush", message);
  }

  #erase(asked: BlockRequest): void {
    const offset = asked.sector * SECTOR_SIZE;
    const length = asked.length * SECTOR_SIZE;
    const zeroes = asked.type === RequestType.WRITE_ZEROES;
    // A hole in a regular file reads as zeros; only its blocks go back.
    const holes = !zeroes || ((asked.flags & 1) !== 0 && this.#regular);
    try {
      if (holes) this.#makeHole(offset, length, zeroes);
      else {
        this.#written?.add(offset, length);
        if (!this.#punch("--zero-range", offset, length)) this.#writeZeros(offset, length);
      }
      complete(asked);
    } catch (cause) {
      refuse(asked, cause);
    }
  }

  /** Gives back what of the range was written; with `zeroes` all of it is zeros afterwards. */
  #makeHole(offset: number, length: number, zeroes: boolean): void {
    const parts = this.#written?.within(offset, length) ?? [{ offset, length }];
    const [first, last] = [parts[0], parts.at(-1)];
    if (first === undefined || last === undefined) return;
    // One process from the first to the last of them, if writing zeros would not be less work.
    const span = last.offset + last.length - first.offset;
    const written = parts.reduce((sum, part) => sum + part.length, 0);
    const isWorth = zeroes ? written >= PUNCH_SIZE_MIN : true;
    if (isWorth && this.#punch("--punch-hole", first.offset, span)) {
      this.#written?.remove(first.offset, span);
      return;
    }
    // DISCARD is a hint: where no hole can be made, nothing happens.
    if (zeroes) for (const part of parts) this.#writeZeros(part.offset, part.length);
  }

  #punch(mode: PunchMode, offset: number, length: number): boolean {
    if (length < PUNCH_SIZE_MIN || !this.#canPunch) return false;
    if (punch(this.#fd, mode, offset, length)) return true;
    // A filesystem without one of the modes may have the other.
    if (mode === "--punch-hole") this.#canPunch = false;
    return false;
  }

  #writeZeros(offset: number, length: number): void {
    const zeros = new Uint8Array(Math.min(length, ZEROS_SIZE));
    for (let at = 0; at < length; ) {
      const size = Math.min(zeros.length, length - at);
      const written = this.#calls.write(this.#fd, zeros, 0, size, offset + at);
      if (written <= 0) throw failure("EIO", "write", `${this.name} took no more bytes.`);
      at += written;
    }
  }
}

function openExisting(path: string, options: FileOptions): Opened {
  const { readOnly = false, lock = true } = options;
  let fd = -1;
  let held: FileLock | undefined;
  try {
    const target = fs.realpathSync(path);
    const stat = fs.statSync(target);
    if (!stat.isFile() && !stat.isBlockDevice()) {
      const code = stat.isDirectory() ? "EISDIR" : "EINVAL";
      throw failure(code, "open", `'${path}' is no file or block device.`, { path });
    }
    const node = stat.isBlockDevice() ? nodeFacts(stat.rdev) : undefined;
    if (node?.readOnly && !readOnly) {
      throw failure("EROFS", "open", `'${path}' is read-only.`, { path });
    }
    if (lock && !readOnly) held = FileLock.acquire(target, stat);
    // O_EXCL on a node: the kernel refuses it while it is mounted or part of a volume.
    const exclusive = node === undefined || readOnly ? 0 : fs.constants.O_EXCL;
    fd = fs.openSync(target, (readOnly ? fs.constants.O_RDONLY : fs.constants.O_RDWR) | exclusive);
    // After the lock was taken: what another writer left is there.
    const now = fs.fstatSync(fd);
    const sizeBytes = node === undefined ? now.size : node.sectors * SECTOR_SIZE;
    const isHole =
      held !== undefined && node === undefined && now.blocks === 0 && countsExactly(target);
    return { fd, path: target, lock: held, node, sizeBytes, isHole };
  } catch (error) {
    if (fd >= 0) fs.closeSync(fd);
    held?.release();
    throw systemFailure(error, "open", path);
  }
}

function openNew(path: string, options: FileOptions): Opened {
  let fd = -1;
  try {
    fd = fs.openSync(path, "wx+");
    const target = fs.realpathSync(path);
    const locked = options.lock ?? true;
    const lock = locked ? FileLock.acquire(target, fs.fstatSync(fd)) : undefined;
    return { fd, path: target, lock, node: undefined, sizeBytes: 0, isHole: true };
  } catch (error) {
    if (fd >= 0) {
      fs.closeSync(fd);
      fs.rmSync(path, { force: true });
    }
    throw systemFailure(error, "open", path);
  }
}

function abandon(opened: Opened): void {
  fs.closeSync(opened.fd);
  opened.lock?.release();
}

/** The name of a new file is durable once its folder is. */
function syncFolder(path: string): void {
  const fd = fs.openSync(path, "r");
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function configOf(opened: Opened, options: FileOptions): DeviceConfig {
  const { node, path, sizeBytes } = opened;
  const blkSize = options.blkSize ?? node?.logicalBlock ?? 512;
  const capacity = Math.floor(sizeBytes / blkSize) * (blkSize / SECTOR_SIZE);
  checkGeometry(capacity, blkSize, path);
  const erases = options.punch !== false && fallocateTool() !== undefined;
  const features =
    Feature.SEG_MAX |
    Feature.BLK_SIZE |
    Feature.TOPOLOGY |
    Feature.FLUSH |
    (options.readOnly ? Feature.RO : 0) |
    (erases ? Feature.DISCARD | Feature.WRITE_ZEROES : 0);
  const physical = node === undefined ? 0 : Math.log2(node.physicalBlock / blkSize);
  return deviceConfig(capacity, {
    features,
    blkSize,
    segMax: 1024,
    physicalExponent: Math.max(0, Math.floor(physical)),
    maxDiscard: erases ? ERASE_SECTORS_MAX : 0,
    discardAlign: erases ? 4096 / SECTOR_SIZE : 0,
    maxWriteZeroes: erases ? ERASE_SECTORS_MAX : 0,
    zeroesMayUnmap: erases && node === undefined,
  });
}

function identityOf(opened: Opened, options: FileOptions): DeviceIdentity {
  const { node, path } = opened;
  const byName = basename(path).replace(/[^\x20-\x7e]/g, "_");
  const serial = options.serial ?? (node?.serial || byName.slice(0, 20));
  return deviceIdentity({ pci: options.pci ?? node?.pci, serial });
}

function countsExactly(path: string): boolean {
  return EXACT_FILESYSTEMS.includes(fs.statfsSync(path).type);
}

function durabilityOf(path: string, regular: boolean): DurabilityClaim {
  const inMemory = regular && MEMORY_FILESYSTEMS.includes(fs.statfsSync(path).type);
  return inMemory
    ? { level: "process", flush: "fdatasync on a filesystem in memory" }
    : { level: "power-loss", flush: "fdatasync" };
}
