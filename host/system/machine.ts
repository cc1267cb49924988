/**
 * The emulated machine: disks by PCI identity, NVRAM, clock and randomness from outside, a serial
 * console. It boots what is on the disks, and every boot is a real mount of what the last one left.
 *
 * ```
 * power on -> firmware: ESP, boot loader -> boot manager: SELECT -> kernel: data region or floor
 *                 |                              |                       |
 *                 no loader:                     durable before          one console line
 *                 NO_BOOTABLE_DEVICE             the kernel is entered   -> init -> checkpoint
 * ```
 *
 * On a volume of RayOS its boot loader comes between: it may start the installer (rayos-loader.ts).
 *
 * A boot that fails its health checkpoint resets the machine by itself, and the next one runs what
 * the boot manager then selects: a bounded number of times, to a good generation or to recovery.
 *
 * @example
 * const machine = new Machine({ disks: [disk] });
 * const { outcome, lines } = machine.boot();
 */
import { failure, StorageError } from "../base/errors.ts";
import { toHex } from "../base/hash.ts";
import { ResetCause } from "../core/boot/control.ts";
import { FatVolume } from "../core/fat.ts";
import { type Environment, ownEnvironment } from "../core/imports.ts";
import { Core } from "../core/load.ts";
import type { IsoVolume } from "../core/media/iso.ts";
import { openIso } from "../core/media/open.ts";
import type { BlockDevice } from "../device/device.ts";
import * as text from "../format/lines.ts";
import * as rayos from "../format/rayos/lines.ts";
import {
  type BootDevices,
  type BootTarget,
  DEFAULT_LOADER,
  type FirmwareNote,
  runFirmware,
} from "./boot/firmware.ts";
import { Generations, type Running } from "./boot/generations.ts";
import {
  type BaseFloor,
  baseFloor,
  closeQuietly,
  countConfig,
  type DataGrant,
  runKernel,
} from "./boot/kernel.ts";
import { Nvram } from "./boot/nvram.ts";
import type { Profile } from "./boot/select.ts";
import { ConsoleLog } from "./caps/console.ts";
import { IsoTree } from "./caps/tree/iso.ts";
import { selectGeneration } from "./init/attempt.ts";
import { type InitReport, runInit } from "./init/init.ts";
import { blessEntry, type StartedEntry } from "./loader/menu.ts";
import { onlyEsp } from "./media/files.ts";
import {
  clearMode,
  type InstallerCall,
  type InstallerEnd,
  loadInstaller,
  loadKernel,
  type RunInstaller,
  readMode,
  type StartedKernel,
} from "./rayos-loader.ts";

/** Boots in a row without an operator: from any state a good one or recovery comes within ten. */
const RESETS_MAX = 10;

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
  /** A medium in the CD-ROM drive; it is only read. Booted where no disk boots. */
  readonly cdrom?: BlockDevice | undefined;
  /** The CD-ROM is booted before any disk. */
  readonly cdromFirst?: boolean | undefined;
  readonly nvram?: Nvram | undefined;
  /** Clock and randomness; the system's own by default. */
  readonly environment?: Environment | undefined;
  /** Gets each line of the serial console as it is printed. */
  readonly console?: ((line: string) => void) | undefined;
  /** First sector of the data region that the kernel trusts, default 264192. */
  readonly dataRegionBase?: number | undefined;
  /** Attempts and failures that are forgiven; default: capOS. */
  readonly profile?: Profile | undefined;
  /** Resets that one boot() may do by itself, default 10. */
  readonly resetsMax?: number | undefined;
  /** Runs beside init, with the same grant. */
  readonly init?: Init | undefined;
  readonly makeCore?: ((environment: Environment) => Core) | undefined;
}

/**
 * "checkpoint": the boot went through, on the data region or on the base floor; "unhealthy": a
 * service failed and nothing else could run; "recovery": no generation may run; "no-kernel": the
 * boot loader of RayOS found none; "installed": the installer has ended, and no reset was allowed.
 */
export type BootOutcome =
  | "checkpoint"
  | "unhealthy"
  | "recovery"
  | "no-bootable-device"
  | "no-kernel"
  | "installed";

