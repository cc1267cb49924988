/**
 * Power cuts at every write: the writes of a scenario are recorded, and every state that a cut may
 * leave is opened and checked. Between two flushes any subset of sectors may have reached the disk.
 */
import { expect, test } from "vitest";
import { RequestType } from "../../../assembly/format/abi.ts";
import { FatVolume } from "../../../host/core/fat.ts";
import type { Core } from "../../../host/core/load.ts";
import type { BlockRequest } from "../../../host/device/device.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { freshCore, plantedCore } from "../../support/core.ts";
import { content, SERIAL, TIMESTAMP } from "./support.ts";

const SECTOR = 512;
/** States tried inside one interval between flushes, beside none, all and each prefix. */
const SUBSETS = 12;

interface Write {
  readonly sector: number;
  readonly data: Uint8Array;
}

/** A device that remembers its writes, sector by sector, between flushes. */
class RecordingDevice extends MemoryDevice {
  readonly intervals: Write[][] = [[]];

  override submit(requests: readonly BlockRequest[]): void {
    for (const { type, sector, data, length } of requests) {
      const interval = this.intervals.at(-1) as Write[];
      if (type === RequestType.FLUSH) this.intervals.push([]);
      if (type === RequestType.OUT) {
        for (let at = 0; at < data.length; at += SECTOR) {
          interval.push({ sector: sector + at / SECTOR, data: data.slice(at, at + SECTOR) });
        }
      }
      if (type === RequestType.WRITE_ZEROES) {
        for (let at = 0; at < length; at++) {
          interval.push({ sector: sector + at, data: new Uint8Array(SECTOR) });
        }
      }
    }
    super.submit(requests);
  }
}

/** What may stand under a name: sizes and seeds of content; undefined: nothing. */
type Version = readonly [size: number, seed: number] | undefined;

interface Scenario {
  readonly name: string;
  run(fat: FatVolume): void;
  /** For each path all that a cut may leave there; the last is what stands there in the end. */
  readonly versions: Readonly<Record<string, readonly Version[]>>;
  /** Findings that a cut may leave beside those of CUT. */
  readonly allowed?: readonly string[];
}

/** What a cut may leave on any FAT volume: the mark, and clusters that nothing names. */
const CUT = ["DIRTY", "LOST", "TABLES_DIFFER", "LONG_NAME"];
const put = (fat: FatVolume, path: string, [size, seed]: readonly [number, number]) =>
  fat.writeFile(path, content(size, seed));

const OLD = [9000, 1] as const;
const NEW = [14_000, 2] as const;

const SCENARIOS: readonly Scenario[] = [
  {
    name: "a new file with a long name",
    run: (fat) => put(fat, "/sub/a rather long name for a new file.txt", NEW),
    versions: { "/sub/a rather long name for a new file.txt": [undefined, NEW], "/old": [OLD] },
  },
  {
    name: "a file replaced, and another written over what it gave up",
    run: (fat) => {
      put(fat, "/old", NEW);
      put(fat, "/sub/next", NEW);
      fat.flush();
      put(fat, "/sub/last", OLD);
    },
    versions: {
      "/old": [OLD, NEW],
      "/sub/next": [undefined, NEW],
      "/sub/last": [undefined, OLD],
    },
  },
  {
    name: "a file removed, its room taken again",
    run: (fat) => {
      fat.remove("/old");
      put(fat, "/sub/next", NEW);
    },
    versions: { "/old": [OLD, undefined], "/sub/next": [undefined, NEW] },
  },
  {
    name: "new directories with files, and a directory that grows",
    run: (fat) => {
      fat.mkdir("/sub/x/y", { recursive: true });
      for (let at = 0; at < 12; at++) put(fat, `/sub/number ${at} of many files`, [600, at]);
      put(fat, "/sub/x/y/deep", NEW);
    },
    versions: {
      "/sub/number 11 of many files": [undefined, [600, 11]],
      "/sub/x/y/deep": [undefined, NEW],
      "/old": [OLD],
    },
  },
  {
    name: "a rename, which shows one name or both",
    run: (fat) => fat.rename("/old", "/sub/renamed to something longer"),
    versions: {
      "/old": [OLD, undefined],
      "/sub/renamed to something longer": [undefined, OLD],
    },
    allowed: ["CROSS_LINK"],
  },
];

/** The disk before the scenario, and what the scenario wrote. */
function record(
  core: Core,
  { run }: Scenario,
  blkSize: 512 | 4096 = 512,
): { before: MemoryDevice; intervals: Write[][] } {
  const device = new RecordingDevice({ size: blkSize === 512 ? "33MiB" : "257MiB", blkSize });
  const id = core.attach(device);
  const options = { serial: SERIAL, timestamp: TIMESTAMP };
  const fat = FatVolume.format(core, id, options);
  fat.mkdir("/sub");
  put(fat, "/old", OLD);
  fat.flush();
  const before = device.clone();
  device.intervals.splice(0, device.intervals.length, []);
  run(fat);
  fat.close();
  core.detach(id);
  return { before, intervals: device.intervals };
}

/** All subsets of `writes` that are tried: each prefix, and random ones from a fixed seed. */
function* subsets(writes: readonly Write[]): Generator<readonly Write[]> {
  const step = Math.max(1, Math.floor(writes.length / 24));
  for (let count = 0; count < writes.length; count += step) yield writes.slice(0, count);
  let state = 0x9e3779b9 ^ writes.length;
  for (let at = 0; at < SUBSETS && writes.length > 1; at++) {
    yield writes.filter(() => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state & 0x8000_0000) !== 0;
    });
  }
}

