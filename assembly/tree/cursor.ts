/**
 * Cursors: records of a tree in key order. A cursor keeps a copy of its record's key, so that it
 * goes on behind it whatever has happened to the tree meanwhile. After an error it stays at it.
 */
import { cacheFind, Frame } from "../engine/cache";
import { deviceFail } from "../engine/device";
import { allocateZeroed, release } from "../engine/memory";
import { Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import { KEY_MAX, TreeId } from "../format/page";
import { descend, pathDepth, pathFrame, pathIndex, pathSet } from "./btree";
import {
  nodeCompare,
  nodeCount,
  nodeKey,
  nodeLevel,
  nodeValue,
  nodeValueLength,
} from "./pages/node";
import { pageError, pageRead } from "./pages/page";
import { Volume } from "./pages/volume";

@unmanaged
export class Cursor {
  volume: Volume;
  tree: TreeId;
  /** The current record; `value` is valid until the next tree call on the region. */
  key: usize;
  keyLength: u32;
  value: usize;
  valueLength: u32;
  /** False before the first record, after a seek that failed and at the end. */
  atRecord: bool;
  /** Sticky: an iteration never goes past damage in silence. */
  error: ErrorCode;
  /** Where the record was: still there if the page is the same and nothing was changed. */
  leaf: Frame | null;
  leafKey: u64;
  index: u32;
  changes: u32;
}

/** A cursor, and the key behind it. */
const CURSOR_SIZE: usize = offsetof<Cursor>() + KEY_MAX;

/** A cursor before the first record; null without memory. */
export function cursorOpen(volume: Volume, tree: TreeId): Cursor | null {
  const address = allocateZeroed(CURSOR_SIZE);
  if (address === 0) return null;
  const cursor = changetype<Cursor>(address);
  cursor.volume = volume;
  cursor.tree = tree;
  cursor.key = address + offsetof<Cursor>();
  return cursor;
}

export function cursorClose(cursor: Cursor): void {
  release(changetype<usize>(cursor), CURSOR_SIZE);
}

/** Moves to the first record whose key is not less; ENOENT at the end. Clears an earlier error. */
export function cursorSeek(cursor: Cursor, key: usize, keyLength: u32): ErrorCode {
  aim(cursor, key, keyLength);
  return find(cursor);
}

function aim(cursor: Cursor, key: usize, keyLength: u32): void {
  assert(keyLength <= KEY_MAX);
  memory.copy(cursor.key, key, keyLength);
  cursor.keyLength = keyLength;
  cursor.error = ErrorCode.OK;
  cursor.atRecord = false;
}

/** Moves to the last record whose key is not greater; ENOENT: none. Clears an earlier error. */
export function cursorSeekBack(cursor: Cursor, key: usize, keyLength: u32): ErrorCode {
  aim(cursor, key, keyLength);
  return ended(cursor, locateBack(cursor));
}

/** Moves to the next record (the first one after cursorOpen); ENOENT at the end. */
export function cursorNext(cursor: Cursor): ErrorCode {
  if (cursor.error !== ErrorCode.OK) return cursor.error;
  if (cursor.atRecord && cursor.changes === cursor.volume.changes) {
    const leaf = cacheFind(cursor.volume.region.cache, cursor.leafKey);
    if (leaf !== null && leaf === cursor.leaf && cursor.index + 1 < nodeCount(leaf.address)) {
      show(cursor, leaf, cursor.index + 1);
      return ErrorCode.OK;
    }
  }
  return find(cursor);
}

/** The first record not less than the cursor's key, or, if it is at a record, greater. */
function find(cursor: Cursor): ErrorCode {
  return ended(cursor, locate(cursor));
}

/** Keeps an error, so that the cursor stays at it. */
function ended(cursor: Cursor, code: ErrorCode): ErrorCode {
  if (code !== ErrorCode.OK) {
    cursor.atRecord = false;
    if (code !== ErrorCode.ENOENT) cursor.error = code;
  }
  return code;
}

function locate(cursor: Cursor): ErrorCode {
  const volume = cursor.volume;
  const code = descend(volume, cursor.tree, cursor.key, cursor.keyLength);
  if (code !== ErrorCode.OK) return code;
  let at = pathDepth();
  let leaf = pathFrame(at);
  let index = pathIndex(at);
  if (index < nodeCount(leaf.address) && cursor.atRecord) {
    if (nodeCompare(leaf.address, index, cursor.key, cursor.keyLength) === 0) index += 1;
  }
  if (index >= nodeCount(leaf.address)) {
    // Up to the first page with another child to the right, then down its left edge.
    while (at > 0 && pathIndex(at - 1) + 1 >= nodeCount(pathFrame(at - 1).address)) at -= 1;
    if (at === 0) return ErrorCode.ENOENT;
    const parent = pathFrame(at - 1);
    let pointer = nodeValue(parent.address, pathIndex(at - 1) + 1);
    for (;;) {
      const frame = pageRead(volume, pointer, cursor.tree);
      if (frame === null) return pageError;
      leaf = frame;
      if (nodeLevel(frame.address) === 0) break;
      pathSet(at, frame, 0);
      at += 1;
      pointer = nodeValue(frame.address, 0);
    }
    index = 0;
    // A crafted tree must not lead back: keys only ascend.
    const order = nodeCompare(leaf.address, 0, cursor.key, cursor.keyLength);
    if (order < 0 || (order === 0 && cursor.atRecord)) {
      return orderFail(volume, leaf);
    }
  }
  show(cursor, leaf, index);
  return ErrorCode.OK;
}

/** The last record not greater than the cursor's key. */
function locateBack(cursor: Cursor): ErrorCode {
  const volume = cursor.volume;
  const code = descend(volume, cursor.tree, cursor.key, cursor.keyLength);
  if (code !== ErrorCode.OK) return code;
  let at = pathDepth();
  let leaf = pathFrame(at);
  let index = pathIndex(at);
  if (index < nodeCount(leaf.address)) {
    if (nodeCompare(leaf.address, index, cursor.key, cursor.keyLength) === 0) index += 1;
  }
  if (index === 0) {
    // Up to the first page with another child to the left, then down its right edge.
    while (at > 0 && pathIndex(at - 1) === 0) at -= 1;
    if (at === 0) return ErrorCode.ENOENT;
    let pointer = nodeValue(pathFrame(at - 1).address, pathIndex(at - 1) - 1);
    for (;;) {
      const frame = pageRead(volume, pointer, cursor.tree);
      if (frame === null) return pageError;
      leaf = frame;
      index = nodeCount(frame.address);
      if (nodeLevel(frame.address) === 0) break;
      pointer = nodeValue(frame.address, index - 1);
    }
    // A crafted tree must not lead forward.
    if (nodeCompare(leaf.address, index - 1, cursor.key, cursor.keyLength) > 0) {
      return orderFail(volume, leaf);
    }
  }
  show(cursor, leaf, index - 1);
  return ErrorCode.OK;
}

function orderFail(volume: Volume, leaf: Frame): ErrorCode {
  const device = volume.region.device;
  return deviceFail(device, ErrorCode.EBADMSG, Reason.KEY_ORDER, leaf.key << 3, 0);
}

function show(cursor: Cursor, leaf: Frame, index: u32): void {
  const page = leaf.address;
  cursor.keyLength = nodeKey(page, index, cursor.key);
  cursor.value = nodeValue(page, index);
  cursor.valueLength = nodeValueLength(page, index);
  cursor.leaf = leaf;
  cursor.leafKey = leaf.key;
  cursor.index = index;
  cursor.changes = cursor.volume.changes;
  cursor.atRecord = true;
}
