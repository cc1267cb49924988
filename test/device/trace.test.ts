/** The trace: the contract with nothing injected, the counts, and each kind of failure. */
import { expect, test } from "vitest";
import {
  type BlockRequest,
  RequestStatus,
  RequestType,
  request,
} from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { deviceContract, noise, read, run } from "../support/contract.ts";

const { IN, OUT, FLUSH, DISCARD, WRITE_ZEROES, GET_ID } = RequestType;
const { OK, IOERR, UNSUPP } = RequestStatus;

deviceContract("trace", ({ sizeBytes, blkSize, readOnly, content }) => {
  const base = MemoryDevice.from(content, { size: sizeBytes, blkSize, readOnly, serial: "T" });
  return { device: new TraceDevice(base), reopen: () => new TraceDevice(base.clone()) };
});

function traced(): TraceDevice {
  return new TraceDevice(MemoryDevice.from(noise(1 << 16, 1)));
}

function statuses(device: TraceDevice, requests: BlockRequest[]): (number | undefined)[] {
  return requests.map((asked) => {
    device.submit([asked]);
    return asked.status;
  });
}

const writes = (count: number) =>
  Array.from({ length: count }, (_, index) => request(OUT, index, noise(512, 50 + index)));

test("counts and log say what passed, batch by batch", () => {
  const device = traced();
  device.submit([request(OUT, 3, new Uint8Array(1024)), request(IN, 9, new Uint8Array(512))]);
  run(device, request(FLUSH, 0), request(DISCARD, 0, undefined, 4));
  run(device, request(WRITE_ZEROES, 8, undefined, 4), request(GET_ID, 0, new Uint8Array(20)));
  device.submit([request(IN, 1 << 20, new Uint8Array(512))]);
  expect(device.counts).toEqual({
    batches: 6,
    reads: 2,
    writes: 1,
    flushes: 1,
    discards: 1,
    zeroes: 1,
    ids: 1,
    failures: 1,
    readBytes: 512,
    writtenBytes: 1024,
  });
  const base = { status: OK, transferred: 0 };
  expect(device.log.slice(0, 4)).toEqual([
    { ...base, batch: 0, type: OUT, sector: 3, sectors: 2, transferred: 1024 },
    { ...base, batch: 0, type: IN, sector: 9, sectors: 1, transferred: 512 },
    { ...base, batch: 1, type: FLUSH, sector: 0, sectors: 0 },
    { ...base, batch: 2, type: DISCARD, sector: 0, sectors: 4 },
  ]);
  expect(device.log.at(-1)?.status).toBe(IOERR);
  device.reset();
  expect([device.counts.batches, device.counts.reads, device.log.length]).toEqual([0, 0, 0]);
});

test("the k-th write fails once, or from then on, and the rest pass", () => {
  const device = traced();
  device.inject({ on: OUT, nth: 3 });
  expect(statuses(device, writes(5))).toEqual([OK, OK, IOERR, OK, OK]);
  expect(device.counts.failures).toBe(1);
  device.inject({ on: OUT, nth: 2, times: Number.POSITIVE_INFINITY });
  expect(statuses(device, writes(4))).toEqual([OK, IOERR, IOERR, IOERR]);
  expect(statuses(device, [request(IN, 0, new Uint8Array(512)), request(FLUSH, 0)])).toEqual([
    OK,
    OK,
  ]);
  device.clear();
  expect(statuses(device, writes(2))).toEqual([OK, OK]);
});

test("a failed request moves nothing; one failed afterwards has moved", () => {
  const device = traced();
  const before = read(device, 4, 512);
  device.inject({ on: OUT, cause: new Error("bad sector") });
  const failed = request(OUT, 4, noise(512, 9));
  device.submit([failed]);
  expect([failed.status, failed.transferred, String(failed.cause)]).toEqual([
    IOERR,
    0,
    "Error: bad sector",
  ]);
  expect(read(device, 4, 512)).toEqual(before);
  device.inject({ on: OUT, answer: "after" });
  expect(statuses(device, [request(OUT, 4, noise(512, 9))])).toEqual([IOERR]);
  expect(read(device, 4, 512)).toEqual(noise(512, 9));
});

test("a short transfer is OK with half the sectors moved, in both directions", () => {
  const device = traced();
  const before = read(device, 0, 4096);
  device.inject({ on: OUT, answer: "short" });
  const written = request(OUT, 0, noise(4096, 7));
  device.submit([written]);
  expect([written.status, written.transferred]).toEqual([OK, 2048]);
  expect(read(device, 0, 2048)).toEqual(noise(4096, 7).slice(0, 2048));
  expect(read(device, 4, 2048)).toEqual(before.slice(2048));
  device.inject({ on: IN, answer: "short" });
  const got = request(IN, 0, new Uint8Array(4096).fill(0xaa));
  device.submit([got]);
  expect([got.status, got.transferred]).toEqual([OK, 2048]);
  expect(got.data.slice(2048)).toEqual(new Uint8Array(2048).fill(0xaa));
});

test("wrong statuses, UNSUPP and lost writes are told apart", () => {
  const device = traced();
  const before = read(device, 0, 512);
  device.inject({ on: OUT, answer: 77 });
  device.inject({ on: OUT, nth: 2, answer: "unsupp" });
  device.inject({ on: OUT, nth: 3, answer: "lost" });
  const asked = [0, 0, 0].map(() => request(OUT, 0, noise(512, 3)));
  expect(statuses(device, asked)).toEqual([77, UNSUPP, OK]);
  expect(asked[2]?.transferred).toBe(512);
  expect(read(device, 0, 512)).toEqual(before);
});

test("an injection bound to sectors leaves all others alone, also in one batch", () => {
  const device = traced();
  device.inject({ within: { sector: 10, sectors: 2 }, times: Number.POSITIVE_INFINITY });
  const batch = [
    request(OUT, 8, noise(1024, 1)),
    request(OUT, 11, noise(512, 2)),
    request(IN, 9, new Uint8Array(1024)),
    request(OUT, 12, noise(512, 3)),
  ];
  device.submit(batch);
  expect(batch.map(({ status }) => status)).toEqual([OK, IOERR, IOERR, OK]);
  expect(read(device, 12, 512)).toEqual(noise(512, 3));
});
