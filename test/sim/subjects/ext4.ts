/**
 * Changes of an ext4 volume that is there: files put and replaced, directories, links, renames and
 * removals, each few of them one transaction. After a cut the tree is that of the last commit or,
 * whole, that of the one in flight, and a check finds nothing.
 */
import { StorageError } from "../../../host/base/errors.ts";
import { Ext4Volume } from "../../../host/core/media/ext4.ts";
import type { MediaCore } from "../../../host/core/media/load.ts";
import {
  changeModel,
  changeVolume,
  type Ext4Step,
  type ModelTree,
  picture,
  type StepOf,
  treeOf,
} from "../../support/ext4-model.ts";
import { goldenExt4 } from "../../support/ext4-read.ts";
import type { SimDisk } from "../engine/disk.ts";
import { type History, type Life, Violation } from "../engine/history.ts";
import { mediaMachine } from "../engine/machine.ts";
import { Digest, Random } from "../engine/random.ts";
import type { Scenario, Subject, SubjectOptions } from "../subject.ts";

const SECTOR = 512;
const OPERATIONS = 14;
const MORE_OPERATIONS = 10;
/** Blocks of 4 KiB with a journal under checksums, or of 1 KiB without any, in two groups. */
const VOLUMES = ["bare4", "bare1"] as const;
const BLOCK_BYTES = { bare4: 4096, bare1: 1024 } as const;
type VolumeName = (typeof VOLUMES)[number];
/** An instance whose arena has grown past this is replaced. */
const ARENA_MAX = 96 << 20;

type Operation = Ext4Step | StepOf<"sync" | "reopen">;

interface Ext4Scenario extends Scenario<Operation> {
  readonly volume: VolumeName;
}

const NAMES = ["a", "b", "long-name-of-a-file", "d"];

function pathOf(random: Random): string {
  const depth = random.chance(40) ? 2 : 1;
  return Array.from({ length: depth }, () => `/${random.pick(NAMES)}`).join("");
}

function operation(random: Random): Operation {
  const path = pathOf(random);
  const kind = random.below(100);
  if (kind < 38) {
    const bytes = random.pick([random.below(200), random.below(9000), random.below(60_000)]);
    return { op: "put", path, bytes, seed: random.next() };
  }
  if (kind < 48) return { op: "mkdirs", path };
  if (kind < 54) return { op: "symlink", path, target: "t".repeat(1 + random.below(100)) };
  if (kind < 66) return { op: "removeAll", path };
  if (kind < 78) return { op: "rename", path, to: pathOf(random) };
  return { op: kind < 96 ? "sync" : "reopen", path: "" };
}

function digestOf(tree: ModelTree): number {
  const digest = new Digest();
  for (const line of picture(tree)) digest.text(line);
  return digest.value();
}

/** A volume that is open, and the tree that it should have. */
class Session {
  tree: ModelTree;
  readonly #media: MediaCore;
  readonly #device: number;
  #volume: Ext4Volume;

  constructor(media: MediaCore, device: number) {
    this.#media = media;
    this.#device = device;
    this.#volume = Ext4Volume.openForChange(media, device);
    this.tree = this.read();
  }

