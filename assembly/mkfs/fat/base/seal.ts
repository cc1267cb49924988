/**
 * FSInfo, and the seal: one CRC-32C over FSInfo, its backup and all directories, written when the
 * volume is closed. FAT32 has no checksum over names, sizes and times; with the seal a single
 * flipped bit is found and named. Other systems do not know it: what they write differs in more
 * than one bit, and such a seal is not judged.
 */

import { crc32c } from "../../../engine/hash/crc";
import { allocate, release } from "../../../engine/memory";
import { ErrorCode } from "../../../format/errors";
import {
  ATTRIBUTE_DIRECTORY,
  ATTRIBUTE_LABEL,
  ENTRY_ATTRIBUTES,
  ENTRY_SIZE,
  FSINFO_FREE_COUNT,
  FSINFO_LEAD,
  FSINFO_LEAD_VALUE,
  FSINFO_MIDDLE,
  FSINFO_MIDDLE_VALUE,
  FSINFO_NEXT_FREE,
  FSINFO_SIZE,
  FSINFO_TRAIL,
  FSINFO_TRAIL_VALUE,
  SEAL_CRC,
  SEAL_LENGTH,
  SEAL_MAGIC,
  SEAL_MAGIC_HIGH,
  SEAL_MAGIC_LOW,
  SEAL_SIZE,
  SEAL_SUM,
} from "../../../format/fat32";
import { Directory, directoryOpen } from "./directory";
import { entryAt, entryCluster, entryNext } from "./entries";
import { Fat, isCluster, sectorRead } from "./volume";

/** More than this is not sealed: closing a volume must not mean reading all of a large tree. */
const DIRECTORIES_MAX: u32 = 1024;
const BYTES_MAX: u32 = 1 << 20;

/** What sealSum found: the checksum, the bytes under it. */
export let sealedSum: u32 = 0;
export let sealedLength: u32 = 0;
/** The directory that holds byte `wanted` of what sealSum went over, and the offset in it. */
export let sealedDirectory: u32 = 0;
export let sealedOffset: u32 = 0;

/** Fills the 512 bytes of FSInfo at `info`. */
export function infoMake(info: usize, freeCount: u32, nextFree: u32): void {
  memory.fill(info, 0, FSINFO_SIZE);
  store<u32>(info, FSINFO_LEAD_VALUE, FSINFO_LEAD);
  store<u32>(info, FSINFO_MIDDLE_VALUE, FSINFO_MIDDLE);
  store<u32>(info, freeCount, FSINFO_FREE_COUNT);
  store<u32>(info, nextFree, FSINFO_NEXT_FREE);
  store<u32>(info, FSINFO_TRAIL_VALUE, FSINFO_TRAIL);
}

/** Sector of the volume with FSInfo's backup, 0 if there is none. */
export function infoBackup(fat: Fat): u32 {
  const backup = fat.backupSector + 1;
  return fat.backupSector === 0 || backup >= fat.reservedSectors ? 0 : backup;
}

/** Fills the 512 bytes of the seal at `seal`; zeros if the volume has too much to be sealed. */
export function sealMake(fat: Fat, info: usize, seal: usize): void {
  memory.fill(seal, 0, SEAL_SIZE);
  if (sealSum(fat, info, 0) === ErrorCode.OK) sealStore(seal, sealedLength, sealedSum);
}

/** Fills a zeroed seal for `length` bytes with the checksum `sum`. */
export function sealStore(seal: usize, length: u32, sum: u32): void {
  store<u32>(seal, SEAL_MAGIC_LOW, SEAL_MAGIC);
  store<u32>(seal, SEAL_MAGIC_HIGH, SEAL_MAGIC + 4);
  store<u32>(seal, length, SEAL_LENGTH);
  store<u32>(seal, sum, SEAL_SUM);
  store<u32>(seal, crc32c(0, seal, SEAL_CRC), SEAL_CRC);
}

/**
 * Goes over FSInfo and every directory, the root first and each before those below it. Answers
 * E2BIG if that is too much, or why a directory could not be read.
 */
export function sealSum(fat: Fat, info: usize, wanted: u32): ErrorCode {
  sealedSum = crc32c(0, info, FSINFO_SIZE);
  sealedLength = FSINFO_SIZE;
  const backup = infoBackup(fat);
  if (backup !== 0) {
    const read = sectorRead(fat, backup);
    if (read !== ErrorCode.OK) return read;
    sealedSum = crc32c(sealedSum, fat.scratch, FSINFO_SIZE);
    sealedLength += FSINFO_SIZE;
  }
  sealedDirectory = 0;
  const queue = allocate(DIRECTORIES_MAX << 2);
  if (queue === 0) return ErrorCode.ENOMEM;
  store<u32>(queue, fat.rootCluster);
  let code = ErrorCode.OK;
  let count: u32 = 1;
  for (let at: u32 = 0; at < count && code === ErrorCode.OK; at++) {
    const directory = directoryOpen(fat, load<u32>(queue + (at << 2)));
    if (directory === null) {
      code = ErrorCode.EIO;
      break;
    }
    if (wanted >= sealedLength && wanted - sealedLength < directory.length) {
      sealedDirectory = directory.first;
      sealedOffset = wanted - sealedLength;
    }
    sealedSum = crc32c(sealedSum, directory.data, directory.length);
    sealedLength += directory.length;
    if (sealedLength > BYTES_MAX) code = ErrorCode.E2BIG;
    else count = addChildren(fat, directory, queue, count);
    if (count > DIRECTORIES_MAX) code = ErrorCode.E2BIG;
  }
  release(queue, DIRECTORIES_MAX << 2);
  return code;
}

/** Queues the directories in `directory`; answers how many there are, or one more than fit. */
function addChildren(fat: Fat, directory: Directory, queue: usize, count: u32): u32 {
  let from: u32 = 0;
  while (entryNext(directory.data, from, directory.length)) {
    from = entryAt + ENTRY_SIZE;
    const entry = directory.data + entryAt;
    const attributes = <u32>load<u8>(entry, ENTRY_ATTRIBUTES);
    if ((attributes & (ATTRIBUTE_DIRECTORY | ATTRIBUTE_LABEL)) !== ATTRIBUTE_DIRECTORY) continue;
    const cluster = entryCluster(entry);
    if (load<u8>(entry) === 0x2e || !isCluster(fat, cluster)) continue;
    if (count === DIRECTORIES_MAX) return count + 1;
    store<u32>(queue + (count << 2), cluster);
    count += 1;
  }
  return count;
}
