/**
 * Check of a whole region, L1 and L2: every page of every tree, ownership of every page and chunk.
 * The formats claim what lies outside the trees through callbacks; findings are a list.
 */
import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { TreeId } from "../../format/page";
import { Region, Volume } from "../pages/volume";

@unmanaged
export class Check {
  region: Region;
  /** Findings that are kept, CHECK_FINDING bytes each, and how many there were. */
  findings: usize;
  kept: u32;
  total: u32;
}

/** A finding: { volume u32 (0 ST, 1 WF, 2 region), reason u32, lba u64, detail u64 }. */
export const CHECK_FINDING: u32 = 24;
export const CHECK_KEPT_MAX: u32 = 1024;

/** Visits one record of a tree; the result 0 goes on. */
export type RecordVisitor = (
  context: usize,
  key: usize,
  keyLength: u32,
  value: usize,
  valueLength: u32,
) => i32;

/** Calls `visit` for each record in key order, within a page budget, while it answers 0. */
export function treeWalk(
  volume: Volume,
  tree: TreeId,
  visit: RecordVisitor,
  context: usize,
): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

export function checkOpen(region: Region): Check | null {
  return null;
}

/** Walks everything of the region itself; store and wf claim their pages before checkFinish. */
export function checkTrees(check: Check): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

/** WF: `count` data pages from `page` belong to a file. Overlap is a finding. */
export function checkClaimPages(check: Check, page: u64, count: u32, birth: u64): void {}

/** Adds a finding of a caller's own. */
export function checkAdd(check: Check, volume: u32, reason: Reason, lba: u64, detail: u64): void {}

/** Compares what was claimed with the bitmaps and counters. */
export function checkFinish(check: Check): ErrorCode {
  return ErrorCode.EOPNOTSUPP;
}

export function checkClose(check: Check): void {}
