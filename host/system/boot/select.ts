/**
 * Early boot's decision, on the 128 bytes of boot control alone: which generation runs now.
 *
 *                    phase ARMED or TRYING                 phase IDLE or STAGED
 *                   +----------+----------+               +---------+---------+
 *               tries left           none left         failures < F      failures = F
 *                   |                    |                 |           +-----+-----+
 *              5 candidate      6 back to active      7 active   golden differs   golden is active
 *              (counted first)  (BAD if it failed)               and is not BAD   or BAD
 *                                                                 8 golden         9 recovery
 *
 * No tree, no clock, no store: a boot loader can carry the same rules. docs/generations.md.
 */
import { type BootControl, Phase, ResetCause, RING_MAX } from "../../core/boot/control.ts";

/** How patient a system is. */
export interface Profile {
  /** Attempts of a candidate per ARM, 1 to ATTEMPTS_MAX. */
  readonly attempts: number;
  /** Hard failures of the active generation in a row before it is given up, 1 to 3. */
  readonly failures: number;
  /** Boots in a row of unknown cause that are forgiven; each further one is a hard failure. */
  readonly unknownBoots: number;
}

export const CAPOS: Profile = { attempts: 1, failures: 3, unknownBoots: 8 };
export const RAYOS: Profile = { attempts: 3, failures: 3, unknownBoots: 8 };
export const ATTEMPTS_MAX = 3;

/** Why the machine last left what it was told to run: `rollbackReason`. */
export enum RollbackReason {
  NONE = 0,
  /** The candidate used its attempts up, and failed hard in one of them. */
  CANDIDATE_FAILED = 1,
  /** The candidate used its attempts up without evidence against it. */
  CANDIDATE_UNCONFIRMED = 2,
  /** The active generation failed too often: golden took its place. */
  ACTIVE_FAILED = 3,
  /** The active generation failed too often, and golden could not take its place. */
  RECOVERY = 4,
}

/** What to run: `id` 0 for the base floor of an unprovisioned system, and for recovery. */
export interface Boot {
  readonly id: number;
  readonly kind: "candidate" | "active" | "golden" | "recovery" | "base";
}

export interface SelectEvent {
  readonly type: "select";
  /** Why the last boot ended, as the host knows it. A recorded FAIL has precedence. */
  readonly cause: ResetCause;
  /** Random, 64 bits, not 0, not the last one. */
  readonly token: bigint;
}

export interface Selection {
  readonly control: BootControl;
  /** Nothing to write: the block is what it was, its boot sequence and token included. */
  readonly unchanged: boolean;
  readonly boot: Boot;
  /** What to run if the commit fails or is in doubt: never the candidate (I4). */
  readonly uncounted: Boot;
  /** A candidate that is out without evidence against it. */
  readonly inconclusive: number;
  readonly log: string;
}

/** Rules 5 to 9 on a block without contradiction(). Durable before the kernel is entered. */
export function select(control: BootControl, event: SelectEvent, profile: Profile): Selection {
  if (control.recovery) {
    return still(control, { id: 0, kind: "recovery" }, "recovery, until an operator resets it");
  }
  if (control.active === 0) {
    return still(control, { id: 0, kind: "base" }, "base floor: nothing is provisioned");
  }
  const cause = hasRecordedFailure(control) ? ResetCause.HEALTH : event.cause;
  const known: SelectEvent = { ...event, cause };
  return control.phase === Phase.ARMED || control.phase === Phase.TRYING
    ? selectCandidate(control, known)
    : selectActive(control, known, profile);
}

/** FAIL writes HEALTH and takes the token away; the next SELECT gives a new one. */
export function hasRecordedFailure(control: BootControl): boolean {
  return control.resetCause === ResetCause.HEALTH && control.bootToken === 0n;
}

/** A failure with evidence. A power cut is none, an unknown cause neither. */
export function isHard(cause: ResetCause): boolean {
  return cause === ResetCause.PANIC || cause === ResetCause.WATCHDOG || cause === ResetCause.HEALTH;
}

