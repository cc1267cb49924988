/**
 * Content of a file: the places of its extents, held against the device once, and reads that stay
 * inside them. A read past the end is cut short there.
 */
import { Device, deviceRead } from "../../engine/device";
import { failPlain } from "../../engine/fault";
import { allocate, release } from "../../engine/memory";
import { SECTOR_SHIFT, SECTOR_SIZE } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { IsoType } from "../../format/media/calls";
import { BLOCK_SECTORS } from "../../format/media/iso";
import { entry, extentAt, extentBytes, extentLba, extentNext } from "./record";
import { here, walk } from "./tree";
import { Iso } from "./volume";

/** An extent is two numbers of four bytes: its first block, and its bytes. */
const EXTENT_SIZE: u32 = 8;

@unmanaged
export class File {
  iso: Iso;
  bytes: u64;
  extents: usize;
  count: u32;
}

/** Where a read that is not whole sectors goes through. */
const bounce: usize = memory.data(512, 16);

/** Opens the file at `path`; null after a fault: ENOENT, EISDIR, ELOOP (a link), EBADMSG. */
export function fileOpen(iso: Iso, path: usize, length: u32): File | null {
  const type = walk(iso, path, length);
  if (type < 0) return null;
  if (type !== IsoType.FILE) {
    failPlain(type === IsoType.SYMLINK ? ErrorCode.ELOOP : ErrorCode.EISDIR);
    return null;
  }
  const address = allocate(offsetof<File>());
  const extents = allocate(entry.extents * EXTENT_SIZE);
  if (address === 0 || extents === 0) {
    release(address, offsetof<File>());
    release(extents, entry.extents * EXTENT_SIZE);
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const file = changetype<File>(address);
  file.iso = iso;
  file.extents = extents;
  file.count = entry.extents;
  iso.users += 1;
  if (readExtents(iso, file)) return file;
  fileClose(file);
  return null;
}

export function fileClose(file: File): void {
  file.iso.users -= 1;
  release(file.extents, file.count * EXTENT_SIZE);
  release(changetype<usize>(file), offsetof<File>());
}

/** Up to `length` bytes from `offset` to `out`: how many; 0 from the end on. */
export function fileRead(file: File, offset: u64, out: usize, length: u32): i32 {
  if (offset >= file.bytes) return 0;
  const wanted = <u32>min<u64>(<u64>length, file.bytes - offset);
  let done: u32 = 0;
  let start: u64 = 0;
  for (let index: u32 = 0; index < file.count && done < wanted; index++) {
    const extent = file.extents + <usize>(index * EXTENT_SIZE);
    const bytes = <u64>load<u32>(extent, 4);
    const from = offset + <u64>done - start;
    if (from < bytes) {
      const piece = <u32>min<u64>(<u64>(wanted - done), bytes - from);
      const sector = <u64>load<u32>(extent) * <u64>BLOCK_SECTORS;
      const code = readPlace(file.iso.device, sector, from, out + done, piece);
      if (code !== ErrorCode.OK) return code;
      done += piece;
    }
    start += bytes;
  }
  return <i32>done;
}

/** The records were checked when `entry` was made of them: this reads their places. */
function readExtents(iso: Iso, file: File): bool {
  let at = entry.at;
  file.bytes = 0;
  for (let index: u32 = 0; index < file.count; index++) {
    const found = extentAt(iso, here, at);
    if (found < 0) return false;
    const extent = file.extents + <usize>(index * EXTENT_SIZE);
    store<u32>(extent, extentLba());
    store<u32>(extent, extentBytes(), 4);
    file.bytes += <u64>extentBytes();
    at = extentNext();
  }
  return true;
}

/** `length` bytes from byte `from` behind `sector`. Whole sectors go straight to their place. */
function readPlace(device: Device, sector: u64, from: u64, out: usize, length: u32): ErrorCode {
  let at = sector + (from >>> SECTOR_SHIFT);
  let skip = <u32>from & (SECTOR_SIZE - 1);
  while (length > 0) {
    if (skip === 0 && length >= SECTOR_SIZE) {
      const whole = length & ~(SECTOR_SIZE - 1);
      const code = deviceRead(device, at, out, whole);
      if (code !== ErrorCode.OK) return code;
      at += <u64>(whole >>> SECTOR_SHIFT);
      out += whole;
      length -= whole;
      continue;
    }
    const code = deviceRead(device, at, bounce, SECTOR_SIZE);
    if (code !== ErrorCode.OK) return code;
    const piece = min<u32>(length, SECTOR_SIZE - skip);
    memory.copy(out, bounce + skip, piece);
    at += 1;
    out += piece;
    length -= piece;
    skip = 0;
  }
  return ErrorCode.OK;
}
