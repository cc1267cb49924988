/**
 * Check of a whole region, L1: every page of every tree, both copies, order, bounds, births.
 *
 * Pages are read from the device, not from the cache. What the walk reaches is claimed in a bit
 * per page, which owners.ts compares with the bitmaps (L2). Regions whose bits do not fit
 * WINDOW_BYTES are walked once per window. Findings are a list; checking goes on behind each.
 */
import { loadBigU64, loadU48 } from "../../engine/bytes";
import { deviceRead } from "../../engine/device";
import { allocate, allocateZeroed, release } from "../../engine/memory";
import {
  REGION_FINDING_DETAIL,
  REGION_FINDING_LBA,
  REGION_FINDING_REASON,
  REGION_FINDING_SIZE,
  REGION_FINDING_VOLUME,
  Reason,
} from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { HEADER_SELF, LEVEL_MAX, TreeId } from "../../format/page";
import { PAGE_SIZE, SECTORS_PER_PAGE } from "../../format/region";
import {
  EXTENT_BIRTH,
  EXTENT_PAGE,
  EXTENT_PAGES,
  EXTENT_PAGES_MAX,
  EXTENT_SIZE,
  FileKey,
} from "../../format/wf";
import { regrow } from "../pages/freed";
import {
  nodeCompare,
  nodeCount,
  nodeIsInternal,
  nodeKey,
  nodeRecord,
  nodeValue,
  nodeValueLength,
} from "../pages/node";
import { pointerBirth, pointerPage, pointerSecond, treeVerify } from "../pages/page";
import { chunkFirstPage, chunkOfPage, chunkPages, Region, Volume } from "../pages/volume";

/** `volume` of a finding about the region itself. */
export const FINDING_REGION: u32 = 2;
/** Findings kept; more are counted. */
const FINDINGS_MAX: u32 = 1024;
const FINDINGS_FIRST: u32 = 16;
/** Bits of claimed pages that are held at once: 512 GiB of region. */
const WINDOW_BYTES: u64 = 1 << 24;

/** A note: { volume u32, tree u32, keyLength u32, key 512 bytes }, then the chunks. */
export const NOTE_SIZE: u32 = 524;
export const NOTES_MAX: u32 = 64;
const NOTES_BYTES: u32 = NOTE_SIZE * NOTES_MAX + 8 * NOTES_MAX;

/** One page per level of the walk, and one for second copies. */
const pages: usize = allocate(57344);
const lowKey: usize = allocate(512);
if ((LEVEL_MAX + 2) * PAGE_SIZE > 57344) ERROR("pages is too small");

@unmanaged
export class Check {
  region: Region;
  findings: usize;
  capacity: u32;
  kept: u32;
  total: u32;
  /** Bit per page of the window: claimed by a tree, a list or a file. */
  bits: usize;
  bitsSize: u32;
  windowFirst: u64;
  windowEnd: u64;
  /** A byte per chunk: its owner in either space tree. */
  storeOwners: usize;
  filesOwners: usize;
  /** Pages that the walk may still read: an honest region never needs them all. */
  budget: u64;
  /** Keys of pages with one bad copy, NOTE_SIZE each; 0 = not wanted. */
  notes: usize;
  noteCount: u32;
  /** Chunks whose bitmap is wrong, by volume and chunk: u32 each; in the notes' memory. */
  chunkCount: u32;
  /** Where the walk is. */
  volume: Volume;
  tree: u32;
}

/** Null without memory. The region must have no open batch with changes. */
export function checkOpen(region: Region): Check | null {
  const address = allocateZeroed(offsetof<Check>());
  if (address === 0) return null;
  const check = changetype<Check>(address);
  const all = (region.endPage - chunkFirstPage(region, 0) + 7) >>> 3;
  const size = <u32>min<u64>(all, WINDOW_BYTES);
  check.region = region;
  check.capacity = FINDINGS_FIRST;
  check.findings = allocate(FINDINGS_FIRST * REGION_FINDING_SIZE);
  check.bits = allocate(size);
  check.bitsSize = size;
  check.storeOwners = allocateZeroed(region.chunks);
  check.filesOwners = allocateZeroed(region.chunks);
  const missing = check.findings === 0 || check.bits === 0 || check.storeOwners === 0;
  if (!missing && check.filesOwners !== 0) return check;
  checkClose(check);
  return null;
}

