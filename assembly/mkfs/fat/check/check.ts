/**
 * Checks a volume: boot sector against its backup, FSInfo, the copies of the FAT against each
 * other, every directory and chain, what is left over, and the seal. Writes nothing.
 */

import { equalBytes, isZero } from "../../../engine/bytes";
import { deviceRead } from "../../../engine/device";
import { failPlain } from "../../../engine/fault";
import { crc32c } from "../../../engine/hash/crc";
import { allocate, allocateZeroed, release } from "../../../engine/memory";
import { ErrorCode } from "../../../format/errors";
import {
  BOOT_MEDIA,
  BOOT_STATE,
  CLUSTER_BAD,
  CLUSTER_MASK,
  FatProblem,
  FSINFO_FREE_COUNT,
  FSINFO_LEAD,
  FSINFO_LEAD_VALUE,
  FSINFO_MIDDLE,
  FSINFO_MIDDLE_VALUE,
  FSINFO_NEXT_FREE,
  FSINFO_SIZE,
  FSINFO_TRAIL,
  FSINFO_TRAIL_VALUE,
  FSINFO_UNKNOWN,
  SEAL_CRC,
  SEAL_LENGTH,
  SEAL_MAGIC,
  SEAL_MAGIC_HIGH,
  SEAL_MAGIC_LOW,
  SEAL_SECTOR,
  SEAL_SIZE,
  SEAL_SUM,
  STATE_DIRTY,
  STATE_ERRORS,
  TABLE_CLEAN,
  TABLE_NO_ERRORS,
} from "../../../format/fat32";
import { Directory, directoryForget, directoryOpen, directorySector } from "../base/directory";
import {
  infoBackup,
  sealedDirectory,
  sealedLength,
  sealedOffset,
  sealedSum,
  sealSum,
} from "../base/seal";
import { tableForget, tableSector } from "../base/table";
import {
  clusterSector,
  deviceSector,
  Fat,
  hasSeal,
  isCluster,
  sectorRead,
  sectorSize,
} from "../base/volume";
import { findingsBegin, findingsCount, findingsPath, found, foundAtSector } from "./findings";
import { checkTree } from "./tree";

const PIECE_SIZE: u32 = 65536;

/** One bit per cluster: in use by the FAT; taken by a chain. */
let used: usize = 0;
let freeClusters: u32 = 0;
let dirty: bool = false;

/** Runs all checks on a committed volume. Answers the number of findings; ENOMEM. */
export function fatCheck(fat: Fat): i32 {
  if (!findingsBegin()) return failPlain(ErrorCode.ENOMEM);
  // What is in memory is what was read before: look at the disk again.
  while (fat.directories !== 0) directoryForget(changetype<Directory>(fat.directories));
  tableForget(fat);
  const bitmap = (fat.clusters + 2 + 7) >>> 3;
  const buffers = allocate(PIECE_SIZE * 2);
  used = allocateZeroed(bitmap);
  const claimed = allocateZeroed(bitmap);
  let code: ErrorCode = ErrorCode.ENOMEM;
  if (buffers !== 0 && used !== 0 && claimed !== 0) {
    dirty = false;
    checkBoot(fat, buffers);
    checkTables(fat, buffers, buffers + PIECE_SIZE);
    code = checkTree(fat, claimed);
    findingsPath(0, 0);
    if (code === ErrorCode.OK) checkLost(fat, claimed);
    checkInfo(fat, buffers);
    if (!dirty && hasSeal(fat)) checkSeal(fat, buffers);
  }
  release(buffers, PIECE_SIZE * 2);
  release(used, bitmap);
  release(claimed, bitmap);
  return code === ErrorCode.OK ? <i32>findingsCount() : failPlain(code);
}

/** Reads a sector of the volume to `target`; a failure is a finding. */
function readSector(fat: Fat, sector: u32, target: usize): bool {
  const at = deviceSector(fat, sector);
  if (deviceRead(fat.device, at, target, sectorSize(fat)) === ErrorCode.OK) return true;
  found(fat, FatProblem.UNREADABLE, at, 0, 0);
  return false;
}