/** Cuts the power everywhere; answers how many states there were, and what was wrong with them. */
function cutEverywhere(
  core: Core,
  scenario: Scenario,
  blkSize: 512 | 4096 = 512,
): { states: number; wrong: string[] } {
  const { before, intervals } = record(core, scenario, blkSize);
  const wrong: string[] = [];
  let states = 0;
  const judge = (device: MemoryDevice, place: string) => {
    states++;
    const problem = judgeState(device, scenario);
    if (problem !== undefined) wrong.push(`${place}: ${problem}`);
  };
  const device = before.clone();
  for (const [index, writes] of intervals.entries()) {
    for (const subset of subsets(writes)) {
      const state = device.clone();
      for (const { sector, data } of subset) state.poke(sector * SECTOR, data);
      judge(state, `interval ${index}, ${subset.length} of ${writes.length} sectors`);
    }
    for (const { sector, data } of writes) device.poke(sector * SECTOR, data);
  }
  judge(device, "the end");
  return { states, wrong };
}

/** Why a state is not one that a cut may leave. */
function judgeState(device: MemoryDevice, scenario: Scenario): string | undefined {
  const core = freshCore();
  const fat = FatVolume.open(core, core.attach(device), { readOnly: true });
  const allowed = [...CUT, ...(scenario.allowed ?? [])];
  const findings = fat.check();
  const worse = findings.find(({ kind }) => !allowed.includes(kind));
  if (worse !== undefined) return `${worse.kind} ${worse.path ?? ""} ${worse.reason}`;
  if (findings.length > 0 && findings.every(({ kind }) => kind !== "DIRTY")) {
    return `${findings[0]?.kind} on a volume that says it is clean`;
  }
  for (const [path, versions] of Object.entries(scenario.versions)) {
    const found = fat.exists(path) ? fat.readFile(path) : undefined;
    const known = versions.some((version) =>
      version === undefined || found === undefined
        ? version === found
        : Buffer.compare(content(...version), found) === 0,
    );
    if (!known) return `${path} has ${found?.length ?? "no"} bytes of something else`;
  }
  return undefined;
}

test.each(SCENARIOS)("after a cut: $name", (scenario) => {
  const { states, wrong } = cutEverywhere(freshCore(), scenario);
  expect(wrong).toEqual([]);
  expect(states).toBeGreaterThan(20);
});

test.each(SCENARIOS)("after a cut that tears blocks of 4096 bytes: $name", (scenario) => {
  const { states, wrong } = cutEverywhere(freshCore(), scenario, 4096);
  expect(wrong).toEqual([]);
  expect(states).toBeGreaterThan(20);
});

test("a format that is cut over an old volume leaves none, or the new one", () => {
  const core = freshCore();
  for (const writeZeroes of [true, false]) {
    const device = new RecordingDevice({ size: "33MiB", writeZeroes });
    const id = core.attach(device);
    const options = { timestamp: TIMESTAMP };
    const old = FatVolume.format(core, id, { ...options, serial: 1 });
    old.mkdir("/old");
    old.close();
    const before = device.clone();
    device.intervals.splice(0, device.intervals.length, []);
    FatVolume.format(core, id, { ...options, serial: 2 }).close();
    const seen = new Set<string>();
    for (const writes of device.intervals) {
      for (const subset of subsets(writes)) {
        const state = before.clone();
        for (const { sector, data } of subset) state.poke(sector * SECTOR, data);
        seen.add(describeFormat(state));
      }
      for (const { sector, data } of writes) before.poke(sector * SECTOR, data);
    }
    seen.add(describeFormat(before));
    expect([...seen].sort()).toEqual(["new", "none", "old"]);
  }
});

function describeFormat(device: MemoryDevice): string {
  const core = freshCore();
  const [first, ...more] = FatVolume.verify(core, core.attach(device));
  if (first?.kind === "NOT_FAT32") return "none";
  if (first !== undefined) return `damaged: ${first.reason} and ${more.length} more`;
  const fat = FatVolume.open(core, core.attach(device));
  return fat.serial === 1 && fat.exists("/old") ? "old" : fat.list().length === 0 ? "new" : "both";
}

test.each(SCENARIOS)("without a cut, all of it is there: $name", (scenario) => {
  const { before, intervals } = record(freshCore(), scenario);
  for (const { sector, data } of intervals.flat()) before.poke(sector * SECTOR, data);
  const core = freshCore();
  const id = core.attach(before);
  expect(FatVolume.verify(core, id)).toEqual([]);
  const fat = FatVolume.open(core, id);
  for (const [path, versions] of Object.entries(scenario.versions)) {
    const last = versions.at(-1);
    expect(fat.exists(path), path).toBe(last !== undefined);
    if (last !== undefined) expect(fat.readFile(path), path).toEqual(content(...last));
  }
});

test.each([50, 52])("the planted bug %i is found by a cut", (bug) => {
  const found = SCENARIOS.flatMap((scenario) => cutEverywhere(plantedCore(bug), scenario).wrong);
  expect(found.length).toBeGreaterThan(0);
});

test("a 15 MiB file takes a handful of requests", () => {
  const core = freshCore();
  const device = new CountingDevice({ size: "128MiB" });
  const id = core.attach(device);
  const fat = FatVolume.format(core, id, { serial: SERIAL, timestamp: TIMESTAMP });
  const bytes = content(15 << 20, 1);
  device.requests = 0;
  fat.writeFile("/initrd", bytes);
  fat.close();
  expect(device.requests).toBeLessThan(40);
  device.requests = 0;
  expect(Buffer.compare(FatVolume.open(core, id).readFile("/initrd"), bytes)).toBe(0);
  expect(device.requests).toBeLessThan(15);
});

/** Counts the requests that reach it. */
class CountingDevice extends MemoryDevice {
  requests = 0;

  override submit(requests: readonly BlockRequest[]): void {
    this.requests += requests.length;
    super.submit(requests);
  }
}
