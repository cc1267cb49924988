/**
 * Walks all directories, depth first, and checks every entry and every chain. A cluster is taken
 * once: what leads to it again is a cross link and is not followed, so the walk ends.
 */
import { failPlain, lastFault } from "../../../engine/fault";
import { allocate, release } from "../../../engine/memory";
import { ErrorCode } from "../../../format/errors";
import {
  ATTRIBUTE_DIRECTORY,
  ATTRIBUTE_LABEL,
  ATTRIBUTE_MASK,
  CLUSTER_END_MIN,
  CLUSTER_FREE,
  ENTRY_ACCESSED_DATE,
  ENTRY_ATTRIBUTES,
  ENTRY_CASE_FLAGS,
  ENTRY_CREATED_DATE,
  ENTRY_CREATED_TENTHS,
  ENTRY_CREATED_TIME,
  ENTRY_FILE_SIZE,
  ENTRY_SIZE,
  ENTRY_WRITTEN_DATE,
  ENTRY_WRITTEN_TIME,
  FatProblem,
} from "../../../format/fat32";
import { Directory, directoryFind, directoryOpen, directorySector } from "../base/directory";
import {
  entryAt,
  entryCluster,
  entryLong,
  entryName,
  entryNext,
  entryOrphan,
  entryStart,
  entryUnits,
  isDate,
  isTime,
} from "../base/entries";
import { isAlias, isForbidden, utf8FromWide } from "../base/names";
import { TABLE_ERROR, tableGet, tableSector } from "../base/table";
import { clusterSector, clusterSize, Fat, isCluster } from "../base/volume";
import { isDots } from "../tree";
import { findingsPath, found } from "./findings";

const PATH_MAX: u32 = 65536;
const NAME_MAX: u32 = 800;
const FRAME_SIZE: u32 = 12;
/** Bits 3 and 4 are the case of the 8.3 name, 0 and 1 belong to Windows. */
const CASE_MASK: u8 = 0x1b;

const nameCopy: usize = allocate(560);

/** Frames { first cluster, offset to go on, bytes of the path }, u32 each. */
let frames: usize = 0;
let framesRoom: u32 = 0;
let depth: u32 = 0;
let path: usize = 0;
let pathLength: u32 = 0;
let labels: u32 = 0;

/** Checks all that the root leads to; `claimed` takes a bit per cluster that is in a chain. */
export function checkTree(fat: Fat, claimed: usize): ErrorCode {
  path = allocate(PATH_MAX + NAME_MAX);
  frames = 0;
  framesRoom = 0;
  depth = 0;
  labels = 0;
  let code: ErrorCode = path === 0 ? ErrorCode.ENOMEM : ErrorCode.OK;
  if (code === ErrorCode.OK) {
    findingsPath(path, 0);
    const clusters = claimChain(fat, fat.rootCluster, claimed, tableSector(fat, fat.rootCluster));
    if (clusters > 0) code = push(fat.rootCluster, 0);
  }
  while (code === ErrorCode.OK && depth > 0) code = advance(fat, claimed);
  release(frames, framesRoom * FRAME_SIZE);
  release(path, PATH_MAX + NAME_MAX);
  return code;
}

function push(first: u32, length: u32): ErrorCode {
  if (depth === framesRoom) {
    const room: u32 = framesRoom === 0 ? 64 : framesRoom * 2;
    const bigger = allocate(room * FRAME_SIZE);
    if (bigger === 0) return failPlain(ErrorCode.ENOMEM);
    memory.copy(bigger, frames, depth * FRAME_SIZE);
    release(frames, framesRoom * FRAME_SIZE);
    frames = bigger;
    framesRoom = room;
  }
  const frame = frames + depth * FRAME_SIZE;
  store<u32>(frame, first);
  store<u32>(frame, 0, 4);
  store<u32>(frame, length, 8);
  depth += 1;
  return ErrorCode.OK;
}

