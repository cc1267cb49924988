/** The bytes of the packs, read by an independent decoder: what a rebuild of the index relies on. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { toHex } from "../../host/base/hash.ts";
import { packRecords, xxh64 } from "../support/packs.ts";
import { bytesOf, DESIGN_8MIB, Fixture } from "../support/store.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("the slow XXH64 gives the published values", () => {
  expect(xxh64(new Uint8Array(0), 0n)).toBe(0xef46db3751d8e999n);
  expect(xxh64(new TextEncoder().encode("abc"), 0n)).toBe(0x44bc2cf5ad770999n);
});

test.each([512, 4096] as const)("blocks of %i: every record proves itself", (blkSize) => {
  const fixture = new Fixture({ size: "12MiB", blkSize });
  const objects = [0, 1, 500, 3968, 4000, 20_000].map((length) => bytesOf(length, length + 7));
  const hashes = objects.map((bytes) => toHex(fixture.store.put(bytes)));
  fixture.region.close();
  const records = packRecords(fixture.memory.bytes());
  expect(records.map(({ hash }) => hash)).toEqual(hashes);
  for (const [index, record] of records.entries()) {
    const { payload, padding } = record;
    expect(Buffer.compare(payload, objects[index] as Uint8Array)).toBe(0);
    expect(padding.every((byte) => byte === 0)).toBe(true);
    expect(record.sector % (blkSize / 512)).toBe(0);
    expect([record.headerLength, record.flags, record.segment, record.segments]).toEqual([
      128, 0, 0, 1,
    ]);
    expect([record.checksum, record.reserved.every((byte) => byte === 0)]).toEqual([0n, true]);
    expect(record.session).not.toBe(0n);
    // One batch, one life of one chunk: the same epoch, session and tag in all of them.
    expect([record.epoch, record.session, record.tag]).toEqual([
      records[0]?.epoch,
      records[0]?.session,
      records[0]?.tag,
    ]);
  }
});

test.each(["put", "stream", "twice"])("segments (%s) end with their chunks and sum up", (way) => {
  const fixture = new Fixture({ size: "12MiB" });
  fixture.store.put(bytesOf(3000, 1));
  const bytes = bytesOf(300_000, 2);
  const pieces = [bytes.subarray(0, 123_457), bytes.subarray(123_457)];
  if (way === "put") fixture.store.put(bytes);
  else fixture.store.putStream(way === "stream" ? pieces : () => pieces);
  fixture.region.close();
  const records = packRecords(fixture.memory.bytes()).filter(({ hash }) => hash === sha256(bytes));
  records.sort((a, b) => a.segment - b.segment);
  expect(records.length).toBeGreaterThan(4);
  expect(Buffer.compare(Buffer.concat(records.map(({ payload }) => payload)), bytes)).toBe(0);
  for (const [index, record] of records.entries()) {
    expect([record.flags, record.segment, record.segments]).toEqual([2, index, records.length]);
    expect(record.checksum).toBe(xxh64(record.payload, 0n));
    // Chunks of 64 KiB behind a head of 512 sectors and a log of 128.
    const end = record.sector + Math.ceil((128 + record.length) / 512);
    if (index + 1 < records.length) expect((end - 640) % 128).toBe(0);
  }
});

test("segments longer than the write buffer carry the checksum of all their bytes", () => {
  const fixture = new Fixture({
    size: "64MiB",
    designSectors: DESIGN_8MIB,
    open: { strict: false },
  });
  const bytes = bytesOf(9 << 20, 3);
  for (const put of [() => fixture.store.put(bytes), () => fixture.store.putStream([bytes])]) {
    const hash = put();
    fixture.store.commit();
    const records = packRecords(fixture.memory.bytes()).filter((r) => r.hash === toHex(hash));
    const newest = records.filter(({ epoch }) => epoch === records.at(-1)?.epoch);
    expect(newest.map(({ segments }) => segments)).toEqual([2, 2]);
    for (const { checksum, payload } of newest) {
      const at = fixture.core.memory.allocate(payload.length);
      const out = fixture.core.memory.allocate(8);
      fixture.core.memory.bytes.set(payload, at);
      fixture.core.memory.view.setBigUint64(out, 0n, true);
      fixture.core.exports.xxh64At(at, payload.length, out);
      expect(checksum).toBe(fixture.core.memory.u64(out));
      fixture.core.memory.release(at, payload.length);
    }
    fixture.store.delete(hash);
    fixture.store.commit();
  }
});

test("R7: after a commit the next record starts a 4 KiB block; within one it follows at once", () => {
  const fixture = new Fixture({ size: "12MiB" });
  const sectorsOf = (hashes: readonly Uint8Array[]) => {
    const names = hashes.map(toHex);
    const records = packRecords(fixture.memory.bytes());
    return names.map((name) => records.find(({ hash }) => hash === name)?.sector as number);
  };
  for (let round = 0; round < 12; round++) {
    const hashes = [1, 2, 3].map((n) =>
      fixture.store.put(bytesOf(100 + round * 300, n * 50 + round)),
    );
    fixture.store.commit();
    const [first, second, third] = sectorsOf(hashes) as [number, number, number];
    const taken = Math.ceil((228 + round * 300) / 512);
    expect(first % 8).toBe(0);
    if (Math.floor(first / 128) === Math.floor(third / 128)) {
      expect([second - first, third - second]).toEqual([taken, taken]);
    }
  }
});

test("a reused chunk has a new tag, so records of its earlier life are none", () => {
  const fixture = new Fixture({ size: "2MiB" });
  const tags = new Map<number, Set<bigint>>();
  for (let round = 0; round < 40; round++) {
    const hashes = Array.from({ length: 9 }, (_, n) =>
      fixture.store.put(bytesOf(30_000, round * 9 + n)),
    );
    fixture.store.commit();
    for (const { sector, tag, epoch, hash } of packRecords(fixture.memory.bytes())) {
      if (!hashes.some((name) => toHex(name) === hash) || epoch === 0n) continue;
      const chunk = Math.floor((sector - 640) / 128);
      tags.set(chunk, (tags.get(chunk) ?? new Set()).add(tag));
    }
    for (const hash of hashes) fixture.store.delete(hash);
    fixture.store.commit();
  }
  expect([...tags.values()].some((seen) => seen.size > 1)).toBe(true);
  const all = [...tags.values()].flatMap((seen) => [...seen]);
  expect(new Set(all).size).toBe(all.length);
});
