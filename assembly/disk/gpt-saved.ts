/**
 * A table as bytes to keep: block 0 and both copies as they are, good or bad, with a checksum and
 * the geometry they belong to; and back again, in the order of any update.
 */
import {
  deviceFail,
  deviceFlush,
  deviceQueueWrite,
  deviceRead,
  deviceSubmit,
} from "../engine/device";
import { failPlain } from "../engine/fault";
import { crc32, crc32c } from "../engine/hash/crc";
import { allocateZeroed } from "../engine/memory";
import { requestsBegin } from "../engine/requests";
import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  ENTRIES_SIZE_MAX,
  ENTRIES_SIZE_MIN,
  GptProblem,
  GptSide,
  HEADER_ENTRIES_CRC,
  HEADER_ENTRIES_LBA,
  HEADER_ENTRY_LENGTH,
  HEADER_LBA,
  HEADER_SLOTS,
  SAVED_BLOCK_SIZE,
  SAVED_BLOCKS,
  SAVED_CRC,
  SAVED_EXTENT_BLOCKS,
  SAVED_EXTENT_LBA,
  SAVED_EXTENT_SIDE,
  SAVED_EXTENT_SIZE,
  SAVED_EXTENTS,
  SAVED_EXTENTS_MAX,
  SAVED_LENGTH,
  SAVED_MAGIC_HIGH,
  SAVED_MAGIC_LOW,
  SAVED_SIZE,
  SAVED_VERSION,
  SAVED_VERSION_VALUE,
} from "../format/gpt";
import { blocksOf, Disk, headerProblem, Side, sectorOf } from "./gpt-read";

const HEAD_SIZE: u32 = SAVED_SIZE + SAVED_EXTENTS_MAX * SAVED_EXTENT_SIZE;
const head: usize = memory.data(168, 8);
if (HEAD_SIZE !== 168) ERROR("the head of a saved table has another size");

/** Address of the saved table, 0 after a fault; its length is savedLength. */
export function diskSave(disk: Disk): usize {
  memory.fill(head, 0, HEAD_SIZE);
  store<u32>(head, SAVED_MAGIC_LOW);
  store<u32>(head, SAVED_MAGIC_HIGH, 4);
  store<u32>(head, SAVED_VERSION_VALUE, SAVED_VERSION);
  store<u32>(head, disk.blockSize, SAVED_BLOCK_SIZE);
  store<u64>(head, disk.blocks, SAVED_BLOCKS);
  const least = min<u64>(blocksOf(disk, ENTRIES_SIZE_MIN), (disk.blocks - 3) / 2);
  extentAdd(0, 1, GptSide.PRIMARY);
  extentAdd(HEADER_LBA, 1, GptSide.PRIMARY);
  extentAddArray(disk, disk.primary, <u64>HEADER_LBA + 1, least);
  const backup = disk.backup;
  const moved = backup.headerRight && backup.lba !== disk.lastLba;
  if (moved) {
    extentAdd(backup.lba, 1, GptSide.BACKUP);
    extentAddArray(disk, backup, backup.entriesLba, least);
  }
  extentAdd(disk.lastLba, 1, GptSide.BACKUP);
  if (!moved) extentAddArray(disk, backup, disk.lastLba - least, least);
  return copyExtents(disk);
}

/** Bytes of the table that diskSave made last. */
export function savedLength(): u32 {
  return load<u32>(head, SAVED_LENGTH);
}

/**
 * Writes back a saved table of `length` bytes, or without `apply` only checks it: EBADMSG (it is
 * damaged), EINVAL (it is from a device of another size or block size), EROFS, EIO.
 */
export function diskRestore(disk: Disk, saved: usize, length: u32, apply: bool): ErrorCode {
  const checked = savedCheck(disk, saved, length);
  if (checked !== ErrorCode.OK || !apply) return checked;
  let first: GptSide = disk.used === GptSide.BACKUP ? GptSide.PRIMARY : GptSide.BACKUP;
  // A damaged copy may have been saved. It goes last if both copies on the device are whole: what
  // is written first must be able to serve while the other one is torn.
  const bothWhole =
    disk.primary.problem === GptProblem.NONE && disk.backup.problem === GptProblem.NONE;
  if (bothWhole && !savedWhole(disk, saved, first)) first = other(first);
  let code = deviceFlush(disk.device);
  if (code === ErrorCode.OK) code = restoreSide(disk, saved, first);
  return code === ErrorCode.OK ? restoreSide(disk, saved, other(first)) : code;
}

