/** What people read: the trace of a violation, and the table of a run. */
import type { CrashStep } from "./engine/choice.ts";
import type { Shrunk } from "./engine/shrink.ts";
import { FLIPPED, FULL, HALF, OLD, RANDOM, ZEROS } from "./engine/units.ts";
import type { Subject } from "./subject.ts";

/** Above so many units of one interval those that stayed old are not listed. */
const UNITS_MAX = 16;

/** The trace of a violation: operations, events, and what became of each unit. */
export function traceText(subject: Subject, { scenario, finding }: Shrunk): string {
  const lines = [
    `${finding.subject}, seed ${finding.seed} (${scenario.title}): ${finding.message}`,
    "operations:",
    ...scenario.operations.map((operation, index) => {
      return `  ${String(index + 1).padStart(3)}  ${subject.describe(operation)}`;
    }),
  ];
  if (scenario.failFlush) lines.push(`  flush ${scenario.failFlush} fails`);
  if (scenario.failWrite) lines.push(`  write ${scenario.failWrite} fails`);
  for (const [index, step] of finding.steps.entries()) {
    if (step.did.length > 0) lines.push("then:", ...step.did.map((label) => `       ${label}`));
    lines.push(...stepLines(step, index + 1, finding.steps.length));
    const place = (sector: number) => subject.place(sector, scenario);
    const many = step.units.length > UNITS_MAX;
    for (const { unit, code } of step.restart ? [] : step.units) {
      if (many && code === OLD) continue;
      const length = unit.sectors === 1 ? "1 sector" : `${unit.sectors} sectors`;
      const what = `LBA ${unit.sector} (${length}, ${place(unit.sector)})`;
      const event = `event ${unit.event + 1}`;
      lines.push(`    ${event.padEnd(10)} ${what.padEnd(44)} ${codeText(code)}`);
    }
    if (many && !step.restart) lines.push("    and the others: old");
    for (const [block, code] of step.blocks) {
      lines.push(`    4 KiB block at LBA ${block} (${place(block)}): ${codeText(code)}`);
    }
    if (step.rot !== undefined) {
      const [sector, code] = step.rot;
      lines.push(`    LBA ${sector} (${place(sector)}) rots: ${codeText(code)}`);
    }
  }
  return lines.join("\n");
}

function stepLines(step: CrashStep, number: number, count: number): string[] {
  const what = step.restart ? "restart with the device's cache kept" : "power cut";
  const when = `after event ${step.event} of ${step.events}`;
  return [`crash ${number} of ${count}: ${what} ${when}; legal: ${step.window}`];
}

function codeText(code: number): string {
  switch (code) {
    case OLD:
      return "old";
    case FULL:
      return "new";
    case RANDOM:
      return "torn: random bytes";
    case ZEROS:
      return "torn: zeros";
    case FLIPPED:
      return "torn: old with one bit flipped";
    case HALF:
      return "torn: the first half new";
    default:
      return `torn: parts ${code.toString(2).padStart(8, "0")} new (last to first)`;
  }
}

export interface Totals {
  readonly subject: string;
  scenarios: number;
  states: number;
  mounts: number;
  depth: number;
  threadSeconds: number;
  violations: number;
}

/** One line of the table. */
export function totalsText(totals: Totals): string {
  const { subject, scenarios, states, mounts, depth, threadSeconds, violations } = totals;
  const columns = [
    subject.padEnd(8),
    `${grouped(states)} states`.padStart(17),
    `${grouped(mounts)} mounts`.padStart(18),
    `depth ${depth}`,
    `${scenarios} workloads`.padStart(14),
    `${threadSeconds.toFixed(1)} thread seconds`.padStart(22),
    `${violations} violations`.padStart(13),
  ];
  return columns.join("  ");
}

export function grouped(value: number): string {
  return value.toLocaleString("en-US");
}
