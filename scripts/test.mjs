/**
 * The test command: lint, build and types first; then two lanes side by side: what needs a browser
 * and a share of the simulator, unit tests and tool tests; one closing line.
 *
 * Tool tests mostly wait for one emulated machine, and the simulator takes what they leave. More
 * lanes on two cores starve a browser until its start is given up.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { constants, setPriority } from "node:os";

const totals = { passed: 0, failed: 0, skipped: 0 };
const environment = { ...process.env, LC_ALL: "C.UTF-8", NO_COLOR: "1" };
mkdirSync("build", { recursive: true });

function counted(ok) {
  totals[ok ? "passed" : "failed"] += 1;
}

/** Runs a command beside others; what it says comes in one piece when it has ended. */
function run(name, command, args, priority = constants.priority.PRIORITY_NORMAL) {
  const started = Date.now();
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: environment });
  if (child.pid !== undefined) setPriority(child.pid, priority);
  const said = [];
  child.stdout.on("data", (data) => said.push(data));
  child.stderr.on("data", (data) => said.push(data));
  return new Promise((resolve) => {
    child.once("error", (error) => said.push(Buffer.from(`${error}\n`)));
    child.once("close", (code) => {
      process.stdout.write(`\n== ${name}, ${Math.round((Date.now() - started) / 1000)} s\n`);
      process.stdout.write(Buffer.concat(said));
      resolve(code === 0);
    });
  });
}

async function vitest(name, config, ...only) {
  const report = `build/report-${name}.json`;
  rmSync(report, { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const ok = await run(name, "npx", ["vitest", "run", "--config", config, ...only, ...reporters]);
  const found = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : undefined;
  totals.passed += found?.numPassedTests ?? 0;
  totals.skipped += found?.numPendingTests ?? 0;
  totals.failed += found?.numFailedTests ?? 0;
  // A file that fails to load or a run that dies counts, though no test of it did.
  if (!ok && !found?.numFailedTests) totals.failed += 1;
}

async function simulator() {
  // A state of the flows costs ten times one of the formats.
  const share = ["--group", "all", "--share", "0.1", "--flows-share", "0.03"];
  const low = constants.priority.PRIORITY_LOW;
  counted(await run("crash states", "npx", ["tsx", "test/sim/main.ts", ...share], low));
}

async function gate() {
  const lint = run("lint", "npx", ["biome", "ci", "."]);
  const types = run("types", "npx", ["tsc", "--noEmit", "-p", "test"]);
  const build = run("build", "node", ["scripts/build.mjs", "--test"]);
  for (const ok of await Promise.all([lint, types, build])) counted(ok);
}

await gate();

async function browsersThenSimulator() {
  await vitest("browser", "vitest.browser.config.ts");
  await vitest("page", "vitest.tools.config.ts", "test/web/browser");
  await simulator();
}

async function unitThenTools() {
  await vitest("unit", "vitest.config.ts");
  await vitest("tools", "vitest.tools.config.ts", "test/tools");
}

await Promise.all([browsersThenSimulator(), unitThenTools()]);

const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : "";
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed${skipped}\n`);
process.exit(totals.failed === 0 ? 0 : 1);
