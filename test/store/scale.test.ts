/** Bounds that do not grow with the store: memory, reads of a mount, reads of a get. */
import { expect, test } from "vitest";
import { bytesOf, DESIGN_1MIB, Fixture } from "../support/store.ts";

const MANY = 100_000;

function filled(objects: number, files = false): { fixture: Fixture; hashes: Uint8Array[] } {
  const fixture = new Fixture({
    size: "256MiB",
    designSectors: DESIGN_1MIB,
    files,
    open: { strict: false },
  });
  const hashes: Uint8Array[] = [];
  // Ten commits at least: the first ones free less than those that follow.
  const batch = Math.min(1000, objects / 10);
  for (let from = 0; from < objects; from += batch) {
    const count = Math.min(batch, objects - from);
    const list = Array.from({ length: count }, (_, index) => bytesOf(96, from + index));
    hashes.push(...fixture.store.putMany(list));
    fixture.store.commit();
    // As many files as there are objects in a hundredth, so that their trees grow as well.
    for (let file = from; files && file < from + count; file += 100) {
      fixture.region.files?.writeFile(`/file-${file}`, bytesOf(5000, file));
    }
    fixture.region.files?.sync();
  }
  return { fixture, hashes };
}

for (const [what, files, readsMax] of [
  ["a store", false, 16],
  ["a store beside files", true, 24],
] as const) {
  test(`${what} of 100,000 objects takes 32 MiB, and the reads that ten take`, () => {
    bounded(files, readsMax);
  });
}

function bounded(files: boolean, readsMax: number): void {
  const few = filled(10, files);
  const many = filled(MANY, files);
  expect(many.fixture.store.stat().objects).toBe(MANY);
  expect(many.fixture.core.memory.sizeBytes).toBeLessThanOrEqual(32 << 20);
  const reads = [few, many].map(({ fixture, hashes }) => {
    fixture.region.close();
    fixture.device.reset();
    fixture.crash();
    const mount = fixture.device.counts.reads;
    let get = 0;
    for (let index = 0; index < 10; index++) {
      const hash = hashes[Math.floor((hashes.length * index) / 10)] as Uint8Array;
      fixture.store.get(hash);
      fixture.device.reset();
      fixture.store.get(hash);
      get = Math.max(get, fixture.device.counts.reads);
    }
    return { mount, get };
  });
  expect(reads[1]).toEqual(reads[0]);
  expect(reads[0]?.mount).toBeLessThanOrEqual(readsMax);
  expect(reads[0]?.get).toBe(1);
  for (let index = 0; index < MANY; index += 9973) {
    expect(many.fixture.store.get(many.hashes[index] as Uint8Array)).toEqual(bytesOf(96, index));
  }
}

test("a first get of any of 20,000 objects after a mount takes at most seven reads", () => {
  const { fixture, hashes } = filled(20_000);
  fixture.region.close();
  let most = 0;
  fixture.crash();
  for (let index = 0; index < hashes.length; index += 911) {
    fixture.device.reset();
    fixture.store.get(hashes[index] as Uint8Array);
    most = Math.max(most, fixture.device.counts.reads);
  }
  expect(most).toBeLessThanOrEqual(7);
});
