/**
 * Rock Ridge: what the system use area of a record says of its entry. Areas may go on elsewhere;
 * how often is bounded, and so is every length.
 */

import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { ISO_NAME_MAX, ISO_TARGET_MAX } from "../../format/media/calls";
import { BLOCK_SIZE } from "../../format/media/iso";
import {
  CE_BYTES,
  CE_LBA,
  CE_OFFSET,
  CE_SIZE,
  CL_LBA,
  CL_SIZE,
  NM_CONTINUES,
  NM_FLAGS,
  NM_SIZE,
  PX_LINKS,
  PX_MODE,
  SL_CONTINUES,
  SL_FLAGS,
  SL_PART_CONTINUES,
  SL_PART_CURRENT,
  SL_PART_FLAGS,
  SL_PART_LENGTH,
  SL_PART_PARENT,
  SL_PART_ROOT,
  SL_PART_SIZE,
  SL_SIZE,
  SUSP_CE,
  SUSP_CL,
  SUSP_LENGTH,
  SUSP_NM,
  SUSP_PL,
  SUSP_PX,
  SUSP_RE,
  SUSP_SIGNATURE,
  SUSP_SIZE,
  SUSP_SL,
  SUSP_ST,
  SUSP_TF,
  TF_FLAGS,
  TF_HAS_CREATION,
  TF_HAS_MODIFY,
  TF_LONG,
  TF_SIZE,
} from "../../format/media/rock";
import { longTime, shortTime } from "./time";
import { Iso, isBoth, isoFail, isoMoreRead } from "./volume";

/** Continuations of one area. */
const CONTINUATIONS_MAX: u32 = 32;

/** What an area says. Names and targets stand in blocks of ISO_NAME_MAX and ISO_TARGET_MAX. */
@unmanaged
export class Rock {
  name: usize;
  nameLength: u32;
  target: usize;
  targetLength: u32;
  /** POSIX type and permissions; 0: it does not say. */
  mode: u32;
  hasTime: bool;
  modified: f64;
  /** Where a directory that was moved up is, or came from; 0: nowhere else. */
  child: u32;
  parent: u32;
  isMoved: bool;
  isLink: bool;
  /** The last part of the name or target said that more follows. */
  nameOpen: bool;
  targetOpen: bool;
  /** A separator belongs before the next component of the target. */
  targetSlash: bool;
  moreLba: u32;
  moreOffset: u32;
  moreBytes: u32;
}

export function rockClear(rock: Rock): void {
  const name = rock.name;
  const target = rock.target;
  memory.fill(changetype<usize>(rock), 0, offsetof<Rock>());
  rock.name = name;
  rock.target = target;
}

/**
 * Reads the area of `length` bytes at `area`, which stands in block `lba`, with all its
 * continuations. EBADMSG, EIO.
 */
export function rockRead(iso: Iso, rock: Rock, area: usize, length: u32, lba: u32): ErrorCode {
  rockClear(rock);
  for (let round: u32 = 0; round <= CONTINUATIONS_MAX; round++) {
    rock.moreBytes = 0;
    const code = readArea(iso, rock, area, length, lba);
    if (code !== ErrorCode.OK) return code;
    if (rock.moreBytes === 0) {
      if (!rock.nameOpen && !rock.targetOpen) return ErrorCode.OK;
      return isoFail(iso, Reason.ISO_ROCK_RIDGE, lba, NM_FLAGS);
    }
    lba = rock.moreLba;
    const read = isoMoreRead(iso, lba);
    if (read !== ErrorCode.OK) return read;
    area = iso.more + rock.moreOffset;
    length = rock.moreBytes;
  }
  return isoFail(iso, Reason.ISO_ROCK_RIDGE, lba, CE_LBA);
}

function readArea(iso: Iso, rock: Rock, area: usize, length: u32, lba: u32): ErrorCode {
  let at: u32 = 0;
  while (at + SUSP_SIZE <= length) {
    const entry = area + at;
    const signature = <u32>load<u16>(entry, SUSP_SIGNATURE);
    // Zeros fill what is left of an area.
    if (signature === 0 || signature === SUSP_ST) return ErrorCode.OK;
    const size = <u32>load<u8>(entry, SUSP_LENGTH);
    if (size < SUSP_SIZE || size > length - at) {
      return isoFail(iso, Reason.ISO_ROCK_RIDGE, lba, SUSP_LENGTH);
    }
    const wrong = readEntry(rock, entry, signature, size);
    if (wrong !== 0) return isoFail(iso, Reason.ISO_ROCK_RIDGE, lba, wrong);
    at += size;
  }
  return ErrorCode.OK;
}

