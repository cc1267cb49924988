/**
 * Trees of records: get, put, delete, copy-on-write.
 *
 * A page that a batch changes becomes dirty under a virtual number; its old place on the disk is
 * noted as freed, and commit.ts gives it a new one. The whole path is read before anything changes,
 * so a read error changes nothing. At most one call runs at a time: the path is module state.
 */

import { storeU48 } from "../engine/bytes";
import { cacheAdd, cacheDrop, cacheEnsure, Frame, frameDirty } from "../engine/cache";
import { deviceFail } from "../engine/device";
import { failPlain } from "../engine/fault";
import { allocate } from "../engine/memory";
import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  HEADER_COUNT,
  HEADER_HEAP,
  HEADER_LEVEL,
  HEADER_TREE,
  KEY_MAX,
  LEVEL_MAX,
  PageKind,
  POINTER_LEVEL,
  POINTER_PAGE,
  POINTER_SIZE,
  RECORD_MAX,
  TreeId,
} from "../format/page";
import { PAGE_SIZE } from "../format/region";
import { freedAdd, freedEnsure } from "./pages/freed";
import {
  foundIndex,
  NODE_ROOM,
  nodeChild,
  nodeCount,
  nodeFind,
  nodeFree,
  nodeInsert,
  nodeIsInternal,
  nodeKey,
  nodeLevel,
  nodeRemove,
  nodeValue,
  nodeValueLength,
  RECORD_COST,
} from "./pages/node";
import {
  pageError,
  pageRead,
  pageStart,
  pointerLevel,
  pointerPage,
  pointerSecond,
} from "./pages/page";
import {
  rowsAddPage,
  rowsBegin,
  rowsBuild,
  rowsCopy,
  rowsCount,
  rowsCut,
  rowsFit,
  rowsInsert,
  rowsSeparator,
  rowsSize,
  rowsSum,
} from "./pages/rows";
import { rootPointer, VIRTUAL_PAGE, Volume } from "./pages/volume";

/** Where the last treeGet found the value: valid until the next tree call on that region. */
export let foundValue: usize = 0;
export let foundLength: u32 = 0;

/** The path of the last descent, root first: frames and the index taken in each. */
const path: usize = memory.data(64, 8);
const indexes: usize = memory.data(64, 8);
let depth: u32 = 0;

/** A separator and a pointer for the parent, two of each: one level may still read the other's. */
const separators: usize = allocate(1024);
const pointers: usize = memory.data(64, 16);
/** Frames that one change may need at each level. */
const FRAMES_PER_LEVEL: u32 = 3;
/** A page with less in use is merged if the sum is at most MERGE_MOST. */
const MERGE_BELOW: u32 = NODE_ROOM / 3;
const MERGE_MOST: u32 = (NODE_ROOM * 9) / 10;

export function pathDepth(): u32 {
  return depth;
}

export function pathFrame(at: u32): Frame {
  return load<Frame>(path + <usize>(at << 2));
}

export function pathIndex(at: u32): u32 {
  return load<u32>(indexes + <usize>(at << 2));
}

export function pathSet(at: u32, frame: Frame, index: u32): void {
  store<Frame>(path + <usize>(at << 2), frame);
  store<u32>(indexes + <usize>(at << 2), index);
  depth = at;
}

/**
 * Walks from the root to the leaf that holds `key`: OK, ENOENT if the tree is empty, or why a page
 * could not be read. The leaf's index is where the key is or would stand.
 */
export function descend(volume: Volume, tree: TreeId, key: usize, keyLength: u32): ErrorCode {
  let pointer = rootPointer(volume, tree);
  if (pointerPage(pointer) === 0) return ErrorCode.ENOENT;
  for (let at: u32 = 0; at <= LEVEL_MAX; at++) {
    const frame = pageRead(volume, pointer, tree);
    if (frame === null) return pageError;
    const page = frame.address;
    if (nodeLevel(page) === 0) {
      nodeFind(page, key, keyLength);
      pathSet(at, frame, foundIndex);
      return ErrorCode.OK;
    }
    const child = nodeChild(page, key, keyLength);
    pathSet(at, frame, child);
    pointer = nodeValue(page, child);
  }
  return deviceFail(volume.region.device, ErrorCode.EBADMSG, Reason.LEVEL, 0, 0);
}

