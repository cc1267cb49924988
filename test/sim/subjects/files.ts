/**
 * CAPOSWF1 beside a store: files, directories, links, attributes, records of the system and the
 * control block changed in swarms that a seed decides, with commits, clean closes, restarts, mkfs,
 * failing flushes and writes, and a full region. A crash shows a prefix of the history, at least
 * what was acknowledged.
 */

import type { FileSystem } from "../../../host/core/files.ts";
import type { Core } from "../../../host/core/load.ts";
import { Region } from "../../../host/core/region.ts";
import type { SimDisk } from "../engine/disk.ts";
import { type History, type Life, Violation } from "../engine/history.ts";
import { Machine } from "../engine/machine.ts";
import { mix, Random } from "../engine/random.ts";
import type { Scenario, Subject, SubjectOptions } from "../subject.ts";
import { drawnOperation, type FilesProfile, type FilesStep, stepText } from "./files-swarm.ts";
import {
  expectClean,
  expectSlot,
  FILES_COPIES,
  formatRegion,
  isRefusal,
  isSuperblock,
  openIfAny,
  openRegion,
  pullPlug,
  REGION_SECTORS,
  regionPlace,
} from "./region-life.ts";
import { changeRecord } from "./system-records.ts";
import {
  contentOf,
  DIRECTORY_MODE,
  FILE_MODE,
  type FileOperation,
  TreeModel,
} from "./tree-model.ts";
import { type Reading, readTree } from "./tree-reader.ts";
import { Versions } from "./versions.ts";

const MORE_OPERATIONS = 10;
/** The digest of a disk without a region, and of one with a store alone. */
const NONE = -1;
const STORE_ONLY = -2;
/** What the store beside the files is given, to have something to commit. */
const TRIFLE = new Uint8Array([1, 2, 3]);
const REFUSALS = [
  ...["ENOENT", "EEXIST", "ENOTDIR", "EISDIR", "ENOTEMPTY", "EINVAL", "EPERM", "ENODATA", "EBUSY"],
];

interface FilesScenario extends Scenario<FilesStep> {
  readonly profile: FilesProfile;
  readonly each: boolean;
  readonly mkfs: "no" | "blank" | "over";
}

type Booted = { readonly core: Core; readonly device: number };

/** One mounted filesystem, its disk and what it should hold. */
class Session {
  region: Region;
  readonly versions: Versions<TreeModel>;
  readonly #booted: Booted;
  readonly #disk: SimDisk;
  readonly #each: boolean;

  constructor(
    booted: Booted,
    disk: SimDisk,
    region: Region,
    each: boolean,
    versions: Versions<TreeModel>,
  ) {
    this.#booted = booted;
    this.#disk = disk;
    this.region = region;
    this.#each = each;
    this.versions = versions;
  }

  get files(): FileSystem {
    return filesOf(this.region);
  }

