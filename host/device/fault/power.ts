/**
 * A disk with a volatile write cache and a plug that can be pulled.
 *
 * Interface: small writes wait in the cache until a FLUSH; large ones and zeros go to the device at
 * once, as a drive may do. `cut()` pulls the plug: of what waits, each block reaches the device or
 * not by the toss of a coin, and every request from there on answers IOERR. So what the device
 * below holds after a cut is one of the states that docs/crash-model.md allows.
 *
 * ```
 * OUT < 64 KiB ----> cache ----FLUSH, or the cache is full----> device (runs of up to 1 MiB)
 *                      |
 *                     cut: some blocks -----------------------> device
 * ```
 */
import { failure } from "../../base/errors.ts";
import type { RandomSource } from "../../base/seed.ts";
import {
  admit,
  type BlockDevice,
  type BlockRequest,
  complete,
  type DeviceConfig,
  type DeviceIdentity,
  type DurabilityClaim,
  RequestStatus,
  RequestType,
  refuse,
  request,
  SECTOR_SIZE,
} from "../device.ts";

/** What the cache is kept in: 4 KiB, eight sectors. */
const UNIT_SECTORS = 8;
const UNIT_BYTES = UNIT_SECTORS * SECTOR_SIZE;
const ALL = 0xff;
/** A write of this size or more does not wait. */
const LARGE_BYTES = 65536;
const CACHE_BYTES = 8 << 20;
const RUN_BYTES = 1 << 20;

export interface PowerOptions {
  /** Tosses the coins of a cut. */
  readonly random: RandomSource;
  /** Bytes that may wait, default 8 MiB. */
  readonly cacheBytes?: number | undefined;
  /** Told of every range that is written to, zeros included, as it is written. */
  readonly onWrite?: ((sector: number, sectors: number) => void) | undefined;
  /** The plug was pulled: by cut(), or because cutAfter() came to its write. */
  readonly onCut?: ((report: CutReport) => void) | undefined;
}

/** Blocks that waited in the cache when the power went. */
export interface CutReport {
  readonly kept: number;
  readonly lost: number;
}

interface Unit {
  readonly bytes: Uint8Array;
  /** Bit n: sector n of the unit is in the cache. */
  mask: number;
}

/** See the head of this file. */
export class PowerDevice implements BlockDevice {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: DeviceIdentity;
  readonly durability: DurabilityClaim;
  readonly #base: BlockDevice;
  readonly #options: PowerOptions;
  readonly #unitsMax: number;
  readonly #units = new Map<number, Unit>();
  readonly #run = new Uint8Array(RUN_BYTES);
  readonly #passed: BlockRequest[] = [];
  #writesLeft = Number.POSITIVE_INFINITY;
  #off: "cut" | "closed" | undefined;

  constructor(base: BlockDevice, options: PowerOptions) {
    this.#base = base;
    this.#options = options;
    this.#unitsMax = Math.max(1, Math.floor((options.cacheBytes ?? CACHE_BYTES) / UNIT_BYTES));
    this.name = base.name;
    this.config = base.config;
    this.identity = base.identity;
    this.durability = base.durability;
  }

  get isOn(): boolean {
    return this.#off === undefined;
  }

