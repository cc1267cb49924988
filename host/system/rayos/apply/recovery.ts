/**
 * `install --recovery`: makes the recovery partition of an installed disk anew from an image, and
 * touches nothing else. A cut leaves a recovery partition to be made again; the entry for recovery
 * on the ESP, which has a kernel of its own, starts all the while.
 */
import { failure, refusal } from "../../../base/errors.ts";
import type { Work } from "../../../base/work.ts";
import { FatVolume } from "../../../core/fat.ts";
import { GPT_TYPES, readGpt } from "../../../core/gpt.ts";
import type { Core } from "../../../core/load.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { extent } from "../../../format/layout.ts";
import { LABELS_DEFAULT, PARTITION_NAMES } from "../../../format/rayos/layout.ts";
import { espTree, makeEsp } from "../../image/esp.ts";
import { originOf } from "../../image/reproducible.ts";
import { checkFatRoom, findBootFiles, recoveryTreeOf } from "../content/boot.ts";
import { Ledger } from "../content/ledger.ts";
import { drawOrigin } from "../plan/recipe.ts";
import { quietly, windowOf } from "../plan/target.ts";
import type { RayosRequest } from "../plan/types.ts";
import { openImage } from "../source/image.ts";
import { hashFatFile } from "./verify.ts";

export interface RecoveryReport {
  readonly number: number;
  readonly files: number;
  readonly warnings: readonly string[];
}

/**
 * @throws {Refusal} ENOENT: the disk has no recovery partition; ENOSPC: it is too small
 * @throws {StorageError} EBADMSG: it did not read back; and what the image is refused with
 */
export function* remakeRecovery(
  core: Core,
  target: BlockDevice,
  request: Pick<RayosRequest, "source" | "bootLoader" | "kernelOptions" | "labels"> & {
    readonly seed?: string | undefined;
    readonly sourceDateEpoch?: number | undefined;
  },
): Work<RecoveryReport> {
  const id = core.attach(target);
  const image = yield* openImage(request.source);
  try {
    const found = recoveryOf(core, id, target);
    const boot = findBootFiles(image, request.bootLoader);
    if (boot.kernel === undefined || boot.loader === undefined) {
      const message = `'${image.name}' has no kernel or no boot loader: recovery would not start.`;
      throw refusal("ENOENT", "install", message, { path: image.name });
    }
    const origin = drawOrigin({ layout: "rayos-full", place: { kind: "disk" }, ...request });
    const { createdS } = origin;
    const ledger = new Ledger();
    const tree = recoveryTreeOf({
      ...{ boot, createdS, release: image.release },
      systemLabel: request.labels?.system ?? LABELS_DEFAULT.system,
      kernelOptions: request.kernelOptions ?? "",
    });
    const place = extent(found.baseSector, found.sectors);
    checkFatRoom(tree, { ...place, name: PARTITION_NAMES.recovery }, "A partition of");
    const serial = originOf({ seed: origin.seed }).serial("recovery");
    const watched = ledger.watchTree("recovery", tree);
    const { label } = found;
    yield* makeEsp(core, id, { place, tree: watched, label, serial, timestampMs: createdS * 1000 });
    const volume = FatVolume.open(core, id, { ...found, readOnly: true });
    try {
      for (const { path, kind, size } of espTree(volume)) {
        if (kind !== "file") continue;
        const digest = yield* hashFatFile(volume, path, size);
        if (digest === (yield* ledger.digest("recovery", path))) continue;
        const message = `'${path}' of the recovery partition does not read back as it was written.`;
        throw failure("EBADMSG", "verify", message, { path: target.name });
      }
    } finally {
      volume.close();
    }
    const files = tree.filter(({ kind }) => kind === "file").length;
    return { number: found.number, files, warnings: image.warnings };
  } finally {
    image.close();
    core.detach(id);
  }
}

function recoveryOf(core: Core, id: number, target: BlockDevice) {
  const table = readGpt(core, id);
  for (const { index, name, typeGuid, firstLba, lastLba } of table.partitions) {
    if (name !== PARTITION_NAMES.recovery || typeGuid !== GPT_TYPES.esp) continue;
    const window = windowOf(table, firstLba, lastLba);
    const old = quietly(() => FatVolume.open(core, id, { ...window, readOnly: true }));
    const label = old?.label ?? LABELS_DEFAULT.recovery;
    old?.close();
    return { ...window, number: index, label: label === "" ? LABELS_DEFAULT.recovery : label };
  }
  const message = `'${target.name}' has no recovery partition.`;
  const hint = "Only the layout rayos-full has one.";
  throw refusal("ENOENT", "install", message, { path: target.name, hint });
}
