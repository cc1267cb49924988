/**
 * A block device in IndexedDB, for browsers without OPFS. It answers by promise: the bridge serves
 * it to the core, or a JournalDevice where threads cannot share memory.
 *
 * The disk is cut into blocks of 64 KiB, a record each; a block of zeros has no record. Writes stay
 * in memory until FLUSH writes all of them in one strict transaction: after a crash the disk is as
 * some FLUSH left it, unless more was written between two than memory should hold.
 */
import { failure } from "../../base/errors.ts";
import { parseSize } from "../../base/size.ts";
import { domFailure, storageRoom, throwIfAborted } from "../../base/web/dom.ts";
import { result, settled } from "../../base/web/idb.ts";
import type { AsyncBlockDevice } from "../async.ts";
import { blockParts } from "../blocks.ts";
import {
  admit,
  answerId,
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
import { isZero } from "../sectors.ts";
import { type LockOptions, lockName, type NameLock } from "./locks.ts";

export const BLOCK_SIZE = 2 ** 16;
/** Blocks that are kept after they were read: 4 MiB. */
const CACHE_BLOCKS = 64;
/** Changed blocks that may wait for FLUSH: 64 MiB. */
const DIRTY_BLOCKS_MAX = 1024;
const VERSION = 1;

export interface IndexedDbOptions extends IdentityOptions, LockOptions {
  readonly readOnly?: boolean | undefined;
  /** Logical block, 512 (default) or 4096. */
  readonly blkSize?: 512 | 4096 | undefined;
  /** False: no lock; for a caller who has one of its own. */
  readonly lock?: boolean | undefined;
  /** The disk grows to this size if it is smaller. */
  readonly growTo?: number | string | undefined;
}

export interface CreateIndexedDbOptions extends IndexedDbOptions {
  /** Bytes, or text such as "256MiB". */
  readonly size: number | string;
  /** True: an existing disk loses its content. Default: EEXIST. */
  readonly overwrite?: boolean | undefined;
}

/** The one record of the store "disk". */
interface Description {
  readonly version: number;
  readonly sizeBytes: number;
  readonly blockSize: number;
}

/**
 * A disk in IndexedDB.
 *
 * @example
 * const disk = await IndexedDbDevice.create("main", { size: "256MiB" });
 * const device = await JournalDevice.open(disk); // or serveDevice(disk), and a BridgeDevice
 */
export class IndexedDbDevice implements AsyncBlockDevice {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: DeviceIdentity;
  readonly durability: DurabilityClaim = {
    level: "power-loss",
    flush: "one IndexedDB transaction, durability strict",
  };
  readonly #database: IDBDatabase;
  readonly #lock: NameLock | undefined;
  readonly #clean = new Map<number, Uint8Array>();
  readonly #dirty = new Map<number, Uint8Array>();
  /** Why neither a write nor a FLUSH can be believed any more. */
  #lost: unknown;
  #closed = false;

  private constructor(
    name: string,
    sizeBytes: number,
    database: IDBDatabase,
    lock: NameLock | undefined,
    options: IndexedDbOptions,
  ) {
    const { blkSize = 512, readOnly = false } = options;
    const capacity = Math.floor(sizeBytes / blkSize) * (blkSize / SECTOR_SIZE);
    checkGeometry(capacity, blkSize, name);
    const byName = name.replace(/[^\x20-\x7e]/g, "_").slice(0, 20);
    this.identity = deviceIdentity({ pci: options.pci, serial: options.serial ?? byName });
    this.config = zeroingConfig(capacity, readOnly, {
      blkSize,
      optIoSize: BLOCK_SIZE / blkSize,
      zeroesMayUnmap: !readOnly,
    });
    this.name = name;
    this.#database = database;
    this.#lock = lock;
    database.onclose = () => this.#lose("InvalidStateError");
    // Another tab removes the database: it waits for us to let go.
    database.onversionchange = () => {
      this.#lose("InvalidStateError");
      database.close();
    };
  }

  /**
   * Opens an existing disk.
   *
   * @throws {StorageError} ENOENT; EBUSY: open elsewhere; EBADMSG: not of this version; EACCES,
   *   EOPNOTSUPP: no IndexedDB; ECANCELED
   */
  static async open(name: string, options: IndexedDbOptions = {}): Promise<IndexedDbDevice> {
    return build(name, undefined, options, (size, database, lock) => {
      return new IndexedDbDevice(name, size, database, lock, options);
    });
  }

  /** Makes a disk of zeros. EEXIST (see `overwrite`), and as open(). */
  static async create(name: string, options: CreateIndexedDbOptions): Promise<IndexedDbDevice> {
    const sizeBytes = parseSize(options.size);
    checkGeometry(sizeBytes / SECTOR_SIZE, options.blkSize ?? 512, name);
    const made = { sizeBytes, overwrite: options.overwrite === true };
    return build(name, made, options, (size, database, lock) => {
      return new IndexedDbDevice(name, size, database, lock, options);
    });
  }

  async submit(requests: readonly BlockRequest[]): Promise<void> {
    if (this.#closed) {
      refuseClosed(this.name, requests);
      return;
    }
    const admitted = requests.filter((asked) => admit(this.config, asked, this.name));
    for (const asked of admitted) {
      try {
        await this.#carryOut(asked);
      } catch (cause) {
        refuse(asked, domFailure(cause, RequestType[asked.type] ?? "submit", this.name));
      }
    }
  }

  /** What was not flushed is lost. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#database.close();
    this.#clean.clear();
    this.#dirty.clear();
    this.#lock?.release();
  }

  /** Each block that has a record: its number and content, for who wants all of it in memory. */
  async *blocks(): AsyncGenerator<[index: number, bytes: Uint8Array]> {
    for (let after: IDBKeyRange | undefined; ; ) {
      const store = this.#database.transaction("blocks").objectStore("blocks");
      const [keys, values] = await Promise.all([
        result(store.getAllKeys(after, CACHE_BLOCKS)),
        result(store.getAll(after, CACHE_BLOCKS)),
      ]);
      for (const [at, key] of keys.entries()) yield [key as number, values[at] as Uint8Array];
      if (keys.length < CACHE_BLOCKS) return;
      after = IDBKeyRange.lowerBound(keys.at(-1), true);
    }
  }

  async #carryOut(asked: BlockRequest): Promise<void> {
    const { type, sector, data, length } = asked;
    if (type === RequestType.GET_ID) {
      answerId(asked, this.identity.serial);
      return;
    }
    const readOnly = (this.config.features & Feature.RO) !== 0;
    if (type !== RequestType.IN && this.#lost !== undefined && !readOnly) throw this.#lost;
    if (type === RequestType.IN) {
      await this.#each(sector * SECTOR_SIZE, data.length, (block, start, at, size) => {
        if (block === undefined) data.fill(0, at, at + size);
        else data.set(block.subarray(start, start + size), at);
      });
    } else if (type === RequestType.OUT) {
      await this.#change(sector * SECTOR_SIZE, data.length, (block, start, at, size) =>
        block.set(data.subarray(at, at + size), start),
      );
    } else if (type === RequestType.WRITE_ZEROES) {
      await this.#change(sector * SECTOR_SIZE, length * SECTOR_SIZE, (block, start, _, size) =>
        block.fill(0, start, start + size),
      );
    } else if (!readOnly) await this.#flush("strict");
    complete(asked, type === RequestType.IN || type === RequestType.OUT ? data.length : 0);
  }

  /** Visits the blocks of a byte range; those that are not in memory come in one transaction. */
  async #each(
    offset: number,
    length: number,
    visit: (block: Uint8Array | undefined, start: number, at: number, size: number) => void,
  ): Promise<void> {
    const first = Math.floor(offset / BLOCK_SIZE);
    const last = Math.ceil((offset + length) / BLOCK_SIZE);
    const found = await this.#load(range(first, last));
    for (const { index, start, at, size } of blockParts(offset, length, BLOCK_SIZE)) {
      visit(found.get(index), start, at, size);
    }
  }

  async #load(indices: readonly number[]): Promise<Map<number, Uint8Array>> {
    const found = new Map<number, Uint8Array>();
    const missing: number[] = [];
    for (const index of indices) {
      const block = this.#dirty.get(index) ?? this.#clean.get(index);
      if (block === undefined) missing.push(index);
      else found.set(index, block);
    }
    if (missing.length === 0) return found;
    const store = this.#database.transaction("blocks").objectStore("blocks");
    const read = await Promise.all(missing.map((index) => result(store.get(index))));
    for (const [at, index] of missing.entries()) {
      if (read[at] === undefined) continue;
      found.set(index, read[at] as Uint8Array);
      this.#keep(index, read[at] as Uint8Array);
    }
    return found;
  }

  /** Changes the blocks of a byte range; those that change as a whole are not read first. */
  async #change(
    offset: number,
    length: number,
    change: (block: Uint8Array, start: number, at: number, size: number) => void,
  ): Promise<void> {
    for (const { index, start, at, size } of blockParts(offset, length, BLOCK_SIZE)) {
      let block = this.#dirty.get(index);
      if (block === undefined) {
        const whole = size === BLOCK_SIZE;
        const old = whole ? undefined : (await this.#load([index])).get(index);
        block = old?.slice() ?? new Uint8Array(BLOCK_SIZE);
        if (this.#dirty.size >= DIRTY_BLOCKS_MAX) await this.#flush("relaxed");
        this.#clean.delete(index);
        this.#dirty.set(index, block);
      }
      change(block, start, at, size);
    }
  }

  async #flush(durability: "strict" | "relaxed"): Promise<void> {
    try {
      const transaction = this.#database.transaction("blocks", "readwrite", { durability });
      const store = transaction.objectStore("blocks");
      for (const [index, block] of this.#dirty) {
        if (isZero(block)) store.delete(index);
        else store.put(block, index);
      }
      await settled(transaction);
    } catch (cause) {
      // Writes that were answered are not on the disk, so no later FLUSH can be believed.
      this.#lost ??= domFailure(cause, "flush", this.name, await storageRoom());
      throw this.#lost;
    }
    for (const [index, block] of this.#dirty) this.#keep(index, block);
    this.#dirty.clear();
  }

  #keep(index: number, block: Uint8Array): void {
    this.#clean.set(index, block);
    if (this.#clean.size <= CACHE_BLOCKS) return;
    const [oldest] = this.#clean.keys();
    if (oldest !== undefined) this.#clean.delete(oldest);
  }

  #lose(name: string): void {
    const cause = new DOMException("the connection to the database was closed", name);
    this.#lost ??= domFailure(cause, "submit", this.name);
  }
}

