/**
 * Power cuts at every event of a life of both trees: old, new and torn writes of the open flush
 * interval in many combinations, twice in a row. After each the region mounts, a full check is
 * clean, and each format shows its last acknowledged state or the one in flight. With one rotten
 * superblock copy on top, at worst the state before.
 */
import { describe, expect, test } from "vitest";
import { RequestType } from "../../assembly/format/abi.ts";
import { type BlockDevice, type BlockRequest, request } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TREE, TreeCore } from "../support/tree.ts";

type Event =
  | { readonly kind: "write"; readonly sector: number; readonly data: Uint8Array }
  | { readonly kind: "flush" };
/** What each format may show after a cut behind an event. */
type Legal = readonly [ReadonlySet<string>, ReadonlySet<string>];
/** Every copy of a superblock: slots and mirrors of both formats. */
const COPIES = [0, 1, 128, 136, 256, 257, 384, 392];

/** A device that logs what reaches it; WRITE_ZEROES is not offered, so every change is a write. */
class Recorder implements BlockDevice {
  readonly events: Event[] = [];
  readonly legal: Legal[] = [];
  /** The same where one copy is rotten too. */
  readonly rotten: Legal[] = [];
  readonly name = "recorder";
  readonly #inner: MemoryDevice;
  now: Legal = [new Set(), new Set()];
  nowRotten: Legal = [new Set(), new Set()];

  constructor(inner: MemoryDevice) {
    this.#inner = inner;
  }
  get config() {
    return this.#inner.config;
  }
  get identity() {
    return this.#inner.identity;
  }
  get durability() {
    return this.#inner.durability;
  }
  submit(requests: readonly BlockRequest[]): void {
    for (const one of requests) {
      if (one.type === RequestType.OUT) {
        this.#add({ kind: "write", sector: one.sector, data: one.data.slice() });
      } else if (one.type === RequestType.FLUSH) this.#add({ kind: "flush" });
    }
    this.#inner.submit(requests);
  }
  close(): void {}
  #add(event: Event): void {
    this.events.push(event);
    this.legal.push(this.now);
    this.rotten.push(this.nowRotten);
  }
}

class Life {
  readonly tree: TreeCore;
  readonly recorder: Recorder;
  readonly model: [Map<string, string>, Map<string, string>];
  readonly acked: [string, string];
  readonly before: [string, string];
  region = 0;
  #seed: number;
  readonly #buffer: number;

  constructor(device: MemoryDevice, planted: number, seed: number, model?: Life["model"]) {
    this.recorder = new Recorder(device);
    this.tree = new TreeCore(this.recorder, planted);
    this.model = model ?? [new Map(), new Map()];
    this.acked = [show(this.model[0]), show(this.model[1])];
    this.before = [...this.acked];
    this.#seed = seed;
    this.#buffer = this.tree.core.memory.allocate(16384);
    this.#allow(-1);
  }

  random(below: number): number {
    this.#seed = (Math.imul(this.#seed, 1103515245) + 12345) >>> 0;
    return (this.#seed >>> 8) % below;
  }

  /** Some changes of one format, then its commit; now and then a rest or a new mount. */
  step(): void {
    const kind = this.random(3) === 0 ? 1 : 0;
    const count = 1 + this.random(6);
    for (let at = 0; at < count; at++) {
      if (kind === 0) this.#changeStore();
      else this.#changeFiles();
    }
    this.#allow(kind);
    expect(this.tree.exports.testCommit(this.region, kind)).toBe(0);
    this.#acknowledge(kind);
    if (this.random(5) === 0) expect(this.tree.exports.regionRest(this.region)).toBe(0);
    if (this.random(9) === 0) {
      expect(this.tree.exports.regionClose(this.region)).toBe(0);
      this.region = this.tree.open();
    }
  }

  #changeStore(): void {
    const key = new Uint8Array(32).fill(1 + this.random(60));
    const name = hex(key);
    if (this.model[0].has(name) && this.random(3) === 0) {
      expect(this.tree.delete(this.region, TREE.ST_INDEX, key)).toBe(0);
      this.model[0].delete(name);
      return;
    }
    const value = new Uint8Array(24 + this.random(900)).fill(this.random(256));
    const code = this.tree.put(this.region, TREE.ST_INDEX, key, value);
    if (code === 0) this.model[0].set(name, hex(value));
    else expect(code).toBe(-28);
  }

