/**
 * Directories in memory: all bytes of one, its chain of clusters, and an index of its names. What
 * is changed here reaches the disk in commit.ts.
 */
import { deviceQueueRead, deviceQueueWrite, deviceSubmit } from "../../../engine/device";
import { failPlain } from "../../../engine/fault";
import { allocate, allocateZeroed, release } from "../../../engine/memory";
import { requestsBegin } from "../../../engine/requests";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import {
  ATTRIBUTE_LABEL,
  DIRECTORY_SIZE_MAX,
  ENTRY_ATTRIBUTES,
  ENTRY_DELETED,
  ENTRY_SIZE,
} from "../../../format/fat32";
import { entryAt, entryName, entryNext, entryStart, entryUnits } from "./entries";
import { hashName, sameName, wideFromEntry } from "./names";
import {
  TABLE_ERROR,
  tableCode,
  tableFresh,
  tableNext,
  tableSector,
  tableTake,
  takenCluster,
} from "./table";
import { clusterSector, clusterSize, damaged, Fat, sectorSize } from "./volume";

const NOTHING: u32 = 0xffffffff;
const REMOVED: u32 = 0xfffffffe;
/** Longest search for a place in the index. */
const PROBES_MAX: u32 = 4096;
/** Clean directories that stay loaded. */
const KEPT_MAX: u32 = 32;

/** How a sector of a directory differs from the disk. */
export const SECTOR_CLEAN: u32 = 0;
/** Written in the first round of a commit: pieces of new names, entries that go. */
export const SECTOR_EARLY: u32 = 1;
/** Written in the second round: entries that come or change. */
export const SECTOR_LATE: u32 = 2;

@unmanaged
export class Directory {
  fat: Fat;
  next: usize;
  first: u32;
  data: usize;
  room: u32;
  /** Bytes: whole clusters. */
  length: u32;
  /** u32 cluster numbers, one per cluster of `data`. */
  chain: usize;
  chainRoom: u32;
  /** One byte per sector of `data`: SECTOR_*. */
  sectors: usize;
  dirty: u32;
  /** Made since the last commit: no directory on the disk names it yet. */
  unlinked: bool;
  stamp: u32;
  /** Offset behind the last entry that was ever used. */
  end: u32;
  /** Deleted slots, and an offset before which there are none. */
  holes: u32;
  firstHole: u32;
  /** Open addressing: pairs of hash and offset of an entry's first slot. */
  index: usize;
  indexSlots: u32;
  indexUsed: u32;
}

const shortName: usize = memory.data(32, 8);

/** The directory whose chain begins at `first`, loaded if need be; null after a fault. */
export function directoryOpen(fat: Fat, first: u32): Directory | null {
  fat.stamp += 1;
  for (let at = fat.directories; at !== 0; at = changetype<Directory>(at).next) {
    const directory = changetype<Directory>(at);
    if (directory.first !== first) continue;
    directory.stamp = fat.stamp;
    return directory;
  }
  forgetOldest(fat);
  const directory = directoryNew(fat, first);
  if (directory === null) return null;
  if (loadChain(directory) === ErrorCode.OK && rebuildIndex(directory) === ErrorCode.OK) {
    return directory;
  }
  directoryForget(directory);
  return null;
}

