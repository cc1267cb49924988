/**
 * Check of a whole region, L2: bitmaps = reachable + limbo, chunks have one owner, the two formats
 * agree on grants and returns, counters are right, and, if asked, every copy in the head is whole.
 */
import { isZero, loadBigU64 } from "../../engine/bytes";
import { deviceFail, deviceRead } from "../../engine/device";
import { failPlain, faultAddress } from "../../engine/fault";
import { allocate, release } from "../../engine/memory";
import {
  FAULT_LBA,
  FAULT_REASON,
  REGION_FINDING_LBA,
  REGION_FINDING_REASON,
  Reason,
  SECTOR_SIZE,
} from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  BITMAP_HOMES,
  CHUNK_FREE_PAGES,
  CHUNK_HOME,
  CHUNK_OWNER,
  CHUNK_SIZE,
  ChunkOwner,
  SPACE_KEY_CHUNK,
  SPACE_KEY_GRANT,
  SPACE_KEY_RETURN,
  TreeId,
} from "../../format/page";
import * as F from "../../format/region";
import { bitmapRead, cursorChunk, entryStands } from "../bitmap";
import { Cursor, cursorClose, cursorNext, cursorOpen } from "../cursor";
import {
  limboIsFirst,
  limboLength,
  limboListPage,
  limboNext,
  limboOpen,
  limboPage,
} from "../limbo";
import { bitGet } from "../pages/bits";
import { slotsLba, superblockCheck } from "../pages/superblock";
import {
  chunkFirstPage,
  chunkOfPage,
  chunkPages,
  Region,
  spaceTree,
  Volume,
  VolumeKind,
} from "../pages/volume";
import {
  Check,
  checkAdd,
  checkClaim,
  checkClaimed,
  checkClose,
  checkOpen,
  checkTree,
  checkWindow,
  FINDING_REGION,
  noteChunk,
} from "./check";
import { descriptorValid } from "./format";
import { copyLba, headRead, headSector } from "./mount";

/** Every copy of superblocks and descriptors must be whole, and the rest of the head zero. */
export const CHECK_COPIES: u32 = 1;

const bitmapPage: usize = allocate(4096);
const HEAD_STEP: u32 = 64;
/** What a chunk's owner byte says beside ChunkOwner: named by a run of grants or returns. */
const NAMED: u8 = 0x80;

/** Checks `region` from what is durable on its device; EBUSY while a batch holds changes. */
export function regionCheck(region: Region, check: Check, flags: u32): ErrorCode {
  const wf = region.wf;
  const filesChanged = wf === null ? false : wf.treesChanged;
  if (region.store.treesChanged || filesChanged) {
    return failPlain(ErrorCode.EBUSY);
  }
  if ((flags & CHECK_COPIES) !== 0) copiesCheck(check);
  ownersRead(check, region.store);
  if (wf !== null) ownersRead(check, wf);
  const step = (<u64>check.bitsSize) << 3;
  for (let first = chunkFirstPage(region, 0); first < region.endPage; first += step) {
    const before = check.total;
    checkWindow(check, first);
    volumeWalk(check, region.store);
    if (wf !== null) volumeWalk(check, wf);
    // Damage hides what is behind it: what was not reached is no leak then.
    const whole = check.total === before;
    bitmapsCompare(check, region.store, whole);
    if (wf !== null) bitmapsCompare(check, wf, whole);
  }
  grantsCheck(check);
  return ErrorCode.OK;
}

/** For a strict mount: OK, or EBADMSG with the first finding as the fault. */
export function regionStrict(region: Region): ErrorCode {
  const check = checkOpen(region);
  if (check === null) return failPlain(ErrorCode.ENOMEM);
  let code = regionCheck(region, check, 0);
  if (code === ErrorCode.OK) code = checkFault(check);
  checkClose(check);
  return code;
}

/** OK without findings, or EBADMSG with the first one as the fault. */
export function checkFault(check: Check): ErrorCode {
  if (check.total === 0) return ErrorCode.OK;
  const reason = <Reason>load<u32>(check.findings, REGION_FINDING_REASON);
  const lba = load<u64>(check.findings, REGION_FINDING_LBA);
  return deviceFail(check.region.device, ErrorCode.EBADMSG, reason, lba, check.total);
}

