/** The HTTP device in Node: over servers good and bad, and under the contract over the bridge. */
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HttpRangeDevice, HttpSyncDevice } from "../../host/device/remote/http.ts";
import { ReadAhead } from "../../host/device/remote/ranges.ts";
import { BridgeDevice } from "../../host/device/wrap/bridge/client.ts";
import type { BridgeEnd } from "../../host/device/wrap/bridge/servant.ts";
import { deviceContract } from "../support/contract.ts";
import { httpTests } from "../support/http.ts";
import { startRangeServer } from "../support/range-server.ts";

let url = "";
beforeAll(async () => {
  const started = await startRangeServer();
  url = started.url;
  return () => started.server.close();
});

httpTests(
  () => url,
  (...given) => HttpRangeDevice.open(...given),
  false,
);

const SERVANT = new URL("./bridge/http-servant.ts", import.meta.url).href;
const start = `import("tsx/esm/api").then(({ tsImport }) => tsImport("${SERVANT}", "${SERVANT}"));`;
const worker = new Worker(start, { eval: true });
afterAll(() => worker.terminate());

deviceContract(
  "http by the bridge",
  async ({ sizeBytes, blkSize, content }) => {
    const end = await new Promise<BridgeEnd>((resolve) => {
      worker.once("message", resolve);
      worker.postMessage({ sizeBytes, blkSize, content });
    });
    return { device: new BridgeDevice(end) };
  },
  { writable: false },
);

test("a synchronous device is EOPNOTSUPP where there is no XMLHttpRequest", async () => {
  await expect(HttpSyncDevice.open("http://127.0.0.1:9/")).rejects.toMatchObject({
    code: "EOPNOTSUPP",
  });
});

test("what is kept of a file is bounded, the newest stays, and odd sizes are EINVAL", () => {
  const cache = new ReadAhead(2 ** 30, { cacheBytes: 2 ** 22 });
  let asked = 0;
  const read = (offset: number) => {
    const reading = cache.read(offset, new Uint8Array(512));
    for (let turn = reading.next(); !turn.done; asked++) {
      turn = reading.next(new Uint8Array(turn.value.length));
    }
  };
  for (let at = 0; at < 2 ** 25; at += 2 ** 16) {
    read(at);
    // Read all the time, so never the oldest.
    read(0);
  }
  expect(cache.keptBytes).toBe(2 ** 22);
  const before = asked;
  read(0);
  expect(asked).toBe(before);
  read(2 ** 17);
  expect(asked).toBe(before + 1);
  for (const blockBytes of [4096, 2 ** 16 + 512, 2 ** 21, 0]) {
    expect(() => new ReadAhead(1, { blockBytes }), `${blockBytes}`).toThrow("EINVAL");
  }
});
