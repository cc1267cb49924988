/** Damage in the packs: found, named by its sector, kept apart, and healed by a second put. */
import { expect, test } from "vitest";
import { toHex } from "../../host/base/hash.ts";
import { RequestType } from "../../host/device/device.ts";
import { packRecords } from "../support/packs.ts";
import { bytesOf, errorOf, Fixture } from "../support/store.ts";

/** First sector on the device whose bytes begin like `start`. */
function sectorOf(fixture: Fixture, start: Uint8Array): number {
  const image = Buffer.from(fixture.memory.bytes());
  const at = image.indexOf(start);
  if (at < 0) throw new Error("the bytes are not on the device");
  return at >> 9;
}

function flip(fixture: Fixture, sector: number, offset: number): void {
  const bytes = fixture.memory.peek(sector * 512, 1 * 512);
  bytes[offset] = (bytes[offset] as number) ^ 4;
  fixture.memory.poke(sector * 512, bytes);
}

test("a flipped payload bit is EBADMSG with the record's LBA, to get, read and verify", () => {
  const fixture = new Fixture({ size: "12MiB" });
  for (const [seed, length] of [
    [1, 3000],
    [2, 30_000],
  ] as const) {
    const bytes = bytesOf(length, seed);
    const hash = fixture.store.put(bytes);
    fixture.store.put(bytesOf(900, seed + 10));
    fixture.reopen();
    // The payload stands 128 bytes behind the start of its record.
    const record = sectorOf(fixture, bytes.subarray(0, 64));
    flip(fixture, record + 3, 17);
    for (const act of [
      () => fixture.store.get(hash),
      () => fixture.store.readInto(hash, new Uint8Array(10), 5),
      () => [...fixture.store.readStream(hash)],
    ]) {
      const error = errorOf(act);
      expect([error.code, error.fault?.lba]).toEqual(["EBADMSG", record]);
    }
    expect(fixture.store.verify().map(({ lba, hash: name }) => [lba, name])).toContainEqual([
      record,
      toHex(hash),
    ]);
    expect(fixture.store.has(hash)).toBe(false);
    const damaged = bytes.slice();
    damaged[3 * 512 - 128 + 17] = (damaged[3 * 512 - 128 + 17] as number) ^ 4;
    expect(fixture.store.get(hash, { verify: false })).toEqual(damaged);
  }
});

test("damage in one segment of a large object names that segment's record", () => {
  const fixture = new Fixture({ size: "12MiB" });
  const bytes = bytesOf(400_000, 3);
  const hash = fixture.store.put(bytes);
  fixture.reopen();
  const place = sectorOf(fixture, bytes.subarray(200_000, 200_000 + 700).subarray(100, 300));
  flip(fixture, place, 200);
  const whole = errorOf(() => fixture.store.get(hash));
  const stream = errorOf(() => [...fixture.store.readStream(hash)]);
  expect([whole.code, stream.code]).toEqual(["EBADMSG", "EBADMSG"]);
  expect(whole.fault?.lba).toBe(stream.fault?.lba);
  const lba = whole.fault?.lba as number;
  expect(place - lba).toBeGreaterThanOrEqual(0);
  expect(place - lba).toBeLessThan(128);
  // A range in another segment is not touched by it.
  const target = new Uint8Array(1000);
  expect(fixture.store.readInto(hash, target, 100)).toBe(1000);
  expect(target).toEqual(bytes.slice(100, 1100));
});

test("putting the same content again replaces a damaged record, once a read has found it", () => {
  const fixture = new Fixture({ size: "12MiB" });
  for (const length of [2000, 300_000]) {
    const bytes = bytesOf(length, 4);
    const hash = fixture.store.put(bytes);
    fixture.store.pin(hash);
    fixture.reopen();
    flip(fixture, sectorOf(fixture, bytes.subarray(0, 64)) + 2, 100);
    expect(errorOf(() => fixture.store.get(hash)).code).toBe("EBADMSG");
    fixture.store.put(bytes);
    expect(Buffer.compare(fixture.store.get(hash), bytes)).toBe(0);
    expect(fixture.store.stat().healedRecords).toBe(1);
    fixture.reopen();
    expect(Buffer.compare(fixture.store.get(hash), bytes)).toBe(0);
    expect(fixture.store.unpin(hash)).toBe(0);
    expect(fixture.store.verify()).toEqual([]);
  }
});

test("any one flipped bit of a record's header is found by get and by verify", () => {
  const fixture = new Fixture();
  const bytes = bytesOf(600, 5);
  const hash = fixture.store.put(bytes);
  fixture.reopen();
  const record = sectorOf(fixture, bytes.subarray(0, 64));
  const good = fixture.memory.peek(record * 512, 1 * 512);
  for (let bit = 0; bit < 128 * 8; bit += 7) {
    const bad = good.slice();
    bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
    fixture.memory.poke(record * 512, bad);
    const error = errorOf(() => fixture.store.get(hash));
    expect([error.code, error.fault?.lba], `bit ${bit}`).toEqual(["EBADMSG", record]);
  }
  expect(fixture.store.verify().map(({ lba }) => lba)).toEqual([record]);
  fixture.memory.poke(record * 512, good);
  expect(fixture.store.get(hash)).toEqual(bytes);
});

