/** A file that a person chose, as a disk: the contract, and a file that changes while it is read. */
import { expect, test } from "vitest";
import { RequestStatus, RequestType, request } from "../../host/device/device.ts";
import { BlobDevice, type BlobReader } from "../../host/device/remote/blob.ts";
import { deviceContract, equal, expectRefused, noise, read } from "../support/contract.ts";

/** A Blob of Node and a reader for it, as FileReaderSync of a worker is one. */
function blobOf(content: Uint8Array, size = content.length) {
  const part = (from: number, to: number): Uint8Array<ArrayBuffer> => {
    const bytes = new Uint8Array(Math.max(0, Math.min(to, size) - from));
    bytes.set(content.subarray(from, Math.min(to, content.length)));
    return bytes;
  };
  const blob = { size, name: "own.img", slice: (from: number, to: number) => part(from, to) };
  let reads = 0;
  const reader: BlobReader = {
    readAsArrayBuffer: (piece) => {
      reads++;
      return (piece as unknown as Uint8Array<ArrayBuffer>).buffer;
    },
  };
  return { blob: blob as unknown as Blob, reader, count: () => reads };
}

deviceContract(
  "blob",
  ({ sizeBytes, content }) => {
    const { blob, reader } = blobOf(content, sizeBytes);
    return { device: new BlobDevice(blob, { reader }) };
  },
  { blkSizes: [512], writable: false },
);

test("small reads share one reading of the file, a large one is its own", () => {
  const bytes = noise(1 << 20, 3);
  const { blob, reader, count } = blobOf(bytes);
  const device = new BlobDevice(blob, { reader });
  for (let sector = 0; sector < 512; sector++) {
    const wanted = bytes.subarray(sector * 512, sector * 512 + 512);
    expect(equal(read(device, sector, 512), wanted), `sector ${sector}`).toBe(true);
  }
  expect(count()).toBe(1);
  expect(equal(read(device, 0, 1 << 20), bytes)).toBe(true);
  expect(count()).toBe(2);
});

test("what lies behind the last whole sector is no part of the disk", () => {
  const { blob, reader } = blobOf(noise(1300, 4));
  expect(new BlobDevice(blob, { reader }).config.capacity).toBe(2);
});

test("a file without one sector is EINVAL with its name and size", () => {
  const { blob, reader } = blobOf(noise(511, 5));
  expect(() => new BlobDevice(blob, { reader })).toThrow("'own.img' has 511 bytes");
});

test("a file that the browser will not read any more is IOERR, and says to choose it again", () => {
  const { blob } = blobOf(noise(4096, 6));
  const reader: BlobReader = {
    readAsArrayBuffer: () => {
      throw Object.assign(new Error("gone"), { name: "NotReadableError" });
    },
  };
  const device = new BlobDevice(blob, { reader });
  const asked = request(RequestType.IN, 0, new Uint8Array(512));
  expectRefused(device, asked, RequestStatus.IOERR, "Choose the file again.");
});

test("outside a worker it is EOPNOTSUPP, with a sentence", () => {
  const { blob } = blobOf(noise(4096, 7));
  expect(() => new BlobDevice(blob)).toThrow(expect.objectContaining({ code: "EOPNOTSUPP" }));
});
