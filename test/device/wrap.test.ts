/** Wrappers: a read-only view, a window, a copy-on-write layer. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { RequestStatus, RequestType, request, SECTOR_SIZE } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { CowDevice } from "../../host/device/wrap/cow.ts";
import { ReadOnlyDevice } from "../../host/device/wrap/readonly.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { WindowDevice } from "../../host/device/wrap/window.ts";
import { deviceContract, equal, expectRefused, noise, read, run } from "../support/contract.ts";

const { IN, OUT, FLUSH, DISCARD, WRITE_ZEROES } = RequestType;
const { IOERR } = RequestStatus;

deviceContract(
  "read-only wrapper",
  ({ sizeBytes, blkSize, content }) => {
    const base = MemoryDevice.from(content, { size: sizeBytes, blkSize });
    return { device: new ReadOnlyDevice(base) };
  },
  { writable: false },
);

deviceContract("window", ({ sizeBytes, blkSize, readOnly, content }) => {
  const base = new MemoryDevice({ size: sizeBytes + 2 ** 21, blkSize, serial: "BASE" });
  base.poke(2 ** 20, content);
  const window = { sector: 2048, sectors: sizeBytes / SECTOR_SIZE, readOnly, ownsBase: true };
  return {
    device: new WindowDevice(base, window),
    reopen: () => new WindowDevice(base.clone(), window),
  };
});

deviceContract("copy-on-write", ({ sizeBytes, blkSize, readOnly, content }) => {
  const base = MemoryDevice.from(content, { size: sizeBytes, blkSize, readOnly: true });
  const device = new CowDevice(base);
  return { device: readOnly ? new ReadOnlyDevice(device) : device };
});

test("closing a read-only wrapper closes its base, closing a window does not", () => {
  const base = new MemoryDevice({ size: "1MiB" });
  new WindowDevice(base, { sector: 8, sectors: 8 }).close();
  expect(read(base, 0, 512)).toEqual(new Uint8Array(512));
  new ReadOnlyDevice(base).close();
  expectRefused(base, request(IN, 0, new Uint8Array(512)), IOERR, "closed");
});

test("a window adds its offset once and lets nothing past its ends, whatever the request", () => {
  const trace = new TraceDevice(MemoryDevice.from(noise(1 << 18, 1)));
  const window = new WindowDevice(trace, { sector: 100, sectors: 50 });
  const property = fc.property(
    fc.constantFrom(IN, OUT, DISCARD, WRITE_ZEROES),
    fc.oneof(fc.integer({ min: -200, max: 400 }), fc.double()),
    fc.integer({ min: 0, max: 60 }),
    (type, sector, sectors) => {
      trace.reset();
      const moves = type === IN || type === OUT;
      const asked = request(type, sector, new Uint8Array(moves ? sectors * 512 : 0), sectors);
      window.submit([asked]);
      const inside = Number.isInteger(sector) && sector >= 0 && sector + sectors <= 50;
      const passed = trace.log.map((entry) => [entry.sector, entry.sectors]);
      expect(passed).toEqual(inside ? [[sector + 100, sectors]] : []);
      expect(asked.status).toBe(inside ? RequestStatus.OK : IOERR);
    },
  );
  fc.assert(property);
});

test("a window that leaves its device or cuts a block is refused", () => {
  const base = new MemoryDevice({ size: "1MiB", blkSize: 4096 });
  expect(() => new WindowDevice(base, { sector: 2048, sectors: 8 })).toThrow("ERANGE");
  expect(() => new WindowDevice(base, { sector: 0, sectors: 4096 })).toThrow("ERANGE");
  expect(() => new WindowDevice(base, { sector: -8, sectors: 8 })).toThrow("ERANGE");
  expect(() => new WindowDevice(base, { sector: 4, sectors: 8 })).toThrow("EINVAL");
  expect(() => new WindowDevice(base, { sector: 8, sectors: 9 })).toThrow("EINVAL");
  expect(new WindowDevice(base, { sector: 2040 }).config.capacity).toBe(8);
});

test("a copy-on-write layer never writes its base until commit, then exactly the changes", () => {
  const base = new TraceDevice(MemoryDevice.from(noise(1 << 20, 1)));
  const layer = new CowDevice(base);
  const want = noise(1 << 20, 1);
  const writes: [number, number][] = [
    [3, 2],
    [126, 5],
    [4, 1],
    [1000, 300],
    [2047, 1],
  ];
  for (const [sector, sectors] of writes) {
    const data = noise(sectors * 512, sector);
    run(layer, request(OUT, sector, data));
    want.set(data, sector * 512);
  }
  run(layer, request(WRITE_ZEROES, 1200, undefined, 400), request(FLUSH, 0));
  want.fill(0, 1200 * 512, 1600 * 512);
  expect(equal(read(layer, 0, 1 << 20), want)).toBe(true);
  expect([base.counts.writes, base.counts.zeroes, base.counts.flushes]).toEqual([0, 0, 0]);
  expect(equal(read(base, 0, 1 << 20), noise(1 << 20, 1))).toBe(true);
  expect(layer.changes()).toEqual([
    { sector: 3, sectors: 2 },
    { sector: 126, sectors: 5 },
    { sector: 1000, sectors: 600 },
    { sector: 2047, sectors: 1 },
  ]);
  expect(layer.changedBytes).toBe(608 * 512);
  layer.commit();
  expect(base.counts.writtenBytes).toBe(608 * 512);
  expect(base.log.at(-1)?.type).toBe(FLUSH);
  expect(layer.changes()).toEqual([]);
  expect(equal(read(base, 0, 1 << 20), want)).toBe(true);
});

test("discard() brings the base back", () => {
  const layer = new CowDevice(MemoryDevice.from(noise(1 << 16, 2)));
  run(layer, request(OUT, 5, noise(512, 9)));
  layer.discard();
  expect(read(layer, 5, 512)).toEqual(noise(1 << 16, 2).slice(2560, 3072));
});

test("a commit that fails keeps the layer, and can be tried again", () => {
  const base = new TraceDevice(new MemoryDevice({ size: "16MiB" }));
  const layer = new CowDevice(base);
  run(layer, request(OUT, 7, noise(512 * 9000, 3)));
  base.inject({ on: OUT, nth: 2 });
  expect(() => layer.commit()).toThrow(/EIO: commit.*LBA 8199/);
  expect(layer.changedBytes).toBe(512 * 9000);
  base.inject({ on: FLUSH });
  expect(() => layer.commit()).toThrow("EIO");
  layer.commit();
  expect(layer.changedBytes).toBe(0);
  expect(equal(read(base, 7, 512 * 9000), noise(512 * 9000, 3))).toBe(true);
  const sealed = new CowDevice(new MemoryDevice({ size: "1MiB", readOnly: true }));
  run(sealed, request(OUT, 0, noise(512, 1)));
  expect(() => sealed.commit()).toThrow("EROFS");
});

test("a read of the layer fails where the base does, and nowhere else", () => {
  const base = new TraceDevice(MemoryDevice.from(noise(1 << 16, 2)));
  const layer = new CowDevice(base);
  run(layer, request(OUT, 4, noise(1024, 5)));
  base.inject({ within: { sector: 0, sectors: 8 }, times: Number.POSITIVE_INFINITY });
  expect(read(layer, 4, 1024)).toEqual(noise(1024, 5));
  expectRefused(layer, request(IN, 3, new Uint8Array(1024)), IOERR, "half in the base");
  expect(read(layer, 8, 512)).toEqual(noise(1 << 16, 2).slice(4096, 4608));
});
