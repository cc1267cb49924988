/** Revoking goes down and never up: what was made from a revoked capability is refused, all else goes on. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { MemoryDevice } from "../../host/device/local/memory.ts";
import { MemoryBindings } from "../../host/system/caps/bindings.ts";
import { BlockCap } from "../../host/system/caps/block.ts";
import { ConsoleCap, ConsoleLog, HistoryCap } from "../../host/system/caps/console.ts";
import { DirectoryCap } from "../../host/system/caps/directory.ts";
import { FileCap } from "../../host/system/caps/file.ts";
import { NamespaceCap } from "../../host/system/caps/namespace.ts";
import type { Outcome } from "../../host/system/caps/outcome.ts";
import { StoreCap } from "../../host/system/caps/store.ts";
import { MemoryTree } from "../../host/system/caps/tree/memory.ts";
import { Fixture } from "../support/store.ts";
import { rootOf, value, wordOf } from "./support.ts";

type Cap = DirectoryCap | FileCap | StoreCap | NamespaceCap | BlockCap | ConsoleCap | HistoryCap;

const HASH = new Uint8Array(32);
const fixture = new Fixture();

function roots(): Cap[] {
  const tree = new MemoryTree();
  for (const place of [["d"], ["d", "d"], ["d", "d", "d"]]) tree.mkdir(place);
  const log = new ConsoleLog();
  return [
    rootOf(tree),
    StoreCap.over(fixture.store),
    NamespaceCap.over(new MemoryBindings()),
    value(BlockCap.over(new MemoryDevice({ size: "64KiB" }))),
    ConsoleCap.over(log, { name: "service" }),
    HistoryCap.over(log),
  ];
}

/** One of the narrower capabilities that can be made; undefined where this one has none left. */
function derived(cap: Cap, way: number): Cap | undefined {
  const some = <T>(outcome: Outcome<T>) => (outcome.ok ? outcome.value : undefined);
  if (cap instanceof DirectoryCap) {
    if (way === 0) return some(cap.sub("d"));
    return way === 1 ? cap.readOnly() : some(cap.open("f", { append: true, create: true }));
  }
  if (cap instanceof FileCap) return cap.readOnly();
  if (cap instanceof StoreCap) return [cap.readOnly(), cap.putOnly(), cap.limited(9999)][way];
  if (cap instanceof NamespaceCap) return way === 0 ? cap.readOnly() : some(cap.sub("n"));
  if (cap instanceof BlockCap) return way === 0 ? cap.readOnly() : some(cap.sub(1, 1));
  if (cap instanceof ConsoleCap) return way === 0 ? cap.history() : cap.withPrefix("p");
  return some(cap.only("service"));
}

/** Calls of every method: none may answer once the capability is revoked. */
function calls(cap: Cap): (() => unknown)[] {
  const bytes = new Uint8Array(512);
  if (cap instanceof DirectoryCap) {
    return [
      ...[() => cap.list(), () => cap.stat(), () => cap.stat("d"), () => cap.open("f")],
      ...[() => cap.sub("d"), () => cap.mkdir("x"), () => cap.remove("x"), () => cap.sync()],
      ...[() => cap.rename("f", "g"), () => cap.link("f", "g"), () => cap.readlink("f")],
      ...[() => cap.readOnly()],
    ];
  }
  if (cap instanceof FileCap) {
    return [
      ...[() => cap.read(0, 1), () => cap.readInto(0, bytes), () => cap.write(0, bytes)],
      ...[() => cap.append(bytes), () => cap.truncate(0), () => cap.stat(), () => cap.sync()],
      ...[() => cap.close(), () => cap.readOnly()],
    ];
  }
  if (cap instanceof StoreCap) {
    return [
      ...[() => cap.put(bytes), () => cap.get(HASH), () => cap.read(HASH, 0, bytes)],
      ...[() => cap.has(HASH), () => cap.size(HASH), () => cap.delete(HASH), () => cap.sync()],
      ...[() => cap.readOnly(), () => cap.putOnly(), () => cap.limited(1)],
      ...[() => cap.withoutDelete()],
    ];
  }
  if (cap instanceof NamespaceCap) {
    return [
      ...[() => cap.resolve("a"), () => cap.bind("a", HASH), () => cap.unbind("a")],
      ...[() => cap.list(), () => cap.sub("a"), () => cap.readOnly()],
    ];
  }
  if (cap instanceof BlockCap) {
    return [
      ...[() => cap.info(), () => cap.readBlocks(0, 1), () => cap.writeBlocks(0, bytes)],
      ...[() => cap.flush(), () => cap.sub(0, 1), () => cap.readOnly()],
    ];
  }
  if (cap instanceof ConsoleCap) {
    return [
      ...[() => cap.write("a"), () => cap.writeLine("a"), () => cap.flush()],
      ...[() => cap.withPrefix("a"), () => cap.history()],
    ];
  }
  return [() => cap.read(), () => cap.only("service")];
}

function words(cap: Cap): string[] {
  return calls(cap).map((call) => wordOf(() => call() as Outcome<unknown>));
}

const step = fc.record({ from: fc.nat(), way: fc.nat(2), revoke: fc.nat(9) });

test("after any revocations exactly what was made from the revoked ones is refused", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60, size: "max" }), (steps) => {
      const caps: { cap: Cap; parent: number; revoked: boolean }[] = roots().map((cap) => ({
        cap,
        parent: -1,
        revoked: false,
      }));
      const dead = (index: number): boolean => {
        const entry = caps[index];
        return entry !== undefined && (entry.revoked || dead(entry.parent));
      };
      for (const { from, way, revoke } of steps) {
        const index = from % caps.length;
        const entry = caps[index] as (typeof caps)[number];
        if (revoke === 0) {
          entry.cap.revoke();
          entry.revoked = true;
        } else if (!dead(index)) {
          const cap = derived(entry.cap, way);
          if (cap !== undefined) caps.push({ cap, parent: index, revoked: false });
        }
        for (const [at, { cap }] of caps.entries()) expect(cap.live).toBe(!dead(at));
      }
      for (const [at, { cap }] of caps.entries()) {
        if (!dead(at)) continue;
        const answers = words(cap);
        expect(answers, cap.kind).toEqual(answers.map(() => "disconnected"));
      }
    }),
    { numRuns: 120 },
  );
});

test("revoking a directory closes the files opened through it and lets another writer in", () => {
  const root = rootOf(new MemoryTree());
  value(root.mkdir("d"));
  const granted = value(root.sub("d"));
  const file = value(granted.open("f", { write: true, create: true }));
  expect(wordOf(() => root.open("d/f", { write: true }))).toBe("conflict");
  granted.revoke();
  expect(wordOf(() => file.stat())).toBe("disconnected");
  expect(wordOf(() => root.open("d/f", { write: true }))).toBe("ok");
});

test("a capability cannot be narrowed without end", () => {
  let cap = rootOf(new MemoryTree()).readOnly();
  const narrow = () => {
    for (let count = 0; count < 1000; count++) cap = cap.readOnly();
  };
  expect(narrow).toThrow("overloaded");
});
