/** GUIDs and seeds: byte order, versions, and streams that anybody can recompute. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { guidBytes, guidText, isGuid, newGuid } from "../../host/base/guid.ts";
import { seededRandom, sha256, systemRandom } from "../../host/base/seed.ts";

test("the ESP's GUID has the bytes that UEFI tools write", () => {
  const bytes = guidBytes("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
  expect(Buffer.from(bytes).toString("hex")).toBe("28732ac11ff8d211ba4b00a0c93ec93b");
  expect(guidText(bytes)).toBe("C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
});

test("any 16 bytes survive the way to text and back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      expect(guidBytes(guidText(bytes))).toEqual(bytes);
    }),
  );
});

test.each(["", "C12A7328", "C12A7328-F81F-11D2-BA4B-00A0C93EC93", "{not-a-guid}"])(
  "'%s' is no GUID and is refused with EINVAL",
  (text) => {
    expect(isGuid(text)).toBe(false);
    expect(() => guidBytes(text)).toThrow("EINVAL");
  },
);

test("a new GUID is of version 4 and variant 1, whatever the random bytes are", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      expect(newGuid((into) => into.set(bytes))).toMatch(/^.{14}4.{4}[89AB].{3}-.{12}$/);
    }),
  );
});

test("the portable SHA-256 agrees with Node's for every length around a block", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const expected = createHash("sha256").update(bytes).digest("hex");
      expect(Buffer.from(sha256(bytes)).toString("hex")).toBe(expected);
    }),
  );
});

test("a seed's stream is SHA-256 of key and counter, however it is asked for", () => {
  const label = Buffer.from("gpt");
  const head = Buffer.from([3, 0, 0, 0]);
  const key = createHash("sha256").update(head).update(label).update("seed").digest();
  const block = (counter: number) => {
    const count = Buffer.alloc(8);
    count.writeUInt32LE(counter);
    return createHash("sha256").update(key).update(count).digest();
  };
  const expected = Buffer.concat([block(0), block(1), block(2)]);
  const whole = new Uint8Array(96);
  seededRandom("seed", "gpt")(whole);
  expect(Buffer.from(whole)).toEqual(expected);
  const pieces = seededRandom("seed", "gpt");
  const parts = [1, 31, 33, 31].map((size) => {
    const part = new Uint8Array(size);
    pieces(part);
    return part;
  });
  expect(Buffer.concat(parts)).toEqual(expected);
});

test("another seed or label gives another GUID, the same ones the same", () => {
  const first = newGuid(seededRandom("one", "disk"));
  expect(newGuid(seededRandom("one", "disk"))).toBe(first);
  expect(newGuid(seededRandom("two", "disk"))).not.toBe(first);
  expect(newGuid(seededRandom("one", "partition"))).not.toBe(first);
});

test("the system's randomness fills more than one call of it gives", () => {
  const bytes = new Uint8Array(70_000);
  systemRandom(bytes);
  expect(bytes.subarray(65_536).some((byte) => byte !== 0)).toBe(true);
});
