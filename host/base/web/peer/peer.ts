/**
 * Calls to objects in another thread. Both ends are alike: each shows objects to the other, calls
 * what it was shown, and is called.
 *
 * ```
 *  call 7: object 2, "readFile", arguments   ----->
 *                                            <-----  answer 7: value, or error
 *  abort: signal 3                           ----->    what an AbortSignal among arguments became
 *  forget: signal 3                          ----->    nobody can abort it any more
 *  release: object 5                         ----->    the other end no longer knows it
 *                                            <-----  notice: what belongs to no call
 * ```
 *
 * What travels is told in values.ts.
 */
import { failure, StorageError } from "../../errors.ts";
import { type CarriedError, packError, unpackError } from "../carry.ts";
import { APPLY, decode, encode, ITERATE, type Kind, type Objects, ownedBuffer } from "./values.ts";

/** The first object that an end shows: what the other one has to begin with. */
export const FIRST = 1;

/** What MessagePort, Worker and a worker's own scope have in common. */
export interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

type Message =
  | {
      readonly kind: "call";
      readonly id: number;
      readonly object: number;
      readonly method: string;
      readonly given: readonly unknown[];
    }
  | {
      readonly kind: "answer";
      readonly id: number;
      readonly value?: unknown;
      /** What the call has read into buffers among its arguments, in their order. */
      readonly filled?: readonly Uint8Array[];
      readonly error?: CarriedError;
    }
  | { readonly kind: "abort"; readonly signal: number; readonly reason: CarriedError }
  | { readonly kind: "forget"; readonly signal: number }
  | { readonly kind: "release"; readonly object: number }
  | { readonly kind: "notice"; readonly notice: unknown };

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
  readonly method: string;
  readonly given: readonly unknown[];
  /** Where what it reads belongs. */
  readonly targets: readonly Uint8Array[];
}

export interface PeerOptions {
  /** Awaited before a result is answered. */
  readonly settle?: () => Promise<void>;
  /** Something to tell before every answer; undefined: nothing. */
  readonly notice?: () => unknown;
  readonly onNotice?: (notice: unknown) => void;
  /** Classes whose objects travel as what they hold; the same at both ends. */
  readonly kinds?: readonly Kind[];
}

/** Results at least this long change their owner instead of being copied. */
const TRANSFER_BYTES_MIN = 1 << 14;

/** One end of a port. */
export class Peer {
  readonly #port: Port;
  readonly #options: PeerOptions;
  readonly #shown = new Map<number, object>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #signals = new Map<number, AbortController>();
  readonly #watched = new WeakMap<AbortSignal, number>();
  readonly #gone: FinalizationRegistry<number>;
  readonly #unused: FinalizationRegistry<number>;
  #next = 1;
  #over: Error | undefined;

  constructor(port: Port, options: PeerOptions = {}) {
    this.#port = port;
    this.#options = options;
    this.#gone = new FinalizationRegistry((object) => this.#post({ kind: "release", object }));
    this.#unused = new FinalizationRegistry((signal) => this.#post({ kind: "forget", signal }));
    port.onmessage = ({ data }) => void this.#receive(data as Message);
  }

  /** Shows `object` to the other end; the number is what it knows it by. */
  show(object: object): number {
    // A number for each time: the other end gives up each by itself.
    const number = this.#next++;
    this.#shown.set(number, object);
    return number;
  }

  /** Tells the other end something that structured clone takes. */
  tell(notice: unknown): void {
    this.#post({ kind: "notice", notice });
  }

