/** Trees against a sorted map: any sequence of puts, deletes, commits, aborts and re-opens. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { TREE, TreeCore } from "../support/tree.ts";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));

/** A store-only region in memory with 64 KiB chunks, open. */
function freshRegion(sizeBytes = 8 << 20) {
  const device = new MemoryDevice({ size: sizeBytes });
  const tree = new TreeCore(device);
  expect(tree.format()).toBe(0);
  return { device, tree, region: tree.open() };
}

/** Keys that share prefixes of every length, so that pages compress and split in odd places. */
const keys = fc
  .tuple(
    fc.constantFrom("", "a", "a".repeat(40), "a".repeat(200), "b".repeat(100), "\xff".repeat(60)),
    fc.integer({ min: 0, max: 400 }),
    fc.constantFrom("", "x".repeat(9), "z".repeat(250)),
  )
  .map(([head, number, tail]) => {
    const key = new TextEncoder().encode(head + String(number).padStart(3, "0") + tail);
    return key.slice(0, 512);
  });
const values = fc
  .tuple(fc.constantFrom(0, 1, 24, 24, 24, 80, 500, 1490), fc.integer({ min: 0, max: 255 }))
  .map(([length, fill]) => new Uint8Array(length).fill(fill));
const steps = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant("put" as const), key: keys, value: values }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("delete" as const), key: keys }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("commit", "abort", "open" as const) }) },
);

test("a tree holds what a sorted map holds, whatever is done to it", () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 400, size: "max" }), (list) => {
      const { tree, region: first } = freshRegion();
      let region = first;
      let model = new Map<string, string>();
      let durable = new Map<string, string>();
      for (const step of list) {
        if (step.do === "put" && "value" in step) {
          expect(tree.put(region, TREE.ST_REFS, step.key, step.value)).toBe(0);
          model.set(text(step.key), text(step.value));
        } else if (step.do === "delete" && "key" in step) {
          const had = model.delete(text(step.key));
          expect(tree.delete(region, TREE.ST_REFS, step.key)).toBe(had ? 0 : -2);
        } else if (step.do === "commit") {
          expect(tree.exports.testCommit(region, 0)).toBe(0);
          durable = new Map(model);
        } else if (step.do === "abort") {
          tree.exports.testAbort(region, 0);
          model = new Map(durable);
        } else {
          expect(tree.exports.regionAbandon(region)).toBe(0);
          region = tree.open();
          expect(region).toBeGreaterThan(0);
          model = new Map(durable);
        }
      }
      const found = tree.list(region, TREE.ST_REFS).map(([k, v]) => [text(k), text(v)]);
      expect(found).toEqual([...model].sort(([a], [b]) => (a < b ? -1 : 1)));
    }),
    { numRuns: 150 },
  );
});

test("a closed region opens with every record, and a get answers each", () => {
  const { tree, region } = freshRegion();
  const all = Array.from({ length: 3000 }, (_, at) => {
    const hex = (Math.imul(at + 1, 2654435761) >>> 0).toString(16).padStart(8, "0").repeat(8);
    return [hex, (at % 251).toString(16).padStart(2, "0").repeat(24)] as const;
  });
  for (const [k, v] of all) expect(tree.put(region, TREE.ST_INDEX, bytes(k), bytes(v))).toBe(0);
  expect(tree.exports.regionClose(region)).toBe(0);
  const again = tree.open();
  for (const [k, v] of all) {
    expect(text(tree.get(again, TREE.ST_INDEX, bytes(k)) as Uint8Array)).toBe(v);
  }
  expect(tree.get(again, TREE.ST_INDEX, bytes("00".repeat(32)))).toBe(-2);
});

test("ascending keys fill their pages; deleting all of them leaves a null root", () => {
  const { tree, region } = freshRegion();
  const key = (at: number) => new TextEncoder().encode(`key ${String(at).padStart(6, "0")}`);
  for (let at = 0; at < 4000; at++) {
    expect(tree.put(region, TREE.ST_REFS, key(at), new Uint8Array(24))).toBe(0);
  }
  // 10 bytes of key, 24 of value, 6 of slot and lengths: 100 records fill a page, and a little more
  // once the page has found its prefix; one page in 100 is internal and counts twice.
  expect(tree.exports.testDirty(region, 0)).toBeLessThan(4000 / 100 + 6);
  for (let at = 0; at < 4000; at++) {
    expect(tree.delete(region, TREE.ST_REFS, key(at))).toBe(0);
  }
  expect(tree.list(region, TREE.ST_REFS)).toEqual([]);
  expect(tree.exports.testCommit(region, 0)).toBe(0);
});

test("a key of 512 bytes and a record of 2,012 are taken, longer ones are E2BIG", () => {
  const { tree, region } = freshRegion();
  const most = new Uint8Array(512).fill(7);
  expect(tree.put(region, TREE.ST_REFS, most, new Uint8Array(2012 - 6 - 512))).toBe(0);
  expect(tree.put(region, TREE.ST_REFS, most, new Uint8Array(2012 - 5 - 512))).toBe(-7);
  expect(tree.put(region, TREE.ST_REFS, new Uint8Array(513), new Uint8Array(1))).toBe(-7);
  expect(tree.put(region, TREE.ST_REFS, new Uint8Array(0), new Uint8Array(1))).toBe(-7);
  expect(tree.list(region, TREE.ST_REFS).length).toBe(1);
});