/** Rules 5 and 6. */
function selectCandidate(control: BootControl, event: SelectEvent): Selection {
  const { active, candidate } = control;
  const failed = control.selected === candidate && isHard(event.cause);
  const candidateFailed = control.candidateFailed || failed;
  if (control.triesLeft > 0) {
    const triesLeft = control.triesLeft - 1;
    const next = { ...control, phase: Phase.TRYING, triesLeft, candidateFailed };
    return written(control, { ...next, selected: candidate }, event, {
      boot: { id: candidate, kind: "candidate" },
      log: `generation ${candidate} is tried, attempts left after this one: ${triesLeft}`,
    });
  }
  const reason = candidateFailed
    ? RollbackReason.CANDIDATE_FAILED
    : RollbackReason.CANDIDATE_UNCONFIRMED;
  const next: BootControl = {
    ...withoutCandidate(control),
    ...rolledBack(control, reason),
    goldenIsBad: control.goldenIsBad || (candidateFailed && control.candidateIsGolden),
    badCandidate: candidateFailed ? candidate : control.badCandidate,
    activeFailures: 0,
    unknownBoots: 0,
    selected: active,
  };
  const evidence = candidateFailed ? "failed" : "was not confirmed";
  return written(control, next, event, {
    boot: { id: active, kind: "active" },
    inconclusive: candidateFailed ? 0 : candidate,
    log: `generation ${candidate} ${evidence} in its attempts: back to generation ${active}`,
  });
}

/** Rules 7 to 9. */
function selectActive(control: BootControl, event: SelectEvent, profile: Profile): Selection {
  const { active } = control;
  const ofActive = control.selected === active;
  const unknown = event.cause === ResetCause.UNKNOWN;
  const tired = unknown && control.unknownBoots >= profile.unknownBoots;
  const hard = ofActive && (isHard(event.cause) || tired);
  const activeFailures = control.activeFailures + (hard ? 1 : 0);
  if (activeFailures >= profile.failures) return giveUpActive(control, event);
  const counted = ofActive && !tired ? control.unknownBoots + 1 : control.unknownBoots;
  const unknownBoots = unknown ? counted : 0;
  const boot: Boot = { id: active, kind: "active" };
  const log = hard
    ? `generation ${active} failed, ${activeFailures} in a row`
    : `generation ${active} is active`;
  const same =
    activeFailures === control.activeFailures &&
    unknownBoots === control.unknownBoots &&
    ofActive &&
    event.cause === control.resetCause &&
    control.lastStage === 0;
  // MARK-GOOD writes only where a count waits for it: only then this boot needs a token of its own.
  const needsToken = activeFailures > 0 || unknownBoots > 0 || control.bootToken === 0n;
  if (same && !needsToken) return still(control, boot, log);
  const next = { ...control, activeFailures, unknownBoots, selected: active };
  return written(control, next, event, { boot, log });
}

/** Rules 8 and 9: the active generation has failed F times. */
function giveUpActive(control: BootControl, event: SelectEvent): Selection {
  const { active, golden } = control;
  const counts = { activeFailures: 0, unknownBoots: 0 };
  const failed = `generation ${active} failed too often`;
  if (control.goldenIsActive || control.goldenIsBad) {
    const why = control.goldenIsBad ? "golden is BAD" : "it is golden itself";
    const next = { ...control, ...counts, recovery: true, rollbackReason: RollbackReason.RECOVERY };
    return written(control, next, event, {
      boot: { id: 0, kind: "recovery" },
      log: `${failed} and ${why}: recovery`,
    });
  }
  const next: BootControl = {
    ...(control.candidateIsGolden ? withoutCandidate(control) : control),
    ...rolledBack(control, RollbackReason.ACTIVE_FAILED),
    ...counts,
    badActive: active,
    active: golden,
    goldenIsActive: true,
    selected: golden,
  };
  return written(control, next, event, {
    boot: { id: golden, kind: "golden" },
    log: `${failed}: back to golden generation ${golden}`,
  });
}

