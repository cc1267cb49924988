/**
 * A cut at any write of any update leaves the old table or the new one, a repair cut at any write
 * changes nothing about which, and the same search finds each planted bug of the module.
 */
import { describe, expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { isDamage } from "../../host/base/finding.ts";
import { seededRandom } from "../../host/base/seed.ts";
import {
  addPartition,
  backupGpt,
  createGpt,
  readGpt,
  repairGpt,
  restoreGpt,
  updatePartition,
  verifyGpt,
} from "../../host/core/gpt.ts";
import type { Core } from "../../host/core/load.ts";
import type { BlockDevice } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { freshCore, plantedCore } from "../support/core.ts";
import { crashStates, Recorder } from "./crash.ts";

const SIZE = 2 ** 23;
/** One state in so many is also repaired under further cuts. */
const NEST_EVERY = 40;
const BROKEN = new Uint8Array(512).fill(0xa5);

/** A disk of SIZE bytes with nine partitions, so that the entries in use take three sectors. */
function made(blkSize: 512 | 4096 = 512): MemoryDevice {
  const device = new MemoryDevice({ size: SIZE, blkSize });
  const entries = Array.from({ length: 9 }, (_, index) => ({
    type: "linux",
    sizeBytes: 2 ** 15,
    firstLba: (2 ** 20 + index * 2 ** 16) / blkSize,
    name: `number ${index}`,
  }));
  const core = freshCore();
  createGpt(core, core.attach(device), { entries, random: seededRandom("crash") });
  return device;
}

/** The same content on a device of SIZE + `more` bytes. */
function grown(more: number, from = made()): MemoryDevice {
  const { blkSize } = from.config;
  const device = new MemoryDevice({ size: SIZE + more, blkSize: blkSize === 4096 ? 4096 : 512 });
  device.poke(0, from.bytes());
  return device;
}

function damaged(offset: number, device = made()): MemoryDevice {
  device.poke(offset < 0 ? device.sizeBytes + offset : offset, BROKEN);
  return device;
}

const rename = (core: Core, id: number) =>
  updatePartition(core, id, 5, { name: "renamed", attributes: 1n << 60n });
const repair = (core: Core, id: number) => repairGpt(core, id);

interface Scenario {
  readonly title: string;
  readonly before: () => MemoryDevice;
  readonly run: (core: Core, id: number) => unknown;
}

const SCENARIOS: readonly Scenario[] = [
  {
    title: "create on a blank disk",
    before: () => new MemoryDevice({ size: SIZE }),
    run: (core, id) => createGpt(core, id, { entries: [{ type: "esp" }] }),
  },
  { title: "rename", before: made, run: rename },
  {
    title: "add, on 4096-byte blocks",
    before: () => made(4096),
    run: (core, id) => addPartition(core, id, { type: "esp", name: "last" }),
  },
  { title: "rename with a damaged primary copy", before: () => damaged(512), run: rename },
  { title: "rename with a damaged backup", before: () => damaged(-512), run: rename },
  { title: "repair of the primary array", before: () => damaged(1024), run: repair },
  { title: "repair of the backup header", before: () => damaged(-512), run: repair },
  { title: "rename on a device that grew", before: () => grown(2 ** 20), run: rename },
  { title: "repair on a device that grew", before: () => grown(2 ** 20), run: repair },
  {
    title: "repair without a primary copy on a device that grew",
    before: () => damaged(512, grown(2 ** 20)),
    run: repair,
  },
  {
    title: "repair without a primary copy on a device that grew by less than a copy",
    before: () => damaged(512, grown(4096)),
    run: repair,
  },
  {
    title: "restore of an older table",
    before: () => {
      const device = made();
      const core = freshCore();
      const id = core.attach(device);
      saved = backupGpt(core, id);
      rename(core, id);
      return device;
    },
    run: (core, id) => restoreGpt(core, id, saved),
  },
  {
    title: "restore of a table that was saved with a damaged backup",
    before: () => {
      const device = damaged(-512);
      const core = freshCore();
      saved = backupGpt(core, core.attach(device));
      return made();
    },
    run: (core, id) => {
      restoreGpt(core, id, saved);
      repairGpt(core, id);
    },
  },
];
let saved: Uint8Array = new Uint8Array(0);

const NOTHING = "no table";

/** What a reader sees: everything of the table but which copy it came from. */
function view(core: Core, device: BlockDevice): string {
  const id = core.attach(device);
  try {
    const { diskGuid, partitions } = readGpt(core, id, { lenient: true });
    return JSON.stringify([diskGuid, partitions], (_, value) =>
      typeof value === "bigint" ? `${value}` : value,
    );
  } catch (error) {
    if (error instanceof StorageError && /ENOENT|EBADMSG/.test(error.code)) return NOTHING;
    throw error;
  } finally {
    core.detach(id);
  }
}

/** Repairs `device` and answers the recording; throws unless it is clean and reads the same. */
function mend(core: Core, device: MemoryDevice, seen: string): Recorder {
  const recorder = new Recorder(device);
  const id = core.attach(recorder);
  repairGpt(core, id);
  const damage = verifyGpt(core, id).filter(isDamage);
  core.detach(id);
  if (damage.length > 0) throw new Error(`after repair: ${damage[0]?.message}`);
  const now = view(core, device);
  if (now !== seen) throw new Error(`repair turned ${seen} into ${now}`);
  return recorder;
}

/** Counts the crash states of a scenario; throws at the first that breaks a promise. */
function search(core: Core, { before, run }: Scenario): number {
  const start = before();
  const old = view(core, start);
  const live = new Recorder(start.clone());
  const id = core.attach(live);
  run(core, id);
  const after = view(core, live);
  const damage = verifyGpt(core, id).filter(isDamage);
  core.detach(id);
  if (damage.length > 0) throw new Error(`after the call: ${damage[0]?.message}`);
  let nested = 0;
  let visits = 0;
  const states = crashStates(start, live, (state, label) => {
    const seen = view(core, state);
    if (seen !== old && seen !== after) throw new Error(`${label}: reads ${seen}`);
    if (seen === NOTHING) return;
    const cut = state.clone();
    const repaired = mend(core, state, seen);
    if (visits++ % NEST_EVERY !== 0) return;
    const judge = (again: MemoryDevice, inner: string) => {
      const found = view(core, again);
      if (found !== seen) throw new Error(`${label}, repair cut at ${inner}: reads ${found}`);
    };
    nested += crashStates(cut, repaired, judge, true);
  });
  return states + nested;
}

describe("every cut leaves the old table or the new one", () => {
  test.each(SCENARIOS)("$title", (scenario) => {
    expect(search(freshCore(), scenario)).toBeGreaterThan(80);
  });
});

/** Planted bug to the scenario that shows it. */
const PLANTS: readonly [number, string, string][] = [
  [40, "both copies in one flush", "rename"],
  [41, "arrays whose CRC is not compared", "rename"],
  [42, "a backup where the old table had it", "rename on a device that grew"],
  [43, "the backup first though it is the only whole copy", "rename with a damaged primary copy"],
  [
    44,
    "the old backup cleared before the new copies are durable",
    "repair without a primary copy on a device that grew",
  ],
];

test.each(PLANTS)("planted bug %i, %s, is found by the cuts of '%s'", (id, _, title) => {
  const scenario = SCENARIOS.find((each) => each.title === title) as Scenario;
  expect(() => search(plantedCore(id), scenario)).toThrow(/reads|after the call|turned|repair/);
  expect(search(plantedCore(0), scenario)).toBeGreaterThan(80);
});
