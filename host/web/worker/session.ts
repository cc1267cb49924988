/**
 * The disk that is open: its device with the plug, its machine's variables, and the flows on it.
 *
 * ```
 * flows, machine, browser
 *          |
 *     PowerDevice   the plug; tells which cells of the map are written
 *          |
 *   OPFS | IndexedDB | memory | copy-on-write over a file of the person's own
 * ```
 */
import { failure, StorageError } from "../../base/errors.ts";
import { systemRandom } from "../../base/seed.ts";
import { type RunOptions, run as runWork, type Work } from "../../base/work.ts";
import { Core } from "../../core/load.ts";
import type { BlockDevice } from "../../device/device.ts";
import { type CutReport, PowerDevice } from "../../device/fault/power.ts";
import type { NewOverlay } from "../../format/overlay.ts";
import { readGeneration } from "../../system/boot/content.ts";
import { Nvram } from "../../system/boot/nvram.ts";
import { demoOverlay, OPERATOR } from "../../system/demo/system.ts";
import { type DiskView, inspectDisk } from "../../system/inspect.ts";
import { install, planOf } from "../../system/install/install.ts";
import type { InstallPlan } from "../../system/install/plan.ts";
import { type BootReport, Machine } from "../../system/machine.ts";
import { findRegion } from "../../system/place.ts";
import * as flows from "../../system/update/flows.ts";
import { type SystemStatus, statusOf } from "../../system/update/status.ts";
import { type InstalledSystem, openSystem } from "../../system/update/system.ts";
import { type VerifyReport, verifyDisk } from "../../system/verify.ts";
import { CELLS, type PlacedGeneration, type ShelfKind } from "../rpc/api.ts";
import { lossOf, type ShelfDevice } from "./shelf/shelf.ts";

/** Writes that come before an armed cut, at most: an update makes some twenty. */
const CUT_WRITES_MAX = 24;
const FAILING = "overlay-failing.wasm";

export interface SessionOptions {
  readonly name: string;
  readonly where: ShelfKind | "file";
  readonly readOnly: boolean;
  readonly device: ShelfDevice;
  readonly nvram?: Uint8Array | undefined;
  readonly onCut: (report: CutReport) => void;
}

/** What can be told of a disk as it is now. */
export interface Look {
  readonly view?: DiskView | undefined;
  readonly viewError?: string | undefined;
  readonly status?: SystemStatus | undefined;
  readonly statusError?: string | undefined;
  readonly generations: readonly PlacedGeneration[];
  readonly isDemo: boolean;
}

export class Session {
  readonly name: string;
  readonly where: ShelfKind | "file";
  readonly readOnly: boolean;
  readonly nvram: Nvram;
  /** How often each part of the disk was written since the last action began. */
  readonly cells = new Uint8Array(CELLS);
  readonly #base: ShelfDevice;
  readonly #device: PowerDevice;
  readonly #cellSectors: number;

  constructor(options: SessionOptions) {
    const { name, where, readOnly, device, nvram, onCut } = options;
    this.name = name;
    this.where = where;
    this.readOnly = readOnly;
    this.nvram = nvramOf(nvram);
    this.#base = device;
    this.#cellSectors = Math.max(1, Math.ceil(device.config.capacity / CELLS));
    const onWrite = (sector: number, sectors: number) => this.#mark(sector, sectors);
    this.#device = new PowerDevice(device, { random: systemRandom, onWrite, onCut });
  }

  get device(): BlockDevice {
    return this.#device;
  }

  get powered(): boolean {
    return this.#device.isOn;
  }

  get armed(): boolean {
    return this.#device.isArmed;
  }

  get sizeBytes(): number {
    return this.#device.config.capacity * 512;
  }

  /** What was flushed lasts at once, not only when settled() resolves. */
  get isPrompt(): boolean {
    return this.#base.settled === undefined;
  }

  /** Resolves once whatever was flushed lasts. */
  async settled(): Promise<void> {
    await this.#base.settled?.();
  }