/** The block with no candidate, as CANCEL and every end of a trial leave it. */
export function withoutCandidate(control: BootControl): BootControl {
  return {
    ...control,
    phase: Phase.IDLE,
    candidate: 0,
    triesLeft: 0,
    candidateFailed: false,
    candidateIsGolden: false,
  };
}

function rolledBack(control: BootControl, rollbackReason: RollbackReason) {
  return { rollbackReason, rollbackCount: Math.min(control.rollbackCount + 1, 0xffff_ffff) };
}

function still(control: BootControl, boot: Boot, log: string): Selection {
  return { control, unchanged: true, boot, uncounted: boot, inconclusive: 0, log };
}

function written(
  control: BootControl,
  next: BootControl,
  { cause, token }: SelectEvent,
  { boot, log, inconclusive = 0 }: { boot: Boot; log: string; inconclusive?: number },
): Selection {
  const stamped: BootControl = {
    ...next,
    lastStage: 0,
    resetCause: cause,
    sequence: control.sequence + 1,
    bootSequence: control.bootSequence + 1,
    bootToken: token,
  };
  const uncounted: Boot = { id: control.active, kind: "active" };
  return { control: stamped, unchanged: false, boot, uncounted, inconclusive, log };
}

/**
 * The first rule between fields that a block breaks, as a sentence, or undefined. No transition
 * leaves such a block and none starts from one: it is refused, and the machine runs the base floor.
 */
export function contradiction(control: BootControl): string | undefined {
  const { phase, active, candidate, golden, selected, highWater, ring, triesLeft } = control;
  const idle = phase === Phase.IDLE;
  const trying = phase === Phase.TRYING;
  const ids = [active, golden, selected, control.badCandidate, control.badActive, ...ring];
  const unprovisioned = highWater === 0;
  const flags = control.recovery || control.goldenIsActive || control.goldenIsBad;
  const most = trying ? ATTEMPTS_MAX - 1 : phase === Phase.ARMED ? ATTEMPTS_MAX : 0;
  const rules: readonly (readonly [broken: boolean, sentence: string])[] = [
    [ids.some((id) => id > highWater), "a generation is above the high water"],
    [unprovisioned !== (active === 0), "there is an active generation exactly if provisioned"],
    [unprovisioned !== (golden === 0), "there is a golden generation exactly if provisioned"],
    [unprovisioned && (flags || !idle), "nothing can go on before provisioning"],
    [idle !== (candidate === 0), "there is a candidate exactly outside of phase IDLE"],
    [candidate !== 0 && candidate !== highWater, "the candidate is the last generation staged"],
    [candidate !== 0 && [active, golden, ...ring].includes(candidate), "the candidate is new"],
    [trying !== (candidate !== 0 && selected === candidate), "a candidate that ran is TRYING"],
    [phase === Phase.ARMED && triesLeft === 0, "an armed candidate has attempts left"],
    [triesLeft > most, "the phase has so many attempts left"],
    [control.candidateFailed && !trying, "only a candidate that ran can have failed"],
    [control.candidateIsGolden && idle, "only a candidate can have golden's content"],
    [golden === active && !unprovisioned && !control.goldenIsActive, "golden is active"],
    [control.goldenIsActive && control.goldenIsBad, "active content is never BAD"],
    [control.goldenIsActive && control.candidateIsGolden, "a candidate is not active content"],
    [control.candidateIsGolden && control.goldenIsBad, "a candidate is never BAD"],
    [control.recovery && (trying || phase === Phase.ARMED), "no candidate is tried in recovery"],
    [control.recovery && !control.goldenIsActive && !control.goldenIsBad, "golden could run"],
    [isPendingInUse(control), "a generation to be marked BAD is in use"],
    [ring.length > RING_MAX || ring.includes(0), "the ring has at most three generations"],
    [control.goodBoot > control.bootSequence, "the last good boot was in the past"],
  ];
  return rules.find(([broken]) => broken)?.[1];
}

function isPendingInUse({ badCandidate, badActive, active, golden, candidate }: BootControl) {
  const used = [active, golden, candidate].filter((id) => id !== 0);
  return used.includes(badCandidate) || used.includes(badActive);
}
