/**
 * A virtio-blk device (virtio 1.2, section 5.2) for somebody else's driver, over any BlockDevice.
 *
 * Interface: what a transport (PCI, MMIO) needs: features, status, one queue, configuration space,
 * notify(). The driver and all of guest memory are hostile: a broken chain sets NEEDS_RESET and
 * nothing more is done until the driver resets; a broken request gets a status. It is an adapter
 * for emulators, outside the hot path of the core.
 */
import {
  type BlockDevice,
  type BlockRequest,
  Feature,
  RequestStatus,
  RequestType,
  request,
} from "../device.ts";
import * as layout from "./virtio-layout.ts";
import { type Chain, QueueError, type QueuePlaces, Virtqueue } from "./virtqueue.ts";

const { Status } = layout;
const { IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES } = RequestType;
const FEATURE_SIZE_MAX = 1n << 1n;
const SERIAL_SIZE = 20;
/** Segments of one DISCARD or WRITE_ZEROES request. */
const ERASE_SEGMENTS_MAX = 16;
/** Data of one request that is not framed in whole blocks: it goes through a copy. */
const BOUNCE_SIZE_MAX = 2 ** 23;
/** Copies of one batch. */
const BOUNCE_TOTAL_MAX = 2 ** 26;

export interface VirtioBlockOptions {
  /** Largest queue, a power of two. Default 256. */
  readonly queueSizeMax?: number;
  /** Called when the driver wants to know: of used buffers, or that the device needs a reset. */
  readonly interrupt?: (kind: "queue" | "config") => void;
}

/** One chain on its way: what the base device was asked for it, and where the answer goes. */
interface Job {
  readonly chain: Chain;
  readonly type: RequestType;
  readonly parts: BlockRequest[];
  status: RequestStatus;
  /** IN through a copy: where the bytes go afterwards. */
  bounce?: { readonly data: Uint8Array; readonly targets: readonly Uint8Array[] } | undefined;
}

/**
 * @example
 * const block = new VirtioBlock(device, guestMemory, { interrupt: () => cpu.raise(11) });
 */
export class VirtioBlock {
  /** What the device offers. */
  readonly features: bigint;
  readonly queueSizeMax: number;
  readonly #device: BlockDevice;
  readonly #memory: Uint8Array;
  readonly #interrupt: (kind: "queue" | "config") => void;
  #driverFeatures = 0n;
  #status = 0;
  #writeback = true;
  #queue: Virtqueue | undefined;
  #failure: string | undefined;

  /** @param memory guest memory; guest-physical address 0 is its first byte */
  constructor(device: BlockDevice, memory: Uint8Array, options: VirtioBlockOptions = {}) {
    this.#device = device;
    this.#memory = memory;
    this.#interrupt = options.interrupt ?? (() => {});
    this.queueSizeMax = options.queueSizeMax ?? 256;
    const { features, sizeMax } = device.config;
    const flushes = (features & Feature.FLUSH) !== 0 && (features & Feature.RO) === 0;
    this.features =
      BigInt(features | Feature.SEG_MAX | (flushes ? Feature.CONFIG_WCE : 0)) |
      (sizeMax === 0 ? 0n : FEATURE_SIZE_MAX) |
      layout.FEATURE_INDIRECT |
      layout.FEATURE_EVENT_INDEX |
      layout.FEATURE_VERSION_1;
  }

  /** What went wrong when the status says NEEDS_RESET. */
  get failure(): string | undefined {
    return this.#failure;
  }

  get driverFeatures(): bigint {
    return this.#driverFeatures;
  }

