/**
 * The state machine of generations once more, as abstract as shared prose has it: ids, contents and
 * counters, nothing of bytes, tokens or sequences. What each content is stands beside its id, so
 * that all that early boot keeps as bits is derived here, and compared.
 */
import { type BootControl, Phase, ResetCause } from "../../../host/core/boot/control.ts";
import type { RecordState } from "../../../host/system/boot/transition.ts";

const FAILURES = 3;
const UNKNOWN_BOOTS = 8;
const RING = 3;

/** What the record of a generation says. */
export interface HeldRecord {
  /** Its manifest hash, hexadecimal. */
  readonly content: string;
  readonly state: RecordState;
}

/** A value: every step makes a new one. */
export interface Held {
  readonly phase: Phase;
  readonly active: number;
  readonly candidate: number;
  readonly golden: number;
  readonly selected: number;
  readonly highWater: number;
  readonly tries: number;
  readonly activeFailures: number;
  readonly candidateFailed: boolean;
  readonly recovery: boolean;
  readonly unknownBoots: number;
  readonly ring: readonly number[];
  /** FAIL is recorded: the next boot counts it, whatever the cause of its reset. */
  readonly failed: boolean;
  /** Contents that may not be booted again. */
  readonly bad: ReadonlySet<string>;
  /** Ids found BAD by early boot, which the next run has to mark. */
  readonly pending: readonly number[];
  readonly records: ReadonlyMap<number, HeldRecord>;
  /** Attempts that the candidate was armed with, and runs of it that have begun since. */
  readonly attempts: number;
  readonly runs: number;
  /** What the marker files say; empty: there are none. */
  readonly shown: string;
}

export const UNPROVISIONED: Held = {
  ...{ phase: Phase.IDLE, active: 0, candidate: 0, golden: 0, selected: 0, highWater: 0, tries: 0 },
  ...{ activeFailures: 0, candidateFailed: false, recovery: false, unknownBoots: 0, ring: [] },
  ...{ failed: false, bad: new Set(), pending: [], records: new Map(), attempts: 0, runs: 0 },
  shown: "",
};

/** What the marker files should say. */
export function markersOf({ active, candidate, phase, recovery }: Held): string {
  if (active === 0) return "";
  const waiting = candidate === 0 ? "" : phase === Phase.STAGED ? "staged" : "attempting";
  return `${active} ${candidate} ${waiting} ${recovery ? "recovery" : Phase[phase]}`;
}

/** A commit that had no room for the tree has left the marker files as they were. */
export function isBehind(held: Held): boolean {
  return held.shown !== markersOf(held);
}

/** Boot control went alone: records and marker files are those of `before`. */
export function alone(next: Held, before: Held): Held {
  return { ...next, records: before.records, shown: before.shown };
}

export function whole(next: Held): Held {
  return { ...next, shown: markersOf(next) };
}

/** What is in use was confirmed, whatever its record still says. */
export function heal(held: Held): Held {
  const ids = [held.active, held.golden, ...held.ring];
  const late = ids.filter((id) => held.records.get(id)?.state === "FRESH");
  return late.reduce((next, id) => marked(next, id, "CONFIRMED"), held);
}

export function contentOf(held: Held, id: number): string | undefined {
  return held.records.get(id)?.content;
}

function same(held: Held, one: number, other: number): boolean {
  return one !== 0 && other !== 0 && contentOf(held, one) === contentOf(held, other);
}

function isBad(held: Held, id: number): boolean {
  return held.bad.has(contentOf(held, id) ?? "");
}

function marked(held: Held, id: number, state: RecordState): Held {
  const record = held.records.get(id);
  if (record === undefined) return held;
  return { ...held, records: new Map(held.records).set(id, { ...record, state }) };
}

const NOTHING = { candidate: 0, phase: Phase.IDLE, tries: 0, candidateFailed: false } as const;
const NO_RUNS = { attempts: 0, runs: 0 } as const;

/** Whether a flow may change generations now: nothing is pending, and there is a system. */
export function serves(held: Held): boolean {
  return held.active !== 0 && !held.recovery;
}