/** Removes a disk. It waits until every tab has let go of it. */
export async function removeIndexedDb(name: string): Promise<void> {
  try {
    await result(indexedDB.deleteDatabase(databaseName(name)));
  } catch (cause) {
    throw domFailure(cause, "unlink", name);
  }
}

async function build(
  name: string,
  made: { sizeBytes: number; overwrite: boolean } | undefined,
  options: IndexedDbOptions,
  make: (size: number, database: IDBDatabase, lock: NameLock | undefined) => IndexedDbDevice,
): Promise<IndexedDbDevice> {
  const { readOnly = false, lock = true, signal, growTo } = options;
  throwIfAborted(signal, "open", name);
  if (typeof indexedDB === "undefined") {
    throw failure("EOPNOTSUPP", "open", "there is no IndexedDB here.", { path: name });
  }
  const held = lock && !readOnly ? await lockName(`indexeddb:${name}`, options) : undefined;
  let database: IDBDatabase | undefined;
  try {
    database = await openDatabase(name, made !== undefined);
    const sizeBytes = await describe(database, name, made, growTo);
    throwIfAborted(signal, "open", name);
    return make(sizeBytes, database, held);
  } catch (cause) {
    database?.close();
    held?.release();
    throw domFailure(cause, "open", name, await storageRoom());
  }
}