function other(side: GptSide): GptSide {
  return side === GptSide.PRIMARY ? GptSide.BACKUP : GptSide.PRIMARY;
}

/** True if the saved copy `side` could be believed where it belongs on this device. */
function savedWhole(disk: Disk, saved: usize, side: GptSide): bool {
  const lba: u64 = side === GptSide.PRIMARY ? HEADER_LBA : disk.lastLba;
  const block = savedBlocks(disk, saved, lba, 1);
  if (block === 0 || headerProblem(disk, block, lba) !== GptProblem.NONE) return false;
  const size = load<u32>(block, HEADER_SLOTS) * load<u32>(block, HEADER_ENTRY_LENGTH);
  const first = load<u64>(block, HEADER_ENTRIES_LBA);
  const entries = savedBlocks(disk, saved, first, <u32>blocksOf(disk, size));
  return entries !== 0 && crc32(0, entries, size) === load<u32>(block, HEADER_ENTRIES_CRC);
}

/** Address of the saved blocks from `lba` on, if an extent begins there and has as many, else 0. */
function savedBlocks(disk: Disk, saved: usize, lba: u64, blocks: u32): usize {
  const count = load<u32>(saved, SAVED_EXTENTS);
  let at = saved + <usize>(SAVED_SIZE + count * SAVED_EXTENT_SIZE);
  for (let index: u32 = 0; index < count; index++) {
    const extent = extentAt(saved, index);
    const held = load<u32>(extent, SAVED_EXTENT_BLOCKS);
    if (load<u64>(extent, SAVED_EXTENT_LBA) === lba && held >= blocks) return at;
    at += <usize>(held * disk.blockSize);
  }
  return 0;
}

function extentAdd(lba: u64, blocks: u64, side: GptSide): void {
  const count = load<u32>(head, SAVED_EXTENTS);
  assert(count < SAVED_EXTENTS_MAX);
  const extent = head + <usize>(SAVED_SIZE + count * SAVED_EXTENT_SIZE);
  store<u64>(extent, lba, SAVED_EXTENT_LBA);
  store<u32>(extent, <u32>blocks, SAVED_EXTENT_BLOCKS);
  store<u32>(extent, side, SAVED_EXTENT_SIDE);
  store<u32>(head, count + 1, SAVED_EXTENTS);
}

/** The array of a copy where its header puts it; of a damaged copy what is at the usual place. */
function extentAddArray(disk: Disk, side: Side, usualLba: u64, usualBlocks: u64): void {
  if (!side.headerRight) {
    extentAdd(usualLba, usualBlocks, side.which);
    return;
  }
  extentAdd(side.entriesLba, blocksOf(disk, side.slots * side.entryLength), side.which);
}

function copyExtents(disk: Disk): usize {
  const count = load<u32>(head, SAVED_EXTENTS);
  let length = SAVED_SIZE + count * SAVED_EXTENT_SIZE;
  for (let index: u32 = 0; index < count; index++) {
    length += load<u32>(extentAt(head, index), SAVED_EXTENT_BLOCKS) * disk.blockSize;
  }
  store<u32>(head, length, SAVED_LENGTH);
  const saved = allocateZeroed(length);
  if (saved === 0) {
    failPlain(ErrorCode.ENOMEM);
    return 0;
  }
  memory.copy(saved, head, SAVED_SIZE + count * SAVED_EXTENT_SIZE);
  let at = saved + <usize>(SAVED_SIZE + count * SAVED_EXTENT_SIZE);
  for (let index: u32 = 0; index < count; index++) {
    const extent = extentAt(head, index);
    const size = load<u32>(extent, SAVED_EXTENT_BLOCKS) * disk.blockSize;
    // A block that cannot be read is kept as zeros: better a table with a hole than none.
    const sector = sectorOf(disk, load<u64>(extent, SAVED_EXTENT_LBA));
    if (deviceRead(disk.device, sector, at, size) !== ErrorCode.OK) memory.fill(at, 0, size);
    at += <usize>size;
  }
  store<u32>(saved, crc32c(0, saved, length), SAVED_CRC);
  return saved;
}

