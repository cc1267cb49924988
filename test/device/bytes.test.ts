/** Bytes as a read-only disk: the contract, a source that ends early, and who closes it. */
import { expect, test } from "vitest";
import { memorySource } from "../../host/base/platform/source.ts";
import { RequestStatus, RequestType, request } from "../../host/device/device.ts";
import { BytesDevice } from "../../host/device/remote/bytes.ts";
import { deviceContract, expectRefused, noise } from "../support/contract.ts";

deviceContract(
  "bytes",
  ({ sizeBytes, content }) => {
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(content.subarray(0, sizeBytes));
    return { device: new BytesDevice(memorySource("own.img", bytes)) };
  },
  { blkSizes: [512], writable: false },
);

test("a source that ends before its size is IOERR, and says where", () => {
  const source = { ...memorySource("short.img", noise(1024, 3)), sizeBytes: 4096 };
  const asked = request(RequestType.IN, 1, new Uint8Array(1024));
  expectRefused(new BytesDevice(source), asked, RequestStatus.IOERR, "ends at LBA 1");
});

test("the source is closed with the device, once", () => {
  let closed = 0;
  const source = { ...memorySource("own.img", noise(512, 4)), close: () => void closed++ };
  const device = new BytesDevice(source);
  device.close();
  device.close();
  expect(closed).toBe(1);
});
