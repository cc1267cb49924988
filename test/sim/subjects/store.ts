/**
 * CAPOSST1: objects put, deleted, pinned, compacted and committed, in swarms that a seed decides:
 * small and large objects, a full store, both durability modes, mkfs, failing flushes and writes,
 * clean closes and restarts. A crash shows a prefix of the history, at least what was acknowledged.
 */
import type { Core } from "../../../host/core/load.ts";
import { Region } from "../../../host/core/region.ts";
import type { SimDisk } from "../engine/disk.ts";
import { type History, type Life, Violation } from "../engine/history.ts";
import { Machine } from "../engine/machine.ts";
import { mix, Random } from "../engine/random.ts";
import type { Scenario, Subject, SubjectOptions } from "../subject.ts";
import { Catalog, type Holdings, holdingsDigest, holdingsText, type Profile } from "./catalog.ts";
import {
  expectClean,
  expectSlot,
  formatRegion,
  isRefusal,
  isSuperblock,
  openIfAny,
  openRegion,
  pullPlug,
  REGION_SECTORS,
  regionPlace,
  STORE_COPIES,
} from "./region-life.ts";
import { Versions } from "./versions.ts";

const MORE_OPERATIONS = 10;
/** The digest of a disk without a region. */
const NONE = -1;

type Kind =
  | "put"
  | "many"
  | "delete"
  | "pin"
  | "unpin"
  | "commit"
  | "compact"
  | "rest"
  | "close"
  | "cut";

interface StoreOperation {
  readonly kind: Kind;
  readonly index: number;
}

interface StoreScenario extends Scenario<StoreOperation> {
  readonly profile: Profile;
  readonly each: boolean;
  readonly files: boolean;
  /** The recorded life begins with mkfs, over zeros or over what lay there. */
  readonly mkfs: "no" | "blank" | "over";
}

type Weights = readonly (readonly [Kind, number])[];

/** What an operation may be, and how often, in a workload of `profile`. */
function weightsOf(random: Random, profile: Profile): Weights {
  const some = (most: number) => random.below(most + 1);
  return [
    ["put", profile === "full" ? 12 : 6],
    ["many", some(2)],
    ["delete", some(4)],
    ["pin", some(1)],
    ["unpin", some(1)],
    ["commit", 3],
    ["compact", some(2)],
    ["rest", some(1)],
    ["close", some(1)],
    ["cut", some(1)],
  ];
}

function drawn(random: Random, weights: Weights, objects: number): StoreOperation {
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
  let left = random.below(total);
  let chosen: Kind = "commit";
  for (const [kind, weight] of weights) {
    if (left >= 0) chosen = kind;
    left -= weight;
  }
  return { kind: chosen, index: random.below(objects) };
}

type Booted = ReturnType<Machine["boot"]>;

/** One open store, its disk and what it should hold. */
class Session {
  region: Region;
  readonly versions: Versions<Holdings>;
  readonly #core: Core;
  readonly #device: number;
  readonly #disk: SimDisk;
  readonly #catalog: Catalog;
  readonly #each: boolean;

  constructor(
    machine: { readonly core: Core; readonly device: number },
    disk: SimDisk,
    region: Region,
    scenario: StoreScenario,
    catalog: Catalog,
    versions: Versions<Holdings>,
  ) {
    this.#core = machine.core;
    this.#device = machine.device;
    this.#disk = disk;
    this.region = region;
    this.#catalog = catalog;
    this.#each = scenario.each;
    this.versions = versions;
  }

  read(): Holdings {
    return this.#catalog.read(this.region.store);
  }

