/**
 * Whether the generations of a system are sound: boot control obeys its rules, every generation in
 * use is complete in the store, records and content bits agree, marker files say what boot control
 * says. Writes nothing.
 */
import { StorageError } from "../../base/errors.ts";
import { toHex } from "../../base/hash.ts";
import type { BootControl } from "../../core/boot/control.ts";
import { readContent } from "../boot/content.ts";
import type { Generations } from "../boot/generations.ts";
import type { DataGrant } from "../boot/kernel.ts";
import { contradiction } from "../boot/select.ts";

export interface AuditFinding {
  readonly reason:
    | "CONTROL_MALFORMED"
    | "CONTROL_CONTRADICTION"
    | "GENERATION_RECORD"
    | "GENERATION_INCOMPLETE"
    | "GENERATION_BAD"
    | "CONTENT_BITS"
    | "MARKER_DIFFERS";
  readonly message: string;
  /** Path of the marker file. */
  readonly path?: string;
}

/** What is wrong, the gravest first; empty: nothing, or nothing was ever provisioned. */
export function auditGenerations(generations: Generations, grant: DataGrant): AuditFinding[] {
  let control: BootControl;
  try {
    control = generations.control;
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== "EBADMSG") throw error;
    return [{ reason: "CONTROL_MALFORMED", message: error.message }];
  }
  const broken = contradiction(control);
  if (broken !== undefined) {
    return [{ reason: "CONTROL_CONTRADICTION", message: `boot control breaks a rule: ${broken}` }];
  }
  if (!generations.provisioned) return strayFindings(generations, grant);
  return [
    ...contents(control, generations, grant),
    ...bits(control, generations),
    ...strayFindings(generations, grant),
  ];
}

/** Every generation that may still run has its record and all its objects. */
function contents(
  { active, candidate, golden, ring }: BootControl,
  generations: Generations,
  { store }: DataGrant,
): AuditFinding[] {
  const findings: AuditFinding[] = [];
  const used = new Set([active, golden, candidate, ...ring].filter((id) => id !== 0));
  for (const id of used) {
    const record = generations.record(id);
    if (record === undefined || record.state === "RETIRED") {
      const what = record === undefined ? "has lost its record" : "is retired and in use";
      findings.push({ reason: "GENERATION_RECORD", message: `generation ${id} ${what}` });
      continue;
    }
    const content = readContent(store, record.manifestHash);
    if (!content.ok) {
      findings.push({ reason: "GENERATION_INCOMPLETE", message: `${id}: ${content.reason}` });
    }
  }
  return findings;
}

/** The three answers about contents that early boot takes from boot control. */
function bits(control: BootControl, generations: Generations): AuditFinding[] {
  const { active, candidate, golden } = control;
  const pending = [control.badActive, control.badCandidate];
  const hex = (id: number) => {
    const hash = generations.hashOf(id);
    return hash === undefined ? `unknown ${id}` : toHex(hash);
  };
  const isBad = (id: number) => {
    const hash = generations.hashOf(id);
    return hash !== undefined && generations.isBad(hash);
  };
  const goldenPending = pending.some((id) => id !== 0 && hex(id) === hex(golden));
  const answers: readonly (readonly [string, boolean, boolean])[] = [
    ["golden content = active content", control.goldenIsActive, hex(golden) === hex(active)],
    ["golden is BAD", control.goldenIsBad, isBad(golden) || goldenPending],
    [
      "candidate content = golden content",
      control.candidateIsGolden,
      candidate !== 0 && hex(candidate) === hex(golden),
    ],
  ];
  const findings = answers.flatMap(([what, said, found]): AuditFinding[] => {
    if (said === found) return [];
    const message = `boot control says ${said} of "${what}", the records say ${found}`;
    return [{ reason: "CONTENT_BITS", message }];
  });
  const bad = [active, candidate].filter((id) => id !== 0 && isBad(id));
  for (const id of bad) {
    findings.push({
      reason: "GENERATION_BAD",
      message: `generation ${id} is marked BAD and in use`,
    });
  }
  return findings;
}

function strayFindings(generations: Generations, { config }: DataGrant): AuditFinding[] {
  return generations.stray().map((name) => {
    const path = `${config.root}/${name}`;
    return { reason: "MARKER_DIFFERS", path, message: `${path} differs from boot control` };
  });
}
