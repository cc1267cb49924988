/**
 * Breadth-first search over everything that can happen to a machine with 4 pointer epochs over 3
 * contents, each good, bad or flaky: boots, panics, failed checks, power cuts anywhere, requests
 * that come late or twice, rollbacks, garbage collection, recovery. Same rules and names as the
 * project's Python model, which the counts are compared with; but each change of boot control is
 * the shipped function's answer.
 */
import { Phase } from "../../../host/core/boot/control.ts";
import type { Profile } from "../../../host/system/boot/select.ts";
import { StateSet } from "./states.ts";
import {
  ARM,
  CANCEL,
  COLLECT,
  CONFIRM,
  CONFIRM_EARLY,
  CONFIRM_STALE,
  CONTENTS,
  contentOf,
  type Drive,
  EPOCHS,
  FAIL,
  isFailRecorded,
  PROMOTE,
  REFUSED,
  RESET,
  SELECT,
  SETTLE,
  SHORTEN,
  STAGE,
  Worlds,
} from "./worlds.ts";

export interface Result {
  /** As the model counts: pending BAD ids are BAD, a recorded FAIL is a cause. 0 beyond the model. */
  readonly states: number;
  readonly transitions: number;
  /** With the pending ids and the recorded FAIL told apart. */
  readonly wholeStates: number;
  readonly bootsToStable: number;
  /** Distinct pairs of control block and tree. */
  readonly worlds: number;
  readonly calls: number;
  readonly violations: Record<string, number>;
}

export interface Exploration {
  readonly drive?: Drive;
  /** Stop at the first violation. */
  readonly first?: boolean;
  /**
   * More than the model has. "faults": the commit of a SELECT is lost or in doubt, generations fail
   * after their checks passed, PROMOTE in any phase. "causes": resets of unknown cause, too.
   */
  readonly beyond?: "faults" | "causes" | undefined;
  /** Pointer epochs, at most EPOCHS. */
  readonly epochs?: number;
}

enum Kind {
  GOOD = 0,
  BAD = 1,
  FLAKY = 2,
}

enum Machine {
  OFF = 0,
  BOOT = 1,
  RUN = 2,
  RECOVERY = 3,
}

const POWER = 0;
const HARD = 1;
const CLEAN = 2;
const UNKNOWN = 3;
const BOOTS_MAX = 50;

/**
 * The rest of a state, 19 bits: machine 2, generation 3, healthy 1, cause 2, late confirms of
 * generations 1 to 4, confirm of this boot 1, stage request 5 (0, or 1 + (epoch, content, late)),
 * an uncounted boot 1: SELECT's commit failed or is in doubt.
 */
const GENERATION = 2;
const HEALTHY = 1 << 5;
const CAUSE = 6;
const LATE_CONFIRM = 8;
const CONFIRM_NOW = 1 << 12;
const REQUEST = 13;
const UNCOUNTED = 1 << 18;
const MESSAGES = (UNCOUNTED - 1) & ~((1 << LATE_CONFIRM) - 1);

/** All 27 assignments of kinds to contents. */
export function explore(profile: Profile, options: Exploration = {}): Result {
  const worlds = new Worlds(profile, options.drive);
  const total = { states: 0, transitions: 0, wholeStates: 0, bootsToStable: 0 };
  const violations: Record<string, number> = {};
  for (let code = 0; code < 3 ** CONTENTS; code += 1) {
    const kinds = [Kind.GOOD, Math.floor(code / 9), Math.floor(code / 3) % 3, code % 3];
    const search = new Search(worlds, kinds, options, violations);
    search.run();
    total.states += search.states;
    total.transitions += search.transitions;
    total.wholeStates += search.seen.size;
    total.bootsToStable = Math.max(total.bootsToStable, search.bootsToStable);
    if (search.stopped) break;
  }
  return { ...total, worlds: worlds.size, calls: worlds.calls, violations };
}

class Search {
  states = 0;
  transitions = 0;
  bootsToStable = 0;
  stopped = false;
  readonly seen = new StateSet();
  readonly #projected = new StateSet();
  /** Of a projected state: successors, and a sum of them. */
  readonly #successors: number[] = [];
  readonly #sums: number[] = [];
  readonly #worlds: Worlds;
  readonly #kinds: readonly Kind[];
  readonly #good: number;
  readonly #options: Exploration;
  readonly #epochs: number;
  readonly #violations: Record<string, number>;
  #world = 0;
  #rest = 0;
  #count = 0;
  #sum = 0;

