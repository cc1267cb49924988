/**
 * Mending and growing a region: both go through ordinary commits, so a crash in the middle leaves
 * what a crash in any commit leaves, and doing it again goes on.
 *
 * Repaired is what is derived or doubled: second copies, bitmaps, counters, superblock copies,
 * descriptors, the zeros of the head, the lists of freed pages. Nothing that cannot be proved is
 * removed.
 */

import { isZero } from "../../engine/bytes";
import { deviceFail, deviceRead, deviceWrite } from "../../engine/device";
import { failPlain } from "../../engine/fault";
import { allocate } from "../../engine/memory";
import { Reason, SECTOR_SIZE } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { BITMAP_HOMES, PageKind, TreeId } from "../../format/page";
import * as F from "../../format/region";
import { spaceForget } from "../bitmap";
import { treeTouch, treeWorst } from "../btree";
import { RESERVE_DELETE, volumeReserve } from "../commit";
import { bitSet } from "../pages/bits";
import { pageStart } from "../pages/page";
import {
  chunkFirstPage,
  chunkPages,
  NOTICE_DESCRIPTOR,
  NOTICE_GROW,
  Region,
  spaceTree,
  Volume,
} from "../pages/volume";
import { batchOpen, regionFlush, volumeCommit, volumeCommitAlways } from "../protocol";
import { bitmapReplace } from "../space";
import {
  Check,
  checkClaimed,
  checkClose,
  checkOpen,
  checkTakesNotes,
  NOTE_SIZE,
  NOTES_MAX,
} from "./check";
import { descriptorValid, descriptorWrite } from "./format";
import { listsMend } from "./lost";
import { CHECK_COPIES, regionCheck, sectorIsNamed } from "./owners";
import { regionRest } from "./region";

/** Each round mends what the one before has brought to light. */
const ROUNDS: i32 = 8;
const block: usize = allocate(4096);

/** Mends what can be mended: the number of findings left, or an errno. No batch may be open. */
export function regionRepair(region: Region): i32 {
  if (region.readOnly) return failPlain(ErrorCode.EROFS);
  // The strict check would refuse the very damage that is to be mended.
  region.strictHook = 0;
  let listed = listsMend(region.store);
  const wf = region.wf;
  if (listed === ErrorCode.OK && wf !== null) listed = listsMend(wf);
  if (listed !== ErrorCode.OK) return listed;
  let left: i32 = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const check = checkOpen(region);
    if (check === null) return failPlain(ErrorCode.ENOMEM);
    let code = checkTakesNotes(check) ? ErrorCode.OK : failPlain(ErrorCode.ENOMEM);
    if (code === ErrorCode.OK) code = regionCheck(region, check, CHECK_COPIES);
    left = <i32>check.total;
    if (code === ErrorCode.OK && left > 0) code = mend(region, check);
    checkClose(check);
    if (code !== ErrorCode.OK) return code;
    if (left === 0) break;
  }
  return left;
}

function mend(region: Region, check: Check): ErrorCode {
  let code = volumeMend(region.store, check);
  const wf = region.wf;
  if (code === ErrorCode.OK && wf !== null) code = volumeMend(wf, check);
  if (code === ErrorCode.OK) code = regionRest(region);
  if (code === ErrorCode.OK) code = descriptorsMend(region);
  return code === ErrorCode.OK ? headMend(region) : code;
}

/** Writes noted pages and bitmaps anew; two commits and a rest renew every superblock copy. */
function volumeMend(volume: Volume, check: Check): ErrorCode {
  let code = batchOpen(volume);
  for (let at: u32 = 0; at < check.noteCount && code === ErrorCode.OK; at++) {
    const note = check.notes + <usize>(at * NOTE_SIZE);
    if (load<u32>(note) !== <u32>volume.kind) continue;
    const tree = <TreeId>load<u32>(note, 4);
    code = volumeReserve(volume, treeWorst(volume, tree, 1), RESERVE_DELETE);
    if (code === ErrorCode.OK) code = treeTouch(volume, tree, note + 12, load<u32>(note, 8));
  }
  // With a page damaged, what was not reached may still be someone's: no bitmap is rebuilt then.
  const whole = check.noteCount === 0 && check.windowEnd >= volume.region.endPage;
  for (let at: u32 = 0; at < check.chunkCount && whole && code === ErrorCode.OK; at++) {
    const note = check.notes + <usize>(NOTE_SIZE * NOTES_MAX + at * 8);
    if (load<u32>(note) === <u32>volume.kind) code = chunkMend(volume, check, load<u32>(note, 4));
  }
  if (code === ErrorCode.OK) code = volumeCommit(volume);
  if (code === ErrorCode.OK) code = volumeCommitAlways(volume, false);
  return code === ErrorCode.OK ? volumeCommitAlways(volume, false) : code;
}

