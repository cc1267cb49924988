/**
 * The flows of generations on one region: provision, update, rollback, cancel, collection, recovery
 * and boots, in stories that a seed decides, with power cuts, failing flushes and writes, resets of
 * every cause and a full store. A crash leaves boot control, records and marker files of one commit,
 * at least the last one answered; every content that may run is whole; and from there on the disk
 * boots the known-good or the newly confirmed generation, with never an attempt more than armed.
 */

import { Region } from "../../../host/core/region.ts";
import { Generations } from "../../../host/system/boot/generations.ts";
import { CONFIG_ROOT } from "../../../host/system/boot/kernel.ts";
import type { SimDisk } from "../engine/disk.ts";
import { History, type Life, Violation } from "../engine/history.ts";
import { Machine } from "../engine/machine.ts";
import { mix, Random } from "../engine/random.ts";
import type { Scenario, Subject, SubjectOptions } from "../subject.ts";
import * as model from "./generations-model.ts";
import {
  Contents,
  expectSound,
  type Seen,
  type Version,
  versionDigest,
} from "./generations-reader.ts";
import { Session } from "./generations-session.ts";
import { type FlowProfile, type FlowStep, stepText, story } from "./generations-steps.ts";
import {
  expectClean,
  expectSlot,
  FILES_COPIES,
  formatRegion,
  isSuperblock,
  pullPlug,
  REGION_SECTORS,
  regionPlace,
  STORE_COPIES,
} from "./region-life.ts";
import { Versions } from "./versions.ts";

/** Steps after the boots that follow a crash: ten in an eighth of the lives and in nested ones. */
const MORE_STEPS = 10;
const FEW_STEPS = 1;
const BOOTS_MAX = 10;
const START: Version = { held: model.UNPROVISIONED, block: new Uint8Array(128) };

interface FlowScenario extends Scenario<FlowStep> {
  readonly profile: FlowProfile;
  /** Steps of the life before the recorded one. */
  readonly past: readonly FlowStep[];
}

/** Workloads that begin with a full filesystem, beside the full store. */
function isWholeFull(seed: number): boolean {
  return seed % 20 === 7;
}

export class GenerationsSubject implements Subject<FlowStep> {
  readonly name = "generations";
  readonly rules = {
    unitSectors: 8,
    isSpecial: isSuperblock,
    copies: [...STORE_COPIES, ...FILES_COPIES],
  };
  readonly #machine: Machine;
  readonly #plant: string | undefined;
  /** Every version that a crash of this scenario may leave, by its digest. */
  #versions = new Map<number, Version>();
  #contents = new Contents();
  #watched = new Map<string, Uint8Array>();

  constructor(options: SubjectOptions = {}) {
    this.#machine = new Machine(options);
    this.#plant = options.plant?.name;
  }

  scenario(seed: number): FlowScenario {
    const random = new Random(seed ^ 0x6e6e);
    const profile: FlowProfile =
      seed % 10 === 7
        ? "full"
        : random.pick(["life", "life", "failing", "failing", "collecting"] as const);
    const blockSize = seed % 8 === 3 ? 4096 : 512;
    const health = random.pick(["flaky", "flaky", "bad"] as const);
    const first: FlowStep = { kind: "provision", health: profile === "failing" ? health : "good" };
    const start = profile === "full" ? "aged" : random.pick(["blank", "young", "aged", "aged"]);
    const past: FlowStep[] = start === "blank" ? [] : [first];
    for (let round = start === "aged" ? 2 + random.below(4) : 0; round > 0; round--) {
      past.push(...story(random, profile === "full" ? "life" : profile));
    }
    // A candidate that must be tried and confirmed where nothing but boot control has room.
    if (isWholeFull(seed)) {
      past.push({ kind: "update", health: "good", attempts: 1, stageOnly: false });
    }
    // The first one may meet the flush that fails.
    const operations: FlowStep[] = start === "blank" ? [first, first] : [];
    while (operations.length < 8) operations.push(...story(random, profile));
    const fails = seed % 5;
    return {
      ...{ seed, profile, past, operations },
      title: `${profile}, ${start}, blocks of ${blockSize}`,
      shape: { sectors: REGION_SECTORS, blockSize, zeroes: random.chance(30) },
      mayRot: fails > 2,
      thin: 16,
      ...(fails < 2 ? { failFlush: 1 + random.below(16) } : {}),
      ...(fails === 2 ? { failWrite: 1 + random.below(60) } : {}),
    };
  }

  describe(step: FlowStep): string {
    return stepText(step);
  }

  place(sector: number): string {
    return regionPlace(sector);
  }

  reset(): void {
    this.#machine.scrap();
  }

  prepare(scenario: FlowScenario, disk: SimDisk): number {
    this.#versions = new Map();
    this.#contents = new Contents();
    this.#watched = new Map();
    const seed = mix(scenario.seed, 1);
    const { core, device } = this.#machine.boot(disk, seed);
    formatRegion(core, device, { files: true });
    const region = Region.open(core, device);
    region.files?.mkdir(CONFIG_ROOT, { recursive: true });
    region.close();
    const versions = new Versions(new History(versionDigest(START)), versionDigest, START);
    const session = this.#session(disk, seed, versions, this.#watched);
    for (const step of scenario.past) session.carryOut(step);
    if (scenario.profile === "full") session.fill(isWholeFull(scenario.seed));
    session.end("close");
    return this.#keep(versions.newest);
  }