  /** Carries out `step`. False: the store is latched, and the life over. */
  carryOut(step: StoreOperation, label: string): boolean {
    const { versions } = this;
    const next = this.#after(step);
    // Many objects are many operations: a commit that makes room may fall between two of them.
    if (step.kind === "many") this.#issueEach(step.index, label);
    else versions.issue(next ?? versions.newest, label);
    try {
      this.#call(step);
      if (next === undefined) throw new Violation(`${label} should have been refused`);
      if (this.#each || ["commit", "close"].includes(step.kind)) versions.ack();
    } catch (error) {
      if (next === undefined && isRefusal(error, "ENOENT", "EBUSY", "EINVAL")) return true;
      if (isRefusal(error, "ENOSPC") && step.kind !== "many") versions.refuse(label);
      else if (isRefusal(error, "ENOSPC")) this.#settleRest(label);
      else if (isRefusal(error, "EIO", "ESTALE")) this.#recover(step.kind, label);
      else if (isRefusal(error, "EUNKNOWN")) return false;
      else throw error;
    }
    return true;
  }

  /** A commit that has something to commit: two of them have healed every copy. */
  commitSome(): void {
    const { newest } = this.versions;
    const absent = this.#catalog.objects.findIndex((_, index) => !newest.has(index));
    if (absent >= 0) this.carryOut({ kind: "put", index: absent }, `put object ${absent}`);
    const free = [...newest].find(([, pins]) => pins === 0)?.[0];
    if (free !== undefined) this.carryOut({ kind: "delete", index: free }, `delete object ${free}`);
    this.carryOut({ kind: "commit", index: 0 }, "commit");
  }

  /** What the store should hold after `step`; undefined if it must refuse it. */
  #after({ kind, index }: StoreOperation): Holdings | undefined {
    const now = this.versions.newest;
    const pins = now.get(index);
    const next = new Map(now);
    switch (kind) {
      case "put":
        if (pins === undefined) next.set(index, 0);
        return next;
      case "many":
        for (const one of this.#several(index)) if (!next.has(one)) next.set(one, 0);
        return next;
      case "delete":
        if (pins !== 0) return undefined;
        next.delete(index);
        return next;
      case "pin":
        return pins === undefined ? undefined : next.set(index, pins + 1);
      case "unpin":
        return pins === undefined || pins === 0 ? undefined : next.set(index, pins - 1);
      default:
        return next;
    }
  }

  #issueEach(index: number, label: string): void {
    for (const [count, one] of this.#several(index).entries()) {
      const next = new Map(this.versions.newest);
      if (!next.has(one)) next.set(one, 0);
      this.versions.issue(next, `${label}, ${count + 1} of them`);
    }
  }

  #several(index: number): number[] {
    const { length } = this.#catalog.objects;
    return [0, 1, 2, 3].map((step) => (index + step * 5) % length);
  }

  #object(index: number) {
    return this.#catalog.objects[index] as Catalog["objects"][number];
  }

  #call({ kind, index }: StoreOperation): void {
    const { store } = this.region;
    const { bytes, hash } = this.#object(index);
    switch (kind) {
      case "put":
        store.put(bytes);
        return;
      case "many":
        store.putMany(this.#several(index).map((one) => this.#object(one).bytes));
        return;
      case "delete":
        store.delete(hash);
        return;
      case "pin":
        store.pin(hash);
        return;
      case "unpin":
        store.unpin(hash);
        return;
      case "commit":
        store.commit();
        return;
      case "compact":
        store.compact();
        return;
      case "rest":
        this.region.rest();
        return;
      case "close":
        this.region.close();
        this.#open();
        return;
      case "cut":
        pullPlug(this.#disk, this.region);
        this.#open();
        this.#settle("a restart");
    }
  }

  #open(): void {
    this.region = openRegion(this.#core, this.#device, this.#each);
  }

  /** After a failed write or flush the store stands at its last durable state. */
  #recover(kind: Kind, label: string): void {
    if (kind === "close") {
      pullPlug(this.#disk, this.region);
      this.#open();
    } else this.region.store.reopen();
    this.#settle(`${label} that failed`);
  }

  /** Some of many fitted: which, the store says. */
  #settleRest(label: string): void {
    this.versions.take(holdingsDigest(this.read()), `${label}, refused in part`);
  }

  #settle(label: string): void {
    const held = this.read();
    this.versions.restore(holdingsDigest(held), label, () => holdingsText(held));
  }
}

export class StoreSubject implements Subject<StoreOperation> {
  readonly name = "store";
  readonly rules = { unitSectors: 8, isSpecial: isSuperblock, copies: STORE_COPIES };
  readonly #machine: Machine;
  readonly #catalogs = new Map<number, Catalog>();

