/**
 * Everything that UEFI 2.10 section 5.3 asks of a partition table, and what it forgot: overlaps,
 * GUIDs that stand twice, a backup that is not at the device's end, copies that differ. Whatever
 * single bit of the MBR's record, a header or an array is flipped, something here sees it.
 */
import { isZero } from "../engine/bytes";
import { crc32 } from "../engine/hash/crc";

import {
  ENTRIES_SIZE_MIN,
  GptProblem,
  GptSide,
  HEADER_ALTERNATE_LBA,
  HEADER_CRC,
  HEADER_DISK_GUID,
  HEADER_ENTRIES_CRC,
  HEADER_ENTRY_LENGTH,
  HEADER_LBA,
  HEADER_LENGTH,
  HEADER_MY_LBA,
  HEADER_RESERVED,
  HEADER_REVISION,
  HEADER_REVISION_VALUE,
  HEADER_SIZE,
  HEADER_SLOTS,
} from "../format/gpt";
import { Findings, findingAdd } from "./findings";
import { partitionsCheck } from "./gpt-partitions";
import { blocksOf, Disk, diskUsed, headerCrc, Side, sectorOf } from "./gpt-read";
import { mbrCheck } from "./mbr";

/** Adds everything that is wrong with the table of `disk`. */
export function diskVerify(disk: Disk, findings: Findings): void {
  const primary = disk.primary;
  const backup = disk.backup;
  const unreadable = GptProblem.UNREADABLE;
  if (disk.mbrReadable) mbrCheck(disk.mbr, disk.blockSize, disk.blocks, findings);
  else findingAdd(findings, unreadable, GptSide.NONE, 0, 0, 0);
  const seen = primary.signed || backup.signed;
  if (!seen && primary.problem !== unreadable && backup.problem !== unreadable) {
    const sector = sectorOf(disk, HEADER_LBA);
    findingAdd(findings, GptProblem.NO_TABLE, GptSide.NONE, sector, 0, 0);
    return;
  }
  sideCheck(disk, primary, findings);
  sideCheck(disk, backup, findings);
  if (primary.headerRight && backup.headerRight) copiesCheck(disk, findings);
  if (disk.used !== GptSide.NONE) partitionsCheck(disk, diskUsed(disk), findings);
}

/** One copy: the header, where it says things are, its array and the zeros around both. */
function sideCheck(disk: Disk, side: Side, findings: Findings): void {
  const which = side.which;
  const sector = sectorOf(disk, side.lba);
  const problem = side.problem;
  if (problem === GptProblem.UNREADABLE || problem === GptProblem.SIGNATURE) {
    const found = side.entries === 0 ? sector : sectorOf(disk, side.entriesLba);
    findingAdd(findings, problem, which, found, load<u64>(side.block), 0);
    return;
  }
  const block = side.block;
  const length = load<u32>(block, HEADER_LENGTH);
  if (problem === GptProblem.HEADER_LENGTH) {
    findingAdd(findings, problem, which, sector, length, HEADER_SIZE);
    return;
  }
  if (!isZero(block + length, disk.blockSize - length)) {
    findingAdd(findings, GptProblem.HEADER_PADDING, which, sector, 0, 0);
  }
  if (problem === GptProblem.HEADER_CRC) {
    const found = <u64>load<u32>(block, HEADER_CRC);
    findingAdd(findings, problem, which, sector, found, headerCrc(block, length));
    return;
  }
  const revision = load<u32>(block, HEADER_REVISION);
  if (revision !== HEADER_REVISION_VALUE) {
    findingAdd(findings, GptProblem.REVISION, which, sector, revision, HEADER_REVISION_VALUE);
  }
  const reserved = <u64>load<u32>(block, HEADER_RESERVED);
  if (reserved !== 0 || !isZero(block + HEADER_SIZE, length - HEADER_SIZE)) {
    findingAdd(findings, GptProblem.HEADER_RESERVED, which, sector, reserved, 0);
  }
  if (isZero(block + HEADER_DISK_GUID, 16)) {
    findingAdd(findings, GptProblem.DISK_GUID, which, sector, 0, 0);
  }
  if (side.headerRight) placesCheck(disk, side, findings);
  else refusedCheck(disk, side, findings);
  if (side.entries !== 0) entriesCheck(disk, side, findings);
}

