/**
 * Objects of any length, written as they come. Each segment is one record that ends with its chunk
 * or with the object. The first page of a segment stays in memory until its header can be written:
 * until the segment's end where the hash is known, until the object's end where it is not.
 *
 *      chunk a                    chunk b                    chunk c
 *      ... | header | payload     header | payload           header | payload | free
 *          segment 0              segment 1                  segment 2
 *
 * A stream of unknown hash fills chunks of its own, so that other puts may come between. They are
 * pack-open without an entry in the index: a crash frees them.
 */
import { deviceWrite } from "../engine/device";
import { failPlain } from "../engine/fault";
import { SHA256_STATE_SIZE, sha256Begin, sha256Update } from "../engine/hash/sha256";
import { XXH64_STATE_SIZE, xxh64Begin, xxh64End, xxh64Update } from "../engine/hash/xxh64";
import { allocate, allocateZeroed, release } from "../engine/memory";
import { EXCHANGE_HASH, SECTOR_SHIFT, STREAM_INLINE, STREAM_KNOWN } from "../format/abi";
import { ErrorCode } from "../format/errors";
import {
  HASH_SIZE,
  OBJECT_BITS_MAX,
  PACK_SIZE,
  SEGMENTS_MAX,
  STREAM_SEGMENTS_MAX,
} from "../format/store";
import { volumeAbort } from "../tree/commit";
import { regrow } from "../tree/pages/freed";
import { chunksFree } from "../tree/space";
import { makeRoom } from "./compact";
import { chunksReserved, recordsReserved } from "./objects";
import { packCapacity, packLba, packWrite } from "./pack/record";
import {
  ALIGN_SECTORS,
  exchangeAddress,
  NO_CHUNK,
  Store,
  storeStale,
  Writer,
  writerCreate,
  writerRelease,
} from "./pack/state";
import {
  stale,
  storeReserve,
  writerAlign,
  writerFlush,
  writerLoad,
  writerNext,
  writerOut,
  writerTake,
} from "./pack/writer";
import { hitOf } from "./put";
import {
  SEGMENT_CHECKSUM,
  SEGMENT_CHUNK,
  SEGMENT_KEPT,
  SEGMENT_LENGTH,
  SEGMENT_SECTOR,
  SEGMENT_SECTORS,
  SEGMENT_SIZE,
  SEGMENT_TAG,
  STREAM_AREA_SHA,
  Stream,
} from "./streams";

const PAGE: u32 = 4096;
const TABLE_MIN: u32 = 16;
/** Write buffer of a stream of its own. */
const STREAM_BUFFER_MAX: u32 = 1 << 18;
const AREA_SHA: u32 = STREAM_AREA_SHA;
const AREA_XXH: u32 = AREA_SHA + SHA256_STATE_SIZE;
const AREA_SIZE: u32 = AREA_XXH + XXH64_STATE_SIZE;
/** A stream, and its area behind it. */
const STREAM_AREA_AT: usize = (offsetof<Stream>() + 7) & ~7;
const STREAM_SIZE: usize = STREAM_AREA_AT + AREA_SIZE;

/** Why streamOpen() answered null: OK means that the store has the object already. */
export let streamCode: ErrorCode = ErrorCode.OK;

/**
 * Opens a stream. STREAM_KNOWN: the object's hash is in the exchange and `length` is its length.
 * STREAM_INLINE: it goes to the store's open chunk, and nothing else may until it is finished.
 */
export function streamOpen(at: Store, flags: u32, length: u64): Stream | null {
  const known = (flags & STREAM_KNOWN) !== 0;
  streamCode = checkOpen(at, flags, length);
  if (streamCode !== ErrorCode.OK) return null;
  if (known) {
    const found = hitOf(at, at.exchange + EXCHANGE_HASH, length);
    streamCode = found < 0 ? <ErrorCode>found : ErrorCode.OK;
    if (found !== 0) return null;
  }
  const stream = create(at, flags);
  if (stream === null) {
    streamCode = failPlain(ErrorCode.ENOMEM);
    return null;
  }
  stream.expected = length;
  if (known) memory.copy(stream.area, at.exchange + EXCHANGE_HASH, HASH_SIZE);
  stream.next = at.streams;
  at.streams = changetype<usize>(stream);
  if ((flags & STREAM_INLINE) !== 0) {
    streamCode = startInline(stream);
    if (streamCode !== ErrorCode.OK) {
      streamRelease(stream);
      return null;
    }
  } else if (known) {
    const full = <u64>packCapacity(at.chunkSectors);
    stream.segments = <u32>max<u64>((length + full - 1) / full, 1);
  }
  return stream;
}

