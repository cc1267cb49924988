/** The region as a whole: mount (M1 to M5), rest, close. */
import { Device } from "../../engine/device";
import { failPlain } from "../../engine/fault";
import { planted } from "../../engine/planted";
import {
  REGION_NO_FLUSH,
  REGION_PREVIOUS,
  REGION_READ_ONLY,
  REGION_REPAIR,
  REGION_STRICT,
} from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { POINTER_SIZE, TreeId } from "../../format/page";
import { SUPERBLOCK_LIMBO_CURRENT, SUPERBLOCK_ROOT_A } from "../../format/region";
import { limboNext, limboOpen } from "../limbo";
import { pageError, pagePrefetch, pageRead, pointerPage } from "../pages/page";
import { regionFree, regionNew, volumeFree, volumeNew } from "../pages/state";
import { slotWrite } from "../pages/superblock";
import {
  NOTICE_FILES_LOST,
  NOTICE_INDEX_LOST,
  NOTICE_SECOND_ROOT,
  Region,
  rootPointer,
  Volume,
  VolumeKind,
} from "../pages/volume";
import { regionFlush, volumeFinish, volumeRelease, volumeRest } from "../protocol";
import { descriptorsCheck, headIsEmpty, headRead, slotIsCurrent, volumePick } from "./mount";
import { regionStrict } from "./owners";

const ROOTS: u32 = 4;
/** Pointers of the roots in use and their trees, to be read ahead. */
const trees: usize = memory.data(16, 8);
/** Why the last regionOpen() answered null. */
export let regionError: ErrorCode = ErrorCode.OK;

/**
 * Mounts with REGION_* flags; null: see regionError and the fault report. The caller keeps the
 * device.
 */
export function regionOpen(device: Device, flags: u32): Region | null {
  const region = regionNew(device);
  if (region === null) {
    regionError = failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const previous = (flags & REGION_PREVIOUS) !== 0;
  region.readOnly = previous || (flags & REGION_READ_ONLY) !== 0 || device.readOnly;
  region.repairing = (flags & REGION_REPAIR) !== 0;
  region.noFlush = (flags & REGION_NO_FLUSH) !== 0;
  regionError = mount(region, previous);
  if (regionError === ErrorCode.OK) {
    const strict: (region: Region) => ErrorCode = regionStrict;
    if ((flags & REGION_STRICT) !== 0 && !region.readOnly) region.strictHook = strict.index;
    return region;
  }
  regionDrop(region);
  return null;
}

function mount(region: Region, previous: bool): ErrorCode {
  let code = headRead(region.device);
  if (code !== ErrorCode.OK) return code;
  const volume = volumeNew(region, VolumeKind.ST);
  if (volume === null) return failPlain(ErrorCode.ENOMEM);
  region.volumes = 1;
  region.store = volume;
  code = volumePick(volume, previous);
  if (code !== ErrorCode.OK) return code;
  if (!headIsEmpty(VolumeKind.WF)) {
    code = filesPick(region, previous);
    if (code !== ErrorCode.OK) return code;
  }
  descriptorsCheck(region);
  const wf = region.wf;
  code = rootsCheck(volume);
  if (code === ErrorCode.OK && wf !== null) code = rootsCheck(wf);
  if (code !== ErrorCode.OK || region.readOnly) return code;
  // M4: a restart may have found N only in the device's cache. Planted 15: it is not made durable.
  if (!planted(15)) code = regionFlush(region);
  if (code === ErrorCode.OK) code = slotHeal(volume);
  if (code === ErrorCode.OK && wf !== null) code = slotHeal(wf);
  return code;
}

/** The files volume; without a valid copy (a crash in mkfs) the region is a store alone. */
function filesPick(region: Region, previous: bool): ErrorCode {
  const volume = volumeNew(region, VolumeKind.WF);
  if (volume === null) return failPlain(ErrorCode.ENOMEM);
  const code = volumePick(volume, previous);
  if (code === ErrorCode.OK) {
    region.wf = volume;
    return code;
  }
  const nothing = volume.epoch === 0 && volume.slotsValid === 0;
  volumeFree(volume);
  if (!nothing) return code;
  region.notices |= NOTICE_FILES_LOST;
  return ErrorCode.OK;
}

/** M3: every root page and the first page of the current limbo list. */
function rootsCheck(volume: Volume): ErrorCode {
  const region = volume.region;
  const base: u32 = volume.kind === VolumeKind.ST ? TreeId.ST_INDEX : TreeId.WF_FILES;
  for (let at: u32 = 0; at < ROOTS; at++) store<u32>(trees + ((<usize>at) << 2), base + at);
  pagePrefetch(volume, volume.next + SUPERBLOCK_ROOT_A, trees, ROOTS);
  for (let at: u32 = 0; at < ROOTS; at++) {
    const tree = <TreeId>(base + at);
    const pointer = rootPointer(volume, tree);
    if (pointerPage(pointer) === 0) continue;
    const before = region.secondReads;
    if (pageRead(volume, pointer, tree) === null) {
      if (tree !== TreeId.ST_INDEX || pageError !== ErrorCode.EBADMSG) return pageError;
      region.notices |= NOTICE_INDEX_LOST;
    }
    if (region.secondReads !== before) region.notices |= NOTICE_SECOND_ROOT;
  }
  if (region.readOnly || region.repairing) return ErrorCode.OK;
  // The list before this one is read whole when the first batch opens, before anything is written.
  const list = volume.current + SUPERBLOCK_LIMBO_CURRENT;
  if (pointerPage(list) === 0) return ErrorCode.OK;
  limboOpen(list);
  return limboNext(volume);
}

/** M5: slot(N) is made exactly superblock N, alone between two flushes. */
function slotHeal(volume: Volume): ErrorCode {
  // Planted 6: a torn slot stays, and the next commit writes over the other one.
  if (slotIsCurrent(volume) || planted(6)) return ErrorCode.OK;
  const code = slotWrite(volume, volume.current);
  return code === ErrorCode.OK ? regionFlush(volume.region) : code;
}

/** Makes the newest superblock stand in slot and mirror of each format. */
export function regionRest(region: Region): ErrorCode {
  const code = volumeRest(region.store);
  const wf = region.wf;
  if (wf === null) return code;
  const second = volumeRest(wf);
  return code === ErrorCode.OK ? second : code;
}

/** Commits what is open, marks it clean, rests, releases everything whatever happens. */
export function regionClose(region: Region): ErrorCode {
  let code = volumeFinish(region.store);
  const wf = region.wf;
  if (wf !== null) {
    const second = volumeFinish(wf);
    if (code === ErrorCode.OK) code = second;
  }
  const rest = regionRest(region);
  regionDrop(region);
  return code === ErrorCode.OK ? rest : code;
}

/** Releases everything and writes nothing. */
export function regionDrop(region: Region): void {
  if (region.volumes !== 0) {
    volumeRelease(region.store);
    volumeFree(region.store);
  }
  const wf = region.wf;
  if (wf !== null) {
    volumeRelease(wf);
    volumeFree(wf);
  }
  regionFree(region);
}

if (POINTER_SIZE !== 32) ERROR("roots lie side by side");
