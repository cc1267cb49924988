/**
 * Gives up what cannot be read: the store's index, or the lists of freed pages. All used pages that
 * nothing else reaches are freed with the batch, so they are in its own list and reused two commits
 * later at the earliest, like any other.
 *
 * A null index is refilled by the store, in the same batch.
 */

import { cacheForget } from "../../engine/cache";
import { failPlain } from "../../engine/fault";

import { allocate } from "../../engine/memory";

import { ErrorCode } from "../../format/errors";
import { BITMAP_HOMES, CHUNK_OWNER, ChunkOwner, POINTER_SIZE, TreeId } from "../../format/page";
import {
  SUPERBLOCK_LIMBO_CURRENT,
  SUPERBLOCK_LIMBO_PREVIOUS,
  SUPERBLOCK_LIVE_ITEMS,
  SUPERBLOCK_LIVE_SIZE,
  SUPERBLOCK_ROOT_A,
} from "../../format/region";
import { bitmapRead, chunkEntry } from "../bitmap";
import { limboVerify } from "../limbo";
import { bitGet } from "../pages/bits";
import { freedAdd, freedEnsure } from "../pages/freed";
import {
  chunkFirstPage,
  chunkPages,
  Region,
  rootPointer,
  Volume,
  VolumeKind,
  volumeSetField,
} from "../pages/volume";
import { batchOpen, volumeCommit } from "../protocol";
import { Check, checkClaimed, checkClose, checkOpen, checkTree, checkWindow } from "./check";
import { checkFault, listWalk, ownersRead } from "./owners";

const entry: usize = memory.data(32, 8);
const bitmapPage: usize = allocate(4096);

/**
 * Empties the index. The batch must be open and hold no change. EBADMSG: the space tree is damaged
 * as well, so it is not known what belongs to whom; nothing has changed then.
 */
export function indexGiveUp(region: Region): ErrorCode {
  const volume = region.store;
  assert(volume.batchOpen && !volume.treesChanged);
  const check = checkOpen(region);
  if (check === null) return failPlain(ErrorCode.ENOMEM);
  ownersRead(check, volume);
  const before = volume.freedCount;
  const step = (<u64>check.bitsSize) << 3;
  let code = ErrorCode.OK;
  for (let first = chunkFirstPage(region, 0); first < region.endPage; first += step) {
    checkWindow(check, first);
    claimOthers(check, volume);
    if (code === ErrorCode.OK && check.total === 0) code = freeUnclaimed(check, volume);
  }
  if (code === ErrorCode.OK) code = checkFault(check);
  checkClose(check);
  if (code !== ErrorCode.OK) {
    volume.freedCount = before;
    return code;
  }
  memory.fill(rootPointer(volume, TreeId.ST_INDEX), 0, POINTER_SIZE);
  volumeSetField(volume, SUPERBLOCK_LIVE_ITEMS, 0);
  volumeSetField(volume, SUPERBLOCK_LIVE_SIZE, 0);
  volume.treesChanged = true;
  return ErrorCode.OK;
}

/**
 * Gives up both lists of freed pages if one is damaged: one commit, whose own list has all that no
 * tree reaches. EBADMSG: a tree or a bitmap is damaged as well, so that is not known; nothing has
 * changed then. No batch may be open.
 */
export function listsMend(volume: Volume): ErrorCode {
  const lists = limboVerify(volume);
  if (lists !== ErrorCode.EBADMSG && lists !== ErrorCode.EIO) return lists;
  assert(!volume.batchOpen);
  const check = checkOpen(volume.region);
  if (check === null) return failPlain(ErrorCode.ENOMEM);
  volume.space.listsLost = true;
  let code = batchOpen(volume);
  if (code === ErrorCode.OK) code = freeUnreached(check, volume);
  checkClose(check);
  if (code === ErrorCode.OK) {
    volume.treesChanged = true;
    code = volumeCommit(volume);
  } else {
    // Nothing but this list has changed: the batch was never there.
    volume.freedCount = 0;
    volume.batchOpen = false;
  }
  volume.space.listsLost = false;
  return code;
}

function freeUnreached(check: Check, volume: Volume): ErrorCode {
  const region = volume.region;
  const base: u32 = volume.kind === VolumeKind.ST ? TreeId.ST_INDEX : TreeId.WF_FILES;
  const step = (<u64>check.bitsSize) << 3;
  ownersRead(check, volume);
  for (let first = chunkFirstPage(region, 0); first < region.endPage; first += step) {
    checkWindow(check, first);
    for (let at: u32 = 0; at < 4; at++) {
      const root = volume.current + SUPERBLOCK_ROOT_A + <usize>(at * POINTER_SIZE);
      checkTree(check, volume, <TreeId>(base + at), root, true);
    }
    let code = checkFault(check);
    if (code === ErrorCode.OK) code = freeUnclaimed(check, volume);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

/** All trees but the index, and the lists of freed pages. */
function claimOthers(check: Check, volume: Volume): void {
  for (let tree: u32 = TreeId.ST_SPACE; tree <= <u32>TreeId.ST_COLLECTION; tree++) {
    const root = volume.current + SUPERBLOCK_ROOT_A + <usize>((tree - 1) * POINTER_SIZE);
    checkTree(check, volume, <TreeId>tree, root, true);
  }
  listWalk(check, volume, volume.current + SUPERBLOCK_LIMBO_CURRENT);
  listWalk(check, volume, volume.current + SUPERBLOCK_LIMBO_PREVIOUS);
}

/** Frees the pages of the window that are used and that nobody claims. */
function freeUnclaimed(check: Check, volume: Volume): ErrorCode {
  const region = check.region;
  const pages = chunkPages(region);
  const owners = volume.kind === VolumeKind.ST ? check.storeOwners : check.filesOwners;
  for (let chunk: u32 = 0; chunk < region.chunks; chunk++) {
    const first = chunkFirstPage(region, chunk);
    if (first < check.windowFirst || first >= check.windowEnd) continue;
    const owner = load<u8>(owners + <usize>chunk);
    if (owner !== <u8>ChunkOwner.META && owner !== <u8>ChunkOwner.DATA) continue;
    let code = chunkEntry(volume, chunk, entry);
    if (code === ErrorCode.OK) code = bitmapRead(volume, chunk, entry, bitmapPage);
    if (code !== ErrorCode.OK) return code;
    assert(load<u8>(entry, CHUNK_OWNER) === owner);
    for (let index = BITMAP_HOMES; index < pages; index++) {
      const page = first + <u64>index;
      if (!bitGet(bitmapPage, index) || checkClaimed(check, page)) continue;
      if (!freedEnsure(volume, 1)) return failPlain(ErrorCode.ENOMEM);
      freedAdd(volume, page, 1);
      cacheForget(region.cache, page);
    }
  }
  return ErrorCode.OK;
}
