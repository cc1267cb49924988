/** Inodes: taken, filled, stored with their checksum, and given back. */
import { failPlain, lastFault } from "../../../../engine/fault";
import { ErrorCode } from "../../../../format/errors";
import { Ext4Refusal } from "../../../../format/media/calls-ext4";
import {
  GROUP_DIRECTORIES_HIGH,
  GROUP_DIRECTORIES_LOW,
  GROUP_FLAG_INODES_UNUSED,
  GROUP_FREE_INODES_HIGH,
  GROUP_FREE_INODES_LOW,
  GROUP_UNUSED_INODES_HIGH,
  GROUP_UNUSED_INODES_LOW,
  READ_ONLY_DIRECTORY_LINKS,
  READ_ONLY_HUGE_FILE,
  SUPER_EXTRA_WANTED,
  SUPER_FIRST_INODE,
  SUPER_FREE_INODES,
} from "../../../../format/media/ext4";
import {
  EXTENT_MAGIC,
  EXTENTS_IN_INODE,
  EXTENTS_MAGIC,
  EXTENTS_MAX,
  EXTRA_EPOCH_MASK,
  EXTRA_NANOSECONDS_SHIFT,
  INODE_ACCESSED_AT,
  INODE_ACCESSED_EXTRA,
  INODE_BLOCK,
  INODE_BLOCK_SIZE,
  INODE_BLOCKS_HIGH,
  INODE_BLOCKS_LOW,
  INODE_CHANGED_AT,
  INODE_CHANGED_EXTRA,
  INODE_CHECKSUM_HIGH,
  INODE_CHECKSUM_LOW,
  INODE_CREATED_AT,
  INODE_CREATED_EXTRA,
  INODE_DELETED_AT,
  INODE_EXTRA,
  INODE_EXTRA_WANTED,
  INODE_FIRST,
  INODE_FLAG_APPEND,
  INODE_FLAG_ENCRYPTED,
  INODE_FLAG_EXTENTS,
  INODE_FLAG_HUGE,
  INODE_FLAG_IMMUTABLE,
  INODE_FLAG_INLINE,
  INODE_FLAG_VERITY,
  INODE_FLAG_XATTR,
  INODE_FLAGS,
  INODE_GENERATION,
  INODE_LINKS,
  INODE_LINKS_MAX,
  INODE_MODE,
  INODE_MODIFIED_AT,
  INODE_MODIFIED_EXTRA,
  INODE_SIZE_HIGH,
  INODE_SIZE_LOW,
  INODE_SIZE_SMALL,
  MODE_DIRECTORY,
  MODE_TYPE,
} from "../../../../format/media/ext4-inode";
import { inodeSum, sumU32 } from "../../base/sums";
import { countOf, descriptorAt, hasGroupSums, tableStart } from "../../read/groups";
import { inodeParse, inodeRead } from "../../read/inode";
import { Ext4, Inode, USE_TABLE } from "../../read/volume";
import {
  bitsGive,
  bitsSet,
  countStore,
  groupChange,
  groupFail,
  inodesChange,
  inodesSeal,
  isUnused,
} from "./groups";
import { blockChange, blockFresh, Change, refuse } from "./state";

/** Nobody but who set these flags may change what has one of them, or we do not know how. */
const STRANGE: u32 =
  INODE_FLAG_IMMUTABLE |
  INODE_FLAG_APPEND |
  INODE_FLAG_ENCRYPTED |
  INODE_FLAG_VERITY |
  INODE_FLAG_XATTR |
  INODE_FLAG_INLINE;
const SECTORS_SMALL: u64 = 0xffffffff;

/** Reads an inode that is going to be changed. EPERM: a flag forbids it; EBADMSG, EIO. */
export function inodeTouch(change: Change, number: u32, inode: Inode): ErrorCode {
  const ext4 = change.ext4;
  const code = inodeRead(ext4, number, inode);
  if (code !== ErrorCode.OK || (inode.flags & STRANGE) === 0) return code;
  return refuse(ext4, ErrorCode.EPERM, Ext4Refusal.INODE, inode.tableBlock);
}

