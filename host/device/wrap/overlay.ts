/**
 * A copy-on-write layer that lasts: changes of a disk that is only read, such as one on a web
 * server, in a device of their own, such as an OPFS file.
 *
 * FLUSH is one commit of the layer (see overlay/image.ts): after a cut at any write the disk is as
 * the last FLUSH left it, or the one in flight. A layer belongs to one version of one base; over
 * another it is refused, as its blocks would be mixed with foreign ones.
 */
import { failure, refusal } from "../../base/errors.ts";
import { isSameBytes } from "../../base/hash.ts";
import { sha256 } from "../../base/seed.ts";
import { parseSize } from "../../base/size.ts";
import { BLOCK_BASE, BLOCK_ZERO, HEADER_PLACES_USED, isBlockSize } from "../../format/cow.ts";
import { blockParts } from "../blocks.ts";
import {
  admit,
  answerId,
  type BlockDevice,
  type BlockRequest,
  checkGeometry,
  complete,
  type DeviceConfig,
  type DurabilityClaim,
  Feature,
  RequestType,
  refuse,
  refuseClosed,
  SECTOR_SIZE,
  zeroingConfig,
} from "../device.ts";
import { readInto, writeSectors } from "../sectors.ts";
import { CowImage, extentOf } from "./overlay/image.ts";

export interface OverlayOptions {
  /**
   * What tells the base from any other, and from another version of itself. Default: what the base
   * says of itself (`file` of an HTTP device), else its name and size.
   */
  readonly origin?: string | undefined;
}

export interface CreateOverlayOptions extends OverlayOptions {
  /** Bytes of a block, a power of two from 4 to 64 KiB. Default 16 KiB. */
  readonly blockBytes?: number | undefined;
  /** Size of the disk, at least the base's, which is its default; zeros follow the base. */
  readonly size?: number | string | undefined;
}

/** A base that knows its version: HttpRangeDevice, HttpSyncDevice, and what has the same field. */
interface Versioned {
  readonly file?: { readonly url: string; readonly etag: string; readonly modified: string };
}

const BLOCK_BYTES = 16_384;
/** How much may be written twice between two FLUSHes in a file of sizeFor(). */
const SLACK_BYTES = 2 ** 26;

/**
 * A writable disk over `base`, whose changes lie in `file`. Closing it closes both.
 *
 * @example
 * const base = await HttpSyncDevice.open("disk.img");
 * const size = OverlayDevice.sizeFor(base);
 * const device = OverlayDevice.create(base, await OpfsDevice.create("changes.cow", { size }));
 */
export class OverlayDevice implements BlockDevice {
  readonly name: string;
  readonly config: DeviceConfig;
  readonly identity: BlockDevice["identity"];
  readonly durability: DurabilityClaim;
  readonly #base: BlockDevice;
  readonly #file: BlockDevice;
  readonly #image: CowImage;
  readonly #blockSize: number;
  /** Why neither a write nor a FLUSH can be believed any more. */
  #lost: unknown;
  #closed = false;

  private constructor(base: BlockDevice, file: BlockDevice, image: CowImage) {
    const { capacity, blkSize, blockSize } = image.shape;
    const readOnly = (file.config.features & Feature.RO) !== 0;
    this.name = `${base.name} + ${file.name}`;
    this.identity = base.identity;
    this.#base = base;
    this.#file = file;
    this.#image = image;
    this.#blockSize = blockSize;
    const { level, flush } = file.durability;
    this.durability = { level, flush: `one commit: two of ${flush}` };
    this.config = zeroingConfig(capacity, readOnly, {
      blkSize,
      optIoSize: blockSize / blkSize,
      zeroesMayUnmap: !readOnly,
    });
  }

  /** Bytes that a file needs to hold a change of every block, and 64 MiB written twice. */
  static sizeFor(base: BlockDevice, options: CreateOverlayOptions = {}): number {
    const { blockBytes = BLOCK_BYTES } = options;
    const capacity = capacityOf(base, options);
    const { blocks, maps, directoryPlaces } = extentOf({ blockSize: blockBytes, capacity });
    const slack = Math.min(blocks, SLACK_BYTES / blockBytes);
    return (HEADER_PLACES_USED + blocks + slack + 2 * (maps + directoryPlaces)) * blockBytes;
  }

