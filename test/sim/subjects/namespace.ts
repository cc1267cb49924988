/**
 * The persistent namespace over CAPOSWF1: names bound, bound again and unbound, each durable when
 * the call returns, with clean closes and restarts between. A crash shows the bindings of a prefix,
 * at least what was acknowledged, and no version comes twice.
 */
import type { Region } from "../../../host/core/region.ts";
import { DirectoryBindings } from "../../../host/system/caps/bindings.ts";
import { DirectoryCap } from "../../../host/system/caps/directory.ts";
import { NamespaceCap } from "../../../host/system/caps/namespace.ts";
import { type Outcome, unwrap } from "../../../host/system/caps/outcome.ts";
import { FilesTree } from "../../../host/system/caps/tree/files.ts";
import type { SimDisk } from "../engine/disk.ts";
import { type History, type Life, Violation } from "../engine/history.ts";
import { Machine } from "../engine/machine.ts";
import { Digest, mix, Random } from "../engine/random.ts";
import type { Scenario, Subject, SubjectOptions } from "../subject.ts";
import {
  expectClean,
  FILES_COPIES,
  formatRegion,
  isSuperblock,
  openRegion,
  pullPlug,
  REGION_SECTORS,
  regionPlace,
} from "./region-life.ts";
import { Versions } from "./versions.ts";

const PLACE = "names";
const NAMES = ["a", "b", "a/b", "gen/active", "gen/candidate", "ä"];
const OPERATIONS = 8;
const MORE_OPERATIONS = 10;

type Change =
  | { readonly kind: "bind"; readonly name: string; readonly seed: number }
  | { readonly kind: "unbind"; readonly name: string };
type Step = Change | { readonly kind: "close" } | { readonly kind: "cut" };

interface Bound {
  readonly seed: number;
  readonly version: number;
}

type Booted = ReturnType<Machine["boot"]>;

/** What should be bound, and the last version given out. */
class Model {
  readonly bound: ReadonlyMap<string, Bound>;
  readonly version: number;

  constructor(bound: ReadonlyMap<string, Bound> = new Map(), version = 0) {
    this.bound = bound;
    this.version = version;
  }

  /** After `step`; undefined: it is refused. */
  apply(step: Step): Model | undefined {
    const bound = new Map(this.bound);
    if (step.kind === "bind") {
      const version = this.version + 1;
      return new Model(bound.set(step.name, { seed: step.seed, version }), version);
    }
    if (step.kind !== "unbind") return this;
    return bound.delete(step.name) ? new Model(bound, this.version) : undefined;
  }

  digest(): number {
    const digest = new Digest().number(this.version);
    for (const name of [...this.bound.keys()].sort()) {
      const { seed, version } = this.bound.get(name) as Bound;
      digest.text(name).number(seed).number(version);
    }
    return digest.value();
  }
}

/** One mounted namespace, its disk and what it should hold. */
class Session {
  region: Region;
  names: NamespaceCap;
  readonly versions: Versions<Model>;
  readonly #booted: Booted;
  readonly #disk: SimDisk;
  readonly #synced: boolean;

  constructor(
    booted: Booted,
    disk: SimDisk,
    region: Region,
    versions: Versions<Model>,
    synced: boolean,
  ) {
    this.#booted = booted;
    this.#disk = disk;
    this.#synced = synced;
    this.region = region;
    this.versions = versions;
    this.names = namesOf(region, synced);
  }