/** Stores `inode.raw` with its checksum, and takes it apart again. */
export function inodeStore(change: Change, inode: Inode): ErrorCode {
  const ext4 = change.ext4;
  const raw = inode.raw;
  inodeParse(ext4, inode.number, inode);
  if (ext4.hasChecksums) {
    const sum = inodeSum(inode.seed, raw, ext4.inodeSize);
    store<u16>(raw, <u16>sum, INODE_CHECKSUM_LOW);
    const hasHigh = INODE_SIZE_SMALL + inode.extra >= INODE_CHECKSUM_HIGH + 2;
    if (hasHigh) store<u16>(raw, <u16>(sum >>> 16), INODE_CHECKSUM_HIGH);
  }
  const block = blockChange(change, inode.tableBlock, USE_TABLE);
  if (block === 0) return lastFault();
  memory.copy(block + <usize>inode.tableByte, raw, ext4.inodeSize);
  return ErrorCode.OK;
}

/**
 * Takes a free inode, in the group of `near` if there is one, and makes `inode` a new one of `mode`
 * without content; it is stored by whoever fills it. ENOSPC, EBADMSG, EIO.
 */
export function inodeNew(change: Change, near: u32, mode: u32, inode: Inode): ErrorCode {
  const ext4 = change.ext4;
  const first = (near - 1) / ext4.groupInodes;
  for (let step: u32 = 0; step < ext4.groups; step++) {
    const group = (first + step) % ext4.groups;
    const code = takeIn(change, group, (mode & MODE_TYPE) === MODE_DIRECTORY, inode);
    if (code === ErrorCode.ENOSPC) continue;
    return code === ErrorCode.OK ? fill(change, mode, inode) : code;
  }
  return failPlain(ErrorCode.ENOSPC);
}

/** Gives the inode back, whose content and attributes are given back already. */
export function inodeFree(change: Change, inode: Inode): ErrorCode {
  const ext4 = change.ext4;
  const raw = inode.raw;
  const isDirectory = inode.type === MODE_DIRECTORY;
  const group = (inode.number - 1) / ext4.groupInodes;
  const bitmap = inodesChange(change, group);
  if (bitmap === 0) return lastFault();
  if (!bitsGive(bitmap, (inode.number - 1) % ext4.groupInodes, 1)) return groupFail(ext4, group);
  const at = groupChange(change, group);
  if (at === 0) return lastFault();
  const free = countOf(ext4, at, GROUP_FREE_INODES_LOW, GROUP_FREE_INODES_HIGH);
  const directories = countOf(ext4, at, GROUP_DIRECTORIES_LOW, GROUP_DIRECTORIES_HIGH);
  if (free >= ext4.groupInodes || (isDirectory && directories === 0)) return groupFail(ext4, group);
  countAdd(ext4, at, GROUP_FREE_INODES_LOW, GROUP_FREE_INODES_HIGH, 1);
  if (isDirectory) countAdd(ext4, at, GROUP_DIRECTORIES_LOW, GROUP_DIRECTORIES_HIGH, -1);
  inodesSeal(ext4, group, bitmap, at);
  superInodes(change, 1);
  store<u16>(raw, 0, INODE_LINKS);
  store<u32>(raw, <u32>change.seconds, INODE_DELETED_AT);
  store<u32>(raw, 0, INODE_SIZE_LOW);
  store<u32>(raw, 0, INODE_SIZE_HIGH);
  store<u32>(raw, load<u32>(raw, INODE_FLAGS) & INODE_FLAG_EXTENTS, INODE_FLAGS);
  memory.fill(raw + INODE_BLOCK, 0, INODE_BLOCK_SIZE);
  if ((load<u32>(raw, INODE_FLAGS) & INODE_FLAG_EXTENTS) !== 0) rootStore(raw);
  return inodeStore(change, inode);
}

/** Adds to the links of an inode. EMLINK. A directory with too many of them says 1. */
export function linksAdd(change: Change, number: u32, delta: i32): ErrorCode {
  const inode = change.two;
  const code = inodeTouch(change, number, inode);
  if (code !== ErrorCode.OK) return code;
  const isDirectory = inode.type === MODE_DIRECTORY;
  let links = inode.links;
  // A directory that says 1 has more than it can count, and goes on saying so.
  const counts = !isDirectory || (delta > 0 ? links > 1 : links > 2);
  if (counts) links = <u32>(<i32>links + delta);
  if (links > INODE_LINKS_MAX) {
    const canLose = (change.ext4.readOnlyFeatures & READ_ONLY_DIRECTORY_LINKS) !== 0;
    if (!isDirectory || !canLose) return failPlain(ErrorCode.EMLINK);
    links = 1;
  }
  store<u16>(inode.raw, <u16>links, INODE_LINKS);
  timeStore(change, inode, INODE_CHANGED_AT, INODE_CHANGED_EXTRA);
  return inodeStore(change, inode);
}

