/**
 * The plan of a RayOS installation: pure arithmetic from target, image and request to every range
 * that will be written, or to the one reason why nothing will be.
 *
 * On a whole disk the table is new. In a partition or in free space all other partitions stay as
 * they are, the ESP included: RayOS brings one of its own, so that nothing of another system is
 * ever written to, and firmware lists both. Where one that is there is named, files are added to
 * it, last of all. The new partitions take the lowest numbers that are free.
 */
import { failure, refusal } from "../../../base/errors.ts";
import { toHex } from "../../../base/hash.ts";
import { sha256 } from "../../../base/seed.ts";
import { freeRuns, type GptTable } from "../../../core/gpt.ts";
import {
  ALIGNMENT_SECTORS,
  type Extent,
  extent,
  overlaps,
  SECTOR_BYTES,
} from "../../../format/layout.ts";
import {
  LABELS_DEFAULT,
  NUMBERS,
  PARTITION_NAMES,
  PARTITION_TYPES,
  type RayosLabels,
  type RayosRole,
  type Room,
  rayosPlaces,
} from "../../../format/rayos/layout.ts";
import { originOf } from "../../image/reproducible.ts";
import { JOURNAL_EXTENT } from "../../install/journal.ts";
import type { PlanRange } from "../../install/plan.ts";
import { FALLBACK_PATH, LOADER_PATH, type SharedEsp } from "./esp.ts";
import type { RayosTarget } from "./target.ts";
import type {
  KeptPartition,
  RayosOrigin,
  RayosPartition,
  RayosPlan,
  RayosRequest,
  RayosStep,
  RayosTargetPlace,
} from "./types.ts";

/** What the plan takes of the image and of everything generated. */
export interface PlannedContent {
  readonly source: RayosPlan["source"];
  /** Digest of all that is generated: boot entries, settings, the options themselves. */
  readonly generated: string;
  readonly warnings: readonly string[];
}

/** What is known beside target, request and content. */
export interface PlanChoices {
  readonly wipe: boolean;
  /** The ESP that is shared; undefined: there is a new one. */
  readonly shared: SharedEsp | undefined;
  readonly usableEsps: readonly number[];
}

const ROLES: readonly RayosRole[] = ["esp", "system", "pool", "state", "log", "recovery"];
const TITLES = {
  esp: "Make the ESP",
  system: "Make the System partition and copy the image",
  pool: "Make the VM pool",
  state: "Make the state region",
  log: "Clear the log",
  recovery: "Make the recovery partition",
} as const;

/** Where RayOS's partitions would go, and what stays; refuses what does not fit. Pure. */
export function settlePartitions(
  target: RayosTarget,
  request: RayosRequest,
  origin: RayosOrigin,
): { partitions: RayosPartition[]; keeps: KeptPartition[]; diskGuid: string } {
  const { place, layout, sizes } = request;
  const labels: RayosLabels = { ...LABELS_DEFAULT, ...definedOf(request.labels ?? {}) };
  checkLabels(labels);
  const { table } = target;
  const kept = place.kind === "disk" ? [] : keptPartitions(target, place);
  const room = roomOf(target, place);
  const places = rayosPlaces(layout, room, sizes, request.esp === undefined);
  const free = freeNumbers(kept, table?.entrySlots ?? 128);
  const drawn = originOf({ seed: origin.seed });
  const byRole = new Map(places.map((each) => [each.role, each]));
  const partitions: RayosPartition[] = [];
  for (const role of ROLES) {
    const found = byRole.get(role);
    if (found === undefined) continue;
    const number = place.kind === "disk" ? NUMBERS[role] : free.shift();
    if (number === undefined) {
      throw refusal("ENOSPC", "plan", "the table has no entries left.", { path: target.name });
    }
    const label = role === "state" || role === "log" ? undefined : labels[role];
    partitions.push({
      role,
      number,
      name: PARTITION_NAMES[role],
      type: PARTITION_TYPES[role],
      ...extent(found.first, found.sectors),
      sizeBytes: found.sectors * SECTOR_BYTES,
      label,
      uniqueGuid: drawn.guid(`partition ${role}`),
    });
  }
  const diskGuid =
    place.kind === "disk" ? drawn.guid("disk") : ((table as GptTable).diskGuid ?? "");
  return { partitions, keeps: kept, diskGuid };
}

