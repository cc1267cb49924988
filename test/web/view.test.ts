/** What the page makes of numbers, bytes and errors. */
import { expect, test } from "vitest";
import { failure, refusal } from "../../host/base/errors.ts";
import { rowsOf } from "../../host/web/view/hex.ts";
import { count, sentenceOf, size } from "../../host/web/view/words.ts";

test("a size is a number and a unit", () => {
  expect([0, 512, 1024, 1536, 128 * 2 ** 20, 2.5 * 2 ** 30].map(size)).toEqual([
    ...["0 bytes", "512 bytes", "1 KiB", "1.5 KiB", "128 MiB", "2.5 GiB"],
  ]);
});

test("one is one, more are many", () => {
  expect([count(1, "file"), count(2, "file"), count(0, "entry", "entries")]).toEqual([
    ...["1 file", "2 files", "0 entries"],
  ]);
});

test("an error is a sentence with its code apart", () => {
  const error = failure("ENOSPC", "create", "there is no room.", { hint: "Delete a disk." });
  expect(sentenceOf(error)).toEqual({ text: "There is no room. Delete a disk.", code: "ENOSPC" });
});

test("what only a shell can do is told in the page's own words, or left out", () => {
  const hint = "--erase writes over it.";
  const error = refusal("ENOTEMPTY", "install", "'a' is not blank: it has data.", { hint });
  expect(sentenceOf(error).text).toBe(
    "'a' is not blank: it has data. Tick “Write over what is on the disk” to replace it.",
  );
  const other = refusal("EINVAL", "plan", "the ESP is too large.", { hint: "Give --esp a size." });
  expect(sentenceOf(other).text).toBe("The ESP is too large.");
});

test("sixteen bytes a row: offset, numbers, and what is printable", () => {
  const bytes = Uint8Array.from([...new TextEncoder().encode("Diskwright disk!"), 0, 0x7f]);
  expect(rowsOf(bytes, 0x1f0)).toEqual([
    "000001f0  44 69 73 6b 77 72 69 67 68 74 20 64 69 73 6b 21  Diskwright disk!",
    `00000200  00 7f${" ".repeat(42)}  ..`,
  ]);
});
