/**
 * The test command: gate, unit tests, a browser's, tool tests beside a tenth of the simulator; one closing line.
 *
 * Tool tests mostly wait for one emulated machine, so the simulator has the other core meanwhile.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";

const totals = { passed: 0, failed: 0, skipped: 0 };
const environment = { ...process.env, LC_ALL: "C.UTF-8", NO_COLOR: "1" };
mkdirSync("build", { recursive: true });

function title(name) {
  process.stdout.write(`\n== ${name}\n`);
}

/** Runs a command alone; true if it ended well. */
function alone(name, command, args) {
  title(name);
  return spawnSync(command, args, { stdio: "inherit", env: environment }).status === 0;
}

function counted(ok) {
  totals[ok ? "passed" : "failed"] += 1;
}

/** Runs a command beside others; what it says comes in one piece when it has ended. */
function aside(name, command, args) {
  const started = Date.now();
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: environment });
  const said = [];
  child.stdout.on("data", (data) => said.push(data));
  child.stderr.on("data", (data) => said.push(data));
  return new Promise((resolve) => {
    child.once("error", (error) => said.push(Buffer.from(`${error}\n`)));
    child.once("close", (code) => {
      title(`${name}, ${Math.round((Date.now() - started) / 1000)} s`);
      process.stdout.write(Buffer.concat(said));
      resolve(code === 0);
    });
  });
}

async function vitest(name, config, run) {
  const report = `build/report-${name}.json`;
  rmSync(report, { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const ok = await run(name, "npx", ["vitest", "run", "--config", config, ...reporters]);
  const found = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : undefined;
  totals.passed += found?.numPassedTests ?? 0;
  totals.skipped += found?.numPendingTests ?? 0;
  totals.failed += found?.numFailedTests ?? 0;
  // A file that fails to load or a run that dies counts, though no test of it did.
  if (!ok && !found?.numFailedTests) totals.failed += 1;
}

async function simulator() {
  const share = ["tsx", "test/sim/main.ts", "--group", "all", "--share", "0.1"];
  counted(await aside("crash states, a tenth", "npx", share));
}

counted(alone("lint", "npx", ["biome", "ci", "."]));
counted(alone("build", "node", ["scripts/build.mjs", "--test"]));
counted(alone("types", "npx", ["tsc", "--noEmit", "-p", "test"]));
await vitest("unit", "vitest.config.ts", alone);
await vitest("browser", "vitest.browser.config.ts", alone);
await Promise.all([vitest("tools", "vitest.tools.config.ts", aside), simulator()]);

const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : "";
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed${skipped}\n`);
process.exit(totals.failed === 0 ? 0 : 1);
