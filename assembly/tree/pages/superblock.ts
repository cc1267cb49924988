/**
 * Superblocks: what a valid copy is, and how slots and mirrors are written and fenced.
 *
 * In memory a superblock is its body (everything before self_lba); copies get their place and
 * checksum when they are written. Head writes are one sector, or one padded block on 4Kn.
 */

import { equalBytes, isZero } from "../../engine/bytes";
import { deviceFail, deviceRead, deviceWrite } from "../../engine/device";
import { xxh64 } from "../../engine/hash/xxh64";
import { allocate } from "../../engine/memory";
import { planted } from "../../engine/planted";
import { Reason, SECTOR_SIZE } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import {
  CHECKSUM_XXH64,
  CHUNK_SHIFT_MAX,
  CHUNK_SHIFT_MIN,
  CHUNKS_MAX,
  FORMAT_MAJOR,
  HEAD_SECTORS,
  LBA_STORE_MIRROR_EVEN,
  LBA_STORE_MIRROR_ODD,
  LBA_STORE_SLOTS,
  LBA_WF_MIRROR_EVEN,
  LBA_WF_MIRROR_ODD,
  LBA_WF_SLOTS,
  LOG_SECTORS_MAX,
  MAGIC_LOW,
  PAGE_SHIFT,
  SECTORS_PER_PAGE,
  STORE_MAGIC_HIGH,
  SUPERBLOCK_BODY_CHECKSUM,
  SUPERBLOCK_CHECKSUM_KIND,
  SUPERBLOCK_CHUNK_SHIFT,
  SUPERBLOCK_COPY_CHECKSUM,
  SUPERBLOCK_EPOCH,
  SUPERBLOCK_FIRST_CHUNK,
  SUPERBLOCK_LOG_SECTORS,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_MAJOR,
  SUPERBLOCK_PAGE_SHIFT,
  SUPERBLOCK_RESERVED,
  SUPERBLOCK_SECTOR_SHIFT,
  SUPERBLOCK_SECTORS,
  SUPERBLOCK_SELF_LBA,
  WF_MAGIC_HIGH,
} from "../../format/region";
import { Volume, VolumeKind } from "./volume";

/** What is written to the head: one block, at most 4096 bytes. */
const HEAD_BLOCK_SIZE: u32 = 4096;
const block: usize = allocate(4096);
const fenced: usize = allocate(4096);

export function slotsLba(kind: VolumeKind): u32 {
  return kind === VolumeKind.ST ? LBA_STORE_SLOTS : LBA_WF_SLOTS;
}

export function mirrorLba(kind: VolumeKind, epoch: u64): u32 {
  const odd = (epoch & 1) !== 0;
  if (kind === VolumeKind.ST) return odd ? LBA_STORE_MIRROR_ODD : LBA_STORE_MIRROR_EVEN;
  return odd ? LBA_WF_MIRROR_ODD : LBA_WF_MIRROR_EVEN;
}

export function superblockEpoch(superblock: usize): u64 {
  return load<u64>(superblock, SUPERBLOCK_EPOCH);
}

export function superblockBodyChecksum(superblock: usize): u64 {
  return load<u64>(superblock, SUPERBLOCK_BODY_CHECKSUM);
}

/** Sets the body checksum of a finished body. */
export function superblockSeal(superblock: usize): void {
  const checksum = xxh64(superblock, SUPERBLOCK_BODY_CHECKSUM, 0);
  store<u64>(superblock, checksum, SUPERBLOCK_BODY_CHECKSUM);
}

/** Writes to `out` the copy of a sealed superblock that belongs at `lba`. */
export function superblockCopy(superblock: usize, lba: u32, out: usize): void {
  memory.copy(out, superblock, SUPERBLOCK_SELF_LBA);
  store<u64>(out, <u64>lba, SUPERBLOCK_SELF_LBA);
  store<u64>(out, 0, SUPERBLOCK_RESERVED);
  store<u64>(out, xxh64(out, SUPERBLOCK_COPY_CHECKSUM, 0), SUPERBLOCK_COPY_CHECKSUM);
}

/** True if the sector starts with the magic of `kind`. */
export function superblockMagic(sector: usize, kind: VolumeKind): bool {
  const high = kind === VolumeKind.ST ? STORE_MAGIC_HIGH : WF_MAGIC_HIGH;
  return load<u32>(sector, SUPERBLOCK_MAGIC) === MAGIC_LOW && load<u32>(sector, 4) === high;
}

/**
 * NONE if the sector read from `lba` holds a copy that belongs there: magic, checksums, place,
 * and a geometry that is possible at all. `parity` 0 or 1 is the slot's or mirror's.
 */
export function superblockCheck(sector: usize, kind: VolumeKind, lba: u32, parity: u32): Reason {
  if (!superblockMagic(sector, kind)) return Reason.MAGIC;
  const copy = load<u64>(sector, SUPERBLOCK_COPY_CHECKSUM);
  if (xxh64(sector, SUPERBLOCK_COPY_CHECKSUM, 0) !== copy) return Reason.CHECKSUM;
  const body = superblockBodyChecksum(sector);
  if (xxh64(sector, SUPERBLOCK_BODY_CHECKSUM, 0) !== body) return Reason.CHECKSUM;
  if (load<u64>(sector, SUPERBLOCK_SELF_LBA) !== <u64>lba) return Reason.SELF_LBA;
  if (load<u64>(sector, SUPERBLOCK_RESERVED) !== 0) return Reason.PADDING;
  const epoch = superblockEpoch(sector);
  if (epoch === 0 || (epoch & 1) !== <u64>parity) return Reason.FIELD;
  return Reason.NONE;
}

