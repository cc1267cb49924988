/** The end of a stream: the last headers, then all of the object enters the index in one batch. */
import { equalBytes } from "../engine/bytes";
import { deviceFail } from "../engine/device";
import { failPlain } from "../engine/fault";
import { sha256End } from "../engine/hash/sha256";
import { EXCHANGE_HASH, Reason } from "../format/abi";
import { ErrorCode } from "../format/errors";
import { HASH_SIZE, INDEX_FLAG_SEGMENTED, PACK_SIZE } from "../format/store";
import { volumeAbort } from "../tree/commit";
import { liveAdd } from "../tree/pages/volume";
import { makeRoom } from "./compact";
import { indexPut } from "./pack/index";
import { NO_CHUNK } from "./pack/state";
import { chunkAccount, chunkSeal, stale, writerFlush, writerLoad } from "./pack/writer";
import { dedup, hitOf, keepOne, keptPins, storePlaceOne } from "./put";
import {
  headerWrite,
  inline,
  keptOut,
  known,
  lastSegment,
  reserveSegments,
  segmentBegin,
  segmentEnd,
  streamRelease,
} from "./stream";
import {
  SEGMENT_CHUNK,
  SEGMENT_KEPT,
  SEGMENT_LENGTH,
  SEGMENT_SECTOR,
  SEGMENT_SECTORS,
  STREAM_AREA_SHA,
  Stream,
} from "./streams";

/**
 * All bytes are there: 1 if the object is new, 0 if the store had it; its hash is in the exchange.
 * The stream is gone, whatever the answer.
 */
export function streamEnd(stream: Stream): i32 {
  const at = stream.at;
  const result = stream.generation === at.volume.generation ? finish(stream) : stale(at);
  if (result > 0) streamRelease(stream);
  else streamCancel(stream);
  return result;
}

function finish(stream: Stream): i32 {
  const at = stream.at;
  const area = stream.area;
  if (known(stream) && stream.length !== stream.expected) return failPlain(ErrorCode.EINVAL);
  const digest = at.exchange + EXCHANGE_HASH;
  if (inline(stream)) memory.copy(digest, area, HASH_SIZE);
  else sha256End(area + STREAM_AREA_SHA, digest);
  if (!known(stream)) memory.copy(area, digest, HASH_SIZE);
  if (!equalBytes(area, digest, HASH_SIZE)) {
    return deviceFail(at.region.device, ErrorCode.EBADMSG, Reason.CONTENT_HASH, 0, 0);
  }
  if (stream.count === 0) {
    const small = finishSmall(stream);
    if (small !== NOT_SMALL) return small;
    const begun = segmentBegin(stream);
    if (begun !== ErrorCode.OK) return begun;
  }
  let code = stream.open ? segmentEnd(stream) : ErrorCode.OK;
  if (code !== ErrorCode.OK) return code;
  at.inlineOpen = false;
  code = reserveSegments(at, stream.count + 2);
  // Inline, room was made before; now the open chunk holds what no account knows of as yet.
  if (code === ErrorCode.ENOSPC && !inline(stream)) {
    code = makeRoom(at, 1);
    if (code === ErrorCode.OK) code = reserveSegments(at, stream.count + 2);
  }
  if (code !== ErrorCode.OK) return code;
  const hit = hitOf(at, area, stream.length);
  if (hit !== 0) return hit < 0 ? hit : 0;
  code = headersLate(stream);
  if (code !== ErrorCode.OK) return code;
  code = enter(stream);
  if (code === ErrorCode.OK) return 1;
  volumeAbort(at.volume);
  return code;
}

const NOT_SMALL: i32 = 2;

/** What never left the buffer is put like any other object: 1, 0, or NOT_SMALL. */
function finishSmall(stream: Stream): i32 {
  const at = stream.at;
  const length = <u32>stream.length;
  const placed = storePlaceOne(at, length);
  if (placed < 0) return placed;
  if (placed === 0) return NOT_SMALL;
  return keepOne(at, stream.writer.buffer + PACK_SIZE, length, stream.area);
}