/** The content of an inode changed now. */
export function timesTouch(change: Change, inode: Inode): void {
  timeStore(change, inode, INODE_CHANGED_AT, INODE_CHANGED_EXTRA);
  timeStore(change, inode, INODE_MODIFIED_AT, INODE_MODIFIED_EXTRA);
}

/** Now, as far as the inode has room for it; its lower 32 bits are read with their sign. */
export function timeStore(change: Change, inode: Inode, field: u32, extra: u32): void {
  const seconds = change.seconds;
  store<u32>(inode.raw + field, <u32>seconds);
  const used = INODE_SIZE_SMALL + inode.extra;
  if (extra + 4 > used) return;
  const epoch = <u32>((seconds - <i64>(<i32>seconds)) >> 32) & EXTRA_EPOCH_MASK;
  const value = (change.nanoseconds << EXTRA_NANOSECONDS_SHIFT) | epoch;
  store<u32>(inode.raw + extra, value);
}

export function sizeStore(inode: Inode, bytes: u64): void {
  store<u32>(inode.raw, <u32>bytes, INODE_SIZE_LOW);
  store<u32>(inode.raw, <u32>(bytes >>> 32), INODE_SIZE_HIGH);
  inode.size = bytes;
}

/** Sectors that an inode takes. EFBIG: more than a volume without huge_file counts. */
export function sectorsStore(ext4: Ext4, inode: Inode, sectors: u64): ErrorCode {
  const canCount = (ext4.readOnlyFeatures & READ_ONLY_HUGE_FILE) !== 0;
  if (!canCount && sectors > SECTORS_SMALL) return failPlain(ErrorCode.EFBIG);
  const isHuge = (inode.flags & INODE_FLAG_HUGE) !== 0;
  const told = isHuge ? sectors / <u64>ext4.blockSectors : sectors;
  store<u32>(inode.raw, <u32>told, INODE_BLOCKS_LOW);
  if (canCount) store<u16>(inode.raw, <u16>(told >>> 32), INODE_BLOCKS_HIGH);
  inode.sectors = sectors;
  return ErrorCode.OK;
}

/** An empty root of extents. */
export function rootStore(raw: usize): void {
  const root = raw + INODE_BLOCK;
  memory.fill(root, 0, INODE_BLOCK_SIZE);
  store<u16>(root, EXTENT_MAGIC, EXTENTS_MAGIC);
  store<u16>(root, EXTENTS_IN_INODE, EXTENTS_MAX);
}

function takeIn(change: Change, group: u32, isDirectory: bool, inode: Inode): ErrorCode {
  const ext4 = change.ext4;
  let at = descriptorAt(ext4, group);
  if (at === 0) return lastFault();
  if (countOf(ext4, at, GROUP_FREE_INODES_LOW, GROUP_FREE_INODES_HIGH) === 0) {
    return ErrorCode.ENOSPC;
  }
  const used = usedInodes(ext4, at);
  if (used > ext4.groupInodes) return groupFail(ext4, group);
  const bitmap = inodesChange(change, group);
  if (bitmap === 0) return lastFault();
  const index = freeBit(ext4, group, bitmap);
  // The first inode that is not reserved may be told to be behind the group.
  if (index >= ext4.groupInodes) return groupFail(ext4, group);
  bitsSet(bitmap, index, 1);
  at = groupChange(change, group);
  if (at === 0) return lastFault();
  countAdd(ext4, at, GROUP_FREE_INODES_LOW, GROUP_FREE_INODES_HIGH, -1);
  if (isDirectory) countAdd(ext4, at, GROUP_DIRECTORIES_LOW, GROUP_DIRECTORIES_HIGH, 1);
  if (hasGroupSums(ext4) && index >= used) {
    const rest = ext4.groupInodes - index - 1;
    countStore(ext4, at, GROUP_UNUSED_INODES_LOW, GROUP_UNUSED_INODES_HIGH, rest);
  }
  inodesSeal(ext4, group, bitmap, at);
  superInodes(change, -1);
  return place(change, group, index, used, inode);
}

