/**
 * Data pages: content on its way to and from the device.
 *
 * Interface: small writes are gathered in the stage, one page a place, and go out in large requests
 * when it is full or, at the latest, before FLUSH 1 of the commit (dataFlush is the volume's hook).
 * Whatever reads a page looks into the stage first. A page of the open batch may be written again;
 * one of an older epoch never.
 */
import {
  deviceFail,
  deviceQueueRead,
  deviceQueueWrite,
  deviceSubmit,
} from "../../../engine/device";
import { failPlain } from "../../../engine/fault";
import { xxh64 } from "../../../engine/hash/xxh64";
import { allocate, release } from "../../../engine/memory";
import { requestsBegin } from "../../../engine/requests";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import { PAGE_SHIFT, PAGE_SIZE } from "../../../format/region";
import { pagesInside } from "../../../tree/pages/volume";
import { pagesWrite } from "../../../tree/space";
import { pageLba, Wf } from "./wf";

/** Pages in the stage: what one write may bring, 1 MiB and its edges. */
export const STAGE_PAGES: u32 = 272;
const STAGE_SIZE: u32 = STAGE_PAGES << PAGE_SHIFT;
/** Places of the index: u16, stage place + 1. */
const INDEX_PLACES: u32 = 1024;
/** The pages, the number of each, and the index, in one block. */
const STAGE_ROOM: u32 = STAGE_SIZE + (STAGE_PAGES << 3) + (INDEX_PLACES << 1);

/** Pages of one dataFetch at most: with what must be verified afterwards. */
export const FETCH_MAX: u32 = 264;
/** { address, page, checksum } of what the open fetch has asked for. */
const fetched: usize = allocate(264 * 24);
let fetchCount: u32 = 0;

/** Frees the stage's memory. */
export function dataClose(wf: Wf): void {
  release(wf.stage, STAGE_ROOM);
  wf.stage = 0;
}

/** Forgets what waits: after an abort its pages are free again. */
export function dataForget(wf: Wf): void {
  wf.stageCount = 0;
  wf.stamp += 1;
  if (wf.stageIndex !== 0) memory.fill(wf.stageIndex, 0, INDEX_PLACES << 1);
}

/** XXH64 of a data page. */
export function dataSum(wf: Wf, address: usize): u64 {
  return xxh64(address, PAGE_SIZE, wf.volume.region.tag);
}

/** Address of `page` in the stage, 0 if it is not there. */
export function dataStaged(wf: Wf, page: u64): usize {
  if (wf.stageCount === 0) return 0;
  let at = hashOf(page);
  for (let step: u32 = 0; step < INDEX_PLACES; step++) {
    const place = <u32>load<u16>(wf.stageIndex + <usize>(at << 1));
    if (place === 0) return 0;
    if (load<u64>(wf.stagePages + <usize>((place - 1) << 3)) === page) {
      return wf.stage + ((<usize>(place - 1)) << PAGE_SHIFT);
    }
    at = (at + 1) & (INDEX_PLACES - 1);
  }
  return 0;
}

/**
 * Makes room for `count` pages in the stage, at most STAGE_PAGES: so that dataStage() cannot fail
 * in the middle of an operation.
 */
export function dataRoom(wf: Wf, count: u32): ErrorCode {
  assert(count <= STAGE_PAGES);
  if (wf.stage === 0) {
    wf.stage = allocate(STAGE_ROOM);
    if (wf.stage === 0) return failPlain(ErrorCode.ENOMEM);
    wf.stagePages = wf.stage + STAGE_SIZE;
    wf.stageIndex = wf.stagePages + (STAGE_PAGES << 3);
    memory.fill(wf.stageIndex, 0, INDEX_PLACES << 1);
  }
  return wf.stageCount + count <= STAGE_PAGES ? ErrorCode.OK : dataFlush(wf);
}

/** The place of `page` in the stage, a new one with any content if it has none. */
export function dataStage(wf: Wf, page: u64): usize {
  const known = dataStaged(wf, page);
  if (known !== 0) return known;
  assert(wf.stageCount < STAGE_PAGES);
  const place = wf.stageCount;
  wf.stageCount = place + 1;
  store<u64>(wf.stagePages + <usize>(place << 3), page);
  let at = hashOf(page);
  while (load<u16>(wf.stageIndex + <usize>(at << 1)) !== 0) at = (at + 1) & (INDEX_PLACES - 1);
  store<u16>(wf.stageIndex + <usize>(at << 1), <u16>(place + 1));
  return wf.stage + ((<usize>place) << PAGE_SHIFT);
}

/** Takes pages out of the stage: they are freed, or written by other means. */
export function dataDrop(wf: Wf, page: u64, count: u32): void {
  if (wf.stageCount === 0) return;
  for (let at: u32 = 0; at < count; at++) {
    const staged = dataStaged(wf, page + <u64>at);
    if (staged === 0) continue;
    // The place stays taken until the next flush; page 0 is never data.
    const place = (staged - wf.stage) >>> PAGE_SHIFT;
    store<u64>(wf.stagePages + (place << 3), 0);
  }
}

