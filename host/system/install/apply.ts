/**
 * The steps of an installation, each of which may be done again: before a step begins, the journal
 * on the target names it, durably; after a cut anywhere, the same step is simply begun anew.
 *
 * The primary partition table is written last, so until then the target is no disk that anything
 * would boot; and it is written only when everything else has been read back.
 */
import { StorageError } from "../../base/errors.ts";
import type { Work } from "../../base/work.ts";
import { createGpt, type GptTable, writeGpt } from "../../core/gpt.ts";
import type { Core } from "../../core/load.ts";
import { Region } from "../../core/region.ts";
import type { BlockDevice } from "../../device/device.ts";
import {
  flushDevice,
  isZero,
  PIECE_BYTES,
  readSectors,
  writeSectors,
  zeroSectors,
} from "../../device/sectors.ts";
import { type Extent, extent, SECTOR_BYTES, TABLE_FRONT_SECTORS } from "../../format/layout.ts";
import { copyFiles, copyObjects } from "../image/copy.ts";
import { makeEsp } from "../image/esp.ts";
import { tableEntries, timestampMs } from "../image/mkdisk.ts";
import { makeRegion } from "../image/mkstore.ts";
import type { CoreMaker, Origin } from "../image/reproducible.ts";
import { clearJournal, JOURNAL_EXTENT, writeJournal } from "./journal.ts";
import type { InstallPlan, PlanRange, PlanStep } from "./plan.ts";
import { planted } from "./planted.ts";
import type { Source } from "./source.ts";
import { verifyContents, verifyRanges, verifyTable } from "./verify.ts";

/** Everything that the steps of one installation work with. */
export interface Job {
  readonly plan: InstallPlan;
  readonly source: Source;
  readonly target: BlockDevice;
  /** The core that writes, and the target's number in it. */
  readonly core: Core;
  readonly id: number;
  readonly origin: Origin;
  readonly makeCore: CoreMaker;
  /** The recipe as the journal keeps it. */
  readonly recipe: string;
  /** Index of the first step, and the journal's last sequence number. */
  readonly firstStep: number;
  readonly sequence: number;
}

/** Index of the step that copies first: behind "wipe". */
const FIRST_COPY = 1;

/** Carries the plan out from its first step that is not known to be done. */
export function* applyPlan(job: Job): Work<void> {
  const { plan, target, recipe } = job;
  const planHash = hexBytes(plan.hash);
  const total = plan.steps.length;
  let { sequence } = job;
  for (let step = job.firstStep; step < total; step++) {
    const { name, title } = plan.steps[step] as PlanStep;
    sequence++;
    const named = planted(62) ? Math.min(step + 1, total - 1) : step;
    writeJournal(target, { sequence, step: named, planHash, recipe });
    yield { step: title, done: step, total, unit: "steps" };
    if (name === "finish") yield* finish(job, sequence);
    else {
      try {
        yield* (plan.mode === "fresh" ? FRESH : VERBATIM)[name](job, plan.steps[step] as PlanStep);
      } catch (error) {
        // What did not read back is of no use: whoever resumes copies everything anew.
        if (name === "verify" && isDamaged(error)) {
          writeJournal(target, { sequence: sequence + 1, step: FIRST_COPY, planHash, recipe });
        }
        throw error;
      }
    }
    flushDevice(target);
  }
  yield { step: "installed", done: total, total, unit: "steps" };
}

/** What was written reads back as something else. */
function isDamaged(error: unknown): boolean {
  return error instanceof StorageError && error.code === "EBADMSG";
}

type Action = (job: Job, step: PlanStep) => Work<void>;
type Actions = Readonly<Record<Exclude<PlanStep["name"], "finish">, Action>>;

const FRESH: Actions = {
  wipe,
  esp: freshEsp,
  region: freshRegion,
  objects: freshObjects,
  files: freshFiles,
  verify: function* (job) {
    // A core of its own: nothing that it reads is in its memory already.
    const core = job.makeCore(job.origin.environment);
    yield* verifyContents(core, job.target, job.plan, job.source);
  },
  table: freshTable,
};

const VERBATIM: Actions = {
  wipe,
  esp: copyStep,
  region: copyStep,
  objects: nothing,
  files: nothing,
  verify: function* (job) {
    const { plan, target, source } = job;
    const copied = plan.steps.flatMap((step) => step.ranges.filter(isCopied));
    yield* verifyRanges(target, source.device, copied);
  },
  table: verbatimTable,
};

/** Zeros over the old table at both ends, all around the journal. */
function* wipe(job: Job, step: PlanStep): Work<void> {
  const { target } = job;
  for (const range of step.ranges) {
    if (range.first === JOURNAL_EXTENT.first) continue;
    zeroSectors(target, range.first, range.sectors);
    yield { step: step.title, done: range.last + 1, total: target.config.capacity, unit: "LBA" };
  }
}

