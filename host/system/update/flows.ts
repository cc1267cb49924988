/**
 * The operator's flows on an installed system: provision, update, rollback, cancel, end recovery.
 * Each looks at durable state alone: begun again after a cut, it does what is left to do or says
 * that it is done. Objects first, then one commit that names them; nothing half-done is visible.
 */
import { type Refusal, refusal } from "../../base/errors.ts";
import { toHex } from "../../base/hash.ts";
import { Phase } from "../../core/boot/control.ts";
import type { AccountRecord } from "../../format/account.ts";
import type { NewOverlay, OverlaySettings } from "../../format/overlay.ts";
import { readGeneration } from "../boot/content.ts";
import type { Outcome, OutcomeCode } from "../caps/base/outcome.ts";
import { compose, refusalText } from "../config/compose.ts";
import { buildGeneration, overlayBefore } from "./build.ts";
import type { InstalledSystem } from "./system.ts";

/** What a new generation is to be. What is not given stays as the active one has it. */
export interface Change {
  /** The whole overlay; its epoch is raised if it is not above the active one's. */
  readonly overlay?: NewOverlay | undefined;
  readonly settings?: OverlaySettings | undefined;
  readonly account?: AccountRecord | undefined;
  /** A new base that the overlay must fit too, encoded. */
  readonly manifest?: Uint8Array | undefined;
}

export interface FlowReport {
  readonly flow: "provision" | "update" | "rollback" | "cancel" | "recover";
  readonly generation: number;
  readonly manifestHash: string;
  readonly accountHash?: string | undefined;
  readonly overlayEpoch?: number | undefined;
  /** Attempts that the next boots have; 0 if nothing is armed. */
  readonly attempts: number;
}

/**
 * The first generation. Refused where one is active already.
 *
 * @throws {Refusal} provisioned before, or the base refuses the overlay: which rule, and why
 */
export function provision(system: InstalledSystem, change: Change): FlowReport {
  const { generations, grant } = system;
  if (generations.provisioned) {
    const { active } = generations.control;
    throw refusal("EEXIST", "provision", `generation ${active} is active already.`, {
      hint: "Change it with `diskwright update`.",
    });
  }
  const overlay: NewOverlay = {
    ...{ version: 1, epoch: Math.max(1, minimumEpoch(system)), services: [] },
    ...change.overlay,
    settings: { ...change.overlay?.settings, ...change.settings },
  };
  admit(system, withLocation(overlay, change.account), "provision");
  const built = buildGeneration(grant.store, { ...change, overlay, epoch: 1 });
  const generation = demand(generations.provision(built.manifestHash), "provision");
  return report("provision", generation, built, 0);
}

/**
 * A new generation, staged and armed: the next boot tries it. The active one stays what it is
 * until the candidate has passed its health checkpoint.
 *
 * @throws {Refusal} another one is waiting, or a base refuses the overlay
 */
export function update(
  system: InstalledSystem,
  change: Change,
  options: { readonly attempts?: number | undefined; readonly stageOnly?: boolean } = {},
): FlowReport {
  const { generations, grant } = system;
  const control = provisioned(system, "update");
  if (control.phase !== Phase.IDLE) throw waiting(control.candidate, "update");
  const parent = generations.hashOf(control.active);
  const before = parent === undefined ? undefined : activeOverlay(system, parent);
  const given = change.overlay ?? before ?? { version: 1, epoch: 1, services: [], settings: {} };
  const epoch = Math.max(given.epoch, (before?.epoch ?? 0) + 1, minimumEpoch(system));
  const overlay = {
    ...given,
    epoch,
    settings: { ...given.settings, ...change.settings },
    ...(given.accountStoreLocation === undefined && before?.accountStoreLocation !== undefined
      ? { accountStoreLocation: before.accountStoreLocation }
      : {}),
  };
  admit(system, withLocation(overlay, change.account), "update");
  const pointerEpoch = control.highWater + 1;
  const built = buildGeneration(grant.store, { ...change, overlay, epoch: pointerEpoch, parent });
  const { sequence: controlSequence } = control;
  const options2 = { pointerEpoch, controlSequence };
  const generation = demand(generations.stage(built.manifestHash, options2), "update");
  if (options.stageOnly === true) return report("update", generation, built, 0);
  return report("update", generation, built, arm(system, options.attempts, "update"));
}

/** Arms what is staged. */
export function arm(
  { generations }: InstalledSystem,
  attempts = generations.profile.attempts,
  syscall = "arm",
): number {
  demand(generations.arm(attempts), syscall);
  return attempts;
}

/**
 * Back to the content of an older generation, under a new and higher pointer epoch: it is tried
 * like any other. Without `to`: the one before the active.
 *
 * @throws {Refusal} the pointer-epoch gate or the minOverlayEpoch gate, named
 */
