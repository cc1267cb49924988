/** The IndexedDB device over the bridge: served by a worker of its own, the core's can sleep. */
import { expect, test } from "vitest";
import { type CarriedError, unpackError } from "../../../host/base/web/carry.ts";
import { createDiskOn, loadModules, openDiskOn } from "../../../host/browser.ts";
import { removeIndexedDb } from "../../../host/device/local/indexeddb.ts";
import { BridgeDevice, canBridge } from "../../../host/device/wrap/bridge/client.ts";
import type { BridgeEnd } from "../../../host/device/wrap/bridge/servant.ts";
import { deviceContract, noise } from "../../support/contract.ts";
import type { Ask } from "../indexeddb-servant.worker.ts";

const servant = new Worker(new URL("../indexeddb-servant.worker.ts", import.meta.url), {
  type: "module",
});
let count = 0;

function fresh(): string {
  return `worker-${count++}-${Math.random()}`;
}

async function served(ask: Ask): Promise<BridgeDevice> {
  const answer = await new Promise<BridgeEnd & { error?: CarriedError }>((resolve) => {
    servant.onmessage = ({ data }) => resolve(data);
    servant.postMessage(ask);
  });
  if (answer.error !== undefined) throw unpackError(answer.error);
  return new BridgeDevice(answer);
}

deviceContract(
  "indexeddb by the bridge",
  async ({ sizeBytes, blkSize, readOnly, content }) => {
    const name = fresh();
    const options = { blkSize, serial: "IDB-2" };
    const device = await served({ name, size: sizeBytes, content, options, readOnly });
    const reopen = () => served({ name, options });
    return { device, reopen, dispose: () => removeIndexedDb(name) };
  },
  { sizeMax: 2 ** 40, runs: 10 },
);

test("a disk made over the bridge keeps its files over a reopen, and errors keep their code", async () => {
  await loadModules({ core: "/build/core.wasm", media: "/build/media.wasm" });
  expect(canBridge()).toBe(true);
  const name = fresh();
  const options = { blkSize: 512, serial: "IDB-3" } as const;
  const disk = await createDiskOn(
    await served({ name, size: 160 << 20, options }),
    { layout: "capos" },
    { owned: true },
  );
  const content = noise(1_000_000, 1);
  await disk.fs?.promises.writeFile("/etc/large", content);
  await disk.close();
  const reopened = openDiskOn(await served({ name, options }), {}, { owned: true });
  const found = (await reopened.fs?.promises.readFile("/etc/large")) as Uint8Array;
  expect(found.every((byte, at) => byte === content[at]) && found.length).toBe(content.length);
  await reopened.close();
  await removeIndexedDb(name);
  await expect(served({ name, options })).rejects.toMatchObject({ code: "ENOENT", path: name });
});
