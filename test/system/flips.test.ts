/**
 * 500 single bits, flipped one at a time at seeded places over every structure of a used disk that
 * is live: `diskwright verify`, the program, finds each of them and names its place.
 *
 * What is live in the data region is not guessed: pages are what a clean verify reads, records are
 * found by their magic. In the ESP it is what a FAT has a second source for: a flipped bit in a name
 * or a date is just another one.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
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
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { install } from "../../host/system/install/install.ts";
import { verifyDisk } from "../../host/system/verify.ts";
import { type CliOutcome, diskwrightAside } from "../support/cli.ts";
import { temporaryPaths } from "../support/folder.ts";
import { ESP_SECTORS, frozen, makeMedium, noise, toFile, withRegion } from "./support.ts";

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
const path = temporaryPaths();
/** Two copies of the disk, so that two programs run side by side. */
const images = [path("used.img"), path("used.img")] as const;
/** 100 starts of a program, on a machine that does other things too. */
const HUNDRED_MS = 400_000;

beforeAll(() => {
  for (const image of images) toFile(disk, image);
});

interface Flip {
  readonly what: string;
  readonly bit: number;
  readonly near: number;
}

function flips(runs: readonly Run[], count: number, seed: number, near = NEAR_SECTORS): Flip[] {
  return drawBits(runs, count, seed).map((drawn) => ({ ...drawn, near }));
}

function flipIn(file: number, bit: number): void {
  const byte = new Uint8Array(1);
  const at = Math.floor(bit / 8);
  readSync(file, byte, 0, 1, at);
  writeSync(file, Uint8Array.of((byte[0] as number) ^ (1 << (bit & 7))), 0, 1, at);
}

function expectNamed({ what, bit, near }: Flip, { code, stdout, stderr }: CliOutcome): void {
  const sector = Math.floor(bit / 8 / SECTOR);
  const where = `${what}: bit ${bit} (LBA ${sector}, byte ${Math.floor(bit / 8) % SECTOR})`;
  expect(code, `${where}: ${stdout}${stderr}`).toBe(3);
  const named = [...stdout.matchAll(/^\w+(?:, partition \d)?, LBA (\d+): .+$/gm)];
  const distance = Math.min(...named.map(([, lba]) => Math.abs(Number(lba) - sector)));
  expect(distance, `${where}: ${stdout}`).toBeLessThanOrEqual(near);
}

/** Flips one bit after the other, each flipped back: the program finds every one. */
async function expectFound(all: readonly Flip[]): Promise<void> {
  let found = 0;
  const inTurn = async (image: string, lane: number) => {
    const file = openSync(image, "r+");
    try {
      for (let index = lane; index < all.length; index += images.length) {
        const flip = all[index] as Flip;
        flipIn(file, flip.bit);
        expectNamed(flip, await diskwrightAside(["verify", image]));
        flipIn(file, flip.bit);
        found += 1;
      }
    } finally {
      closeSync(file);
    }
  };
  await Promise.all(images.map(inTurn));
  expect(found).toBe(all.length);
}

test("a clean disk, fresh, installed or used, is silent", async () => {
  const medium = makeMedium();
  const target = new MemoryDevice({ size: "200MiB", name: "target" });
  finish(install(medium, target, { seed: "flips" }));
  const fresh = path("fresh.img");
  const installed = path("installed.img");
  toFile(medium, fresh);
  toFile(target, installed);
  for (const image of [fresh, installed, ...images]) {
    const { code, stdout, stderr } = await diskwrightAside(["verify", image]);
    expect(stdout).toBe(`${image}: GPT, partition 1: FAT32, partition 2: data region: clean\n`);
    expect([code, stderr]).toEqual([0, ""]);
  }
});

test(
  "100 flips in the partition tables",
  async () => {
    await expectFound(flips(liveInTable(disk), 100, SEED));
  },
  HUNDRED_MS,
);

test(
  "100 flips in the ESP",
  async () => {
    const [boot, signature, lead, counts, backup, first, second] = liveInEsp(disk) as Run[];
    // Which of the two tables is wrong cannot be told: either place names the entry.
    const apart = ((second?.from ?? 0) - (first?.from ?? 0)) / SECTOR;
    await expectFound([
      ...flips([boot, signature, lead, counts, backup] as Run[], 50, SEED + 1),
      ...flips([first, second] as Run[], 50, SEED + 2, apart),
    ]);
  },
  HUNDRED_MS,
);

test(
  "100 flips in the head of the data region",
  async () => {
    const head = { from: REGION * SECTOR, bytes: REGION_HEAD_SECTORS * SECTOR };
    const places = [0, 1, 8, 128, 136, 256, 257, 264, 384, 392];
    const copies = places.map((lba) => ({
      what: `region LBA ${lba}`,
      from: (REGION + lba) * SECTOR,
      bytes: SECTOR,
    }));
    await expectFound([
      ...flips([{ what: "region head", ...head }], 50, SEED + 3),
      ...flips(copies, 50, SEED + 4),
    ]);
  },
  HUNDRED_MS,
);

test(
  "100 flips in trees and files",
  async () => {
    const runs = livePages(disk);
    const of = (owner: string) => runs.filter(({ what }) => what === owner);
    expect(of("meta").length).toBeGreaterThan(3);
    expect(of("files").length).toBeGreaterThan(50);
    await expectFound([...flips(of("meta"), 40, SEED + 5), ...flips(of("files"), 60, SEED + 6)]);
  },
  HUNDRED_MS,
);

test(
  "100 flips in objects",
  async () => {
    const runs = liveRecords(disk);
    expect(runs.length).toBeGreaterThan(60);
    // By place, not by size: else the two large objects would draw nearly all of them.
    const heads = runs.map(({ what, from }) => ({ what, from, bytes: PACK_SIZE }));
    await expectFound([...flips(runs, 50, SEED + 7), ...flips(heads, 50, SEED + 8)]);
  },
  HUNDRED_MS,
);
