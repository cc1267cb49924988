/**
 * The commit protocol (1.6): claim, fence, mirror, flush, slot, flush; abort and doubt.
 *
 * batchOpen() does M6, C0a and C1; volumeCommit() C2 to C8. Space is counted in commit.ts, which
 * is what the formats call.
 */
import { cacheDrop, cacheTrim } from "../engine/cache";
import { deviceFail, deviceFlush } from "../engine/device";
import { random } from "../engine/host";
import { release } from "../engine/memory";
import { planted } from "../engine/planted";
import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  STATE_CLEAN,
  SUPERBLOCK_EPOCH,
  SUPERBLOCK_PREVIOUS_CHECKSUM,
  SUPERBLOCK_SESSION,
  SUPERBLOCK_SIZE,
  SUPERBLOCK_STATE,
} from "../format/region";
import { batchDone, batchPlace, batchRelease, batchSeal, batchWrite } from "./batch";
import { spaceExpire, spaceForget, spaceLoad } from "./bitmap";
import { limboCountChunks } from "./limbo";
import {
  mirrorWrite,
  slotsFence,
  slotsLba,
  slotWrite,
  superblockBodyChecksum,
  superblockSeal,
} from "./pages/superblock";
import { Latch, Region, Volume, VolumeKind, volumeHasChanges } from "./pages/volume";

/** R5: how often the slot is written again before the commit is called unknown. */
const DOUBT_TRIES: u32 = 3;
const randomBytes: usize = memory.data(8, 8);

/** FLUSH, unless the region runs without (durability mode `none`). */
export function regionFlush(region: Region): ErrorCode {
  if (region.noFlush) return ErrorCode.OK;
  const code = deviceFlush(region.device);
  if (code !== ErrorCode.OK) region.flushesFailed += 1;
  return code;
}

/**
 * True if a flush has failed since the batch was opened, whoever asked for it: the device may have
 * dropped what the batch had written, and will not try again. Such a batch can only be aborted.
 */
function batchIsLost(volume: Volume): bool {
  const failed = volume.flushesFailed !== volume.region.flushesFailed;
  return failed && volume.batchOpen && volume.latch === Latch.NONE;
}

function batchLost(volume: Volume): ErrorCode {
  const lba = slotsLba(volume.kind);
  const since = <u32>volume.epoch;
  const code = deviceFail(volume.region.device, ErrorCode.EIO, Reason.LOST_SINCE, lba, since);
  return volumeFailed(volume, code);
}

/** Why a volume takes no modification: EROFS, ESTALE; else OK. */
export function volumeWritable(volume: Volume): ErrorCode {
  const region = volume.region;
  const latch = volume.latch;
  const lost = latch === Latch.LOST;
  let code = ErrorCode.ESTALE;
  let reason = lost ? Reason.LOST_SINCE : Reason.FENCE;
  if (latch === Latch.NONE || latch === Latch.DOUBT) {
    if (latch === Latch.NONE && !region.readOnly) return ErrorCode.OK;
    code = ErrorCode.EROFS;
    reason = latch === Latch.DOUBT ? Reason.LATCHED : Reason.READ_ONLY;
  }
  const since = lost ? <u32>volume.lostSince : 0;
  return deviceFail(region.device, code, reason, slotsLba(volume.kind), since);
}

/** Opens the batch: claim, fence, mirror, and what space it may use. */
export function batchOpen(volume: Volume): ErrorCode {
  if (batchIsLost(volume)) return batchLost(volume);
  if (volume.batchOpen && volume.latch === Latch.NONE) return ErrorCode.OK;
  let code = volumeWritable(volume);
  if (code === ErrorCode.OK) code = regionTrusted(volume.region);
  if (code === ErrorCode.OK) code = volumeClaim(volume);
  // Before the first write of the batch.
  if (code === ErrorCode.OK) code = fence(volume);
  const mirrored = volume.mirrored || planted(4);
  if (code === ErrorCode.OK && !mirrored) code = mirrorWrite(volume, volume.current);
  if (code === ErrorCode.OK) code = spaceLoad(volume);
  if (code === ErrorCode.OK) code = limboCountChunks(volume);
  if (code !== ErrorCode.OK) return code;
  spaceExpire(volume);
  volume.space.drained = false;
  volume.space.limboCount = 0;
  volume.batchOpen = true;
  volume.flushesFailed = volume.region.flushesFailed;
  return ErrorCode.OK;
}

/** Strict mount: everything is checked before the first write, once (1.11). */
function regionTrusted(region: Region): ErrorCode {
  const hook = region.strictHook;
  if (hook === 0) return ErrorCode.OK;
  const code = call_indirect<ErrorCode>(hook, region);
  if (code === ErrorCode.OK) region.strictHook = 0;
  return code;
}

