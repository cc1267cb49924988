/** Raw access to trees, batches and space for tests: only core.test.wasm exports it. */
import { HandleKind, handleObject } from "../engine/handles";
import { ErrorCode } from "../format/errors";
import { TreeId } from "../format/page";
import { SUMMARY_FREE, SUMMARY_OTHER, spaceLoad, summaryGet } from "../tree/bitmap";
import { foundLength, foundValue, treeDelete, treeGet, treePut, treeWorst } from "../tree/btree";
import {
  RESERVE_DELETE,
  RESERVE_NORMAL,
  volumeAbort,
  volumeCommit,
  volumeDirtyPages,
  volumeReopen,
  volumeReserveData,
} from "../tree/commit";
import { Cursor, cursorClose, cursorNext, cursorOpen, cursorSeek } from "../tree/cursor";
import { grantChunks } from "../tree/grant";
import { Region, Volume } from "../tree/pages/volume";
import { allocatedPage, pagesAllocate, pagesFree, pagesRead, pagesWrite } from "../tree/space";

function volumeOf(handle: u32, kind: u32): Volume {
  const region = changetype<Region>(handleObject(handle, HandleKind.REGION));
  return kind === 0 ? region.store : changetype<Volume>(region.wf);
}

export function testReserve(handle: u32, kind: u32, pages: u32, data: u32, removal: u32): i32 {
  const purpose = removal !== 0 ? RESERVE_DELETE : RESERVE_NORMAL;
  return volumeReserveData(volumeOf(handle, kind), pages, data, purpose);
}

/** A put, or with `valueLength` 0xffffffff a delete, under a reserve that was made before. */
export function testChange(
  handle: u32,
  tree: u32,
  key: usize,
  keyLength: u32,
  value: usize,
  valueLength: u32,
): i32 {
  const volume = volumeOf(handle, tree >> 4);
  if (valueLength === u32.MAX_VALUE) return treeDelete(volume, <TreeId>tree, key, keyLength);
  return treePut(volume, <TreeId>tree, key, keyLength, value, valueLength);
}

/** One put with its own reserve. */
export function testPut(
  handle: u32,
  tree: u32,
  key: usize,
  keyLength: u32,
  value: usize,
  valueLength: u32,
): i32 {
  const volume = volumeOf(handle, tree >> 4);
  const pages = treeWorst(volume, <TreeId>tree, 1);
  const code = volumeReserveData(volume, pages, 0, RESERVE_NORMAL);
  if (code !== ErrorCode.OK) return code;
  return treePut(volume, <TreeId>tree, key, keyLength, value, valueLength);
}

export function testDelete(handle: u32, tree: u32, key: usize, keyLength: u32): i32 {
  const volume = volumeOf(handle, tree >> 4);
  const pages = treeWorst(volume, <TreeId>tree, 1);
  const code = volumeReserveData(volume, pages, 0, RESERVE_DELETE);
  return code !== ErrorCode.OK ? code : treeDelete(volume, <TreeId>tree, key, keyLength);
}

/** Length of the value, copied to `out`; or ENOENT and so on. */
export function testGet(handle: u32, tree: u32, key: usize, keyLength: u32, out: usize): i32 {
  const code = treeGet(volumeOf(handle, tree >> 4), <TreeId>tree, key, keyLength);
  if (code !== ErrorCode.OK) return code;
  memory.copy(out, foundValue, foundLength);
  return <i32>foundLength;
}

export function testCommit(handle: u32, kind: u32): i32 {
  return volumeCommit(volumeOf(handle, kind));
}

export function testAbort(handle: u32, kind: u32): void {
  volumeAbort(volumeOf(handle, kind));
}

export function testReopen(handle: u32, kind: u32): i32 {
  return volumeReopen(volumeOf(handle, kind));
}

export function testDirty(handle: u32, kind: u32): u32 {
  return volumeDirtyPages(volumeOf(handle, kind));
}

export function testCursor(handle: u32, tree: u32): usize {
  return changetype<usize>(cursorOpen(volumeOf(handle, tree >> 4), <TreeId>tree));
}

export function testSeek(cursor: usize, key: usize, keyLength: u32): i32 {
  return cursorSeek(changetype<Cursor>(cursor), key, keyLength);
}

export function testNext(cursor: usize): i32 {
  return cursorNext(changetype<Cursor>(cursor));
}

export function testCursorClose(cursor: usize): void {
  cursorClose(changetype<Cursor>(cursor));
}

export function testAllocate(handle: u32, wanted: u32): i32 {
  return pagesAllocate(volumeOf(handle, 1), wanted);
}

export function testAllocated(): f64 {
  return <f64>allocatedPage;
}

export function testFree(handle: u32, page: f64, count: u32, birth: f64): i32 {
  return pagesFree(volumeOf(handle, 1), <u64>page, count, <u64>birth);
}

export function testPagesWrite(handle: u32, page: f64, address: usize, count: u32): i32 {
  return pagesWrite(volumeOf(handle, 1), <u64>page, address, count);
}

export function testPagesRead(handle: u32, page: f64, address: usize, count: u32): i32 {
  return pagesRead(volumeOf(handle, 1), <u64>page, address, count);
}

/**
 * The next chunks that a volume takes are not below `first`, as if those were taken; the counts of
 * free chunks stay, so that no reserve stands in the way. In memory only: gone when it is reopened.
 */
export function testSpaceFrom(handle: u32, kind: u32, first: u32): i32 {
  const volume = volumeOf(handle, kind);
  const code = spaceLoad(volume);
  if (code !== ErrorCode.OK) return code;
  for (let chunk: u32 = 0; chunk < first; chunk++) {
    if (summaryGet(volume.space, chunk) !== SUMMARY_FREE) continue;
    store<u16>(volume.space.summary + ((<usize>chunk) << 1), <u16>SUMMARY_OTHER);
  }
  return ErrorCode.OK;
}

/** Hands up to `wanted` chunks of the store over to the filesystem. */
export function testGrant(handle: u32, wanted: u32): i32 {
  return grantChunks(changetype<Region>(handleObject(handle, HandleKind.REGION)), wanted);
}
