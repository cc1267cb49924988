/**
 * A subject: something that keeps state on a disk and promises what a crash leaves of it. The
 * explorer records run() once, makes every crash state of it, and lets verify() judge each.
 */
import type { DiskShape, SimDisk } from "./engine/disk.ts";
import type { History, Life } from "./engine/history.ts";
import type { UnitRules } from "./engine/units.ts";

/** One workload: what a seed, and nothing else, decides. */
export interface Scenario<Operation = unknown> {
  readonly seed: number;
  /** For people: what this workload is about. */
  readonly title: string;
  readonly shape: DiskShape;
  readonly operations: readonly Operation[];
  /** The flush of the recorded life that fails, counted from 1. */
  readonly failFlush?: number;
  /** The write of the recorded life that fails, counted from 1. */
  readonly failWrite?: number;
  /** False: no copy rots beside a crash of this workload. */
  readonly mayRot?: boolean;
  /** Only one state in so many is visited, chosen by its key: for workloads with much content. */
  readonly thin?: number;
}

export interface Subject<Operation = unknown> {
  readonly name: string;
  readonly rules: UnitRules;
  scenario(seed: number): Scenario<Operation>;
  describe(operation: Operation): string;
  /** What lies at `sector`, for a trace that people read. */
  place(sector: number, scenario: Scenario<Operation>): string;
  /** Brings `disk`, all zeros, to where the workload starts; returns the history's first digest. */
  prepare(scenario: Scenario<Operation>, disk: SimDisk): number;
  /** Carries out the operations. A version is issued before its first write, acked once durable. */
  run(scenario: Scenario<Operation>, disk: SimDisk, history: History): void;
  /**
   * Mounts what a crash left, checks all of it, settles the content with `life`, goes on with ten
   * more operations, opens again and compares. Throws for whatever is wrong.
   */
  verify(scenario: Scenario<Operation>, disk: SimDisk, life: Life): void;
  /** After a failure: forgets whatever it may have left half-way. */
  reset?(): void;
}

/** What a worker makes its subjects with. */
export interface SubjectOptions {
  /** The planted bug to switch on. */
  readonly plant?: { readonly name: string; readonly id: number } | undefined;
}
