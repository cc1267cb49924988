/**
 * The state machine of generations: one pure function. 128 bytes of boot control and an event in,
 * the 128 bytes that one commit makes durable out, or a refusal and nothing to write.
 *
 *   PROVISION --> IDLE <------------- CANCEL --------------+
 *                 |  ^                                     |
 *           STAGE |  | CONFIRM, or SELECT: attempts used   |
 *                 v  |                                     |
 *              STAGED ----- ARM ----> ARMED -- SELECT --> TRYING --+
 *                 |                     |                    ^     | SELECT: attempts left
 *                 +--- CANCEL           +--- CANCEL          +-----+
 *
 * A generation id is a pointer epoch; BAD belongs to content. What 128 bytes cannot know (contents,
 * objects, health) comes in as facts of the event; what else the commit has to do comes out beside
 * the block. Rules 0 to 15, why they are so and how they are checked: docs/generations.md.
 */
import { StorageError } from "../../base/errors.ts";
import {
  type BootControl,
  decodeControl,
  encodeControl,
  Phase,
  ResetCause,
  RING_MAX,
} from "../../core/boot/control.ts";
import {
  ATTEMPTS_MAX,
  type Boot,
  contradiction,
  hasRecordedFailure,
  type Profile,
  type SelectEvent,
  select,
  withoutCandidate,
} from "./select.ts";

/** How far a boot came: `lastStage`. */
export enum Stage {
  BOOTING = 0,
  KERNEL_LOADED = 1,
  SUBSYSTEMS_READY = 2,
  SHELL_READY = 3,
  GOLDEN = 4,
}

/** What the tree knows about the content that shall be staged. */
export interface ContentFacts {
  /** Its manifest hash has a BAD mark. */
  readonly isBad: boolean;
  readonly isActiveContent: boolean;
  readonly isGoldenContent: boolean;
  /** Manifest and all objects are verified, committed in ST, and the ST mirror is written. */
  readonly ready: boolean;
  /** Its overlay epoch is at least the base manifest's minimum. */
  readonly overlayEpochOk: boolean;
  /** The running generation passed its checks in this boot. */
  readonly runningHealthy: boolean;
}

interface Request {
  /** The control sequence that the requester has seen; the request is stale if it moved on. */
  readonly controlSequence?: number | undefined;
}

interface StageRequest {
  readonly controlSequence: number;
  /** Id of the new generation: the high water plus one. */
  readonly pointerEpoch: number;
  readonly facts: ContentFacts;
}

/** What a boot says about itself. */
interface Report {
  readonly token: bigint;
  readonly running: number;
  /** This boot passed its health checks. */
  readonly healthy: boolean;
  readonly stage?: Stage | undefined;
}

export type BootEvent =
  | SelectEvent
  | ({ readonly type: "provision"; readonly ready: boolean } & Request)
  | ({ readonly type: "stage" } & StageRequest)
  | ({ readonly type: "stageOld"; readonly source: number } & StageRequest)
  | ({ readonly type: "arm"; readonly attempts: number } & Request)
  | ({ readonly type: "cancel" } & Request)
  | ({ readonly type: "confirm"; readonly controlSequence: number } & Report)
  | ({ readonly type: "markGood" } & Report & Request)
  | {
      readonly type: "fail";
      readonly token: bigint;
      readonly why: string;
      readonly stage?: Stage | undefined;
    }
  | ({
      readonly type: "promote";
      readonly running: number;
      readonly healthy: boolean;
      readonly stage: Stage;
    } & Request)
  | ({ readonly type: "drop"; readonly id: number } & Request)
  /** The oldest generation leaves the ring, so that DROP may take it. */
  | ({ readonly type: "shorten" } & Request)
  /** The next normal run writes the BAD marks that early boot could not. */
  | { readonly type: "settle" }
  /** An operator has verified golden's objects again, or reinstalled them. */
  | ({ readonly type: "recReset"; readonly goldenReady: boolean } & Request);

export type RecordState = "FRESH" | "CONFIRMED" | "BAD" | "INCONCLUSIVE" | "RETIRED";

/** What one commit does: the block, and in the same commit what stands beside it. */
export interface Effects {
  /** The block stays as it is. Records, if any, still want their commit. */
  readonly unchanged: boolean;
  readonly records: readonly { readonly id: number; readonly state: RecordState }[];
  /** Generations whose content gets a BAD mark. */
  readonly marks: readonly number[];
  /** Generations whose content loses its BAD mark, after `marks`. */
  readonly unmarks: readonly number[];
  /** Answer of SELECT: what to run, once the commit is durable. */
  readonly boot?: Boot;
  /**
   * Answer of SELECT: what to run if the commit failed or is in doubt. Such a boot has no token,
   * and the reset that ends it is a power cut to the next SELECT, whatever it was.
   */
  readonly uncounted?: Boot;
  /** Answer of FAIL: reset the machine now. */
  readonly reset: boolean;
  /** One line for the log. */
  readonly log: string;
}

