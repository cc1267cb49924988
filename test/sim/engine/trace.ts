/** The log of one life of a disk: every write with its bytes, every flush, in order of completion. */

export enum EventKind {
  WRITE = 1,
  FLUSH = 2,
  /** A flush that answered IOERR; what it did to each pending write stands in `fates`. */
  FLUSH_FAILED = 3,
  /** A write that answered IOERR: reads show the old bytes, the medium may hold any part of it. */
  WRITE_FAILED = 4,
}

/** What a failed flush did to a write that waited for it. */
export enum Fate {
  KEPT = 0,
  /** Gone, and reads show that. */
  DROPPED = 1,
  /** Gone from the medium, but reads show it until the power fails. */
  GHOST = 2,
}

export interface TraceEvent {
  readonly kind: EventKind;
  readonly sector: number;
  readonly sectors: number;
  /** Where its bytes begin in `bytes`. */
  readonly at: number;
  /** Versions of the history at this moment. */
  readonly issued: number;
  readonly acked: number;
  readonly fates: readonly Fate[] | undefined;
}

const FIRST_SIZE = 1 << 16;

export class Trace {
  readonly events: TraceEvent[] = [];
  bytes = new Uint8Array(FIRST_SIZE);
  #used = 0;

  clear(): void {
    this.events.length = 0;
    this.#used = 0;
  }

  write(
    sector: number,
    data: Uint8Array,
    issued: number,
    acked: number,
    kind = EventKind.WRITE,
  ): void {
    const at = this.#reserve(data.length);
    this.bytes.set(data, at);
    this.#add(kind, sector, data.length / 512, at, issued, acked);
  }

  fill(sector: number, sectors: number, value: number, issued: number, acked: number): void {
    const at = this.#reserve(sectors * 512);
    this.bytes.fill(value, at, at + sectors * 512);
    this.#add(EventKind.WRITE, sector, sectors, at, issued, acked);
  }

  flush(issued: number, acked: number, fates?: readonly Fate[]): void {
    const kind = fates === undefined ? EventKind.FLUSH : EventKind.FLUSH_FAILED;
    this.events.push({ kind, sector: 0, sectors: 0, at: 0, issued, acked, fates });
  }

  /** Takes over `event` of another trace as if it had happened here. */
  adopt(event: TraceEvent, from: Trace, issued: number, acked: number): void {
    const end = event.at + event.sectors * 512;
    this.write(event.sector, from.bytes.subarray(event.at, end), issued, acked);
  }

  #add(
    kind: EventKind,
    sector: number,
    sectors: number,
    at: number,
    issued: number,
    acked: number,
  ): void {
    this.events.push({ kind, sector, sectors, at, issued, acked, fates: undefined });
  }

  #reserve(size: number): number {
    const at = this.#used;
    this.#used += size;
    if (this.#used > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.#used, this.bytes.length * 2));
      larger.set(this.bytes.subarray(0, at));
      this.bytes = larger;
    }
    return at;
  }
}
