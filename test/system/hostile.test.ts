/**
 * Disks that lie: cut, zeroed, overwritten with noise, shuffled. Whatever is done to one, verify
 * and inspect answer or refuse with a typed error, the machine reaches the base floor or finds
 * nothing to boot, and an installation from it is refused or reads back. No trap, no hang.
 */
import { describe, expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { finish } from "../../host/base/work.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { memoryTree } from "../../host/system/image/folder.ts";
import { inspectDisk } from "../../host/system/inspect.ts";
import { install } from "../../host/system/install/install.ts";
import { Machine } from "../../host/system/machine.ts";
import { verifyDisk } from "../../host/system/verify.ts";
import { ESP_SECTORS, frozen, makeMedium, noise, withRegion } from "./support.ts";

const SEED = 7_001;
const CASES = 60;

/** Where a change is likely to matter: tables, the ESP's head, the region's head and first chunks. */
const PLACES: readonly (readonly [first: number, sectors: number])[] = [
  [0, 34],
  [2048, 1200],
  [264_192, 512],
  [264_192 + 2560, 1200],
  [278_495, 33],
];

function smallDisk(): MemoryDevice {
  const boot = memoryTree({ "EFI/BOOT/BOOTX64.EFI": noise(9000, 1), "a/b/c.txt": "text" });
  const disk = makeMedium({ boot });
  withRegion(disk, ({ store, files }) => {
    store.putMany([noise(100, 2), noise(70_000, 3)]);
    store.commit();
    for (let index = 0; index < 40; index++) {
      files?.writeFile(`/system/config/f${index}`, noise(index * 300, index + 4));
    }
    files?.sync();
  });
  return disk;
}

const whole = smallDisk();

class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to below `most`. */
  below(most: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * most);
  }
}

/** One seeded act of vandalism. */
function vandalise(disk: MemoryDevice, dice: Dice): string {
  const [first, sectors] = PLACES[dice.below(PLACES.length)] as readonly [number, number];
  const lba = first + dice.below(sectors);
  const count = Math.min(1 + dice.below(8), first + sectors - lba);
  switch (dice.below(4)) {
    case 0:
      disk.poke(lba * 512, new Uint8Array(count * 512));
      return `zeros at LBA ${lba}, ${count}`;
    case 1:
      disk.poke(lba * 512, noise(count * 512, lba + 1));
      return `noise at LBA ${lba}, ${count}`;
    case 2: {
      const other = first + dice.below(sectors);
      disk.poke(lba * 512, disk.peek(other * 512, 512));
      return `LBA ${other} over LBA ${lba}`;
    }
    default:
      for (let bits = 0; bits < 5; bits++) disk.flip((lba * 512 + dice.below(512)) * 8);
      return `flips in LBA ${lba}`;
  }
}

/** What a disk may cause is a StorageError; anything else is a bug and fails the test. */
function typed<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof StorageError) return undefined;
    throw error;
  }
}

function expectCalm(disk: MemoryDevice, what: string): void {
  const copy = frozen(disk);
  typed(() => finish(verifyDisk(copy)));
  typed(() => inspectDisk(copy));
  const report = new Machine({ disks: [disk.clone()] }).boot();
  expect(["checkpoint", "no-bootable-device"], what).toContain(report.outcome);
  expect(report.lines.length, what).toBeGreaterThan(0);
  const target = new MemoryDevice({ size: "140MiB", name: "target" });
  if (typed(() => finish(install(copy, target))) === undefined) return;
  expect(finish(verifyDisk(frozen(target))).findings, what).toEqual([]);
}

describe("a disk that lies", () => {
  test(`in any of ${CASES} seeded ways harms nobody`, () => {
    for (let index = 0; index < CASES; index++) {
      const dice = new Dice(SEED + index);
      const disk = whole.clone();
      const acts = Array.from({ length: 1 + dice.below(3) }, () => vandalise(disk, dice));
      expectCalm(disk, `seed ${SEED + index}: ${acts.join("; ")}`);
    }
  });

  test("cut short anywhere harms nobody", () => {
    const MIB = 2 ** 20;
    for (const bytes of [0, 512, 17 * 1024, MIB, 2 * MIB, 40 * MIB, 129 * MIB, 131 * MIB]) {
      const cut = new MemoryDevice({ size: bytes, name: `cut to ${bytes}` });
      for (let at = 0; at < bytes; at += MIB) {
        cut.poke(at, whole.peek(at, Math.min(MIB, bytes - at)));
      }
      expectCalm(cut, cut.name);
    }
  });

  test("of noise alone, or in one of its parts, harms nobody", () => {
    for (const [first, sectors] of [
      [0, 2048],
      [2048, ESP_SECTORS],
      [264_192, 12_288],
    ] as const) {
      const disk = whole.clone();
      for (let at = 0; at < sectors; at += 128) {
        disk.poke((first + at) * 512, noise(Math.min(128, sectors - at) * 512, at + 1));
      }
      expectCalm(disk, `noise from LBA ${first}`);
    }
  });
});
