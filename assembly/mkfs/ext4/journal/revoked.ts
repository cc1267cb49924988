/** Blocks that a log revoked, and by which transaction: a table of hashes that grows. */
import { failPlain } from "../../../engine/fault";
import { allocateZeroed, release } from "../../../engine/memory";
import { ErrorCode } from "../../../format/errors";

/** A row: block (u64), transaction (u32), and 1 where the row is in use (u32). */
const ROW_SIZE: u32 = 16;
const ROWS_FIRST: u32 = 256;
/** 16 MiB: more than any journal of a sane size can revoke. */
const ROWS_MAX: u32 = 1 << 20;

let table: usize = 0;
let rows: u32 = 0;
let used: u32 = 0;

export function revokedEnd(): void {
  release(table, rows * ROW_SIZE);
  table = 0;
  rows = 0;
  used = 0;
}

/** Remembers the latest transaction that revoked `block`. ENOMEM. */
export function revokedAdd(block: u64, sequence: u32): ErrorCode {
  if (used * 2 >= rows && !grow()) return failPlain(ErrorCode.ENOMEM);
  const row = find(block);
  if (load<u32>(row, 12) === 0) {
    store<u64>(row, block);
    store<u32>(row, 1, 12);
    used += 1;
  } else if (!isBehind(sequence, load<u32>(row, 8))) {
    return ErrorCode.OK;
  }
  store<u32>(row, sequence, 8);
  return ErrorCode.OK;
}

/** True if `block`, logged by transaction `sequence`, was revoked by it or a later one. */
export function isRevoked(block: u64, sequence: u32): bool {
  if (used === 0) return false;
  const row = find(block);
  if (load<u32>(row, 12) === 0) return false;
  const by = load<u32>(row, 8);
  return by === sequence || isBehind(by, sequence);
}

/** True if transaction `one` comes after `other`; their numbers wrap. */
function isBehind(one: u32, other: u32): bool {
  return <i32>(one - other) > 0;
}

function find(block: u64): usize {
  let index = ((<u32>block ^ <u32>(block >>> 32)) * 0x9e3779b1) >>> 7;
  while (true) {
    const row = table + <usize>((index & (rows - 1)) * ROW_SIZE);
    if (load<u32>(row, 12) === 0 || load<u64>(row) === block) return row;
    index += 1;
  }
}

function grow(): bool {
  const count = rows === 0 ? ROWS_FIRST : rows * 2;
  if (count > ROWS_MAX) return false;
  const fresh = allocateZeroed(count * ROW_SIZE);
  if (fresh === 0) return false;
  const old = table;
  const oldRows = rows;
  table = fresh;
  rows = count;
  for (let index: u32 = 0; index < oldRows; index++) {
    const row = old + <usize>(index * ROW_SIZE);
    if (load<u32>(row, 12) !== 0) memory.copy(find(load<u64>(row)), row, ROW_SIZE);
  }
  release(old, oldRows * ROW_SIZE);
  return true;
}
