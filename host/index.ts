/** What embedders import. */
export { StorageError } from "./base/errors.ts";
export type { HashLike } from "./base/hash.ts";
export type { StoreEntry, StoreFinding, StoreOptions, StoreStat } from "./base/objects.ts";
export { Core } from "./core/load.ts";
export { Store } from "./core/store.ts";
export type { BlockDevice, BlockRequest, DeviceConfig } from "./device/device.ts";
