/** Findings of a check: a list of damaged places, bounded, with how many there were in all. */
import { faultAddress } from "../../../engine/fault";
import { allocate, release } from "../../../engine/memory";
import {
  FAULT_CODE,
  FAULT_LBA,
  FAULT_REASON,
  FILE_FINDING_CODE,
  FILE_FINDING_INO,
  FILE_FINDING_LBA,
  FILE_FINDING_LENGTH,
  FILE_FINDING_OFFSET,
  FILE_FINDING_REASON,
  FILE_FINDING_SIZE,
  Reason,
} from "../../../format/abi";
import { ErrorCode } from "../../../format/errors";

const FINDINGS_FIRST: u32 = 64;
/** More are counted, not kept. */
const FINDINGS_MAX: u32 = 16384;

@unmanaged
export class Findings {
  list: usize;
  room: u32;
  kept: u32;
  total: u32;
}

/** Empties the list and keeps its memory. */
export function findingsClear(findings: Findings): void {
  findings.kept = 0;
  findings.total = 0;
}

/** Gives the memory of a list back that is not used again. */
export function findingsRelease(findings: Findings): void {
  release(findings.list, findings.room * FILE_FINDING_SIZE);
}

export function findingAt(findings: Findings, index: u32): usize {
  return findings.list + <usize>(index * FILE_FINDING_SIZE);
}

/** Adds what the last fault says, as a matter of `length` bytes of inode `ino` from `offset`. */
export function findingFault(findings: Findings, ino: u64, offset: u64, length: u64): void {
  const fault = faultAddress();
  const code = load<i32>(fault, FAULT_CODE);
  const reason = load<u32>(fault, FAULT_REASON);
  finding(findings, code, reason, load<u64>(fault, FAULT_LBA), ino, offset, length);
}

export function finding(
  findings: Findings,
  code: ErrorCode,
  reason: Reason,
  lba: u64,
  ino: u64,
  offset: u64,
  length: u64,
): void {
  findings.total += 1;
  if (findings.kept === findings.room && !makeRoom(findings)) return;
  const at = findingAt(findings, findings.kept);
  findings.kept += 1;
  store<i32>(at, code, FILE_FINDING_CODE);
  store<u32>(at, reason, FILE_FINDING_REASON);
  store<u64>(at, lba, FILE_FINDING_LBA);
  store<u64>(at, ino, FILE_FINDING_INO);
  store<u64>(at, offset, FILE_FINDING_OFFSET);
  store<u64>(at, length, FILE_FINDING_LENGTH);
}

/** False: the list is as long as it may be, or memory is out. */
function makeRoom(findings: Findings): bool {
  const room = findings.room === 0 ? FINDINGS_FIRST : findings.room << 1;
  if (room > FINDINGS_MAX) return false;
  const list = allocate(room * FILE_FINDING_SIZE);
  if (list === 0) return false;
  memory.copy(list, findings.list, findings.kept * FILE_FINDING_SIZE);
  release(findings.list, findings.room * FILE_FINDING_SIZE);
  findings.list = list;
  findings.room = room;
  return true;
}
