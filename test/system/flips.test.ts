/**
 * 500 single bits, flipped one at a time at seeded places over every structure of a used disk that
 * is live: verify finds each of them and names its place.
 *
 * What is live in the data region is not guessed: pages are what a clean verify reads, records are
 * found by their magic. In the ESP
 * it is what a FAT has a second source for: a flipped bit in a name or a date is just another one.
 */
import { expect, test } from "vitest";
import {
  PACK_HASH,
  PACK_LENGTH,
  PACK_MAGIC_WORD,
  PACK_SEGMENT,
  PACK_SIZE,
} from "../../assembly/format/store.ts";
import { toHex } from "../../host/base/hash.ts";
import { finish } from "../../host/base/work.ts";
import { FatVolume } from "../../host/core/fat.ts";
import { Core } from "../../host/core/load.ts";
import { RequestType } from "../../host/device/device.ts";
import type { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { verifyDisk } from "../../host/system/verify.ts";
import { ESP_SECTORS, frozen, makeMedium, noise, withRegion } from "./support.ts";

const SEED = 20_261_120;
const SECTOR = 512;
const ESP = 2048;
const REGION = 264_192;
const REGION_HEAD_SECTORS = 512;
/** Behind the head and the default log of this region: chunks of 64 KiB. */
const FIRST_CHUNK = 2560;
const CHUNK_SECTORS = 128;
/** A finding names the structure that is damaged, by its first sector: a record of 64 KiB. */
const NEAR_SECTORS = 136;

interface Run {
  readonly what: string;
  /** First byte on the disk. */
  readonly from: number;
  readonly bytes: number;
}

function usedDisk(): MemoryDevice {
  const disk = makeMedium();
  withRegion(disk, ({ store, files }) => {
    store.putMany(Array.from({ length: 60 }, (_, index) => noise(index * 97, index + 1)));
    store.putMany([noise(40_000, 101), noise(200_000, 102)]);
    store.pin(store.put(noise(10, 103)));
    store.commit();
    store.delete(store.put(noise(500, 104)));
    store.commit();
    files?.mkdir("/srv/deep", { recursive: true });
    for (let index = 0; index < 120; index++) {
      files?.writeFile(`/srv/deep/file-${index}`, noise((index % 30) * 700, index + 200));
    }
    files?.setXattr("/srv/deep/file-3", "user.note", noise(300, 9));
    files?.symlink("deep/file-4", "/srv/link");
    files?.rm("/srv/deep/file-7");
    files?.sync();
  });
  return disk;
}

/** Trees and files: what a clean verify reads in the chunks of the region that are no packs. */
function livePages(disk: MemoryDevice): Run[] {
  const owners = withRegion(disk.clone(), (region) => region.owners());
  const trace = new TraceDevice(frozen(disk));
  expect(finish(verifyDisk(trace)).findings).toEqual([]);
  const seen = new Map<number, Run>();
  for (const { type, sector, sectors } of trace.log) {
    const chunk = Math.floor((sector - REGION - FIRST_CHUNK) / CHUNK_SECTORS);
    const owner = owners[chunk];
    if (type !== RequestType.IN || (owner !== "meta" && owner !== "files")) continue;
    const run = { what: owner, from: sector * SECTOR, bytes: sectors * SECTOR };
    if ((seen.get(sector)?.bytes ?? 0) < run.bytes) seen.set(sector, run);
  }
  return [...seen.values()];
}

/** Header and payload of every record of a live object, found by their magic. */
function liveRecords(disk: MemoryDevice): Run[] {
  const hashes = withRegion(disk.clone(), ({ store }) => {
    return new Set([...store.list()].map(({ hash }) => toHex(hash)));
  });
  const found = new Map<string, Run[]>();
  for (let lba = REGION + FIRST_CHUNK; lba < disk.config.capacity - 2048; lba++) {
    const head = disk.peek(lba * SECTOR, PACK_SIZE);
    const view = new DataView(head.buffer, head.byteOffset);
    if (view.getUint32(0, true) !== PACK_MAGIC_WORD) continue;
    const hash = toHex(head.slice(PACK_HASH, PACK_HASH + 32));
    if (!hashes.has(hash)) continue;
    const segment = `${hash}/${view.getUint32(PACK_SEGMENT, true)}`;
    const bytes = PACK_SIZE + Number(view.getBigUint64(PACK_LENGTH, true));
    const run = { what: "record", from: lba * SECTOR, bytes };
    found.set(segment, [...(found.get(segment) ?? []), run]);
  }
  // Where a record stands twice only the index knows which one is live.
  return [...found.values()].flatMap((runs) => (runs.length === 1 ? runs : []));
}

function liveInTable(disk: MemoryDevice): Run[] {
  const end = disk.sizeBytes;
  return [
    { what: "protective MBR", from: 446, bytes: 66 },
    { what: "primary header", from: SECTOR, bytes: SECTOR },
    { what: "primary entries", from: 2 * SECTOR, bytes: 32 * SECTOR },
    { what: "backup entries", from: end - 33 * SECTOR, bytes: 32 * SECTOR },
    { what: "backup header", from: end - SECTOR, bytes: SECTOR },
  ];
}

function liveInEsp(disk: MemoryDevice): Run[] {
  const core = new Core();
  const window = { baseSector: ESP, sectors: ESP_SECTORS, readOnly: true };
  const volume = FatVolume.open(core, core.attach(disk), window);
  const { clusters, freeClusters } = volume.statfs();
  volume.close();
  const boot = ESP * SECTOR;
  const view = new DataView(disk.peek(boot, SECTOR).buffer);
  const reserved = view.getUint16(14, true);
  const tableSectors = view.getUint32(36, true);
  const used = (clusters - freeClusters + 2) * 4;
  const table = (index: number) => boot + (reserved + index * tableSectors) * SECTOR;
  return [
    { what: "boot sector", from: boot, bytes: 90 },
    { what: "boot signature", from: boot + 510, bytes: 2 },
    { what: "FSInfo lead", from: boot + SECTOR, bytes: 4 },
    { what: "FSInfo counts", from: boot + SECTOR + 484, bytes: 12 },
    { what: "backup boot sector", from: boot + 6 * SECTOR, bytes: 90 },
    { what: "first table", from: table(0), bytes: used },
    { what: "second table", from: table(1), bytes: used },
  ];
}

/** `count` seeded bits, spread evenly over the runs by their size. */
function drawBits(runs: readonly Run[], count: number, seed: number) {
  const total = runs.reduce((sum, run) => sum + run.bytes, 0);
  let state = seed >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    let at = Math.floor((state / 2 ** 32) * total * 8);
    const run = runs.find(({ bytes }) => {
      if (at < bytes * 8) return true;
      at -= bytes * 8;
      return false;
    }) as Run;
    return { what: run.what, bit: run.from * 8 + at };
  });
}

