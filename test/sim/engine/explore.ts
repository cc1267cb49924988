/**
 * Explores one scenario: records its life once, then visits the crash states of each flush interval
 * on the bytes that were durable when it began, nested to the depth asked for.
 */
import type { Scenario, Subject } from "../subject.ts";
import { Choice, type CrashStep } from "./choice.ts";
import { SimDisk } from "./disk.ts";
import { History, Life, Window } from "./history.ts";
import { KeySet } from "./keys.ts";
import { mix, Random } from "./random.ts";
import { enumerate, sample } from "./states.ts";
import { EventKind, Trace } from "./trace.ts";
import {
  advance,
  blocks,
  FLIPPED,
  FULL,
  type Group,
  intervalEnd,
  OLD,
  RANDOM,
  single,
  type Unit,
  unitsOf,
  ZEROS,
} from "./units.ts";

/** Crash states of an interval that are visited with each copy rotten in turn. */
const ROT_CHOICES = 12;

export interface ExploreOptions {
  /** Crashes that may follow one upon another. */
  readonly depth: number;
  /** One state in so many is followed by nested crashes. */
  readonly nestEvery: number;
  /** States of each interval of a nested life. */
  readonly nestStates: number;
  /** Ends the exploration after so many violations. */
  readonly violationsMax: number;
  /** Ends it after so many states, if given. */
  readonly statesMax?: number;
}

export const DEFAULTS: ExploreOptions = {
  depth: 2,
  nestEvery: 150,
  nestStates: 6,
  violationsMax: 1,
};

export interface Finding {
  readonly subject: string;
  readonly seed: number;
  readonly message: string;
  readonly steps: readonly CrashStep[];
}

export interface Exploration {
  readonly states: number;
  readonly mounts: number;
  readonly depth: number;
  readonly findings: readonly Finding[];
}

/** The crash states of `scenario`, each judged by `subject`. */
export function explore(
  subject: Subject,
  scenario: Scenario,
  options: ExploreOptions = DEFAULTS,
): Exploration {
  return new Explorer(subject, scenario, options).run();
}

/** One interval of a life: what was pending in it, on the bytes that `disk` holds. */
interface Interval {
  readonly trace: Trace;
  readonly units: readonly Unit[];
  readonly history: History;
  readonly end: number;
  /** Versions at the moment it began. */
  readonly issued: number;
  /** The last version acknowledged before it ended. */
  readonly acked: number;
  readonly level: number;
  readonly key: number;
  readonly steps: readonly CrashStep[];
}

class Explorer {
  readonly #subject: Subject;
  readonly #scenario: Scenario;
  readonly #options: ExploreOptions;
  readonly #disk: SimDisk;
  readonly #keys = new KeySet();
  readonly #findings: Finding[] = [];
  readonly #traces: Trace[] = [];
  #mounts = 0;
  #depth = 0;

  constructor(subject: Subject, scenario: Scenario, options: ExploreOptions) {
    this.#subject = subject;
    this.#scenario = scenario;
    this.#options = options;
    this.#disk = new SimDisk(scenario.shape);
    for (let level = 0; level <= options.depth; level++) this.#traces.push(new Trace());
  }

  run(): Exploration {
    const { history, trace } = this.#recordRun();
    if (this.#findings.length === 0) {
      this.#life(trace, history, 1, mix(0x5bd1e995, this.#scenario.seed), history.began, []);
    }
    return {
      states: this.#keys.size,
      mounts: this.#mounts,
      depth: this.#depth,
      findings: this.#findings,
    };
  }

  /** Runs the workload once; the disk is then back at its start. */
  #recordRun(): { history: History; trace: Trace } {
    const disk = this.#disk;
    const trace = this.#traces[0] as Trace;
    let history = new History(0);
    const { seed, failFlush = 0, failWrite = 0 } = this.#scenario;
    let mark = -1;
    try {
      history = new History(this.#subject.prepare(this.#scenario, disk));
      mark = disk.mark();
      disk.failFlushIn = failFlush;
      disk.failWriteIn = failWrite;
      disk.record(trace, history, seed);
      this.#subject.run(this.#scenario, disk, history);
    } catch (error) {
      this.#report(`without any crash: ${textOf(error)}`, []);
      this.#subject.reset?.();
    }
    disk.stopRecording();
    disk.off = false;
    if (mark >= 0) disk.rollback(mark);
    return { history, trace };
  }