/** The plan, with every range checked against the disk, the partitions and what stays. */
export function planRayos(
  target: RayosTarget,
  request: RayosRequest,
  origin: RayosOrigin,
  content: PlannedContent,
  choices: PlanChoices,
): RayosPlan {
  const { layout, place, vmStorage = "pool" } = request;
  const { wipe, shared, usableEsps } = choices;
  const { partitions, keeps, diskGuid } = settlePartitions(target, request, origin);
  const steps = stepsOf(target, place, partitions, wipe, shared);
  const plan = {
    version: 1 as const,
    layout,
    place,
    source: content.source,
    target: {
      name: target.name,
      sectors: target.sectors,
      sizeBytes: target.sectors * SECTOR_BYTES,
      content: target.content,
    },
    origin,
    diskGuid,
    partitions,
    keeps,
    esp: planEsp(partitions, shared),
    usableEsps,
    vmStorage: vmStorage === "pool" ? "pool" : vmStorage.path,
    steps,
    warnings: content.warnings,
  };
  checkRanges(plan, target);
  return { ...plan, hash: hashOf(plan, content.generated) };
}

function planEsp(partitions: readonly RayosPartition[], shared: SharedEsp | undefined) {
  const own = partitions.find(({ role }) => role === "esp");
  const { number, uniqueGuid } = (shared ?? own) as SharedEsp | RayosPartition;
  const kept = shared?.kept ?? [];
  const loader = kept.includes(FALLBACK_PATH) ? LOADER_PATH : FALLBACK_PATH;
  const kind = shared === undefined ? ("new" as const) : ("existing" as const);
  return { kind, number, uniqueGuid, loader, kept };
}

function roomOf(target: RayosTarget, place: RayosTargetPlace): Room {
  const { name: path, sectors, blockSize, table } = target;
  const perBlock = blockSize / SECTOR_BYTES;
  const name = `'${path}'`;
  if (place.kind === "disk") {
    const last = sectors - backSectors(blockSize) - 1;
    const overheadSectors = sectors - last - 1 + ALIGNMENT_SECTORS;
    return { first: ALIGNMENT_SECTORS, last, name, overheadSectors, path };
  }
  if (table === undefined) throw refusal("ENOENT", "plan", `${name} has no table.`, { path });
  if (place.kind === "partition") {
    const found = table.partitions.find(({ index }) => index === place.number);
    if (found === undefined) {
      const numbers = table.partitions.map(({ index }) => index).join(", ") || "none";
      const message = `${name} has no partition ${place.number}; there are: ${numbers}.`;
      throw refusal("ENOENT", "plan", message, { path });
    }
    const last = (found.lastLba + 1) * perBlock - 1;
    const first = found.firstLba * perBlock;
    return { first, last, name: `partition ${place.number} of ${name}`, overheadSectors: 0, path };
  }
  const runs = freeRuns(table).map(({ firstLba, lastLba }) => ({
    first: Math.max(firstLba * perBlock, ALIGNMENT_SECTORS),
    last: (lastLba + 1) * perBlock - 1,
  }));
  return freeRoom(runs, place, name, path);
}

function freeRoom(
  runs: readonly { readonly first: number; readonly last: number }[],
  place: Extract<RayosTargetPlace, { kind: "free" }>,
  name: string,
  path: string,
): Room {
  const { first, sectors } = place;
  const size = (run: { first: number; last: number }) => run.last - run.first;
  const run =
    first === undefined
      ? [...runs].sort((one, other) => size(other) - size(one))[0]
      : runs.find((each) => first >= each.first && first <= each.last);
  if (run === undefined || run.last < run.first) {
    const message = `${name} has no free space${first === undefined ? "" : ` at LBA ${first}`}.`;
    throw refusal("ENOSPC", "plan", message, { path });
  }
  const start = first ?? run.first;
  const last = sectors === undefined ? run.last : start + sectors - 1;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(last) || last > run.last) {
    const message = `LBA ${start} to ${last} of ${name} is not free: it is up to ${run.last}.`;
    throw refusal("EINVAL", "plan", message, { path });
  }
  return { first: start, last, name: `the free space of ${name}`, overheadSectors: 0, path };
}

function keptPartitions(target: RayosTarget, place: RayosTargetPlace): KeptPartition[] {
  const { table, blockSize } = target;
  const perBlock = blockSize / SECTOR_BYTES;
  return (table?.partitions ?? [])
    .filter(({ index }) => place.kind !== "partition" || index !== place.number)
    .map(({ index, name, firstLba, lastLba }) => ({
      number: index,
      name,
      first: firstLba * perBlock,
      last: (lastLba + 1) * perBlock - 1,
    }));
}

function freeNumbers(kept: readonly KeptPartition[], slots: number): number[] {
  const taken = new Set(kept.map(({ number }) => number));
  return Array.from({ length: slots }, (_, index) => index + 1).filter((each) => !taken.has(each));
}

