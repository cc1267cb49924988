/** What a workload of generations does: steps, drawn as stories that a system could live through. */
import { ResetCause } from "../../../host/core/boot/control.ts";
import type { Random } from "../engine/random.ts";

/** What becomes of a boot with this content: it passes its checks, fails them, or as luck has it. */
export type Health = "good" | "bad" | "flaky";

export type FlowStep =
  | { readonly kind: "provision"; readonly health: Health }
  | {
      readonly kind: "update";
      readonly health: Health;
      readonly attempts: number;
      readonly stageOnly: boolean;
    }
  | { readonly kind: "arm"; readonly attempts: number }
  | { readonly kind: "cancel" }
  /** `to`: 0 = the one before; 1 to 3 = that place of the ring; 4 = golden. */
  | { readonly kind: "rollback"; readonly to: number; readonly attempts: number }
  /** Everything that must be refused, and write nothing. */
  | { readonly kind: "stale" }
  | { readonly kind: "collect" }
  | { readonly kind: "recover" }
  /** Takes away what fills a full store. */
  | { readonly kind: "empty" }
  | {
      readonly kind: "boot";
      /** How what ran before ended. */
      readonly cause: ResetCause;
      /** Whether a flaky content passes its checks in these boots. */
      readonly luck: boolean;
      /** The power fails: never; right after early boot; between CONFIRM and PROMOTE. */
      readonly cut: "never" | "selected" | "confirmed";
    };

export type FlowProfile = "life" | "failing" | "full" | "collecting";

export function boot(
  cause: ResetCause,
  luck = true,
  cut: "never" | "selected" | "confirmed" = "never",
): FlowStep {
  return { kind: "boot", cause, luck, cut };
}

/** One story: a few steps that belong together. */
export function story(random: Random, profile: FlowProfile): FlowStep[] {
  const attempts = random.pick([1, 1, 2, 3]);
  const quiet = () => random.pick([ResetCause.CLEAN, ResetCause.POWER, ResetCause.UNKNOWN]);
  const any = () => random.pick([quiet(), ResetCause.PANIC, ResetCause.WATCHDOG]);
  const luck = random.chance(50);
  const update = (health: Health, stageOnly = false): FlowStep => {
    return { kind: "update", health, attempts, stageOnly };
  };
  const stories: readonly (readonly [number, () => FlowStep[]])[] = [
    [3, () => [update("good"), boot(quiet())]],
    [2, () => [update("bad"), boot(any())]],
    [2, () => [update("flaky"), boot(any(), luck)]],
    [1, () => [update("good"), boot(quiet(), luck, "selected"), boot(any(), luck)]],
    [1, () => [update("good"), boot(quiet(), luck, "confirmed"), boot(quiet())]],
    [1, () => [update(luck ? "good" : "bad", true), { kind: "cancel" }]],
    [1, () => [update("good", true), boot(quiet()), { kind: "arm", attempts }, boot(quiet())]],
    [2, () => [{ kind: "rollback", to: random.below(5), attempts }, boot(quiet(), luck)]],
    [1, () => [{ kind: "stale" }]],
    [1, () => [{ kind: "recover" }, boot(quiet())]],
    [2, () => [boot(any(), luck)]],
    [profile === "collecting" ? 6 : 1, () => [{ kind: "collect" }]],
    // Active fails three times: golden takes its place, or there is recovery.
    [
      profile === "failing" ? 6 : 0,
      () => [update("flaky"), boot(quiet(), true, "confirmed"), boot(quiet(), false)],
    ],
    [profile === "failing" ? 3 : 0, () => [boot(any(), false), { kind: "recover" }, boot(any())]],
    [
      profile === "full" ? 8 : 0,
      () => [update("good"), boot(quiet()), { kind: "empty" }, update("good"), boot(quiet())],
    ],
  ];
  let left = random.below(stories.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, make] of stories) {
    if (left < weight) return make();
    left -= weight;
  }
  return [];
}

export function stepText(step: FlowStep): string {
  switch (step.kind) {
    case "provision":
      return `provision, ${step.health}`;
    case "update": {
      const armed = step.stageOnly ? "staged only" : `attempts: ${step.attempts}`;
      return `update, ${step.health}, ${armed}`;
    }
    case "arm":
      return `arm, attempts: ${step.attempts}`;
    case "rollback": {
      const to = step.to === 0 ? "the one before" : step.to === 4 ? "golden" : `place ${step.to}`;
      return `rollback to ${to}, attempts: ${step.attempts}`;
    }
    case "stale":
      return "requests that are stale or wrong";
    case "boot": {
      const cut = step.cut === "never" ? "" : `, power cut once ${step.cut}`;
      const luck = step.luck ? "lucky" : "unlucky";
      return `boot after ${ResetCause[step.cause].toLowerCase()}, ${luck}${cut}`;
    }
    case "empty":
      return "empty the store";
    default:
      return step.kind;
  }
}
