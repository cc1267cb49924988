/**
 * Worlds: the 128 control bytes and what the tree knows beside them (contents of the pointer
 * epochs, BAD marks, objects present, contents ever confirmed), as small numbers. Every change of
 * the bytes is made by the shipped function (or a mutant of it); its answer is remembered.
 */
import {
  type BootControl,
  decodeControl,
  encodeControl,
  NEVER_PROVISIONED,
  Phase,
  ResetCause,
} from "../../../host/core/boot/control.ts";
import { contradiction, type Profile } from "../../../host/system/boot/select.ts";
import {
  type BootEvent,
  type Effects,
  Stage,
  type Step,
  step,
} from "../../../host/system/boot/transition.ts";

/** Pointer epochs 1 to 4 over contents 1 to 3, as in the model. */
export const EPOCHS = 4;
export const CONTENTS = 3;

export type Drive = (block: Uint8Array, event: BootEvent, profile: Profile) => Step;

/** Tokens of the canonical block: of this boot, of the next one, and of a boot long gone. */
const TOKEN = 1n;
const NEXT_TOKEN = 2n;
const OLD_TOKEN = 3n;
/** Numbers that only grow, at a fixed value in the canonical block. */
const NOW = 5;

/** Places of remembered answers in a row. */
export const SELECT = 0; // + cause: power, fail, clean, unknown
export const SETTLE = 4;
export const FAIL = 5;
export const CONFIRM = 6; // + generation - 1, the boot passed its checks
export const CONFIRM_EARLY = 10; // + generation - 1, it has not
export const CONFIRM_STALE = 14; // + generation - 1, of another boot
export const STAGE = 18; // + 3 * (epoch - 1) + content - 1
export const ARM = 30;
export const CANCEL = 31;
export const PROMOTE = 32;
export const SHORTEN = 33;
export const RESET = 34;
export const COLLECT = 35; // + content - 1
const MOVES = 38;

const CAUSES = [ResetCause.POWER, ResetCause.PANIC, ResetCause.CLEAN, ResetCause.UNKNOWN];
export const REFUSED = -1;
const NOT_ASKED = -2;

interface World {
  readonly control: BootControl;
  /** Content of each epoch, 0 = never staged. */
  readonly contents: readonly number[];
  /** Sets of contents: bit of content c is 1 << c. */
  readonly marks: number;
  readonly present: number;
  readonly confirmed: number;
}

interface Known extends World {
  /** Ids that STAGE-OLD may name, each once. */
  readonly kept: readonly number[];
}

export class Worlds {
  readonly worlds: Known[] = [];
  /** Number of the world as the model sees it: pending ids are BAD, a recorded FAIL is a cause. */
  readonly projection: number[] = [];
  /** Contents that are BAD: marked, or about to be. */
  readonly bad: number[] = [];
  /** Violations that are plain from the world alone. */
  readonly wrong: (string[] | undefined)[] = [];
  /** Contents of the epochs, two bits each, and the same with every used one all ones. */
  readonly history: number[] = [];
  readonly used: number[] = [];
  readonly projections = new Map<string, number>();
  /** Calls of the shipped function. */
  calls = 0;
  readonly #numbers = new Map<string, number>();
  readonly #profile: Profile;
  readonly #drive: Drive;
  #rows = new Int32Array(MOVES * 1024).fill(NOT_ASKED);
  /** What the SELECT of a world and cause boots: 0 is recovery. */
  #boots = new Int8Array(4 * 1024);

  constructor(profile: Profile, drive: Drive = step) {
    this.#profile = profile;
    this.#drive = drive;
  }

