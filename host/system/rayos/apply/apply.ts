/**
 * The steps of a RayOS installation, each of which may be done again: before a step begins, the
 * journal on the target names it, durably; after a cut anywhere the same step is begun anew.
 *
 * On a whole disk the primary table is written last, so until then nothing boots from it. In a
 * partition or in free space the old table stays as it is until everything has been read back, and
 * is then changed in one ordered update: a cut leaves the old one or the new one.
 */
import { StorageError } from "../../../base/errors.ts";
import { toHash } from "../../../base/hash.ts";
import type { ProgressEvent, Work } from "../../../base/work.ts";
import {
  createGpt,
  type GptRequest,
  type GptTable,
  readGpt,
  withPartition,
  writeGpt,
} from "../../../core/gpt.ts";
import type { Core } from "../../../core/load.ts";
import type { MediaCore } from "../../../core/media/load.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { flushDevice, zeroSectors } from "../../../device/sectors.ts";
import { ALIGNMENT_SECTORS, extent, SECTOR_BYTES } from "../../../format/layout.ts";
import { makeEsp } from "../../image/esp.ts";
import type { Tree } from "../../image/folder.ts";
import { makeRegion } from "../../image/mkstore.ts";
import { originOf } from "../../image/reproducible.ts";
import { clearJournal, JOURNAL_EXTENT, writeJournal } from "../../install/journal.ts";
import { ext4Identity, partitionOf, type RayosContent } from "../content/content.ts";
import type { Ext4Tools } from "../plan/ext4.ts";
import type {
  KeptPartition,
  RayosEvent,
  RayosPartition,
  RayosPlan,
  RayosStep,
  RayosStepName,
} from "../plan/types.ts";
import type { ImageEntry } from "../source/entry.ts";
import { addToEsp } from "./esp.ts";
import { verifyRayos, verifyRayosTable } from "./verify.ts";

export interface RayosJob {
  readonly plan: RayosPlan;
  readonly content: RayosContent;
  readonly target: BlockDevice;
  readonly core: Core;
  readonly id: number;
  readonly media: MediaCore;
  readonly mediaId: number;
  readonly ext4: Ext4Tools;
  readonly recipe: string;
  readonly firstStep: number;
  readonly resumed: boolean;
  readonly sequence: number;
}

type Action = (job: RayosJob, step: RayosStep) => Work<void>;

const ACTIONS: Readonly<Record<RayosStepName, Action>> = {
  wipe,
  esp: (job) => (job.plan.esp.kind === "new" ? fat(job, "esp", job.content.esp) : sharedEsp(job)),
  system: (job) => ext4(job, "system", job.content.system),
  pool: (job) => ext4(job, "pool", job.content.pool),
  state,
  log,
  recovery: (job) => fat(job, "recovery", job.content.recovery ?? []),
  verify: (job) => verifyRayos(job.target, job.plan, job.content, job.ext4),
  table,
  finish,
};

/** Carries the plan out from its first step that is not known to be done. */
export function* applyRayos(job: RayosJob): Work<void> {
  const { plan, target, recipe } = job;
  const { steps } = plan;
  const planHash = toHash(plan.hash);
  const firstCopy = steps.findIndex(({ name }) => name !== "wipe");
  let { sequence } = job;
  for (let index = job.firstStep; index < steps.length; index++) {
    const step = steps[index] as RayosStep;
    sequence++;
    writeJournal(target, { sequence, step: index, planHash, recipe });
    yield progress(step.title, index, steps.length);
    try {
      yield* ACTIONS[step.name](job, step);
    } catch (error) {
      // What did not read back is of no use: whoever resumes copies everything anew.
      if (step.name === "verify" && error instanceof StorageError && error.code === "EBADMSG") {
        writeJournal(target, { sequence: sequence + 1, step: firstCopy, planHash, recipe });
      }
      throw error;
    }
    flushDevice(target);
    const made = plan.partitions.find(({ role }) => role === step.name);
    if (made !== undefined) yield created(step.title, index + 1, steps.length, made);
  }
  clearJournal(target, sequence, new Uint8Array(JOURNAL_EXTENT.sectors * SECTOR_BYTES));
  yield progress("installed", steps.length, steps.length);
}

/** Zeros over the old table at both ends, all around the journal. */
function* wipe(job: RayosJob, step: RayosStep): Work<void> {
  for (const range of step.ranges) {
    if (range.first === JOURNAL_EXTENT.first) continue;
    zeroSectors(job.target, range.first, range.sectors);
    yield progress(step.title, range.last + 1, job.target.config.capacity, "LBA");
  }
}

