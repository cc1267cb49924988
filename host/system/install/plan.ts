/**
 * The plan of an installation: pure arithmetic from what source and target are to every range that
 * will be written, or to the one reason why nothing will be.
 *
 * Interface: `planInstall` reads no device. Every range is checked against the disk and against
 * the partitions before the plan is handed out; `hash` binds source, identities and ranges, so
 * that a half-done installation is only ever resumed by the plan that began it.
 */
import { failure, refusal } from "../../base/errors.ts";
import { toHex } from "../../base/hash.ts";
import { sha256 } from "../../base/seed.ts";
import { formatSize } from "../../base/size.ts";
import {
  caposLayout,
  type DiskLayout,
  type Extent,
  extent,
  overlaps,
  SECTOR_BYTES,
  TABLE_FRONT_SECTORS,
} from "../../format/layout.ts";
import {
  HALF_RECOVERY,
  JOURNAL_EXTENT,
  type JournalEntry,
  placeOf,
  RECOVERY_GOES_ON,
  readRecoveryRecipe,
  WHOLE_DISK,
} from "./journal.ts";

/** What an installation is made of. */
export interface SourceFacts {
  readonly name: string;
  readonly sectors: number;
  readonly esp: Extent;
  readonly data: Extent;
  /** SHA-256 over names, sizes and hashes of everything that will be copied. */
  readonly digest: string;
  readonly files: number;
  readonly bytes: number;
  /** Sectors of the smallest region that holds the content. */
  readonly dataSectorsMin: number;
  /** Sectors that have content, for a copy byte for byte. */
  readonly parts: { readonly head: Extent; readonly data: Extent; readonly table: Extent };
}

/** The target by what it is, whatever lies on it. */
export interface TargetDevice {
  readonly name: string;
  readonly sectors: number;
  readonly blockSize: number;
  readonly readOnly: boolean;
  /** It is the source, by whatever name. */
  readonly isSource: boolean;
  /** Who uses it, if somebody does. */
  readonly busy?: string | undefined;
}

/** What lies on it. */
export interface TargetContent {
  readonly blank: boolean;
  /** In words: "a GPT with 2 partitions". */
  readonly content: string;
  /** A capOS system is installed there. */
  readonly installed: boolean;
}

/** The target before anything is written. */
export interface TargetFacts extends TargetDevice, TargetContent {}

export interface Identities {
  readonly diskGuid: string;
  readonly espGuid: string;
  readonly dataGuid: string;
  readonly regionUuid: string;
  readonly fatSerial: number;
}

export type InstallMode = "fresh" | "verbatim";

/** What a plan follows from, besides source and target; kept in the journal. */
export interface Recipe {
  readonly mode: InstallMode;
  readonly identities: Identities;
  /** What must be wiped first: true where the target was not blank. */
  readonly wipe: boolean;
}

export interface PlanRange extends Extent {
  readonly what: string;
}

export const STEPS = [
  "wipe",
  "esp",
  "region",
  "objects",
  "files",
  "verify",
  "table",
  "finish",
] as const;
export type StepName = (typeof STEPS)[number];

export interface PlanStep {
  readonly name: StepName;
  readonly title: string;
  /** Everything this step may write. */
  readonly ranges: readonly PlanRange[];
}

export interface PlannedPartition extends Extent {
  readonly index: number;
  readonly name: string;
  readonly type: "esp" | "diskwright-data";
}

export interface InstallPlan {
  readonly version: 1;
  readonly layout: "capos";
  readonly mode: InstallMode;
  readonly source: { name: string; digest: string; files: number; bytes: number };
  readonly target: { name: string; sectors: number; sizeBytes: number; content: string };
  readonly identities: Identities;
  readonly partitions: readonly [esp: PlannedPartition, data: PlannedPartition];
  readonly steps: readonly PlanStep[];
  /** Name of the step an interrupted installation goes on with. */
  readonly resumesAt?: StepName | undefined;
  /** SHA-256 over everything that decides what is written. */
  readonly hash: string;
}

/** Consent that a refusal asks for. */
export interface Consent {
  /** Write over whatever the target has. */
  readonly erase?: boolean | undefined;
  /** Write over an installed system. */
  readonly reinstall?: boolean | undefined;
}

/**
 * Refuses a target that must not be written to, for the first reason that holds.
 *
 * @throws {Refusal} EINVAL: it is the source; EROFS; EBUSY; EEXIST: an installed system; ENOTEMPTY
 */
