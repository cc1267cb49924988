/** The memory device: the contract, clones, sparse content, export and import. */
import { expect, test } from "vitest";
import { RequestStatus, RequestType, request } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { deviceContract, expectRefused, noise, read, run } from "../support/contract.ts";

const { IN, OUT, FLUSH, DISCARD, WRITE_ZEROES } = RequestType;

deviceContract("memory", ({ sizeBytes, blkSize, readOnly, content }) => {
  const device = MemoryDevice.from(content, { size: sizeBytes, blkSize, readOnly, serial: "M-1" });
  return { device, reopen: () => device.clone() };
});

deviceContract("memory without options", ({ sizeBytes, blkSize, readOnly, content }) => {
  const off = { flush: false, discard: false, writeZeroes: false };
  return { device: MemoryDevice.from(content, { size: sizeBytes, blkSize, readOnly, ...off }) };
});

test("a clone and its origin never see each other's writes", () => {
  const origin = MemoryDevice.from(noise(1 << 18, 1));
  const copy = origin.clone();
  run(origin, request(OUT, 0, noise(512, 2)));
  run(copy, request(OUT, 200, noise(512, 3)), request(WRITE_ZEROES, 300, undefined, 128));
  const second = copy.clone();
  run(copy, request(OUT, 200, noise(512, 4)));
  expect(read(origin, 200, 512)).toEqual(noise(1 << 18, 1).slice(200 * 512, 201 * 512));
  expect(read(origin, 0, 512)).toEqual(noise(512, 2));
  expect(read(copy, 0, 512)).toEqual(noise(1 << 18, 1).slice(0, 512));
  expect(read(second, 200, 512)).toEqual(noise(512, 3));
  expect(read(copy, 200, 512)).toEqual(noise(512, 4));
  expect(read(second, 300, 512)).toEqual(new Uint8Array(512));
  expect(origin.peek(300 * 512, 512)).toEqual(noise(1 << 18, 1).slice(300 * 512, 301 * 512));
});

test("a clone keeps shape and identity unless told otherwise", () => {
  const origin = new MemoryDevice({ size: "1MiB", blkSize: 4096, serial: "one", pci: 7 });
  expect(origin.clone().config).toEqual(origin.config);
  expect(origin.clone().identity).toEqual({ pci: "1af4:1042@00:07.0", serial: "one" });
  const copy = origin.clone({ readOnly: true, serial: "two" });
  expectRefused(copy, request(OUT, 0, new Uint8Array(4096)), RequestStatus.IOERR, "read-only");
  expect(copy.identity.serial).toBe("two");
});

test("16 TiB cost nothing until written, and little when written at both ends", () => {
  const device = new MemoryDevice({ size: "16TiB" });
  expect(device.allocatedBytes).toBe(0);
  run(device, request(OUT, 0, noise(512, 1)), request(OUT, 2 ** 35 - 1, noise(512, 2)));
  expect(device.allocatedBytes).toBe(2 * 65536);
  run(device, request(IN, 2 ** 34, new Uint8Array(1 << 20)));
  expect(device.allocatedBytes).toBe(2 * 65536);
  run(device, request(DISCARD, 2 ** 35 - 2 ** 22, undefined, 2 ** 22), request(FLUSH, 0));
  expect(device.allocatedBytes).toBe(65536);
});

test("bytes() and from() carry the content, touched() names the chunks", () => {
  const device = new MemoryDevice({ size: 200_704 });
  run(device, request(OUT, 260, noise(512, 5)));
  expect(device.bytes().length).toBe(200_704);
  expect(MemoryDevice.from(device.bytes()).peek(260 * 512, 512)).toEqual(noise(512, 5));
  const chunks = [...device.touched()].map(([offset, bytes]) => [offset, bytes.length]);
  expect(chunks).toEqual([[131_072, 65_536]]);
  run(device, request(OUT, 384, noise(512, 6)));
  expect([...device.touched()].at(-1)?.[1].length).toBe(200_704 - 196_608);
});

test("flip() changes one bit, also of a closed device", () => {
  const device = new MemoryDevice({ size: "1MiB" });
  device.close();
  device.flip(8 * 1000 + 3);
  expect(device.peek(999, 3)).toEqual(Uint8Array.of(0, 8, 0));
  device.flip(8 * 1000 + 3);
  expect(device.peek(999, 3)).toEqual(new Uint8Array(3));
});

test("sizes, blocks, serials and slots that no device has are EINVAL", () => {
  const bad = [
    { size: 100 },
    { size: 4608, blkSize: 4096 as const },
    { size: "1MiB", blkSize: 1024 as unknown as 512 },
    { size: "1MiB", serial: "more than twenty characters" },
    { size: "1MiB", serial: "tab\t" },
    { size: "1MiB", pci: 32 },
    { size: "1MiB", pci: "04:00.0" },
    { size: "-5" },
    { size: "10 parsecs" },
  ];
  for (const options of bad) {
    expect(() => new MemoryDevice(options), JSON.stringify(options)).toThrow("EINVAL");
  }
});
