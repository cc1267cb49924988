/**
 * Paths and entries: finding, adding, describing. A path is UTF-8 with "/" between names; empty
 * names and "." are skipped, ".." is refused.
 */
import { failPlain, lastFault } from "../../engine/fault";
import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  ATTRIBUTE_DIRECTORY,
  ATTRIBUTE_LABEL,
  ENTRY_ATTRIBUTES,
  ENTRY_CREATED_DATE,
  ENTRY_CREATED_TENTHS,
  ENTRY_CREATED_TIME,
  ENTRY_FILE_SIZE,
  ENTRY_SIZE,
  ENTRY_WRITTEN_DATE,
  ENTRY_WRITTEN_TIME,
  FAT_STAT_ATTRIBUTES,
  FAT_STAT_BYTES,
  FAT_STAT_CLUSTER,
  FAT_STAT_CREATED,
  FAT_STAT_MODIFIED,
  FAT_STAT_NAME_LENGTH,
  FAT_STAT_NEXT,
  FAT_STAT_ROOM,
  FAT_STAT_SHORT_LENGTH,
  FAT_STAT_SHORT_NAME,
  FAT_STAT_SIZE,
  NAME_SIZE,
} from "../../format/fat32";
import {
  Directory,
  directoryFind,
  directoryIndex,
  directoryOpen,
  directoryRoom,
  directorySector,
  directoryTouch,
  SECTOR_EARLY,
  SECTOR_LATE,
} from "./base/directory";
import {
  entryAt,
  entryCluster,
  entryName,
  entryNext,
  entryUnits,
  entryWriteName,
  momentFromEntry,
  piecesFor,
} from "./base/entries";
import {
  alias,
  aliasFromWide,
  aliasIsExact,
  aliasTail,
  hashName,
  utf8FromWide,
  wide,
  wideFromEntry,
  wideFromUtf8,
} from "./base/names";
import { damaged, Fat, isCluster } from "./base/volume";
import { latch } from "./commit";

const SLASH: u8 = 0x2f;
const DOT: u8 = 0x2e;
/** More numbers than a directory has entries. */
const ALIASES_MAX: u32 = 65536 * 9;
const PATH_LENGTH_MAX: u32 = 65536;

const shortName: usize = memory.data(32, 8);
const shortEntry: usize = memory.data(32, 8);

/** What walk() found: the directory it ended in, and the entry there, if any. */
export let foundDirectory: usize = 0;
/** Offsets of the entry's first slot and of the entry itself. */
export let foundStart: u32 = 0;
export let foundAt: u32 = 0;
/** Units in `wide` of the last name; 0 if the path is the root. */
export let foundUnits: u32 = 0;
/** The path leads through the directory that begins at `avoided`. */
export let foundInside: bool = false;
let avoided: u32 = 0;

/** From now on walk() tells whether a path leads through the directory that begins at `cluster`. */
export function walkAvoid(cluster: u32): void {
  avoided = cluster;
}

/**
 * Finds `path`. OK: foundDirectory, foundStart and foundAt name its entry (foundUnits 0: it is the
 * root, which has none). ENOENT with foundDirectory: only the last name is missing, it is left in
 * `wide`; without: something before it is.
 */
export function walk(fat: Fat, path: usize, length: u32): ErrorCode {
  foundDirectory = 0;
  foundUnits = 0;
  foundInside = false;
  if (length > PATH_LENGTH_MAX) return failPlain(ErrorCode.ENAMETOOLONG);
  let directory = directoryOpen(fat, fat.rootCluster);
  if (directory === null) return lastFault();
  let at = nextName(path, 0, length);
  while (at < length) {
    const end = nameEnd(path, at, length);
    const following = nextName(path, end, length);
    const units = wideFromUtf8(path + at, end - at);
    if (units < 0) return <ErrorCode>units;
    foundUnits = units;
    const start = directoryFind(directory, wide, units);
    if (start < 0) {
      foundDirectory = following < length ? 0 : changetype<usize>(directory);
      return failPlain(ErrorCode.ENOENT);
    }
    foundStart = start;
    foundAt = entryAt;
    if (following < length) {
      const next = enter(fat, directory, foundAt);
      if (next === null) return lastFault();
      directory = next;
    }
    at = following;
  }
  foundDirectory = changetype<usize>(directory);
  return ErrorCode.OK;
}

/** The directory that `path` names, or null after a fault: ENOENT, ENOTDIR. */
export function walkDirectory(fat: Fat, path: usize, length: u32): Directory | null {
  if (walk(fat, path, length) !== ErrorCode.OK) return null;
  const directory = changetype<Directory>(foundDirectory);
  return foundUnits === 0 ? directory : enter(fat, directory, foundAt);
}

/** The directory whose entry is at `at` of `directory`, or null after a fault. */
export function enter(fat: Fat, directory: Directory, at: u32): Directory | null {
  const entry = directory.data + at;
  if ((load<u8>(entry, ENTRY_ATTRIBUTES) & <u8>ATTRIBUTE_DIRECTORY) === 0) {
    failPlain(ErrorCode.ENOTDIR);
    return null;
  }
  const cluster = entryCluster(entry);
  if (!isCluster(fat, cluster)) {
    damaged(fat, Reason.FAT_DIRECTORY, directorySector(directory, at), cluster);
    return null;
  }
  if (cluster === avoided) foundInside = true;
  return directoryOpen(fat, cluster);
}

/** Offset of the next name at or after `at` that is not empty or "."; `length` if there is none. */
function nextName(path: usize, at: u32, length: u32): u32 {
  while (at < length) {
    const byte = load<u8>(path + at);
    const dot = byte === DOT && (at + 1 === length || load<u8>(path + at, 1) === SLASH);
    if (byte !== SLASH && !dot) break;
    at += 1;
  }
  return at;
}

