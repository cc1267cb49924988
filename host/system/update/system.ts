/**
 * The installed system of a disk, opened for an operator: its data region, its generations, and the
 * manifest of the base on its ESP, which decides what an overlay may bring.
 */
import { failure } from "../../base/errors.ts";
import { FatVolume } from "../../core/fat.ts";
import { GPT_TYPES, readGpt } from "../../core/gpt.ts";
import type { Core } from "../../core/load.ts";
import { Region, type RegionWindow } from "../../core/region.ts";
import type { SystemManifest } from "../../format/manifest.ts";
import { Generations, type GenerationsOptions } from "../boot/generations.ts";
import { CONFIG_ROOT, type DataGrant } from "../boot/kernel.ts";
import type { Profile } from "../boot/select.ts";
import { readManifest } from "../init/payload.ts";

const SECTOR_BYTES = 512;

export interface SystemOptions extends RegionWindow {
  readonly readOnly?: boolean | undefined;
  readonly profile?: Profile | undefined;
}

/** An open system. close() commits what is pending. */
export interface InstalledSystem {
  readonly grant: DataGrant;
  readonly generations: Generations;
  /** Undefined: the disk has no manifest, and its init consults no overlay. */
  readonly base: SystemManifest | undefined;
  /** Why the manifest that is there cannot be used. */
  readonly baseFault: string | undefined;
  close(): void;
}

/**
 * Opens the system whose data region is at the window.
 *
 * @throws {StorageError} ENOENT: no filesystem, or no system/config in it
 */
export function openSystem(core: Core, device: number, options: SystemOptions): InstalledSystem {
  const { readOnly = false, profile, ...window } = options;
  const region = Region.open(core, device, { ...window, readOnly });
  try {
    const { random, clock } = core.environment;
    return systemOn(region, findBase(core, device), { random, clock, profile, readOnly });
  } catch (error) {
    region.close();
    throw error;
  }
}

export interface RegionSystemOptions extends Omit<GenerationsOptions, "base"> {
  readonly readOnly?: boolean | undefined;
}

/** The system on an open region, whose base is `found`; close() closes the region. */
export function systemOn(
  region: Region,
  found: ReturnType<typeof readManifest> | undefined,
  options: RegionSystemOptions,
): InstalledSystem {
  const { readOnly = false } = options;
  const { files, store } = region;
  if (!files?.lstat(CONFIG_ROOT, { throwIfNoEntry: false })?.isDirectory()) {
    const hint = "Only a disk that was installed can be provisioned.";
    throw failure("ENOENT", "open", `the data region has no folder ${CONFIG_ROOT}.`, { hint });
  }
  const base = found?.kind === "read" ? found.manifest : undefined;
  const grant: DataGrant = { config: { files, root: CONFIG_ROOT }, store, region, readOnly };
  const generations = new Generations(grant, { ...options, base });
  if (!readOnly && generations.provisioned && !generations.control.recovery) generations.settle();
  const baseFault = found?.kind === "rejected" ? found.reason : undefined;
  return { grant, generations, base, baseFault, close: () => region.close() };
}

/** The manifest on the first ESP that has one. */
function findBase(core: Core, device: number): ReturnType<typeof readManifest> | undefined {
  let table: ReturnType<typeof readGpt>;
  try {
    table = readGpt(core, device);
  } catch (error) {
    const { code } = error as { code?: string };
    // A region without partitions around it has no base.
    if (code === "ENOENT" || code === "EBADMSG") return undefined;
    throw error;
  }
  const perBlock = table.blockSize / SECTOR_BYTES;
  for (const { typeGuid, firstLba, lastLba } of table.partitions) {
    if (typeGuid !== GPT_TYPES.esp) continue;
    const place = {
      baseSector: firstLba * perBlock,
      sectors: (lastLba - firstLba + 1) * perBlock,
    };
    const volume = FatVolume.open(core, device, { ...place, readOnly: true });
    try {
      const found = readManifest(volume);
      if (found.kind !== "absent") return found;
    } finally {
      volume.close();
    }
  }
  return undefined;
}