/** NONE if the geometry of a valid superblock is one that mkfs or grow may have made. */
export function geometryCheck(superblock: usize): Reason {
  const sectors = load<u64>(superblock, SUPERBLOCK_SECTORS);
  const shift: u32 = load<u8>(superblock, SUPERBLOCK_CHUNK_SHIFT);
  const log = load<u32>(superblock, SUPERBLOCK_LOG_SECTORS);
  if (load<u16>(superblock, SUPERBLOCK_MAJOR) !== <u16>FORMAT_MAJOR) return Reason.VERSION;
  if (load<u8>(superblock, SUPERBLOCK_SECTOR_SHIFT) !== 9) return Reason.FIELD;
  if (load<u8>(superblock, SUPERBLOCK_PAGE_SHIFT) !== <u8>PAGE_SHIFT) return Reason.FIELD;
  if (load<u8>(superblock, SUPERBLOCK_CHECKSUM_KIND) !== <u8>CHECKSUM_XXH64) return Reason.FIELD;
  if (shift < CHUNK_SHIFT_MIN || shift > CHUNK_SHIFT_MAX) return Reason.FIELD;
  if (log > LOG_SECTORS_MAX || (log & 7) !== 0 || (sectors & 7) !== 0) return Reason.FIELD;
  const first = load<u32>(superblock, SUPERBLOCK_FIRST_CHUNK);
  if (first !== firstChunkLba(log, shift) || <u64>first >= sectors) return Reason.FIELD;
  const chunks = (sectors - <u64>first) >>> <u64>(shift - 9);
  return chunks === 0 || chunks > <u64>CHUNKS_MAX ? Reason.FIELD : Reason.NONE;
}

/** LBA of chunk 0: the first chunk boundary behind head and log ring. */
export function firstChunkLba(logSectors: u32, chunkShift: u32): u32 {
  const chunk: u32 = 1 << (chunkShift - 9);
  return (HEAD_SECTORS + logSectors + chunk - 1) & ~(chunk - 1);
}

/** C6: writes the sealed superblock at `superblock` to its slot. */
export function slotWrite(volume: Volume, superblock: usize): ErrorCode {
  const device = volume.region.device;
  const base = slotsLba(volume.kind);
  const parity = <u32>(superblockEpoch(superblock) & 1);
  const size = max<u32>(SECTOR_SIZE, device.blockSize);
  const lba = base + parity;
  const own = volume.slots + <usize>(parity << 9);
  superblockCopy(superblock, lba, own);
  volume.slotsValid |= 1 << parity;
  // What a torn write left behind the slots goes with the next slot; mirror(N) is durable by then.
  const whole = size !== SECTOR_SIZE || volume.slotsSpoilt;
  if (!whole) return deviceWrite(device, lba, own, SECTOR_SIZE);
  // One block holds both slots: the other one's bytes are those that were verified, or zeros.
  if ((volume.slotsValid & (1 << (parity ^ 1))) === 0) {
    memory.fill(volume.slots + <usize>((parity ^ 1) << 9), 0, SECTOR_SIZE);
  }
  memory.fill(block, 0, HEAD_BLOCK_SIZE);
  memory.copy(block, volume.slots, SECTOR_SIZE * 2);
  return deviceWrite(device, base, block, HEAD_BLOCK_SIZE);
}

/**
 * C1: writes mirror(N), with the zeros behind it: a torn block is whole again after the next one.
 * It is done only once a FLUSH after it has succeeded (R1).
 */
export function mirrorWrite(volume: Volume, superblock: usize): ErrorCode {
  const device = volume.region.device;
  const lba = mirrorLba(volume.kind, superblockEpoch(superblock));
  memory.fill(block, 0, HEAD_BLOCK_SIZE);
  superblockCopy(superblock, lba, block);
  return deviceWrite(device, lba, block, HEAD_BLOCK_SIZE);
}

/** C0a, C5, T4: both slots must be what this session knows; ESTALE if someone else wrote one. */
export function slotsFence(volume: Volume): ErrorCode {
  // Planted 9: no fence, so a second writer goes unnoticed.
  if (planted(9)) return ErrorCode.OK;
  const device = volume.region.device;
  const lba = slotsLba(volume.kind);
  const code = deviceRead(device, lba, fenced, SECTORS_PER_PAGE * SECTOR_SIZE);
  if (code !== ErrorCode.OK) return code;
  const behind = SECTOR_SIZE * 2;
  volume.slotsSpoilt = !isZero(fenced + <usize>behind, HEAD_BLOCK_SIZE - behind);
  if (equalBytes(fenced, volume.slots, behind)) return ErrorCode.OK;
  return deviceFail(device, ErrorCode.ESTALE, Reason.FENCE, lba, 0);
}
