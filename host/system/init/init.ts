/**
 * Init, the first program after the kernel: reads the manifest of the base, adds the overlay that
 * the running generation names, starts services with exactly their capabilities, and reaches the
 * health checkpoint or tells why not.
 *
 * ```
 * manifest -> overlay of the generation -> compose -> services "boot" -> checkpoint
 *    |            |                           |              |               |
 *    absent:      unreadable, refused: base floor,           one fails:      CONFIRM, MARK-GOOD,
 *    nothing      one line, never an abort                   others go on    PROMOTE; or FAIL
 *                                                                then services "checkpoint"
 * ```
 */
import { StorageError } from "../../base/errors.ts";
import { toHex } from "../../base/hash.ts";
import type { FatVolume } from "../../core/fat.ts";
import type { Environment } from "../../core/imports.ts";
import * as lines from "../../format/lines.ts";
import type { SystemManifest } from "../../format/manifest.ts";
import { readGeneration } from "../boot/content.ts";
import { Generations, type Running } from "../boot/generations.ts";
import type { DataGrant } from "../boot/kernel.ts";
import { MARKERS } from "../boot/markers.ts";
import type { Profile } from "../boot/select.ts";
import type { ConsoleLog } from "../caps/console.ts";
import {
  type BootPlan,
  compose,
  opensAnything,
  type PlannedService,
  type Refused,
  readOverlay,
  refusalText,
} from "../config/compose.ts";
import { runService, type ServiceStatus } from "../service/runner.ts";
import { concludeGeneration, settleGeneration } from "./attempt.ts";
import { readBinary, readManifest } from "./payload.ts";
import { type SourceContext, Sources } from "./sources.ts";

/** A service that copies whole disks is given the time for it; others have the default. */
const FUEL_OF_A_DISK = 100_000_000_000;
/** Largest overlay.bin that is looked at. */
const OVERLAY_BYTES_MAX = 1 << 20;

export interface InitOptions {
  /** The volume that the firmware booted from. */
  readonly volume: FatVolume;
  readonly grant: DataGrant | undefined;
  /** What early boot selected; undefined where no generation was provisioned. */
  readonly running: Running | undefined;
  readonly environment: Environment;
  readonly profile?: Profile | undefined;
  readonly devices: Pick<SourceContext, "core" | "disks" | "bootDisk" | "imageSource">;
  readonly log: ConsoleLog;
  readonly print: (line: string) => void;
  /** Why this boot fails, where its kernel options tell it to. */
  readonly fault?: string | undefined;
}

export interface ServiceReport {
  readonly name: string;
  readonly origin: PlannedService["origin"];
  readonly status: ServiceStatus | "not-started";
  readonly reason: string;
  readonly exitCode?: number | undefined;
  readonly fuelUsed?: number | undefined;
}

export interface InitReport {
  readonly manifest: "absent" | "rejected" | "read";
  /** What was composed over the base; undefined: nothing was looked for. */
  readonly overlay?: OverlayReport | undefined;
  readonly settings: BootPlan["settings"];
  readonly services: readonly ServiceReport[];
  /** The boot passed its health checkpoint. */
  readonly healthy: boolean;
  /** Why not. */
  readonly why: readonly string[];
  /** FAIL was recorded: the machine must be reset. */
  readonly reset: boolean;
}

export type OverlayReport =
  | { readonly applied: true; readonly epoch: number; readonly hash: string }
  | { readonly applied: false; readonly refused: Refused };

/** Init of a boot: everything up to the checkpoint, and what runs after it. */
export function runInit(options: InitOptions): InitReport {
  return new Init(options).run();
}

class Init {
  readonly #options: InitOptions;
  readonly #services: ServiceReport[] = [];
  readonly #why: string[] = [];
  #generations: Generations | undefined;
  #healthy = false;

  constructor(options: InitOptions) {
    this.#options = options;
  }

  run(): InitReport {
    const { volume, running, print, fault } = this.#options;
    const found = readManifest(volume);
    const base = found.kind === "read" ? found.manifest : undefined;
    this.#generations = this.#openGenerations(base);
    if (found.kind === "rejected") {
      print(lines.manifestRejected(found.reason));
      this.#why.push(`manifest ${found.reason}`);
    }
    const overlay = base === undefined ? undefined : this.#overlay(base);
    const plan = this.#plan(base, overlay);
    const sources = this.#sources();
    if (base !== undefined) this.#start(base, plan, sources, "boot");
    if (fault !== undefined) this.#why.push(fault);
    this.#healthy = this.#why.length === 0;
    if (base !== undefined || fault !== undefined) print(this.#checkpointLine());
    const refusedOverlay = overlay !== undefined && !overlay.report.applied;
    const reset = this.#conclude(running, refusedOverlay);
    if (base !== undefined && !reset) this.#start(base, plan, sources, "checkpoint");
    return {
      manifest: found.kind,
      ...(overlay === undefined ? {} : { overlay: overlay.report }),
      settings: plan?.settings ?? {},
      services: this.#services,
      healthy: this.#healthy,
      why: this.#why,
      reset,
    };
  }

  #openGenerations(base: SystemManifest | undefined): Generations | undefined {
    const { grant, environment, profile, running, print } = this.#options;
    if (grant === undefined) return undefined;
    const { random, clock } = environment;
    const generations = new Generations(grant, { base, profile, random, clock });
    if (grant.readOnly || running === undefined) return generations;
    const settled = settleGeneration(generations, running);
    if ("failed" in settled) print(lines.markersNotHealed(settled.failed));
    else if (settled.healed.length > 0) print(lines.markersHealed(settled.healed));
    return generations;
  }

