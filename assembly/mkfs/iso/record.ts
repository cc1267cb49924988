/**
 * Records of a directory, one entry after the other, each checked before anything in it is used.
 *
 * Interface: entryAt() fills the one Entry there is, for a record and those that go on with it. A
 * directory is entered by directoryCheck(), which holds its own two records against the way that
 * led there: so no directory is below itself.
 */
import { isUtf8 } from "../../engine/bytes";
import { lastFault } from "../../engine/fault";
import { allocate } from "../../engine/memory";
import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { ISO_NAME_MAX, IsoNames, IsoType } from "../../format/media/calls";
import {
  BLOCK_SHIFT,
  BLOCK_SIZE,
  RECORD_ATTRIBUTES,
  RECORD_BYTES,
  RECORD_FLAGS,
  RECORD_GAP,
  RECORD_IS_ASSOCIATED,
  RECORD_IS_CONTINUED,
  RECORD_IS_DIRECTORY,
  RECORD_LBA,
  RECORD_LENGTH,
  RECORD_NAME_LENGTH,
  RECORD_SIZE,
  RECORD_TIME,
  RECORD_UNIT,
} from "../../format/media/iso";
import { SP_CHECK, SP_CHECK_VALUE, SP_SIZE, SP_SKIP, SUSP_SP } from "../../format/media/rock";
import { jolietName, plainName } from "./names";
import { Rock, rockRead } from "./rock";
import { shortTime } from "./time";
import { Directory, Iso, isBoth, isoDirectoryBlock, isoFail, isoInside } from "./volume";

/** Extents of one file: 16 TiB of them. */
const EXTENTS_MAX: u32 = 4096;
const MODE_TYPE: u32 = 0o170000;
const MODE_DIRECTORY: u32 = 0o040000;
const MODE_LINK: u32 = 0o120000;

@unmanaged
export class Entry {
  type: IsoType;
  mode: u32;
  bytes: u64;
  /** First block of the first extent. */
  lba: u32;
  extents: u32;
  modified: f64;
  name: usize;
  nameLength: u32;
  target: usize;
  targetLength: u32;
  /** Where in the directory its first record stands, and where the entry after it begins. */
  at: u32;
  next: u32;
}

/** One record that holds together. */
@unmanaged
class Raw {
  /** In the block of the directory: good until another block is read. */
  address: usize;
  /** Block that it stands in. */
  block: u32;
  length: u32;
  flags: u32;
  lba: u32;
  bytes: u32;
  nameLength: u32;
  next: u32;
}

export const entry: Entry = changetype<Entry>(memory.data(128, 8));
const raw: Raw = changetype<Raw>(memory.data(64, 8));
const rock: Rock = changetype<Rock>(memory.data(128, 8));
const firstName: usize = memory.data(256);
/** A directory that was moved up, while its length is looked for. */
const moved: Directory = changetype<Directory>(memory.data(16, 8));

entry.name = allocate(4 * ISO_NAME_MAX);
rock.name = allocate(ISO_NAME_MAX);
rock.target = allocate(4096);

/**
 * Fills `entry` with the first entry at or behind byte `at` of the directory; "." and ".." are
 * none. Answers 1, 0 at the end, or a negative errno.
 */
export function entryAt(iso: Iso, directory: Directory, at: u32): i32 {
  let found = rawAt(iso, directory, at);
  while (found === 1) {
    entry.at = at;
    at = raw.next;
    if (!isDots(raw) && (raw.flags & RECORD_IS_ASSOCIATED) === 0) {
      const filled = fill(iso, directory);
      if (filled !== 0) return filled;
      at = entry.next;
    }
    found = rawAt(iso, directory, at);
  }
  return found;
}

/**
 * Reads the record at byte `at` of a directory for its place alone: where an extent is. Answers 1,
 * 0 at the end, or a negative errno.
 */