/** One entry further in the directory on top. */
function advance(fat: Fat, claimed: usize): ErrorCode {
  const frame = frames + (depth - 1) * FRAME_SIZE;
  const first = load<u32>(frame);
  const from = load<u32>(frame, 4);
  pathLength = load<u32>(frame, 8);
  findingsPath(path, pathLength);
  const directory = directoryOpen(fat, first);
  if (directory === null) {
    depth -= 1;
    return foundClosed(fat, first);
  }
  const more = entryNext(directory.data, from, directory.length);
  if (entryOrphan) {
    const at = min<u32>(entryAt, directory.length - ENTRY_SIZE);
    found(fat, FatProblem.LONG_NAME, directorySector(directory, at), at, 0);
  }
  if (!more) {
    depth -= 1;
    return ErrorCode.OK;
  }
  store<u32>(frame, entryAt + ENTRY_SIZE, 4);
  const entry = directory.data + entryAt;
  if (isDots(entry)) {
    if (from > ENTRY_SIZE || first === fat.rootCluster)
      foundHere(fat, directory, FatProblem.DOTS, 0);
    return ErrorCode.OK;
  }
  return checkEntry(fat, directory, entryAt, claimed);
}

/** Why a directory whose chain is whole could not be opened. */
function foundClosed(fat: Fat, first: u32): ErrorCode {
  const code = lastFault();
  if (code === ErrorCode.ENOMEM) return code;
  const problem = code === ErrorCode.EIO ? FatProblem.UNREADABLE : FatProblem.DIRECTORY_SIZE;
  found(fat, problem, clusterSector(fat, first), first, 0);
  return ErrorCode.OK;
}

function foundHere(fat: Fat, directory: Directory, problem: FatProblem, detail: u32): void {
  found(fat, problem, directorySector(directory, entryAt), detail, 0);
}

/**
 * Goes into the directory from `first`, named at `sector`. "." must lead to the directory itself:
 * if not, the entry leads to something else, and what is there is not read as entries. ".." leads
 * to the parent, 0 standing for the root.
 */
function checkChild(fat: Fat, first: u32, parent: u32, sector: u64): ErrorCode {
  const directory = directoryOpen(fat, first);
  if (directory === null) return foundClosed(fat, first);
  const dot = directory.data;
  const two = dot + ENTRY_SIZE;
  const above: u32 = parent === fat.rootCluster ? 0 : parent;
  if (!isDot(dot, 1) || entryCluster(dot) !== first) {
    found(fat, FatProblem.DOTS, sector, entryCluster(dot), first);
    found(fat, FatProblem.DOTS, directorySector(directory, 0), entryCluster(dot), first);
    return ErrorCode.OK;
  }
  if (!isDot(two, 2) || entryCluster(two) !== above) {
    found(fat, FatProblem.DOTS, directorySector(directory, 0), entryCluster(two), above);
  }
  return push(first, pathLength);
}

function isDot(entry: usize, dots: u32): bool {
  const directory = (load<u8>(entry, ENTRY_ATTRIBUTES) & <u8>ATTRIBUTE_DIRECTORY) !== 0;
  const two = load<u8>(entry, 1) === 0x2e;
  return directory && isDots(entry) && two === (dots === 2);
}

function checkEntry(fat: Fat, directory: Directory, at: u32, claimed: usize): ErrorCode {
  const entry = directory.data + at;
  const attributes = <u32>load<u8>(entry, ENTRY_ATTRIBUTES);
  const sector = directorySector(directory, at);
  nameIt();
  checkFields(fat, entry, attributes, sector);
  if ((attributes & ATTRIBUTE_LABEL) !== 0) {
    labels += 1;
    const one = labels === 1 && directory.first === fat.rootCluster;
    if (!one || (attributes & ATTRIBUTE_DIRECTORY) !== 0) {
      found(fat, FatProblem.LABEL, sector, labels, 0);
    }
    return ErrorCode.OK;
  }
  checkName(fat, directory, entry, sector);
  const first = entryCluster(entry);
  const size = load<u32>(entry, ENTRY_FILE_SIZE);
  if ((attributes & ATTRIBUTE_DIRECTORY) !== 0) {
    if (size !== 0) found(fat, FatProblem.ENTRY_FIELD, sector, ENTRY_FILE_SIZE, size);
    // A chain of no cluster is one that is broken at its start.
    const clusters = claimChain(fat, first, claimed, sector);
    return clusters > 0 ? checkChild(fat, first, directory.first, sector) : ErrorCode.OK;
  }
  if (first === 0 && size === 0) return ErrorCode.OK;
  const clusters = claimChain(fat, first, claimed, sector);
  if (clusters < 0) return ErrorCode.OK;
  const mask = <u64>clusterSize(fat) - 1;
  const wanted = (<u64>size + mask) >>> fat.clusterShift;
  if (wanted !== <u64>clusters) found(fat, FatProblem.SIZE, sector, size, clusters);
  return ErrorCode.OK;
}

