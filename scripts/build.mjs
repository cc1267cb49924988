/** One build: AssemblyScript to Wasm, TypeScript to dist/. `--test`: the core with planted bugs too. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import * as asc from "assemblyscript/asc";

const bin = (name) => join("node_modules", ".bin", name);
const run = (name, ...args) => execFileSync(bin(name), args, { stdio: "inherit" });

/**
 * Optimizes in two steps, because small code and fast hashes want opposite things: first everything
 * that a hash kernel calls is inlined into it, and nothing else; then all of it is made small.
 */
function optimize(from, to) {
  const features = [
    "simd",
    "bulk-memory",
    "sign-ext",
    "mutable-globals",
    "nontrapping-float-to-int",
  ];
  const enable = features.map((feature) => `--enable-${feature}`);
  const rooms = ["api", "disk", "fs", "mkfs", "store", "tree"];
  const files = ["bytes", "cache", "device", "fault", "handles", "host", "memory", "requests"];
  const sums = ["hash/crc/slice", "hash/xxh64/xxh64"];
  const cold = [...rooms, ...[...files, ...sums].map((file) => `engine/${file}`)];
  run(
    "wasm-opt",
    ...[...enable, "-g", from, "-o", to, "--no-inline=~lib/polyfills/bswap<u64>"],
    ...cold.map((room) => `--no-inline=assembly/${room}*`),
    ...["--optimize-level=3", "--inlining-optimizing", "--always-inline-max-function-size=12"],
    ...["--flexible-inline-max-function-size=70", "--one-caller-inline-max-function-size=200"],
  );
  // What shortens the code but not what gzip makes of it is skipped.
  run(
    "wasm-opt",
    ...[...enable, "--gufa-optimizing", "--generate-global-effects", "-Oz", "-Oz"],
    ...["--always-inline-max-function-size=5", "--one-caller-inline-max-function-size=140"],
    ...["--skip-pass=local-cse", "--skip-pass=code-folding"],
    ...["--strip-debug", "--strip-producers", to, "-o", to],
  );
}

/** Each file of `folder` is a service of its own: a module that imports "cap" only. */
async function services(folder, out) {
  mkdirSync(out, { recursive: true });
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".ts"))) {
    const wasm = join(out, `${basename(file, ".ts")}.wasm`);
    const config = ["--config", "assembly/services/asconfig.json"];
    const { error, stderr } = await asc.main([join(folder, file), ...config, "--outFile", wasm]);
    if (error !== null) throw new Error(`${file}: ${stderr}`);
  }
}

/** The module `name` of the sources that `entry` exports; it goes into the package as it is. */
function compile(entry, name) {
  const named = join("build", `${name}.names.wasm`);
  // An assert traps; the text of where it stands is for the test build.
  run("asc", entry, "--target", "names", "--use", "abort=", "--outFile", named);
  optimize(named, join("build", `${name}.wasm`));
}

const MODULES = { core: "assembly/index.ts", media: "assembly/media.ts" };

mkdirSync("build", { recursive: true });
// `asc assembly/index.ts --target release` alone is the quick way while working.
for (const [name, entry] of Object.entries(MODULES)) compile(entry, name);
if (process.argv.includes("--test")) {
  // The same core with the switches of engine/planted.ts: what the simulator must be able to break.
  const entries = ["index", "engine/planted", "testing/tree"].map((name) => `assembly/${name}.ts`);
  run("asc", ...entries, "--target", "test", "--use", "PLANTS=ASC_TARGET");
}
await services("assembly/services", "build/services");
if (process.argv.includes("--test")) {
  await services("assembly/services/testing", "build/services/testing");
}
rmSync("dist", { recursive: true, force: true });
run("tsc");
cpSync("build/services", "dist/services", {
  recursive: true,
  filter: (path) => !path.includes("testing"),
});
for (const name of Object.keys(MODULES)) {
  copyFileSync(join("build", `${name}.wasm`), join("dist", `${name}.wasm`));
}
for (const main of ["dist/host/cli/main.js", "dist/host/cli/installer/main.js"]) {
  if (!existsSync(main)) continue;
  writeFileSync(main, `#!/usr/bin/env node\n${readFileSync(main, "utf8")}`);
  chmodSync(main, 0o755);
}
