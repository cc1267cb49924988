/** Errors that cross a border of threads arrive as what they were. */
import { expect, test } from "vitest";
import { failure, Refusal, refusal, StorageError } from "../../host/base/errors.ts";
import { packError, unpackError } from "../../host/base/web/carry.ts";

const roads = [
  ["structured clone", (value: unknown) => structuredClone(value)],
  ["JSON", (value: unknown) => JSON.parse(JSON.stringify(value))],
] as const;

test.each(roads)("by %s a StorageError keeps every field it has, and has no other", (_, carry) => {
  const disk = Object.assign(new Error("EIO: i/o error, read"), { code: "EIO", errno: -5 });
  const error = new StorageError(-74, "read", {
    path: "disk.img",
    cause: disk,
    fault: { reason: "CHECKSUM", device: "disk.img", lba: 2 ** 33, detail: 7 },
    hint: "Run repair.",
  });
  error.lostSince = 9;
  const back = unpackError(carry(packError(error))) as StorageError;
  expect(back).toBeInstanceOf(StorageError);
  expect(back).not.toBeInstanceOf(Refusal);
  expect(Object.entries(back)).toEqual(Object.entries(error));
  expect([back.name, back.message, back.stack]).toEqual([error.name, error.message, error.stack]);
  expect(back.cause).toMatchObject({ message: disk.message, code: "EIO", errno: -5 });
  const plain = unpackError(carry(packError(failure("ENOENT", "open", "gone.")))) as StorageError;
  expect(Object.keys(plain)).toEqual(Object.keys(failure("ENOENT", "open", "gone.")));
});

test("a Refusal stays one, and other errors keep their name", () => {
  const back = unpackError(packError(refusal("ENOSPC", "plan", "too small.", { hint: "Larger." })));
  expect(back).toBeInstanceOf(Refusal);
  expect(back.message).toBe("refused: too small. Larger.");
  const range = unpackError(packError(new RangeError("no")));
  expect([range.name, range.message, String(range)]).toEqual([
    "RangeError",
    "no",
    "RangeError: no",
  ]);
  const dom = unpackError(packError(new DOMException("full", "QuotaExceededError")));
  expect(dom.name).toBe("QuotaExceededError");
});

test("what is no error travels as its text, and a circle of causes is cut", () => {
  for (const thrown of ["text", 7, null, undefined, { odd: true }]) {
    expect(unpackError(packError(thrown)).message).toBe(String(thrown));
  }
  const circle = new Error("round");
  circle.cause = circle;
  let depth = 0;
  for (let at: unknown = unpackError(packError(circle)); at instanceof Error; at = at.cause)
    depth++;
  expect(depth).toBe(9);
});