/** A header with a right CRC that cannot be followed: says the field that gpt-read stopped at. */
function refusedCheck(disk: Disk, side: Side, findings: Findings): void {
  const problem = side.problem;
  const sector = sectorOf(disk, side.lba);
  const block = side.block;
  if (problem === GptProblem.MY_LBA) {
    findingAdd(findings, problem, side.which, sector, load<u64>(block, HEADER_MY_LBA), side.lba);
  } else if (problem === GptProblem.ENTRY_LENGTH) {
    const found = <u64>load<u32>(block, HEADER_ENTRY_LENGTH);
    findingAdd(findings, problem, side.which, sector, found, 128);
  } else if (problem === GptProblem.ENTRY_SLOTS) {
    findingAdd(findings, problem, side.which, sector, load<u32>(block, HEADER_SLOTS), 128);
  } else if (problem !== GptProblem.REVISION) {
    findingAdd(findings, problem, side.which, sector, 0, 0);
  }
}

/** Where the copies, their arrays and the usable blocks are on this device. */
function placesCheck(disk: Disk, side: Side, findings: Findings): void {
  const which = side.which;
  const sector = sectorOf(disk, side.lba);
  const primary = which === GptSide.PRIMARY;
  const stale = disk.backup.headerRight && disk.backup.lba !== disk.lastLba;
  const other: u64 = primary ? disk.lastLba : HEADER_LBA;
  if (!primary && stale) {
    findingAdd(findings, GptProblem.BACKUP_PLACE, which, sector, side.lba, disk.lastLba);
  }
  // A primary copy that names where the backup was found says nothing new.
  const named = primary && stale && side.alternateLba === disk.backup.lba;
  if (side.alternateLba !== other && !named) {
    const problem = GptProblem.ALTERNATE_LBA;
    findingAdd(
      findings,
      problem,
      which,
      sector,
      load<u64>(side.block, HEADER_ALTERNATE_LBA),
      other,
    );
  }
  const array = blocksOf(disk, side.slots * side.entryLength);
  const least = blocksOf(disk, ENTRIES_SIZE_MIN);
  const head = <u64>HEADER_LBA + 1;
  const end = primary || stale ? disk.lastLba : side.lba;
  if (side.firstUsable < head + least || side.firstUsable > side.lastUsable) {
    const problem = GptProblem.USABLE_RANGE;
    findingAdd(findings, problem, which, sector, side.firstUsable, head + least);
  } else if (side.lastUsable + least >= end || side.lastUsable > disk.lastLba) {
    const problem = GptProblem.USABLE_RANGE;
    findingAdd(findings, problem, which, sector, side.lastUsable, end - least - 1);
  }
  const first = side.entriesLba;
  const inside = primary
    ? first >= head && first + array <= side.firstUsable
    : first > side.lastUsable && first + array <= side.lba;
  if (!inside) findingAdd(findings, GptProblem.ENTRIES_LBA, which, sector, first, 0);
}

function entriesCheck(disk: Disk, side: Side, findings: Findings): void {
  const sector = sectorOf(disk, side.entriesLba);
  const size = side.slots * side.entryLength;
  const expected = load<u32>(side.block, HEADER_ENTRIES_CRC);
  const crc = crc32(0, side.entries, size);
  if (crc !== expected) {
    findingAdd(findings, GptProblem.ENTRIES_CRC, side.which, sector, crc, expected);
  }
  if (!isZero(side.entries + size, side.entriesSize - size)) {
    findingAdd(findings, GptProblem.ENTRIES_PADDING, side.which, sector, size, 0);
  }
}

/** What both headers say of the same thing. */
function copiesCheck(disk: Disk, findings: Findings): void {
  const a = disk.primary;
  const b = disk.backup;
  const side = GptSide.BACKUP;
  const sector = sectorOf(disk, b.lba);
  const guidA = a.block + HEADER_DISK_GUID;
  const guidB = b.block + HEADER_DISK_GUID;
  if (load<u64>(guidA) !== load<u64>(guidB) || load<u64>(guidA, 8) !== load<u64>(guidB, 8)) {
    findingAdd(findings, GptProblem.COPIES_DISK_GUID, side, sector, 0, 0);
  }
  if (a.firstUsable !== b.firstUsable) {
    findingAdd(findings, GptProblem.COPIES_USABLE, side, sector, b.firstUsable, a.firstUsable);
  } else if (a.lastUsable !== b.lastUsable) {
    findingAdd(findings, GptProblem.COPIES_USABLE, side, sector, b.lastUsable, a.lastUsable);
  }
  if (a.slots !== b.slots || a.entryLength !== b.entryLength) {
    findingAdd(findings, GptProblem.COPIES_GEOMETRY, side, sector, b.slots, a.slots);
  } else if (load<u32>(a.block, HEADER_ENTRIES_CRC) !== load<u32>(b.block, HEADER_ENTRIES_CRC)) {
    const found = <u64>load<u32>(b.block, HEADER_ENTRIES_CRC);
    const expected = <u64>load<u32>(a.block, HEADER_ENTRIES_CRC);
    findingAdd(findings, GptProblem.COPIES_ENTRIES, side, sector, found, expected);
  }
}
