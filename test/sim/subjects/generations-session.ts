/**
 * One machine with one region: flows and boots as the product carries them out, each commit of boot
 * control announced to the history before it is written and compared with the model.
 */
import { failure, Refusal } from "../../../host/base/errors.ts";
import { encodeControl, Phase, ResetCause } from "../../../host/core/boot/control.ts";
import type { Region } from "../../../host/core/region.ts";
import { collect } from "../../../host/system/boot/collect.ts";
import {
  type ControlChange,
  Generations,
  type GenerationsOptions,
  type Running,
} from "../../../host/system/boot/generations.ts";
import { CONFIG_ROOT, type DataGrant, runKernel } from "../../../host/system/boot/kernel.ts";
import { Stage } from "../../../host/system/boot/transition.ts";
import {
  concludeGeneration,
  selectGeneration,
  settleGeneration,
} from "../../../host/system/init/attempt.ts";
import * as flows from "../../../host/system/update/flows.ts";
import { type InstalledSystem, systemOn } from "../../../host/system/update/system.ts";
import type { SimDisk } from "../engine/disk.ts";
import { Violation } from "../engine/history.ts";
import type { Machine } from "../engine/machine.ts";
import * as model from "./generations-model.ts";
import { PlantedFlows } from "./generations-plants.ts";
import { type Contents, hexOf, readSeen, type Seen, type Version } from "./generations-reader.ts";
import { type FlowStep, type Health, stepText } from "./generations-steps.ts";
import { isRefusal, openRegion, pullPlug } from "./region-life.ts";
import type { Versions } from "./versions.ts";

/** Of any state at most so many boots lead to a healthy run or to recovery. */
const BOOTS_MAX = 10;
/** Lengths of objects that nobody needs, and that fill a store to the brim. */
const BALLAST_BYTES = [60_001, 3_001, 301];

/** What fills the filesystem. */
const BALLAST_FOLDER = "/ballast";
const BALLAST_FILE_BYTES = 4096;

type BootStep = Extract<FlowStep, { readonly kind: "boot" }>;

/** The power fails between two commits. */
class PowerCut extends Error {}

type Requests = readonly (readonly [string, () => { readonly ok: boolean }])[];

interface Open {
  readonly region: Region;
  readonly system: InstalledSystem;
}

export interface Boots {
  /** What runs healthily in the end; 0: the base floor. */
  readonly runs: number | "recovery";
  readonly count: number;
  /** Runs of a candidate that began. */
  readonly tried: number;
}

export interface SessionParts {
  readonly machine: Machine;
  readonly disk: SimDisk;
  readonly seed: number;
  readonly versions: Versions<Version>;
  readonly contents: Contents;
  /** Contents that were ever BAD: each look at the disk looks for their marks. */
  readonly watched: Map<string, Uint8Array>;
  readonly plant: string | undefined;
}