/** Writes all that waits, neighbours in one request. */
export function dataFlush(wf: Wf): ErrorCode {
  const count = wf.stageCount;
  if (count === 0) return ErrorCode.OK;
  const device = wf.volume.region.device;
  requestsBegin();
  let from: u32 = 0;
  while (from < count) {
    const page = load<u64>(wf.stagePages + <usize>(from << 3));
    let to = from + 1;
    while (to < count && page !== 0 && stagePage(wf, to) === page + <u64>(to - from)) to += 1;
    if (page !== 0) {
      const address = wf.stage + ((<usize>from) << PAGE_SHIFT);
      const code = deviceQueueWrite(device, pageLba(page), address, (to - from) << PAGE_SHIFT);
      if (code !== ErrorCode.OK) return code;
    }
    from = to;
  }
  const code = deviceSubmit(device);
  if (code !== ErrorCode.OK) return code;
  wf.stageCount = 0;
  memory.fill(wf.stageIndex, 0, INDEX_PLACES << 1);
  return ErrorCode.OK;
}

/** Writes a long run at once, past the stage. */
export function dataWrite(wf: Wf, page: u64, address: usize, count: u32): ErrorCode {
  dataDrop(wf, page, count);
  return pagesWrite(wf.volume, page, address, count);
}

/** Begins to gather reads. */
export function dataFetchBegin(): void {
  fetchCount = 0;
}

/** Asks for `count` pages from `page`, whose checksums stand at `sums`, into `address`. */
export function dataFetch(wf: Wf, page: u64, count: u32, sums: usize, address: usize): ErrorCode {
  const region = wf.volume.region;
  assert(fetchCount + count <= FETCH_MAX);
  if (!pagesInside(region, page, count)) {
    return deviceFail(region.device, ErrorCode.EBADMSG, Reason.POINTER, pageLba(page), 0);
  }
  for (let at: u32 = 0; at < count; at++) {
    const entry = fetchEntry(fetchCount);
    store<usize>(entry, address + ((<usize>at) << PAGE_SHIFT));
    store<u64>(entry, page + <u64>at, 8);
    store<u64>(entry, load<u64>(sums + <usize>(at << 3)), 16);
    fetchCount += 1;
  }
  return ErrorCode.OK;
}

/** Address of the first page whose checksum was wrong in the last dataFetchEnd. */
export let fetchBadAddress: usize = 0;

/** Reads what was asked for and verifies it: OK, EIO, or EBADMSG with fetchBadAddress. */
export function dataFetchEnd(wf: Wf): ErrorCode {
  fetchBadAddress = 0;
  const device = wf.volume.region.device;
  requestsBegin();
  let from: u32 = 0;
  while (from < fetchCount) {
    const address = load<usize>(fetchEntry(from));
    const page = load<u64>(fetchEntry(from), 8);
    const staged = dataStaged(wf, page);
    let to = from + 1;
    if (staged !== 0) {
      memory.copy(address, staged, PAGE_SIZE);
    } else {
      while (to < fetchCount && follows(wf, from, to)) to += 1;
      const code = deviceQueueRead(device, pageLba(page), address, (to - from) << PAGE_SHIFT);
      if (code !== ErrorCode.OK) return code;
    }
    from = to;
  }
  const code = deviceSubmit(device);
  if (code !== ErrorCode.OK) return code;
  for (let at: u32 = 0; at < fetchCount; at++) {
    const entry = fetchEntry(at);
    if (dataSum(wf, load<usize>(entry)) === load<u64>(entry, 16)) continue;
    fetchBadAddress = load<usize>(entry);
    const lba = pageLba(load<u64>(entry, 8));
    return deviceFail(device, ErrorCode.EBADMSG, Reason.CHECKSUM, lba, 0);
  }
  return ErrorCode.OK;
}

/** True if entry `to` can go on in the request that begins with entry `from`. */
function follows(wf: Wf, from: u32, to: u32): bool {
  const step = to - from;
  const page = load<u64>(fetchEntry(to), 8);
  if (page !== load<u64>(fetchEntry(from), 8) + <u64>step) return false;
  const address = load<usize>(fetchEntry(from)) + ((<usize>step) << PAGE_SHIFT);
  return load<usize>(fetchEntry(to)) === address && dataStaged(wf, page) === 0;
}

function fetchEntry(index: u32): usize {
  return fetched + <usize>(index * 24);
}

function stagePage(wf: Wf, place: u32): u64 {
  return load<u64>(wf.stagePages + <usize>(place << 3));
}

function hashOf(page: u64): u32 {
  return <u32>((page * 0x9e3779b97f4a7) >>> 44) & (INDEX_PLACES - 1);
}
