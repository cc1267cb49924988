/**
 * A copy-on-write layer: writes stay in memory above a base that is never written.
 *
 * For dry runs, plans and tests: see what would change, then commit it to the base or drop it.
 * Nothing is copied up: the layer knows sector by sector what it holds.
 */
import { StorageError } from "../../base/errors.ts";
import {
  admit,
  answerId,
  type BlockDevice,
  type BlockRequest,
  complete,
  type DeviceConfig,
  type DurabilityClaim,
  Feature,
  RequestStatus,
  RequestType,
  refuse,
  refuseClosed,
  request,
  SECTOR_SIZE,
} from "../device.ts";

const CHUNK_SECTORS = 128;
const CHUNK_SIZE = CHUNK_SECTORS * SECTOR_SIZE;
/** Sectors of one WRITE_ZEROES: 1 GiB costs 16,384 entries that share their zeros. */
const ZEROES_SECTORS_MAX = 2 ** 21;
/** Bytes of one batch of commit(). */
const COMMIT_SIZE = 2 ** 22;

/** A run of sectors. */
export interface SectorRange {
  readonly sector: number;
  readonly sectors: number;
}

interface Chunk {
  /** Content; ZEROS is shared and never written. */
  bytes: Uint8Array;
  /** One byte a sector: 1 if the layer holds it. ALL is shared and never written. */
  present: Uint8Array;
}

const ZEROS = new Uint8Array(CHUNK_SIZE);
const ALL = new Uint8Array(CHUNK_SECTORS).fill(1);

/**
 * A writable device over `base`. Closing it closes the base and loses what was not committed.
 *
 * @example
 * const trial = new CowDevice(FileDevice.open("disk.img", { readOnly: true }));
 * // ... change trial ...
 * for (const { sector, sectors } of trial.changes()) report(sector, sectors);
 */
export class CowDevice implements BlockDevice {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: BlockDevice["identity"];
  readonly durability: DurabilityClaim = { level: "none", flush: "nothing: changes in memory" };
  readonly #base: BlockDevice;
  #chunks = new Map<number, Chunk>();
  #closed = false;

  constructor(base: BlockDevice) {
    this.#base = base;
    this.name = base.name;
    this.identity = base.identity;
    const { config } = base;
    const away = Feature.RO | Feature.DISCARD;
    this.config = {
      ...config,
      features: (config.features & ~away) | Feature.FLUSH | Feature.WRITE_ZEROES,
      maxDiscard: 0,
      discardAlign: 0,
      maxWriteZeroes: ZEROES_SECTORS_MAX,
      zeroesMayUnmap: true,
    };
  }