  /** From the generation that runs, or from overlay.bin before there is one. */
  #overlay(
    base: SystemManifest,
  ): { report: OverlayReport; plan: BootPlan | undefined } | undefined {
    const { grant, running, print } = this.#options;
    if (grant === undefined) return undefined;
    if (running === undefined && !opensAnything(base.extensionPoints)) return undefined;
    const bytes = running === undefined ? fileOverlay(grant) : generationOverlay(grant, running);
    const read = readOverlay(bytes);
    const answer = "refused" in read ? read : compose(base, read.overlay);
    if ("refused" in answer) {
      print(lines.overlayRejected(refusalText(answer.refused)));
      return { report: { applied: false, refused: answer.refused }, plan: undefined };
    }
    if ("refused" in read) return undefined;
    const { epoch, services, contentHash, accountStoreLocation } = read.overlay;
    const account = accountStoreLocation === undefined ? "none" : toHex(accountStoreLocation);
    print(lines.overlayApplied(epoch, services.length, account));
    return { report: { applied: true, epoch, hash: toHex(contentHash) }, plan: answer.plan };
  }

  #plan(
    base: SystemManifest | undefined,
    overlay: { readonly plan: BootPlan | undefined } | undefined,
  ): BootPlan | undefined {
    if (base === undefined || overlay?.plan !== undefined) return overlay?.plan;
    const floor = compose(base, undefined);
    return "plan" in floor ? floor.plan : undefined;
  }

  #sources(): Sources {
    const { devices, grant, log } = this.#options;
    return new Sources({
      ...devices,
      log,
      grant,
      generations: this.#generations,
      healthy: () => this.#healthy,
    });
  }

  /** Each service in turn; one that fails is named, and the others go on. */
  #start(
    base: SystemManifest,
    plan: BootPlan | undefined,
    sources: Sources,
    when: PlannedService["when"],
  ): void {
    for (const service of plan?.services ?? []) {
      if (service.when !== when) continue;
      const report = this.#run(base, service, sources);
      this.#services.push(report);
      if (report.status === "ok") continue;
      this.#options.print(lines.serviceFailed(service.name, report.status, report.reason));
      if (when === "boot") this.#why.push(`service ${service.name}: ${report.reason}`);
    }
  }

  #run(base: SystemManifest, service: PlannedService, sources: Sources): ServiceReport {
    const { name, origin, config } = service;
    const notStarted = (reason: string): ServiceReport => {
      return { name, origin, status: "not-started", reason };
    };
    const module = readBinary(this.#options.volume, base, service.binary);
    if (typeof module === "string") return notStarted(module);
    const caps = sources.grantAll(name, service.caps);
    if (!caps.ok) return notStarted(caps.reason);
    const { status, reason, exitCode, fuelUsed } = runService({
      ...{ name, module, config },
      ...(holdsDisk(service) ? { fuel: FUEL_OF_A_DISK } : {}),
      caps: caps.value,
    });
    return { name, origin, status, reason, exitCode, fuelUsed };
  }

  #checkpointLine(): string {
    return this.#healthy ? lines.CHECKPOINT_PASSED : lines.checkpointFailed(this.#why.length);
  }

  /** What the checkpoint means for the generation that runs; true: the machine must be reset. */
  #conclude(running: Running | undefined, refusedOverlay: boolean): boolean {
    const { grant, print } = this.#options;
    const generations = this.#generations;
    if (running === undefined || grant === undefined || generations === undefined) return false;
    const why = this.#healthy ? undefined : this.#why[0];
    const done = concludeGeneration(generations, grant, running, { why, refusedOverlay });
    const { id } = running.boot;
    if (done.failed !== undefined) print(lines.generationFailed(id, running.hash, done.failed));
    if (done.confirmed) print(lines.generationConfirmed(id, running.hash));
    if (done.golden) print(lines.generationGolden(id, running.hash));
    if (done.unrecorded !== undefined) print(lines.checkpointNotRecorded(done.unrecorded));
    return done.reset;
  }
}

function holdsDisk({ caps }: PlannedService): boolean {
  return caps.some(({ source }) => source === "block_device_target");
}

/** The overlay of the generation that runs; undefined where the store cannot give it. */
function generationOverlay({ store }: DataGrant, { hash }: Running): Uint8Array | undefined {
  if (hash === undefined) return undefined;
  const generation = readGeneration(store, hash);
  if (!generation.ok) return undefined;
  const { overlayHash } = generation.value;
  return store.has(overlayHash) ? store.get(overlayHash) : undefined;
}

/** What a seeded disk has before its first generation. */
function fileOverlay({ config }: DataGrant): Uint8Array | undefined {
  const path = `${config.root}/${MARKERS.overlay}`;
  const stats = config.files.lstat(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (!stats.isFile() || stats.size > OVERLAY_BYTES_MAX) return new Uint8Array(0);
  try {
    return config.files.readFile(path);
  } catch (error) {
    if (error instanceof StorageError && error.code === "EBADMSG") return new Uint8Array(0);
    throw error;
  }
}
