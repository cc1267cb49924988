/**
 * The page's end: an object whose methods are calls to the worker.
 *
 * @example
 * const { api, notices } = connect<Api>(new Worker(url, { type: "module" }), onNotice);
 * await api.install({ name: "a" }, { signal, onEvent: (event) => draw(event) });
 */
import { failure } from "../../base/errors.ts";
import { type FromWorker, fromWire, type Port } from "./wire.ts";

export interface CallOptions<Event> {
  /** Aborted: the worker stops at the next border, and the call rejects with ECANCELED. */
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: Event) => void) | undefined;
}

/** The shape of an API: each method takes one argument and answers with one value. */
export type Methods = Readonly<Record<string, { args: unknown; result: unknown; event?: unknown }>>;

export type Client<Api extends Methods> = {
  readonly [Name in keyof Api]: (
    ...given: Given<Api[Name]["args"], CallOptions<Api[Name]["event"]>>
  ) => Promise<Api[Name]["result"]>;
};

type Given<Args, Options> = [Args] extends [undefined]
  ? [args?: undefined, options?: Options]
  : [args: Args, options?: Options];

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onEvent: ((event: never) => void) | undefined;
}

export interface Connection<Api extends Methods> {
  readonly api: Client<Api>;
  /** The other end is gone: what waits and what comes rejects with `reason`. */
  fail(reason: Error): void;
}

/** Connects to the worker behind `port`; `onNotice` gets what belongs to no call. */
export function connect<Api extends Methods>(
  port: Port,
  onNotice: (notice: unknown) => void = () => {},
): Connection<Api> {
  const pending = new Map<number, Pending>();
  let next = 1;
  let gone: Error | undefined;
  port.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
    if (data.kind === "notice") {
      onNotice(data.notice);
      return;
    }
    const waiting = pending.get(data.id);
    if (waiting === undefined) return;
    if (data.kind === "event") {
      waiting.onEvent?.(data.event as never);
      return;
    }
    pending.delete(data.id);
    if (data.kind === "result") waiting.resolve(data.value);
    else waiting.reject(fromWire(data.error));
  });
  const call = (method: string, args: unknown, options: CallOptions<never> = {}) => {
    const { signal, onEvent } = options;
    if (gone !== undefined) return Promise.reject(gone);
    if (signal?.aborted) {
      return Promise.reject(failure("ECANCELED", method, "stopped before it began."));
    }
    const id = next++;
    const cancel = () => port.postMessage({ kind: "cancel", id });
    signal?.addEventListener("abort", cancel, { once: true });
    const answer = new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject, onEvent });
    });
    port.postMessage({ kind: "call", id, method, args });
    return answer.finally(() => signal?.removeEventListener("abort", cancel));
  };
  const api = new Proxy({} as Client<Api>, {
    // A promise that resolves with the proxy asks it for `then`.
    get: (_, name) => {
      if (typeof name !== "string" || name === "then") return undefined;
      return (args: unknown, options?: CallOptions<never>) => call(name, args, options);
    },
  });
  const fail = (reason: Error) => {
    gone = reason;
    for (const { reject } of pending.values()) reject(reason);
    pending.clear();
  };
  return { api, fail };
}
