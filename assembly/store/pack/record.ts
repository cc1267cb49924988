/**
 * Pack records: header written and checked. A record proves where it belongs (LBA, tag of its
 * chunk's life) and, by its hash, what it holds.
 */
import { isZero } from "../../engine/bytes";
import { xxh64 } from "../../engine/hash/xxh64";
import { Reason, SECTOR_SHIFT } from "../../format/abi";
import { SUPERBLOCK_UUID } from "../../format/region";
import {
  HASH_SIZE,
  PACK_CHECKSUM,
  PACK_EPOCH,
  PACK_FLAG_SEGMENT,
  PACK_FLAG_TAIL,
  PACK_FLAGS,
  PACK_HASH,
  PACK_HEADER_CHECK,
  PACK_HEADER_LENGTH,
  PACK_LENGTH,
  PACK_MAGIC,
  PACK_MAGIC_WORD,
  PACK_RESERVED,
  PACK_SEGMENT,
  PACK_SEGMENTS,
  PACK_SELF_LBA,
  PACK_SESSION,
  PACK_SIZE,
  PACK_TAG,
  PACK_TAIL_FLUSHED,
  PACK_TAIL_SEQ,
  SEGMENTS_MAX,
} from "../../format/store";
import { Volume } from "../../tree/pages/volume";
import { Store } from "./state";

/** uuid, chunk u32, chunk generation u64. */
const tagSource: usize = memory.data(28, 8);

/** Sectors that a record of `length` payload bytes takes. */
export function packSectors(at: Store, length: u64): u64 {
  const block = (<u64>at.blockSectors) << SECTOR_SHIFT;
  return ((length + PACK_SIZE + block - 1) & ~(block - 1)) >>> SECTOR_SHIFT;
}

/** Payload bytes that fit a record of `sectors`. */
export function packCapacity(sectors: u32): u32 {
  return (sectors << SECTOR_SHIFT) - PACK_SIZE;
}

/** LBA in the region of `sector` of `chunk`. */
export function packLba(at: Store, chunk: u32, sector: u32): u64 {
  return <u64>at.region.firstChunk + <u64>chunk * <u64>at.chunkSectors + <u64>sector;
}

/** The tag of all records of one life of `chunk`. */
export function packTag(volume: Volume, chunk: u32, generation: u64): u64 {
  memory.copy(tagSource, volume.current + SUPERBLOCK_UUID, 16);
  store<u32>(tagSource, chunk, 16);
  store<u64>(tagSource, generation, 20);
  return xxh64(tagSource, 28, 0);
}

/** Writes the header of a record at `header`. `checksum` is of the payload, 0 if it is whole. */
export function packWrite(
  header: usize,
  volume: Volume,
  hash: usize,
  length: u32,
  lba: u64,
  tag: u64,
  segment: u32,
  segments: u32,
  checksum: u64,
): void {
  memory.fill(header, 0, PACK_SIZE);
  store<u32>(header, PACK_MAGIC_WORD, PACK_MAGIC);
  store<u16>(header, <u16>PACK_SIZE, PACK_HEADER_LENGTH);
  store<u16>(header, segments > 1 ? <u16>PACK_FLAG_SEGMENT : 0, PACK_FLAGS);
  store<u64>(header, <u64>length, PACK_LENGTH);
  store<u64>(header, lba, PACK_SELF_LBA);
  store<u64>(header, volume.epoch + 1, PACK_EPOCH);
  memory.copy(header + PACK_HASH, hash, HASH_SIZE);
  store<u32>(header, segment, PACK_SEGMENT);
  store<u32>(header, segments, PACK_SEGMENTS);
  store<u64>(header, tag, PACK_TAG);
  store<u64>(header, checksum, PACK_CHECKSUM);
  store<u64>(header, volume.session, PACK_SESSION);
  store<u64>(header, xxh64(header, PACK_HEADER_CHECK, 0), PACK_HEADER_CHECK);
}

/** What is wrong with the header of a record at `lba` of a chunk with `tag`; NONE if nothing is. */
export function packCheck(header: usize, volume: Volume, lba: u64, tag: u64): Reason {
  if (load<u32>(header, PACK_MAGIC) !== PACK_MAGIC_WORD) return Reason.MAGIC;
  if (load<u64>(header, PACK_HEADER_CHECK) !== xxh64(header, PACK_HEADER_CHECK, 0)) {
    return Reason.CHECKSUM;
  }
  if (load<u64>(header, PACK_SELF_LBA) !== lba) return Reason.SELF_LBA;
  if (load<u64>(header, PACK_TAG) !== tag) return Reason.REGION_TAG;
  if (load<u16>(header, PACK_HEADER_LENGTH) !== <u16>PACK_SIZE) return Reason.FIELD;
  if (!isZero(header + PACK_RESERVED, 16)) return Reason.PADDING;
  // Written in the batch after epoch N - 1 at the earliest, so never newer than the open batch.
  if (load<u64>(header, PACK_EPOCH) > volume.epoch + 1) return Reason.BIRTH;
  const flags = <u32>load<u16>(header, PACK_FLAGS);
  if ((flags & ~(PACK_FLAG_TAIL | PACK_FLAG_SEGMENT)) !== 0) return Reason.FIELD;
  const segments = load<u32>(header, PACK_SEGMENTS);
  if (segments === 0 || segments > SEGMENTS_MAX) return Reason.FIELD;
  if (load<u32>(header, PACK_SEGMENT) >= segments) return Reason.FIELD;
  if (segments > 1 !== ((flags & PACK_FLAG_SEGMENT) !== 0)) return Reason.FIELD;
  if (segments === 1 && load<u64>(header, PACK_CHECKSUM) !== 0) return Reason.FIELD;
  if ((flags & PACK_FLAG_TAIL) !== 0) return Reason.NONE;
  const tail = load<u32>(header, PACK_TAIL_SEQ) | load<u32>(header, PACK_TAIL_FLUSHED);
  return tail === 0 ? Reason.NONE : Reason.FIELD;
}