export interface BootReport {
  readonly outcome: BootOutcome;
  /** The console, line by line, all resets included. */
  readonly lines: readonly string[];
  /** What was booted; undefined where no loader was found. */
  readonly loader?: BootedLoader | undefined;
  /** What the firmware passed over, and why. */
  readonly notes: readonly FirmwareNote[];
  readonly dataRegion:
    | { readonly mounted: true; readonly configEntries: number; readonly readOnly: boolean }
    | { readonly mounted: false; readonly floor?: BaseFloor | undefined };
  /** What ran, of a system with generations. */
  readonly generation?: BootedGeneration | undefined;
  /** What init did; undefined where there was nothing to boot. */
  readonly init?: InitReport | undefined;
  /** Times that the machine reset itself. */
  readonly resets: number;
  /** How the installer of RayOS ended, where it was started. */
  readonly installer?: InstalledSystem | undefined;
  /** The boot entry that ran, of a system that has some. */
  readonly entry?: StartedEntry | undefined;
}

export interface InstalledSystem {
  readonly kind: InstallerEnd["kind"];
  /** Name of the disk with the new system. */
  readonly disk?: string | undefined;
  /** Why there is none. */
  readonly reason?: string | undefined;
}

export interface BootedGeneration {
  readonly id: number;
  readonly kind: Running["boot"]["kind"];
  readonly manifestHash?: string | undefined;
}

export interface BootedLoader {
  readonly disk: string;
  readonly pci: string;
  readonly partition: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly option?: number | undefined;
}

type OneBoot = Omit<BootReport, "lines" | "resets" | "installer"> & {
  /** The installer of RayOS asks for a reset, or a kernel whose system has failed. */
  readonly wantsReset?: boolean | undefined;
};

/** What lasts from one boot to the next while the power is on. */
interface Session {
  readonly canInstall: boolean;
  print(line: string): void;
  /** How the installer ended; it is started once. */
  installer?: InstalledSystem | undefined;
}

/** A boot that waits wherever somebody else has to act. */
type Steps<T> = Generator<InstallerCall, T, InstallerEnd>;

/** One machine; its disks stay open until their owner closes them. */
export class Machine {
  readonly nvram: Nvram;
  readonly #options: MachineOptions;
  readonly #environment: Environment;

  /** EEXIST: two disks have one PCI identity. */
  constructor(options: MachineOptions) {
    this.#options = options;
    this.#environment = options.environment ?? ownEnvironment;
    this.nvram = options.nvram ?? new Nvram();
    const seen = new Map<string, BlockDevice>();
    for (const disk of [...options.disks, ...(options.cdrom ? [options.cdrom] : [])]) {
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

  /**
   * Power on to the health checkpoint, and off again: then the data region is closed. Where a
   * volume asks for the installer of RayOS, there is none, and its kernel is started.
   */
  boot(): BootReport {
    const steps = this.#session(false);
    const { value, done } = steps.next();
    if (done === true) return value;
    throw new Error("a machine without an installer has asked for it");
  }

  /** The same with an installer: it runs where a volume of RayOS asks for it, once at most. */
  async bootWith(install: RunInstaller): Promise<BootReport> {
    const steps = this.#session(true);
    let step = steps.next();
    while (step.done !== true) step = steps.next(await install(step.value));
    return step.value;
  }

  *#session(canInstall: boolean): Steps<BootReport> {
    const { console, resetsMax = RESETS_MAX } = this.#options;
    const lines: string[] = [];
    const print = (line: string) => {
      lines.push(line);
      console?.(line);
    };
    const session: Session = { canInstall, print };
    for (let resets = 0; ; resets++) {
      const { wantsReset = false, ...once } = yield* this.#boot(session);
      const { installer } = session;
      const isEnd = !wantsReset && once.init?.reset !== true;
      if (isEnd || resets >= resetsMax) return { ...once, lines, resets, installer };
      print(text.WARM_RESET);
    }
  }

  /** One boot, to the checkpoint or to the reset that it asks for. */
  *#boot(session: Session): Steps<OneBoot> {
    const { print } = session;
    const { makeCore } = this.#options;
    // A new core each time: no boot sees anything but what is on the disks.
    const core = (makeCore ?? ((environment) => new Core({ environment })))(this.#environment);
    const devices = this.#attach(core, session);
    const { target, notes } = runFirmware(core, devices, this.nvram);
    if (target === undefined) {
      print(text.NO_BOOTABLE_DEVICE);
      return { outcome: "no-bootable-device", notes, dataRegion: { mounted: false } };
    }
    const { disk, partition, path, sizeBytes, option } = target;
    const { name, identity } = disk.device;
    const loader = { disk: name, pci: identity.pci, partition, path, sizeBytes, option };
    const found = yield* this.#rayos(core, devices, target, session);
    if (typeof found === "string") {
      const wantsReset = found === "installed";
      return { outcome: found, wantsReset, loader, notes, dataRegion: { mounted: false } };
    }
    const { entry } = found;
    const ran = this.#run(core, devices, target, print, entry?.fault);
    if (entry === undefined) return { loader, notes, ...ran };
    if (ran.outcome === "checkpoint") blessEntry(core, target, entry, print);
    const wantsReset = ran.outcome === "unhealthy" && entry.resets;
    return { loader, notes, entry, wantsReset, ...ran };
  }

  /** The boot loader of RayOS, on a volume that has it. */
  *#rayos(
    core: Core,
    devices: BootDevices,
    target: BootTarget,
    session: Session,
  ): Steps<"installed" | "no-kernel" | StartedKernel> {
    const { print } = session;
    const mode = readMode(core, target);
    if (mode.kind === "foreign") return {};
    print(rayos.LOADER_START);
    if (mode.kind === "unknown") {
      print(rayos.MODE_UNKNOWN);
      print(rayos.loaderReason(mode.reason));
    } else if (mode.kind === "installer") {
      print(rayos.INSTALLER_DETECTED);
      const isInstalled = yield* this.#installer(core, devices, target, mode.registry, session);
      if (isInstalled) return "installed";
    }
    print(rayos.LOADING_KERNEL);
    const kernel = loadKernel(core, target, this.nvram.takeEntryPatterns(), print);
    const missing = mode.kind === "installer" ? rayos.NO_KERNEL_EITHER : rayos.NO_KERNEL;
    print(kernel === undefined ? missing : rayos.KERNEL_LOADED);
    return kernel ?? "no-kernel";
  }

