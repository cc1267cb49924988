/**
 * Open files and directories: what both formats share. The calls on paths are in calls.ts.
 *
 * Interface: an Open belongs to its mount until openClose(). One that was opened before the mount's
 * volume lost a batch answers ESTALE.
 */
import { failPlain } from "../engine/fault";
import { handleClose } from "../engine/handles";
import { allocateZeroed, release } from "../engine/memory";
import {
  ENTRY_INO,
  ENTRY_NAME_LENGTH,
  ENTRY_SIZE,
  ENTRY_STEP,
  ENTRY_TYPE,
  OPEN_ACCESS,
  OPEN_APPEND,
  OPEN_READ,
  OPEN_WRITE,
} from "../format/abi";
import { ErrorCode } from "../format/errors";
import { FileType, NAME_MAX } from "../format/wf";
import {
  foundIno,
  foundName,
  foundNameLength,
  foundType,
  Mount,
  mountGeneration,
  mountNext,
  mountRead,
  mountRelease,
  mountRetain,
  mountSize,
  mountWrite,
} from "./mount";

@unmanaged
export class Open {
  mount: Mount;
  next: usize;
  handle: u32;
  flags: u32;
  type: u32;
  /** Of the mount when this was opened. */
  generation: u32;
  ino: u64;
  position: u64;
  /** RO: what is known of the content; 0 = nothing yet. */
  content: usize;
  /** A directory's last entry that was given out, NAME_MAX bytes behind the fields. */
  name: usize;
  nameLength: u32;
}

/** Bytes of an Open: a directory's has a name behind it. */
function roomOf(type: u32): u32 {
  return type === FileType.DIRECTORY ? offsetof<Open>() + NAME_MAX : offsetof<Open>();
}

/** A new open file or directory, linked to its mount; null after a fault. */
export function openNew(mount: Mount, ino: u64, type: u32, flags: u32): Open | null {
  const room = roomOf(type);
  const address = allocateZeroed(room);
  if (address === 0 || !mountRetain(mount, ino)) {
    release(address, room);
    failPlain(ErrorCode.ENOMEM);
    return null;
  }
  const open = changetype<Open>(address);
  open.mount = mount;
  open.ino = ino;
  open.type = type;
  open.flags = flags;
  open.generation = mountGeneration(mount);
  open.name = address + offsetof<Open>();
  open.next = mount.opens;
  mount.opens = address;
  return open;
}

/** Unlinks and releases; frees the inode if nothing names it any more. */
export function openClose(open: Open): ErrorCode {
  const mount = open.mount;
  const address = changetype<usize>(open);
  if (mount.opens === address) {
    mount.opens = open.next;
  } else {
    let before = changetype<Open>(mount.opens);
    while (before.next !== address) before = changetype<Open>(before.next);
    before.next = open.next;
  }
  const code = mountRelease(mount, open.ino, open.content);
  release(address, roomOf(open.type));
  return code;
}

/** Closes every handle of a mount: before it goes away. */
export function openCloseAll(mount: Mount): void {
  while (mount.opens !== 0) {
    const open = changetype<Open>(mount.opens);
    handleClose(open.handle);
    openClose(open);
  }
}

/** OK, or ESTALE after a lost batch. */
export function openCheck(open: Open): ErrorCode {
  if (open.generation === mountGeneration(open.mount)) return ErrorCode.OK;
  return failPlain(ErrorCode.ESTALE);
}

/** Reads at `position`, or where the handle stands and on (position < 0): bytes, 0 at the end. */
export function openRead(open: Open, out: usize, length: u32, position: i64): i32 {
  const code = openCheck(open);
  if (code !== ErrorCode.OK) return code;
  if (open.type === FileType.DIRECTORY) return failPlain(ErrorCode.EISDIR);
  if ((open.flags & OPEN_ACCESS) === OPEN_WRITE) return failPlain(ErrorCode.EBADF);
  const from = position < 0 ? open.position : <u64>position;
  const content = changetype<usize>(open) + offsetof<Open>("content");
  const got = mountRead(open.mount, open.ino, content, from, out, length);
  if (got > 0 && position < 0) open.position += <u64>got;
  return got;
}

/** Writes at `position`, or where the handle stands and on; with OPEN_APPEND at the end. */
export function openWrite(open: Open, address: usize, length: u32, position: i64): i32 {
  const code = openCheck(open);
  if (code !== ErrorCode.OK) return code;
  if ((open.flags & OPEN_ACCESS) === OPEN_READ) return failPlain(ErrorCode.EBADF);
  let to = position < 0 ? open.position : <u64>position;
  if ((open.flags & OPEN_APPEND) !== 0) {
    const size = mountSize(open.mount, open.ino);
    if (size < 0) return <i32>size;
    to = <u64>size;
  }
  const put = mountWrite(open.mount, open.ino, to, address, length);
  if (put > 0 && position < 0) open.position = to + <u64>put;
  return put;
}

/** Packs the entries that follow the last ones into `room` bytes: bytes written, 0 at the end. */
export function openList(open: Open, out: usize, room: u32): i32 {
  const checked = openCheck(open);
  if (checked !== ErrorCode.OK) return checked;
  if (open.type !== FileType.DIRECTORY) return failPlain(ErrorCode.ENOTDIR);
  let used: u32 = 0;
  while (true) {
    const code = mountNext(open.mount, open.ino, open.name, open.nameLength, used > 0);
    if (code === ErrorCode.ENOENT) return <i32>used;
    if (code !== ErrorCode.OK) return used > 0 ? <i32>used : code;
    const step = (ENTRY_SIZE + foundNameLength + 7) & ~7;
    if (step > room - used) return used > 0 ? <i32>used : failPlain(ErrorCode.EINVAL);
    const entry = out + used;
    store<u64>(entry, foundIno, ENTRY_INO);
    store<u8>(entry, <u8>foundType, ENTRY_TYPE);
    store<u8>(entry, 0, ENTRY_TYPE + 1);
    store<u16>(entry, <u16>foundNameLength, ENTRY_NAME_LENGTH);
    store<u32>(entry, step, ENTRY_STEP);
    memory.copy(entry + ENTRY_SIZE, foundName, foundNameLength);
    memory.copy(open.name, foundName, foundNameLength);
    open.nameLength = foundNameLength;
    used += step;
  }
}