  /** Every interval of a recorded life. The disk holds its start, and is moved along. */
  #life(
    trace: Trace,
    history: History,
    level: number,
    key: number,
    issuedFirst: number,
    steps: readonly CrashStep[],
  ): boolean {
    const disk = this.#disk;
    let issued = issuedFirst;
    for (let from = 0; from <= trace.events.length; ) {
      const end = intervalEnd(trace, from);
      const closing = trace.events[end];
      const units = unitsOf(trace, from, end, disk, this.#subject.rules);
      const acked = closing?.acked ?? history.acked;
      const interval: Interval = {
        ...{ trace, units, history, end, issued, acked, level, steps },
        key: mix(key, from),
      };
      if (!this.#interval(interval)) return false;
      if (level < this.#options.depth && !this.#restart(interval, from)) return false;
      advance(disk, trace, from, end, closing?.fates);
      issued = closing?.issued ?? history.issued;
      from = end + 1;
    }
    return true;
  }

  #interval(interval: Interval): boolean {
    const { units, level, key } = interval;
    const { isAlone = false } = this.#subject.rules;
    const lists = [single(units), isAlone ? undefined : blocks(units)];
    for (const groups of lists) {
      if (groups === undefined) continue;
      const visit = (codes: Uint16Array) => this.#state(interval, groups, codes);
      const { nestStates } = this.#options;
      const done =
        level === 1
          ? enumerate(units, groups, key, visit)
          : sample(units, groups, key, nestStates, visit);
      if (!done) return false;
    }
    return this.#rotten(interval);
  }

  /** One copy of what is kept several times rots, beside a few of the crash states. */
  #rotten(interval: Interval): boolean {
    const { units, key, level } = interval;
    const { copies = [] } = this.#subject.rules;
    const { mayRot = true } = this.#scenario;
    // A later life does not know what the epoch before its first one held.
    if (!mayRot || copies.length === 0 || level > 1) return true;
    const groups = single(units);
    const random = new Random(key ^ 0x707);
    return sample(units, groups, key, ROT_CHOICES, (codes) => {
      return copies.every((sector) => {
        const rot = [sector, random.pick([RANDOM, ZEROS, FLIPPED])] as const;
        return this.#state(interval, groups, codes, rot);
      });
    });
  }

  /** One choice: skipped if its bytes were seen, else made, judged and taken back. */
  #state(
    interval: Interval,
    groups: readonly Group[],
    codes: Uint16Array,
    rot?: readonly [number, number],
  ): boolean {
    const choice = new Choice(interval.units, groups, codes, rot);
    const [low, high] = choice.key(interval.key);
    const { thin = 1 } = this.#scenario;
    if ((thin > 1 && high % thin !== 0) || !this.#keys.add(low, high)) return true;
    const nested = interval.level < this.#options.depth && low % this.#options.nestEvery === 0;
    const upper = Math.max(choice.issued(interval.issued), interval.acked);
    const { history, acked } = interval;
    const window = new Window(history, rot ? history.ackedBefore(acked) : acked, upper);
    const mark = this.#disk.mark();
    choice.apply(this.#disk, interval.trace, low);
    const going = this.#judge(interval, window, choice, nested, low, mark);
    this.#disk.rollback(mark);
    const { statesMax = Number.POSITIVE_INFINITY } = this.#options;
    return going && this.#keys.size < statesMax;
  }

  #judge(
    interval: Interval,
    window: Window,
    choice: Choice,
    nested: boolean,
    key: number,
    mark: number,
  ): boolean {
    const disk = this.#disk;
    const life = new Life(window, mix(interval.key, key), nested);
    const trace = this.#traces[interval.level] as Trace;
    this.#depth = Math.max(this.#depth, interval.level);
    const inner = nested ? disk.mark() : mark;
    if (nested) {
      trace.clear();
      disk.record(trace, life.history);
    }
    const wrong = this.#verify(life);
    if (wrong !== undefined) {
      const least = nested ? choice : this.#least(interval, choice, window, key, mark);
      const steps = [...interval.steps, stepOf(least, interval, window)];
      if (nested) disk.rollback(inner);
      return this.#report(wrong, steps);
    }
    if (!nested) return true;
    disk.rollback(inner);
    if (life.durable) life.history.settle(life.found);
    const steps = [...interval.steps, stepOf(choice, interval, window)];
    const innerKey = mix(interval.key, key);
    const again = disk.mark();
    const going = this.#life(
      trace,
      life.history,
      interval.level + 1,
      innerKey,
      life.history.began,
      steps,
    );
    disk.rollback(again);
    return going;
  }

  /** Mounts and judges what the disk holds now; the reason if it is wrong. */
  #verify(life: Life): string | undefined {
    const disk = this.#disk;
    let wrong: string | undefined;
    try {
      this.#subject.verify(this.#scenario, disk, life);
      if (Number.isNaN(life.found)) throw new Error("verify() did not settle the content");
    } catch (error) {
      wrong = textOf(error);
      this.#subject.reset?.();
    }
    disk.stopRecording();
    disk.off = false;
    this.#mounts += life.mounts;
    return wrong;
  }

  /** The same failure with as many units as can be wholly new, then wholly old. */
  #least(interval: Interval, choice: Choice, window: Window, key: number, mark: number): Choice {
    let best = choice;
    for (let index = 0; index < choice.codes.length; index++) {
      for (const code of [FULL, OLD]) {
        if (best.codes[index] === FULL || best.codes[index] === code) break;
        const codes = best.codes.slice();
        codes[index] = code;
        const other = new Choice(interval.units, choice.groups, codes, choice.rot);
        if (other.issued(interval.issued) > window.upper) continue;
        this.#disk.rewind(mark);
        other.apply(this.#disk, interval.trace, key);
        if (this.#verify(new Life(window, mix(interval.key, key), false)) === undefined) continue;
        best = other;
        break;
      }
    }
    return best;
  }

  /** A restart in this interval without a power cut: the next life starts on a device whose cache
   * still holds what this one wrote, and a later power cut may take any of it. */
  #restart(interval: Interval, from: number): boolean {
    const { trace, history, end, level } = interval;
    const random = new Random(interval.key);
    if (end === from || !random.chance(50)) return true;
    const disk = this.#disk;
    const stop = from + 1 + random.below(end - from);
    const last = trace.events[stop - 1];
    if (last === undefined) return true;
    const outer = disk.mark();
    const nested = this.#traces[level] as Trace;
    nested.clear();
    const window = new Window(history, last.acked, Math.max(last.issued, last.acked));
    for (let index = from; index < stop; index++) {
      const event = trace.events[index];
      if (event?.kind !== EventKind.WRITE) continue;
      nested.adopt(event, trace, Math.max(0, event.issued - window.lower), 0);
    }
    advance(disk, trace, from, stop);
    const life = new Life(window, mix(interval.key, stop), true);
    disk.record(nested, life.history);
    const wrong = this.#verify(life);
    const choice = new Choice(interval.units, [], new Uint16Array(0));
    const steps = [...interval.steps, { ...stepOf(choice, interval, window), restart: true }];
    const { began } = life.history;
    disk.rewind(outer);
    const going =
      wrong !== undefined
        ? this.#report(wrong, steps)
        : this.#life(nested, life.history, level + 1, mix(interval.key, stop), began, steps);
    disk.rollback(outer);
    return going;
  }

  /** False when enough was found. */
  #report(message: string, steps: readonly CrashStep[]): boolean {
    const { name } = this.#subject;
    this.#findings.push({ subject: name, seed: this.#scenario.seed, message, steps });
    return this.#findings.length < this.#options.violationsMax;
  }
}

function stepOf(choice: Choice, interval: Interval, window: Window): CrashStep {
  const { history, level, end, trace } = interval;
  const did = level > 1 ? history.labels.slice(history.began + 1, window.upper + 1) : [];
  return choice.step(end, trace.events.length, window.describe(), did);
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "Violation" || error.name === "StorageError") return error.message;
  return error.stack ?? error.message;
}
