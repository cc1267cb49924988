/** Paths, entries by number and lists of a volume that is open. Links are not followed. */
import { compareBytes } from "../../engine/bytes";
import { failPlain } from "../../engine/fault";
import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  ISO_STAT_BYTES,
  ISO_STAT_EXTENTS,
  ISO_STAT_MODE,
  ISO_STAT_MODIFIED,
  ISO_STAT_NAME_LENGTH,
  ISO_STAT_NEXT,
  ISO_STAT_ROOM,
  ISO_STAT_SECTOR,
  ISO_STAT_SIZE,
  ISO_STAT_TARGET_LENGTH,
  ISO_STAT_TYPE,
  IsoNames,
  IsoType,
} from "../../format/media/calls";
import { BLOCK_SECTORS, RECORD_LBA, RECORD_NAME_LENGTH } from "../../format/media/iso";
import { sameLetters } from "./names";
import { directoryCheck, entry, entryAt, findRock } from "./record";
import { Directory, Iso, isoFail, useJoliet } from "./volume";

/** Directories on the way to one file. */
const DEPTH_MAX: u32 = 256;
const SLASH: u32 = 0x2f;

/** The directory that a walk is in; the last one is that of the entry found. */
export const here: Directory = changetype<Directory>(memory.data(16, 8));

/** Chooses the names to read by; EOPNOTSUPP if the volume has none of that kind. */
export function chooseNames(iso: Iso, wanted: IsoNames): ErrorCode {
  if (wanted === IsoNames.JOLIET) {
    return useJoliet(iso) ? checkRoot(iso) : failPlain(ErrorCode.EOPNOTSUPP);
  }
  if (wanted !== IsoNames.PLAIN) {
    const found = findRock(iso);
    if (found < 0) return found;
    if (found === 1) iso.names = IsoNames.ROCK_RIDGE;
    else if (wanted === IsoNames.ROCK_RIDGE) return failPlain(ErrorCode.EOPNOTSUPP);
    else useJoliet(iso);
  }
  return checkRoot(iso);
}

/** Goes to `path`: `entry` is what stands there. Answers its type, 0 for the root, or an errno. */
export function walk(iso: Iso, path: usize, length: u32): i32 {
  const end = path + length;
  let depth: u32 = 0;
  let type: i32 = 0;
  enterRoot(iso);
  for (path = skipSlashes(path, end); path < end; path = skipSlashes(path, end)) {
    const start = path;
    while (path < end && <u32>load<u8>(path) !== SLASH) path += 1;
    if (type !== 0) {
      const code = enter(iso, type);
      if (code !== ErrorCode.OK) return code;
    }
    if (depth === DEPTH_MAX) return failPlain(ErrorCode.ENAMETOOLONG);
    depth += 1;
    type = lookup(iso, start, <u32>(path - start));
    if (type < 0) return type;
  }
  return type;
}

function skipSlashes(path: usize, end: usize): usize {
  while (path < end && <u32>load<u8>(path) === SLASH) path += 1;
  return path;
}

/** Goes to the directory `path`, which `here` is afterwards. ENOENT, ENOTDIR, EBADMSG, EIO. */
export function walkDirectory(iso: Iso, path: usize, length: u32): ErrorCode {
  const type = walk(iso, path, length);
  if (type < 0) return type;
  return type === 0 ? ErrorCode.OK : enter(iso, type);
}

/** Writes ISO_STAT of the root. */
export function statRoot(iso: Iso, out: usize): void {
  memory.fill(out, 0, ISO_STAT_SIZE);
  store<f64>(out, NaN, ISO_STAT_MODIFIED);
  store<f64>(out, <f64>iso.root.lba * <f64>BLOCK_SECTORS, ISO_STAT_SECTOR);
  store<u32>(out, IsoType.DIRECTORY, ISO_STAT_TYPE);
  store<u32>(out, 0o555, ISO_STAT_MODE);
}