  submit(requests: readonly BlockRequest[]): void {
    if (this.#closed) {
      refuseClosed(this.name, requests);
      return;
    }
    const below: BlockRequest[] = [];
    for (const asked of requests) {
      if (!admit(this.config, asked, this.name)) continue;
      switch (asked.type) {
        case RequestType.IN:
          if (this.#holds(asked, "all")) this.#overlay(asked);
          else below.push(asked);
          break;
        case RequestType.OUT:
          this.#write(asked.sector, asked.data);
          complete(asked, asked.data.length);
          break;
        case RequestType.WRITE_ZEROES:
          this.#zero(asked.sector, asked.length);
          complete(asked);
          break;
        case RequestType.GET_ID:
          answerId(asked, this.identity.serial);
          break;
        default:
          complete(asked);
      }
    }
    this.#readBelow(below);
  }

  close(): void {
    this.#closed = true;
    this.#chunks.clear();
    this.#base.close();
  }

  /** Runs of sectors that the layer holds, in order, neighbours joined. */
  changes(): SectorRange[] {
    const ranges: { sector: number; sectors: number }[] = [];
    for (const index of this.#sorted()) {
      const { present } = this.#chunks.get(index) as Chunk;
      for (let at = 0; at < CHUNK_SECTORS; at++) {
        if (present[at] === 0) continue;
        const sector = index * CHUNK_SECTORS + at;
        const last = ranges.at(-1);
        if (last !== undefined && last.sector + last.sectors === sector) last.sectors += 1;
        else ranges.push({ sector, sectors: 1 });
      }
    }
    return ranges;
  }

  /** Bytes that the layer holds. */
  get changedBytes(): number {
    return this.changes().reduce((sum, { sectors }) => sum + sectors * SECTOR_SIZE, 0);
  }

  /** Forgets every change. */
  discard(): void {
    this.#chunks.clear();
  }

  /**
   * Writes every change to the base, then FLUSH. The order among the writes is free, so a crash in
   * between leaves a mixture; the layer is emptied only after the FLUSH.
   *
   * @throws {StorageError} EIO or EROFS: the base failed; the layer is kept
   */
  commit(): void {
    let batch: BlockRequest[] = [];
    let size = 0;
    for (const { sector, sectors } of this.changes()) {
      for (let at = 0; at < sectors; ) {
        const piece = Math.min(sectors - at, (COMMIT_SIZE - size) / SECTOR_SIZE);
        const data = new Uint8Array(piece * SECTOR_SIZE);
        const part = request(RequestType.OUT, sector + at, data);
        this.#overlay(part);
        batch.push({ ...part, status: -1, transferred: 0 });
        at += piece;
        size += data.length;
        if (size < COMMIT_SIZE) continue;
        this.#submitBelow(batch);
        batch = [];
        size = 0;
      }
    }
    this.#submitBelow(batch);
    const flushes = (this.#base.config.features & Feature.FLUSH) !== 0;
    if (flushes) this.#submitBelow([request(RequestType.FLUSH, 0)]);
    this.#chunks.clear();
  }

  #submitBelow(batch: readonly BlockRequest[]): void {
    if (batch.length === 0) return;
    this.#base.submit(batch);
    for (const { status, sector, data, transferred, cause } of batch) {
      if (status === RequestStatus.OK && transferred === data.length) continue;
      const readOnly = (this.#base.config.features & Feature.RO) !== 0;
      throw new StorageError(readOnly ? -30 : -5, "commit", {
        path: this.name,
        cause,
        fault: { reason: "DEVICE_ERROR", device: this.name, lba: sector },
      });
    }
  }

  #readBelow(below: readonly BlockRequest[]): void {
    if (below.length === 0) return;
    // Copies, because the base answers into the request: what the layer holds comes on top.
    const passed = below.map((asked) => request(asked.type, asked.sector, asked.data));
    this.#base.submit(passed);
    for (const [index, asked] of below.entries()) {
      const { status, transferred, cause } = passed[index] as BlockRequest;
      if (status !== RequestStatus.OK) {
        refuse(asked, cause, status as RequestStatus);
        continue;
      }
      complete(asked, transferred);
      if (cause !== undefined) asked.cause = cause;
      if (transferred === asked.data.length && this.#holds(asked, "any")) this.#overlay(asked);
    }
  }

  #holds(asked: BlockRequest, how: "all" | "any"): boolean {
    const end = asked.sector + asked.data.length / SECTOR_SIZE;
    for (let sector = asked.sector; sector < end; ) {
      const start = sector % CHUNK_SECTORS;
      const stop = Math.min(CHUNK_SECTORS, start + end - sector);
      const present = this.#chunks.get((sector - start) / CHUNK_SECTORS)?.present;
      const found = present?.subarray(start, stop);
      if (how === "all" && (found === undefined || found.includes(0))) return false;
      if (how === "any" && found?.includes(1)) return true;
      sector += stop - start;
    }
    return how === "all";
  }

  /** Lays what the layer holds over the data of `asked`. */
  #overlay(asked: BlockRequest): void {
    const { data } = asked;
    for (let at = 0; at < data.length; at += SECTOR_SIZE) {
      const sector = asked.sector + at / SECTOR_SIZE;
      const start = sector % CHUNK_SECTORS;
      const chunk = this.#chunks.get((sector - start) / CHUNK_SECTORS);
      if (chunk === undefined || chunk.present[start] === 0) continue;
      const from = start * SECTOR_SIZE;
      data.set(chunk.bytes.subarray(from, from + SECTOR_SIZE), at);
    }
    complete(asked, data.length);
  }

  #write(sector: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      const start = sector % CHUNK_SECTORS;
      const size = Math.min(data.length - at, (CHUNK_SECTORS - start) * SECTOR_SIZE);
      const chunk = this.#writable((sector - start) / CHUNK_SECTORS);
      chunk.bytes.set(data.subarray(at, at + size), start * SECTOR_SIZE);
      chunk.present.fill(1, start, start + size / SECTOR_SIZE);
      at += size;
      sector += size / SECTOR_SIZE;
    }
  }

  #zero(first: number, sectors: number): void {
    for (let sector = first; sector < first + sectors; ) {
      const start = sector % CHUNK_SECTORS;
      const stop = Math.min(CHUNK_SECTORS, start + first + sectors - sector);
      const index = (sector - start) / CHUNK_SECTORS;
      if (stop - start === CHUNK_SECTORS) {
        this.#chunks.set(index, { bytes: ZEROS, present: ALL });
      } else {
        const chunk = this.#writable(index);
        chunk.bytes.fill(0, start * SECTOR_SIZE, stop * SECTOR_SIZE);
        chunk.present.fill(1, start, stop);
      }
      sector += stop - start;
    }
  }

  #writable(index: number): Chunk {
    let chunk = this.#chunks.get(index);
    if (chunk === undefined || chunk.bytes === ZEROS) {
      const present = chunk?.present.slice() ?? new Uint8Array(CHUNK_SECTORS);
      chunk = { bytes: new Uint8Array(CHUNK_SIZE), present };
      this.#chunks.set(index, chunk);
    }
    return chunk;
  }

  #sorted(): number[] {
    return [...this.#chunks.keys()].sort((left, right) => left - right);
  }
}