export function provision(held: Held, content: string): Held | undefined {
  if (held.highWater !== 0) return undefined;
  const records = new Map([[1, { content, state: "CONFIRMED" as const }]]);
  return { ...held, active: 1, golden: 1, highWater: 1, records };
}

export function stage(held: Held, content: string): Held | undefined {
  if (!serves(held) || held.phase !== Phase.IDLE || held.bad.has(content)) return undefined;
  if (content === contentOf(held, held.active)) return undefined;
  const id = held.highWater + 1;
  const records = new Map(held.records).set(id, { content, state: "FRESH" });
  return { ...held, phase: Phase.STAGED, candidate: id, highWater: id, records, ...NO_RUNS };
}

/** A rollback: only to what is kept. */
export function stageOld(held: Held, source: number): Held | undefined {
  const content = contentOf(held, source);
  const isKept = held.ring.includes(source) || held.golden === source;
  return isKept && content !== undefined ? stage(held, content) : undefined;
}

export function arm(held: Held, attempts: number): Held | undefined {
  if (!serves(held) || held.phase !== Phase.STAGED || attempts < 1 || attempts > 3)
    return undefined;
  return { ...held, phase: Phase.ARMED, tries: attempts, attempts };
}

export function cancel(held: Held): Held | undefined {
  if (!serves(held) || (held.phase !== Phase.STAGED && held.phase !== Phase.ARMED))
    return undefined;
  return { ...held, ...NOTHING, ...NO_RUNS };
}

export function settle(held: Held): Held {
  let next = held;
  for (const id of held.pending) next = marked(next, id, "BAD");
  return { ...next, pending: [] };
}

/** `running`: what this very boot runs; it has passed its checks. */
export function confirm(held: Held, running: number): Held | undefined {
  if (held.phase !== Phase.TRYING || running !== held.candidate) return undefined;
  const ring = [held.active, ...held.ring].filter((id) => id !== running).slice(0, RING);
  const next = { ...held, ...NOTHING, ...NO_RUNS, active: running, ring };
  return marked({ ...next, activeFailures: 0, unknownBoots: 0 }, running, "CONFIRMED");
}

export function markGood(held: Held): Held {
  return { ...held, activeFailures: 0, unknownBoots: 0 };
}

export function fail(held: Held): Held {
  return { ...held, failed: true };
}

export function promote(held: Held): Held {
  return { ...held, golden: held.active };
}

export function drop(held: Held, id: number): Held | undefined {
  const { active, candidate, golden, selected, ring } = held;
  if ([active, candidate, golden, selected, ...ring].includes(id)) return undefined;
  return held.records.has(id) ? marked(held, id, "RETIRED") : undefined;
}

export function forget(held: Held, ids: readonly number[]): Held | undefined {
  const records = new Map(held.records);
  for (const id of ids) {
    if (records.get(id)?.state !== "RETIRED") return undefined;
    records.delete(id);
  }
  return { ...held, records };
}

export function endRecovery(held: Held): Held | undefined {
  if (!held.recovery) return undefined;
  const next = settle(held);
  const bad = new Set(next.bad);
  bad.delete(contentOf(held, held.golden) ?? "");
  const counts = { activeFailures: 0, unknownBoots: 0 };
  return { ...next, ...NOTHING, ...NO_RUNS, ...counts, recovery: false, active: held.golden, bad };
}

/** What early boot does, and which generation runs then. */
export interface Selected {
  readonly held: Held;
  readonly runs: number | "recovery" | "base";
}

export function select(held: Held, cause: ResetCause): Selected {
  if (held.recovery) return { held, runs: "recovery" };
  if (held.active === 0) return { held, runs: "base" };
  const { PANIC, WATCHDOG, HEALTH, UNKNOWN } = ResetCause;
  const hard = held.failed || [PANIC, WATCHDOG, HEALTH].includes(cause);
  const now = { ...held, failed: false };
  if (held.phase === Phase.ARMED || held.phase === Phase.TRYING) return selectCandidate(now, hard);
  const isActive = held.selected === held.active;
  const unknown = cause === UNKNOWN && !held.failed;
  const tired = unknown && held.unknownBoots >= UNKNOWN_BOOTS;
  const activeFailures = held.activeFailures + (isActive && (hard || tired) ? 1 : 0);
  const counted = held.unknownBoots + (isActive && !tired ? 1 : 0);
  const next = { ...now, activeFailures, unknownBoots: unknown ? counted : 0 };
  if (activeFailures >= FAILURES) return giveUp({ ...next, activeFailures: 0, unknownBoots: 0 });
  return { held: { ...next, selected: held.active }, runs: held.active };
}