  /** Provisioned, booted once, power cut. */
  initial(): number {
    const provisioned = this.#ask(NEVER_PROVISIONED, { type: "provision", ready: true });
    const first = this.#ask(provisioned.value, {
      type: "select",
      cause: ResetCause.POWER,
      token: TOKEN,
    });
    return this.#number({
      control: canonical(first.value),
      contents: [1, 0, 0, 0],
      marks: 0,
      present: 1 << 1,
      confirmed: 1 << 1,
    });
  }

  get size(): number {
    return this.worlds.length;
  }

  /** The world after `move`, or REFUSED. */
  to(world: number, move: number): number {
    const at = world * MOVES + move;
    const known = this.#rows[at] as number;
    return known === NOT_ASKED ? this.#asked(world, move) : known;
  }

  /** What the SELECT with this cause boots; ask `to` first. */
  boots(world: number, cause: number): number {
    return this.#boots[world * 4 + cause] as number;
  }

  #asked(world: number, move: number): number {
    const answer = this.#move(this.worlds[world] as World, world, move);
    const next = answer === undefined ? REFUSED : this.#number(answer);
    this.#rows[world * MOVES + move] = next;
    return next;
  }

  #move(from: World, world: number, move: number): World | undefined {
    const { control } = from;
    if (move < SETTLE) return this.#select(from, world, move);
    if (move >= COLLECT) return this.#collect(from, move - COLLECT + 1);
    if (move >= STAGE && move < ARM) return this.#stage(from, move);
    const event = eventOf(control, move, this.#profile);
    const { refused, value, effects } = this.#ask(control, event);
    if (refused) return undefined;
    let { marks, confirmed } = from;
    for (const id of effects.marks) marks |= 1 << contentOf(from, id);
    for (const id of effects.unmarks) marks &= ~(1 << contentOf(from, id));
    for (const { id, state } of effects.records) {
      if (state === "CONFIRMED") confirmed |= 1 << contentOf(from, id);
    }
    return { ...from, control: canonical(value), marks, confirmed };
  }

  #select(from: World, world: number, cause: number): World | undefined {
    const { control } = from;
    const event: BootEvent = {
      type: "select",
      cause: CAUSES[cause] as ResetCause,
      token: NEXT_TOKEN,
    };
    const { refused, value, effects } = this.#ask(control, event);
    if (refused || effects.boot === undefined) throw new Error(`SELECT refused: ${effects.log}`);
    this.#boots[world * 4 + cause] = effects.boot.id;
    const fresh = value.bootToken === NEXT_TOKEN;
    const next = { ...from, control: canonical(value) };
    // A stale report must find another token wherever it could have an effect.
    const counts = value.phase === Phase.TRYING || value.activeFailures > 0;
    if (counts && !fresh && !value.recovery) throw new Error("a boot that counts has an old token");
    return next;
  }

  #stage(from: World, move: number): World | undefined {
    const { control } = from;
    const pointerEpoch = Math.floor((move - STAGE) / CONTENTS) + 1;
    const content = ((move - STAGE) % CONTENTS) + 1;
    const newest = Math.max(...from.contents);
    const facts = {
      isBad: (from.marks & (1 << content)) !== 0,
      isActiveContent: content === contentOf(from, control.active),
      isGoldenContent: content === contentOf(from, control.golden),
      ready: (from.present & (1 << content)) !== 0 || content === newest + 1,
      overlayEpochOk: true,
      runningHealthy: true,
    };
    const request = { pointerEpoch, controlSequence: control.sequence, facts };
    const answer = this.#ask(control, { type: "stage", ...request });
    const kept = [control.golden, ...control.ring].find((id) => contentOf(from, id) === content);
    if (kept !== undefined) {
      const old = this.#ask(control, { type: "stageOld", source: kept, ...request });
      const same = encodeControl(old.value).join() === encodeControl(answer.value).join();
      if (old.refused !== answer.refused || !same) throw new Error("STAGE-OLD is not STAGE");
    }
    if (answer.refused) return undefined;
    const contents = from.contents.with(pointerEpoch - 1, content);
    const present = from.present | (1 << content);
    return { ...from, control: canonical(answer.value), contents, present };
  }

  /** Objects may go when every generation that has them may be dropped. */
  #collect(from: World, content: number): World | undefined {
    for (const [index, own] of from.contents.entries()) {
      if (own !== content) continue;
      if (this.#ask(from.control, { type: "drop", id: index + 1 }).refused) return undefined;
    }
    return { ...from, present: from.present & ~(1 << content) };
  }

  /** Drives the function on bytes, and checks what holds for every answer. */
  #ask(control: BootControl, event: BootEvent) {
    this.calls += 1;
    const block = encodeControl(control);
    const answer = this.#drive(block, event, this.#profile);
    if ("refused" in answer) {
      const effects = { marks: [], unmarks: [], records: [], log: answer.reason };
      return { refused: true, value: control, effects: effects as unknown as Effects };
    }
    const value = decodeControl(answer.control);
    const changed = encodeControl(control).join() !== answer.control.join();
    const moved = value.sequence - control.sequence;
    if (changed === answer.unchanged || moved !== (changed ? 1 : 0)) {
      throw new Error(`${event.type}: the sequence moved by ${moved}`);
    }
    return { refused: false, value, effects: answer };
  }

  #number(world: World): number {
    const own = `${world.contents.join("")}.${world.marks}.${world.present}.${world.confirmed}`;
    const key = `${keyOf(world.control)}|${own}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.worlds.length;
    this.#numbers.set(key, number);
    const { golden, ring } = world.control;
    this.worlds.push({ ...world, kept: [...new Set([...ring, golden])] });
    this.history.push(world.contents.reduce((all, content, at) => all | (content << (2 * at)), 0));
    this.used.push(
      world.contents.reduce((all, content, at) => all | (content && 3 << (2 * at)), 0),
    );
    const pending = [world.control.badCandidate, world.control.badActive].filter((id) => id !== 0);
    const bad = pending.reduce((set, id) => set | (1 << contentOf(world, id)), world.marks);
    this.bad.push(bad);
    const wrong = wrongOf(world, bad);
    this.wrong.push(wrong.length > 0 ? wrong : undefined);
    const seen = `${projected(world.control)}|${world.contents.join("")}.${bad}.${world.present}.${world.confirmed}`;
    const projection = this.projections.get(seen) ?? this.projections.size;
    this.projections.set(seen, projection);
    this.projection.push(projection);
    this.#grow();
    return number;
  }

  #grow(): void {
    if (this.worlds.length * MOVES < this.#rows.length) return;
    const rows = new Int32Array(2 * this.#rows.length).fill(NOT_ASKED);
    rows.set(this.#rows);
    this.#rows = rows;
    const boots = new Int8Array(2 * this.#boots.length);
    boots.set(this.#boots);
    this.#boots = boots;
  }
}

export function contentOf(world: World, id: number): number {
  return world.contents[id - 1] ?? 0;
}

export function isFailRecorded(control: BootControl): boolean {
  return control.bootToken === 0n;
}

function eventOf(control: BootControl, move: number, profile: Profile): BootEvent {
  const controlSequence = control.sequence;
  if (move >= CONFIRM && move < STAGE) {
    const running = ((move - CONFIRM) % EPOCHS) + 1;
    const token = move >= CONFIRM_STALE ? OLD_TOKEN : control.bootToken;
    const healthy = move < CONFIRM_EARLY || move >= CONFIRM_STALE;
    const report = { token, controlSequence, running, healthy };
    // A late confirm is tried on whatever candidate runs now, its own or another.
    const own = move >= CONFIRM_STALE || running === control.candidate;
    const trial = control.phase === Phase.TRYING && own;
    return trial ? { type: "confirm", ...report } : { type: "markGood", ...report };
  }
  switch (move) {
    case SETTLE:
      return { type: "settle" };
    case FAIL:
      return { type: "fail", token: control.bootToken, why: "a check failed" };
    case ARM:
      return { type: "arm", attempts: profile.attempts };
    case CANCEL:
      return { type: "cancel" };
    case PROMOTE:
      return { type: "promote", running: control.active, healthy: true, stage: Stage.GOLDEN };
    case SHORTEN:
      return { type: "shorten" };
    case RESET:
      return { type: "recReset", goldenReady: true };
    default:
      throw new Error(`no move ${move}`);
  }
}

/** History that no rule reads but for being current or not is brought to fixed values. */
function canonical(control: BootControl): BootControl {
  const failed = control.resetCause === ResetCause.HEALTH && control.bootToken === 0n;
  return {
    ...control,
    sequence: NOW,
    bootSequence: NOW,
    bootToken: failed ? 0n : TOKEN,
    resetCause: failed ? ResetCause.HEALTH : ResetCause.POWER,
    goodBoot: 0,
    lastStage: 0,
    rollbackReason: 0,
    rollbackCount: 0,
  };
}

function projected(control: BootControl): string {
  const { active, candidate, golden, phase, triesLeft, activeFailures, selected } = control;
  const ids = [active, candidate, golden, selected, control.highWater, ...control.ring];
  const flags = [control.candidateFailed, control.recovery].map(Number);
  return [phase, triesLeft, activeFailures, control.unknownBoots, ...flags, ...ids].join();
}

function keyOf(control: BootControl): string {
  const { badCandidate, badActive, goldenIsActive, goldenIsBad, candidateIsGolden } = control;
  const bits = [goldenIsActive, goldenIsBad, candidateIsGolden, isFailRecorded(control)].map(
    Number,
  );
  return [projected(control), badCandidate, badActive, ...bits].join();
}

/** I1, I2, I3, I8, I10 and I12, and the content bits, recomputed with the tree at hand. */
function wrongOf(world: World, bad: number): string[] {
  const { control, present, confirmed } = world;
  const { active, candidate, golden } = control;
  const has = (set: number, id: number) => (set & (1 << contentOf(world, id))) !== 0;
  const same = (a: number, b: number) => contentOf(world, a) === contentOf(world, b);
  const broken = contradiction(control);
  const rules: [boolean, string][] = [
    [!has(confirmed, active), "I2 active not confirmed"],
    [!has(present, active) || !has(present, golden), "I1 active or golden has lost objects"],
    [candidate !== 0 && !has(present, candidate), "I3 candidate has lost objects"],
    [candidate !== 0 && has(bad, candidate), "I8 candidate is BAD"],
    [candidate !== 0 && same(candidate, active), "I3 candidate is active"],
    [control.ring.some((id) => !has(present, id)), "I10 a previous generation has lost objects"],
    [(control.phase === Phase.IDLE) !== (candidate === 0), "I3 phase and candidate disagree"],
    [broken !== undefined, `I12 ${broken}`],
    [control.goldenIsActive !== same(golden, active), "I12 bit golden is active"],
    [control.goldenIsBad !== has(bad, golden), "I12 bit golden is BAD"],
    [
      control.candidateIsGolden !== (candidate !== 0 && same(candidate, golden)),
      "I12 bit candidate is golden",
    ],
  ];
  return rules.filter(([wrong]) => wrong).map(([, sentence]) => sentence);
}