/** The size of the disk, after it was made or grown as asked. */
async function describe(
  database: IDBDatabase,
  name: string,
  made: { sizeBytes: number; overwrite: boolean } | undefined,
  growTo: number | string | undefined,
): Promise<number> {
  const strict = { durability: "strict" } as const;
  const transaction = database.transaction(["disk", "blocks"], "readwrite", strict);
  const disk = transaction.objectStore("disk");
  const found = (await result(disk.get("disk"))) as Description | undefined;
  if (made !== undefined && found !== undefined && !made.overwrite) {
    const hint = "Choose another name, or allow it to be overwritten.";
    throw failure("EEXIST", "open", `'${name}' exists.`, { path: name, hint });
  }
  if (made === undefined && (found?.version !== VERSION || found.blockSize !== BLOCK_SIZE)) {
    throw failure("EBADMSG", "open", `'${name}' is no disk of this version.`, { path: name });
  }
  const least = growTo === undefined ? 0 : parseSize(growTo);
  const sizeBytes = Math.max(made?.sizeBytes ?? found?.sizeBytes ?? 0, least);
  if (made !== undefined) transaction.objectStore("blocks").clear();
  if (made !== undefined || sizeBytes !== found?.sizeBytes) {
    const description: Description = { version: VERSION, sizeBytes, blockSize: BLOCK_SIZE };
    disk.put(description, "disk");
  }
  await settled(transaction);
  return sizeBytes;
}

function openDatabase(name: string, create: boolean): Promise<IDBDatabase> {
  const opening = indexedDB.open(databaseName(name), VERSION);
  opening.onupgradeneeded = () => {
    // A database that is not there comes into being here; unless it should, that is undone.
    if (!create) {
      opening.transaction?.abort();
      return;
    }
    opening.result.createObjectStore("disk");
    opening.result.createObjectStore("blocks");
  };
  return result(opening).catch((cause: unknown) => {
    if (create || (cause as Error).name !== "AbortError") throw cause;
    throw failure("ENOENT", "open", `'${name}' does not exist in this browser's storage.`, {
      path: name,
      cause,
    });
  });
}

function databaseName(name: string): string {
  return `diskwright:${name}`;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first }, (_, index) => first + index);
}
