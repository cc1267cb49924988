/**
 * Power cuts as devices really have them: of the writes since the last FLUSH any may have arrived,
 * in any order, torn at any sector. From every such state an installation goes on to its end.
 */
import { expect, test } from "vitest";
import { finish } from "../../host/base/work.ts";
import { type BlockRequest, RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { isZero } from "../../host/device/sectors.ts";
import { memoryTree } from "../../host/system/image/folder.ts";
import { install } from "../../host/system/install/install.ts";
import { readJournal } from "../../host/system/install/journal.ts";
import { verifyDisk } from "../../host/system/verify.ts";
import { frozen, MEDIUM_SIZE, makeMedium, noise, withRegion } from "./support.ts";

const SEED = 41;

interface Write {
  readonly sector: number;
  /** Undefined: zeros. */
  readonly data: Uint8Array | undefined;
  readonly sectors: number;
}

/** Writes between two FLUSHes, and the disk before them. */
interface Interval {
  readonly before: MemoryDevice;
  readonly writes: Write[];
}

class Recorder extends MemoryDevice {
  readonly intervals: Interval[] = [{ before: this.clone(), writes: [] }];

  override submit(requests: readonly BlockRequest[]): void {
    super.submit(requests);
    for (const { type, sector, data, length } of requests) {
      const { writes } = this.intervals.at(-1) as Interval;
      if (type === RequestType.OUT) {
        writes.push({ sector, data: data.slice(), sectors: data.length / 512 });
      } else if (type === RequestType.WRITE_ZEROES) {
        writes.push({ sector, data: undefined, sectors: length });
      } else if (type === RequestType.FLUSH && writes.length > 0) {
        this.intervals.push({ before: this.clone(), writes: [] });
      }
    }
  }
}

class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(most: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * most);
  }
}

function apply(disk: MemoryDevice, write: Write, from: number, to: number): void {
  const bytes = write.data?.subarray(from * 512, to * 512) ?? new Uint8Array((to - from) * 512);
  disk.poke((write.sector + from) * 512, bytes);
}

/** A state that a cut inside `interval` may leave. */
function cutIn(interval: Interval, dice: Dice): MemoryDevice {
  const disk = interval.before.clone();
  for (const write of interval.writes) {
    const fate = dice.below(4);
    if (fate === 0) continue;
    if (fate === 1) {
      const middle = dice.below(write.sectors + 1);
      if (dice.below(2) === 0) apply(disk, write, 0, middle);
      else apply(disk, write, middle, write.sectors);
    } else {
      apply(disk, write, 0, write.sectors);
    }
  }
  return disk;
}

const boot = memoryTree({ "EFI/BOOT/BOOTX64.EFI": noise(3000, 1), "loader/loader.conf": "x" });
const source = makeMedium({ boot });
withRegion(source, ({ store, files }) => {
  store.putMany([noise(100, 2), noise(9000, 3)]);
  store.commit();
  files?.writeFile("/system/config/hostname", "box");
  files?.sync();
});
const medium = frozen(source);

test.each([
  ["fresh", 48, {}],
  ["verbatim", 20, { verbatim: true }],
])(
  "a %s installation goes on from %i reordered and torn cuts, and from cuts of that",
  (_, states, options) => {
    const recorder = new Recorder({ size: MEDIUM_SIZE, name: "target" });
    finish(install(medium, recorder, options));
    const intervals = recorder.intervals.filter(({ writes }) => writes.length > 0);
    expect(intervals.length).toBeGreaterThan(10);
    for (let index = 0; index < states; index++) {
      const dice = new Dice(SEED + index);
      const interval = intervals[index % intervals.length] as Interval;
      let disk = cutIn(interval, dice);
      const when = `seed ${SEED + index}, interval ${index % intervals.length}`;
      if (index % 4 === 0 && readJournal(disk) !== undefined) {
        // The second run is cut as well.
        const second = new Recorder({ size: MEDIUM_SIZE, name: "target" });
        copyOnto(disk, second);
        finish(install(medium, second, options));
        const more = second.intervals.filter(({ writes }) => writes.length > 0);
        disk = cutIn(more[dice.below(more.length)] as Interval, dice);
      }
      const erase = readJournal(disk) === undefined && index % intervals.length < 2;
      if (readJournal(disk) !== undefined || erase) finish(install(medium, disk, options));
      expect(readJournal(disk), when).toBeUndefined();
      expect(finish(verifyDisk(frozen(disk))).findings, when).toEqual([]);
    }
  },
);

/** Puts the content of `from` under a recorder that starts with it. */
function copyOnto(from: MemoryDevice, to: Recorder): void {
  for (let at = 0; at < from.sizeBytes; at += 1 << 20) {
    const piece = from.peek(at, Math.min(1 << 20, from.sizeBytes - at));
    if (!isZero(piece)) to.poke(at, piece);
  }
  to.intervals.length = 0;
  to.intervals.push({ before: to.clone(), writes: [] });
}
