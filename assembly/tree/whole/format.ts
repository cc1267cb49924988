/**
 * mkfs, in the order of 1.3: each step is durable before the next, so a crash leaves no region, a
 * store, or both. A chunk without an entry is free, so the cost does not depend on the size.
 */

import { equalBytes, storeBigU32, storeBigU64 } from "../../engine/bytes";

import { Device, deviceFail, deviceFlush, deviceWrite, deviceZero } from "../../engine/device";
import { failPlain } from "../../engine/fault";
import { xxh64 } from "../../engine/hash/xxh64";
import { allocate } from "../../engine/memory";
import { Reason, SECTOR_SIZE } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  BITMAP_HOMES,
  CHUNK_CHANGED_EPOCH,
  CHUNK_CHECKSUM,
  CHUNK_FREE_PAGES,
  CHUNK_OWNER,
  CHUNK_SIZE,
  ChunkOwner,
  HEADER_HEAP,
  PageKind,
  SPACE_KEY_CHUNK,
  SPACE_KEY_GRANT,
  TreeId,
} from "../../format/page";
import * as F from "../../format/region";
import {
  FileKey,
  INO_FIRST,
  INO_ROOT,
  INODE_ATIME,
  INODE_BTIME,
  INODE_CTIME,
  INODE_MODE,
  INODE_MTIME,
  INODE_NLINK,
  INODE_PARENT,
  INODE_SIZE,
  MODE_DIRECTORY,
} from "../../format/wf";
import { bitSet } from "../pages/bits";
import { nodeInsert } from "../pages/node";
import { pageSeal, pageStart, pointerPlace } from "../pages/page";
import { regionFree, regionNew, volumeFree, volumeNew } from "../pages/state";
import { firstChunkLba, mirrorWrite, slotWrite, superblockSeal } from "../pages/superblock";
import { chunkFirstPage, chunkPages, Region, Volume, VolumeKind } from "../pages/volume";

/** What mkfs needs to know; all memory is the caller's. */
@unmanaged
export class FormatOptions {
  /** 16 bytes. */
  uuid: usize;
  /** Sectors to use, 0 = the device's. */
  sectors: u64;
  /** Sectors to choose the chunk size for, 0 = `sectors`. */
  designSectors: u64;
  /** Sectors of the log ring, 0 = 2,048. */
  logSectors: u32;
  withFiles: bool;
  /** i64 ns since 1970 UTC: of the root directory. */
  timeNs: i64;
  /** Of the writer in the first superblocks. */
  session: u64;
}

/** Smallest region, with the smallest log. */
export const REGION_SECTORS_MIN: u64 = 4096;
const MIB_SECTORS: u64 = 2048;
const ROOT_MODE: u32 = 0o755;

const page: usize = allocate(4096);
const record: usize = memory.data(128, 16);
const key: usize = memory.data(16, 8);

/** Chunk size for a region of `sectors` (1.3). */
export function chunkShiftFor(sectors: u64): u32 {
  if (sectors < 16 * MIB_SECTORS) return 16;
  if (sectors < 8 * 1024 * MIB_SECTORS) return 20;
  return sectors < 512 * 1024 * MIB_SECTORS ? 23 : 26;
}

/**
 * EINVAL, with the smallest size in `detail`, if the device or the log is too small or too large.
 */
export function regionFormat(device: Device, options: FormatOptions): ErrorCode {
  const region = regionNew(device);
  if (region === null) return failPlain(ErrorCode.ENOMEM);
  let code = geometry(region, options);
  if (code === ErrorCode.OK) code = headWrite(region, options);
  if (code === ErrorCode.OK) code = volumeWrite(region, options, VolumeKind.ST);
  if (code === ErrorCode.OK && options.withFiles) {
    code = volumeWrite(region, options, VolumeKind.WF);
  }
  regionFree(region);
  return code;
}

