/**
 * What embedders import: a disk as one object, and the synchronous classes underneath.
 *
 * @example
 * import { createDisk } from "diskwright";
 * const disk = await createDisk("disk.img", { size: "256MiB", layout: "capos" });
 * const hash = await disk.store.put(new TextEncoder().encode("hello"));
 * await disk.close();
 */
export { StorageError } from "./base/errors.ts";
export type { HashLike } from "./base/hash.ts";
export { toHex } from "./base/hash.ts";
export type { StoreEntry, StoreFinding, StoreStat } from "./base/objects.ts";
export {
  buildImage,
  type CheckOptions,
  type FileFinding,
  FileSystem,
  openImage,
} from "./core/files.ts";
export * as Gpt from "./core/gpt.ts";
export { Core } from "./core/load.ts";
export {
  type BootImage,
  type IsoFile,
  type IsoStat,
  IsoVolume,
} from "./core/media/iso.ts";
export { MediaCore } from "./core/media/load.ts";
export type { ImageEntry } from "./core/node/image.ts";
export type { FilePromises } from "./core/node/promises.ts";
export type { BigIntStats, Dirent, Stats, StatsFs } from "./core/node/stats.ts";
export { Region } from "./core/region.ts";
export { Store } from "./core/store.ts";
export type {
  BlockDevice,
  BlockRequest,
  DeviceConfig,
  DeviceIdentity,
  DurabilityClaim,
} from "./device/device.ts";
export { FileDevice } from "./device/local/file.ts";
export { MemoryDevice } from "./device/local/memory.ts";
export {
  type CreateDiskOptions,
  createDisk,
  Disk,
  type DiskFiles,
  type DiskSource,
  type OpenDiskOptions,
  openDisk,
} from "./system/disk/disk.ts";
export type { Durability } from "./system/disk/group.ts";
export { DiskStore } from "./system/disk/store.ts";