/** A directory object without content. */
export function directoryNew(fat: Fat, first: u32): Directory | null {
  const address = allocateZeroed(offsetof<Directory>());
  if (address === 0) {
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const directory = changetype<Directory>(address);
  directory.fat = fat;
  directory.first = first;
  directory.stamp = fat.stamp;
  directory.next = fat.directories;
  fat.directories = address;
  return directory;
}

/** Takes a directory out of memory, with what was changed in it. */
export function directoryForget(directory: Directory): void {
  const fat = directory.fat;
  const address = changetype<usize>(directory);
  if (fat.directories === address) {
    fat.directories = directory.next;
  } else {
    let at = fat.directories;
    while (changetype<Directory>(at).next !== address) at = changetype<Directory>(at).next;
    changetype<Directory>(at).next = directory.next;
  }
  const sectors = directory.room >>> fat.sectorShift;
  release(directory.sectors, sectors);
  release(directory.data, directory.room);
  release(directory.chain, directory.chainRoom << 2);
  release(directory.index, directory.indexSlots << 3);
  release(address, offsetof<Directory>());
}

/** Directories with changes, at most `most` of them counted. */
export function directoriesDirty(fat: Fat, most: u32): u32 {
  let count: u32 = 0;
  for (let at = fat.directories; at !== 0 && count < most; ) {
    const directory = changetype<Directory>(at);
    if (directory.dirty !== 0) count += 1;
    at = directory.next;
  }
  return count;
}

/** Looks up the name of `units` at `name`. Answers its entry's offset of the first slot, or -1. */
export function directoryFind(directory: Directory, name: usize, units: u32): i32 {
  const hash = hashName(name, units);
  const mask = directory.indexSlots - 1;
  for (let slot = hash; slot !== hash + directory.indexSlots; slot++) {
    const pair = directory.index + ((slot & mask) << 3);
    const at = load<u32>(pair, 4);
    if (at === NOTHING) return -1;
    if (at === REMOVED || load<u32>(pair) !== hash) continue;
    if (!entryNext(directory.data, at, directory.length) || entryStart !== at) continue;
    if (sameName(name, units, entryName, entryUnits)) return <i32>at;
    const shortUnits = wideFromEntry(directory.data + entryAt, shortName);
    if (sameName(name, units, shortName, shortUnits)) return <i32>at;
  }
  return -1;
}

/** Adds both names of the entry whose first slot is at `at`, which is written already. ENOMEM. */
export function directoryIndex(directory: Directory, at: u32): ErrorCode {
  if ((directory.indexUsed + 2) * 2 > directory.indexSlots) {
    return rebuildIndex(directory);
  }
  if (!entryNext(directory.data, at, directory.length)) return ErrorCode.OK;
  const shortUnits = wideFromEntry(directory.data + entryAt, shortName);
  const alike = sameName(entryName, entryUnits, shortName, shortUnits);
  const longHash = hashName(entryName, entryUnits);
  const shortHash = hashName(shortName, shortUnits);
  putIndex(directory, longHash, at);
  if (!alike) putIndex(directory, shortHash, at);
  return ErrorCode.OK;
}

function putIndex(directory: Directory, hash: u32, at: u32): void {
  const mask = directory.indexSlots - 1;
  let slot = hash & mask;
  // A disk made to collide costs no more than this; what is left out is named twice or by design.
  let steps: u32 = 0;
  while (load<u32>(directory.index + (slot << 3), 4) !== NOTHING) {
    slot = (slot + 1) & mask;
    steps += 1;
    if (steps === PROBES_MAX) return;
  }
  store<u32>(directory.index + (slot << 3), hash);
  store<u32>(directory.index + (slot << 3), at, 4);
  directory.indexUsed += 1;
}

/** Takes the names of the entry at `at` out of the index; the entry is still there. */
export function directoryUnindex(directory: Directory, at: u32): void {
  if (!entryNext(directory.data, at, directory.length)) return;
  const shortUnits = wideFromEntry(directory.data + entryAt, shortName);
  dropIndex(directory, hashName(entryName, entryUnits), at);
  dropIndex(directory, hashName(shortName, shortUnits), at);
}

function dropIndex(directory: Directory, hash: u32, at: u32): void {
  const mask = directory.indexSlots - 1;
  for (let slot = hash; slot !== hash + directory.indexSlots; slot++) {
    const pair = directory.index + ((slot & mask) << 3);
    const found = load<u32>(pair, 4);
    if (found === NOTHING) return;
    if (found !== at) continue;
    store<u32>(pair, REMOVED, 4);
    return;
  }
}

/** Offset of `slots` free slots side by side; grows the directory if it has none. ENOSPC. */
export function directoryRoom(directory: Directory, slots: u32): i32 {
  const bytes = slots * ENTRY_SIZE;
  if (directory.holes >= slots) {
    const hole = findHole(directory, bytes);
    if (hole >= 0) return hole;
  }
  const start = directory.end;
  if (start + bytes > DIRECTORY_SIZE_MAX) return failPlain(ErrorCode.ENOSPC);
  while (start + bytes > directory.length) {
    const code = grow(directory);
    if (code !== ErrorCode.OK) return code;
  }
  directory.end = start + bytes;
  return <i32>start;
}

function findHole(directory: Directory, bytes: u32): i32 {
  let run: u32 = 0;
  while (load<u8>(directory.data + directory.firstHole) !== <u8>ENTRY_DELETED) {
    if (directory.firstHole >= directory.end) return -1;
    directory.firstHole += ENTRY_SIZE;
  }
  for (let at = directory.firstHole; at < directory.end; at += ENTRY_SIZE) {
    if (load<u8>(directory.data + at) !== <u8>ENTRY_DELETED) {
      run = 0;
      continue;
    }
    run += ENTRY_SIZE;
    if (run < bytes) continue;
    directory.holes -= bytes / ENTRY_SIZE;
    return <i32>(at + ENTRY_SIZE - bytes);
  }
  return -1;
}

/** Marks slots [from, to) as deleted; the entry's own slot goes to the disk first. */
export function directoryDelete(directory: Directory, from: u32, to: u32): void {
  for (let at = from; at < to; at += ENTRY_SIZE) {
    store<u8>(directory.data + at, ENTRY_DELETED);
    directoryTouch(directory, at, at + ENTRY_SIZE === to ? SECTOR_EARLY : SECTOR_LATE);
    directory.holes += 1;
  }
  directory.firstHole = min<u32>(directory.firstHole, from);
  directory.fat.revision += 1;
}

/** Notes that the slot at `at` has changed. */
export function directoryTouch(directory: Directory, at: u32, how: u32): void {
  const flag = directory.sectors + (at >>> directory.fat.sectorShift);
  const before = <u32>load<u8>(flag);
  if (before === SECTOR_CLEAN) directory.dirty += 1;
  if (how > before) store<u8>(flag, how);
  directory.fat.changed = true;
}

/** Adds an empty cluster, linked in the FAT behind the last one. */
function grow(directory: Directory): ErrorCode {
  const fat = directory.fat;
  const many = directory.length >>> fat.clusterShift;
  const previous: u32 = many === 0 ? 0 : load<u32>(directory.chain + ((many - 1) << 2));
  const taken = tableTake(fat, previous, 1);
  if (taken < 0) return <ErrorCode>taken;
  const cluster = takenCluster;
  if (!directory.unlinked) {
    const code = tableFresh(fat, cluster, 1);
    if (code !== ErrorCode.OK) return code;
  }
  const code = directoryAppend(directory, cluster);
  if (code === ErrorCode.OK && directory.unlinked) touchLast(directory);
  return code;
}

/** A new directory that nothing names is written whole: marks its last cluster. */
export function touchLast(directory: Directory): void {
  const start = directory.length - clusterSize(directory.fat);
  for (let at = start; at < directory.length; at += sectorSize(directory.fat)) {
    directoryTouch(directory, at, SECTOR_EARLY);
  }
}

/** Makes room in memory for one more cluster, zeroed. */
export function directoryAppend(directory: Directory, cluster: u32): ErrorCode {
  const size = clusterSize(directory.fat);
  const needed = directory.length + size;
  if (needed > directory.room && !widen(directory, needed)) return failPlain(ErrorCode.ENOMEM);
  store<u32>(directory.chain + ((directory.length >>> directory.fat.clusterShift) << 2), cluster);
  memory.fill(directory.data + directory.length, 0, size);
  directory.length = needed;
  return ErrorCode.OK;
}

function widen(directory: Directory, needed: u32): bool {
  const fat = directory.fat;
  const room = max<u32>(needed, max<u32>(directory.room * 2, 4096));
  const sectors = room >>> fat.sectorShift;
  const clusters = (room >>> fat.clusterShift) + 1;
  const data = allocate(room);
  const flags = allocateZeroed(sectors);
  const chain = allocate(clusters << 2);
  if (data === 0 || flags === 0 || chain === 0) {
    release(data, room);
    release(flags, sectors);
    release(chain, clusters << 2);
    return false;
  }
  memory.copy(data, directory.data, directory.length);
  memory.copy(flags, directory.sectors, directory.length >>> fat.sectorShift);
  memory.copy(chain, directory.chain, (directory.length >>> fat.clusterShift) << 2);
  release(directory.data, directory.room);
  release(directory.sectors, directory.room >>> fat.sectorShift);
  release(directory.chain, directory.chainRoom << 2);
  directory.data = data;
  directory.sectors = flags;
  directory.chain = chain;
  directory.room = room;
  directory.chainRoom = clusters;
  return true;
}

/** Follows the chain, as far as a directory can be long, and reads it in runs. */
function loadChain(directory: Directory): ErrorCode {
  const fat = directory.fat;
  const most = max<u32>(DIRECTORY_SIZE_MAX >>> fat.clusterShift, 1);
  let cluster = directory.first;
  for (let count: u32 = 0; cluster !== 0; count++) {
    if (count === most) return damaged(fat, Reason.FAT_CHAIN, tableSector(fat, cluster), cluster);
    const code = directoryAppend(directory, cluster);
    if (code !== ErrorCode.OK) return code;
    cluster = tableNext(fat, cluster);
    if (cluster === TABLE_ERROR) return tableCode;
  }
  return directoryRead(directory);
}

/** Reads all clusters of the chain, neighbours in one request. */
function directoryRead(directory: Directory): ErrorCode {
  const fat = directory.fat;
  const clusters = directory.length >>> fat.clusterShift;
  requestsBegin();
  for (let at: u32 = 0; at < clusters; ) {
    const many = runLength(directory, at, clusters);
    const target = directory.data + (at << fat.clusterShift);
    const start = clusterSector(fat, load<u32>(directory.chain + (at << 2)));
    const code = deviceQueueRead(fat.device, start, target, many << fat.clusterShift);
    if (code !== ErrorCode.OK) return code;
    at += many;
  }
  return deviceSubmit(fat.device);
}

function runLength(directory: Directory, from: u32, clusters: u32): u32 {
  let many: u32 = 1;
  while (from + many < clusters) {
    const before = load<u32>(directory.chain + ((from + many - 1) << 2));
    if (load<u32>(directory.chain + ((from + many) << 2)) !== before + 1) break;
    many += 1;
  }
  return many;
}

/** Where offset `at` of the directory is, in sectors of 512 of the window. */
export function directorySector(directory: Directory, at: u32): u64 {
  const fat = directory.fat;
  const cluster = load<u32>(directory.chain + ((at >>> fat.clusterShift) << 2));
  return clusterSector(fat, cluster) + <u64>((at & (clusterSize(fat) - 1)) >>> 9);
}

/** Adds the sectors marked `how` to the open batch, neighbours in one request. */
export function directoryQueue(directory: Directory, how: u32): ErrorCode {
  const fat = directory.fat;
  const sectors = directory.length >>> fat.sectorShift;
  const size = sectorSize(fat);
  for (let from: u32 = 0; from < sectors; ) {
    if (<u32>load<u8>(directory.sectors + from) !== how) {
      from += 1;
      continue;
    }
    const start = directorySector(directory, from << fat.sectorShift);
    let to = from + 1;
    while (to < sectors && <u32>load<u8>(directory.sectors + to) === how) {
      const here = directorySector(directory, to << fat.sectorShift);
      if (here !== start + <u64>((to - from) * (size >>> 9))) break;
      to += 1;
    }
    const source = directory.data + (from << fat.sectorShift);
    const code = deviceQueueWrite(fat.device, start, source, (to - from) * size);
    if (code !== ErrorCode.OK) return code;
    from = to;
  }
  return ErrorCode.OK;
}

/** Forgets the clean directory that was used longest ago, when there are many. */
function forgetOldest(fat: Fat): void {
  let count: u32 = 0;
  let oldest: usize = 0;
  for (let at = fat.directories; at !== 0; at = changetype<Directory>(at).next) {
    const directory = changetype<Directory>(at);
    count += 1;
    if (directory.dirty !== 0 || directory.unlinked) continue;
    if (oldest === 0 || directory.stamp < changetype<Directory>(oldest).stamp) oldest = at;
  }
  if (count >= KEPT_MAX && oldest !== 0) directoryForget(changetype<Directory>(oldest));
}

/** Builds the index of all names and finds where the entries end. ENOMEM. */
export function rebuildIndex(directory: Directory): ErrorCode {
  let slots: u32 = 64;
  const entries = max<u32>(directory.end, directory.length) / ENTRY_SIZE;
  while (slots < entries * 4) slots *= 2;
  const index = allocate(slots << 3);
  if (index === 0) return failPlain(ErrorCode.ENOMEM);
  release(directory.index, directory.indexSlots << 3);
  memory.fill(index, 0xff, slots << 3);
  directory.index = index;
  directory.indexSlots = slots;
  directory.indexUsed = 0;
  directory.holes = 0;
  directory.firstHole = directory.length;
  let from: u32 = 0;
  while (entryNext(directory.data, from, directory.length)) {
    from = entryAt + ENTRY_SIZE;
    const attributes = <u32>load<u8>(directory.data + entryAt, ENTRY_ATTRIBUTES);
    if ((attributes & ATTRIBUTE_LABEL) !== 0) continue;
    const code = directoryIndex(directory, entryStart);
    if (code !== ErrorCode.OK) return code;
  }
  directory.end = entryAt;
  for (let at: u32 = 0; at < directory.end; at += ENTRY_SIZE) {
    if (load<u8>(directory.data + at) !== <u8>ENTRY_DELETED) continue;
    directory.holes += 1;
    directory.firstHole = min<u32>(directory.firstHole, at);
  }
  return ErrorCode.OK;
}