  constructor(
    worlds: Worlds,
    kinds: readonly Kind[],
    options: Exploration,
    violations: Record<string, number>,
  ) {
    this.#worlds = worlds;
    this.#kinds = kinds;
    this.#good = kinds.reduce(
      (set, kind, c) => (c && kind === Kind.GOOD ? set | (1 << c) : set),
      0,
    );
    this.#options = options;
    this.#epochs = options.epochs ?? EPOCHS;
    this.#violations = violations;
  }

  run(): void {
    this.seen.add(this.#worlds.initial(), Machine.OFF);
    for (let at = 0; at < this.seen.size && !this.stopped; at += 1) {
      this.#world = this.seen.high(at);
      this.#rest = this.seen.low(at);
      this.#count = 0;
      this.#sum = 0;
      if ((this.#rest & 3) === Machine.OFF) this.#settles(HARD);
      if ((this.#rest & 3) === Machine.OFF && this.#hasCauses()) this.#settles(UNKNOWN);
      if (!this.stopped) this.#expand();
      if (this.#options.beyond === undefined) this.#project();
    }
  }

  /** Two states that the model does not tell apart must go on in the same way. */
  #project(): void {
    const [world, rest] = this.#projection(this.#world, this.#rest);
    const before = this.#projected.size;
    const at = this.#projected.add(world, rest);
    if (at === before) {
      this.states += 1;
      this.transitions += this.#count;
      this.#successors.push(this.#count);
      this.#sums.push(this.#sum);
    } else if (this.#successors[at] !== this.#count || this.#sums[at] !== this.#sum) {
      this.#violate("projection: two states of one projection go on differently");
    }
  }

  #projection(world: number, rest: number): [number, number] {
    const number = this.#worlds.projection[world] as number;
    const failed = (rest & 3) === Machine.OFF && isFailRecorded(this.#control(world));
    return [number, failed ? (rest & ~(3 << CAUSE)) | (HARD << CAUSE) : rest];
  }

  #control(world: number) {
    return (this.#worlds.worlds[world] as Worlds["worlds"][number]).control;
  }

  #kindOf(world: number, generation: number): Kind {
    const own = this.#worlds.worlds[world] as Worlds["worlds"][number];
    return this.#kinds[contentOf(own, generation)] as Kind;
  }

  /** I7: with fixed behaviour and no operator, boots until a good generation runs, or recovery. */
  #settles(again: number): void {
    let world = this.#world;
    let cause = (this.#rest >> CAUSE) & 3;
    for (let boots = 1; boots <= BOOTS_MAX; boots += 1) {
      const next = this.#worlds.to(world, SELECT + cause);
      const generation = this.#worlds.boots(world, cause);
      world = next;
      if (generation === 0 || this.#kindOf(world, generation) === Kind.GOOD) {
        this.bootsToStable = Math.max(this.bootsToStable, boots);
        return;
      }
      cause = again;
    }
    this.#violate("I7 endless boot loop");
  }

  #expand(): void {
    const rest = this.#rest;
    const world = this.#world;
    const machine = rest & 3;
    if (machine === Machine.OFF) {
      const cause = (rest >> CAUSE) & 3;
      const next = this.#worlds.to(world, SELECT + cause);
      const generation = this.#worlds.boots(world, cause);
      const started = generation === 0 ? Machine.RECOVERY : Machine.BOOT;
      const kept = rest & MESSAGES;
      this.#emitSelect(next, generation, started | (generation << GENERATION) | kept);
      if (this.#options.beyond !== undefined && next !== world) this.#emitUncounted(next, kept);
      return;
    }
    this.#emit(world, off(POWER, rest));
    if (this.#hasCauses()) this.#emit(world, off(UNKNOWN, rest));
    const generation = (rest >> GENERATION) & 7;
    if (machine === Machine.BOOT) {
      const kind = this.#kindOf(world, generation);
      const running = (rest & ~3) | Machine.RUN;
      if (kind !== Kind.BAD) {
        const settled = this.#worlds.to(world, SETTLE);
        this.#emit(settled === REFUSED ? world : settled, running);
      }
      if (kind !== Kind.GOOD) this.#emit(world, off(hardCause(rest), rest));
    } else if (machine === Machine.RUN) {
      this.#expandRun(generation);
    } else {
      this.#emit(this.#worlds.to(world, RESET), off(CLEAN, 0));
    }
  }

  #expandRun(generation: number): void {
    const rest = this.#rest;
    const world = this.#world;
    if ((rest & HEALTHY) === 0) {
      const kind = this.#kindOf(world, generation);
      const report = (rest & UNCOUNTED) === 0 ? CONFIRM_NOW : 0;
      if (kind !== Kind.BAD) this.#emit(world, rest | HEALTHY | report);
      if (kind !== Kind.GOOD) {
        this.#fail(rest);
        // No successor in the model: the shipped function must refuse it.
        const early = this.#worlds.to(world, CONFIRM_EARLY + generation - 1);
        if (early !== REFUSED && early !== world) this.#emitConfirm(early, rest);
      }
    }
    const late = this.#options.beyond !== undefined && (rest & HEALTHY) !== 0;
    if (late && this.#kindOf(world, generation) === Kind.FLAKY) {
      this.#fail(rest);
      this.#emit(world, off(hardCause(rest), rest));
    }
    if ((rest & CONFIRM_NOW) !== 0) {
      const next = this.#worlds.to(world, CONFIRM + generation - 1);
      this.#emitConfirm(next === REFUSED ? world : next, rest & ~CONFIRM_NOW);
    }
    for (let late = 0; late < EPOCHS; late += 1) {
      const bit = 1 << (LATE_CONFIRM + late);
      if ((rest & bit) === 0) continue;
      const next = this.#worlds.to(world, CONFIRM_STALE + late);
      if (next === REFUSED) this.#emit(world, rest & ~bit);
      else this.#emitConfirm(next, rest & ~bit);
    }
    const request = (rest >> REQUEST) & 31;
    if (request !== 0) this.#expandStage((request - 1) >> 1);
    const { active } = this.#control(world);
    if ((rest & HEALTHY) !== 0 && generation === active) this.#expandOperator();
  }

  /** An uncounted boot has no token to fail with. */
  #fail(rest: number): void {
    const counted = (rest & UNCOUNTED) === 0;
    this.#emit(counted ? this.#worlds.to(this.#world, FAIL) : this.#world, off(POWER, rest));
  }

  #expandStage(asked: number): void {
    const rest = this.#rest & ~(31 << REQUEST);
    const next = this.#worlds.to(this.#world, STAGE + asked);
    if (next === REFUSED) {
      this.#emit(this.#world, rest);
      return;
    }
    if (this.#control(next).candidate <= this.#control(this.#world).highWater) {
      this.#violate("I6 old pointer epoch accepted");
    }
    this.#emit(next, rest);
  }

  #expandOperator(): void {
    const rest = this.#rest;
    const world = this.#world;
    const known = this.#worlds.worlds[world] as Worlds["worlds"][number];
    const { control, contents } = known;
    const { phase, highWater, golden, ring } = control;
    if (((rest >> REQUEST) & 31) === 0) {
      if (highWater < this.#epochs) {
        const newest = Math.max(...contents);
        if (newest < CONTENTS) this.#emit(world, rest | request(highWater + 1, newest + 1));
        for (const old of known.kept) {
          this.#emit(world, rest | request(highWater + 1, contentOf(known, old)));
        }
      }
      if (highWater > 1) {
        this.#emit(world, rest | request(highWater, contentOf(known, highWater)));
      }
    }
    const beyond = this.#options.beyond !== undefined;
    const offer = (move: number) => {
      const next = this.#worlds.to(world, move);
      if (next !== REFUSED || !beyond) this.#emit(next, rest);
    };
    if (phase === Phase.STAGED) offer(ARM);
    if (phase === Phase.STAGED || phase === Phase.ARMED) offer(CANCEL);
    if (phase === Phase.ARMED) this.#emit(world, off(CLEAN, rest));
    if ((phase === Phase.IDLE || beyond) && golden !== control.active) offer(PROMOTE);
    if (ring.length > 0) offer(SHORTEN);
    for (let content = 1; content <= CONTENTS; content += 1) {
      if ((known.present & (1 << content)) === 0) continue;
      const next = this.#worlds.to(world, COLLECT + content - 1);
      if (next !== REFUSED) this.#emit(next, rest);
    }
  }

  #emitSelect(next: number, generation: number, rest: number): void {
    const from = this.#control(this.#world);
    const to = this.#control(next);
    const trial = from.phase === Phase.ARMED || from.phase === Phase.TRYING;
    if (generation !== 0) {
      const content = contentOf(this.#worlds.worlds[next] as Worlds["worlds"][number], generation);
      if (((this.#worlds.bad[next] as number) & (1 << content)) !== 0) {
        this.#violate("I8 booted a BAD generation");
      }
      if (trial && generation === from.candidate && to.triesLeft >= from.triesLeft) {
        this.#violate("I4 boot of a candidate without a durable decrement");
      }
    }
    const good = this.#kindOf(this.#world, from.active) === Kind.GOOD;
    if (to.active !== from.active && good && !this.#hasCauses()) {
      this.#violate("I11 healthy active abandoned");
    }
    this.#emit(next, rest);
  }

  /** The commit is lost, or it is there after all: either way active runs, without a token. */
  #emitUncounted(next: number, kept: number): void {
    const { active } = this.#control(this.#world);
    const rest = Machine.BOOT | (active << GENERATION) | kept | UNCOUNTED;
    this.#emit(this.#world, rest);
    this.#emit(next, rest);
  }

  #hasCauses(): boolean {
    return this.#options.beyond === "causes";
  }

  #emitConfirm(next: number, rest: number): void {
    const from = this.#control(this.#world);
    const { active } = this.#control(next);
    const generation = (this.#rest >> GENERATION) & 7;
    const proven = (this.#rest & HEALTHY) !== 0 && from.phase === Phase.TRYING;
    if (active !== from.active && !(proven && generation === active)) {
      this.#violate("I5 confirmed without a healthy run of it");
    }
    this.#emit(next, rest);
  }

  #emit(next: number, rest: number): void {
    if (next === REFUSED) throw new Error(`refused where the model goes on: ${this.#describe()}`);
    this.#count += 1;
    this.seen.add(next, rest);
    const [world, projected] = this.#projection(next, rest);
    this.#sum = (this.#sum + (world + 1) * 40503 + projected * 69069) % 0x1f_ffff_ffff;
    const wrong = this.#worlds.wrong[next];
    if (wrong !== undefined) for (const sentence of wrong) this.#violate(sentence);
    // A machine that cannot tell a power cut from a panic gives up on either, after U + F of them.
    if (((this.#worlds.bad[next] as number) & this.#good) !== 0 && !this.#hasCauses()) {
      this.#violate("I11 healthy generation marked BAD");
    }
    if (next === this.#world) return;
    const from = this.#worlds.history[this.#world] as number;
    const kept =
      (this.#worlds.history[next] as number) & (this.#worlds.used[this.#world] as number);
    if (this.#control(next).highWater < this.#control(this.#world).highWater || kept !== from) {
      this.#violate("I6 pointer history changed");
    }
  }

  #violate(sentence: string): void {
    this.#violations[sentence] = (this.#violations[sentence] ?? 0) + 1;
    if (this.#options.first) this.stopped = true;
  }

  #describe(): string {
    const { control } = this.#worlds.worlds[this.#world] as Worlds["worlds"][number];
    const text = (_: string, value: unknown) => (typeof value === "bigint" ? `${value}` : value);
    return `${JSON.stringify(control, text)} rest ${this.#rest.toString(2)}`;
  }
}

/** What a panic of this boot is to the next SELECT. */
function hardCause(rest: number): number {
  return (rest & UNCOUNTED) === 0 ? HARD : POWER;
}

/** Switched off: what was on its way is late from now on. */
function off(cause: number, rest: number): number {
  let late = rest & MESSAGES & ~CONFIRM_NOW;
  if ((rest & CONFIRM_NOW) !== 0) late |= 1 << (LATE_CONFIRM + ((rest >> GENERATION) & 7) - 1);
  const asked = (rest >> REQUEST) & 31;
  if (asked !== 0 && (asked & 1) === 1) late += 1 << REQUEST;
  return Machine.OFF | (cause << CAUSE) | late;
}

function request(epoch: number, content: number): number {
  return (1 + 2 * (CONTENTS * (epoch - 1) + content - 1)) << REQUEST;
}
