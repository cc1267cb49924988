/** Reads of a volume: cut at the end of a file, inside its extents, on its own device. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { IsoVolume } from "../../host/core/media/iso.ts";
import { MediaCore } from "../../host/core/media/load.ts";
import { RequestType } from "../../host/device/device.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TraceDevice } from "../../host/device/wrap/trace.ts";
import { BLOCK, isoOf, openOn, pokeBoth, recordAt } from "../support/media.ts";
import { noise } from "../system/support.ts";

const FILES = {
  "boot/bins/A.BIN": noise(5000, 1),
  "boot/bins/B.BIN": noise(2048, 2),
  "boot/bins/C.BIN": noise(513, 3),
  empty: "",
};

test("any offset and length of any name gives bytes of that file's extents alone", () => {
  const { device } = isoOf(FILES);
  const trace = new TraceDevice(device);
  const other = new TraceDevice(new MemoryDevice({ size: "1MiB" }));
  const media = new MediaCore();
  const id = media.attach(trace);
  media.attach(other);
  const volume = IsoVolume.open(media, id);
  const paths = Object.keys(FILES) as (keyof typeof FILES)[];
  const offsets = fc.oneof(fc.nat(6000), fc.constantFrom(0, 511, 512, 2047, 2048, 2 ** 40));
  fc.assert(
    fc.property(fc.constantFrom(...paths), offsets, fc.nat(6000), (path, offset, length) => {
      const { sector, sizeBytes } = volume.stat(path);
      const file = volume.openFile(path);
      // Finding the file reads directories; reading it must not.
      trace.log.length = 0;
      const into = new Uint8Array(length);
      const got = file.read(offset, into);
      file.close();
      const expected = Buffer.from(FILES[path]).subarray(offset, offset + length);
      expect(got).toBe(expected.length);
      expect(Buffer.compare(into.subarray(0, got), expected)).toBe(0);
      expect(into.subarray(got).every((byte) => byte === 0)).toBe(true);
      const end = sector + Math.ceil(sizeBytes / 512);
      const outside = trace.log.filter(
        (entry) =>
          entry.type !== RequestType.IN ||
          entry.sector < sector ||
          entry.sector + entry.sectors > end,
      );
      expect(outside).toEqual([]);
    }),
    { numRuns: 300 },
  );
  expect(other.log).toEqual([]);
});

test("a file of several extents is one file, read across their borders", () => {
  // Three records of one name: what a tool writes for a file above 4 GiB, only smaller.
  const parts = [noise(2 * BLOCK, 1), noise(BLOCK, 2), noise(100, 3)];
  const { device } = isoOf({
    "M0.BIN": parts[0] ?? "",
    "M1.BIN": parts[1] ?? "",
    "M2.BIN": parts[2] ?? "",
  });
  for (const [index, more] of [true, true, false].entries()) {
    const at = recordAt(device, `M${index}.BIN`);
    device.poke(at + 34, Uint8Array.of(0x30));
    device.poke(at + 25, Uint8Array.of(more ? 0x80 : 0));
  }
  const volume = openOn(device, { names: "plain" });
  const whole = Buffer.concat(parts);
  expect(volume.list("/")).toMatchObject([{ name: "M0.BIN", sizeBytes: whole.length, extents: 3 }]);
  expect(Buffer.compare(volume.readFile("/M0.BIN"), whole)).toBe(0);
  for (const [offset, length] of [
    [2 * BLOCK - 1, BLOCK + 2],
    [3 * BLOCK - 7, 50],
    [3 * BLOCK, 999],
  ]) {
    const expected = whole.subarray(offset, (offset ?? 0) + (length ?? 0));
    expect(Buffer.compare(volume.read("/M0.BIN", offset ?? 0, length ?? 0), expected)).toBe(0);
  }
  pokeBoth(device, recordAt(device, "M0.BIN") + 10, 2 * BLOCK - 1);
  expect(() => volume.list("/")).toThrow("EBADMSG");
});

test("unknown names, files in place of directories and the reverse have their codes", () => {
  const volume = openOn(isoOf(FILES).device);
  expect(() => volume.stat("/boot/bins/none")).toThrow("ENOENT");
  expect(() => volume.stat("/boot/bins/a.bin")).toThrow("ENOENT");
  expect(() => volume.stat("/boot/../empty")).toThrow("ENOENT");
  expect(() => volume.list("/empty")).toThrow("ENOTDIR");
  expect(() => volume.stat("/empty/below")).toThrow("ENOTDIR");
  expect(() => volume.readFile("/boot")).toThrow("EISDIR");
  expect(volume.exists("/boot/bins/")).toBe(true);
  expect(volume.stat("//boot///bins").kind).toBe("directory");
  expect(volume.read("/empty", 0, 10)).toHaveLength(0);
});

test("a volume in a window of a device is the same volume", () => {
  const { device, places } = isoOf(FILES);
  const disk = new MemoryDevice({ size: "32MiB" });
  disk.poke(2048 * 512, device.peek(0, places.sectors * 512));
  const volume = openOn(disk, { baseSector: 2048, sectors: places.sectors });
  expect(Buffer.compare(volume.readFile("/boot/bins/A.BIN"), FILES["boot/bins/A.BIN"])).toBe(0);
  expect(() => openOn(disk)).toThrow("EMEDIUMTYPE");
});

test("handles that were closed are refused, and a volume with an open file stays open", () => {
  const media = new MediaCore();
  const volume = media.exports.isoOpen(media.attach(isoOf(FILES).device), 0, 0, 3);
  const file = media.memory.with("/empty", (at, length) =>
    media.exports.isoFileOpen(volume, at, length),
  );
  expect(media.exports.isoClose(volume)).toBe(-16);
  expect(media.exports.isoFileClose(file)).toBe(0);
  expect(media.exports.isoFileClose(file)).toBe(-9);
  expect(media.exports.isoClose(volume)).toBe(0);
  expect(media.exports.isoClose(volume)).toBe(-9);
  expect(media.exports.isoFileRead(file, 0, 0, 0)).toBe(-9);
});

test("opening and closing a thousand times takes no more memory", () => {
  const { device } = isoOf(FILES);
  const media = new MediaCore();
  const id = media.attach(device);
  const once = () => {
    const volume = IsoVolume.open(media, id);
    volume.list("/boot/bins");
    volume.readFile("/boot/bins/A.BIN");
    volume.openFile("/empty");
    volume.close();
  };
  once();
  const before = media.exports.arenaUsedBytes();
  for (let round = 0; round < 1000; round++) once();
  expect(media.exports.arenaUsedBytes()).toBe(before);
});