function geometry(region: Region, options: FormatOptions): ErrorCode {
  const device = region.device;
  const asked = options.sectors === 0 ? device.sectors : options.sectors;
  const sectors = asked & ~(<u64>7);
  if (sectors > device.sectors) {
    return deviceFail(device, ErrorCode.EINVAL, Reason.CAPACITY, device.sectors, 0);
  }
  const shift = chunkShiftFor(options.designSectors > sectors ? options.designSectors : sectors);
  let log = options.logSectors;
  const most: u64 = sectors >= 16 * MIB_SECTORS ? sectors / 16 : F.LOG_SECTORS_MAX;
  if (log === 0) log = <u32>min<u64>(F.LOG_SECTORS_DEFAULT, most & ~(<u64>7));
  const bad = log < F.LOG_SECTORS_MIN || log > F.LOG_SECTORS_MAX || (log & 7) !== 0;
  if (bad || <u64>log > most) return deviceFail(device, ErrorCode.EINVAL, Reason.FIELD, 0, log);
  // 4 MiB with the default log, 2 MiB with the smallest; a larger chunk wants at least four.
  const least = REGION_SECTORS_MIN + (log > 2 * F.LOG_SECTORS_MIN ? <u64>log * 2 : 0);
  const first = <u64>firstChunkLba(log, shift);
  if (sectors < least || sectors < first + ((<u64>4) << (shift - 9))) {
    return deviceFail(device, ErrorCode.EINVAL, Reason.CAPACITY, sectors, <u32>least);
  }
  region.sectors = sectors;
  region.logSectors = log;
  region.chunkShift = shift;
  region.firstChunk = <u32>first;
  const chunks = (sectors - first) >>> <u64>(shift - 9);
  if (chunks > F.CHUNKS_MAX) {
    return deviceFail(device, ErrorCode.EINVAL, Reason.CAPACITY, sectors, F.CHUNKS_MAX);
  }
  region.chunks = <u32>chunks;
  region.tag = xxh64(options.uuid, 16, 0);
  return ErrorCode.OK;
}

/** Steps 1 and 2: zeros over head and log, then the descriptors B and A. */
function headWrite(region: Region, options: FormatOptions): ErrorCode {
  const device = region.device;
  let code = deviceZero(device, 0, <u64>(F.HEAD_SECTORS + region.logSectors));
  if (code === ErrorCode.OK) code = deviceFlush(device);
  const uuid = options.uuid;
  const size = region.sectors;
  if (code === ErrorCode.OK) code = descriptorWrite(region, uuid, 1, size, F.LBA_DESCRIPTOR_B);
  if (code === ErrorCode.OK) code = descriptorWrite(region, uuid, 1, size, F.LBA_DESCRIPTOR_A);
  return code;
}

/** Writes one copy of the descriptor; `region` gives the geometry. */
export function descriptorWrite(
  region: Region,
  uuid: usize,
  generation: u32,
  sectors: u64,
  lba: u32,
): ErrorCode {
  descriptorMake(region, F.FORMAT_MINOR, uuid, generation, sectors, lba);
  return deviceWrite(region.device, lba, page, max<u32>(SECTOR_SIZE, region.device.blockSize));
}

/** Makes the descriptor that belongs at `lba` in `page`, zeros behind it. */
function descriptorMake(
  region: Region,
  minor: u32,
  uuid: usize,
  generation: u32,
  sectors: u64,
  lba: u32,
): void {
  memory.fill(page, 0, F.PAGE_SIZE);
  store<u32>(page, F.MAGIC_LOW, F.DESCRIPTOR_MAGIC);
  store<u32>(page, F.DESCRIPTOR_MAGIC_HIGH, 4);
  store<u16>(page, <u16>F.FORMAT_MAJOR, F.DESCRIPTOR_MAJOR);
  store<u16>(page, <u16>minor, F.DESCRIPTOR_MINOR);
  store<u32>(page, generation, F.DESCRIPTOR_GENERATION);
  memory.copy(page + F.DESCRIPTOR_UUID, uuid, 16);
  store<u64>(page, sectors, F.DESCRIPTOR_SECTORS);
  store<u32>(page, F.HEAD_SECTORS, F.DESCRIPTOR_LOG_LBA);
  store<u32>(page, region.logSectors, F.DESCRIPTOR_LOG_SECTORS);
  store<u32>(page, region.firstChunk, F.DESCRIPTOR_FIRST_CHUNK);
  store<u8>(page, <u8>region.chunkShift, F.DESCRIPTOR_CHUNK_SHIFT);
  store<u8>(page, <u8>F.PAGE_SHIFT, F.DESCRIPTOR_PAGE_SHIFT);
  store<u8>(page, 9, F.DESCRIPTOR_SECTOR_SHIFT);
  store<u8>(page, <u8>F.CHECKSUM_XXH64, F.DESCRIPTOR_CHECKSUM_KIND);
  store<u64>(page, <u64>lba, F.DESCRIPTOR_SELF_LBA);
  store<u64>(page, xxh64(page, F.DESCRIPTOR_CHECKSUM, 0), F.DESCRIPTOR_CHECKSUM);
}

/** True if the sector holds the descriptor that belongs at `lba` of this region. */
export function descriptorValid(region: Region, sector: usize, lba: u32): bool {
  const uuid = sector + F.DESCRIPTOR_UUID;
  const minor: u32 = load<u16>(sector, F.DESCRIPTOR_MINOR);
  const generation = load<u32>(sector, F.DESCRIPTOR_GENERATION);
  descriptorMake(region, minor, uuid, generation, load<u64>(sector, F.DESCRIPTOR_SECTORS), lba);
  return xxh64(uuid, 16, 0) === region.tag && equalBytes(sector, page, F.DESCRIPTOR_SIZE);
}