/** Writes ISO_STAT of `entry` with its name and target: the bytes it takes, a multiple of 8. */
export function statEntry(out: usize): u32 {
  const isDirectory = entry.type === IsoType.DIRECTORY;
  store<f64>(out, isDirectory ? 0 : <f64>entry.bytes, ISO_STAT_BYTES);
  store<f64>(out, entry.modified, ISO_STAT_MODIFIED);
  store<f64>(out, <f64>entry.lba * <f64>BLOCK_SECTORS, ISO_STAT_SECTOR);
  store<u32>(out, entry.type, ISO_STAT_TYPE);
  store<u32>(out, entry.mode, ISO_STAT_MODE);
  store<u32>(out, entry.next, ISO_STAT_NEXT);
  store<u32>(out, entry.extents, ISO_STAT_EXTENTS);
  store<u32>(out, entry.nameLength, ISO_STAT_NAME_LENGTH);
  store<u32>(out, entry.targetLength, ISO_STAT_TARGET_LENGTH);
  memory.copy(out + ISO_STAT_SIZE, entry.name, entry.nameLength);
  memory.copy(out + ISO_STAT_SIZE + entry.nameLength, entry.target, entry.targetLength);
  return (ISO_STAT_SIZE + entry.nameLength + entry.targetLength + 7) & ~7;
}

/** Writes entries of `here` from byte `from` on into `size` bytes: how many; 0 is the end. */
export function listHere(iso: Iso, from: u32, out: usize, size: u32): i32 {
  let count = 0;
  let used: u32 = 0;
  while (used + ISO_STAT_ROOM <= size) {
    const found = entryAt(iso, here, from);
    if (found < 0) return found;
    if (found === 0) break;
    used += statEntry(out + used);
    from = entry.next;
    count += 1;
  }
  return count;
}

function enterRoot(iso: Iso): void {
  here.lba = iso.root.lba;
  here.bytes = iso.root.bytes;
}

function checkRoot(iso: Iso): ErrorCode {
  return directoryCheck(iso, iso.root, iso.root.lba);
}

/** Goes from `here` into `entry`. */
function enter(iso: Iso, type: i32): ErrorCode {
  if (type !== IsoType.DIRECTORY) return failPlain(ErrorCode.ENOTDIR);
  const parent = here.lba;
  here.lba = entry.lba;
  here.bytes = <u32>entry.bytes;
  return directoryCheck(iso, here, parent);
}

/**
 * Finds `name` in `here`. All of the directory is read: a name that stands twice is EBADMSG, and so
 * is a directory that two names lead to, for that is how trees grow without end.
 */
function lookup(iso: Iso, name: usize, length: u32): i32 {
  let foundAt: i64 = -1;
  let lba: u32 = 0;
  let type: i32 = 0;
  for (let at: u32 = 0; ; at = entry.next) {
    const found = entryAt(iso, here, at);
    if (found < 0) return found;
    if (found === 0) break;
    if (!isNamed(iso, name, length)) continue;
    if (foundAt >= 0) return twice(iso, RECORD_NAME_LENGTH);
    foundAt = <i64>entry.at;
    lba = entry.lba;
    type = entry.type;
  }
  if (foundAt < 0) return failPlain(ErrorCode.ENOENT);
  if (type === IsoType.DIRECTORY) {
    for (let at: u32 = 0; ; at = entry.next) {
      const found = entryAt(iso, here, at);
      if (found < 0) return found;
      if (found === 0) break;
      const same = entry.type === IsoType.DIRECTORY && entry.lba === lba;
      if (same && <i64>entry.at !== foundAt) return twice(iso, RECORD_LBA);
    }
  }
  const again = entryAt(iso, here, <u32>foundAt);
  return again < 0 ? again : type;
}

function isNamed(iso: Iso, name: usize, length: u32): bool {
  if (iso.names === IsoNames.PLAIN) {
    return sameLetters(entry.name, entry.nameLength, name, length);
  }
  return compareBytes(entry.name, entry.nameLength, name, length) === 0;
}

function twice(iso: Iso, detail: u32): ErrorCode {
  const reason: Reason = detail === RECORD_LBA ? Reason.ISO_PARENT : Reason.DUPLICATE;
  return isoFail(iso, reason, here.lba, detail);
}
