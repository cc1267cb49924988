/**
 * Disks in IndexedDB, for browsers and windows without a filesystem for pages: a database for each
 * disk and for each medium, and the catalogue.
 *
 * The core cannot wait for IndexedDB. Where threads may share memory it sleeps until another worker
 * has answered (far.ts); else it works in memory, and a journal goes out behind it.
 */
import type { StorageError } from "../../../base/errors.ts";
import { domFailure, storageRoom } from "../../../base/web/dom.ts";
import { BLOCK_SIZE, IndexedDbDevice, removeIndexedDb } from "../../../device/local/indexeddb.ts";
import { lockName } from "../../../device/local/locks.ts";
import { canBridge } from "../../../device/wrap/bridge/client.ts";
import { JournalDevice } from "../../../device/wrap/bridge/journal.ts";
import type { DiskEntry } from "../../rpc/api.ts";
import { forgetDisk, type KeptDisk, keepDisk, keptDisk, keptDisks } from "./catalogue.ts";
import { openFar } from "./far.ts";
import {
  alreadyThere,
  checkName,
  type Note,
  notThere,
  type Part,
  type Shelf,
  type ShelfDevice,
} from "./shelf.ts";

const FILES = { disk: "disk.img", medium: "medium.img" } as const;
const GAP_BYTES = 1 << 20;

export class IndexedDbShelf implements Shelf {
  readonly kind = "indexeddb";
  readonly why: string;
  #isFar = canBridge();

  private constructor(why: string) {
    this.why = why;
  }

  /**
   * @param why there is nothing better, a sentence
   * @throws {StorageError} EOPNOTSUPP, EACCES, EIO: nor is there an IndexedDB that works
   */
  static async open(why: string): Promise<IndexedDbShelf> {
    await keptDisks();
    return new IndexedDbShelf(why);
  }

  get flush(): string {
    return this.#isFar
      ? "waits until IndexedDB has committed one strict transaction, in a worker of its own"
      : "is answered from memory and goes out in order, a strict transaction of IndexedDB each; " +
          "a step is told as done once it is committed";
  }

  async list(): Promise<DiskEntry[]> {
    const disks = await keptDisks();
    return disks.map(([name, { sizeBytes, note }]) => {
      return { name, sizeBytes, payload: note.payload };
    });
  }

  async create(name: string, sizeBytes: number): Promise<void> {
    checkName(name);
    if ((await keptDisk(name)) !== undefined) throw alreadyThere(name);
    const path = pathOf(name, "disk");
    const lock = await lockName(`indexeddb:${path}`);
    try {
      // Another tab may have made it since.
      if ((await keptDisk(name)) !== undefined) throw alreadyThere(name);
      // A database that the catalogue does not know: the page ended while it was made.
      const options = { size: sizeBytes, overwrite: true, lock: false };
      await (await IndexedDbDevice.create(path, options)).close();
      await keepDisk(name, { sizeBytes, note: {} });
    } finally {
      lock?.release();
    }
  }

  /** The record goes last: what was cut short can be deleted again. */
  async remove(name: string): Promise<void> {
    await this.#disk(name);
    try {
      // The lock says whether another tab has it open.
      await (await IndexedDbDevice.open(pathOf(name, "disk"))).close();
    } catch (error) {
      if ((error as StorageError).code !== "ENOENT") throw error;
    }
    await removeIndexedDb(pathOf(name, "medium"));
    await removeIndexedDb(pathOf(name, "disk"));
    await forgetDisk(name);
  }

  async open(name: string, part: Part, options: { readOnly?: boolean } = {}): Promise<ShelfDevice> {
    const { readOnly = false } = options;
    const path = pathOf(name, part);
    try {
      return this.#isFar ? await openFar(path, readOnly) : await openJournal(path, readOnly);
    } catch (error) {
      const { code } = error as StorageError;
      if (code === "ENOENT") throw notThere(name, part);
      if (!this.#isFar || code !== "EOPNOTSUPP") throw error;
      this.#isFar = false;
      return openJournal(path, readOnly);
    }
  }

  async makeMedium(name: string, sizeBytes: number): Promise<ShelfDevice> {
    const path = pathOf(name, "medium");
    await (await IndexedDbDevice.create(path, { size: sizeBytes, overwrite: true })).close();
    return this.open(name, "medium");
  }

  async dropMedium(name: string): Promise<void> {
    await removeIndexedDb(pathOf(name, "medium")).catch(() => undefined);
  }

  async readNote(name: string): Promise<Note> {
    return (await keptDisk(name))?.note ?? {};
  }

  async writeNote(name: string, note: Note): Promise<void> {
    await keepDisk(name, { ...(await this.#disk(name)), note });
  }

  /** What was never written takes no room in it. */
  async file(name: string): Promise<Blob> {
    const { sizeBytes } = await this.#disk(name);
    const path = pathOf(name, "disk");
    const device = await IndexedDbDevice.open(path, { readOnly: true });
    const gap = new Blob([new Uint8Array(GAP_BYTES)]);
    const pieces: BlobPart[] = [];
    let end = 0;
    const skipTo = (offset: number) => {
      for (; end < offset; end += Math.min(GAP_BYTES, offset - end)) {
        pieces.push(gap.slice(0, Math.min(GAP_BYTES, offset - end)));
      }
    };
    try {
      for await (const [index, bytes] of device.blocks()) {
        skipTo(index * BLOCK_SIZE);
        const kept = bytes.subarray(0, Math.min(BLOCK_SIZE, sizeBytes - end));
        pieces.push(new Blob([kept as Uint8Array<ArrayBuffer>]));
        end += kept.length;
      }
      skipTo(sizeBytes);
      return new Blob(pieces);
    } catch (cause) {
      throw domFailure(cause, "read", path, await storageRoom());
    } finally {
      await device.close();
    }
  }

  async #disk(name: string): Promise<KeptDisk> {
    const kept = await keptDisk(name);
    if (kept === undefined) throw notThere(name);
    return kept;
  }
}

async function openJournal(path: string, readOnly: boolean): Promise<ShelfDevice> {
  const below = await IndexedDbDevice.open(path, { readOnly });
  try {
    return await JournalDevice.open(below);
  } catch (error) {
    await below.close();
    throw error;
  }
}

function pathOf(name: string, part: Part): string {
  return `${name}/${FILES[part]}`;
}
