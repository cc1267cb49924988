/**
 * The simulator's block device: one flat image with an undo log, so that a crash state costs only
 * its differences, and a trace of what was written while one is attached.
 *
 * Interface: mark() and rollback() nest. Between them every write saves the old sectors once.
 */
import {
  admit,
  type BlockDevice,
  type BlockRequest,
  type DeviceConfig,
  type DeviceIdentity,
  type DurabilityClaim,
  deviceConfig,
  Feature,
  RequestStatus,
  RequestType,
} from "../../../host/device/device.ts";
import type { History } from "./history.ts";
import { Random } from "./random.ts";
import { EventKind, Fate, type Trace, type TraceEvent } from "./trace.ts";

const SECTOR = 512;
/** What reads show after DISCARD: neither the old bytes nor zeros. */
const DISCARDED = 0xd5;

export interface DiskShape {
  /** Sectors of 512 bytes. */
  readonly sectors: number;
  readonly blockSize?: 512 | 4096;
  /** Offers WRITE_ZEROES and DISCARD. */
  readonly zeroes?: boolean;
  readonly name?: string;
}

export class SimDisk implements BlockDevice {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: DeviceIdentity = { pci: "1af4:1042@00:04.0", serial: "SIM" };
  readonly durability: DurabilityClaim = { level: "none", flush: "ends an interval of the trace" };
  readonly image: Uint8Array;
  /** While set, every request answers IOERR: the machine is off. */
  off = false;
  /** Counts down at each flush of a traced life; the one that reaches 0 fails. */
  failFlushIn = 0;
  /** Counts down at each write of a traced life; the one that reaches 0 fails. */
  failWriteIn = 0;
  /** Requests that changed it. */
  writes = 0;
  #trace: Trace | undefined;
  #history: History | undefined;
  #random = new Random(0);
  /** First event of the trace that no flush has covered. */
  #pendingFrom = 0;
  /** Content as of the last flush; kept only where a flush may fail. */
  #durable: Uint8Array | undefined;
  readonly #stamps: Uint32Array;
  #generation = 1;
  #marks = 0;
  /** First sector and number of sectors of each run that was saved, in turn. */
  #undoRuns = new Uint32Array(1024);
  #undoCount = 0;
  /** Their old bytes, one behind the other. */
  #undoBytes = new Uint8Array(1024 * SECTOR);
  #undoLength = 0;

  constructor(shape: DiskShape) {
    this.name = shape.name ?? "simulated disk";
    const zeroes = shape.zeroes === true;
    const extra = zeroes ? Feature.WRITE_ZEROES | Feature.DISCARD : 0;
    this.config = deviceConfig(shape.sectors, {
      features: Feature.SEG_MAX | Feature.BLK_SIZE | Feature.FLUSH | Feature.TOPOLOGY | extra,
      blkSize: shape.blockSize ?? 512,
      maxDiscard: zeroes ? 1 << 20 : 0,
      maxWriteZeroes: zeroes ? 1 << 20 : 0,
    });
    this.image = new Uint8Array(shape.sectors * SECTOR);
    this.#stamps = new Uint32Array(shape.sectors);
  }

  close(): void {
    this.off = true;
  }

  submit(requests: readonly BlockRequest[]): void {
    for (const asked of requests) {
      if (this.off) asked.status = RequestStatus.IOERR;
      else if (admit(this.config, asked)) this.#carryOut(asked);
    }
  }

  /** Traces what follows, at the versions that `history` has at each moment. */
  record(trace: Trace, history: History, seed = 0): void {
    this.#trace = trace;
    this.#history = history;
    this.#pendingFrom = trace.events.length;
    this.#random = new Random(seed);
    this.#durable = this.failFlushIn > 0 ? this.image.slice() : undefined;
  }

  stopRecording(): void {
    this.#trace = undefined;
    this.#history = undefined;
    this.#durable = undefined;
    this.failFlushIn = 0;
    this.failWriteIn = 0;
  }

  mark(): number {
    this.#marks += 1;
    this.#generation += 1;
    return this.#undoCount;
  }

