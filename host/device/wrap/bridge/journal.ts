/**
 * An asynchronous device for a core that cannot wait for it: all of its content in memory, and a
 * journal of what is still to be written.
 *
 * For pages without shared memory. FLUSH ends an interval and answers at once; intervals are
 * written in order, one at a time. So FLUSH promises no more than the order: after a crash the disk
 * is as one of the FLUSHes left it, if the device below writes an interval as one. `settled()` says
 * when it is durable.
 */
import type { StorageError } from "../../../base/errors.ts";
import type { AsyncBlockDevice } from "../../async.ts";
import { blockParts } from "../../blocks.ts";
import {
  admit,
  answerId,
  type BlockDevice,
  type BlockRequest,
  complete,
  type DurabilityClaim,
  Feature,
  RequestStatus,
  RequestType,
  refuse,
  refuseClosed,
  request,
  SECTOR_SIZE,
} from "../../device.ts";

/** A device that can hand over what it holds, so that it need not be read as a whole. */
export interface Listable extends AsyncBlockDevice {
  blocks(): AsyncIterable<[index: number, bytes: Uint8Array]>;
}

const BLOCK_SIZE = 2 ** 16;
/** The content of every block that was zeroed as a whole; never written to. */
const ZEROS = new Uint8Array(BLOCK_SIZE);
/** Blocks of two intervals made one: what the device below surely writes as one. */
const MERGED_BLOCKS_MAX = 512;

/** Sectors that one interval changes: the content of each at its end, by number of block. */
type Interval = Map<number, Uint8Array>;

/** The device below, synchronous. Closing it closes that too, once what was flushed is there. */
export class JournalDevice implements BlockDevice {
  readonly name: string;
  readonly config: BlockDevice["config"];
  readonly identity: BlockDevice["identity"];
  readonly durability: DurabilityClaim;
  readonly #below: AsyncBlockDevice;
  readonly #blocks: Map<number, Uint8Array>;
  readonly #changed = new Set<number>();
  readonly #queue: Interval[] = [];
  /** Why what was answered will not get there. */
  #lost: StorageError | undefined;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(below: AsyncBlockDevice, blocks: Map<number, Uint8Array>) {
    this.#below = below;
    this.#blocks = blocks;
    this.name = below.name;
    this.config = below.config;
    this.identity = below.identity;
    this.durability = {
      level: "none",
      flush: `queued, in order; settled() then waits for: ${below.durability.flush}`,
    };
  }

  /**
   * Reads all that `below` holds.
   *
   * @throws {StorageError} what `below` says when it is read
   */
  static async open(below: Listable): Promise<JournalDevice> {
    const blocks = new Map<number, Uint8Array>();
    for await (const [index, bytes] of below.blocks()) blocks.set(index, bytes.slice());
    return new JournalDevice(below, blocks);
  }

  submit(requests: readonly BlockRequest[]): void {
    if (this.#closed) {
      refuseClosed(this.name, requests);
      return;
    }
    for (const asked of requests) {
      if (!admit(this.config, asked, this.name)) continue;
      const { type, sector, data, length } = asked;
      const changes = type !== RequestType.IN && type !== RequestType.GET_ID;
      if (changes && this.#lost !== undefined) refuse(asked, this.#lost);
      else if (type === RequestType.GET_ID) answerId(asked, this.identity.serial);
      else if (type === RequestType.IN) {
        this.#read(sector * SECTOR_SIZE, data);
        complete(asked, data.length);
      } else if (type === RequestType.OUT) {
        this.#write(sector * SECTOR_SIZE, data.length, (block, start, at, size) =>
          block.set(data.subarray(at, at + size), start),
        );
        complete(asked, data.length);
      } else {
        if (type === RequestType.FLUSH) this.#endInterval();
        else this.#zero(sector * SECTOR_SIZE, length * SECTOR_SIZE);
        complete(asked);
      }
    }
  }

  /** Takes no more requests. `settled()` waits until all of it, the closing too, is done. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#writing = this.#writing.finally(() => this.#below.close());
  }

  /**
   * Waits until every FLUSH so far is durable.
   *
   * @throws {StorageError} ENOSPC, ESTALE, EIO: the device below could not write; nothing after
   *   that gets there
   */
  async settled(): Promise<void> {
    await this.#writing;
    if (this.#lost !== undefined) throw this.#lost;
  }

  #read(offset: number, data: Uint8Array): void {
    for (const { index, start, at, size } of blockParts(offset, data.length, BLOCK_SIZE)) {
      const block = this.#blocks.get(index);
      if (block === undefined) data.fill(0, at, at + size);
      else data.set(block.subarray(start, start + size), at);
    }
  }

  #write(
    offset: number,
    length: number,
    change: (block: Uint8Array, start: number, at: number, size: number) => void,
  ): void {
    for (const { index, start, at, size } of blockParts(offset, length, BLOCK_SIZE)) {
      change(this.#changeable(index), start, at, size);
    }
  }

  /** A block that is not there is zeros already, also below: zeroing a disk takes no memory. */
  #zero(offset: number, length: number): void {
    for (const { index, start, size } of blockParts(offset, length, BLOCK_SIZE)) {
      if (!this.#blocks.has(index)) continue;
      if (size < BLOCK_SIZE) this.#changeable(index).fill(0, start, start + size);
      else {
        this.#blocks.set(index, ZEROS);
        this.#changed.add(index);
      }
    }
  }

  /** What waits to be written must not change: a block is copied once an interval. */
  #changeable(index: number): Uint8Array {
    const block = this.#blocks.get(index);
    if (block !== undefined && block !== ZEROS && this.#changed.has(index)) return block;
    const own = block?.slice() ?? new Uint8Array(BLOCK_SIZE);
    this.#blocks.set(index, own);
    this.#changed.add(index);
    return own;
  }

  #endInterval(): void {
    const readOnly = (this.config.features & Feature.RO) !== 0;
    if (readOnly || this.#changed.size === 0) return;
    const interval: Interval = new Map();
    for (const index of this.#changed) interval.set(index, this.#blocks.get(index) as Uint8Array);
    this.#changed.clear();
    // The first is being written. One that waits takes in the next, so that memory stays bounded.
    const last = this.#queue.length > 1 ? this.#queue.at(-1) : undefined;
    if (last !== undefined && last.size + interval.size <= MERGED_BLOCKS_MAX) {
      for (const [index, block] of interval) last.set(index, block);
      return;
    }
    this.#queue.push(interval);
    if (this.#queue.length === 1) this.#writing = this.#writing.then(() => this.#drain());
  }

  async #drain(): Promise<void> {
    for (let interval = this.#queue[0]; interval !== undefined; interval = this.#queue[0]) {
      if (this.#lost === undefined) await this.#writeBelow(interval);
      this.#queue.shift();
    }
  }

  async #writeBelow(interval: Interval): Promise<void> {
    const end = this.config.capacity * SECTOR_SIZE;
    const batch = [...interval].map(([index, block]) => {
      const offset = index * BLOCK_SIZE;
      const data = block.subarray(0, Math.min(BLOCK_SIZE, end - offset));
      return request(RequestType.OUT, offset / SECTOR_SIZE, data);
    });
    batch.push(request(RequestType.FLUSH, 0));
    await this.#below.submit(batch);
    const failed = batch.find(({ status }) => status !== RequestStatus.OK);
    if (failed !== undefined) this.#lost = failed.cause as StorageError;
  }
}