function checkOpen(at: Store, flags: u32, length: u64): ErrorCode {
  if (storeStale(at)) return stale(at);
  if (at.inlineOpen) return failPlain(ErrorCode.EBUSY);
  if (at.region.readOnly) return failPlain(ErrorCode.EROFS);
  const inline = (flags & STREAM_INLINE) !== 0;
  if (inline && (flags & STREAM_KNOWN) === 0) return failPlain(ErrorCode.EINVAL);
  if (length > (<u64>1) << OBJECT_BITS_MAX) return failPlain(ErrorCode.EFBIG);
  const most = <u64>packCapacity(at.chunkSectors) * <u64>(SEGMENTS_MAX - 1);
  return length > most ? failPlain(ErrorCode.EFBIG) : ErrorCode.OK;
}

function create(at: Store, flags: u32): Stream | null {
  const address = allocateZeroed(STREAM_SIZE);
  const table = allocate(TABLE_MIN * SEGMENT_SIZE);
  const inline = (flags & STREAM_INLINE) !== 0;
  const size = min<u32>(1 << at.region.chunkShift, STREAM_BUFFER_MAX);
  const writer = inline ? at.writer : writerCreate(size);
  if (address === 0 || table === 0 || writer === null) {
    release(address, STREAM_SIZE);
    release(table, TABLE_MIN * SEGMENT_SIZE);
    if (writer !== null && !inline) writerRelease(writer);
    return null;
  }
  const stream = changetype<Stream>(address);
  stream.at = at;
  stream.generation = at.generation;
  stream.flags = flags;
  stream.writer = changetype<Writer>(writer);
  const area = address + STREAM_AREA_AT;
  stream.area = area;
  stream.table = table;
  stream.capacity = TABLE_MIN;
  stream.filled = PACK_SIZE;
  sha256Begin(area + AREA_SHA);
  return stream;
}

/** Room for all of it first: a large object fails before it has written anything. */
function startInline(stream: Stream): ErrorCode {
  const at = stream.at;
  let code = planInline(stream);
  if (code === ErrorCode.ENOSPC) {
    code = makeRoom(at, max<u32>(chunksMissing, 1));
    if (code === ErrorCode.OK) code = planInline(stream);
  }
  if (code === ErrorCode.OK) at.inlineOpen = true;
  return code;
}

/** Fresh chunks that the object planned last needs. */
let chunksMissing: u32 = 0;

/** Cuts the object at the ends of chunks; ENOSPC if there are not enough of them. */
function planInline(stream: Stream): ErrorCode {
  const at = stream.at;
  const writer = at.writer;
  chunksMissing = 0;
  let code = reserveSegments(at, 1);
  if (code === ErrorCode.OK) code = writerLoad(at);
  if (code !== ErrorCode.OK) return code;
  if (writer.chunk !== NO_CHUNK) writerAlign(writer);
  const rest: u32 = writer.chunk === NO_CHUNK ? 0 : at.chunkSectors - writer.position;
  const first: u64 = rest < ALIGN_SECTORS ? 0 : packCapacity(rest);
  const full = <u64>packCapacity(at.chunkSectors);
  const left = stream.expected > first ? stream.expected - first : 0;
  chunksMissing = <u32>((left + full - 1) / full);
  stream.segments = chunksMissing + (first > 0 ? 1 : 0);
  if (chunksFree(at.volume, false) < chunksMissing) return failPlain(ErrorCode.ENOSPC);
  return reserveSegments(at, stream.segments + 2);
}