/** ESTALE: the request speaks of a state that is gone. EINVAL: no rule allows it in this one. */
export interface Refused {
  readonly refused: "ESTALE" | "EINVAL";
  readonly reason: string;
}

export type Transition = Refused | ({ readonly control: BootControl } & Effects);
export type Step = Refused | ({ readonly control: Uint8Array } & Effects);

/**
 * One step on the bytes.
 *
 * @param block 128 bytes, as FileSystem.control() answers them; never changed
 * @returns the bytes for FileSystem.setControl(), the same ones if `unchanged`; or a refusal, also
 *   for a block with values or combinations that no rule leaves
 * @example
 * const answer = step(files.control(), { type: "select", cause, token }, CAPOS);
 * if (!("refused" in answer) && !answer.unchanged) files.setControl(answer.control);
 */
export function step(block: Uint8Array, event: BootEvent, profile: Profile): Step {
  let control: BootControl;
  try {
    control = decodeControl(block);
  } catch (error) {
    if (error instanceof StorageError) return invalid(error.message);
    throw error;
  }
  const answer = transition(control, event, profile);
  if ("refused" in answer) return answer;
  return { ...answer, control: answer.unchanged ? block : encodeControl(answer.control) };
}

/** One step on the decoded block: see step(). */
export function transition(control: BootControl, event: BootEvent, profile: Profile): Transition {
  const wrong = contradiction(control);
  if (wrong !== undefined) return invalid(`boot control breaks a rule: ${wrong}`);
  if (Math.max(control.sequence, control.bootSequence, control.highWater) >= SEQUENCE_MAX) {
    return invalid("a sequence of boot control is used up");
  }
  switch (event.type) {
    case "select":
      return early(control, event, profile);
    case "fail":
      return fail(control, event);
    case "recReset":
      return stale(control, event) ?? reset(control, event.goldenReady);
    case "provision":
      return stale(control, event) ?? provision(control, event.ready);
    default:
      return notRunning(control) ?? running(control, event);
  }
}

const SEQUENCE_MAX = Number.MAX_SAFE_INTEGER;

type RunningEvent = Exclude<
  BootEvent,
  { readonly type: "select" | "fail" | "recReset" | "provision" }
>;

/** Requests that only a normal run serves, and only after it has settled what SELECT left. */
function running(control: BootControl, event: RunningEvent): Transition {
  if (event.type === "settle") return settle(control);
  if (pending(control).length > 0) return invalid("BAD marks are pending: settle them first");
  const late = stale(control, event);
  if (late !== undefined) return late;
  switch (event.type) {
    case "stage":
      return stage(control, event, event.facts);
    case "stageOld":
      return stageOld(control, event);
    case "arm":
      return arm(control, event.attempts);
    case "cancel":
      return cancel(control);
    case "confirm":
      return confirm(control, event);
    case "markGood":
      return markGood(control, event);
    case "promote":
      return promote(control, event);
    case "drop":
      return drop(control, event.id);
    case "shorten":
      return shorten(control);
  }
}

/** Rule 0. The trusted installer's own first generation: the only one confirmed without a run. */
function provision(control: BootControl, ready: boolean): Transition {
  if (control.highWater !== 0) return stalled("a generation was provisioned before");
  if (!ready) return invalid("the objects of generation 1 are not committed");
  const next = { ...control, active: 1, golden: 1, highWater: 1, goldenIsActive: true };
  return changed(next, "generation 1 is provisioned", { records: [{ id: 1, state: "CONFIRMED" }] });
}

/** Rule 1. */
function stage(control: BootControl, request: StageRequest, facts: ContentFacts): Transition {
  const { pointerEpoch } = request;
  if (pointerEpoch <= control.highWater) return stalled(`epoch ${pointerEpoch} was used before`);
  if (pointerEpoch !== control.highWater + 1) return invalid(`epoch ${pointerEpoch} skips one`);
  if (control.phase !== Phase.IDLE) return invalid("another generation is staged");
  const isGolden = facts.isGoldenContent;
  if (facts.isBad || (isGolden && control.goldenIsBad)) return invalid("its content is BAD");
  if (facts.isActiveContent || (isGolden && control.goldenIsActive)) {
    return invalid("its content is the active one");
  }
  if (!facts.ready) return invalid("its objects are not committed");
  if (!facts.overlayEpochOk) return invalid("its overlay epoch is below the base's minimum");
  if (!facts.runningHealthy) return invalid("the running generation has not passed its checks");
  const next: BootControl = {
    ...control,
    phase: Phase.STAGED,
    candidate: pointerEpoch,
    highWater: pointerEpoch,
    candidateIsGolden: isGolden,
  };
  const records = [{ id: pointerEpoch, state: "FRESH" }] as const;
  return changed(next, `generation ${pointerEpoch} is staged`, { records });
}

