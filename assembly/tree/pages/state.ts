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

/** A region with an empty cache and no volumes; null without memory. */
export function regionNew(device: Device): Region | null {
  const address = allocateZeroed(offsetof<Region>());
  const descriptors = allocateZeroed(DESCRIPTOR_SIZE * 2);
  const cache = cacheOpen(CACHE_FRAMES);
  if (address === 0 || descriptors === 0 || cache === null) {
    if (cache !== null) cacheClose(cache);
    release(descriptors, DESCRIPTOR_SIZE * 2);
    release(address, offsetof<Region>());
    return null;
  }
  const region = changetype<Region>(address);
  region.device = device;
  region.cache = cache;
  region.descriptors = descriptors;
  return region;
}

/** A volume with empty superblocks; null without memory. */
export function volumeNew(region: Region, kind: VolumeKind): Volume | null {
  const address = allocateZeroed(offsetof<Volume>());
  const blocks = allocateZeroed(BLOCKS_SIZE);
  const space = allocateZeroed(offsetof<SpaceState>());
  const dirty = listOpen();
  if (address === 0 || blocks === 0 || space === 0 || dirty === null) {
    if (dirty !== null) listClose(dirty);
    release(space, offsetof<SpaceState>());
    release(blocks, BLOCKS_SIZE);
    release(address, offsetof<Volume>());
    return null;
  }
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
  release(changetype<usize>(volume.space), offsetof<SpaceState>());
  release(volume.blocks, BLOCKS_SIZE);
  release(changetype<usize>(volume), offsetof<Volume>());
}

export function regionFree(region: Region): void {
  cacheClose(region.cache);
  release(region.descriptors, DESCRIPTOR_SIZE * 2);
  release(changetype<usize>(region), offsetof<Region>());
}
