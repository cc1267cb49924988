/**
 * Where on a disk things are: partitions by number, and the place of the data region.
 *
 * A region is looked for where design says: the partition that was named; else the start of the
 * device; else the only partition that has one.
 */
import { failure } from "../base/errors.ts";
import { type GptTable, type Place, probe, readGpt } from "../core/gpt.ts";
import type { Core } from "../core/load.ts";

const SECTOR_BYTES = 512;

/** What probe() calls the two contents of a data region. */
export const REGION_SIGNATURES: readonly string[] = ["capos-region", "capos-ro"];

/** A place on a disk and what its signature says. */
export interface NamedPlace extends Place {
  /** Partition number, absent for the device itself. */
  readonly partition?: number;
  /** What probe() knows it as; null if nothing. */
  readonly signature: string | null;
}

/** The whole device, or partition `number` of its table. */
export function placeOf(core: Core, device: number, number?: number): NamedPlace {
  if (number === undefined) {
    const whole = { baseSector: 0, sectors: 0 };
    return { ...whole, signature: probe(core, device, whole) };
  }
  const table = readGpt(core, device);
  const found = partitionPlaces(core, device, table).find(({ partition }) => partition === number);
  if (found !== undefined) return found;
  const numbers = table.partitions.map(({ index }) => index).join(", ") || "none";
  throw failure("ENOENT", "open", `there is no partition ${number}; the table has ${numbers}.`);
}

/** All partitions of `table` with their signatures. */
export function partitionPlaces(core: Core, device: number, table: GptTable): NamedPlace[] {
  const perBlock = table.blockSize / SECTOR_BYTES;
  return table.partitions.map(({ index, firstLba, lastLba }) => {
    const place = {
      baseSector: firstLba * perBlock,
      sectors: (lastLba - firstLba + 1) * perBlock,
    };
    return { ...place, partition: index, signature: probe(core, device, place) };
  });
}

/** Several places fit and none was named: the command line is not specific enough. */
export class AmbiguousPlace extends Error {}

/**
 * The place of what `wanted` accepts: the named partition, else the device's start, else the only
 * partition that fits.
 *
 * @throws {StorageError} ENOENT: nothing fits
 * @throws {AmbiguousPlace} several partitions fit
 */
export function findPlace(
  core: Core,
  device: number,
  wanted: readonly string[],
  number?: number,
): NamedPlace {
  const named = placeOf(core, device, number);
  if (number !== undefined || accepts(wanted, named)) return named;
  const fitting = gptOf(core, device).filter((place) => accepts(wanted, place));
  const [only] = fitting;
  if (fitting.length === 1 && only !== undefined) return only;
  const kinds = wanted.join(" or ");
  if (only === undefined) {
    throw failure("ENOENT", "open", `no ${kinds} is at the start of this disk or in a partition.`);
  }
  const numbers = fitting.map(({ partition }) => partition).join(", ");
  throw new AmbiguousPlace(`partitions ${numbers} all hold ${kinds}: name one as DISK:N`);
}

/** The place of the data region; a partition that was named binds, whatever its signature says. */
export function findRegion(core: Core, device: number, number?: number): NamedPlace {
  return findPlace(core, device, REGION_SIGNATURES, number);
}

function accepts(wanted: readonly string[], { signature }: NamedPlace): boolean {
  return signature !== null && wanted.includes(signature);
}

function gptOf(core: Core, device: number): NamedPlace[] {
  try {
    return partitionPlaces(core, device, readGpt(core, device));
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return [];
    throw error;
  }
}
