/**
 * Partition tables: create, add, remove, resize, rename, save and restore, repair. Every update is
 * durable when its call returns; a cut inside leaves the old table or the new one, and repair then
 * makes both copies whole without changing which.
 */

import { StorageError } from "../../../host/base/errors.ts";
import { isDamage } from "../../../host/base/finding.ts";
import {
  addPartition,
  backupGpt,
  createGpt,
  GPT_TYPES,
  readGpt,
  removePartition,
  repairGpt,
  restoreGpt,
  updatePartition,
  verifyGpt,
} from "../../../host/core/gpt.ts";
import type { Core } from "../../../host/core/load.ts";
import { SimDisk } from "../engine/disk.ts";
import { History, type Life, Violation } from "../engine/history.ts";
import { Machine } from "../engine/machine.ts";
import { Digest, Random } from "../engine/random.ts";
import type { Scenario, Subject, SubjectOptions } from "../subject.ts";

const MIB = 1 << 20;
const DISK_MIB = 8;
const PARTITIONS = 6;
const OPERATIONS = 8;
const MORE_OPERATIONS = 10;
/** Sectors that a grown device has more than its table knows. */
const GROWN_SECTORS = 1024;
/** How a workload finds its disk, by its seed. */
const STARTS = [
  ...(["none", "clean", "grown", "primary damaged", "backup damaged", "clean"] as const),
  "grown, primary damaged",
] as const;
type Start = (typeof STARTS)[number];
/** The digest of a disk without a table. */
const NONE = 0;

interface Partition {
  typeGuid: string;
  uniqueGuid: string;
  firstLba: number;
  lastLba: number;
  attributes: bigint;
  name: string;
}

/** What the disk should say: partitions by number, and the disk's own GUID. */
interface Table {
  diskGuid: string;
  readonly partitions: Map<number, Partition>;
}

interface GptScenario extends Scenario<GptOperation> {
  readonly start: Start;
}

interface GptOperation {
  readonly kind: "create" | "add" | "remove" | "resize" | "rename" | "save" | "restore" | "repair";
  readonly index: number;
  readonly seed: number;
}

const KINDS = ["add", "add", "remove", "resize", "rename", "save", "restore", "repair"] as const;

function operation(random: Random): GptOperation {
  const kind = random.chance(6) ? "create" : random.pick(KINDS);
  return { kind, index: 1 + random.below(PARTITIONS), seed: random.next() };
}

function guid(random: Random): string {
  const digits = [...random.bytes(16)].map((byte) => byte.toString(16).padStart(2, "0"));
  digits[6] = `4${digits[6]?.[1]}`;
  digits[8] = `a${digits[8]?.[1]}`;
  const part = (from: number, to: number) => digits.slice(from, to).join("").toUpperCase();
  return [part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 16)].join("-");
}

function digestOf(table: Table | undefined): number {
  if (table === undefined) return NONE;
  const digest = new Digest().text(table.diskGuid.toUpperCase());
  for (let index = 1; index <= PARTITIONS; index++) {
    const it = table.partitions.get(index);
    if (it === undefined) continue;
    digest.number(index).text(it.typeGuid.toUpperCase()).text(it.uniqueGuid.toUpperCase());
    digest.number(it.firstLba).number(it.lastLba).text(String(it.attributes)).text(it.name);
  }
  return digest.value();
}

function describeTable(table: Table | undefined): string {
  if (table === undefined) return "no table";
  const parts = [...table.partitions].map(([index, it]) => {
    return `${index} "${it.name}" ${it.firstLba}-${it.lastLba}`;
  });
  return `disk ${table.diskGuid} with ${parts.join(", ") || "no partitions"}`;
}

/** One open disk: what it should hold, and the calls that change it. */
class Session {
  table: Table | undefined;
  /** Both copies are known to be whole: any update makes them so. */
  whole = false;
  readonly #core: Core;
  readonly #device: number;
  readonly #blockSize: number;
  #saved: { readonly bytes: Uint8Array; readonly table: Table } | undefined;

