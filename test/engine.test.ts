/** The engine at its boundary: version, arena, fault report. */
import { expect, test } from "vitest";
import { ABI_VERSION } from "../assembly/format/abi.ts";
import { freshCore, plantedCore } from "./support/core.ts";

test("the core speaks the ABI version of the host", () => {
  expect(freshCore().exports.abiVersion()).toBe(ABI_VERSION);
});

test("a released block of the arena is given out again", () => {
  const { memory, exports } = freshCore();
  const used = exports.arenaUsedBytes();
  const first = memory.allocate(5000);
  memory.release(first, 5000);
  expect(memory.allocate(8000)).toBe(first);
  expect(exports.arenaUsedBytes() - used).toBe(8192);
});

test("a full arena answers ENOMEM and the next smaller block still fits", () => {
  const { memory, exports } = freshCore();
  exports.arenaLimit(1 << 20);
  expect(() => memory.allocate(1 << 21)).toThrow("ENOMEM");
  expect(memory.allocate(4096)).toBeGreaterThan(0);
});

test("only the test build can switch a planted bug on", () => {
  expect("plant" in freshCore().exports).toBe(false);
  expect(plantedCore(0).exports.abiVersion()).toBe(ABI_VERSION);
});
