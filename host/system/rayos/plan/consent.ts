/** Whether a target may be written to, and what somebody has to agree to first. */
import { refusal } from "../../../base/errors.ts";
import type { RayosTarget } from "./target.ts";
import type { RayosConsent, RayosTargetPlace } from "./types.ts";

/**
 * Refuses a target that must not be written to, for the first reason that holds.
 *
 * @throws {Refusal} EINVAL, EROFS, EBUSY, EEXIST, ENOTEMPTY, with the option that overrides it
 */
export function checkRayosTarget(
  target: RayosTarget,
  place: RayosTargetPlace,
  consent: RayosConsent,
  esp?: number,
): void {
  const { name: path } = target;
  if (target.forbidden !== undefined) {
    throw refusal("EINVAL", "install", `'${path}' ${target.forbidden}.`, { path });
  }
  if (target.readOnly) throw refusal("EROFS", "install", `'${path}' is read-only.`, { path });
  if (target.busy !== undefined) {
    throw refusal("EBUSY", "install", `'${path}' is in use: ${target.busy}.`, { path });
  }
  if (esp !== undefined && (place.kind === "disk" || isReplaced(place, esp))) {
    const message = `partition ${esp} of '${path}' is to be replaced, so it is no ESP to share.`;
    throw refusal("EINVAL", "plan", message, { path, hint: "--esp new makes another one." });
  }
  if (place.kind === "disk") checkWhole(target, consent);
  else checkShared(target, place, consent, esp);
}

function isReplaced(place: RayosTargetPlace, number: number): boolean {
  return place.kind === "partition" && place.number === number;
}

function checkWhole(target: RayosTarget, consent: RayosConsent): void {
  const { name: path, installs, blank, content } = target;
  const [found] = installs.filter(({ kind }) => kind !== "half-done");
  if (found !== undefined && !consent.reinstall) {
    const hint = "--reinstall replaces it with all its data.";
    throw refusal("EEXIST", "install", `'${path}' has ${found.text}.`, { path, hint });
  }
  if (!blank && found === undefined && !consent.erase) {
    const what = installs.length > 0 ? "a half-done installation" : content;
    const message = `'${path}' is not blank: it has ${what}.`;
    throw refusal("ENOTEMPTY", "install", message, { path, hint: "--erase writes over it." });
  }
}

function checkShared(
  target: RayosTarget,
  place: Exclude<RayosTargetPlace, { kind: "disk" }>,
  consent: RayosConsent,
  esp: number | undefined,
): void {
  const { name: path, table, installs } = target;
  if (table === undefined) {
    const message = `'${path}' has no partition table.`;
    throw refusal("ENOENT", "install", message, { path, hint: "Take the whole disk." });
  }
  if (!target.journalFree && !consent.erase) {
    const message = `'${path}' has data between its table and its first partition.`;
    throw refusal("ENOTEMPTY", "install", message, { path, hint: "--erase writes over it." });
  }
  // What a cut has left on a shared ESP is no other system.
  const shared = consent.reinstall && esp !== undefined ? [esp] : [];
  const taken = place.kind === "partition" ? [place.number, ...shared] : shared;
  // Two systems of one label: the kernel would take either as its root.
  const other = installs.find(
    ({ kind, numbers }) => kind === "rayos" && numbers.some((number) => !taken.includes(number)),
  );
  if (other !== undefined) {
    const message = `'${path}' has ${other.text}; two of them cannot be told apart by label.`;
    const hint = "Take the whole disk with --reinstall.";
    throw refusal("EEXIST", "install", message, { path, hint });
  }
  if (place.kind === "free") return;
  const own = installs.find(({ numbers }) => numbers.includes(place.number));
  if (own !== undefined && !consent.reinstall) {
    const hint = "--reinstall replaces it with all its data.";
    throw refusal("EEXIST", "install", `'${path}' has ${own.text}.`, { path, hint });
  }
  const found = target.partitions.get(place.number);
  if (found !== undefined && !found.blank && own === undefined && !consent.erase) {
    const message = `partition ${place.number} of '${path}' is not blank: it has '${found.found}'.`;
    throw refusal("ENOTEMPTY", "install", message, { path, hint: "--erase writes over it." });
  }
}