/** OK with foundValue and foundLength; ENOENT; EIO or EBADMSG on damage. */
export function treeGet(volume: Volume, tree: TreeId, key: usize, keyLength: u32): ErrorCode {
  const code = descend(volume, tree, key, keyLength);
  if (code !== ErrorCode.OK) return code;
  const page = pathFrame(depth).address;
  if (!nodeFind(page, key, keyLength)) return ErrorCode.ENOENT;
  foundValue = nodeValue(page, foundIndex);
  foundLength = nodeValueLength(page, foundIndex);
  return ErrorCode.OK;
}

/**
 * Inserts or replaces. E2BIG if key or record are too large. volumeReserve() must have been OK.
 * `key` and `value` must not lie in a page of this tree.
 */
export function treePut(
  volume: Volume,
  tree: TreeId,
  key: usize,
  keyLength: u32,
  value: usize,
  valueLength: u32,
): ErrorCode {
  if (keyLength === 0 || keyLength > KEY_MAX) return failPlain(ErrorCode.E2BIG);
  if (keyLength + valueLength + RECORD_COST > RECORD_MAX) return failPlain(ErrorCode.E2BIG);
  const code = descend(volume, tree, key, keyLength);
  if (code !== ErrorCode.OK && code !== ErrorCode.ENOENT) return code;
  const levels = code === ErrorCode.ENOENT ? 0 : depth + 1;
  if (!changeEnsure(volume, levels + 1)) return failPlain(ErrorCode.ENOMEM);
  if (levels === 0) {
    const leaf = pageNew(volume, tree, 0);
    pointerSet(rootPointer(volume, tree), leaf.key, 0);
    pathSet(0, leaf, 0);
  }
  dirtyPath(volume, tree);
  const page = pathFrame(depth).address;
  if (nodeFind(page, key, keyLength)) {
    if (nodeValueLength(page, foundIndex) === valueLength) {
      memory.copy(nodeValue(page, foundIndex), value, valueLength);
      return ErrorCode.OK;
    }
    nodeRemove(page, foundIndex);
  }
  insertAt(volume, tree, depth, foundIndex, key, keyLength, value, valueLength);
  return ErrorCode.OK;
}

/** Makes the pages on the way to `key` be written anew with the next commit: repair. */
export function treeTouch(volume: Volume, tree: TreeId, key: usize, keyLength: u32): ErrorCode {
  const code = descend(volume, tree, key, keyLength);
  if (code !== ErrorCode.OK) return code;
  if (!changeEnsure(volume, depth + 1)) return failPlain(ErrorCode.ENOMEM);
  dirtyPath(volume, tree);
  return ErrorCode.OK;
}

/** ENOENT if absent. volumeReserve() must have been OK. */
export function treeDelete(volume: Volume, tree: TreeId, key: usize, keyLength: u32): ErrorCode {
  const code = descend(volume, tree, key, keyLength);
  if (code !== ErrorCode.OK) return code;
  if (!nodeFind(pathFrame(depth).address, key, keyLength)) return ErrorCode.ENOENT;
  if (!changeEnsure(volume, depth + 1)) return failPlain(ErrorCode.ENOMEM);
  dirtyPath(volume, tree);
  const page = pathFrame(depth).address;
  nodeFind(page, key, keyLength);
  nodeRemove(page, foundIndex);
  rebalance(volume, tree);
  return ErrorCode.OK;
}

/**
 * Most pages that `changes` puts or deletes in `tree` can take: the argument of volumeReserve.
 * Each may dirty a path of its own and split or merge at every level.
 */
export function treeWorst(volume: Volume, tree: TreeId, changes: u32): u32 {
  const root = rootPointer(volume, tree);
  const levels: u32 = pointerPage(root) === 0 ? 1 : pointerLevel(root) + 1;
  const copies: u32 = tree === TreeId.ST_INDEX ? 1 : 2;
  return changes * (2 + 2 * (levels - 1) * copies) + 2 * copies;
}

/** Frees the memory worst case of one change over `levels` levels; false without memory. */
function changeEnsure(volume: Volume, levels: u32): bool {
  const frames = levels * FRAMES_PER_LEVEL + 2;
  return cacheEnsure(volume.region.cache, frames) && freedEnsure(volume, frames * 2);
}

/** Pages a dirty page will take: two where it gets a second copy. */
function costOf(volume: Volume, tree: TreeId, frame: Frame): u32 {
  if (tree === TreeId.ST_INDEX) return 1;
  const root = pointerPage(rootPointer(volume, tree)) === frame.key;
  return root || nodeIsInternal(frame.address) ? 2 : 1;
}

/** True if a page of `tree` at `level` gets a second copy; the root always does. */
export function pageHasSecond(volume: Volume, tree: TreeId, frame: Frame): bool {
  return costOf(volume, tree, frame) === 2;
}

