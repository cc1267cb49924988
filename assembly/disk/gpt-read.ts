/**
 * Reads both copies of a partition table and chooses the one to believe.
 *
 * The rule: the primary copy if its header and the CRC of its array are right, else the backup. The
 * backup belongs at the last block of the device; only where it is not there is it looked for where
 * the primary header, then the protective MBR, say that the disk ended before the device grew.
 * A checksum proves that bytes are what was written, not that they are sane: what bounds the reads
 * here is checked here, what partitions say is checked in gpt-verify.
 */
import { Device, deviceClose, deviceFail, deviceOpen, deviceRead } from "../engine/device";
import { failPlain } from "../engine/fault";
import { crc32 } from "../engine/hash/crc";
import { allocate, allocateZeroed, release } from "../engine/memory";
import { planted } from "../engine/planted";
import { Reason, SECTOR_SHIFT } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  ENTRIES_SIZE_MAX,
  ENTRY_LENGTH_MAX,
  ENTRY_SIZE,
  GptProblem,
  GptSide,
  HEADER_ALTERNATE_LBA,
  HEADER_CRC,
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
  HEADER_SIGNATURE_HIGH,
  HEADER_SIGNATURE_LOW,
  HEADER_SIZE,
  HEADER_SLOTS,
} from "../format/gpt";
import { mbrLastLba } from "./mbr";

/** Blocks of the smallest device that is looked at: MBR, two headers, two arrays, one to use. */
const BLOCKS_MIN: u64 = 6;

/** One copy of the table as the device has it. */
@unmanaged
export class Side {
  which: GptSide;
  /** Why this copy cannot be believed; NONE if it can. */
  problem: GptProblem;
  /** True if the header alone is right, whatever the array is. */
  headerRight: bool;
  /** True if the header's block begins with the signature. */
  signed: bool;
  /** Where this copy was looked for. */
  lba: u64;
  /** The header's block. */
  block: usize;
  alternateLba: u64;
  firstUsable: u64;
  lastUsable: u64;
  entriesLba: u64;
  slots: u32;
  entryLength: u32;
  /** The array in whole blocks, `entriesSize` bytes; 0 before it is read. */
  entries: usize;
  entriesSize: u32;
}

/** A device with what its two copies and its MBR say. */
@unmanaged
export class Disk {
  device: Device;
  blockSize: u32;
  /** Sectors of 512 bytes in a block, as a shift. */
  shift: u32;
  blocks: u64;
  lastLba: u64;
  /** Block 0; zeros if it cannot be read. */
  mbr: usize;
  mbrReadable: bool;
  /** True if the device failed a read: what was not found may be there all the same. */
  readFailed: bool;
  /** True once `mbr` is not what the device has. */
  mbrChanged: bool;
  primary: Side;
  backup: Side;
  /** The copy to believe; NONE if there is none. */
  used: GptSide;
}

/** Opens a device and reads its table, if it has one. Null after a fault. */
export function diskOpen(id: u32): Disk | null {
  const device = deviceOpen(id, 0, 0, false);
  if (device === null) return null;
  const address = allocateZeroed(offsetof<Disk>());
  if (address === 0) {
    failPlain(ErrorCode.ENOMEM);
    deviceClose(device);
    return null;
  }
  const disk = changetype<Disk>(address);
  disk.device = device;
  disk.blockSize = device.blockSize;
  disk.shift = device.blockSize === 512 ? 0 : 3;
  disk.blocks = device.sectors >>> disk.shift;
  disk.lastLba = disk.blocks - 1;
  disk.mbr = allocateZeroed(disk.blockSize);
  const primary = sideOpen(GptSide.PRIMARY, disk.blockSize);
  const backup = sideOpen(GptSide.BACKUP, disk.blockSize);
  if (primary !== null) disk.primary = primary;
  if (backup !== null) disk.backup = backup;
  if (disk.mbr === 0 || primary === null || backup === null) {
    failPlain(ErrorCode.ENOMEM);
    diskClose(disk);
    return null;
  }
  if (disk.blocks < BLOCKS_MIN) {
    deviceFail(device, ErrorCode.ENOSPC, Reason.CAPACITY, 0, <u32>disk.blocks);
    diskClose(disk);
    return null;
  }
  if (!diskLoad(disk)) {
    failPlain(ErrorCode.ENOMEM);
    diskClose(disk);
    return null;
  }
  return disk;
}

