/** Which disk a rule means: exactly one, or none at all. */
import { expect, test } from "vitest";
import type { Disk } from "../../host/system/disks/disk.ts";
import { diskOfRule, placeOfSettings } from "../../host/system/installer/rule.ts";

function disk(name: string, sizeBytes: number | null, more: Partial<Disk> = {}): Disk {
  const base = { kind: "local", name, devPath: `/dev/${name}`, isReadOnly: false } as const;
  return { ...base, isRemovable: false, sizeBytes, partitions: [], obstacles: [], ...more };
}

const DISKS = [
  disk("sda", 1000, { serial: "A", model: "M" }),
  disk("sdb", 2000, { serial: "B", model: "M", isRemovable: true }),
  disk("sdc", null, { obstacles: [{ kind: "boot", reason: "it holds /" }] }),
];

test.each([
  [{ name: "sdb" }, "sdb"],
  [{ serial: "A" }, "sda"],
  [{ model: "M", removable: false }, "sda"],
  [{ size_bytes_min: 1500 }, "sdb"],
  [{ size_bytes_min: 1000, size_bytes_max: 1999 }, "sda"],
  [{ name: "sdc" }, "sdc"],
])("%j means %s", (rule, name) => {
  expect(diskOfRule(rule, DISKS).name).toBe(name);
});

test.each([
  [{ model: "M" }, "refused: 2 disks fit"],
  [{ removable: false }, "refused: 2 disks fit"],
  [{ name: "sdx" }, "refused: no disk fits"],
  [{ name: "sda", serial: "B" }, "refused: no disk fits"],
  [{ size_bytes_min: 3000 }, "refused: no disk fits"],
])("%j is refused: %s", (rule, message) => {
  expect(() => diskOfRule(rule, DISKS)).toThrow(message);
});

test("a partition and free space are two places", () => {
  expect(() => placeOfSettings({ disk: {}, partition: 1, free: true })).toThrow("exclude");
  expect(placeOfSettings({ disk: {}, partition: 2, free: false })).toEqual({
    kind: "partition",
    number: 2,
  });
  expect(placeOfSettings({ disk: {} })).toEqual({ kind: "disk" });
});