  constructor(options: SubjectOptions = {}) {
    this.#machine = new Machine(options);
  }

  scenario(seed: number): StoreScenario {
    const random = new Random(seed);
    const profile: Profile =
      seed % 12 === 11 ? "full" : random.pick(["small", "small", "pages", "pages", "large"]);
    const each = random.chance(25);
    const files = random.chance(30);
    const mkfs = seed % 10 === 4 ? random.pick(["blank", "over"] as const) : "no";
    const blockSize = seed % 8 === 6 ? 4096 : 512;
    const weights = weightsOf(random, profile);
    const catalog = profile === "full" ? 40 : 12;
    const count = profile === "full" ? 40 : 14;
    const operations = Array.from({ length: count }, () => drawn(random, weights, catalog));
    const fails = seed % 5;
    const title = [
      `${profile} objects`,
      each ? "each durable" : "in batches",
      `blocks of ${blockSize}`,
      mkfs === "no" ? "" : `mkfs ${mkfs}`,
    ];
    return {
      ...{ seed, profile, each, files, mkfs, operations },
      title: title.filter(Boolean).join(", "),
      shape: { sectors: REGION_SECTORS, blockSize, zeroes: random.chance(30) },
      mayRot: mkfs === "no" && fails > 2,
      ...(fails < 2 ? { failFlush: 1 + random.below(12) } : {}),
      ...(fails === 2 ? { failWrite: 1 + random.below(40) } : {}),
      ...(profile === "full" ? { thin: 8 } : each ? { thin: 4 } : {}),
    };
  }

  describe({ kind, index }: StoreOperation): string {
    if (["put", "delete", "pin", "unpin"].includes(kind)) return `${kind} object ${index}`;
    return kind === "many" ? `put four objects from ${index}` : kind;
  }

  place(sector: number): string {
    return regionPlace(sector);
  }

  reset(): void {
    this.#machine.scrap();
  }

  prepare(scenario: StoreScenario, disk: SimDisk): number {
    if (scenario.mkfs === "blank") return NONE;
    const { core, device } = this.#machine.boot(disk, mix(scenario.seed, 1));
    formatRegion(core, device, { files: scenario.files });
    const region = Region.open(core, device);
    const held = this.#age(scenario, region);
    // Half wiped by mkfs, or with a copy rotten, it may fall back to the commit before, which the
    // history does not know: both hold the same.
    const fallsBack = scenario.mkfs === "over" || scenario.mayRot === true;
    for (let count = 0; fallsBack && count < 2; count++) {
      region.store.delete(region.store.put(new Uint8Array([count, 2, 3])));
      region.store.commit();
    }
    region.close();
    return holdingsDigest(held);
  }