export function checkClose(check: Check): void {
  release(check.notes, NOTES_BYTES);
  release(check.filesOwners, check.region.chunks);
  release(check.storeOwners, check.region.chunks);
  release(check.bits, check.bitsSize);
  release(check.findings, check.capacity * REGION_FINDING_SIZE);
  release(changetype<usize>(check), offsetof<Check>());
}

/** Adds a finding; `volume` is a VolumeKind or FINDING_REGION. */
export function checkAdd(check: Check, volume: u32, reason: Reason, lba: u64, detail: u64): void {
  check.total += 1;
  if (check.kept === check.capacity && !findingsGrow(check)) return;
  const finding = check.findings + <usize>(check.kept * REGION_FINDING_SIZE);
  store<u32>(finding, volume, REGION_FINDING_VOLUME);
  store<u32>(finding, reason, REGION_FINDING_REASON);
  store<u64>(finding, lba, REGION_FINDING_LBA);
  store<u64>(finding, detail, REGION_FINDING_DETAIL);
  check.kept += 1;
}

function findingsGrow(check: Check): bool {
  if (check.capacity >= FINDINGS_MAX) return false;
  const size = check.capacity * REGION_FINDING_SIZE;
  const fresh = regrow(check.findings, size, size * 2);
  if (fresh === 0) return false;
  check.findings = fresh;
  check.capacity *= 2;
  return true;
}

/** From now on the check notes what checkMend() of mend.ts can repair; false without memory. */
export function checkTakesNotes(check: Check): bool {
  check.notes = allocate(NOTES_BYTES);
  return check.notes !== 0;
}

/** Notes the way to a page that must be written anew. */
function noteAdd(check: Check, page: usize): void {
  if (check.notes === 0 || check.noteCount === NOTES_MAX) return;
  const note = check.notes + <usize>(check.noteCount * NOTE_SIZE);
  const index = nodeIsInternal(page) && nodeCount(page) > 1 ? 1 : 0;
  store<u32>(note, check.volume.kind);
  store<u32>(note, check.tree, 4);
  store<u32>(note, nodeKey(page, index, note + 12), 8);
  check.noteCount += 1;
}

/** Notes a chunk whose bitmap is not what the trees say. */
export function noteChunk(check: Check, volume: Volume, chunk: u32): void {
  if (check.notes === 0 || check.chunkCount === NOTES_MAX) return;
  const note = check.notes + <usize>(NOTE_SIZE * NOTES_MAX + check.chunkCount * 8);
  store<u32>(note, volume.kind);
  store<u32>(note, chunk, 4);
  check.chunkCount += 1;
}

/** Starts the window at `first`: nothing is claimed in it. */
export function checkWindow(check: Check, first: u64): void {
  memory.fill(check.bits, 0, check.bitsSize);
  check.windowFirst = first;
  check.windowEnd = first + ((<u64>check.bitsSize) << 3);
  check.budget = check.region.sectors / SECTORS_PER_PAGE + 64;
}

/** True if `page` of the window is claimed. */
export function checkClaimed(check: Check, page: u64): bool {
  const bit = <u32>(page - check.windowFirst);
  return ((load<u8>(check.bits + <usize>(bit >>> 3)) >>> (bit & 7)) & 1) !== 0;
}

/**
 * `count` pages from `page` belong to a tree, a list or a file of `volume`: they must lie in one
 * chunk that it owns for that, and belong to nothing else.
 */
