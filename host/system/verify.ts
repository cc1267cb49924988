/**
 * `verify`: everything on a disk, level by level: partition tables, FAT, ext4 and ISO volumes, data
 * regions with every object and every file. Writes nothing unless it is asked to repair.
 *
 * Interface: findings, not errors, tell what is wrong, each with its place; any damaged copy is
 * damage, also where the next commit would heal it. Only a device that fails throws.
 */
import { failure, StorageError } from "../base/errors.ts";
import { type Finding, isDamage } from "../base/finding.ts";
import type { Work } from "../base/work.ts";
import { FatVolume } from "../core/fat.ts";
import {
  type GptPartition,
  type GptTable,
  probe,
  readGpt,
  repairGpt,
  verifyGpt,
} from "../core/gpt.ts";
import { Core } from "../core/load.ts";
import { Region, type RegionWindow } from "../core/region.ts";
import type { BlockDevice } from "../device/device.ts";
import { DATA_REGION_BASE_LBA } from "../format/layout.ts";
import { Generations } from "./boot/generations.ts";
import { CONFIG_ROOT } from "./boot/kernel.ts";
import {
  HALF_RECOVERY,
  JOURNAL_EXTENT,
  RECOVERY_GOES_ON,
  readJournal,
  readRecoveryRecipe,
} from "./install/journal.ts";
import { STEPS } from "./install/plan.ts";
import { checkExt4, checkIso } from "./media/check.ts";
import { partitionPlaces } from "./place.ts";
import { type AuditFinding, auditGenerations } from "./update/audit.ts";
import { EXT_SIGNATURE, ISO_SIGNATURE } from "./volume.ts";

/** The level that a finding belongs to. */
export type VerifyArea =
  | "table"
  | "media"
  | "esp"
  | "ext4"
  | "region"
  | "store"
  | "files"
  | "generations"
  | "install";

export interface DiskFinding extends Finding {
  readonly area: VerifyArea;
  /** Number of the partition; absent for the disk as a whole. */
  readonly partition?: number | undefined;
  /** True if `--repair` has mended it. */
  readonly repaired?: boolean | undefined;
}

export interface VerifyReport {
  readonly disk: string;
  readonly findings: readonly DiskFinding[];
  /** Findings that are damage and are not mended. */
  readonly damage: number;
  /** What was looked at: "GPT", "partition 1: FAT32", ... */
  readonly checked: readonly string[];
}

export interface VerifyOptions {
  /** Mends what can be mended without guessing. */
  readonly repair?: boolean | undefined;
  /** Looks at one partition alone. */
  readonly partition?: number | undefined;
  readonly makeCore?: (() => Core) | undefined;
}

/** A place that has or should have content. */
interface Volume extends RegionWindow {
  readonly partition?: number | undefined;
  readonly kind: "fat" | "ext4" | "region" | "unknown";
}

/**
 * Verifies all of a disk or image, or one partition of it.
 *
 * @throws {StorageError} EMEDIUMTYPE: nothing that is known is on it; EIO
 */
export function* verifyDisk(device: BlockDevice, options: VerifyOptions = {}): Work<VerifyReport> {
  const core = options.makeCore?.() ?? new Core();
  const id = core.attach(device);
  const findings: DiskFinding[] = halfDone(device);
  const checked: string[] = [];
  try {
    if (options.partition === undefined) {
      const found = checkIso(device);
      if (found !== undefined) checked.push("ISO 9660");
      findings.push(...(found ?? []).map((finding) => ({ ...finding, area: "media" as const })));
    }
    const { volumes, hasTable } = layoutOf(core, id, device, options, findings);
    if (hasTable) checked.push("GPT");
    for (const [index, volume] of volumes.entries()) {
      yield { step: "verify", done: index, total: volumes.length, unit: "partitions" };
      const name = volume.partition === undefined ? "" : `partition ${volume.partition}: `;
      if (volume.kind === "fat") {
        checked.push(`${name}FAT32`);
        findings.push(...verifyFat(core, id, volume));
      } else if (volume.kind === "ext4") {
        checked.push(`${name}ext4`);
        const { partition } = volume;
        const found = checkExt4(device, volume);
        findings.push(
          ...found.map((finding) => ({ ...finding, area: "ext4" as const, partition })),
        );
      } else if (volume.kind === "region") {
        checked.push(`${name}data region`);
        yield* verifyRegion(core, id, volume, options, findings);
      }
    }
    yield { step: "verify", done: volumes.length, total: volumes.length, unit: "partitions" };
  } finally {
    core.detach(id);
  }
  const damage = findings.filter((finding) => isDamage(finding) && !finding.repaired).length;
  return { disk: device.name, findings, damage, checked };
}

