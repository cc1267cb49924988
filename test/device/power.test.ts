/** A disk whose plug is pulled: what waited is kept or lost by block, what was flushed is there. */
import { expect, test } from "vitest";
import { seededRandom } from "../../host/base/seed.ts";
import { RequestStatus, RequestType, request } from "../../host/device/device.ts";
import { PowerDevice, type PowerOptions } from "../../host/device/fault/power.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { deviceContract, expectRefused, noise, read, run } from "../support/contract.ts";

const { IN, OUT, FLUSH, WRITE_ZEROES } = RequestType;
const { IOERR } = RequestStatus;
const random = seededRandom("1", "power");

deviceContract("power", ({ sizeBytes, blkSize, readOnly, content }) => {
  const base = MemoryDevice.from(content, { size: sizeBytes, blkSize, readOnly });
  return {
    device: new PowerDevice(base, { random, cacheBytes: 16384 }),
    reopen: () => new PowerDevice(base.clone(), { random }),
  };
});

function powered(options: Partial<PowerOptions> = {}) {
  const base = new MemoryDevice({ size: "4MiB" });
  const trace = new TraceDevice(base);
  const device = new PowerDevice(trace, { random: seededRandom("7", "cut"), ...options });
  const write = (sector: number, bytes: Uint8Array) => run(device, request(OUT, sector, bytes));
  return { base, trace, device, write };
}

test("a cut keeps what was flushed, and of what waited some blocks and not others", () => {
  const { base, device, write } = powered();
  const [before, after] = [noise(64 * 512, 1), noise(64 * 512, 2)];
  write(0, before);
  run(device, request(FLUSH, 0));
  write(0, after);
  expect(read(device, 0, after.length)).toEqual(after);
  expect(base.peek(0, after.length)).toEqual(before);
  const { kept, lost } = device.cut();
  expect(kept + lost).toBe(64);
  const sector = (bytes: Uint8Array, at: number) => bytes.slice(at * 512, at * 512 + 512);
  const found = base.peek(0, after.length);
  const isNew = Array.from({ length: 64 }, (_, at) => {
    const bytes = sector(found, at);
    const fresh = bytes.every((byte, index) => byte === sector(after, at)[index]);
    if (!fresh) expect(bytes).toEqual(sector(before, at));
    return fresh;
  });
  expect(isNew.filter(Boolean)).toHaveLength(kept);
  expect(kept).toBeGreaterThan(10);
  expect(lost).toBeGreaterThan(10);
  expectRefused(device, request(IN, 0, new Uint8Array(512)), IOERR, "power");
});

test("blocks of 4096 bytes are kept or lost whole", () => {
  const base = new MemoryDevice({ size: "1MiB", blkSize: 4096 });
  const device = new PowerDevice(base, { random: seededRandom("9", "cut") });
  for (let at = 0; at < 8; at++) run(device, request(OUT, at * 8, new Uint8Array(4096).fill(9)));
  const { kept, lost } = device.cut();
  expect(kept + lost).toBe(8);
  const blocks = Array.from({ length: 8 }, (_, at) => new Set(base.peek(at * 4096, 4096)));
  expect(blocks.filter((block) => block.has(9))).toHaveLength(kept);
  expect(blocks.every((block) => block.size === 1)).toBe(true);
});

test("the write that cutAfter() names is refused, those before it were taken", () => {
  let reports = 0;
  const { device, write } = powered({ onCut: () => reports++ });
  device.cutAfter(3);
  write(0, noise(512, 1));
  write(8, noise(512, 2));
  expect(device.isOn).toBe(true);
  expectRefused(device, request(OUT, 16, noise(512, 3)), IOERR, "power");
  expect(reports).toBe(1);
  expect(device.spare()).toBe(false);
});

test("what a cut has let through is flushed: below it is for good", () => {
  const { trace, device, write } = powered();
  write(0, noise(65536, 1));
  write(1024, noise(512, 2));
  expect(trace.counts.flushes).toBe(0);
  device.cut();
  expect(trace.counts.flushes).toBe(1);
  device.close();
  expect(trace.counts.flushes).toBe(1);
});

test("a cut that is taken back does not come", () => {
  const { device, write } = powered();
  expect(device.isArmed).toBe(false);
  device.cutAfter(1);
  expect(device.isArmed).toBe(true);
  expect(device.spare()).toBe(true);
  write(0, noise(512, 1));
  expect(device.isOn).toBe(true);
});

test("small writes reach the device as one run at the flush, large ones and zeros at once", () => {
  const { trace, device, write } = powered();
  for (let at = 0; at < 256; at += 8) write(2048 + at, noise(4096, at));
  expect(trace.counts.writes).toBe(0);
  write(4096, noise(65536, 1));
  expect(trace.counts.writes).toBe(1);
  run(device, request(WRITE_ZEROES, 2048, new Uint8Array(0), 8));
  expect(trace.counts.zeroes).toBe(1);
  run(device, request(FLUSH, 0));
  expect(trace.counts.writes).toBe(2);
  expect(read(device, 2048, 4096)).toEqual(new Uint8Array(4096));
  expect(read(device, 2056, 4096)).toEqual(noise(4096, 8));
});

test("what the device does not take at a flush fails the flush, and is tried again", () => {
  const { trace, device, write } = powered();
  write(0, noise(4096, 5));
  trace.inject({ on: OUT });
  const failed = request(FLUSH, 0);
  device.submit([failed]);
  expect(failed.status).toBe(IOERR);
  run(device, request(FLUSH, 0));
  expect(read(trace, 0, 4096)).toEqual(noise(4096, 5));
});
