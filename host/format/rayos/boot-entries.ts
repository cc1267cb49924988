/**
 * What systemd-boot reads on the ESP: loader.conf and Type #1 entries of the Boot Loader
 * Specification.
 *
 * The current system is counted: `rayos+3.conf` becomes `rayos+2-1.conf` before its kernel starts,
 * and whoever finds the start good takes the counter off. With no tries left an entry sorts behind
 * all others, so "default rayos*" means the previous system then, without anybody choosing it. That
 * one is counted too: where it never starts either, recovery does.
 * Sort keys, not versions, give the order: both systems have the same release at first.
 */
import { failure } from "../../base/errors.ts";

export type BootSlot = "current" | "previous" | "recovery" | "installer";
/** Those of an installed disk; the other one is an installer medium's. */
export const BOOT_SLOTS: readonly BootSlot[] = ["current", "previous", "recovery"];
export const MENU_TIMEOUT_S = 5;
export const TRIES = 3;

const ENTRIES: Readonly<Record<BootSlot, { file: string; title: string; sortKey: string }>> = {
  current: { file: `rayos+${TRIES}.conf`, title: "RayOS", sortKey: "rayos-1" },
  previous: { file: `rayos-previous+${TRIES}.conf`, title: "RayOS (previous)", sortKey: "rayos-2" },
  recovery: { file: "rayos-recovery.conf", title: "RayOS (recovery)", sortKey: "rayos-3" },
  installer: { file: "rayos-installer.conf", title: "RayOS (installer)", sortKey: "rayos-4" },
};

export interface BootEntryOptions {
  readonly release: string;
  /** Of the System partition; of a slot "installer", of the volume with the system image. */
  readonly systemLabel: string;
  /** Text behind our own options. */
  readonly kernelOptions: string;
  readonly hasInitrd: boolean;
}

/** Where the kernel of a slot lies on the ESP; the initrd lies beside it. */
export function slotFolder(slot: BootSlot): string {
  return `EFI/RAYOS/${slot}`;
}
export const KERNEL_NAME = "kernel.efi";
export const INITRD_NAME = "initrd";

/** Word of the kernel options: which slot is started. */
export const SLOT_OPTION = "rayos.boot";
/** Slots whose start shall fail, by commas: how a fall back is tried out. */
export const FAIL_OPTION = "rayos.fail";

export function entryPath(slot: BootSlot): string {
  return `loader/entries/${ENTRIES[slot].file}`;
}

export function bootEntry(slot: BootSlot, options: BootEntryOptions): string {
  const { release, systemLabel, kernelOptions, hasInitrd } = options;
  const { title, sortKey } = ENTRIES[slot];
  const folder = `/${slotFolder(slot)}`;
  const words = [
    `${slot === "installer" ? "rayos.medium" : "root"}=LABEL=${systemLabel}`,
    "console=ttyS0",
    `${SLOT_OPTION}=${slot}`,
    "panic=1",
    ...(kernelOptions === "" ? [] : [kernelOptions]),
  ];
  const lines = [
    `title ${title}`,
    `sort-key ${sortKey}`,
    `version ${versionWord(release)}`,
    `linux ${folder}/${KERNEL_NAME}`,
    ...(hasInitrd ? [`initrd ${folder}/${INITRD_NAME}`] : []),
    `options ${words.join(" ")}`,
  ];
  return `${lines.join("\n")}\n`;
}

export function loaderConf(pattern: string): string {
  return `timeout ${MENU_TIMEOUT_S}\ndefault ${pattern}\nconsole-mode keep\n`;
}

/** @throws {StorageError} EINVAL: text that would end the line it stands on, or is no ASCII */
export function checkKernelOptions(text: string): string {
  const trimmed = text.trim();
  if (trimmed.length <= 1024 && /^[\x20-\x7e]*$/.test(trimmed)) return trimmed;
  throw failure("EINVAL", "plan", "kernel options are at most 1024 characters of ASCII, one line.");
}

/** A release as the one word that a version is. */
export function versionWord(release: string): string {
  const word = release.replace(/[^A-Za-z0-9.+~-]+/g, "-").replace(/^-+|-+$/g, "");
  return word === "" ? "unknown" : word.slice(0, 80);
}
