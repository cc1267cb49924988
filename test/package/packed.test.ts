/** The packed package, installed in a fresh Node project, and what packaging tools say of it. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshProject, type Project, run } from "./pack.ts";

let project: Project;

beforeAll(() => {
  project = freshProject();
});

afterAll(() => project.remove());

/** Makes a disk, writes both halves, and prints what a second opening reads. */
const USE = `
  const disk = await createDisk("disk.img", { size: "8MiB", layout: "region", overwrite: true });
  const hash = await disk.store.put(new TextEncoder().encode("an object"));
  await disk.fs.promises.writeFile("/motd", "a file");
  await disk.close();
  const again = await openDisk("disk.img");
  const object = new TextDecoder().decode(await again.store.get(hash));
  console.info(object, await again.fs.promises.readFile("/motd", "utf8"));
  await again.close();`;

test("import and require() of it in Node make and read a disk", () => {
  const module = project.write(
    "app.mjs",
    `import { createDisk, openDisk } from "diskwright";
     import { MemoryDevice } from "diskwright/device/local/memory";
     import * as whole from "diskwright";
     ${USE}
     console.info(whole.MemoryDevice === MemoryDevice, import.meta.resolve("diskwright/core.wasm"));`,
  );
  const script = project.write(
    "app.cjs",
    `const { createDisk, openDisk } = require("diskwright");
     (async () => {${USE}})();`,
  );
  const wasm = new URL(`file://${project.installed}/dist/core.wasm`).href;
  expect(run(process.execPath, [module], project.folder)).toBe(`an object a file\ntrue ${wasm}\n`);
  expect(run(process.execPath, [script], project.folder)).toBe("an object a file\n");
  // And its own program, as npm would link it, finds the disk whole.
  const program = join(project.installed, "dist/host/cli/main.js");
  expect(run(program, ["verify", "disk.img"], project.folder)).toContain("clean");
});

test("inline needs no second file", () => {
  const app = project.write(
    "inline.mjs",
    `import { createDisk, loadModules, MemoryDevice } from "diskwright/inline";
     await loadModules();
     const disk = await createDisk(new MemoryDevice({ size: "8MiB" }), { layout: "region" });
     await disk.fs.promises.writeFile("/motd", "a file");
     console.info(await disk.fs.promises.readFile("/motd", "utf8"));
     await disk.close();`,
  );
  // A copy of that one file, with nothing beside it.
  const bundle = project.write("alone/app.mjs", "");
  run(
    resolve("node_modules/.bin/esbuild"),
    [
      app,
      "--bundle",
      "--format=esm",
      "--platform=browser",
      `--outfile=${bundle}`,
      "--log-level=error",
    ],
    project.folder,
  );
  expect(run(process.execPath, [bundle], project.folder)).toBe("a file\n");
});

test("a program bundled for Node finds core.wasm beside itself", () => {
  const app = project.write(
    "bundled.mjs",
    `import { createDisk, openDisk } from "diskwright"; ${USE}`,
  );
  const bundle = project.write("bundled/app.mjs", "");
  const esbuild = resolve("node_modules/.bin/esbuild");
  const options = ["--bundle", "--format=esm", "--platform=node", "--log-level=error"];
  run(esbuild, [app, ...options, `--outfile=${bundle}`], project.folder);
  const wasm = join(project.installed, "dist/core.wasm");
  run("cp", [wasm, join(project.folder, "bundled")], project.folder);
  expect(run(process.execPath, [bundle], project.folder)).toBe("an object a file\n");
});

test("TypeScript finds the types, of Node and of browsers", () => {
  project.write(
    "app.mts",
    `import { createDisk, type Disk } from "diskwright";
     import { loadModules } from "diskwright/inline";
     const disk: Disk = await createDisk("mem:8MiB", { layout: "region" });
     const text: string | undefined = await disk.fs?.promises.readFile("/motd", "utf8");
     export { loadModules, text };`,
  );
  project.write(
    "page.ts",
    `import { type AsyncDisk, createDisk } from "diskwright";
     const disk: AsyncDisk = await createDisk("opfs:a", { size: "8MiB" });
     export const hash: Uint8Array | undefined = await disk.store?.put(new Uint8Array(1));`,
  );
  const tsc = resolve("node_modules/.bin/tsc");
  const common = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--types", ""];
  const node = ["--module", "nodenext", "app.mts"];
  const page = ["--module", "esnext", "--moduleResolution", "bundler"];
  expect(run(tsc, [...common, ...node], project.folder)).toBe("");
  const browser = ["--customConditions", "browser", "page.ts"];
  expect(run(tsc, [...common, ...page, ...browser], project.folder)).toBe("");
});

test("publint has nothing to say", async () => {
  const { messages, pkg } = await publint({
    ...{ pkgDir: project.installed, strict: true, pack: false },
  });
  expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
});

test("are-the-types-wrong has nothing to say of a package of ES modules", () => {
  const attw = resolve("node_modules/.bin/attw");
  const entries = [".", "inline", "device/device"];
  const args = [
    project.tarball,
    "--profile",
    "esm-only",
    "--format",
    "ascii",
    "--entrypoints",
    ...entries,
  ];
  const said = execFileSync(attw, [...args, "--no-color", "--no-emoji"], { encoding: "utf8" });
  // It ends with an error where it has found a problem.
  expect(said.match(/^(node16 \(from ESM\)|bundler): OK/gm)).toHaveLength(2 * entries.length);
});

test("the licences of bundled packages come along", () => {
  expect(existsSync(join(project.installed, "dist/THIRD-PARTY.txt"))).toBe(true);
});
