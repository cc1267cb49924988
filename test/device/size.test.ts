/** Sizes as people write them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatSize, parseSize } from "../../host/base/size.ts";

test("units are powers of 1024, in any case, with or without a space", () => {
  const sizes: [string, number][] = [
    ["0", 0],
    ["513", 513],
    ["64KiB", 65536],
    ["256 mib", 2 ** 28],
    ["1.5GiB", 1.5 * 2 ** 30],
    ["16TIB", 2 ** 44],
    ["7B", 7],
  ];
  for (const [text, bytes] of sizes) expect(parseSize(text), text).toBe(bytes);
});

test("what is not a size is EINVAL with an example of one", () => {
  for (const text of ["", "MiB", "-1", "1e9", "12MB", "0x10", "1.3B", "9999999TiB", "1 2", "NaN"]) {
    expect(() => parseSize(text), text).toThrow(/EINVAL.*256MiB/);
  }
});

test("every size that is formatted parses back to itself", () => {
  const property = fc.property(fc.maxSafeNat(), fc.nat(4), (base, unit) => {
    const bytes = Math.floor(base / 2 ** (10 * unit)) * 2 ** (10 * unit);
    expect(parseSize(formatSize(bytes))).toBe(bytes);
  });
  fc.assert(property);
  expect(formatSize(2 ** 28)).toBe("256MiB");
  expect(formatSize(1023)).toBe("1023");
});
