/**
 * What a boot does with the generation that runs in it: select() before the kernel, settle() as
 * init's first act, conclude() at the health checkpoint. Machine and init carry it out.
 */
import { StorageError } from "../../base/errors.ts";
import { ResetCause } from "../../core/boot/control.ts";
import type { Generations, Running } from "../boot/generations.ts";
import type { DataGrant } from "../boot/kernel.ts";
import type { LastReset } from "../boot/nvram.ts";
import { Stage } from "../boot/transition.ts";
import { type Outcome, ok } from "../caps/base/outcome.ts";

/**
 * Early boot: which generation runs; durable when it answers. On a read-only disk the active one.
 *
 * @param lastReset what the firmware remembers; of another boot than the last one it says nothing
 * @returns undefined where nothing was provisioned
 */
export function selectGeneration(
  generations: Generations,
  { readOnly }: DataGrant,
  { cause, bootSequence }: LastReset,
): Outcome<Running> | undefined {
  if (!generations.provisioned) return undefined;
  const { active, bootSequence: now } = generations.control;
  if (readOnly) {
    const boot = { id: active, kind: "active" } as const;
    const hash = generations.hashOf(active);
    return ok({ boot, hash, token: 0n, log: "the disk is read-only", stray: [] });
  }
  const isKnown = bootSequence === now || cause === ResetCause.UNKNOWN;
  return generations.select(isKnown ? cause : ResetCause.POWER);
}

/** Names of the marker files that were rewritten, or why the tree could not be written. */
export type Settled = { readonly healed: readonly string[] } | { readonly failed: string };

/** What early boot could not write to the tree: BAD marks, and marker files that were wrong. */
export function settleGeneration(generations: Generations, running: Running): Settled {
  try {
    generations.settle();
    return { healed: [...new Set([...running.stray, ...generations.heal()])] };
  } catch (error) {
    // A tree that cannot be written does not stop the boot: boot control has decided.
    if (!(error instanceof StorageError)) throw error;
    generations.reopen();
    return { failed: error.code };
  }
}

/** What init has seen by the checkpoint. */
export interface Checkpoint {
  /** Why the boot is not healthy; undefined: it is. */
  readonly why: string | undefined;
  /** The base did not take the overlay of this generation. */
  readonly refusedOverlay: boolean;
}

export interface Conclusion {
  /** The candidate that ran is active from now on. */
  readonly confirmed: boolean;
  /** It has become golden. */
  readonly golden: boolean;
  /** Why the generation failed; undefined: it did not. */
  readonly failed: string | undefined;
  /** FAIL is recorded: the machine must be reset. */
  readonly reset: boolean;
  /** Why none of this could be made durable: the next boot finds what the last commit left. */
  readonly unrecorded: string | undefined;
}

/** The checkpoint: CONFIRM or MARK-GOOD, then PROMOTE; or FAIL. */
export function concludeGeneration(
  generations: Generations,
  { readOnly }: DataGrant,
  running: Running,
  checkpoint: Checkpoint,
): Conclusion {
  const done = {
    ...{ confirmed: false, golden: false, reset: false },
    ...{ failed: undefined as string | undefined, unrecorded: undefined as string | undefined },
  };
  // A token of zero: the boot could not be recorded, so nothing that it does counts.
  if (readOnly || running.token === 0n || running.boot.id === 0) return done;
  const isCandidate = running.boot.kind === "candidate";
  // A base that takes an overlay no longer is no failure of the generation that ran with it.
  const overlay = isCandidate && checkpoint.refusedOverlay ? "its overlay was rejected" : undefined;
  done.failed = checkpoint.why ?? overlay;
  try {
    if (done.failed !== undefined) {
      done.reset = generations.fail(running, done.failed, Stage.SUBSYSTEMS_READY).ok;
      return done;
    }
    if (checkpoint.refusedOverlay) return done;
    if (isCandidate) {
      done.confirmed = generations.confirm(running, Stage.SHELL_READY).ok;
      if (!done.confirmed) return done;
    } else {
      generations.markGood(running, Stage.SHELL_READY);
    }
    const golden = generations.promote(running, Stage.GOLDEN);
    done.golden = golden.ok && golden.value;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    generations.reopen();
    done.unrecorded = error.code;
  }
  return done;
}