  /** The driver's choice; ignored once FEATURES_OK is set. */
  set driverFeatures(features: bigint) {
    if ((this.#status & Status.FEATURES_OK) === 0) this.#driverFeatures = features;
  }

  get status(): number {
    return this.#status;
  }

  /** Section 3.1.1: bits are only added; 0 resets. FEATURES_OK stays clear if refused. */
  set status(value: number) {
    if (value === 0) {
      this.#reset();
      return;
    }
    const wasLive = (this.#status & Status.FEATURES_OK) !== 0;
    const acceptable = this.#acceptsFeatures();
    const refused = !wasLive && !acceptable ? Status.FEATURES_OK | Status.DRIVER_OK : 0;
    this.#status |= value & 0xff & ~Status.NEEDS_RESET & ~refused;
  }

  /** Enables the queue; wrong places need a reset. */
  enableQueue(places: QueuePlaces): void {
    if (this.#failure !== undefined) return;
    const indirect = this.#has(layout.FEATURE_INDIRECT);
    const eventIndex = this.#has(layout.FEATURE_EVENT_INDEX);
    try {
      if (places.size > this.queueSizeMax) {
        throw new QueueError(`queue of ${places.size}, at most ${this.queueSizeMax}`);
      }
      const rules = { indirect, eventIndex };
      this.#queue = new Virtqueue(this.#memory, places, rules, this.queueSizeMax);
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * Carries out what the driver made available.
   *
   * @returns chains given back
   */
  notify(): number {
    const wanted = Status.FEATURES_OK | Status.DRIVER_OK;
    const queue = this.#queue;
    if ((this.#status & wanted) !== wanted || this.#failure !== undefined) return 0;
    if (queue === undefined) return 0;
    let done = 0;
    try {
      // A guest that runs beside us may add without end: one turn of the index is enough.
      while (done <= 0xffff && queue.pending() > 0) done += this.#runBatch(queue);
    } catch (error) {
      this.#fail(error);
    }
    if (queue.wantsInterrupt()) this.#interrupt("queue");
    return done;
  }

  /** Bytes of configuration space; zeros beyond its end. */
  readConfig(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    bytes.set(this.#config().subarray(offset, offset + length));
    return bytes;
  }

  /** Only `writeback` may be written, and only if CONFIG_WCE was negotiated. */
  writeConfig(offset: number, bytes: Uint8Array): void {
    const value = bytes[layout.CONFIG_WRITEBACK - offset];
    if (value !== undefined && this.#has(BigInt(Feature.CONFIG_WCE))) this.#writeback = value !== 0;
  }

  #has(feature: bigint): boolean {
    return (this.#driverFeatures & feature) !== 0n;
  }

  #acceptsFeatures(): boolean {
    const unknown = this.#driverFeatures & ~this.features;
    return unknown === 0n && this.#has(layout.FEATURE_VERSION_1);
  }

  #reset(): void {
    this.#status = 0;
    this.#driverFeatures = 0n;
    this.#writeback = true;
    this.#queue = undefined;
    this.#failure = undefined;
  }

  #fail(error: unknown): void {
    if (!(error instanceof QueueError)) throw error;
    this.#failure = error.message;
    this.#status |= Status.NEEDS_RESET;
    this.#interrupt("config");
  }

  /** Takes what is there, as one batch for the base device; answers how many were given back. */
  #runBatch(queue: Virtqueue): number {
    const jobs: Job[] = [];
    let bounced = 0;
    let broken: unknown;
    try {
      for (let left = queue.pending(); left > 0 && bounced < BOUNCE_TOTAL_MAX; left--) {
        const job = this.#prepare(queue.take());
        bounced += job.bounce?.data.length ?? 0;
        jobs.push(job);
      }
    } catch (error) {
      broken = error;
    }
    // What came before the broken chain is good and is answered.
    this.#carryOut(jobs);
    for (const job of jobs) queue.give(job.chain.head, finish(job));
    if (broken !== undefined) throw broken;
    return jobs.length;
  }

  #carryOut(jobs: readonly Job[]): void {
    const batch = jobs.filter(({ type }) => type !== FLUSH).flatMap(({ parts }) => parts);
    if (batch.length > 0) this.#device.submit(batch);
    // After the rest, alone: so it covers all that was answered before it was asked.
    for (const { type, parts } of jobs) if (type === FLUSH) this.#device.submit(parts);
    for (const job of jobs) job.status = job.parts.reduce(worse, job.status);
    if (this.#isWriteback()) return;
    const changed = jobs.filter(({ type, status }) => changes(type) && status === RequestStatus.OK);
    if (changed.length === 0) return;
    const through = request(FLUSH, 0);
    this.#device.submit([through]);
    if (through.status === RequestStatus.OK) return;
    for (const job of changed) job.status = RequestStatus.IOERR;
  }

  #isWriteback(): boolean {
    if ((this.#device.config.features & Feature.FLUSH) === 0) return true;
    if (this.#has(BigInt(Feature.CONFIG_WCE))) return this.#writeback;
    return this.#has(BigInt(Feature.FLUSH));
  }

  #prepare(chain: Chain): Job {
    if (chain.readableBytes < layout.HEADER_SIZE || chain.writableBytes < 1) {
      throw new QueueError("a request without header or status");
    }
    const [header, readable] = split(chain.readable, layout.HEADER_SIZE);
    const view = new DataView(join(header, layout.HEADER_SIZE).buffer);
    const type = view.getUint32(layout.HEADER_TYPE, true) as RequestType;
    const sector = Number(view.getBigUint64(layout.HEADER_SECTOR, true));
    const [writable] = split(chain.writable, chain.writableBytes - 1);
    const job: Job = { chain, type, parts: [], status: RequestStatus.OK };
    if (type === IN) this.#prepareMove(job, sector, writable);
    else if (type === OUT) this.#prepareMove(job, sector, readable);
    else if (type === DISCARD || type === WRITE_ZEROES) this.#prepareErase(job, readable);
    else if (type === GET_ID) this.#prepareId(job, writable);
    else if (type === FLUSH && !this.#has(BigInt(Feature.FLUSH))) job.status = RequestStatus.UNSUPP;
    else job.parts.push(request(type, type === FLUSH ? 0 : sector));
    return job;
  }

  #prepareMove(job: Job, sector: number, pieces: readonly Uint8Array[]): void {
    const { blkSize, sizeMax } = this.#device.config;
    const whole = pieces.every((piece) => piece.length % blkSize === 0);
    let sources = pieces;
    if (!whole) {
      const size = sizeOf(pieces);
      if (size > BOUNCE_SIZE_MAX || size % blkSize !== 0) {
        job.status = RequestStatus.IOERR;
        return;
      }
      const data = job.type === OUT ? join(pieces, size) : new Uint8Array(size);
      job.bounce = { data, targets: job.type === IN ? pieces : [] };
      sources = [data];
    }
    const most = sizeMax === 0 ? Number.POSITIVE_INFINITY : Math.max(blkSize, sizeMax & -blkSize);
    for (const source of sources) {
      for (let at = 0; at < source.length; at += most) {
        const data = source.subarray(at, Math.min(source.length, at + most));
        job.parts.push(request(job.type, sector, data));
        sector += data.length / 512;
      }
    }
    // Nothing to move: the base still judges the place.
    if (job.parts.length === 0) job.parts.push(request(job.type, sector));
  }

  #prepareErase(job: Job, readable: readonly Uint8Array[]): void {
    const feature = job.type === DISCARD ? Feature.DISCARD : Feature.WRITE_ZEROES;
    const size = sizeOf(readable);
    const count = size / layout.SEGMENT_SIZE;
    if (!this.#has(BigInt(feature))) job.status = RequestStatus.UNSUPP;
    else if (count < 1 || count > ERASE_SEGMENTS_MAX || !Number.isInteger(count)) {
      job.status = RequestStatus.IOERR;
    } else {
      const view = new DataView(join(readable, size).buffer);
      for (let at = 0; at < size; at += layout.SEGMENT_SIZE) {
        const sector = Number(view.getBigUint64(at + layout.SEGMENT_SECTOR, true));
        const sectors = view.getUint32(at + layout.SEGMENT_SECTORS, true);
        const flags = view.getUint32(at + layout.SEGMENT_FLAGS, true);
        job.parts.push(request(job.type, sector, undefined, sectors, flags));
      }
    }
  }

  #prepareId(job: Job, targets: readonly Uint8Array[]): void {
    const data = new Uint8Array(SERIAL_SIZE);
    job.bounce = { data, targets };
    job.parts.push(request(GET_ID, 0, data));
  }

  #config(): Uint8Array {
    const { config } = this.#device;
    const bytes = new Uint8Array(layout.CONFIG_SIZE);
    const view = new DataView(bytes.buffer);
    const put = (offset: number, value: number) => view.setUint32(offset, value, true);
    view.setBigUint64(layout.CONFIG_CAPACITY, BigInt(config.capacity), true);
    put(layout.CONFIG_SIZE_MAX, config.sizeMax);
    // Header and status take two descriptors of a chain.
    put(layout.CONFIG_SEG_MAX, Math.max(1, Math.min(config.segMax, this.queueSizeMax - 2)));
    put(layout.CONFIG_BLK_SIZE, config.blkSize);
    view.setUint8(layout.CONFIG_PHYSICAL_EXPONENT, config.physicalExponent);
    put(layout.CONFIG_OPT_IO_SIZE, config.optIoSize);
    view.setUint8(layout.CONFIG_WRITEBACK, this.#writeback ? 1 : 0);
    view.setUint16(layout.CONFIG_NUM_QUEUES, 1, true);
    put(layout.CONFIG_MAX_DISCARD, config.maxDiscard);
    put(layout.CONFIG_MAX_DISCARD_SEG, config.maxDiscard > 0 ? ERASE_SEGMENTS_MAX : 0);
    put(layout.CONFIG_DISCARD_ALIGN, config.discardAlign);
    put(layout.CONFIG_MAX_ZEROES, config.maxWriteZeroes);
    put(layout.CONFIG_MAX_ZEROES_SEG, config.maxWriteZeroes > 0 ? ERASE_SEGMENTS_MAX : 0);
    view.setUint8(layout.CONFIG_ZEROES_MAY_UNMAP, config.zeroesMayUnmap ? 1 : 0);
    return bytes;
  }
}

function changes(type: RequestType): boolean {
  return type === OUT || type === WRITE_ZEROES || type === DISCARD;
}

/** The status of a chain so far and one more of its requests. */
function worse(status: RequestStatus, part: BlockRequest): RequestStatus {
  if (part.status === RequestStatus.UNSUPP) return RequestStatus.UNSUPP;
  const whole =
    part.type !== IN && part.type !== OUT ? true : part.transferred === part.data.length;
  if (part.status === RequestStatus.OK && whole) return status;
  return status === RequestStatus.OK ? RequestStatus.IOERR : status;
}

/** Copies data and status to the guest; answers the bytes written from the start on. */
function finish(job: Job): number {
  const { chain, status, type, bounce } = job;
  const ok = status === RequestStatus.OK;
  if (ok && bounce !== undefined) scatter(bounce.data, bounce.targets);
  const last = chain.writable.findLast((part) => part.length > 0) as Uint8Array;
  last[last.length - 1] = status;
  return ok && (type === IN || type === GET_ID) ? chain.writableBytes : 1;
}

/** The first `size` bytes of `parts`, and the rest. */
function split(parts: readonly Uint8Array[], size: number): [Uint8Array[], Uint8Array[]] {
  const [first, rest]: [Uint8Array[], Uint8Array[]] = [[], []];
  let left = size;
  for (const part of parts) {
    const here = Math.min(left, part.length);
    if (here > 0) first.push(part.subarray(0, here));
    if (here < part.length) rest.push(part.subarray(here));
    left -= here;
  }
  return [first, rest];
}

function sizeOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function join(parts: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Spreads `data` over `targets`; what it does not reach becomes zero. */
function scatter(data: Uint8Array, targets: readonly Uint8Array[]): void {
  let at = 0;
  for (const target of targets) {
    const piece = data.subarray(at, at + target.length);
    target.fill(0, piece.length);
    target.set(piece);
    at += target.length;
  }
}