/** Walks the space tree alone, then reads its entries: who owns which chunk, and the counters. */
export function ownersRead(check: Check, volume: Volume): void {
  const region = check.region;
  const owners = volume.kind === VolumeKind.ST ? check.storeOwners : check.filesOwners;
  const cursor = cursorOpen(volume, spaceTree(volume));
  if (cursor === null) return;
  let free: u64 = 0;
  let code = cursorNext(cursor);
  for (; code === ErrorCode.OK; code = cursorNext(cursor)) {
    const kind: u32 = load<u8>(cursor.key);
    if (kind !== SPACE_KEY_CHUNK) {
      runCheck(check, volume, cursor, kind);
      continue;
    }
    const chunk = cursorChunk(cursor);
    if (!entryStands(cursor, chunk)) {
      spaceAdd(check, volume, Reason.OWNERSHIP, chunk);
      continue;
    }
    const owner = load<u8>(cursor.value, CHUNK_OWNER);
    store<u8>(owners + <usize>chunk, owner);
    const pages = load<u32>(cursor.value, CHUNK_FREE_PAGES);
    const mapped = owner === <u8>ChunkOwner.META || owner === <u8>ChunkOwner.DATA;
    if (mapped) free += <u64>pages;
    else if (pages !== 0 || load<u8>(cursor.value, CHUNK_HOME) !== 0) {
      spaceAdd(check, volume, Reason.FIELD, chunk);
    }
  }
  cursorClose(cursor);
  if (code !== ErrorCode.ENOENT) return;
  if (free !== load<u64>(volume.current, F.SUPERBLOCK_FREE_PAGES)) {
    spaceAdd(check, volume, Reason.COUNTER, F.SUPERBLOCK_FREE_PAGES);
  }
}

/** A finding about the space tree of `volume`. */
function spaceAdd(check: Check, volume: Volume, reason: Reason, detail: u32): void {
  checkAdd(check, volume.kind, reason, slotsLba(volume.kind), detail);
}

/** An entry of a grant or a return: its numbers, and the chunks it names. */
function runCheck(check: Check, volume: Volume, cursor: Cursor, kind: u32): void {
  const st = volume.kind === VolumeKind.ST;
  const expected = st ? SPACE_KEY_GRANT : SPACE_KEY_RETURN;
  const last = load<u64>(
    volume.current + <usize>(st ? F.SUPERBLOCK_GRANT_SEQ : F.SUPERBLOCK_RETURN_SEQ),
  );
  if (kind !== expected || cursor.keyLength !== 9 || cursor.valueLength !== 8) {
    spaceAdd(check, volume, Reason.FIELD, kind);
    return;
  }
  const first = load<u32>(cursor.value);
  const count = load<u32>(cursor.value, 4);
  const chunks = check.region.chunks;
  const seq = loadBigU64(cursor.key + 1);
  if (seq > last || count === 0 || first >= chunks || count > chunks - first) {
    spaceAdd(check, volume, Reason.OWNERSHIP, first);
    return;
  }
  const wf = check.region.wf;
  // Only a hand-over that is not finished may leave a chunk that WF does not name.
  const open = st
    ? wf !== null && seq > load<u64>(wf.current, F.SUPERBLOCK_GRANT_SEQ)
    : seq > load<u64>(check.region.store.current, F.SUPERBLOCK_RETURN_SEEN);
  if (!open) return;
  for (let chunk = first; chunk < first + count; chunk++) {
    const owner = check.filesOwners + <usize>chunk;
    store<u8>(owner, load<u8>(owner) | NAMED);
  }
}

/** Every tree and both limbo lists of one format. */
function volumeWalk(check: Check, volume: Volume): void {
  const block = volume.current;
  const base: u32 = volume.kind === VolumeKind.ST ? TreeId.ST_INDEX : TreeId.WF_FILES;
  for (let at: u32 = 0; at < 4; at++) {
    const root = block + F.SUPERBLOCK_ROOT_A + <usize>(at * 32);
    checkTree(check, volume, <TreeId>(base + at), root, true);
  }
  listWalk(check, volume, block + F.SUPERBLOCK_LIMBO_CURRENT);
  listWalk(check, volume, block + F.SUPERBLOCK_LIMBO_PREVIOUS);
}

export function listWalk(check: Check, volume: Volume, pointer: usize): void {
  limboOpen(pointer);
  let code = limboNext(volume);
  for (; code === ErrorCode.OK; code = limboNext(volume)) {
    if (limboIsFirst()) checkClaim(check, volume, limboListPage(), 1, <u32>ChunkOwner.META);
    const owners = volume.kind === VolumeKind.ST ? check.storeOwners : check.filesOwners;
    const owner: u32 = load<u8>(owners + <usize>chunkOfPage(check.region, limboPage));
    const data = owner === <u32>ChunkOwner.DATA;
    const wanted = data ? <u32>ChunkOwner.DATA : <u32>ChunkOwner.META;
    checkClaim(check, volume, limboPage, limboLength, wanted);
  }
  if (code !== ErrorCode.ENOENT) faultAdd(check, volume);
}

/** What the last fault says becomes a finding. */
function faultAdd(check: Check, volume: Volume): void {
  const fault = faultAddress();
  const lba = load<u64>(fault, FAULT_LBA) - check.region.device.base;
  checkAdd(check, volume.kind, <Reason>load<u32>(fault, FAULT_REASON), lba, 0);
}