  /** Carries out `step`. False: the filesystem is latched, and the life over. */
  carryOut(step: FilesStep, label: string): boolean {
    const { versions } = this;
    if (isOpenQuestion(step, versions.newest)) return true;
    const next = isChange(step) ? versions.newest.apply(step) : versions.newest;
    versions.issue(next ?? versions.newest, label);
    try {
      this.#call(step);
      if (next === undefined) throw new Violation(`${label} should have been refused`);
      const commits = step.kind === "sync" || step.kind === "close";
      if (commits || (this.#each && isChange(step))) versions.ack();
    } catch (error) {
      if (next === undefined && isRefusal(error, ...REFUSALS)) return true;
      if (isRefusal(error, "ENOSPC")) versions.refuse(label);
      else if (isRefusal(error, "EIO", "ESTALE")) this.#recover(label);
      else if (isRefusal(error, "EUNKNOWN")) return false;
      else throw error;
    }
    return true;
  }

  /** Commits of both formats that have something to commit: two of each have healed every copy. */
  commitSome(seed: number): void {
    const step = { kind: "control", seed } as const;
    this.carryOut(step, stepText(step));
    const { store } = this.region;
    const hash = store.put(TRIFLE);
    store.commit();
    store.delete(hash);
    store.commit();
    this.carryOut({ kind: "sync" }, "sync");
  }

  #call(step: FilesStep): void {
    switch (step.kind) {
      case "sync":
        this.files.sync();
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
        return;
      default:
        change(this.files, step);
        if (this.#each) this.files.sync();
    }
  }

  #open(): void {
    this.region = openRegion(this.#booted.core, this.#booted.device, false);
  }

  /** After a failed write or flush the filesystem stands at its last durable state. */
  #recover(label: string): void {
    pullPlug(this.#disk, this.region);
    this.#open();
    this.#settle(`${label} that failed`);
  }

  #settle(label: string): void {
    const held = readTree(this.files);
    this.versions.restore(held.digest, label, () => held.text);
  }
}

function isChange(step: FilesStep): step is FileOperation {
  return !["sync", "rest", "close", "cut"].includes(step.kind);
}

function filesOf({ files }: Region): FileSystem {
  if (files === null) throw new Violation("the region has no filesystem");
  return files;
}

type Calls = {
  readonly [Kind in FileOperation["kind"]]: (
    files: FileSystem,
    step: Extract<FileOperation, { readonly kind: Kind }>,
  ) => void;
};

const CALLS: Calls = {
  create: (files, { path }) => files.close(files.open(path, "wx", FILE_MODE)),
  write: (files, { path, seed, length, at }) => {
    const file = files.open(path, "r+");
    try {
      const written = files.write(file, contentOf(seed, length), 0, length, at);
      if (written !== length) throw new Violation(`${written} of ${length} bytes written`);
    } finally {
      files.close(file);
    }
  },
  truncate: (files, { path, length }) => files.truncate(path, length),
  unlink: (files, { path }) => files.unlink(path),
  mkdir: (files, { path }) => {
    files.mkdir(path, DIRECTORY_MODE);
  },
  rmdir: (files, { path }) => files.rmdir(path),
  rename: (files, { path, to }) => files.rename(path, to),
  link: (files, { path, to }) => files.link(path, to),
  symlink: (files, { path, target }) => files.symlink(target, path),
  chmod: (files, { path, value }) => files.chmod(path, value & 0o777),
  chown: (files, { path, value }) => files.chown(path, value, value),
  utimes: (files, { path, value }) => files.utimes(path, value, value),
  xattr: (files, { path, name, length }) => {
    if (length === 0) files.removeXattr(path, name);
    else files.setXattr(path, name, contentOf(length, length));
  },
  control: (files, { seed }) => files.setControl(contentOf(seed, 128)),
  record: (files, operation) => changeRecord(files.records, operation),
};

/** Whether a symbolic link can have a second name is left open. */
function isOpenQuestion(step: FilesStep, model: TreeModel): boolean {
  return step.kind === "link" && model.paths.get(step.path)?.type === "symlink";
}

/** The calls of the filesystem that carry out `step`. */
function change(files: FileSystem, step: FileOperation): void {
  const call = CALLS[step.kind] as (files: FileSystem, step: FileOperation) => void;
  call(files, step);
}

/** Formats with both, which passes through no region and a store alone. */
function mkfs({ core, device }: Booted, history: History): boolean {
  history.issue(NONE, "mkfs");
  history.issue(STORE_ONLY, "mkfs, a store");
  history.issue(new TreeModel().digest(), "mkfs, both");
  try {
    formatRegion(core, device, { files: true });
  } catch (error) {
    if (isRefusal(error, "EIO", "EUNKNOWN")) return false;
    throw error;
  }
  history.ack();
  return true;
}

/**
 * The mounted region. In the middle of mkfs, where there is none yet, a store alone, or the old one
 * half wiped, that is done again.
 */
function mounted(
  scenario: FilesScenario,
  found: Region | undefined,
  booted: Booted,
  disk: SimDisk,
  life: Life,
): Region {
  const whole = scenario.mkfs !== "over" || !life.mayBeStart();
  if (found?.files && whole) return found;
  if (found === undefined) life.settle(NONE, () => "no region", false);
  else {
    const held = found.files === null ? undefined : readTree(found.files);
    life.settle(held?.digest ?? STORE_ONLY, () => held?.text ?? "a store alone", false);
    pullPlug(disk, found);
  }
  mkfs(booted, life.history);
  return Region.open(booted.core, booted.device);
}

/** Gives a fresh filesystem a past, so that what it frees is soon used again. */
function age({ seed, profile }: FilesScenario, files: FileSystem): TreeModel {
  const random = new Random(seed ^ 0xa6e);
  let model = new TreeModel();
  const rounds = profile === "full" ? 6 : random.pick([0, 8, 20, 45]);
  for (let round = 0; round < rounds; round++) {
    const step = drawnOperation(random, profile, model);
    const next = isChange(step) ? model.apply(step) : undefined;
    if (!isChange(step) || next === undefined) files.sync();
    else {
      change(files, step);
      model = next;
    }
  }
  return model;
}

export class FilesSubject implements Subject<FilesStep> {
  readonly name = "files";
  readonly rules = { unitSectors: 8, isSpecial: isSuperblock, copies: FILES_COPIES };
  readonly #machine: Machine;
  /** Every version that a crash of this scenario may leave, by its digest. */
  #models = new Map<number, TreeModel>();
  #modelsOf = -1;

