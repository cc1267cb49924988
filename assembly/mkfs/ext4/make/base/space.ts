/**
 * Space of a new volume: blocks are given out in order from the first one on, around the metadata
 * and the journal, so every block below the frontier is in use and a bitmap follows from that.
 *
 * Interface: what a node got is known by its first block and its number of blocks; `runFrom` walks
 * over the same runs again. `blockOut` gathers blocks that stand side by side to large writes.
 */
import { deviceWrite } from "../../../../engine/device";
import { ErrorCode } from "../../../../format/errors";
import { BLOCK_SECTORS, BLOCK_SHIFT, BLOCK_SIZE } from "../../../../format/media/ext4";
import { EXTENT_LENGTH_MAX } from "../../../../format/media/ext4-inode";
import { metaEnd, metaNext } from "../../base/geometry";
import { BUFFER_BYTES, Build } from "./build";

/** The run that runFrom found; runStart is not below the blocks of the volume: there is none. */
export let runStart: u64 = 0;
export let runEnd: u64 = 0;

/** The next run from `block` on without metadata, nor blocks of the journal if `around`. */
export function runFrom(build: Build, block: u64, around: bool): void {
  const geometry = build.geometry;
  let at = block;
  for (;;) {
    if (at >= geometry.blocks) break;
    let next = metaEnd(geometry, at);
    if (around) next = journalEnd(build, next);
    if (next === at) break;
    at = next;
  }
  runStart = at;
  runEnd = at;
  if (at >= geometry.blocks) return;
  runEnd = metaNext(geometry, at);
  if (!around) return;
  for (let index: u32 = 0; index < build.journalSpans; index++) {
    const begin = load<u64>(build.journal + ((<usize>index) << 4));
    if (begin > at && begin < runEnd) runEnd = begin;
  }
}

function journalEnd(build: Build, block: u64): u64 {
  for (let index: u32 = 0; index < build.journalSpans; index++) {
    const span = build.journal + ((<usize>index) << 4);
    if (block >= load<u64>(span) && block < load<u64>(span, 8)) return load<u64>(span, 8);
  }
  return block;
}

/** The first of `blocks` blocks; what there is no room for is counted as missing. */
export function take(build: Build, blocks: u64): u64 {
  let first: u64 = 0;
  let left = blocks;
  while (left > 0) {
    runFrom(build, build.frontier, true);
    if (runStart >= build.geometry.blocks) {
      build.missing += left;
      break;
    }
    if (left === blocks) first = runStart;
    const piece = min<u64>(left, runEnd - runStart);
    build.frontier = runStart + piece;
    build.taken += piece;
    left -= piece;
  }
  return first;
}

/** The block behind `block`, of the same node. */
export function following(build: Build, block: u64): u64 {
  runFrom(build, block + 1, true);
  return runStart;
}

/** How many extents the blocks of a node take. */
export function extentsOf(build: Build, first: u64, blocks: u64, around: bool): u32 {
  let extents: u32 = 0;
  let at = first;
  let left = blocks;
  while (left > 0) {
    runFrom(build, at, around);
    if (runStart >= build.geometry.blocks) break;
    const piece = min<u64>(left, runEnd - runStart);
    extents += <u32>((piece + <u64>EXTENT_LENGTH_MAX - 1) / <u64>EXTENT_LENGTH_MAX);
    at = runStart + piece;
    left -= piece;
  }
  return extents;
}

/** Address of zeros that will be written as `block`, to be filled before the next call. */
export function blockOut(build: Build, block: u64): usize {
  const isNext = block === build.at + <u64>(build.filled >>> BLOCK_SHIFT);
  if (!isNext || build.filled === BUFFER_BYTES) {
    if (bufferFlush(build) !== ErrorCode.OK) return 0;
    build.at = block;
  }
  const address = build.buffer + build.filled;
  memory.fill(address, 0, BLOCK_SIZE);
  build.filled += BLOCK_SIZE;
  return address;
}

/** Writes what has gathered. */
export function bufferFlush(build: Build): ErrorCode {
  if (build.filled === 0) return ErrorCode.OK;
  const code = deviceWrite(build.device, sectorOf(build.at), build.buffer, build.filled);
  build.at += <u64>(build.filled >>> BLOCK_SHIFT);
  build.filled = 0;
  return code;
}

export function sectorOf(block: u64): u64 {
  return block * <u64>BLOCK_SECTORS;
}
