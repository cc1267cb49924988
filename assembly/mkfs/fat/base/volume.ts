/**
 * A FAT32 volume in a window of a device: its geometry, read from a boot sector that may lie, and
 * the state that the other files share.
 */
import { Device, deviceClose, deviceFail, deviceOpen, deviceRead } from "../../../engine/device";
import { failPlain } from "../../../engine/fault";
import { allocate, allocateZeroed, release } from "../../../engine/memory";
import { Reason, SECTOR_SHIFT } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  BOOT_BACKUP_SECTOR,
  BOOT_BYTES_PER_SECTOR,
  BOOT_FAT_SIZE,
  BOOT_FAT_SIZE_16,
  BOOT_FATS,
  BOOT_FLAGS,
  BOOT_FSINFO_SECTOR,
  BOOT_JUMP,
  BOOT_LABEL,
  BOOT_MEDIA,
  BOOT_RESERVED_SECTORS,
  BOOT_ROOT_CLUSTER,
  BOOT_ROOT_ENTRIES,
  BOOT_SECTORS_PER_CLUSTER,
  BOOT_SERIAL,
  BOOT_SIGNATURE,
  BOOT_STATE,
  BOOT_TOTAL_SECTORS,
  BOOT_TOTAL_SECTORS_16,
  BOOT_VERSION,
  CLUSTERS_MAX,
  CLUSTERS_MIN,
  FLAG_SINGLE_FAT,
  FSINFO_LEAD,
  FSINFO_LEAD_VALUE,
  FSINFO_NEXT_FREE,
  FSINFO_TRAIL,
  FSINFO_TRAIL_VALUE,
  LABEL_SIZE,
  SEAL_SECTOR,
  SIGNATURE,
} from "../../../format/fat32";

export const SECTOR_SIZE_MAX: u32 = 4096;
const FATS_MAX: u32 = 4;

@unmanaged
export class Fat {
  device: Device;
  /** log2 of the bytes in a sector of the volume, which may be larger than the device's 512. */
  sectorShift: u32;
  /** log2 of the bytes in a cluster. */
  clusterShift: u32;
  /** Copies of the FAT that are written, and the first one in use. */
  fats: u32;
  firstFat: u32;
  /** Copies of the FAT on the disk. */
  copies: u32;
  /** Clusters are numbered 2 to clusters + 1. */
  clusters: u32;
  rootCluster: u32;
  /** In sectors of the volume; 0 means there is none. */
  fsinfoSector: u32;
  backupSector: u32;
  reservedSectors: u32;
  /** In sectors of the volume. */
  fatSectors: u32;
  serial: u32;
  /** The boot sector was found with its dirty bit set. */
  wasDirty: bool;
  readOnly: bool;
  /** The volume is marked dirty on the disk, by us. */
  marked: bool;
  /** Something was changed since the last commit. */
  changed: bool;
  /** A write failed: what is on the disk is unknown, nothing more is written. */
  latched: ErrorCode;
  /** The free clusters have been counted: freeCount is exact. */
  counted: bool;
  freeCount: u32;
  nextFree: u32;
  /** Changes to entries and chains so far: a remembered position is stale when this moved. */
  revision: u32;
  /** Milliseconds since 1970 for what is written, or NaN: ask the host. */
  timestamp: f64;
  /** Cached windows of the FAT (table.ts), loaded directories (directory.ts). */
  windows: usize;
  lastWindow: usize;
  stamp: u32;
  directories: usize;
  /** Chains to free once the directories no longer name them: u32 start clusters. */
  frees: usize;
  freesCount: u32;
  freesRoom: u32;
  /** Runs of new directory clusters to zero before the FAT names them: pairs of u32. */
  fresh: usize;
  freshCount: u32;
  freshRoom: u32;
  /** Open writers. */
  users: u32;
  /** Where the last read stood: cluster number `placeIndex` of the chain from placeFirst. */
  placeFirst: u32;
  placeIndex: u32;
  placeCluster: u32;
  placeRevision: u32;
  /** The label of the boot sector, LABEL_SIZE bytes. */
  label: usize;
  /** One sector, for boot sector, FSInfo and seal. */
  scratch: usize;
}

/** Bytes in a sector of the volume. */
export function sectorSize(fat: Fat): u32 {
  return (<u32>1) << fat.sectorShift;
}

/** Bytes in a cluster. */
export function clusterSize(fat: Fat): u32 {
  return (<u32>1) << fat.clusterShift;
}

/** A sector of the volume in sectors of 512 from the window's start. */
export function deviceSector(fat: Fat, sector: u64): u64 {
  return sector << (<u64>fat.sectorShift - 9);
}

/** Where a cluster starts, in sectors of 512 from the window's start. */
export function clusterSector(fat: Fat, cluster: u32): u64 {
  assert(cluster >= 2 && cluster < fat.clusters + 2);
  return dataSector(fat) + ((<u64>(cluster - 2)) << (<u64>fat.clusterShift - 9));
}

