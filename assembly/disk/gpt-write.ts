/**
 * Lays a partition table out on a device and writes it so that a cut at any write leaves the old
 * table or the new one.
 *
 *   FLUSH | backup entries + header | FLUSH | MBR, primary entries + header | FLUSH
 *
 * A reader believes the primary copy if it is whole, so the backup is rewritten first and serves
 * while the primary is being written. Where only the backup is whole the order is the other way
 * round: the copy that readers live on is always the last to go. Never are both in one flush; and
 * because another process may have left its own writes in the device's cache, a FLUSH comes first.
 */
import { isZero } from "../engine/bytes";
import {
  deviceFail,
  deviceFlush,
  deviceQueueWrite,
  deviceSubmit,
  deviceWrite,
} from "../engine/device";
import { failPlain } from "../engine/fault";
import { crc32 } from "../engine/hash/crc";
import { allocateZeroed, release } from "../engine/memory";
import { planted } from "../engine/planted";
import { requestsBegin } from "../engine/requests";
import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  ENTRIES_SIZE_MIN,
  ENTRY_FIRST,
  ENTRY_LAST,
  ENTRY_TYPE_GUID,
  GptProblem,
  GptSide,
  HEADER_ALTERNATE_LBA,
  HEADER_CRC,
  HEADER_DISK_GUID,
  HEADER_ENTRIES_CRC,
  HEADER_ENTRIES_LBA,
  HEADER_ENTRY_LENGTH,
  HEADER_FIRST_USABLE,
  HEADER_LAST_USABLE,
  HEADER_LBA,
  HEADER_LENGTH,
  HEADER_MY_LBA,
  HEADER_REVISION,
  HEADER_REVISION_VALUE,
  HEADER_SIGNATURE,
  HEADER_SIGNATURE_HIGH,
  HEADER_SIGNATURE_LOW,
  HEADER_SIZE,
  HEADER_SLOTS,
} from "../format/gpt";
import {
  blocksOf,
  Disk,
  diskUsed,
  entryAt,
  geometryRight,
  headerCrc,
  Side,
  sectorOf,
} from "./gpt-read";
import { mbrForeign, mbrMend } from "./mbr";

/** Where a new table goes, and what it says. */
@unmanaged
export class Layout {
  firstUsable: u64;
  lastUsable: u64;
  primaryEntries: u64;
  backupEntries: u64;
  /** Bytes written at either place: the array and the zeros that are reserved for it. */
  primarySize: u32;
  backupSize: u32;
  slots: u32;
  entryLength: u32;
  guidLow: u64;
  guidHigh: u64;
  /** The array, `entriesSize` bytes, the larger of both sizes. */
  entries: usize;
  entriesSize: u32;
}

/** How far apart the parts of a device's table are; see layoutOpen. */
export function reservedBlocks(disk: Disk, slots: u32, entryLength: u32): u64 {
  return blocksOf(disk, max<u32>(slots * entryLength, ENTRIES_SIZE_MIN));
}

/**
 * A layout for `disk` with an array of zeros. `firstUsable` and `lastUsable` 0 mean the usual
 * places. Unless `fresh`, arrays stay where they are; `lastUsable` moves only with the end of the
 * device. Null after a fault: EINVAL, ENOSPC, ENOMEM.
 */