export function diskClose(disk: Disk): void {
  sideClose(changetype<usize>(disk.primary), disk.blockSize);
  sideClose(changetype<usize>(disk.backup), disk.blockSize);
  release(disk.mbr, disk.blockSize);
  deviceClose(disk.device);
  release(changetype<usize>(disk), offsetof<Disk>());
}

/** The copy to believe. There must be one: see diskRequire. */
export function diskUsed(disk: Disk): Side {
  assert(disk.used !== GptSide.NONE);
  return disk.used === GptSide.PRIMARY ? disk.primary : disk.backup;
}

/** OK, or why the disk has no table to work with: ENOENT, EBADMSG, EIO. */
export function diskRequire(disk: Disk): ErrorCode {
  if (disk.used !== GptSide.NONE) return ErrorCode.OK;
  const primary = disk.primary;
  const backup = disk.backup;
  const sector = (<u64>HEADER_LBA) << disk.shift;
  if (disk.readFailed) {
    return deviceFail(disk.device, ErrorCode.EIO, Reason.DEVICE_ERROR, sector, 0);
  }
  if (!primary.signed && !backup.signed) {
    return deviceFail(disk.device, ErrorCode.ENOENT, Reason.MAGIC, sector, 0);
  }
  return deviceFail(disk.device, ErrorCode.EBADMSG, Reason.GPT_BOTH, sector, primary.problem);
}

/** Sector of the device, units of 512 bytes, at which block `lba` begins. */
export function sectorOf(disk: Disk, lba: u64): u64 {
  return lba << disk.shift;
}

/** Blocks that `bytes` take. */
export function blocksOf(disk: Disk, bytes: u32): u64 {
  return <u64>((bytes + disk.blockSize - 1) / disk.blockSize);
}

/** CRC-32 of a header of `length` bytes with its CRC field read as zero. */
export function headerCrc(block: usize, length: u32): u32 {
  const stored = load<u32>(block, HEADER_CRC);
  store<u32>(block, 0, HEADER_CRC);
  const crc = crc32(0, block, length);
  store<u32>(block, stored, HEADER_CRC);
  return crc;
}

/** True if `length` is 128 * 2^n within what is read, and so is the array of `slots` of them. */
export function geometryRight(slots: u32, length: u32): bool {
  if (length < ENTRY_SIZE || length > ENTRY_LENGTH_MAX || popcnt<u32>(length) !== 1) return false;
  return slots > 0 && <u64>slots * <u64>length <= <u64>ENTRIES_SIZE_MAX;
}

export function entryAt(entries: usize, length: u32, slot: u32): usize {
  return entries + <usize>slot * <usize>length;
}

function sideOpen(which: GptSide, blockSize: u32): Side | null {
  const address = allocateZeroed(offsetof<Side>());
  if (address === 0) return null;
  const side = changetype<Side>(address);
  side.which = which;
  side.block = allocateZeroed(blockSize);
  if (side.block !== 0) return side;
  release(address, offsetof<Side>());
  return null;
}

function sideClose(address: usize, blockSize: u32): void {
  if (address === 0) return;
  const side = changetype<Side>(address);
  release(side.entries, side.entriesSize);
  release(side.block, blockSize);
  release(address, offsetof<Side>());
}

/** False only without memory. */
function diskLoad(disk: Disk): bool {
  disk.mbrReadable = deviceRead(disk.device, 0, disk.mbr, disk.blockSize) === ErrorCode.OK;
  disk.readFailed = !disk.mbrReadable;
  if (disk.readFailed) memory.fill(disk.mbr, 0, disk.blockSize);
  const primary = disk.primary;
  const backup = disk.backup;
  if (!sideLoad(disk, primary, HEADER_LBA) || !backupLoad(disk)) return false;
  if (primary.problem === GptProblem.NONE) disk.used = GptSide.PRIMARY;
  else if (backup.problem === GptProblem.NONE) disk.used = GptSide.BACKUP;
  return true;
}

/** Looks for the backup at the device's end, then where the disk ended before the device grew. */
function backupLoad(disk: Disk): bool {
  const backup = disk.backup;
  if (!sideLoad(disk, backup, disk.lastLba)) return false;
  if (backup.problem === GptProblem.NONE) return true;
  const named = disk.primary.headerRight ? disk.primary.alternateLba : 0;
  for (let step = 0; step < 2; step++) {
    const lba = step === 0 ? named : mbrLastLba(disk.mbr);
    if (lba <= <u64>HEADER_LBA + 1 || lba >= disk.lastLba) continue;
    if (!sideLoad(disk, backup, lba)) return false;
    if (backup.problem === GptProblem.NONE) return true;
  }
  return sideLoad(disk, backup, disk.lastLba);
}

