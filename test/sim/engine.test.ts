/** The enumerator itself: what it makes of a disk, how many states, and that it takes them back. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { RequestStatus, RequestType, request } from "../../host/device/device.ts";
import { Choice } from "./engine/choice.ts";
import { SimDisk } from "./engine/disk.ts";
import { History, Window } from "./engine/history.ts";
import { KeySet } from "./engine/keys.ts";
import { Random } from "./engine/random.ts";
import { enumerate } from "./engine/states.ts";
import { EventKind, Fate, Trace } from "./engine/trace.ts";
import { blocks, FULL, intervalEnd, single, unitsOf } from "./engine/units.ts";

const SECTOR = 512;
const RULES = { unitSectors: 8, isSpecial: () => false };

function write(disk: SimDisk, sector: number, sectors: number, seed: number): void {
  const data = new Random(seed).bytes(sectors * SECTOR);
  const asked = request(RequestType.OUT, sector, data);
  disk.submit([asked]);
  expect([RequestStatus.OK, RequestStatus.IOERR]).toContain(asked.status);
}

function flush(disk: SimDisk): RequestStatus | -1 {
  const asked = request(RequestType.FLUSH, 0);
  disk.submit([asked]);
  return asked.status;
}

/** The units of `count` writes of `sectors` sectors, each in a block of its own. */
function pending(count: number, sectors: number) {
  const disk = new SimDisk({ sectors: count * 8 + 8 });
  const trace = new Trace();
  disk.mark();
  disk.record(trace, new History(0));
  for (let index = 0; index < count; index++) write(disk, index * 8, sectors, index);
  disk.stopRecording();
  disk.rewind(0);
  return { disk, trace, units: unitsOf(trace, 0, trace.events.length, disk, RULES) };
}

test("rollback restores every byte, however marks and writes nest", () => {
  const step = fc.oneof(
    fc.record({ write: fc.nat(30), sectors: fc.integer({ min: 1, max: 2 }), seed: fc.nat() }),
    fc.constant("mark" as const),
    fc.constant("rollback" as const),
    fc.constant("rewind" as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const disk = new SimDisk({ sectors: 32 });
      const marks: { mark: number; image: Uint8Array }[] = [];
      for (const one of steps) {
        const top = marks.at(-1);
        if (one === "mark") marks.push({ mark: disk.mark(), image: disk.image.slice() });
        else if (typeof one !== "string") write(disk, one.write, one.sectors, one.seed);
        else if (top !== undefined) {
          if (one === "rewind") disk.rewind(top.mark);
          else disk.rollback((marks.pop() as typeof top).mark);
          expect(Buffer.compare(disk.image, top.image)).toBe(0);
        }
      }
    }),
  );
});

test("up to 8 units every combination of old, new and torn is visited", () => {
  const { units } = pending(5, 1);
  const patterns = new Set<string>();
  enumerate(units, single(units), 1, (codes) => {
    patterns.add([...codes].map((code) => (code === 0 ? "o" : code === FULL ? "n" : "t")).join(""));
    return true;
  });
  expect(patterns.size).toBe(3 ** 5);
});

test("up to 12 units every subset is visited, and each unit torn in every form", () => {
  const { units } = pending(10, 8);
  const subsets = new Set<string>();
  const torn = new Set<string>();
  enumerate(units, single(units), 1, (codes) => {
    const strange = [...codes].findIndex((code) => code !== 0 && code !== FULL);
    if (strange < 0) subsets.add(codes.join());
    else torn.add(`${strange}:${codes[strange]}`);
    return true;
  });
  expect(subsets.size).toBe(2 ** 10);
  // Seven prefixes, random bytes, zeros, a flipped bit, a half sector, and at least one subset.
  expect(torn.size).toBeGreaterThanOrEqual(10 * 11);
});

test("above 12 units each pair is missing in some state, and each unit alone in another", () => {
  const { units } = pending(20, 1);
  const missing = new Set<string>();
  const alone = new Set<number>();
  enumerate(units, single(units), 1, (codes) => {
    const old = [...codes.keys()].filter((index) => codes[index] === 0);
    const fresh = [...codes.keys()].filter((index) => codes[index] === FULL);
    if (old.length === 2 && fresh.length === 18) missing.add(old.join());
    if (fresh.length === 1 && old.length === 19) alone.add(fresh[0] as number);
    return true;
  });
  expect(missing.size).toBe((20 * 19) / 2);
  expect(alone.size).toBe(20);
});

test("two choices that leave the same bytes are one state", () => {
  const { disk, trace } = pending(3, 8);
  // The disk already holds what the first two writes bring, so they can only be torn.
  for (const event of trace.events.slice(0, 2)) {
    disk.put(event.sector, trace.bytes.subarray(event.at, event.at + event.sectors * SECTOR));
  }
  const units = unitsOf(trace, 0, trace.events.length, disk, RULES);
  const groups = single(units);
  const codes = (...of: number[]) => new Choice(units, groups, Uint16Array.from(of)).key(1);
  expect(codes(FULL, 0b1011, 0)).toEqual(codes(0, 0, 0));
  expect(codes(0, 0, FULL)).not.toEqual(codes(0, 0, 0));
  expect(codes(0, 0, 0b1011)).not.toEqual(codes(0, 0, 0b111));
});

