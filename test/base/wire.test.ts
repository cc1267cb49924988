/** The wrapper around typed-binary: what it takes comes back; everything else is one error. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import * as wire from "../../host/base/wire.ts";

const item = wire.record("item", { label: wire.text(20), level: wire.u8 });
const sample = wire.record("sample", {
  byte: wire.u8,
  half: wire.u16,
  word: wire.u32,
  safe: wire.u53,
  long: wire.u64,
  flag: wire.upTo(1),
  guid: wire.bytes(16),
  rest: wire.blob(64),
  name: wire.text(40),
  items: wire.list(item.schema, 5),
});

const value = {
  byte: 255,
  half: 0xfffe,
  word: 0xffff_fffd,
  safe: Number.MAX_SAFE_INTEGER,
  long: 0xffff_ffff_ffff_fffcn,
  flag: 1,
  guid: Uint8Array.from({ length: 16 }, (_, at) => at),
  rest: Uint8Array.of(1, 2, 3),
  name: "Zürich \0 end",
  items: [
    { label: "a", level: 1 },
    { label: "", level: 0 },
  ],
};

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof StorageError) return error.code;
    throw error;
  }
  return "OK";
}

describe("a record", () => {
  test("comes back as it was written", () => {
    expect(sample.decode(sample.encode(value))).toEqual(value);
  });

  test("is little-endian, whatever the machine", () => {
    const head = sample.encode(value).subarray(0, 7);
    expect([...head]).toEqual([0xff, 0xfe, 0xff, 0xfd, 0xff, 0xff, 0xff]);
  });

  test("comes back for any values in range", () => {
    const any = fc.record({
      byte: fc.integer({ min: 0, max: 255 }),
      half: fc.integer({ min: 0, max: 0xffff }),
      word: fc.integer({ min: 0, max: 0xffff_ffff }),
      safe: fc.maxSafeNat(),
      long: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
      flag: fc.integer({ min: 0, max: 1 }),
      guid: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      rest: fc.uint8Array({ maxLength: 64 }),
      name: fc.string({ unit: "grapheme", maxLength: 5 }),
      items: fc.array(fc.record({ label: fc.constant("x"), level: fc.nat(255) }), { maxLength: 5 }),
    });
    fc.assert(
      fc.property(any, (given) => {
        expect(sample.decode(sample.encode(given))).toEqual(given);
      }),
    );
  });

  test("cut at any byte is EBADMSG that names the record", () => {
    const whole = sample.encode(value);
    for (let size = 0; size < whole.length; size++) {
      expect(() => sample.decode(whole.subarray(0, size)), `${size} bytes`).toThrow(
        /EBADMSG: malformed sample at byte/,
      );
    }
  });

  test("with bytes after it is EBADMSG", () => {
    const longer = new Uint8Array(sample.encode(value).length + 1);
    longer.set(sample.encode(value));
    expect(codeOf(() => sample.decode(longer))).toBe("EBADMSG");
  });

  test("inside a larger buffer is read no further than its view", () => {
    const whole = sample.encode(value);
    const around = new Uint8Array(whole.length + 64).fill(0xaa);
    around.set(whole, 32);
    expect(sample.decode(around.subarray(32, 32 + whole.length))).toEqual(value);
    expect(codeOf(() => sample.decode(around.subarray(32, 31 + whole.length)))).toBe("EBADMSG");
    // A small Buffer of Node is a view of a pool, and its slice() is one too.
    const pooled = Buffer.from(around);
    expect(sample.decode(pooled.subarray(32, 32 + whole.length))).toEqual(value);
  });

  test("with any byte changed decodes to something canonical or is EBADMSG", () => {
    const whole = sample.encode(value);
    for (let at = 0; at < whole.length; at++) {
      for (const change of [0x01, 0x80, 0xff]) {
        const bent = whole.slice();
        bent[at] = (bent[at] as number) ^ change;
        const code = codeOf(() => expect(sample.encode(sample.decode(bent))).toEqual(bent));
        expect(["OK", "EBADMSG"], `byte ${at}`).toContain(code);
      }
    }
  });

  test.each([
    ["u8 300", { byte: 300 }],
    ["u8 -1", { byte: -1 }],
    ["u16 1.5", { half: 1.5 }],
    ["u32 2^32", { word: 2 ** 32 }],
    ["u53 2^53", { safe: 2 ** 53 }],
    ["u64 2^64", { long: 2n ** 64n }],
    ["flag 2", { flag: 2 }],
    ["15 bytes of 16", { guid: new Uint8Array(15) }],
    ["a blob too long", { rest: new Uint8Array(65) }],
    ["a text too long", { name: "x".repeat(41) }],
    ["a lone surrogate", { name: "\ud800" }],
    ["six items of five", { items: Array.from({ length: 6 }, () => ({ label: "", level: 0 })) }],
    ["a field left out", { word: undefined }],
    ["a number for a text", { name: 7 }],
  ])("%s is EINVAL, not written as something else", (_, wrong) => {
    expect(codeOf(() => sample.encode({ ...value, ...wrong } as typeof value))).toBe("EINVAL");
  });

  test("with a count that lies allocates nothing and is EBADMSG", () => {
    const huge = wire.record("huge", { rest: wire.blob(0xffff_ffff) });
    expect(codeOf(() => huge.decode(Uint8Array.of(255, 255, 255, 255, 1)))).toBe("EBADMSG");
    const empty = wire.record("empty", {});
    const many = wire.record("many", { items: wire.list(empty.schema, 0xffff_ffff) });
    expect(codeOf(() => many.decode(Uint8Array.of(0, 0, 16, 0)))).toBe("EBADMSG");
  });
});