/** The places to look at: the partitions, or the whole device where it has no table. */
function layoutOf(
  core: Core,
  id: number,
  device: BlockDevice,
  options: VerifyOptions,
  findings: DiskFinding[],
): { volumes: Volume[]; hasTable: boolean } {
  const signature = probe(core, id, { baseSector: 0, sectors: 0 });
  if (isRegion(signature)) return { volumes: [{ kind: "region" }], hasTable: false };
  if (signature?.startsWith("fat")) return { volumes: [{ kind: "fat" }], hasTable: false };
  if (signature === ISO_SIGNATURE) return { volumes: [], hasTable: false };
  if (signature === EXT_SIGNATURE) return { volumes: [{ kind: "ext4" }], hasTable: false };
  const table = verifyTable(core, id, options, findings);
  if (table === undefined) {
    const volumes = withoutTable(core, id, device);
    if (volumes.length === 0 && signature === null && findings.every(isAbsence)) {
      const message = `nothing that is known is on '${device.name}'.`;
      throw failure("EMEDIUMTYPE", "verify", message, { path: device.name });
    }
    return { volumes, hasTable: true };
  }
  const places = partitionPlaces(core, id, table);
  const volumes = places
    .filter(({ partition }) => options.partition === undefined || partition === options.partition)
    .map(({ baseSector, sectors, partition, signature: found }): Volume => {
      const entry = table.partitions.find(({ index }) => index === partition);
      return { baseSector, sectors, partition, kind: kindOf(entry, found) };
    });
  return { volumes, hasTable: true };
}

function verifyTable(
  core: Core,
  id: number,
  options: VerifyOptions,
  findings: DiskFinding[],
): GptTable | undefined {
  const found = verifyGpt(core, id);
  const mended = options.repair && found.some(isDamage) ? repairTable(core, id) : [];
  const isMended = (finding: Finding) =>
    mended.some(({ reason, lba }) => reason === finding.reason && lba === finding.lba);
  for (const finding of found) {
    findings.push({ ...finding, area: "table", repaired: isMended(finding) });
  }
  try {
    return readGpt(core, id, { lenient: true });
  } catch (error) {
    if (error instanceof StorageError && error.code !== "EIO") return undefined;
    throw error;
  }
}

function repairTable(core: Core, id: number): readonly Finding[] {
  try {
    return repairGpt(core, id).repaired;
  } catch (error) {
    // Both copies are gone: there is nothing to mend from, and the findings say so.
    if (error instanceof StorageError && error.code !== "EIO") return [];
    throw error;
  }
}

/** True for what verifyGpt says of a disk that never had a table. */
function isAbsence({ reason }: Finding): boolean {
  return reason === "GPT_NO_TABLE" || reason.startsWith("GPT_MBR");
}

/** Without a table the kernel would still find the region: so does verify. */
function withoutTable(core: Core, id: number, device: BlockDevice): Volume[] {
  const place = { baseSector: DATA_REGION_BASE_LBA, sectors: 0 };
  if (device.config.capacity <= DATA_REGION_BASE_LBA) return [];
  return isRegion(probe(core, id, place)) ? [{ ...place, kind: "region" }] : [];
}

/** What a partition holds by its signature; without one, what its type says it should. */
function kindOf(entry: GptPartition | undefined, signature: string | null): Volume["kind"] {
  if (isRegion(signature) || entry?.name === "diskwright-data") return "region";
  if (signature?.startsWith("fat") || entry?.name === "ESP") return "fat";
  if (signature === EXT_SIGNATURE) return "ext4";
  return "unknown";
}

function isRegion(signature: string | null): boolean {
  return signature === "capos-region";
}

function verifyFat(core: Core, id: number, volume: Volume): DiskFinding[] {
  const { partition } = volume;
  const device = core.device(id)?.name ?? "";
  return FatVolume.verify(core, id, volume).map(({ kind, lba, path, reason }) => ({
    area: "esp",
    partition,
    reason: kind,
    lba,
    device,
    ...(path === undefined ? {} : { path }),
    message: reason,
  }));
}