/** Adds the name of the entry found to the path of the findings. */
function nameIt(): void {
  if (pathLength + NAME_MAX > PATH_MAX) return;
  store<u8>(path + pathLength, 0x2f);
  pathLength += 1 + utf8FromWide(entryName, entryUnits, path + pathLength + 1);
  findingsPath(path, pathLength);
}

function checkFields(fat: Fat, entry: usize, attributes: u32, sector: u64): void {
  if ((attributes & ~ATTRIBUTE_MASK) !== 0) foundField(fat, sector, ENTRY_ATTRIBUTES);
  if ((load<u8>(entry, ENTRY_CASE_FLAGS) & ~CASE_MASK) !== 0) {
    foundField(fat, sector, ENTRY_CASE_FLAGS);
  }
  if (load<u8>(entry, ENTRY_CREATED_TENTHS) > 199) foundField(fat, sector, ENTRY_CREATED_TENTHS);
  if (!isTime(load<u16>(entry, ENTRY_CREATED_TIME))) foundField(fat, sector, ENTRY_CREATED_TIME);
  if (!isTime(load<u16>(entry, ENTRY_WRITTEN_TIME))) foundField(fat, sector, ENTRY_WRITTEN_TIME);
  for (let which: u32 = 0; which < 3; which++) {
    const field =
      which === 0 ? ENTRY_CREATED_DATE : which === 1 ? ENTRY_ACCESSED_DATE : ENTRY_WRITTEN_DATE;
    const date = <u32>load<u16>(entry + field);
    if (date !== 0 && !isDate(date)) foundField(fat, sector, field);
  }
}

function foundField(fat: Fat, sector: u64, field: u32): void {
  found(fat, FatProblem.ENTRY_FIELD, sector, field, 0);
}

function checkName(fat: Fat, directory: Directory, entry: usize, sector: u64): void {
  const start = entryStart;
  const units = entryUnits;
  let good = isAlias(entry);
  if (entryLong) {
    for (let at: u32 = 0; at < units; at++) {
      if (isForbidden(load<u16>(entryName + (at << 1)))) good = false;
    }
  }
  if (!good || units === 0) found(fat, FatProblem.BAD_NAME, sector, 0, 0);
  memory.copy(nameCopy, entryName, units << 1);
  const other = directoryFind(directory, nameCopy, units);
  if (other >= 0 && <u32>other !== start) found(fat, FatProblem.DUPLICATE, sector, other, start);
}

/**
 * Takes the clusters of the chain from `first`. Answers how many, or -1 after a finding at
 * `sector`, the place that names the chain, or at the entry of the FAT that breaks it.
 */
function claimChain(fat: Fat, first: u32, claimed: usize, sector: u64): i32 {
  let cluster = first;
  let count: i32 = 0;
  let place = sector;
  while (isCluster(fat, cluster)) {
    const byte = claimed + (cluster >>> 3);
    const bit = (<u8>1) << (<u8>(cluster & 7));
    if ((load<u8>(byte) & bit) !== 0) {
      found(fat, FatProblem.CROSS_LINK, place, cluster, first);
      return -1;
    }
    store<u8>(byte, load<u8>(byte) | bit);
    count += 1;
    const value = tableGet(fat, cluster);
    // A free cluster is not wrong in itself: what leads there is.
    if (value === CLUSTER_FREE) break;
    place = tableSector(fat, cluster);
    if (value === TABLE_ERROR) {
      found(fat, FatProblem.UNREADABLE, place, cluster, first);
      return -1;
    }
    if (value >= CLUSTER_END_MIN) return count;
    cluster = value;
  }
  found(fat, FatProblem.CHAIN_BROKEN, place, cluster, first);
  return -1;
}
