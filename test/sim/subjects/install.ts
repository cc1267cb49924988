/**
 * An installation, cut at any write: the target is no disk yet or the whole one; the installation
 * resumes where it was, or a fresh one does, and what it leaves reads back equal. The medium is
 * never written.
 */
import { createHash } from "node:crypto";
import { StorageError } from "../../../host/base/errors.ts";
import { isDamage } from "../../../host/base/finding.ts";
import { finish, type Work } from "../../../host/base/work.ts";
import { FatVolume } from "../../../host/core/fat.ts";
import { readGpt, verifyGpt } from "../../../host/core/gpt.ts";
import { Core } from "../../../host/core/load.ts";
import { Region } from "../../../host/core/region.ts";
import { memoryTree } from "../../../host/system/image/folder.ts";
import {
  type DiskIdentities,
  drawIdentities,
  makeDisk,
} from "../../../host/system/image/mkdisk.ts";
import { originOf } from "../../../host/system/image/reproducible.ts";
import { type InstallReport, install, installFrom } from "../../../host/system/install/install.ts";
import { readJournal } from "../../../host/system/install/journal.ts";
import { openSource, type Source } from "../../../host/system/install/source.ts";
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
/** Of eight workloads two are enumerated in full, the others by every fourth state. */
const WHOLE_SEEDS = [7, 0];
const NOTHING = 1;
/** A journal that reads: from here on a cut must not make the target forget what it was. */
const BEGUN = 2;
const INSTALLED = 3;
const NAMES = ["", "no disk", "a begun installation", "the whole disk"];

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
  /** The medium, open: hashed once, not for each of its installations. */
  readonly source: Source;
  readonly identities: DiskIdentities;
  /** What statfs counts in the filesystem of the medium. */
  readonly files: number | bigint | undefined;
  /** Writes that it had taken when it was finished. */
  readonly writes: number;
}

