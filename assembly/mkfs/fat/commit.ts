/**
 * What reaches the disk, and in which order:
 *
 *   begin   boot sector and FAT[1] say "in use"; flush
 *   data    files as they are written; directories that nothing names yet
 *   FAT     zeroed new clusters of old directories, flush; copy 1, flush; copy 2, flush
 *   names   pieces of long names and removals, flush; entries, flush
 *   free    the chains that no directory names any more: FAT copy 1, flush; copy 2, flush
 *   end     FSInfo and the seal, flush; FAT[1] and the boot sector say "clean", flush
 *
 * So a cut leaves the old tree or the new one, or parts of both, every file of it whole; what can
 * be left over is lost clusters, and the mark says so.
 */
import {
  deviceFail,
  deviceFlush,
  deviceQueueWrite,
  deviceSubmit,
  deviceWrite,
} from "../../engine/device";
import { failPlain } from "../../engine/fault";
import { allocate, release } from "../../engine/memory";
import { planted } from "../../engine/planted";
import { requestsBegin } from "../../engine/requests";
import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { BOOT_STATE, SEAL_SECTOR, STATE_DIRTY, TABLE_CLEAN } from "../../format/fat32";
import {
  Directory,
  directoriesDirty,
  directoryForget,
  directoryQueue,
  SECTOR_CLEAN,
  SECTOR_EARLY,
  SECTOR_LATE,
} from "./base/directory";
import { infoMake, sealMake } from "./base/seal";
import {
  TABLE_ERROR,
  tableClose,
  tableCode,
  tableCount,
  tableDirty,
  tableFree,
  tableGet,
  tableSet,
  tableWrite,
} from "./base/table";
import { deviceSector, Fat, fatRelease, hasSeal, sectorRead, sectorSize } from "./base/volume";

/** Changed directories that wait in memory before they are committed in between. */
const DIRTY_MAX: u32 = 24;
/** Clusters that a change of directories may take; with fewer, what waits to be freed is freed. */
const RESERVE: u32 = 64;

/** Before every change: may it be written, is the volume marked, is there room to remember it. */
export function begin(fat: Fat): ErrorCode {
  if (fat.latched !== ErrorCode.OK) {
    return deviceFail(fat.device, ErrorCode.EIO, Reason.LATCHED, 0, 0);
  }
  if (fat.readOnly) {
    return deviceFail(fat.device, ErrorCode.EROFS, Reason.READ_ONLY, 0, 0);
  }
  let code = tableCount(fat);
  if (code === ErrorCode.OK && !fat.marked) code = latch(fat, mark(fat, true));
  if (code !== ErrorCode.OK) return code;
  const crowded = directoriesDirty(fat, DIRTY_MAX) === DIRTY_MAX;
  const short = fat.freesCount > 0 && fat.freeCount < RESERVE;
  return crowded || short ? commit(fat) : ErrorCode.OK;
}

/** Remembers a failure that left the disk and the memory apart: nothing is written any more. */
export function latch(fat: Fat, code: ErrorCode): ErrorCode {
  if (code !== ErrorCode.OK && code !== ErrorCode.ENOSPC) fat.latched = code;
  return code;
}

/** Frees a chain once no directory on the disk names it. */
export function freeLater(fat: Fat, first: u32): ErrorCode {
  if (first === 0) return ErrorCode.OK;
  fat.revision += 1;
  if (planted(50)) return tableFree(fat, first);
  if (fat.freesCount === fat.freesRoom) {
    const room: u32 = fat.freesRoom === 0 ? 64 : fat.freesRoom * 2;
    const bigger = allocate(room << 2);
    if (bigger === 0) return failPlain(ErrorCode.ENOMEM);
    memory.copy(bigger, fat.frees, fat.freesCount << 2);
    release(fat.frees, fat.freesRoom << 2);
    fat.frees = bigger;
    fat.freesRoom = room;
  }
  store<u32>(fat.frees + (fat.freesCount << 2), first);
  fat.freesCount += 1;
  fat.changed = true;
  return ErrorCode.OK;
}

/** Makes all changes so far durable, in order; the volume stays marked. */
export function commit(fat: Fat): ErrorCode {
  if (!fat.changed) return ErrorCode.OK;
  let code = writeNewDirectories(fat);
  // Data and new directories must be durable before they are named; writing the FAT flushes.
  const flushed = tableDirty(fat) && !planted(52);
  if (code === ErrorCode.OK && flushed) code = tableWrite(fat);
  if (code === ErrorCode.OK && !flushed) code = deviceFlush(fat.device);
  if (code === ErrorCode.OK) code = writeRound(fat, SECTOR_EARLY);
  if (code === ErrorCode.OK) code = writeRound(fat, SECTOR_LATE);
  // From here on no directory names the chains that were given up.
  for (let at: u32 = 0; at < fat.freesCount && code === ErrorCode.OK; at++) {
    code = tableFree(fat, load<u32>(fat.frees + (at << 2)));
  }
  if (code === ErrorCode.OK) code = tableWrite(fat);
  if (code !== ErrorCode.OK) return latch(fat, code);
  fat.freesCount = 0;
  fat.changed = false;
  return ErrorCode.OK;
}

