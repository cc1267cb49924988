/** A disk in IndexedDB by way of a worker of its own: for pages whose threads may share memory. */
import { failure } from "../../../base/errors.ts";
import { unpackError } from "../../../base/web/carry.ts";
import { lifeName, watchLife } from "../../../base/web/life.ts";
import type { BlockDevice } from "../../../device/device.ts";
import { BridgeDevice } from "../../../device/wrap/bridge/client.ts";
import type { BridgeEnd } from "../../../device/wrap/bridge/servant.ts";
import type { ServantAnswer, ServantRequest } from "./servant.ts";

/** Of one round trip, the writing of 64 MiB by a slow computer included. */
const TIMEOUT_MS = 120_000;

/**
 * The worker ends when the device is closed.
 *
 * @throws {StorageError} as IndexedDbDevice.open(); EOPNOTSUPP: no worker could be started; EIO: it
 *   has ended
 */
export async function openFar(path: string, readOnly: boolean): Promise<BlockDevice> {
  const worker = new Worker(new URL("./servant.ts", import.meta.url), { type: "module" });
  const life = lifeName();
  let stop: () => void = () => undefined;
  try {
    const end = await new Promise<BridgeEnd>((resolve, reject) => {
      const lost = (code: "EIO" | "EOPNOTSUPP", why: string) => {
        const message = `the worker of '${path}' ${why}.`;
        reject(failure(code, "worker", message, { path, hint: "Try it again." }));
      };
      worker.onerror = () => lost("EOPNOTSUPP", "could not be started");
      worker.onmessage = ({ data }: MessageEvent<ServantAnswer>) => {
        if (data.kind === "alive") stop = watchLife(life, () => lost("EIO", "has ended"));
        else if (data.kind === "end") resolve(data.end);
        else reject(unpackError(data.error));
      };
      const asked: ServantRequest = { path, readOnly, life };
      worker.postMessage(asked);
    });
    return new BridgeDevice(end, { timeoutMs: TIMEOUT_MS });
  } catch (error) {
    worker.terminate();
    throw error;
  } finally {
    stop();
  }
}