  /**
   * Makes a layer without changes in `file`, whatever that held.
   *
   * @throws {StorageError} EINVAL: no such block size, or a disk smaller than its base; ENOSPC: the
   *   file is too small; EFBIG; EIO
   */
  static create(
    base: BlockDevice,
    file: BlockDevice,
    options: CreateOverlayOptions = {},
  ): OverlayDevice {
    const { blockBytes = BLOCK_BYTES } = options;
    if (!isBlockSize(blockBytes)) {
      const message = `blocks of ${blockBytes} bytes: 4, 8, 16, 32 and 64 KiB are taken.`;
      throw failure("EINVAL", "create", message, { path: file.name });
    }
    const origin = originOf(base, options);
    const image = CowImage.create(file, {
      blockSize: blockBytes,
      blkSize: base.config.blkSize as 512 | 4096,
      capacity: capacityOf(base, options),
      baseHash: sha256(new TextEncoder().encode(origin)),
      baseName: origin.replaceAll("\n", " "),
    });
    return new OverlayDevice(base, file, image);
  }

  /**
   * Opens the layer in `file` as its last FLUSH left it.
   *
   * @throws {StorageError} ESTALE, a Refusal: it belongs to another base, or the base has changed;
   *   EMEDIUMTYPE: there is no layer; EBADMSG: it is damaged; EIO
   */
  static open(base: BlockDevice, file: BlockDevice, options: OverlayOptions = {}): OverlayDevice {
    const image = CowImage.open(file);
    const origin = originOf(base, options);
    if (!isSameBytes(image.shape.baseHash, sha256(new TextEncoder().encode(origin)))) {
      const now = origin.replaceAll("\n", " ");
      const message = `'${file.name}' holds changes of '${image.shape.baseName}', not of '${now}'.`;
      const hint = "The base has changed or is another one: make a new layer for it.";
      throw refusal("ESTALE", "open", message, { path: file.name, hint });
    }
    return new OverlayDevice(base, file, image);
  }

  /** Bytes of the blocks that differ from the base. */
  get changedBytes(): number {
    return this.#image.changedBlocks * this.#blockSize;
  }

  submit(requests: readonly BlockRequest[]): void {
    if (this.#closed) {
      refuseClosed(this.name, requests);
      return;
    }
    for (const asked of requests) {
      if (!admit(this.config, asked, this.name)) continue;
      try {
        this.#carryOut(asked);
      } catch (cause) {
        refuse(asked, cause);
      }
    }
  }

  /** What was not flushed is lost. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
    this.#base.close();
  }

  #carryOut(asked: BlockRequest): void {
    const { type, sector, data, length } = asked;
    if (type === RequestType.GET_ID) {
      answerId(asked, this.identity.serial);
      return;
    }
    if (type === RequestType.IN) this.#read(sector * SECTOR_SIZE, data);
    else if (this.#lost !== undefined) throw this.#lost;
    else if (type === RequestType.OUT) this.#write(sector * SECTOR_SIZE, data);
    else if (type === RequestType.WRITE_ZEROES) {
      this.#zero(sector * SECTOR_SIZE, length * SECTOR_SIZE);
    } else if ((this.config.features & Feature.RO) === 0) this.#commit();
    complete(asked, type === RequestType.IN || type === RequestType.OUT ? data.length : 0);
  }

  #commit(): void {
    try {
      this.#image.commit();
    } catch (cause) {
      // Whether it counts shows when the layer is opened again.
      this.#lost = cause;
      throw cause;
    }
  }

  /** Reads runs of blocks that lie side by side with one request each. */
  #read(offset: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      const start = (offset + at) % this.#blockSize;
      const index = (offset + at - start) / this.#blockSize;
      const place = this.#image.at(index);
      const step = place === BLOCK_BASE || place === BLOCK_ZERO ? 0 : 1;
      let size = this.#blockSize - start;
      for (let next = 1; at + size < data.length; next++) {
        if (this.#image.at(index + next) !== place + next * step) break;
        size += this.#blockSize;
      }
      const target = data.subarray(at, Math.min(at + size, data.length));
      if (place === BLOCK_ZERO) target.fill(0);
      else if (place === BLOCK_BASE) this.#readBase(offset + at, target);
      else readInto(this.#file, this.#image.sectorOf(place) + start / SECTOR_SIZE, target);
      at += target.length;
    }
  }

