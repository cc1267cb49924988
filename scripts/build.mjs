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
import * as esbuild from "esbuild";

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

const BUNDLE = { bundle: true, format: "esm", logLevel: "warning", metafile: true };
/** Parts that entries share lie apart, so that each is there once. */
const SPLIT = { ...BUNDLE, splitting: true, target: "es2022" };

/**
 * The library: its entries for Node and for browsers, and every device. One class is one class in
 * all of them. Only files that are for Node alone ask for Node's modules.
 */
async function bundleLibrary() {
  const devices = readdirSync("host/device", { recursive: true, encoding: "utf8" })
    .filter((name) => /(?<!\.d)\.ts$/.test(name))
    .map((name) => `host/device/${name.replace(/\.ts$/, "")}`);
  const entries = ["host/index", ...devices].map((path) => [path, `${path}.ts`]);
  const { metafile } = await esbuild.build({
    ...SPLIT,
    entryPoints: { ...Object.fromEntries(entries), browser: "host/browser.ts" },
    ...{ outdir: "dist", chunkNames: "host/chunks/[name]-[hash]" },
    ...{ platform: "neutral", external: ["node:*"], mainFields: ["module", "main"] },
    conditions: ["browser", "import"],
  });
  return metafile;
}

/**
 * The programs, with the packages they use: a start then looks for few files, and still loads a
 * command's part when the command is asked for.
 */
async function bundlePrograms() {
  const { metafile } = await esbuild.build({
    ...SPLIT,
    platform: "node",
    entryPoints: ["host/cli/main.ts", "host/cli/installer/main.ts"],
    ...{ outbase: "host/cli", outdir: "dist/host/cli", chunkNames: "chunks/[name]-[hash]" },
    // What comes as CommonJS asks for Node's modules by require().
    banner: {
      js: [
        'import { createRequire as requireFrom } from "node:module";',
        "const require = requireFrom(import.meta.url);",
      ].join("\n"),
    },
  });
  return metafile;
}

/** "diskwright:core.wasm" as the bytes of the module, in the bundle as base64. */
const MODULE_BYTES = {
  name: "module-bytes",
  setup(build) {
    build.onResolve({ filter: /^diskwright:/ }, ({ path }) => ({
      path,
      namespace: "module-bytes",
    }));
    build.onLoad({ filter: /.*/, namespace: "module-bytes" }, ({ path }) => ({
      contents: readFileSync(join("build", path.slice("diskwright:".length))),
      loader: "binary",
    }));
  },
};

/** The worker of a disk, and the library with the modules in it: each a file that needs no other. */
async function bundleWhole() {
  const built = await Promise.all(
    ["worker", "inline"].map((entry) =>
      esbuild.build({
        ...{ ...BUNDLE, entryPoints: [`host/${entry}.ts`], outdir: "dist" },
        ...{ platform: "browser", target: "es2022", plugins: [MODULE_BYTES] },
      }),
    ),
  );
  return built.map(({ metafile }) => metafile);
}

/** The licences of the packages whose code is in our bundles, as they ask for. */
function notices(metafiles) {
  const inputs = metafiles.flatMap(({ inputs }) => Object.keys(inputs));
  const packages = new Set(
    inputs.flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []),
  );
  const texts = [...packages].sort().map((name) => {
    // The loader comes without its text; it is AssemblyScript's own.
    const folder = join(
      "node_modules",
      name === "@assemblyscript/loader" ? "assemblyscript" : name,
    );
    const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
    if (file === undefined) throw new Error(`${name} comes without its licence`);
    return `${name}\n${"=".repeat(name.length)}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
  });
  writeFileSync("dist/THIRD-PARTY.txt", texts.join("\n\n"));
}

/** The core without SIMD, for engines and translators that know none: see examples/c. */
function compilePlain() {
  const out = join("build", "core.plain.wasm");
  const plain = ["--target", "release", "--use", "abort=", "--disable", "simd"];
  run("asc", MODULES.core, ...plain, "--outFile", out);
}

const MODULES = { core: "assembly/index.ts", media: "assembly/media.ts" };

mkdirSync("build", { recursive: true });
// `asc assembly/index.ts --target release` alone is the quick way while working.
for (const [name, entry] of Object.entries(MODULES)) compile(entry, name);
compilePlain();
if (process.argv.includes("--test")) {
  // The same modules with the switches of engine/planted.ts: what the simulator must be able to
  // break.
  const plants = ["--target", "test", "--use", "PLANTS=ASC_TARGET"];
  const entries = ["index", "engine/planted", "testing/tree"].map((name) => `assembly/${name}.ts`);
  run("asc", ...entries, ...plants);
  const media = ["media", "engine/planted"].map((name) => `assembly/${name}.ts`);
  run("asc", ...media, ...plants, "--outFile", "build/media.test.wasm");
}
await services("assembly/services", "build/services");
if (process.argv.includes("--test")) {
  await services("assembly/services/testing", "build/services/testing");
}
rmSync("dist", { recursive: true, force: true });
run("tsc", "--emitDeclarationOnly");
notices([await bundleLibrary(), await bundlePrograms(), ...(await bundleWhole())]);
cpSync("build/services", "dist/services", {
  recursive: true,
  filter: (path) => !path.includes("testing"),
});
for (const name of [...Object.keys(MODULES), "core.plain"]) {
  copyFileSync(join("build", `${name}.wasm`), join("dist", `${name}.wasm`));
}
for (const main of ["dist/host/cli/main.js", "dist/host/cli/installer/main.js"]) {
  if (!existsSync(main)) continue;
  writeFileSync(main, `#!/usr/bin/env node\n${readFileSync(main, "utf8")}`);
  chmodSync(main, 0o755);
}
