/** What sysfs says about a block device node: size, blocks, serial, place on the PCI bus. */
import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { failure } from "../../base/errors.ts";

export interface NodeFacts {
  /** Sectors of 512 bytes. */
  readonly sectors: number;
  readonly logicalBlock: number;
  readonly physicalBlock: number;
  readonly readOnly: boolean;
  /** Empty where the device has none. */
  readonly serial: string;
  /** `vendor:device@bus:slot.fn`, if the device is on a PCI bus. */
  readonly pci: string | undefined;
}

/**
 * Facts of the block device with the number `rdev` of a stat.
 *
 * @throws {StorageError} ENOENT: sysfs does not know it
 */
export function nodeFacts(rdev: number, sysfs = "/sys"): NodeFacts {
  // Linux splits 64 bits: 12 bits of major in the middle, minor around them.
  const major = Math.floor(rdev / 256) % 4096;
  const minor = (rdev % 256) + Math.floor(rdev / 2 ** 20) * 256;
  let folder: string;
  try {
    folder = realpathSync(join(sysfs, "dev/block", `${major}:${minor}`));
  } catch (cause) {
    const message = `block device ${major}:${minor} is not in ${sysfs}.`;
    throw failure("ENOENT", "open", message, { cause });
  }
  // A partition has no queue of its own: its disk, the folder above, does.
  const whole = text(folder, "partition") === undefined ? folder : join(folder, "..");
  return {
    sectors: number(folder, "size", 0),
    logicalBlock: number(whole, "queue/logical_block_size", 512),
    physicalBlock: number(whole, "queue/physical_block_size", 512),
    readOnly: number(folder, "ro", 0) !== 0,
    serial: serialOf(whole),
    pci: pciOf(folder),
  };
}

function serialOf(folder: string): string {
  const found = text(folder, "serial") ?? text(folder, "device/serial") ?? "";
  return found.replace(/[^\x20-\x7e]/g, "").slice(0, 20);
}

/** The last PCI function on the way from the root to the device. */
function pciOf(folder: string): string | undefined {
  const parts = folder.split("/");
  const at = parts.findLastIndex((part) =>
    /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/.test(part),
  );
  if (at < 0) return undefined;
  const place = parts.slice(0, at + 1).join("/");
  const [vendor, device] = [text(place, "vendor"), text(place, "device")];
  if (vendor === undefined || device === undefined) return undefined;
  const identity = `${vendor.slice(2)}:${device.slice(2)}`;
  return `${identity}@${(parts[at] as string).slice("0000:".length)}`;
}

function number(folder: string, name: string, fallback: number): number {
  const found = Number(text(folder, name) ?? Number.NaN);
  return Number.isSafeInteger(found) ? found : fallback;
}

function text(folder: string, name: string): string | undefined {
  try {
    return readFileSync(join(folder, name), "latin1").trim();
  } catch {
    return undefined;
  }
}
