/** Hashes and encodings without Node give what Node gives. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes, joined } from "../../host/base/platform/bytes.ts";
import { decodeText, encodeText } from "../../host/base/platform/text.ts";
import { ownCrc32, ownDigest } from "../../host/core/hash/digest.ts";

const bytes = fc.uint8Array({ maxLength: 300 });

test.each(["sha256", "md5"] as const)("%s in pieces is Node's, two taken side by side", (name) => {
  const property = fc.property(fc.array(bytes, { maxLength: 8 }), (pieces) => {
    const [one, other] = [ownDigest(name), ownDigest(name)];
    const [nodeOne, nodeOther] = [createHash(name), createHash(name)];
    for (const piece of pieces) {
      one.update(piece);
      nodeOne.update(piece);
      other.update(piece.subarray(1));
      nodeOther.update(piece.subarray(1));
    }
    expect([one.hex(), other.hex()]).toEqual([nodeOne.digest("hex"), nodeOther.digest("hex")]);
  });
  fc.assert(property, { numRuns: 60 });
});

test.each([55, 56, 63, 64, 65, 200_000])("%i bytes and text are hashed like Node's", (length) => {
  const data = Uint8Array.from({ length }, (_, at) => at * 7);
  for (const name of ["sha256", "md5"] as const) {
    const wanted = createHash(name).update(data).update("grüße").digest();
    expect(ownDigest(name).update(data).update("grüße").bytes()).toEqual(new Uint8Array(wanted));
  }
  expect(ownCrc32(data, 5)).toBe(crc32(data, 5));
});

const ENCODINGS = [
  ...(["utf8", "utf16le", "ucs2", "latin1", "binary"] as const),
  ...(["ascii", "hex", "base64", "base64url"] as const),
];

test.each(ENCODINGS)("%s is read and written as Buffer does", (encoding) => {
  const unit = /hex|base64/.test(encoding) ? "binary-ascii" : "binary";
  const property = fc.property(bytes, fc.string({ unit }), (data, noise) => {
    expect(decodeText(data, encoding)).toBe(Buffer.from(data).toString(encoding));
    for (const text of [Buffer.from(data).toString(encoding), noise]) {
      expect(encodeText(text, encoding)).toEqual(new Uint8Array(Buffer.from(text, encoding)));
    }
  });
  fc.assert(property, { numRuns: 80 });
});

test("an encoding that there is not is EINVAL both ways", () => {
  const thrown = expect.objectContaining({ code: "EINVAL" });
  expect(() => encodeText("a", "utf7")).toThrow(thrown);
  expect(() => decodeText(new Uint8Array(1), "utf7")).toThrow(thrown);
});

test("bytes are ordered and joined as Buffer does", () => {
  const property = fc.property(bytes, bytes, (one, other) => {
    expect(Math.sign(compareBytes(one, other))).toBe(Buffer.compare(one, other));
    expect(joined([one, other])).toEqual(new Uint8Array(Buffer.concat([one, other])));
  });
  fc.assert(property, { numRuns: 200 });
});