/** Writes the headers that had to wait for the hash. */
function headersLate(stream: Stream): ErrorCode {
  if (known(stream)) {
    assert(stream.segments === stream.count);
    return ErrorCode.OK;
  }
  stream.segments = stream.count;
  for (let index: u32 = 0; index < stream.count; index++) {
    const segment = lastSegment(stream, index);
    headerWrite(stream, load<usize>(segment, SEGMENT_KEPT), segment, index);
    const code = keptOut(stream, segment);
    if (code !== ErrorCode.OK) return code;
  }
  return ErrorCode.OK;
}

/** Puts the sectors of all segments into the accounts, and then the segments into the index. */
function enter(stream: Stream): ErrorCode {
  const at = stream.at;
  // The accounts first: a chunk that holds both old and new segments must not die in between.
  for (let index: u32 = 0; index < stream.count; index++) {
    const code = account(stream, lastSegment(stream, index), index + 1 === stream.count);
    if (code !== ErrorCode.OK) return code;
  }
  const replaced = dedup(at, stream.area, stream.length);
  if (replaced < 0) return <ErrorCode>replaced;
  const pins = keptPins;
  const several = stream.count > 1;
  for (let index: u32 = 0; index < stream.count; index++) {
    const segment = lastSegment(stream, index);
    const length = index === 0 ? stream.length : <u64>load<u32>(segment, SEGMENT_LENGTH);
    const code = indexPut(
      at,
      stream.area,
      index,
      load<u32>(segment, SEGMENT_CHUNK),
      load<u32>(segment, SEGMENT_SECTOR),
      length,
      several ? INDEX_FLAG_SEGMENTED : 0,
      load<u32>(segment, SEGMENT_SECTORS),
      index === 0 ? pins : 0,
    );
    if (code !== ErrorCode.OK) return code;
  }
  liveAdd(at.volume, 1, <i64>stream.length);
  return ErrorCode.OK;
}

function account(stream: Stream, segment: usize, last: bool): ErrorCode {
  const at = stream.at;
  const chunk = load<u32>(segment, SEGMENT_CHUNK);
  const sectors = load<u32>(segment, SEGMENT_SECTORS);
  if (inline(stream)) return chunkAccount(at, chunk, sectors, true);
  const end = load<u32>(segment, SEGMENT_SECTOR) + sectors;
  return last ? adopt(stream, chunk, sectors) : chunkSeal(at, chunk, sectors, end, false);
}

/** The last chunk has room left: it becomes the open one if the open one has less. */
function adopt(stream: Stream, chunk: u32, live: u32): ErrorCode {
  const at = stream.at;
  let code = writerLoad(at);
  if (code !== ErrorCode.OK) return code;
  const main = at.writer;
  const position = stream.writer.position;
  const rest: u32 = main.chunk === NO_CHUNK ? 0 : at.chunkSectors - main.position;
  if (at.chunkSectors - position <= rest) return chunkSeal(at, chunk, live, position, false);
  code = writerFlush(at);
  if (code !== ErrorCode.OK) return code;
  const before = main.chunk;
  const beforeLive = main.live;
  const beforePosition = main.position;
  main.chunk = chunk;
  main.position = position;
  main.start = position;
  main.live = live;
  main.tag = stream.writer.tag;
  main.changed = true;
  if (before === NO_CHUNK) return ErrorCode.OK;
  return chunkSeal(at, before, beforeLive, beforePosition, false);
}

/** Gives the stream up: its chunks hold nothing that anyone knows of. */
export function streamCancel(stream: Stream): void {
  const at = stream.at;
  if (inline(stream)) at.inlineOpen = false;
  const own = !inline(stream) && stream.generation === at.volume.generation && stream.count > 0;
  if (own && reserveSegments(at, stream.count) === ErrorCode.OK) {
    for (let index: u32 = 0; index < stream.count; index++) {
      const chunk = load<u32>(lastSegment(stream, index), SEGMENT_CHUNK);
      // What cannot be given back now is found by compaction: pack-open, and nobody's.
      if (chunkSeal(at, chunk, 0, 0, false) !== ErrorCode.OK) break;
    }
  }
  streamRelease(stream);
}