const disk = usedDisk();

function expectFound(
  runs: readonly Run[],
  count: number,
  seed: number,
  near: number = NEAR_SECTORS,
): void {
  for (const { what, bit } of drawBits(runs, count, seed)) {
    const bent = disk.clone();
    bent.flip(bit);
    const sector = Math.floor(bit / 8 / SECTOR);
    const where = `${what}: bit ${bit} (LBA ${sector}, byte ${Math.floor(bit / 8) % SECTOR})`;
    const { damage, findings } = finish(verifyDisk(frozen(bent)));
    expect(damage, `${where}, seed ${seed}`).toBeGreaterThan(0);
    const distance = Math.min(...findings.map(({ lba }) => Math.abs(lba - sector)));
    expect(distance, `${where}: ${JSON.stringify(findings)}`).toBeLessThanOrEqual(near);
  }
}

test("100 flips in the partition tables", () => {
  expectFound(liveInTable(disk), 100, SEED);
});

test("100 flips in the ESP", () => {
  const [boot, signature, lead, counts, backup, first, second] = liveInEsp(disk) as Run[];
  expectFound([boot, signature, lead, counts, backup] as Run[], 50, SEED + 1);
  // Which of the two tables is wrong cannot be told: either place names the entry.
  const apart = ((second?.from ?? 0) - (first?.from ?? 0)) / SECTOR;
  expectFound([first, second] as Run[], 50, SEED + 2, apart);
});

test("100 flips in the head of the data region", () => {
  const head = { from: REGION * SECTOR, bytes: REGION_HEAD_SECTORS * SECTOR };
  expectFound([{ what: "region head", ...head }], 50, SEED + 3);
  const places = [0, 1, 8, 128, 136, 256, 257, 264, 384, 392];
  const copies = places.map((lba) => ({
    what: `region LBA ${lba}`,
    from: (REGION + lba) * SECTOR,
    bytes: SECTOR,
  }));
  expectFound(copies, 50, SEED + 4);
});

test("100 flips in trees and files", () => {
  const runs = livePages(disk);
  const of = (owner: string) => runs.filter(({ what }) => what === owner);
  expect(of("meta").length).toBeGreaterThan(3);
  expect(of("files").length).toBeGreaterThan(50);
  expectFound(of("meta"), 40, SEED + 5);
  expectFound(of("files"), 60, SEED + 6);
});

test("100 flips in objects", () => {
  const runs = liveRecords(disk);
  expect(runs.length).toBeGreaterThan(60);
  expectFound(runs, 50, SEED + 7);
  // By place, not by size: else the two large objects would draw nearly all of them.
  const heads = runs.map(({ what, from }) => ({ what, from, bytes: PACK_SIZE }));
  expectFound(heads, 50, SEED + 8);
});