/** Where the clusters begin, in sectors of 512 from the window's start. */
function dataSector(fat: Fat): u64 {
  const sectors = <u64>fat.reservedSectors + <u64>fat.copies * <u64>fat.fatSectors;
  return deviceSector(fat, sectors);
}

/** True if `cluster` is one of the volume. */
export function isCluster(fat: Fat, cluster: u32): bool {
  return cluster >= 2 && cluster < fat.clusters + 2;
}

/** Records damage at sector `sector` of 512 of the window. */
export function damaged(fat: Fat, reason: Reason, sector: u64, detail: u32): ErrorCode {
  return deviceFail(fat.device, ErrorCode.EBADMSG, reason, sector, detail);
}

/**
 * Opens the volume in the window [base, base + sectors) of a device; 0 sectors: to its end.
 * Answers null after a fault: EMEDIUMTYPE (not FAT32), EBADMSG (it lies), EIO, ENOMEM, ERANGE.
 */
export function fatOpen(
  id: u32,
  base: u64,
  sectors: u64,
  readOnly: bool,
  timestamp: f64,
): Fat | null {
  const device = deviceOpen(id, base, sectors, readOnly);
  if (device === null) return null;
  const address = allocateZeroed(offsetof<Fat>());
  const scratch = allocate(SECTOR_SIZE_MAX + 32);
  if (address === 0 || scratch === 0) {
    failPlain(ErrorCode.ENOMEM);
    release(address, offsetof<Fat>());
    release(scratch, SECTOR_SIZE_MAX + 32);
    deviceClose(device);
    return null;
  }
  const fat = changetype<Fat>(address);
  fat.device = device;
  fat.scratch = scratch;
  fat.label = scratch + SECTOR_SIZE_MAX;
  fat.timestamp = timestamp;
  fat.readOnly = device.readOnly;
  if (readBoot(fat) === ErrorCode.OK && readHint(fat) === ErrorCode.OK) return fat;
  fatRelease(fat);
  return null;
}

/** Gives back the volume itself; its caches must be gone. */
export function fatRelease(fat: Fat): void {
  release(fat.scratch, SECTOR_SIZE_MAX + 32);
  deviceClose(fat.device);
  release(changetype<usize>(fat), offsetof<Fat>());
}

function readBoot(fat: Fat): ErrorCode {
  const device = fat.device;
  const boot = fat.scratch;
  if (device.sectors === 0) return foreign(fat, BOOT_SIGNATURE);
  const code = deviceRead(device, 0, boot, device.blockSize);
  if (code !== ErrorCode.OK) return code;
  if (load<u16>(boot, BOOT_SIGNATURE) !== <u16>SIGNATURE) return foreign(fat, BOOT_SIGNATURE);
  const jump = load<u8>(boot, BOOT_JUMP);
  const short = jump === 0xeb && load<u8>(boot, BOOT_JUMP + 2) === 0x90;
  if (jump !== 0xe9 && !short) return foreign(fat, BOOT_JUMP);
  if (load<u16>(boot, BOOT_FAT_SIZE_16) !== 0) return foreign(fat, BOOT_FAT_SIZE_16);
  if (load<u16>(boot, BOOT_ROOT_ENTRIES) !== 0) return foreign(fat, BOOT_ROOT_ENTRIES);
  const sector = <u32>load<u16>(boot, BOOT_BYTES_PER_SECTOR);
  if (sector < 512 || sector > SECTOR_SIZE_MAX || popcnt<u32>(sector) !== 1) {
    return foreign(fat, BOOT_BYTES_PER_SECTOR);
  }
  fat.sectorShift = ctz<u32>(sector);
  // A volume of smaller sectors than the device's blocks can be read, not written.
  if (sector < device.blockSize) fat.readOnly = true;
  const field = readGeometry(fat, boot);
  if (field !== 0) return damaged(fat, Reason.FAT_BOOT, 0, field);
  const bytes = (<u64>load<u32>(boot, BOOT_TOTAL_SECTORS)) << fat.sectorShift;
  if (bytes >>> SECTOR_SHIFT > device.sectors) return damaged(fat, Reason.CAPACITY, 0, 0x20);
  fat.serial = load<u32>(boot, BOOT_SERIAL);
  fat.wasDirty = (load<u8>(boot, BOOT_STATE) & 1) !== 0;
  memory.copy(fat.label, boot + BOOT_LABEL, LABEL_SIZE);
  return ErrorCode.OK;
}

