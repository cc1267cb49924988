/**
 * The file of a copy-on-write layer: which block of the disk lies where, and the commit that makes
 * a new answer the one that counts.
 *
 * No place that the last commit names is written before the next one is durable, so a cut at any
 * write leaves the last commit or, whole, the one in flight.
 */
import { failure } from "../../../base/errors.ts";
import { isSameBytes } from "../../../base/hash.ts";
import { sha256 } from "../../../base/seed.ts";
import {
  BLOCK_BASE,
  BLOCK_ZERO,
  type CowHeader,
  DIRECTORY_PLACES_MAX,
  decodeHeader,
  ENTRY_HASH,
  ENTRY_PLACE,
  ENTRY_SIZE,
  encodeHeader,
  HEADER_PLACES_USED,
  SECOND_HEADER_AT,
} from "../../../format/cow.ts";
import { type BlockDevice, SECTOR_SIZE } from "../../device.ts";
import { flushDevice, isReadOnly, readSectors, writeSectors } from "../../sectors.ts";
import { Places } from "./places.ts";

interface MapPlace {
  place: number;
  hash: Uint8Array;
}

/** What a layer is made with. */
export type CowShape = Pick<
  CowHeader,
  "blockSize" | "blkSize" | "capacity" | "baseHash" | "baseName"
>;

const NO_HASH = new Uint8Array(32);

/** Numbers that follow from a shape. */
export function extentOf(shape: Pick<CowShape, "blockSize" | "capacity">): {
  blocks: number;
  maps: number;
  directoryPlaces: number;
} {
  const { blockSize, capacity } = shape;
  const blocks = Math.ceil((capacity * SECTOR_SIZE) / blockSize);
  const maps = Math.ceil(blocks / (blockSize / 4));
  const directoryPlaces = Math.max(1, Math.ceil((maps * ENTRY_SIZE) / blockSize));
  return { blocks, maps, directoryPlaces };
}

export class CowImage {
  readonly shape: CowShape;
  readonly #file: BlockDevice;
  readonly #places: Places;
  readonly #placeCount: number;
  readonly #map: Uint32Array;
  readonly #maps: MapPlace[];
  readonly #mapEntries: number;
  #directory: readonly number[] = [];
  #epoch: number;
  #kept: number;
  /** Blocks whose place no commit names yet: they may be written where they lie. */
  readonly #fresh = new Set<number>();
  readonly #changedMaps = new Set<number>();
  /** Places that the last commit names and the next one does not. */
  readonly #freed: number[] = [];

  private constructor(file: BlockDevice, shape: CowShape, placeCount: number, epoch: number) {
    const { blocks, maps } = extentOf(shape);
    this.#file = file;
    this.shape = shape;
    this.#placeCount = placeCount;
    this.#places = new Places(placeCount, HEADER_PLACES_USED);
    this.#map = new Uint32Array(blocks);
    this.#maps = Array.from({ length: maps }, () => ({ place: 0, hash: NO_HASH }));
    this.#mapEntries = shape.blockSize / 4;
    this.#epoch = epoch;
    this.#kept = 2 * maps + extentOf(shape).directoryPlaces;
  }

  /**
   * Makes a layer without changes in `file`, whatever that held.
   *
   * @throws {StorageError} ENOSPC: the file has no room for the maps; EFBIG: the disk is too large
   *   for blocks of this size; EIO
   */
  static create(file: BlockDevice, shape: CowShape): CowImage {
    const { directoryPlaces } = extentOf(shape);
    if (directoryPlaces > DIRECTORY_PLACES_MAX) {
      const message = `a disk of ${shape.capacity} sectors wants larger blocks.`;
      throw failure("EFBIG", "create", message, { path: file.name });
    }
    const places = Math.floor((file.config.capacity * SECTOR_SIZE) / shape.blockSize);
    const image = new CowImage(file, shape, Math.min(places, BLOCK_ZERO - 1), 0);
    if (image.room <= 0) {
      const message = `'${file.name}' has no room for the maps of this disk.`;
      throw failure("ENOSPC", "create", message, { path: file.name });
    }
    // What was there before is gone at once, not after it was half overwritten.
    const sectors = SECOND_HEADER_AT / SECTOR_SIZE;
    writeSectors(file, 0, new Uint8Array(2 * sectors * SECTOR_SIZE));
    flushDevice(file);
    image.commit();
    return image;
  }