test("an older version in one interval is reachable, unless a newer one covers it", () => {
  const disk = new SimDisk({ sectors: 16 });
  const trace = new Trace();
  disk.mark();
  disk.record(trace, new History(0));
  write(disk, 0, 1, 1);
  write(disk, 0, 1, 2);
  disk.stopRecording();
  disk.rewind(0);
  const units = unitsOf(trace, 0, 2, disk, RULES);
  const groups = single(units);
  const key = (...of: number[]) => new Choice(units, groups, Uint16Array.from(of)).key(1).join();
  expect(new Set([key(0, 0), key(FULL, 0), key(0, FULL)]).size).toBe(3);
  expect(key(FULL, FULL)).toBe(key(0, FULL));
});

test("a tear of a 4 KiB block spoils neighbours that no write touched", () => {
  const disk = new SimDisk({ sectors: 16 });
  disk.put(0, new Random(5).bytes(8 * SECTOR));
  const before = disk.image.slice(0, 8 * SECTOR);
  const trace = new Trace();
  const mark = disk.mark();
  disk.record(trace, new History(0));
  write(disk, 3, 1, 1);
  disk.stopRecording();
  disk.rewind(mark);
  const units = unitsOf(trace, 0, 1, disk, RULES);
  const groups = blocks(units) ?? [];
  expect(groups.map(({ block }) => block)).toEqual([0]);
  let spoiled = 0;
  enumerate(units, groups, 1, (codes) => {
    new Choice(units, groups, codes).apply(disk, trace, 1);
    const other = [...disk.image.slice(0, 3 * SECTOR)];
    if (other.some((byte, at) => byte !== before[at])) spoiled += 1;
    disk.rewind(mark);
    return true;
  });
  expect(spoiled).toBeGreaterThan(0);
  expect(Buffer.compare(disk.image.subarray(0, 8 * SECTOR), before)).toBe(0);
});

test("a failed flush keeps, drops or hides each pending write, and later flushes do not mend it", () => {
  const seen = new Set<Fate>();
  for (let seed = 0; seed < 8; seed++) {
    const disk = new SimDisk({ sectors: 64 });
    const trace = new Trace();
    disk.mark();
    disk.failFlushIn = 1;
    disk.record(trace, new History(0), seed);
    for (let index = 0; index < 4; index++) write(disk, index, 1, index + 1);
    expect(flush(disk)).toBe(RequestStatus.IOERR);
    expect(flush(disk)).toBe(RequestStatus.OK);
    const failed = trace.events[intervalEnd(trace, 0)];
    expect(failed?.kind).toBe(EventKind.FLUSH_FAILED);
    for (const [index, fate] of (failed?.fates ?? []).entries()) {
      seen.add(fate);
      const shows = disk.image.subarray(index * SECTOR, index * SECTOR + 8).some(Boolean);
      expect(shows, `write ${index}`).toBe(fate !== Fate.DROPPED);
    }
    disk.stopRecording();
  }
  expect(seen.size).toBe(3);
});

test("a window accepts the versions between the last acknowledged and the last issued", () => {
  const history = new History(10);
  for (const digest of [11, 12, 13]) history.issue(digest, `version ${digest}`);
  const window = new Window(history, 1, 2);
  expect([10, 11, 12, 13].filter((digest) => window.accepts(digest))).toEqual([11, 12]);
});

test("a key set keeps every key once", () => {
  const keys = new KeySet();
  const random = new Random(3);
  const all = Array.from({ length: 30_000 }, () => [random.next() | 1, random.next()] as const);
  expect(all.filter(([low, high]) => keys.add(low, high)).length).toBe(30_000);
  expect(all.filter(([low, high]) => keys.add(low, high)).length).toBe(0);
  expect(keys.size).toBe(30_000);
});

test("two states have one key just when they leave the same bytes", () => {
  const { disk, trace, units } = pending(5, 3);
  // Old bytes that no tear happens to equal.
  disk.put(0, new Random(1).bytes(disk.image.length));
  const again = unitsOf(trace, 0, trace.events.length, disk, RULES);
  const images = new Map<string, string>();
  const mark = disk.mark();
  for (const list of [single(again), blocks(again) ?? []]) {
    enumerate(again, list, 1, (codes) => {
      const choice = new Choice(again, list, codes);
      choice.apply(disk, trace, 99);
      const image = createHash("sha1").update(disk.image).digest("hex");
      const key = choice.key(7).join();
      expect(images.get(key) ?? image).toBe(image);
      images.set(key, image);
      disk.rewind(mark);
      return true;
    });
  }
  expect(units.length).toBe(5);
  expect(new Set(images.values()).size).toBe(images.size);
});