function selectCandidate(held: Held, hard: boolean): Selected {
  const { active, candidate } = held;
  const candidateFailed = held.candidateFailed || (hard && held.selected === candidate);
  if (held.tries > 0) {
    const tries = held.tries - 1;
    const next = { ...held, candidateFailed, tries, runs: held.runs + 1, phase: Phase.TRYING };
    return { held: { ...next, selected: candidate }, runs: candidate };
  }
  const out: Held = { ...held, ...NOTHING, ...NO_RUNS, activeFailures: 0, unknownBoots: 0 };
  const next = candidateFailed ? condemned(out, candidate) : marked(out, candidate, "INCONCLUSIVE");
  return { held: { ...next, selected: active }, runs: active };
}

function giveUp(held: Held): Selected {
  const { active, golden } = held;
  if (same(held, active, golden) || isBad(held, golden)) {
    return { held: { ...held, recovery: true }, runs: "recovery" };
  }
  const next = { ...condemned(held, active), active: golden, selected: golden };
  const gone = same(next, next.candidate, golden) || isBad(next, next.candidate);
  return { held: gone ? { ...next, ...NOTHING, ...NO_RUNS } : next, runs: golden };
}

function condemned(held: Held, id: number): Held {
  const bad = new Set(held.bad).add(contentOf(held, id) ?? "");
  return { ...held, bad, pending: [...held.pending, id] };
}

/** Whether `ids` lead, without an operator, to the run of a healthy generation: the boots it takes. */
export function boots(
  held: Held,
  isHealthy: (content: string) => boolean,
): Selected & { count: number } {
  let cause = ResetCause.POWER;
  let now = held;
  for (let count = 1; ; count++) {
    const selected = select(now, cause);
    const { runs } = selected;
    if (typeof runs !== "number" || isHealthy(contentOf(selected.held, runs) ?? "") || count > 20) {
      return { ...selected, count };
    }
    now = fail(settle(selected.held));
    cause = ResetCause.POWER;
  }
}

/** The first difference between boot control and what it should say; undefined: none. */
export function difference(held: Held, control: BootControl): string | undefined {
  const pending = [control.badCandidate, control.badActive].filter((id) => id !== 0);
  const rows: readonly (readonly [string, unknown, unknown])[] = [
    ["phase", Phase[control.phase], Phase[held.phase]],
    ["active", control.active, held.active],
    ["candidate", control.candidate, held.candidate],
    ["golden", control.golden, held.golden],
    ["selected", control.selected, held.selected],
    ["high water", control.highWater, held.highWater],
    ["attempts left", control.triesLeft, held.tries],
    ["failures of active", control.activeFailures, held.activeFailures],
    ["candidate failed", control.candidateFailed, held.candidateFailed],
    ["recovery", control.recovery, held.recovery],
    ["unknown boots", control.unknownBoots, held.unknownBoots],
    ["ring", control.ring.join(), held.ring.join()],
    ["pending", pending.sort().join(), [...held.pending].sort().join()],
    ["golden is active", control.goldenIsActive, same(held, held.golden, held.active)],
    ["golden is BAD", control.goldenIsBad, isBad(held, held.golden)],
    ["candidate is golden", control.candidateIsGolden, same(held, held.candidate, held.golden)],
    [
      "failure recorded",
      control.bootToken === 0n && control.resetCause === ResetCause.HEALTH,
      held.failed,
    ],
  ];
  const wrong = rows.find(([, found, wanted]) => found !== wanted);
  return wrong && `${wrong[0]} is ${wrong[1]}, and should be ${wrong[2]}`;
}