  /**
   * Opens the last commit.
   *
   * @throws {StorageError} EMEDIUMTYPE: there is none; EBADMSG: it is damaged; EIO
   */
  static open(file: BlockDevice): CowImage {
    const path = file.name;
    // What is read may be in the device's cache only: durable before anything builds on it.
    if (!isReadOnly(file)) flushDevice(file);
    const found = [0, SECOND_HEADER_AT]
      // A whole block of 4 KiB, which the device may have.
      .map((at) => readSectors(file, at / SECTOR_SIZE, SECOND_HEADER_AT / SECTOR_SIZE))
      .map((bytes) => decodeHeader(bytes, path))
      .filter((header) => header !== undefined)
      .sort((one, other) => other.epoch - one.epoch)[0];
    if (found === undefined) {
      const message = `'${path}' holds no copy-on-write layer.`;
      throw failure("EMEDIUMTYPE", "open", message, { path });
    }
    const image = new CowImage(file, found, found.places, found.epoch);
    image.#load(found);
    return image;
  }

  /**
   * Places that data may still take. The rest is kept for the next commit, which writes maps and
   * directory before the old ones are free, and for maps that have no place yet.
   */
  get room(): number {
    return this.#places.free - this.#kept;
  }

  /** Where block `index` lies: a place, BLOCK_BASE or BLOCK_ZERO. */
  at(index: number): number {
    return this.#map[index] as number;
  }

  /** True if the block may be written where it lies. */
  isFresh(index: number): boolean {
    return this.#fresh.has(index);
  }

  /** Blocks that are not the base's. */
  get changedBlocks(): number {
    return this.#map.reduce((sum, value) => sum + (value === BLOCK_BASE ? 0 : 1), 0);
  }

