/** The core in a worker of a page: loaded from its address, over a disk in OPFS. */
import { expect, test } from "vitest";
import { createDiskOn, loadModules, OpfsDevice, removeOpfs } from "../../../host/browser.ts";
import { openDiskOn } from "../../../host/system/disk/disk.ts";
import { noise } from "../../support/contract.ts";

await loadModules({ core: "/build/core.wasm", media: "/build/media.wasm" });

test("a disk made in OPFS keeps its files over a reopen", async () => {
  expect(crossOriginIsolated).toBe(true);
  const device = await OpfsDevice.create("core.img", { size: "160MiB" });
  const disk = await createDiskOn(device, { layout: "capos" }, { owned: true });
  const content = noise(3_000_000, 1);
  await disk.fs?.promises.writeFile("/etc/large", content);
  await disk.close();
  const again = await OpfsDevice.open("core.img");
  const reopened = openDiskOn(again, {}, { owned: true });
  const found = (await reopened.fs?.promises.readFile("/etc/large")) as Uint8Array;
  expect(found.length).toBe(content.length);
  expect(found.every((byte, at) => byte === content[at])).toBe(true);
  await reopened.close();
  await removeOpfs("core.img");
});