export function extentAt(iso: Iso, directory: Directory, at: u32): i32 {
  return rawAt(iso, directory, at);
}
export function extentLba(): u32 {
  return raw.lba;
}
export function extentBytes(): u32 {
  return raw.bytes;
}
export function extentNext(): u32 {
  return raw.next;
}
export function extentFlags(): u32 {
  return raw.flags;
}

/**
 * Holds the records "." and ".." of a directory against its place and that of its parent. A
 * directory that was moved up names its parent otherwise. EBADMSG, EIO.
 */
export function directoryCheck(iso: Iso, directory: Directory, parentLba: u32): ErrorCode {
  const lba = directory.lba;
  if ((directory.bytes & (BLOCK_SIZE - 1)) !== 0 || directory.bytes === 0) {
    return isoFail(iso, Reason.ISO_RECORD, lba, RECORD_BYTES);
  }
  if (!isoInside(iso, lba, directory.bytes)) return isoFail(iso, Reason.ISO_EXTENT, lba, 0);
  let found = rawAt(iso, directory, 0);
  if (found < 0) return found;
  const isSelf = found === 1 && isDots(raw) && raw.lba === lba && raw.bytes === directory.bytes;
  if (!isSelf) return isoFail(iso, Reason.ISO_PARENT, lba, RECORD_LBA);
  found = rawAt(iso, directory, raw.next);
  if (found < 0) return found;
  if (found !== 1 || !isDots(raw) || load<u8>(raw.address + RECORD_SIZE) !== 1) {
    return isoFail(iso, Reason.ISO_PARENT, lba, RECORD_NAME_LENGTH);
  }
  if (iso.names === IsoNames.ROCK_RIDGE) {
    const code = readRock(iso);
    if (code !== ErrorCode.OK) return code;
    if (rock.parent !== 0) {
      return rock.parent === parentLba
        ? ErrorCode.OK
        : isoFail(iso, Reason.ISO_PARENT, lba, RECORD_LBA);
    }
  }
  // libisofs writes a Joliet directory as its own parent.
  const isOwn = iso.names === IsoNames.JOLIET && raw.lba === lba;
  if (raw.lba === parentLba || isOwn) return ErrorCode.OK;
  return isoFail(iso, Reason.ISO_PARENT, lba, RECORD_LBA);
}

/** Looks for Rock Ridge in the root's first record, and notes how its areas begin. EBADMSG, EIO. */
export function findRock(iso: Iso): i32 {
  const found = rawAt(iso, iso.root, 0);
  if (found !== 1) return found;
  const area = areaOf(raw);
  const length = areaLength(raw);
  for (let at: u32 = 0; at <= 15 && at + SP_SIZE <= length; at++) {
    const candidate = area + at;
    if (<u32>load<u16>(candidate) !== SUSP_SP) continue;
    if (<u32>load<u16>(candidate, SP_CHECK) !== SP_CHECK_VALUE) continue;
    iso.skip = load<u8>(candidate, SP_SKIP);
    // Names that stand nowhere are no reason to prefer it.
    const code = rockRead(iso, rock, candidate, length - at, raw.block);
    if (code !== ErrorCode.OK) return code;
    return rock.mode !== 0 ? 1 : 0;
  }
  return 0;
}

/** One record at or behind byte `at`: checked, with its extent inside the device. */
function rawAt(iso: Iso, directory: Directory, at: u32): i32 {
  while (at < directory.bytes) {
    const block = directory.lba + (at >>> BLOCK_SHIFT);
    const within = at & (BLOCK_SIZE - 1);
    const blocks = ((directory.bytes - 1) >>> BLOCK_SHIFT) - (at >>> BLOCK_SHIFT) + 1;
    const start = isoDirectoryBlock(iso, block, blocks);
    if (start === 0) return lastFault();
    const address = start + within;
    const length = <u32>load<u8>(address, RECORD_LENGTH);
    if (length === 0) {
      at = (at & ~(BLOCK_SIZE - 1)) + BLOCK_SIZE;
      if (at === 0) return 0;
      continue;
    }
    if (length <= RECORD_SIZE || length > BLOCK_SIZE - within) {
      return isoFail(iso, Reason.ISO_RECORD, block, RECORD_LENGTH);
    }
    raw.address = address;
    raw.block = block;
    raw.length = length;
    raw.next = at + length;
    return rawCheck(iso);
  }
  return 0;
}

