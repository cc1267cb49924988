/**
 * Every line that the emulated machine prints on its serial console. They are protocol: people and
 * scripts wait for them, so each has one place and is never reworded.
 */
import { toHex } from "../base/hash.ts";

/** The kernel has mounted the data region and found system/config in it. */
export const DATA_REGION_MOUNTED = "data region: mounted";

/** No disk, no valid superblock or no system/config: init gets the base manifest's caps alone. */
export const BASE_FLOOR = "no data region; base floor";

/** No device has an ESP with a boot loader: the firmware gives up. */
export const NO_BOOTABLE_DEVICE = "firmware: no bootable device";

/** Init holds data-config and data-store; `entries` counts what lies in system/config. */
export function dataRegionMounted(entries: number): string {
  return `[init] data-region mounted: system/config entries=${entries}`;
}

/** The overlay is composed over the base; `account` is its hash, or "none". */
export function overlayApplied(epoch: number, services: number, account: string): string {
  return `[init] overlay applied: epoch=${epoch} services=${services} account=${account}`;
}

/** A service did not end well. The others go on. */
export function serviceFailed(name: string, status: string, reason: string): string {
  return `[init] service ${name} failed: ${status}: ${reason}`;
}

/** Every service that the checkpoint waits for has ended well. */
export const CHECKPOINT_PASSED = "[init] health checkpoint: passed";

export function checkpointFailed(reasons: number): string {
  return `[init] health checkpoint: failed, reasons: ${reasons}`;
}

/** Marker files said something else than boot control, which is right. */
export function markersHealed(names: readonly string[]): string {
  return `[gen] marker files differ from boot control and are rewritten: ${names.join(", ")}`;
}

export function markersNotHealed(code: string): string {
  return `[gen] marker files could not be written (${code}); boot control rules`;
}

/** Early boot has decided; durable from here on. `kind`: active, candidate or golden. */
export function generationSelected(
  kind: string,
  id: number,
  hash: Uint8Array | undefined,
  why: string,
): string {
  return `[gen] ${kind} generation ${id} ${named(hash)} runs: ${why}`;
}

export function generationConfirmed(id: number, hash: Uint8Array | undefined): string {
  return `[gen] generation ${id} ${named(hash)} is confirmed and active`;
}

export function generationGolden(id: number, hash: Uint8Array | undefined): string {
  return `[gen] generation ${id} ${named(hash)} is golden`;
}

export function generationFailed(id: number, hash: Uint8Array | undefined, why: string): string {
  return `[gen] generation ${id} ${named(hash)} failed: ${why}`;
}

/** The device failed at the checkpoint: the next boot finds what the last commit left. */
export function checkpointNotRecorded(code: string): string {
  return `[gen] the checkpoint could not be recorded (${code}); the next boot decides`;
}

/** No generation may run: the base floor is the rescue environment. */
export function recoveryEntered(why: string): string {
  return `[gen] recovery: ${why}`;
}

/** The machine resets itself; what comes next is another boot. */
export const WARM_RESET = "machine: reset";

function named(hash: Uint8Array | undefined): string {
  return hash === undefined ? "of unknown content" : toHex(hash);
}

/** The overlay was rejected whole; `reason` is `<class>: <sentence>`. The base floor boots. */
export function overlayRejected(reason: string): string {
  return `[init] overlay rejected: ${reason}`;
}

/** The manifest of the base itself cannot be used: no service starts. */
export function manifestRejected(reason: string): string {
  return `[init] manifest rejected: ${reason}`;
}