/** Rule 2. A rollback is a new epoch with an old content, and is tried like any other. */
function stageOld(
  control: BootControl,
  request: StageRequest & { readonly source: number },
): Transition {
  const { source, facts } = request;
  const isGolden = source === control.golden;
  if (!isGolden && !control.ring.includes(source)) {
    return invalid(`generation ${source} is neither golden nor one of the last ${RING_MAX}`);
  }
  const isGoldenContent = isGolden || facts.isGoldenContent;
  return stage(control, request, { ...facts, isGoldenContent });
}

/** Rule 3. */
function arm(control: BootControl, attempts: number): Transition {
  if (control.phase !== Phase.STAGED) return invalid("no generation is staged");
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > ATTEMPTS_MAX) {
    return invalid(`a candidate has 1 to ${ATTEMPTS_MAX} attempts`);
  }
  const next = { ...control, phase: Phase.ARMED, triesLeft: attempts };
  return changed(next, `generation ${control.candidate} is armed, attempts: ${attempts}`);
}

/** Rule 4. */
function cancel(control: BootControl): Transition {
  if (control.phase !== Phase.STAGED && control.phase !== Phase.ARMED) {
    return invalid("nothing is staged or armed");
  }
  return changed(withoutCandidate(control), `generation ${control.candidate} is cancelled`);
}

/** Rules 5 to 9, in select.ts. */
function early(control: BootControl, event: SelectEvent, profile: Profile): Transition {
  const { token } = event;
  if (token <= 0n || token !== BigInt.asUintN(64, token) || token === control.bootToken) {
    return invalid("a boot token is 64 random bits, not zero and not the last one");
  }
  const { inconclusive, ...answer } = select(control, event, profile);
  const records: Effects["records"] =
    inconclusive === 0 ? [] : [{ id: inconclusive, state: "INCONCLUSIVE" }];
  return { ...NO_EFFECTS, ...answer, records };
}

/** Rule 10. */
function confirm(control: BootControl, report: Report): Transition {
  const { active, candidate } = control;
  if (!isCurrent(control, report.token)) return stalled("the token is of another boot");
  if (control.phase !== Phase.TRYING) return invalid("no generation is tried");
  if (report.running !== candidate || control.selected !== candidate) {
    return invalid("the candidate is not what runs");
  }
  if (!report.healthy) return invalid("this boot has not passed its checks");
  const ring = [active, ...control.ring].filter((id) => id !== candidate).slice(0, RING_MAX);
  const next: BootControl = {
    ...withoutCandidate(control),
    ...good(control, report.stage),
    active: candidate,
    ring,
    goldenIsActive: control.candidateIsGolden,
  };
  const records = [{ id: candidate, state: "CONFIRMED" }] as const;
  return changed(next, `generation ${candidate} is confirmed`, { records });
}

/** Rule 11. Written only where a count goes back to zero. */
function markGood(control: BootControl, report: Report): Transition {
  if (!isCurrent(control, report.token)) return stalled("the token is of another boot");
  if (report.running !== control.active) return invalid("the active generation is not what runs");
  if (!report.healthy) return invalid("this boot has not passed its checks");
  const log = `generation ${control.active} is good`;
  if (control.activeFailures === 0 && control.unknownBoots === 0) return unchanged(control, log);
  return changed({ ...control, ...good(control, report.stage) }, log);
}

/** Rule 12. Takes the token away, so that this boot can neither be confirmed nor fail twice. */
function fail(control: BootControl, event: BootEvent & { readonly type: "fail" }): Transition {
  if (control.recovery) return invalid("recovery is not a generation");
  if (!isCurrent(control, event.token)) return stalled("the token is of another boot");
  const next: BootControl = {
    ...control,
    resetCause: ResetCause.HEALTH,
    bootToken: 0n,
    lastStage: furthest(control, event.stage),
  };
  return changed(next, `generation ${control.selected} failed: ${event.why}`, { reset: true });
}

