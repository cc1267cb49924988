/**
 * The protective MBR: what it says of the disk, whether it is right, and the right one.
 *
 * Boot code is never touched. A record that describes a partition beside the protective one (a
 * hybrid MBR) is reported, and kept: only its owner can say whether something boots from it.
 */
import { isZero } from "../engine/bytes";

import {
  CHS_CYLINDERS,
  CHS_HEADS,
  CHS_SECTORS,
  GptProblem,
  GptSide,
  MBR_CHS_BEYOND,
  MBR_END_CHS_PARTED,
  MBR_MARK,
  MBR_MARK_VALUE,
  MBR_RECORD_BLOCKS,
  MBR_RECORD_BOOT,
  MBR_RECORD_END_CHS,
  MBR_RECORD_SIZE,
  MBR_RECORD_START,
  MBR_RECORD_START_CHS,
  MBR_RECORD_TYPE,
  MBR_RECORDS,
  MBR_RECORDS_COUNT,
  MBR_SIGNATURE,
  MBR_SIZE,
  MBR_START_CHS_PARTED,
  MBR_START_CHS_VALUE,
  MBR_TYPE_PROTECTIVE,
} from "../format/gpt";
import { Findings, findingAdd } from "./findings";

/** Bytes of the disk signature and the unknown field. */
const UNUSED_SIZE: u32 = MBR_RECORDS - MBR_SIGNATURE;

/** True if block 0 at `mbr` ends with the mark of an MBR. */
export function mbrMarked(mbr: usize): bool {
  return load<u16>(mbr, MBR_MARK) === <u16>MBR_MARK_VALUE;
}

/** Address of the protective record of `mbr`, or 0. */
export function mbrProtective(mbr: usize): usize {
  if (!mbrMarked(mbr)) return 0;
  for (let index: u32 = 0; index < MBR_RECORDS_COUNT; index++) {
    const record = mbr + <usize>(MBR_RECORDS + index * MBR_RECORD_SIZE);
    if (load<u8>(record, MBR_RECORD_TYPE) === <u8>MBR_TYPE_PROTECTIVE) return record;
  }
  return 0;
}

/**
 * True if block 0 is the partition table of somebody else: records of real partitions and none that
 * is protective. A GPT beside it is a leftover, and writing one would lose the other.
 */
export function mbrForeign(mbr: usize, blocks: u64): bool {
  if (!mbrMarked(mbr) || mbrProtective(mbr) !== 0) return false;
  for (let index: u32 = 0; index < MBR_RECORDS_COUNT; index++) {
    const record = mbr + <usize>(MBR_RECORDS + index * MBR_RECORD_SIZE);
    if (!describesPartition(record) || (load<u8>(record, MBR_RECORD_BOOT) & 0x7f) !== 0) continue;
    // What starts at block 1 is a protective record that lost its type.
    const start = <u64>load<u32>(record, MBR_RECORD_START);
    if (start > 1 && start + <u64>load<u32>(record, MBR_RECORD_BLOCKS) <= blocks) return true;
  }
  return false;
}

/** Where the protective record says the disk ends, its last LBA, or 0. A place to look, no more. */
export function mbrLastLba(mbr: usize): u64 {
  const record = mbrProtective(mbr);
  if (record === 0 || load<u32>(record, MBR_RECORD_START) !== 1) return 0;
  return <u64>load<u32>(record, MBR_RECORD_BLOCKS);
}

/** Reports everything about block 0 that is not as 5.2.3 wants it on a disk of `blocks` blocks. */
export function mbrCheck(mbr: usize, blockSize: u32, blocks: u64, findings: Findings): void {
  const none = GptSide.NONE;
  if (!mbrMarked(mbr)) {
    const mark = <u64>load<u16>(mbr, MBR_MARK);
    findingAdd(findings, GptProblem.MBR_MARK, none, 0, mark, MBR_MARK_VALUE);
    return;
  }
  const record = mbrProtective(mbr);
  if (record === 0) {
    findingAdd(findings, GptProblem.MBR_NO_PROTECTIVE, none, 0, 0, MBR_TYPE_PROTECTIVE);
  } else {
    recordCheck(record, blocks, findings);
  }
  for (let index: u32 = 0; index < MBR_RECORDS_COUNT; index++) {
    const other = mbr + <usize>(MBR_RECORDS + index * MBR_RECORD_SIZE);
    if (other === record || isZero(other, MBR_RECORD_SIZE)) continue;
    const type = <u64>load<u8>(other, MBR_RECORD_TYPE);
    findingAdd(findings, GptProblem.MBR_EXTRA, none, 0, type, index + 1);
  }
  if (!isZero(mbr + MBR_SIGNATURE, UNUSED_SIZE)) {
    const found = <u64>load<u32>(mbr, MBR_SIGNATURE);
    findingAdd(findings, GptProblem.MBR_UNUSED, none, 0, found, 0);
  }
  if (!isZero(mbr + MBR_SIZE, blockSize - MBR_SIZE)) {
    findingAdd(findings, GptProblem.MBR_PADDING, none, 0, 0, 0);
  }
}