/** Structure first, by the region itself; then every object and every file, each by its hash. */
function* verifyRegion(
  core: Core,
  id: number,
  volume: Volume,
  options: VerifyOptions,
  findings: DiskFinding[],
): Work<void> {
  const { partition, baseSector, sectors } = volume;
  const window = { baseSector, sectors };
  const structure = Region.verify(core, id, window);
  const healed = options.repair && structure.some(isDamage) ? healRegion(core, id, window) : false;
  const left = healed ? Region.verify(core, id, window) : structure;
  for (const finding of structure) {
    const repaired = healed && !left.some((other) => isSame(finding, other));
    findings.push({ ...finding, area: "region", partition, repaired });
  }
  yield { step: "verify the region", done: 1, total: 3, unit: "passes" };
  let region: Region;
  try {
    region = Region.open(core, id, { ...window, readOnly: true });
  } catch (error) {
    if (!(error instanceof StorageError) || error.code === "EIO") throw error;
    if (!findings.some((finding) => finding.partition === partition && isDamage(finding))) {
      findings.push(unmountable(error, core, id, volume));
    }
    return;
  }
  const device = core.device(id)?.name ?? "";
  const add = (area: VerifyArea, found: Finding) => {
    if (findings.some((other) => other.partition === partition && isSame(found, other))) return;
    findings.push({ ...found, area, partition });
  };
  try {
    for (const { reason, lba, hash, message } of region.store.verify()) {
      add("store", { reason, lba, device, message, ...(hash === undefined ? {} : { path: hash }) });
    }
    yield { step: "verify the store", done: 2, total: 3, unit: "passes" };
    for (const { reason, lba, ino, path, offset, length } of files(region)) {
      const what = path ?? `inode ${ino}`;
      const range = length > 0 ? `, bytes ${offset} to ${offset + length - 1}` : "";
      const message = `${what}${range}: ${reason.toLowerCase().replaceAll("_", " ")}`;
      add("files", { reason, lba, device, message, ...(path === undefined ? {} : { path }) });
    }
    for (const finding of generationFindings(core, region)) {
      add("generations", { lba: (baseSector ?? 0) + region.controlLba, device, ...finding });
    }
    yield { step: "verify the files", done: 3, total: 3, unit: "passes" };
  } finally {
    region.close();
  }
}

/** Only where files and store are sound so far as they are read. */
function generationFindings(core: Core, region: Region): AuditFinding[] {
  const { files, store } = region;
  try {
    if (!files?.lstat(CONFIG_ROOT, { throwIfNoEntry: false })?.isDirectory()) return [];
    const config = { files, root: CONFIG_ROOT };
    const { random, clock } = core.environment;
    const grant = { config, store, region, readOnly: true };
    return auditGenerations(new Generations(grant, { random, clock }), grant);
  } catch (error) {
    // What is damaged below has been found already.
    if (error instanceof StorageError && error.code === "EBADMSG") return [];
    throw error;
  }
}

function files(region: Region) {
  return region.files?.check({ data: true }) ?? [];
}

/** The region mends what its copies and trees prove; what is left, the next check names. */
function healRegion(core: Core, id: number, window: RegionWindow): boolean {
  try {
    const region = Region.open(core, id, { ...window, repair: true });
    try {
      region.repair();
    } finally {
      region.close();
    }
    return true;
  } catch (error) {
    if (error instanceof StorageError && error.code !== "EIO") return false;
    throw error;
  }
}

function unmountable(error: StorageError, core: Core, id: number, volume: Volume): DiskFinding {
  return {
    area: "region",
    partition: volume.partition,
    reason: error.fault?.reason ?? error.code,
    lba: error.fault?.lba ?? volume.baseSector ?? 0,
    device: core.device(id)?.name ?? "",
    message: error.message,
  };
}

/** What was cut short leaves its journal. */
function halfDone(device: BlockDevice): DiskFinding[] {
  const journal = readJournal(device);
  if (journal === undefined) return [];
  const message =
    readRecoveryRecipe(journal) === undefined
      ? `an installation stopped here (step ${journal.step + 1} of at most ${STEPS.length}); ` +
        "diskwright install --resume finishes it"
      : `${HALF_RECOVERY}; ${RECOVERY_GOES_ON}`;
  const { name } = device;
  return [
    { area: "install", reason: "HALF_DONE", lba: JOURNAL_EXTENT.first, device: name, message },
  ];
}

function isSame(one: Finding, other: Finding): boolean {
  return one.reason === other.reason && one.lba === other.lba && one.path === other.path;
}
