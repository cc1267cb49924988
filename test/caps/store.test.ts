/** Store: rights that only shrink, quotas that add up, over a real CAPOSST1. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { OBJECT_COST_BYTES, StoreCap } from "../../host/system/caps/store.ts";
import { freshCore } from "../support/core.ts";
import { bytesOf, Fixture } from "../support/store.ts";
import { value, wordOf } from "./support.ts";

const CORE = freshCore();

test("an object is put, found by its hash, read in parts, and durable after sync", () => {
  const fixture = new Fixture({ core: CORE });
  const store = StoreCap.over(fixture.store);
  const bytes = bytesOf(5000, 1);
  const hash = value(store.put(bytes));
  expect(value(store.get(hash))).toEqual(bytes);
  expect(value(store.size(hash))).toBe(5000);
  const part = new Uint8Array(100);
  expect(value(store.read(hash, 4950, part))).toBe(50);
  expect(part.subarray(0, 50)).toEqual(bytes.subarray(4950));
  expect(value(store.read(hash, 5001, part))).toBe(0);
  value(store.sync());
  const again = StoreCap.over(fixture.crash());
  expect(value(again.has(hash))).toBe(true);
});

test("absent, too large, pinned and malformed are told apart", () => {
  const fixture = new Fixture({ core: CORE });
  const store = StoreCap.over(fixture.store);
  const hash = value(store.put(bytesOf(100, 1)));
  const absent = new Uint8Array(32);
  expect(wordOf(() => store.get(absent))).toBe("not-found");
  expect(wordOf(() => store.size(absent))).toBe("not-found");
  expect(wordOf(() => store.delete(absent))).toBe("not-found");
  expect(value(store.has(absent))).toBe(false);
  expect(wordOf(() => store.get(hash, 99))).toBe("too-large");
  expect(wordOf(() => store.get(new Uint8Array(31)))).toBe("invalidArgument");
  expect(wordOf(() => store.get("00".repeat(32) as never))).toBe("invalidArgument");
  fixture.store.pin(hash);
  expect(wordOf(() => store.delete(hash))).toBe("conflict");
  fixture.store.unpin(hash);
  expect(wordOf(() => store.delete(hash))).toBe("ok");
});

test("a damaged object is an exception, not an outcome", () => {
  const fixture = new Fixture({ core: CORE });
  const bytes = bytesOf(100_000, 7);
  const hash = fixture.store.put(bytes);
  fixture.store.commit();
  const image = fixture.memory.bytes();
  const at = Buffer.from(image).indexOf(Buffer.from(bytes.subarray(50_000, 50_100)));
  expect(at).toBeGreaterThan(0);
  fixture.memory.flip(at * 8);
  const store = StoreCap.over(fixture.crash());
  expect(wordOf(() => store.get(hash))).toBe("failed");
});

test("no sequence of narrowing gives a right back, and each right is asked for", () => {
  const way = fc.constantFrom("readOnly", "putOnly", "withoutDelete", "limited");
  fc.assert(
    fc.property(fc.array(way, { maxLength: 8 }), (ways) => {
      const fixture = new Fixture({ core: CORE, size: "4MiB" });
      let store = StoreCap.over(fixture.store);
      const hash = value(store.put(bytesOf(64, 3)));
      const rights = { get: true, put: true, delete: true };
      for (const one of ways) {
        store = one === "limited" ? store.limited(100_000) : store[one]();
        if (one === "readOnly") Object.assign(rights, { put: false, delete: false });
        if (one === "putOnly") Object.assign(rights, { get: false, delete: false });
        if (one === "withoutDelete") rights.delete = false;
      }
      const word = (right: boolean) => (right ? "ok" : "denied");
      const get = [
        ...[() => store.get(hash), () => store.has(hash), () => store.size(hash)],
        () => store.read(hash, 0, new Uint8Array(1)),
      ].map(wordOf);
      expect(get).toEqual(get.map(() => word(rights.get)));
      expect(wordOf(() => store.put(bytesOf(64, 4)))).toBe(word(rights.put));
      expect(wordOf(() => store.delete(hash))).toBe(word(rights.delete));
      expect(fixture.store.has(hash)).toBe(!rights.delete);
      fixture.region.close();
    }),
    { numRuns: 60 },
  );
});

test("a quota holds for everything made from it, and deleting gives back what was charged", () => {
  const fixture = new Fixture({ core: CORE });
  const all = StoreCap.over(fixture.store);
  const granted = all.limited(1000);
  const inner = granted.limited(5000);
  const cost = (length: number) => length + OBJECT_COST_BYTES;
  const first = value(granted.put(bytesOf(500, 1)));
  expect(wordOf(() => inner.put(bytesOf(1000 - cost(500) - OBJECT_COST_BYTES + 1, 2)))).toBe(
    "no-space",
  );
  expect(wordOf(() => inner.put(bytesOf(1000 - cost(500) - OBJECT_COST_BYTES, 2)))).toBe("ok");
  expect(wordOf(() => granted.put(new Uint8Array(0)))).toBe("no-space");
  value(granted.delete(first));
  // The same object again costs nothing more.
  for (const _ of [1, 2, 3]) expect(wordOf(() => granted.put(bytesOf(10, 8)))).toBe("ok");
  expect(wordOf(() => granted.put(bytesOf(400, 3)))).toBe("ok");
  // What somebody else put gives nothing back.
  const foreign = value(all.put(bytesOf(300, 9)));
  value(granted.delete(foreign));
  expect(wordOf(() => granted.put(bytesOf(300, 10)))).toBe("no-space");
});
