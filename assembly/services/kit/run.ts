/**
 * Runs of sectors that come from a file and go to a block device: written, compared, swept. All
 * in pieces of one buffer, so that their size does not matter.
 */
import { block_read, block_write, file_read } from "./cap";

export const SECTOR: u64 = 512;
const PIECE: u64 = 128;
const PIECE_BYTES: i32 = 65_536;

export const piece: usize = memory.data(PIECE_BYTES);
const other: usize = memory.data(PIECE_BYTES);

/** Writes sectors `from` to `to` of the file to the device, whose sector 0 lies at `base`. */
export function writeRun(file: i32, device: i32, base: u64, from: u64, to: u64): bool {
  for (let at = from; at < to; at += PIECE) {
    const count = <i32>min(PIECE, to - at);
    if (!readSectors(file, at, count)) return false;
    if (block_write(device, base + at, count, piece) < 0) return false;
  }
  return true;
}

/** True if sectors `from` to `to` of the file are on the device. */
export function sameRun(file: i32, device: i32, base: u64, from: u64, to: u64): bool {
  for (let at = from; at < to; at += PIECE) {
    const count = <i32>min(PIECE, to - at);
    if (!readSectors(file, at, count)) return false;
    if (block_read(device, base + at, count, other) < 0) return false;
    if (!same(count)) return false;
  }
  return true;
}

/** True if sectors `from` to `to` of the device are zero. */
export function isZero(device: i32, from: u64, to: u64): bool {
  for (let at = from; at < to; at += PIECE) {
    const count = <i32>min(PIECE, to - at);
    if (block_read(device, at, count, other) < 0 || !zeros(other, count)) return false;
  }
  return true;
}

/** Makes sectors `from` to `to` of the device zero where they are not. */
export function sweep(device: i32, from: u64, to: u64): bool {
  for (let at = from; at < to; at += PIECE) {
    const count = <i32>min(PIECE, to - at);
    if (block_read(device, at, count, other) < 0) return false;
    if (zeros(other, count)) continue;
    memory.fill(other, 0, count * <i32>SECTOR);
    if (block_write(device, at, count, other) < 0) return false;
  }
  return true;
}

/** Sectors of the file to `piece`. */
export function readSectors(file: i32, sector: u64, count: i32): bool {
  const length = count * <i32>SECTOR;
  return file_read(file, sector * SECTOR, piece, length) === length;
}

function zeros(address: usize, sectors: i32): bool {
  const end = address + sectors * <i32>SECTOR;
  let any: u64 = 0;
  for (let at = address; at < end; at += 32) {
    any |= load<u64>(at) | load<u64>(at, 8) | load<u64>(at, 16) | load<u64>(at, 24);
  }
  return any === 0;
}

function same(sectors: i32): bool {
  const size = sectors * <i32>SECTOR;
  let difference: u64 = 0;
  for (let at = 0; at < size; at += 16) {
    difference |= load<u64>(piece + at) ^ load<u64>(other + at);
    difference |= load<u64>(piece + at, 8) ^ load<u64>(other + at, 8);
  }
  return difference === 0;
}
