/**
 * Putting objects that fit the write buffer: the caller copies each to the place it will be written
 * from, it is hashed there, and kept only if the store does not have it.
 */
import { equalBytes } from "../engine/bytes";
import { deviceFail } from "../engine/device";
import { failPlain } from "../engine/fault";
import { sha256 } from "../engine/hash/sha256";
import { sha256Four } from "../engine/hash/sha256-four";
import { planted } from "../engine/planted";
import {
  ITEM_ADDRESS,
  ITEM_HASH,
  ITEM_LENGTH,
  ITEM_SIZE,
  ITEMS_MAX,
  PUT_HASHED,
  Reason,
  SECTOR_SHIFT,
  STORE_TRUST_HASHES,
} from "../format/abi";
import { ErrorCode } from "../format/errors";
import { HASH_SIZE, PACK_SIZE } from "../format/store";
import { volumeAbort } from "../tree/commit";
import { liveAdd } from "../tree/pages/volume";
import { makeRoom } from "./compact";
import { objectForget } from "./objects";
import {
  entryLength,
  entryPins,
  indexFind,
  indexPut,
  suspectFind,
  suspectRemove,
} from "./pack/index";
import { packLba, packSectors, packWrite } from "./pack/record";
import { Store, storeStale } from "./pack/state";
import {
  stale,
  storeReserve,
  writerAddress,
  writerAdvance,
  writerLoad,
  writerPlace,
  writerRest,
} from "./pack/writer";

const PLANT_DEDUP_DAMAGED: u32 = 20;
/** Up to this length four messages at once beat the host's hash. */
const FOUR_LENGTH_MAX: u32 = 512;

const digests: usize = memory.data(128, 8);

/**
 * Places up to `count` objects whose lengths are in the items: how many of them, with addresses.
 * 0: the first one is too large for this way. ENOSPC and other errors: nothing has changed.
 */
export function storePlace(at: Store, count: u32): i32 {
  at.placed = 0;
  if (storeStale(at)) return stale(at);
  if (at.inlineOpen) return failPlain(ErrorCode.EBUSY);
  if (count === 0 || count > ITEMS_MAX) return failPlain(ErrorCode.EINVAL);
  let code = writerLoad(at);
  if (code !== ErrorCode.OK) return code;
  const length = load<u32>(at.items, ITEM_LENGTH);
  if (!fitsWhole(at, length)) return 0;
  const sectors = <u32>packSectors(at, length);
  let most = count;
  code = placeFirst(at, sectors, most);
  while (code === ErrorCode.ENOSPC && most > 1) {
    most >>>= 2;
    code = placeFirst(at, sectors, max<u32>(most, 1));
  }
  if (code === ErrorCode.ENOSPC) {
    code = makeRoom(at, 1);
    if (code === ErrorCode.OK) code = placeFirst(at, sectors, 1);
    most = 1;
  }
  if (code !== ErrorCode.OK) return code;
  at.placed = layOut(at, max<u32>(most, 1));
  return at.placed;
}

function placeFirst(at: Store, sectors: u32, records: u32): ErrorCode {
  const code = storeReserve(at, records, 1, false);
  return code === ErrorCode.OK ? writerPlace(at, sectors, true, false) : code;
}

/** Finds a place for one object of `length` bytes: 1, or 0 if it is too large for one record. */
export function storePlaceOne(at: Store, length: u32): i32 {
  const code = writerLoad(at);
  if (code !== ErrorCode.OK) return code;
  if (!fitsWhole(at, length)) return 0;
  const sectors = <u32>packSectors(at, length);
  let placed = placeFirst(at, sectors, 1);
  if (placed === ErrorCode.ENOSPC) {
    placed = makeRoom(at, 1);
    if (placed === ErrorCode.OK) placed = placeFirst(at, sectors, 1);
  }
  return placed === ErrorCode.OK ? 1 : placed;
}

/** True if an object becomes one record: it fits the open chunk, or is small beside a chunk. */
function fitsWhole(at: Store, length: u32): bool {
  const sectors = packSectors(at, length);
  if (sectors << SECTOR_SHIFT > <u64>at.writer.bufferSize) return false;
  return sectors <= <u64>writerRest(at) || length <= at.chunkSectors << (SECTOR_SHIFT - 3);
}

/** Gives each object the place behind the one before it, as far as chunk and buffer go. */
function layOut(at: Store, count: u32): u32 {
  const writer = at.writer;
  const room = min<u32>(
    at.chunkSectors - writer.position,
    (writer.bufferSize >>> SECTOR_SHIFT) - (writer.position - writer.start),
  );
  let used: u32 = 0;
  let index: u32 = 0;
  for (; index < count; index++) {
    const item = at.items + <usize>(index * ITEM_SIZE);
    const sectors = packSectors(at, load<u32>(item, ITEM_LENGTH));
    if (sectors > <u64>(room - used)) break;
    const address = writerAddress(writer) + ((<usize>used) << SECTOR_SHIFT);
    store<usize>(item, address + PACK_SIZE, ITEM_ADDRESS);
    used += <u32>sectors;
  }
  return index;
}

