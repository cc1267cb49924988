/**
 * What pages and workers import: the same as in Node but for what lies on this machine's own disks.
 *
 * @example
 * import { createDisk } from "diskwright";
 * const disk = await createDisk("opfs:disk.img", { size: "256MiB" });
 * await disk.fs.promises.writeFile("/etc/motd", "hello");
 * await disk.close();
 */
import { loadModules as load, loadedModules, type ModuleSources } from "./core/load.ts";
import { isDevice } from "./system/disk/disk.ts";
import type { AsyncDisk } from "./system/disk/remote/disk.ts";
import {
  type CreateWebDiskOptions,
  createWebDisk,
  type OpenWebDiskOptions,
  openWebDisk,
  type WebDiskSource,
} from "./system/disk/web/open.ts";

export { type CarriedError, packError, unpackError } from "./base/web/carry.ts";
export type { StorageRoom } from "./base/web/dom.ts";
export type { AsyncBlockDevice } from "./device/async.ts";
export { IndexedDbDevice, removeIndexedDb } from "./device/local/indexeddb.ts";
export { lockName, type NameLock } from "./device/local/locks.ts";
export { OpfsDevice, opfsEnded, opfsExists, removeOpfs } from "./device/local/opfs.ts";
export { HttpRangeDevice, HttpSyncDevice } from "./device/remote/http.ts";
export { BridgeDevice, canBridge, cancelBridge } from "./device/wrap/bridge/client.ts";
export { JournalDevice } from "./device/wrap/bridge/journal.ts";
export { type BridgeEnd, type Served, serveDevice } from "./device/wrap/bridge/servant.ts";
export { OverlayDevice } from "./device/wrap/overlay.ts";
export * from "./portable.ts";
export type { AsyncDisk } from "./system/disk/remote/disk.ts";
export type {
  CreateWebDiskOptions,
  OpenWebDiskOptions,
  WebDiskSource,
} from "./system/disk/web/open.ts";

/**
 * Loads core.wasm and media.wasm, so that `new Core()` and `new MediaCore()` work at once from then
 * on. openDisk() and createDisk() do so by themselves.
 *
 * @param sources where they are; by default beside this file
 * @throws {StorageError} ENOENT, EIO: a module cannot be fetched or is none
 */
export function loadModules(sources: ModuleSources = {}): Promise<void> {
  return load({
    core: sources.core ?? new URL("./core.wasm", import.meta.url),
    media: sources.media ?? new URL("./media.wasm", import.meta.url),
  });
}

/**
 * Opens the disk of a name in a worker of its own, or the one on a device in this thread.
 *
 * @param source `opfs:PATH` or `idb:NAME`, both also with `:N` behind for partition N; an address
 *   of the web, to be read; `mem:SIZE`; or a device
 * @throws {StorageError} as openDisk() of Node, and EIO: the worker could not be started
 */
export async function openDisk(
  source: WebDiskSource,
  options: OpenWebDiskOptions = {},
): Promise<AsyncDisk> {
  await loadFor(source);
  return openWebDisk(source, options, startWorker);
}

/** Makes a disk and opens it, likewise. `size` says how large; not for a device or `mem:SIZE`. */
export async function createDisk(
  source: WebDiskSource,
  options: CreateWebDiskOptions = {},
): Promise<AsyncDisk> {
  await loadFor(source);
  return createWebDisk(source, options, startWorker);
}

function startWorker(): Worker {
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}

async function loadFor(source: WebDiskSource): Promise<void> {
  if (isDevice(source) && loadedModules().core === undefined) await loadModules();
}
