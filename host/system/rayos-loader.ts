/**
 * The boot loader of RayOS in the emulated machine: what it finds on the volume that it was started
 * from, and the lines that it says.
 *
 * ```
 * EFI/RAYOS on the volume? --no--> nothing is said, the machine goes on
 *      | yes
 * registry.json: installer_mode true? --no, unreadable, malformed--> kernel
 *      | yes
 * the system image on the medium, an installer in the machine? --no--> kernel
 *      | yes
 * the installer runs; what it installed is started by a reset, else the kernel
 *
 * kernel: that of a boot entry (loader/menu.ts), or of any slot where there are no entries
 * ```
 */
import { StorageError } from "../base/errors.ts";
import { FatVolume } from "../core/fat.ts";
import type { Core } from "../core/load.ts";
import type { BlockDevice } from "../device/device.ts";
import { isReadOnly } from "../device/sectors.ts";
import type { InstallerLayoutJson, UnattendedJson } from "../format/json/rayos.ts";
import { KERNEL_NAME, slotFolder } from "../format/rayos/boot-entries.ts";
import {
  BOOT_MODE_BYTES_MAX,
  BOOT_MODE_PATH,
  decodeBootMode,
  isInstallerMode,
  withoutInstallerMode,
} from "../format/rayos/boot-mode.ts";
import type { BootTarget } from "./boot/firmware.ts";
import { type StartedEntry, startEntry } from "./loader/menu.ts";
import { openSystemImage, type SourceMedium } from "./media/system-image.ts";

const FOLDER = "EFI/RAYOS";
const KERNELS = [
  ...(["current", "previous", "recovery", "installer"] as const).map(
    (slot) => `${slotFolder(slot)}/${KERNEL_NAME}`,
  ),
  `${FOLDER}/kernel.bin`,
];

/** What runs where a volume of RayOS asks for the installer. It may take its time. */
export type RunInstaller = (call: InstallerCall) => Promise<InstallerEnd>;

export interface InstallerCall extends LoadedInstaller {
  /** In the order of the bus. */
  readonly disks: readonly BlockDevice[];
  /** The disk or drive that the installer was started from; never a target. */
  readonly bootDevice: BlockDevice;
  /** It is a CD-ROM or a USB medium. */
  readonly isRemovable: boolean;
  /** A line on the console of the machine. */
  print(line: string): void;
}

export type InstallerEnd =
  /** `espGuid`: unique GUID of the partition that the new system starts from. */
  | {
      readonly kind: "installed";
      readonly disk: BlockDevice;
      readonly espGuid: string;
      /** Of its boot loader there; default: where firmware looks on its own. */
      readonly loader?: string | undefined;
    }
  /** Cancelled, refused or failed; the installer has said why. */
  | { readonly kind: "nothing"; readonly reason: string };

/** What the registry on a volume says. */
export type LoaderMode =
  /** No volume of RayOS: this loader is not there. */
  | { readonly kind: "foreign" }
  | { readonly kind: "kernel" }
  | { readonly kind: "unknown"; readonly reason: string }
  | { readonly kind: "installer"; readonly registry: Uint8Array };

/** An installer that can be started. */
export interface LoadedInstaller {
  readonly medium: SourceMedium;
  readonly settings: UnattendedJson | undefined;
  /** Partitions that it makes, by the registry on its medium. */
  readonly layout?: InstallerLayoutJson | undefined;
}

/** Reads the mode; whatever is wrong with the file is a reason, no error. */
export function readMode(core: Core, { disk, place }: BootTarget): LoaderMode {
  const volume = FatVolume.open(core, disk.id, { ...place, readOnly: true });
  try {
    if (!volume.exists(FOLDER)) return { kind: "foreign" };
    if (!volume.exists(BOOT_MODE_PATH)) {
      return { kind: "unknown", reason: `there is no ${BOOT_MODE_PATH}` };
    }
    const { kind, sizeBytes } = volume.stat(BOOT_MODE_PATH);
    if (kind !== "file") return { kind: "unknown", reason: `${BOOT_MODE_PATH} is no file` };
    // One byte more than may be there: a longer file is told from its length.
    const data = volume.read(BOOT_MODE_PATH, 0, Math.min(sizeBytes, BOOT_MODE_BYTES_MAX + 1));
    // The settings of the installer are for the installer to judge.
    if (isInstallerMode(data)) return { kind: "installer", registry: data };
    decodeBootMode(data);
    return { kind: "kernel" };
  } catch (error) {
    return { kind: "unknown", reason: reasonOf(error) };
  } finally {
    volume.close();
  }
}

/** Loads the installer: its settings, and the system image that it will install; or why not. */
export function loadInstaller(
  target: BootTarget,
  registry: Uint8Array,
): LoadedInstaller | { readonly reason: string } {
  try {
    const { settings, layout } = decodeBootMode(registry);
    const { disk, place: esp } = target;
    // On a CD-ROM the volume of the loader is the boot image, and the system image lies beside it.
    const medium = { device: disk.device, esp, path: settings?.source };
    openSystemImage(medium).close();
    return { medium, settings, layout };
  } catch (error) {
    return { reason: reasonOf(error) };
  }
}

/** The kernel that is started: of a boot entry, or of any slot where a volume has no entries. */
export interface StartedKernel {
  readonly entry?: StartedEntry | undefined;
}

/** Loads a kernel; undefined: none can be started. `patterns`: entries to prefer, by NVRAM. */
export function loadKernel(
  core: Core,
  target: BootTarget,
  patterns: readonly (string | undefined)[],
  print: (line: string) => void,
): StartedKernel | undefined {
  const entry = startEntry(core, target, patterns, print);
  if (entry !== "none") return entry && { entry };
  return hasKernel(core, target) ? {} : undefined;
}

function hasKernel(core: Core, { disk, place }: BootTarget): boolean {
  const volume = FatVolume.open(core, disk.id, { ...place, readOnly: true });
  try {
    return KERNELS.some((path) => volume.exists(path));
  } finally {
    volume.close();
  }
}

/** Sets installer_mode to false, durably. Answers why it could not; undefined: it did. */
export function clearMode(core: Core, { disk, place }: BootTarget): string | undefined {
  if (isReadOnly(disk.device)) return "the medium is read-only";
  try {
    const volume = FatVolume.open(core, disk.id, place);
    try {
      volume.writeFile(BOOT_MODE_PATH, withoutInstallerMode(volume.readFile(BOOT_MODE_PATH)));
      volume.flush();
    } finally {
      volume.close();
    }
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** What a disk can cause is a reason; a bug goes through. */
function reasonOf(error: unknown): string {
  if (!(error instanceof StorageError)) throw error;
  const { message, hint } = error;
  // What a person could do about it is no line for a console.
  const plain = hint === undefined ? message : message.replace(` ${hint}`, "");
  return plain.replace(/^(?:refused|E[A-Z]+): /, "").replace(/\.$/, "");
}
