/** Handles: a stale one is refused for ever, and nothing is found that was not put in. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Capability, Grant } from "../../host/system/caps/base/grant.ts";
import { DirectoryCap } from "../../host/system/caps/directory.ts";
import { FileCap } from "../../host/system/caps/file.ts";
import { TransportStatus } from "../../host/system/caps/outcome.ts";
import { CapTable } from "../../host/system/caps/table.ts";
import { MemoryTree } from "../../host/system/caps/tree/memory.ts";
import { rootOf, value, wordOf } from "./support.ts";

class Thing extends Capability {
  readonly kind = "history";
}

const thing = () => new Thing(new Grant());

test("every handle that was given back is refused for ever, through any sequence of uses", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.constant("insert" as const) },
    { weight: 3, arbitrary: fc.record({ drop: fc.nat(), revoke: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant("clear" as const) },
    { weight: 1, arbitrary: fc.integer() },
  );
  const sizes = fc.record({
    limit: fc.integer({ min: 1, max: 6 }),
    usesMax: fc.integer({ min: 1, max: 5 }),
  });
  fc.assert(
    fc.property(sizes, fc.array(step, { maxLength: 120 }), (options, steps) => {
      const table = new CapTable(options);
      const live = new Map<number, Thing>();
      const stale = new Set<number>();
      const give = (handle: number) => {
        live.delete(handle);
        stale.add(handle);
      };
      for (const one of steps) {
        if (one === "insert") {
          const cap = thing();
          let handle: number;
          try {
            handle = table.insert(cap);
          } catch (error) {
            expect(error).toMatchObject({ kind: "overloaded" });
            continue;
          }
          expect(live.size).toBeLessThan(options.limit);
          expect(handle).toBeGreaterThan(0);
          expect(stale.has(handle) || live.has(handle)).toBe(false);
          live.set(handle, cap);
        } else if (one === "clear") {
          table.clear();
          for (const handle of [...live.keys()]) give(handle);
        } else if (typeof one === "number") {
          if (!live.has(one)) expect(table.lookup(one)).toBeUndefined();
        } else {
          const handle = [...live.keys(), ...stale][one.drop % (live.size + stale.size)] ?? 0;
          const cap = live.get(handle);
          expect(one.revoke ? table.revoke(handle) : table.drop(handle)).toBe(cap !== undefined);
          if (cap !== undefined) expect(cap.live).toBe(false);
          if (cap !== undefined) give(handle);
        }
        expect(table.size).toBe(live.size);
        for (const [handle, cap] of live) expect(table.lookup(handle)).toBe(cap);
        for (const handle of stale) {
          expect(table.find(handle, Thing)).toBe(TransportStatus.STALE_HANDLE);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("a slot whose tags are used up is retired, and then the table is full", () => {
  const table = new CapTable({ limit: 2, usesMax: 3 });
  const handles = new Set<number>();
  let refusals = 0;
  for (let count = 0; count < 1024 * 3 + 10; count++) {
    try {
      const handle = table.insert(thing());
      handles.add(handle);
      table.drop(handle);
    } catch {
      refusals += 1;
    }
  }
  expect(handles.size).toBe(1024 * 3);
  expect(refusals).toBe(10);
});

test("the last tag of a slot still makes a positive i32", () => {
  const table = new CapTable({ limit: 1024 });
  for (let count = 0; count < 1023; count++) table.insert(thing(), { owned: false });
  const handle = table.insert(thing());
  expect(handle & 1023).toBe(1023);
  expect(() => table.insert(thing())).toThrow("overloaded");
  for (const bad of [0, -1, 0.5, Number.NaN, 2 ** 31, 2 ** 32 + handle, handle + 1024]) {
    expect(table.lookup(bad)).toBeUndefined();
  }
});

test("a handle of the wrong kind has no such method", () => {
  const root = rootOf(new MemoryTree());
  const table = new CapTable();
  const handle = table.insert(root, { owned: false });
  expect(table.find(handle, DirectoryCap)).toBe(root);
  expect(table.find(handle, FileCap)).toBe(TransportStatus.UNKNOWN_METHOD);
});

test("dropping the handle of a file closes it; what is not owned goes on", () => {
  const root = rootOf(new MemoryTree());
  const table = new CapTable();
  const open = () => root.open("a", { write: true, create: true });
  const handle = table.insert(value(open()));
  expect(wordOf(open)).toBe("conflict");
  table.drop(handle);
  expect(wordOf(open)).toBe("ok");
  const shared = table.insert(root, { owned: false });
  table.drop(shared);
  expect(root.live).toBe(true);
  table.revoke(table.insert(root, { owned: false }));
  expect(root.live).toBe(false);
});

test("a handle of one table names nothing in another", () => {
  const one = new CapTable();
  const other = new CapTable();
  const handle = one.insert(thing());
  expect(other.lookup(handle)).toBeUndefined();
});