function recordCheck(record: usize, blocks: u64, findings: Findings): void {
  const none = GptSide.NONE;
  const boot = <u64>load<u8>(record, MBR_RECORD_BOOT);
  if (boot !== 0) findingAdd(findings, GptProblem.MBR_BOOT_FLAG, none, 0, boot, 0);
  const start = load<u32>(record, MBR_RECORD_START);
  if (start !== 1) findingAdd(findings, GptProblem.MBR_START, none, 0, start, 1);
  const size = load<u32>(record, MBR_RECORD_BLOCKS);
  const expected = sizeOf(blocks);
  if (size !== expected && !(size === 0xffffffff && popcnt<u32>(~expected) > 1)) {
    findingAdd(findings, GptProblem.MBR_SIZE, none, 0, size, expected);
  }
  const startChs = chsAt(record + MBR_RECORD_START_CHS);
  const endChs = chsAt(record + MBR_RECORD_END_CHS);
  if (!chsKnown(startChs, endChs, chsOf(blocks - 1))) {
    const found = ((<u64>startChs) << 32) | <u64>endChs;
    const right = ((<u64>MBR_START_CHS_VALUE) << 32) | <u64>chsOf(blocks - 1);
    findingAdd(findings, GptProblem.MBR_CHS, none, 0, found, right);
  }
}

/**
 * True for the pairs that the standard and known tools write. None is one bit away from another,
 * so that a flipped bit never turns a right pair into a right one.
 */
function chsKnown(start: u32, end: u32, exact: u32): bool {
  if (start === MBR_START_CHS_PARTED) return end === MBR_END_CHS_PARTED;
  if (start !== MBR_START_CHS_VALUE) return false;
  if (end === exact) return true;
  return end === MBR_CHS_BEYOND && popcnt<u32>(exact ^ MBR_CHS_BEYOND) > 1;
}

/**
 * Makes block 0 right for a disk of `blocks` blocks, in place; true if that changed anything.
 * `fresh` clears the whole block first.
 */
export function mbrMend(mbr: usize, blockSize: u32, blocks: u64, fresh: bool): bool {
  let changed = false;
  if (fresh) {
    changed = !isZero(mbr, blockSize);
    memory.fill(mbr, 0, blockSize);
  }
  const marked = mbrMarked(mbr);
  const protective = mbrProtective(mbr);
  const target = protective === 0 ? mbr + MBR_RECORDS : protective;
  let hybrid = false;
  for (let index: u32 = 0; index < MBR_RECORDS_COUNT; index++) {
    const record = mbr + <usize>(MBR_RECORDS + index * MBR_RECORD_SIZE);
    if (record === target || isZero(record, MBR_RECORD_SIZE)) continue;
    // Without a mark or a protective record these are the leftovers of another table.
    if (marked && protective !== 0 && describesPartition(record)) {
      hybrid = true;
      continue;
    }
    memory.fill(record, 0, MBR_RECORD_SIZE);
    changed = true;
  }
  if (!recordRight(target, blocks)) {
    recordBuild(target, blocks);
    changed = true;
  }
  // Who boots a hybrid MBR may know the disk by its signature.
  if (!hybrid && !isZero(mbr + MBR_SIGNATURE, UNUSED_SIZE)) {
    memory.fill(mbr + MBR_SIGNATURE, 0, UNUSED_SIZE);
    changed = true;
  }
  if (!isZero(mbr + MBR_SIZE, blockSize - MBR_SIZE)) {
    memory.fill(mbr + MBR_SIZE, 0, blockSize - MBR_SIZE);
    changed = true;
  }
  if (!marked) store<u16>(mbr, <u16>MBR_MARK_VALUE, MBR_MARK);
  return changed || !marked;
}

/** A hybrid record has a type and a size; anything less is damage. */
function describesPartition(record: usize): bool {
  if (load<u8>(record, MBR_RECORD_TYPE) === 0) return false;
  return load<u32>(record, MBR_RECORD_START) !== 0 && load<u32>(record, MBR_RECORD_BLOCKS) !== 0;
}

function recordRight(record: usize, blocks: u64): bool {
  if (load<u8>(record, MBR_RECORD_BOOT) !== 0) return false;
  if (load<u8>(record, MBR_RECORD_TYPE) !== <u8>MBR_TYPE_PROTECTIVE) return false;
  if (load<u32>(record, MBR_RECORD_START) !== 1) return false;
  if (load<u32>(record, MBR_RECORD_BLOCKS) !== sizeOf(blocks)) return false;
  const start = chsAt(record + MBR_RECORD_START_CHS);
  return chsKnown(start, chsAt(record + MBR_RECORD_END_CHS), chsOf(blocks - 1));
}

function recordBuild(record: usize, blocks: u64): void {
  const end = chsOf(blocks - 1);
  store<u32>(record, MBR_START_CHS_VALUE << 8, MBR_RECORD_BOOT);
  store<u32>(record, MBR_TYPE_PROTECTIVE | (end << 8), MBR_RECORD_TYPE);
  store<u32>(record, 1, MBR_RECORD_START);
  store<u32>(record, sizeOf(blocks), MBR_RECORD_BLOCKS);
}

function sizeOf(blocks: u64): u32 {
  return blocks - 1 > 0xffffffff ? 0xffffffff : <u32>(blocks - 1);
}

function chsAt(address: usize): u32 {
  return <u32>load<u16>(address) | ((<u32>load<u8>(address, 2)) << 16);
}

/** The three bytes of a CHS address as one number: head, sector with high bits, cylinder. */
function chsOf(lba: u64): u32 {
  const track = <u64>(CHS_HEADS * CHS_SECTORS);
  if (lba >= track * <u64>CHS_CYLINDERS) return MBR_CHS_BEYOND;
  const cylinder = <u32>(lba / track);
  const within = <u32>(lba % track);
  const sector = (within % CHS_SECTORS) + 1;
  return (
    (within / CHS_SECTORS) | ((sector | ((cylinder >>> 2) & 0xc0)) << 8) | ((cylinder & 255) << 16)
  );
}