  /** Why the device takes no more writes: it has lost some. */
  loss(): Promise<StorageError | undefined> {
    return lossOf(this.#base);
  }

  async close(): Promise<void> {
    this.#device.close();
    await this.settled();
  }

  cut(): void {
    this.#device.cut();
  }

  /** Pulls the plug at a random write of what comes next. */
  armCut(armed: boolean): void {
    if (!armed) this.#device.spare();
    else this.#device.cutAfter(1 + Math.floor(Math.random() * CUT_WRITES_MAX));
  }

  plan(medium: BlockDevice, erase: boolean, options: RunOptions): Promise<InstallPlan> {
    return this.work(planOf(medium, this.#device, consent(erase)), options);
  }

  async install(medium: BlockDevice, plan: InstallPlan, erase: boolean, options: RunOptions) {
    const { identities } = plan;
    const asked = { ...consent(erase), identities };
    return this.work(install(medium, this.#device, asked), options);
  }

  verify(repair: boolean, options: RunOptions): Promise<VerifyReport> {
    return this.work(verifyDisk(this.#device, { repair }), options);
  }

  boot(console: (line: string) => void): BootReport {
    this.cells.fill(0);
    return new Machine({ disks: [this.#device], nvram: this.nvram, console }).boot();
  }

  provision(hostname: string): flows.FlowReport {
    return this.withSystem(false, (system) => {
      const account = system.base?.extensionPoints.allowAccountStore ? OPERATOR : undefined;
      return flows.provision(system, { account, settings: settingsOf(hostname) });
    });
  }

  /** A new generation; of the demo with one more service, which fails if that is asked for. */
  update(hostname: string, failing: boolean): flows.FlowReport {
    return this.withSystem(false, (system) => {
      if (isDemo(system)) {
        const overlay = demoOverlay(failing ? "overlay-failing" : "overlay-extra", hostname);
        return flows.update(system, { overlay: withoutEmptyName(overlay) });
      }
      if (failing) {
        const message = "only the demo has a service that fails on purpose.";
        throw failure("EOPNOTSUPP", "update", message);
      }
      return flows.update(system, { settings: settingsOf(hostname) });
    });
  }

  rollback(to: number | undefined): flows.FlowReport {
    return this.withSystem(false, (system) => flows.rollback(system, to));
  }

  cancel(): flows.FlowReport {
    return this.withSystem(false, flows.cancel);
  }

  recover(): flows.FlowReport {
    return this.withSystem(false, flows.recover);
  }

  /** An installation that gives the disk this name is done. */
  isInstalledAs(diskGuid: string): boolean {
    const { table, halfInstalled } = inspectDisk(this.#device);
    return !halfInstalled && table?.diskGuid.toUpperCase() === diskGuid.toUpperCase();
  }

  look(): Look {
    const looked: Look = { generations: [], isDemo: false };
    if (!this.powered) return looked;
    let view: DiskView;
    try {
      view = inspectDisk(this.#device);
    } catch (error) {
      return { ...looked, viewError: sentenceOf(error) };
    }
    try {
      return this.withSystem(true, (system) => {
        const status = statusOf(system);
        return { view, status, isDemo: isDemo(system), generations: placed(system, status) };
      });
    } catch (error) {
      return { ...looked, view, statusError: sentenceOf(error) };
    }
  }

  /** Runs work on the disk; the cells of the map begin anew. */
  work<T>(work: Work<T>, options: RunOptions): Promise<T> {
    this.cells.fill(0);
    return runWork(work, { ...options, settled: this.#base.settled?.bind(this.#base) });
  }

  withSystem<T>(readOnly: boolean, use: (system: InstalledSystem) => T): T {
    if (!readOnly) this.cells.fill(0);
    const core = new Core();
    const id = core.attach(this.#device);
    const { baseSector, sectors } = findRegion(core, id);
    const system = openSystem(core, id, { baseSector, sectors, readOnly });
    let done = false;
    try {
      const result = use(system);
      done = true;
      system.close();
      return result;
    } finally {
      if (!done) closeQuietly(system);
    }
  }

  #mark(sector: number, sectors: number): void {
    const first = Math.floor(sector / this.#cellSectors);
    const last = Math.floor((sector + Math.max(1, sectors) - 1) / this.#cellSectors);
    for (let at = first; at <= last && at < CELLS; at++) {
      const count = this.cells[at] as number;
      if (count < 255) this.cells[at] = count + 1;
    }
  }
}

function consent(erase: boolean) {
  return { erase, reinstall: erase, tableBackup: false as const };
}

function settingsOf(hostname: string) {
  return hostname === "" ? {} : { hostname };
}

function withoutEmptyName(overlay: NewOverlay): NewOverlay {
  const { hostname, ...settings } = overlay.settings;
  return { ...overlay, settings: hostname === "" ? settings : overlay.settings };
}

/** Its base knows the service that fails on purpose. */
function isDemo({ base }: InstalledSystem): boolean {
  return base?.binaries.some(({ name }) => name === FAILING) ?? false;
}

/** What each generation names, in bytes. */
function placed({ generations, grant }: InstalledSystem, status: SystemStatus) {
  return status.generations.map(({ id, roles, state, ready }): PlacedGeneration => {
    const hash = ready === null ? undefined : generations.hashOf(id);
    const content = hash === undefined ? undefined : readGeneration(grant.store, hash);
    const objects = content?.ok ? content.value.objects : [];
    return {
      id,
      role: roles[0] ?? state.toLowerCase(),
      objects: objects.length,
      bytes: objects.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0),
    };
  });
}

/** After a failure the system may not close; the failure is what the caller must see. */
function closeQuietly(system: InstalledSystem): void {
  try {
    system.close();
  } catch {
    // What was not committed is not on the disk.
  }
}

/** Variables that are not there or cannot be read are those of a new machine. */
function nvramOf(bytes: Uint8Array | undefined): Nvram {
  if (bytes === undefined) return new Nvram();
  try {
    return Nvram.from(bytes);
  } catch (error) {
    if (error instanceof StorageError) return new Nvram();
    throw error;
  }
}

/** What a disk can cause is a sentence; bugs go through. */
function sentenceOf(error: unknown): string {
  if (error instanceof StorageError) return error.message;
  throw error;
}