/** Builds the bitmap of `chunk` from what the walk has claimed. */
function chunkMend(volume: Volume, check: Check, chunk: u32): ErrorCode {
  const region = volume.region;
  const first = chunkFirstPage(region, chunk);
  pageStart(region, block, PageKind.BITMAP, spaceTree(volume));
  for (let index: u32 = 0; index < chunkPages(region); index++) {
    if (index < BITMAP_HOMES || checkClaimed(check, first + <u64>index)) bitSet(block, index);
  }
  return bitmapReplace(volume, chunk, block);
}

/** Rewrites a descriptor that is not whole, B before A, each durable before the next. */
function descriptorsMend(region: Region): ErrorCode {
  for (let which: u32 = 0; which < 2; which++) {
    const lba = which === 0 ? F.LBA_DESCRIPTOR_B : F.LBA_DESCRIPTOR_A;
    let code = deviceRead(region.device, lba, block, SECTOR_SIZE);
    const good = code === ErrorCode.OK && descriptorValid(region, block, lba);
    if (good && load<u64>(block, F.DESCRIPTOR_SECTORS) >= region.sectors) continue;
    code = descriptorPut(region, descriptorGeneration(region), region.sectors, lba);
    if (code !== ErrorCode.OK) return code;
  }
  region.notices &= ~NOTICE_DESCRIPTOR;
  return ErrorCode.OK;
}

/** Writes one copy of the descriptor and makes it durable. */
function descriptorPut(region: Region, generation: u32, sectors: u64, lba: u32): ErrorCode {
  const uuid = region.store.current + F.SUPERBLOCK_UUID;
  const code = descriptorWrite(region, uuid, generation, sectors, lba);
  return code === ErrorCode.OK ? regionFlush(region) : code;
}

/** The generation that a whole descriptor names; 1 if there is none. */
function descriptorGeneration(region: Region): u32 {
  let generation: u32 = 1;
  for (let which: u32 = 0; which < 2; which++) {
    const copy = region.descriptors + <usize>(which << 9);
    if ((region.descriptorState & (1 << which)) === 0) continue;
    generation = max<u32>(generation, load<u32>(copy, F.DESCRIPTOR_GENERATION));
  }
  return generation;
}

/** Zeros every block of the head that holds none of the named sectors. */
function headMend(region: Region): ErrorCode {
  const device = region.device;
  const sectors = device.blockSize / SECTOR_SIZE;
  for (let lba: u32 = 0; lba < F.HEAD_SECTORS; lba += sectors) {
    let named = false;
    for (let at: u32 = 0; at < sectors; at++) {
      if (sectorIsNamed(lba + at, region.wf !== null)) named = true;
    }
    if (named) continue;
    let code = deviceRead(device, lba, block, device.blockSize);
    if (code !== ErrorCode.OK) return code;
    if (isZero(block, device.blockSize)) continue;
    memory.fill(block, 0, device.blockSize);
    code = deviceWrite(device, lba, block, device.blockSize);
    if (code !== ErrorCode.OK) return code;
  }
  return regionFlush(region);
}

/**
 * Takes the device's new end: descriptors with generation + 1 (B, flush, A, flush), then a commit
 * with the new size (1.12). A crash between leaves a descriptor that is larger: grow again.
 */
export function regionGrow(region: Region): ErrorCode {
  const storage = region.store;
  const wf = region.wf;
  let sectors = region.device.sectors & ~(<u64>7);
  const most = <u64>region.firstChunk + ((<u64>F.CHUNKS_MAX) << (<u64>(region.chunkShift - 9)));
  if (sectors > most) sectors = most;
  if (sectors <= region.sectors) {
    return deviceFail(region.device, ErrorCode.EINVAL, Reason.CAPACITY, region.sectors, 0);
  }
  let code = volumeCommit(storage);
  if (code === ErrorCode.OK && wf !== null) code = volumeCommit(wf);
  if (code === ErrorCode.OK) code = batchOpen(storage);
  if (code !== ErrorCode.OK) return code;
  const generation = descriptorGeneration(region) + 1;
  code = descriptorPut(region, generation, sectors, F.LBA_DESCRIPTOR_B);
  if (code === ErrorCode.OK) {
    code = descriptorPut(region, generation, sectors, F.LBA_DESCRIPTOR_A);
  }
  if (code === ErrorCode.OK) code = sizeCommit(storage, sectors);
  if (code !== ErrorCode.OK) return code;
  region.sectors = sectors;
  region.chunks = <u32>((sectors - <u64>region.firstChunk) >>> <u64>(region.chunkShift - 9));
  region.endPage = chunkFirstPage(region, region.chunks);
  region.notices &= ~NOTICE_GROW;
  // Chunks beyond the old end are free by definition: the summaries are read again.
  spaceForget(storage);
  if (wf === null) return ErrorCode.OK;
  spaceForget(wf);
  return sizeCommit(wf, sectors);
}

function sizeCommit(volume: Volume, sectors: u64): ErrorCode {
  const code = batchOpen(volume);
  if (code !== ErrorCode.OK) return code;
  store<u64>(volume.next, sectors, F.SUPERBLOCK_SECTORS);
  return volumeCommitAlways(volume, false);
}