export function checkClaim(check: Check, volume: Volume, page: u64, count: u32, owner: u32): void {
  const region = check.region;
  const chunk = chunkOfPage(region, page);
  const first = <u32>(page - chunkFirstPage(region, chunk));
  const lba = page * SECTORS_PER_PAGE;
  const owners = volume.kind === 0 ? check.storeOwners : check.filesOwners;
  const wrong = <u32>load<u8>(owners + <usize>chunk) !== owner;
  if (wrong || first < 3 || first + count > chunkPages(region)) {
    if (page >= check.windowFirst && page < check.windowEnd) {
      checkAdd(check, volume.kind, Reason.OWNERSHIP, lba, chunk);
    }
    return;
  }
  for (let at = page; at < page + <u64>count; at++) {
    if (at < check.windowFirst || at >= check.windowEnd) continue;
    const bit = <u32>(at - check.windowFirst);
    const byte = check.bits + <usize>(bit >>> 3);
    const mask = <u8>(1 << (<u8>(bit & 7)));
    if ((load<u8>(byte) & mask) !== 0) {
      checkAdd(check, volume.kind, Reason.OVERLAP, at * SECTORS_PER_PAGE, chunk);
    }
    store<u8>(byte, load<u8>(byte) | mask);
  }
}

/** Claims data pages for a walk of the caller's own; regionCheck() itself claims all extents. */
export function checkClaimPages(check: Check, page: u64, count: u32, birth: u64): void {
  const files = changetype<Volume>(check.region.wf);
  if (birth > files.epoch)
    checkAdd(check, files.kind, Reason.BIRTH, page * SECTORS_PER_PAGE, birth);
  checkClaim(check, files, page, count, 7);
}

/** Walks the tree of `pointer`, a root in a superblock. `claim`: owners are known. */
export function checkTree(
  check: Check,
  volume: Volume,
  tree: TreeId,
  pointer: usize,
  claim: bool,
): void {
  if (pointerPage(pointer) === 0) return;
  check.volume = volume;
  check.tree = tree;
  walk(check, pointer, 0, 0, 0, 0, claim);
}

/**
 * One page and everything below it. The lower bound is a record of a page further up, the upper one
 * its address: pages of the walk are 4 KiB apart, so it names its page too. 0 = no bound.
 */
function walk(
  check: Check,
  pointer: usize,
  depth: u32,
  lowPage: usize,
  lowIndex: u32,
  highAt: usize,
  claim: bool,
): void {
  const volume = check.volume;
  const lba = pointerPage(pointer) * SECTORS_PER_PAGE;
  if (check.budget === 0 || depth > LEVEL_MAX) {
    if (check.budget === 0) return;
    checkAdd(check, volume.kind, Reason.PAGE_BUDGET, lba, check.tree);
    return;
  }
  check.budget -= 1;
  if (check.budget === 0) checkAdd(check, volume.kind, Reason.PAGE_BUDGET, lba, check.tree);
  if (claim) {
    checkClaim(check, volume, pointerPage(pointer), 1, 1);
    if (pointerSecond(pointer) !== 0) checkClaim(check, volume, pointerSecond(pointer), 1, 1);
  }
  const page = pages + <usize>(depth * PAGE_SIZE);
  if (!readBoth(check, pointer, page)) return;
  const count = nodeCount(page);
  const internal = nodeIsInternal(page);
  const firstKeyed: u32 = internal ? 1 : 0;
  if (count > firstKeyed) {
    if (lowPage !== 0 && !inOrder(lowPage, lowIndex, page, firstKeyed, internal)) {
      checkAdd(check, volume.kind, Reason.KEY_ORDER, lba, check.tree);
    }
    if (highAt !== 0 && !belowBound(page, count - 1, highAt)) {
      checkAdd(check, volume.kind, Reason.KEY_ORDER, lba, check.tree);
    }
  }
  if (!internal) {
    if (claim && check.tree === TreeId.WF_FILES) claimExtents(check, page, pointerBirth(pointer));
    return;
  }
  for (let index: u32 = 0; index < count; index++) {
    const lower = index === 0 ? lowPage : page;
    const lowerIndex = index === 0 ? lowIndex : index;
    const bound = index + 1 < count ? nodeRecord(page, index + 1) : highAt;
    walk(check, nodeValue(page, index), depth + 1, lower, lowerIndex, bound, claim);
  }
}

