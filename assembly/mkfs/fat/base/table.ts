/**
 * The FAT: windows of 64 KiB in memory, read on demand, written in whole dirty ranges, copy after
 * copy. Free clusters: counted once, then kept count of.
 *
 * Invariant: an entry may reach the disk at any time after it was set, for a new chain is named by
 * no directory yet, and a chain still named is only freed after the directories are durable
 * (commit.ts). The one exception, a directory that grows, is `fresh`: those clusters are zeroed and
 * flushed before any entry is written.
 */
import {
  deviceFlush,
  deviceQueueWrite,
  deviceRead,
  deviceSubmit,
  deviceWriteZeros,
} from "../../../engine/device";
import { failPlain } from "../../../engine/fault";
import { allocate, release } from "../../../engine/memory";
import { planted } from "../../../engine/planted";
import { requestsBegin } from "../../../engine/requests";
import { Reason } from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";
import { CLUSTER_END, CLUSTER_END_MIN, CLUSTER_FREE, CLUSTER_MASK } from "../../../format/fat32";
import { clusterSector, damaged, deviceSector, Fat, isCluster, sectorSize } from "./volume";

const WINDOW_SHIFT: u32 = 16;
const WINDOW_SIZE: u32 = 1 << WINDOW_SHIFT;
/** log2 of the entries in a window. */
const ENTRIES_SHIFT: u32 = WINDOW_SHIFT - 2;
const WINDOWS: u32 = 16;
/** Bytes of the FAT that are read at once to count. */
const COUNT_SIZE: u32 = 1 << 20;
const NO_INDEX: u32 = 0xffffffff;
/** What tableGet answers when the FAT cannot be read; the code is in tableCode. */
export const TABLE_ERROR: u32 = 0xffffffff;

@unmanaged
class Window {
  index: u32;
  stamp: u32;
  /** Bytes changed: from low up to high; nothing if low >= high. */
  low: u32;
  high: u32;
  data: usize;
}

export let tableCode: ErrorCode = ErrorCode.OK;
/** The first cluster of what tableTake found. */
export let takenCluster: u32 = 0;

/** Makes the cache: 1 MiB of address space, touched as it is used. */
export function tableOpen(fat: Fat): ErrorCode {
  fat.windows = allocate(WINDOWS * offsetof<Window>());
  if (fat.windows === 0) return failPlain(ErrorCode.ENOMEM);
  for (let at: u32 = 0; at < WINDOWS; at++) {
    const window = windowAt(fat, at);
    window.index = NO_INDEX;
    window.stamp = 0;
    window.low = WINDOW_SIZE;
    window.high = 0;
    window.data = 0;
  }
  fat.lastWindow = changetype<usize>(windowAt(fat, 0));
  return ErrorCode.OK;
}

export function tableClose(fat: Fat): void {
  if (fat.windows === 0) return;
  for (let at: u32 = 0; at < WINDOWS; at++) release(windowAt(fat, at).data, WINDOW_SIZE);
  release(fat.windows, WINDOWS * offsetof<Window>());
  fat.windows = 0;
}

/** Forgets what was read; nothing may be dirty. */
export function tableForget(fat: Fat): void {
  for (let at: u32 = 0; at < WINDOWS; at++) {
    const window = windowAt(fat, at);
    assert(window.low >= window.high);
    window.index = NO_INDEX;
  }
  fat.counted = false;
}

/** The 28 bits of entry `cluster`, or TABLE_ERROR with the reason in tableCode. */
export function tableGet(fat: Fat, cluster: u32): u32 {
  const window = windowFor(fat, cluster);
  if (window === 0) return TABLE_ERROR;
  const data = changetype<Window>(window).data;
  return load<u32>(data + ((cluster & ((1 << ENTRIES_SHIFT) - 1)) << 2)) & CLUSTER_MASK;
}

