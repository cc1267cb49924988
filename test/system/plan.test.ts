/** The plan of an installation is pure: for any source and target every range is right, or refused. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Refusal } from "../../host/base/errors.ts";
import { extent, overlaps } from "../../host/format/layout.ts";
import { JOURNAL_EXTENT } from "../../host/system/install/journal.ts";
import {
  checkTarget,
  type InstallPlan,
  planInstall,
  type Recipe,
  rangesOf,
  type SourceFacts,
  type TargetFacts,
} from "../../host/system/install/plan.ts";

const MIB = 2048;
const IDENTITIES = {
  diskGuid: "00000000-0000-4000-8000-000000000001",
  espGuid: "00000000-0000-4000-8000-000000000002",
  dataGuid: "00000000-0000-4000-8000-000000000003",
  regionUuid: "00000000-0000-4000-8000-000000000004",
  fatSerial: 5,
};
const FRESH: Recipe = { mode: "fresh", identities: IDENTITIES, wipe: false };
const VERBATIM: Recipe = { ...FRESH, mode: "verbatim" };

function sourceOf(sectors: number, headSectors = 31_000, given: Partial<SourceFacts> = {}) {
  const end = Math.floor((sectors - 33) / MIB) * MIB;
  const source: SourceFacts = {
    name: "medium.img",
    sectors,
    esp: extent(2048, 262_144),
    data: extent(264_192, end - 264_192),
    digest: "d1",
    files: 3,
    bytes: 1000,
    dataSectorsMin: 0,
    parts: {
      head: extent(0, headSectors),
      data: extent(264_192, 4096),
      table: extent(sectors - 33, 33),
    },
    ...given,
  };
  return source;
}

function targetOf(sectors: number, given: Partial<TargetFacts> = {}): TargetFacts {
  return {
    name: "target.img",
    sectors,
    blockSize: 512,
    readOnly: false,
    isSource: false,
    blank: true,
    content: "nothing",
    installed: false,
    ...given,
  };
}

function orders(plan: InstallPlan): string[] {
  return plan.steps.map((step) => step.name);
}

describe("ranges", () => {
  const sizes = fc.integer({ min: 140 * MIB, max: 2 ** 33 });

  test("of a fresh plan lie in the disk, and in one partition or in none", () => {
    fc.assert(
      fc.property(sizes, fc.boolean(), (sectors, wipe) => {
        const plan = planInstall(sourceOf(256 * MIB), targetOf(sectors), { ...FRESH, wipe });
        const [wiped, ...steps] = plan.steps;
        expect(wiped?.ranges.at(-1)?.last).toBe(sectors - 1);
        for (const range of rangesOf({ steps })) {
          expect(range.first).toBeGreaterThanOrEqual(0);
          expect(range.last).toBeLessThan(sectors);
          expect(range.sectors).toBe(range.last - range.first + 1);
          const owners = plan.partitions.filter((partition) => overlaps(partition, range));
          expect(owners.length).toBeLessThanOrEqual(1);
          for (const owner of owners) {
            expect(range.first).toBeGreaterThanOrEqual(owner.first);
            expect(range.last).toBeLessThanOrEqual(owner.last);
          }
        }
        expect(plan.partitions[1].first).toBe(264_192);
      }),
    );
  });

  test("of a verbatim plan write every sector of the three files exactly once, but the journal", () => {
    const heads = fc.integer({ min: 2049, max: 264_191 });
    fc.assert(
      fc.property(heads, fc.integer({ min: 0, max: 4000 * MIB }), (head, more) => {
        const source = sourceOf(256 * MIB, head);
        const plan = planInstall(source, targetOf(256 * MIB + more), VERBATIM);
        const written = plan.steps
          .filter((step) => step.name !== "wipe")
          .flatMap((step) => step.ranges)
          .sort((one, other) => one.first - other.first);
        for (const [index, range] of written.entries()) {
          const next = written[index + 1];
          if (next !== undefined) expect(range.last, range.what).toBeLessThan(next.first);
        }
        const { parts, esp, data, sectors } = source;
        const covered = (lba: number) =>
          written.some(({ first, last }) => first <= lba && lba <= last);
        for (const lba of [0, 33, 34, 63, 64, 79, 80, 2048, parts.head.last, esp.last]) {
          expect(covered(lba), `LBA ${lba}`).toBe(true);
        }
        for (const lba of [data.first, data.last, sectors - 33, sectors - 1]) {
          expect(covered(lba), `LBA ${lba}`).toBe(true);
        }
      }),
    );
  });

  test("of the table come after everything else, its primary copy last of all", () => {
    for (const recipe of [FRESH, VERBATIM]) {
      const plan = planInstall(sourceOf(256 * MIB), targetOf(1024 * MIB), recipe);
      expect(orders(plan).slice(-3)).toEqual(["verify", "table", "finish"]);
      const table = plan.steps.find((step) => step.name === "table");
      expect(table?.ranges.at(-1)?.first).toBe(0);
      expect(table?.ranges[0]?.first).toBeGreaterThan(plan.partitions[1].last);
      const before = plan.steps.slice(1, -2).flatMap((step) => step.ranges);
      expect(before.filter((range) => overlaps(range, extent(0, 34)))).toEqual([]);
      expect(before.filter((range) => overlaps(range, JOURNAL_EXTENT))).toEqual([]);
    }
  });

  test("name a backup at the device's end beside the one the medium's primary names", () => {
    const same = planInstall(sourceOf(256 * MIB), targetOf(256 * MIB), VERBATIM);
    const larger = planInstall(sourceOf(256 * MIB), targetOf(300 * MIB), VERBATIM);
    const firsts = (plan: InstallPlan) =>
      plan.steps.find((step) => step.name === "table")?.ranges.map((range) => range.first);
    expect(firsts(same)).toEqual([256 * MIB - 33, 0]);
    expect(firsts(larger)).toEqual([256 * MIB - 33, 300 * MIB - 33, 0]);
  });
});

describe("the hash", () => {
  const plan = planInstall(sourceOf(256 * MIB), targetOf(300 * MIB), FRESH);

  test("is the same for the same plan, whatever the names of the disks", () => {
    const again = planInstall(
      sourceOf(256 * MIB, 31_000, { name: "elsewhere" }),
      targetOf(300 * MIB, { name: "moved.img", content: "half" }),
      FRESH,
    );
    expect(again.hash).toBe(plan.hash);
  });

  test.each<[string, InstallPlan]>([
    [
      "the medium's content",
      planInstall(sourceOf(256 * MIB, 31_000, { digest: "d2" }), targetOf(300 * MIB), FRESH),
    ],
    ["the target's size", planInstall(sourceOf(256 * MIB), targetOf(301 * MIB), FRESH)],
    ["the mode", planInstall(sourceOf(256 * MIB), targetOf(300 * MIB), VERBATIM)],
    [
      "an identity",
      planInstall(sourceOf(256 * MIB), targetOf(300 * MIB), {
        ...FRESH,
        identities: { ...IDENTITIES, fatSerial: 6 },
      }),
    ],
    ["the wipe", planInstall(sourceOf(256 * MIB), targetOf(300 * MIB), { ...FRESH, wipe: true })],
  ])("changes with %s", (_, other) => {
    expect(other.hash).not.toBe(plan.hash);
  });
});

describe("refused", () => {
  const refusal = (run: () => unknown): Refusal => {
    try {
      run();
    } catch (error) {
      if (error instanceof Refusal) return error;
      throw error;
    }
    throw new Error("it was not refused");
  };

  test.each<[string, Partial<TargetFacts>, string, RegExp]>([
    ["the medium itself", { isSource: true }, "EINVAL", /is the medium that is installed from/],
    ["a read-only target", { readOnly: true }, "EROFS", /is read-only/],
    ["a mounted target", { busy: "mounted at /mnt" }, "EBUSY", /in use: mounted at \/mnt/],
    [
      "an installed system",
      { blank: false, installed: true, content: "a GPT" },
      "EEXIST",
      /--reinstall replaces it/,
    ],
    ["a used disk", { blank: false, content: "a GPT" }, "ENOTEMPTY", /a GPT\. --erase/],
  ])("is %s, with the reason and the option", (_, given, code, message) => {
    const error = refusal(() => checkTarget(targetOf(1, given), {}));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test("is what no option may override: the medium, read-only, busy", () => {
    const consent = { erase: true, reinstall: true };
    for (const given of [{ isSource: true }, { readOnly: true }, { busy: "swap" }]) {
      expect(refusal(() => checkTarget(targetOf(1, given), consent))).toBeInstanceOf(Refusal);
    }
    const installed = targetOf(1, { blank: false, installed: true });
    expect(() => checkTarget(installed, { reinstall: true })).not.toThrow();
    expect(refusal(() => checkTarget(installed, { erase: true })).code).toBe("EEXIST");
    expect(() => checkTarget(targetOf(1, { blank: false }), { erase: true })).not.toThrow();
  });

  test("is a target too small, with the smallest size that would do, which does", () => {
    for (const [recipe, size] of [
      [FRESH, "134MiB"],
      [VERBATIM, "256MiB"],
    ] as const) {
      const small = targetOf(130 * MIB);
      const error = refusal(() => planInstall(sourceOf(256 * MIB), small, recipe));
      expect(error.code).toBe("ENOSPC");
      expect(error.message).toContain(`smallest size that would do`);
      expect(error.message).toContain(size);
      const enough = targetOf(Number.parseInt(size, 10) * MIB);
      expect(planInstall(sourceOf(256 * MIB), enough, recipe).target.sizeBytes).toBe(
        enough.sectors * 512,
      );
    }
  });

  test("is a target of 4096-byte blocks", () => {
    for (const recipe of [FRESH, VERBATIM]) {
      const large = targetOf(1024 * MIB, { blockSize: 4096 });
      expect(refusal(() => planInstall(sourceOf(256 * MIB), large, recipe)).code).toBe("EINVAL");
    }
  });
});
