/** Examples, and code on the pages, run as they stand: plain JavaScript over dist/. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { diskwright } from "./support/cli.ts";
import { temporaryPaths } from "./support/folder.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PAGES = ["README.md", ...fs.readdirSync(`${ROOT}docs`).map((name) => `docs/${name}`)];
const fresh = temporaryPaths();

/** The blocks of a page that import the package; the others are fragments. */
function programs(page: string): [name: string, code: string][] {
  const text = fs.readFileSync(`${ROOT}${page}`, "utf8");
  const blocks = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code = ""]) => code);
  const whole = blocks.filter((code) => /from\s+"diskwright/.test(code));
  return whole.map((code, index) => [`${page}, program ${index + 1}`, code]);
}

const found = PAGES.filter((page) => page.endsWith(".md")).flatMap(programs);

test.each(found)("%s runs, and what it asserts holds", (_name, code) => {
  // Inside the package, where it can import itself; at work in a folder of its own.
  const folder = `${ROOT}build/programs`;
  fs.mkdirSync(folder, { recursive: true });
  const program = `${folder}/${process.pid}-${Math.random()}.mjs`;
  const cwd = fresh("cwd");
  fs.mkdirSync(cwd);
  fs.writeFileSync(program, code);
  try {
    const result = spawnSync(process.execPath, [program], { cwd, encoding: "utf8" });
    // console.assert writes to stderr and goes on.
    expect(result.stderr).toBe("");
    expect(result.status).toBe(0);
  } finally {
    fs.rmSync(program);
  }
});

test("the pages on devices and embedding have programs", () => {
  const pages = new Set(found.map(([name]) => name.split(",")[0]));
  expect([...pages]).toEqual(expect.arrayContaining(["docs/devices.md", "docs/embedding.md"]));
});

/** What each example prints. */
const PRINTED: Readonly<Record<string, RegExp>> = {
  "custom-device.mjs": /^kept in a folder; motd: hello; few files of 256\n$/,
  "git-on-a-disk.mjs": /^first\nsecond\nnotes: first\n$/,
  "node-store.mjs": /^44 bytes, motd: hello\n$/,
  "streams.mjs": /^same size; copied [0-9]+ bytes\n$/,
};

test.each(Object.entries(PRINTED))("examples/%s runs as it stands", (name, printed) => {
  const cwd = fresh("cwd");
  fs.mkdirSync(cwd);
  const program = `${ROOT}examples/${name}`;
  const result = spawnSync(process.execPath, [program], { cwd, encoding: "utf8" });
  expect(result).toMatchObject({ stderr: "", status: 0 });
  expect(result.stdout).toMatch(printed);
});

test("examples/raw.mjs makes and reads a disk with the module alone", () => {
  const disk = fresh("raw.img");
  const program = `${ROOT}examples/raw.mjs`;
  const text = "written without a host of ours\n";
  for (const [args, printed] of [[["new", disk], ""] as const, [[disk], text] as const]) {
    const result = spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });
    expect(result).toMatchObject({ stderr: "", status: 0, stdout: printed });
  }
  expect(diskwright(["verify", disk]).stdout).toContain("clean");
  expect(diskwright(["fs", "cat", disk, "/hello"]).stdout).toBe(text);
});

test("every example for Node is run", () => {
  const programs = fs.readdirSync(`${ROOT}examples`).filter((name) => name.endsWith(".mjs"));
  expect(programs.sort()).toEqual([...Object.keys(PRINTED), "raw.mjs"].sort());
});
