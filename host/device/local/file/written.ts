/**
 * Which parts of a file that began as one hole have been written since. The rest is still a hole,
 * so that zeroing or discarding it is no work at all.
 *
 * A bit for each MiB, or more where a file has more than 2^24 of them, in pages that are there only
 * where a bit is set: at most 2 MiB of memory, whatever is written.
 */

const CHUNK_BYTES_MIN = 2 ** 20;
const CHUNKS_MAX = 2 ** 24;
const PAGE_BYTES = 4096;
const PAGE_CHUNKS = PAGE_BYTES * 8;

/** Bytes of a file. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** What was written, in whole chunks: never less than that, often a little more. */
export class Written {
  readonly #sizeBytes: number;
  readonly #chunkBytes: number;
  readonly #pages = new Map<number, Uint8Array>();

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
    let chunkBytes = CHUNK_BYTES_MIN;
    while (sizeBytes / chunkBytes > CHUNKS_MAX) chunkBytes *= 2;
    this.#chunkBytes = chunkBytes;
  }

  /** Bytes of memory that the bits take. */
  get memoryBytes(): number {
    return this.#pages.size * PAGE_BYTES;
  }

  /** Notes that the range may hold data from now on. */
  add(offset: number, length: number): void {
    if (length === 0) return;
    const last = Math.floor((offset + length - 1) / this.#chunkBytes);
    for (let chunk = Math.floor(offset / this.#chunkBytes); chunk <= last; ) {
      const page = this.#page(chunk);
      const from = chunk % PAGE_CHUNKS;
      const to = Math.min(PAGE_CHUNKS, from + last - chunk + 1);
      for (let at = from; at < to; at++) {
        page[at >> 3] = (page[at >> 3] as number) | (1 << (at & 7));
      }
      chunk += to - from;
    }
  }

  /** Notes that the range is a hole again; a chunk that is not all in it stays as it is. */
  remove(offset: number, length: number): void {
    const end = offset + length;
    const isEnd = end >= this.#sizeBytes;
    const stop = isEnd ? Math.ceil(end / this.#chunkBytes) : Math.floor(end / this.#chunkBytes);
    for (let chunk = Math.ceil(offset / this.#chunkBytes); chunk < stop; chunk++) {
      const page = this.#pages.get(Math.floor(chunk / PAGE_CHUNKS));
      const at = chunk % PAGE_CHUNKS;
      if (page === undefined) chunk += PAGE_CHUNKS - 1 - at;
      else page[at >> 3] = (page[at >> 3] as number) & ~(1 << (at & 7));
    }
  }

  /** The parts of a range that may hold data, in order, neighbours as one. */
  within(offset: number, length: number): Range[] {
    const end = offset + length;
    const stop = Math.ceil(end / this.#chunkBytes);
    const found: Range[] = [];
    for (let chunk = Math.floor(offset / this.#chunkBytes); chunk < stop; ) {
      const begin = this.#next(chunk, stop, true);
      chunk = this.#next(begin, stop, false);
      const from = Math.max(offset, begin * this.#chunkBytes);
      const to = Math.min(end, chunk * this.#chunkBytes);
      if (begin < stop && from < to) found.push({ offset: from, length: to - from });
    }
    return found;
  }

  /** The first chunk from `chunk` on whose bit is as asked, or `stop`. */
  #next(chunk: number, stop: number, isSet: boolean): number {
    let at = chunk;
    while (at < stop) {
      const page = this.#pages.get(Math.floor(at / PAGE_CHUNKS));
      const bit = at % PAGE_CHUNKS;
      if (page === undefined) {
        if (!isSet) return at;
        at += PAGE_CHUNKS - bit;
        continue;
      }
      const byte = page[bit >> 3] as number;
      if (isSet && byte === 0) at += 8 - (bit & 7);
      else if (((byte >> (bit & 7)) & 1) === Number(isSet)) return at;
      else at++;
    }
    return stop;
  }

  #page(chunk: number): Uint8Array {
    const index = Math.floor(chunk / PAGE_CHUNKS);
    const found = this.#pages.get(index) ?? new Uint8Array(PAGE_BYTES);
    this.#pages.set(index, found);
    return found;
  }
}
