/**
 * A block device, or a window of one, as a capability.
 *
 * Interface: blocks are the device's logical blocks, counted from the start of the window. A
 * request that leaves the window is refused whole, before the device is asked. The offset of the
 * window is added in one place each for reading and writing.
 */
import { type BlockDevice, SECTOR_SIZE } from "../../device/device.ts";
import { flushDevice, isReadOnly, readSectors, writeSectors } from "../../device/sectors.ts";
import { Capability, checkBytes, checkCount, Grant } from "./base/grant.ts";
import { attempt, type Outcome, ok, refused } from "./base/outcome.ts";

/** Most bytes of one request. */
export const BLOCK_BYTES_MAX = 16 << 20;

export interface BlockInfo {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly readOnly: boolean;
}

export interface BlockOptions {
  /** First block of the window; default 0. */
  readonly firstBlock?: number;
  /** Default: to the end of the device. */
  readonly blocks?: number;
  readonly readOnly?: boolean;
}

/** The right to a run of blocks of one device. */
export class BlockCap extends Capability {
  readonly kind = "block";
  readonly isReadOnly: boolean;
  readonly #device: BlockDevice;
  readonly #first: number;
  readonly #blocks: number;

  private constructor(
    grant: Grant,
    device: BlockDevice,
    first: number,
    blocks: number,
    readOnly: boolean,
  ) {
    super(grant);
    this.#device = device;
    this.#first = first;
    this.#blocks = blocks;
    this.isReadOnly = readOnly;
  }

  /** A window of `device`; "invalid": it leaves the device. */
  static over(device: BlockDevice, options: BlockOptions = {}): Outcome<BlockCap> {
    const total = Math.floor(device.config.capacity / sectorsOf(device));
    const whole = new BlockCap(
      new Grant(),
      device,
      0,
      total,
      options.readOnly === true || isReadOnly(device),
    );
    const { firstBlock = 0, blocks = total - firstBlock } = options;
    return firstBlock === 0 && blocks === total ? ok(whole) : whole.sub(firstBlock, blocks);
  }

  info(): Outcome<BlockInfo> {
    this.grant.check("info");
    const blockBytes = this.#device.config.blkSize;
    return ok({ blockBytes, blocks: this.#blocks, readOnly: this.isReadOnly });
  }

  readBlocks(firstBlock: number, blocks: number): Outcome<Uint8Array> {
    return this.#call("readBlocks", firstBlock, blocks, () => {
      const sectors = sectorsOf(this.#device);
      const start = (this.#first + firstBlock) * sectors;
      return ok(readSectors(this.#device, start, blocks * sectors));
    });
  }

  /** Writes whole blocks; volatile until flush(). */
  writeBlocks(firstBlock: number, bytes: Uint8Array): Outcome<void> {
    this.grant.check("writeBlocks");
    checkBytes(bytes, "writeBlocks");
    if (this.isReadOnly) return refused("denied", "the device is read-only");
    const { blkSize } = this.#device.config;
    if (bytes.length % blkSize !== 0) {
      return refused("invalid", `${bytes.length} bytes are not whole blocks of ${blkSize}`);
    }
    return this.#call("writeBlocks", firstBlock, bytes.length / blkSize, () => {
      writeSectors(this.#device, (this.#first + firstBlock) * sectorsOf(this.#device), bytes);
      return ok();
    });
  }

  /** Makes what was written durable. */
  flush(): Outcome<void> {
    this.grant.check("flush");
    return attempt("flush", "", () => {
      if (!this.isReadOnly) flushDevice(this.#device);
      return ok();
    });
  }

  /** A window of this window; "invalid": it leaves it. */
  sub(firstBlock: number, blocks: number): Outcome<BlockCap> {
    return this.#call("sub", firstBlock, 0, () => {
      checkCount(blocks, "sub", "the number of blocks");
      if (firstBlock + blocks > this.#blocks) return this.#outside(firstBlock, blocks);
      return ok(this.#derive(this.#first + firstBlock, blocks, this.isReadOnly));
    });
  }

  /** The same blocks, where every write is "denied". */
  readOnly(): BlockCap {
    this.grant.check("readOnly");
    return this.#derive(this.#first, this.#blocks, true);
  }

  #derive(first: number, blocks: number, readOnly: boolean): BlockCap {
    return new BlockCap(this.grant.child(), this.#device, first, blocks, readOnly);
  }

  #call<T>(syscall: string, firstBlock: number, blocks: number, act: () => Outcome<T>): Outcome<T> {
    this.grant.check(syscall);
    checkCount(firstBlock, syscall, "the first block");
    checkCount(blocks, syscall, "the number of blocks");
    if (firstBlock + blocks > this.#blocks) return this.#outside(firstBlock, blocks);
    if (blocks * this.#device.config.blkSize > BLOCK_BYTES_MAX) {
      return refused("too-large", `a request moves at most ${BLOCK_BYTES_MAX} bytes`);
    }
    return attempt(syscall, "", act);
  }

  #outside(firstBlock: number, blocks: number): Outcome<never> {
    return refused("invalid", `block ${firstBlock}+${blocks} lies outside of ${this.#blocks}`);
  }
}

function sectorsOf(device: BlockDevice): number {
  return device.config.blkSize / SECTOR_SIZE;
}
