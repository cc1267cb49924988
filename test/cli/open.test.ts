/** Opening what DISK names: a disk that somebody else has is refused, not a failure. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Refusal } from "../../host/base/errors.ts";
import { openDevice } from "../../host/cli/kit/open.ts";
import { FileDevice } from "../../host/device/local/file.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "open-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("a disk that is locked is refused with exit 4 and the reason", () => {
  const path = join(folder, "disk.img");
  const held = FileDevice.create(path, { size: "1MiB" });
  expect(() => openDevice(path, false)).toThrow(Refusal);
  expect(() => openDevice(path, false)).toThrow(/^refused: .* is in use/);
  held.close();
  const free = openDevice(path, false);
  expect(free.config.capacity).toBe(2048);
  free.close();
});

test("a disk that is not there is a failure, not a refusal", () => {
  const open = () => openDevice(join(folder, "absent.img"), false);
  expect(open).toThrow(/ENOENT/);
  expect(open).not.toThrow(Refusal);
});