  /** The tree on the volume, which a check finds nothing wrong with. */
  read(): ModelTree {
    const damage = this.#volume.check().filter(({ isAdvice }) => !isAdvice);
    if (damage.length === 0) return treeOf(this.#volume);
    throw new Violation(`the volume is damaged: ${damage.map(({ reason }) => reason).join("; ")}`);
  }

  /** Carries out an operation; what was changed since the last commit is one version. */
  carryOut(step: Operation, history: History): void {
    if (step.op === "sync" || step.op === "reopen") {
      history.issue(digestOf(this.tree), step.op);
      if (step.op === "sync") this.#volume.flush();
      else {
        this.#volume.close();
        this.#volume = Ext4Volume.openForChange(this.#media, this.#device);
      }
      history.ack();
      return;
    }
    const tree: ModelTree = new Map(this.tree);
    const wanted = changeModel(tree, step);
    // A device that fails leaves the tree as it was.
    const got = changeVolume(this.#volume, step);
    this.tree = tree;
    if (got !== wanted) throw new Violation(`${step.op} ${step.path}: ${got}, not ${wanted}`);
  }

  close(history: History): void {
    history.issue(digestOf(this.tree), "close");
    this.#volume.close();
    history.ack();
  }

  /** Forgets everything that is not on the disk. */
  drop(): void {
    try {
      this.#volume.close();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }
}

export class Ext4Subject implements Subject<Operation> {
  readonly name = "ext4";
  readonly #options: SubjectOptions;
  #media: MediaCore | undefined;
  #disk: SimDisk | undefined;
  #device = 0;
  #volume: VolumeName = "bare4";
  readonly #journals = new Map<VolumeName, number>();

  constructor(options: SubjectOptions = {}) {
    this.#options = options;
  }

  /**
   * The superblock and that of the journal stand at one place each: their blocks are taken to be
   * written whole, as every system takes them that writes ext4.
   */
  get rules() {
    const sectors = BLOCK_BYTES[this.#volume] / SECTOR;
    const places = [this.#volume === "bare4" ? 0 : 2, this.#journalAt(this.#volume)];
    const isWhole = (sector: number) => places.includes(sector - (sector % sectors));
    return { unitSectors: 8, isSpecial: isWhole, isWhole, isAlone: this.#volume === "bare1" };
  }

  scenario(seed: number): Ext4Scenario {
    const random = new Random(seed);
    const volume = VOLUMES[seed % 2 === 0 ? 1 : 0] as VolumeName;
    const operations = Array.from({ length: OPERATIONS }, () => operation(random));
    const fails = random.chance(25);
    return {
      ...{ seed, volume, operations },
      title: `${volume}, blocks of ${BLOCK_BYTES[volume]} bytes${fails ? ", a failing device" : ""}`,
      shape: { sectors: goldenExt4(volume).sizeBytes / SECTOR },
      ...(fails && random.chance(50) ? { failFlush: 1 + random.below(10) } : {}),
      ...(fails && random.chance(50) ? { failWrite: 1 + random.below(40) } : {}),
    };
  }

  describe(step: Operation): string {
    if (step.op === "put") return `put ${step.path}, ${step.bytes} bytes`;
    return step.op === "rename" ? `rename ${step.path} ${step.to}` : `${step.op} ${step.path}`;
  }

  place(sector: number, scenario: Scenario<Operation>): string {
    const { volume } = scenario as Ext4Scenario;
    const sectors = BLOCK_BYTES[volume] / SECTOR;
    const block = Math.floor(sector / sectors);
    const journal = this.#journalAt(volume) / sectors;
    if (block === (volume === "bare4" ? 0 : 1)) return "superblock";
    if (block === journal) return "superblock of the journal";
    return block > journal && block < journal + 1024 ? `log ${block - journal}` : `block ${block}`;
  }

  reset(): void {
    this.#media = undefined;
  }

  prepare(scenario: Scenario<Operation>, disk: SimDisk): number {
    this.#volume = (scenario as Ext4Scenario).volume;
    const golden = goldenExt4(this.#volume);
    disk.put(0, golden.peek(0, golden.sizeBytes));
    return digestOf(new Map());
  }

  run(scenario: Scenario<Operation>, disk: SimDisk, history: History): void {
    let session = this.#open(disk);
    for (const step of scenario.operations) {
      try {
        session.carryOut(step, history);
      } catch (error) {
        if (!(error instanceof StorageError) || error.code !== "EIO") throw error;
        session = this.#reopen(disk, session, history);
      }
    }
    try {
      session.close(history);
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== "EIO") throw error;
      this.#reopen(disk, session, history).close(history);
    }
  }

  verify(scenario: Scenario<Operation>, disk: SimDisk, life: Life): void {
    const session = this.#open(disk);
    life.mounts += 1;
    life.settle(digestOf(session.tree), () => picture(session.tree).join(", "));
    const random = new Random(scenario.seed ^ life.nonce);
    for (let index = 0; index < MORE_OPERATIONS; index++) {
      session.carryOut(operation(random), life.history);
    }
    session.close(life.history);
    const again = this.#open(disk);
    life.mounts += 1;
    life.expect(digestOf(again.tree), () => picture(again.tree).join(", "));
    again.drop();
  }

  /** After a failure: the tree is that of the last commit, or of the one that failed. */
  #reopen(disk: SimDisk, before: Session, history: History): Session {
    history.issue(digestOf(before.tree), "close after a failure");
    before.drop();
    const session = this.#open(disk);
    const found = digestOf(session.tree);
    const { digests, acked } = history;
    if (!digests.slice(acked).includes(found)) {
      throw new Violation(`after a failure there is: ${picture(session.tree).join(", ")}`);
    }
    history.abort(found, "opened after a failure");
    return session;
  }

  #open(disk: SimDisk): Session {
    if (this.#media === undefined || this.#media.exports.arenaUsedBytes() > ARENA_MAX) {
      this.#media = mediaMachine(this.#options);
      this.#disk = undefined;
    }
    if (this.#disk !== disk) {
      if (this.#disk !== undefined) this.#media.detach(this.#device);
      this.#disk = disk;
      this.#device = this.#media.attach(disk);
    }
    return new Session(this.#media, this.#device);
  }

  /** First sector of the journal: mke2fs wrote its superblock, of the second type, in a block. */
  #journalAt(volume: VolumeName): number {
    const known = this.#journals.get(volume);
    if (known !== undefined) return known;
    const golden = goldenExt4(volume);
    const bytes = Buffer.from(golden.peek(0, golden.sizeBytes));
    const at = bytes.indexOf(Uint8Array.of(0xc0, 0x3b, 0x39, 0x98, 0, 0, 0, 4)) / SECTOR;
    this.#journals.set(volume, at);
    return at;
  }
}