  constructor(core: Core, device: number, blockSize: number) {
    this.#core = core;
    this.#device = device;
    this.#blockSize = blockSize;
  }

  /** What a reader finds now. */
  read(): Table | undefined {
    try {
      const { diskGuid, partitions } = readGpt(this.#core, this.#device);
      return { diskGuid, partitions: new Map(partitions.map((it) => [it.index, { ...it }])) };
    } catch (error) {
      const none = ["ENOENT", "EBADMSG"];
      if (error instanceof StorageError && none.includes(error.code)) return undefined;
      throw error;
    }
  }

  /** Mends what a crash left of one side; true if there was anything to mend. */
  mend(): boolean {
    const { repaired } = repairGpt(this.#core, this.#device);
    this.whole = true;
    this.expectClean("repair");
    return repaired.length > 0;
  }

  expectClean(when: string): void {
    const damage = verifyGpt(this.#core, this.#device).filter(isDamage);
    if (damage.length === 0) return;
    const words = damage.map(({ reason, lba, message }) => `${reason} at LBA ${lba}: ${message}`);
    throw new Violation(`after ${when} the table is damaged: ${words.join("; ")}`);
  }

  /** Carries out `step`, unless it makes no sense now. */
  carryOut(step: GptOperation, history: History, label: string): void {
    const plan = this.#plan(step);
    if (plan === undefined) return;
    history.issue(digestOf(plan.table), label);
    plan.act();
    this.whole = true;
    this.table = plan.table;
    history.ack();
  }

  #plan(step: GptOperation): { table: Table | undefined; act: () => unknown } | undefined {
    const core = this.#core;
    const device = this.#device;
    const random = new Random(step.seed);
    if (step.kind === "create" || this.table === undefined) {
      const table: Table = { diskGuid: guid(random), partitions: new Map() };
      return { table, act: () => createGpt(core, device, { diskGuid: table.diskGuid }) };
    }
    const { index } = step;
    const table = { ...this.table, partitions: new Map(this.table.partitions) };
    const held = table.partitions.get(index);
    switch (step.kind) {
      case "add": {
        if (held !== undefined) return undefined;
        const made = this.#partition(index, random);
        table.partitions.set(index, made);
        const request = { ...made, index, type: made.typeGuid };
        return { table, act: () => addPartition(core, device, request) };
      }
      case "remove":
        if (!table.partitions.delete(index)) return undefined;
        return { table, act: () => removePartition(core, device, index) };
      case "resize":
      case "rename": {
        if (held === undefined) return undefined;
        const { lastLba, name, attributes } = this.#partition(index, random);
        const change = step.kind === "resize" ? { lastLba } : { name, attributes };
        table.partitions.set(index, { ...held, ...change });
        return { table, act: () => updatePartition(core, device, index, change) };
      }
      case "save":
        // What is saved of a damaged table brings the damage back: not what this is about.
        if (this.whole) this.#saved = { bytes: backupGpt(core, device), table: this.table };
        return undefined;
      case "restore": {
        const saved = this.#saved;
        if (saved === undefined) return undefined;
        return { table: saved.table, act: () => restoreGpt(core, device, saved.bytes) };
      }
      case "repair":
        return { table: this.table, act: () => repairGpt(core, device) };
    }
  }

  /** Partition `index` keeps to a MiB of its own, so that no two can overlap. */
  #partition(index: number, random: Random): Partition {
    const blocks = MIB / this.#blockSize;
    const firstLba = index * blocks;
    return {
      typeGuid: random.pick([GPT_TYPES.esp, GPT_TYPES.linux, GPT_TYPES["diskwright-data"]]),
      uniqueGuid: guid(random),
      firstLba,
      lastLba: firstLba + random.below(blocks),
      attributes: random.chance(20) ? 1n << 60n : 0n,
      name: random.pick([
        "data",
        "",
        "RAYOS_SYSTEM",
        "Größe",
        "thirty-six units, all of them used!",
      ]),
    };
  }
}

export class GptSubject implements Subject<GptOperation> {
  readonly name = "gpt";
  readonly rules = { unitSectors: 8, isSpecial: () => false };
  readonly #machine: Machine;

