/** A problem report as text, ready to be copied: what happened, where, and what was on the disk. */
import { shortSize } from "../../system/draw.ts";
import type { OpenDisk, State } from "../rpc/api.ts";

/** Holds no content of the disk and no name of a file of the person's own. */
export function problemReport(problem: string, state: State, problems: readonly string[]): string {
  const { storage, open } = state;
  const size = (bytes: number | undefined) => (bytes === undefined ? "unknown" : shortSize(bytes));
  const lines = [
    "## What happened",
    problem.trim() === "" ? "(please describe it)" : problem.trim(),
    "",
    "## Messages",
    ...(problems.length === 0 ? ["none"] : problems),
    "",
    "## Where",
    `browser: ${navigator.userAgent}`,
    `storage: ${storage.kind}, quota ${size(storage.quotaBytes)}, ` +
      `used ${size(storage.usageBytes)}, ${storage.persisted ? "persistent" : "may be evicted"}`,
    `a FLUSH ${storage.flush}`,
    `cross-origin isolated: ${storage.isolated ? "yes" : "no"}`,
    "",
    "## Disk",
    ...(open === undefined ? ["none is open"] : diskLines(open)),
  ];
  return `${lines.join("\n")}\n`;
}

function diskLines(open: OpenDisk): string[] {
  const { where, readOnly, powered, sizeBytes, view, viewError, status, statusError } = open;
  const name = where === "file" ? "a file" : open.name;
  const lines = [`${name}, ${shortSize(sizeBytes)}, ${where}${readOnly ? ", read-only" : ""}`];
  if (!powered) lines.push("its power is cut");
  if (viewError !== undefined) lines.push(viewError);
  for (const volume of view?.volumes ?? []) {
    const { partition, signature, first, last, error } = volume;
    lines.push(`partition ${partition ?? "none"}: ${signature} LBA ${first} to ${last}`);
    if (error !== undefined) lines.push(`  ${error}`);
  }
  if (view?.halfInstalled) lines.push("an installation was cut short");
  if (view?.halfRecovery) lines.push("a recovery partition is half done");
  if (statusError !== undefined) lines.push(statusError);
  if (status !== undefined) {
    const { active, candidate, phase, recovery, bootSequence } = status;
    lines.push(`active ${active}, candidate ${candidate}, ${phase}, boots ${bootSequence}`);
    if (recovery) lines.push("in recovery");
  }
  return lines;
}