/** M6: the first modification starts with a commit that carries a new session. */
function volumeClaim(volume: Volume): ErrorCode {
  if (volume.claimed) return ErrorCode.OK;
  random(randomBytes, 8);
  volume.session = load<u64>(randomBytes) | 1;
  // Planted 12: no claim commit, so the session of the last writer stands under foreign records.
  if (planted(12)) {
    volume.claimed = true;
    return ErrorCode.OK;
  }
  // The commit that indexes a tail is the claim itself.
  if (volume.tailFound) return ErrorCode.OK;
  let code = fence(volume);
  if (code === ErrorCode.OK && !volume.mirrored) code = mirrorWrite(volume, volume.current);
  if (code === ErrorCode.OK) code = regionFlush(volume.region);
  if (code !== ErrorCode.OK) return code;
  volume.mirrored = true;
  return commitPoint(volume);
}

function fence(volume: Volume): ErrorCode {
  const code = slotsFence(volume);
  if (code === ErrorCode.ESTALE) volume.latch = Latch.FENCED;
  return code;
}

/** OK also when there is nothing to commit. EIO: aborted, see lostSince. EUNKNOWN: in doubt. */
export function volumeCommit(volume: Volume): ErrorCode {
  if (volume.latch !== Latch.NONE) return volumeWritable(volume);
  if (!volume.batchOpen) return ErrorCode.OK;
  if (batchIsLost(volume)) return batchLost(volume);
  const code = callHook(volume, false);
  if (code !== ErrorCode.OK) return volumeFailed(volume, code);
  if (!volumeHasChanges(volume) && !volume.tailFound && !volume.closing) {
    volume.batchOpen = false;
    return ErrorCode.OK;
  }
  return commitBatch(volume);
}

/** A commit even if nothing was changed: it drains limbo, or makes both views agree. */
export function volumeCommitAlways(volume: Volume, drain: bool): ErrorCode {
  const code = batchOpen(volume);
  if (code !== ErrorCode.OK) return code;
  if (drain) volume.treesChanged = true;
  volume.fieldsChanged = true;
  return volumeCommit(volume);
}

function commitBatch(volume: Volume): ErrorCode {
  const trees = volume.treesChanged;
  let code = ErrorCode.OK;
  if (trees) {
    code = batchPlace(volume);
    if (code === ErrorCode.OK) code = batchSeal(volume);
    if (code === ErrorCode.OK) code = batchWrite(volume);
  }
  const store = storeToMirror(volume);
  if (code === ErrorCode.OK && store !== null) code = mirrorWrite(store, store.current);
  // FLUSH 1. Planted 5: the slot may reach the medium before what it points to.
  if (code === ErrorCode.OK && !planted(5)) code = regionFlush(volume.region);
  if (code === ErrorCode.OK) {
    // Planted 14: the mirror counts as written even where its flush failed (see volumeFailed).
    volume.mirrored = true;
    if (store !== null) store.mirrored = true;
    code = fence(volume);
  }
  if (code !== ErrorCode.OK) {
    batchRelease();
    return volumeFailed(volume, code);
  }
  code = commitPoint(volume);
  if (trees) batchRelease();
  if (code !== ErrorCode.OK) return code;
  if (trees) batchDone(volume);
  batchClear(volume);
  cacheTrim(volume.region.cache);
  return ErrorCode.OK;
}

/** A WF batch may point at objects of the newest store commit: its mirror rides along (1.6). */
function storeToMirror(volume: Volume): Volume | null {
  if (volume.kind === VolumeKind.ST) return null;
  const store = volume.region.store;
  return store.claimed && !store.mirrored && store.latch === Latch.NONE ? store : null;
}

/** C6, C7, C8: `next` becomes epoch N + 1. */
function commitPoint(volume: Volume): ErrorCode {
  const next = volume.next;
  const epoch = volume.epoch + 1;
  store<u64>(next, epoch, SUPERBLOCK_EPOCH);
  store<u64>(next, superblockBodyChecksum(volume.current), SUPERBLOCK_PREVIOUS_CHECKSUM);
  store<u64>(next, volume.session, SUPERBLOCK_SESSION);
  const state = load<u32>(next, SUPERBLOCK_STATE) & ~STATE_CLEAN;
  store<u32>(next, volume.closing ? state | STATE_CLEAN : state, SUPERBLOCK_STATE);
  superblockSeal(next);
  // From here on the commit may be found by the next mount.
  let code = slotFlush(volume);
  for (let tries: u32 = 0; code !== ErrorCode.OK && tries < DOUBT_TRIES; tries++) {
    // Planted 3: in doubt is taken for aborted.
    if (planted(3)) return volumeFailed(volume, code);
    code = slotFlush(volume);
  }
  if (code !== ErrorCode.OK) {
    volume.latch = Latch.DOUBT;
    const device = volume.region.device;
    return deviceFail(device, ErrorCode.EUNKNOWN, Reason.LATCHED, slotsLba(volume.kind), 0);
  }
  const old = volume.previous;
  volume.previous = volume.current;
  volume.current = next;
  volume.next = old;
  memory.copy(old, next, SUPERBLOCK_SIZE);
  volume.hasPrevious = true;
  volume.epoch = epoch;
  volume.mirrored = planted(4);
  volume.claimed = true;
  volume.tailFound = false;
  return ErrorCode.OK;
}

