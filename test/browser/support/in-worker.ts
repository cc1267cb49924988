/**
 * Tests that live in a worker: what a page may not do (synchronous files, waiting) they may.
 *
 * A worker file ends with `serveTests(() => import("./some.ts"))`; the test file of the page calls
 * `testsOfWorker(worker)`, which runs them there and reports each under its own name here.
 */
import { startTests, type Task, type VitestRunner, type VitestRunnerConfig } from "@vitest/runner";
import { describe, expect, test } from "vitest";

/** A test of the worker, as it ended. */
interface Outcome {
  readonly path: readonly string[];
  readonly state: string;
  readonly errors: readonly string[];
}

interface Answer {
  readonly outcomes?: readonly Outcome[];
  readonly failure?: string;
}

const CONFIG: Partial<VitestRunnerConfig> = {
  root: "/",
  setupFiles: [],
  passWithNoTests: false,
  allowOnly: false,
  sequence: { seed: 1, hooks: "stack", setupFiles: "list", shuffle: false } as never,
  maxConcurrency: 1,
  testTimeout: 60_000,
  hookTimeout: 60_000,
  retry: 0,
  tags: [],
  strictTags: false,
};

/** In the worker: runs the tests that importing `load` defines, and posts how each ended. */
export function serveTests(load: () => Promise<unknown>): void {
  const post = (answer: Answer) => postMessage(answer);
  // What vitest looks for wherever it runs; a worker of ours has none.
  Object.assign(globalThis, {
    __vitest_worker__: {
      config: { snapshotOptions: { expand: false }, expect: {} },
      filepath: "worker",
      providedContext: {},
    },
  });
  const runner: VitestRunner = {
    config: CONFIG as VitestRunnerConfig,
    importFile: load,
  };
  const ended = startTests(["worker"], runner).then(([file]) => {
    const errors = file?.result?.errors ?? [];
    // The file itself: an import that failed.
    if (errors.length > 0) throw new Error(errors.map(({ stack }) => stack).join("\n"));
    post({ outcomes: file?.tasks.flatMap((task) => outcomes(task, [])) ?? [] });
  });
  ended.catch((error: unknown) => post({ failure: String((error as Error)?.stack ?? error) }));
}

function outcomes(task: Task, above: readonly string[]): Outcome[] {
  const path = [...above, task.name];
  if (task.type === "suite") return task.tasks.flatMap((each) => outcomes(each, path));
  const errors = (task.result?.errors ?? []).map((error) =>
    [error.message, error.diff, error.stack].filter(Boolean).join("\n"),
  );
  return [{ path, state: task.result?.state ?? "not run", errors }];
}

/** In the page: runs the tests of `worker` and defines a test for each. */
export async function testsOfWorker(worker: Worker): Promise<void> {
  const { outcomes: ended = [], failure } = await new Promise<Answer>((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<Answer>) => resolve(data);
    worker.onerror = ({ message, filename, lineno }) =>
      resolve({ failure: `${message} at ${filename}:${lineno}` });
  });
  worker.terminate();
  if (failure !== undefined) throw new Error(`the worker failed: ${failure}`);
  for (const outcome of ended) define(outcome, outcome.path);
}

function define(outcome: Outcome, [name = "", ...rest]: readonly string[]): void {
  if (rest.length > 0) {
    describe(name, () => define(outcome, rest));
    return;
  }
  test(name, () => {
    expect(outcome.errors).toEqual([]);
    expect(outcome.state).toBe("pass");
  });
}
