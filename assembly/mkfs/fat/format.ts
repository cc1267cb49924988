/** Makes an empty FAT32 volume: geometry by Microsoft's table, all else from what is given. */
import {
  Device,
  deviceClose,
  deviceFail,
  deviceFlush,
  deviceOpen,
  deviceQueueWrite,
  deviceSubmit,
  deviceWrite,
  deviceZero,
} from "../../engine/device";
import { failPlain } from "../../engine/fault";
import { crc32c } from "../../engine/hash/crc";
import { allocateZeroed, release } from "../../engine/memory";
import { requestsBegin } from "../../engine/requests";
import { Reason, SECTOR_SHIFT } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  ATTRIBUTE_LABEL,
  BOOT_BACKUP_SECTOR,
  BOOT_BYTES_PER_SECTOR,
  BOOT_CODE,
  BOOT_DRIVE,
  BOOT_EXTENDED_SIGNATURE,
  BOOT_FAT_SIZE,
  BOOT_FATS,
  BOOT_FSINFO_SECTOR,
  BOOT_HEADS,
  BOOT_HIDDEN_SECTORS,
  BOOT_JUMP,
  BOOT_LABEL,
  BOOT_MEDIA,
  BOOT_OEM_NAME,
  BOOT_RESERVED_SECTORS,
  BOOT_ROOT_CLUSTER,
  BOOT_SECTORS_PER_CLUSTER,
  BOOT_SECTORS_PER_TRACK,
  BOOT_SERIAL,
  BOOT_SIGNATURE,
  BOOT_TOTAL_SECTORS,
  BOOT_TYPE_NAME,
  CLUSTER_END,
  CLUSTER_MASK,
  CLUSTERS_MAX,
  CLUSTERS_MIN,
  ENTRY_ATTRIBUTES,
  EXTENDED_SIGNATURE,
  FSINFO_SIZE,
  LABEL_SIZE,
  MEDIA_FIXED,
  SEAL_SECTOR,
  SIGNATURE,
} from "../../format/fat32";
import { entryStamp } from "./base/entries";
import { infoMake, sealStore } from "./base/seal";

const RESERVED: u32 = 32;
const FSINFO: u32 = 1;
const BACKUP: u32 = 6;
const FATS: u32 = 2;
const ROOT: u32 = 2;
const CLUSTER_SIZE_MAX: u32 = 65536;
/** Sectors to which the FAT is rounded up, so that clusters of 4 KiB start on 4 KiB. */
const FAT_ALIGNMENT: u32 = 8;

/** MS-DOS 8.3 characters: "MSWIN4.1" is what the specification recommends as the OEM name. */
const oemName: usize = memory.data<u8>([0x4d, 0x53, 0x57, 0x49, 0x4e, 0x34, 0x2e, 0x31]);
const typeName: usize = memory.data<u8>([0x46, 0x41, 0x54, 0x33, 0x32, 0x20, 0x20, 0x20]);
const noName: usize = memory.data<u8>([
  0x4e, 0x4f, 0x20, 0x4e, 0x41, 0x4d, 0x45, 0x20, 0x20, 0x20, 0x20,
]);
/**
 * 16-bit code at 0x7c5a: prints the text at 0x7c72 through INT 10h, then halts. The text:
 * "This volume does not start by BIOS.\r\n".
 */
const code16: usize = memory.data<u8>([
  0x31, 0xc0, 0x8e, 0xd8, 0xbe, 0x72, 0x7c, 0xac, 0x84, 0xc0, 0x74, 0x09, 0xb4, 0x0e, 0xbb, 0x07,
  0x00, 0xcd, 0x10, 0xeb, 0xf2, 0xf4, 0xeb, 0xfd, 0x54, 0x68, 0x69, 0x73, 0x20, 0x76, 0x6f, 0x6c,
  0x75, 0x6d, 0x65, 0x20, 0x64, 0x6f, 0x65, 0x73, 0x20, 0x6e, 0x6f, 0x74, 0x20, 0x73, 0x74, 0x61,
  0x72, 0x74, 0x20, 0x62, 0x79, 0x20, 0x42, 0x49, 0x4f, 0x53, 0x2e, 0x0d, 0x0a, 0x00,
]);
const CODE_SIZE: u32 = 62;

/** The geometry that plan() found. */
let clusterSectors: u32 = 0;
let fatSectors: u32 = 0;
let totalSectors: u32 = 0;
let clusters: u32 = 0;

/**
 * Formats the window [base, base + sectors) of a device; 0 sectors: to its end. `clusterSize` 0:
 * by the table. `label`: LABEL_SIZE bytes padded with spaces, all spaces for none.
 * EINVAL: the cluster size does not fit; ENOSPC: too small for FAT32; EFBIG: too large.
 */
