/**
 * Nine mistakes that others have made, each as a mutant around the shipped function: what it is
 * asked or what it answers is changed in one way. The search must find every one of them.
 */
import {
  type BootControl,
  decodeControl,
  encodeControl,
  Phase,
  ResetCause,
} from "../../../host/core/boot/control.ts";
import type { Profile } from "../../../host/system/boot/select.ts";
import {
  type BootEvent,
  type Transition,
  transition,
} from "../../../host/system/boot/transition.ts";
import type { Drive } from "./worlds.ts";

type Mutant = (control: BootControl, event: BootEvent, profile: Profile) => Transition;

/** Name, the invariant that it must break, the mutant. */
export const PLANTS: readonly [name: string, breaks: string, drive: Drive][] = [
  ["a boot of the candidate is not counted", "I4", mutant(notCounted)],
  ["a candidate boots at zero tries (systemd #40192)", "I4", mutant(bootAtZero)],
  ["a power cut counts as a failure (RAUC #490)", "I11", mutant(countPower)],
  ["there is no recovery state (greenboot #26)", "I7", mutant(noRecovery)],
  ["a stale confirm is accepted", "I5", mutant(acceptStale)],
  ["confirmed before the checks end", "I5", mutant(confirmEarly)],
  ["an old epoch is accepted", "I6", mutant(acceptOldEpoch)],
  ["garbage collection ignores the ring", "I3", mutant(collectRing)],
  ["power cuts alone mark a candidate BAD", "I11", mutant(powerMarksBad)],
];

function notCounted(control: BootControl, event: BootEvent, profile: Profile): Transition {
  const answer = transition(control, event, profile);
  if ("refused" in answer || answer.boot?.kind !== "candidate") return answer;
  return { ...answer, control: { ...answer.control, triesLeft: control.triesLeft } };
}

function bootAtZero(control: BootControl, event: BootEvent, profile: Profile): Transition {
  const spent = isTrial(control) && control.triesLeft === 0;
  return transition(spent ? { ...control, triesLeft: 1 } : control, event, profile);
}

function countPower(control: BootControl, event: BootEvent, profile: Profile): Transition {
  const counted = event.type === "select" && event.cause === ResetCause.POWER;
  if (!counted || isTrial(control)) return transition(control, event, profile);
  return transition(control, { ...event, cause: ResetCause.PANIC }, profile);
}

function noRecovery(control: BootControl, event: BootEvent, profile: Profile): Transition {
  const answer = transition(control, event, profile);
  if ("refused" in answer || !answer.control.recovery || control.recovery) return answer;
  const { active } = control;
  const next = { ...answer.control, recovery: false, selected: active };
  return { ...answer, control: next, boot: { id: active, kind: "active" } };
}

function acceptStale(control: BootControl, event: BootEvent, profile: Profile): Transition {
  if (event.type !== "confirm") return transition(control, event, profile);
  const current = { token: control.bootToken, running: control.selected };
  return transition(control, { ...event, ...current }, profile);
}

function confirmEarly(control: BootControl, event: BootEvent, profile: Profile): Transition {
  if (event.type !== "confirm") return transition(control, event, profile);
  return transition(control, { ...event, healthy: true }, profile);
}

function acceptOldEpoch(control: BootControl, event: BootEvent, profile: Profile): Transition {
  if (event.type !== "stage" || event.pointerEpoch > control.highWater) {
    return transition(control, event, profile);
  }
  const { highWater } = control;
  // Asked as if nothing above that epoch had ever been.
  const past = { ...control, highWater: event.pointerEpoch - 1, active: 1, golden: 1, selected: 1 };
  const answer = transition({ ...past, ring: [], goldenIsActive: true }, event, profile);
  if ("refused" in answer) return answer;
  const { active, golden, selected, ring, goldenIsActive } = control;
  const next = { ...answer.control, active, golden, selected, ring, goldenIsActive, highWater };
  return { ...answer, control: next };
}

function collectRing(control: BootControl, event: BootEvent, profile: Profile): Transition {
  if (event.type !== "drop") return transition(control, event, profile);
  const { active, selected } = control;
  if (event.id === active || event.id === selected) return transition(control, event, profile);
  const log = `generation ${event.id} is dropped`;
  const none = { records: [], marks: [], unmarks: [], reset: false };
  return { control, unchanged: true, log, ...none };
}

function powerMarksBad(control: BootControl, event: BootEvent, profile: Profile): Transition {
  const spent = control.phase === Phase.TRYING && control.triesLeft === 0;
  if (event.type !== "select" || !spent) return transition(control, event, profile);
  return transition({ ...control, candidateFailed: true }, event, profile);
}

function isTrial({ phase }: BootControl): boolean {
  return phase === Phase.ARMED || phase === Phase.TRYING;
}

function mutant(mutate: Mutant): Drive {
  return (block, event, profile) => {
    const answer = mutate(decodeControl(block), event, profile);
    if ("refused" in answer) return answer;
    return { ...answer, control: answer.unchanged ? block : encodeControl(answer.control) };
  };
}
