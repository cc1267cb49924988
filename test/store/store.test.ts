/** The store at its surface: what goes in comes out, under its SHA-256, from one open to the next. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { toHex } from "../../host/base/hash.ts";
import { bytesOf, DESIGN_1MIB, DESIGN_8MIB, errorOf, Fixture } from "../support/store.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const CHUNK = 65536;

/** Lengths on both sides of every border that a record can meet. */
const LENGTHS = [
  0,
  1,
  31,
  383,
  384,
  385,
  511,
  512,
  513,
  4096 - 128,
  4096,
  4097,
  CHUNK / 8 - 1,
  CHUNK / 8,
  CHUNK / 8 + 1,
  CHUNK / 2,
  CHUNK - 129,
  CHUNK - 128,
  CHUNK - 127,
  CHUNK,
  CHUNK + 1,
  3 * CHUNK - 384,
  3 * CHUNK,
  5 * CHUNK + 77,
];

describe.each([512, 4096] as const)("blocks of %i bytes", (blkSize) => {
  test("objects of every length come back, before and after commit and re-open", () => {
    const fixture = new Fixture({ size: "12MiB", blkSize });
    const objects = LENGTHS.map((length) => bytesOf(length, length));
    const hashes = objects.map((bytes) => fixture.store.put(bytes));
    expect(hashes.map(toHex)).toEqual(objects.map(sha256));
    const readAll = () => hashes.map((hash) => sha256(fixture.store.get(hash)));
    expect(readAll()).toEqual(objects.map(sha256));
    fixture.store.commit();
    expect(readAll()).toEqual(objects.map(sha256));
    fixture.crash();
    expect(readAll()).toEqual(objects.map(sha256));
    fixture.reopen();
    expect(readAll()).toEqual(objects.map(sha256));
    expect(fixture.store.stat().objects).toBe(LENGTHS.length);
    expect(fixture.store.verify()).toEqual([]);
  });

  test("streams of every length come back and get the hash of all their bytes", () => {
    const fixture = new Fixture({ size: "12MiB", blkSize });
    const objects = LENGTHS.map((length) => bytesOf(length, length + 1));
    const pieces = function* (bytes: Uint8Array) {
      for (let at = 0; at < bytes.length; at += 7001) yield bytes.subarray(at, at + 7001);
    };
    const once = objects.map((bytes) => fixture.store.putStream(pieces(bytes)));
    expect(once.map(toHex)).toEqual(objects.map(sha256));
    fixture.store.commit();
    fixture.crash();
    for (const [index, hash] of once.entries()) {
      expect(sha256(fixture.store.get(hash)), `length ${LENGTHS[index]}`).toBe(toHex(hash));
      fixture.store.delete(hash);
    }
    fixture.store.commit();
    const twice = objects.map((bytes) => fixture.store.putStream(() => pieces(bytes)));
    expect(twice.map(toHex)).toEqual(objects.map(sha256));
    fixture.store.commit();
    fixture.crash();
    for (const hash of twice) expect(sha256(fixture.store.get(hash))).toBe(toHex(hash));
    expect(fixture.store.verify()).toEqual([]);
  });
});

test.each([DESIGN_1MIB, DESIGN_8MIB])("large chunks (design %i): objects across them", (design) => {
  const fixture = new Fixture({ size: "96MiB", designSectors: design, open: { strict: false } });
  const lengths = [1 << 20, (1 << 20) + 1, 3 << 20, (9 << 20) + 5, 300_000, (2 << 20) - 128];
  const hashes = lengths.map((length) => fixture.store.put(bytesOf(length, length)));
  const stream = fixture.store.putStream([bytesOf(5 << 20, 1), bytesOf(6 << 20, 2)]);
  fixture.store.commit();
  fixture.crash();
  for (const [index, hash] of hashes.entries()) {
    expect(toHex(hash)).toBe(sha256(bytesOf(lengths[index] as number, lengths[index] as number)));
    expect(sha256(fixture.store.get(hash))).toBe(toHex(hash));
  }
  let length = 0;
  const hash = createHash("sha256");
  for (const piece of fixture.store.readStream(stream)) {
    hash.update(piece);
    length += piece.length;
  }
  expect([length, hash.digest("hex")]).toEqual([11 << 20, toHex(stream)]);
  expect(fixture.store.verify()).toEqual([]);
});