test("a record written to another place is found there by its own LBA", () => {
  const fixture = new Fixture();
  const hashes = [1, 2].map((seed) => fixture.store.put(bytesOf(1000, seed)));
  fixture.reopen();
  const [first, second] = [1, 2].map((s) => sectorOf(fixture, bytesOf(1000, s).subarray(0, 64)));
  fixture.memory.poke(
    (second as number) * 512,
    fixture.memory.peek((first as number) * 512, 3 * 512),
  );
  const error = errorOf(() => fixture.store.get(hashes[1] as Uint8Array));
  expect([error.code, error.fault?.reason, error.fault?.lba]).toEqual([
    "EBADMSG",
    "SELF_LBA",
    second,
  ]);
});

test("a device that cannot read answers EIO with the place, and the object is not damaged", () => {
  const fixture = new Fixture();
  const hash = fixture.store.put(bytesOf(1000, 1));
  fixture.reopen();
  const sector = sectorOf(fixture, bytesOf(1000, 1).subarray(0, 64));
  fixture.store.has(hash);
  fixture.device.inject({ on: RequestType.IN, within: { sector, sectors: 1 } });
  const error = errorOf(() => fixture.store.get(hash));
  expect([error.code, error.fault?.lba]).toEqual(["EIO", sector]);
  expect(fixture.store.get(hash)).toEqual(bytesOf(1000, 1));
});

test("a failed write of a full buffer loses the batch, and the rest goes on after reopen()", () => {
  const fixture = new Fixture({ size: "12MiB" });
  const kept = fixture.store.put(bytesOf(20_000, 1));
  fixture.store.commit();
  fixture.store.put(bytesOf(8000, 2));
  fixture.device.inject({ on: RequestType.OUT });
  const error = errorOf(() => {
    for (let seed = 3; seed < 40; seed++) fixture.store.put(bytesOf(8000, seed));
  });
  expect(error.code).toBe("EIO");
  expect(errorOf(() => fixture.store.get(kept)).code).toBe("ESTALE");
  fixture.store.reopen();
  expect(fixture.store.get(kept)).toEqual(bytesOf(20_000, 1));
  expect(fixture.store.stat().objects).toBe(1);
  const again = fixture.store.put(bytesOf(8000, 2));
  fixture.reopen();
  expect(fixture.store.get(again)).toEqual(bytesOf(8000, 2));
  expect(fixture.store.verify()).toEqual([]);
});

test("a stream given up half-way leaves nothing behind", () => {
  const fixture = new Fixture({ size: "8MiB" });
  fixture.store.put(bytesOf(10, 1));
  fixture.store.commit();
  const before = fixture.store.stat().freeBytes;
  const broken = function* () {
    yield bytesOf(500_000, 1);
    throw new Error("the source broke");
  };
  for (let round = 0; round < 30; round++) {
    expect(() => fixture.store.putStream(broken())).toThrow("the source broke");
    fixture.store.commit();
  }
  for (let seed = 2; seed < 5; seed++) {
    fixture.store.put(bytesOf(10, seed));
    fixture.store.commit();
  }
  expect(fixture.store.stat().freeBytes).toBeGreaterThan(before - 200_000);
  expect(fixture.store.stat().objects).toBe(4);
  expect(fixture.store.verify()).toEqual([]);
});

test("verify finds any flipped bit of the live sectors of any record, padding included", () => {
  const fixture = new Fixture({ size: "12MiB" });
  for (const [seed, length] of [
    [1, 300],
    [2, 5000],
    [3, 70_001],
  ] as const) {
    fixture.store.put(bytesOf(length, seed));
  }
  fixture.reopen();
  const records = packRecords(fixture.memory.bytes());
  expect(records).toHaveLength(4);
  for (const { sector, length } of records) {
    const bits = Math.ceil((128 + length) / 512) * 4096;
    for (let step = 0; step < 12; step++) {
      // The last step flips the last bit of the padding.
      const bit = step === 11 ? bits - 1 : Math.floor((bits * step) / 11) + step;
      fixture.memory.flip(sector * 4096 + bit);
      fixture.crash();
      const found = fixture.store.verify().map(({ lba }) => lba);
      expect(found, `sector ${sector}, bit ${bit}`).toContain(sector);
      fixture.memory.flip(sector * 4096 + bit);
    }
  }
  fixture.crash();
  expect(fixture.store.verify()).toEqual([]);
});
