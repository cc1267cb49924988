/**
 * The pool: seeds of each subject in order, over worker threads, until its states are covered.
 * Outcomes count in the order of their seeds, so a run gives the same numbers with any threads.
 */
import { Worker } from "node:worker_threads";
import type { Job, Outcome } from "./job.ts";
import type { Totals } from "./report.ts";
import type { SubjectName } from "./subjects/registry.ts";

/** What is to be covered of one subject. */
export interface Goal {
  readonly subject: SubjectName;
  readonly seed: number;
  /** Ends after so many seeds, */
  readonly seedsMax: number;
  /** or when so many states are covered. */
  readonly states: number;
  readonly plant: string | undefined;
  readonly depth: number | undefined;
  readonly thin?: number | undefined;
}

/** A thread does not inherit the loader that reads TypeScript, so it begins by registering it. */
const BOOT = `
  import("tsx/esm/api").then(({ register }) => {
    register();
    return import(${JSON.stringify(new URL("./worker.ts", import.meta.url).href)});
  });
`;

export interface PoolEvents {
  /** A subject is done. */
  done(totals: Totals): void;
  violation(text: string): void;
  /** States counted so far, of all subjects. */
  progress(states: number): void;
}

export class Pool {
  readonly #workers: Worker[];
  readonly #events: PoolEvents;
  #counted = 0;

  constructor(threads: number, events: PoolEvents) {
    this.#events = events;
    this.#workers = Array.from({ length: threads }, () => new Worker(BOOT, { eval: true }));
  }

  async run(goals: readonly Goal[]): Promise<Totals[]> {
    const all: Totals[] = [];
    for (const goal of goals) {
      const totals = await this.#cover(goal);
      this.#events.done(totals);
      all.push(totals);
    }
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    return all;
  }

  async #cover(goal: Goal): Promise<Totals> {
    const { subject } = goal;
    const totals: Totals = {
      ...{ subject, scenarios: 0, states: 0, mounts: 0, depth: 0, threadSeconds: 0, violations: 0 },
    };
    const outcomes = new Map<number, Outcome>();
    let next = goal.seed;
    let counted = goal.seed;
    const isDone = () => totals.states >= goal.states || totals.violations > 0;
    const count = (outcome: Outcome) => {
      outcomes.set(outcome.seed, outcome);
      for (let ready = outcomes.get(counted); ready && !isDone(); ready = outcomes.get(counted)) {
        this.#count(totals, ready);
        counted += 1;
      }
    };
    const serve = async (worker: Worker): Promise<void> => {
      while (!isDone() && next < goal.seed + goal.seedsMax) {
        const { plant, depth, thin } = goal;
        count(await this.#ask(worker, { subject, seed: next++, plant, depth, thin }));
      }
    };
    await Promise.all(this.#workers.map(serve));
    return totals;
  }

  #count(totals: Totals, outcome: Outcome): void {
    totals.scenarios += 1;
    totals.states += outcome.states;
    totals.mounts += outcome.mounts;
    totals.depth = Math.max(totals.depth, outcome.depth);
    totals.threadSeconds += outcome.seconds;
    totals.violations += outcome.violations.length;
    for (const text of outcome.violations) this.#events.violation(text);
    this.#counted += outcome.states;
    this.#events.progress(this.#counted);
  }

  #ask(worker: Worker, job: Job): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      worker.once("error", reject);
      worker.once("message", (outcome: Outcome) => {
        worker.off("error", reject);
        resolve(outcome);
      });
      worker.postMessage(job);
    });
  }
}
