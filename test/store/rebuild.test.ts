/** The index made anew from the packs: nothing whole is lost, nothing half comes back. */
import { expect, test } from "vitest";
import { toHex } from "../../host/base/hash.ts";
import { Region } from "../../host/core/region.ts";
import { plantedCore } from "../support/core.ts";
import { newestSlot } from "../support/forge.ts";
import { packRecords } from "../support/packs.ts";
import { bytesOf, errorOf, Fixture } from "../support/store.ts";

const LOOSE = { strict: false } as const;

/** Pages of the index that the newest epochs may use: leaves and inner pages of tree 1. */
function indexPages(fixture: Fixture): number[] {
  const image = Buffer.from(fixture.memory.bytes());
  const pages: number[] = [];
  for (let at = 0; at < image.length; at += 4096) {
    if (image.toString("latin1", at, at + 4) !== "CPG1") continue;
    if ((image[at + 4] as number) <= 2 && image.readBigUInt64LE(at + 24) === 1n) {
      pages.push(at / 4096);
    }
  }
  return pages;
}

function rootPage(fixture: Fixture): number {
  const slot = fixture.memory.peek(newestSlot(fixture.memory) * 512, 512);
  return Buffer.from(slot).readUIntLE(64, 6);
}

/** No finding in the whole region, as another instance sees it. */
function expectWhole(fixture: Fixture): void {
  const core = plantedCore(0);
  expect(Region.verify(core, core.attach(fixture.memory))).toEqual([]);
}

test.each([40, 3000])("%i objects come back after every page of the index was lost", (count) => {
  const fixture = new Fixture({ size: "12MiB", open: LOOSE });
  const objects = Array.from({ length: count }, (_, n) =>
    n % 20 === 7 && n < 200 ? bytesOf(100_000 + n, n) : bytesOf(n % 700, n),
  );
  const hashes = fixture.store.putMany(objects);
  fixture.reopen();
  const before = fixture.store.stat();
  fixture.region.close();
  for (const page of indexPages(fixture)) fixture.memory.flip(page * 4096 * 8 + 999);
  fixture.crash();
  expect(errorOf(() => fixture.store.get(hashes[0] as Uint8Array)).code).toBe("EBADMSG");
  expect(fixture.store.rebuild()).toBe(before.objects);
  fixture.store.commit();
  expectWhole(fixture);
  fixture.reopen({ strict: true });
  const after = fixture.store.stat();
  expect([after.objects, after.payloadBytes]).toEqual([before.objects, before.payloadBytes]);
  for (const [index, hash] of hashes.entries()) {
    expect(Buffer.compare(fixture.store.get(hash), objects[index] as Uint8Array)).toBe(0);
  }
  expect(fixture.store.verify()).toEqual([]);
  // The pages of the lost index are free again, and the store goes on.
  for (let round = 0; round < 4; round++) {
    fixture.store.put(bytesOf(500, 9000 + round));
    fixture.store.commit();
  }
  fixture.reopen({ strict: true });
  expectWhole(fixture);
});

test("a rebuild that is not committed leaves the durable state, and can be done again", () => {
  const fixture = new Fixture({ size: "8MiB", open: LOOSE });
  const hashes = fixture.store.putMany([1, 2, 3].map((seed) => bytesOf(seed * 1000, seed)));
  fixture.region.close();
  fixture.memory.flip(rootPage(fixture) * 4096 * 8 + 1234);
  fixture.crash();
  expect(fixture.store.rebuild()).toBe(3);
  fixture.crash();
  expect(errorOf(() => fixture.store.get(hashes[0] as Uint8Array)).code).toBe("EBADMSG");
  expect(fixture.store.rebuild()).toBe(3);
  fixture.reopen();
  for (const [index, hash] of hashes.entries()) {
    expect(fixture.store.get(hash)).toEqual(bytesOf((index + 1) * 1000, index + 1));
  }
});

test("what is not whole stays out: a damaged object, and one that lacks a segment", () => {
  const fixture = new Fixture({ size: "8MiB", open: LOOSE });
  const [good, bad, torn] = [bytesOf(5000, 1), bytesOf(5001, 2), bytesOf(300_000, 3)].map((bytes) =>
    toHex(fixture.store.put(bytes)),
  ) as [string, string, string];
  fixture.region.close();
  const records = packRecords(fixture.memory.bytes());
  const place = (hash: string, segment: number) =>
    records.find((record) => record.hash === hash && record.segment === segment)?.sector as number;
  fixture.memory.flip((place(bad, 0) * 512 + 700) * 8);
  fixture.memory.flip((place(torn, 2) * 512 + 700) * 8);
  fixture.crash();
  expect(fixture.store.rebuild()).toBe(1);
  fixture.reopen({ strict: true });
  expect([good, bad, torn].map((hash) => fixture.store.has(hash))).toEqual([true, false, false]);
  expect([...fixture.store].map(({ length }) => length)).toEqual([5000]);
  expect(fixture.store.verify()).toEqual([]);
  expectWhole(fixture);
});

test("of two records of one object the newer one is found, unless bug 29 is planted", () => {
  const sectors = [0, 29].map((id) => {
    const fixture = new Fixture({ size: "8MiB", core: plantedCore(id), open: LOOSE });
    const { store } = fixture;
    const hash = toHex(store.put(bytesOf(3000, 1)));
    store.put(bytesOf(100, 2));
    store.commit();
    store.delete(hash);
    store.commit();
    store.put(bytesOf(3000, 1));
    store.commit();
    const places = packRecords(fixture.memory.bytes()).filter((record) => record.hash === hash);
    const newest = Math.max(...places.map(({ sector }) => sector));
    expect(places).toHaveLength(2);
    store.rebuild();
    store.commit();
    fixture.memory.flip((newest * 512 + 600) * 8);
    return errorOf(() => {
      store.get(hash);
      throw Object.assign(new Error(), { code: "fine" });
    }).code;
  });
  expect(sectors).toEqual(["EBADMSG", "fine"]);
});

test("a rebuild waits for a commit", () => {
  const fixture = new Fixture({ size: "8MiB", open: LOOSE });
  fixture.store.put(bytesOf(1000, 1));
  expect(errorOf(() => fixture.store.rebuild()).code).toBe("EBUSY");
  fixture.store.commit();
  expect(fixture.store.rebuild()).toBe(1);
});