/** Fills a pointer to a page that has no place yet. */
function pointerSet(pointer: usize, page: u64, level: u32): void {
  memory.fill(pointer, 0, POINTER_SIZE);
  storeU48(pointer + POINTER_PAGE, page);
  store<u8>(pointer, <u8>level, POINTER_LEVEL);
}

function virtualNext(volume: Volume): u64 {
  const cache = volume.region.cache;
  cache.serial += 1;
  return VIRTUAL_PAGE | cache.serial;
}

/** A new empty dirty page; changeEnsure() has made room for it. */
function pageNew(volume: Volume, tree: TreeId, level: u32): Frame {
  const region = volume.region;
  const key = virtualNext(volume);
  const frame = cacheAdd(region.cache, key);
  assert(frame !== null);
  const page = changetype<Frame>(frame).address;
  pageStart(region, page, level === 0 ? PageKind.LEAF : PageKind.INTERNAL, tree);
  store<u8>(page, <u8>level, HEADER_LEVEL);
  store<u16>(page, <u16>PAGE_SIZE, HEADER_HEAP);
  frameDirty(region.cache, changetype<Frame>(frame), key, volume.dirty);
  volume.dirtyCost += tree !== TreeId.ST_INDEX && level > 0 ? 2 : 1;
  volume.treesChanged = true;
  return changetype<Frame>(frame);
}

/** Makes a clean page dirty: its places on the disk are freed, `pointer` becomes virtual. */
function pageDirty(volume: Volume, tree: TreeId, frame: Frame, pointer: usize): void {
  if (frame.dirty) return;
  volume.dirtyCost += costOf(volume, tree, frame);
  volume.treesChanged = true;
  pageFree(volume, pointer);
  const key = virtualNext(volume);
  frameDirty(volume.region.cache, frame, key, volume.dirty);
  pointerSet(pointer, key, nodeLevel(frame.address));
}

/** Frees both places of a page that is on the disk. */
function pageFree(volume: Volume, pointer: usize): void {
  freedAdd(volume, pointerPage(pointer), 1);
  const second = pointerSecond(pointer);
  if (second !== 0) freedAdd(volume, second, 1);
}

/** Makes every page of the path dirty, from the root down: cursors look again. */
export function dirtyPath(volume: Volume, tree: TreeId): void {
  volume.changes += 1;
  let pointer = rootPointer(volume, tree);
  for (let at: u32 = 0; at <= depth; at++) {
    const frame = pathFrame(at);
    pageDirty(volume, tree, frame, pointer);
    if (at < depth) pointer = nodeValue(frame.address, pathIndex(at));
  }
}

/** Drops a page that is no longer in the tree, dirty or clean. */
function pageDrop(volume: Volume, frame: Frame, pointer: usize): void {
  const cache = volume.region.cache;
  if (frame.dirty) {
    const tree = <TreeId>(<u32>load<u64>(frame.address, HEADER_TREE));
    volume.dirtyCost -= min<u32>(volume.dirtyCost, costOf(volume, tree, frame));
    cacheDrop(cache, volume.dirty, frame);
    return;
  }
  pageFree(volume, pointer);
  cacheDrop(cache, cache.clean, frame);
}

/** Puts a record into the page at `at` of the path, splitting it and its parents as needed. */
function insertAt(
  volume: Volume,
  tree: TreeId,
  at: u32,
  index: u32,
  key: usize,
  keyLength: u32,
  value: usize,
  valueLength: u32,
): void {
  const frame = pathFrame(at);
  const page = frame.address;
  if (nodeInsert(page, index, key, keyLength, value, valueLength)) return;
  const internal = nodeIsInternal(page);
  rowsBegin();
  if (nodeCount(page) > 0) rowsAddPage(page, 0, 0);
  rowsInsert(index, key, keyLength, value, valueLength);
  rowsSum();
  const total = rowsCount();
  if (rowsFit(0, total, internal)) {
    rowsBuild(0, 0, total, internal, page);
    rowsCopy(0, page);
    return;
  }
  // Ascending keys fill their pages: at the right edge of the tree the new page gets only the new
  // key.
  const cut = index + 1 === total && atRightEdge(at) ? index : rowsCut(internal);
  const level = nodeLevel(page);
  const right = pageNew(volume, tree, level);
  const separator = separators + <usize>((at & 1) << 9);
  const pointer = pointers + <usize>((at & 1) << 5);
  const separatorLength = rowsSeparator(cut, internal, separator);
  rowsBuild(1, cut, total, internal, page);
  rowsBuild(0, 0, cut, internal, page);
  rowsCopy(0, page);
  rowsCopy(1, right.address);
  pointerSet(pointer, right.key, level);
  if (at > 0) {
    const parentIndex = pathIndex(at - 1) + 1;
    insertAt(volume, tree, at - 1, parentIndex, separator, separatorLength, pointer, POINTER_SIZE);
    return;
  }
  const root = pageNew(volume, tree, level + 1);
  const rootAt = rootPointer(volume, tree);
  nodeInsert(root.address, 0, 0, 0, rootAt, POINTER_SIZE);
  nodeInsert(root.address, 1, separator, separatorLength, pointer, POINTER_SIZE);
  pointerSet(rootAt, root.key, level + 1);
}

