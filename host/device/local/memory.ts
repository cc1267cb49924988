/**
 * A block device in this process's memory: sparse, up to 16 TiB and beyond, gone with the process.
 *
 * Space is taken by chunks of 64 KiB on first write. A clone shares chunks with its origin until
 * either of them writes, so a copy costs one pointer a chunk.
 */
import { failure } from "../../base/errors.ts";
import { parseSize } from "../../base/size.ts";
import {
  admit,
  answerId,
  type BlockDevice,
  type BlockRequest,
  checkGeometry,
  complete,
  type DeviceConfig,
  type DeviceIdentity,
  type DurabilityClaim,
  deviceConfig,
  deviceIdentity,
  Feature,
  type IdentityOptions,
  RequestType,
  refuseClosed,
  SECTOR_SIZE,
} from "../device.ts";

const CHUNK_SIZE = 65536;
const CHUNK_MASK = CHUNK_SIZE - 1;
/** Sectors of one DISCARD or WRITE_ZEROES: 2 GiB, a whole number of blocks. */
const ERASE_SECTORS_MAX = 2 ** 22;
/** Largest device that bytes() copies out whole. */
const EXPORT_SIZE_MAX = 2 ** 31;

export interface MemoryOptions extends IdentityOptions {
  /** Bytes, or text such as "64MiB". */
  readonly size: number | string;
  /** Logical block, 512 (default) or 4096. */
  readonly blkSize?: 512 | 4096;
  readonly readOnly?: boolean;
  /** False: the feature is not offered. All default to true. */
  readonly flush?: boolean;
  readonly discard?: boolean;
  readonly writeZeroes?: boolean;
  readonly name?: string;
  /** Laid over the configuration that follows from the rest. */
  readonly config?: Partial<DeviceConfig>;
}

/** Who may write a chunk in place; see clone(). */
interface Owner {
  readonly of: string;
}

interface Chunk {
  readonly bytes: Uint8Array;
  readonly owner: Owner;
}

/**
 * A sparse block device in memory.
 *
 * @example
 * const device = new MemoryDevice({ size: "64MiB" });
 */
export class MemoryDevice implements BlockDevice {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: DeviceIdentity;
  readonly durability: DurabilityClaim = { level: "none", flush: "nothing: memory" };
  readonly sizeBytes: number;
  #chunks = new Map<number, Chunk>();
  #owner: Owner;
  readonly #options: MemoryOptions;
  #closed = false;

  constructor(options: MemoryOptions) {
    this.#options = options;
    this.sizeBytes = parseSize(options.size);
    this.name = options.name ?? "memory";
    const { blkSize = 512 } = options;
    checkGeometry(this.sizeBytes / SECTOR_SIZE, blkSize, this.name);
    this.identity = deviceIdentity(options);
    this.config = configOf(this.sizeBytes, blkSize, options);
    this.#owner = { of: this.name };
  }

  /** A device that holds a copy of `bytes`; `options.size` may make it larger. */
  static from(bytes: Uint8Array, options: Partial<MemoryOptions> = {}): MemoryDevice {
    const device = new MemoryDevice({ size: bytes.length, ...options });
    device.poke(0, bytes);
    return device;
  }

  submit(requests: readonly BlockRequest[]): void {
    if (this.#closed) {
      refuseClosed(this.name, requests);
      return;
    }
    for (const asked of requests) {
      if (!admit(this.config, asked, this.name)) continue;
      const { type, sector, data } = asked;
      switch (type) {
        case RequestType.IN:
          this.#read(sector * SECTOR_SIZE, data);
          complete(asked, data.length);
          break;
        case RequestType.OUT:
          this.#write(sector * SECTOR_SIZE, data);
          complete(asked, data.length);
          break;
        case RequestType.GET_ID:
          answerId(asked, this.identity.serial);
          break;
        case RequestType.FLUSH:
          complete(asked);
          break;
        default:
          this.#erase(sector * SECTOR_SIZE, asked.length * SECTOR_SIZE);
          complete(asked);
      }
    }
  }

  /** Further requests answer IOERR; what was written stays for peek(), bytes() and clone(). */
  close(): void {
    this.#closed = true;
  }