/** Steps 3 and 4: first pages, epoch 1, and epoch 2 as a control-only commit. */
function volumeWrite(region: Region, options: FormatOptions, kind: VolumeKind): ErrorCode {
  const volume = volumeNew(region, kind);
  if (volume === null) return failPlain(ErrorCode.ENOMEM);
  superblockStart(volume, options);
  let code = kind === VolumeKind.ST ? storePages(volume, options) : filesPages(volume, options);
  if (code === ErrorCode.OK) code = deviceFlush(region.device);
  if (code === ErrorCode.OK) code = epochsWrite(volume);
  volumeFree(volume);
  return code;
}

function superblockStart(volume: Volume, options: FormatOptions): void {
  const block = volume.current;
  const region = volume.region;
  const store_ = volume.kind === VolumeKind.ST;
  store<u32>(block, F.MAGIC_LOW, F.SUPERBLOCK_MAGIC);
  store<u32>(block, store_ ? F.STORE_MAGIC_HIGH : F.WF_MAGIC_HIGH, 4);
  store<u16>(block, <u16>F.FORMAT_MAJOR, F.SUPERBLOCK_MAJOR);
  store<u16>(block, <u16>F.FORMAT_MINOR, F.SUPERBLOCK_MINOR);
  memory.copy(block + F.SUPERBLOCK_UUID, options.uuid, 16);
  store<u64>(block, 1, F.SUPERBLOCK_EPOCH);
  store<u64>(block, options.session, F.SUPERBLOCK_SESSION);
  store<u64>(block, region.sectors, F.SUPERBLOCK_SECTORS);
  if (store_) store<u64>(block, <u64>F.RO_COMPAT_TAIL, F.SUPERBLOCK_RO_COMPAT);
  store<u8>(block, 9, F.SUPERBLOCK_SECTOR_SHIFT);
  store<u8>(block, <u8>F.PAGE_SHIFT, F.SUPERBLOCK_PAGE_SHIFT);
  store<u8>(block, <u8>region.chunkShift, F.SUPERBLOCK_CHUNK_SHIFT);
  store<u8>(block, <u8>F.CHECKSUM_XXH64, F.SUPERBLOCK_CHECKSUM_KIND);
  store<u32>(block, store_ ? 0 : 1, F.SUPERBLOCK_OPEN_META);
  store<u32>(block, F.OPEN_NONE, F.SUPERBLOCK_OPEN_DATA);
  store<u32>(block, region.firstChunk, F.SUPERBLOCK_FIRST_CHUNK);
  store<u32>(block, region.logSectors, F.SUPERBLOCK_LOG_SECTORS);
}

/** ST chunk 0: bitmap in page 0, space leaf in pages 3 and 4. */
function storePages(volume: Volume, options: FormatOptions): ErrorCode {
  if (options.withFiles) store<u64>(volume.current, 1, F.SUPERBLOCK_GRANT_SEQ);
  const checksum = bitmapWrite(volume, 0, 2);
  if (checksum === 0) return bitmapCode;
  leafStart(volume, TreeId.ST_SPACE);
  entryInsert(0, 0, ChunkOwner.META, chunkPages(volume.region) - 5, checksum);
  if (options.withFiles) {
    entryInsert(1, 1, ChunkOwner.GRANTED, 0, 0);
    memory.fill(record, 0, 8);
    store<u8>(key, <u8>SPACE_KEY_GRANT);
    storeBigU64(key + 1, 1);
    store<u32>(record, 1);
    store<u32>(record, 1, 4);
    nodeInsert(page, 2, key, 9, record, 8);
  }
  return leafWrite(volume, 0, 3, 4, F.SUPERBLOCK_ROOT_B);
}

