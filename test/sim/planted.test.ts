/** The simulator finds every planted bug within its budget, and nothing where none is planted. */
import { expect, test } from "vitest";
import { runJob } from "./job.ts";
import { PLANTS } from "./planted.ts";
import { SUBJECTS, type SubjectName } from "./subjects/registry.ts";

/** Crash states in which a bug must show. */
const BUDGET = 6000;

test("bugs are planted in all that keeps state, each under a name of its own", () => {
  expect(new Set(PLANTS.map(({ name }) => name)).size).toBe(PLANTS.length);
  const inProduct = PLANTS.filter(({ id }) => id > 0);
  expect(new Set(inProduct.map(({ subject }) => subject))).toEqual(
    new Set(["store", "files", "gpt", "install", "ext4"]),
  );
  expect(inProduct.length).toBeGreaterThanOrEqual(10);
  expect(PLANTS.length).toBeGreaterThanOrEqual(28);
});

test.each(PLANTS)("$name is found: $what", ({ name, subject, seed, seeds, thin }) => {
  let states = 0;
  let found: readonly string[] = [];
  const tried: { seed: number; states: number }[] = [];
  for (let at = seed; at < seed + seeds && found.length === 0 && states < BUDGET; at++) {
    const statesMax = BUDGET - states;
    const outcome = runJob({ subject, seed: at, plant: name, statesMax, thin, shorten: false });
    states += outcome.states;
    found = outcome.violations;
    tried.push({ seed: at, states: outcome.states });
  }
  expect(found.length, `no violation in ${states} states`).toBeGreaterThan(0);
  // The last seed alone: the same states without the bug.
  const last = tried.at(-1) ?? { seed, states: 1 };
  const sound = { subject, seed: last.seed, plant: undefined, statesMax: last.states, thin };
  const clean = runJob(sound);
  expect(clean.violations).toEqual([]);
  expect(clean.states).toBeGreaterThan(0);
});

test.each(Object.keys(SUBJECTS) as SubjectName[])(
  "%s: a seed gives the same states twice",
  (name) => {
    // What is costly by the state names how it is thinned.
    const statesMax = SUBJECTS[name].thin === undefined ? 400 : 40;
    const job = { subject: name, seed: 2, plant: undefined, statesMax } as const;
    const { states, mounts, violations } = runJob(job);
    const again = runJob(job);
    expect(violations).toEqual([]);
    expect([again.states, again.mounts]).toEqual([states, mounts]);
  },
);