  /** An open device with the same content, its own from here on. */
  clone(options: Partial<MemoryOptions> = {}): MemoryDevice {
    const copy = new MemoryDevice({ ...this.#options, ...options });
    copy.#chunks = new Map(this.#chunks);
    // Neither device owns a chunk that both hold: the first to write one copies it.
    this.#owner = { of: this.name };
    return copy;
  }

  /** `length` bytes from byte `offset`, past every check but the bounds. */
  peek(offset: number, length: number): Uint8Array {
    this.#checkSpan(offset, length);
    const bytes = new Uint8Array(length);
    this.#read(offset, bytes);
    return bytes;
  }

  /** Overwrites bytes from byte `offset`, also of a closed or read-only device. */
  poke(offset: number, bytes: Uint8Array): void {
    this.#checkSpan(offset, bytes.length);
    this.#write(offset, bytes);
  }

  /** Flips bit `bit`, counted from bit 0 of byte 0. */
  flip(bit: number): void {
    const offset = Math.floor(bit / 8);
    const [byte = 0] = this.peek(offset, 1);
    this.poke(offset, Uint8Array.of(byte ^ (1 << (bit % 8))));
  }

  /** The whole content of a small device. */
  bytes(): Uint8Array {
    if (this.sizeBytes > EXPORT_SIZE_MAX) {
      throw failure("EFBIG", "bytes", `${this.name} has ${this.sizeBytes} bytes; use touched().`);
    }
    return this.peek(0, this.sizeBytes);
  }

  /** The chunks ever written and not erased, in order: byte offset and content, a view. */
  *touched(): Generator<[offset: number, bytes: Uint8Array]> {
    for (const index of [...this.#chunks.keys()].sort((left, right) => left - right)) {
      const offset = index * CHUNK_SIZE;
      const size = Math.min(CHUNK_SIZE, this.sizeBytes - offset);
      yield [offset, (this.#chunks.get(index) as Chunk).bytes.subarray(0, size)];
    }
  }

  /** Memory that the content takes. */
  get allocatedBytes(): number {
    return this.#chunks.size * CHUNK_SIZE;
  }

  #read(offset: number, target: Uint8Array): void {
    let at = 0;
    while (at < target.length) {
      const from = offset + at;
      const start = from & CHUNK_MASK;
      const size = Math.min(CHUNK_SIZE - start, target.length - at);
      const chunk = this.#chunks.get((from - start) / CHUNK_SIZE);
      if (chunk === undefined) target.fill(0, at, at + size);
      else target.set(chunk.bytes.subarray(start, start + size), at);
      at += size;
    }
  }

  #write(offset: number, source: Uint8Array): void {
    let at = 0;
    while (at < source.length) {
      const to = offset + at;
      const start = to & CHUNK_MASK;
      const size = Math.min(CHUNK_SIZE - start, source.length - at);
      const whole = at === 0 && size === source.length;
      const target = this.#writable((to - start) / CHUNK_SIZE);
      target.set(whole ? source : source.subarray(at, at + size), start);
      at += size;
    }
  }

  #erase(offset: number, length: number): void {
    const end = offset + length;
    const first = Math.floor(offset / CHUNK_SIZE);
    const last = Math.ceil(end / CHUNK_SIZE);
    // A huge range over few chunks costs by the chunks that are there.
    const sparse = last - first > this.#chunks.size;
    const indices = sparse ? [...this.#chunks.keys()] : range(first, last);
    for (const index of indices) {
      const start = Math.max(offset - index * CHUNK_SIZE, 0);
      const stop = Math.min(end - index * CHUNK_SIZE, CHUNK_SIZE);
      if (start >= stop || !this.#chunks.has(index)) continue;
      if (stop - start === CHUNK_SIZE) this.#chunks.delete(index);
      else this.#writable(index).fill(0, start, stop);
    }
  }

  #writable(index: number): Uint8Array {
    const chunk = this.#chunks.get(index);
    if (chunk !== undefined && chunk.owner === this.#owner) return chunk.bytes;
    const bytes = chunk === undefined ? new Uint8Array(CHUNK_SIZE) : chunk.bytes.slice();
    this.#chunks.set(index, { bytes, owner: this.#owner });
    return bytes;
  }

  #checkSpan(offset: number, length: number): void {
    if (offset >= 0 && length >= 0 && offset + length <= this.sizeBytes) return;
    throw failure("ERANGE", "peek", `${offset}+${length} lies outside ${this.name}.`);
  }
}

function configOf(sizeBytes: number, blkSize: number, options: MemoryOptions): DeviceConfig {
  const { flush = true, discard = true, writeZeroes = true, readOnly = false } = options;
  const features =
    Feature.SEG_MAX |
    Feature.BLK_SIZE |
    Feature.TOPOLOGY |
    (flush ? Feature.FLUSH : 0) |
    (readOnly ? Feature.RO : 0) |
    (discard ? Feature.DISCARD : 0) |
    (writeZeroes ? Feature.WRITE_ZEROES : 0);
  return deviceConfig(sizeBytes / SECTOR_SIZE, {
    features,
    blkSize,
    maxDiscard: discard ? ERASE_SECTORS_MAX : 0,
    discardAlign: discard ? blkSize / SECTOR_SIZE : 0,
    maxWriteZeroes: writeZeroes ? ERASE_SECTORS_MAX : 0,
    zeroesMayUnmap: writeZeroes,
    writeback: flush,
    ...options.config,
  });
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first }, (_, index) => first + index);
}
