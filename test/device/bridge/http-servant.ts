/** The other thread of http.test.ts: a server, and devices over its files. */
import { parentPort } from "node:worker_threads";
import { HttpRangeDevice } from "../../../host/device/remote/http.ts";
import { serveDevice } from "../../../host/device/wrap/bridge/servant.ts";
import { put } from "../../support/put.ts";
import { startRangeServer } from "../../support/range-server.ts";

interface Ask {
  readonly sizeBytes: number;
  readonly blkSize: 512 | 4096;
  readonly content: Uint8Array;
}

const port = parentPort;
if (port === null) throw new Error("this is no worker");
const { url } = await startRangeServer();

port.on("message", async ({ sizeBytes, blkSize, content }: Ask) => {
  const bytes = new Uint8Array(sizeBytes);
  bytes.set(content);
  const address = await put(url, bytes);
  const device = await HttpRangeDevice.open(address("good"), { blkSize, serial: "HTTP-1" });
  const { end } = serveDevice(device);
  port.postMessage(end, [end.port as never]);
});
