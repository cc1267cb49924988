/** One build: AssemblyScript to Wasm, TypeScript to dist/. `--test` builds the core with planted bugs too. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

const bin = (name) => join("node_modules", ".bin", name);
const run = (name, ...args) => execFileSync(bin(name), args, { stdio: "inherit" });

mkdirSync("build", { recursive: true });
run("asc", "--target", "release");
if (process.argv.includes("--test")) {
  // The same core with the switches of engine/planted.ts: what the simulator must be able to break.
  run(
    "asc",
    "assembly/index.ts",
    "assembly/engine/planted.ts",
    "assembly/testing/tree.ts",
    "--target",
    "test",
    "--use",
    "PLANTS=ASC_TARGET",
  );
}
rmSync("dist", { recursive: true, force: true });
run("tsc");
copyFileSync("build/core.wasm", "dist/core.wasm");
const main = "dist/host/cli/main.js";
if (existsSync(main)) {
  writeFileSync(main, `#!/usr/bin/env node\n${readFileSync(main, "utf8")}`);
  chmodSync(main, 0o755);
}
