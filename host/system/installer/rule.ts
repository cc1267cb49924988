/** Which disk an unattended installation takes: one that a rule names, and only one. */
import { refusal } from "../../base/errors.ts";
import type { DiskRuleJson, UnattendedJson } from "../../format/json/rayos.ts";
import type { Disk } from "../disks/disk.ts";
import type { RayosTargetPlace } from "../rayos/plan/types.ts";

/**
 * The one disk for which everything in `rule` holds. Disks that may not be written to count too: a
 * rule that means two disks is wrong, whichever of them is free just now.
 *
 * @throws {Refusal} ENOENT: no disk; EINVAL: more than one, with their names
 */
export function diskOfRule(rule: DiskRuleJson, disks: readonly Disk[]): Disk {
  const matching = disks.filter((disk) => holds(rule, disk));
  const [disk] = matching;
  const names = (list: readonly Disk[]) => list.map(({ name }) => name).join(", ");
  if (disk === undefined) {
    const message = `no disk fits ${JSON.stringify(rule)}.`;
    const hint = disks.length === 0 ? "There is none." : `There are ${names(disks)}.`;
    throw refusal("ENOENT", "registry", message, { hint });
  }
  if (matching.length > 1) {
    const message = `${matching.length} disks fit ${JSON.stringify(rule)}: ${names(matching)}.`;
    throw refusal("EINVAL", "registry", message, { hint: "Say more of the one that is meant." });
  }
  return disk;
}

/** Where on its disk an unattended installation goes. @throws {Refusal} EINVAL: two places */
export function placeOfSettings({ partition, free }: UnattendedJson): RayosTargetPlace {
  if (partition !== undefined && free === true) {
    const message = "installer.partition and installer.free exclude each other.";
    throw refusal("EINVAL", "registry", message);
  }
  if (partition !== undefined) return { kind: "partition", number: partition };
  return free === true ? { kind: "free" } : { kind: "disk" };
}

function holds(rule: DiskRuleJson, disk: Disk): boolean {
  const { name, serial, model, size_bytes_min: least, size_bytes_max: most, removable } = rule;
  const { sizeBytes } = disk;
  return (
    (name === undefined || name === disk.name) &&
    (serial === undefined || serial === disk.serial) &&
    (model === undefined || model === disk.model) &&
    (least === undefined || (sizeBytes !== null && sizeBytes >= least)) &&
    (most === undefined || (sizeBytes !== null && sizeBytes <= most)) &&
    (removable === undefined || removable === disk.isRemovable)
  );
}