/** True if the path down to `at` takes the last child everywhere. */
function atRightEdge(at: u32): bool {
  for (let above: u32 = 0; above < at; above++) {
    if (pathIndex(above) + 1 !== nodeCount(pathFrame(above).address)) return false;
  }
  return true;
}

/**
 * After a removal at the end of the path: drops empty pages, merges small ones, lowers the root.
 */
function rebalance(volume: Volume, tree: TreeId): void {
  let at = depth;
  for (;;) {
    const frame = pathFrame(at);
    const count = nodeCount(frame.address);
    if (at === 0) break;
    const parent = pathFrame(at - 1).address;
    const index = pathIndex(at - 1);
    if (count === 0) {
      pageDrop(volume, frame, nodeValue(parent, index));
      nodeRemove(parent, index);
    } else if (NODE_ROOM - nodeFree(frame.address) >= MERGE_BELOW) {
      return;
    } else if (!merge(volume, tree, parent, index, frame)) {
      break;
    }
    at -= 1;
  }
  lowerRoot(volume, tree);
}

/** Merges a small page with a neighbour; false if none is there, readable and small enough. */
function merge(volume: Volume, tree: TreeId, parent: usize, index: u32, frame: Frame): bool {
  const count = nodeCount(parent);
  if (index > 0 && mergePair(volume, tree, parent, index - 1, null, frame)) return true;
  return index + 1 < count && mergePair(volume, tree, parent, index, frame, null);
}

/** Merges child `index` and the one right of it; the null one is still to be read. */
function mergePair(
  volume: Volume,
  tree: TreeId,
  parent: usize,
  index: u32,
  leftGiven: Frame | null,
  rightGiven: Frame | null,
): bool {
  const leftPointer = nodeValue(parent, index);
  const rightPointer = nodeValue(parent, index + 1);
  const left = leftGiven !== null ? leftGiven : pageRead(volume, leftPointer, tree);
  const right = rightGiven !== null ? rightGiven : pageRead(volume, rightPointer, tree);
  // A neighbour that cannot be read is left alone: deleting beside damage still works.
  if (left === null || right === null) return false;
  const internal = nodeIsInternal(left.address);
  const separator = nodeKey(parent, index + 1, separators);
  rowsBegin();
  rowsAddPage(left.address, 0, 0);
  rowsAddPage(right.address, internal ? separators : 0, separator);
  rowsSum();
  const total = rowsCount();
  if (rowsSize(0, total, internal) > MERGE_MOST) return false;
  pageDirty(volume, tree, left, leftPointer);
  rowsBuild(0, 0, total, internal, left.address);
  rowsCopy(0, left.address);
  pageDrop(volume, right, rightPointer);
  nodeRemove(parent, index + 1);
  return true;
}

/** An empty root becomes a null pointer; an internal root with one child gives way to it. */
function lowerRoot(volume: Volume, tree: TreeId): void {
  const rootAt = rootPointer(volume, tree);
  for (;;) {
    const root = pageRead(volume, rootAt, tree);
    if (root === null) return;
    const page = root.address;
    if (load<u16>(page, HEADER_COUNT) === 0) {
      pageDrop(volume, root, rootAt);
      memory.fill(rootAt, 0, POINTER_SIZE);
      return;
    }
    if (!nodeIsInternal(page) || nodeCount(page) > 1) return;
    // The new root gets a second copy where the tree has them, so it is written again.
    const pointer = nodeValue(page, 0);
    const child = pageRead(volume, pointer, tree);
    if (child === null) return;
    pageDirty(volume, tree, child, pointer);
    pageDrop(volume, root, rootAt);
    pointerSet(rootAt, child.key, nodeLevel(child.address));
    volume.dirtyCost += 1;
  }
}
