/**
 * Makes both copies and the MBR what they should be, from the copy that readers believe.
 *
 * What is on the device is compared with what a writer would put there, and only what differs is
 * written, one copy at a time with a FLUSH between, the believed copy last. Partitions are never
 * changed: an overlap is its owner's to resolve. Running it twice, or after a cut, ends the same.
 */
import { equalBytes } from "../engine/bytes";
import { deviceFail, deviceRead } from "../engine/device";
import { failPlain, lastFault } from "../engine/fault";
import { allocate, release } from "../engine/memory";
import { planted } from "../engine/planted";

import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import { GptSide, HEADER_DISK_GUID, HEADER_LBA } from "../format/gpt";
import { blocksOf, Disk, diskRequire, diskUsed, sectorOf } from "./gpt-read";
import {
  headerBuild,
  Layout,
  layoutClose,
  layoutFits,
  layoutOpen,
  layoutWrite,
  mbrWrite,
  staleClear,
} from "./gpt-write";
import { mbrForeign, mbrMend } from "./mbr";

/** The bit of the MBR in what diskRepair answers; the bits of the copies are those of GptSide. */
const MENDED_MBR: u32 = 4;

/**
 * Answers the bits of what is wrong and, with `apply`, mended now; or ENOENT, EBADMSG, ENOSPC (a
 * partition is where a copy belongs), EEXIST (block 0 is a partition table of another kind), EROFS,
 * EIO.
 */
export function diskRepair(disk: Disk, apply: bool): i32 {
  const required = diskRequire(disk);
  if (required !== ErrorCode.OK) return required;
  if (mbrForeign(disk.mbr, disk.blocks)) {
    return deviceFail(disk.device, ErrorCode.EEXIST, Reason.GPT_MBR, 0, 0);
  }
  const layout = layoutOfUsed(disk);
  if (layout === null) return lastFault();
  let result: i32 = layoutFits(disk, layout);
  if (result === ErrorCode.OK) result = mend(disk, layout, apply);
  layoutClose(layout);
  return result;
}

/** A layout that says what the believed copy says, at the places where this device wants it. */
export function layoutOfUsed(disk: Disk): Layout | null {
  const used = diskUsed(disk);
  const array = used.slots * used.entryLength;
  const head = <u64>HEADER_LBA + 1 + blocksOf(disk, array);
  const sane =
    used.firstUsable >= head &&
    used.firstUsable <= used.lastUsable &&
    used.lastUsable < disk.lastLba;
  const first: u64 = sane ? used.firstUsable : 0;
  const last: u64 = sane ? used.lastUsable : 0;
  const layout = layoutOpen(disk, used.slots, used.entryLength, first, last, false);
  if (layout === null) return null;
  layout.guidLow = load<u64>(used.block, HEADER_DISK_GUID);
  layout.guidHigh = load<u64>(used.block, HEADER_DISK_GUID + 8);
  memory.copy(layout.entries, used.entries, array);
  return layout;
}

function mend(disk: Disk, layout: Layout, apply: bool): i32 {
  const primary = sideDiffers(disk, layout, GptSide.PRIMARY);
  if (primary < 0) return primary;
  const backup = sideDiffers(disk, layout, GptSide.BACKUP);
  if (backup < 0) return backup;
  // Boot code that cannot be read now may be readable later: such a block is left alone.
  const mended = mbrMend(disk.mbr, disk.blockSize, disk.blocks, false);
  disk.mbrChanged = mended && disk.mbrReadable;
  const sides = <u32>(primary | backup);
  const bits = sides | (disk.mbrChanged ? MENDED_MBR : 0);
  if (!apply) return bits;
  // Bug 44, if planted: the old backup goes before its successors are durable.
  let code: ErrorCode = planted(44) ? staleClear(disk, layout) : ErrorCode.OK;
  if (code === ErrorCode.OK) code = layoutWrite(disk, layout, sides, false);
  if (code === ErrorCode.OK) code = mbrWrite(disk);
  if (code === ErrorCode.OK) code = staleClear(disk, layout);
  return code === ErrorCode.OK ? <i32>bits : code;
}

/** The bit of `which` if the device has other bytes there than `layout`, else 0; or ENOMEM. */
function sideDiffers(disk: Disk, layout: Layout, which: GptSide): i32 {
  const primary = which === GptSide.PRIMARY;
  const size = primary ? layout.primarySize : layout.backupSize;
  const length = size + 2 * disk.blockSize;
  const buffer = allocate(length);
  if (buffer === 0) return failPlain(ErrorCode.ENOMEM);
  const found = buffer + <usize>size;
  const header = found + <usize>disk.blockSize;
  headerBuild(disk, layout, which, header);
  const headerSector = sectorOf(disk, primary ? <u64>HEADER_LBA : disk.lastLba);
  const entriesSector = sectorOf(disk, primary ? layout.primaryEntries : layout.backupEntries);
  // What cannot be read is not what it should be; writing it may even mend it.
  const same =
    deviceRead(disk.device, headerSector, found, disk.blockSize) === ErrorCode.OK &&
    deviceRead(disk.device, entriesSector, buffer, size) === ErrorCode.OK &&
    equalBytes(found, header, disk.blockSize) &&
    equalBytes(buffer, layout.entries, size);
  release(buffer, length);
  return same ? 0 : which;
}