test("any range of any object reads the same as a slice of it", () => {
  const fixture = new Fixture({ size: "12MiB" });
  for (const length of [0, 1, 700, 40_000, CHUNK * 3 + 5]) {
    const bytes = bytesOf(length, 9);
    const hash = fixture.store.put(bytes);
    for (const offset of [0, 1, 383, 384, 65_407, 65_408, 65_409, length - 1, length, length + 1]) {
      if (offset < 0) continue;
      for (const size of [0, 1, 511, 70_000, 400_000]) {
        for (const verify of [true, false]) {
          const target = new Uint8Array(size).fill(0xee);
          const count = fixture.store.readInto(hash, target, offset, { verify });
          const expected = bytes.subarray(offset, offset + size);
          expect(count).toBe(expected.length);
          expect(Buffer.compare(target.subarray(0, count), expected)).toBe(0);
        }
      }
    }
  }
});

test("putMany answers the hashes in order, whatever repeats and however long", () => {
  const fixture = new Fixture({ size: "12MiB" });
  const list = Array.from({ length: 700 }, (_, index) => {
    const length = index % 50 === 0 ? 30_000 : index % 7 === 0 ? index : 64;
    return bytesOf(length, index % 300);
  });
  const hashes = fixture.store.putMany(list);
  expect(hashes.map(toHex)).toEqual(list.map(sha256));
  fixture.store.commit();
  fixture.crash();
  for (const [index, hash] of hashes.entries()) {
    expect(Buffer.compare(fixture.store.get(hash), list[index] as Uint8Array)).toBe(0);
  }
  expect(fixture.store.stat().objects).toBe(new Set(hashes.map(toHex)).size);
  expect(fixture.store.verify()).toEqual([]);
});

test("the same bytes are stored once, also when they come as a stream", () => {
  const fixture = new Fixture({ size: "12MiB" });
  const small = bytesOf(5000, 1);
  const large = bytesOf(200_000, 2);
  const first = [fixture.store.put(small), fixture.store.put(large)];
  fixture.store.commit();
  const before = fixture.store.stat();
  const again = [
    fixture.store.put(small),
    fixture.store.putStream([large.subarray(0, 99), large.subarray(99)]),
    fixture.store.putHashed(first[1] as Uint8Array, large),
  ];
  expect(again.map(toHex)).toEqual(
    [first[0], first[1], first[1]].map((h) => toHex(h as Uint8Array)),
  );
  fixture.store.commit();
  const after = fixture.store.stat();
  expect([after.objects, after.payloadBytes]).toEqual([2, 205_000]);
  expect(after.objects).toBe(before.objects);
});

test("putHashed refuses bytes that do not have the hash, unless the caller is trusted", () => {
  const fixture = new Fixture({ size: "12MiB" });
  const wrong = new Uint8Array(32).fill(7);
  for (const length of [100, 300_000]) {
    expect(errorOf(() => fixture.store.putHashed(wrong, bytesOf(length, 1))).code).toBe("EBADMSG");
  }
  expect(fixture.store.stat().objects).toBe(0);
  const bytes = bytesOf(100, 2);
  expect(toHex(fixture.store.putHashed(sha256(bytes), bytes))).toBe(sha256(bytes));
  expect(fixture.store.has(sha256(bytes))).toBe(true);
});

test("hashes may be bytes or hexadecimal, and nothing else", () => {
  const { store } = new Fixture();
  const hash = store.put(bytesOf(10, 1));
  expect(store.get(toHex(hash).toUpperCase())).toEqual(bytesOf(10, 1));
  expect(errorOf(() => store.get("abc")).code).toBe("EINVAL");
  expect(errorOf(() => store.get(new Uint8Array(31))).code).toBe("EINVAL");
  expect(errorOf(() => store.readInto(hash, new Uint8Array(4), -1)).code).toBe("EINVAL");
});

test("what is not there is ENOENT to get, read and delete, and false to has", () => {
  const { store } = new Fixture();
  const hash = new Uint8Array(32).fill(1);
  expect(store.has(hash)).toBe(false);
  expect(store.length(hash)).toBeUndefined();
  for (const act of [
    () => store.get(hash),
    () => store.delete(hash),
    () => store.pin(hash),
    () => store.readInto(hash, new Uint8Array(1)),
    () => [...store.readStream(hash)],
  ]) {
    expect(errorOf(act).code).toBe("ENOENT");
  }
});

