/**
 * The memory that the two ends of a bridge share, and whose turn it is.
 *
 * Interface: the client fills in a batch, sets ASKED and sleeps; the servant carries it out, sets
 * ANSWERED and wakes it. Each change of the state is one compare-and-swap, so an answer that comes
 * after the client gave up finds GONE and is dropped: a channel that is gone is never used again.
 *
 *     words 0..7      state, reason of GONE, requests, bytes of causes
 *     REQUESTS_AT     32 bytes a request: type, flags, sector (f64), length, data offset, status,
 *                     transferred
 *     CAUSES_AT       JSON: the causes of what is not OK
 *     DATA_AT         what requests read and write
 */
import { ErrorCode } from "../../../../assembly/format/errors.ts";
import { failure } from "../../../base/errors.ts";
import { type CarriedError, packError, unpackError } from "../../../base/web/carry.ts";
import {
  type BlockRequest,
  complete,
  RequestStatus,
  RequestType,
  refuse,
  request,
} from "../../device.ts";

export const State = { IDLE: 0, ASKED: 1, ANSWERED: 2, GONE: 3 } as const;

const STATE = 0;
const GONE_REASON = 1;
const COUNT = 2;
const CAUSES_SIZE = 3;
const HEAD_SIZE = 32;
const REQUEST_SIZE = 32;
export const REQUESTS_MAX = 256;
const REQUESTS_AT = HEAD_SIZE;
const CAUSES_AT = REQUESTS_AT + REQUESTS_MAX * REQUEST_SIZE;
const CAUSES_MAX = 2 ** 16;
const DATA_AT = CAUSES_AT + CAUSES_MAX;
export const DATA_MAX = 2 ** 20;
/** `count` of a batch that asks to close the device. */
const CLOSE = -1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Either end's view of the shared memory. */
export class Channel {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #view: DataView;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(DATA_AT + DATA_MAX)) {
    this.shared = shared;
    this.#words = new Int32Array(shared, 0, HEAD_SIZE / 4);
    this.#view = new DataView(shared);
  }

  get state(): number {
    return Atomics.load(this.#words, STATE);
  }

  /** Changes the state if it is `from`, and wakes whoever sleeps on it. */
  move(from: number, to: number): boolean {
    if (Atomics.compareExchange(this.#words, STATE, from, to) !== from) return false;
    Atomics.notify(this.#words, STATE);
    return true;
  }

  /** Sleeps while the state is ASKED; false: `timeoutMs` have passed. */
  sleep(timeoutMs: number): boolean {
    return Atomics.wait(this.#words, STATE, State.ASKED, timeoutMs) !== "timed-out";
  }

  /** Ends the channel for both ends, from any thread; the first reason stays. */
  abandon(reason: ErrorCode): void {
    Atomics.compareExchange(this.#words, GONE_REASON, 0, reason);
    Atomics.store(this.#words, STATE, State.GONE);
    Atomics.notify(this.#words, STATE);
  }

  /** Why the channel is gone. */
  reason(name: string): Error {
    const code = Atomics.load(this.#words, GONE_REASON);
    const path = name;
    if (code === ErrorCode.ETIMEDOUT) {
      const hint = "Open the disk again.";
      const message = `'${name}' did not answer in time; its bridge was given up.`;
      return failure("ETIMEDOUT", "submit", message, { path, hint });
    }
    if (code === ErrorCode.ECANCELED) {
      return failure("ECANCELED", "submit", `the bridge to '${name}' was cancelled.`, { path });
    }
    return failure("EBADF", "submit", `${name} is closed.`, { path });
  }

  /** The client's side: writes a batch, data of what writes included. */
  putBatch(parts: readonly BlockRequest[]): void {
    let at = 0;
    for (const [index, { type, flags, sector, length, data }] of parts.entries()) {
      const entry = REQUESTS_AT + index * REQUEST_SIZE;
      this.#view.setUint32(entry, type, true);
      this.#view.setUint32(entry + 4, flags, true);
      this.#view.setFloat64(entry + 8, sector, true);
      this.#view.setUint32(entry + 16, data.length > 0 ? data.length : length, true);
      this.#view.setUint32(entry + 20, data.length > 0 ? at : 0xffff_ffff, true);
      this.#view.setInt32(entry + 24, -1, true);
      if (type === RequestType.OUT) this.#data(at, data.length).set(data);
      at += data.length;
    }
    this.#words[COUNT] = parts.length;
  }

  putClose(): void {
    this.#words[COUNT] = CLOSE;
  }

  /** The servant's side: the batch, with data in the shared memory; undefined: close. */
  takeBatch(): BlockRequest[] | undefined {
    const count = this.#words[COUNT] as number;
    if (count === CLOSE) return undefined;
    return Array.from({ length: count }, (_, index) => {
      const entry = REQUESTS_AT + index * REQUEST_SIZE;
      const length = this.#view.getUint32(entry + 16, true);
      const at = this.#view.getUint32(entry + 20, true);
      const type = this.#view.getUint32(entry, true) as RequestType;
      const data = at === 0xffff_ffff ? undefined : this.#data(at, length);
      const sector = this.#view.getFloat64(entry + 8, true);
      return request(type, sector, data, length, this.#view.getUint32(entry + 4, true));
    });
  }

  /** The servant's side: writes how each request of the batch ended. */
  putAnswers(batch: readonly BlockRequest[]): void {
    const causes: (CarriedError | null)[] = [];
    for (const [index, { status, transferred, cause }] of batch.entries()) {
      const entry = REQUESTS_AT + index * REQUEST_SIZE;
      this.#view.setInt32(entry + 24, status, true);
      this.#view.setUint32(entry + 28, transferred, true);
      causes.push(status === RequestStatus.OK ? null : packError(cause));
    }
    const failed = causes.some((cause) => cause !== null);
    let text = encoder.encode(failed ? JSON.stringify(causes) : "[]");
    // Stacks of many failures may be long; the sentences are what counts.
    if (text.length > CAUSES_MAX) text = encoder.encode(JSON.stringify(causes.map(brief)));
    if (text.length > CAUSES_MAX) text = encoder.encode("[]");
    new Uint8Array(this.shared, CAUSES_AT, text.length).set(text);
    this.#words[CAUSES_SIZE] = text.length;
  }

  /** The client's side: sets status, data and cause of each part from the answer. */
  takeAnswers(parts: readonly BlockRequest[]): void {
    const size = this.#words[CAUSES_SIZE] as number;
    const text = decoder.decode(new Uint8Array(this.shared, CAUSES_AT, size).slice());
    const causes = JSON.parse(text) as (CarriedError | null)[];
    let at = 0;
    for (const [index, part] of parts.entries()) {
      const entry = REQUESTS_AT + index * REQUEST_SIZE;
      const status = this.#view.getInt32(entry + 24, true) as RequestStatus;
      const transferred = this.#view.getUint32(entry + 28, true);
      const { type, data } = part;
      if (status !== RequestStatus.OK) {
        const packed = causes[index] ?? { name: "Error", message: "the device gave no reason" };
        refuse(part, unpackError(packed), status);
      } else {
        if (type !== RequestType.OUT) data.set(this.#data(at, data.length));
        complete(part, transferred);
      }
      at += data.length;
    }
  }

  #data(at: number, length: number): Uint8Array {
    return new Uint8Array(this.shared, DATA_AT + at, length);
  }
}

function brief(cause: CarriedError | null): CarriedError | null {
  if (cause === null) return null;
  const { stack, cause: below, ...rest } = cause;
  return rest;
}
