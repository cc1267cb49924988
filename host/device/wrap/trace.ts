/**
 * A device that counts and logs what passes through it, and fails where it is told to.
 *
 * Only requests that the base device took or that an injection answered are counted, each once.
 * Injections count matching requests from the moment they are set; the first that matches answers.
 */
import { failure } from "../../base/errors.ts";
import {
  type BlockDevice,
  type BlockRequest,
  complete,
  RequestStatus,
  RequestType,
  refuse,
  request,
  SECTOR_SIZE,
} from "../device.ts";

/** One request as it was answered. */
export interface TraceEntry {
  /** Number of the batch, from 0: the requests of one submit() share it. */
  readonly batch: number;
  readonly type: RequestType;
  readonly sector: number;
  /** Sectors. */
  readonly sectors: number;
  readonly status: RequestStatus | -1;
  readonly transferred: number;
}

export interface TraceCounts {
  batches: number;
  reads: number;
  writes: number;
  flushes: number;
  discards: number;
  zeroes: number;
  ids: number;
  /** Requests whose status was not OK. */
  failures: number;
  readBytes: number;
  writtenBytes: number;
}

/** Which requests fail, and how. */
export interface Injection {
  /** Request type; absent: any. */
  readonly on?: RequestType | undefined;
  /** Only requests that touch these sectors. */
  readonly within?: { readonly sector: number; readonly sectors: number } | undefined;
  /** The first request that fails, counted from 1 among those that match. Default 1. */
  readonly nth?: number | undefined;
  /** How many fail from there on: 1 (default), or Infinity until clear(). */
  readonly times?: number | undefined;
  /**
   * `ioerr` (default) and `unsupp`: refused, nothing moved. `short`: OK, but only the first half
   * of the sectors moved. `after`: carried out, then answered IOERR. `lost`: OK, nothing carried
   * out; a read leaves the buffer as it was. A number: that status, whatever it means.
   */
  readonly answer?: "ioerr" | "unsupp" | "short" | "after" | "lost" | number | undefined;
  readonly cause?: unknown;
}

interface Armed {
  readonly injection: Injection;
  seen: number;
}

const COUNTER: Readonly<Partial<Record<RequestType, keyof TraceCounts>>> = {
  [RequestType.IN]: "reads",
  [RequestType.OUT]: "writes",
  [RequestType.FLUSH]: "flushes",
  [RequestType.DISCARD]: "discards",
  [RequestType.WRITE_ZEROES]: "zeroes",
  [RequestType.GET_ID]: "ids",
};

/**
 * Counts, logs and injects failures into the requests for `base`.
 *
 * @example
 * const device = new TraceDevice(new MemoryDevice({ size: "64MiB" }));
 * device.inject({ on: RequestType.FLUSH, nth: 2 }); // the second FLUSH from now fails, once
 */
export class TraceDevice implements BlockDevice {
  readonly base: BlockDevice;
  readonly name: string;
  readonly config: BlockDevice["config"];
  readonly identity: BlockDevice["identity"];
  readonly durability: BlockDevice["durability"];
  /** What passed since the start or the last reset(). Logging costs memory: see `logging`. */
  readonly log: TraceEntry[] = [];
  /** False: count only. */
  logging: boolean;
  #counts: TraceCounts = noCounts();
  #armed: Armed[] = [];

  constructor(base: BlockDevice, options: { readonly logging?: boolean } = {}) {
    this.base = base;
    this.name = base.name;
    this.config = base.config;
    this.identity = base.identity;
    this.durability = base.durability;
    this.logging = options.logging ?? true;
  }

  get counts(): Readonly<TraceCounts> {
    return this.#counts;
  }

  /** Forgets counts and log; injections stay. */
  reset(): void {
    this.#counts = noCounts();
    this.log.length = 0;
  }

  inject(injection: Injection): void {
    this.#armed.push({ injection, seen: 0 });
  }