test("a pinned object is EBUSY to delete until each pin is taken back, also after a re-open", () => {
  const fixture = new Fixture();
  const hash = fixture.store.put(bytesOf(100, 1));
  expect(fixture.store.pin(hash)).toBe(1);
  expect(fixture.store.pin(hash)).toBe(2);
  fixture.reopen();
  expect(errorOf(() => fixture.store.delete(hash)).code).toBe("EBUSY");
  expect(fixture.store.unpin(hash)).toBe(1);
  expect(errorOf(() => fixture.store.delete(hash)).code).toBe("EBUSY");
  expect(fixture.store.unpin(hash)).toBe(0);
  expect(errorOf(() => fixture.store.unpin(hash)).code).toBe("EINVAL");
  fixture.store.delete(hash);
  fixture.reopen();
  expect(fixture.store.has(hash)).toBe(false);
});

test("list gives every object once, in order of hashes, from any place, with its length", () => {
  const fixture = new Fixture({ size: "12MiB" });
  const lengths = new Map<string, number>();
  for (let index = 0; index < 600; index++) {
    const bytes = index % 100 === 3 ? bytesOf(150_000 + index, index) : bytesOf(index, index);
    lengths.set(toHex(fixture.store.put(bytes)), bytes.length);
  }
  const sorted = [...lengths.keys()].sort();
  const listed = [...fixture.store.list()].map(({ hash, length }) => [toHex(hash), length]);
  expect(listed).toEqual(sorted.map((hash) => [hash, lengths.get(hash)]));
  const from = sorted[299] as string;
  const after = [...fixture.store.list({ after: from, limit: 5 })].map(({ hash }) => toHex(hash));
  expect(after).toEqual(sorted.slice(300, 305));
  expect([...fixture.store]).toHaveLength(600);
});

test("deleting everything gives all space back two commits later", () => {
  const fixture = new Fixture({ size: "8MiB" });
  const before = fixture.store.stat().freeBytes;
  const hashes = Array.from({ length: 60 }, (_, i) => fixture.store.put(bytesOf(50_000, i)));
  hashes.push(fixture.store.put(bytesOf(700_000, 99)));
  fixture.store.commit();
  expect(fixture.store.stat().freeBytes).toBeLessThan(before - 3_600_000);
  for (const hash of hashes) fixture.store.delete(hash);
  fixture.store.commit();
  expect([fixture.store.stat().objects, fixture.store.stat().payloadBytes]).toEqual([0, 0]);
  for (let round = 0; round < 3; round++) {
    fixture.store.put(bytesOf(10, round + 1000));
    fixture.store.commit();
  }
  expect(fixture.store.stat().freeBytes).toBeGreaterThan(before - 6 * CHUNK);
  expect(fixture.store.verify()).toEqual([]);
});

test("collect keeps roots and pinned objects and deletes the rest", () => {
  const fixture = new Fixture({ size: "12MiB" });
  const hashes = Array.from({ length: 500 }, (_, i) => fixture.store.put(bytesOf(i * 10, i)));
  fixture.store.pin(hashes[77] as Uint8Array);
  const roots = hashes.filter((_, index) => index % 5 === 0);
  expect(fixture.store.collect(roots)).toBe(500 - 100 - 1);
  fixture.reopen();
  const left = new Set([...fixture.store].map(({ hash }) => toHex(hash)));
  expect(left).toEqual(new Set([...roots, hashes[77] as Uint8Array].map(toHex)));
  expect(fixture.store.verify()).toEqual([]);
});

test("durability each: what was answered survives without a commit", () => {
  const fixture = new Fixture({ open: { durability: "each" } });
  const hash = fixture.store.put(bytesOf(100, 1));
  const gone = fixture.store.put(bytesOf(100, 2));
  fixture.store.delete(gone);
  fixture.crash();
  expect([fixture.store.has(hash), fixture.store.has(gone)]).toEqual([true, false]);
});

test("a closed store and one whose region is closed answer EBADF", () => {
  const fixture = new Fixture();
  const { store } = fixture;
  const hash = store.put(bytesOf(5, 5));
  fixture.region.close();
  expect(errorOf(() => store.get(hash)).code).toBe("EBADF");
  expect(errorOf(() => store.put(bytesOf(1, 1))).code).toBe("EBADF");
});

test("a read-only store reads and answers EROFS to every change", () => {
  const fixture = new Fixture();
  const hash = fixture.store.put(bytesOf(100, 1));
  const store = fixture.reopen({ readOnly: true });
  expect(store.get(hash)).toEqual(bytesOf(100, 1));
  for (const act of [
    () => store.put(bytesOf(1, 2)),
    () => store.put(bytesOf(200_000, 2)),
    () => store.putStream([bytesOf(200_000, 3)]),
    () => store.delete(hash),
    () => store.pin(hash),
  ]) {
    expect(errorOf(act).code).toBe("EROFS");
  }
  expect(fixture.device.counts.writes).toBeGreaterThan(0);
});