/** Takes the geometry from a boot sector; answers 0, or the offset of the first field that lies. */
function readGeometry(fat: Fat, boot: usize): u32 {
  const perCluster = <u32>load<u8>(boot, BOOT_SECTORS_PER_CLUSTER);
  if (perCluster === 0 || perCluster > 128 || popcnt<u32>(perCluster) !== 1) {
    return BOOT_SECTORS_PER_CLUSTER;
  }
  fat.clusterShift = fat.sectorShift + ctz<u32>(perCluster);
  fat.reservedSectors = load<u16>(boot, BOOT_RESERVED_SECTORS);
  if (fat.reservedSectors === 0) return BOOT_RESERVED_SECTORS;
  const copies = <u32>load<u8>(boot, BOOT_FATS);
  if (copies === 0 || copies > FATS_MAX) return BOOT_FATS;
  fat.copies = copies;
  if (load<u16>(boot, BOOT_TOTAL_SECTORS_16) !== 0) return BOOT_TOTAL_SECTORS_16;
  const media = load<u8>(boot, BOOT_MEDIA);
  if (media !== 0xf0 && media < 0xf8) return BOOT_MEDIA;
  if (load<u16>(boot, BOOT_VERSION) !== 0) return BOOT_VERSION;
  fat.fatSectors = load<u32>(boot, BOOT_FAT_SIZE);
  const total = <u64>load<u32>(boot, BOOT_TOTAL_SECTORS);
  const head = <u64>fat.reservedSectors + <u64>copies * <u64>fat.fatSectors;
  if (fat.fatSectors === 0 || head >= total) return BOOT_FAT_SIZE;
  const clusters = (total - head) / <u64>perCluster;
  if (clusters < <u64>CLUSTERS_MIN || clusters > <u64>CLUSTERS_MAX) return BOOT_TOTAL_SECTORS;
  fat.clusters = <u32>clusters;
  const entries = ((<u64>fat.fatSectors) << fat.sectorShift) >>> 2;
  if (entries < clusters + 2) return BOOT_FAT_SIZE;
  fat.rootCluster = load<u32>(boot, BOOT_ROOT_CLUSTER);
  if (!isCluster(fat, fat.rootCluster)) return BOOT_ROOT_CLUSTER;
  return readPlaces(fat, boot, copies);
}

function readPlaces(fat: Fat, boot: usize, copies: u32): u32 {
  const flags = <u32>load<u16>(boot, BOOT_FLAGS);
  const single = (flags & FLAG_SINGLE_FAT) !== 0;
  fat.firstFat = single ? flags & 15 : 0;
  fat.fats = single ? 1 : copies;
  if (fat.firstFat >= copies) return BOOT_FLAGS;
  const info = <u32>load<u16>(boot, BOOT_FSINFO_SECTOR);
  if (info !== 0xffff && info >= fat.reservedSectors) return BOOT_FSINFO_SECTOR;
  fat.fsinfoSector = info === 0xffff ? 0 : info;
  const backup = <u32>load<u16>(boot, BOOT_BACKUP_SECTOR);
  if (backup !== 0xffff && backup >= fat.reservedSectors) return BOOT_BACKUP_SECTOR;
  if (backup !== 0 && backup === info) return BOOT_BACKUP_SECTOR;
  fat.backupSector = backup === 0xffff ? 0 : backup;
  return 0;
}

/** Takes the hint where to look for free clusters from FSInfo, if it is one. */
function readHint(fat: Fat): ErrorCode {
  fat.nextFree = 2;
  if (fat.fsinfoSector === 0) return ErrorCode.OK;
  const code = sectorRead(fat, fat.fsinfoSector);
  if (code !== ErrorCode.OK) return code;
  const info = fat.scratch;
  if (load<u32>(info, FSINFO_LEAD) !== FSINFO_LEAD_VALUE) return ErrorCode.OK;
  if (load<u32>(info, FSINFO_TRAIL) !== FSINFO_TRAIL_VALUE) return ErrorCode.OK;
  const hint = load<u32>(info, FSINFO_NEXT_FREE);
  if (isCluster(fat, hint)) fat.nextFree = hint;
  return ErrorCode.OK;
}

/** Reads sector `sector` of the volume into the scratch sector. */
export function sectorRead(fat: Fat, sector: u32): ErrorCode {
  return deviceRead(fat.device, deviceSector(fat, sector), fat.scratch, sectorSize(fat));
}

/** True if the reserved sectors have room for the seal beside boot sector, FSInfo and backups. */
export function hasSeal(fat: Fat): bool {
  if (fat.fsinfoSector === 0 || fat.reservedSectors <= SEAL_SECTOR) return false;
  const backup = fat.backupSector;
  const taken = backup === SEAL_SECTOR || backup + 1 === SEAL_SECTOR;
  return !taken && fat.fsinfoSector !== SEAL_SECTOR;
}

function foreign(fat: Fat, field: u32): ErrorCode {
  return deviceFail(fat.device, ErrorCode.EMEDIUMTYPE, Reason.FAT_BOOT, 0, field);
}
