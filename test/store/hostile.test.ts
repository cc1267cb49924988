/** Images whose checksums are right and whose words are lies: refused by name, never obeyed. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { toHex } from "../../host/base/hash.ts";
import { forgeHeader, forgeLeaf, ROOT_INDEX, ROOT_SPACE } from "../support/forge.ts";
import { packRecords } from "../support/packs.ts";
import { bytesOf, errorOf, Fixture } from "../support/store.ts";

const LENGTHS = [100, 5000, 200_000, 0];

interface Image {
  readonly fixture: Fixture;
  readonly hashes: Uint8Array[];
}

/** A store of four objects at rest, whose trees are one leaf each. */
function image(): Image {
  const fixture = new Fixture({ size: "4MiB", open: { strict: false } });
  const hashes = LENGTHS.map((length) => fixture.store.put(bytesOf(length, length)));
  fixture.region.close();
  return { fixture, hashes };
}

/** Everything a caller can do: right bytes or a StorageError each time, never a trap. */
function exercise({ fixture, hashes }: Image): string[] {
  const codes: string[] = [];
  const attempt = (name: string, act: () => unknown): unknown => {
    try {
      return act();
    } catch (error) {
      expect(error, name).toBeInstanceOf(StorageError);
      codes.push(`${name} ${(error as StorageError).code}`);
      return undefined;
    }
  };
  for (const strict of [false, true]) {
    const opened = attempt("open", () => fixture.crash({ strict }));
    if (opened === undefined) continue;
    const { store } = fixture;
    hashes.forEach((hash, index) => {
      const bytes = bytesOf(LENGTHS[index] as number, LENGTHS[index] as number);
      const got = attempt("get", () => store.get(hash));
      if (got !== undefined) expect(Buffer.compare(got as Uint8Array, bytes)).toBe(0);
      attempt("read", () => [...store.readStream(hash)]);
      attempt("range", () => store.readInto(hash, new Uint8Array(300), 50));
    });
    attempt("list", () => [...store]);
    for (const { code } of (attempt("verify", () => store.verify()) ?? []) as { code: string }[]) {
      codes.push(`found ${code}`);
    }
    attempt("put", () => store.put(bytesOf(5000, 5000)));
    attempt("put", () => store.put(bytesOf(77, 1)));
    for (const hash of hashes) attempt("delete", () => store.delete(hash));
    attempt("compact", () => store.compact());
    attempt("commit", () => store.commit());
  }
  return codes;
}

const set32 = (at: number, value: number) => (page: DataView, base: number) =>
  page.setUint32(base + at, value, true);
const set16 = (at: number, value: number) => (page: DataView, base: number) =>
  page.setUint16(base + at, value, true);

describe("an index value that names", () => {
  test.each([
    ["a chunk past the end", set32(0, 0x7fffffff)],
    ["a chunk of metadata", set32(0, 0)],
    ["a free chunk", set32(0, 20)],
    ["a sector past the end of the chunk", set32(4, 0xfffffff8)],
    ["a sector inside the record", set32(4, 1)],
    ["no sectors", set32(16, 0)],
    ["more sectors than a chunk", set32(16, 0xffffffff)],
    ["a longer object", set32(8, 101 + 512)],
    ["2^48 - 1 bytes", (page, base) => page.setBigUint64(base + 8, 0xffff_ffff_ffffn, true)],
    ["an inline object", set16(14, 1)],
    ["segments it does not have", set16(14, 2)],
    ["an unknown flag", set16(14, 0x8000)],
  ] as [string, (page: DataView, base: number) => void][])("%s is EBADMSG", (_, lie) => {
    const made = image();
    forgeLeaf(made.fixture.memory, ROOT_INDEX, (page, records) => {
      const name = toHex(made.hashes[0] as Uint8Array);
      const record = records.find(({ key }) => toHex(key) === name);
      lie(page, record?.valueAt as number);
    });
    made.fixture.crash();
    const hash = made.hashes[0] as Uint8Array;
    expect(errorOf(() => made.fixture.store.get(hash)).code).toBe("EBADMSG");
    expect(made.fixture.store.verify().length).toBeGreaterThan(0);
    expect(made.fixture.store.get(made.hashes[1] as Uint8Array)).toEqual(bytesOf(5000, 5000));
    exercise(made);
  });
});

