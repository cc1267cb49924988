/**
 * What an open store keeps in memory: the write buffer of the open pack chunk, the area through
 * which calls exchange data with the host, a few caches. Everything durable is the volume's.
 */
import { allocate, allocateZeroed, release } from "../../engine/memory";
import {
  EXCHANGE_ADDRESS,
  EXCHANGE_SIZE,
  FINDING_SIZE,
  ITEM_SIZE,
  ITEMS_MAX,
  ROW_SIZE,
  ROWS_MAX,
  SECTOR_SHIFT,
} from "../../format/abi";
import { HASH_SIZE } from "../../format/store";
import { Region, Volume } from "../../tree/pages/volume";

/** No chunk: chunk numbers end far below. */
export const NO_CHUNK: u32 = 0xffffffff;
/** Sectors of the block that a durable point ends (R7). */
export const ALIGN_SECTORS: u32 = 8;

const BUFFER_SIZE_MAX: u32 = 1 << 21;
const SCRATCH_SIZE_MIN: u32 = 1 << 17;
/** Chunks whose tag is remembered; a power of two. Entries: { chunk + 1 u32, unused, tag u64 }. */
export const TAGS_MAX: u32 = 256;
export const TAG_SIZE: u32 = 16;
/** Objects known to be damaged; the oldest one is forgotten first. */
export const SUSPECTS_MAX: u32 = 64;

/** One chunk being filled, through a buffer that holds its sectors from `start` to `position`. */
@unmanaged
export class Writer {
  chunk: u32;
  /** Sector of the next record. */
  position: u32;
  /** Sector that the buffer's first byte stands for: a multiple of 8. */
  start: u32;
  /** Live sectors of the chunk, those of the open batch included. */
  live: u32;
  tag: u64;
  buffer: usize;
  bufferSize: u32;
  /** The chunk of the last commit has been looked up. */
  loaded: bool;
  /** The chunk's entry must be rewritten before the next commit. */
  changed: bool;
}

@unmanaged
export class Store {
  region: Region;
  volume: Volume;
  /** The host's handle of the region: tells whether it is still open. */
  regionHandle: u32;
  /** STORE_* bits. */
  flags: u32;
  /** Generation of the volume that this store goes on from: older is ESTALE. */
  generation: u32;
  /** Sectors that a record is padded to: the device's block. */
  blockSectors: u32;
  chunkSectors: u32;
  /** Objects that storePutBegin placed and storePutEnd has not finished. */
  placed: u32;
  /** A large object is being written through `writer`; nothing else may be. */
  inlineOpen: bool;
  writer: Writer;
  exchange: usize;
  items: usize;
  rows: usize;
  tags: usize;
  suspects: usize;
  suspectCount: u32;
  suspectNext: u32;
  /** Chunk that compaction could not empty; it is left alone. */
  stuckChunk: u32;
  /** So many chunks could not be found, and nothing was deleted since; 0 = not known. */
  hopeless: u32;
  /** Room to read records into; 0 until the first read. */
  scratch: usize;
  scratchSize: u32;
  compacted: u64;
  healed: u64;
  /** First stream with chunks of its own (class Stream of stream.ts), 0 = none. */
  streams: usize;
}

const AREA_ITEMS: u32 = 64;
const AREA_ROWS: u32 = AREA_ITEMS + ITEMS_MAX * ITEM_SIZE;
const AREA_TAGS: u32 = AREA_ROWS + ROWS_MAX * FINDING_SIZE;
const AREA_SUSPECTS: u32 = AREA_TAGS + TAGS_MAX * TAG_SIZE;
const AREA_SIZE: u32 = AREA_SUSPECTS + SUSPECTS_MAX * HASH_SIZE;
if (EXCHANGE_SIZE > AREA_ITEMS || ROW_SIZE > FINDING_SIZE) ERROR("the areas overlap");

/** A store over `region`, nothing read yet; null without memory. */
export function storeCreate(region: Region, regionHandle: u32, flags: u32): Store | null {
  const address = allocateZeroed(offsetof<Store>());
  if (address === 0) return null;
  const at = changetype<Store>(address);
  at.region = region;
  at.volume = region.store;
  at.regionHandle = regionHandle;
  at.flags = flags;
  at.generation = region.store.generation;
  at.blockSectors = region.device.blockSize >>> SECTOR_SHIFT;
  at.chunkSectors = 1 << (region.chunkShift - SECTOR_SHIFT);
  at.stuckChunk = NO_CHUNK;
  const bufferSize = min<u32>(1 << region.chunkShift, BUFFER_SIZE_MAX);
  at.scratchSize = max<u32>(bufferSize, SCRATCH_SIZE_MIN);
  at.exchange = allocateZeroed(AREA_SIZE);
  const writer = writerCreate(bufferSize);
  if (writer === null || at.exchange === 0) {
    if (writer !== null) writerRelease(writer);
    release(at.exchange, AREA_SIZE);
    release(address, offsetof<Store>());
    return null;
  }
  at.writer = writer;
  at.items = at.exchange + AREA_ITEMS;
  at.rows = at.exchange + AREA_ROWS;
  at.tags = at.exchange + AREA_TAGS;
  at.suspects = at.exchange + AREA_SUSPECTS;
  return at;
}

export function storeRelease(at: Store): void {
  writerRelease(at.writer);
  release(at.scratch, at.scratchSize);
  release(at.exchange, AREA_SIZE);
  release(changetype<usize>(at), offsetof<Store>());
}

/** A writer without a chunk; null without memory. */
export function writerCreate(bufferSize: u32): Writer | null {
  const address = allocateZeroed(offsetof<Writer>());
  const buffer = allocate(bufferSize);
  if (address === 0 || buffer === 0) {
    release(address, offsetof<Writer>());
    release(buffer, bufferSize);
    return null;
  }
  const writer = changetype<Writer>(address);
  writer.chunk = NO_CHUNK;
  writer.buffer = buffer;
  writer.bufferSize = bufferSize;
  return writer;
}

export function writerRelease(writer: Writer): void {
  release(writer.buffer, writer.bufferSize);
  release(changetype<usize>(writer), offsetof<Writer>());
}

/** Address of the room for reads, `scratchSize` bytes; 0 without memory. */
export function storeScratch(at: Store): usize {
  if (at.scratch === 0) at.scratch = allocate(at.scratchSize);
  return at.scratch;
}

/** The volume was aborted since this store last looked: what it knows is of another state. */
export function storeStale(at: Store): bool {
  return at.generation !== at.volume.generation;
}

/** Answers `address` to the host. */
export function exchangeAddress(at: Store, address: usize): void {
  store<usize>(at.exchange + EXCHANGE_ADDRESS, address);
}