  /** Calls a method of the other end's object. Rejects with what it threw. */
  call(object: number, method: string, given: readonly unknown[]): Promise<unknown> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const filled = new Set<unknown>(buffersOf(method, given));
      const encoded = given.map((each) => encode(each, this.#objects, filled));
      const targets = targetsOf(method, given);
      this.#waiting.set(id, { resolve, reject, method, given, targets });
      this.#post({ kind: "call", id, object, method, given: encoded });
    });
  }

  /** The other end is gone: what waits and what comes rejects with `reason`. */
  end(reason: Error): void {
    this.#over ??= reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
    this.#shown.clear();
  }

  readonly #objects: Objects = {
    kinds: () => this.#options.kinds ?? [],
    show: (object) => this.show(object),
    find: (number) => {
      const object = this.#shown.get(number);
      if (object !== undefined) return object;
      throw failure("EBADF", "call", "the other end has given that object up.");
    },
    call: (object, method, given) => this.call(object, method, given),
    watch: (signal) => {
      const known = this.#watched.get(signal);
      if (known !== undefined) return known;
      const number = this.#next++;
      this.#watched.set(signal, number);
      const tell = () =>
        this.#post({ kind: "abort", signal: number, reason: packError(signal.reason) });
      signal.addEventListener("abort", tell, { once: true });
      this.#unused.register(signal, number);
      return number;
    },
    signal: (number) => {
      const abort = this.#signals.get(number) ?? new AbortController();
      this.#signals.set(number, abort);
      return abort.signal;
    },
    keep: (proxy, number) => this.#gone.register(proxy, number),
  };

  async #receive(message: Message): Promise<void> {
    if (message.kind === "call") return this.#carryOut(message);
    if (message.kind === "abort") {
      this.#signals.get(message.signal)?.abort(unpackError(message.reason));
    } else if (message.kind === "forget") this.#signals.delete(message.signal);
    else if (message.kind === "release") this.#shown.delete(message.object);
    else if (message.kind === "notice") this.#options.onNotice?.(message.notice);
    else this.#answered(message);
  }

  #answered({ id, value, error, filled }: Message & { kind: "answer" }): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    const { method, given, targets } = waiting;
    if (error !== undefined) {
      waiting.reject(unpackError(error));
      return;
    }
    try {
      filled?.forEach((bytes, index) => void targets[index]?.set(bytes));
      waiting.resolve(withBuffers(decode(value, this.#objects), given));
    } catch (cause) {
      waiting.reject(cause instanceof StorageError ? cause : notTaken(method, cause));
    }
  }

  async #carryOut({ id, object, method, given }: Message & { kind: "call" }): Promise<void> {
    const transfer: Transferable[] = [];
    let answer: Message;
    try {
      const own = given.map((each) => decode(each, this.#objects));
      const result = await callOn(this.#objects.find(object), method, own);
      await this.#options.settle?.();
      const value = encode(withoutBuffers(result, own), this.#objects);
      const buffer = ownedBuffer(result, TRANSFER_BYTES_MIN);
      if (buffer !== undefined && !own.includes(result)) transfer.push(buffer);
      const filled = filledOf(targetsOf(method, own), result);
      transfer.push(...filled.map((bytes) => bytes.buffer));
      answer = { kind: "answer", id, value, ...(filled.length > 0 && { filled }) };
    } catch (error) {
      answer = { kind: "answer", id, error: packError(error) };
    }
    const notice = this.#options.notice?.();
    if (notice !== undefined) this.tell(notice);
    try {
      this.#post(answer, transfer);
    } catch (error) {
      // What cannot travel is no answer, but the other end waits for one.
      this.#post({ kind: "answer", id, error: packError(error) });
    }
  }

  #post(message: Message, transfer: Transferable[] = []): void {
    if (this.#over === undefined) this.#port.postMessage(message, transfer);
  }
}

function callOn(object: object, method: string, given: readonly unknown[]): unknown {
  if (method === ITERATE) return iteratorOf(object);
  if (method === APPLY && typeof object === "function") return object(...given);
  const call = (object as Record<string, unknown>)[method];
  // What every object has is no method of its own, and nothing that a message may ask for.
  if (typeof call !== "function" || method in Object.prototype) {
    throw failure("EOPNOTSUPP", method, `there is no method '${method}'.`);
  }
  return call.apply(object, given);
}

function iteratorOf(object: object): object {
  const many = object as Partial<AsyncIterable<unknown> & Iterable<unknown>>;
  const iterator = many[Symbol.asyncIterator]?.() ?? many[Symbol.iterator]?.();
  if (iterator === undefined) throw failure("EINVAL", "call", "it cannot be iterated.");
  return {
    next: () => iterator.next(),
    return: () => iterator.return?.(undefined),
  };
}

/** Arguments that a call fills: read(buffer), read({ buffer }), readv(buffers), readInto(_, to). */
function buffersOf(method: string, given: readonly unknown[]): ArrayBufferView[] {
  const [first, second] = given;
  const named = (first as { buffer?: unknown } | null | undefined)?.buffer;
  const found: readonly unknown[] =
    method === "read"
      ? [ArrayBuffer.isView(first) ? first : named]
      : method === "readv" && Array.isArray(first)
        ? first
        : method === "readInto"
          ? [second]
          : [];
  return found.filter((each) => ArrayBuffer.isView(each));
}

/** The same as bytes, each from where it is filled: read() alone may be told another place. */
function targetsOf(method: string, given: readonly unknown[]): Uint8Array[] {
  const [first, second] = given;
  const span = ArrayBuffer.isView(first) ? second : first;
  const told = (span as { offset?: unknown } | null | undefined)?.offset ?? span;
  const offset = method === "read" && typeof told === "number" ? told : 0;
  return buffersOf(method, given).map(({ buffer, byteOffset, byteLength }) =>
    new Uint8Array(buffer, byteOffset, byteLength).subarray(offset),
  );
}

/** What a call has read, by its result: around it another call may fill the same buffer. */
function filledOf(targets: readonly Uint8Array[], result: unknown): Uint8Array<ArrayBuffer>[] {
  const { bytesRead = 0 } = (result ?? {}) as { bytesRead?: number };
  let left = typeof result === "number" ? result : bytesRead;
  return targets.map((target) => {
    const bytes = target.slice(0, left);
    left -= bytes.length;
    return bytes;
  });
}

function notTaken(method: string, cause: unknown): StorageError {
  const hint = "Leave a buffer where it is until the call has answered.";
  const message = `the answer has found no place here: ${(cause as Error).message}.`;
  return failure("EINVAL", method, message, { hint, cause });
}

/** Read and write answer with the very buffers that they were given: those stay where they are. */
const SAME = "diskwright:same";

function withoutBuffers(result: unknown, [first]: readonly unknown[]): unknown {
  if (typeof result !== "object" || result === null) return result;
  const given = [first, (first as { buffer?: unknown } | null | undefined)?.buffer];
  for (const name of ["buffer", "buffers"] as const) {
    const own = (result as Record<string, unknown>)[name];
    if (typeof own === "object" && own !== null && given.includes(own)) {
      return { ...result, [name]: SAME };
    }
  }
  return result;
}

function withBuffers(result: unknown, [first]: readonly unknown[]): unknown {
  if (typeof result !== "object" || result === null) return result;
  const answer = result as { buffer?: unknown; buffers?: unknown };
  if (answer.buffers === SAME) answer.buffers = first;
  if (answer.buffer === SAME) {
    answer.buffer = ArrayBuffer.isView(first) ? first : (first as { buffer?: unknown }).buffer;
  }
  return result;
}