/** Sets the 28 bits of entry `cluster`; the upper four stay. */
export function tableSet(fat: Fat, cluster: u32, value: u32): ErrorCode {
  const address = windowFor(fat, cluster);
  if (address === 0) return tableCode;
  const window = changetype<Window>(address);
  const at = (cluster & ((1 << ENTRIES_SHIFT) - 1)) << 2;
  const kept = load<u32>(window.data + at) & ~CLUSTER_MASK;
  store<u32>(window.data + at, kept | (value & CLUSTER_MASK));
  window.low = min<u32>(window.low, at);
  window.high = max<u32>(window.high, at + 4);
  return ErrorCode.OK;
}

/** The cluster after `cluster`, 0 at the end of the chain, or TABLE_ERROR. */
export function tableNext(fat: Fat, cluster: u32): u32 {
  const value = tableGet(fat, cluster);
  if (value === TABLE_ERROR || value >= CLUSTER_END_MIN) return value === TABLE_ERROR ? value : 0;
  if (isCluster(fat, value)) return value;
  return tableBroken(fat, cluster);
}

/** Records that a chain breaks at `cluster`; answers TABLE_ERROR. */
export function tableBroken(fat: Fat, cluster: u32): u32 {
  tableCode = damaged(fat, Reason.FAT_CHAIN, tableSector(fat, cluster), cluster);
  return TABLE_ERROR;
}

/** Sector of 512 of the window where entry `cluster` of the first FAT stands. */
export function tableSector(fat: Fat, cluster: u32): u64 {
  const start = <u64>fat.reservedSectors + <u64>fat.firstFat * <u64>fat.fatSectors;
  return deviceSector(fat, start) + (((<u64>cluster) << 2) >>> 9);
}

/** Counts the free clusters, once, before anything is changed: large reads past the windows. */
export function tableCount(fat: Fat): ErrorCode {
  if (fat.counted) return ErrorCode.OK;
  const buffer = allocate(COUNT_SIZE);
  if (buffer === 0) return failPlain(ErrorCode.ENOMEM);
  const bytes = (<u64>fat.fatSectors) << fat.sectorShift;
  const last = <u64>fat.clusters + 2;
  let code: ErrorCode = ErrorCode.OK;
  let free: u32 = 0;
  for (let at: u64 = 0; at < last << 2 && code === ErrorCode.OK; at += <u64>COUNT_SIZE) {
    const length = <u32>min<u64>(<u64>COUNT_SIZE, bytes - at);
    code = deviceRead(fat.device, tableSector(fat, 0) + (at >>> 9), buffer, length);
    const entries = <u32>min<u64>(<u64>(length >>> 2), last - (at >>> 2));
    const skip: u32 = at === 0 ? 2 : 0;
    if (code === ErrorCode.OK) free += countFree(buffer + (skip << 2), entries - skip);
  }
  release(buffer, COUNT_SIZE);
  fat.freeCount = free;
  fat.counted = code === ErrorCode.OK;
  return code;
}

function countFree(entries: usize, count: u32): u32 {
  let free: u32 = 0;
  for (let at: u32 = 0; at < count; at++) {
    if ((load<u32>(entries + (at << 2)) & CLUSTER_MASK) === CLUSTER_FREE) free += 1;
  }
  return free;
}

/**
 * Takes up to `wanted` free clusters that lie side by side, right after `previous` if it can (0:
 * anywhere), links them behind it and ends the chain. Answers how many; the first is in
 * takenCluster. ENOSPC only if there is none.
 */
