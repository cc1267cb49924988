/**
 * A persistent copy-on-write layer: writes and zeros of all sizes over a base that is never
 * written, with FLUSHes between them. After a cut the whole disk is as the last FLUSH left it or,
 * whole, as the one in flight would.
 */
import {
  type BlockDevice,
  type BlockRequest,
  RequestStatus,
  RequestType,
  request,
} from "../../../host/device/device.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { OverlayDevice } from "../../../host/device/wrap/overlay.ts";
import type { SimDisk } from "../engine/disk.ts";
import { type History, type Life, Violation } from "../engine/history.ts";
import { Digest, Random } from "../engine/random.ts";
import type { Scenario, Subject, SubjectOptions } from "../subject.ts";

const SECTOR = 512;
/** Sectors of the disk: no whole number of blocks. */
const DISK_SECTORS = 6 * 8 + 3;
const BLOCK_BYTES = 4096;
/** Of the file: the blocks, half as many written twice, maps, directory and headers. */
const FILE_SECTORS = 20 * 8;
const OPERATIONS = 14;

/** Bugs that can be planted in what the layer is given. */
export type CowBug = "cow-no-flush" | "cow-ack-early" | "cow-no-open-flush";

interface CowOperation {
  readonly kind: "write" | "zero" | "flush" | "reopen";
  readonly sector: number;
  readonly sectors: number;
  readonly seed: number;
}

/** The file under the layer, which swallows a FLUSH where the bug says so. */
class Careless implements BlockDevice {
  readonly name = "cow file";
  readonly config: BlockDevice["config"];
  readonly identity: BlockDevice["identity"];
  readonly durability: BlockDevice["durability"];
  readonly #disk: SimDisk;
  readonly #bug: string | undefined;
  /** FLUSHes since the layer was opened; the one that opens it is number 0. */
  #flushes = 0;

  constructor(disk: SimDisk, bug: string | undefined) {
    this.#disk = disk;
    this.#bug = bug;
    this.config = disk.config;
    this.identity = disk.identity;
    this.durability = disk.durability;
  }

  submit(requests: readonly BlockRequest[]): void {
    for (const asked of requests) {
      if (asked.type === RequestType.FLUSH && this.#swallows(this.#flushes++)) {
        asked.status = RequestStatus.OK;
      } else this.#disk.submit([asked]);
    }
  }

  close(): void {}

  #swallows(flush: number): boolean {
    if (flush === 0) return this.#bug === "cow-no-open-flush";
    return this.#bug === (flush % 2 === 1 ? "cow-no-flush" : "cow-ack-early");
  }
}

function operation(random: Random): CowOperation {
  const kind = random.pick(["write", "write", "write", "write", "zero", "flush", "flush"] as const);
  const sectors = random.chance(20) ? 8 + random.below(16) : 1 + random.below(10);
  const last = random.chance(30) ? 12 : DISK_SECTORS - sectors;
  const kinds = random.chance(5) ? ("reopen" as const) : kind;
  return { kind: kinds, sector: random.below(last + 1), sectors, seed: random.next() };
}

function contentOf(device: BlockDevice): Uint8Array {
  const asked = request(RequestType.IN, 0, new Uint8Array(DISK_SECTORS * SECTOR));
  submit(device, asked);
  return asked.data;
}

function submit(device: BlockDevice, asked: BlockRequest): void {
  device.submit([asked]);
  if (asked.status !== RequestStatus.OK) throw asked.cause;
}

function digestOf(content: Uint8Array): number {
  return new Digest().bytes(content).value();
}

export class CowSubject implements Subject<CowOperation> {
  readonly name = "cow";
  readonly rules = { unitSectors: 8, isSpecial: (sector: number) => sector < 16 };
  readonly #bug: string | undefined;

  constructor(options: SubjectOptions = {}) {
    this.#bug = options.plant?.name;
  }

  scenario(seed: number): Scenario<CowOperation> {
    const random = new Random(seed);
    const operations = Array.from({ length: OPERATIONS }, () => operation(random));
    const shape = { sectors: FILE_SECTORS };
    return { seed, title: "fourteen changes of a layer", shape, operations, mayRot: false };
  }

  describe({ kind, sector, sectors }: CowOperation): string {
    return kind === "write" || kind === "zero" ? `${kind} ${sector}+${sectors}` : kind;
  }

  place(sector: number): string {
    const place = Math.floor(sector / 8);
    return place < 2 ? `header ${place}` : `place ${place}`;
  }

  prepare(scenario: Scenario<CowOperation>, disk: SimDisk): number {
    const base = this.#base(scenario);
    OverlayDevice.create(base, disk, { blockBytes: BLOCK_BYTES, origin: "base" });
    return digestOf(base.bytes());
  }

  run(scenario: Scenario<CowOperation>, disk: SimDisk, history: History): void {
    let device = this.#open(scenario, disk);
    let durable = contentOf(device);
    const content = durable.slice();
    for (const step of scenario.operations) {
      if (step.kind === "reopen") {
        device = this.#open(scenario, disk);
        content.set(contentOf(device));
        // What was not flushed is gone with the layer that held it.
        if (Buffer.compare(content, durable) !== 0) throw new Violation("reopen found other bytes");
      } else {
        this.#carryOut(device, content, step, history);
        if (step.kind === "flush") durable = content.slice();
      }
    }
  }

  verify(scenario: Scenario<CowOperation>, disk: SimDisk, life: Life): void {
    const device = this.#open(scenario, disk);
    const content = contentOf(device);
    life.mounts += 1;
    life.settle(digestOf(content), () => `content ${digestOf(content)}`);
    const random = new Random(life.nonce);
    for (let index = 0; index < 10; index++) {
      const step = operation(random);
      if (step.kind === "reopen") continue;
      this.#carryOut(device, content, step, life.history);
    }
    this.#carryOut(
      device,
      content,
      { kind: "flush", sector: 0, sectors: 0, seed: 0 },
      life.history,
    );
    const again = contentOf(this.#open(scenario, disk));
    life.mounts += 1;
    life.expect(digestOf(again), () => `content ${digestOf(again)}`);
  }

  #carryOut(
    device: BlockDevice,
    content: Uint8Array,
    { kind, sector, sectors, seed }: CowOperation,
    history: History,
  ): void {
    const offset = sector * SECTOR;
    if (kind === "flush") {
      history.issue(digestOf(content), "flush");
      submit(device, request(RequestType.FLUSH, 0));
      history.ack();
    } else if (kind === "zero") {
      submit(device, request(RequestType.WRITE_ZEROES, sector, undefined, sectors));
      content.fill(0, offset, offset + sectors * SECTOR);
    } else {
      const data = new Random(seed).bytes(sectors * SECTOR);
      submit(device, request(RequestType.OUT, sector, data));
      content.set(data, offset);
    }
    if (Buffer.compare(contentOf(device), content) === 0) return;
    throw new Violation(`after ${kind} ${sector}+${sectors} the disk reads as other bytes`);
  }

  #base({ seed }: Scenario): MemoryDevice {
    return MemoryDevice.from(new Random(seed ^ 0xba5e).bytes(DISK_SECTORS * SECTOR));
  }

  #open(scenario: Scenario, disk: SimDisk): OverlayDevice {
    const file = new Careless(disk, this.#bug);
    return OverlayDevice.open(this.#base(scenario), file, { origin: "base" });
  }
}