/** Reads and judges the copy whose header is at `lba`. False only without memory. */
function sideLoad(disk: Disk, side: Side, lba: u64): bool {
  side.lba = lba;
  side.headerRight = false;
  side.signed = false;
  side.alternateLba = 0;
  release(side.entries, side.entriesSize);
  side.entries = 0;
  side.entriesSize = 0;
  const block = side.block;
  if (deviceRead(disk.device, sectorOf(disk, lba), block, disk.blockSize) !== ErrorCode.OK) {
    memory.fill(block, 0, disk.blockSize);
    side.problem = GptProblem.UNREADABLE;
    disk.readFailed = true;
    return true;
  }
  side.problem = headerProblem(disk, block, lba);
  side.signed = side.problem !== GptProblem.SIGNATURE;
  if (side.problem !== GptProblem.NONE) return true;
  side.headerRight = true;
  side.alternateLba = load<u64>(block, HEADER_ALTERNATE_LBA);
  side.firstUsable = load<u64>(block, HEADER_FIRST_USABLE);
  side.lastUsable = load<u64>(block, HEADER_LAST_USABLE);
  side.entriesLba = load<u64>(block, HEADER_ENTRIES_LBA);
  side.slots = load<u32>(block, HEADER_SLOTS);
  side.entryLength = load<u32>(block, HEADER_ENTRY_LENGTH);
  return entriesLoad(disk, side);
}

/** The first reason not to follow what the header at `block` says; NONE if there is none. */
export function headerProblem(disk: Disk, block: usize, lba: u64): GptProblem {
  if (load<u32>(block) !== HEADER_SIGNATURE_LOW) return GptProblem.SIGNATURE;
  if (load<u32>(block, 4) !== HEADER_SIGNATURE_HIGH) return GptProblem.SIGNATURE;
  const length = load<u32>(block, HEADER_LENGTH);
  if (length < HEADER_SIZE || length > disk.blockSize) return GptProblem.HEADER_LENGTH;
  if (load<u32>(block, HEADER_CRC) !== headerCrc(block, length)) return GptProblem.HEADER_CRC;
  const major = load<u32>(block, HEADER_REVISION) >>> 16;
  if (major !== HEADER_REVISION_VALUE >>> 16) return GptProblem.REVISION;
  if (load<u64>(block, HEADER_MY_LBA) !== lba) return GptProblem.MY_LBA;
  const slots = load<u32>(block, HEADER_SLOTS);
  const entryLength = load<u32>(block, HEADER_ENTRY_LENGTH);
  if (!geometryRight(1, entryLength)) return GptProblem.ENTRY_LENGTH;
  if (!geometryRight(slots, entryLength)) return GptProblem.ENTRY_SLOTS;
  const first = load<u64>(block, HEADER_ENTRIES_LBA);
  const count = blocksOf(disk, slots * entryLength);
  if (first <= <u64>HEADER_LBA || first > disk.lastLba) return GptProblem.ENTRIES_LBA;
  if (count > disk.blocks - first) return GptProblem.ENTRIES_LBA;
  if (lba >= first && lba < first + count) return GptProblem.ENTRIES_LBA;
  return GptProblem.NONE;
}

function entriesLoad(disk: Disk, side: Side): bool {
  const size = side.slots * side.entryLength;
  side.entriesSize = <u32>blocksOf(disk, size) * disk.blockSize;
  side.entries = allocate(side.entriesSize);
  if (side.entries === 0) {
    side.entriesSize = 0;
    return false;
  }
  const sector = sectorOf(disk, side.entriesLba);
  if (deviceRead(disk.device, sector, side.entries, side.entriesSize) !== ErrorCode.OK) {
    side.problem = GptProblem.UNREADABLE;
    disk.readFailed = true;
    memory.fill(side.entries, 0, side.entriesSize);
    return true;
  }
  // Bug 41, if planted: an array that a cut left half old and half new passes for the table.
  if (planted(41)) return true;
  const crc = load<u32>(side.block, HEADER_ENTRIES_CRC);
  if (crc !== crc32(0, side.entries, size)) side.problem = GptProblem.ENTRIES_CRC;
  return true;
}
if (SECTOR_SHIFT !== 9) ERROR("the shift of a block counts sectors of 512 bytes");
