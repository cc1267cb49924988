/** core.wasm in a worker: it is compiled from its address, instantiated, and does its work. */
import { expect, test } from "vitest";
import { ABI_VERSION } from "../../../assembly/format/abi.ts";

test("core.wasm runs in a worker of a cross-origin isolated page", async () => {
  expect(crossOriginIsolated).toBe(true);
  const unused = () => 0;
  const { instance } = await WebAssembly.instantiateStreaming(fetch("/build/core.wasm"), {
    env: { abort: unused },
    host: { submit: unused, config: unused, sha256: unused, random: unused, clock: unused },
  });
  const { abiVersion, allocate } = instance.exports as Record<string, (n?: number) => number>;
  expect(abiVersion?.()).toBe(ABI_VERSION);
  expect(allocate?.(65_536)).toBeGreaterThan(0);
});
