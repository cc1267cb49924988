/** The list of open streams that fill chunks of their own: what compaction must leave alone. */
import { NO_CHUNK, Store, Writer } from "./pack/state";

/** One segment of an object being written. */
export const SEGMENT_CHUNK: u32 = 0;
export const SEGMENT_SECTOR: u32 = 4;
export const SEGMENT_SECTORS: u32 = 8;
export const SEGMENT_LENGTH: u32 = 12;
export const SEGMENT_CHECKSUM: u32 = 16;
/** Address of its first page in memory, 0 once that is on the device. */
export const SEGMENT_KEPT: u32 = 24;
/** Tag of its chunk. */
export const SEGMENT_TAG: u32 = 32;
export const SEGMENT_SIZE: u32 = 40;

/** In a stream's area: the hash, then the state of the hash being made. */
export const STREAM_AREA_SHA: u32 = 32;

@unmanaged
export class Stream {
  at: Store;
  /** The host's handle of the store: tells whether it is still open. */
  storeHandle: u32;
  /** Its own handle. */
  handle: u32;
  /** Of the volume when the stream was opened: older is ESTALE. */
  generation: u32;
  /** STREAM_* bits. */
  flags: u32;
  /** The store's own writer if inline, else the stream's. */
  writer: Writer;
  /** Bytes of the object so far, and in all if known. */
  length: u64;
  expected: u64;
  /** Segments the object will have, if known. */
  segments: u32;
  /** Finished and current segments, SEGMENT_SIZE each. */
  table: usize;
  count: u32;
  capacity: u32;
  /** A segment is open. */
  open: bool;
  /** Bytes in the buffer; where the open segment starts in it, if it does. */
  filled: u32;
  segmentStart: u32;
  /** Some of the open segment is on the device already. */
  written: bool;
  /** Payload of the open segment so far, and of it in the checksum. */
  payload: u32;
  summed: u32;
  /** Hash, state of the hash, state of the checksum. */
  area: usize;
  next: usize;
}

/** True if an open stream is filling `chunk` or has filled it. */
export function streamOwns(at: Store, chunk: u32): bool {
  for (let place = at.streams; place !== 0; ) {
    const stream = changetype<Stream>(place);
    if (stream.writer.chunk === chunk && chunk !== NO_CHUNK) return true;
    for (let index: u32 = 0; index < stream.count; index++) {
      const segment = stream.table + <usize>(index * SEGMENT_SIZE);
      if (load<u32>(segment, SEGMENT_CHUNK) === chunk) return true;
    }
    place = stream.next;
  }
  return false;
}
