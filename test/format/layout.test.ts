/** The layout `capos`: the published numbers, and for any disk no overlap and nothing outside. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Refusal } from "../../host/base/errors.ts";
import {
  ALIGNMENT_SECTORS,
  caposLayout,
  DATA_REGION_BASE_LBA,
  ESP_SECTORS_MIN,
  type LayoutOptions,
  overlaps,
  smallestDisk,
} from "../../host/format/layout.ts";

const MIB = 2048;

test("a 256 MiB disk has its ESP at 2048 and its data region from 264192 to 522239", () => {
  const layout = caposLayout(256 * MIB);
  expect(layout.esp).toEqual({ first: 2048, last: 264_191, sectors: 262_144 });
  expect(layout.data).toEqual({ first: 264_192, last: 522_239, sectors: 258_048 });
  expect(layout.tableBack).toEqual({ first: 524_255, last: 524_287, sectors: 33 });
});

test("every layout of any disk tiles without overlap and ends on a 1 MiB border", () => {
  const sizes = fc.integer({ min: 134 * MIB, max: 2 ** 35 });
  const options = fc.record({
    espSectors: fc.integer({ min: 33, max: 128 }).map((mib) => mib * MIB),
    dataSectorsMin: fc.integer({ min: 0, max: 40 * MIB }),
  });
  fc.assert(
    fc.property(sizes, options, (sectors, given) => {
      if (sectors < smallestDisk(given)) {
        expect(() => caposLayout(sectors, given)).toThrow(Refusal);
        return;
      }
      const { esp, data, tableFront, tableBack, gap } = caposLayout(sectors, given);
      const runs = [tableFront, gap, esp, data, tableBack];
      for (const [index, run] of runs.entries()) {
        expect(run.last).toBe(run.first + run.sectors - 1);
        for (const other of runs.slice(index + 1)) expect(overlaps(run, other)).toBe(false);
      }
      expect(tableBack.last).toBe(sectors - 1);
      expect(data.first).toBe(DATA_REGION_BASE_LBA);
      expect((data.last + 1) % ALIGNMENT_SECTORS).toBe(0);
      expect(data.sectors).toBeGreaterThanOrEqual(given.dataSectorsMin);
      // One more MiB would run into the backup table.
      expect(data.last + 1 + ALIGNMENT_SECTORS).toBeGreaterThan(tableBack.first);
    }),
  );
});

test("the smallest disk is the smallest: one sector less is refused and names it", () => {
  for (const options of [{}, { dataSectorsMin: 9 * MIB }, { dataFirst: 300 * MIB }]) {
    const smallest = smallestDisk(options);
    expect(caposLayout(smallest, options).diskSectors).toBe(smallest);
    const name = `${smallest / MIB}MiB`;
    expect(() => caposLayout(smallest - 1, options)).toThrow(
      new RegExp(`the smallest size that would do is ${name}`),
    );
  }
});

test.each<[string, LayoutOptions, RegExp]>([
  ["4096-byte blocks", { blockSize: 4096 }, /needs 512/],
  ["an ESP too small for FAT32", { espSectors: ESP_SECTORS_MIN - MIB }, /too small for FAT32/],
  ["an ESP off its border", { espSectors: ESP_SECTORS_MIN + 1 }, /1 MiB border/],
  ["a data region off its border", { dataFirst: 264_193 }, /1 MiB border/],
  ["an ESP over the data region", { espSectors: 262_144 + MIB }, /inside the data region/],
])("%s is refused", (_, options, message) => {
  expect(() => caposLayout(1024 * MIB, options)).toThrow(Refusal);
  expect(() => caposLayout(1024 * MIB, options)).toThrow(message);
});