  /** Gives a fresh store a past, so that what it frees is soon used again. */
  #age(scenario: StoreScenario, { store }: Region): Holdings {
    const { objects } = this.#catalog(scenario);
    const held: Holdings = new Map();
    const random = new Random(scenario.seed ^ 0xa6e);
    const rounds = scenario.profile === "full" ? 6 : random.pick([0, 8, 20, 45]);
    for (let round = 0; round < rounds; round++) {
      const index = random.below(objects.length);
      const { bytes, hash } = objects[index] as (typeof objects)[number];
      if (held.has(index)) store.delete(hash);
      else store.put(bytes);
      if (!held.delete(index)) held.set(index, 0);
      if (random.chance(70)) store.commit();
    }
    return held;
  }

  run(scenario: StoreScenario, disk: SimDisk, history: History): void {
    const machine = this.#machine.boot(disk, mix(scenario.seed, 2));
    if (scenario.mkfs !== "no" && !this.#mkfs(scenario, machine, history)) return;
    const session = this.#session(scenario, disk, machine, history);
    for (const step of scenario.operations) {
      if (session.carryOut(step, this.describe(step))) continue;
      pullPlug(disk, session.region);
      return;
    }
    const held = session.read();
    if (holdingsDigest(held) !== holdingsDigest(session.versions.newest)) {
      throw new Violation(`the store holds ${holdingsText(held)} at the end`);
    }
    pullPlug(disk, session.region);
  }

  verify(scenario: StoreScenario, disk: SimDisk, life: Life): void {
    const machine = this.#machine.boot(disk, life.nonce);
    const { core, device } = machine;
    const durability = scenario.each ? "each" : "batch";
    const found = openIfAny(core, device, { durability });
    life.mounts += 1;
    const region = this.#whole(scenario, machine, disk, found, life);
    const session = this.#attach(scenario, disk, machine, region, life);
    const random = new Random(life.nonce);
    const weights = weightsOf(random, scenario.profile);
    const { length } = this.#catalog(scenario).objects;
    for (let index = 0; index < MORE_OPERATIONS; index++) {
      const step = drawn(random, weights, length);
      const kind = step.kind === "close" || step.kind === "cut" ? "put" : step.kind;
      const kept = { ...step, kind };
      session.carryOut(kept, this.describe(kept));
      if (index === 4 || index === 9) session.commitSome();
    }
    if (random.chance(50)) region.close();
    else pullPlug(disk, region);
    expectClean(core, device, "after ten more operations", "whole");
    const again = Region.open(core, device, { readOnly: random.chance(50) });
    life.mounts += 1;
    const held = this.#catalog(scenario).read(again.store);
    life.expect(holdingsDigest(held), () => holdingsText(held));
    pullPlug(disk, again);
  }

  /** Settles what a mounted region holds, checks all of it, and goes on from there. */
  #attach(
    scenario: StoreScenario,
    disk: SimDisk,
    machine: Booted,
    region: Region,
    life: Life,
  ): Session {
    const catalog = this.#catalog(scenario);
    const held = catalog.read(region.store);
    const fresh = Number.isNaN(life.found);
    if (fresh) life.settle(holdingsDigest(held), () => holdingsText(held));
    else life.expect(holdingsDigest(held), () => holdingsText(held));
    expectSlot(disk, 0, region.info.storeEpoch);
    expectClean(machine.core, machine.device, "after the mount", "lagging");
    const versions = new Versions(life.history, holdingsDigest, held);
    return new Session(machine, disk, region, scenario, catalog, versions);
  }

  /**
   * The region found, if there is one. There is none, or the old one half wiped, only in the middle
   * of mkfs, which is then done again.
   */
  #whole(
    scenario: StoreScenario,
    { core, device }: Booted,
    disk: SimDisk,
    found: Region | undefined,
    life: Life,
  ): Region {
    if (found === undefined) life.settle(NONE, () => "no region", false);
    else {
      const held = scenario.mkfs === "over" ? this.#catalog(scenario).read(found.store) : undefined;
      if (held === undefined || held.size === 0 || !life.mayBeStart()) return found;
      life.settle(holdingsDigest(held), () => holdingsText(held), false);
      pullPlug(disk, found);
    }
    life.history.issue(holdingsDigest(new Map()), "mkfs");
    formatRegion(core, device, { files: scenario.files });
    life.history.ack();
    return openRegion(core, device, scenario.each);
  }

  #mkfs(scenario: StoreScenario, { core, device }: Booted, history: History): boolean {
    history.issue(NONE, "mkfs");
    history.issue(holdingsDigest(new Map()), "mkfs, a store");
    try {
      formatRegion(core, device, { files: scenario.files });
    } catch (error) {
      if (isRefusal(error, "EIO", "EUNKNOWN")) return false;
      throw error;
    }
    history.ack();
    return true;
  }

  #session(scenario: StoreScenario, disk: SimDisk, machine: Booted, history: History): Session {
    const region = openRegion(machine.core, machine.device, scenario.each);
    const catalog = this.#catalog(scenario);
    const held = catalog.read(region.store);
    const versions = new Versions(history, holdingsDigest, held);
    if (holdingsDigest(held) !== history.digests[history.issued]) {
      throw new Violation(`the workload starts with ${holdingsText(held)}`);
    }
    return new Session(machine, disk, region, scenario, catalog, versions);
  }

  #catalog({ seed, profile }: StoreScenario): Catalog {
    let catalog = this.#catalogs.get(seed);
    if (catalog === undefined) {
      this.#catalogs.clear();
      catalog = new Catalog(seed, profile);
      this.#catalogs.set(seed, catalog);
    }
    return catalog;
  }
}