export function tableTake(fat: Fat, previous: u32, wanted: u32): i32 {
  assert(fat.counted && wanted > 0);
  if (fat.freeCount === 0) return failPlain(ErrorCode.ENOSPC);
  const start = findFree(fat, previous === 0 ? fat.nextFree : previous + 1);
  if (start === TABLE_ERROR) return tableCode;
  let count: u32 = 1;
  while (count < wanted && start + count < fat.clusters + 2) {
    const value = tableGet(fat, start + count);
    if (value === TABLE_ERROR) return tableCode;
    if (value !== CLUSTER_FREE) break;
    count += 1;
  }
  for (let at: u32 = 0; at < count; at++) {
    const value = at + 1 < count ? start + at + 1 : CLUSTER_END;
    const code = tableSet(fat, start + at, value);
    if (code !== ErrorCode.OK) return code;
  }
  if (previous !== 0) {
    const code = tableSet(fat, previous, start);
    if (code !== ErrorCode.OK) return code;
  }
  fat.freeCount -= count;
  fat.nextFree = start + count < fat.clusters + 2 ? start + count : 2;
  takenCluster = start;
  return <i32>count;
}

/** Frees the chain from `first`. A damaged chain is freed as far as it can be followed. */
export function tableFree(fat: Fat, first: u32): ErrorCode {
  let cluster = first;
  fat.revision += 1;
  for (let steps: u32 = 0; steps < fat.clusters && isCluster(fat, cluster); steps++) {
    const value = tableGet(fat, cluster);
    if (value === TABLE_ERROR) return tableCode;
    if (value === CLUSTER_FREE) break;
    const code = tableSet(fat, cluster, CLUSTER_FREE);
    if (code !== ErrorCode.OK) return code;
    if (!planted(53)) fat.freeCount += 1;
    cluster = value;
  }
  return ErrorCode.OK;
}

/** Remembers that the new directory clusters [cluster, cluster + count) must be zeroed first. */
export function tableFresh(fat: Fat, cluster: u32, count: u32): ErrorCode {
  if (fat.freshCount === fat.freshRoom) {
    const room: u32 = fat.freshRoom === 0 ? 64 : fat.freshRoom * 2;
    const bigger = allocate(room << 3);
    if (bigger === 0) return failPlain(ErrorCode.ENOMEM);
    memory.copy(bigger, fat.fresh, fat.freshCount << 3);
    release(fat.fresh, fat.freshRoom << 3);
    fat.fresh = bigger;
    fat.freshRoom = room;
  }
  const last = fat.fresh + (fat.freshCount << 3) - 8;
  if (fat.freshCount > 0 && load<u32>(last) + load<u32>(last, 4) === cluster) {
    store<u32>(last, load<u32>(last, 4) + count, 4);
    return ErrorCode.OK;
  }
  store<u32>(last, cluster, 8);
  store<u32>(last, count, 12);
  fat.freshCount += 1;
  return ErrorCode.OK;
}

/** True if an entry was changed that is not on the disk yet. */
export function tableDirty(fat: Fat): bool {
  for (let at: u32 = 0; at < WINDOWS; at++) {
    const window = windowAt(fat, at);
    if (window.low < window.high) return true;
  }
  return false;
}

/** Writes every changed entry: the first copy, a flush, then the others. */
export function tableWrite(fat: Fat): ErrorCode {
  if (!tableDirty(fat)) return ErrorCode.OK;
  let code = zeroFresh(fat);
  const copies: u32 = planted(51) ? 1 : fat.fats;
  for (let copy: u32 = 0; copy < copies && code === ErrorCode.OK; copy++) {
    requestsBegin();
    for (let at: u32 = 0; at < WINDOWS && code === ErrorCode.OK; at++) {
      code = queueWindow(fat, windowAt(fat, at), copy);
    }
    if (code === ErrorCode.OK) code = deviceSubmit(fat.device);
    if (code === ErrorCode.OK) code = deviceFlush(fat.device);
  }
  if (code !== ErrorCode.OK) return code;
  for (let at: u32 = 0; at < WINDOWS; at++) {
    const window = windowAt(fat, at);
    window.low = WINDOW_SIZE;
    window.high = 0;
  }
  return ErrorCode.OK;
}

