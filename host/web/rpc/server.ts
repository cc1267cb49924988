/** The worker's end: carries out calls, and sends their events and what belongs to no call. */
import { failure } from "../../base/errors.ts";
import { Peer, type Port } from "../../base/web/peer/peer.ts";
import type { Methods } from "./client.ts";

/** What a handler gets beside its argument. */
export interface CallContext<Event> {
  readonly signal: AbortSignal;
  emit(event: Event): void;
}

export type Handlers<Api extends Methods> = {
  readonly [Name in keyof Api]: (
    args: Api[Name]["args"],
    context: CallContext<Api[Name]["event"]>,
  ) => Api[Name]["result"] | Promise<Api[Name]["result"]>;
};

type Handler = (args: unknown, context: CallContext<unknown>) => unknown;
type Emit = (event: unknown) => unknown;

/** Of a call that cannot be stopped. */
const NEVER = new AbortController().signal;

/**
 * Serves `handlers` on `port`; answers a function that sends a notice. Handlers that are still to
 * come keep a call waiting; where they never come, each call is told why.
 */
export function serve<Api extends Methods>(
  port: Port,
  handlers: Handlers<Api> | Promise<Handlers<Api>>,
): (notice: unknown) => void {
  // Each call is told; until then there is nobody to tell.
  Promise.resolve(handlers).catch(() => undefined);
  const call = async (name: string, args: unknown, emit: Emit = () => {}, signal = NEVER) => {
    const all = await handlers;
    if (!Object.hasOwn(all, name)) {
      throw failure("EOPNOTSUPP", "call", `the worker has no '${name}'.`);
    }
    return (all[name] as Handler)(args, { signal, emit: (event) => void emit(event) });
  };
  const peer = new Peer(port);
  peer.show(
    new Proxy(
      {},
      {
        get: (_, name) => (args: unknown, emit?: Emit, signal?: AbortSignal) =>
          call(String(name), args, emit, signal),
      },
    ),
  );
  return (notice) => peer.tell(notice);
}
