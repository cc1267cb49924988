/** The entries of one block in the order of their hashes, so that it can be split by them. */
import { SUPER_HASH_SEED } from "../../../../format/media/ext4";
import {
  ENTRY_INODE,
  ENTRY_LENGTH,
  ENTRY_NAME_LENGTH,
  ENTRY_SIZE,
} from "../../../../format/media/ext4-names";
import { nameHash } from "../../base/hash";
import { entryLength } from "../../read/directory";
import { Ext4 } from "../../read/volume";
import { entryRoom, leafMake, leafRoom } from "./entries";

/** A copy of the block, and for each entry in use its hash (u32) and where it stands (u32). */
const copy: usize = memory.data(4096, 8);
const rows: usize = memory.data(4096, 8);
let count: u32 = 0;

/** Takes the entries of `block` from byte `from` on, and orders them: how many there are. */
export function orderTake(ext4: Ext4, block: usize, from: u32, version: u32): u32 {
  memory.copy(copy, block, ext4.blockSize);
  count = 0;
  const end = leafRoom(ext4);
  for (let at = from; at < end; at += entryLength(copy + <usize>at)) {
    const entry = copy + <usize>at;
    if (load<u32>(entry, ENTRY_INODE) === 0) continue;
    const length = <u32>load<u8>(entry, ENTRY_NAME_LENGTH);
    insert(nameHash(version, entry + ENTRY_SIZE, length, ext4.super + SUPER_HASH_SEED), at);
  }
  return count;
}

/** Hash of entry `index` in that order. */
export function orderHash(index: u32): u32 {
  return load<u32>(rows + <usize>(index << 3));
}

/** Which entry is the first of the upper half, by bytes: at least one is on either side. */
export function orderMiddle(ext4: Ext4): u32 {
  let bytes: u32 = 0;
  let index = count;
  while (index > 1) {
    const size = sizeAt(index - 1);
    if (bytes + (size >>> 1) > ext4.blockSize >>> 1) break;
    bytes += size;
    index -= 1;
  }
  return min<u32>(index, count - 1);
}

/** Makes `block` one of the entries from `first` up to `end`. */
export function orderPut(ext4: Ext4, first: u32, end: u32, block: usize): void {
  leafMake(ext4, block);
  let at: u32 = 0;
  let last: u32 = 0;
  for (let index = first; index < end; index++) {
    const size = sizeAt(index);
    memory.copy(block + <usize>at, entryAt(index), size);
    store<u16>(block + <usize>at, <u16>size, ENTRY_LENGTH);
    last = at;
    at += size;
  }
  if (first < end) store<u16>(block + <usize>last, <u16>(leafRoom(ext4) - last), ENTRY_LENGTH);
}

function entryAt(index: u32): usize {
  return copy + <usize>load<u32>(rows + <usize>(index << 3), 4);
}

function sizeAt(index: u32): u32 {
  return entryRoom(<u32>load<u8>(entryAt(index), ENTRY_NAME_LENGTH));
}

function insert(hash: u32, at: u32): void {
  let index = count;
  while (index > 0 && orderHash(index - 1) > hash) index -= 1;
  const row = rows + <usize>(index << 3);
  memory.copy(row + 8, row, (count - index) << 3);
  store<u32>(row, hash);
  store<u32>(row, at, 4);
  count += 1;
}

if (ENTRY_SIZE + 4 !== 12) ERROR("more entries than rows may fit into a block");
