/** Changes in OPFS over a disk that is only read, by synchronous requests: the contract, a disk. */
import { expect, test } from "vitest";
import {
  createDiskOn,
  HttpSyncDevice,
  loadModules,
  MemoryDevice,
  OpfsDevice,
  OverlayDevice,
  openDiskOn,
  removeOpfs,
} from "../../../host/browser.ts";
import { deviceContract } from "../../support/contract.ts";
import { put } from "../../support/put.ts";

let count = 0;

function fresh(): string {
  return `overlay-${count++}-${Math.random()}.cow`;
}

deviceContract(
  "overlay of OPFS over HTTP",
  async ({ sizeBytes, blkSize, readOnly, content }) => {
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(content);
    const address = await put(location.origin, bytes);
    const path = fresh();
    const base = () => HttpSyncDevice.open(address("good"), { blkSize, serial: "OVER-1" });
    const size = OverlayDevice.sizeFor(await base());
    const file = await OpfsDevice.create(path, { size, blkSize });
    let device = OverlayDevice.create(await base(), file);
    const reopen = async (readOnly = false) =>
      OverlayDevice.open(await base(), await OpfsDevice.open(path, { blkSize, readOnly }));
    if (readOnly) {
      device.close();
      device = await reopen(true);
    }
    return { device, reopen: () => reopen(), dispose: () => removeOpfs(path) };
  },
  { blkSizes: [4096], sizeMax: 2 ** 26, runs: 10 },
);

test("a disk of the web is changed here, keeps its changes, and is refused once it is another", async () => {
  await loadModules({ core: "/build/core.wasm", media: "/build/media.wasm" });
  const image = new MemoryDevice({ size: "16MiB" });
  const made = await createDiskOn(image, { layout: "region" }, { owned: false });
  await made.fs?.promises.writeFile("/from-the-web", "one");
  await made.close();
  const address = await put(location.origin, image.bytes());
  const path = fresh();
  const base = await HttpSyncDevice.open(address("good"));
  const file = await OpfsDevice.create(path, { size: OverlayDevice.sizeFor(base) });
  const disk = openDiskOn(OverlayDevice.create(base, file), {}, { owned: true });
  await disk.fs?.promises.writeFile("/from-here", "two");
  await disk.close();
  const device = OverlayDevice.open(
    await HttpSyncDevice.open(address("good")),
    await OpfsDevice.open(path),
  );
  expect(device.changedBytes).toBeLessThan(2 ** 20);
  const again = openDiskOn(device, {}, { owned: true });
  expect(await again.fs?.promises.readFile("/from-the-web", "utf8")).toBe("one");
  expect(await again.fs?.promises.readFile("/from-here", "utf8")).toBe("two");
  await again.close();
  const other = await put(location.origin, image.bytes());
  const changes = await OpfsDevice.open(path);
  const elsewhere = await HttpSyncDevice.open(other("good"));
  expect(() => OverlayDevice.open(elsewhere, changes)).toThrow(
    /holds changes of .*make a new layer/,
  );
  changes.close();
  await removeOpfs(path);
});
