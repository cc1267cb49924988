/**
 * An installation, cut at any write: the target is no disk yet or the whole one; the installation
 * resumes where it was, or a fresh one does, and what it leaves reads back equal. The medium is
 * never written.
 */
import { createHash } from "node:crypto";
import { StorageError } from "../../../host/base/errors.ts";
import { isDamage } from "../../../host/base/finding.ts";
import { finish } from "../../../host/base/work.ts";
import { FatVolume } from "../../../host/core/fat.ts";
import { readGpt, verifyGpt } from "../../../host/core/gpt.ts";
import { Region } from "../../../host/core/region.ts";
import { memoryTree } from "../../../host/system/image/folder.ts";
import { drawIdentities, makeDisk } from "../../../host/system/image/mkdisk.ts";
import { originOf } from "../../../host/system/image/reproducible.ts";
import { install } from "../../../host/system/install/install.ts";
import { readJournal } from "../../../host/system/install/journal.ts";
import { SimDisk } from "../engine/disk.ts";
import { type History, type Life, Violation } from "../engine/history.ts";
import { Machine } from "../engine/machine.ts";
import { mix, Random } from "../engine/random.ts";
import type { Scenario, Subject, SubjectOptions } from "../subject.ts";

const MIB_SECTORS = 2048;
/** The smallest ESP that is FAT32, a data region behind it, and the tables. */
const ESP_SECTORS = 33 * MIB_SECTORS;
const DATA_FIRST = 34 * MIB_SECTORS;
const DISK_SECTORS = 39 * MIB_SECTORS;
const DATA_WINDOW = { baseSector: DATA_FIRST, sectors: 4 * MIB_SECTORS };
const NOTHING = 1;
const INSTALLED = 2;

interface InstallOperation {
  readonly kind: "install";
}

/** What lies on the medium, and must lie on the target. */
interface Content {
  readonly boot: ReadonlyMap<string, Uint8Array>;
  readonly objects: readonly Uint8Array[];
  readonly files: ReadonlyMap<string, Uint8Array>;
}

interface Medium {
  readonly disk: SimDisk;
  readonly content: Content;
  /** Writes that it had taken when it was finished. */
  readonly writes: number;
}

export class InstallSubject implements Subject<InstallOperation> {
  readonly name = "install";
  readonly rules = { unitSectors: 8, isSpecial: () => false, skipSame: true };
  readonly incremental = true;
  readonly #machine: Machine;
  #medium: Medium | undefined;
  #mediumOf = -1;

  constructor(options: SubjectOptions = {}) {
    this.#machine = new Machine(options);
  }

  scenario(seed: number): Scenario<InstallOperation> {
    const over = seed % 3 === 2;
    return {
      seed,
      title: over ? "over an old table" : "onto a blank disk",
      shape: { sectors: DISK_SECTORS, zeroes: seed % 2 === 0 },
      operations: [{ kind: "install" }],
    };
  }

  describe(): string {
    return "install";
  }

  place(sector: number): string {
    if (sector < 34) return "MBR and primary GPT";
    if (sector >= DISK_SECTORS - 33) return "backup GPT";
    if (sector < MIB_SECTORS) return sector >= 64 && sector < 80 ? "journal" : "gap";
    return sector < DATA_FIRST ? "ESP" : "data region";
  }

  reset(): void {
    this.#machine.scrap();
  }

  prepare(scenario: Scenario<InstallOperation>, disk: SimDisk): number {
    this.#mediumFor(scenario.seed);
    if (scenario.seed % 3 === 2) this.#makeDisk(disk, contentOf(scenario.seed + 1), "old");
    return NOTHING;
  }

  run(scenario: Scenario<InstallOperation>, disk: SimDisk, history: History): void {
    history.issue(INSTALLED, "install");
    this.#install(scenario, disk);
    history.ack();
    this.#expectInstalled(scenario, disk);
  }

  verify(scenario: Scenario<InstallOperation>, disk: SimDisk, life: Life): void {
    const journal = readJournal(disk);
    const whole = journal === undefined && this.#isTarget(disk, scenario.seed);
    life.mounts += 1;
    life.settle(whole ? INSTALLED : NOTHING, () => (whole ? "the whole disk" : "no disk"), false);
    if (!whole) {
      // A table that reads is the planned one, and comes only when all behind it is in place.
      if (journal !== undefined && this.#isTarget(disk, scenario.seed)) {
        this.#expectContent(scenario, disk);
      }
      life.history.issue(INSTALLED, "install");
      this.#install(scenario, disk);
      life.history.ack();
    }
    this.#expectInstalled(scenario, disk);
    life.mounts += 1;
    if (!life.nested) this.#goOn(scenario, disk);
  }

