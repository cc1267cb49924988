/** What the package gives where there is Node and where there is none. */

export { StorageError } from "./base/errors.ts";
export type { HashLike } from "./base/hash.ts";
export { toHex } from "./base/hash.ts";
export type { StoreEntry, StoreFinding, StoreStat } from "./base/objects.ts";
export type { ByteSource } from "./base/platform/source.ts";
export { memorySource } from "./base/platform/source.ts";
export { finish, type ProgressEvent, type RunOptions, run, type Work } from "./base/work.ts";
export { FatVolume } from "./core/fat.ts";
export {
  buildImage,
  type CheckOptions,
  type FileFinding,
  FileSystem,
  openImage,
} from "./core/files.ts";
export * as Gpt from "./core/gpt.ts";
export {
  DiskDirectoryHandle,
  DiskFileHandle,
  type DiskHandle,
  rootHandle,
} from "./core/handles/handles.ts";
export { Core, loadModules, type ModuleSource, type ModuleSources } from "./core/load.ts";
export {
  type BootImage,
  type IsoFile,
  type IsoStat,
  IsoVolume,
} from "./core/media/iso.ts";
export { MediaCore } from "./core/media/load.ts";
export { openIso } from "./core/media/open.ts";
export type { Directory } from "./core/node/async/directory.ts";
export type { FileHandle } from "./core/node/async/handle.ts";
export type { FilePromises } from "./core/node/async/promises.ts";
export type { ImageEntry } from "./core/node/image.ts";
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
export { MemoryDevice } from "./device/local/memory.ts";
export { type AccountRecord, decodeAccount, encodeAccount } from "./format/account.ts";
export {
  decodeGeneration,
  encodeGeneration,
  type GenerationObject,
} from "./format/generation.ts";
export { accountFromJson, manifestFromJson, overlayFromJson } from "./format/json/records.ts";
export { parseJson } from "./format/json/text.ts";
export { decodeManifest, encodeManifest, type SystemManifest } from "./format/manifest.ts";
export { decodeOverlay, encodeOverlay, type SystemConfigOverlay } from "./format/overlay.ts";
export { decodePointer, encodePointer, type GenerationPointer } from "./format/pointer.ts";
export { Nvram } from "./system/boot/nvram.ts";
export { CAPOS, type Profile, RAYOS } from "./system/boot/select.ts";
export { type BootEvent, type Step, step } from "./system/boot/transition.ts";
export { Capability, type CapKind, Grant } from "./system/caps/base/grant.ts";
export type { Tree, TreeEntry, TreeFile, TreeNode } from "./system/caps/base/tree.ts";
export { type Binding, DirectoryBindings, MemoryBindings } from "./system/caps/bindings.ts";
export { BlockCap, type BlockInfo, type BlockOptions } from "./system/caps/block.ts";
export {
  ConsoleCap,
  ConsoleLog,
  type ConsoleOptions,
  HistoryCap,
} from "./system/caps/console.ts";
export { DirectoryCap, type DirectoryOptions, type OpenOptions } from "./system/caps/directory.ts";
export { FileCap, type FileRights, type FileStat } from "./system/caps/file.ts";
export { NamespaceCap } from "./system/caps/namespace.ts";
export {
  CapException,
  EXCEPTION_KINDS,
  type ExceptionKind,
  OUTCOME_CODES,
  type Outcome,
  type OutcomeCode,
  OutcomeError,
  TransportStatus,
  unwrap,
} from "./system/caps/outcome.ts";
export { type ObjectBackend, StoreCap, type StoreRights } from "./system/caps/store.ts";
export { CapTable } from "./system/caps/table.ts";
export { FatTree } from "./system/caps/tree/fat.ts";
export { FilesTree } from "./system/caps/tree/files.ts";
export { IsoTree } from "./system/caps/tree/iso.ts";
export { MemoryTree } from "./system/caps/tree/memory.ts";
export {
  type BootPlan,
  type Composition,
  compose,
  composeBytes,
  readOverlay,
  refusalText,
} from "./system/config/compose.ts";
export {
  type CreateDiskOptions,
  createDiskOn,
  Disk,
  type DiskSource,
  type OpenDiskOptions,
  openDiskOn,
} from "./system/disk/disk.ts";
export { DiskFiles } from "./system/disk/files.ts";
export type { Durability } from "./system/disk/group.ts";
export { DiskStore } from "./system/disk/store.ts";
export { drawDisk } from "./system/draw.ts";
export { memoryTree } from "./system/image/folder.ts";
export { type MakeDiskOptions, makeDisk } from "./system/image/mkdisk.ts";
export { inspectDisk } from "./system/inspect.ts";
export { type InstallOptions, install, planOf } from "./system/install/install.ts";
export { type BootReport, Machine, type MachineOptions } from "./system/machine.ts";
export { findRegion } from "./system/place.ts";
export { installRayos, planRayosWork } from "./system/rayos/install.ts";
export type { RayosPlan, RayosReport, RayosRequest } from "./system/rayos/plan/types.ts";
export {
  consolePrefix,
  runService,
  type ServiceOptions,
  type ServiceReport,
  type ServiceStatus,
} from "./system/service/runner.ts";
export {
  loadServices,
  SHIPPED_SERVICES,
  type ShippedService,
  shippedService,
} from "./system/service/shipped.ts";
export {
  type Change,
  cancel,
  type FlowReport,
  provision,
  recover,
  rollback,
  update,
} from "./system/update/flows.ts";
export { type SystemStatus, statusOf } from "./system/update/status.ts";
export { type InstalledSystem, openSystem } from "./system/update/system.ts";
export { verifyDisk } from "./system/verify.ts";
