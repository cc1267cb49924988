/** Raw sectors: exact ranges, pieces a device takes, and an error where one does not end well. */
import { describe, expect, test } from "vitest";
import { RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import {
  eachPiece,
  flushDevice,
  isZero,
  readSectors,
  writeSectors,
  zeroSectors,
} from "../../host/device/sectors.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";

function patterned(sectors: number): Uint8Array {
  return new Uint8Array(sectors * 512).map((_, at) => (at * 7 + (at >> 9)) % 256);
}

describe("raw sectors", () => {
  test("come back as they were written, in pieces that the device takes", () => {
    const device = new TraceDevice(new MemoryDevice({ size: "4MiB", config: { sizeMax: 8192 } }));
    writeSectors(device, 5, patterned(100));
    expect(readSectors(device, 5, 100)).toEqual(patterned(100));
    const sizes = device.log
      .filter((entry) => entry.type === RequestType.OUT)
      .map((entry) => entry.sectors);
    expect(Math.max(...sizes)).toBe(16);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(100);
  });

  test.each([
    ["WRITE_ZEROES", true],
    ["plain writes", false],
  ])("are zeroed by %s, and no sector more", (_, writeZeroes) => {
    const device = new MemoryDevice({ size: "8MiB", writeZeroes });
    writeSectors(device, 0, patterned(8192));
    zeroSectors(device, 100, 5000);
    expect(isZero(readSectors(device, 100, 5000))).toBe(true);
    const before = Buffer.from(patterned(8192));
    expect(before.compare(readSectors(device, 0, 100), 0, 51_200, 0, 51_200)).toBe(0);
    const behind = readSectors(device, 5100, 3092);
    expect(before.subarray(5100 * 512).equals(behind)).toBe(true);
  });

  test("outside the device are ERANGE and touch nothing", () => {
    const device = new TraceDevice(new MemoryDevice({ size: "1MiB" }));
    for (const [first, sectors] of [
      [2048, 1],
      [2047, 2],
      [-1, 1],
      [0.5, 1],
      [0, -1],
    ] as const) {
      expect(() => readSectors(device, first, sectors), `${first}`).toThrow(/ERANGE/);
      expect(() => zeroSectors(device, first, sectors), `${first}`).toThrow(/ERANGE/);
    }
    expect(device.log).toEqual([]);
  });

  test("of a read-only device are EROFS to write", () => {
    const device = new MemoryDevice({ size: "1MiB", readOnly: true });
    expect(() => writeSectors(device, 0, patterned(1))).toThrow(/EROFS/);
    expect(() => zeroSectors(device, 0, 1)).toThrow(/EROFS/);
  });

  test.each(["ioerr", "short"] as const)("that end %s are EIO with the place", (answer) => {
    const device = new TraceDevice(new MemoryDevice({ size: "4MiB" }));
    device.inject({ on: RequestType.IN, within: { sector: 3000, sectors: 1 }, answer });
    expect(() => readSectors(device, 0, 4096)).toThrow(
      expect.objectContaining({ code: "EIO", fault: expect.objectContaining({ lba: 2048 }) }),
    );
  });

  test("a FLUSH that fails is EIO; a device without one has nothing to flush", () => {
    const device = new TraceDevice(new MemoryDevice({ size: "1MiB" }));
    device.inject({ on: RequestType.FLUSH });
    expect(() => flushDevice(device)).toThrow(/EIO/);
    const plain = new TraceDevice(new MemoryDevice({ size: "1MiB", flush: false }));
    flushDevice(plain);
    expect(plain.log).toEqual([]);
  });

  test("are visited in order, until the visitor has seen enough", () => {
    const device = new MemoryDevice({ size: "8MiB" });
    const seen: number[] = [];
    const visit = (_: Uint8Array, sector: number) => seen.push(sector) < 3;
    expect(eachPiece(device, 10, 9000, visit)).toBe(false);
    expect(seen).toEqual([10, 2058, 4106]);
    expect(eachPiece(device, 0, 100, () => true)).toBe(true);
  });
});

test("isZero sees any one byte, wherever the view begins", () => {
  const bytes = new Uint8Array(64);
  for (let from = 0; from < 9; from++) {
    for (let at = from; at < 64; at++) {
      bytes[at] = 1;
      expect(isZero(bytes.subarray(from)), `${from} ${at}`).toBe(false);
      bytes[at] = 0;
    }
    expect(isZero(bytes.subarray(from))).toBe(true);
  }
});
