/** The bridge: an asynchronous device of another thread, under the contract and when it fails. */
import { Worker } from "node:worker_threads";
import { afterAll, expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { Core } from "../../host/core/load.ts";
import { Region } from "../../host/core/region.ts";
import { RequestStatus, RequestType, request } from "../../host/device/device.ts";
import {
  BridgeDevice,
  type BridgeOptions,
  cancelBridge,
} from "../../host/device/wrap/bridge/client.ts";
import type { BridgeEnd } from "../../host/device/wrap/bridge/servant.ts";
import {
  deviceContract,
  expectBytes,
  expectRefused,
  noise,
  read,
  run,
} from "../support/contract.ts";
import type { Ask } from "./bridge/servant.ts";

const { IN, OUT, FLUSH } = RequestType;
const { IOERR } = RequestStatus;

const SERVANT = new URL("./bridge/servant.ts", import.meta.url).href;
// A worker of Node 20 takes no loader from its options.
const start = `import("tsx/esm/api").then(({ tsImport }) => tsImport("${SERVANT}", "${SERVANT}"));`;
const worker = new Worker(start, { eval: true });
afterAll(() => worker.terminate());

interface Answer {
  readonly id: number;
  readonly end?: BridgeEnd;
}

let asked = 0;
const waiting = new Map<string, (answer: Answer) => void>();
worker.on("message", (answer: Answer) => {
  waiting.get(answer.end === undefined ? `${answer.id} closed` : `${answer.id}`)?.(answer);
});

async function served(ask: Partial<Ask>): Promise<{ end: BridgeEnd; closed: Promise<Answer> }> {
  const id = asked++;
  const options = { size: 2 ** 20, blkSize: 512 as const, readOnly: false, serial: "B-1" };
  const made = new Promise<Answer>((resolve) => waiting.set(`${id}`, resolve));
  const closed = new Promise<Answer>((resolve) => waiting.set(`${id} closed`, resolve));
  worker.postMessage({ id, content: new Uint8Array(0), options, ...ask });
  return { end: (await made).end as BridgeEnd, closed };
}

async function opened(ask: Partial<Ask> = {}, options: BridgeOptions = {}): Promise<BridgeDevice> {
  return new BridgeDevice((await served(ask)).end, options);
}

deviceContract("bridge", async ({ sizeBytes, blkSize, readOnly, content }) => {
  const options = { size: sizeBytes, blkSize, readOnly, serial: "B-1" };
  return { device: await opened({ content, options }) };
});

test("requests larger than the channel move whole", async () => {
  const options = { size: 2 ** 23, blkSize: 512 as const, readOnly: false, serial: "" };
  const device = await opened({ options });
  const data = noise(5_000_192, 1);
  expect(run(device, request(OUT, 3, data)).transferred).toBe(data.length);
  expectBytes(read(device, 3, data.length), data);
  device.close();
});

test("the core formats and uses a disk over the bridge", async () => {
  const options = { size: 2 ** 26, blkSize: 512 as const, readOnly: false, serial: "" };
  const device = await opened({ options });
  const core = new Core();
  const id = core.attach(device);
  Region.format(core, id);
  const region = Region.open(core, id);
  region.files?.writeFile("/hello", "over the bridge");
  region.files?.sync();
  expect(region.files?.readFile("/hello", "utf8")).toBe("over the bridge");
  region.close();
  device.close();
});

test("an error of the other thread arrives with its code, and a rejection as a cause", async () => {
  const device = await opened({ manner: "rejects" });
  const flush = request(FLUSH, 0);
  expectRefused(device, flush, IOERR, "FLUSH");
  expect(flush.cause).toMatchObject({ name: "RangeError", message: "a device must not do this" });
  run(device, request(OUT, 0, noise(512, 1)));
  device.close();
  const gone = request(IN, 0, new Uint8Array(512));
  expectRefused(device, gone, IOERR, "closed");
  expect(gone.cause).toMatchObject({ code: "EBADF" });
});

test("a servant that never answers is ETIMEDOUT, and its late answer reaches nobody", async () => {
  const device = await opened({ manner: "slow" }, { timeoutMs: 50 });
  run(device, request(OUT, 0, noise(512, 1)));
  const started = Date.now();
  const flush = request(FLUSH, 0);
  expectRefused(device, flush, IOERR, "FLUSH");
  expect(flush.cause).toBeInstanceOf(StorageError);
  expect(flush.cause).toMatchObject({ code: "ETIMEDOUT", errno: -110 });
  await new Promise((resolve) => setTimeout(resolve, 400));
  for (const late of [request(IN, 0, new Uint8Array(512)), request(FLUSH, 0)]) {
    expectRefused(device, late, IOERR, "late");
    expect(late.cause).toMatchObject({ code: "ETIMEDOUT" });
  }
  device.close();
  expect(Date.now() - started).toBeLessThan(5000);
});

test("cancelling wakes a client that sleeps, from either end, and closes the device", async () => {
  const device = await opened({ manner: "deaf", cancelMs: 50 });
  const flush = request(FLUSH, 0);
  expectRefused(device, flush, IOERR, "FLUSH");
  expect(flush.cause).toMatchObject({ code: "ECANCELED" });
  const { end, closed } = await served({});
  const other = new BridgeDevice(end);
  run(other, request(OUT, 0, noise(512, 1)));
  cancelBridge(end.shared);
  const write = request(OUT, 0, noise(512, 2));
  expectRefused(other, write, IOERR, "OUT");
  expect(write.cause).toMatchObject({ code: "ECANCELED" });
  // The servant hears of it with the next message, and lets its device go.
  end.port.postMessage(null);
  await closed;
});