/** Inodes at the start of a table that were in use some time. */
function usedInodes(ext4: Ext4, at: usize): u32 {
  if (!hasGroupSums(ext4)) return ext4.groupInodes;
  if (isUnused(ext4, at, GROUP_FLAG_INODES_UNUSED)) return 0;
  return ext4.groupInodes - countOf(ext4, at, GROUP_UNUSED_INODES_LOW, GROUP_UNUSED_INODES_HIGH);
}

function freeBit(ext4: Ext4, group: u32, bitmap: usize): u32 {
  const reserved = max<u32>(load<u32>(ext4.super, SUPER_FIRST_INODE), INODE_FIRST) - 1;
  let bit: u32 = group === 0 ? reserved : 0;
  while (bit < ext4.groupInodes) {
    const byte = <u32>load<u8>(bitmap + <usize>(bit >>> 3));
    if (((byte >>> (bit & 7)) & 1) === 0) return bit;
    bit += 1;
  }
  return bit;
}

/** Where inode `index` of a group stands. A block of the table with none in use yet is zeroed. */
function place(change: Change, group: u32, index: u32, used: u32, inode: Inode): ErrorCode {
  const ext4 = change.ext4;
  const table = tableStart(ext4, group);
  if (table === 0) return lastFault();
  const at = index * ext4.inodeSize;
  const perBlock = ext4.blockSize / ext4.inodeSize;
  const block = table + <u64>(at >>> ext4.blockShift);
  const isFresh = index - (index % perBlock) >= used;
  const content = isFresh
    ? blockFresh(change, block, USE_TABLE)
    : blockChange(change, block, USE_TABLE);
  if (content === 0) return lastFault();
  // What stands behind the last inode that was ever in use is nobody's.
  for (let each = used; each < index; each++) {
    if (each / perBlock !== index / perBlock) continue;
    memory.fill(content + <usize>((each % perBlock) * ext4.inodeSize), 0, ext4.inodeSize);
  }
  inode.number = group * ext4.groupInodes + index + 1;
  inode.tableBlock = block;
  inode.tableByte = at & (ext4.blockSize - 1);
  return ErrorCode.OK;
}

function fill(change: Change, mode: u32, inode: Inode): ErrorCode {
  const ext4 = change.ext4;
  const raw = inode.raw;
  memory.fill(raw, 0, ext4.inodeSize);
  store<u16>(raw, <u16>mode, INODE_MODE);
  store<u16>(raw, 1, INODE_LINKS);
  store<u32>(raw, INODE_FLAG_EXTENTS, INODE_FLAGS);
  // The next inode of the same number is another one.
  const moment = sumU32(sumU32(ext4.seed, <u32>change.seconds), change.nanoseconds);
  const generation = sumU32(sumU32(moment, inode.number), <u32>change.operation);
  store<u32>(raw, generation, INODE_GENERATION);
  if (ext4.inodeSize > INODE_SIZE_SMALL) {
    const wanted = <u32>load<u16>(ext4.super, SUPER_EXTRA_WANTED);
    const room = ext4.inodeSize - INODE_SIZE_SMALL;
    const extra = wanted === 0 || wanted > room || (wanted & 3) !== 0 ? INODE_EXTRA_WANTED : wanted;
    store<u16>(raw, <u16>extra, INODE_EXTRA);
  }
  rootStore(raw);
  inodeParse(ext4, inode.number, inode);
  timesTouch(change, inode);
  timeStore(change, inode, INODE_ACCESSED_AT, INODE_ACCESSED_EXTRA);
  if (INODE_CREATED_EXTRA + 4 <= INODE_SIZE_SMALL + inode.extra) {
    timeStore(change, inode, INODE_CREATED_AT, INODE_CREATED_EXTRA);
  }
  return ErrorCode.OK;
}

function superInodes(change: Change, delta: i32): void {
  const at = change.ext4.super;
  store<u32>(at, <u32>(<i32>load<u32>(at, SUPER_FREE_INODES) + delta), SUPER_FREE_INODES);
  change.isSuperNew = true;
}

function countAdd(ext4: Ext4, at: usize, low: u32, high: u32, delta: i32): void {
  countStore(ext4, at, low, high, <u32>(<i32>countOf(ext4, at, low, high) + delta));
}