  run(scenario: FlowScenario, disk: SimDisk, history: History): void {
    const start = this.#versions.get(history.digests[history.issued] as number) ?? START;
    const versions = new Versions(history, (version: Version) => this.#keep(version), start);
    const session = this.#session(disk, mix(scenario.seed, 2), versions, this.#watched);
    for (const step of scenario.operations) session.carryOut(step);
    session.end("cut");
  }

  verify(scenario: FlowScenario, disk: SimDisk, life: Life): void {
    const { core, device } = this.#machine.boot(disk, life.nonce);
    const random = new Random(life.nonce);
    // A further crash of this very life looks for its marks too.
    const watched = life.nested ? this.#watched : new Map(this.#watched);
    let session: Session | undefined;
    const digestOf = life.nested ? (it: Version) => this.#keep(it) : versionDigest;
    const versions = new Versions(life.history, digestOf, START);
    session = this.#session(disk, life.nonce, versions, watched);
    session.look = (grant, generations) => {
      const seen = session.see(generations, grant.config.files);
      life.settle(seen.digest, () => seen.text);
      const found = this.#versions.get(seen.digest);
      if (found === undefined) throw new Error("a legal version has no model");
      versions.adopt(found);
      const { info } = grant.region;
      expectSlot(disk, 0, info.storeEpoch);
      expectSlot(disk, 256, info.filesEpoch ?? 0);
      expectSound(grant, found.held, seen.control, this.#contents);
      expectClean(core, device, "after the mount", "lagging");
    };
    this.#expectBoots(session, random.chance(50));
    life.mounts += 1;
    const many = life.nested || life.nonce % 8 === 0;
    this.#goOn(scenario, session, random, many ? MORE_STEPS : FEW_STEPS);
    if (many) session.commitSome();
    session.end(random.chance(50) ? "close" : "cut");
    expectClean(core, device, "after more steps", many ? "whole" : "lagging");
    this.#lookAgain(session, disk, life, versions.newest);
  }

  /** From what a crash left: to a healthy run or to recovery, as the model says. */
  #expectBoots(session: Session, luck: boolean): void {
    let found: model.Held | undefined;
    const look = session.look;
    session.look = (grant, generations) => {
      look?.(grant, generations);
      found = session.held;
    };
    const { runs, tried } = session.boots(luck);
    if (found === undefined) throw new Violation("nothing was mounted");
    const held = found;
    const healthy = (hex: string) => {
      const { hostname } = this.#contents.get(hex);
      return hostname.startsWith("good") || (hostname.startsWith("flaky") && luck);
    };
    const isHealthy = (id: number) => healthy(model.contentOf(held, id) ?? "");
    const wanted = model.boots(held, healthy);
    if (wanted.count > BOOTS_MAX) throw new Violation(`the model needs ${wanted.count} boots`);
    const expected = wanted.runs === "base" ? 0 : wanted.runs;
    if (runs !== expected) throw new Violation(`${runs} runs in the end, not ${expected}`);
    if (tried > held.tries) throw new Violation(`${tried} runs, ${held.tries} attempts were left`);
    if (held.active === 0) return;
    // In words of the promise: the known-good, or the newly confirmed; recovery if neither can.
    const known = [held.active, held.golden].filter(isHealthy);
    const fresh = held.candidate !== 0 && held.tries > 0 && isHealthy(held.candidate);
    const may = fresh ? [held.candidate, ...known] : known;
    const { hostname } = this.#contents.get(model.contentOf(held, held.active) ?? "");
    const given = !held.recovery && hostname.startsWith("good");
    if (runs === "recovery" ? given : !may.includes(runs)) {
      throw new Violation(`${runs} runs in the end, and only ${may} may`);
    }
  }

  #goOn(scenario: FlowScenario, session: Session, random: Random, steps: number): void {
    let count = 0;
    if (session.held.active === 0) {
      count += 1;
      session.carryOut({ kind: "provision", health: "good" });
    }
    while (count < steps) {
      for (const step of story(random, scenario.profile)) {
        if (count++ >= steps) break;
        session.carryOut(step);
      }
    }
  }

  #lookAgain(session: Session, disk: SimDisk, life: Life, { held }: Version): void {
    const { core, device } = this.#machine.boot(disk, life.nonce);
    const readOnly = (life.nonce & 1) === 0;
    const region = Region.open(core, device, { readOnly });
    life.mounts += 1;
    const { files, store } = region;
    if (files === null) throw new Violation("the region has no filesystem");
    const grant = { config: { files, root: CONFIG_ROOT }, store, region, readOnly };
    const { random, clock } = core.environment;
    const generations = new Generations(grant, { random, clock });
    const seen: Seen = session.see(generations, files);
    life.expect(seen.digest, () => seen.text);
    expectSound(grant, held, seen.control, this.#contents);
    pullPlug(disk, region);
  }

  #session(
    disk: SimDisk,
    seed: number,
    versions: Versions<Version>,
    watched: Map<string, Uint8Array>,
  ): Session {
    const { contents, plant } = { contents: this.#contents, plant: this.#plant };
    return new Session({ machine: this.#machine, disk, seed, versions, contents, watched, plant });
  }

  #keep(version: Version): number {
    const digest = versionDigest(version);
    this.#versions.set(digest, version);
    return digest;
  }
}