  /** A place for new content. ENOSPC. */
  take(): number {
    const place = this.room > 0 ? this.#places.take() : undefined;
    if (place !== undefined) return place;
    const hint = "FLUSH frees what was written twice; else a larger file is needed.";
    const message = `'${this.#file.name}' has no place left for another changed block.`;
    throw failure("ENOSPC", "write", message, { path: this.#file.name, hint });
  }

  /** Gives back a place that take() gave and no block has. */
  giveBack(place: number): void {
    this.#places.release(place);
  }

  /** From the next commit on block `index` lies at `value`. */
  set(index: number, value: number): void {
    const old = this.#map[index] as number;
    if (old !== BLOCK_BASE && old !== BLOCK_ZERO && old !== value) {
      if (this.#fresh.has(index)) this.#places.release(old);
      else this.#freed.push(old);
    }
    this.#map[index] = value;
    if (value === BLOCK_BASE || value === BLOCK_ZERO) this.#fresh.delete(index);
    else this.#fresh.add(index);
    this.#changedMaps.add(Math.floor(index / this.#mapEntries));
  }

  /**
   * Makes what set() said since the last commit durable. After an error the file holds the last
   * commit or this one: open it again to see which.
   */
  commit(): void {
    if (this.#epoch > 0 && this.#changedMaps.size === 0) return;
    const { blockSize } = this.shape;
    for (const index of this.#changedMaps) this.#writeMap(index);
    const directory = this.#encodeDirectory();
    const places: number[] = [];
    for (let at = 0; at < directory.length; at += blockSize) {
      places.push(this.#write(directory.subarray(at, at + blockSize)));
    }
    this.#freed.push(...this.#directory);
    flushDevice(this.#file);
    const epoch = this.#epoch + 1;
    const header: CowHeader = {
      ...this.shape,
      epoch,
      places: this.#placeCount,
      directory: places,
      directoryHash: sha256(directory),
    };
    // From here on the new header is the one that opens.
    const at = epoch % 2 === 0 ? 0 : SECOND_HEADER_AT;
    // A whole 4 KiB block, so that the one of a device with larger blocks is never patched.
    const sector = new Uint8Array(SECOND_HEADER_AT);
    sector.set(encodeHeader(header));
    writeSectors(this.#file, at / SECTOR_SIZE, sector);
    flushDevice(this.#file);
    this.#epoch = epoch;
    this.#directory = places;
    for (const place of this.#freed) this.#places.release(place);
    this.#freed.length = 0;
    this.#fresh.clear();
    this.#changedMaps.clear();
  }

  #writeMap(index: number): void {
    const entry = this.#maps[index] as MapPlace;
    if (entry.place !== 0) this.#freed.push(entry.place);
    else this.#kept -= 1;
    const bytes = new Uint8Array(this.shape.blockSize);
    const view = new DataView(bytes.buffer);
    const first = index * this.#mapEntries;
    const part = this.#map.subarray(first, first + this.#mapEntries);
    for (const [at, value] of part.entries()) view.setUint32(at * 4, value, true);
    entry.place = this.#write(bytes);
    entry.hash = sha256(bytes);
  }

  #encodeDirectory(): Uint8Array {
    const { directoryPlaces } = extentOf(this.shape);
    const bytes = new Uint8Array(directoryPlaces * this.shape.blockSize);
    const view = new DataView(bytes.buffer);
    for (const [index, { place, hash }] of this.#maps.entries()) {
      view.setUint32(index * ENTRY_SIZE + ENTRY_PLACE, place, true);
      bytes.set(hash, index * ENTRY_SIZE + ENTRY_HASH);
    }
    return bytes;
  }

  #write(bytes: Uint8Array): number {
    // The maps' own places were kept for them.
    const place = this.#places.take();
    if (place === undefined) throw this.#damaged("the maps have no place left");
    writeSectors(this.#file, this.sectorOf(place), bytes);
    return place;
  }

  /** First sector of a place. */
  sectorOf(place: number): number {
    return (place * this.shape.blockSize) / SECTOR_SIZE;
  }

  #load(header: CowHeader): void {
    const { blockSize } = this.shape;
    const sectors = blockSize / SECTOR_SIZE;
    const { blocks, directoryPlaces } = extentOf(this.shape);
    const end = Math.floor((this.#file.config.capacity * SECTOR_SIZE) / blockSize);
    if (header.directory.length !== directoryPlaces || this.#placeCount > end) {
      throw this.#damaged("its header does not fit its file");
    }
    const directory = new Uint8Array(directoryPlaces * blockSize);
    for (const [index, place] of header.directory.entries()) {
      directory.set(readSectors(this.#file, this.sectorOf(place), sectors), index * blockSize);
      this.#claim(place);
    }
    this.#directory = header.directory;
    if (!isSameBytes(sha256(directory), header.directoryHash)) {
      throw this.#damaged("its directory is not what was written");
    }
    const view = new DataView(directory.buffer);
    for (const [index, entry] of this.#maps.entries()) {
      const at = index * ENTRY_SIZE;
      entry.place = view.getUint32(at + ENTRY_PLACE, true);
      entry.hash = directory.slice(at + ENTRY_HASH, at + ENTRY_SIZE);
      if (entry.place !== 0) this.#loadMap(index, entry, blocks);
    }
  }

  #loadMap(index: number, entry: MapPlace, blocks: number): void {
    this.#claim(entry.place);
    this.#kept -= 1;
    const bytes = readSectors(
      this.#file,
      this.sectorOf(entry.place),
      this.shape.blockSize / SECTOR_SIZE,
    );
    if (!isSameBytes(sha256(bytes), entry.hash)) {
      throw this.#damaged(`map ${index} is not what was written`);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const first = index * this.#mapEntries;
    for (let at = 0; at < this.#mapEntries && first + at < blocks; at++) {
      const value = view.getUint32(at * 4, true);
      if (value !== BLOCK_BASE && value !== BLOCK_ZERO) this.#claim(value);
      this.#map[first + at] = value;
    }
  }

  #claim(place: number): void {
    if (this.#places.claim(place)) return;
    throw this.#damaged(`place ${place} is used twice, or is none`);
  }

  #damaged(what: string): Error {
    const path = this.#file.name;
    const message = `the copy-on-write layer '${path}' is damaged: ${what}.`;
    return failure("EBADMSG", "open", message, { path });
  }
}
