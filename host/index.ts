/** What embedders import. */
export { StorageError } from "./base/errors.ts";
export { Core } from "./core/load.ts";
export type { BlockDevice, BlockRequest, DeviceConfig } from "./device/device.ts";
