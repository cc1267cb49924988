/**
 * How benchmarks are run and told: candidates of one subject side by side in one process, round by
 * round in alternating order, with the median of the paired ratios to a baseline.
 */
import { Bench } from "tinybench";
import { table } from "../host/cli/kit/output.ts";

export interface Candidate {
  readonly name: string;
  /** What is durable when an operation is answered, in words. */
  readonly durability: string;
  /** Runs before each round, not measured. */
  prepare?(): void | Promise<void>;
  /** Carries out `operations` operations of the subject. */
  run(): void | Promise<void>;
  /** Runs after each round, not measured. */
  finish?(): void | Promise<void>;
}

export interface Subject {
  /** Such as "put 4 KiB, batch". */
  readonly name: string;
  /** Operations that one run() carries out. */
  readonly operations: number;
  /** Bytes of payload in one operation, 0 = none. */
  readonly bytes: number;
  /** Name of the candidate the others are compared with. */
  readonly baseline: string;
  readonly candidates: readonly Candidate[];
}

export interface Row {
  readonly subject: string;
  readonly candidate: string;
  readonly durability: string;
  readonly opsPerSecond: number;
  readonly mibPerSecond: number;
  /** Median of the ratios to the baseline of the same round; 1 is as fast. */
  readonly ratio: number;
  readonly best: number;
}

/** Measures a subject: one warm-up round, then `rounds` that count. */
export async function measure(subject: Subject, rounds = 7): Promise<Row[]> {
  const times = new Map<string, number[]>(subject.candidates.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    const order = [...subject.candidates];
    if (round % 2 !== 0) order.reverse();
    for (const candidate of order) {
      const ms = await once(candidate);
      if (round >= 0) times.get(candidate.name)?.push(ms);
    }
  }
  const baseline = times.get(subject.baseline);
  if (baseline === undefined) throw new Error(`no candidate is called ${subject.baseline}`);
  return subject.candidates.map(({ name, durability }) => {
    const own = times.get(name) as number[];
    const opsPerSecond = (subject.operations * 1000) / median(own);
    return {
      subject: subject.name,
      candidate: name,
      durability,
      opsPerSecond,
      mibPerSecond: (opsPerSecond * subject.bytes) / 2 ** 20,
      ratio: median(own.map((ms, round) => (baseline[round] as number) / ms)),
      best: Math.min(...baseline) / Math.min(...own),
    };
  });
}

/** Milliseconds of one run, by tinybench. */
async function once(candidate: Candidate): Promise<number> {
  await candidate.prepare?.();
  const bench = new Bench({ iterations: 1, time: 0, warmup: false, throws: true });
  bench.add(candidate.name, () => candidate.run());
  const [task] = await bench.run();
  await candidate.finish?.();
  const result = task?.result;
  if (result?.state !== "completed") throw new Error(`${candidate.name} did not complete`);
  return result.latency.mean;
}

/** Prints rows as a table, or one JSON object a line. */
export function print(rows: readonly Row[], json: boolean): void {
  if (json) {
    for (const row of rows) process.stdout.write(`${JSON.stringify(row)}\n`);
    return;
  }
  const lines = rows.map((row) => [
    row.subject,
    row.candidate,
    row.durability,
    Math.round(row.opsPerSecond),
    row.mibPerSecond > 0 ? row.mibPerSecond.toFixed(1) : "",
    row.ratio.toFixed(2),
    row.best.toFixed(2),
  ]);
  const head = ["subject", "candidate", "durable when answered", "ops/s", "MiB/s", "ratio", "best"];
  process.stdout.write(`${table(lines, head)}\n`);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