  /** Starts the installer and answers whether it has installed something. */
  *#installer(
    core: Core,
    { disks, cdrom }: BootDevices,
    target: BootTarget,
    registry: Uint8Array,
    session: Session,
  ): Steps<boolean> {
    const { print, canInstall } = session;
    if (session.installer !== undefined) {
      print(rayos.INSTALLER_HAS_RUN);
      return false;
    }
    print(rayos.LOADING_INSTALLER);
    const loaded = canInstall
      ? loadInstaller(target, registry)
      : { reason: "this machine has no installer" };
    if ("reason" in loaded) {
      print(rayos.INSTALLER_NOT_LOADED);
      print(rayos.loaderReason(loaded.reason));
      return false;
    }
    print(rayos.INSTALLER_LOADED);
    const { device } = target.disk;
    const end = yield {
      ...loaded,
      disks: disks.map((disk) => disk.device),
      bootDevice: device,
      isRemovable: target.disk === cdrom || onlyEsp(core, device) !== undefined,
      print,
    };
    if (end.kind === "nothing") {
      session.installer = end;
      print(rayos.loaderReason(end.reason));
      return false;
    }
    session.installer = { kind: "installed", disk: end.disk.name };
    print(rayos.installerModeCleared(clearMode(core, target)));
    this.#startFirst(end.espGuid, end.loader);
    return true;
  }

  /** A boot option for the new system, before all others: as installers leave the firmware. */
  #startFirst(partitionGuid: string, path = DEFAULT_LOADER): void {
    const { nvram } = this;
    const known = [...nvram.options.values()].find(
      (option) => option.partitionGuid === partitionGuid && option.path === path,
    );
    let number = known?.number ?? 0;
    while (known === undefined && nvram.options.has(number)) number++;
    const option = { active: true, description: "RayOS", partitionGuid, path };
    nvram.setOption({ ...option, number });
    nvram.bootOrder = [number, ...nvram.bootOrder.filter((other) => other !== number)];
  }

  /** Boot manager, kernel and init. */
  #run(
    core: Core,
    devices: BootDevices,
    target: BootTarget,
    print: (line: string) => void,
    fault: string | undefined,
  ): Pick<OneBoot, "outcome" | "dataRegion" | "generation" | "init"> {
    const { dataRegionBase } = this.#options;
    let running: Running | undefined;
    const select = (grant: DataGrant): BaseFloor | undefined => {
      const answer = this.#select(grant, print);
      running = answer.running;
      return answer.floor;
    };
    const kernel =
      target.disk === devices.cdrom
        ? baseFloor("the machine has booted from a CD-ROM", print)
        : runKernel(core, target.disk, print, { dataRegionBase, select });
    const grant = kernel.mounted ? kernel.grant : undefined;
    try {
      const dataRegion: BootReport["dataRegion"] = kernel.mounted
        ? {
            mounted: true,
            configEntries: countConfig(kernel.grant, print),
            readOnly: kernel.grant.readOnly,
          }
        : { mounted: false, floor: kernel.floor };
      const init = this.#init(core, devices, target, grant, running, print, fault);
      this.#rememberEnd(grant, running);
      grant?.region.close();
      return {
        outcome: outcomeOf(running, init),
        dataRegion,
        ...(running === undefined ? {} : { generation: bootedOf(running) }),
        init,
      };
    } catch (error) {
      // Why init stopped is what the caller must see, not that its disk could not be closed.
      if (grant !== undefined) closeQuietly(grant.region);
      throw error;
    }
  }

  /** Which generation runs: the boot manager's decision on boot control alone. */
  #select(
    grant: DataGrant,
    print: (line: string) => void,
  ): { running?: Running; floor?: BaseFloor } {
    const { profile } = this.#options;
    const { random, clock } = this.#environment;
    const generations = new Generations(grant, { profile, random, clock });
    const answer = selectGeneration(generations, grant, this.nvram.lastReset);
    if (answer === undefined) return {};
    if (!answer.ok) return { floor: { code: "EBADMSG", reason: answer.reason } };
    const running = answer.value;
    const { boot, hash, log } = running;
    if (grant.readOnly) return { running };
    if (boot.kind === "recovery") {
      print(text.recoveryEntered(log));
      return { running, floor: { code: "ECANCELED", reason: log } };
    }
    print(text.generationSelected(boot.kind, boot.id, hash, log));
    return { running };
  }

  #init(
    core: Core,
    { disks, cdrom }: BootDevices,
    target: BootTarget,
    grant: DataGrant | undefined,
    running: Running | undefined,
    print: (line: string) => void,
    fault: string | undefined,
  ): InitReport {
    const environment = this.#environment;
    this.#options.init?.({ grant, environment, print });
    const volume = FatVolume.open(core, target.disk.id, { ...target.place, readOnly: true });
    const medium = cdrom === undefined ? undefined : mediumOf(cdrom.device);
    const imageSource = medium === undefined ? undefined : new IsoTree(medium);
    try {
      return runInit({
        ...{ volume, grant, environment, print, fault, profile: this.#options.profile },
        running: grant === undefined ? undefined : running,
        devices: { core, disks, bootDisk: target.disk, imageSource },
        log: new ConsoleLog(print),
      });
    } finally {
      medium?.close();
      volume.close();
    }
  }

  /** The machine was switched off in an orderly way: the next boot may know. */
  #rememberEnd(grant: DataGrant | undefined, running: Running | undefined): void {
    if (grant === undefined || running === undefined) return;
    const { random, clock } = this.#environment;
    const { bootSequence } = new Generations(grant, { random, clock }).control;
    this.nvram.lastReset = { cause: ResetCause.CLEAN, bootSequence };
  }

  #attach(core: Core, { installer }: Session): BootDevices {
    const { disks, cdrom } = this.#options;
    // The new system is what shall start now, not its medium once more.
    const cdromFirst = this.#options.cdromFirst === true && installer?.kind !== "installed";
    const attached = (device: BlockDevice) => ({ id: core.attach(device), device });
    return {
      disks: [...disks]
        .sort((one, other) => {
          return busOrder(one.identity.pci).localeCompare(busOrder(other.identity.pci));
        })
        .map(attached),
      cdrom: cdrom === undefined ? undefined : attached(cdrom),
      cdromFirst,
    };
  }
}

/** The volume of a medium; one that cannot be read is none. */
function mediumOf(device: BlockDevice): IsoVolume | undefined {
  try {
    return openIso(device);
  } catch (error) {
    if (error instanceof StorageError && error.code !== "EIO") return undefined;
    throw error;
  }
}

function outcomeOf(running: Running | undefined, init: InitReport): BootOutcome {
  if (running?.boot.kind === "recovery") return "recovery";
  return init.healthy && !init.reset ? "checkpoint" : "unhealthy";
}

function bootedOf({ boot, hash }: Running): BootedGeneration {
  return { ...boot, ...(hash === undefined ? {} : { manifestHash: toHex(hash) }) };
}

/** The part of a PCI identity that says where it is: `bus:slot.fn`. */
function busOrder(pci: string): string {
  return pci.slice(pci.indexOf("@") + 1);
}