export function checkTarget(target: TargetFacts, consent: Consent): void {
  const { name: path } = target;
  if (target.isSource) {
    throw refusal("EINVAL", "install", `'${path}' is the medium that is installed from.`, { path });
  }
  if (target.readOnly) throw refusal("EROFS", "install", `'${path}' is read-only.`, { path });
  if (target.busy !== undefined) {
    throw refusal("EBUSY", "install", `'${path}' is in use: ${target.busy}.`, { path });
  }
  if (target.installed && !consent.reinstall) {
    const message = `'${path}' has an installed system.`;
    const hint = "--reinstall replaces it with all its data.";
    throw refusal("EEXIST", "install", message, { path, hint });
  }
  if (!target.blank && !target.installed && !consent.erase) {
    const message = `'${path}' is not blank: it has ${target.content}.`;
    const hint = "--erase writes over it.";
    throw refusal("ENOTEMPTY", "install", message, { path, hint });
  }
}

/**
 * The consent to begin anew, in `place`, where `journal` is. What is half done there is no system
 * to replace. Elsewhere on the disk may be one, and a half-done recovery partition is beside one,
 * which nobody loses unasked.
 *
 * @throws {Refusal} ESTALE: the recovery partition, without consent to lose the system too
 */
export function consentOver(
  journal: JournalEntry | undefined,
  path: string,
  consent: Consent,
  resume: boolean | undefined,
  place: string = WHOLE_DISK,
): Consent {
  if (journal === undefined) return consent;
  if (readRecoveryRecipe(journal) === undefined) {
    return placeOf(journal) === place ? { ...consent, reinstall: true } : consent;
  }
  if (consent.erase && consent.reinstall && !resume) return consent;
  const message = `'${path}' has ${HALF_RECOVERY}.`;
  const hint = `${RECOVERY_GOES_ON}; --erase --reinstall replaces the whole system.`;
  throw refusal("ESTALE", "install", message, { path, hint });
}

/**
 * The plan for `recipe`.
 *
 * @throws {Refusal} ENOSPC: the target is too small, with the smallest size that would do;
 *   EINVAL: its blocks are not of 512 bytes
 */
export function planInstall(source: SourceFacts, target: TargetFacts, recipe: Recipe): InstallPlan {
  const { mode } = recipe;
  const layout = mode === "fresh" ? freshLayout(source, target) : verbatimLayout(source, target);
  const steps = mode === "fresh" ? freshSteps(layout) : verbatimSteps(source, layout);
  const plan = {
    version: 1 as const,
    layout: "capos" as const,
    mode,
    source: {
      name: source.name,
      digest: source.digest,
      files: source.files,
      bytes: source.bytes,
    },
    target: {
      name: target.name,
      sectors: target.sectors,
      sizeBytes: target.sectors * SECTOR_BYTES,
      content: target.content,
    },
    identities: recipe.identities,
    partitions: partitionsOf(layout),
    steps: [wipeStep(layout, recipe.wipe), ...steps],
  };
  checkRanges(plan, layout);
  return { ...plan, hash: hashOf(plan) };
}

/** Every range that the plan may write, in order. */
export function rangesOf(plan: Pick<InstallPlan, "steps">): PlanRange[] {
  return plan.steps.flatMap((step) => step.ranges);
}

function freshLayout(source: SourceFacts, target: TargetFacts): DiskLayout {
  return caposLayout(target.sectors, {
    espSectors: source.esp.sectors,
    dataFirst: source.data.first,
    dataSectorsMin: source.dataSectorsMin,
    blockSize: target.blockSize,
    path: target.name,
  });
}

/** The source's own layout; a larger target keeps the rest unused. */
function verbatimLayout(source: SourceFacts, target: TargetFacts): DiskLayout {
  const { name: path, sectors, blockSize } = target;
  if (sectors < source.sectors) {
    const message =
      `'${path}' has ${formatSize(sectors * SECTOR_BYTES)}; the smallest size that would do ` +
      `for a copy byte for byte is ${formatSize(source.sectors * SECTOR_BYTES)}.`;
    throw refusal("ENOSPC", "plan", message, { path });
  }
  if (blockSize !== SECTOR_BYTES) {
    const message = `'${path}' has blocks of ${blockSize} bytes; the medium's are ${SECTOR_BYTES}.`;
    throw refusal("EINVAL", "plan", message, { path });
  }
  const { tableFront, gap, tableBack } = caposLayout(source.sectors, {
    espSectors: source.esp.sectors,
    dataFirst: source.data.first,
  });
  const { esp, data } = source;
  return { name: "capos", diskSectors: sectors, esp, data, tableFront, gap, tableBack };
}

function partitionsOf(layout: DiskLayout): InstallPlan["partitions"] {
  return [
    { index: 1, name: "ESP", type: "esp", ...layout.esp },
    { index: 2, name: "diskwright-data", type: "diskwright-data", ...layout.data },
  ];
}

/** The old table dies first, at both ends; what is not blank loses all of its first MiB. */
function wipeStep(layout: DiskLayout, all: boolean): PlanStep {
  const { tableFront, gap, diskSectors } = layout;
  const behind = JOURNAL_EXTENT.last + 1;
  const tail = all ? 2048 : TABLE_FRONT_SECTORS - 1;
  const ranges = [
    named("old partition table", tableFront),
    named("gap before the journal", span(gap.first, JOURNAL_EXTENT.first - 1)),
    named("journal", JOURNAL_EXTENT),
    named("gap behind the journal", span(behind, gap.last)),
    named("end of the disk", extent(diskSectors - tail, tail)),
  ];
  return { name: "wipe", title: "Wipe the old table", ranges };
}

