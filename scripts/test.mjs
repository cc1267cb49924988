/** The test command: gate, unit tests, tool tests, a tenth of the simulator; one closing line. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";

const totals = { passed: 0, failed: 0, skipped: 0 };
mkdirSync("build", { recursive: true });

function step(name, command, args) {
  process.stdout.write(`\n== ${name}\n`);
  const { status } = spawnSync(command, args, { stdio: "inherit", env: environment });
  return status === 0;
}

function counted(name, command, args) {
  totals[step(name, command, args) ? "passed" : "failed"] += 1;
}

function vitest(name, config) {
  const report = `build/report-${name}.json`;
  rmSync(report, { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const ok = step(name, "npx", ["vitest", "run", "--config", config, ...reporters]);
  const found = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : undefined;
  totals.passed += found?.numPassedTests ?? 0;
  totals.skipped += found?.numPendingTests ?? 0;
  totals.failed += found?.numFailedTests ?? 0;
  // A file that fails to load or a run that dies counts, though no test of it did.
  if (!ok && !found?.numFailedTests) totals.failed += 1;
}

const environment = { ...process.env, LC_ALL: "C.UTF-8", NO_COLOR: "1" };
counted("lint", "npx", ["biome", "ci", "."]);
counted("build", "node", ["scripts/build.mjs", "--test"]);
counted("types", "npx", ["tsc", "--noEmit", "-p", "test"]);
vitest("unit", "vitest.config.ts");
vitest("tools", "vitest.tools.config.ts");
if (existsSync("test/sim/main.ts")) {
  const sim = ["tsx", "test/sim/main.ts", "--share", "0.1"];
  counted("crash states, a tenth", "npx", sim);
  counted("crash states of the flows, a tenth", "npx", [...sim, "--group", "flows"]);
}

const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : "";
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed${skipped}\n`);
process.exit(totals.failed === 0 ? 0 : 1);