/** Keeps what storePlace() placed and the caller has filled in: how many were new. */
export function storeKeep(at: Store, count: u32, flags: u32): i32 {
  const placed = at.placed;
  at.placed = 0;
  if (storeStale(at)) return stale(at);
  if (count === 0 || count > placed) return failPlain(ErrorCode.EINVAL);
  if ((flags & PUT_HASHED) === 0) hashItems(at, count);
  else if ((at.flags & STORE_TRUST_HASHES) === 0) {
    const code = checkItems(at, count);
    if (code !== ErrorCode.OK) return code;
  }
  let kept: i32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const item = at.items + <usize>(index * ITEM_SIZE);
    const length = load<u32>(item, ITEM_LENGTH);
    const result = keepOne(at, load<usize>(item, ITEM_ADDRESS), length, item + ITEM_HASH);
    if (result < 0) return result;
    kept += result;
  }
  return kept;
}

/** Hashes the objects, four at once where they are short and of one length. */
function hashItems(at: Store, count: u32): void {
  let index: u32 = 0;
  while (index < count) {
    const item = at.items + <usize>(index * ITEM_SIZE);
    const length = load<u32>(item, ITEM_LENGTH);
    if (length <= FOUR_LENGTH_MAX && index + 4 <= count && fourAlike(item, length)) {
      hashFour(item, length);
      index += 4;
      continue;
    }
    sha256(load<usize>(item, ITEM_ADDRESS), length, item + ITEM_HASH);
    index += 1;
  }
}

function fourAlike(item: usize, length: u32): bool {
  const second = load<u32>(item + ITEM_SIZE, ITEM_LENGTH);
  const third = load<u32>(item + 2 * ITEM_SIZE, ITEM_LENGTH);
  const fourth = load<u32>(item + 3 * ITEM_SIZE, ITEM_LENGTH);
  return second === length && third === length && fourth === length;
}

function hashFour(item: usize, length: u32): void {
  sha256Four(
    load<usize>(item, ITEM_ADDRESS),
    load<usize>(item + ITEM_SIZE, ITEM_ADDRESS),
    load<usize>(item + 2 * ITEM_SIZE, ITEM_ADDRESS),
    load<usize>(item + 3 * ITEM_SIZE, ITEM_ADDRESS),
    length,
    digests,
  );
  for (let lane: u32 = 0; lane < 4; lane++) {
    const target = item + <usize>(lane * ITEM_SIZE) + ITEM_HASH;
    memory.copy(target, digests + <usize>(lane * HASH_SIZE), HASH_SIZE);
  }
}

/** EBADMSG if an object does not have the hash its caller gave. */
function checkItems(at: Store, count: u32): ErrorCode {
  for (let index: u32 = 0; index < count; index++) {
    const item = at.items + <usize>(index * ITEM_SIZE);
    sha256(load<usize>(item, ITEM_ADDRESS), load<u32>(item, ITEM_LENGTH), digests);
    if (equalBytes(digests, item + ITEM_HASH, HASH_SIZE)) continue;
    return deviceFail(at.region.device, ErrorCode.EBADMSG, Reason.CONTENT_HASH, 0, index);
  }
  return ErrorCode.OK;
}

/** 1 if the store has the object and no read has found it damaged, 0 if not. */
export function hitOf(at: Store, hash: usize, length: u64): i32 {
  const code = indexFind(at, hash, 0);
  present = code === ErrorCode.OK;
  if (code === ErrorCode.ENOENT) return 0;
  if (code !== ErrorCode.OK) return code;
  const damaged = suspectFind(at, hash) && !planted(PLANT_DEDUP_DAMAGED);
  return entryLength === length && !damaged ? 1 : 0;
}

/** The last hitOf() found an entry, be it a hit or not. */
let present: bool = false;

/** Like hitOf(), for a batch that is reserved: what is there but no hit is removed. */
export function dedup(at: Store, hash: usize, length: u64): i32 {
  keptPins = 0;
  const hit = hitOf(at, hash, length);
  if (hit !== 0 || !present) return hit;
  keptPins = entryPins;
  const forgotten = objectForget(at, hash);
  if (forgotten !== ErrorCode.OK) return forgotten;
  suspectRemove(at, hash);
  at.healed += 1;
  return 0;
}

/** Pins of the object that dedup() removed. */
export let keptPins: u32 = 0;

/** Makes the bytes at `source` the next record, unless the store has them: 1 or 0. */
export function keepOne(at: Store, source: usize, length: u32, hash: usize): i32 {
  const known = dedup(at, hash, length);
  if (known !== 0) return known < 0 ? known : 0;
  const writer = at.writer;
  const sectors = <u32>packSectors(at, length);
  const record = writerAddress(writer);
  // Objects that were there already leave gaps: the later ones move up.
  if (source !== record + PACK_SIZE) memory.copy(record + PACK_SIZE, source, length);
  const end = record + PACK_SIZE + length;
  memory.fill(end, 0, record + ((<usize>sectors) << SECTOR_SHIFT) - end);
  const lba = packLba(at, writer.chunk, writer.position);
  packWrite(record, at.volume, hash, length, lba, writer.tag, 0, 1, 0);
  const code = indexPut(at, hash, 0, writer.chunk, writer.position, length, 0, sectors, keptPins);
  if (code !== ErrorCode.OK) {
    volumeAbort(at.volume);
    return code;
  }
  writerAdvance(at, sectors, true);
  liveAdd(at.volume, 1, <i64>length);
  return 1;
}
