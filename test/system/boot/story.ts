/** Short ways to a control block in a given situation: one event after the other, none refused. */
import { expect } from "vitest";
import {
  type BootControl,
  NEVER_PROVISIONED,
  ResetCause,
} from "../../../host/core/boot/control.ts";
import { type Profile, RAYOS, type SelectEvent } from "../../../host/system/boot/select.ts";
import {
  type BootEvent,
  type ContentFacts,
  type Refused,
  type Transition,
  transition,
} from "../../../host/system/boot/transition.ts";

export const FACTS: ContentFacts = {
  isBad: false,
  isActiveContent: false,
  isGoldenContent: false,
  ready: true,
  overlayEpochOk: true,
  runningHealthy: true,
};

/** An event, or one that is made of the block that it meets. */
export type Move = BootEvent | ((control: BootControl) => BootEvent);

export const PROVISION: BootEvent = { type: "provision", ready: true };
export const ARM: BootEvent = { type: "arm", attempts: 3 };
export const CANCEL: BootEvent = { type: "cancel" };
export const SETTLE: BootEvent = { type: "settle" };

let tokens = 100n;

export function select(cause: ResetCause = ResetCause.POWER): SelectEvent {
  tokens += 1n;
  return { type: "select", cause, token: tokens };
}

/** STAGE of the next epoch. */
export function stage(facts: Partial<ContentFacts> = {}): Move {
  return ({ sequence, highWater }) => ({
    type: "stage",
    pointerEpoch: highWater + 1,
    controlSequence: sequence,
    facts: { ...FACTS, ...facts },
  });
}

/** What the generation that SELECT chose says about itself when all is well. */
export function report({ bootToken, sequence, selected }: BootControl) {
  return { token: bootToken, controlSequence: sequence, running: selected, healthy: true };
}

export const confirm: Move = (control) => ({ type: "confirm", ...report(control) });
export const markGood: Move = (control) => ({ type: "markGood", ...report(control) });
export const fail: Move = ({ bootToken }) => ({ type: "fail", token: bootToken, why: "a check" });
export const promote: Move = ({ active }) => ({
  type: "promote",
  running: active,
  healthy: true,
  stage: 4,
});

/** Tries the candidate and confirms it: a whole update. */
export const UPDATE: readonly Move[] = [stage(), ARM, () => select(ResetCause.CLEAN), confirm];

export function following(control: BootControl, ...moves: readonly Move[]): BootControl {
  return moves.reduce((before, move) => accepted(before, move).control, control);
}

/** Generation 1 runs. */
export function running(...moves: readonly Move[]): BootControl {
  return following(NEVER_PROVISIONED, PROVISION, select(), ...moves);
}

export function tell(control: BootControl, move: Move, profile: Profile = RAYOS): Transition {
  return transition(control, typeof move === "function" ? move(control) : move, profile);
}

export function accepted(control: BootControl, move: Move, profile: Profile = RAYOS) {
  const answer = tell(control, move, profile);
  if ("refused" in answer) throw new Error(`${answer.refused}: ${answer.reason}`);
  return answer;
}

export function expectRefused(control: BootControl, move: Move, code: Refused["refused"]): void {
  expect(tell(control, move)).toMatchObject({ refused: code });
}
