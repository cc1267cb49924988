/** Makes and releases the memory of a region and its volumes. */
import { cacheClose, cacheOpen, listClose, listOpen } from "../../engine/cache";
import { Device } from "../../engine/device";
import { allocateZeroed, release } from "../../engine/memory";
import { DESCRIPTOR_SIZE, OPEN_NONE, SUPERBLOCK_SIZE } from "../../format/region";
import { freedRelease } from "./freed";
import { Region, SpaceState, Volume, VolumeKind } from "./volume";

/** Clean frames that a region keeps: 8 MiB. */
const CACHE_FRAMES: u32 = 2048;
/** current, previous, next, and both slots. */
const BLOCKS_SIZE: u32 = SUPERBLOCK_SIZE * 5;
/** One piece of memory holds the blocks, the state of the space and the volume itself. */
const SPACE_SIZE: usize = (offsetof<SpaceState>() + 7) & ~7;
const VOLUME_SIZE: usize = <usize>BLOCKS_SIZE + SPACE_SIZE + offsetof<Volume>();

/** Both descriptors, and the region behind them. */
const REGION_SIZE: usize = DESCRIPTOR_SIZE * 2 + offsetof<Region>();

/** A region with an empty cache and no volumes; null without memory. */
export function regionNew(device: Device): Region | null {
  const descriptors = allocateZeroed(REGION_SIZE);
  const cache = cacheOpen(CACHE_FRAMES);
  if (descriptors === 0 || cache === null) {
    if (cache !== null) cacheClose(cache);
    release(descriptors, REGION_SIZE);
    return null;
  }
  const address = descriptors + DESCRIPTOR_SIZE * 2;
  const region = changetype<Region>(address);
  region.device = device;
  region.cache = cache;
  region.descriptors = descriptors;
  return region;
}

/** A volume with empty superblocks; null without memory. */
export function volumeNew(region: Region, kind: VolumeKind): Volume | null {
  const blocks = allocateZeroed(VOLUME_SIZE);
  const dirty = listOpen();
  if (blocks === 0 || dirty === null) {
    if (dirty !== null) listClose(dirty);
    release(blocks, VOLUME_SIZE);
    return null;
  }
  const space = blocks + BLOCKS_SIZE;
  const address = space + SPACE_SIZE;
  const volume = changetype<Volume>(address);
  volume.region = region;
  volume.kind = kind;
  volume.blocks = blocks;
  volume.current = blocks;
  volume.previous = blocks + SUPERBLOCK_SIZE;
  volume.next = blocks + SUPERBLOCK_SIZE * 2;
  volume.slots = blocks + SUPERBLOCK_SIZE * 3;
  volume.space = changetype<SpaceState>(space);
  volume.space.openMeta = OPEN_NONE;
  volume.space.openSecond = OPEN_NONE;
  volume.space.openData = OPEN_NONE;
  volume.dirty = dirty;
  volume.generation = 1;
  return volume;
}

/** The volume must have given back its batch (volumeRelease). */
export function volumeFree(volume: Volume): void {
  freedRelease(volume);
  listClose(volume.dirty);
  release(volume.blocks, VOLUME_SIZE);
}

export function regionFree(region: Region): void {
  cacheClose(region.cache);
  release(region.descriptors, REGION_SIZE);
}