export function fatFormat(
  id: u32,
  base: u64,
  sectors: u64,
  serial: u32,
  clusterSize: u32,
  timestamp: f64,
  label: usize,
): ErrorCode {
  const device = deviceOpen(id, base, sectors, false);
  if (device === null) return ErrorCode.EIO;
  let code = device.readOnly
    ? deviceFail(device, ErrorCode.EROFS, Reason.READ_ONLY, 0, 0)
    : plan(device, clusterSize);
  if (code === ErrorCode.OK) code = write(device, serial, timestamp, label);
  deviceClose(device);
  return code;
}

/** Finds the geometry. */
function plan(device: Device, clusterSize: u32): ErrorCode {
  const sector = device.blockSize;
  const total = device.sectors / <u64>(sector >>> SECTOR_SHIFT);
  if (total > 0xffffffff) return failPlain(ErrorCode.EFBIG);
  totalSectors = <u32>total;
  if (clusterSize !== 0) {
    const whole = popcnt<u32>(clusterSize) === 1 && clusterSize >= sector;
    if (!whole || clusterSize > CLUSTER_SIZE_MAX) return failPlain(ErrorCode.EINVAL);
    layOut(sector, clusterSize / sector);
    if (clusters < CLUSTERS_MIN) return failPlain(ErrorCode.ENOSPC);
    return clusters > CLUSTERS_MAX ? failPlain(ErrorCode.EFBIG) : ErrorCode.OK;
  }
  let size = max<u32>(tableClusterSize(device.sectors), sector);
  layOut(sector, size / sector);
  while (clusters < CLUSTERS_MIN && size > sector) {
    size >>>= 1;
    layOut(sector, size / sector);
  }
  while (clusters > CLUSTERS_MAX && size < CLUSTER_SIZE_MAX) {
    size <<= 1;
    layOut(sector, size / sector);
  }
  if (clusters < CLUSTERS_MIN) return failPlain(ErrorCode.ENOSPC);
  return clusters > CLUSTERS_MAX ? failPlain(ErrorCode.EFBIG) : ErrorCode.OK;
}

/** Bytes in a cluster for a volume of `sectors` of 512 (specification, DskTableFAT32). */
function tableClusterSize(sectors: u64): u32 {
  if (sectors <= 532480) return 512;
  if (sectors <= 16777216) return 4096;
  if (sectors <= 33554432) return 8192;
  if (sectors <= 67108864) return 16384;
  return 32768;
}

/** The smallest FAT, rounded up to FAT_ALIGNMENT if that leaves enough, and what it leaves. */
function layOut(sector: u32, perCluster: u32): void {
  clusterSectors = perCluster;
  clusters = 0;
  const perSector = <u64>(sector >>> 2);
  if (<u64>totalSectors <= <u64>RESERVED) return;
  const room = <u64>totalSectors - <u64>RESERVED;
  // Each sector of both FATs serves `perSector` clusters: the largest data area with its FAT.
  const each = perSector * <u64>perCluster + <u64>FATS;
  const exact = (room + 2 * <u64>perCluster + each - 1) / each;
  const rounded = (exact + <u64>(FAT_ALIGNMENT - 1)) & ~(<u64>(FAT_ALIGNMENT - 1));
  for (let attempt = 0; attempt < 2; attempt++) {
    const size = attempt === 0 ? rounded : exact;
    if (<u64>FATS * size >= room) continue;
    const count = (room - <u64>FATS * size) / <u64>perCluster;
    clusters = <u32>min<u64>(count, 0xffffffff);
    fatSectors = <u32>size;
    if (clusters >= CLUSTERS_MIN) return;
  }
}

/** The boot sector is zeroed first and written last: a cut leaves no volume, not half of one. */
function write(device: Device, serial: u32, timestamp: f64, label: usize): ErrorCode {
  const sector = device.blockSize;
  const unit = <u64>(sector >>> SECTOR_SHIFT);
  let code = deviceZero(device, 0, unit);
  if (code === ErrorCode.OK) code = deviceFlush(device);
  const zeroed = <u64>RESERVED + <u64>FATS * <u64>fatSectors + <u64>clusterSectors - 1;
  if (code === ErrorCode.OK) code = deviceZero(device, unit, zeroed * unit);
  // The zeros are completed before anything is written over them.
  if (code === ErrorCode.OK) code = deviceFlush(device);
  if (code !== ErrorCode.OK) return code;
  const root = clusterSectors * sector;
  const room = 4 * sector + root;
  const buffer = allocateZeroed(room);
  if (buffer === 0) return failPlain(ErrorCode.ENOMEM);
  makeBoot(device, buffer, serial, label);
  makeRest(buffer, sector, root, timestamp, label);
  code = writeRest(device, buffer, sector, unit);
  if (code === ErrorCode.OK) code = deviceFlush(device);
  // From here on there is a volume.
  if (code === ErrorCode.OK) code = deviceWrite(device, 0, buffer, sector);
  if (code === ErrorCode.OK) code = deviceFlush(device);
  release(buffer, room);
  return code;
}