  constructor(options: SubjectOptions = {}) {
    this.#machine = new Machine(options);
  }

  scenario(seed: number): FilesScenario {
    const random = new Random(seed ^ 0xf11e5);
    const full = seed % 12 === 7;
    const usual = random.pick<FilesProfile>(["names", "small", "small", "pages"]);
    const profile = full ? "full" : seed % 12 === 3 ? "churn" : usual;
    const each = random.chance(20);
    const mkfs = seed % 10 === 5 ? random.pick(["blank", "over"] as const) : "no";
    const blockSize = seed % 8 === 1 ? 4096 : 512;
    const operations: FilesStep[] = [];
    let model = new TreeModel();
    for (let index = 0; index < (full ? 40 : 18); index++) {
      const step = drawnOperation(random, profile, model);
      if (isChange(step)) model = model.apply(step) ?? model;
      operations.push(step);
    }
    const fails = seed % 5;
    const title = [profile, each ? "each durable" : "", `blocks of ${blockSize}`];
    title.push(mkfs === "no" ? "" : `mkfs ${mkfs}`);
    return {
      ...{ seed, profile, each, mkfs, operations, title: title.filter(Boolean).join(", ") },
      shape: { sectors: REGION_SECTORS, blockSize, zeroes: random.chance(30) },
      mayRot: mkfs === "no" && fails > 2,
      ...(fails < 2 ? { failFlush: 1 + random.below(12) } : {}),
      ...(fails === 2 ? { failWrite: 1 + random.below(40) } : {}),
      ...(full ? { thin: 8 } : each ? { thin: 4 } : {}),
    };
  }

  describe(step: FilesStep): string {
    return stepText(step);
  }

  place(sector: number): string {
    return regionPlace(sector);
  }

  reset(): void {
    this.#machine.scrap();
  }

