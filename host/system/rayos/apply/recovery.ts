/**
 * `install --recovery`: makes the recovery partition of an installed disk anew from an image, and
 * touches nothing else but the journal. Its place is the installation's already: what lies there,
 * if no partition does, and is no journal is one that was torn. A cut leaves a partition that the
 * same command goes on with: the journal has the identities, so what is made then is made of the
 * same bytes. The entry for recovery on the ESP, which has a kernel of its own, starts all the
 * while.
 */
import { refusal, StorageError } from "../../../base/errors.ts";
import { isSameBytes } from "../../../base/hash.ts";
import { sha256 } from "../../../base/seed.ts";
import type { Work } from "../../../base/work.ts";
import { FatVolume } from "../../../core/fat.ts";
import { GPT_TYPES, readGpt } from "../../../core/gpt.ts";
import { Core } from "../../../core/load.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { flushDevice } from "../../../device/sectors.ts";
import { type Extent, extent, overlaps, SECTOR_BYTES } from "../../../format/layout.ts";
import { LABELS_DEFAULT, PARTITION_NAMES } from "../../../format/rayos/layout.ts";
import { makeEsp } from "../../image/esp.ts";
import type { Tree } from "../../image/folder.ts";
import { originOf } from "../../image/reproducible.ts";
import {
  clearJournal,
  JOURNAL_EXTENT,
  type RecoveryRecipe,
  readJournal,
  readRecoveryRecipe,
  writeJournal,
  writeRecoveryRecipe,
} from "../../install/journal.ts";
import { checkFatRoom, findBootFiles, recoveryTreeOf } from "../content/boot.ts";
import { Ledger } from "../content/ledger.ts";
import { drawOrigin } from "../plan/recipe.ts";
import { quietly, windowOf } from "../plan/target.ts";
import type { RayosRequest } from "../plan/types.ts";
import { openImage, type SystemImage } from "../source/image.ts";
import { verifyFat } from "./verify.ts";

const STEPS = ["recovery", "verify"] as const;
export type RecoveryStep = (typeof STEPS)[number];

export type RecoveryRequest = Partial<
  Pick<
    RayosRequest,
    "source" | "bootLoader" | "kernelOptions" | "labels" | "seed" | "sourceDateEpoch"
  >
> &
  Pick<RayosRequest, "consent" | "resume">;

export interface RecoveryReport {
  readonly number: number;
  readonly files: number;
  readonly warnings: readonly string[];
  /** The step that a cut had left. */
  readonly resumedAt?: RecoveryStep | undefined;
}

/** Everything that is written, and where. */
interface Job extends RecoveryRecipe {
  readonly number: number;
  readonly place: Extent;
  readonly ledger: Ledger;
  readonly tree: Tree;
  /** SHA-256 of all of this: the same work has the same. */
  readonly hash: Uint8Array;
}

/**
 * @throws {Refusal} ENOENT: the disk has no recovery partition, or nothing to resume; ENOSPC: it is
 *   too small; ENOTEMPTY: a partition lies where the journal goes; ESTALE: another work on this
 *   disk is half done
 * @throws {StorageError} EBADMSG: it did not read back; and what the image is refused with
 */
export function* remakeRecovery(
  core: Core,
  target: BlockDevice,
  request: RecoveryRequest,
): Work<RecoveryReport> {
  const id = core.attach(target);
  const image = yield* openImage(request.source);
  try {
    const { job, step, sequence } = yield* begin(core, id, target, image, request);
    yield* carryOut(core, id, target, job, step ?? 0, sequence);
    const files = job.tree.filter(({ kind }) => kind === "file").length;
    const resumedAt = step === undefined ? undefined : STEPS[step];
    return { number: job.number, files, warnings: image.warnings, resumedAt };
  } finally {
    image.close();
    core.detach(id);
  }
}

/** New work, or what a cut has left of the same one. */
function* begin(
  core: Core,
  id: number,
  target: BlockDevice,
  image: SystemImage,
  request: RecoveryRequest,
): Work<{ job: Job; step?: number; sequence: number }> {
  const { name: path } = target;
  const journal = readJournal(target);
  const recipe = journal && readRecoveryRecipe(journal);
  if (journal !== undefined && recipe === undefined) {
    const message = `'${path}' has a half-done installation.`;
    throw refusal("ESTALE", "install", message, { path, hint: "Go on with it, --resume, first." });
  }
  checkJournalPlace(core, id, path);
  if (journal !== undefined && recipe !== undefined) {
    const asked = request.seed === undefined ? recipe.origin.seed : drawn(request).seed;
    const job = yield* jobOf(core, id, target, image, request, recipe);
    const isSame = asked === recipe.origin.seed && isSameBytes(job.hash, journal.planHash);
    if (isSame && STEPS[journal.step] !== undefined) {
      return { job, step: journal.step, sequence: journal.sequence };
    }
    if (request.consent?.erase !== true) {
      const message = `'${path}' has a half-done recovery partition of another image.`;
      const hint = "Use that again, or --erase to begin anew.";
      throw refusal("ESTALE", "install", message, { path, hint });
    }
  } else if (request.resume === true) {
    const message = `'${path}' has no half-done recovery partition to resume.`;
    throw refusal("ENOENT", "install", message, { path });
  }
  const origin = drawn(request);
  const found = recoveryOf(core, id, target, recipe?.label);
  const job = yield* jobOf(core, id, target, image, request, { origin, label: found.label });
  return { job, sequence: journal?.sequence ?? 0 };
}