export function reserveSegments(at: Store, segments: u32): ErrorCode {
  return storeReserve(at, recordsReserved(segments), chunksReserved(at, segments), false);
}

export function inline(stream: Stream): bool {
  return (stream.flags & STREAM_INLINE) !== 0;
}

export function known(stream: Stream): bool {
  return (stream.flags & STREAM_KNOWN) !== 0;
}

/** Bytes that may be placed at the exchange's address now; >= 1. */
export function streamRoom(stream: Stream): i32 {
  const at = stream.at;
  if (stream.generation !== at.volume.generation) return stale(at);
  const writer = stream.writer;
  if (stream.filled === writer.bufferSize || (inline(stream) && !stream.open)) {
    const code = streamMakeRoom(stream);
    if (code !== ErrorCode.OK) return code;
  }
  let room = writer.bufferSize - stream.filled;
  if (stream.open) {
    const sectors = at.chunkSectors - segmentSector(stream);
    room = min<u32>(room, packCapacity(sectors) - stream.payload);
    if (room === 0) {
      const code = streamMakeRoom(stream);
      if (code !== ErrorCode.OK) return code;
      room = min<u32>(
        writer.bufferSize - stream.filled,
        packCapacity(at.chunkSectors) - stream.payload,
      );
    }
  }
  exchangeAddress(at, writer.buffer + stream.filled);
  return room;
}

/** `count` bytes were placed where streamRoom() said. */
export function streamAdvance(stream: Stream, count: u32): ErrorCode {
  const at = stream.at;
  if (stream.generation !== at.volume.generation) return stale(at);
  if (count > stream.writer.bufferSize - stream.filled) return failPlain(ErrorCode.EINVAL);
  const length = stream.length + <u64>count;
  if (length > (<u64>1) << OBJECT_BITS_MAX) return failPlain(ErrorCode.EFBIG);
  if (known(stream) && length > stream.expected) return failPlain(ErrorCode.EINVAL);
  if (!inline(stream)) {
    sha256Update(stream.area + AREA_SHA, stream.writer.buffer + stream.filled, count);
  }
  stream.filled += count;
  stream.length = length;
  stream.payload += count;
  return ErrorCode.OK;
}

/** The buffer or the chunk is full: writes it out, or goes on in the next chunk. */
function streamMakeRoom(stream: Stream): ErrorCode {
  const at = stream.at;
  let code = ErrorCode.OK;
  if (stream.open) {
    const end = packCapacity(at.chunkSectors - segmentSector(stream));
    if (stream.payload < end) return bufferOut(stream);
    code = segmentEnd(stream);
    if (code === ErrorCode.OK) code = segmentBegin(stream);
    return code;
  }
  // Own chunks: what was gathered so far becomes the first segment.
  code = segmentBegin(stream);
  if (code !== ErrorCode.OK || stream.filled < stream.writer.bufferSize) return code;
  const all = packCapacity(at.chunkSectors) === stream.payload;
  return all ? streamMakeRoom(stream) : bufferOut(stream);
}

/** Opens the next segment: at the write position, or at the start of a fresh chunk. */
export function segmentBegin(stream: Stream): ErrorCode {
  const at = stream.at;
  const writer = stream.writer;
  const unknown = !known(stream);
  if (unknown && stream.count === STREAM_SEGMENTS_MAX) return failPlain(ErrorCode.EFBIG);
  if (stream.count === stream.capacity && !grow(stream)) return failPlain(ErrorCode.ENOMEM);
  const fresh = !inline(stream) || writer.chunk === NO_CHUNK || restOf(stream) < ALIGN_SECTORS;
  if (fresh) {
    const code = freshChunk(stream);
    if (code !== ErrorCode.OK) return code;
  }
  // A stream of its own may have gathered its first bytes already, behind room for the header.
  const gathered = stream.count === 0 && !inline(stream) ? stream.payload : 0;
  stream.segmentStart = (writer.position - writer.start) << SECTOR_SHIFT;
  if (stream.segmentStart + PAGE > writer.bufferSize) {
    const code = inline(stream) ? writerFlush(at) : ErrorCode.OK;
    if (code !== ErrorCode.OK) return code;
    stream.segmentStart = 0;
  }
  // The header comes last, and never if the stream is given up: until then it is no other one.
  memory.fill(writer.buffer + stream.segmentStart, 0, PACK_SIZE);
  stream.filled = stream.segmentStart + PACK_SIZE + gathered;
  stream.payload = gathered;
  stream.summed = 0;
  stream.written = false;
  stream.open = true;
  xxh64Begin(stream.area + AREA_XXH, 0);
  const segment = lastSegment(stream, stream.count);
  memory.fill(segment, 0, SEGMENT_SIZE);
  store<u32>(segment, writer.chunk, SEGMENT_CHUNK);
  store<u32>(segment, writer.position, SEGMENT_SECTOR);
  store<u64>(segment, writer.tag, SEGMENT_TAG);
  stream.count += 1;
  return ErrorCode.OK;
}