function makeBoot(device: Device, boot: usize, serial: u32, label: usize): void {
  const sector = device.blockSize;
  store<u32>(boot, 0x9058eb, BOOT_JUMP);
  memory.copy(boot + BOOT_OEM_NAME, oemName, 8);
  store<u16>(boot, sector, BOOT_BYTES_PER_SECTOR);
  store<u8>(boot, clusterSectors, BOOT_SECTORS_PER_CLUSTER);
  store<u16>(boot, RESERVED, BOOT_RESERVED_SECTORS);
  store<u8>(boot, FATS, BOOT_FATS);
  store<u8>(boot, MEDIA_FIXED, BOOT_MEDIA);
  store<u16>(boot, 63, BOOT_SECTORS_PER_TRACK);
  store<u16>(boot, 255, BOOT_HEADS);
  const hidden = device.base / <u64>(sector >>> SECTOR_SHIFT);
  store<u32>(boot, hidden > 0xffffffff ? 0 : <u32>hidden, BOOT_HIDDEN_SECTORS);
  store<u32>(boot, totalSectors, BOOT_TOTAL_SECTORS);
  store<u32>(boot, fatSectors, BOOT_FAT_SIZE);
  store<u32>(boot, ROOT, BOOT_ROOT_CLUSTER);
  store<u16>(boot, FSINFO, BOOT_FSINFO_SECTOR);
  store<u16>(boot, BACKUP, BOOT_BACKUP_SECTOR);
  store<u8>(boot, 0x80, BOOT_DRIVE);
  store<u8>(boot, EXTENDED_SIGNATURE, BOOT_EXTENDED_SIGNATURE);
  store<u32>(boot, serial, BOOT_SERIAL);
  memory.copy(boot + BOOT_LABEL, isNamed(label) ? label : noName, LABEL_SIZE);
  memory.copy(boot + BOOT_TYPE_NAME, typeName, 8);
  memory.copy(boot + BOOT_CODE, code16, CODE_SIZE);
  store<u16>(boot, SIGNATURE, BOOT_SIGNATURE);
}

/** Behind the boot sector in `buffer`: FSInfo, the seal, the first sector of the FATs, the root. */
function makeRest(buffer: usize, sector: u32, root: u32, timestamp: f64, label: usize): void {
  const info = buffer + sector;
  const seal = info + sector;
  const table = seal + sector;
  const directory = table + sector;
  infoMake(info, clusters - 1, ROOT + 1);
  store<u32>(table, (CLUSTER_MASK & ~0xff) | MEDIA_FIXED);
  store<u32>(table, CLUSTER_END, 4);
  store<u32>(table, CLUSTER_END, ROOT << 2);
  if (isNamed(label)) {
    memory.copy(directory, label, LABEL_SIZE);
    store<u8>(directory, ATTRIBUTE_LABEL, ENTRY_ATTRIBUTES);
    entryStamp(directory, timestamp, false);
  }
  // FSInfo and its backup are the same.
  const sum = crc32c(crc32c(0, info, FSINFO_SIZE), info, FSINFO_SIZE);
  sealStore(seal, 2 * FSINFO_SIZE + root, crc32c(sum, directory, root));
}

function writeRest(device: Device, buffer: usize, sector: u32, unit: u64): ErrorCode {
  const info = buffer + sector;
  const table = info + 2 * sector;
  const firstFat = <u64>RESERVED * unit;
  const root = firstFat + <u64>FATS * <u64>fatSectors * unit;
  requestsBegin();
  let code = deviceQueueWrite(device, <u64>FSINFO * unit, info, sector);
  if (code === ErrorCode.OK)
    code = deviceQueueWrite(device, <u64>BACKUP * unit, buffer, 2 * sector);
  if (code === ErrorCode.OK) {
    code = deviceQueueWrite(device, <u64>SEAL_SECTOR * unit, info + sector, sector);
  }
  for (let copy: u64 = 0; copy < <u64>FATS && code === ErrorCode.OK; copy++) {
    code = deviceQueueWrite(device, firstFat + copy * <u64>fatSectors * unit, table, sector);
  }
  if (code === ErrorCode.OK) code = deviceQueueWrite(device, root, table + sector, sector);
  return code === ErrorCode.OK ? deviceSubmit(device) : code;
}

function isNamed(label: usize): bool {
  for (let at: usize = 0; at < <usize>LABEL_SIZE; at++) {
    if (load<u8>(label + at) !== 0x20) return true;
  }
  return false;
}
