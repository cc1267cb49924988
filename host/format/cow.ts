/**
 * CAPOSCW1, what a persistent copy-on-write layer keeps in its file: two headers, a directory, maps
 * and blocks. Little-endian. Why it is so: docs/format/cow.md.
 *
 * The file is cut into places of `block_size` bytes, numbered from 0. The headers lie at bytes 0
 * and 4,096 whatever the block size; places 0 and 1 are theirs.
 *
 * HEADER, the one with the higher epoch whose digest holds is the layer
 *
 * | offset | size | field          | meaning                                                  |
 * | -----: | ---: | -------------- | -------------------------------------------------------- |
 * |  0x000 |    8 | magic          | "CAPOSCW1"                                               |
 * |  0x008 |    2 | version        | 1                                                        |
 * |  0x00a |    2 | reserved       | zero                                                     |
 * |  0x00c |    4 | block_size     | bytes of a block and of a place: 4,096 to 65,536         |
 * |  0x010 |    8 | epoch          | counts flushes; its lowest bit says which header it is   |
 * |  0x018 |    8 | capacity       | sectors of the disk, units of 512 bytes                  |
 * |  0x020 |    4 | places         | places of the file                                       |
 * |  0x024 |    4 | blk_size       | logical block of the disk: 512 or 4,096                  |
 * |  0x028 |  128 | directory      | places of the directory in order, u32 each; 0 = no more  |
 * |  0x0a8 |   32 | directory_hash | SHA-256 of those places' bytes                           |
 * |  0x0c8 |   32 | base_hash      | SHA-256 of the text that names the base                  |
 * |  0x0e8 |  248 | base_name      | that text for people, cut to fit, filled with zeros      |
 * |  0x1e0 |   32 | digest         | SHA-256 of bytes 0x000 to 0x1df                          |
 *
 * ENTRY, of the directory, one for each map
 *
 * | offset | size | field | meaning                                         |
 * | -----: | ---: | ----- | ----------------------------------------------- |
 * |  0x000 |    4 | place | of the map; 0: all of its blocks are the base's |
 * |  0x004 |   32 | hash  | SHA-256 of that place's bytes                   |
 *
 * A map is a u32 for each block of the disk: the place of its content, 0 for the base's, or
 * 0xffffffff for zeros.
 */
import { failure } from "../base/errors.ts";
import { isSameBytes } from "../base/hash.ts";
import { sha256 } from "../base/seed.ts";

export const HEADER_MAGIC = 0x000;
export const HEADER_VERSION = 0x008;
export const HEADER_BLOCK_SIZE = 0x00c;
export const HEADER_EPOCH = 0x010;
export const HEADER_CAPACITY = 0x018;
export const HEADER_PLACES = 0x020;
export const HEADER_BLK_SIZE = 0x024;
export const HEADER_DIRECTORY = 0x028;
export const HEADER_DIRECTORY_HASH = 0x0a8;
export const HEADER_BASE_HASH = 0x0c8;
export const HEADER_BASE_NAME = 0x0e8;
export const HEADER_DIGEST = 0x1e0;
export const HEADER_SIZE = 0x200;

export const ENTRY_PLACE = 0x000;
export const ENTRY_HASH = 0x004;
export const ENTRY_SIZE = 0x024;

/** Where the second header lies; the first lies at 0. */
export const SECOND_HEADER_AT = 4096;
/** Places that are the headers'. */
export const HEADER_PLACES_USED = 2;
export const DIRECTORY_PLACES_MAX = 32;
export const BLOCK_SIZE_MIN = 4096;
export const BLOCK_SIZE_MAX = 65_536;
/** Of a map: the block is as in the base. */
export const BLOCK_BASE = 0;
/** Of a map: the block is all zeros. */
export const BLOCK_ZERO = 0xffff_ffff;

const MAGIC = "CAPOSCW1";
const VERSION = 1;
const BASE_NAME_BYTES = HEADER_DIGEST - HEADER_BASE_NAME;

export interface CowHeader {
  readonly blockSize: number;
  readonly epoch: number;
  /** Sectors. */
  readonly capacity: number;
  readonly places: number;
  readonly blkSize: 512 | 4096;
  readonly directory: readonly number[];
  readonly directoryHash: Uint8Array;
  readonly baseHash: Uint8Array;
  readonly baseName: string;
}