  /** Removes every injection. */
  clear(): void {
    this.#armed = [];
  }

  submit(requests: readonly BlockRequest[]): void {
    if (this.#armed.length === 0) this.base.submit(requests);
    else this.#submitInjected(requests);
    for (const asked of requests) this.#record(asked);
    this.#counts.batches += 1;
  }

  close(): void {
    this.base.close();
  }

  #submitInjected(requests: readonly BlockRequest[]): void {
    const passed: BlockRequest[] = [];
    const settle: (() => void)[] = [];
    for (const asked of requests) {
      const injection = this.#match(asked);
      if (injection === undefined) passed.push(asked);
      else settle.push(this.#prepare(asked, injection, passed));
    }
    if (passed.length > 0) this.base.submit(passed);
    for (const done of settle) done();
  }

  /** What `injection` does to `asked`: may add to the batch that passes, answers afterwards. */
  #prepare(asked: BlockRequest, injection: Injection, passed: BlockRequest[]): () => void {
    const { answer = "ioerr" } = injection;
    const name = RequestType[asked.type] ?? `type ${asked.type}`;
    const message = `injected failure of ${name} at sector ${asked.sector} of ${this.name}.`;
    const cause = injection.cause ?? failure("EIO", "submit", message);
    switch (answer) {
      case "ioerr":
        return () => refuse(asked, cause);
      case "unsupp":
        return () => refuse(asked, cause, RequestStatus.UNSUPP);
      case "after":
        passed.push(asked);
        return () => refuse(asked, cause);
      case "lost":
        return () => complete(asked, asked.data.length);
      case "short": {
        const block = this.config.blkSize;
        const size = Math.floor(asked.data.length / 2 / block) * block;
        const part = request(asked.type, asked.sector, asked.data.subarray(0, size));
        if (size > 0) passed.push(part);
        return () => {
          complete(asked, part.transferred);
          asked.cause = cause;
        };
      }
      default:
        return () => refuse(asked, cause, answer as RequestStatus);
    }
  }

  #match(asked: BlockRequest): Injection | undefined {
    let found: Injection | undefined;
    for (const armed of this.#armed) {
      if (!matches(armed.injection, asked)) continue;
      armed.seen += 1;
      const { nth = 1, times = 1 } = armed.injection;
      if (armed.seen >= nth && armed.seen < nth + times) found ??= armed.injection;
    }
    return found;
  }

  #record(asked: BlockRequest): void {
    const counts = this.#counts;
    const counter = COUNTER[asked.type];
    if (counter !== undefined) counts[counter] += 1;
    if (asked.status !== RequestStatus.OK) counts.failures += 1;
    else if (asked.type === RequestType.IN) counts.readBytes += asked.transferred;
    else if (asked.type === RequestType.OUT) counts.writtenBytes += asked.transferred;
    if (!this.logging) return;
    this.log.push({
      batch: counts.batches,
      type: asked.type,
      sector: asked.sector,
      sectors: sectorsOf(asked),
      status: asked.status,
      transferred: asked.transferred,
    });
  }
}

function matches(injection: Injection, asked: BlockRequest): boolean {
  if (injection.on !== undefined && injection.on !== asked.type) return false;
  const { within } = injection;
  if (within === undefined) return true;
  const end = asked.sector + sectorsOf(asked);
  return asked.sector < within.sector + within.sectors && within.sector < end;
}

function sectorsOf(asked: BlockRequest): number {
  const moves = asked.type === RequestType.IN || asked.type === RequestType.OUT;
  return moves ? asked.data.length / SECTOR_SIZE : asked.length;
}

function noCounts(): TraceCounts {
  return {
    batches: 0,
    reads: 0,
    writes: 0,
    flushes: 0,
    discards: 0,
    zeroes: 0,
    ids: 0,
    failures: 0,
    readBytes: 0,
    writtenBytes: 0,
  };
}