function slotFlush(volume: Volume): ErrorCode {
  let code = slotWrite(volume, volume.next);
  // Planted 4: slot and mirror of one epoch in one flush, so one tear takes both.
  if (code === ErrorCode.OK && planted(4)) code = mirrorWrite(volume, volume.next);
  return code === ErrorCode.OK ? regionFlush(volume.region) : code;
}

/** The batch is over: nothing is pending. */
function batchClear(volume: Volume): void {
  volume.batchOpen = false;
  volume.treesChanged = false;
  volume.fieldsChanged = false;
  volume.dirtyCost = 0;
  volume.freedCount = 0;
  volume.space.limboCount = 0;
  volume.space.drained = false;
}

/** R4: throws the batch away after an error and latches LOST; answers `code`. */
export function volumeFailed(volume: Volume, code: ErrorCode): ErrorCode {
  const fenced = volume.latch === Latch.FENCED;
  const mirrored = volume.mirrored;
  volumeAbort(volume);
  volume.mirrored = mirrored || planted(14);
  volume.latch = fenced ? Latch.FENCED : Latch.LOST;
  return code;
}

/** Throws the open batch away: back to N; `generation` rises. */
export function volumeAbort(volume: Volume): void {
  const cache = volume.region.cache;
  let frame = volume.dirty.oldest;
  while (frame !== null) {
    cacheDrop(cache, volume.dirty, frame);
    frame = volume.dirty.oldest;
  }
  memory.copy(volume.next, volume.current, SUPERBLOCK_SIZE);
  // Planted 13: the summary keeps what the aborted batch had taken.
  if (!planted(13)) spaceForget(volume);
  batchClear(volume);
  volume.changes += 1;
  volume.generation += 1;
  volume.lostSince = volume.epoch;
  cacheTrim(cache);
  callHook(volume, true);
}

function callHook(volume: Volume, aborted: bool): ErrorCode {
  const hook = volume.hook;
  return hook === 0 ? ErrorCode.OK : call_indirect<ErrorCode>(hook, volume.hookContext, aborted);
}

/** After an abort by a failed commit: the caller knows what was lost and goes on. */
export function volumeReopen(volume: Volume): ErrorCode {
  if (batchIsLost(volume)) volumeAbort(volume);
  if (volume.latch === Latch.LOST) volume.latch = Latch.NONE;
  return volume.latch === Latch.NONE ? ErrorCode.OK : volumeWritable(volume);
}

/** Dirty pages of the open batch: the host commits at 4,096. */
export function volumeDirtyPages(volume: Volume): u32 {
  return volume.dirtyCost;
}

/** Sets the function to call before a commit writes (an error aborts it) and after an abort. */
export function volumeHook(
  volume: Volume,
  hook: (context: usize, aborted: bool) => ErrorCode,
  context: usize,
): void {
  volume.hook = hook.index;
  volume.hookContext = context;
}

/** Makes slot and mirror both hold N: one rotten sector loses nothing (rest). */
export function volumeRest(volume: Volume): ErrorCode {
  if (volume.mirrored || volume.region.readOnly || volume.latch !== Latch.NONE) return ErrorCode.OK;
  let code = mirrorWrite(volume, volume.current);
  if (code === ErrorCode.OK) code = regionFlush(volume.region);
  if (code === ErrorCode.OK) volume.mirrored = true;
  return code;
}

/** The last commit of a closing writer: marks the volume clean, with whatever is still open. */
export function volumeFinish(volume: Volume): ErrorCode {
  if (volume.latch !== Latch.NONE || volume.region.readOnly) return volumeCommit(volume);
  if (!volume.claimed && !volume.batchOpen) return ErrorCode.OK;
  if ((load<u32>(volume.current, SUPERBLOCK_STATE) & STATE_CLEAN) !== 0 && !volume.batchOpen) {
    return ErrorCode.OK;
  }
  let code = batchOpen(volume);
  volume.closing = true;
  if (code === ErrorCode.OK) code = volumeCommit(volume);
  volume.closing = false;
  return code;
}

/** Gives back what a volume holds beside its own memory. */
export function volumeRelease(volume: Volume): void {
  volume.hook = 0;
  volumeAbort(volume);
  spaceForget(volume);
  release(volume.space.limboPages, (<usize>volume.space.limboCapacity) << 3);
  volume.space.limboPages = 0;
}
