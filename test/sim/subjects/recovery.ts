/**
 * A recovery partition made anew, cut at any write: it is the old one, a begun one that the same
 * command goes on with, or the new one, with every file of it; nothing else on the disk changes.
 */
import { memorySource } from "../../../host/base/platform/source.ts";
import { finish } from "../../../host/base/work.ts";
import { FatVolume } from "../../../host/core/fat.ts";
import { createGpt } from "../../../host/core/gpt.ts";
import { digestOf } from "../../../host/core/hash/digest.ts";
import { Core } from "../../../host/core/load.ts";
import { readSectors, writeSectors } from "../../../host/device/sectors.ts";
import { espTree } from "../../../host/system/image/esp.ts";
import { readJournal } from "../../../host/system/install/journal.ts";
import { remakeRecovery } from "../../../host/system/rayos/apply/recovery.ts";
import { tar } from "../../system/rayos/tars.ts";
import type { SimDisk } from "../engine/disk.ts";
import { type History, type Life, Violation } from "../engine/history.ts";
import type { Scenario, Subject } from "../subject.ts";

const OTHER = 2048;
const FIRST = 4096;
const LAST = FIRST + 34 * 2048 - 1;
const WINDOW = { baseSector: FIRST, sectors: LAST - FIRST + 1 };
const OLD = 1;
/** A journal that reads. */
const BEGUN = 2;
const NEW = 3;
const NAMES = ["", "the old partition", "a begun one", "the new partition"];

interface RecoveryOperation {
  readonly kind: "remake";
}

export class RecoverySubject implements Subject<RecoveryOperation> {
  readonly name = "recovery";
  readonly rules = { unitSectors: 8, isSpecial: () => false, skipSame: true };
  #core = new Core();
  #old: string | undefined;
  #new: string | undefined;

  scenario(seed: number): Scenario<RecoveryOperation> {
    return {
      seed,
      title: seed % 2 === 0 ? "over an old volume" : "into a blank partition",
      shape: { sectors: 40 * 2048, zeroes: true },
      operations: [{ kind: "remake" }],
    };
  }

  describe(): string {
    return "make the recovery partition anew";
  }

  place(sector: number): string {
    if (sector >= 64 && sector < 80) return "journal";
    if (sector < OTHER) return "table or gap";
    if (sector < FIRST) return "another partition";
    return sector <= LAST ? "recovery" : "backup GPT";
  }

  reset(): void {
    this.#core = new Core();
  }

  prepare({ seed }: Scenario<RecoveryOperation>, disk: SimDisk): number {
    const core = new Core();
    const entries = [
      { type: "linux", name: "other", firstLba: OTHER, lastLba: FIRST - 1 },
      { type: "esp", name: "RAYOS_RECOV", firstLba: FIRST, lastLba: LAST },
    ];
    createGpt(core, core.attach(disk), { entries });
    writeSectors(disk, OTHER, new Uint8Array(512).fill(7));
    if (seed % 2 === 0) this.#remake(disk, "old", false);
    this.#old = contentOf(disk);
    return OLD;
  }

  run(_: Scenario<RecoveryOperation>, disk: SimDisk, history: History): void {
    this.#issue(disk, history, false);
    this.#new = contentOf(disk);
    this.#expectNew(disk);
  }

  verify(_: Scenario<RecoveryOperation>, disk: SimDisk, life: Life): void {
    const isBegun = readJournal(disk) !== undefined;
    const found = isBegun ? BEGUN : this.#isNew(disk) ? NEW : OLD;
    life.mounts += 1;
    if (found === OLD && contentOf(disk) !== this.#old) {
      throw new Violation("neither the old volume nor the new one, and no journal");
    }
    life.settle(found, () => NAMES[found] as string, false);
    if (found !== NEW) this.#issue(disk, life.history, isBegun && life.nonce % 2 === 0);
    this.#expectNew(disk);
    life.mounts += 1;
    disk.stopRecording();
  }

  #issue(disk: SimDisk, history: History, resume: boolean): void {
    history.issue(BEGUN, "write the journal");
    let isBegun = false;
    // One that a cut has left may be in the device's cache only: what lasts is the next one.
    const before = readJournal(disk)?.sequence;
    this.#remake(disk, "new", resume, () => {
      const sequence = readJournal(disk)?.sequence;
      if (isBegun || sequence === undefined || sequence === before) return;
      isBegun = true;
      history.ack();
      history.issue(NEW, "make it anew");
    });
    history.ack();
  }

  #remake(disk: SimDisk, what: string, resume: boolean, progress = () => {}): void {
    const image = tar(
      { name: "EFI/BOOT/BOOTX64.EFI", content: "loader" },
      { name: "kernel.bin", content: what.repeat(2000) },
      { name: "boot/initrd", content: "initrd" },
    );
    const source = memorySource("image.tar", image);
    const request = { source, seed: what, sourceDateEpoch: 1_700_000_000, resume };
    finish(remakeRecovery(this.#core, disk, request), progress);
  }

  #isNew(disk: SimDisk): boolean {
    return contentOf(disk) === this.#new;
  }

  #expectNew(disk: SimDisk): void {
    if (readJournal(disk) !== undefined) throw new Violation("the journal is still there");
    if (!this.#isNew(disk)) throw new Violation("the volume is not what it is without a cut");
    const other = readSectors(disk, OTHER, 2);
    if (other.some((byte, at) => byte !== (at < 512 ? 7 : 0))) {
      throw new Violation("the other partition has changed");
    }
  }
}

/** Label, serial and every file of the partition; undefined: there is no sound volume. */
function contentOf(disk: SimDisk): string | undefined {
  const core = new Core();
  const id = core.attach(disk);
  if (FatVolume.verify(core, id, WINDOW).length > 0) return undefined;
  const volume = FatVolume.open(core, id, { ...WINDOW, readOnly: true });
  try {
    const files = espTree(volume).map(({ path, kind }) => {
      return kind === "file" ? `${path} ${digestOf(volume.readFile(path))}` : path;
    });
    return [volume.label, volume.serial, ...files].join("\n");
  } finally {
    volume.close();
  }
}
