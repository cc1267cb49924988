/** The end of a bridge that has the asynchronous device: it answers what the other end asks. */
import { ErrorCode } from "../../../../assembly/format/errors.ts";
import type { AsyncBlockDevice } from "../../async.ts";
import { type BlockDevice, type BlockRequest, refuse } from "../../device.ts";
import { Channel, State } from "./channel.ts";

/** What the other thread needs: post it there, with `port` in the list of what is transferred. */
export interface BridgeEnd
  extends Pick<BlockDevice, "name" | "config" | "identity" | "durability"> {
  readonly shared: SharedArrayBuffer;
  readonly port: MessagePort;
}

/** A device that is being served. */
export interface Served {
  readonly end: BridgeEnd;
  /** Resolves once the client has closed the device, or the bridge was given up. */
  readonly closed: Promise<void>;
  /** Gives the bridge up: a client that waits is woken with ECANCELED; the device is closed. */
  cancel(): void;
}

/**
 * Serves `device` to one BridgeDevice in another thread. This thread must stay free to run: it is
 * woken by messages, and the other one sleeps until it has answered.
 *
 * @example
 * const { end } = serveDevice(device);
 * worker.postMessage(end, [end.port]);
 */
export function serveDevice(device: AsyncBlockDevice, signal?: AbortSignal): Served {
  const channel = new Channel();
  const { port1, port2 } = new MessageChannel();
  const abort = new AbortController();
  let ended: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    ended = resolve;
  });
  let over = false;
  const end = async () => {
    if (over) return;
    over = true;
    port1.close();
    await device.close().catch(() => undefined);
    ended();
  };
  const cancel = () => {
    channel.abandon(ErrorCode.ECANCELED);
    abort.abort();
    void end();
  };
  port1.onmessage = async () => {
    if (channel.state === State.GONE) return cancel();
    const batch = channel.takeBatch();
    if (batch === undefined) {
      await end();
      channel.move(State.ASKED, State.ANSWERED);
      return;
    }
    await carryOut(device, batch, abort.signal);
    if (channel.state !== State.ASKED) return cancel();
    channel.putAnswers(batch);
    channel.move(State.ASKED, State.ANSWERED);
  };
  if (signal?.aborted) cancel();
  else signal?.addEventListener("abort", cancel, { once: true });
  const { name, config, identity, durability } = device;
  const described = { name, config, identity, durability };
  return { end: { ...described, shared: channel.shared, port: port2 }, closed, cancel };
}

async function carryOut(
  device: AsyncBlockDevice,
  batch: readonly BlockRequest[],
  signal: AbortSignal,
): Promise<void> {
  try {
    await device.submit(batch, signal);
  } catch (cause) {
    for (const asked of batch) refuse(asked, cause);
  }
}