function checkBoot(fat: Fat, buffer: usize): void {
  const size = sectorSize(fat);
  if (!readSector(fat, 0, buffer)) return;
  const state = <u32>load<u8>(buffer, BOOT_STATE);
  if ((state & STATE_DIRTY) !== 0) {
    dirty = true;
    foundAtSector(fat, FatProblem.DIRTY, 0, BOOT_STATE, 0);
  }
  if ((state & STATE_ERRORS) !== 0) foundAtSector(fat, FatProblem.ERRORS_MET, 0, BOOT_STATE, 0);
  if ((state & ~(STATE_DIRTY | STATE_ERRORS)) !== 0) {
    foundAtSector(fat, FatProblem.BOOT_FIELD, 0, BOOT_STATE, state);
  }
  if (fat.backupSector === 0) return;
  const backup = buffer + size;
  if (!readSector(fat, fat.backupSector, backup)) return;
  // Mounting changes the state of the boot sector alone.
  store<u8>(buffer, load<u8>(backup, BOOT_STATE), BOOT_STATE);
  for (let at: u32 = 0; at < size; at++) {
    if (load<u8>(buffer + at) === load<u8>(backup + at)) continue;
    // One of the two is wrong: both places are named.
    foundAtSector(fat, FatProblem.BACKUP_BOOT, 0, at, 0);
    foundAtSector(fat, FatProblem.BACKUP_BOOT, fat.backupSector, at, 0);
    break;
  }
  if (load<u8>(backup, BOOT_STATE) !== 0) {
    foundAtSector(fat, FatProblem.BOOT_FIELD, fat.backupSector, BOOT_STATE, 0);
  }
}

/** Compares all copies with the first, and notes which clusters are in use. */
function checkTables(fat: Fat, first: usize, second: usize): void {
  freeClusters = 0;
  const bytes = (<u64>fat.fatSectors) << fat.sectorShift;
  for (let at: u64 = 0; at < bytes; at += <u64>PIECE_SIZE) {
    const length = <u32>min<u64>(<u64>PIECE_SIZE, bytes - at);
    const start = tableSector(fat, 0) + (at >>> 9);
    if (deviceRead(fat.device, start, first, length) !== ErrorCode.OK) {
      found(fat, FatProblem.UNREADABLE, start, 0, 0);
      continue;
    }
    if (at === 0) checkHead(fat, first);
    noteUsed(fat, first, <u32>(at >>> 2), length >>> 2);
    for (let copy: u32 = 1; copy < fat.fats; copy++) {
      const other = start + deviceSector(fat, <u64>copy * <u64>fat.fatSectors);
      if (deviceRead(fat.device, other, second, length) !== ErrorCode.OK) {
        found(fat, FatProblem.UNREADABLE, other, 0, 0);
        continue;
      }
      compareTables(fat, first, second, length, other, copy);
    }
  }
}

function compareTables(
  fat: Fat,
  first: usize,
  second: usize,
  length: u32,
  sector: u64,
  copy: u32,
): void {
  for (let at: u32 = 0; at < length; at += 512) {
    if (equalBytes(first + at, second + at, 512)) continue;
    const place = sector + <u64>(at >>> 9);
    const original = place - deviceSector(fat, <u64>copy * <u64>fat.fatSectors);
    const index = <u32>(original - tableSector(fat, 0));
    // One of the two is wrong: both places are named.
    found(fat, FatProblem.TABLES_DIFFER, original, index, copy);
    found(fat, FatProblem.TABLES_DIFFER, place, index, copy);
  }
}

