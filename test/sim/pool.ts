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

  /** Covers all goals: whoever has nothing left to do for one goes on with the next. */
  async run(goals: readonly Goal[]): Promise<Totals[]> {
    const covers = goals.map((goal) => new Cover(goal));
    const serve = async (worker: Worker): Promise<void> => {
      for (let cover = covers.find(isWanting); cover; cover = covers.find(isWanting)) {
        this.#take(cover, await this.#ask(worker, cover.nextJob()));
      }
    };
    try {
      await Promise.all(this.#workers.map(serve));
    } finally {
      await Promise.all(this.#workers.map((worker) => worker.terminate()));
    }
    return covers.map(({ totals }) => totals);
  }

  #take(cover: Cover, outcome: Outcome): void {
    const wasDone = cover.isDone;
    for (const { states, violations } of cover.count(outcome)) {
      for (const text of violations) this.#events.violation(text);
      this.#counted += states;
      this.#events.progress(this.#counted);
    }
    if (cover.isDone && !wasDone) this.#events.done(cover.totals);
  }

  #ask(worker: Worker, job: Job): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const left = (code: number) => {
        reject(new Error(`the thread of ${job.subject}:${job.seed} ended with ${code}`));
      };
      worker.once("error", reject);
      worker.once("exit", left);
      worker.once("message", (outcome: Outcome) => {
        worker.off("error", reject);
        worker.off("exit", left);
        resolve(outcome);
      });
      worker.postMessage(job);
    });
  }
}

/** How far one goal is. */
class Cover {
  readonly totals: Totals;
  readonly #goal: Goal;
  readonly #outcomes = new Map<number, Outcome>();
  /** The next seed to give out, and the next to count. */
  #next: number;
  #counted: number;

  constructor(goal: Goal) {
    const { subject, seed } = goal;
    this.#goal = goal;
    this.#next = seed;
    this.#counted = seed;
    this.totals = {
      ...{ subject, scenarios: 0, states: 0, mounts: 0, depth: 0, threadSeconds: 0, violations: 0 },
    };
  }

  get isDone(): boolean {
    const { states, violations } = this.totals;
    return states >= this.#goal.states || violations > 0 || this.#counted >= this.#end;
  }

  /** More seeds should run. */
  get wants(): boolean {
    return !this.isDone && this.#next < this.#end;
  }

  nextJob(): Job {
    const { subject, plant, depth, thin } = this.#goal;
    return { subject, seed: this.#next++, plant, depth, thin };
  }

  /** Takes an outcome in; answers those that count now, in the order of their seeds. */
  count(outcome: Outcome): Outcome[] {
    this.#outcomes.set(outcome.seed, outcome);
    const ready: Outcome[] = [];
    while (!this.isDone) {
      const following = this.#outcomes.get(this.#counted);
      if (following === undefined) break;
      this.#counted += 1;
      this.#add(following);
      ready.push(following);
    }
    return ready;
  }

  get #end(): number {
    return this.#goal.seed + this.#goal.seedsMax;
  }

  #add(outcome: Outcome): void {
    const { totals } = this;
    totals.scenarios += 1;
    totals.states += outcome.states;
    totals.mounts += outcome.mounts;
    totals.depth = Math.max(totals.depth, outcome.depth);
    totals.threadSeconds += outcome.seconds;
    totals.violations += outcome.violations.length;
  }
}

function isWanting(cover: Cover): boolean {
  return cover.wants;
}
