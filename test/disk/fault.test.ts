/** A device that fails once, at any request, or a core without memory: an error, nothing lost. */
import { expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { isDamage } from "../../host/base/finding.ts";
import { seededRandom } from "../../host/base/seed.ts";
import {
  backupGpt,
  createGpt,
  isBlank,
  readGpt,
  repairGpt,
  restoreGpt,
  updatePartition,
  verifyGpt,
} from "../../host/core/gpt.ts";
import type { Core } from "../../host/core/load.ts";
import { RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { freshCore } from "../support/core.ts";

const SIZE = 2 ** 23;

function made(): MemoryDevice {
  const device = new MemoryDevice({ size: SIZE });
  const core = freshCore();
  const random = seededRandom("fault");
  createGpt(core, core.attach(device), { random, entries: [{ type: "esp", name: "old" }] });
  return device;
}

const rename = (core: Core, id: number) => updatePartition(core, id, 1, { name: "new" });

function grown(): MemoryDevice {
  const device = MemoryDevice.from(made().bytes(), { size: 2 * SIZE });
  device.poke(512, new Uint8Array(512));
  return device;
}

const CALLS: [string, () => MemoryDevice, (core: Core, id: number) => unknown][] = [
  ["an update", made, rename],
  ["a repair of a grown disk without a primary copy", grown, (core, id) => repairGpt(core, id)],
  ["a restore", made, (core, id) => restoreGpt(core, id, backupGpt(core, id))],
];

for (const [what, before, call] of CALLS) {
  for (const answer of ["ioerr", "short", "after"] as const) {
    test(`${what} whose k-th request answers ${answer} fails or not; the table stays`, () => {
      let failed = 0;
      for (let nth = 1; ; nth++) {
        const device = before();
        const trace = new TraceDevice(device);
        const types = [RequestType.IN, RequestType.OUT, RequestType.FLUSH];
        let seen = 0;
        const on = types.find((type) => {
          const total = countOf(before, call, type);
          if (nth - seen <= total) return true;
          seen += total;
          return false;
        });
        if (on === undefined) break;
        trace.inject({ on, nth: nth - seen, answer });
        const core = freshCore();
        const id = core.attach(trace);
        try {
          call(core, id);
        } catch (error) {
          if (!(error instanceof StorageError)) throw error;
          expect(error.code).toBe("EIO");
          failed += 1;
        }
        trace.clear();
        expect(["old", "new"]).toContain(readGpt(core, id).partitions[0]?.name);
        repairGpt(core, id);
        expect(verifyGpt(core, id).filter(isDamage)).toEqual([]);
      }
      expect(failed).toBeGreaterThan(answer === "short" ? 2 : 4);
    });
  }
}

/** Requests of `type` that the call makes on a device that never fails. */
function countOf(
  before: () => MemoryDevice,
  call: (core: Core, id: number) => unknown,
  type: RequestType,
): number {
  const trace = new TraceDevice(before());
  const core = freshCore();
  call(core, core.attach(trace));
  const { reads, writes, flushes } = trace.counts;
  return type === RequestType.IN ? reads : type === RequestType.OUT ? writes : flushes;
}

test("a core without memory answers ENOMEM and works again when it has some", () => {
  const device = made();
  const core = freshCore();
  const id = core.attach(device);
  const calls: (() => unknown)[] = [
    () => readGpt(core, id),
    () => verifyGpt(core, id),
    () => backupGpt(core, id),
    () => isBlank(core, id),
    () => rename(core, id),
    () => repairGpt(core, id),
  ];
  for (const call of calls) {
    let refused = 0;
    for (let more = 0; ; more += 8192) {
      const fresh = freshCore();
      const used = fresh.attach(device);
      expect(used).toBe(id);
      Object.assign(core, { exports: fresh.exports, memory: fresh.memory });
      const start = core.memory.allocate(16) + 4096;
      core.exports.arenaLimit(start + more);
      try {
        call();
        break;
      } catch (error) {
        if (!(error instanceof StorageError) || error.code !== "ENOMEM") throw error;
        refused += 1;
      }
      core.exports.arenaLimit(2 ** 31);
      expect(readGpt(core, id).partitions).toHaveLength(1);
    }
    expect(refused).toBeGreaterThan(0);
  }
});

test("a thousand calls take no more memory than ten", () => {
  const core = freshCore();
  const id = core.attach(made());
  const round = () => {
    readGpt(core, id);
    verifyGpt(core, id);
    restoreGpt(core, id, backupGpt(core, id));
    rename(core, id);
    repairGpt(core, id);
    isBlank(core, id);
    expect(() => readGpt(core, 99)).toThrow("ENOENT");
  };
  for (let count = 0; count < 3; count++) round();
  const before = core.exports.arenaUsedBytes();
  for (let count = 0; count < 200; count++) round();
  expect(core.exports.arenaUsedBytes()).toBe(before);
});