/** commit(), then free-space info, the seal, and the mark taken off. */
export function flush(fat: Fat): ErrorCode {
  if (fat.latched !== ErrorCode.OK) {
    return deviceFail(fat.device, ErrorCode.EIO, Reason.LATCHED, 0, 0);
  }
  if (!fat.marked) return ErrorCode.OK;
  let code = commit(fat);
  if (code === ErrorCode.OK) code = writeInfo(fat);
  if (code === ErrorCode.OK) code = deviceFlush(fat.device);
  if (code === ErrorCode.OK) code = mark(fat, false);
  return latch(fat, code);
}

/** Releases everything; the caller has flushed. */
export function fatClose(fat: Fat): void {
  while (fat.directories !== 0) directoryForget(changetype<Directory>(fat.directories));
  tableClose(fat);
  release(fat.frees, fat.freesRoom << 2);
  release(fat.fresh, fat.freshRoom << 3);
  fatRelease(fat);
}

/** Sets or takes off the mark, in FAT[1] and in the boot sector; one found there stays. */
function mark(fat: Fat, dirty: bool): ErrorCode {
  const head = tableGet(fat, 1);
  if (head === TABLE_ERROR) return tableCode;
  if (dirty && (head & TABLE_CLEAN) === 0) fat.wasDirty = true;
  fat.marked = dirty;
  if (fat.wasDirty) return ErrorCode.OK;
  let code = tableSet(fat, 1, dirty ? head & ~TABLE_CLEAN : head | TABLE_CLEAN);
  if (code === ErrorCode.OK) code = tableWrite(fat);
  if (code === ErrorCode.OK) code = sectorRead(fat, 0);
  if (code !== ErrorCode.OK) return code;
  const state = <u32>load<u8>(fat.scratch, BOOT_STATE) & ~STATE_DIRTY;
  store<u8>(fat.scratch, dirty ? state | STATE_DIRTY : state, BOOT_STATE);
  code = deviceWrite(fat.device, 0, fat.scratch, sectorSize(fat));
  return code === ErrorCode.OK ? deviceFlush(fat.device) : code;
}

/** Directories that were made since the last commit: no entry on the disk leads to them yet. */
function writeNewDirectories(fat: Fat): ErrorCode {
  requestsBegin();
  for (let at = fat.directories; at !== 0; at = changetype<Directory>(at).next) {
    const directory = changetype<Directory>(at);
    if (!directory.unlinked) continue;
    for (let how = SECTOR_EARLY; how <= SECTOR_LATE; how++) {
      const code = directoryQueue(directory, how);
      if (code !== ErrorCode.OK) return code;
    }
  }
  const code = deviceSubmit(fat.device);
  if (code !== ErrorCode.OK) return code;
  for (let at = fat.directories; at !== 0; at = changetype<Directory>(at).next) {
    const directory = changetype<Directory>(at);
    if (!directory.unlinked) continue;
    memory.fill(directory.sectors, <u8>SECTOR_CLEAN, directory.length >>> fat.sectorShift);
    directory.dirty = 0;
    directory.unlinked = false;
  }
  return ErrorCode.OK;
}

/** Writes the sectors of directories that are marked `how`, and flushes if there were any. */
function writeRound(fat: Fat, how: u32): ErrorCode {
  let any = false;
  requestsBegin();
  for (let at = fat.directories; at !== 0; at = changetype<Directory>(at).next) {
    const directory = changetype<Directory>(at);
    if (directory.dirty === 0) continue;
    any = true;
    const code = directoryQueue(directory, how);
    if (code !== ErrorCode.OK) return code;
  }
  if (!any) return ErrorCode.OK;
  let code = deviceSubmit(fat.device);
  if (code === ErrorCode.OK) code = deviceFlush(fat.device);
  if (code !== ErrorCode.OK) return code;
  for (let at = fat.directories; at !== 0; at = changetype<Directory>(at).next) {
    const directory = changetype<Directory>(at);
    const sectors = directory.length >>> fat.sectorShift;
    for (let sector: u32 = 0; directory.dirty > 0 && sector < sectors; sector++) {
      if (<u32>load<u8>(directory.sectors + sector) !== how) continue;
      store<u8>(directory.sectors + sector, SECTOR_CLEAN);
      directory.dirty -= 1;
    }
  }
  return ErrorCode.OK;
}

/** FSInfo with the exact count, and the seal over it and the directories. */
function writeInfo(fat: Fat): ErrorCode {
  if (fat.fsinfoSector === 0) return ErrorCode.OK;
  const size = sectorSize(fat);
  const pair = allocate(size * 2);
  if (pair === 0) return failPlain(ErrorCode.ENOMEM);
  memory.fill(pair, 0, size * 2);
  infoMake(pair, fat.freeCount, fat.nextFree);
  const sealed = hasSeal(fat);
  if (sealed) sealMake(fat, pair, pair + size);
  requestsBegin();
  let code = deviceQueueWrite(fat.device, deviceSector(fat, fat.fsinfoSector), pair, size);
  if (code === ErrorCode.OK && sealed) {
    code = deviceQueueWrite(fat.device, deviceSector(fat, SEAL_SECTOR), pair + size, size);
  }
  if (code === ErrorCode.OK) code = deviceSubmit(fat.device);
  release(pair, size * 2);
  return code;
}