  submit(requests: readonly BlockRequest[]): void {
    for (const asked of requests) {
      if (this.#off !== undefined) refuse(asked, this.#reason());
      else if (!admit(this.config, asked, this.name)) continue;
      else if (this.#passes(asked)) this.#passed.push(asked);
      else {
        this.#pass();
        this.#carryOut(asked);
      }
    }
    this.#pass();
  }

  /** True for what neither touches the cache nor is counted down to a cut: it goes on as it is. */
  #passes({ type, sector, data }: BlockRequest): boolean {
    if (type === RequestType.IN) return this.#units.size === 0;
    if (type !== RequestType.OUT || data.length < LARGE_BYTES || this.isArmed) return false;
    const sectors = data.length / SECTOR_SIZE;
    this.#options.onWrite?.(sector, sectors);
    this.#forget(sector, sectors);
    return true;
  }

  /** Requests that follow one another stay a batch: the device below may join them. */
  #pass(): void {
    if (this.#passed.length === 0) return;
    this.#base.submit(this.#passed);
    this.#passed.length = 0;
  }

  /** Pulls the plug now. A second time nothing is left to lose. */
  cut(): CutReport {
    if (this.#off !== undefined) return { kept: 0, lost: 0 };
    this.#off = "cut";
    let [kept, lost] = [0, 0];
    const coin = new Uint8Array(1);
    const block = this.config.blkSize / SECTOR_SIZE;
    for (const [number, unit] of this.#units) {
      for (let at = 0; at < UNIT_SECTORS; at += block) {
        if ((unit.mask & (1 << at)) === 0) continue;
        this.#options.random(coin);
        if (((coin[0] as number) & 1) === 0) lost++;
        else {
          kept++;
          const bytes = unit.bytes.subarray(at * SECTOR_SIZE, (at + block) * SECTOR_SIZE);
          this.#base.submit([request(RequestType.OUT, number * UNIT_SECTORS + at, bytes)]);
        }
      }
    }
    this.#units.clear();
    // What has reached the device is on it, whatever that still holds back.
    const flush = request(RequestType.FLUSH, 0);
    if (admit(this.config, flush, this.name)) this.#base.submit([flush]);
    const report = { kept, lost };
    this.#options.onCut?.(report);
    return report;
  }

  /** Pulls the plug in the middle of the `writes`-th write from here on, counted from 1. */
  cutAfter(writes: number): void {
    this.#writesLeft = writes;
  }

  /** A cut of cutAfter() is still to come. */
  get isArmed(): boolean {
    return this.isOn && Number.isFinite(this.#writesLeft);
  }

  /** Takes cutAfter() back; true if it was still to come. */
  spare(): boolean {
    const waited = this.isArmed;
    this.#writesLeft = Number.POSITIVE_INFINITY;
    return waited;
  }

  /** Switched off in an orderly way: what waits reaches the device, durably, then it is closed. */
  close(): void {
    if (this.#off === undefined) {
      const flush = request(RequestType.FLUSH, 0);
      if (admit(this.config, flush, this.name)) this.#carryOut(flush);
      else this.#writeOut();
    }
    this.#off = "closed";
    this.#base.close();
  }

  #carryOut(asked: BlockRequest): void {
    const { type, sector, data, length } = asked;
    switch (type) {
      case RequestType.IN:
        this.#base.submit([asked]);
        if (asked.status === RequestStatus.OK) this.#overlay(sector, data);
        break;
      case RequestType.OUT:
        this.#options.onWrite?.(sector, data.length / SECTOR_SIZE);
        this.#write(asked);
        this.#count(asked);
        break;
      case RequestType.FLUSH: {
        const failed = this.#writeOut();
        if (failed === undefined) this.#base.submit([asked]);
        else refuse(asked, failed.cause, failed.status === -1 ? undefined : failed.status);
        break;
      }
      case RequestType.DISCARD:
      case RequestType.WRITE_ZEROES:
        this.#options.onWrite?.(sector, length);
        this.#forget(sector, length);
        this.#base.submit([asked]);
        break;
      default:
        this.#base.submit([asked]);
    }
  }

  #count(asked: BlockRequest): void {
    this.#writesLeft--;
    if (this.#writesLeft > 0) return;
    this.cut();
    refuse(asked, this.#reason());
  }

  #write(asked: BlockRequest): void {
    const { sector, data } = asked;
    if (data.length >= LARGE_BYTES) {
      this.#forget(sector, data.length / SECTOR_SIZE);
      this.#base.submit([asked]);
      return;
    }
    this.#eachUnit(sector, data.length / SECTOR_SIZE, (number, first, count, offset) => {
      const unit = this.#units.get(number) ?? { bytes: new Uint8Array(UNIT_BYTES), mask: 0 };
      unit.bytes.set(data.subarray(offset, offset + count * SECTOR_SIZE), first * SECTOR_SIZE);
      unit.mask |= maskOf(first, count);
      this.#units.set(number, unit);
    });
    const failed = this.#units.size > this.#unitsMax ? this.#writeOut() : undefined;
    if (failed === undefined) complete(asked, data.length);
    else refuse(asked, failed.cause);
  }