  /** Back to the image as it was at `mark`, which stays open. */
  rewind(mark: number): void {
    for (let index = this.#undoCount - 2; index >= mark; index -= 2) {
      const end = this.#undoLength;
      this.#undoLength -= (this.#undoRuns[index + 1] as number) * SECTOR;
      const bytes = this.#undoBytes.subarray(this.#undoLength, end);
      this.image.set(bytes, (this.#undoRuns[index] as number) * SECTOR);
    }
    this.#undoCount = mark;
    this.#generation += 1;
  }

  /** Back to the image as it was at `mark`, the innermost one, which ends. */
  rollback(mark: number): void {
    this.rewind(mark);
    this.#marks -= 1;
  }

  /** What `look` writes is taken back, and no part of any trace. */
  aside(look: () => void): void {
    const trace = this.#trace;
    this.#trace = undefined;
    const mark = this.mark();
    try {
      look();
    } finally {
      this.rollback(mark);
      this.#trace = trace;
    }
  }

  /** Writes `data` without a trace. */
  put(sector: number, data: Uint8Array): void {
    this.#save(sector, data.length / SECTOR);
    this.image.set(data, sector * SECTOR);
  }

  /** The bytes of a range, to be changed in place: saved for a rollback first. */
  open(sector: number, sectors: number): Uint8Array {
    this.#save(sector, sectors);
    return this.image.subarray(sector * SECTOR, (sector + sectors) * SECTOR);
  }

  #carryOut(asked: BlockRequest): void {
    const { type, sector, data } = asked;
    asked.status = RequestStatus.OK;
    if (type === RequestType.IN) {
      const from = sector * SECTOR;
      data.set(this.image.subarray(from, from + data.length));
      asked.transferred = data.length;
    } else if (type === RequestType.OUT) {
      this.#write(asked);
    } else if (type === RequestType.FLUSH) {
      this.#flush(asked);
    } else if (type === RequestType.GET_ID) {
      data.fill(0);
      for (let at = 0; at < 3; at++) data[at] = this.identity.serial.charCodeAt(at);
    } else {
      this.#fill(sector, asked.length, type === RequestType.DISCARD ? DISCARDED : 0);
    }
  }

  #write(asked: BlockRequest): void {
    const { sector, data } = asked;
    if (this.#trace !== undefined) {
      const { issued, acked } = this.#history as History;
      const failed = this.failWriteIn > 0 && --this.failWriteIn === 0;
      const kind = failed ? EventKind.WRITE_FAILED : EventKind.WRITE;
      this.#trace.write(sector, data, issued, acked, kind);
      if (failed) {
        asked.status = RequestStatus.IOERR;
        return;
      }
    }
    this.writes += 1;
    this.put(sector, data);
    asked.transferred = data.length;
  }

  #fill(sector: number, sectors: number, value: number): void {
    if (this.#trace !== undefined) {
      const { issued, acked } = this.#history as History;
      this.#trace.fill(sector, sectors, value, issued, acked);
    }
    this.writes += 1;
    this.open(sector, sectors).fill(value);
  }

  #flush(asked: BlockRequest): void {
    const trace = this.#trace;
    if (trace === undefined) return;
    const { issued, acked } = this.#history as History;
    const pending = trace.events.slice(this.#pendingFrom);
    if (this.failFlushIn > 0 && --this.failFlushIn === 0) {
      asked.status = RequestStatus.IOERR;
      trace.flush(issued, acked, this.#loseSome(trace, pending));
    } else {
      for (const event of pending) this.#keep(trace, event);
      trace.flush(issued, acked);
    }
    this.#pendingFrom = trace.events.length;
  }

  /** A failed flush: every pending write is kept or lost, the device never tries again. */
  #loseSome(trace: Trace, pending: readonly TraceEvent[]): Fate[] {
    const fates = pending.map(() => this.#random.pick([Fate.KEPT, Fate.DROPPED, Fate.GHOST]));
    const durable = this.#durable as Uint8Array;
    for (const [index, event] of pending.entries()) {
      if (fates[index] === Fate.KEPT) this.#keep(trace, event);
    }
    for (const [index, event] of pending.entries()) {
      if (fates[index] !== Fate.DROPPED) continue;
      const from = event.sector * SECTOR;
      const bytes = durable.subarray(from, from + event.sectors * SECTOR);
      this.open(event.sector, event.sectors).set(bytes);
    }
    return fates;
  }

  #keep(trace: Trace, event: TraceEvent): void {
    if (this.#durable === undefined || event.kind !== EventKind.WRITE) return;
    const bytes = trace.bytes.subarray(event.at, event.at + event.sectors * SECTOR);
    this.#durable.set(bytes, event.sector * SECTOR);
  }

  /** Keeps what the sectors hold, once between two marks. */
  #save(sector: number, sectors: number): void {
    if (this.#marks === 0) return;
    const generation = this.#generation;
    const stamps = this.#stamps;
    const end = sector + sectors;
    for (let at = sector; at < end; ) {
      const first = at;
      while (at < end && stamps[at] !== generation) stamps[at++] = generation;
      if (at > first) this.#keepOld(first, at - first);
      while (at < end && stamps[at] === generation) at += 1;
    }
  }

  #keepOld(sector: number, sectors: number): void {
    const from = sector * SECTOR;
    const end = this.#undoLength + sectors * SECTOR;
    while (end > this.#undoBytes.length) {
      const bytes = new Uint8Array(this.#undoBytes.length * 2);
      bytes.set(this.#undoBytes);
      this.#undoBytes = bytes;
    }
    if (this.#undoCount === this.#undoRuns.length) {
      const runs = new Uint32Array(this.#undoRuns.length * 2);
      runs.set(this.#undoRuns);
      this.#undoRuns = runs;
    }
    this.#undoBytes.set(this.image.subarray(from, from + sectors * SECTOR), this.#undoLength);
    this.#undoLength = end;
    this.#undoRuns[this.#undoCount++] = sector;
    this.#undoRuns[this.#undoCount++] = sectors;
  }
}
