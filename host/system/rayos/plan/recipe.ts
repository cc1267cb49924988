/** What the journal keeps of an installation: enough to make the same plan again after a cut. */
import { toHex } from "../../../base/hash.ts";
import { originOf } from "../../image/reproducible.ts";
import { isOrigin, WHOLE_DISK } from "../../install/journal.ts";
import type { RayosTarget } from "./target.ts";
import type { RayosOrigin, RayosRequest, RayosTargetPlace } from "./types.ts";

const SEED_BYTES = 16;
/** What a seeded installation takes as its time where nobody gives one: 2000-01-01 UTC. */
const SEEDED_EPOCH_S = 946_684_800;

export interface RayosRecipe {
  readonly origin: RayosOrigin;
  readonly wipe: boolean;
  /** What it takes of the disk: placeName(). */
  readonly place: string;
  /** The partition that is replaced, in blocks of the device. */
  readonly replaced?: { readonly firstLba: number; readonly lastLba: number } | undefined;
  readonly tableBackup?: string | undefined;
  /** Of an ESP that is shared: files of others that stay. */
  readonly kept?: readonly string[] | undefined;
}

/** Seed and time of a new installation: drawn, unless the request gives a seed. */
export function drawOrigin({ seed, sourceDateEpoch }: RayosRequest): RayosOrigin {
  if (seed !== undefined) return { seed, createdS: sourceDateEpoch ?? SEEDED_EPOCH_S };
  if (sourceDateEpoch !== undefined) {
    return { seed: `SOURCE_DATE_EPOCH=${sourceDateEpoch}`, createdS: sourceDateEpoch };
  }
  const bytes = new Uint8Array(SEED_BYTES);
  originOf().random("rayos")(bytes);
  return { seed: toHex(bytes), createdS: Math.floor(Date.now() / 1000) };
}

/** The same text for the same place. */
export function placeName(place: RayosTargetPlace): string {
  if (place.kind === "disk") return WHOLE_DISK;
  if (place.kind === "partition") return `partition ${place.number}`;
  return `free ${place.first ?? ""} ${place.sectors ?? ""}`;
}

export function writeRecipe(recipe: RayosRecipe): string {
  const { origin, wipe, place, replaced, tableBackup, kept } = recipe;
  return JSON.stringify({ rayos: 1, origin, wipe, place, replaced, tableBackup, kept });
}

/** The recipe of a journal whose digest was right; undefined if it is another installer's. */
export function readRecipe(text: string): RayosRecipe | undefined {
  try {
    const read = JSON.parse(text) as RayosRecipe & { rayos?: unknown };
    const { rayos, origin, wipe, place, replaced, tableBackup, kept } = read;
    const { seed, createdS } = origin;
    const fits =
      rayos === 1 &&
      isOrigin(origin) &&
      typeof wipe === "boolean" &&
      typeof place === "string" &&
      (replaced === undefined ||
        (Number.isSafeInteger(replaced.firstLba) && Number.isSafeInteger(replaced.lastLba))) &&
      (tableBackup === undefined || typeof tableBackup === "string") &&
      (kept === undefined ||
        (Array.isArray(kept) && kept.every((each) => typeof each === "string")));
    if (!fits) return undefined;
    return { origin: { seed, createdS }, wipe, place, replaced, tableBackup, kept };
  } catch {
    return undefined;
  }
}

/**
 * The target with the table that the installation began with: a cut behind the change of the table
 * finds the new one, whose own partitions are no longer counted and whose replaced one is back.
 */
export function withOldTable(
  target: RayosTarget,
  { place }: RayosRequest,
  { origin, replaced }: RayosRecipe,
): RayosTarget {
  const { table } = target;
  if (place.kind === "disk" || table === undefined) return { ...target, table: undefined };
  const drawn = originOf({ seed: origin.seed });
  const own = ["esp", "system", "pool", "state", "log", "recovery"].map((role) =>
    drawn.guid(`partition ${role}`),
  );
  const [template] = table.partitions;
  const isNew = table.partitions.some(({ uniqueGuid }) => own.includes(uniqueGuid));
  if (!isNew || template === undefined) return target;
  const kept = table.partitions.filter(({ uniqueGuid }) => !own.includes(uniqueGuid));
  const back =
    place.kind === "partition" && replaced !== undefined
      ? [{ ...template, ...replaced, index: place.number }]
      : [];
  return { ...target, table: { ...table, partitions: [...kept, ...back] } };
}