export function layoutOpen(
  disk: Disk,
  slots: u32,
  entryLength: u32,
  firstUsable: u64,
  lastUsable: u64,
  fresh: bool,
): Layout | null {
  if (!geometryRight(slots, entryLength)) {
    deviceFail(disk.device, ErrorCode.EINVAL, Reason.GPT_HEADER, 0, HEADER_SLOTS);
    return null;
  }
  const address = allocateZeroed(offsetof<Layout>());
  if (address === 0) {
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const layout = changetype<Layout>(address);
  layout.slots = slots;
  layout.entryLength = entryLength;
  const code = place(disk, layout, firstUsable, lastUsable, fresh || disk.used === GptSide.NONE);
  if (code !== ErrorCode.OK) {
    deviceFail(disk.device, code, Reason.CAPACITY, sectorOf(disk, disk.lastLba), slots);
    layoutClose(layout);
    return null;
  }
  layout.entriesSize = max<u32>(layout.primarySize, layout.backupSize);
  layout.entries = allocateZeroed(layout.entriesSize);
  if (layout.entries !== 0) return layout;
  failPlain(ErrorCode.ENOMEM);
  layoutClose(layout);
  return null;
}

export function layoutClose(layout: Layout): void {
  release(layout.entries, layout.entriesSize);
  release(changetype<usize>(layout), offsetof<Layout>());
}

/**
 * Refuses a layout whose copies would overwrite a partition, ENOSPC. The sides are those of
 * layoutWrite. Partitions that end before they begin or beyond the device are left to gpt-verify.
 */
export function layoutFits(disk: Disk, layout: Layout): ErrorCode {
  const head = layout.primaryEntries + blocksOf(disk, layout.primarySize);
  for (let slot: u32 = 0; slot < layout.slots; slot++) {
    const entry = entryAt(layout.entries, layout.entryLength, slot);
    if (isZero(entry + ENTRY_TYPE_GUID, 16)) continue;
    const first = load<u64>(entry, ENTRY_FIRST);
    const last = load<u64>(entry, ENTRY_LAST);
    if (first > last || first > disk.lastLba) continue;
    if (first >= head && last < layout.backupEntries) continue;
    const sector = sectorOf(disk, first);
    return deviceFail(disk.device, ErrorCode.ENOSPC, Reason.GPT_ENTRIES, sector, slot + 1);
  }
  return ErrorCode.OK;
}

/**
 * Writes one copy or both, each followed by a FLUSH; `fresh` clears block 0 around its record.
 * EEXIST if block 0 is a partition table of another kind, and not `fresh`.
 */
export function layoutWrite(disk: Disk, layout: Layout, sides: u32, fresh: bool): ErrorCode {
  if (!fresh && mbrForeign(disk.mbr, disk.blocks)) {
    return deviceFail(disk.device, ErrorCode.EEXIST, Reason.GPT_MBR, 0, 0);
  }
  const backupLast = wantsBackupLast(disk, layout);
  const first: GptSide = backupLast ? GptSide.PRIMARY : GptSide.BACKUP;
  const second: GptSide = backupLast ? GptSide.BACKUP : GptSide.PRIMARY;
  const mended = mbrMend(disk.mbr, disk.blockSize, disk.blocks, fresh);
  disk.mbrChanged = fresh || (mended && disk.mbrReadable) || disk.mbrChanged;
  // The old MBR may be what leads to an old backup, so it stays until the new copies are durable;
  // and it goes alone, for a tear of its 4 KiB block would take the primary copy with it.
  const mbrLast = backupLast && (sides & second) !== 0;
  // What was read may stand in the device's cache only, left by a run that was cut short: the copy
  // that readers live on must be durable before the other one is touched.
  const settled = deviceFlush(disk.device);
  if (settled !== ErrorCode.OK) return settled;
  if ((sides & first) !== 0) {
    const code = sideWrite(disk, layout, first, !mbrLast);
    if (code !== ErrorCode.OK) return code;
    // Bug 40, if planted: both copies are in flight at once.
    if (!(planted(40) && (sides & second) !== 0)) {
      const flushed = deviceFlush(disk.device);
      if (flushed !== ErrorCode.OK) return flushed;
    }
  }
  if ((sides & second) === 0) return ErrorCode.OK;
  // From here on the new table is the one that is read, as soon as this copy is whole.
  let code = sideWrite(disk, layout, second, !mbrLast);
  if (code === ErrorCode.OK) code = deviceFlush(disk.device);
  return code === ErrorCode.OK && mbrLast ? mbrWrite(disk) : code;
}

/** Writes the changed MBR by itself and makes it durable. */
export function mbrWrite(disk: Disk): ErrorCode {
  if (!disk.mbrChanged) return ErrorCode.OK;
  const code = deviceWrite(disk.device, 0, disk.mbr, disk.blockSize);
  if (code !== ErrorCode.OK) return code;
  disk.mbrChanged = false;
  return deviceFlush(disk.device);
}

/** Builds the header of one copy in `block`, disk.blockSize bytes. */
export function headerBuild(disk: Disk, layout: Layout, which: GptSide, block: usize): void {
  const primary = which === GptSide.PRIMARY;
  memory.fill(block, 0, disk.blockSize);
  store<u32>(block, HEADER_SIGNATURE_LOW, HEADER_SIGNATURE);
  store<u32>(block, HEADER_SIGNATURE_HIGH, HEADER_SIGNATURE + 4);
  store<u32>(block, HEADER_REVISION_VALUE, HEADER_REVISION);
  store<u32>(block, HEADER_SIZE, HEADER_LENGTH);
  store<u64>(block, primary ? HEADER_LBA : backupLba(disk), HEADER_MY_LBA);
  store<u64>(block, primary ? disk.lastLba : HEADER_LBA, HEADER_ALTERNATE_LBA);
  store<u64>(block, layout.firstUsable, HEADER_FIRST_USABLE);
  store<u64>(block, layout.lastUsable, HEADER_LAST_USABLE);
  store<u64>(block, layout.guidLow, HEADER_DISK_GUID);
  store<u64>(block, layout.guidHigh, HEADER_DISK_GUID + 8);
  store<u64>(block, primary ? layout.primaryEntries : layout.backupEntries, HEADER_ENTRIES_LBA);
  store<u32>(block, layout.slots, HEADER_SLOTS);
  store<u32>(block, layout.entryLength, HEADER_ENTRY_LENGTH);
  const crc = crc32(0, layout.entries, layout.slots * layout.entryLength);
  store<u32>(block, crc, HEADER_ENTRIES_CRC);
  store<u32>(block, headerCrc(block, HEADER_SIZE), HEADER_CRC);
}

/**
 * Clears the header of a backup that stayed behind where the disk ended before it grew, unless a
 * partition of the new table covers it. Called when both new copies are durable.
 */
export function staleClear(disk: Disk, layout: Layout): ErrorCode {
  const backup = disk.backup;
  if (backup.problem !== GptProblem.NONE || backup.lba === disk.lastLba) return ErrorCode.OK;
  if (backup.lba >= layout.backupEntries || covered(layout, backup.lba)) return ErrorCode.OK;
  memory.fill(backup.block, 0, disk.blockSize);
  const sector = sectorOf(disk, backup.lba);
  const code = deviceWrite(disk.device, sector, backup.block, disk.blockSize);
  return code === ErrorCode.OK ? deviceFlush(disk.device) : code;
}

function covered(layout: Layout, lba: u64): bool {
  for (let slot: u32 = 0; slot < layout.slots; slot++) {
    const entry = entryAt(layout.entries, layout.entryLength, slot);
    if (isZero(entry + ENTRY_TYPE_GUID, 16)) continue;
    if (lba >= load<u64>(entry, ENTRY_FIRST) && lba <= load<u64>(entry, ENTRY_LAST)) return true;
  }
  return false;
}

/** Decides where both arrays and the usable blocks are. */
function place(
  disk: Disk,
  layout: Layout,
  firstUsable: u64,
  lastUsable: u64,
  fresh: bool,
): ErrorCode {
  const array = blocksOf(disk, layout.slots * layout.entryLength);
  const area = reservedBlocks(disk, layout.slots, layout.entryLength);
  const last = disk.lastLba;
  if (disk.blocks < 2 * area + 4) return ErrorCode.ENOSPC;
  layout.primaryEntries = <u64>HEADER_LBA + 1;
  layout.backupEntries = last - area;
  const usual = last - area - 1;
  layout.lastUsable = lastUsable === 0 || (!fresh && hasMoved(disk)) ? usual : lastUsable;
  if (fresh) layout.lastUsable = min<u64>(layout.lastUsable, usual);
  else keepPlaces(disk, layout, array);
  layout.firstUsable = firstUsable === 0 ? layout.primaryEntries + area : firstUsable;
  if (layout.backupEntries <= layout.lastUsable) layout.backupEntries = last - array;
  if (layout.backupEntries <= layout.lastUsable) layout.lastUsable = layout.backupEntries - 1;
  if (layout.firstUsable < layout.primaryEntries + array) {
    layout.primaryEntries = <u64>HEADER_LBA + 1;
  }
  if (layout.firstUsable < layout.primaryEntries + array) return ErrorCode.EINVAL;
  if (layout.firstUsable > layout.lastUsable) return ErrorCode.ENOSPC;
  const head = min<u64>(area, layout.firstUsable - layout.primaryEntries);
  const tail = min<u64>(area, last - layout.backupEntries);
  layout.primarySize = <u32>head * disk.blockSize;
  layout.backupSize = <u32>tail * disk.blockSize;
  return ErrorCode.OK;
}

/** True if the disk did not end at this device's last block when its table was written. */
function hasMoved(disk: Disk): bool {
  const used = diskUsed(disk);
  return used.which === GptSide.PRIMARY
    ? used.alternateLba !== disk.lastLba
    : used.lba !== disk.lastLba;
}

/** Arrays that another tool put elsewhere stay there while they have the same form. */
function keepPlaces(disk: Disk, layout: Layout, array: u64): void {
  const primary = disk.primary;
  if (sameForm(layout, primary) && primary.entriesLba + array <= disk.lastLba) {
    layout.primaryEntries = primary.entriesLba;
  }
  const backup = disk.backup;
  const atEnd = backup.lba === disk.lastLba && backup.entriesLba + array <= disk.lastLba;
  if (sameForm(layout, backup) && atEnd) layout.backupEntries = backup.entriesLba;
}

function sameForm(layout: Layout, side: Side): bool {
  if (side.problem !== GptProblem.NONE) return false;
  return side.slots === layout.slots && side.entryLength === layout.entryLength;
}

/** Where the backup header belongs: the last block of the device. */
function backupLba(disk: Disk): u64 {
  // Bug 42, if planted: the backup is written where the old table says, not where the device ends.
  if (planted(42) && disk.used === GptSide.PRIMARY) return disk.primary.alternateLba;
  return disk.lastLba;
}

/** True if the backup is the only whole copy and writing a new one would overwrite it. */
function wantsBackupLast(disk: Disk, layout: Layout): bool {
  // Bug 43, if planted: the backup goes first even where it is the only whole copy.
  if (disk.used !== GptSide.BACKUP || planted(43)) return false;
  const backup = disk.backup;
  const entriesEnd = backup.entriesLba + blocksOf(disk, backup.entriesSize);
  return backup.lba >= layout.backupEntries || entriesEnd > layout.backupEntries;
}

/** Submits all writes of one copy; the caller flushes. */
function sideWrite(disk: Disk, layout: Layout, which: GptSide, withMbr: bool): ErrorCode {
  const primary = which === GptSide.PRIMARY;
  const block = allocateZeroed(disk.blockSize);
  if (block === 0) return failPlain(ErrorCode.ENOMEM);
  headerBuild(disk, layout, which, block);
  const entries = sectorOf(disk, primary ? layout.primaryEntries : layout.backupEntries);
  const size = primary ? layout.primarySize : layout.backupSize;
  const header = sectorOf(disk, primary ? <u64>HEADER_LBA : backupLba(disk));
  requestsBegin();
  let code: ErrorCode = ErrorCode.OK;
  const mbrToo = primary && withMbr && disk.mbrChanged;
  if (mbrToo) {
    code = deviceQueueWrite(disk.device, 0, disk.mbr, disk.blockSize);
  }
  if (code === ErrorCode.OK) code = deviceQueueWrite(disk.device, entries, layout.entries, size);
  if (code === ErrorCode.OK) code = deviceQueueWrite(disk.device, header, block, disk.blockSize);
  if (code === ErrorCode.OK) code = deviceSubmit(disk.device);
  if (mbrToo && code === ErrorCode.OK) disk.mbrChanged = false;
  release(block, disk.blockSize);
  return code;
}