/** Each bitmap of the window against what was claimed. */
function bitmapsCompare(check: Check, volume: Volume, whole: bool): void {
  const region = check.region;
  const cursor = cursorOpen(volume, spaceTree(volume));
  if (cursor === null) return;
  let code = cursorNext(cursor);
  for (; code === ErrorCode.OK; code = cursorNext(cursor)) {
    if (load<u8>(cursor.key) !== <u8>SPACE_KEY_CHUNK) break;
    const chunk = cursorChunk(cursor);
    if (chunk >= region.chunks || cursor.valueLength !== CHUNK_SIZE) continue;
    const owner = load<u8>(cursor.value, CHUNK_OWNER);
    if (owner !== <u8>ChunkOwner.META && owner !== <u8>ChunkOwner.DATA) continue;
    const first = chunkFirstPage(region, chunk);
    if (first < check.windowFirst || first >= check.windowEnd) continue;
    if (bitmapRead(volume, chunk, cursor.value, bitmapPage) !== ErrorCode.OK) {
      faultAdd(check, volume);
      noteChunk(check, volume, chunk);
      continue;
    }
    const before = check.total;
    bitmapCompare(check, volume, first, whole);
    if (check.total !== before) noteChunk(check, volume, chunk);
  }
  cursorClose(cursor);
}

function bitmapCompare(check: Check, volume: Volume, first: u64, whole: bool): void {
  const pages = chunkPages(check.region);
  for (let index = BITMAP_HOMES; index < pages; index++) {
    const used = bitGet(bitmapPage, index);
    const claimed = checkClaimed(check, first + <u64>index);
    if (used === claimed || (used && !whole)) continue;
    checkAdd(check, volume.kind, Reason.BITMAP, (first + <u64>index) * F.SECTORS_PER_PAGE, index);
  }
}

/** A chunk that WF names must be granted to it, and a granted one must be known to WF. */
function grantsCheck(check: Check): void {
  const region = check.region;
  if (region.wf === null) return;
  for (let chunk: u32 = 0; chunk < region.chunks; chunk++) {
    const st = load<u8>(check.storeOwners + <usize>chunk);
    const wf = load<u8>(check.filesOwners + <usize>chunk);
    const granted = st === <u8>ChunkOwner.GRANTED;
    if (granted === (wf !== 0)) continue;
    const lba = chunkFirstPage(region, chunk) * F.SECTORS_PER_PAGE;
    // A return that ST has not taken yet names a chunk that is still granted.
    if (!granted && (wf & ~NAMED) === 0) continue;
    checkAdd(check, FINDING_REGION, Reason.OWNERSHIP, lba, chunk);
  }
}

/** Superblock copies, descriptors, and zeros everywhere else in LBA 0 to 511. */
function copiesCheck(check: Check): void {
  const region = check.region;
  const device = region.device;
  if (headRead(device) !== ErrorCode.OK) {
    checkAdd(check, FINDING_REGION, Reason.DEVICE_ERROR, 0, 0);
    return;
  }
  superblocksCheck(check, region.store);
  const wf = region.wf;
  if (wf !== null) superblocksCheck(check, wf);
  for (let which: u32 = 0; which < 2; which++) {
    const lba = which === 0 ? F.LBA_DESCRIPTOR_A : F.LBA_DESCRIPTOR_B;
    const sector = headSector(lba);
    if (!descriptorValid(region, sector, lba)) {
      checkAdd(check, FINDING_REGION, Reason.CHECKSUM, lba, 0);
    } else if (load<u64>(sector, F.DESCRIPTOR_SECTORS) < region.sectors) {
      checkAdd(check, FINDING_REGION, Reason.FIELD, lba, F.DESCRIPTOR_SECTORS);
    }
  }
  paddingCheck(check, wf !== null);
}

function superblocksCheck(check: Check, volume: Volume): void {
  for (let index: u32 = 0; index < 4; index++) {
    const lba = copyLba(volume.kind, index);
    const reason = superblockCheck(headSector(lba), volume.kind, lba, index & 1);
    if (reason !== Reason.NONE) checkAdd(check, volume.kind, reason, lba, 0);
  }
}

function paddingCheck(check: Check, hasFiles: bool): void {
  const size = HEAD_STEP * SECTOR_SIZE;
  const buffer = allocate(size);
  if (buffer === 0) return;
  for (let from: u32 = 0; from < F.HEAD_SECTORS; from += HEAD_STEP) {
    if (deviceRead(check.region.device, from, buffer, size) !== ErrorCode.OK) {
      checkAdd(check, FINDING_REGION, Reason.DEVICE_ERROR, from, 0);
      continue;
    }
    for (let at: u32 = 0; at < HEAD_STEP; at++) {
      const lba = from + at;
      if (sectorIsNamed(lba, hasFiles)) continue;
      if (isZero(buffer + <usize>(at << 9), SECTOR_SIZE)) continue;
      checkAdd(check, FINDING_REGION, Reason.PADDING, lba, 0);
    }
  }
  release(buffer, size);
}

export function sectorIsNamed(lba: u32, hasFiles: bool): bool {
  if (lba === F.LBA_DESCRIPTOR_A || lba === F.LBA_DESCRIPTOR_B) return true;
  for (let index: u32 = 0; index < 4; index++) {
    if (lba === copyLba(VolumeKind.ST, index)) return true;
    if (hasFiles && lba === copyLba(VolumeKind.WF, index)) return true;
  }
  return false;
}