  #readBase(offset: number, target: Uint8Array): void {
    const left = Math.max(0, this.#base.config.capacity * SECTOR_SIZE - offset);
    const size = Math.min(left, target.length);
    if (size > 0) readInto(this.#base, offset / SECTOR_SIZE, target.subarray(0, size));
    target.fill(0, size);
  }

  #write(offset: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      const start = (offset + at) % this.#blockSize;
      const index = (offset + at - start) / this.#blockSize;
      const size = Math.min(this.#blockSize - start, data.length - at);
      if (size === this.#blockSize && !this.#image.isFresh(index)) {
        at += this.#writeRun(index, data, at);
      } else {
        this.#patch(index, start, data.subarray(at, at + size));
        at += size;
      }
    }
  }

  /** Writes whole blocks from block `index` on, as many as new places lie side by side. */
  #writeRun(index: number, data: Uint8Array, at: number): number {
    const first = this.#image.take();
    let count = 1;
    while (at + (count + 1) * this.#blockSize <= data.length) {
      if (this.#image.isFresh(index + count) || this.#image.room <= 0) break;
      const place = this.#image.take();
      if (place !== first + count) {
        this.#image.giveBack(place);
        break;
      }
      count++;
    }
    const size = count * this.#blockSize;
    try {
      writeSectors(this.#file, this.#image.sectorOf(first), data.subarray(at, at + size));
    } catch (cause) {
      for (let each = 0; each < count; each++) this.#image.giveBack(first + each);
      throw cause;
    }
    for (let each = 0; each < count; each++) this.#image.set(index + each, first + each);
    return size;
  }

  /** Changes a part of a block: where it lies if no commit names that place, else in a copy. */
  #patch(index: number, start: number, part: Uint8Array): void {
    if (this.#image.isFresh(index)) {
      const sector = this.#image.sectorOf(this.#image.at(index)) + start / SECTOR_SIZE;
      writeSectors(this.#file, sector, part);
      return;
    }
    const block = new Uint8Array(this.#blockSize);
    const end = this.config.capacity * SECTOR_SIZE - index * this.#blockSize;
    this.#read(index * this.#blockSize, block.subarray(0, Math.min(end, block.length)));
    block.set(part, start);
    const place = this.#image.take();
    try {
      writeSectors(this.#file, this.#image.sectorOf(place), block);
    } catch (cause) {
      this.#image.giveBack(place);
      throw cause;
    }
    this.#image.set(index, place);
  }

  #zero(offset: number, length: number): void {
    for (const { index, start, size } of blockParts(offset, length, this.#blockSize)) {
      if (size === this.#blockSize) this.#image.set(index, BLOCK_ZERO);
      else if (this.#image.at(index) !== BLOCK_ZERO) {
        this.#patch(index, start, new Uint8Array(size));
      }
    }
  }
}

function capacityOf(base: BlockDevice, { size }: CreateOverlayOptions): number {
  const { capacity, blkSize } = base.config;
  if (size === undefined) return capacity;
  const wanted = parseSize(size) / SECTOR_SIZE;
  checkGeometry(wanted, blkSize, base.name);
  if (wanted >= capacity) return wanted;
  const message = `a disk of ${wanted} sectors is smaller than its base, which has ${capacity}.`;
  throw failure("EINVAL", "create", message, { path: base.name });
}

function originOf(base: BlockDevice, { origin }: OverlayOptions): string {
  if (origin !== undefined) return origin;
  const { file } = base as Versioned;
  const sizeBytes = base.config.capacity * SECTOR_SIZE;
  if (file === undefined) return `${base.name}\n\n${sizeBytes}`;
  return `${file.url}\n${file.etag || file.modified}\n${sizeBytes}`;
}
