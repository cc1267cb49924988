/** Changes of the tree: directories made, entries removed and renamed. */
import { failPlain, lastFault } from "../../engine/fault";
import { ErrorCode } from "../../format/errors";
import {
  ATTRIBUTE_DIRECTORY,
  ENTRY_ATTRIBUTES,
  ENTRY_CASE_FLAGS,
  ENTRY_SIZE,
} from "../../format/fat32";
import {
  Directory,
  directoryAppend,
  directoryDelete,
  directoryForget,
  directoryNew,
  directoryOpen,
  directoryTouch,
  directoryUnindex,
  rebuildIndex,
  SECTOR_LATE,
  touchLast,
} from "./base/directory";
import { entryAt, entryCluster, entryNext, entrySetCluster, entryStamp } from "./base/entries";
import { tableFree, tableTake, takenCluster } from "./base/table";
import { Fat } from "./base/volume";
import { begin, commit, freeLater, latch } from "./commit";
import {
  addEntry,
  enter,
  foundAt,
  foundDirectory,
  foundInside,
  foundStart,
  foundUnits,
  isDots,
  nameEnd,
  walk,
  walkAvoid,
} from "./tree";

/** What an entry says beside its name: bytes from ENTRY_CASE_FLAGS to its end. */
const CONTENT: u32 = ENTRY_CASE_FLAGS + 1;
const moved: usize = memory.data(32, 8);

/** Makes a directory; `recursive`: with those above it, and it may be there already. */
export function makeDirectory(fat: Fat, path: usize, length: u32, recursive: bool): ErrorCode {
  let end = recursive ? nameEnd(path, 0, length) : length;
  while (end <= length) {
    const code = walk(fat, path, end);
    if (code === ErrorCode.ENOENT && foundDirectory !== 0) {
      const made = makeOne(fat, changetype<Directory>(foundDirectory), foundUnits);
      if (made !== ErrorCode.OK) return made;
    } else if (code !== ErrorCode.OK) {
      return code;
    } else if (!recursive || !isDirectory(foundAt)) {
      return failPlain(end < length ? ErrorCode.ENOTDIR : ErrorCode.EEXIST);
    }
    if (end === length) break;
    end = nameEnd(path, end, length);
  }
  return ErrorCode.OK;
}

/** True if what walk() found is a directory. */
function isDirectory(at: u32): bool {
  if (foundUnits === 0) return true;
  const entry = changetype<Directory>(foundDirectory).data + at;
  return (load<u8>(entry, ENTRY_ATTRIBUTES) & <u8>ATTRIBUTE_DIRECTORY) !== 0;
}

function makeOne(fat: Fat, parent: Directory, units: u32): ErrorCode {
  let code = begin(fat);
  if (code !== ErrorCode.OK) return code;
  const taken = tableTake(fat, 0, 1);
  if (taken < 0) return latch(fat, <ErrorCode>taken);
  const cluster = takenCluster;
  const above = parent.first === fat.rootCluster ? 0 : parent.first;
  const directory = newDirectory(fat, cluster, above);
  if (directory === null) return latch(fat, lastFault());
  const at = addEntry(parent, units, ATTRIBUTE_DIRECTORY);
  if (at < 0) {
    directoryForget(directory);
    code = latch(fat, tableFree(fat, cluster));
    return code === ErrorCode.OK ? <ErrorCode>at : code;
  }
  const entry = parent.data + <u32>at;
  entrySetCluster(entry, cluster);
  entryStamp(entry, fat.timestamp, true);
  return ErrorCode.OK;
}

/** A directory with nothing but "." and "..", in memory. */
function newDirectory(fat: Fat, cluster: u32, above: u32): Directory | null {
  const directory = directoryNew(fat, cluster);
  if (directory === null) return null;
  directory.unlinked = true;
  if (directoryAppend(directory, cluster) === ErrorCode.OK) {
    touchLast(directory);
    writeDots(directory.data, cluster, fat.timestamp, 1);
    writeDots(directory.data + ENTRY_SIZE, above, fat.timestamp, 2);
    if (rebuildIndex(directory) === ErrorCode.OK) return directory;
  }
  directoryForget(directory);
  return null;
}

function writeDots(entry: usize, cluster: u32, timestamp: f64, dots: u32): void {
  memory.fill(entry, 0, ENTRY_SIZE);
  memory.fill(entry, 0x20, ENTRY_ATTRIBUTES);
  memory.fill(entry, 0x2e, dots);
  store<u8>(entry, ATTRIBUTE_DIRECTORY, ENTRY_ATTRIBUTES);
  entrySetCluster(entry, cluster);
  entryStamp(entry, timestamp, true);
}

/** Removes a file or an empty directory. */
export function removeEntry(fat: Fat, path: usize, length: u32): ErrorCode {
  let code = walk(fat, path, length);
  if (code !== ErrorCode.OK) return code;
  if (foundUnits === 0) return failPlain(ErrorCode.EBUSY);
  code = begin(fat);
  return code === ErrorCode.OK ? removeFound(fat) : code;
}

