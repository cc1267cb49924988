/** Fresh cores for tests. */
import { readFileSync } from "node:fs";
import { Core } from "../../host/core/load.ts";

const testModule = new WebAssembly.Module(
  readFileSync(new URL("../../build/core.test.wasm", import.meta.url)),
);

/** An instance of the product's core. */
export function freshCore(): Core {
  return new Core();
}

/** An instance of the test build, with planted bug `id` switched on; 0 is none. */
export function plantedCore(id: number): Core {
  const core = new Core({ module: testModule });
  (core.exports as unknown as { plant(id: number): void }).plant(id);
  return core;
}
