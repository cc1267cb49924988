/**
 * The end of a bridge that the core uses: a BlockDevice whose submit() sleeps until the device in
 * another thread has answered.
 */
import { ErrorCode } from "../../../../assembly/format/errors.ts";
import { failure } from "../../../base/errors.ts";
import {
  admit,
  type BlockDevice,
  type BlockRequest,
  complete,
  RequestStatus,
  RequestType,
  refuse,
  refuseClosed,
  request,
  SECTOR_SIZE,
} from "../../device.ts";
import { Channel, DATA_MAX, REQUESTS_MAX, State } from "./channel.ts";
import type { BridgeEnd } from "./servant.ts";

export interface BridgeOptions {
  /** How long one round trip may take. Default 30 seconds. */
  readonly timeoutMs?: number | undefined;
}

const TIMEOUT_MS = 30_000;

/** True where threads can share memory and this one may sleep: Node, workers of isolated pages. */
export function canBridge(): boolean {
  if (typeof SharedArrayBuffer === "undefined") return false;
  try {
    // The main thread of a page has Atomics.wait, and it throws there.
    return Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1) === "not-equal";
  } catch {
    return false;
  }
}

/** Ends a bridge from any thread: a client that sleeps wakes up and answers ECANCELED. */
export function cancelBridge(shared: SharedArrayBuffer): void {
  new Channel(shared).abandon(ErrorCode.ECANCELED);
}

/** A part of a request that fits the channel. */
interface Piece {
  readonly part: BlockRequest;
  readonly origin: BlockRequest;
}

/**
 * A device in another thread. Once it has not answered in time, every request is ETIMEDOUT: an
 * answer that comes late must not be taken for that of a later request.
 *
 * @example
 * const device = new BridgeDevice(await endFromTheOtherThread, { timeoutMs: 10_000 });
 */
export class BridgeDevice implements BlockDevice {
  readonly name: string;
  readonly config: BlockDevice["config"];
  readonly identity: BlockDevice["identity"];
  readonly durability: BlockDevice["durability"];
  readonly #channel: Channel;
  readonly #port: MessagePort;
  readonly #timeoutMs: number;
  #closed = false;

  constructor(end: BridgeEnd, options: BridgeOptions = {}) {
    if (!canBridge()) {
      const message =
        "this thread cannot wait for another one (no SharedArrayBuffer or no worker).";
      throw failure("EOPNOTSUPP", "open", message, { path: end.name });
    }
    this.name = end.name;
    this.config = end.config;
    this.identity = end.identity;
    this.durability = end.durability;
    this.#channel = new Channel(end.shared);
    this.#port = end.port;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  }

  submit(requests: readonly BlockRequest[]): void {
    if (this.#closed) {
      refuseClosed(this.name, requests);
      return;
    }
    let round: Piece[] = [];
    let size = 0;
    for (const asked of requests) {
      if (!admit(this.config, asked, this.name)) continue;
      // Until a part of it fails.
      complete(asked);
      for (const part of partsOf(asked)) {
        if (round.length === REQUESTS_MAX || size + part.data.length > DATA_MAX) {
          this.#roundTrip(round);
          round = [];
          size = 0;
        }
        round.push({ part, origin: asked });
        size += part.data.length;
      }
    }
    if (round.length > 0) this.#roundTrip(round);
  }

  /** Closes the device in the other thread too, and waits for that. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channel.putClose();
    this.#ask();
    this.#channel.abandon(ErrorCode.EBADF);
    this.#port.close();
  }

  #roundTrip(round: readonly Piece[]): void {
    const parts = round.map(({ part }) => part);
    this.#channel.putBatch(parts);
    if (this.#ask()) {
      this.#channel.takeAnswers(parts);
      this.#channel.move(State.ANSWERED, State.IDLE);
    } else {
      const cause = this.#channel.reason(this.name);
      for (const part of parts) refuse(part, cause);
    }
    for (const { part, origin } of round) {
      if (part.status !== RequestStatus.OK) {
        if (origin.status === RequestStatus.OK) refuse(origin, part.cause, part.status as never);
      } else if (origin.status === RequestStatus.OK) {
        origin.transferred += part.transferred;
      }
    }
  }

  /** Wakes the servant and sleeps until it has answered; false: the channel is gone. */
  #ask(): boolean {
    const channel = this.#channel;
    if (!channel.move(State.IDLE, State.ASKED)) return false;
    this.#port.postMessage(null);
    const deadline = Date.now() + this.#timeoutMs;
    while (channel.state === State.ASKED) {
      const left = deadline - Date.now();
      if (left > 0 && channel.sleep(left)) continue;
      if (channel.state === State.ASKED) channel.abandon(ErrorCode.ETIMEDOUT);
    }
    return channel.state === State.ANSWERED;
  }
}

/** `asked`, cut so that each part fits the channel. Its data stay where they are. */
function partsOf(asked: BlockRequest): BlockRequest[] {
  const { type, sector, data, length, flags } = asked;
  const moves = type === RequestType.IN || type === RequestType.OUT;
  if (!moves) {
    const target = type === RequestType.GET_ID ? data : undefined;
    return [request(type, sector, target, length, flags)];
  }
  const parts: BlockRequest[] = [];
  for (let at = 0; at < data.length; at += DATA_MAX) {
    const piece = data.subarray(at, at + DATA_MAX);
    parts.push(request(type, sector + at / SECTOR_SIZE, piece, piece.length, flags));
  }
  return parts;
}
