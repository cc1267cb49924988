/** The other thread of bridge.test.ts: makes devices of memory and serves them as asynchronous. */
import { parentPort } from "node:worker_threads";
import { type AsyncBlockDevice, asAsync } from "../../../host/device/async.ts";
import { RequestType } from "../../../host/device/device.ts";
import { MemoryDevice } from "../../../host/device/local/memory.ts";
import { type Served, serveDevice } from "../../../host/device/wrap/bridge/servant.ts";

export interface Ask {
  readonly id: number;
  readonly content: Uint8Array;
  readonly options: { size: number; blkSize: 512 | 4096; readOnly: boolean; serial: string };
  /** `slow`: a FLUSH takes 200 ms; `deaf`: no FLUSH is ever answered. */
  readonly manner?: "slow" | "deaf" | "rejects" | undefined;
  /** Cancels the bridge so long after it was made. */
  readonly cancelMs?: number | undefined;
}

const port = parentPort;
if (port === null) throw new Error("this is no worker");

port.on("message", ({ id, content, options, manner, cancelMs }: Ask) => {
  const device = asAsync(MemoryDevice.from(content, options));
  const served: Served = serveDevice(mannered(device, manner));
  void served.closed.then(() => port.postMessage({ id, closed: true }));
  if (cancelMs !== undefined) setTimeout(() => served.cancel(), cancelMs);
  port.postMessage({ id, end: served.end }, [served.end.port as never]);
});

function mannered(device: AsyncBlockDevice, manner: Ask["manner"]): AsyncBlockDevice {
  return {
    ...device,
    async submit(batch, signal) {
      if (batch.some(({ type }) => type === RequestType.FLUSH)) {
        if (manner === "rejects") throw new RangeError("a device must not do this");
        if (manner === "deaf") await new Promise(() => undefined);
        if (manner === "slow") await new Promise((resolve) => setTimeout(resolve, 200));
      }
      await device.submit(batch, signal);
    },
  };
}