/** WF chunk 1: bitmap in page 0, space leaf in 3 and 5, root inode leaf in 4 and 6. */
function filesPages(volume: Volume, options: FormatOptions): ErrorCode {
  const block = volume.current;
  store<u64>(block, 1, F.SUPERBLOCK_LIVE_ITEMS);
  store<u64>(block, <u64>INO_FIRST, F.SUPERBLOCK_RETURN_SEEN);
  store<u64>(block, 1, F.SUPERBLOCK_GRANT_SEQ);
  const checksum = bitmapWrite(volume, 1, 4);
  if (checksum === 0) return bitmapCode;
  leafStart(volume, TreeId.WF_SPACE);
  entryInsert(0, 1, ChunkOwner.META, chunkPages(volume.region) - 7, checksum);
  const code = leafWrite(volume, 1, 3, 5, F.SUPERBLOCK_ROOT_B);
  if (code !== ErrorCode.OK) return code;
  leafStart(volume, TreeId.WF_FILES);
  memory.fill(record, 0, INODE_SIZE);
  store<u16>(record, <u16>(MODE_DIRECTORY | ROOT_MODE), INODE_MODE);
  store<u32>(record, 1, INODE_NLINK);
  store<i64>(record, options.timeNs, INODE_ATIME);
  store<i64>(record, options.timeNs, INODE_MTIME);
  store<i64>(record, options.timeNs, INODE_CTIME);
  store<i64>(record, options.timeNs, INODE_BTIME);
  store<u64>(record, <u64>INO_ROOT, INODE_PARENT);
  storeBigU64(key, <u64>INO_ROOT);
  store<u8>(key, <u8>FileKey.INODE, 8);
  nodeInsert(page, 0, key, 9, record, INODE_SIZE);
  return leafWrite(volume, 1, 4, 6, F.SUPERBLOCK_ROOT_A);
}

let bitmapCode: ErrorCode = ErrorCode.OK;

/** Writes the first bitmap of `chunk` with the homes and `used` more pages; its checksum or 0. */
function bitmapWrite(volume: Volume, chunk: u32, used: u32): u64 {
  const region = volume.region;
  const tree = volume.kind === VolumeKind.ST ? TreeId.ST_SPACE : TreeId.WF_SPACE;
  pageStart(region, page, PageKind.BITMAP, tree);
  for (let bit: u32 = 0; bit < BITMAP_HOMES + used; bit++) bitSet(page, bit);
  const at = chunkFirstPage(region, chunk);
  const checksum = pageSeal(region, page, at, 1);
  bitmapCode = deviceWrite(region.device, at * F.SECTORS_PER_PAGE, page, F.PAGE_SIZE);
  const free = <u64>(chunkPages(region) - BITMAP_HOMES - used);
  store<u64>(volume.current, free, F.SUPERBLOCK_FREE_PAGES);
  return bitmapCode === ErrorCode.OK ? checksum : 0;
}

function leafStart(volume: Volume, tree: TreeId): void {
  pageStart(volume.region, page, PageKind.LEAF, tree);
  store<u16>(page, <u16>F.PAGE_SIZE, HEADER_HEAP);
}

function entryInsert(index: u32, chunk: u32, owner: ChunkOwner, free: u32, checksum: u64): void {
  memory.fill(record, 0, CHUNK_SIZE);
  store<u8>(record, <u8>owner, CHUNK_OWNER);
  store<u32>(record, free, CHUNK_FREE_PAGES);
  store<u64>(record, checksum, CHUNK_CHECKSUM);
  store<u64>(record, 1, CHUNK_CHANGED_EPOCH);
  store<u8>(key, <u8>SPACE_KEY_CHUNK);
  storeBigU32(key + 1, chunk);
  nodeInsert(page, index, key, 5, record, CHUNK_SIZE);
}

/** Writes the leaf to two pages of `chunk` and points `root` of the superblock at it. */
function leafWrite(volume: Volume, chunk: u32, first: u32, second: u32, root: u32): ErrorCode {
  const region = volume.region;
  const at = chunkFirstPage(region, chunk);
  const pointer = volume.current + <usize>root;
  const checksum = pageSeal(region, page, at + <u64>first, 1);
  pointerPlace(pointer, at + <u64>first, at + <u64>second, 1, checksum);
  const sector = (at + <u64>first) * F.SECTORS_PER_PAGE;
  const code = deviceWrite(region.device, sector, page, F.PAGE_SIZE);
  if (code !== ErrorCode.OK) return code;
  pageSeal(region, page, at + <u64>second, 1);
  const copy = (at + <u64>second) * F.SECTORS_PER_PAGE;
  return deviceWrite(region.device, copy, page, F.PAGE_SIZE);
}

/** Epoch 1, then epoch 2 over unchanged roots: all four copies are valid before the first use. */
function epochsWrite(volume: Volume): ErrorCode {
  const block = volume.current;
  const code = epochWrite(volume);
  if (code !== ErrorCode.OK) return code;
  store<u64>(block, load<u64>(block, F.SUPERBLOCK_BODY_CHECKSUM), F.SUPERBLOCK_PREVIOUS_CHECKSUM);
  store<u64>(block, 2, F.SUPERBLOCK_EPOCH);
  return epochWrite(volume);
}

function epochWrite(volume: Volume): ErrorCode {
  const device = volume.region.device;
  const block = volume.current;
  superblockSeal(block);
  let code = slotWrite(volume, block);
  if (code === ErrorCode.OK) code = deviceFlush(device);
  if (code === ErrorCode.OK) code = mirrorWrite(volume, block);
  if (code === ErrorCode.OK) code = deviceFlush(device);
  return code;
}
