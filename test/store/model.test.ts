/** Random histories of a store beside a Map: commits, crashes, aborts by a failing device. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { toHex } from "../../host/base/hash.ts";
import { RequestType } from "../../host/device/device.ts";
import { bytesOf, errorOf, Fixture } from "../support/store.ts";

type Step =
  | { readonly kind: "put" | "stream" | "delete" | "get"; readonly object: number }
  | { readonly kind: "many"; readonly objects: readonly number[] }
  | { readonly kind: "commit" | "crash" | "reopen" | "compact" | "fail" };

interface Entry {
  readonly bytes: Uint8Array;
}

const LENGTHS = [0, 1, 40, 384, 385, 3000, 8192, 8193, 40_000, 65_408, 65_409, 150_000];
const OBJECTS = 48;

function objectOf(number: number): Uint8Array {
  return bytesOf((LENGTHS[number % LENGTHS.length] as number) + (number >> 5), number);
}

const object = fc.nat(OBJECTS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("put" as const), object }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("stream" as const), object }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("many" as const),
      objects: fc.array(object, { maxLength: 12 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("delete" as const), object }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("get" as const), object }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "commit",
        "commit",
        "crash",
        "reopen",
        "compact",
        "fail",
      ) as fc.Arbitrary<"commit" | "crash" | "reopen" | "compact" | "fail">,
    }),
  },
);

/** The store and what it must hold: now, and after a crash. */
class Run {
  readonly fixture: Fixture;
  now = new Map<string, Entry>();
  durable = new Map<string, Entry>();

  constructor(blkSize: 512 | 4096) {
    this.fixture = new Fixture({ size: "10MiB", blkSize });
  }

  step(next: Step): void {
    const { store } = this.fixture;
    switch (next.kind) {
      case "put":
        this.stored(store.put(objectOf(next.object)), next.object);
        break;
      case "stream": {
        const bytes = objectOf(next.object);
        const half = bytes.length >> 1;
        const hash = store.putStream([bytes.subarray(0, half), bytes.subarray(half)]);
        this.stored(hash, next.object);
        break;
      }
      case "many": {
        const hashes = store.putMany(next.objects.map(objectOf));
        hashes.forEach((hash, index) => {
          this.stored(hash, next.objects[index] as number);
        });
        break;
      }
      case "delete":
        this.remove(nameOf(next.object));
        break;
      case "get":
        this.compare(nameOf(next.object));
        break;
      case "fail":
        this.fail();
        break;
      default:
        this.life(next.kind);
    }
  }

  /** Everything the store holds is what the model holds, and the other way round. */
  compareAll(): void {
    const { store } = this.fixture;
    const listed = [...store].map(({ hash, length }) => `${toHex(hash)} ${length}`);
    const expected = [...this.now].map(([hash, { bytes }]) => `${hash} ${bytes.length}`).sort();
    expect(listed).toEqual(expected);
    for (const hash of this.now.keys()) this.compare(hash);
    expect(store.verify()).toEqual([]);
    const sum = [...this.now.values()].reduce((total, { bytes }) => total + bytes.length, 0);
    expect([store.stat().objects, store.stat().payloadBytes]).toEqual([this.now.size, sum]);
  }

  private stored(hash: Uint8Array, number: number): void {
    expect(toHex(hash)).toBe(nameOf(number));
    this.now.set(toHex(hash), { bytes: objectOf(number) });
  }

  private remove(name: string): void {
    const { store } = this.fixture;
    if (this.now.delete(name)) store.delete(name);
    else expect(errorOf(() => store.delete(name)).code).toBe("ENOENT");
  }

  private compare(name: string): void {
    const { store } = this.fixture;
    const entry = this.now.get(name);
    expect(store.has(name)).toBe(entry !== undefined);
    if (entry === undefined) expect(errorOf(() => store.get(name)).code).toBe("ENOENT");
    else expect(Buffer.compare(store.get(name), entry.bytes)).toBe(0);
  }

  private life(kind: "commit" | "crash" | "reopen" | "compact"): void {
    if (kind === "crash") {
      this.fixture.crash();
      this.now = new Map(this.durable);
      return;
    }
    if (kind === "commit") this.fixture.store.commit();
    else if (kind === "reopen") this.fixture.reopen();
    else this.fixture.store.compact();
    if (kind !== "compact") this.durable = new Map(this.now);
  }

  /** The next write fails: the batch is lost, and nothing but the batch. */
  private fail(): void {
    const { store, device } = this.fixture;
    store.put(bytesOf(100, 100_000 + this.now.size));
    device.inject({ on: RequestType.OUT });
    const { code } = errorOf(() => store.commit());
    device.clear();
    expect(code).toBe("EIO");
    expect(errorOf(() => store.put(bytesOf(1, 1))).code).toBe("ESTALE");
    store.reopen();
    this.now = new Map(this.durable);
  }
}

const names = Array.from({ length: OBJECTS }, (_, number) =>
  createHash("sha256").update(objectOf(number)).digest("hex"),
);

function nameOf(number: number): string {
  return names[number] as string;
}

test.each([512, 4096] as const)("blocks of %i: any history ends as the model says", (blkSize) => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const run = new Run(blkSize);
      for (const next of steps) run.step(next);
      run.compareAll();
      run.fixture.store.commit();
      run.durable = new Map(run.now);
      run.fixture.crash();
      run.compareAll();
    }),
    { numRuns: 60 },
  );
});
