/** What is on a disk already, read and never written: table, filesystems, installations. */
import { StorageError } from "../../base/errors.ts";
import { humanSize } from "../../base/size.ts";
import { isBlank } from "../../core/gpt.ts";
import { Core } from "../../core/load.ts";
import { MediaCore } from "../../core/media/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import { FileDevice } from "../../device/local/file.ts";
import type { Extent } from "../../format/layout.ts";
import { oneLine } from "../../format/rayos/lines.ts";
import { inspectDisk, type VolumeView } from "../inspect.ts";
import { HALF_RECOVERY, RECOVERY_GOES_ON } from "../install/journal.ts";
import { detectEsps, detectInstalls } from "../rayos/install.ts";

export interface DiskVolume extends Extent {
  /** Undefined: the one volume of a disk without a table. */
  readonly number: number | undefined;
  /** From the partition table. */
  readonly name: string;
  /** Of the filesystem; "" where it has none or cannot be read. */
  readonly label: string;
  /** What probe() says: "fat32", "ext", or null. */
  readonly signature: string | null;
}

export interface DiskContent {
  /** No signature, and zeros at both ends. */
  readonly blank: boolean;
  readonly hasTable: boolean;
  /** In the order of their places. */
  readonly volumes: readonly DiskVolume[];
  /** Runs of sectors that no partition has. */
  readonly free: readonly Extent[];
  /** Numbers of ESPs that another system may share. */
  readonly esps: readonly number[];
  /** Installed systems, each as a person would call it. */
  readonly installs: readonly string[];
  /** An installation was cut short here. */
  readonly halfInstalled: boolean;
  /** The recovery partition of an installed system is half made. */
  readonly halfRecovery: boolean;
  readonly signature: string | null;
}

/**
 * Reads what is on an open device.
 *
 * @throws {StorageError} EIO: the device fails
 */
export function readContent(device: BlockDevice): DiskContent {
  const core = new Core();
  const view = inspectDisk(device, { core });
  const found = detectInstalls(core, new MediaCore(), device);
  const id = core.attach(device);
  try {
    return {
      blank: isBlank(core, id),
      hasTable: view.table !== undefined,
      volumes: view.volumes.map(volumeOf),
      free: view.free,
      esps: detectEsps(core, device),
      installs: found.filter(({ kind }) => kind !== "half-done").map(({ text }) => text),
      halfInstalled: view.halfInstalled,
      halfRecovery: view.halfRecovery,
      signature: view.signature,
    };
  } finally {
    core.detach(id);
  }
}

/** The same of a path; a sentence where it cannot be opened or read. */
export function readContentAt(path: string): DiskContent | string {
  try {
    const device = FileDevice.open(path, { readOnly: true });
    try {
      return readContent(device);
    } finally {
      device.close();
    }
  } catch (error) {
    if (error instanceof StorageError) return error.message;
    throw error;
  }
}

/** Lines for a person, one for the whole and one for each volume. */
export function contentLines(content: DiskContent): string[] {
  const { blank, hasTable, volumes, installs, signature } = content;
  const whole = blank
    ? "blank"
    : hasTable
      ? `partition table, ${volumes.length} partition${volumes.length === 1 ? "" : "s"}`
      : `no partition table, ${signature === null ? "data" : `a signature of '${signature}'`}`;
  return [
    whole,
    ...installs.map((install) => `installed: ${install}`),
    ...(content.halfInstalled ? ["an installation was cut short here"] : []),
    ...(content.halfRecovery ? [`${HALF_RECOVERY}: ${RECOVERY_GOES_ON}`] : []),
    ...(hasTable ? volumes.map(volumeLine) : []),
  ];
}

function volumeLine({ number, name, label, signature, sectors }: DiskVolume): string {
  const names = [name, label].filter((text, at, all) => text !== "" && all.indexOf(text) === at);
  const what = [signature ?? "unknown", ...names.map(oneLine)].join(" ");
  return `${number}: ${what}, ${humanSize(sectors * 512)}`;
}

function volumeOf(view: VolumeView): DiskVolume {
  const { first, last, sectors, partition, name, signature, fat } = view;
  const label = fat?.label ?? "";
  return { first, last, sectors, number: partition, name: name ?? "", label, signature };
}
