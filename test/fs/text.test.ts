/** What encodings mean to calls of node:fs. */
import { expect, test } from "vitest";
import { decoded, encodeText, encodingOf, nodeBytes } from "../../host/core/node/text.ts";

test("nodeBytes answers a Buffer over the same memory", () => {
  const bytes = new Uint8Array([1, 2, 3]).subarray(1);
  const buffer = nodeBytes(bytes);
  expect(Buffer.isBuffer(buffer)).toBe(true);
  expect([...buffer]).toEqual([2, 3]);
  expect(buffer.buffer).toBe(bytes.buffer);
});

test("without an encoding, and with 'buffer', bytes stay bytes and text is UTF-8", () => {
  const bytes = new Uint8Array([0xc3, 0xa4]);
  for (const encoding of [undefined, null, "buffer"] as const) {
    expect(decoded(bytes, encoding)).toBe(bytes);
    expect(encodeText("ä", encoding)).toEqual(bytes);
  }
  expect(decoded(bytes, encodingOf({ encoding: "utf8" }))).toBe("ä");
  expect(decoded(bytes, encodingOf("hex"))).toBe("c3a4");
});
