/** Encodings without Buffer against Buffer. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { decoded, type Encoding, encodeText, nodeBytes } from "../../host/core/node/text.ts";

const ENCODINGS = [
  ...["utf8", "utf-8", "utf16le", "ucs2", "ucs-2", "latin1", "binary"],
  ...["ascii", "hex", "base64", "base64url"],
] as Encoding[];

test.each(ENCODINGS)("%s reads and writes as Buffer does", (encoding) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = Buffer.from(bytes).toString(encoding as BufferEncoding);
      expect(decoded(bytes, encoding)).toBe(text);
      const back = encodeText(text, encoding);
      expect(Buffer.from(back).equals(Buffer.from(text, encoding as BufferEncoding))).toBe(true);
    }),
  );
});

test.each(["hex", "base64", "base64url"] as const)("%s of any ASCII text", (encoding) => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect([...encodeText(text, encoding)]).toEqual([...Buffer.from(text, encoding)]);
    }),
  );
});

test("an encoding that nobody knows is EINVAL", () => {
  expect(() => encodeText("x", "utf7" as Encoding)).toThrow(
    expect.objectContaining({ code: "EINVAL" }),
  );
});

test("nodeBytes answers a Buffer over the same memory", () => {
  const bytes = new Uint8Array([1, 2, 3]).subarray(1);
  const buffer = nodeBytes(bytes);
  expect(Buffer.isBuffer(buffer)).toBe(true);
  expect([...buffer]).toEqual([2, 3]);
  expect(buffer.buffer).toBe(bytes.buffer);
});
