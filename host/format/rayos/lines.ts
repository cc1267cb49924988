/**
 * Every line that the RayOS installer says and that programs wait for, markers and prompts, and
 * those of the boot loader that starts it. They are protocol, so each has one place and is never
 * reworded. A marker is a line of its own, with nothing else on it.
 */
const PREFIX = "RAYOS_INSTALLER:";

/** The first thing a run says, before it looks at its command line. */
export const STARTED = `${PREFIX}STARTED`;
/** No disk was given and none may be looked for: the sample disk stands in. */
export const SAMPLE_MODE = `${PREFIX}SAMPLE_MODE`;
/** Disks are read: local ones, or image files that were given. */
export const ENUMERATE_MODE = `${PREFIX}ENUMERATE_MODE`;
/** The plan is on standard output. */
export const JSON_EMITTED = `${PREFIX}JSON_EMITTED`;
/** The end of a run that asks nothing. */
export const COMPLETE = `${PREFIX}COMPLETE`;
export const INTERACTIVE_MODE = `${PREFIX}INTERACTIVE_MODE`;
/** The installer itself runs from a removable disk. */
export const BOOT_USB = `${PREFIX}BOOT:USB`;
export const INTERACTIVE_CANCELLED = `${PREFIX}INTERACTIVE_CANCELLED`;
/** The sample disk was chosen: nothing is written. */
export const DRY_RUN = `${PREFIX}DRY_RUN`;
export const INSTALL_BEGIN = `${PREFIX}INSTALL_BEGIN`;
export const INSTALLATION_SUCCESSFUL = `${PREFIX}INSTALLATION_SUCCESSFUL`;
/** The menu has ended, by an installation or by a cancellation. */
export const INTERACTIVE_COMPLETE = `${PREFIX}INTERACTIVE_COMPLETE`;

export function diskDetected(device: string, sizeBytes: number | null): string {
  return `${PREFIX}DISK_DETECTED:${oneLine(device)}:${sizeBytes ?? "unknown"}`;
}

export function planGenerated(disks: number): string {
  return `${PREFIX}PLAN_GENERATED:disk_count=${disks}`;
}

export function partitionCreated(number: number, sizeBytes: number): string {
  return `${PREFIX}PARTITION_CREATED:${number}:${sizeBytes}`;
}

export function installComplete(device: string): string {
  return `${PREFIX}INSTALL_COMPLETE:${oneLine(device)}`;
}

export function installFailed(reason: string): string {
  return `${PREFIX}INSTALL_FAILED:${oneLine(reason)}`;
}

/** Comes after the success, as the protocol has it. */
export function planValidated(disk: string): string {
  return `${PREFIX}INSTALLATION_PLAN_VALIDATED:disk=${oneLine(disk)}`;
}

export function installationFailed(reason: string): string {
  return `${PREFIX}INSTALLATION_FAILED:reason=${oneLine(reason)}`;
}

const LOADER = "RayOS uefi_boot:";

/** The boot loader on a volume that has EFI/RAYOS: the first thing that it says. */
export const LOADER_START = `${LOADER} start`;
export const INSTALLER_DETECTED = `${LOADER} installer mode detected`;
/** There is no registry.json, or it cannot be read. */
export const MODE_UNKNOWN = `${LOADER} could not check installer mode; assuming kernel boot`;
export const LOADING_INSTALLER = `${LOADER} loading installer binary...`;
export const INSTALLER_LOADED = `${LOADER} installer loaded successfully`;
export const INSTALLER_NOT_LOADED = `${LOADER} installer load failed; falling back to kernel`;
export const LOADING_KERNEL = `${LOADER} loading kernel...`;
export const KERNEL_LOADED = `${LOADER} binary read OK; exiting boot services`;
export const NO_KERNEL = `${LOADER} kernel load failed; staying in UEFI`;
/** The same where the installer was to run, and did not. */
export const NO_KERNEL_EITHER = `${LOADER} kernel load failed after installer fallback`;

/** Follows a line that something failed. */
export function loaderReason(reason: string): string {
  return `${LOADER} reason: ${oneLine(reason)}`;
}

/** The installer has ended: the switch is off, or why it is still on. */
export function installerModeCleared(problem: string | undefined): string {
  if (problem === undefined) return `${LOADER} installer_mode cleared`;
  return `${LOADER} installer_mode not cleared: ${oneLine(problem)}`;
}

/** The installer ran in this session already: it is not started over and over. */
export const INSTALLER_HAS_RUN = `${LOADER} the installer has run; starting the kernel`;

const MENU = "systemd-boot:";

/** The volume has boot entries: how many, and how long a menu would wait. */
export function bootMenu(entries: number, timeout: number | string | undefined): string {
  const waits = typeof timeout === "number" ? `timeout ${timeout} s` : (timeout ?? "no timeout");
  return `${MENU} ${entries} ${entries === 1 ? "entry" : "entries"}, ${waits}`;
}

/** An entry that cannot be started; the next one is. */
export function entryPassedOver(file: string, reason: string): string {
  return `${MENU} ${oneLine(file)} passed over: ${oneLine(reason)}`;
}

/** One try less, durably, before the kernel starts. */
export function entryCounted(file: string, counted: string): string {
  return `${MENU} ${oneLine(file)} is now ${oneLine(counted)}`;
}

export function entryNotCounted(file: string, reason: string): string {
  return `${MENU} ${oneLine(file)} not counted: ${oneLine(reason)}`;
}

export function entryStarted(title: string, file: string): string {
  return `${MENU} starting ${oneLine(title)}, ${oneLine(file)}`;
}

/** The start was good: the counter is off. */
export function entryBlessed(file: string, blessed: string): string {
  return `[boot] good: ${oneLine(file)} is now ${oneLine(blessed)}`;
}

export function entryNotBlessed(file: string, reason: string): string {
  return `[boot] good, but ${oneLine(file)} keeps its counter: ${oneLine(reason)}`;
}

/** Heads the list of disks. */
export const AVAILABLE_DISKS = "Available disks:";
/** Heads the rows that come after the disks, with numbers that go on. */
export const PARTS_OF_DISKS = "Partitions and free space:";
/** Heads the sizes of what will be made. */
export const PARTITION_CONFIGURATION = "Partition configuration:";

const GIB = 2 ** 30;

/** One row of the menu. */
export function menuRow(number: number, name: string, sizeBytes: number | null): string {
  return `  [${number}] ${oneLine(name)} - ${Math.floor((sizeBytes ?? 0) / GIB)} GiB`;
}

/** Stands behind a removable disk's row. */
export const REMOVABLE = " (removable)";

export function askDisk(rows: number): string {
  return `Enter the number of a disk (1-${rows}), or 0 to cancel: `;
}

export const ASK_PROCEED = "Proceed with the installation? (yes/no): ";

export function askName(name: string): string {
  return `This cannot be undone. Type the name of the disk, ${oneLine(name)}, to go on: `;
}

/** What went wrong, for the person; no marker. */
export function errorLine(message: string): string {
  return `Error: ${oneLine(message)}`;
}

/** One step of the installation as it is told. */
export function stepLine(text: string): string {
  return `  ${oneLine(text)}`;
}

/** File names and messages of others may hold line breaks; a line of a protocol holds none. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").trim();
}
