/** ABI: the content-addressed store. Checks handles and pointers, then calls inward. */
import { isCount } from "../engine/bytes";
import { failPlain } from "../engine/fault";
import {
  HandleKind,
  handleClose,
  handleObject,
  handleOpen,
  handleRequire,
} from "../engine/handles";
import { EXCHANGE_COUNT, EXCHANGE_HASH, EXCHANGE_OFFSET } from "../format/abi";
import { ErrorCode } from "../format/errors";
import { compactStep } from "../store/compact";
import { streamCancel, streamEnd } from "../store/finish";
import { storeGetWhole } from "../store/get";
import { objectDelete, objectHas, objectList, objectPin, objectStat } from "../store/objects";
import { Store, storeCreate, storeRelease, storeStale } from "../store/pack/state";
import { afterAbort, stale, storeHook, storeReset } from "../store/pack/writer";
import { storeKeep, storePlace } from "../store/put";
import {
  Reader,
  readerClose,
  readerCode,
  readerNext,
  readerOpen,
  storeBlameObject,
  storeReadRange,
} from "../store/read";
import { collect } from "../store/repair/collect";
import { rebuild } from "../store/repair/rebuild";
import { Verifier, verifierClose, verifierNext, verifierOpen } from "../store/repair/scrub";
import { streamAdvance, streamCode, streamOpen, streamRelease, streamRoom } from "../store/stream";
import { Stream } from "../store/streams";
import { volumeCommit, volumeHook, volumeReopen } from "../tree/commit";
import { Region } from "../tree/pages/volume";

/** Opens the store of an open region; EBUSY if it is open already. */
export function storeOpen(region: u32, flags: u32): i32 {
  const object = handleRequire(region, HandleKind.REGION);
  if (object === 0) return ErrorCode.EBADF;
  const owner = changetype<Region>(object);
  if (owner.store.hook !== 0) return failPlain(ErrorCode.EBUSY);
  const opened = storeCreate(owner, region, flags);
  if (opened === null) return failPlain(ErrorCode.ENOMEM);
  const handle = handleOpen(HandleKind.STORE, changetype<usize>(opened));
  if (handle < 0) storeRelease(opened);
  else volumeHook(owner.store, storeHook, changetype<usize>(opened));
  return handle;
}

/** Gives a store's memory back; what is in its buffer is written first. */
export function storeClose(handle: u32): i32 {
  const object = handleRequire(handle, HandleKind.STORE);
  if (object === 0) return ErrorCode.EBADF;
  const opened = changetype<Store>(object);
  const alive = regionAlive(opened);
  while (opened.streams !== 0) {
    const stream = changetype<Stream>(opened.streams);
    handleClose(stream.handle);
    if (alive) streamCancel(stream);
    else streamRelease(stream);
  }
  const code = alive ? storeReset(opened) : ErrorCode.OK;
  storeRelease(opened);
  handleClose(handle);
  return code;
}

/** Goes on from the durable state after an abort. */
export function storeReopen(handle: u32): i32 {
  const opened = storeOf(handle);
  if (opened === null) return ErrorCode.EBADF;
  const code = volumeReopen(opened.volume);
  if (code !== ErrorCode.OK) return code;
  afterAbort(opened);
  opened.generation = opened.volume.generation;
  return ErrorCode.OK;
}

/** Address of the store's EXCHANGE, the same as long as it is open; 0 for a closed handle. */
export function storeExchange(handle: u32): usize {
  const opened = storeOf(handle);
  return opened === null ? 0 : opened.exchange;
}

/** Address of its ITEMS_MAX items. */
export function storeItems(handle: u32): usize {
  const opened = storeOf(handle);
  return opened === null ? 0 : opened.items;
}

export function storeStat(handle: u32): i32 {
  const opened = storeOf(handle);
  return opened === null ? ErrorCode.EBADF : objectStat(opened);
}