test("an object that another one's entry points at is not given out under the wrong name", () => {
  const made = image();
  forgeLeaf(made.fixture.memory, ROOT_INDEX, (page, records) => {
    const [first, second] = records.filter(({ key }) => key.length === 32);
    for (let at = 0; at < 24; at++) {
      page.setUint8((first?.valueAt ?? 0) + at, page.getUint8((second?.valueAt ?? 0) + at));
    }
  });
  const codes = exercise(made);
  expect(codes).toContain("get EBADMSG");
  expect(codes).toContain("found EBADMSG");
});

describe("a pack record's header that", () => {
  test.each([
    ["claims 2^63 bytes", (h) => h.setBigUint64(8, 1n << 63n, true)],
    ["claims one byte more", (h) => h.setBigUint64(8, 101n, true)],
    ["belongs to another LBA", (h) => h.setBigUint64(16, 5n, true)],
    ["comes from the future", (h) => h.setBigUint64(24, 1n << 40n, true)],
    ["has another hash", (h) => h.setUint8(33, h.getUint8(33) ^ 1)],
    ["is segment 1 of 2", (h) => h.setBigUint64(64, 0x2_0000_0001n, true)],
    ["is one of 2^32 - 1 segments", (h) => h.setUint32(68, 0xffffffff, true)],
    ["is one of no segments", (h) => h.setUint32(68, 0, true)],
    ["has the tag of another life", (h) => h.setUint8(72, h.getUint8(72) ^ 1)],
    ["has an unknown flag", (h) => h.setUint16(6, 4, true)],
    ["has another length of its own", (h) => h.setUint16(4, 64, true)],
    ["uses reserved bytes", (h) => h.setUint8(110, 1)],
  ] as [string, (header: DataView) => void][])("%s is EBADMSG with its LBA", (_, lie) => {
    const made = image();
    const hash = made.hashes[0] as Uint8Array;
    const records = packRecords(made.fixture.memory.bytes());
    const sector = records.find((record) => record.hash === toHex(hash))?.sector as number;
    forgeHeader(made.fixture.memory, sector, lie);
    made.fixture.crash();
    const error = errorOf(() => made.fixture.store.get(hash));
    expect([error.code, error.fault?.lba]).toEqual(["EBADMSG", sector]);
    expect(made.fixture.store.verify().map(({ lba }) => lba)).toContain(sector);
    exercise(made);
  });
});

describe("a chunk's entry that", () => {
  test.each([
    ["counts no live sectors", set32(8, 0)],
    ["counts too many", set32(8, 0x7fffffff)],
    ["has written past its end", set32(12, 0xffffffff)],
    ["is metadata", (page, base) => page.setUint8(base, 1)],
    ["is free", (page, base) => page.setUint8(base, 0)],
    ["is the filesystem's", (page, base) => page.setUint8(base, 4)],
    ["is dead", (page, base) => page.setUint8(base, 8)],
    ["is of no kind", (page, base) => page.setUint8(base, 99)],
    ["is of another life", (page, base) => page.setUint8(base + 16, 77)],
  ] as [string, (page: DataView, base: number) => void][])("%s is found", (_, lie) => {
    const made = image();
    let count = 0;
    forgeLeaf(made.fixture.memory, ROOT_SPACE, (page, records) => {
      for (const { valueAt } of records) {
        const owner = page.getUint8(valueAt);
        if (owner !== 2 && owner !== 3) continue;
        lie(page, valueAt);
        count += 1;
      }
    });
    expect(count).toBeGreaterThan(1);
    expect(exercise(made).join()).toMatch(/EBADMSG/);
  });
});

test("random words in index and chunk entries never trap, hang or give out wrong bytes", () => {
  const seen = new Set<string>();
  const lie = fc.record({
    root: fc.constantFrom(ROOT_INDEX, ROOT_SPACE),
    record: fc.nat(20),
    offset: fc.nat(31),
    value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 127, 128, 255)),
  });
  fc.assert(
    fc.property(fc.array(lie, { minLength: 1, maxLength: 3 }), (lies) => {
      const made = image();
      for (const { root, record, offset, value } of lies) {
        forgeLeaf(made.fixture.memory, root, (page, records) => {
          const at = records[record % records.length];
          if (at === undefined) return;
          page.setUint8(at.valueAt + (offset % at.valueLength), value);
        });
      }
      for (const code of exercise(made)) seen.add(code);
    }),
    { numRuns: 80 },
  );
  expect([...seen].some((code) => code.endsWith("EBADMSG"))).toBe(true);
});