/** True if the key of record `index` at `lowPage` is not greater (leaf) or smaller (internal). */
function inOrder(lowPage: usize, lowIndex: u32, page: usize, at: u32, internal: bool): bool {
  const length = nodeKey(lowPage, lowIndex, lowKey);
  const order = nodeCompare(page, at, lowKey, length);
  return internal ? order > 0 : order >= 0;
}

/** True if record `index` of `page` is smaller than the record at `bound`. */
function belowBound(page: usize, index: u32, bound: usize): bool {
  const owner = pages + ((bound - pages) & ~(<usize>(PAGE_SIZE - 1)));
  const length = keyAt(owner, bound, lowKey);
  return nodeCompare(page, index, lowKey, length) < 0;
}

/** The key of the record at address `record` of page `owner`. */
function keyAt(owner: usize, record: usize, out: usize): u32 {
  const prefix: u32 = load<u16>(owner, 44);
  const suffix: u32 = load<u16>(record);
  memory.copy(out, owner + PAGE_SIZE - prefix, prefix);
  memory.copy(out + prefix, record + 4, suffix);
  return prefix + suffix;
}

/** Reads both copies of a page; the good one stays in `page`. False if neither is. */
function readBoth(check: Check, pointer: usize, page: usize): bool {
  const first = readOne(check, pointer, pointerPage(pointer), page);
  const second = pointerSecond(pointer);
  if (second === 0) return first;
  const other = pages + <usize>((LEVEL_MAX + 1) * PAGE_SIZE);
  const good = readOne(check, pointer, second, other);
  if (!first && good) memory.copy(page, other, PAGE_SIZE);
  if (first !== good) noteAdd(check, page);
  return first || good;
}

function readOne(check: Check, pointer: usize, at: u64, page: usize): bool {
  const region = check.region;
  const sector = at * SECTORS_PER_PAGE;
  const volume = check.volume;
  if (deviceRead(region.device, sector, page, PAGE_SIZE) !== ErrorCode.OK) {
    checkAdd(check, volume.kind, Reason.DEVICE_ERROR, sector, check.tree);
    return false;
  }
  const reason = treeVerify(region, page, at, pointer, <TreeId>check.tree);
  if (reason === Reason.NONE) return true;
  checkAdd(check, volume.kind, reason, sector, check.tree);
  return false;
}

/** The pages that a leaf of the files tree gives to files. */
function claimExtents(check: Check, page: usize, birth: u64): void {
  const region = check.region;
  const volume = check.volume;
  const count = nodeCount(page);
  for (let index: u32 = 0; index < count; index++) {
    const length = nodeKey(page, index, lowKey);
    if (length !== 17 || load<u8>(lowKey, 8) !== <u8>FileKey.EXTENT) continue;
    if (loadBigU64(lowKey) === 0) continue;
    const value = nodeValue(page, index);
    const valueLength = nodeValueLength(page, index);
    const lba = load<u64>(page, HEADER_SELF) * SECTORS_PER_PAGE;
    const pagesOf: u32 = valueLength >= EXTENT_SIZE ? load<u16>(value, EXTENT_PAGES) : 0;
    const whole = pagesOf > 0 && pagesOf <= EXTENT_PAGES_MAX;
    if (!whole || valueLength !== EXTENT_SIZE + pagesOf * 8) {
      checkAdd(check, volume.kind, Reason.FIELD, lba, index);
      continue;
    }
    const first = loadU48(value + EXTENT_PAGE);
    const inside = first >= chunkFirstPage(region, 0) && first < region.endPage;
    if (!inside || load<u64>(value, EXTENT_BIRTH) > birth) {
      checkAdd(check, volume.kind, inside ? Reason.BIRTH : Reason.POINTER, lba, index);
      continue;
    }
    checkClaim(check, volume, first, pagesOf, 7);
  }
}
