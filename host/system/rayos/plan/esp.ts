/**
 * An ESP that is on the disk already, taken by RayOS beside its owner: which ones can be, and which
 * of RayOS's boot files stay out because somebody else has them. Nothing of others is written over.
 */
import { refusal } from "../../../base/errors.ts";
import { formatSize } from "../../../base/size.ts";
import { FatVolume } from "../../../core/fat.ts";
import { GPT_TYPES, type GptPartition, type GptTable } from "../../../core/gpt.ts";
import type { Core } from "../../../core/load.ts";
import { type Extent, extent } from "../../../format/layout.ts";
import { ENTRIES_FOLDER, identityOf } from "../../../format/loader/entry.ts";
import { BOOT_SLOTS, entryPath } from "../../../format/rayos/boot-entries.ts";
import { PARTITION_NAMES } from "../../../format/rayos/layout.ts";
import type { Tree } from "../../image/folder.ts";
import { quietly, windowOf } from "./target.ts";

export const FALLBACK_PATH = "EFI/BOOT/BOOTX64.EFI";
export const LOADER_PATH = "EFI/systemd/systemd-bootx64.efi";
export const LOADER_CONF_PATH = "loader/loader.conf";
/** What a system may find made by another one, and then leaves as it is. */
const SHARED = [FALLBACK_PATH, LOADER_PATH, LOADER_CONF_PATH];
const OWN_FOLDER = "EFI/RAYOS";
const OWN_ENTRIES = BOOT_SLOTS.map((slot) => identityOf(entryPath(slot)).id);

/** An ESP that RayOS's boot files go onto. */
export interface SharedEsp extends Extent {
  readonly number: number;
  readonly uniqueGuid: string;
  readonly label: string;
  /** Paths of others in the place of boot files of ours. */
  readonly kept: readonly string[];
}

interface Examined extends SharedEsp {
  readonly clusterBytes: number;
  readonly freeBytes: number;
}

/** Numbers of the partitions that could be used, so far as room does not matter. */
export function usableEsps(core: Core, id: number, table: GptTable | undefined): number[] {
  if (table === undefined) return [];
  return table.partitions
    .filter(({ name }) => name !== PARTITION_NAMES.recovery)
    .filter((each) => quietly(() => examine(core, id, table, each, "")) !== undefined)
    .map(({ index }) => index);
}

/**
 * The ESP of that number, if it can be used. `kept`: an installation onto it has begun, and these
 * files were there before.
 *
 * @throws {Refusal} ENOENT: there is none; EINVAL: it is no ESP; EMEDIUMTYPE: it has no FAT32;
 *   EBADMSG: the FAT is damaged; EEXIST: it has a RayOS
 */
export function espOf(
  core: Core,
  id: number,
  table: GptTable | undefined,
  number: number,
  path: string,
  kept?: readonly string[],
): Examined {
  const found = table?.partitions.find(({ index }) => index === number);
  if (table === undefined || found === undefined) {
    const message = `'${path}' has no partition ${number} that could be the ESP.`;
    throw refusal("ENOENT", "plan", message, { path });
  }
  return examine(core, id, table, found, path, kept);
}

/** Refuses an ESP that the files do not fit on. ENOSPC. */
export function checkEspRoom({ number, freeBytes, clusterBytes }: Examined, tree: Tree): void {
  const clusters = tree.reduce(
    (sum, { kind, size }) => sum + (kind === "file" ? Math.ceil(size / clusterBytes) : 1),
    0,
  );
  // Folders that are there may have to grow: one cluster for each that ours are in.
  const needed = (clusters + SHARED.length + 2) * clusterBytes;
  if (needed <= freeBytes) return;
  const have = formatSize(freeBytes - (freeBytes % 512));
  const esp = `the ESP, partition ${number},`;
  const message = `the boot files take ${formatSize(needed)}; ${esp} has ${have} free.`;
  throw refusal("ENOSPC", "plan", message, { hint: "--esp new makes another one." });
}

function examine(
  core: Core,
  id: number,
  table: GptTable,
  { index: number, typeGuid, uniqueGuid, firstLba, lastLba }: GptPartition,
  path: string,
  known?: readonly string[],
): Examined {
  const hint = "--esp new makes another one.";
  const what = `partition ${number} of '${path}'`;
  if (typeGuid !== GPT_TYPES.esp) {
    throw refusal("EINVAL", "plan", `${what} is no EFI system partition.`, { path, hint });
  }
  const window = windowOf(table, firstLba, lastLba);
  const volume = quietly(() => FatVolume.open(core, id, { ...window, readOnly: true }));
  if (volume === undefined) {
    throw refusal("EMEDIUMTYPE", "plan", `${what} has no FAT32 volume.`, { path, hint });
  }
  try {
    const { clusterBytes, freeBytes } = volume.statfs();
    const place = extent(window.baseSector, window.sectors);
    const facts = { ...place, number, uniqueGuid, label: volume.label, clusterBytes, freeBytes };
    // Begun already: what is there is ours, or was looked at then.
    if (known !== undefined) return { ...facts, kept: known };
    const [finding] = volume.check();
    if (finding !== undefined) {
      const message = `${what} is damaged: ${finding.reason}`;
      throw refusal("EBADMSG", "plan", message, { path, hint: `Repair it, or: ${hint}` });
    }
    const taken = ownPath(volume);
    if (taken !== undefined) {
      throw refusal("EEXIST", "plan", `${what} has '${taken}' already.`, { path, hint });
    }
    return { ...facts, kept: SHARED.filter((each) => volume.exists(each)) };
  } finally {
    volume.close();
  }
}

/** What a RayOS has left there, its entries with any counter or none; undefined: nothing. */
function ownPath(volume: FatVolume): string | undefined {
  if (volume.exists(OWN_FOLDER)) return OWN_FOLDER;
  if (!volume.exists(ENTRIES_FOLDER)) return undefined;
  if (volume.stat(ENTRIES_FOLDER).kind !== "directory") return undefined;
  const paths = volume.list(ENTRIES_FOLDER).map(({ name }) => `${ENTRIES_FOLDER}/${name}`);
  return paths.find((path) => OWN_ENTRIES.includes(identityOf(path).id));
}
