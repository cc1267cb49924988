/**
 * Bugs that the simulator found, each as short as it can be told.
 *
 * A flush that rest() had asked for failed, and the device dropped the records that waited for it;
 * the open batch was committed all the same, and its objects could not be read. And a tear of the
 * 4 KiB block of the slots left garbage behind them that no later commit wiped away.
 */
import { expect, test } from "vitest";
import { isDamage } from "../../host/base/finding.ts";
import { Region } from "../../host/core/region.ts";
import { freshCore } from "../support/core.ts";
import { SimDisk } from "./engine/disk.ts";
import { History } from "./engine/history.ts";
import { Machine } from "./engine/machine.ts";
import { Random } from "./engine/random.ts";
import { EventKind, Fate, Trace } from "./engine/trace.ts";
import { pullPlug } from "./subjects/region-life.ts";

function arenaAfter(machine: Machine, disk: SimDisk, lives: number): number {
  const { core, device } = machine.boot(disk, 1);
  for (let life = 0; life < lives; life++) {
    const region = Region.open(core, device);
    region.store.delete(region.store.put(new Uint8Array(5000)));
    region.store.put(new Uint8Array([life & 7]));
    region.store.commit();
    if (life % 2 === 0) region.close();
    else pullPlug(disk, region);
    expect(Region.verify(core, device).filter(isDamage)).toEqual([]);
  }
  return machine.arenaUsedBytes;
}

test("mounts, cut or closed, give all their memory back", () => {
  const disk = formatted();
  const machine = new Machine({});
  const warm = arenaAfter(machine, disk, 100);
  expect(arenaAfter(machine, disk, 300) - warm).toBeLessThan(100_000);
});

function formatted(): SimDisk {
  const disk = new SimDisk({ sectors: 4096 });
  const core = freshCore();
  Region.format(core, core.attach(disk), { logSectors: 128, files: false });
  return disk;
}

test("a batch that was open when a flush failed is aborted, whoever asked for the flush", () => {
  let dropped = 0;
  for (let seed = 0; seed < 8; seed++) {
    const disk = formatted();
    const core = freshCore();
    const region = Region.open(core, core.attach(disk));
    const trace = new Trace();
    const bytes = new Random(seed).bytes(3000);
    region.store.put(new Uint8Array(10));
    region.store.commit();
    const hash = region.store.put(bytes);
    disk.failFlushIn = 1;
    disk.record(trace, new History(0), seed);
    expect(() => region.rest()).toThrow("EIO");
    disk.stopRecording();
    const failed = trace.events.find(({ kind }) => kind === EventKind.FLUSH_FAILED);
    dropped += failed?.fates?.includes(Fate.DROPPED) ? 1 : 0;
    expect(() => region.store.commit()).toThrow("EIO");
    region.store.reopen();
    expect(region.store.has(hash)).toBe(false);
    expect(region.store.put(bytes)).toEqual(hash);
    region.store.commit();
    expect(Buffer.compare(region.store.get(hash), bytes)).toBe(0);
  }
  expect(dropped).toBeGreaterThan(0);
});

test.each([2, 7, 129, 143])(
  "garbage at LBA %i, beside a superblock, is gone after two commits",
  (lba) => {
    const disk = formatted();
    disk.put(lba, new Random(lba).bytes(512));
    const core = freshCore();
    const device = core.attach(disk);
    const damage = () => Region.verify(core, device).filter(isDamage);
    expect(damage().map((finding) => finding.lba)).toEqual([lba]);
    const region = Region.open(core, device);
    for (const length of [1, 2]) {
      region.store.put(new Uint8Array(length));
      region.store.commit();
    }
    region.close();
    expect(damage()).toEqual([]);
  },
);