function stepsOf(
  target: RayosTarget,
  place: RayosTargetPlace,
  partitions: readonly RayosPartition[],
  wipe: boolean,
  shared: SharedEsp | undefined,
): RayosStep[] {
  const front = frontSectors(target.blockSize);
  const back = backSectors(target.blockSize);
  const steps: RayosStep[] = [];
  if (place.kind === "disk") {
    const tail = wipe ? ALIGNMENT_SECTORS : back;
    const { first, last } = JOURNAL_EXTENT;
    const ranges = [
      named("old partition table", extent(0, front)),
      named("gap before the journal", extent(front, first - front)),
      named("journal", JOURNAL_EXTENT),
      named("gap behind the journal", extent(last + 1, ALIGNMENT_SECTORS - last - 1)),
      named("end of the disk", extent(target.sectors - tail, tail)),
    ];
    steps.push({ name: "wipe", title: "Wipe the old table", ranges });
  }
  for (const partition of partitions) {
    const { role } = partition;
    steps.push({ name: role, title: TITLES[role], ranges: [named(partition.name, partition)] });
  }
  const tables = [
    named("backup GPT", extent(target.sectors - back, back)),
    named("MBR and primary GPT", extent(0, front)),
  ];
  steps.push(
    { name: "verify", title: "Read everything back", ranges: [] },
    { name: "table", title: "Write the partition table, backup first", ranges: tables },
  );
  if (shared !== undefined) {
    const what = `the ESP, partition ${shared.number}`;
    steps.push({ name: "esp", title: `Add boot files to ${what}`, ranges: [named(what, shared)] });
  }
  steps.push({
    name: "finish",
    title: "Clear the journal",
    ranges: [named("journal", JOURNAL_EXTENT)],
  });
  return steps;
}

/** MBR, header and 128 entries; entries and header at the end. */
function frontSectors(blockSize: number): number {
  return (2 * blockSize + 16_384) / SECTOR_BYTES;
}

function backSectors(blockSize: number): number {
  return (blockSize + 16_384) / SECTOR_BYTES;
}

function checkRanges(
  plan: Pick<RayosPlan, "steps" | "partitions" | "keeps" | "esp">,
  target: RayosTarget,
): void {
  const wrong = (range: Extent & { what?: string }, why: string) => {
    const place = `${range.what ?? "a partition"}, LBA ${range.first} to ${range.last},`;
    return failure("ERANGE", "plan", `the plan is wrong: ${place} ${why}.`);
  };
  const { partitions, keeps } = plan;
  partitions.forEach((one, index) => {
    const other = partitions.slice(index + 1).find((each) => overlaps(one, each));
    if (other !== undefined) throw wrong(one, `overlaps partition ${other.number}`);
  });
  for (const { name, ranges } of plan.steps) {
    for (const range of ranges) {
      const { first, last, sectors } = range;
      if (![first, last, sectors].every(Number.isSafeInteger) || last !== first + sectors - 1) {
        throw wrong(range, "is no run of sectors");
      }
      if (first < 0 || sectors < 1 || last >= target.sectors) {
        throw wrong(range, "lies outside the disk");
      }
      const isShared = name === "esp" && plan.esp.kind === "existing";
      const kept = keeps.find((each) => {
        const isItself = isShared && each.number === plan.esp.number;
        return first <= each.last && last >= each.first && !isItself;
      });
      if (kept !== undefined) throw wrong(range, `lies over partition ${kept.number}, which stays`);
      const owners = partitions.filter((each) => overlaps(each, range));
      if (owners.length === 0 || name === "wipe") continue;
      const [owner] = owners;
      const inside = owner !== undefined && first >= owner.first && last <= owner.last;
      if (owners.length > 1 || !inside) throw wrong(range, "crosses a partition");
    }
  }
}

function hashOf(plan: Omit<RayosPlan, "hash">, generated: string): string {
  const { version, layout, partitions, steps, keeps, origin, diskGuid, source, target, esp } = plan;
  const decides = {
    version,
    layout,
    digest: source.digest,
    generated,
    sectors: target.sectors,
    origin: [origin.seed, origin.createdS],
    diskGuid,
    partitions: partitions.map(({ number, role, first, last, uniqueGuid, label }) => [
      ...[number, role, first, last, uniqueGuid],
      label ?? "",
    ]),
    keeps: keeps.map(({ number, first, last }) => [number, first, last]),
    ...(esp.kind === "existing" ? { esp } : {}),
    ranges: steps.map(({ name, ranges }) => [name, ranges.map((r) => [r.first, r.last])]),
  };
  return toHex(sha256(new TextEncoder().encode(JSON.stringify(decides))));
}

function checkLabels(labels: RayosLabels): void {
  for (const [what, label] of Object.entries(labels)) {
    const isFat = what === "esp" || what === "recovery";
    const most = isFat ? 11 : 16;
    const bytes = new TextEncoder().encode(label).length;
    if (bytes >= 1 && bytes <= most && /^[A-Za-z0-9_.-]+$/.test(label)) continue;
    const message = `'${label}' is no label for the ${what} partition.`;
    const hint = `It has up to ${most} letters, digits, '_', '.' and '-'.`;
    throw refusal("EINVAL", "plan", message, { hint });
  }
}

function definedOf<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}

function named(what: string, { first, sectors }: Extent): PlanRange {
  return { what, ...extent(first, sectors) };
}
