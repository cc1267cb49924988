/**
 * A RayOS installation, cut at any write, in both layouts: the target is what it was, a begun
 * installation, or the whole disk. What was begun is completed by `resume` or by a fresh
 * installation, and reads back equal; until the table is written the old one can be restored from
 * its backup.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { StorageError } from "../../../host/base/errors.ts";
import { isDamage } from "../../../host/base/finding.ts";
import { finish } from "../../../host/base/work.ts";
import { FatVolume } from "../../../host/core/fat.ts";
import { backupGpt, createGpt, readGpt, restoreGpt, verifyGpt } from "../../../host/core/gpt.ts";
import { Core } from "../../../host/core/load.ts";
import { Ext4Volume } from "../../../host/core/media/ext4.ts";
import { MediaCore } from "../../../host/core/media/load.ts";
import { Region } from "../../../host/core/region.ts";
import { readJournal } from "../../../host/system/install/journal.ts";
import {
  installRayos,
  openImage,
  planRayosInstall,
  type RayosPlan,
  type RayosRequest,
  type SystemImage,
} from "../../../host/system/rayos/install.ts";
import type { SimDisk } from "../engine/disk.ts";
import { type History, type Life, Violation } from "../engine/history.ts";
import type { Scenario, Subject } from "../subject.ts";

const MIB = 2 ** 20;
const DISK_SECTORS = 204 * 2048;
const NOTHING = 1;
/** A journal that reads: from here on a cut must not make the target forget what it was. */
const BEGUN = 2;
const INSTALLED = 3;
const NAMES = ["", "what was there", "a begun installation", "the whole disk"];
const SIZES = {
  ...{ espBytes: 33 * MIB, systemBytes: 64 * MIB, recoveryBytes: 33 * MIB },
  ...{ stateBytes: 4 * MIB, logBytes: MIB, poolBytesMin: 64 * MIB },
};

interface RayosOperation {
  readonly kind: "install";
}

type RayosScenario = Scenario<RayosOperation> & {
  readonly layout: RayosRequest["layout"];
  /** The target has a table with a partition. */
  readonly over: boolean;
};

/** A target before it is installed on. */
interface Before {
  readonly seed: number;
  readonly plan: RayosPlan;
  /** The old table, as `gpt backup` has it. */
  readonly backup: Uint8Array | undefined;
  readonly oldGuid: string | undefined;
}

export class RayosSubject implements Subject<RayosOperation> {
  readonly name = "rayos";
  readonly rules = { unitSectors: 8, isSpecial: () => false, skipSame: true };
  readonly #media = new MediaCore();
  #core = new Core();
  #before: Before | undefined;
  #image: SystemImage | undefined;

  scenario(seed: number): RayosScenario {
    const layout = seed % 2 === 0 ? "rayos" : "rayos-full";
    const over = seed % 4 === 1 || seed % 4 === 2;
    return {
      ...{ seed, layout, over },
      title: `${layout}, ${over ? "over an old table" : "onto a blank disk"}`,
      shape: { sectors: DISK_SECTORS, zeroes: true },
      operations: [{ kind: "install" }],
    };
  }

  describe(): string {
    return "install";
  }