/** Rule 13. */
function promote(control: BootControl, event: BootEvent & { readonly type: "promote" }) {
  const { active } = control;
  if (active === 0 || event.running !== active) {
    return invalid("the active generation is not what runs");
  }
  if (!event.healthy || event.stage !== Stage.GOLDEN) {
    return invalid("this boot has not reached the marker GOLDEN");
  }
  if (hasRecordedFailure(control)) return invalid("this boot has failed");
  const log = `generation ${active} is golden`;
  if (control.golden === active) return unchanged(control, log);
  const next: BootControl = {
    ...control,
    golden: active,
    goldenIsActive: true,
    goldenIsBad: false,
    candidateIsGolden: false,
    lastStage: Stage.GOLDEN,
    goodBoot: control.bootSequence,
  };
  return changed(next, log);
}

/** Rule 14. */
function drop(control: BootControl, id: number): Transition {
  if (!Number.isInteger(id) || id < 1 || id > control.highWater) {
    return invalid(`there is no generation ${id}`);
  }
  const { active, candidate, golden, selected, ring } = control;
  if ([active, candidate, golden, selected, ...ring].includes(id)) {
    return invalid(`generation ${id} is in use`);
  }
  return unchanged(control, `generation ${id} is dropped`, { records: [{ id, state: "RETIRED" }] });
}

function shorten(control: BootControl): Transition {
  const oldest = control.ring.at(-1);
  if (oldest === undefined) return invalid("no previous generation is kept");
  const next = { ...control, ring: control.ring.slice(0, -1) };
  return changed(next, `generation ${oldest} is no longer kept`);
}

function settle(control: BootControl): Transition {
  const ids = pending(control);
  if (ids.length === 0) return unchanged(control, "no BAD mark is pending");
  const records = ids.map((id) => ({ id, state: "BAD" as const }));
  const next = { ...control, badCandidate: 0, badActive: 0 };
  return changed(next, `marked BAD: generation ${ids.join(", ")}`, { records, marks: ids });
}

/** Rule 15. Settles too: what is pending may have golden's content, which stops being BAD. */
function reset(control: BootControl, goldenReady: boolean): Transition {
  if (!control.recovery) return invalid("the system is not in recovery");
  const { golden } = control;
  if (!goldenReady) return invalid("golden's objects are not verified");
  const ids = pending(control);
  const next: BootControl = {
    ...withoutCandidate(control),
    recovery: false,
    active: golden,
    activeFailures: 0,
    unknownBoots: 0,
    goldenIsActive: true,
    goldenIsBad: false,
    badCandidate: 0,
    badActive: 0,
  };
  const records = ids.map((id) => ({ id, state: "BAD" as const }));
  const log = `recovery is over: generation ${golden} is active`;
  return changed(next, log, { records, marks: ids, unmarks: [golden] });
}

/** What a boot that passed its checks leaves behind. */
function good(control: BootControl, stage: Stage | undefined) {
  return {
    activeFailures: 0,
    unknownBoots: 0,
    lastStage: furthest(control, stage),
    goodBoot: control.bootSequence,
  };
}

/** Stages only rise within a boot. */
function furthest(control: BootControl, stage: Stage = Stage.BOOTING): number {
  return Math.max(control.lastStage, stage);
}

function pending(control: BootControl): number[] {
  return [control.badCandidate, control.badActive].filter((id) => id !== 0);
}

/** A FAIL has taken the token away: then no token is current. */
function isCurrent(control: BootControl, token: bigint): boolean {
  return token !== 0n && token === control.bootToken;
}

function stale(control: BootControl, request: Request): Refused | undefined {
  const { controlSequence = control.sequence } = request;
  return controlSequence === control.sequence ? undefined : stalled("boot control has moved on");
}

function notRunning(control: BootControl): Refused | undefined {
  if (control.active === 0) return invalid("no generation is provisioned");
  return control.recovery ? invalid("the system is in recovery") : undefined;
}

const NO_EFFECTS = { records: [], marks: [], unmarks: [], reset: false } as const;

function changed(next: BootControl, log: string, effects: Partial<Effects> = {}): Transition {
  const control = { ...next, sequence: next.sequence + 1 };
  return { ...NO_EFFECTS, ...effects, control, unchanged: false, log };
}

function unchanged(control: BootControl, log: string, effects: Partial<Effects> = {}): Transition {
  return { ...NO_EFFECTS, ...effects, control, unchanged: true, log };
}

function stalled(reason: string): Refused {
  return { refused: "ESTALE", reason };
}

function invalid(reason: string): Refused {
  return { refused: "EINVAL", reason };
}
