/**
 * `npm run sim`: crash states of every subject, each mounted, checked and compared.
 *
 *   npm run sim                        partition tables, store, files, installation, in full
 *   npm run sim -- --group flows       generations and installation, in full
 *   npm run sim -- --group all         both, each subject once
 *   npm run sim -- --share 0.1         the first tenth of the same seeds
 *   npm run sim -- --flows-share 0.03  another share for subjects that are flows only
 *   npm run sim -- --subject store     one subject
 *   npm run sim -- 17                  seed 17 only (also store:17, or --seed 17)
 *   npm run sim -- --plant NAME        with a planted bug: exits 1 with the shortest trace
 *   npm run sim -- --list-plants       the names of the planted bugs
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { findPlant, PLANTS } from "./planted.ts";
import { type Goal, Pool } from "./pool.ts";
import { grouped, totalsText } from "./report.ts";
import { type Group, isGroup, isSubject, SUBJECTS, subjectsOf } from "./subjects/registry.ts";

const THREADS_MAX = 8;
const ANY = Number.MAX_SAFE_INTEGER;

class UsageError extends Error {}

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      group: { type: "string", default: "storage" },
      share: { type: "string", default: "1" },
      "flows-share": { type: "string" },
      subject: { type: "string" },
      seed: { type: "string" },
      plant: { type: "string" },
      depth: { type: "string", default: "2" },
      threads: { type: "string" },
      json: { type: "boolean", default: false },
      "list-plants": { type: "boolean", default: false },
    },
  });
  const [first = values.seed] = positionals;
  const [, subject = values.subject, seed] =
    /^(?:([a-z0-9]+):)?(\d+)?$/.exec(first ?? "") ?? fail();
  return { ...values, subject, seed: seed === undefined ? undefined : Number(seed) };
}

function fail(): never {
  throw new UsageError("a seed is a number, or subject:number");
}

function positive(text: string, name: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`--${name} must be a number above 0, not "${text}"`);
  return value;
}

/** What the command line asks to be covered. */
function goalsOf(asked: ReturnType<typeof options>): Goal[] {
  const plant = asked.plant === undefined ? undefined : findPlant(asked.plant);
  if (asked.plant !== undefined && plant === undefined) {
    throw new UsageError(`no planted bug is called "${asked.plant}"; see --list-plants`);
  }
  const chosen = plant?.subject ?? asked.subject;
  if (chosen !== undefined && !isSubject(chosen)) {
    throw new UsageError(`no subject is called "${chosen}": ${Object.keys(SUBJECTS).join(", ")}`);
  }
  if (!isGroup(asked.group))
    throw new UsageError(`no group is called "${asked.group}": storage, flows, all`);
  const names = chosen === undefined ? subjectsOf(asked.group) : [chosen];
  const storage = positive(asked.share, "share");
  const flows = positive(asked["flows-share"] ?? asked.share, "flows-share");
  const depth = positive(asked.depth, "depth");
  return names.map((subject) => {
    const repeats = asked.seed !== undefined;
    const { states = ANY, seeds: seedsOfRun = ANY, thin, groups } = SUBJECTS[subject];
    const seeds = plant?.seeds ?? seedsOfRun;
    const share = (groups as readonly Group[]).includes("storage") ? storage : flows;
    return {
      subject,
      seed: asked.seed ?? plant?.seed ?? 1,
      seedsMax: repeats ? 1 : seeds,
      states: repeats || plant !== undefined ? ANY : Math.ceil(Math.min(states * share, ANY)),
      plant: plant?.name,
      thin: plant?.thin ?? (thin === undefined || repeats ? undefined : Math.ceil(thin / share)),
      depth,
    };
  });
}

async function main(): Promise<number> {
  const asked = options();
  const print = (text: string) => process.stdout.write(`${text}\n`);
  if (asked["list-plants"]) {
    for (const { name, subject, what } of PLANTS) print(`${name.padEnd(26)} ${subject}: ${what}`);
    return 0;
  }
  const goals = goalsOf(asked);
  const threads = asked.threads ? positive(asked.threads, "threads") : availableParallelism();
  const traces: string[] = [];
  const pool = new Pool(Math.min(threads, THREADS_MAX), {
    done: (totals) => asked.json || print(totalsText(totals)),
    violation: (text) => {
      traces.push(text);
      if (!asked.json) print(`\nVIOLATION in ${text}\n`);
    },
    progress: (states) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${grouped(states)} states\r`);
    },
  });
  const subjects = await pool.run(goals);
  const states = subjects.reduce((sum, { states: some }) => sum + some, 0);
  const violations = subjects.reduce((sum, { violations: some }) => sum + some, 0);
  if (asked.json) print(JSON.stringify({ states, violations, subjects, traces }, undefined, 2));
  else print(`${grouped(states)} distinct crash states, ${violations} violations`);
  return violations === 0 ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`sim: ${message}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