function extentAt(saved: usize, index: u32): usize {
  return saved + <usize>(SAVED_SIZE + index * SAVED_EXTENT_SIZE);
}

function savedCheck(disk: Disk, saved: usize, length: u32): ErrorCode {
  if (length < SAVED_SIZE || load<u32>(saved, SAVED_LENGTH) !== length) return damaged(disk, 0);
  if (load<u32>(saved) !== SAVED_MAGIC_LOW || load<u32>(saved, 4) !== SAVED_MAGIC_HIGH) {
    return deviceFail(disk.device, ErrorCode.EBADMSG, Reason.MAGIC, 0, 0);
  }
  const stored = load<u32>(saved, SAVED_CRC);
  store<u32>(saved, 0, SAVED_CRC);
  const crc = crc32c(0, saved, length);
  store<u32>(saved, stored, SAVED_CRC);
  if (crc !== stored) return damaged(disk, SAVED_CRC);
  if (load<u32>(saved, SAVED_VERSION) !== SAVED_VERSION_VALUE) {
    return deviceFail(disk.device, ErrorCode.EBADMSG, Reason.VERSION, 0, 0);
  }
  const count = load<u32>(saved, SAVED_EXTENTS);
  if (count === 0 || count > SAVED_EXTENTS_MAX) return damaged(disk, SAVED_EXTENTS);
  let total = <u64>(SAVED_SIZE + count * SAVED_EXTENT_SIZE);
  if (total > <u64>length) return damaged(disk, SAVED_EXTENTS);
  if (load<u32>(saved, SAVED_BLOCK_SIZE) !== disk.blockSize) {
    return otherDevice(disk, SAVED_BLOCK_SIZE);
  }
  if (load<u64>(saved, SAVED_BLOCKS) !== disk.blocks) return otherDevice(disk, SAVED_BLOCKS);
  for (let index: u32 = 0; index < count; index++) {
    const extent = extentAt(saved, index);
    const lba = load<u64>(extent, SAVED_EXTENT_LBA);
    const blocks = load<u32>(extent, SAVED_EXTENT_BLOCKS);
    if (blocks === 0 || blocks > ENTRIES_SIZE_MAX / disk.blockSize) return damaged(disk, index);
    if (lba > disk.lastLba || <u64>blocks > disk.blocks - lba) return damaged(disk, index);
    total += <u64>blocks * <u64>disk.blockSize;
  }
  return total === <u64>length ? ErrorCode.OK : damaged(disk, SAVED_LENGTH);
}

function damaged(disk: Disk, detail: u32): ErrorCode {
  return deviceFail(disk.device, ErrorCode.EBADMSG, Reason.CHECKSUM, 0, detail);
}

function otherDevice(disk: Disk, detail: u32): ErrorCode {
  return deviceFail(disk.device, ErrorCode.EINVAL, Reason.CAPACITY, 0, detail);
}

/** Writes the extents of one side and flushes. */
function restoreSide(disk: Disk, saved: usize, side: GptSide): ErrorCode {
  const count = load<u32>(saved, SAVED_EXTENTS);
  let at = saved + <usize>(SAVED_SIZE + count * SAVED_EXTENT_SIZE);
  requestsBegin();
  for (let index: u32 = 0; index < count; index++) {
    const extent = extentAt(saved, index);
    const size = load<u32>(extent, SAVED_EXTENT_BLOCKS) * disk.blockSize;
    if (load<u32>(extent, SAVED_EXTENT_SIDE) === <u32>side) {
      const sector = sectorOf(disk, load<u64>(extent, SAVED_EXTENT_LBA));
      const code = deviceQueueWrite(disk.device, sector, at, size);
      if (code !== ErrorCode.OK) return code;
    }
    at += <usize>size;
  }
  const code = deviceSubmit(disk.device);
  return code === ErrorCode.OK ? deviceFlush(disk.device) : code;
}