  /** Resumes what the journal on the target tells, or begins. */
  #install(scenario: Scenario<InstallOperation>, disk: SimDisk): void {
    const { disk: medium, writes } = this.#mediumFor(scenario.seed);
    const { core } = this.#machine.boot(disk, mix(scenario.seed, 3));
    const options = {
      ...{ seed: String(scenario.seed), erase: true, reinstall: true, tableBackup: false as const },
      makeCore: () => core,
    };
    finish(install(medium, disk, options));
    if (medium.writes !== writes) throw new Violation("the medium was written");
  }

  #expectInstalled(scenario: Scenario<InstallOperation>, disk: SimDisk): void {
    if (readJournal(disk) !== undefined) throw new Violation("the journal is still there");
    if (!this.#isTarget(disk, scenario.seed))
      throw new Violation("the table is not the planned one");
    const { core, device } = this.#machine.boot(disk, mix(scenario.seed, 4));
    const damage = verifyGpt(core, device).find(isDamage);
    if (damage !== undefined) throw new Violation(`the table is damaged: ${damage.message}`);
    this.#expectContent(scenario, disk);
  }

  /** Every byte of the medium's content is on the target, and every structure is sound. */
  #expectContent({ seed }: Scenario<InstallOperation>, disk: SimDisk): void {
    const { core, device } = this.#machine.boot(disk, mix(seed, 5));
    const { content } = this.#mediumFor(seed);
    const esp = { baseSector: MIB_SECTORS, sectors: ESP_SECTORS };
    const [wrong] = FatVolume.verify(core, device, esp);
    if (wrong !== undefined) throw new Violation(`the ESP: ${wrong.reason} at ${wrong.lba}`);
    const volume = FatVolume.open(core, device, { ...esp, readOnly: true });
    for (const [path, bytes] of content.boot) {
      const found = volume.read(`/${path}`, 0, bytes.length + 1);
      if (Buffer.compare(found, bytes) !== 0) throw new Violation(`boot file ${path} differs`);
    }
    volume.close();
    const damage = Region.verify(core, device, DATA_WINDOW).find(isDamage);
    if (damage !== undefined) throw new Violation(`the region: ${damage.message}`);
    const region = Region.open(core, device, { ...DATA_WINDOW, readOnly: true });
    for (const bytes of content.objects) {
      const found = region.store.get(createHash("sha256").update(bytes).digest());
      if (Buffer.compare(found, bytes) !== 0) throw new Violation("an object differs");
    }
    for (const [path, bytes] of content.files) {
      const found = region.files?.readFile(path);
      if (found === undefined || Buffer.compare(found, bytes) !== 0) {
        throw new Violation(`file ${path} differs`);
      }
    }
    region.close();
  }

  /** Ten more operations on the installed disk, and another look. */
  #goOn({ seed }: Scenario<InstallOperation>, disk: SimDisk): void {
    const { core, device } = this.#machine.boot(disk, mix(seed, 6));
    const random = new Random(seed);
    const region = Region.open(core, device, DATA_WINDOW);
    const added: [string, Uint8Array][] = [];
    for (let index = 0; index < 5; index++) {
      const bytes = random.bytes(random.below(3000));
      region.store.put(bytes);
      region.files?.writeFile(`/more-${index}`, bytes);
      added.push([`/more-${index}`, bytes]);
    }
    region.close();
    const again = Region.open(core, device, { ...DATA_WINDOW, readOnly: true });
    for (const [path, bytes] of added) {
      const found = again.files?.readFile(path);
      if (found === undefined || Buffer.compare(found, bytes) !== 0) {
        throw new Violation(`${path}, written after the installation, differs`);
      }
    }
    again.close();
  }

  #isTarget(disk: SimDisk, seed: number): boolean {
    const { core, device } = this.#machine.boot(disk, mix(seed, 7));
    try {
      return readGpt(core, device).diskGuid === drawIdentities(originOf(seeded(seed))).diskGuid;
    } catch (error) {
      if (error instanceof StorageError && error.code !== "EIO") return false;
      throw error;
    }
  }

  #mediumFor(seed: number): Medium {
    if (this.#medium !== undefined && this.#mediumOf === seed) return this.#medium;
    const disk = new SimDisk({ sectors: DISK_SECTORS, zeroes: true, name: "medium" });
    const content = contentOf(seed);
    this.#makeDisk(disk, content, "medium");
    this.#mediumOf = seed;
    this.#medium = { disk, content, writes: disk.writes };
    return this.#medium;
  }

  #makeDisk(disk: SimDisk, { boot, objects, files }: Content, seed: string): void {
    const { core, device } = this.#machine.boot(disk, 1);
    const options = { espSectors: ESP_SECTORS, dataOffsetBytes: DATA_FIRST * 512, seed };
    const tree = memoryTree(Object.fromEntries(boot));
    finish(makeDisk(disk, { ...options, boot: tree, makeCore: () => core }));
    const region = Region.open(core, device, DATA_WINDOW);
    for (const bytes of objects) region.store.put(bytes);
    for (const [path, bytes] of files) region.files?.writeFile(path, bytes);
    region.close();
  }
}

function seeded(seed: number) {
  return { seed: String(seed) };
}

/** A boot tree, objects and files of a few sizes each. */
function contentOf(seed: number): Content {
  const random = new Random(seed ^ 0x1157a11);
  const bytes = () => random.bytes(random.pick([random.below(600), random.below(9000), 0, 4096]));
  return {
    boot: new Map([
      ["EFI/BOOT/BOOTX64.EFI", random.bytes(5000 + random.below(9000))],
      ["loader/entries/a long name.conf", bytes()],
      ["kernel", bytes()],
    ]),
    objects: [bytes(), bytes(), random.bytes(12_000)],
    files: new Map([
      ["/system/config/manifest.bin", bytes()],
      ["/motd", bytes()],
      ["/large", random.bytes(15_000)],
    ]),
  };
}