function rawCheck(iso: Iso): i32 {
  const address = raw.address;
  const block = raw.block;
  const length = raw.length;
  const nameLength = <u32>load<u8>(address, RECORD_NAME_LENGTH);
  if (nameLength === 0 || nameLength > length - RECORD_SIZE) {
    return isoFail(iso, Reason.ISO_RECORD, block, RECORD_NAME_LENGTH);
  }
  if (!isBoth(address + RECORD_LBA)) return isoFail(iso, Reason.ISO_RECORD, block, RECORD_LBA);
  if (!isBoth(address + RECORD_BYTES)) return isoFail(iso, Reason.ISO_RECORD, block, RECORD_BYTES);
  if (load<u8>(address, RECORD_UNIT) !== 0 || load<u8>(address, RECORD_GAP) !== 0) {
    // Interleaved files have never been seen on a boot medium.
    return isoFail(iso, Reason.ISO_RECORD, block, RECORD_UNIT);
  }
  raw.nameLength = nameLength;
  raw.flags = load<u8>(address, RECORD_FLAGS);
  raw.lba = load<u32>(address, RECORD_LBA) + <u32>load<u8>(address, RECORD_ATTRIBUTES);
  raw.bytes = load<u32>(address, RECORD_BYTES);
  if (raw.bytes === 0 || isoInside(iso, raw.lba, raw.bytes)) return 1;
  return isoFail(iso, Reason.ISO_EXTENT, block, RECORD_LBA);
}

/** "." and "..": one byte, 0 or 1. */
function isDots(record: Raw): bool {
  return record.nameLength === 1 && load<u8>(record.address + RECORD_SIZE) <= 1;
}

/** Makes `entry` of the record in `raw` and those that go on with it: 1, or 0 to pass it over. */
function fill(iso: Iso, directory: Directory): i32 {
  const first = raw.flags;
  entry.lba = raw.lba;
  entry.bytes = 0;
  entry.extents = 1;
  entry.next = raw.next;
  entry.modified = shortTime(raw.address + RECORD_TIME);
  entry.targetLength = 0;
  entry.type = (first & RECORD_IS_DIRECTORY) !== 0 ? IsoType.DIRECTORY : IsoType.FILE;
  entry.mode = entry.type === IsoType.DIRECTORY ? 0o555 : 0o444;
  const named = name(iso);
  if (named < 1) return named;
  entry.bytes += <u64>raw.bytes;
  if ((first & RECORD_IS_CONTINUED) === 0) return 1;
  if (entry.type !== IsoType.FILE) return isoFail(iso, Reason.ISO_RECORD, raw.block, RECORD_FLAGS);
  return gather(iso, directory);
}

/** Adds the extents behind the first one. */
function gather(iso: Iso, directory: Directory): i32 {
  const block = raw.block;
  const nameLength = raw.nameLength;
  memory.copy(firstName, raw.address + RECORD_SIZE, nameLength);
  while ((raw.flags & RECORD_IS_CONTINUED) !== 0) {
    // Only the last extent may end inside a block.
    if (raw.bytes === 0 || (raw.bytes & (BLOCK_SIZE - 1)) !== 0) {
      return isoFail(iso, Reason.ISO_RECORD, raw.block, RECORD_BYTES);
    }
    const found = rawAt(iso, directory, entry.next);
    if (found < 0) return found;
    const same =
      found === 1 &&
      raw.nameLength === nameLength &&
      memory.compare(firstName, raw.address + RECORD_SIZE, nameLength) === 0;
    if (!same || entry.extents === EXTENTS_MAX) {
      return isoFail(iso, Reason.ISO_RECORD, block, RECORD_FLAGS);
    }
    entry.extents += 1;
    entry.bytes += <u64>raw.bytes;
    entry.next = raw.next;
  }
  return 1;
}