function restOf(stream: Stream): u32 {
  return stream.at.chunkSectors - stream.writer.position;
}

function freshChunk(stream: Stream): ErrorCode {
  const at = stream.at;
  const generation = at.volume.generation;
  let code = tryFresh(stream);
  if (code !== ErrorCode.ENOSPC || inline(stream)) return code;
  code = makeRoom(at, 1);
  if (at.volume.generation !== generation) return stale(at);
  return code === ErrorCode.OK ? tryFresh(stream) : code;
}

function tryFresh(stream: Stream): ErrorCode {
  const at = stream.at;
  if (inline(stream)) return writerNext(at, false, true);
  const code = storeReserve(at, 0, 1, false);
  return code === ErrorCode.OK ? writerTake(at, stream.writer, false) : code;
}

export function lastSegment(stream: Stream, index: u32): usize {
  return stream.table + <usize>(index * SEGMENT_SIZE);
}

function segmentSector(stream: Stream): u32 {
  return load<u32>(lastSegment(stream, stream.count - 1), SEGMENT_SECTOR);
}

function grow(stream: Stream): bool {
  const size = stream.capacity * SEGMENT_SIZE;
  const table = regrow(stream.table, size, size * 2);
  if (table === 0) return false;
  stream.table = table;
  stream.capacity *= 2;
  return true;
}

/** Adds what the buffer has of the payload to the checksum; all of it, or whole stripes. */
function sum(stream: Stream): void {
  const left = stream.payload - stream.summed;
  const from = stream.writer.buffer + <usize>(stream.filled - left);
  xxh64Update(stream.area + AREA_XXH, from, left);
  stream.summed = stream.payload;
}

/** The full buffer goes to the device; the first page of the segment stays, its header is open. */
function bufferOut(stream: Stream): ErrorCode {
  const at = stream.at;
  const writer = stream.writer;
  sum(stream);
  if (!stream.written) {
    const code = firstKeep(stream);
    if (code !== ErrorCode.OK) return code;
    stream.written = true;
  }
  const lba = packLba(at, writer.chunk, writer.start);
  const code = deviceWrite(at.region.device, lba, writer.buffer, writer.bufferSize);
  if (code !== ErrorCode.OK) return failed(stream, code);
  writer.start += writer.bufferSize >>> SECTOR_SHIFT;
  // The record is not in the index: until its end the position stays where the buffer starts.
  writer.position = writer.start;
  stream.filled = 0;
  return ErrorCode.OK;
}

/** Keeps the first page of the open segment in memory until its header is known. */
function firstKeep(stream: Stream): ErrorCode {
  const kept = allocate(PAGE);
  if (kept === 0) return failPlain(ErrorCode.ENOMEM);
  memory.copy(kept, stream.writer.buffer + stream.segmentStart, PAGE);
  store<usize>(lastSegment(stream, stream.count - 1), kept, SEGMENT_KEPT);
  return ErrorCode.OK;
}

/** A write of the shared buffer failed: records of others were in it. */
function failed(stream: Stream, code: ErrorCode): ErrorCode {
  if (inline(stream)) volumeAbort(stream.at.volume);
  return code;
}