export class Session {
  readonly #parts: SessionParts;
  readonly #planted: PlantedFlows;
  readonly #core: ReturnType<Machine["boot"]>["core"];
  readonly #device: number;
  #open: Open | undefined;
  /** What runs, once it has passed its checks. */
  #running: Running | undefined;
  #lastToken = 0n;
  #lastReset = { cause: ResetCause.POWER, bootSequence: 0 };
  #cause = ResetCause.POWER;
  /** What early boot should have chosen. */
  #chosen: model.Selected["runs"] = "base";
  #healthy = false;
  #cut: BootStep["cut"] = "never";
  /** A version is issued and not answered yet. */
  #inFlight = false;
  #label = "";
  /** Looks at what early boot finds, before anything is done. */
  look: ((grant: DataGrant, generations: Generations) => void) | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#planted = new PlantedFlows(parts.plant);
    const { core, device } = parts.machine.boot(parts.disk, parts.seed);
    this.#core = core;
    this.#device = device;
  }

  get held(): model.Held {
    return this.#parts.versions.newest.held;
  }

  get region(): Region | undefined {
    return this.#open?.region;
  }

  /** Carries out `step`. Where the device fails, the machine is off afterwards. */
  carryOut(step: FlowStep): void {
    this.#label = stepText(step);
    try {
      this.#call(step);
      this.#ack();
    } catch (error) {
      if (error instanceof PowerCut) this.end("cut");
      else if (isRefusal(error, "ENOSPC")) this.#refused();
      else if (isRefusal(error, "EIO", "ESTALE", "EUNKNOWN", "EROFS")) this.#recover();
      else throw error;
    }
  }

  /** Boots until something healthy runs, or nothing may. */
  boots(luck: boolean): Boots {
    this.#label = "boot after a power cut";
    return this.#boot({ kind: "boot", cause: ResetCause.POWER, luck, cut: "never" });
  }

  /** Two commits of both formats: they have healed every superblock copy. */
  commitSome(): void {
    const { grant } = this.#system();
    this.#empty();
    for (const byte of [1, 2]) {
      const { files } = grant.config;
      files.setControl(files.control());
      files.sync();
      grant.store.delete(grant.store.put(new Uint8Array([byte, 7, 7])));
      grant.store.commit();
    }
  }

  /** Fills the store until not even the smallest ballast fits; and the filesystem, if asked. */
  fill(filesToo: boolean): void {
    const { store, config } = this.#system().grant;
    for (const length of BALLAST_BYTES) {
      for (let count = 0; this.#fits(store, new Uint8Array(length).fill(count & 255)); count++) {
        store.commit();
      }
    }
    if (filesToo) this.#fillFiles(config.files);
  }

  #fillFiles(files: DataGrant["config"]["files"]): void {
    files.mkdir(BALLAST_FOLDER);
    for (let count = 0; ; count++) {
      try {
        files.writeFile(`${BALLAST_FOLDER}/${count}`, new Uint8Array(BALLAST_FILE_BYTES));
        files.sync();
      } catch (error) {
        if (!isRefusal(error, "ENOSPC")) throw error;
        files.reopen();
        return;
      }
    }
  }

  #fits(store: DataGrant["store"], bytes: Uint8Array): boolean {
    new DataView(bytes.buffer).setUint32(0, store.stat().objects);
    try {
      store.put(bytes);
      return true;
    } catch (error) {
      if (isRefusal(error, "ENOSPC")) return false;
      throw error;
    }
  }

  end(how: "close" | "cut"): void {
    if (this.#open === undefined) return;
    const { region } = this.#open;
    this.#open = undefined;
    this.#running = undefined;
    if (how === "cut") pullPlug(this.#parts.disk, region);
    else region.close();
  }

  #call(step: FlowStep): void {
    switch (step.kind) {
      case "boot":
        this.#boot(step);
        return;
      case "stale":
        this.#stale();
        return;
      case "collect": {
        const { generations, grant } = this.#system();
        collect(generations, grant);
        return;
      }
      case "empty":
        this.#empty();
        return;
      default:
        this.#flow(step);
    }
  }

  /** A flow, which must be refused exactly where the model refuses it. */
  #flow(step: Exclude<FlowStep, BootStep | { readonly kind: "stale" | "collect" | "empty" }>) {
    const system = this.#system();
    const { held } = this;
    const idle = model.serves(held) && held.phase === Phase.IDLE;
    switch (step.kind) {
      case "provision":
        this.#expect(held.highWater === 0, () => {
          flows.provision(system, { settings: { hostname: this.#name(step.health) } });
        });
        return;
      case "update":
        this.#expect(idle, () => {
          const { attempts, stageOnly } = step;
          const settings = { hostname: this.#name(step.health) };
          flows.update(system, { settings }, { attempts, stageOnly });
        });
        return;
      case "arm":
        this.#expect(model.arm(held, step.attempts) !== undefined, () => {
          flows.arm(system, step.attempts);
        });
        return;
      case "cancel":
        this.#expect(model.cancel(held) !== undefined, () => flows.cancel(system));
        return;
      case "recover":
        this.#expect(model.endRecovery(held) !== undefined, () => flows.recover(system));
        return;
      case "rollback": {
        const to = step.to === 0 ? undefined : step.to === 4 ? held.golden : held.ring[step.to - 1];
        const source = to ?? this.#before(held);
        const may = idle && source !== undefined && model.stageOld(held, source) !== undefined;
        this.#expect(may, () => flows.rollback(system, to, { attempts: step.attempts }));
      }
    }
  }

  /** The newest generation that is kept and has another content than the active one. */
  #before(held: model.Held): number | undefined {
    const active = model.contentOf(held, held.active);
    return [...held.ring, held.golden].find((id) => model.contentOf(held, id) !== active);
  }

  #expect(may: boolean, flow: () => void): void {
    const before = this.#parts.versions.newest;
    try {
      flow();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (may) throw new Violation(`${this.#label} was refused: ${error.message}`);
      if (this.#parts.versions.newest !== before) {
        throw new Violation(`${this.#label} was refused, and has written`);
      }
      return;
    }
    if (!may) throw new Violation(`${this.#label} should have been refused`);
  }

  #name(health: Health): string {
    return `${health}-${this.held.highWater}`;
  }

  #boot({ cause, luck, cut }: BootStep): Boots {
    this.#lastReset = { cause: ResetCause.POWER, bootSequence: 0 };
    this.#shutDown(cause);
    let tried = 0;
    for (let count = 1; ; count++) {
      if (count > BOOTS_MAX) throw new Violation(`${count} boots, and nothing healthy runs`);
      const { runs, reset } = this.#bootOnce(luck, cut);
      if (runs === this.held.candidate && typeof runs === "number" && reset) tried += 1;
      if (!reset) return { runs, count, tried };
    }
  }

  /** What ran before ends: in an orderly way, by itself, or by a power cut. */
  #shutDown(cause: ResetCause): void {
    const { held } = this;
    const hex = model.contentOf(held, held.selected);
    const isGood = hex === undefined || this.#parts.contents.get(hex).hostname.startsWith("good");
    const hard = cause === ResetCause.PANIC || cause === ResetCause.WATCHDOG;
    // A good content never fails: what ends it is the power.
    this.#cause = hard && (isGood || held.recovery) ? ResetCause.POWER : cause;
    if (this.#open === undefined) {
      this.#cause = ResetCause.POWER;
      return;
    }
    const { bootSequence } = this.#open.system.generations.control;
    this.#lastReset = { cause: this.#cause, bootSequence };
    this.end(cause === ResetCause.CLEAN ? "close" : "cut");
  }

  #bootOnce(luck: boolean, cut: BootStep["cut"]): { runs: Boots["runs"]; reset: boolean } {
    const { disk } = this.#parts;
    this.#cut = "never";
    this.#healthy = false;
    let running: Running | undefined;
    let generations: Generations | undefined;
    const select = (grant: DataGrant) => {
      const broken = this.#broken(grant);
      generations = new Generations(broken, this.#options());
      this.look?.(broken, generations);
      this.look = undefined;
      running = this.#select(broken, generations);
      if (running?.boot.kind !== "recovery") return undefined;
      return { code: "ECANCELED", reason: running.log };
    };
    const attached = { id: this.#device, device: disk };
    const kernel = runKernel(this.#core, attached, () => {}, { dataRegionBase: 0, select });
    if (running?.boot.kind === "recovery") return { runs: "recovery", reset: false };
    if (!kernel.mounted) throw failure("EIO", "boot", kernel.floor.reason);
    const grant = this.#broken(kernel.grant);
    const system = { grant, generations: generations as Generations, base: undefined };
    const close = () => grant.region.close();
    this.#open = { region: grant.region, system: { ...system, baseFault: undefined, close } };
    if (running === undefined) return { runs: 0, reset: false };
    if (cut === "selected") throw new PowerCut();
    return this.#init(grant, generations as Generations, running, luck, cut);
  }

  /** The boot manager: what it selects is durable from here on, or is not the candidate. */
  #select(grant: DataGrant, generations: Generations): Running | undefined {
    this.#chosen = model.select(this.held, this.#cause).runs;
    const before = this.#parts.versions.newest;
    const answer = selectGeneration(generations, grant, this.#lastReset);
    if (answer === undefined) {
      if (this.#chosen !== "base") throw new Violation("the base floor runs alone");
      return undefined;
    }
    if (!answer.ok) throw new Violation(`early boot refuses: ${answer.reason}`);
    const running = answer.value;
    const { boot } = running;
    if (running.stray.length > 0 !== model.isBehind(before.held)) {
      throw new Violation(`stray marker files: ${running.stray}`);
    }
    if (running.token === 0n && this.#inFlight) {
      // In doubt: it was the commit that failed, so the active generation runs, uncounted.
      const code = running.log.includes("EUNKNOWN") ? "EUNKNOWN" : "EIO";
      this.#restore(generations, grant, "an early boot that failed", code);
      if (boot.id !== before.held.active && boot.kind !== "recovery") {
        throw new Violation(`${boot.kind} generation ${boot.id} runs uncounted`);
      }
      return running;
    }
    if (!this.#inFlight) this.#expectSame(model.select(this.held, this.#cause).held, generations);
    this.#ack();
    const chosen = this.#chosen === "recovery" ? 0 : this.#chosen;
    if (boot.id !== chosen) {
      throw new Violation(`${boot.kind} generation ${boot.id} runs, not ${this.#chosen}`);
    }
    return running;
  }

  /** Init: settled, judged by the name in the overlay, concluded. */
  #init(
    grant: DataGrant,
    generations: Generations,
    running: Running,
    luck: boolean,
    cut: BootStep["cut"],
  ): { runs: number; reset: boolean } {
    const runs = running.boot.id;
    const wasBehind = running.stray.length > 0 || model.isBehind(this.held);
    const settled = settleGeneration(generations, running);
    if ("failed" in settled) {
      this.#restore(generations, grant, "settling that failed", settled.failed);
    } else if (settled.healed.length > 0 && !wasBehind) {
      throw new Violation(`healed: ${settled.healed}`);
    }
    this.#ack();
    if (running.hash === undefined) throw new Violation(`generation ${runs} has no record`);
    const { hostname } = this.#parts.contents.read(grant, running.hash);
    this.#healthy = hostname.startsWith("flaky") ? luck : hostname.startsWith("good");
    this.#running = running;
    this.#cut = cut;
    const why = this.#healthy ? undefined : "its name is bad";
    const done = concludeGeneration(generations, grant, running, { why, refusedOverlay: false });
    if (done.unrecorded !== undefined)
      this.#restore(generations, grant, "a checkpoint that failed");
    this.#ack();
    if (running.token !== 0n) this.#lastToken = running.token;
    if (this.#healthy) return { runs, reset: false };
    // The machine resets itself, or its watchdog does; a boot without a token ends unseen.
    const counts = running.token !== 0n && !done.reset;
    this.#cause = counts ? ResetCause.WATCHDOG : ResetCause.CLEAN;
    this.#lastReset = { cause: this.#cause, bootSequence: generations.control.bootSequence };
    this.end(done.reset ? "close" : "cut");
    return { runs, reset: true };
  }

  #stale(): void {
    const { generations } = this.#system();
    const { held } = this;
    const { sequence, highWater, bootToken, active, candidate, ring } = generations.control;
    const hash = generations.hashOf(active) ?? new Uint8Array(32);
    const other = generations.hashOf(ring[0] ?? held.golden) ?? hash;
    const token = this.#lastToken === bootToken ? 0n : this.#lastToken;
    const tried = { boot: { id: candidate, kind: "candidate" }, hash, token, log: "" } as const;
    const running: Running = { ...tried, stray: [] };
    const soon: Requests = [
      ["an old pointer epoch", () => generations.stage(other, { pointerEpoch: highWater })],
      ["a confirmation of another boot", () => generations.confirm(running, Stage.SHELL_READY)],
      ["a good mark of another boot", () => generations.markGood(running, Stage.SHELL_READY)],
      ["a failure of another boot", () => generations.fail(running, "late", Stage.BOOTING)],
      ["a drop of what runs", () => generations.drop(active)],
    ];
    const late: Requests = [
      ["a skipped pointer epoch", () => generations.stage(other, { pointerEpoch: highWater + 2 })],
      ["an old sequence", () => generations.stage(other, { controlSequence: sequence - 1 })],
      ["an unhealthy requester", () => generations.stage(other, { healthy: false })],
      ["active content", () => generations.stage(hash)],
      ["a content that is not there", () => generations.stage(new Uint8Array(32).fill(9))],
      ["a second provisioning", () => generations.provision(hash)],
    ];
    const { writes } = this.#parts.disk;
    for (const [what, ask] of soon) if (ask().ok) throw new Violation(`${what} was accepted`);
    if (this.#parts.disk.writes !== writes) throw new Violation("a stale request has written");
    for (const [what, ask] of late) if (ask().ok) throw new Violation(`${what} was accepted`);
    if (this.#inFlight) throw new Violation("a refused request has changed boot control");
  }

  #empty(): void {
    const { store, config } = this.#system().grant;
    if (config.files.exists(BALLAST_FOLDER)) {
      config.files.rm(BALLAST_FOLDER, { recursive: true });
      config.files.sync();
    }
    const ballast = [...store.list()].filter(({ length }) => BALLAST_BYTES.includes(length));
    for (const { hash } of ballast) store.delete(hash);
    store.commit();
  }

  #options(): GenerationsOptions {
    const { random, clock } = this.#core.environment;
    const observe = (change: ControlChange) => this.#observe(change);
    return { random, clock, observe, ...this.#planted.options() };
  }

  #broken(grant: DataGrant): DataGrant {
    return this.#planted.grant(grant);
  }

  /** The system that flows work on: that of the last boot, or one that an operator opens. */
  #system(): InstalledSystem {
    if (this.#open === undefined) {
      const region = openRegion(this.#core, this.#device, false);
      const system = systemOn(region, undefined, this.#options());
      const grant = this.#broken(system.grant);
      const generations = new Generations(grant, this.#options());
      this.#open = { region, system: { ...system, grant, generations } };
      this.#ack();
    }
    return this.#open.system;
  }

  /** A commit begins: it is what the model makes of the same event, and a version of the history. */
  #observe(change: ControlChange): void {
    // The one before it was answered, or there would not be another; or it found no room.
    if (change.alone) this.#refused();
    else this.#ack();
    this.#planted.observe(change);
    if (this.#cut === "confirmed" && change.event === "promote") throw new PowerCut();
    const before = this.held;
    const next = this.#apply(change);
    const held = next && (change.alone ? model.alone(next, before) : model.whole(next));
    if (held === undefined) {
      throw new Violation(`${this.#label}: ${change.event} should be refused (${change.log})`);
    }
    const wrong = model.difference(held, change.control);
    if (wrong !== undefined) throw new Violation(`${this.#label}: ${change.event}: ${wrong}`);
    for (const hex of held.bad) this.#parts.watched.set(hex, this.#parts.contents.get(hex).hash);
    const block = encodeControl(change.control);
    this.#parts.versions.issue({ held, block }, `${this.#label}: ${change.event}`);
    this.#inFlight = true;
  }

  #apply({ event, fresh, gone, control }: ControlChange): model.Held | undefined {
    const { held } = this;
    const [content] = [...fresh.values()].map((record) => hexOf(record.manifestHash));
    const running = this.#running?.boot.id ?? 0;
    switch (event) {
      case "select":
        return model.select(held, this.#cause).held;
      case "provision":
        return content === undefined ? undefined : model.provision(held, this.#stored(content));
      case "stage":
      case "stageOld":
        return content === undefined ? undefined : model.stage(held, this.#stored(content));
      case "arm":
        return model.arm(held, control.triesLeft);
      case "cancel":
        return model.cancel(held);
      case "settle":
        return model.settle(held);
      case "confirm":
        return this.#healthy ? model.confirm(held, running) : undefined;
      case "markGood":
        return this.#healthy && running === held.active ? model.markGood(held) : undefined;
      case "promote":
        return this.#healthy && running === held.active ? model.promote(held) : undefined;
      case "fail":
        return this.#healthy ? undefined : model.fail(held);
      case "drop":
        return this.#dropped(held);
      case "forget":
        return model.forget(held, gone);
      case "heal":
        return model.heal(held);
      case "recReset":
        return model.endRecovery(held);
      case "shorten":
        return undefined;
    }
  }

  /** The next generation that nothing refers to: collect() takes them in order. */
  #dropped(held: model.Held): model.Held | undefined {
    for (const [id, { state }] of held.records) {
      const next = state === "RETIRED" ? undefined : model.drop(held, id);
      if (next !== undefined) return next;
    }
    return undefined;
  }

  /** A content that is named from now on. */
  #stored(hex: string): string {
    const { grant } = this.#system();
    this.#parts.contents.read(grant, new Uint8Array(Buffer.from(hex, "hex")));
    return hex;
  }

  #ack(): void {
    if (this.#inFlight) this.#parts.versions.ack();
    this.#inFlight = false;
  }

  #expectSame(held: model.Held, generations: Generations): void {
    const wrong = model.difference(held, generations.control);
    if (wrong !== undefined) throw new Violation(`${this.#label}: ${wrong}`);
  }

  /** A commit that was refused for want of room has changed nothing. */
  #refused(): void {
    if (this.#inFlight) this.#parts.versions.refuse(this.#label);
    this.#inFlight = false;
  }

  /** After a failed write or flush the machine restarts: both formats stand at their last commit. */
  #recover(): void {
    this.#inFlight = false;
    this.end("cut");
    const region = openRegion(this.#core, this.#device, false);
    const { files, store } = region;
    if (files === null) throw new Violation("the region has no filesystem");
    const grant = { config: { files, root: CONFIG_ROOT }, store, region, readOnly: false };
    const generations = new Generations(grant, this.#options());
    this.#restore(generations, grant, `${this.#label} that failed`);
    pullPlug(this.#parts.disk, region);
  }

  /** What the machine says is the last commit, unless that is in doubt until it restarts. */
  #restore(generations: Generations, { config }: DataGrant, label: string, code = "EIO"): void {
    if (code === "EUNKNOWN") throw failure("EUNKNOWN", "boot", `${label}.`);
    const seen = this.see(generations, config.files);
    this.#parts.versions.restore(seen.digest, label, () => seen.text);
    this.#inFlight = false;
  }

  see(generations: Generations, files: DataGrant["config"]["files"]): Seen {
    return readSeen(generations, files, this.#parts.watched);
  }
}