export function rollback(
  system: InstalledSystem,
  to?: number,
  options: { readonly attempts?: number | undefined } = {},
): FlowReport {
  const { generations } = system;
  const control = provisioned(system, "rollback");
  if (control.phase !== Phase.IDLE) throw waiting(control.candidate, "rollback");
  const { ring, golden, active } = control;
  const before = [...ring, golden].find((id) => id !== active && !sameContent(system, id, active));
  const source = to ?? before;
  if (source === undefined) {
    throw refusal("ENOENT", "rollback", "there is no generation before the active one.");
  }
  const generation = demand(generations.stageOld(source), "rollback");
  const attempts = arm(system, options.attempts, "rollback");
  return reportOf(system, "rollback", generation, attempts);
}

/** The candidate that waits is dropped. */
export function cancel(system: InstalledSystem): FlowReport {
  provisioned(system, "cancel");
  const generation = demand(system.generations.cancel(), "cancel");
  return reportOf(system, "cancel", generation, 0);
}

/** Ends recovery: golden is verified again and active. */
export function recover(system: InstalledSystem): FlowReport {
  const generation = demand(system.generations.resetRecovery(), "recover");
  return reportOf(system, "recover", generation, 0);
}

function provisioned({ generations }: InstalledSystem, syscall: string) {
  if (generations.provisioned) return generations.control;
  throw refusal("ENOENT", syscall, "no generation is provisioned on this disk.", {
    hint: "Run `diskwright provision` first.",
  });
}

function waiting(candidate: number, syscall: string): Refusal {
  return refusal("EBUSY", syscall, `generation ${candidate} waits to be tried.`, {
    hint: "Boot the disk, or drop it with `diskwright update --cancel`.",
  });
}

function minimumEpoch({ base }: InstalledSystem): number {
  return base?.extensionPoints.minOverlayEpoch ?? 0;
}

/** Says before the first write what the base would say at every boot. */
function admit({ base }: InstalledSystem, overlay: NewOverlay, syscall: string): void {
  if (base === undefined) return;
  const answer = compose(base, { ...overlay, contentHash: new Uint8Array(32) });
  if (!("refused" in answer)) return;
  const why = refusalText(answer.refused);
  throw refusal("EINVAL", syscall, `the base does not take this overlay: ${why}.`);
}

/** An account that will be stored sets the overlay's location, which the base must allow. */
function withLocation(overlay: NewOverlay, account: AccountRecord | undefined): NewOverlay {
  return account === undefined ? overlay : { ...overlay, accountStoreLocation: new Uint8Array(32) };
}

function activeOverlay({ grant }: InstalledSystem, hash: Uint8Array): NewOverlay | undefined {
  const generation = readGeneration(grant.store, hash);
  return generation.ok ? overlayBefore(grant.store, generation.value.overlayHash) : undefined;
}

function sameContent({ generations }: InstalledSystem, one: number, other: number): boolean {
  const hashes = [one, other].map((id) => generations.hashOf(id));
  return hashes.every((hash) => hash !== undefined && toHex(hash) === toHex(hashes[0] ?? hash));
}

function reportOf(
  { generations }: InstalledSystem,
  flow: FlowReport["flow"],
  generation: number,
  attempts: number,
): FlowReport {
  const record = generations.record(generation);
  const hash = record === undefined ? new Uint8Array(32) : record.manifestHash;
  const { accountHash, overlayEpoch = 0 } = record ?? {};
  return report(flow, generation, { manifestHash: hash, accountHash, overlayEpoch }, attempts);
}

function report(
  flow: FlowReport["flow"],
  generation: number,
  content: {
    readonly manifestHash: Uint8Array;
    readonly accountHash: Uint8Array | undefined;
    readonly overlayEpoch: number;
  },
  attempts: number,
): FlowReport {
  const { manifestHash, accountHash, overlayEpoch } = content;
  return {
    ...{ flow, generation, manifestHash: toHex(manifestHash), overlayEpoch, attempts },
    ...(accountHash === undefined ? {} : { accountHash: toHex(accountHash) }),
  };
}

const ERRNO = {
  "stale-epoch": "ESTALE",
  conflict: "EBUSY",
  "not-found": "ENOENT",
} as const satisfies Partial<Record<OutcomeCode, string>>;

function demand<T>(outcome: Outcome<T>, syscall: string): T {
  if (outcome.ok) return outcome.value;
  const errno = (ERRNO as Partial<Record<OutcomeCode, "ESTALE" | "EBUSY" | "ENOENT">>)[
    outcome.code
  ];
  throw refusal(errno ?? "EINVAL", syscall, `${outcome.reason}.`);
}