export class InstallSubject implements Subject<InstallOperation> {
  readonly name = "install";
  readonly rules = { unitSectors: 8, isSpecial: () => false, skipSame: true };
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
      thin: WHOLE_SEEDS.includes(seed % 8) ? 1 : 4,
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
    const { disk: medium } = this.#mediumFor(scenario.seed);
    this.#carryOut(install(medium, disk, this.#options(scenario, disk)), disk, history);
    this.#expectUnwritten(scenario);
    this.#expectInstalled(scenario, disk);
  }

  verify(scenario: Scenario<InstallOperation>, disk: SimDisk, life: Life): void {
    const journal = readJournal(disk);
    const reads = this.#isTarget(disk, scenario.seed);
    const found = journal !== undefined ? BEGUN : reads ? INSTALLED : NOTHING;
    life.mounts += 1;
    life.settle(found, () => NAMES[found] as string, false);
    if (found !== INSTALLED) {
      // A table that reads is the planned one, and comes only when all behind it is in place.
      if (reads) {
        this.#expectSound(scenario, disk);
        this.#expectWhole(scenario, disk);
      }
      const { source } = this.#mediumFor(scenario.seed);
      const work = installFrom(source, disk, this.#options(scenario, disk));
      this.#carryOut(work, disk, life.history);
      this.#expectUnwritten(scenario);
    }
    this.#expectInstalled(scenario, disk);
    life.mounts += 1;
    // The life that a next crash cuts is the installation alone.
    disk.stopRecording();
    this.#goOn(scenario, disk);
  }

  /** Installs, and tells the history how far it is known to have come. */
  #carryOut(work: Work<InstallReport>, disk: SimDisk, history: History): void {
    history.issue(BEGUN, "write the journal");
    let begun = false;
    finish(work, () => {
      if (begun || readJournal(disk) === undefined) return;
      begun = true;
      history.ack();
      history.issue(INSTALLED, "install");
    });
    history.ack();
  }

  #options({ seed }: Scenario<InstallOperation>, disk: SimDisk) {
    const { core } = this.#machine.boot(disk, mix(seed, 3));
    const { identities } = this.#mediumFor(seed);
    const consent = { erase: true, reinstall: true, tableBackup: false as const };
    return { ...seeded(seed), ...consent, identities, makeCore: () => core };
  }

  #expectUnwritten({ seed }: Scenario<InstallOperation>): void {
    const { disk, writes } = this.#mediumFor(seed);
    if (disk.writes !== writes) throw new Violation("the medium was written");
  }

  #expectInstalled(scenario: Scenario<InstallOperation>, disk: SimDisk): void {
    if (readJournal(disk) !== undefined) throw new Violation("the journal is still there");
    if (!this.#isTarget(disk, scenario.seed))
      throw new Violation("the table is not the planned one");
    const { core, device } = this.#machine.boot(disk, mix(scenario.seed, 4));
    const damage = verifyGpt(core, device).find(isDamage);
    if (damage !== undefined) throw new Violation(`the table is damaged: ${damage.message}`);
    this.#expectSound(scenario, disk);
  }

  /** Every structure of both partitions is sound, and each boot file is there. */
  #expectSound({ seed }: Scenario<InstallOperation>, disk: SimDisk): void {
    const { core, device } = this.#machine.boot(disk, mix(seed, 5));
    const esp = { baseSector: MIB_SECTORS, sectors: ESP_SECTORS };
    const [wrong] = FatVolume.verify(core, device, esp);
    if (wrong !== undefined) throw new Violation(`the ESP: ${wrong.reason} at ${wrong.lba}`);
    const volume = FatVolume.open(core, device, { ...esp, readOnly: true });
    for (const [path, bytes] of this.#mediumFor(seed).content.boot) {
      expectBytes(`boot file ${path}`, volume.read(`/${path}`, 0, bytes.length + 1), bytes);
    }
    volume.close();
    this.#expectSoundRegion(core, device);
  }

  #expectSoundRegion(core: Core, device: number): void {
    const damage = Region.verify(core, device, DATA_WINDOW).find(isDamage);
    if (damage !== undefined) throw new Violation(`the region: ${damage.message}`);
  }

  #expectWhole(scenario: Scenario<InstallOperation>, disk: SimDisk): void {
    const { core, device } = this.#machine.boot(disk, mix(scenario.seed, 5));
    const region = Region.open(core, device, { ...DATA_WINDOW, readOnly: true });
    this.#expectContent(scenario, region);
    region.close();
  }

  /** Every object and file of the medium is in the region. */
  #expectContent({ seed }: Scenario<InstallOperation>, region: Region): void {
    const { objects, files } = this.#mediumFor(seed).content;
    for (const [index, bytes] of objects.entries()) {
      const hash = createHash("sha256").update(bytes).digest();
      expectBytes(`object ${index}`, region.store.get(hash), bytes);
    }
    for (const [path, bytes] of files) {
      expectBytes(`file ${path}`, region.files?.readFile(path), bytes);
    }
  }

  /** And nothing else is. */
  #expectNoMore({ seed }: Scenario<InstallOperation>, { store, files }: Region): void {
    const { contents } = this.#mediumFor(seed).source;
    const count = files?.statfs().files;
    const wanted = this.#mediumFor(seed).files;
    if (store.stat().objects !== contents.objects.files || count !== wanted) {
      throw new Violation("the region holds more than the medium");
    }
  }

  /** Compares the whole content; after ten more operations everything again, in another mount. */
  #goOn(scenario: Scenario<InstallOperation>, disk: SimDisk): void {
    const { core, device } = this.#machine.boot(disk, mix(scenario.seed, 6));
    const random = new Random(scenario.seed);
    const region = Region.open(core, device, DATA_WINDOW);
    this.#expectContent(scenario, region);
    this.#expectNoMore(scenario, region);
    const added: [string, Uint8Array][] = [];
    for (let index = 0; index < 5; index++) {
      const bytes = random.bytes(random.below(3000));
      region.store.put(bytes);
      region.files?.writeFile(`/more-${index}`, bytes);
      added.push([`/more-${index}`, bytes]);
    }
    region.close();
    this.#expectSoundRegion(core, device);
    const again = Region.open(core, device, { ...DATA_WINDOW, readOnly: true });
    this.#expectContent(scenario, again);
    for (const [path, bytes] of added) expectBytes(path, again.files?.readFile(path), bytes);
    again.close();
  }

  #isTarget(disk: SimDisk, seed: number): boolean {
    const { core, device } = this.#machine.boot(disk, mix(seed, 7));
    try {
      return readGpt(core, device).diskGuid === this.#mediumFor(seed).identities.diskGuid;
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
    const source = finish(openSource(new Core(), disk, { measure: false }));
    const identities = drawIdentities(originOf(seeded(seed)));
    this.#mediumOf = seed;
    const files = source.region.files?.statfs().files;
    this.#medium = { disk, content, source, identities, files, writes: disk.writes };
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

function expectBytes(what: string, found: Uint8Array | undefined, wanted: Uint8Array): void {
  if (found === undefined || Buffer.compare(found, wanted) !== 0) {
    throw new Violation(`${what} differs`);
  }
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
