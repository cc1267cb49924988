/** The worker's end: carries out calls and sends their events, results and errors back. */
import { failure } from "../../base/errors.ts";
import type { Methods } from "./client.ts";
import { type FromPage, type FromWorker, type Port, toWire } from "./wire.ts";

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

/**
 * Serves `handlers` on `port`; answers a function that sends a notice. Handlers that are still to
 * come keep a call waiting; where they never come, each call is told why.
 */
export function serve<Api extends Methods>(
  port: Port,
  handlers: Handlers<Api> | Promise<Handlers<Api>>,
): (notice: unknown) => void {
  const running = new Map<number, AbortController>();
  const send = (message: FromWorker) => port.postMessage(message);
  // Each call is told; until then there is nobody to tell.
  Promise.resolve(handlers).catch(() => undefined);
  const handler = (all: Handlers<Api>, method: string) =>
    Object.hasOwn(all, method)
      ? (all[method] as (args: unknown, context: CallContext<unknown>) => unknown)
      : undefined;
  port.addEventListener("message", async ({ data }: MessageEvent<FromPage>) => {
    const { id } = data;
    if (data.kind === "cancel") {
      running.get(id)?.abort();
      return;
    }
    const abort = new AbortController();
    running.set(id, abort);
    const emit = (event: unknown) => send({ kind: "event", id, event });
    try {
      const act = handler(await handlers, data.method);
      if (act === undefined) {
        throw failure("EOPNOTSUPP", "call", `the worker has no '${data.method}'.`);
      }
      const value = await act(data.args, { signal: abort.signal, emit });
      send({ kind: "result", id, value });
    } catch (error) {
      send({ kind: "error", id, error: toWire(error) });
    } finally {
      running.delete(id);
    }
  });
  return (notice) => send({ kind: "notice", notice });
}
