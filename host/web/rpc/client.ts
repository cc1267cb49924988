/**
 * The page's end: an object whose methods are calls to the worker, each with its events and with a
 * signal that stops it.
 *
 * @example
 * const { api } = connect<Api>(new Worker(url, { type: "module" }), onNotice);
 * await api.install({ name: "a" }, { signal, onEvent: (event) => draw(event) });
 */
import { failure } from "../../base/errors.ts";
import { FIRST, Peer, type Port } from "../../base/web/peer/peer.ts";

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
  const peer = new Peer(port, { onNotice });
  const call = async (method: string, args: unknown, options: CallOptions<never> = {}) => {
    const { signal, onEvent } = options;
    if (signal?.aborted) throw failure("ECANCELED", method, "stopped before it began.");
    return peer.call(FIRST, method, [args, onEvent, signal]);
  };
  const api = new Proxy({} as Client<Api>, {
    // A promise that resolves with the proxy asks it for `then`.
    get: (_, name) => {
      if (typeof name !== "string" || name === "then") return undefined;
      return (args: unknown, options?: CallOptions<never>) => call(name, args, options);
    },
  });
  return { api, fail: (reason) => peer.end(reason) };
}