/** Offset behind the name that begins at `at`. */
export function nameEnd(path: usize, at: u32, length: u32): u32 {
  while (at < length && load<u8>(path + at) === SLASH) at += 1;
  while (at < length && load<u8>(path + at) !== SLASH) at += 1;
  return at;
}

/**
 * Adds an entry for the name of `units` in `wide`, which is not there yet; all but its name and
 * `attributes` is zero. Answers its offset, or ENOSPC, ENOMEM.
 */
export function addEntry(directory: Directory, units: u32, attributes: u32): i32 {
  const pieces = aliasFromWide(units) ? 0 : piecesFor(units);
  if (!aliasIsExact() && !numberAlias(directory, units)) return failPlain(ErrorCode.ENOSPC);
  const start = directoryRoom(directory, pieces + 1);
  if (start < 0) return start;
  const at = <u32>start + pieces * ENTRY_SIZE;
  entryWriteName(directory.data + <u32>start, units, pieces);
  store<u8>(directory.data + at, attributes, ENTRY_ATTRIBUTES);
  for (let slot = <u32>start; slot < at; slot += ENTRY_SIZE) {
    directoryTouch(directory, slot, SECTOR_EARLY);
  }
  directoryTouch(directory, at, SECTOR_LATE);
  directory.fat.revision += 1;
  const code = latch(directory.fat, directoryIndex(directory, start));
  return code === ErrorCode.OK ? <i32>at : <i32>code;
}

/** Numbers the name in `alias` until it is unique. */
function numberAlias(directory: Directory, units: u32): bool {
  const hash = hashName(wide, units);
  for (let attempt: u32 = 0; attempt < ALIASES_MAX; attempt++) {
    aliasFromWide(units);
    aliasTail(attempt, hash);
    memory.copy(shortEntry, alias, NAME_SIZE);
    const shortUnits = wideFromEntry(shortEntry, shortName);
    if (directoryFind(directory, shortName, shortUnits) < 0) return true;
  }
  return false;
}

/** Writes FAT_STAT and the name of what walk() found to `out`, FAT_STAT_ROOM bytes. */
export function statFound(fat: Fat, out: usize): void {
  if (foundUnits !== 0) {
    const directory = changetype<Directory>(foundDirectory);
    entryNext(directory.data, foundStart, directory.length);
    writeStat(directory.data + entryAt, out);
    return;
  }
  memory.fill(out, 0, FAT_STAT_SIZE);
  store<u32>(out, ATTRIBUTE_DIRECTORY, FAT_STAT_ATTRIBUTES);
  store<u32>(out, fat.rootCluster, FAT_STAT_CLUSTER);
}

/**
 * Writes as many FAT_STAT records, each with its name, padded to 8 bytes, as fit into `size` bytes
 * at `out`, from offset `from` of the directory on. Answers their number; `next` of the last one is
 * where to go on.
 */
export function listDirectory(directory: Directory, from: u32, out: usize, size: u32): u32 {
  let count: u32 = 0;
  let used: u32 = 0;
  while (used + FAT_STAT_ROOM <= size && entryNext(directory.data, from, directory.length)) {
    from = entryAt + ENTRY_SIZE;
    const entry = directory.data + entryAt;
    const attributes = <u32>load<u8>(entry, ENTRY_ATTRIBUTES);
    if ((attributes & ATTRIBUTE_LABEL) !== 0 || isDots(entry)) continue;
    const record = out + used;
    used += (writeStat(entry, record) + 7) & ~7;
    store<u32>(record, from, FAT_STAT_NEXT);
    count += 1;
  }
  return count;
}

/** True for the entries "." and "..". */
export function isDots(entry: usize): bool {
  if (load<u8>(entry) !== DOT) return false;
  const second = load<u8>(entry, 1);
  return second === 0x20 || (second === DOT && load<u8>(entry, 2) === 0x20);
}

/** FAT_STAT and the name of the entry that entryNext() found; answers the bytes. */
function writeStat(entry: usize, out: usize): u32 {
  store<u32>(out, load<u32>(entry, ENTRY_FILE_SIZE), FAT_STAT_BYTES);
  store<u32>(out, load<u8>(entry, ENTRY_ATTRIBUTES), FAT_STAT_ATTRIBUTES);
  store<u32>(out, entryCluster(entry), FAT_STAT_CLUSTER);
  store<u32>(out, 0, FAT_STAT_NEXT);
  const written = load<u16>(entry, ENTRY_WRITTEN_DATE);
  store<f64>(
    out,
    momentFromEntry(written, load<u16>(entry, ENTRY_WRITTEN_TIME), 0),
    FAT_STAT_MODIFIED,
  );
  const created = load<u16>(entry, ENTRY_CREATED_DATE);
  const tenths = load<u8>(entry, ENTRY_CREATED_TENTHS);
  const createdTime = load<u16>(entry, ENTRY_CREATED_TIME);
  store<f64>(out, momentFromEntry(created, createdTime, tenths), FAT_STAT_CREATED);
  memory.fill(out + FAT_STAT_SHORT_NAME, 0, FAT_STAT_SHORT_LENGTH - FAT_STAT_SHORT_NAME);
  memory.copy(shortEntry, entry, NAME_SIZE);
  const shortUnits = wideFromEntry(shortEntry, shortName);
  const shortBytes = utf8FromWide(shortName, shortUnits, out + FAT_STAT_SHORT_NAME);
  store<u32>(out, shortBytes, FAT_STAT_SHORT_LENGTH);
  const bytes = utf8FromWide(entryName, entryUnits, out + FAT_STAT_SIZE);
  store<u32>(out, bytes, FAT_STAT_NAME_LENGTH);
  return FAT_STAT_SIZE + bytes;
}
