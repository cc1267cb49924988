/**
 * What the page knows of its disks in IndexedDB, beside their bytes: a record each, by name, in a
 * database of its own. It is opened anew for each call, as the browser may have evicted it since.
 */
import { domFailure, storageRoom } from "../../../base/web/dom.ts";
import { result, settled } from "../../../base/web/idb.ts";
import type { Note } from "./shelf.ts";

export interface KeptDisk {
  readonly sizeBytes: number;
  readonly note: Note;
}

const NAME = "diskwright-page";
const VERSION = 1;
const STORE = "disks";

/** In the order of their names. */
export async function keptDisks(): Promise<[name: string, disk: KeptDisk][]> {
  return inCatalogue("readonly", async (store) => {
    const [names, disks] = await Promise.all([
      result(store.getAllKeys()),
      result(store.getAll() as IDBRequest<KeptDisk[]>),
    ]);
    return names.map((name, index) => [name as string, disks[index] as KeptDisk]);
  });
}

export async function keptDisk(name: string): Promise<KeptDisk | undefined> {
  return inCatalogue("readonly", (store) => result(store.get(name)));
}

/** Durable when it resolves. */
export async function keepDisk(name: string, disk: KeptDisk): Promise<void> {
  await inCatalogue("readwrite", (store) => result(store.put(disk, name)));
}

export async function forgetDisk(name: string): Promise<void> {
  await inCatalogue("readwrite", (store) => result(store.delete(name)));
}

async function inCatalogue<T>(
  mode: IDBTransactionMode,
  use: (store: IDBObjectStore) => Promise<T>,
): Promise<T> {
  let database: IDBDatabase | undefined;
  try {
    const opening = indexedDB.open(NAME, VERSION);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    database = await result(opening);
    const transaction = database.transaction(STORE, mode, { durability: "strict" });
    const ended = settled(transaction);
    const [value] = await Promise.all([use(transaction.objectStore(STORE)), ended]);
    return value;
  } catch (cause) {
    throw domFailure(cause, mode === "readonly" ? "read" : "write", NAME, await storageRoom());
  } finally {
    database?.close();
  }
}