/** Zeroes new clusters of directories, durably, so that no entry leads to what was there before. */
function zeroFresh(fat: Fat): ErrorCode {
  if (fat.freshCount === 0) return ErrorCode.OK;
  const sectors = (<u64>1) << (<u64>fat.clusterShift - 9);
  for (let index: u32 = 0; index < fat.freshCount; index++) {
    const run = fat.fresh + (index << 3);
    const start = clusterSector(fat, load<u32>(run));
    const code = deviceWriteZeros(fat.device, start, sectors * <u64>load<u32>(run, 4));
    if (code !== ErrorCode.OK) return code;
  }
  fat.freshCount = 0;
  return deviceFlush(fat.device);
}

/** The first free cluster from `from` on, round the end once. There is one: freeCount says so. */
function findFree(fat: Fat, from: u32): u32 {
  let cluster = isCluster(fat, from) ? from : 2;
  for (let steps: u32 = 0; steps < fat.clusters; steps++) {
    const value = tableGet(fat, cluster);
    if (value === TABLE_ERROR || value === CLUSTER_FREE) {
      return value === TABLE_ERROR ? value : cluster;
    }
    cluster = cluster + 1 < fat.clusters + 2 ? cluster + 1 : 2;
  }
  tableCode = failPlain(ErrorCode.ENOSPC);
  return TABLE_ERROR;
}

function windowAt(fat: Fat, at: u32): Window {
  return changetype<Window>(fat.windows + at * offsetof<Window>());
}

/** The window that holds entry `cluster`, read if need be; 0 after a failure. */
function windowFor(fat: Fat, cluster: u32): usize {
  const index = cluster >>> ENTRIES_SHIFT;
  if (changetype<Window>(fat.lastWindow).index === index) return fat.lastWindow;
  let oldest = windowAt(fat, 0);
  for (let at: u32 = 0; at < WINDOWS; at++) {
    const window = windowAt(fat, at);
    if (window.index === index) return touch(fat, window);
    if (window.stamp < oldest.stamp) oldest = window;
  }
  tableCode = oldest.low < oldest.high ? tableWrite(fat) : ErrorCode.OK;
  if (tableCode !== ErrorCode.OK) return 0;
  if (oldest.data === 0) oldest.data = allocate(WINDOW_SIZE);
  if (oldest.data === 0) {
    tableCode = failPlain(ErrorCode.ENOMEM);
    return 0;
  }
  oldest.index = NO_INDEX;
  const start = tableSector(fat, 0) + ((<u64>index) << (WINDOW_SHIFT - 9));
  tableCode = deviceRead(fat.device, start, oldest.data, windowBytes(fat, index));
  if (tableCode !== ErrorCode.OK) return 0;
  oldest.index = index;
  return touch(fat, oldest);
}

function touch(fat: Fat, window: Window): usize {
  fat.stamp += 1;
  window.stamp = fat.stamp;
  fat.lastWindow = changetype<usize>(window);
  return fat.lastWindow;
}

/** Bytes of the FAT in window `index`: whole sectors, fewer in the last one. */
function windowBytes(fat: Fat, index: u32): u32 {
  const bytes = (<u64>fat.fatSectors) << fat.sectorShift;
  return <u32>min<u64>(<u64>WINDOW_SIZE, bytes - ((<u64>index) << WINDOW_SHIFT));
}

function queueWindow(fat: Fat, window: Window, copy: u32): ErrorCode {
  if (window.low >= window.high) return ErrorCode.OK;
  const mask = sectorSize(fat) - 1;
  const low = window.low & ~mask;
  const high = (window.high + mask) & ~mask;
  const inCopy = ((<u64>window.index) << (WINDOW_SHIFT - 9)) + <u64>(low >>> 9);
  const start = tableSector(fat, 0) + deviceSector(fat, <u64>copy * <u64>fat.fatSectors);
  return deviceQueueWrite(fat.device, start + inCopy, window.data + low, high - low);
}