/** Removes what walk() found. */
function removeFound(fat: Fat): ErrorCode {
  const parent = changetype<Directory>(foundDirectory);
  const cluster = entryCluster(parent.data + foundAt);
  if (isDirectory(foundAt)) {
    const child = enter(fat, parent, foundAt);
    if (child === null) return lastFault();
    if (!isEmpty(child)) return failPlain(ErrorCode.ENOTEMPTY);
    directoryForget(child);
  }
  directoryUnindex(parent, foundStart);
  directoryDelete(parent, foundStart, foundAt + ENTRY_SIZE);
  return freeLater(fat, cluster);
}

function isEmpty(directory: Directory): bool {
  let from: u32 = 0;
  while (entryNext(directory.data, from, directory.length)) {
    if (!isDots(directory.data + entryAt)) return false;
    from = entryAt + ENTRY_SIZE;
  }
  return true;
}

/**
 * Renames `from` to `to`, over a file or an empty directory that is there. The new name is durable
 * before the old one goes, so that a cut leaves one or both.
 */
export function renameEntry(
  fat: Fat,
  from: usize,
  fromLength: u32,
  to: usize,
  toLength: u32,
): ErrorCode {
  let code = walk(fat, from, fromLength);
  if (code !== ErrorCode.OK) return code;
  if (foundUnits === 0) return failPlain(ErrorCode.EBUSY);
  const source = changetype<Directory>(foundDirectory);
  const sourceFirst = source.first;
  const sourceStart = foundStart;
  const sourceAt = foundAt;
  const directory = isDirectory(foundAt);
  memory.copy(moved, source.data + foundAt, ENTRY_SIZE);
  walkAvoid(directory ? entryCluster(moved) : 0);
  code = walk(fat, to, toLength);
  walkAvoid(0);
  if (foundInside) return failPlain(ErrorCode.EINVAL);
  const exists = code === ErrorCode.OK;
  if (!exists && (code !== ErrorCode.ENOENT || foundDirectory === 0)) return code;
  if (exists && foundUnits === 0) return failPlain(ErrorCode.EBUSY);
  const target = changetype<Directory>(foundDirectory);
  const same = exists && target.first === sourceFirst && foundAt === sourceAt;
  code = begin(fat);
  if (code !== ErrorCode.OK) return code;
  if (exists && !same && isDirectory(foundAt) !== directory) {
    return failPlain(directory ? ErrorCode.ENOTDIR : ErrorCode.EISDIR);
  }
  if (exists && !same && directory) code = replaceDirectory(fat);
  if (code !== ErrorCode.OK) return code;
  const placed = exists && !same && !directory ? replaceFile(fat, target) : addMoved(target);
  if (placed !== ErrorCode.OK) return placed;
  if (directory && target.first !== sourceFirst) {
    code = setParent(fat, target.first === fat.rootCluster ? 0 : target.first);
    if (code !== ErrorCode.OK) return code;
  }
  code = commit(fat);
  return code === ErrorCode.OK ? dropSource(fat, sourceFirst, sourceStart, sourceAt) : code;
}

/** Gives the found file the content of the moved one. */
function replaceFile(fat: Fat, target: Directory): ErrorCode {
  const entry = target.data + foundAt;
  const old = entryCluster(entry);
  const flags = load<u8>(entry, ENTRY_CASE_FLAGS);
  memory.copy(entry + CONTENT, moved + CONTENT, ENTRY_SIZE - CONTENT);
  store<u8>(entry, load<u8>(moved, ENTRY_ATTRIBUTES), ENTRY_ATTRIBUTES);
  store<u8>(entry, flags, ENTRY_CASE_FLAGS);
  directoryTouch(target, foundAt, SECTOR_LATE);
  return freeLater(fat, old);
}

/** Takes the empty directory away that the moved one replaces; its name is still in `wide`. */
function replaceDirectory(fat: Fat): ErrorCode {
  const code = removeFound(fat);
  return code === ErrorCode.OK ? commit(fat) : code;
}

function addMoved(target: Directory): ErrorCode {
  const at = addEntry(target, foundUnits, load<u8>(moved, ENTRY_ATTRIBUTES));
  if (at < 0) return <ErrorCode>at;
  memory.copy(target.data + <u32>at + CONTENT, moved + CONTENT, ENTRY_SIZE - CONTENT);
  return ErrorCode.OK;
}

/** Lets ".." of the moved directory lead to the directory that begins at `cluster`. */
function setParent(fat: Fat, cluster: u32): ErrorCode {
  const child = directoryOpen(fat, entryCluster(moved));
  if (child === null) return lastFault();
  if (!isDots(child.data + ENTRY_SIZE)) return ErrorCode.OK;
  entrySetCluster(child.data + ENTRY_SIZE, cluster);
  directoryTouch(child, ENTRY_SIZE, SECTOR_LATE);
  return ErrorCode.OK;
}

/** Takes the old name away: slots [start, at] of the directory that begins at `first`. */
function dropSource(fat: Fat, first: u32, start: u32, at: u32): ErrorCode {
  const source = directoryOpen(fat, first);
  if (source === null) return lastFault();
  directoryUnindex(source, start);
  directoryDelete(source, start, at + ENTRY_SIZE);
  return ErrorCode.OK;
}