/** The name, and with Rock Ridge what else it says: 1, 0 to pass it over, or EBADMSG. */
function name(iso: Iso): i32 {
  const id = raw.address + RECORD_SIZE;
  entry.nameLength =
    iso.names === IsoNames.JOLIET
      ? jolietName(id, raw.nameLength, entry.name)
      : plainName(id, raw.nameLength, entry.name);
  if (iso.names === IsoNames.ROCK_RIDGE) {
    const code = takeRock(iso);
    if (code < 1) return code;
  }
  if (isName(entry.name, entry.nameLength)) return 1;
  return isoFail(iso, Reason.ISO_RECORD, raw.block, RECORD_NAME_LENGTH);
}

/** A name may be longer than elsewhere, 255 bytes, but is one component of a path all the same. */
function isName(name: usize, length: u32): bool {
  for (let at: u32 = 0; at < length; at++) {
    const byte = load<u8>(name + at);
    if (byte === 0 || byte === 0x2f) return false;
  }
  const dots = length <= 2 && load<u8>(name) === 0x2e && load<u8>(name + length - 1) === 0x2e;
  return length > 0 && !dots && isUtf8(name, length);
}

function takeRock(iso: Iso): i32 {
  const code = readRock(iso);
  if (code !== ErrorCode.OK) return code;
  // It stands here only because it was moved up: CL leads to it from where it belongs.
  if (rock.isMoved) return 0;
  if (rock.nameLength > 0 && isUtf8(rock.name, rock.nameLength)) {
    memory.copy(entry.name, rock.name, rock.nameLength);
    entry.nameLength = rock.nameLength;
  }
  if (rock.hasTime) entry.modified = rock.modified;
  if (rock.child !== 0) return childOf(iso);
  if (rock.mode !== 0) {
    entry.mode = rock.mode & 0o7777;
    const isDirectory = (rock.mode & MODE_TYPE) === MODE_DIRECTORY;
    if (isDirectory !== (entry.type === IsoType.DIRECTORY)) {
      return isoFail(iso, Reason.ISO_ROCK_RIDGE, raw.block, 4);
    }
  }
  if (entry.type === IsoType.FILE && (rock.mode & MODE_TYPE) === MODE_LINK) {
    entry.type = IsoType.SYMLINK;
    entry.target = rock.target;
    entry.targetLength = rock.targetLength;
  }
  return 1;
}

/** The entry is a directory that was moved up: CL says where it is, it says how long it is. */
function childOf(iso: Iso): i32 {
  const block = raw.block;
  const flags = raw.flags;
  const next = raw.next;
  const lba = rock.child;
  if ((flags & RECORD_IS_CONTINUED) !== 0) {
    return isoFail(iso, Reason.ISO_RECORD, block, RECORD_FLAGS);
  }
  moved.lba = lba;
  moved.bytes = BLOCK_SIZE;
  const found = rawAt(iso, moved, 0);
  if (found < 0) return found;
  if (found === 0 || !isDots(raw) || raw.lba !== lba) {
    return isoFail(iso, Reason.ISO_PARENT, block, RECORD_LBA);
  }
  entry.type = IsoType.DIRECTORY;
  entry.mode = 0o555;
  entry.lba = lba;
  entry.next = next;
  return 1;
}

function readRock(iso: Iso): ErrorCode {
  const skip = min<u32>(iso.skip, areaLength(raw));
  return rockRead(iso, rock, areaOf(raw) + skip, areaLength(raw) - skip, raw.block);
}

function areaOf(record: Raw): usize {
  return record.address + record.length - areaLength(record);
}

/** Names are padded to an even end. */
function areaLength(record: Raw): u32 {
  const used = (RECORD_SIZE + record.nameLength + 1) & ~1;
  return record.length > used ? record.length - used : 0;
}
