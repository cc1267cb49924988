/** gzip by media.wasm: all that Node's zlib packs, and every damage to it. */
import { constants, crc32, gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { StorageError } from "../../host/base/errors.ts";
import { GzipDecoder } from "../../host/system/rayos/source/unpack/gzip.ts";

/** Decodes a file; the message of the error where it is refused. */
function decoded(packed: Uint8Array): Buffer | string {
  const pieces: Buffer[] = [];
  const from = (into: Uint8Array, offset: number) => {
    const piece = packed.subarray(offset, offset + into.length);
    into.set(piece);
    return piece.length;
  };
  const decoder = new GzipDecoder(from, "file", (piece) => pieces.push(Buffer.from(piece)));
  try {
    while (decoder.step());
    return Buffer.concat(pieces);
  } catch (error) {
    if (error instanceof StorageError && error.code === "EBADMSG") return error.message;
    throw error;
  } finally {
    decoder.release();
  }
}

/** Bytes of the kinds that packers tell apart: noise, runs, words that come again near and far. */
function content(seed: number, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
  for (let at = 0; at < sizeBytes; ) {
    const length = Math.min(sizeBytes - at, 1 + (next() % 900));
    const kind = next() % 4;
    if (kind === 0) for (let byte = 0; byte < length; byte++) bytes[at + byte] = next();
    else if (kind === 1) bytes.fill(next() & 255, at, at + length);
    else {
      const distance = 1 + (next() % Math.max(1, Math.min(at, kind === 2 ? 12 : 40_000)));
      const source = Math.max(0, at - distance);
      for (let byte = 0; byte < length; byte++) bytes[at + byte] = bytes[source + byte] ?? 7;
    }
    at += length;
  }
  return bytes;
}

const { Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = constants;

test("what zlib packed at any level, by any strategy, comes back", () => {
  const packing = fc.record({
    level: fc.integer({ min: 0, max: 9 }),
    memLevel: fc.integer({ min: 1, max: 9 }),
    windowBits: fc.integer({ min: 9, max: 15 }),
    strategy: fc.constantFrom(Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE),
  });
  const sizes = fc.oneof(
    fc.nat(2000),
    fc.nat(400_000),
    fc.constantFrom(0, 32_768, 65_536, 262_144),
  );
  fc.assert(
    fc.property(packing, fc.nat(), sizes, (options, seed, size) => {
      const plain = content(seed, size);
      const found = decoded(gzipSync(plain, options));
      expect(typeof found === "string" ? found : found.equals(plain)).toBe(true);
    }),
    { numRuns: 150 },
  );
});

test("members follow one another, with texts in their heads, and zeros behind the last", () => {
  const parts = [content(1, 70_000), Buffer.alloc(0), content(2, 300_000), content(3, 5)];
  const plain = Buffer.concat(parts);
  const members = parts.map((part, index) => {
    const whole = gzipSync(part);
    if (index % 2 === 0) return whole;
    // Extra field, name, comment and the CRC-16 of the head.
    const head = Buffer.concat([
      Buffer.from([0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 1, 2, 3, 4, 0, 255]),
      Buffer.from([3, 0, 9, 9, 9]),
      Buffer.from("name\0a comment\0", "latin1"),
    ]);
    const sum = Buffer.alloc(2);
    sum.writeUInt16LE(crc32(head) & 0xffff);
    return Buffer.concat([head, sum, whole.subarray(10)]);
  });
  for (const zeros of [0, 70_001]) {
    const found = decoded(Buffer.concat([...members, Buffer.alloc(zeros)]));
    expect(typeof found === "string" ? found : found.equals(plain)).toBe(true);
  }
  const behind = Buffer.concat([...members, Buffer.from("and more")]);
  expect(decoded(behind)).toMatch(/head of gzip data/);
  expect(decoded(Buffer.concat([members[1] as Buffer, Buffer.from([31])]))).toMatch(
    /it ends inside/,
  );
});

test("20,000 members of nothing are read in one go", () => {
  const empty = gzipSync(Buffer.alloc(0));
  const many = Buffer.alloc(20_000 * empty.length);
  for (let at = 0; at < many.length; at += empty.length) empty.copy(many, at);
  expect(decoded(many)).toEqual(Buffer.alloc(0));
});

test("a head whose name never ends is refused", () => {
  const head = Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3]);
  expect(decoded(Buffer.concat([head, Buffer.alloc(200_000, 65)]))).toMatch(/head of gzip data/);
});

test("cut anywhere it is refused as cut off", () => {
  for (const level of [0, 6]) {
    const packed = gzipSync(content(4, 3000), { level });
    for (let length = 0; length < packed.length; length++) {
      expect(decoded(packed.subarray(0, length)), `${length} bytes`).toMatch(/it ends inside/);
    }
  }
});

test("with any bit flipped behind the head it is refused", () => {
  for (const options of [{}, { strategy: Z_FIXED }, { level: 0 }]) {
    const packed = gzipSync(content(5, 1500), options);
    for (let at = 10; at < packed.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const harmed = Buffer.from(packed);
        harmed[at] = (harmed[at] as number) ^ (1 << bit);
        const found = decoded(harmed);
        // The bits that fill the last byte of the data say nothing.
        if (typeof found === "object") expect(found).toEqual(content(5, 1500));
        else expect(found, `byte ${at}, bit ${bit}`).toMatch(/'file' is damaged/);
      }
    }
  }
});

test("DEFLATE data of chance are refused or decoded exactly as zlib does", () => {
  const wrap = (data: Uint8Array) => {
    const head = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
    return Buffer.concat([head, data, Buffer.alloc(8)]);
  };
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.nat(7), (noise, start) => {
      // Most chance begins with what no block is: the first bits name the kind in turn.
      noise[0] = ((noise[0] as number) & 0xf8) | start;
      const found = decoded(wrap(noise));
      let due: Buffer | string;
      try {
        due = gunzipSync(wrap(noise));
      } catch (error) {
        due = (error as Error).message;
      }
      if (typeof due !== "string") {
        expect(found).toEqual(due);
        return;
      }
      // zlib too comes to the trailer only where the data before it are whole.
      const isWhole = /incorrect data check|incorrect length check/.test(due);
      if (isWhole) expect(found).toMatch(/CRC-32 or length|it ends inside/);
      else expect(found).toMatch(/is damaged: [^u]/);
    }),
    { numRuns: 3000 },
  );
});

test("a distance that reaches before the start of its member is refused", () => {
  const first = gzipSync(content(6, 40_000));
  // A fixed block that begins with a match: length 3 from one byte back.
  const reaching = Buffer.from([0b0000_0011, 0b0000_0010, 0, 0]);
  const head = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
  const member = Buffer.concat([head, reaching, Buffer.alloc(12)]);
  expect(() => gunzipSync(member)).toThrow(/invalid distance too far back/);
  expect(decoded(Buffer.concat([first, member]))).toMatch(/what its gzip data say cannot be/);
});
