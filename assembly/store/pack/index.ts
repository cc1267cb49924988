/**
 * The index: where each object lies. Every value is checked before it is used, so a checksum-valid
 * lie ends in EBADMSG and not in a read outside the chunks.
 *
 * Interface: indexFind() leaves what it found in the `entry` variables, valid until the next call.
 */
import { equalBytes, loadBigU32, loadU48, storeBigU32, storeU48 } from "../../engine/bytes";
import { deviceFail } from "../../engine/device";
import { Reason } from "../../format/abi";
import { ErrorCode } from "../../format/errors";
import { TreeId } from "../../format/page";
import {
  HASH_SIZE,
  INDEX_CHUNK,
  INDEX_FLAG_SEGMENTED,
  INDEX_FLAGS,
  INDEX_LENGTH,
  INDEX_PINS,
  INDEX_SECTOR,
  INDEX_SECTORS,
  INDEX_SIZE,
  OBJECT_BITS_MAX,
  SEGMENTS_MAX,
} from "../../format/store";
import { foundLength, foundValue, treeDelete, treeGet, treePut } from "../../tree/btree";
import { packCapacity, packSectors } from "./record";
import { Store, SUSPECTS_MAX } from "./state";

export const INDEX_KEY_MAX: u32 = HASH_SIZE + 4;

export let entryChunk: u32 = 0;
export let entrySector: u32 = 0;
/** Entry 0: bytes of the whole object; entry k: of this segment. */
export let entryLength: u64 = 0;
export let entryFlags: u32 = 0;
export let entrySectors: u32 = 0;
export let entryPins: u32 = 0;
/** Payload bytes of this very record. */
export let entryPayload: u32 = 0;

const key: usize = memory.data(36, 8);
const value: usize = memory.data(24, 8);

/** Builds the key of a segment of `hash`; its length. */
function keyOf(hash: usize, segment: u32): u32 {
  memory.copy(key, hash, HASH_SIZE);
  if (segment === 0) return HASH_SIZE;
  storeBigU32(key + HASH_SIZE, segment);
  return INDEX_KEY_MAX;
}

/** Looks up a segment of `hash`: OK with the entry, ENOENT, EBADMSG, EIO. */
export function indexFind(at: Store, hash: usize, segment: u32): ErrorCode {
  const code = treeGet(at.volume, TreeId.ST_INDEX, key, keyOf(hash, segment));
  if (code !== ErrorCode.OK) return code;
  return indexDecode(at, foundValue, foundLength, segment);
}

/** Takes an index value apart: OK with the entry, or EBADMSG. */
export function indexDecode(at: Store, from: usize, length: u32, segment: u32): ErrorCode {
  if (length !== INDEX_SIZE) return damaged(at, length);
  entryChunk = load<u32>(from, INDEX_CHUNK);
  entrySector = load<u32>(from, INDEX_SECTOR);
  entryLength = loadU48(from + INDEX_LENGTH);
  entryFlags = <u32>load<u16>(from, INDEX_FLAGS);
  entrySectors = load<u32>(from, INDEX_SECTORS);
  entryPins = load<u32>(from, INDEX_PINS);
  if (entryChunk >= at.region.chunks) return damaged(at, INDEX_CHUNK);
  if ((entryFlags & ~INDEX_FLAG_SEGMENTED) !== 0) return damaged(at, INDEX_FLAGS);
  if (entrySectors === 0 || entrySectors > at.chunkSectors) return damaged(at, INDEX_SECTORS);
  const end = at.chunkSectors - entrySectors;
  if (entrySector > end || entrySector % at.blockSectors !== 0) return damaged(at, INDEX_SECTOR);
  if (entryLength > (<u64>1) << OBJECT_BITS_MAX) return damaged(at, INDEX_LENGTH);
  const segmented = (entryFlags & INDEX_FLAG_SEGMENTED) !== 0;
  if (segment === 0 && segmented) {
    // The first of several segments ends with its last sector.
    entryPayload = packCapacity(entrySectors);
    return entryLength > <u64>entryPayload ? ErrorCode.OK : damaged(at, INDEX_LENGTH);
  }
  if (segment > 0 && !segmented) return damaged(at, INDEX_FLAGS);
  if (<u64>entrySectors !== packSectors(at, entryLength)) return damaged(at, INDEX_SECTORS);
  entryPayload = <u32>entryLength;
  return ErrorCode.OK;
}

/** True if the key found by a cursor is a segment k >= 1. */
export function indexSegment(keyAddress: usize, keyLength: u32): u32 {
  return keyLength === INDEX_KEY_MAX ? loadBigU32(keyAddress + HASH_SIZE) : 0;
}

/** OK if a key of the index has the shape of one. */
export function indexKeyCheck(at: Store, keyAddress: usize, keyLength: u32): ErrorCode {
  if (keyLength === HASH_SIZE) return ErrorCode.OK;
  if (keyLength !== INDEX_KEY_MAX) return damaged(at, keyLength);
  const segment = loadBigU32(keyAddress + HASH_SIZE);
  return segment > 0 && segment < SEGMENTS_MAX ? ErrorCode.OK : damaged(at, HASH_SIZE);
}

/** Inserts or replaces an entry; the batch must be reserved. */
export function indexPut(
  at: Store,
  hash: usize,
  segment: u32,
  chunk: u32,
  sector: u32,
  length: u64,
  flags: u32,
  sectors: u32,
  pins: u32,
): ErrorCode {
  store<u32>(value, chunk, INDEX_CHUNK);
  store<u32>(value, sector, INDEX_SECTOR);
  storeU48(value + INDEX_LENGTH, length);
  store<u16>(value, <u16>flags, INDEX_FLAGS);
  store<u32>(value, sectors, INDEX_SECTORS);
  store<u32>(value, pins, INDEX_PINS);
  const keyLength = keyOf(hash, segment);
  return treePut(at.volume, TreeId.ST_INDEX, key, keyLength, value, INDEX_SIZE);
}

export function indexDelete(at: Store, hash: usize, segment: u32): ErrorCode {
  return treeDelete(at.volume, TreeId.ST_INDEX, key, keyOf(hash, segment));
}

/** True if the entry last found is of the record at exactly this place. */
export function indexPointsTo(chunk: u32, sector: u32): bool {
  return entryChunk === chunk && entrySector === sector;
}

function damaged(at: Store, detail: u32): ErrorCode {
  return deviceFail(at.region.device, ErrorCode.EBADMSG, Reason.FIELD, 0, detail);
}

/** Remembers that a read found `hash` damaged: it is no dedup hit until it is stored again. */
export function suspectAdd(at: Store, hash: usize): void {
  if (suspectFind(at, hash)) return;
  memory.copy(at.suspects + <usize>(at.suspectNext * HASH_SIZE), hash, HASH_SIZE);
  at.suspectNext = (at.suspectNext + 1) % SUSPECTS_MAX;
  at.suspectCount = min<u32>(at.suspectCount + 1, SUSPECTS_MAX);
}

export function suspectFind(at: Store, hash: usize): bool {
  for (let index: u32 = 0; index < at.suspectCount; index++) {
    if (equalBytes(at.suspects + <usize>(index * HASH_SIZE), hash, HASH_SIZE)) return true;
  }
  return false;
}

/** `hash` was stored anew or deleted. */
export function suspectRemove(at: Store, hash: usize): void {
  for (let index: u32 = 0; index < at.suspectCount; index++) {
    const place = at.suspects + <usize>(index * HASH_SIZE);
    if (equalBytes(place, hash, HASH_SIZE)) memory.fill(place, 0xff, HASH_SIZE);
  }
}