  prepare(scenario: FilesScenario, disk: SimDisk): number {
    if (this.#modelsOf !== scenario.seed) this.#models = new Map();
    this.#modelsOf = scenario.seed;
    const empty = new TreeModel();
    this.#keep(empty);
    if (scenario.mkfs === "blank") return NONE;
    const { core, device } = this.#machine.boot(disk, mix(scenario.seed, 1));
    formatRegion(core, device, { files: true });
    const region = Region.open(core, device);
    const model = age(scenario, filesOf(region));
    // Half wiped by mkfs, or with a copy rotten, it may fall back to the commit before, which the
    // history does not know: both hold the same.
    const fallsBack = scenario.mkfs === "over" || scenario.mayRot === true;
    for (let count = 0; fallsBack && count < 2; count++) {
      filesOf(region).setControl(model.control);
      filesOf(region).sync();
    }
    region.close();
    return this.#keep(model);
  }

  run(scenario: FilesScenario, disk: SimDisk, history: History): void {
    const booted = this.#machine.boot(disk, mix(scenario.seed, 2));
    if (scenario.mkfs !== "no" && !mkfs(booted, history)) return;
    const region = openRegion(booted.core, booted.device, false);
    const model = this.#models.get(history.digests[history.issued] as number) ?? new TreeModel();
    const versions = new Versions(history, (held: TreeModel) => this.#keep(held), model);
    const start = readTree(filesOf(region));
    if (start.digest !== model.digest()) {
      throw new Violation(`the workload starts with ${start.text}`);
    }
    const session = new Session(booted, disk, region, scenario.each, versions);
    for (const step of scenario.operations) {
      if (session.carryOut(step, stepText(step))) continue;
      pullPlug(disk, session.region);
      return;
    }
    const held = readTree(session.files);
    if (held.digest !== versions.newest.digest()) {
      const wanted = versions.newest.describe();
      throw new Violation(`at the end there is ${held.text}, and should be ${wanted}`);
    }
    pullPlug(disk, session.region);
  }

  verify(scenario: FilesScenario, disk: SimDisk, life: Life): void {
    const booted = this.#machine.boot(disk, life.nonce);
    const { core, device } = booted;
    const region = mounted(scenario, openIfAny(core, device, {}), booted, disk, life);
    life.mounts += 1;
    const held = readTree(filesOf(region));
    if (Number.isNaN(life.found)) life.settle(held.digest, () => held.text);
    else life.expect(held.digest, () => held.text);
    expectSlot(disk, 256, region.info.filesEpoch ?? 0);
    expectClean(core, device, "after the mount", "lagging");
    this.#goOn(scenario, booted, disk, region, life);
    expectClean(core, device, "after ten more operations", "whole");
    const again = Region.open(core, device, { readOnly: (life.nonce & 1) === 0 });
    life.mounts += 1;
    const damage = filesOf(again).check();
    if (damage.length > 0) {
      const words = damage.map(({ reason, path, ino }) => `${reason} of ${path ?? ino}`);
      throw new Violation(`the files are damaged: ${words.join("; ")}`);
    }
    const later: Reading = readTree(filesOf(again));
    life.expect(later.digest, () => later.text);
    pullPlug(disk, again);
  }

  /** Ten more operations, from the model of what was found. */
  #goOn(scenario: FilesScenario, booted: Booted, disk: SimDisk, region: Region, life: Life): void {
    const random = new Random(life.nonce);
    const digest = life.history.digests[life.history.issued] as number;
    const model = this.#models.get(digest);
    if (model === undefined) throw new Error("a legal version has no model");
    const digestOf = life.nested
      ? (held: TreeModel) => this.#keep(held)
      : (held: TreeModel) => held.digest();
    const versions = new Versions(life.history, digestOf, model);
    const session = new Session(booted, disk, region, scenario.each, versions);
    for (let index = 0; index < MORE_OPERATIONS; index++) {
      const drawn = drawnOperation(random, scenario.profile, versions.newest);
      const quiet = drawn.kind === "close" || drawn.kind === "cut";
      const step = quiet ? ({ kind: "sync" } as const) : drawn;
      session.carryOut(step, stepText(step));
      if (index === 4 || index === 9) session.commitSome(random.next());
    }
    if (random.chance(50)) region.close();
    else pullPlug(disk, region);
  }

  #keep(model: TreeModel): number {
    const digest = model.digest();
    this.#models.set(digest, model);
    return digest;
  }
}