function* fat(job: RayosJob, role: "esp" | "recovery", tree: Tree): Work<void> {
  const { plan, core, id } = job;
  const place = placeOf(plan, role);
  const serial = originOf({ seed: plan.origin.seed }).serial(role);
  const timestampMs = plan.origin.createdS * 1000;
  yield* makeEsp(core, id, { place, tree, label: place.label ?? "", serial, timestampMs });
}

function* sharedEsp({ plan, content, core, id, target, resumed }: RayosJob): Work<void> {
  const place = plan.keeps.find(({ number }) => number === plan.esp.number) as KeptPartition;
  yield* addToEsp(core, id, target, {
    place: extent(place.first, place.last - place.first + 1),
    ...{ tree: content.esp, ledger: content.ledger, resumed },
    timestampMs: plan.origin.createdS * 1000,
  });
}

function* ext4(job: RayosJob, role: "system" | "pool", entries: readonly ImageEntry[]): Work<void> {
  const { plan, media, mediaId, target } = job;
  const { first, sectors } = placeOf(plan, role);
  // A signature that an older volume has left at either end would make it another one's.
  const end = Math.min(sectors, ALIGNMENT_SECTORS);
  zeroSectors(target, first, end);
  zeroSectors(target, first + sectors - end, end);
  yield* job.ext4.build(media, mediaId, ext4Request(plan, role, entries));
}

/** What the builder is asked for one partition. */
export function ext4Request(
  plan: Pick<RayosPlan, "partitions" | "origin">,
  role: "system" | "pool",
  entries: readonly ImageEntry[],
) {
  const { first, sectors, label = "" } = placeOf(plan, role);
  return {
    baseSector: first,
    sectors,
    label,
    ...ext4Identity(plan.origin, role),
    timestampMs: plan.origin.createdS * 1000,
    entries,
  };
}

function* state(job: RayosJob): Work<void> {
  const { plan, core, id, content } = job;
  const uuid = originOf({ seed: plan.origin.seed }).guid("region");
  const place = placeOf(plan, "state");
  yield* makeRegion(core, id, { place, uuid, filesystem: true, config: content.state });
}

/** A log begins where nothing is. */
function* log(job: RayosJob, step: RayosStep): Work<void> {
  const { first, sectors } = placeOf(job.plan, "log");
  const head = Math.min(sectors, ALIGNMENT_SECTORS);
  zeroSectors(job.target, first, head);
  yield progress(step.title, head, sectors, "sectors");
}

function table(job: RayosJob): Work<void> {
  return job.plan.place.kind === "disk" ? newTable(job) : changedTable(job);
}

/** Between a cut and this step somebody may have put the old table back, or begun to. */
function* finish(job: RayosJob): Work<void> {
  if (job.plan.resumesAt !== "finish") return;
  try {
    verifyRayosTable(job.target, job.plan);
  } catch (error) {
    if (!(error instanceof StorageError) || error.code === "EIO") throw error;
    yield* table(job);
  }
}

function* newTable(job: RayosJob): Work<void> {
  const { plan, core, id, target } = job;
  const random = originOf({ seed: plan.origin.seed }).random("table");
  const entries = requestsOf(plan, target.config.blkSize);
  createGpt(core, id, { diskGuid: plan.diskGuid, entries, random });
  verifyRayosTable(target, plan);
  yield* nothing();
}

/** The table as it is, without what is replaced, with what is new. */
function* changedTable(job: RayosJob): Work<void> {
  const { plan, core, id, target } = job;
  const old = readGpt(core, id, { lenient: true });
  const stays = new Set(plan.keeps.map(({ number }) => number));
  const base: GptTable = {
    ...old,
    partitions: old.partitions.filter(({ index }) => stays.has(index)),
  };
  const table = requestsOf(plan, target.config.blkSize).reduce(
    (sum, request) => withPartition(sum, request),
    base,
  );
  writeGpt(core, id, table);
  verifyRayosTable(target, plan);
  yield* nothing();
}

function requestsOf(plan: RayosPlan, blockSize: number): GptRequest[] {
  const perBlock = blockSize / SECTOR_BYTES;
  return plan.partitions.map(({ number, type, uniqueGuid, first, last, name }) => ({
    index: number,
    type,
    uniqueGuid,
    firstLba: first / perBlock,
    lastLba: (last + 1) / perBlock - 1,
    name,
  }));
}

function placeOf(
  plan: Pick<RayosPlan, "partitions">,
  role: RayosPartition["role"],
): RayosPartition {
  return partitionOf(plan.partitions, role) as RayosPartition;
}

function progress(step: string, done: number, total: number, unit = "steps"): ProgressEvent {
  return { step, done, total, unit };
}

function created(
  step: string,
  done: number,
  total: number,
  { number, role, sizeBytes }: RayosPartition,
): RayosEvent {
  return { step, done, total, unit: "steps", created: { number, role, sizeBytes } };
}

function* nothing(): Work<void> {}