  /** Puts what waits over what was read. */
  #overlay(sector: number, data: Uint8Array): void {
    if (this.#units.size === 0) return;
    this.#eachUnit(sector, data.length / SECTOR_SIZE, (number, first, count, offset) => {
      const unit = this.#units.get(number);
      if (unit === undefined) return;
      for (let at = first; at < first + count; at++) {
        if ((unit.mask & (1 << at)) === 0) continue;
        const from = at * SECTOR_SIZE;
        const to = offset + (at - first) * SECTOR_SIZE;
        data.set(unit.bytes.subarray(from, from + SECTOR_SIZE), to);
      }
    });
  }

  /** What waits for a range that is about to be written past the cache. */
  #forget(sector: number, sectors: number): void {
    if (this.#units.size === 0) return;
    const isInside = (number: number) =>
      (number + 1) * UNIT_SECTORS > sector && number * UNIT_SECTORS < sector + sectors;
    for (const [number, unit] of this.#units) {
      if (!isInside(number)) continue;
      const first = Math.max(0, sector - number * UNIT_SECTORS);
      const end = Math.min(UNIT_SECTORS, sector + sectors - number * UNIT_SECTORS);
      unit.mask &= ~maskOf(first, end - first);
      if (unit.mask === 0) this.#units.delete(number);
    }
  }

  /** Writes everything that waits, in runs; answers the request that failed, its run kept. */
  #writeOut(): BlockRequest | undefined {
    const numbers = [...this.#units.keys()].sort((one, other) => one - other);
    let run: number[] = [];
    for (const number of numbers) {
      const { mask } = this.#units.get(number) as Unit;
      const joins = run.length > 0 && number === (run.at(-1) as number) + 1 && mask === ALL;
      if (!joins || run.length * UNIT_BYTES === RUN_BYTES) {
        const failed = this.#writeRun(run);
        if (failed !== undefined) return failed;
        run = [];
      }
      if (mask === ALL) run.push(number);
      else {
        const failed = this.#writeParts(number);
        if (failed !== undefined) return failed;
      }
    }
    return this.#writeRun(run);
  }

  #writeRun(numbers: readonly number[]): BlockRequest | undefined {
    const [first] = numbers;
    if (first === undefined) return undefined;
    for (const [index, number] of numbers.entries()) {
      this.#run.set((this.#units.get(number) as Unit).bytes, index * UNIT_BYTES);
    }
    const bytes = this.#run.subarray(0, numbers.length * UNIT_BYTES);
    const failed = this.#put(first * UNIT_SECTORS, bytes);
    if (failed !== undefined) return failed;
    for (const number of numbers) this.#units.delete(number);
    return undefined;
  }

  /** A unit of which only some sectors wait. */
  #writeParts(number: number): BlockRequest | undefined {
    const { mask, bytes } = this.#units.get(number) as Unit;
    for (let at = 0; at < UNIT_SECTORS; ) {
      let end = at;
      while (end < UNIT_SECTORS && (mask & (1 << end)) !== 0) end++;
      if (end > at) {
        const part = bytes.subarray(at * SECTOR_SIZE, end * SECTOR_SIZE);
        const failed = this.#put(number * UNIT_SECTORS + at, part);
        if (failed !== undefined) return failed;
      }
      at = end + 1;
    }
    this.#units.delete(number);
    return undefined;
  }

  #put(sector: number, bytes: Uint8Array): BlockRequest | undefined {
    const most = this.config.sizeMax === 0 ? bytes.length : this.config.sizeMax;
    for (let at = 0; at < bytes.length; at += most) {
      const piece = bytes.subarray(at, Math.min(bytes.length, at + most));
      const out = request(RequestType.OUT, sector + at / SECTOR_SIZE, piece);
      this.#base.submit([out]);
      if (out.status === RequestStatus.OK && out.transferred === piece.length) continue;
      const short = failure("EIO", "write", `'${this.name}' took only a part of a write.`);
      if (out.status === RequestStatus.OK) refuse(out, short);
      return out;
    }
    return undefined;
  }

  #eachUnit(
    sector: number,
    sectors: number,
    visit: (number: number, first: number, count: number, offset: number) => void,
  ): void {
    for (let done = 0; done < sectors; ) {
      const number = Math.floor((sector + done) / UNIT_SECTORS);
      const first = sector + done - number * UNIT_SECTORS;
      const count = Math.min(UNIT_SECTORS - first, sectors - done);
      visit(number, first, count, done * SECTOR_SIZE);
      done += count;
    }
  }

  #reason(): Error {
    const path = this.name;
    return this.#off === "cut"
      ? failure("EIO", "submit", `the power of '${path}' is cut.`, { path })
      : failure("EBADF", "submit", `${path} is closed.`, { path });
  }
}

function maskOf(first: number, count: number): number {
  return ((1 << count) - 1) << first;
}