  constructor(options: SubjectOptions = {}) {
    this.#machine = new Machine(options);
  }

  scenario(seed: number): GptScenario {
    const random = new Random(seed);
    const blockSize = seed % 4 === 3 ? 4096 : 512;
    const start = STARTS[seed % STARTS.length] as Start;
    const operations = Array.from({ length: OPERATIONS }, () => operation(random));
    // What is damaged is mended first, or updated as it stands.
    if (random.chance(50)) operations.unshift({ kind: "repair", index: 1, seed });
    const shape = { sectors: (DISK_MIB * MIB) / 512, blockSize } as const;
    return { seed, title: `blocks of ${blockSize} bytes, ${start}`, start, shape, operations };
  }

  describe({ kind, index }: GptOperation): string {
    return ["add", "remove", "resize", "rename"].includes(kind) ? `${kind} ${index}` : kind;
  }

  place(sector: number, { shape }: GptScenario): string {
    const block = (shape.blockSize ?? 512) / 512;
    const lba = Math.floor(sector / block);
    if (lba === 0) return "protective MBR";
    if (lba === 1) return "primary header";
    if (sector < shape.sectors / 2) return "primary entries";
    return sector >= shape.sectors - block ? "backup header" : "backup entries";
  }

  reset(): void {
    this.#machine.scrap();
  }

  prepare(scenario: GptScenario, disk: SimDisk): number {
    const { seed, shape, start } = scenario;
    if (start === "none") return NONE;
    const sectors = shape.sectors - (start.startsWith("grown") ? GROWN_SECTORS : 0);
    const smaller = new SimDisk({ ...shape, sectors });
    const session = this.#open(scenario, smaller, 1);
    const random = new Random(seed ^ 0x5eed);
    for (let index = 0; index < 6; index++) {
      session.carryOut(operation(random), new History(NONE), "before");
    }
    disk.put(0, smaller.image);
    const block = (shape.blockSize ?? 512) / 512;
    const garbage = random.bytes(block * 512);
    if (start.endsWith("primary damaged")) disk.put(block, garbage);
    if (start === "backup damaged") disk.put(sectors - block, garbage);
    return digestOf(session.table);
  }

  run(scenario: GptScenario, disk: SimDisk, history: History): void {
    const session = this.#open(scenario, disk, 2);
    session.table = session.read();
    if (digestOf(session.table) !== history.digests[0]) {
      throw new Violation(`the workload starts with ${describeTable(session.table)}`);
    }
    for (const step of scenario.operations) {
      session.carryOut(step, history, this.describe(step));
    }
    if (session.whole) session.expectClean("the last operation");
  }

  verify(scenario: GptScenario, disk: SimDisk, life: Life): void {
    const session = this.#open(scenario, disk, life.nonce);
    const table = session.read();
    life.mounts += 1;
    // Reading makes nothing durable: a cut may still bring back the older one that was legal.
    life.settle(digestOf(table), () => describeTable(table), false);
    session.table = table;
    // Mended first, or updated as the crash left it.
    const random = new Random(life.nonce);
    if (table !== undefined && random.chance(70)) {
      const changed = session.mend();
      const mended = session.read();
      life.expect(digestOf(mended), () => `${describeTable(mended)}, after repair`);
      if (changed) life.history.ack();
    }
    for (let index = 0; index < MORE_OPERATIONS; index++) {
      const step = operation(random);
      session.carryOut(step, life.history, this.describe(step));
    }
    const again = this.#open(scenario, disk, life.nonce).read();
    life.mounts += 1;
    life.expect(digestOf(again), () => describeTable(again));
    if (session.whole) session.expectClean("ten more operations");
  }

  #open({ seed, shape }: GptScenario, disk: SimDisk, nonce: number): Session {
    const { core, device } = this.#machine.boot(disk, seed ^ nonce);
    return new Session(core, device, shape.blockSize ?? 512);
  }
}
