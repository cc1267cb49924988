/**
 * What pages and workers import: the same as in Node but for what lies on this machine's own disks.
 *
 * @example
 * import { createDiskOn, loadModules, MemoryDevice } from "diskwright";
 * await loadModules();
 * const device = new MemoryDevice({ size: "256MiB" });
 * const disk = await createDiskOn(device, { layout: "capos" }, { owned: true });
 */
import { loadModules as load, type ModuleSources } from "./core/load.ts";

export { type CarriedError, packError, unpackError } from "./base/web/carry.ts";
export type { StorageRoom } from "./base/web/dom.ts";
export type { AsyncBlockDevice } from "./device/async.ts";
export { IndexedDbDevice, removeIndexedDb } from "./device/local/indexeddb.ts";
export { lockName, type NameLock } from "./device/local/locks.ts";
export { OpfsDevice, opfsExists, removeOpfs } from "./device/local/opfs.ts";
export { HttpRangeDevice, HttpSyncDevice } from "./device/remote/http.ts";
export { BridgeDevice, canBridge, cancelBridge } from "./device/wrap/bridge/client.ts";
export { JournalDevice } from "./device/wrap/bridge/journal.ts";
export { type BridgeEnd, type Served, serveDevice } from "./device/wrap/bridge/servant.ts";
export { OverlayDevice } from "./device/wrap/overlay.ts";
export * from "./portable.ts";

/**
 * Loads core.wasm and media.wasm, so that `new Core()` and `new MediaCore()` work at once from then
 * on.
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