/** Pads the segment, notes its checksum, and writes its header if that is possible already. */
export function segmentEnd(stream: Stream): ErrorCode {
  const at = stream.at;
  const writer = stream.writer;
  const segment = lastSegment(stream, stream.count - 1);
  const left = stream.payload - stream.summed;
  const from = writer.buffer + <usize>(stream.filled - left);
  const state = stream.area + AREA_XXH;
  store<u64>(segment, xxh64End(state, from, left, stream.payload, 0), SEGMENT_CHECKSUM);
  store<u32>(segment, stream.payload, SEGMENT_LENGTH);
  const block = at.blockSectors << SECTOR_SHIFT;
  const end = (stream.filled + block - 1) & ~(block - 1);
  memory.fill(writer.buffer + stream.filled, 0, end - stream.filled);
  const position = writer.start + (end >>> SECTOR_SHIFT);
  store<u32>(segment, position - load<u32>(segment, SEGMENT_SECTOR), SEGMENT_SECTORS);
  stream.open = false;
  stream.filled = end;
  if (known(stream)) {
    const code = headerEarly(stream, segment);
    if (code !== ErrorCode.OK) return code;
  } else if (!stream.written) {
    const code = firstKeep(stream);
    if (code !== ErrorCode.OK) return code;
  }
  writer.position = position;
  if (inline(stream)) {
    writer.changed = true;
    return ErrorCode.OK;
  }
  return writerOut(at, writer);
}

/** The hash is known: the header is written with its segment, or behind it. */
function headerEarly(stream: Stream, segment: usize): ErrorCode {
  const kept = load<usize>(segment, SEGMENT_KEPT);
  const place = kept === 0 ? stream.writer.buffer + stream.segmentStart : kept;
  headerWrite(stream, place, segment, stream.count - 1);
  return kept === 0 ? ErrorCode.OK : keptOut(stream, segment);
}

export function headerWrite(stream: Stream, place: usize, segment: usize, index: u32): void {
  const at = stream.at;
  const chunk = load<u32>(segment, SEGMENT_CHUNK);
  const sector = load<u32>(segment, SEGMENT_SECTOR);
  const several = stream.segments > 1;
  packWrite(
    place,
    at.volume,
    stream.area,
    load<u32>(segment, SEGMENT_LENGTH),
    packLba(at, chunk, sector),
    load<u64>(segment, SEGMENT_TAG),
    index,
    stream.segments,
    several ? load<u64>(segment, SEGMENT_CHECKSUM) : 0,
  );
}

/** Writes the first page of a segment from memory. */
export function keptOut(stream: Stream, segment: usize): ErrorCode {
  const at = stream.at;
  const kept = load<usize>(segment, SEGMENT_KEPT);
  const chunk = load<u32>(segment, SEGMENT_CHUNK);
  const sectors = load<u32>(segment, SEGMENT_SECTORS);
  const lba = packLba(at, chunk, load<u32>(segment, SEGMENT_SECTOR));
  const length = min<u32>(PAGE, sectors << SECTOR_SHIFT);
  const code = deviceWrite(at.region.device, lba, kept, length);
  release(kept, PAGE);
  store<usize>(segment, 0, SEGMENT_KEPT);
  return code === ErrorCode.OK ? code : failed(stream, code);
}

/** Gives back what a stream holds in memory. */
export function streamRelease(stream: Stream): void {
  const at = stream.at;
  const self = changetype<usize>(stream);
  if (at.streams === self) at.streams = stream.next;
  for (let place = at.streams; place !== 0; place = changetype<Stream>(place).next) {
    const other = changetype<Stream>(place);
    if (other.next === self) other.next = stream.next;
  }
  for (let index: u32 = 0; index < stream.count; index++) {
    release(load<usize>(lastSegment(stream, index), SEGMENT_KEPT), PAGE);
  }
  release(stream.table, stream.capacity * SEGMENT_SIZE);
  if (!inline(stream)) writerRelease(stream.writer);
  release(self, STREAM_SIZE);
}