  place(sector: number): string {
    if (sector < 34) return "MBR and primary GPT";
    if (sector >= DISK_SECTORS - 33) return "backup GPT";
    if (sector < 2048) return sector >= 64 && sector < 80 ? "journal" : "gap";
    const within = this.#before?.plan.partitions.find(({ first, last }) => {
      return first <= sector && sector <= last;
    });
    return within === undefined ? "between partitions" : within.role;
  }

  reset(): void {
    this.#core = new Core();
  }

  prepare(scenario: Scenario<RayosOperation>, disk: SimDisk): number {
    this.#beforeOf(scenario as RayosScenario, disk);
    return NOTHING;
  }

  run(scenario: Scenario<RayosOperation>, disk: SimDisk, history: History): void {
    this.#install(scenario as RayosScenario, disk, history, false);
    this.#expectInstalled(disk);
  }

  verify(scenario: Scenario<RayosOperation>, disk: SimDisk, life: Life): void {
    const begun = readJournal(disk) !== undefined;
    const table = this.#guidOf(disk);
    const { plan } = this.#known;
    const isOurs = table === plan.diskGuid;
    const found = begun ? BEGUN : isOurs ? INSTALLED : NOTHING;
    life.mounts += 1;
    life.settle(found, () => NAMES[found] as string, false);
    if (found !== INSTALLED) {
      // A table that reads is the old one or the planned one, which comes with all behind it.
      if (isOurs) this.#expectWhole(disk);
      this.#expectRestorable(disk);
      this.#install(scenario as RayosScenario, disk, life.history, begun && life.nonce % 2 === 0);
    }
    this.#expectInstalled(disk);
    life.mounts += 1;
    disk.stopRecording();
  }

  #install(scenario: RayosScenario, disk: SimDisk, history: History, resume: boolean): void {
    const request = { ...this.#request(scenario), origin: this.#known.plan.origin, resume };
    history.issue(BEGUN, "write the journal");
    let begun = false;
    finish(installRayos(this.#core, this.#media, disk, request), () => {
      if (begun || readJournal(disk) === undefined) return;
      begun = true;
      history.ack();
      history.issue(INSTALLED, "install");
    });
    history.ack();
  }

  #request({ layout, seed }: RayosScenario): RayosRequest {
    return {
      ...{ layout, image: this.#opened(), source: "image", place: { kind: "disk" }, sizes: SIZES },
      ...{ consent: { erase: true, reinstall: true }, tableBackup: false },
      ...{ seed: String(seed), sourceDateEpoch: 1_700_000_000 },
    };
  }

  /** The old table comes back from its backup, whatever the installation has written. */
  #expectRestorable(disk: SimDisk): void {
    const { backup, oldGuid } = this.#known;
    if (backup === undefined) return;
    disk.aside(() => {
      const core = new Core();
      const id = core.attach(disk);
      restoreGpt(core, id, backup);
      const damage = verifyGpt(core, id).find(isDamage);
      if (damage !== undefined) throw new Violation(`the restored table: ${damage.message}`);
      if (readGpt(core, id).diskGuid !== oldGuid) throw new Violation("another table came back");
    });
  }

  #expectInstalled(disk: SimDisk): void {
    if (readJournal(disk) !== undefined) throw new Violation("the journal is still there");
    if (this.#guidOf(disk) !== this.#known.plan.diskGuid) {
      throw new Violation("the table is not the planned one");
    }
    const core = new Core();
    const damage = verifyGpt(core, core.attach(disk)).find(isDamage);
    if (damage !== undefined) throw new Violation(`the table is damaged: ${damage.message}`);
    this.#expectWhole(disk);
  }

  /** Every structure of every partition is sound, and the image's files are there. */
  #expectWhole(disk: SimDisk): void {
    const core = new Core();
    const id = core.attach(disk);
    const mediaId = this.#media.attach(disk);
    try {
      for (const { role, first, sectors, label } of this.#known.plan.partitions) {
        const window = { baseSector: first, sectors };
        if (role === "esp" || role === "recovery") expectFat(core, id, role, window);
        else if (role === "state") expectRegion(core, id, window);
        else if (role !== "log") expectExt4(this.#media, mediaId, role, label ?? "", window);
      }
    } finally {
      this.#media.detach(mediaId);
    }
  }

  #guidOf(disk: SimDisk): string | undefined {
    const core = this.#core;
    const id = core.attach(disk);
    try {
      return readGpt(core, id).diskGuid;
    } catch (error) {
      if (error instanceof StorageError && error.code !== "EIO") return undefined;
      throw error;
    } finally {
      core.detach(id);
    }
  }

  get #known(): Before {
    if (this.#before === undefined) throw new Error("prepare() comes first");
    return this.#before;
  }

  #beforeOf(scenario: RayosScenario, disk: SimDisk): void {
    const core = new Core();
    const id = core.attach(disk);
    let backup: Uint8Array | undefined;
    let oldGuid: string | undefined;
    if (scenario.over) {
      const entries = [{ type: "linux", name: "old", sizeBytes: 50 * MIB }];
      oldGuid = createGpt(core, id, { entries }).diskGuid;
      backup = backupGpt(core, id);
    }
    const plan = planRayosInstall(this.#core, this.#media, disk, this.#request(scenario));
    this.#before = { seed: scenario.seed, plan, backup, oldGuid };
  }

  /** A small system image in a folder of this process. */
  #opened(): SystemImage {
    if (this.#image !== undefined) return this.#image;
    const folder = mkdtempSync(join(tmpdir(), "diskwright-rayos-"));
    process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
    for (const [path, content] of FILES) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    this.#image = finish(openImage(folder));
    return this.#image;
  }
}

const FILES: readonly (readonly [path: string, content: Uint8Array])[] = [
  ["EFI/BOOT/BOOTX64.EFI", new Uint8Array(9000).fill(1)],
  ["kernel.bin", new Uint8Array(20_000).fill(2)],
  ["boot/initrd", new Uint8Array(5000).fill(3)],
  ["etc/motd", new TextEncoder().encode("hello\n")],
];

interface Window {
  readonly baseSector: number;
  readonly sectors: number;
}

function expectFat(core: Core, id: number, role: string, window: Window): void {
  const [wrong] = FatVolume.verify(core, id, window);
  if (wrong !== undefined) throw new Violation(`${role}: ${wrong.reason} at ${wrong.lba}`);
}

function expectRegion(core: Core, id: number, window: Window): void {
  const damage = Region.verify(core, id, window).find(isDamage);
  if (damage !== undefined) throw new Violation(`state: ${damage.message}`);
}

function expectExt4(
  media: MediaCore,
  id: number,
  role: string,
  label: string,
  window: Window,
): void {
  const volume = Ext4Volume.open(media, id, { ...window, readOnly: true });
  try {
    if (volume.label !== label) throw new Violation(`${role} is called '${volume.label}'`);
    const wrong = volume.check().find(({ isAdvice }) => !isAdvice);
    if (wrong !== undefined) throw new Violation(`${role}: ${wrong.reason}`);
    if (role !== "system") return;
    for (const [path, content] of FILES.slice(3)) {
      const found = volume.read(`/${path}`, 0, content.length + 1);
      if (Buffer.compare(found, content) !== 0) throw new Violation(`${path} differs`);
    }
  } finally {
    volume.close();
  }
}