function freshSteps(layout: DiskLayout): PlanStep[] {
  const { esp, data, tableFront, tableBack } = layout;
  const region = [named("data region", data)];
  return [
    { name: "esp", title: "Make the ESP and copy its files", ranges: [named("ESP", esp)] },
    { name: "region", title: "Format the data region", ranges: region },
    { name: "objects", title: "Copy the objects of the store", ranges: region },
    { name: "files", title: "Copy the files of the data region", ranges: region },
    { name: "verify", title: "Read everything back", ranges: [] },
    {
      name: "table",
      title: "Write the partition table, backup first",
      ranges: [named("backup GPT", tableBack), named("MBR and primary GPT", tableFront)],
    },
    { name: "finish", title: "Clear the journal", ranges: [named("journal", JOURNAL_EXTENT)] },
  ];
}

function verbatimSteps(source: SourceFacts, layout: DiskLayout): PlanStep[] {
  const { head, data, table } = source.parts;
  const { tableFront, gap, diskSectors } = layout;
  const backups = [named("BOOTGPT.BIN", table)];
  const end = extent(diskSectors - table.sectors, table.sectors);
  // The primary names the medium's last LBA; firmware looks at the device's own. A device that is
  // larger by less than a table has no room for both.
  if (!overlaps(end, table)) backups.push(named("backup GPT at the end of the disk", end));
  const before = span(gap.first, JOURNAL_EXTENT.first - 1);
  return [
    {
      name: "esp",
      title: "Copy the boot head",
      ranges: [
        named("BOOTHEAD.BIN before the journal", before),
        named("BOOTHEAD.BIN", span(JOURNAL_EXTENT.last + 1, head.last)),
        ...rest("rest of the ESP", head.last + 1, layout.esp.last),
      ],
    },
    {
      name: "region",
      title: "Copy the data region",
      ranges: [
        named("DATAIMG.BIN", data),
        ...rest("rest of the data region", data.last + 1, layout.data.last),
      ],
    },
    { name: "verify", title: "Read everything back", ranges: [] },
    {
      name: "table",
      title: "Write the partition table, backup first",
      ranges: [...backups, named("MBR and primary GPT", tableFront)],
    },
    { name: "finish", title: "Clear the journal", ranges: [named("journal", JOURNAL_EXTENT)] },
  ];
}

/** Every range inside the disk; and but for the wipe none over the border of a partition. */
function checkRanges(plan: Pick<InstallPlan, "steps" | "partitions">, layout: DiskLayout): void {
  const wrong = (range: PlanRange, why: string) => {
    const place = `${range.what}, LBA ${range.first} to ${range.last},`;
    return failure("ERANGE", "plan", `the plan is wrong: ${place} ${why}.`);
  };
  for (const { name, range } of plan.steps.flatMap(({ name, ranges }) =>
    ranges.map((range) => ({ name, range })),
  )) {
    const { first, last, sectors } = range;
    const whole = [first, last, sectors].every(Number.isSafeInteger) && sectors > 0;
    if (!whole || last !== first + sectors - 1) throw wrong(range, "is no run of sectors");
    if (first < 0 || last >= layout.diskSectors) throw wrong(range, "lies outside the disk");
    const owned = plan.partitions.filter((partition) => overlaps(partition, range));
    if (owned.length === 0 || name === "wipe") continue;
    const inside = owned[0] as PlannedPartition;
    const alone = owned.length === 1 && first >= inside.first && last <= inside.last;
    const crosses = range.what.startsWith("BOOTHEAD.BIN") && owned.length === 1;
    if (!alone && !(crosses && last <= inside.last)) throw wrong(range, "crosses a partition");
  }
}

function hashOf(plan: Omit<InstallPlan, "hash">): string {
  const { version, layout, mode, identities, partitions, steps } = plan;
  const ranges = steps.map(({ name, ranges }) => [name, ranges.map((r) => [r.first, r.last])]);
  const decides = {
    version,
    layout,
    mode,
    digest: plan.source.digest,
    sectors: plan.target.sectors,
    identities: Object.entries(identities).sort(),
    partitions: partitions.map(({ index, first, last, type }) => [index, first, last, type]),
    ranges,
  };
  return toHex(sha256(new TextEncoder().encode(JSON.stringify(decides))));
}

function named(what: string, { first, sectors }: Extent): PlanRange {
  return { what, ...extent(first, sectors) };
}

function span(first: number, last: number): Extent {
  return extent(first, last - first + 1);
}

function rest(what: string, first: number, last: number): PlanRange[] {
  return first > last ? [] : [named(what, span(first, last))];
}