function* freshEsp(job: Job): Work<void> {
  if (planted(60)) yield* freshTable(job);
  const { plan, source, core, id, origin } = job;
  const place = plan.partitions[0];
  const { label, boot: tree } = source;
  const serial = plan.identities.fatSerial;
  yield* makeEsp(core, id, { place, tree, label, serial, timestampMs: timestampMs(origin) });
}

function* freshRegion(job: Job): Work<void> {
  const { plan, source, core, id } = job;
  const filesystem = source.region.files !== null;
  const place = plan.partitions[1];
  yield* makeRegion(core, id, { place, uuid: plan.identities.regionUuid, filesystem });
}

function* freshObjects(job: Job): Work<void> {
  yield* withRegion(job, (region) => copyObjects(job.source.region.store, region.store));
}

function* freshFiles(job: Job): Work<void> {
  const { files } = job.source.region;
  if (files === null) return;
  yield* withRegion(job, (region) =>
    region.files === null ? nothing() : copyFiles(files, region.files),
  );
}

/** Backup first, and durable, then the primary: from there on the disk is installed. */
function* freshTable(job: Job): Work<void> {
  const { plan, target, core, id, origin } = job;
  const [esp, data] = plan.partitions;
  const { diskGuid } = plan.identities;
  const entries = tableEntries({ esp, data }, plan.identities);
  createGpt(core, id, { diskGuid, entries, random: origin.random("table") });
  verifyTable(core, target, plan);
  yield* nothing();
}

function* copyStep(job: Job, step: PlanStep): Work<void> {
  const total = step.ranges.reduce((sum, range) => sum + range.sectors, 0);
  let done = 0;
  for (const range of step.ranges) {
    yield* copyRange(job, range, step.title, done, total);
    done += range.sectors;
  }
}

/** The medium's own table, byte for byte; a backup where this device ends; the primary last. */
function* verbatimTable(job: Job, step: PlanStep): Work<void> {
  const { source, target } = job;
  const total = step.ranges.reduce((sum, range) => sum + range.sectors, 0);
  const named = step.ranges.filter((range) => range.first !== 0);
  const [backup, atEnd] = [named[0] as PlanRange, named[1]];
  yield* copyRange(job, backup, step.title, 0, total);
  if (atEnd !== undefined) writeBackupAtEnd(job, source.table);
  flushDevice(target);
  yield* copyRange(job, range0(), step.title, total - TABLE_FRONT_SECTORS, total);
  flushDevice(target);
  yield* verifyRanges(target, source.device, [backup, range0()]);
}

function writeBackupAtEnd(job: Job, table: GptTable): void {
  writeGpt(job.core, job.id, table, { sides: "backup" });
}

/** What belongs where the journal was: zeros, or the medium's bytes. */
function* finish(job: Job, sequence: number): Work<void> {
  const { plan, source, target } = job;
  const { first, sectors } = JOURNAL_EXTENT;
  const final =
    plan.mode === "fresh"
      ? new Uint8Array(sectors * SECTOR_BYTES)
      : readSectors(source.device, first, sectors);
  clearJournal(target, sequence, final);
  yield* nothing();
}

/** Copies a range of the medium; zeros are written as such: a sparse target stays sparse. */
function* copyRange(
  job: Job,
  range: Extent,
  step: string,
  before: number,
  total: number,
): Work<void> {
  const { source, target } = job;
  const piece = PIECE_BYTES / SECTOR_BYTES;
  for (let at = 0; at < range.sectors; at += piece) {
    const count = Math.min(piece, range.sectors - at);
    const bytes = readSectors(source.device, range.first + at, count);
    if (isZero(bytes)) zeroSectors(target, range.first + at, count);
    else writeSectors(target, range.first + at, bytes);
    yield { step, done: before + at + count, total, unit: "sectors" };
  }
}

function* withRegion(job: Job, use: (region: Region) => Work<void>): Work<void> {
  const { plan, core, id } = job;
  const { first, sectors } = plan.partitions[1];
  const region = Region.open(core, id, { baseSector: first, sectors });
  let done = false;
  try {
    yield* use(region);
    done = true;
    region.close();
  } finally {
    if (!done) closeQuietly(region);
  }
}

/** After a failure the region may not close; the failure is what the caller must see. */
function closeQuietly(region: Region): void {
  try {
    region.close();
  } catch {
    // The step is begun anew by the next run.
  }
}

/** Ranges that hold the medium's own bytes, apart from the table and the journal's place. */
function isCopied(range: PlanRange): boolean {
  return /^(BOOTHEAD|DATAIMG|rest of)/.test(range.what);
}

function range0(): PlanRange {
  return { what: "MBR and primary GPT", ...extent(0, TABLE_FRONT_SECTORS) };
}

function* nothing(): Work<void> {}

function hexBytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}
