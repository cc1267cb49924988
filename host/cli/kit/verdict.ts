/** What a check found, as lines for a person. */
import type { DiskFinding, VerifyReport } from "../../system/verify.ts";

/** One line a finding, then one for the disk. */
export function verdict(disk: string, report: VerifyReport): string {
  const { findings, checked, damage } = report;
  const state = damage === 0 ? "clean" : `${damage} damaged`;
  return [...findings.map(sentence), `${disk}: ${checked.join(", ")}: ${state}`].join("\n");
}

function sentence(finding: DiskFinding): string {
  const { area, partition, lba, path, message, repaired, severity } = finding;
  const part = partition === undefined ? "" : `, partition ${partition}`;
  const state = repaired ? " [mended]" : severity === "advice" ? " [advice]" : "";
  const what = path === undefined ? message : `${path}: ${message}`;
  return `${area}${part}, LBA ${lba}: ${what}${state}`;
}
