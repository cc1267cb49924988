/** What a system's generations are and why: for people, and for programs as JSON. */
import { toHex } from "../../base/hash.ts";
import { Phase } from "../../core/boot/control.ts";
import { readContent } from "../boot/content.ts";
import { RollbackReason } from "../boot/select.ts";
import type { InstalledSystem } from "./system.ts";

export interface SystemStatus {
  readonly provisioned: boolean;
  readonly phase: "idle" | "staged" | "armed" | "trying";
  readonly recovery: boolean;
  /** Ids, which are pointer epochs; null: none. */
  readonly active: number | null;
  readonly candidate: number | null;
  readonly golden: number | null;
  readonly selected: number | null;
  readonly previous: readonly number[];
  /** Largest pointer epoch ever used. */
  readonly pointerEpoch: number;
  readonly triesLeft: number;
  /** Failed boots of the active generation in a row. */
  readonly failures: number;
  readonly controlSequence: number;
  readonly bootSequence: number;
  readonly rollbacks: number;
  /** Why the last rollback happened, in words; null: there was none. */
  readonly why: string | null;
  readonly base: { readonly minOverlayEpoch: number } | null;
  readonly generations: readonly GenerationStatus[];
}

export interface GenerationStatus {
  readonly id: number;
  readonly roles: readonly ("active" | "candidate" | "golden" | "previous")[];
  readonly state: string;
  /** The content may never be booted again. */
  readonly bad: boolean;
  readonly overlayEpoch: number;
  readonly manifestHash: string;
  readonly accountHash: string | null;
  readonly parent: number | null;
  /** All its objects are there and equal their hashes; null: retired, nobody needs them. */
  readonly ready: boolean | null;
  readonly fault: string | null;
}

const WHY: Readonly<Record<RollbackReason, string | null>> = {
  [RollbackReason.NONE]: null,
  [RollbackReason.CANDIDATE_FAILED]: "the candidate failed in its attempts",
  [RollbackReason.CANDIDATE_UNCONFIRMED]: "the candidate was not confirmed in its attempts",
  [RollbackReason.ACTIVE_FAILED]: "the active generation failed too often",
  [RollbackReason.RECOVERY]: "the active generation failed too often, and golden cannot run",
};

/** Null: there was none. A number that this version does not know is told as it is. */
function whyOf(reason: number): string | null {
  const known = WHY[reason as RollbackReason];
  return known === undefined ? `reason ${reason}` : known;
}

/** Reads every object of every generation: what it says of them is true now. */
export function statusOf(system: InstalledSystem): SystemStatus {
  const { generations, base } = system;
  const control = generations.control;
  const id = (value: number) => (value === 0 ? null : value);
  return {
    provisioned: generations.provisioned,
    phase: PHASES[control.phase],
    recovery: control.recovery,
    active: id(control.active),
    candidate: id(control.candidate),
    golden: id(control.golden),
    selected: id(control.selected),
    previous: control.ring,
    pointerEpoch: control.highWater,
    triesLeft: control.triesLeft,
    failures: control.activeFailures,
    controlSequence: control.sequence,
    bootSequence: control.bootSequence,
    rollbacks: control.rollbackCount,
    why: whyOf(control.rollbackReason),
    base: base === undefined ? null : { minOverlayEpoch: base.extensionPoints.minOverlayEpoch },
    generations: generations.ids().map((each) => generationStatus(system, each)),
  };
}

const PHASES = {
  [Phase.IDLE]: "idle",
  [Phase.STAGED]: "staged",
  [Phase.ARMED]: "armed",
  [Phase.TRYING]: "trying",
} as const;

function generationStatus({ generations, grant }: InstalledSystem, id: number): GenerationStatus {
  const { active, candidate, golden, ring } = generations.control;
  const record = generations.record(id);
  if (record === undefined) throw new Error(`generation ${id} has lost its record`);
  const { state, manifestHash, accountHash, overlayEpoch, parent } = record;
  const content = state === "RETIRED" ? undefined : readContent(grant.store, manifestHash);
  const roles: GenerationStatus["roles"][number][] = [];
  if (id === active) roles.push("active");
  if (id === candidate) roles.push("candidate");
  if (id === golden) roles.push("golden");
  if (ring.includes(id)) roles.push("previous");
  return {
    ...{ id, roles, state, overlayEpoch, bad: generations.isBad(manifestHash) },
    manifestHash: toHex(manifestHash),
    accountHash: accountHash === undefined ? null : toHex(accountHash),
    parent: parent === 0 ? null : parent,
    ready: content === undefined ? null : content.ok,
    fault: content === undefined || content.ok ? null : content.reason,
  };
}
