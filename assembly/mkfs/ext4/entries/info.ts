/** What is told of a volume as a whole. */
import {
  EXT4_INFO_BLOCK_BYTES,
  EXT4_INFO_BLOCKS,
  EXT4_INFO_COMPAT,
  EXT4_INFO_FREE_BLOCKS,
  EXT4_INFO_FREE_INODES,
  EXT4_INFO_INCOMPAT,
  EXT4_INFO_INODE_BYTES,
  EXT4_INFO_INODES,
  EXT4_INFO_JOURNAL_BLOCKS,
  EXT4_INFO_LABEL,
  EXT4_INFO_LABEL_LENGTH,
  EXT4_INFO_ORPHAN,
  EXT4_INFO_OVERLAY_BLOCKS,
  EXT4_INFO_RESERVED_BLOCKS,
  EXT4_INFO_RO_COMPAT,
  EXT4_INFO_SIZE,
  EXT4_INFO_STATE,
  EXT4_INFO_SUPER_GROUP,
  EXT4_INFO_TRANSACTIONS,
  EXT4_INFO_UUID,
  EXT4_IS_IN_DOUBT,
  EXT4_IS_MARKED,
  EXT4_IS_READ_ONLY,
  EXT4_IS_REPLAYED,
} from "../../../format/media/calls-ext4";
import {
  INCOMPATIBLE_64BIT,
  LABEL_SIZE,
  SUPER_FREE_INODES,
  SUPER_LABEL,
  SUPER_ORPHANS,
  SUPER_ROOT_BLOCKS_HIGH,
  SUPER_ROOT_BLOCKS_LOW,
  SUPER_STATE,
  SUPER_STATE_ERRORS,
  SUPER_UUID,
} from "../../../format/media/ext4";
import { freeBlocks } from "../read/groups";
import { Ext4 } from "../read/volume";

/** Writes EXT4_INFO. */
export function infoWrite(ext4: Ext4, out: usize): void {
  const block = ext4.super;
  memory.fill(out, 0, EXT4_INFO_SIZE);
  store<f64>(out, <f64>ext4.blocks, EXT4_INFO_BLOCKS);
  store<f64>(out, <f64>freeBlocks(ext4), EXT4_INFO_FREE_BLOCKS);
  const reserved = wide(ext4, SUPER_ROOT_BLOCKS_LOW, SUPER_ROOT_BLOCKS_HIGH);
  store<f64>(out, <f64>reserved, EXT4_INFO_RESERVED_BLOCKS);
  store<u32>(out, ext4.inodes, EXT4_INFO_INODES);
  store<u32>(out, load<u32>(block, SUPER_FREE_INODES), EXT4_INFO_FREE_INODES);
  store<u32>(out, ext4.blockSize, EXT4_INFO_BLOCK_BYTES);
  store<u32>(out, ext4.inodeSize, EXT4_INFO_INODE_BYTES);
  store<u32>(out, ext4.compatible, EXT4_INFO_COMPAT);
  store<u32>(out, ext4.incompatible, EXT4_INFO_INCOMPAT);
  store<u32>(out, ext4.readOnlyFeatures, EXT4_INFO_RO_COMPAT);
  let state: u32 = ext4.isReadOnly ? EXT4_IS_READ_ONLY : 0;
  if (ext4.isReplayed) state |= EXT4_IS_REPLAYED;
  if (ext4.isMarked) state |= EXT4_IS_MARKED;
  if ((<u32>load<u16>(block, SUPER_STATE) & SUPER_STATE_ERRORS) !== 0) state |= EXT4_IS_IN_DOUBT;
  store<u32>(out, state, EXT4_INFO_STATE);
  store<u32>(out, ext4.superGroup, EXT4_INFO_SUPER_GROUP);
  store<u32>(out, ext4.transactions, EXT4_INFO_TRANSACTIONS);
  store<u32>(out, ext4.overlay.count, EXT4_INFO_OVERLAY_BLOCKS);
  store<u32>(out, ext4.journalBlocks, EXT4_INFO_JOURNAL_BLOCKS);
  store<u32>(out, load<u32>(block, SUPER_ORPHANS), EXT4_INFO_ORPHAN);
  memory.copy(out + EXT4_INFO_UUID, block + SUPER_UUID, 16);
  memory.copy(out + EXT4_INFO_LABEL, block + SUPER_LABEL, LABEL_SIZE);
  let length: u32 = 0;
  while (length < LABEL_SIZE && load<u8>(out + EXT4_INFO_LABEL + length) !== 0) length += 1;
  store<u32>(out, length, EXT4_INFO_LABEL_LENGTH);
}

function wide(ext4: Ext4, low: u32, high: u32): u64 {
  const isLarge = (ext4.incompatible & INCOMPATIBLE_64BIT) !== 0;
  const upper: u64 = isLarge ? <u64>load<u32>(ext4.super + high) : 0;
  return <u64>load<u32>(ext4.super + low) | (upper << 32);
}