/** FAT[0] repeats the media byte, FAT[1] tells how the volume was left. */
function checkHead(fat: Fat, table: usize): void {
  const sector = tableSector(fat, 0);
  const media = load<u32>(table) & CLUSTER_MASK;
  const wanted =
    sectorRead(fat, 0) === ErrorCode.OK ? <u32>load<u8>(fat.scratch, BOOT_MEDIA) : 0xf8;
  if (media !== ((CLUSTER_MASK & ~0xff) | wanted)) {
    found(fat, FatProblem.TABLE_HEAD, sector, 0, media);
  }
  const state = load<u32>(table, 4) & CLUSTER_MASK;
  const flags = TABLE_CLEAN | TABLE_NO_ERRORS;
  if ((state | flags | 7) !== CLUSTER_MASK) found(fat, FatProblem.TABLE_HEAD, sector, 1, state);
  if ((state & TABLE_CLEAN) === 0 && !dirty) {
    dirty = true;
    found(fat, FatProblem.DIRTY, sector, 4, 0);
  }
  if ((state & TABLE_NO_ERRORS) === 0) found(fat, FatProblem.ERRORS_MET, sector, 4, 0);
}

function noteUsed(fat: Fat, table: usize, start: u32, entries: u32): void {
  for (let index: u32 = 0; index < entries; index++) {
    const cluster = start + index;
    // Most sectors of most tables are free from end to end.
    if ((index & 127) === 0 && isCluster(fat, cluster) && isCluster(fat, cluster + 127)) {
      if (isZero(table + (index << 2), 512)) {
        freeClusters += 128;
        index += 127;
        continue;
      }
    }
    if (!isCluster(fat, cluster)) continue;
    const value = load<u32>(table + (index << 2)) & CLUSTER_MASK;
    if (value === 0) {
      freeClusters += 1;
    } else if (value !== CLUSTER_BAD) {
      const at = used + (cluster >>> 3);
      store<u8>(at, load<u8>(at) | ((<u8>1) << (<u8>(cluster & 7))));
    }
  }
}

/** Clusters that are in use but in no chain. */
function checkLost(fat: Fat, claimed: usize): void {
  let lost: u32 = 0;
  let first: u32 = 0;
  for (let byte: u32 = 0; byte <= (fat.clusters + 1) >>> 3; byte++) {
    const left = load<u8>(used + byte) & ~load<u8>(claimed + byte);
    if (left === 0) continue;
    if (first === 0) first = (byte << 3) + ctz<u32>(left);
    lost += popcnt<u32>(left);
  }
  if (lost > 0) found(fat, FatProblem.LOST, tableSector(fat, first), lost, first);
}

function checkInfo(fat: Fat, info: usize): void {
  if (fat.fsinfoSector === 0 || !readSector(fat, fat.fsinfoSector, info)) return;
  const field = infoField(fat, info);
  if (field >= 0) foundAtSector(fat, FatProblem.FSINFO, fat.fsinfoSector, <u32>field, 0);
  const count = load<u32>(info, FSINFO_FREE_COUNT);
  // After a cut the count is old; the mark says so already.
  if (!dirty && count !== FSINFO_UNKNOWN && count !== freeClusters) {
    foundAtSector(fat, FatProblem.FREE_COUNT, fat.fsinfoSector, count, freeClusters);
  }
  const backup = infoBackup(fat);
  if (backup === 0) return;
  const copy = info + sectorSize(fat);
  if (!readSector(fat, backup, copy) || isZero(copy, sectorSize(fat))) return;
  const backupField = infoField(fat, copy);
  if (backupField >= 0) foundAtSector(fat, FatProblem.FSINFO, backup, <u32>backupField, 0);
}

/** Offset of the first field of FSInfo that is wrong in itself, or -1. */
function infoField(fat: Fat, info: usize): i32 {
  if (load<u32>(info, FSINFO_LEAD) !== FSINFO_LEAD_VALUE) return FSINFO_LEAD;
  if (!isZero(info + 4, FSINFO_MIDDLE - 4)) return 4;
  if (load<u32>(info, FSINFO_MIDDLE) !== FSINFO_MIDDLE_VALUE) return FSINFO_MIDDLE;
  const next = load<u32>(info, FSINFO_NEXT_FREE);
  if (next !== FSINFO_UNKNOWN && next !== 0 && !isCluster(fat, next)) return FSINFO_NEXT_FREE;
  if (!isZero(info + FSINFO_NEXT_FREE + 4, FSINFO_TRAIL - FSINFO_NEXT_FREE - 4)) {
    return FSINFO_NEXT_FREE + 4;
  }
  if (load<u32>(info, FSINFO_TRAIL) !== FSINFO_TRAIL_VALUE) return FSINFO_TRAIL;
  return isZero(info + FSINFO_SIZE, sectorSize(fat) - FSINFO_SIZE) ? -1 : <i32>FSINFO_SIZE;
}

