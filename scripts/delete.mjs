/**
 * `npm run test:delete`: deletes each source file of tree, store, filesystem, GPT and install in
 * turn, in a copy of the tree, and runs the step of `npm test` that must then fail: the compiler of
 * the core, or the type check of the host. A file that nothing needs ends it with exit 1.
 */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import asc from "assemblyscript/asc";

const ROOMS = {
  tree: ["assembly/tree"],
  store: ["assembly/store", "host/core/store.ts", "host/core/store"],
  filesystem: ["assembly/fs", "host/core/files.ts", "host/core/node"],
  GPT: ["assembly/disk", "host/core/gpt.ts", "host/core/gpt"],
  install: ["host/system/install"],
};
const COPIED = ["assembly", "host", "asconfig.json", "tsconfig.json", "package.json"];

const home = process.cwd();
const copy = mkdtempSync(join(tmpdir(), "diskwright-delete-"));
const away = join(copy, "deleted");

/** What the compiler of the core says, "" if it is content. */
async function compile() {
  let said = "";
  const take = {
    write: (text) => {
      said += text;
    },
  };
  const { error } = await asc.main(["assembly/index.ts", "--target", "names", "--noEmit"], {
    stdout: take,
    stderr: take,
  });
  return error === null ? "" : said || error.message;
}

/** What the type check of the host says, "" if it is content. */
function check() {
  const tsc = join(home, "node_modules", ".bin", "tsc");
  const { status, stdout } = spawnSync(tsc, ["--noEmit"], { cwd: copy, encoding: "utf8" });
  return status === 0 ? "" : stdout || `exit ${status}`;
}

function filesOf(path) {
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(path, name))
    .sort();
}

/** True if the tree without `file` is refused, for that file's sake. */
async function isMissed(file) {
  renameSync(join(copy, file), away);
  const said = file.startsWith("assembly/") ? await compile() : check();
  renameSync(away, join(copy, file));
  const [first = ""] = said.match(/TS\d+: .*/) ?? [];
  process.stdout.write(`${file.padEnd(44)} ${said === "" ? "NOT MISSED" : first}\n`);
  return said !== "";
}

async function main() {
  for (const name of COPIED) cpSync(name, join(copy, name), { recursive: true });
  symlinkSync(join(home, "node_modules"), join(copy, "node_modules"));
  process.chdir(copy);
  const before = (await compile()) + check();
  if (before !== "") throw new Error(`before anything is deleted: ${before}`);
  let files = 0;
  let missed = 0;
  for (const paths of Object.values(ROOMS)) {
    for (const file of paths.flatMap(filesOf)) {
      files += 1;
      if (await isMissed(file)) missed += 1;
    }
  }
  process.stdout.write(`\n${files} files deleted in turn, ${missed} of them missed\n`);
  return missed === files ? 0 : 1;
}

try {
  process.exitCode = await main();
} finally {
  process.chdir(home);
  rmSync(copy, { recursive: true, force: true });
}
