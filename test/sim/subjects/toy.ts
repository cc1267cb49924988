/**
 * The smallest structure that keeps a promise: a map in one of three areas, named by the newer of
 * two slots. It exists to prove the enumerator: right as it stands, wrong in six planted ways.
 */
import {
  type BlockDevice,
  RequestStatus,
  RequestType,
  request,
} from "../../../host/device/device.ts";
import type { SimDisk } from "../engine/disk.ts";
import { type History, type Life, Violation } from "../engine/history.ts";
import { Digest, mix, Random } from "../engine/random.ts";
import type { Scenario, Subject, SubjectOptions } from "../subject.ts";

const SECTOR = 512;
const AREA_FIRST = 16;
const AREA_SECTORS = 16;
const AREAS = 3;
const DISK_SECTORS = AREA_FIRST + AREAS * AREA_SECTORS;
const MAGIC = 0x31594f54;
const KEYS = 8;
const VALUE_MAX = 900;

/** Names of the bugs that can be planted here. */
export type ToyPlant =
  | "toy-no-flush"
  | "toy-reuse-early"
  | "toy-one-slot"
  | "toy-slots-together"
  | "toy-ack-early"
  | "toy-heal-in-place";

type Values = Map<number, Uint8Array>;

interface Slot {
  readonly epoch: number;
  readonly area: number;
  readonly length: number;
  readonly crc: number;
}

/** A map from small numbers to bytes that survives power cuts. */
class Toy {
  readonly values: Values = new Map();
  readonly #device: BlockDevice;
  readonly #plant: string | undefined;
  #epoch = 0;
  #area = AREAS - 1;

  constructor(device: BlockDevice, plant: string | undefined) {
    this.#device = device;
    this.#plant = plant;
  }

  /** Loads the newest version; an empty disk is an empty map. */
  mount(): void {
    const slots = [0, 1].map((parity) => this.#readSlot(parity));
    const newest = slots
      .filter((slot) => slot !== undefined)
      .sort((one, other) => other.epoch - one.epoch)[0];
    // What was read may be in the device's cache only: durable before anything builds on it.
    this.#flush();
    if (newest === undefined) return;
    const data = new Uint8Array(AREA_SECTORS * SECTOR);
    this.#submit(RequestType.IN, AREA_FIRST + newest.area * AREA_SECTORS, data);
    const content = data.subarray(0, newest.length);
    if (checksum(content) !== newest.crc) throw new Violation(`epoch ${newest.epoch} is damaged`);
    decode(content, this.values);
    this.#epoch = newest.epoch;
    this.#area = newest.area;
    if (this.#plant === "toy-heal-in-place") this.#writeSlot(newest);
  }

  commit(): void {
    const content = encode(this.values);
    const early = this.#plant === "toy-reuse-early";
    const area = early ? this.#area : (this.#area + 1) % AREAS;
    const data = new Uint8Array(Math.ceil(content.length / SECTOR) * SECTOR);
    data.set(content);
    this.#submit(RequestType.OUT, AREA_FIRST + area * AREA_SECTORS, data);
    if (this.#plant !== "toy-no-flush") this.#flush();
    const epoch = this.#epoch + 1;
    const crc = checksum(content);
    // From here on the new version is the one that mounts.
    this.#writeSlot({ epoch, area, length: content.length, crc });
    this.#epoch = epoch;
    this.#area = area;
    if (this.#plant !== "toy-ack-early") this.#flush();
  }

  #slotSector(parity: number): number {
    if (this.#plant === "toy-one-slot") return 0;
    return this.#plant === "toy-slots-together" ? parity : parity * 8;
  }

  #readSlot(parity: number): Slot | undefined {
    const sector = new Uint8Array(SECTOR);
    this.#submit(RequestType.IN, this.#slotSector(parity), sector);
    const view = new DataView(sector.buffer);
    if (view.getUint32(0, true) !== MAGIC) return undefined;
    if (view.getUint32(SECTOR - 4, true) !== checksum(sector.subarray(0, SECTOR - 4))) {
      return undefined;
    }
    const [epoch, area, length, crc] = [4, 8, 12, 16].map((at) => view.getUint32(at, true));
    return { epoch: epoch ?? 0, area: area ?? 0, length: length ?? 0, crc: crc ?? 0 };
  }

  #writeSlot({ epoch, area, length, crc }: Slot): void {
    const sector = new Uint8Array(SECTOR);
    const view = new DataView(sector.buffer);
    for (const [index, value] of [MAGIC, epoch, area, length, crc].entries()) {
      view.setUint32(index * 4, value, true);
    }
    view.setUint32(SECTOR - 4, checksum(sector.subarray(0, SECTOR - 4)), true);
    this.#submit(RequestType.OUT, this.#slotSector(epoch & 1), sector);
  }

  #flush(): void {
    this.#submit(RequestType.FLUSH, 0, new Uint8Array(0));
  }

  #submit(type: RequestType, sector: number, data: Uint8Array): void {
    const asked = request(type, sector, data);
    this.#device.submit([asked]);
    if (asked.status !== RequestStatus.OK) throw new Error(`the device answered ${asked.status}`);
  }
}

