/** The OPFS device where the browser grants 24 MiB. */
import { afterAll, expect, test } from "vitest";
import type { StorageError } from "../../../host/base/errors.ts";
import { RequestType, request } from "../../../host/device/device.ts";
import { OpfsDevice, opfsExists, removeOpfs } from "../../../host/device/local/opfs.ts";
import { noise, read, run } from "../../support/contract.ts";

const PATH = "quota.img";

afterAll(() => removeOpfs(PATH));

test("a disk larger than the quota is refused before a byte is written, and leaves no file", async () => {
  const made = OpfsDevice.create(PATH, { size: "64MiB" });
  const error = (await made.catch((each) => each)) as StorageError;
  expect(error.code).toBe("ENOSPC");
  expect(error.message).toMatch(/no room in .*storage: .* of .* were in use.*Delete other disks/);
  expect((error.cause as Error).name).toBe("QuotaExceededError");
  expect(await opfsExists(PATH)).toBe(false);
});

test("a disk that fits has its room: every sector can be written, and growing is refused", async () => {
  const device = await OpfsDevice.create(PATH, { size: "16MiB" });
  for (let piece = 0; piece < 16; piece++) {
    run(device, request(RequestType.OUT, piece * 2048, noise(2 ** 20, piece)));
  }
  run(device, request(RequestType.FLUSH, 0));
  device.close();
  await expect(OpfsDevice.open(PATH, { growTo: "64MiB" })).rejects.toMatchObject({
    code: "ENOSPC",
  });
  const again = await OpfsDevice.open(PATH);
  expect(again.config.capacity).toBe(32_768);
  for (let piece = 0; piece < 16; piece++) {
    expect(read(again, piece * 2048, 4096)).toEqual(noise(4096, piece));
  }
  again.close();
});
