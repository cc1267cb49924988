/**
 * The emulated machine: disks by PCI identity, NVRAM, clock and randomness from outside, a serial
 * console. It boots what is on the disks, and every boot is a real mount of what the last one left.
 *
 * ```
 * power on -> firmware: ESP, boot loader -> kernel: data region or base floor -> init -> checkpoint
 *                 |                              |                                |
 *                 no loader: NO_BOOTABLE_DEVICE  one console line                 one console line
 * ```
 *
 * @example
 * const machine = new Machine({ disks: [disk] });
 * const { outcome, lines } = machine.boot();
 */
import { failure } from "../base/errors.ts";
import { type Environment, nodeEnvironment } from "../core/imports.ts";
import { Core } from "../core/load.ts";
import type { BlockDevice } from "../device/device.ts";
import { NO_BOOTABLE_DEVICE } from "../format/lines.ts";
import { type AttachedDisk, type FirmwareNote, runFirmware } from "./boot/firmware.ts";
import {
  type BaseFloor,
  closeQuietly,
  countConfig,
  type DataGrant,
  runKernel,
} from "./boot/kernel.ts";
import { Nvram } from "./boot/nvram.ts";

/** What init does with its grant, once it has one or not. Runs before the checkpoint. */
export type Init = (boot: InitContext) => void;

export interface InitContext {
  /** Undefined: the base floor. */
  readonly grant?: DataGrant | undefined;
  readonly environment: Environment;
  print(line: string): void;
}

export interface MachineOptions {
  readonly disks: readonly BlockDevice[];
  readonly nvram?: Nvram | undefined;
  /** Clock and randomness; the system's own by default. */
  readonly environment?: Environment | undefined;
  /** Gets each line of the serial console as it is printed. */
  readonly console?: ((line: string) => void) | undefined;
  /** First sector of the data region that the kernel trusts, default 264192. */
  readonly dataRegionBase?: number | undefined;
  readonly init?: Init | undefined;
  readonly makeCore?: ((environment: Environment) => Core) | undefined;
}

/** "checkpoint": the boot went through, on the data region or on the base floor. */
export type BootOutcome = "checkpoint" | "no-bootable-device";

export interface BootReport {
  readonly outcome: BootOutcome;
  /** The console, line by line. */
  readonly lines: readonly string[];
  /** What was booted; undefined where no loader was found. */
  readonly loader?: BootedLoader | undefined;
  /** What the firmware passed over, and why. */
  readonly notes: readonly FirmwareNote[];
  readonly dataRegion:
    | { readonly mounted: true; readonly configEntries: number; readonly readOnly: boolean }
    | { readonly mounted: false; readonly floor?: BaseFloor | undefined };
}

export interface BootedLoader {
  readonly disk: string;
  readonly pci: string;
  readonly partition: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly option?: number | undefined;
}

/** One machine; its disks stay open until their owner closes them. */
export class Machine {
  readonly nvram: Nvram;
  readonly #options: MachineOptions;
  readonly #environment: Environment;

  /** EEXIST: two disks have one PCI identity. */
  constructor(options: MachineOptions) {
    this.#options = options;
    this.#environment = options.environment ?? nodeEnvironment;
    this.nvram = options.nvram ?? new Nvram();
    const seen = new Map<string, BlockDevice>();
    for (const disk of options.disks) {
      const { pci } = disk.identity;
      const other = seen.get(pci);
      if (other !== undefined) {
        const message = `'${disk.name}' and '${other.name}' are both at ${pci}.`;
        throw failure("EEXIST", "machine", message);
      }
      seen.set(pci, disk);
    }
  }

  /** The disk at a PCI identity: how an installer names its target. ENOENT. */
  disk(pci: string): BlockDevice {
    const found = this.#options.disks.find((disk) => disk.identity.pci === pci);
    if (found !== undefined) return found;
    throw failure("ENOENT", "machine", `no disk is at ${pci}.`);
  }

  /** Power on to the health checkpoint, and off again: then the data region is closed. */
  boot(): BootReport {
    const { makeCore, console } = this.#options;
    const lines: string[] = [];
    const print = (line: string) => {
      lines.push(line);
      console?.(line);
    };
    // A new core each time: no boot sees anything but what is on the disks.
    const core = (makeCore ?? ((environment) => new Core({ environment })))(this.#environment);
    const disks = this.#attach(core);
    const { target, notes } = runFirmware(core, disks, this.nvram);
    if (target === undefined) {
      print(NO_BOOTABLE_DEVICE);
      return { outcome: "no-bootable-device", lines, notes, dataRegion: { mounted: false } };
    }
    const { disk, partition, path, sizeBytes, option } = target;
    const { name, identity } = disk.device;
    const loader = { disk: name, pci: identity.pci, partition, path, sizeBytes, option };
    const dataRegion = this.#run(core, disk, print);
    return { outcome: "checkpoint", lines, loader, notes, dataRegion };
  }

  /** Kernel and init. */
  #run(core: Core, disk: AttachedDisk, print: (line: string) => void): BootReport["dataRegion"] {
    const { init, dataRegionBase } = this.#options;
    const environment = this.#environment;
    const kernel = runKernel(core, disk, print, { dataRegionBase });
    if (!kernel.mounted) {
      init?.({ environment, print });
      return { mounted: false, floor: kernel.floor };
    }
    const { grant } = kernel;
    let report: BootReport["dataRegion"];
    try {
      const configEntries = countConfig(grant, print);
      init?.({ grant, environment, print });
      report = { mounted: true, configEntries, readOnly: grant.readOnly };
    } catch (error) {
      // Why init stopped is what the caller must see, not that its disk could not be closed.
      closeQuietly(grant.region);
      throw error;
    }
    grant.region.close();
    return report;
  }

  #attach(core: Core): AttachedDisk[] {
    return [...this.#options.disks]
      .sort((one, other) => busOrder(one.identity.pci).localeCompare(busOrder(other.identity.pci)))
      .map((device) => ({ id: core.attach(device), device }));
  }
}

/** The part of a PCI identity that says where it is: `bus:slot.fn`. */
function busOrder(pci: string): string {
  return pci.slice(pci.indexOf("@") + 1);
}