export function storeCommit(handle: u32): i32 {
  const opened = storeOf(handle);
  if (opened === null) return ErrorCode.EBADF;
  if (storeStale(opened)) return stale(opened);
  if (opened.inlineOpen) return failPlain(ErrorCode.EBUSY);
  return volumeCommit(opened.volume);
}

export function storePutBegin(handle: u32, count: u32): i32 {
  const opened = storeOf(handle);
  return opened === null ? ErrorCode.EBADF : storePlace(opened, count);
}

export function storePutEnd(handle: u32, count: u32, flags: u32): i32 {
  const opened = storeOf(handle);
  return opened === null ? ErrorCode.EBADF : storeKeep(opened, count, flags);
}

/** A stream's handle; 0: the object is known and there already. */
export function storeStreamOpen(handle: u32, flags: u32, length: f64): i32 {
  const opened = storeOf(handle);
  if (opened === null) return ErrorCode.EBADF;
  if (!isCount(length)) return failPlain(ErrorCode.EINVAL);
  const stream = streamOpen(opened, flags, <u64>length);
  if (stream === null) return streamCode;
  stream.storeHandle = handle;
  const made = handleOpen(HandleKind.STREAM, changetype<usize>(stream));
  stream.handle = made;
  if (made < 0) streamCancel(stream);
  return made;
}

export function storeStreamRoom(handle: u32): i32 {
  const stream = streamOf(handle);
  return stream === null ? ErrorCode.EBADF : streamRoom(stream);
}

export function storeStreamAdvance(handle: u32, count: u32): i32 {
  const stream = streamOf(handle);
  return stream === null ? ErrorCode.EBADF : streamAdvance(stream, count);
}

/** Ends a stream and closes its handle. */
export function storeStreamEnd(handle: u32): i32 {
  const stream = streamOf(handle);
  if (stream === null) return ErrorCode.EBADF;
  handleClose(handle);
  return streamEnd(stream);
}

export function storeStreamCancel(handle: u32): i32 {
  const stream = streamOf(handle);
  if (stream === null) return ErrorCode.EBADF;
  handleClose(handle);
  streamCancel(stream);
  return ErrorCode.OK;
}

export function storeGet(handle: u32, flags: u32): i32 {
  const opened = storeOf(handle);
  if (opened === null) return ErrorCode.EBADF;
  return storeGetWhole(opened, opened.exchange + EXCHANGE_HASH, flags);
}

export function storeRead(handle: u32, length: u32, flags: u32): i32 {
  const opened = storeOf(handle);
  if (opened === null) return ErrorCode.EBADF;
  const offset = load<f64>(opened.exchange, EXCHANGE_OFFSET);
  if (!isCount(offset)) return failPlain(ErrorCode.EINVAL);
  return storeReadRange(opened, opened.exchange + EXCHANGE_HASH, <u64>offset, length, flags);
}

export function storeReaderOpen(handle: u32, flags: u32): i32 {
  const opened = storeOf(handle);
  if (opened === null) return ErrorCode.EBADF;
  const reader = readerOpen(opened, opened.exchange + EXCHANGE_HASH, flags);
  if (reader === null) return readerCode;
  reader.storeHandle = handle;
  const made = handleOpen(HandleKind.READER, changetype<usize>(reader));
  if (made < 0) readerClose(reader);
  return made;
}

export function storeReaderNext(handle: u32): i32 {
  const object = handleRequire(handle, HandleKind.READER);
  if (object === 0) return ErrorCode.EBADF;
  const reader = changetype<Reader>(object);
  return storeOf(reader.storeHandle) === null ? ErrorCode.EBADF : readerNext(reader);
}

export function storeReaderClose(handle: u32): i32 {
  const object = handleRequire(handle, HandleKind.READER);
  if (object === 0) return ErrorCode.EBADF;
  handleClose(handle);
  readerClose(changetype<Reader>(object));
  return ErrorCode.OK;
}

export function storeBlame(handle: u32): i32 {
  const opened = storeOf(handle);
  if (opened === null) return ErrorCode.EBADF;
  return storeBlameObject(opened, opened.exchange + EXCHANGE_HASH);
}