function encode(values: Values): Uint8Array {
  let length = 0;
  for (const value of values.values()) length += 3 + value.length;
  const content = new Uint8Array(length);
  let at = 0;
  for (let key = 0; key < KEYS; key++) {
    const value = values.get(key);
    if (value === undefined) continue;
    content.set([key, value.length & 255, value.length >>> 8], at);
    content.set(value, at + 3);
    at += 3 + value.length;
  }
  return content;
}

function decode(content: Uint8Array, values: Values): void {
  for (let at = 0; at < content.length; ) {
    const length = (content[at + 1] as number) | ((content[at + 2] as number) << 8);
    values.set(content[at] as number, content.slice(at + 3, at + 3 + length));
    at += 3 + length;
  }
}

function checksum(bytes: Uint8Array): number {
  let sum = 0x1234567;
  for (let at = 0; at < bytes.length; at++) sum = mix(sum, bytes[at] as number);
  return sum;
}

function digestOf(values: Values): number {
  return new Digest().bytes(encode(values)).value();
}

function describeValues(values: Values): string {
  return [...values].map(([key, value]) => `${key}: ${value.length} B`).join(", ") || "empty";
}

interface ToyOperation {
  readonly kind: "set" | "delete" | "commit" | "remount";
  readonly key: number;
  readonly length: number;
  readonly seed: number;
}

export class ToySubject implements Subject<ToyOperation> {
  readonly name = "toy";
  readonly rules = { unitSectors: 8, isSpecial: (sector: number) => sector < AREA_FIRST };
  readonly #plant: string | undefined;

  constructor(options: SubjectOptions = {}) {
    this.#plant = options.plant?.name;
  }

  scenario(seed: number): Scenario<ToyOperation> {
    const random = new Random(seed);
    const operations: ToyOperation[] = [];
    for (let index = 0; index < 16; index++) operations.push(operation(random));
    const shape = { sectors: DISK_SECTORS };
    return { seed, title: "sixteen changes of a small map", shape, operations };
  }

  describe({ kind, key, length }: ToyOperation): string {
    if (kind === "set") return `set ${key} to ${length} bytes`;
    return kind === "delete" ? `delete ${key}` : kind;
  }

  place(sector: number): string {
    if (sector < AREA_FIRST) return "slot";
    return `area ${Math.floor((sector - AREA_FIRST) / AREA_SECTORS)}`;
  }

  prepare(): number {
    return digestOf(new Map());
  }

  run(scenario: Scenario<ToyOperation>, disk: SimDisk, history: History): void {
    let toy = new Toy(disk, this.#plant);
    toy.mount();
    for (const step of scenario.operations) {
      if (step.kind === "remount") {
        toy = new Toy(disk, this.#plant);
        toy.mount();
        // What was never committed is gone with the process that held it.
        history.abort(digestOf(toy.values), "remount");
      } else this.#carryOut(toy, step, history);
    }
  }

  verify(_scenario: Scenario<ToyOperation>, disk: SimDisk, life: Life): void {
    const toy = new Toy(disk, this.#plant);
    toy.mount();
    life.mounts += 1;
    life.settle(digestOf(toy.values), () => describeValues(toy.values));
    const random = new Random(life.nonce);
    for (let index = 0; index < 10; index++) {
      const step = operation(random);
      this.#carryOut(toy, step.kind === "remount" ? { ...step, kind: "set" } : step, life.history);
    }
    this.#carryOut(toy, { kind: "commit", key: 0, length: 0, seed: 0 }, life.history);
    const again = new Toy(disk, this.#plant);
    again.mount();
    life.mounts += 1;
    life.expect(digestOf(again.values), () => describeValues(again.values));
  }

  #carryOut(toy: Toy, step: ToyOperation, history: History): void {
    const { values } = toy;
    if (step.kind === "commit") {
      toy.commit();
      history.ack();
      return;
    }
    if (step.kind === "set") values.set(step.key, new Random(step.seed).bytes(step.length));
    else values.delete(step.key);
    history.issue(digestOf(values), this.describe(step));
  }
}

function operation(random: Random): ToyOperation {
  const kind = random.pick(["set", "set", "set", "delete", "commit", "commit", "remount"] as const);
  return { kind, key: random.below(KEYS), length: random.below(VALUE_MAX), seed: random.next() };
}