  carryOut(step: Step): void {
    if (step.kind === "bind" || step.kind === "unbind") this.#change(step);
    else {
      if (step.kind === "close") this.region.close();
      else pullPlug(this.#disk, this.region);
      this.region = openRegion(this.#booted.core, this.#booted.device, false);
      this.names = namesOf(this.region, this.#synced);
      if (reading(this.region).digest !== this.versions.newest.digest()) {
        throw new Violation(`after a ${step.kind} there is ${reading(this.region).text}`);
      }
    }
  }

  #change(step: Change): void {
    const label = stepText(step);
    const { newest } = this.versions;
    const next = newest.apply(step);
    this.versions.issue(next ?? newest, label);
    const outcome: Outcome<unknown> =
      step.kind === "unbind"
        ? this.names.unbind(step.name)
        : this.names.bind(step.name, hashOf(step.seed), expected(newest, step.name));
    const word = outcome.ok ? "ok" : outcome.code;
    if (word !== (next === undefined ? "not-found" : "ok")) {
      throw new Violation(`${label} came to ${word}`);
    }
    this.versions.ack();
  }
}

function expected(model: Model, name: string): { readonly expected: number } {
  return { expected: model.bound.get(name)?.version ?? 0 };
}

function hashOf(seed: number): Uint8Array {
  return new Random(seed).bytes(32);
}

/** `synced` false is the planted bug: the filesystem is never asked to commit. */
function namesOf(region: Region, synced: boolean): NamespaceCap {
  const { files } = region;
  if (files === null) throw new Violation("the region has no filesystem");
  const tree = new FilesTree(files);
  if (!synced) tree.sync = () => {};
  const directory = unwrap(DirectoryCap.over(tree, { path: PLACE }), "open");
  return NamespaceCap.over(new DirectoryBindings(directory));
}

/** What is bound and the last version given out, as the model's digest and as text. */
function reading(region: Region): { digest: number; text: string } {
  const names = namesOf(region, true);
  const counter = `/${PLACE}/\\version`;
  const last = region.files?.exists(counter) ? region.files.readFile(counter)[1] : 0;
  const digest = new Digest().number(last as number);
  const list = [...unwrap(names.list(), "list")].sort((a, b) => (a.name < b.name ? -1 : 1));
  const texts: string[] = [];
  for (const { name, hash, version } of list) {
    const seed = seedOf(hash);
    digest.text(name).number(seed).number(version);
    texts.push(`${name} = ${seed} (${version})`);
  }
  return {
    digest: digest.value(),
    text: `${texts.join(", ") || "nothing bound"}, last version ${last}`,
  };
}

const SEEDS = 64;
const SEED_OF_HASH = new Map(
  Array.from({ length: SEEDS }, (_, seed) => [hashOf(seed).join(), seed] as const),
);

function seedOf(hash: Uint8Array): number {
  const seed = SEED_OF_HASH.get(hash.join());
  if (seed === undefined) throw new Violation("a name is bound to a hash that nobody bound");
  return seed;
}

function drawn(random: Random): Step {
  const name = random.pick(NAMES);
  const kind = random.below(10);
  if (kind < 6) return { kind: "bind", name, seed: random.below(SEEDS) };
  if (kind < 9) return { kind: "unbind", name };
  return { kind: random.pick(["close", "cut"]) as "close" | "cut" };
}

function stepText(step: Step): string {
  if (step.kind === "bind") return `bind ${step.name} to ${step.seed}`;
  return step.kind === "unbind" ? `unbind ${step.name}` : step.kind;
}

export class NamespaceSubject implements Subject<Step> {
  readonly name = "namespace";
  readonly rules = { unitSectors: 8, isSpecial: isSuperblock, copies: FILES_COPIES };
  readonly #machine: Machine;
  readonly #synced: boolean;
  #models = new Map<number, Model>();
  #modelsOf = -1;

  constructor(options: SubjectOptions = {}) {
    this.#machine = new Machine(options);
    this.#synced = options.plant?.name !== "names-unsynced";
  }

  scenario(seed: number): Scenario<Step> {
    const random = new Random(seed ^ 0x4a3e5);
    const operations = Array.from({ length: OPERATIONS }, () => drawn(random));
    const shape = { sectors: REGION_SECTORS, blockSize: seed % 4 === 1 ? 4096 : 512, zeroes: true };
    return { seed, operations, shape, title: "names", thin: 4 } as Scenario<Step>;
  }

  describe(step: Step): string {
    return stepText(step);
  }

  place(sector: number): string {
    return regionPlace(sector);
  }

  reset(): void {
    this.#machine.scrap();
  }

  prepare(scenario: Scenario<Step>, disk: SimDisk): number {
    if (this.#modelsOf !== scenario.seed) this.#models = new Map();
    this.#modelsOf = scenario.seed;
    const { core, device } = this.#machine.boot(disk, mix(scenario.seed, 1));
    formatRegion(core, device, { files: true });
    const region = openRegion(core, device, false);
    region.files?.mkdir(`/${PLACE}`);
    let model = new Model();
    const names = namesOf(region, true);
    const random = new Random(scenario.seed);
    for (let count = random.below(6); count > 0; count--) {
      const step = { kind: "bind", name: random.pick(NAMES), seed: random.below(SEEDS) } as const;
      unwrap(names.bind(step.name, hashOf(step.seed)), "bind");
      model = model.apply(step) as Model;
    }
    // Where a copy rots it may fall back to the commit before: both hold the same.
    for (let count = 0; count < 2; count++) {
      region.files?.setControl(new Uint8Array(128).fill(count));
      region.files?.sync();
    }
    region.close();
    return this.#keep(model);
  }

  run(scenario: Scenario<Step>, disk: SimDisk, history: History): void {
    const booted = this.#machine.boot(disk, mix(scenario.seed, 2));
    const region = openRegion(booted.core, booted.device, false);
    const model = this.#models.get(history.digests[history.issued] as number) ?? new Model();
    const versions = new Versions(history, (held: Model) => this.#keep(held), model);
    const session = new Session(booted, disk, region, versions, this.#synced);
    for (const step of scenario.operations) session.carryOut(step);
    pullPlug(disk, session.region);
  }

  verify(_scenario: Scenario<Step>, disk: SimDisk, life: Life): void {
    const booted = this.#machine.boot(disk, life.nonce);
    const region = openRegion(booted.core, booted.device, false);
    life.mounts += 1;
    const held = reading(region);
    if (Number.isNaN(life.found)) life.settle(held.digest, () => held.text);
    else life.expect(held.digest, () => held.text);
    const digest = life.history.digests[life.history.issued] as number;
    const model = this.#models.get(digest);
    if (model === undefined) throw new Error("a legal version has no model");
    const keep = (made: Model) => (life.nested ? this.#keep(made) : made.digest());
    const versions = new Versions(life.history, keep, model);
    const session = new Session(booted, disk, region, versions, this.#synced);
    const random = new Random(life.nonce);
    for (let count = 0; count < MORE_OPERATIONS; count++) {
      const step = drawn(random);
      if (step.kind === "bind" || step.kind === "unbind") session.carryOut(step);
    }
    if (random.chance(50)) session.region.close();
    else pullPlug(disk, session.region);
    const again = openRegion(booted.core, booted.device, false);
    life.mounts += 1;
    const later = reading(again);
    life.expect(later.digest, () => later.text);
    expectClean(booted.core, booted.device, "after ten more operations", "lagging");
    pullPlug(disk, again);
  }

  #keep(model: Model): number {
    const digest = model.digest();
    this.#models.set(digest, model);
    return digest;
  }
}