export function storeHas(handle: u32): i32 {
  const opened = storeOf(handle);
  if (opened === null) return ErrorCode.EBADF;
  return objectHas(opened, opened.exchange + EXCHANGE_HASH);
}

export function storeDelete(handle: u32): i32 {
  const opened = storeOf(handle);
  if (opened === null) return ErrorCode.EBADF;
  return objectDelete(opened, opened.exchange + EXCHANGE_HASH);
}

export function storePin(handle: u32, change: i32): i32 {
  const opened = storeOf(handle);
  if (opened === null) return ErrorCode.EBADF;
  return objectPin(opened, opened.exchange + EXCHANGE_HASH, change);
}

export function storeList(handle: u32, limit: u32, after: u32): i32 {
  const opened = storeOf(handle);
  if (opened === null) return ErrorCode.EBADF;
  return objectList(opened, after !== 0 ? opened.exchange + EXCHANGE_HASH : 0, limit);
}

export function storeCompact(handle: u32): i32 {
  const opened = storeOf(handle);
  return opened === null ? ErrorCode.EBADF : compactStep(opened);
}

/** Deletes what is neither pinned nor among `count` ascending hashes at `hashes`. */
export function storeCollect(handle: u32, hashes: usize, count: u32): i32 {
  const opened = storeOf(handle);
  return opened === null ? ErrorCode.EBADF : collect(opened, hashes, count);
}

/** Makes the index anew from the packs: the objects found. A commit makes it durable. */
export function storeRebuild(handle: u32): i32 {
  const opened = storeOf(handle);
  return opened === null ? ErrorCode.EBADF : rebuild(opened);
}

export function storeVerifierOpen(handle: u32): i32 {
  const opened = storeOf(handle);
  if (opened === null) return ErrorCode.EBADF;
  if (storeStale(opened)) return stale(opened);
  const verifier = verifierOpen(opened);
  if (verifier === null) return failPlain(ErrorCode.ENOMEM);
  verifier.storeHandle = handle;
  const made = handleOpen(HandleKind.VERIFIER, changetype<usize>(verifier));
  if (made < 0) verifierClose(verifier);
  return made;
}

/** Verifies some more records: findings at the exchange's address; its count is 1 at the end. */
export function storeVerifierNext(handle: u32, records: u32): i32 {
  const object = handleRequire(handle, HandleKind.VERIFIER);
  if (object === 0) return ErrorCode.EBADF;
  const verifier = changetype<Verifier>(object);
  const opened = storeOf(verifier.storeHandle);
  if (opened === null) return ErrorCode.EBADF;
  const found = verifierNext(verifier, records);
  store<u32>(opened.exchange, verifier.finished ? 1 : 0, EXCHANGE_COUNT);
  return found;
}

export function storeVerifierClose(handle: u32): i32 {
  const object = handleRequire(handle, HandleKind.VERIFIER);
  if (object === 0) return ErrorCode.EBADF;
  handleClose(handle);
  verifierClose(changetype<Verifier>(object));
  return ErrorCode.OK;
}

/** The open store behind a handle, or null (EBADF) if it or its region is closed. */
function storeOf(handle: u32): Store | null {
  const object = handleObject(handle, HandleKind.STORE);
  if (object !== 0 && regionAlive(changetype<Store>(object))) return changetype<Store>(object);
  failPlain(ErrorCode.EBADF);
  return null;
}

function regionAlive(opened: Store): bool {
  const region = handleObject(opened.regionHandle, HandleKind.REGION);
  return region === changetype<usize>(opened.region);
}

function streamOf(handle: u32): Stream | null {
  const object = handleObject(handle, HandleKind.STREAM);
  if (object !== 0 && storeOf(changetype<Stream>(object).storeHandle) !== null) {
    return changetype<Stream>(object);
  }
  failPlain(ErrorCode.EBADF);
  return null;
}
