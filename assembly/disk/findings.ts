/** A list of what a check found: records of format/abi GPT_FINDING, up to FINDINGS_MAX of them. */
import { allocate, release } from "../engine/memory";
import {
  GPT_FINDING_EXPECTED,
  GPT_FINDING_FOUND,
  GPT_FINDING_OTHER,
  GPT_FINDING_PARTITION,
  GPT_FINDING_PROBLEM,
  GPT_FINDING_SECTOR,
  GPT_FINDING_SIDE,
  GPT_FINDING_SIZE,
  GptProblem,
  GptSide,
} from "../format/gpt";

/** A hostile table has 8192 entries that are all wrong; nobody reads so many lines. */
const FINDINGS_MAX: u32 = 1024;

@unmanaged
export class Findings {
  records: usize;
  count: u32;
  /** Problems with a higher number are left out, so that they cannot crowd out graver ones. */
  most: u32;
}

/** An empty list for problems up to `most`, or null without memory. */
export function findingsOpen(most: GptProblem): Findings | null {
  const address = allocate(offsetof<Findings>());
  if (address === 0) return null;
  const findings = changetype<Findings>(address);
  findings.count = 0;
  findings.most = most;
  findings.records = allocate(FINDINGS_MAX * GPT_FINDING_SIZE);
  if (findings.records !== 0) return findings;
  release(address, offsetof<Findings>());
  return null;
}

export function findingsClose(findings: Findings): void {
  release(findings.records, FINDINGS_MAX * GPT_FINDING_SIZE);
  release(changetype<usize>(findings), offsetof<Findings>());
}

/** Adds a finding about the disk or one copy of the table. What no longer fits is dropped. */
export function findingAdd(
  findings: Findings,
  problem: GptProblem,
  side: GptSide,
  sector: u64,
  found: u64,
  expected: u64,
): void {
  if (findings.count === FINDINGS_MAX || <u32>problem > findings.most) return;
  const record = findings.records + <usize>(findings.count * GPT_FINDING_SIZE);
  store<u32>(record, problem, GPT_FINDING_PROBLEM);
  store<u32>(record, side, GPT_FINDING_SIDE);
  store<u64>(record, sector, GPT_FINDING_SECTOR);
  store<u32>(record, 0, GPT_FINDING_PARTITION);
  store<u32>(record, 0, GPT_FINDING_OTHER);
  store<u64>(record, found, GPT_FINDING_FOUND);
  store<u64>(record, expected, GPT_FINDING_EXPECTED);
  findings.count += 1;
}

/** Adds a finding about partition `partition`, and `other` where two are involved. */
export function findingAddPartition(
  findings: Findings,
  problem: GptProblem,
  side: GptSide,
  sector: u64,
  partition: u32,
  other: u32,
  found: u64,
  expected: u64,
): void {
  if (findings.count === FINDINGS_MAX || <u32>problem > findings.most) return;
  findingAdd(findings, problem, side, sector, found, expected);
  const record = findingAt(findings, findings.count - 1);
  store<u32>(record, partition, GPT_FINDING_PARTITION);
  store<u32>(record, other, GPT_FINDING_OTHER);
}

/** Address of record `index`. */
export function findingAt(findings: Findings, index: u32): usize {
  return findings.records + <usize>(index * GPT_FINDING_SIZE);
}
