/**
 * The checksums of ext4 with metadata_csum: CRC-32C that starts at ~0 and is not inverted at the
 * end, seeded with the uuid of the volume and with what says whose block it is.
 *
 * Interface: each function answers what belongs into the field; none stores it. A field inside the
 * summed bytes counts as zero, whatever stands there.
 * Source: Linux kernel documentation, filesystems/ext4, "Checksums" and "Journal (jbd2)".
 */
import { crc32c } from "../../../engine/hash/crc";
import { GROUP_CHECKSUM, SUPER_CHECKSUM } from "../../../format/media/ext4";
import {
  EXTENTS_MAX,
  EXTENTS_SIZE,
  INODE_CHECKSUM_HIGH,
  INODE_CHECKSUM_LOW,
  INODE_EXTRA,
  INODE_SIZE_SMALL,
} from "../../../format/media/ext4-inode";
import {
  INDEX_ENTRY_SIZE,
  INDEX_TAIL_CHECKSUM,
  LEAF_TAIL_SIZE,
  XATTR_BLOCK_CHECKSUM,
} from "../../../format/media/ext4-names";
import { COMMIT_CHECKSUM, JOURNAL_CHECKSUM, JOURNAL_SIZE } from "../../../format/media/jbd2";

const word: usize = memory.data(8, 8);
const zero: usize = memory.data(8, 8);
const UUID_SIZE: u32 = 16;

/** The register goes on from `seed` without an inversion at either end. */
export function sum(seed: u32, address: usize, length: u32): u32 {
  return ~crc32c(~seed, address, length);
}

export function sumU32(seed: u32, value: u32): u32 {
  store<u32>(word, value);
  return sum(seed, word, 4);
}

/** `length` bytes at `address`, of which `size` (at most 8) at `field` count as zero. */
export function sumAround(seed: u32, address: usize, length: u32, field: u32, size: u32): u32 {
  const head = sum(sum(seed, address, field), zero, size);
  return sum(head, address + field + size, length - field - size);
}

/** Seed of a volume: of its 16 bytes of uuid (or what SUPER_CHECKSUM_SEED says, with CSUM_SEED). */
export function volumeSeed(uuid: usize): u32 {
  return sum(0xffffffff, uuid, UUID_SIZE);
}

/** SUPER_CHECKSUM; no seed, for the uuid stands in it. */
export function superSum(at: usize): u32 {
  return sum(0xffffffff, at, SUPER_CHECKSUM);
}

/** GROUP_CHECKSUM of group `number`: 16 bits. `size`: of a descriptor, 32 or 64. */
export function groupSum(seed: u32, number: u32, at: usize, size: u32): u32 {
  return sumAround(sumU32(seed, number), at, size, GROUP_CHECKSUM, 2) & 0xffff;
}

/**
 * Of a bitmap: `bytes` are those that the group has (blocks or inodes / 8), not all of the block.
 * 32 bits in two halves, or the lower one alone where descriptors have 32 bytes.
 */
export function bitmapSum(seed: u32, at: usize, bytes: u32): u32 {
  return sum(seed, at, bytes);
}

/** Seed of everything that belongs to one inode. */
export function inodeSeed(seed: u32, number: u32, generation: u32): u32 {
  return sumU32(sumU32(seed, number), generation);
}

/** Of an inode of `size` bytes: two halves, or one where extra does not reach the upper. */
export function inodeSum(seed: u32, at: usize, size: u32): u32 {
  let crc = sumAround(seed, at, INODE_SIZE_SMALL, INODE_CHECKSUM_LOW, 2);
  if (size <= INODE_SIZE_SMALL) return crc & 0xffff;
  const rest = at + INODE_SIZE_SMALL;
  const length = size - INODE_SIZE_SMALL;
  const hasHigh = INODE_SIZE_SMALL + <u32>load<u16>(at, INODE_EXTRA) >= INODE_CHECKSUM_HIGH + 2;
  if (!hasHigh) return sum(crc, rest, length) & 0xffff;
  crc = sumAround(crc, rest, length, INODE_CHECKSUM_HIGH - INODE_SIZE_SMALL, 2);
  return crc;
}

/** EXTENT_TAIL of a node in a block; the seed is the inode's. */
export function extentSum(seed: u32, at: usize): u32 {
  return sum(seed, at, extentTailAt(at));
}

/** Byte of the node where its tail stands: behind all entries that would fit. */
export function extentTailAt(at: usize): u32 {
  return EXTENTS_SIZE + <u32>load<u16>(at, EXTENTS_MAX) * EXTENTS_SIZE;
}

/** LEAF_TAIL of a block of entries; the seed is the inode's. */
export function leafSum(seed: u32, at: usize, blockSize: u32): u32 {
  return sum(seed, at, blockSize - LEAF_TAIL_SIZE);
}

/**
 * INDEX_TAIL of a root or node of an index: `countAt` is where its limit stands, INDEX_ROOT_LIMIT
 * or INDEX_NODE_LIMIT, and the tail follows the entries that would fit. The seed is the inode's.
 */
export function indexSum(seed: u32, at: usize, countAt: u32): u32 {
  const count = <u32>load<u16>(at + countAt, 2);
  const crc = sum(seed, at, countAt + count * INDEX_ENTRY_SIZE);
  // The reserved word of the tail counts, its checksum as zero.
  return sum(sum(crc, indexTailAt(at, countAt), INDEX_TAIL_CHECKSUM), zero, 4);
}

export function indexTailAt(at: usize, countAt: u32): usize {
  return at + countAt + <u32>load<u16>(at + countAt) * INDEX_ENTRY_SIZE;
}

/** XATTR_BLOCK_CHECKSUM of block `number` of the volume; the seed is the volume's. */
export function xattrSum(seed: u32, number: u64, at: usize, blockSize: u32): u32 {
  store<u64>(word, number);
  return sumAround(sum(seed, word, 8), at, blockSize, XATTR_BLOCK_CHECKSUM, 4);
}

/** JOURNAL_CHECKSUM of the superblock of a journal; stored big-endian, as all of these. */
export function journalSum(at: usize): u32 {
  return sumAround(0xffffffff, at, JOURNAL_SIZE, JOURNAL_CHECKSUM, 4);
}

/** Seed of the blocks of a journal: of the uuid in its superblock. */
export function journalSeed(uuid: usize): u32 {
  return volumeSeed(uuid);
}

/** JOURNAL_TAIL at the end of a descriptor or of revocations. */
export function journalBlockSum(seed: u32, at: usize, blockSize: u32): u32 {
  return sumAround(seed, at, blockSize, blockSize - 4, 4);
}

/** COMMIT_CHECKSUM of a commit block. */
export function commitSum(seed: u32, at: usize, blockSize: u32): u32 {
  return sumAround(seed, at, blockSize, COMMIT_CHECKSUM, 4);
}

/** Of a logged block, as it stands in the log; a small tag keeps the lower half. */
export function tagSum(seed: u32, sequence: u32, at: usize, blockSize: u32): u32 {
  return sum(sumU32(seed, bswap<u32>(sequence)), at, blockSize);
}
