/**
 * Handles: small numbers that name objects of the core to the host. A handle carries a tag, so one
 * that was closed is refused even when its place is in use again.
 */

import { ErrorCode } from "../format/errors";
import { failPlain } from "./fault";
import { allocate } from "./memory";

const HANDLES_MAX: u32 = 4096;
const ENTRY_SIZE: usize = 12;
const INDEX_BITS: u32 = 12;
const INDEX_MASK: u32 = HANDLES_MAX - 1;
const TAG_MASK: u32 = 0x7ffff;

/** Entries of { object usize, kind u32, tag u32 }; object 0 = free. Entry 0 stays unused. */
const table: usize = allocate(49152);
let hint: u32 = 1;

export enum HandleKind {
  DEVICE = 1,
  REGION = 2,
  FILE = 3,
  DIRECTORY = 4,
  STREAM = 5,
  IMAGE = 6,
  FAT = 7,
  LIST = 8,
  FAT_WRITER = 9,
  READER = 10,
  VERIFIER = 11,
  MOUNT = 12,
  IMAGE_BUILD = 13,
  STORE = 14,
  ISO = 15,
  ISO_FILE = 16,
  ISO_BUILD = 17,
  EXT4 = 18,
  EXT4_FILE = 19,
  EXT4_BUILD = 20,
  EXT4_WRITER = 21,
}

/** A handle for `object`, or ENOMEM if the table is full. */
export function handleOpen(kind: HandleKind, object: usize): i32 {
  for (let step: u32 = 0; step < HANDLES_MAX - 1; step++) {
    const index = ((hint - 1 + step) % (HANDLES_MAX - 1)) + 1;
    const entry = table + <usize>index * ENTRY_SIZE;
    if (load<usize>(entry) !== 0) continue;
    hint = index + 1 >= HANDLES_MAX ? 1 : index + 1;
    const tag = nextTag(load<u32>(entry, 8));
    store<usize>(entry, object);
    store<u32>(entry, kind, 4);
    store<u32>(entry, tag, 8);
    return <i32>((tag << INDEX_BITS) | index);
  }
  return failPlain(ErrorCode.ENOMEM);
}

/** The object behind `handle`, or 0 if it is closed, of another kind, or was never given out. */
export function handleObject(handle: u32, kind: HandleKind): usize {
  const entry = table + <usize>(handle & INDEX_MASK) * ENTRY_SIZE;
  if (handle === 0 || load<u32>(entry, 8) !== handle >>> INDEX_BITS) return 0;
  return load<u32>(entry, 4) === <u32>kind ? load<usize>(entry) : 0;
}

/** Like handleObject(), but 0 comes with the fault EBADF. */
export function handleRequire(handle: u32, kind: HandleKind): usize {
  const object = handleObject(handle, kind);
  if (object === 0) failPlain(ErrorCode.EBADF);
  return object;
}

/** Frees the place of `handle`; the object is the caller's to release. */
export function handleClose(handle: u32): void {
  const entry = table + <usize>(handle & INDEX_MASK) * ENTRY_SIZE;
  if (handle !== 0 && load<u32>(entry, 8) === handle >>> INDEX_BITS) store<usize>(entry, 0);
}

/** Tags count up and skip 0, so that an entry never used matches no handle. */
function nextTag(tag: u32): u32 {
  const following = (tag + 1) & TAG_MASK;
  return following === 0 ? 1 : following;
}
