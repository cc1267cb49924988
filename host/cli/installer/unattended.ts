/** An installation that asks nothing: what registry.json says, once. */
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { failure, refusal, systemFailure } from "../../base/errors.ts";
import type { UnattendedJson } from "../../format/json/rayos.ts";
import {
  BOOT_MODE_BYTES_MAX,
  decodeBootMode,
  sizesOfLayout,
  withoutInstallerMode,
} from "../../format/rayos/boot-mode.ts";
import type { RayosSizes } from "../../format/rayos/layout.ts";
import type { Disk } from "../../system/disks/disk.ts";
import { type MenuRow, menuRows } from "../../system/installer/menu.ts";
import { diskOfRule, placeOfSettings } from "../../system/installer/rule.ts";
import type { InstallerOptions } from "./options.ts";

export interface Unattended {
  /** The options of the command line, with what the file says where the line is silent. */
  readonly options: InstallerOptions;
  /** The one disk that is meant. @throws {Refusal} none, several, or one in use */
  choose(disks: readonly Disk[]): MenuRow;
  /** Clears the switch, durably: the next start boots what was installed. */
  done(): void;
}

/**
 * Reads the registry file of `options`.
 *
 * @throws {JsonError} it is none; {Refusal} EPERM: it does not ask for an installation, or nobody
 *   agreed to it with --yes
 */
export function openRegistry(options: InstallerOptions): Unattended {
  const path = checkFile(options.registry ?? "");
  const data = readAll(path);
  const { installerMode, settings, layout } = decodeBootMode(data);
  if (!installerMode) {
    const message = `'${path}' does not ask for an installation: installer_mode is not true.`;
    throw refusal("EPERM", "registry", message, { path });
  }
  if (settings === undefined) {
    const message = `'${path}' does not say what to install: it has no object 'installer'.`;
    throw refusal("EINVAL", "registry", message, { path });
  }
  if (!options.yes) {
    const message = `'${path}' would be followed without a question.`;
    throw refusal("EPERM", "registry", message, { path, hint: "Pass --yes to agree to it." });
  }
  const sizes = definedOf(sizesOfLayout(layout), options.sizes);
  const given = { ...options, layout: options.layout ?? settings.layout ?? layout?.layout, sizes };
  return followed(given, settings, () => replace(path, withoutInstallerMode(data)));
}

/** What `settings` say, with the options of the command line before them. */
export function followed(
  options: InstallerOptions,
  settings: UnattendedJson,
  done: () => void,
): Unattended {
  const settled = settle(options, settings);
  return {
    options: settled,
    choose(disks) {
      const disk = diskOfRule(settings.disk, disks);
      const { layout = "rayos", sizes, place } = settled;
      const [row] = menuRows([disk], () => undefined, { layout, sizes, place });
      return row as MenuRow;
    },
    done,
  };
}

/** The sizes of the file, under those that the command line says. */
function definedOf(file: RayosSizes, line: RayosSizes): RayosSizes {
  const said = Object.entries(line).filter(([, bytes]) => bytes !== undefined);
  return { ...file, ...Object.fromEntries(said) };
}

/** The command line wins where both say something. */
function settle(options: InstallerOptions, settings: UnattendedJson): InstallerOptions {
  const { vm_storage: storage } = settings;
  const { firstBoot, consent } = options;
  const stored = storage === undefined || storage === "pool" ? storage : { path: storage };
  return {
    ...options,
    layout: options.layout ?? settings.layout,
    source: options.source ?? settings.source,
    place: options.place ?? placeOfSettings(settings),
    esp: options.esp ?? settings.esp,
    vmStorage: options.vmStorage ?? stored,
    firstBoot: {
      machineName: firstBoot.machineName ?? settings.hostname,
      timeZone: firstBoot.timeZone ?? settings.timezone,
      locale: firstBoot.locale ?? settings.locale,
      networking: firstBoot.networking ?? settings.networking,
      autoboot: firstBoot.autoboot ?? settings.autoboot,
    },
    consent: {
      erase: consent.erase === true || settings.erase === true,
      reinstall: consent.reinstall === true || settings.reinstall === true,
    },
  };
}

/**
 * The real path of a file whose switch can be cleared afterwards: one that cannot would be followed
 * at every start, over the system that it had installed.
 */
function checkFile(given: string): string {
  try {
    const path = realpathSync(given);
    if (!statSync(path).isFile()) {
      throw failure("EINVAL", "registry", `'${given}' is no file.`, { path: given });
    }
    for (const place of [path, dirname(path)]) accessSync(place, constants.W_OK);
    return path;
  } catch (error) {
    throw systemFailure(error, "registry", given);
  }
}

/** At most one byte more than may be there: a longer file is told from its length. */
function readAll(path: string): Uint8Array {
  const bytes = new Uint8Array(BOOT_MODE_BYTES_MAX + 1);
  let length = 0;
  try {
    const file = openSync(path, "r");
    try {
      for (;;) {
        const count = readSync(file, bytes, length, bytes.length - length, null);
        length += count;
        if (count === 0 || length === bytes.length) break;
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw systemFailure(error, "registry", path);
  }
  return bytes.subarray(0, length);
}

/** The old file or the new one, whenever the power goes. */
function replace(path: string, data: Uint8Array): void {
  const beside = `${path}.new`;
  try {
    const file = openSync(beside, "w");
    try {
      for (let at = 0; at < data.length; ) at += writeSync(file, data, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(beside, path);
  } catch (cause) {
    const message = `installed, but installer_mode in '${path}' could not be cleared.`;
    throw failure("EIO", "registry", message, { path, cause });
  }
}