/** Takes one entry; 0, or the offset of a field that is wrong. */
function readEntry(rock: Rock, entry: usize, signature: u32, size: u32): u32 {
  if (signature === SUSP_NM) return readName(rock, entry, size);
  if (signature === SUSP_SL) return readTarget(rock, entry, size);
  if (signature === SUSP_TF) return readTimes(rock, entry, size);
  if (signature === SUSP_CE) return readMore(rock, entry, size);
  if (signature === SUSP_RE) {
    rock.isMoved = true;
    return 0;
  }
  if (signature === SUSP_PX) {
    if (size < PX_LINKS || !isBoth(entry + PX_MODE)) return PX_MODE;
    rock.mode = load<u32>(entry, PX_MODE);
    return 0;
  }
  if (signature !== SUSP_CL && signature !== SUSP_PL) return 0;
  if (size < CL_SIZE || !isBoth(entry + CL_LBA)) return CL_LBA;
  const lba = load<u32>(entry, CL_LBA);
  if (signature === SUSP_CL) rock.child = lba;
  else rock.parent = lba;
  return lba === 0 ? CL_LBA : 0;
}

function readMore(rock: Rock, entry: usize, size: u32): u32 {
  if (size < CE_SIZE) return SUSP_LENGTH;
  for (let field = CE_LBA; field <= CE_BYTES; field += 8) {
    if (!isBoth(entry + field)) return field;
  }
  const offset = load<u32>(entry, CE_OFFSET);
  const bytes = load<u32>(entry, CE_BYTES);
  if (offset >= BLOCK_SIZE) return CE_OFFSET;
  if (bytes === 0 || bytes > BLOCK_SIZE - offset) return CE_BYTES;
  // One area goes on in one place.
  if (rock.moreBytes !== 0) return CE_LBA;
  rock.moreLba = load<u32>(entry, CE_LBA);
  rock.moreOffset = offset;
  rock.moreBytes = bytes;
  return 0;
}

function readName(rock: Rock, entry: usize, size: u32): u32 {
  if (size < NM_SIZE) return SUSP_LENGTH;
  const flags = <u32>load<u8>(entry, NM_FLAGS);
  // A name that has ended does not begin again.
  if (rock.nameLength > 0 && !rock.nameOpen) return NM_FLAGS;
  const length = size - NM_SIZE;
  if (length > ISO_NAME_MAX - rock.nameLength) return SUSP_LENGTH;
  memory.copy(rock.name + rock.nameLength, entry + NM_SIZE, length);
  rock.nameLength += length;
  rock.nameOpen = (flags & NM_CONTINUES) !== 0;
  return 0;
}

function readTimes(rock: Rock, entry: usize, size: u32): u32 {
  if (size < TF_SIZE) return SUSP_LENGTH;
  const flags = <u32>load<u8>(entry, TF_FLAGS);
  if ((flags & TF_HAS_MODIFY) === 0) return 0;
  const step: u32 = (flags & TF_LONG) !== 0 ? 17 : 7;
  const at = TF_SIZE + ((flags & TF_HAS_CREATION) !== 0 ? step : 0);
  if (at + step > size) return SUSP_LENGTH;
  rock.hasTime = true;
  rock.modified = step === 7 ? shortTime(entry + at) : longTime(entry + at);
  return 0;
}

function readTarget(rock: Rock, entry: usize, size: u32): u32 {
  if (size < SL_SIZE) return SUSP_LENGTH;
  if (rock.isLink && !rock.targetOpen) return SL_FLAGS;
  rock.isLink = true;
  for (let at = SL_SIZE; at < size; ) {
    if (at + SL_PART_SIZE > size) return SUSP_LENGTH;
    const flags = <u32>load<u8>(entry + at, SL_PART_FLAGS);
    const length = <u32>load<u8>(entry + at, SL_PART_LENGTH);
    if (length > size - at - SL_PART_SIZE) return SUSP_LENGTH;
    // Room for the bytes, a separator and two dots.
    if (rock.targetLength + length + 3 > ISO_TARGET_MAX) return SUSP_LENGTH;
    addPart(rock, flags, entry + at + SL_PART_SIZE, length);
    at += SL_PART_SIZE + length;
  }
  rock.targetOpen = (<u32>load<u8>(entry, SL_FLAGS) & SL_CONTINUES) !== 0;
  return 0;
}

function addPart(rock: Rock, flags: u32, bytes: usize, length: u32): void {
  if (rock.targetSlash) addByte(rock, 0x2f);
  rock.targetSlash = false;
  if ((flags & SL_PART_ROOT) !== 0) {
    addByte(rock, 0x2f);
    return;
  }
  if ((flags & SL_PART_CURRENT) !== 0) addByte(rock, 0x2e);
  if ((flags & SL_PART_PARENT) !== 0) {
    addByte(rock, 0x2e);
    addByte(rock, 0x2e);
  }
  memory.copy(rock.target + rock.targetLength, bytes, length);
  rock.targetLength += length;
  rock.targetSlash = (flags & SL_PART_CONTINUES) === 0;
}

function addByte(rock: Rock, byte: u32): void {
  store<u8>(rock.target + rock.targetLength, <u8>byte);
  rock.targetLength += 1;
}
