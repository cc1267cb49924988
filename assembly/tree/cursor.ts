/**
 * Cursors: records of a tree in key order. A cursor keeps a copy of its record's key, so that it
 * goes on behind it whatever has happened to the tree meanwhile.
 */
import { ErrorCode } from "../format/errors";
import { TreeId } from "../format/page";
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
  atRecord: bool;
}

/** A cursor before the first record; null without memory. */
export function cursorOpen(volume: Volume, tree: TreeId): Cursor | null {
  return null;
}

/** Moves to the first record whose key is not less; ENOENT at the end. */
export function cursorSeek(cursor: Cursor, key: usize, keyLength: u32): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** Moves to the next record (the first one after cursorOpen); ENOENT at the end. */
export function cursorNext(cursor: Cursor): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

export function cursorClose(cursor: Cursor): void {}