/** The bytes of a header. */
export function encodeHeader(header: CowHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC), HEADER_MAGIC);
  view.setUint16(HEADER_VERSION, VERSION, true);
  view.setUint32(HEADER_BLOCK_SIZE, header.blockSize, true);
  view.setBigUint64(HEADER_EPOCH, BigInt(header.epoch), true);
  view.setBigUint64(HEADER_CAPACITY, BigInt(header.capacity), true);
  view.setUint32(HEADER_PLACES, header.places, true);
  view.setUint32(HEADER_BLK_SIZE, header.blkSize, true);
  for (const [index, place] of header.directory.entries()) {
    view.setUint32(HEADER_DIRECTORY + index * 4, place, true);
  }
  bytes.set(header.directoryHash, HEADER_DIRECTORY_HASH);
  bytes.set(header.baseHash, HEADER_BASE_HASH);
  new TextEncoder().encodeInto(header.baseName, bytes.subarray(HEADER_BASE_NAME, HEADER_DIGEST));
  bytes.set(sha256(bytes.subarray(0, HEADER_DIGEST)), HEADER_DIGEST);
  return bytes;
}

/**
 * The header in `bytes`; undefined if it is none, or torn.
 *
 * @throws {StorageError} EOPNOTSUPP: of another version; EBADMSG: whole, but it cannot be
 */
export function decodeHeader(bytes: Uint8Array, path: string): CowHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_SIZE);
  const text = (from: number, length: number) =>
    new TextDecoder().decode(bytes.slice(from, from + length)).replace(/\0+$/, "");
  if (text(HEADER_MAGIC, MAGIC.length) !== MAGIC) return undefined;
  const digest = bytes.slice(HEADER_DIGEST, HEADER_SIZE);
  if (!isSameBytes(sha256(bytes.slice(0, HEADER_DIGEST)), digest)) return undefined;
  const version = view.getUint16(HEADER_VERSION, true);
  if (version !== VERSION) {
    const message = `'${path}' is a copy-on-write layer of version ${version}.`;
    throw failure("EOPNOTSUPP", "open", message, { path });
  }
  const directory = Array.from({ length: DIRECTORY_PLACES_MAX }, (_, index) =>
    view.getUint32(HEADER_DIRECTORY + index * 4, true),
  );
  const end = directory.indexOf(0);
  const header: CowHeader = {
    blockSize: view.getUint32(HEADER_BLOCK_SIZE, true),
    epoch: Number(view.getBigUint64(HEADER_EPOCH, true)),
    capacity: Number(view.getBigUint64(HEADER_CAPACITY, true)),
    places: view.getUint32(HEADER_PLACES, true),
    blkSize: view.getUint32(HEADER_BLK_SIZE, true) as 512 | 4096,
    directory: end < 0 ? directory : directory.slice(0, end),
    directoryHash: bytes.slice(HEADER_DIRECTORY_HASH, HEADER_BASE_HASH),
    baseHash: bytes.slice(HEADER_BASE_HASH, HEADER_BASE_NAME),
    baseName: text(HEADER_BASE_NAME, BASE_NAME_BYTES),
  };
  checkHeader(header, path);
  return header;
}

/** True if `size` is one of a block: a power of two from 4 to 64 KiB. */
export function isBlockSize(size: number): boolean {
  const power = Number.isInteger(Math.log2(size));
  return power && size >= BLOCK_SIZE_MIN && size <= BLOCK_SIZE_MAX;
}

function checkHeader(header: CowHeader, path: string): void {
  const { blockSize, blkSize, epoch, capacity, directory, places } = header;
  const sane =
    isBlockSize(blockSize) &&
    (blkSize === 512 || blkSize === 4096) &&
    Number.isSafeInteger(epoch) &&
    Number.isSafeInteger(capacity * 512) &&
    directory.every((place) => place >= HEADER_PLACES_USED && place < places);
  if (sane) return;
  const message = `the header of '${path}' holds a number that cannot be.`;
  throw failure("EBADMSG", "open", message, { path });
}