  /** Rewrites the one extent of a file: fresh pages, the old ones freed. */
  #changeFiles(): void {
    const { exports, core } = this.tree;
    const key = new Uint8Array(17);
    key[7] = 16 + this.random(8);
    key[8] = 4;
    const name = hex(key);
    const wanted = 1 + this.random(3);
    let code = exports.testReserve(this.region, 1, 12, wanted, 0);
    if (code === -11) {
      this.#allow(1);
      expect(exports.testCommit(this.region, 1)).toBe(0);
      this.#acknowledge(1);
      code = exports.testReserve(this.region, 1, 12, wanted, 0);
    }
    if (code === -28) return;
    expect(code).toBe(0);
    const old = this.model[1].get(name);
    if (old !== undefined) {
      const view = new DataView(Uint8Array.from(Buffer.from(old, "hex")).buffer);
      const [page, pages] = [view.getUint32(0, true), view.getUint16(6, true)];
      const birth = Number(view.getBigUint64(8, true));
      expect(exports.testFree(this.region, page, pages, birth)).toBe(0);
    }
    const got = exports.testAllocate(this.region, wanted);
    expect(got).toBeGreaterThan(0);
    const page = exports.testAllocated();
    core.exports.regionInfo(this.region, this.#buffer);
    const birth = core.memory.view.getFloat64(this.#buffer + 0x20, true) + 1;
    const fill = this.random(256);
    core.memory.bytes.fill(fill, this.#buffer, this.#buffer + got * 4096);
    expect(exports.testPagesWrite(this.region, page, this.#buffer, got)).toBe(0);
    const value = new Uint8Array(16 + 8 * got);
    const view = new DataView(value.buffer);
    view.setUint32(0, page, true);
    view.setUint16(6, got, true);
    view.setBigUint64(8, BigInt(birth), true);
    for (let at = 0; at < got; at++) view.setUint32(16 + 8 * at, fill, true);
    expect(this.tree.change(this.region, TREE.WF_FILES, key, value)).toBe(0);
    this.model[1].set(name, hex(value));
  }

  #acknowledge(kind: 0 | 1): void {
    const shown = show(this.model[kind]);
    if (shown !== this.acked[kind]) this.before[kind] = this.acked[kind];
    this.acked[kind] = shown;
    this.#allow(-1);
  }

  #allow(kind: number): void {
    const sets = [0, 1].map((at) => {
      const set = new Set([this.acked[at as 0 | 1]]);
      if (at === kind) set.add(show(this.model[at as 0 | 1]));
      return set;
    });
    this.recorder.now = [sets[0] as Set<string>, sets[1] as Set<string>];
    this.recorder.nowRotten = [
      new Set([...(sets[0] as Set<string>), this.before[0]]),
      new Set([...(sets[1] as Set<string>), this.before[1]]),
    ];
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const show = (map: Map<string, string>) => JSON.stringify([...map].sort());

/** What a mounted region shows; file pages are compared with what their record promises. */
function content(tree: TreeCore, region: number): [Map<string, string>, Map<string, string>] {
  const pairs = (id: number) =>
    tree.list(region, id).map(([k, v]) => [hex(k), hex(v)] as [string, string]);
  const files = pairs(TREE.WF_FILES).filter(([key]) => key.length === 34);
  const buffer = tree.core.memory.allocate(16384);
  for (const [, value] of files) {
    const view = new DataView(Uint8Array.from(Buffer.from(value, "hex")).buffer);
    const pages = view.getUint16(6, true);
    expect(tree.exports.testPagesRead(region, view.getUint32(0, true), buffer, pages)).toBe(0);
    for (let at = 0; at < pages; at++) {
      const bytes = tree.core.memory.subarray(buffer + at * 4096, 4096);
      const fill = view.getUint32(16 + 8 * at, true);
      if (bytes.some((byte) => byte !== fill)) throw new Error("a page of a file was overwritten");
    }
  }
  tree.core.memory.release(buffer, 16384);
  return [new Map(pairs(TREE.ST_INDEX)), new Map(files)];
}

function apply(device: MemoryDevice, sector: number, data: Uint8Array): void {
  device.submit([request(RequestType.OUT, sector, data)]);
}

/** Explores cuts of the life that `recorder` has logged over `base`; answers the states seen. */
function explore(
  life: Life,
  base: MemoryDevice,
  planted: number,
  depth: number,
  seed: number,
  outermost = true,
) {
  const block = base.config.blkSize / 512;
  const { events, legal, rotten } = life.recorder;
  const durable = base.clone();
  const tree = new TreeCore(durable.clone(), planted);
  let pending: Extract<Event, { kind: "write" }>[] = [];
  let states = 0;
  let random = seed;
  const below = (limit: number) => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    return (random >>> 8) % limit;
  };
  const tear = (data: Uint8Array, old: Uint8Array) => {
    const torn = old.slice();
    const sectors = data.length / 512;
    if (sectors === 1 || below(2) === 0) torn.fill(below(256), 0, below(data.length + 1));
    else torn.set(data.subarray(0, 512 * (1 + below(sectors - 1))));
    return torn;
  };
  const judge = (device: MemoryDevice, allowed: Legal, at: number) => {
    states += 1;
    const id = tree.core.attach(device);
    const where = `event ${at}, state ${states}, seed ${seed}`;
    const region = tree.exports.regionOpen(id, 0, 0, 0);
    if (region < 0) throw tree.core.error(region, `mount at ${where}`);
    const found = tree.exports.regionCheck(region, 0);
    if (found !== 0) throw new Error(`${found} findings at ${where}`);
    const shown = content(tree, region);
    for (const kind of [0, 1] as const) {
      if (allowed[kind].has(show(shown[kind]))) continue;
      throw new Error(`format ${kind} shows a foreign state at ${where}`);
    }
    tree.exports.regionAbandon(region);
    tree.core.detach(id);
    if (depth > 1 && below(40) === 0) {
      const again = new Life(device.clone(), planted, below(1 << 20), shown);
      again.region = again.tree.open();
      for (let step = 0; step < 3; step++) again.step();
      states += explore(again, device, planted, depth - 1, below(1 << 20), false);
    }
  };
  for (const [at, event] of events.entries()) {
    const allowed = legal[at] as Legal;
    if (event.kind === "flush") {
      for (const { sector, data } of pending) apply(durable, sector, data);
      pending = [];
      continue;
    }
    pending.push(event);
    const next = events[at + 1];
    const whole = next === undefined || next.kind === "flush";
    const rounds = whole ? 6 + pending.length * 2 : 2;
    for (let round = 0; round < rounds; round++) {
      const device = durable.clone();
      const alone = whole && round >= 6 ? (round - 6) >> 1 : -1;
      for (const [index, { sector, data }] of pending.entries()) {
        // All; none but one; all but one; a random choice, some of them torn.
        if (round === 0 || (alone >= 0 && (index === alone) === ((round & 1) === 0))) {
          apply(device, sector, data);
        } else if (alone < 0) {
          const choice = below(4);
          if (choice === 0) {
            const old = new Uint8Array(data.length);
            durable.submit([request(RequestType.IN, sector, old)]);
            apply(device, sector, tear(data, old));
          } else if (choice > 1) apply(device, sector, data);
        }
      }
      // A 4 KiB block that was being written may be garbage as a whole: both slots at once.
      if (round % 3 === 2 && isSlot(event)) apply(device, event.sector & ~7, garbage);
      judge(device, allowed, at);
      // One copy is rotten on top; only where the state before is known.
      if (!outermost || (planted === 0 && below(3) > 0)) continue;
      const lba = COPIES[below(COPIES.length)] as number;
      const from = lba - (lba % block);
      const bytes = new Uint8Array(block * 512);
      device.submit([request(RequestType.IN, from, bytes)]);
      bytes.fill(0x5a, (lba % block) * 512 + 40, (lba % block) * 512 + 44);
      apply(device, from, bytes);
      judge(device, rotten[at] as Legal, at);
    }
  }
  return states;
}

const garbage = new Uint8Array(4096).fill(0xa5);
const isSlot = (event: { sector: number }) =>
  event.sector < 2 || event.sector === 256 || event.sector === 257;

function live(planted: number, seed: number, steps: number, blkSize: 512 | 4096 = 512) {
  const device = new MemoryDevice({ size: 2 << 20, writeZeroes: false, blkSize });
  expect(new TreeCore(device).format({ files: true })).toBe(0);
  const base = device.clone();
  const life = new Life(device, planted, seed);
  life.region = life.tree.open();
  for (let step = 0; step < steps; step++) life.step();
  life.tree.exports.regionAbandon(life.region);
  return { life, base };
}

test.each([1, 2])("no power cut breaks a region or loses an answered commit, seed %i", (seed) => {
  const { life, base } = live(0, seed, 10);
  expect(explore(life, base, 0, 2, seed)).toBeGreaterThan(1000);
});

test("the same on a device with blocks of 4096 bytes", () => {
  const { life, base } = live(0, 7, 8, 4096);
  expect(explore(life, base, 0, 2, 7)).toBeGreaterThan(500);
});

describe("the planted bugs that a power cut shows are found", () => {
  const PLANTS = [
    [1, "pages are reused after one commit"],
    [2, "two homes for a bitmap"],
    [5, "no flush before the slot"],
    [10, "a freed page is forgotten"],
    [16, "file pages are reused at once"],
  ] as const;
  test.each(PLANTS)("planted %i: %s", (planted) => {
    expect(() => {
      for (let seed = 1; seed <= 8; seed++) {
        const { life, base } = live(planted, seed, 14);
        explore(life, base, planted, 1, seed);
      }
    }).toThrow();
  });
});
