/**
 * The volume's own blocks: superblocks, descriptors and what is kept for more of them, bitmaps,
 * tables of inodes, the journal. No file gives one back, and none is given out, whatever extents
 * and bitmaps say.
 *
 * Interface: systemFind() once; then `change.system` has them as runs in order, none of which
 * meet.
 */
import { lastFault } from "../../../../engine/fault";
import { ErrorCode } from "../../../../format/errors";
import {
  blockBitmapOf,
  descriptorAt,
  inodeBitmapOf,
  inodeTableOf,
  tableBlocks,
} from "../../read/groups";
import { groupStart } from "../../read/volume";
import { groupFail, ownBlocks } from "./groups";
import { Change, RUN_SIZE, Runs, runsAdd } from "./state";

/** What each pass over the groups adds: neighbours of one kind become one run. */
const PASS_OWN: u32 = 0;
const PASS_BLOCK_BITMAP: u32 = 1;
const PASS_INODE_BITMAP: u32 = 2;
const PASS_TABLE: u32 = 3;

/** Fills `change.system`. EBADMSG: a descriptor is damaged; EFBIG, ENOMEM, EIO. */
export function systemFind(change: Change): ErrorCode {
  for (let pass: u32 = 0; pass <= PASS_TABLE; pass++) {
    for (let group: u32 = 0; group < change.ext4.groups; group++) {
      const code = addOf(change, group, pass);
      if (code !== ErrorCode.OK) return code;
    }
  }
  const log = change.log;
  for (let index: u32 = 0; index < log.runCount; index++) {
    const at = log.runs + <usize>(index * 16);
    const code = runsAdd(change.system, load<u64>(at), <u32>load<u64>(at, 8), 0);
    if (code !== ErrorCode.OK) return code;
  }
  sort(change.system);
  join(change.system);
  return ErrorCode.OK;
}

/** True if one of the volume's own blocks is among `count` blocks from `start` on. */
export function systemHas(change: Change, start: u64, count: u64): bool {
  const next = systemNext(change, start);
  return next < change.system.count && startOf(change.system, next) < start + count;
}

/** Index of the first run that ends behind block `block`; their number: there is none. */
export function systemNext(change: Change, block: u64): u32 {
  const runs = change.system;
  let low: u32 = 0;
  let high = runs.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (endOf(runs, middle) <= block) low = middle + 1;
    else high = middle;
  }
  return low;
}

function addOf(change: Change, group: u32, pass: u32): ErrorCode {
  const ext4 = change.ext4;
  const runs = change.system;
  if (pass === PASS_OWN) {
    // The boot block stands in front of the first group of blocks of 1 KiB.
    const first = group === 0 ? 0 : groupStart(ext4, group);
    const own = <u64>ownBlocks(ext4, group) + groupStart(ext4, group) - first;
    return own === 0 ? ErrorCode.OK : runsAdd(runs, first, <u32>own, 0);
  }
  const at = descriptorAt(ext4, group);
  if (at === 0) return lastFault();
  let block = inodeTableOf(ext4, at);
  if (pass === PASS_BLOCK_BITMAP) block = blockBitmapOf(ext4, at);
  else if (pass === PASS_INODE_BITMAP) block = inodeBitmapOf(ext4, at);
  const count = pass === PASS_TABLE ? tableBlocks(ext4) : 1;
  if (block >= ext4.blocks || <u64>count > ext4.blocks - block) return groupFail(ext4, group);
  return runsAdd(runs, block, count, 0);
}

/** Orders the runs by where they begin: a heap, as they may come in any order. */
function sort(runs: Runs): void {
  for (let index = runs.count >>> 1; index > 0; index--) sink(runs, index - 1, runs.count);
  for (let end = runs.count; end > 1; end--) {
    swap(runs, 0, end - 1);
    sink(runs, 0, end - 1);
  }
}

function sink(runs: Runs, from: u32, count: u32): void {
  let index = from;
  while (true) {
    let larger = (index << 1) + 1;
    if (larger >= count) return;
    const other = larger + 1;
    if (other < count && startOf(runs, other) > startOf(runs, larger)) larger = other;
    if (startOf(runs, index) >= startOf(runs, larger)) return;
    swap(runs, index, larger);
    index = larger;
  }
}

function swap(runs: Runs, one: u32, other: u32): void {
  const first = runs.at + <usize>(one * RUN_SIZE);
  const second = runs.at + <usize>(other * RUN_SIZE);
  for (let byte: usize = 0; byte < <usize>RUN_SIZE; byte += 8) {
    const kept = load<u64>(first + byte);
    store<u64>(first + byte, load<u64>(second + byte));
    store<u64>(second + byte, kept);
  }
}

/** Runs that meet become one. */
function join(runs: Runs): void {
  let last: u32 = 0;
  for (let index: u32 = 1; index < runs.count; index++) {
    const end = max<u64>(endOf(runs, last), endOf(runs, index));
    const length = end - startOf(runs, last);
    if (startOf(runs, index) <= endOf(runs, last) && length <= 0xffffffff) {
      store<u32>(runs.at + <usize>(last * RUN_SIZE), <u32>length, 8);
      continue;
    }
    last += 1;
    if (last !== index) swap(runs, last, index);
  }
  if (runs.count > 0) runs.count = last + 1;
}

function startOf(runs: Runs, index: u32): u64 {
  return load<u64>(runs.at + <usize>(index * RUN_SIZE));
}

function endOf(runs: Runs, index: u32): u64 {
  return startOf(runs, index) + <u64>load<u32>(runs.at + <usize>(index * RUN_SIZE), 8);
}
