/** The target of a RayOS installation as it is found, and the systems that are on it already. */
import { StorageError } from "../../../base/errors.ts";
import { FatVolume } from "../../../core/fat.ts";
import { GPT_TYPES, type GptTable, isBlank, probe, readGpt } from "../../../core/gpt.ts";
import type { Core } from "../../../core/load.ts";
import type { MediaCore } from "../../../core/media/load.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { isReadOnly, isZero, readSectors } from "../../../device/sectors.ts";
import { SECTOR_BYTES } from "../../../format/layout.ts";
import { BOOT_MODE_PATH } from "../../../format/rayos/boot-mode.ts";
import { LABELS_DEFAULT, MEDIUM_LABEL } from "../../../format/rayos/layout.ts";
import {
  HALF_RECOVERY,
  JOURNAL_EXTENT,
  readJournal,
  readRecoveryRecipe,
} from "../../install/journal.ts";
import { describeContent, isSamePath, userOf } from "../../install/target.ts";
import { type ImagePlace, imageName } from "../source/image.ts";
import type { Ext4Tools, Ext4Window } from "./ext4.ts";
import type { ExistingInstall } from "./types.ts";

export interface RayosTarget {
  readonly name: string;
  readonly sectors: number;
  readonly blockSize: number;
  readonly readOnly: boolean;
  /** The image that is installed lies in it, or it is one that must not be touched. */
  readonly forbidden?: string | undefined;
  readonly busy?: string | undefined;
  readonly blank: boolean;
  readonly content: string;
  readonly installs: readonly ExistingInstall[];
  /** In blocks of `blockSize`. */
  readonly table?: GptTable | undefined;
  /** True if the sectors of the journal hold nothing, or a journal. */
  readonly journalFree: boolean;
  /** What probe knows of each partition; null: blank or unknown. */
  readonly partitions: ReadonlyMap<number, { readonly blank: boolean; readonly found: string }>;
}

export interface TargetQuestion {
  readonly source?: ImagePlace | undefined;
  readonly protectedPaths?: readonly string[] | undefined;
}

/** Looks at the target; writes nothing. EIO. */
export function examineRayosTarget(
  core: Core,
  media: MediaCore,
  ext4: Ext4Tools,
  device: BlockDevice,
  question: TargetQuestion,
): RayosTarget {
  const id = core.attach(device);
  try {
    const table = tableOf(core, id);
    const blank = isBlank(core, id);
    const { capacity, blkSize } = device.config;
    const { first, last, sectors } = JOURNAL_EXTENT;
    const isJournalFree =
      capacity <= last ||
      readJournal(device) !== undefined ||
      isZero(readSectors(device, first, sectors));
    return {
      name: device.name,
      sectors: capacity,
      blockSize: blkSize,
      readOnly: isReadOnly(device),
      forbidden: forbidden(device, question),
      busy: userOf(device.name),
      blank,
      content: blank ? "nothing" : describeContent(core, id, table),
      installs: installsOn(core, media, ext4, device, table),
      table,
      journalFree: isJournalFree,
      partitions: probePartitions(core, id, table),
    };
  } finally {
    core.detach(id);
  }
}

/**
 * Systems on a device, by the labels and markers of RayOS and by Diskwright's partition types.
 * Writes nothing; what cannot be read counts as not there. EIO.
 */
export function installsOn(
  core: Core,
  media: MediaCore,
  ext4: Ext4Tools,
  device: BlockDevice,
  table: GptTable | undefined,
): ExistingInstall[] {
  const installs: ExistingInstall[] = [];
  const journal = readJournal(device);
  if (journal !== undefined) {
    const isRecovery = readRecoveryRecipe(journal) !== undefined;
    const text = isRecovery ? HALF_RECOVERY : "an installation that was cut short";
    installs.push({ kind: "half-done", text, numbers: [] });
  }
  if (table === undefined) return installs;
  const id = core.attach(device);
  const mediaId = media.attach(device);
  try {
    const rayos: number[] = [];
    const ours: number[] = [];
    for (const { index, typeGuid, firstLba, lastLba, name } of table.partitions) {
      const window = windowOf(table, firstLba, lastLba);
      if (window.baseSector + window.sectors > device.config.capacity) continue;
      const label = labelOf(core, media, ext4, id, mediaId, window);
      const isRayos = [label, name].some((each) =>
        Object.values(LABELS_DEFAULT).includes(each ?? ""),
      );
      if (isRayos) rayos.push(index);
      else if (
        typeGuid === GPT_TYPES["diskwright-data"] ||
        typeGuid === GPT_TYPES["diskwright-log"]
      ) {
        ours.push(index);
      }
    }
    if (rayos.length > 0) {
      const numbers = [...rayos, ...ours].sort((one, other) => one - other);
      installs.push({ kind: "rayos", text: `RayOS on ${named(numbers)}`, numbers });
    } else if (ours.length > 0) {
      const text = `a Diskwright system on ${named(ours)}`;
      installs.push({ kind: "diskwright", text, numbers: ours });
    }
  } finally {
    core.detach(id);
    media.detach(mediaId);
  }
  return installs;
}

export function tableOf(core: Core, id: number): GptTable | undefined {
  return quietly(() => readGpt(core, id, { lenient: true }));
}

/** Sectors of 512 bytes of a partition. */
export function windowOf(table: GptTable, firstLba: number, lastLba: number): Ext4Window {
  const perBlock = table.blockSize / SECTOR_BYTES;
  return { baseSector: firstLba * perBlock, sectors: (lastLba - firstLba + 1) * perBlock };
}

/** Runs `look`; undefined where there is no such thing or it is damaged. EIO goes on. */
export function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof StorageError && error.code !== "EIO") return undefined;
    throw error;
  }
}

function labelOf(
  core: Core,
  media: MediaCore,
  ext4: Ext4Tools,
  id: number,
  mediaId: number,
  window: Ext4Window,
): string | undefined {
  const fat = quietly(() => FatVolume.open(core, id, { ...window, readOnly: true }));
  if (fat !== undefined) {
    const isRayos = quietly(() => fat.exists(BOOT_MODE_PATH)) === true;
    const { label } = fat;
    fat.close();
    return isRayos && label !== MEDIUM_LABEL ? LABELS_DEFAULT.esp : label;
  }
  return quietly(() => {
    const volume = ext4.open?.(media, mediaId, window);
    const label = volume?.label;
    volume?.close();
    return label;
  });
}

function probePartitions(
  core: Core,
  id: number,
  table: GptTable | undefined,
): Map<number, { blank: boolean; found: string }> {
  const found = new Map<number, { blank: boolean; found: string }>();
  for (const { index, firstLba, lastLba } of table?.partitions ?? []) {
    const { baseSector, sectors } = windowOf(table as GptTable, firstLba, lastLba);
    const place = { baseSector, sectors };
    const blank = quietly(() => isBlank(core, id, place)) ?? false;
    found.set(index, { blank, found: quietly(() => probe(core, id, place)) ?? "data" });
  }
  return found;
}

function forbidden(device: BlockDevice, question: TargetQuestion): string | undefined {
  const { source, protectedPaths = [] } = question;
  const from = imageName(source);
  if (from !== undefined && isSamePath(from, device.name)) {
    return "is the image that is installed from";
  }
  const isBoot = protectedPaths.some(
    (path) => path === device.name || isSamePath(path, device.name),
  );
  return isBoot ? "is the disk that this machine or this installer runs from" : undefined;
}

function named(numbers: readonly number[]): string {
  return `partition${numbers.length === 1 ? "" : "s"} ${numbers.join(", ")}`;
}