/** Another tool may have made a partition below LBA 2048 since the installation. ENOTEMPTY. */
function checkJournalPlace(core: Core, id: number, path: string): void {
  const table = readGpt(core, id);
  const found = table.partitions.find(({ firstLba, lastLba }) => {
    const { baseSector, sectors } = windowOf(table, firstLba, lastLba);
    return overlaps(extent(baseSector, sectors), JOURNAL_EXTENT);
  });
  if (found === undefined) return;
  const { first, last } = JOURNAL_EXTENT;
  const place = `where the journal goes, LBA ${first} to ${last}`;
  const message = `partition ${found.index} of '${path}' lies ${place}.`;
  throw refusal("ENOTEMPTY", "install", message, { path, hint: "Move it behind that." });
}

function* jobOf(
  core: Core,
  id: number,
  target: BlockDevice,
  image: SystemImage,
  request: RecoveryRequest,
  { origin, label }: RecoveryRecipe,
): Work<Job> {
  const { number, baseSector, sectors } = recoveryOf(core, id, target, label);
  const boot = findBootFiles(image, request.bootLoader);
  if (boot.kernel === undefined || boot.loader === undefined) {
    const message = `'${image.name}' has no kernel or no boot loader: recovery would not start.`;
    throw refusal("ENOENT", "install", message, { path: image.name });
  }
  const content = recoveryTreeOf({
    ...{ boot, createdS: origin.createdS, release: image.release },
    systemLabel: request.labels?.system ?? LABELS_DEFAULT.system,
    kernelOptions: request.kernelOptions ?? "",
  });
  const place = extent(baseSector, sectors);
  checkFatRoom(content, { ...place, name: PARTITION_NAMES.recovery }, "A partition of");
  const ledger = new Ledger();
  const tree = ledger.watchTree("recovery", content);
  const files: unknown[] = [];
  for (const { path, kind, size } of tree) {
    if (kind === "file") files.push([path, size, yield* ledger.digest("recovery", path)]);
  }
  const { seed, createdS } = origin;
  const decides = [number, place.first, place.sectors, label, seed, createdS, files];
  const hash = sha256(new TextEncoder().encode(JSON.stringify(decides)));
  return { origin, label, number, place, ledger, tree, hash };
}

/** Both steps, each of which may be done again: the journal names the next one, durably. */
function* carryOut(
  core: Core,
  id: number,
  target: BlockDevice,
  job: Job,
  firstStep: number,
  before: number,
): Work<void> {
  const { origin, label, place, tree, ledger, hash: planHash } = job;
  const recipe = writeRecoveryRecipe(job);
  let sequence = before;
  const enter = (step: RecoveryStep) => {
    sequence++;
    writeJournal(target, { sequence, step: STEPS.indexOf(step), planHash, recipe });
  };
  if (STEPS[firstStep] === "recovery") {
    enter("recovery");
    const serial = originOf({ seed: origin.seed }).serial("recovery");
    yield* makeEsp(core, id, { place, tree, label, serial, timestampMs: origin.createdS * 1000 });
    flushDevice(target);
  }
  enter("verify");
  try {
    const reader = new Core();
    const partition = {
      ...place,
      label,
      role: "recovery",
      name: PARTITION_NAMES.recovery,
    } as const;
    yield* verifyFat(reader, reader.attach(target), target, partition, { ledger }, tree);
  } catch (error) {
    // What did not read back is of no use: whoever resumes makes it anew.
    if (error instanceof StorageError && error.code === "EBADMSG") enter("recovery");
    throw error;
  }
  clearJournal(target, sequence, new Uint8Array(JOURNAL_EXTENT.sectors * SECTOR_BYTES));
}

function drawn(request: RecoveryRequest) {
  return drawOrigin({ layout: "rayos-full", place: { kind: "disk" }, ...request });
}

/** The recovery partition; its label by the volume that is there, unless it is known. */
function recoveryOf(core: Core, id: number, target: BlockDevice, known: string | undefined) {
  const table = readGpt(core, id);
  for (const { index, name, typeGuid, firstLba, lastLba } of table.partitions) {
    if (name !== PARTITION_NAMES.recovery || typeGuid !== GPT_TYPES.esp) continue;
    const window = windowOf(table, firstLba, lastLba);
    if (known !== undefined) return { ...window, number: index, label: known };
    const old = quietly(() => FatVolume.open(core, id, { ...window, readOnly: true }));
    const label = old?.label || LABELS_DEFAULT.recovery;
    old?.close();
    return { ...window, number: index, label };
  }
  const message = `'${target.name}' has no recovery partition.`;
  const hint = "Only the layout rayos-full has one.";
  throw refusal("ENOENT", "install", message, { path: target.name, hint });
}