/** Judges the seal: one flipped bit under it is found by what it does to the checksum. */
function checkSeal(fat: Fat, buffer: usize): void {
  const seal = buffer + sectorSize(fat);
  if (!readSector(fat, fat.fsinfoSector, buffer) || !readSector(fat, SEAL_SECTOR, seal)) return;
  const low = load<u32>(seal, SEAL_MAGIC);
  const high = load<u32>(seal, SEAL_MAGIC + 4);
  // A seal has lost its magic only if all else of it holds; otherwise the sector is not ours.
  const magic = low === SEAL_MAGIC_LOW && high === SEAL_MAGIC_HIGH;
  const near = popcnt<u32>(low ^ SEAL_MAGIC_LOW) + popcnt<u32>(high ^ SEAL_MAGIC_HIGH) === 1;
  if (!magic && !near) return;
  const whole = crc32c(0, seal, SEAL_CRC) === load<u32>(seal, SEAL_CRC);
  const rest = isZero(seal + SEAL_SIZE, sectorSize(fat) - SEAL_SIZE);
  if (!whole || !magic || !rest) {
    foundAtSector(fat, FatProblem.SEAL, SEAL_SECTOR, 0, 0);
    return;
  }
  const length = load<u32>(seal, SEAL_LENGTH);
  const sum = load<u32>(seal, SEAL_SUM);
  if (sealSum(fat, buffer, 0) !== ErrorCode.OK || sealedLength !== length) return;
  if (sealedSum !== sum) foundFlip(fat, buffer, sealedSum ^ sum, length);
}

/** Finds the one bit whose flip makes this difference of two checksums, if there is one. */
function foundFlip(fat: Fat, info: usize, difference: u32, length: u32): void {
  const zeros = allocateZeroed(16);
  if (zeros === 0) return;
  const base = crc32c(0, zeros, 1);
  for (let bit: u32 = 0; bit < 8; bit++) {
    store<u8>(zeros, (<u8>1) << (<u8>bit));
    let effect = crc32c(0, zeros, 1) ^ base;
    for (let back: u32 = 0; back < length; back++) {
      if (effect === difference) {
        reportFlip(fat, info, length - 1 - back, bit);
        release(zeros, 16);
        return;
      }
      effect = afterZero(effect);
    }
  }
  release(zeros, 16);
}

/** What a difference of checksums becomes with one more byte, the same in both. */
function afterZero(difference: u32): u32 {
  for (let bit = 0; bit < 8; bit++) {
    difference = (difference & 1) !== 0 ? (difference >>> 1) ^ 0x82f63b78 : difference >>> 1;
  }
  return difference;
}

function reportFlip(fat: Fat, info: usize, at: u32, bit: u32): void {
  if (at < FSINFO_SIZE) {
    foundAtSector(fat, FatProblem.BIT_FLIPPED, fat.fsinfoSector, at, bit);
    return;
  }
  const backup = infoBackup(fat);
  if (backup !== 0 && at < 2 * FSINFO_SIZE) {
    foundAtSector(fat, FatProblem.BIT_FLIPPED, backup, at - FSINFO_SIZE, bit);
    return;
  }
  if (sealSum(fat, info, at) !== ErrorCode.OK || sealedDirectory === 0) return;
  const offset = sealedOffset;
  const directory = directoryOpen(fat, sealedDirectory);
  if (directory === null) {
    found(fat, FatProblem.BIT_FLIPPED, clusterSector(fat, sealedDirectory), offset, bit);
    return;
  }
  found(fat, FatProblem.BIT_FLIPPED, directorySector(directory, offset), offset & 511, bit);
}
