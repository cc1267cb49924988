/** A full store: it says so, loses nothing, and gives back what is deleted. */
import { expect, test } from "vitest";
import { toHex } from "../../host/base/hash.ts";
import { bytesOf, errorOf, Fixture } from "../support/store.ts";

/** Puts objects of `length` until the store is full; their hashes. */
function fill(fixture: Fixture, length: number, from: number): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let seed = from; ; seed++) {
    try {
      hashes.push(fixture.store.put(bytesOf(length, seed)));
    } catch (error) {
      expect((error as { code: string }).code).toBe("ENOSPC");
      return hashes;
    }
  }
}

test.each([700, 5000, 20_000, 150_000])(
  "filled with objects of %i bytes, nothing is lost",
  (length) => {
    const fixture = new Fixture({ size: "4MiB" });
    const hashes = fill(fixture, length, 1);
    expect(hashes.length * length).toBeGreaterThan(1_800_000);
    expect(errorOf(() => fixture.store.putStream([bytesOf(900_000, 1)])).code).toBe("ENOSPC");
    expect(errorOf(() => fixture.store.put(bytesOf(900_000, 1))).code).toBe("ENOSPC");
    fixture.store.commit();
    fixture.crash();
    expect(fixture.store.stat().objects).toBe(hashes.length);
    for (const [index, hash] of hashes.entries()) {
      expect(Buffer.compare(fixture.store.get(hash), bytesOf(length, index + 1))).toBe(0);
    }
    expect(fixture.store.verify()).toEqual([]);
  },
);

test("a full store takes as much again after everything was deleted, many times over", () => {
  const fixture = new Fixture({ size: "4MiB" });
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 6; round++) {
    const hashes = fill(fixture, 9000, round * 1000);
    least = Math.min(least, hashes.length);
    for (const hash of hashes) fixture.store.delete(hash);
    expect(fixture.store.stat().objects).toBe(0);
  }
  expect(least).toBeGreaterThan(150);
  expect(fixture.store.verify()).toEqual([]);
});

test("every other object deleted from a full store makes room: its chunks are compacted", () => {
  const fixture = new Fixture({ size: "4MiB" });
  const hashes = fill(fixture, 6000, 1);
  fixture.store.commit();
  hashes.forEach((hash, index) => {
    if (index % 2 === 0) fixture.store.delete(hash);
  });
  const more = fill(fixture, 6000, 10_000);
  expect(more.length).toBeGreaterThan(hashes.length / 4);
  expect(fixture.store.stat().compactedRecords).toBeGreaterThan(10);
  fixture.reopen();
  for (const [index, hash] of hashes.entries()) {
    expect(fixture.store.has(hash)).toBe(index % 2 === 1);
    if (index % 2 === 1) {
      expect(Buffer.compare(fixture.store.get(hash), bytesOf(6000, index + 1))).toBe(0);
    }
  }
  for (const hash of more) expect(fixture.store.has(hash)).toBe(true);
  expect(fixture.store.verify()).toEqual([]);
});

test("compaction moves segments of large objects and pinned objects unharmed", () => {
  const fixture = new Fixture({ size: "6MiB" });
  const large = fixture.store.put(bytesOf(300_000, 1));
  fixture.store.pin(large);
  const small = Array.from({ length: 200 }, (_, i) => fixture.store.put(bytesOf(4000, i + 2)));
  fixture.store.commit();
  small.forEach((hash, index) => {
    if (index % 3 !== 0) fixture.store.delete(hash);
  });
  fixture.store.commit();
  let moved = 0;
  for (let round = 0; round < 40; round++) {
    moved += fixture.store.compact();
    fixture.store.commit();
  }
  expect(moved).toBeGreaterThan(20);
  expect(fixture.store.compact()).toBe(0);
  fixture.reopen();
  expect(Buffer.compare(fixture.store.get(large), bytesOf(300_000, 1))).toBe(0);
  expect(fixture.store.unpin(large)).toBe(0);
  const left = new Set([...fixture.store].map(({ hash }) => toHex(hash)));
  expect(left.size).toBe(1 + 67);
  expect(fixture.store.verify()).toEqual([]);
});

test.each([512, 4096] as const)("blocks of %i: 1,500 changes at the edge of full", (blkSize) => {
  const fixture = new Fixture({ size: "2560KiB", blkSize });
  const lengths = [700, 701, 740, 384, 385, 3000, 8192, 8193, 40_000, 65_408, 65_409, 150_000];
  const bytesFor = (n: number) => bytesOf((lengths[n % 12] as number) + (n >> 5), n);
  let state = blkSize;
  const below = (bound: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % bound;
  };
  const live = new Map<number, Uint8Array>();
  let refused = 0;
  for (let step = 0; step < 1500; step++) {
    const n = below(96);
    const hash = live.get(n);
    if (below(10) >= 6) {
      // Deletion works however full the store is.
      if (hash !== undefined) fixture.store.delete(hash);
      live.delete(n);
      continue;
    }
    try {
      const bytes = bytesFor(n);
      live.set(n, below(3) > 0 ? fixture.store.put(bytes) : fixture.store.putStream([bytes]));
      if (below(4) === 0) fixture.store.commit();
    } catch (error) {
      expect((error as { code: string }).code).toBe("ENOSPC");
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(10);
  expect(fixture.store.stat().compactedRecords).toBeGreaterThan(100);
  fixture.store.commit();
  fixture.crash();
  expect(fixture.store.stat().objects).toBe(live.size);
  for (const [n, hash] of live) {
    expect(Buffer.compare(fixture.store.get(hash), bytesFor(n))).toBe(0);
  }
  expect(fixture.store.verify()).toEqual([]);
});
