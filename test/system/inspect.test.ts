/** inspect and its picture: what is on a disk, at every level, to scale. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { finish } from "../../host/base/work.ts";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { drawDisk, shareOut, shortSize } from "../../host/system/draw.ts";
import { makeStore } from "../../host/system/image/mkstore.ts";
import { inspectDisk } from "../../host/system/inspect.ts";
import { ESP_SECTORS, frozen, makeMedium, noise, withRegion } from "./support.ts";

const disk = makeMedium();
withRegion(disk, ({ store, files }) => {
  store.put(noise(400_000));
  files?.writeFile("/system/config/a", "a");
});

describe("inspect", () => {
  const view = inspectDisk(frozen(disk));

  test("names the disk, its table and its partitions", () => {
    expect(view).toMatchObject({
      name: "medium",
      sizeBytes: 136 << 20,
      blockSize: 512,
      halfInstalled: false,
      halfRecovery: false,
      table: { usedSide: "primary", firstUsableLba: 34 },
    });
    expect(
      view.volumes.map(({ partition, type, first, last }) => [partition, type, first, last]),
    ).toEqual([
      [1, "esp", 2048, 2048 + ESP_SECTORS - 1],
      [2, "diskwright-data", 264_192, 276_479],
    ]);
    expect(view.free.map(({ first }) => first)).toEqual([34, 2048 + ESP_SECTORS, 276_480]);
  });

  test("looks into the ESP and the data region", () => {
    const [esp, data] = view.volumes;
    expect(esp?.fat).toMatchObject({ label: "ESP", bootLoader: true });
    expect(esp?.fat?.freeBytes).toBeLessThan(esp?.fat?.totalBytes ?? 0);
    const region = data?.region;
    expect(region).toMatchObject({ objects: 1, payloadBytes: 400_000, configEntries: 1 });
    expect(region?.owners).toHaveLength(region?.chunks ?? -1);
    const counted = Object.values(region?.chunksByOwner ?? {}).reduce((sum, n) => sum + n, 0);
    expect(counted).toBe(region?.chunks);
    expect(region?.chunksByOwner.pack).toBeGreaterThan(0);
    expect(region?.chunksByOwner.files).toBeGreaterThan(0);
  });

  test("is a plain object: JSON keeps all of it", () => {
    const plain = JSON.parse(JSON.stringify(view));
    expect(plain.volumes[1].region.objects).toBe(1);
    expect(plain.table.diskGuid).toMatch(/^[0-9A-F-]{36}$/);
  });

  test("looks at one partition when asked, and refuses one that is not there", () => {
    const [only] = inspectDisk(frozen(disk), { partition: 2 }).volumes;
    expect(only?.partition).toBe(2);
    expect(() => inspectDisk(frozen(disk), { partition: 3 })).toThrow(/ENOENT/);
  });

  test("of a blank disk and of a region alone", () => {
    const blank = inspectDisk(new MemoryDevice({ size: "8MiB" }));
    expect(blank).toMatchObject({ signature: null, volumes: [], free: [] });
    expect(blank.tableError).toBeDefined();
    const image = new MemoryDevice({ size: "4MiB", name: "data.img" });
    finish(makeStore(image, { emptyConfig: true }));
    const [whole] = inspectDisk(frozen(image)).volumes;
    expect(whole?.partition).toBeUndefined();
    expect(whole?.region).toMatchObject({ objects: 0, configEntries: 0 });
  });

  test("goes on past a level that cannot be read, and says why", () => {
    const damaged = disk.clone();
    for (const lba of [0, 128, 256, 384]) {
      damaged.poke((264_192 + lba) * 512, noise(16 * 512, lba + 1));
    }
    const [esp, data] = inspectDisk(frozen(damaged)).volumes;
    expect(esp?.fat?.label).toBe("ESP");
    expect(data?.region).toBeUndefined();
  });
});

describe("the picture", () => {
  test("fits any width, names every partition and draws the chunks", () => {
    const view = inspectDisk(frozen(disk));
    for (const width of [40, 60, 78, 120, 200]) {
      const lines = drawDisk(view, width);
      for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(width);
      const text = lines.join("\n");
      expect(text).toContain("1 ESP");
      expect(text).toContain("free");
      expect(text).toMatch(/[M#=·]{20,}/);
    }
    expect(drawDisk(view, 120).join("\n")).toContain("2 diskwright-data");
  });

  test("is to scale: a larger partition is never drawn narrower", () => {
    const parts = fc.array(fc.integer({ min: 1, max: 2 ** 40 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(parts, fc.integer({ min: 40, max: 200 }), (sizes, columns) => {
        const widths = shareOut(sizes, columns);
        expect(widths.reduce((sum, width) => sum + width, 0)).toBe(columns);
        for (const [index, size] of sizes.entries()) {
          expect(widths[index]).toBeGreaterThan(0);
          for (const [other, otherSize] of sizes.entries()) {
            if (size > otherSize) {
              expect((widths[index] ?? 0) + 1).toBeGreaterThanOrEqual(widths[other] ?? 0);
            }
          }
        }
      }),
    );
  });

  test("of a blank disk says that nothing is on it", () => {
    const lines = drawDisk(inspectDisk(new MemoryDevice({ size: "8MiB" })));
    expect(lines[0]).toContain("8 MiB");
    expect(lines.length).toBeGreaterThan(1);
  });

  test.each([
    [512, "512 B"],
    [268_435_456, "256 MiB"],
    [16_146_432, "15.4 MiB"],
    [1023 * 2 ** 20, "1023 MiB"],
    [0, "0 B"],
    [2 ** 44, "16 TiB"],
  ])("writes %i bytes as %s", (bytes, text) => {
    expect(shortSize(bytes)).toBe(text);
  });
});
