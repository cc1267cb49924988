/**
 * Whatever block and whatever event: a block that keeps the rules, one step on, or a refusal and
 * nothing touched. And the same for long random lives, and for bytes that nobody wrote on purpose.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type BootControl,
  decodeControl,
  encodeControl,
  NEVER_PROVISIONED,
  Phase,
  ResetCause,
} from "../../../host/core/boot/control.ts";
import {
  ATTEMPTS_MAX,
  CAPOS,
  contradiction,
  type Profile,
  RAYOS,
} from "../../../host/system/boot/select.ts";
import { type BootEvent, step, transition } from "../../../host/system/boot/transition.ts";

const RUNS = { numRuns: 6_000 };
const IDS_MAX = 6;

const id = fc.nat(IDS_MAX);
const token = fc.bigInt(0n, 3n);
const cause = fc.constantFrom(0, 1, 2, 3, 4, 5) as fc.Arbitrary<ResetCause>;
const sequence = fc.nat(4);
const stageOf = fc.option(fc.nat(4), { nil: undefined });
const facts = fc.record({
  isBad: fc.boolean(),
  isActiveContent: fc.boolean(),
  isGoldenContent: fc.boolean(),
  ready: fc.boolean(),
  overlayEpochOk: fc.boolean(),
  runningHealthy: fc.boolean(),
});
const report = { token, running: id, healthy: fc.boolean(), stage: stageOf };
const request = { controlSequence: fc.option(sequence, { nil: undefined }) };
const staged = { pointerEpoch: id, controlSequence: sequence, facts };
const named = <T extends string>(type: T) => ({ type: fc.constant(type) });

const anyEvent: fc.Arbitrary<BootEvent> = fc.oneof(
  fc.record({ ...named("select"), cause, token: fc.bigInt(4n, 9n) }),
  fc.record({ ...named("provision"), ready: fc.boolean(), ...request }),
  fc.record({ ...named("stage"), ...staged }),
  fc.record({ ...named("stageOld"), source: id, ...staged }),
  fc.record({ ...named("arm"), attempts: fc.integer({ min: -1, max: 4 }), ...request }),
  fc.record({ ...named("cancel"), ...request }),
  fc.record({ ...named("confirm"), ...report, controlSequence: sequence }),
  fc.record({ ...named("markGood"), ...report, ...request }),
  fc.record({ ...named("fail"), token, why: fc.string(), stage: stageOf }),
  fc.record({
    ...named("promote"),
    running: id,
    healthy: fc.boolean(),
    stage: fc.nat(4),
    ...request,
  }),
  fc.record({ ...named("drop"), id, ...request }),
  fc.record({ ...named("shorten"), ...request }),
  fc.record(named("settle")),
  fc.record({ ...named("recReset"), goldenReady: fc.boolean(), ...request }),
);

/** Fields at random, then those that follow from others set right; what is still wrong is left out. */
const anyControl: fc.Arbitrary<BootControl> = fc
  .record({
    phase: fc.constantFrom(Phase.IDLE, Phase.STAGED, Phase.ARMED, Phase.TRYING),
    triesLeft: fc.nat(ATTEMPTS_MAX),
    activeFailures: fc.nat(3),
    candidateFailed: fc.boolean(),
    recovery: fc.boolean(),
    goldenIsActive: fc.boolean(),
    goldenIsBad: fc.boolean(),
    candidateIsGolden: fc.boolean(),
    lastStage: fc.nat(4),
    resetCause: cause,
    ring: fc.array(fc.integer({ min: 1, max: IDS_MAX - 1 }), { maxLength: 3 }),
    sequence,
    bootSequence: fc.integer({ min: 4, max: 9 }),
    bootToken: token,
    active: fc.integer({ min: 1, max: IDS_MAX - 1 }),
    candidate: fc.constant(IDS_MAX - 1),
    golden: fc.integer({ min: 1, max: IDS_MAX - 1 }),
    selected: id,
    highWater: fc.constant(IDS_MAX - 1),
    badCandidate: fc.oneof(fc.constant(0), id),
    badActive: fc.oneof(fc.constant(0), id),
    rollbackReason: fc.nat(4),
    unknownBoots: fc.nat(9),
    rollbackCount: fc.constantFrom(0, 7, 0xffff_ffff),
    goodBoot: fc.nat(4),
  })
  .map((fields): BootControl => {
    const { phase, active, golden, ring, candidateFailed } = fields;
    const idle = phase === Phase.IDLE;
    const free = (entry: number) => (idle ? entry : 1 + (entry % (IDS_MAX - 2)));
    const goldenIsActive = fields.goldenIsActive || free(golden) === free(active);
    const trying = phase === Phase.TRYING;
    const armed = phase === Phase.ARMED;
    const goldenIsBad = fields.goldenIsBad && !goldenIsActive;
    return {
      ...fields,
      active: free(active),
      golden: free(golden),
      ring: ring.map(free),
      candidate: idle ? 0 : fields.candidate,
      selected: trying ? fields.candidate : free(Math.min(fields.selected, IDS_MAX - 1)),
      triesLeft: armed ? Math.max(1, fields.triesLeft) : trying ? fields.triesLeft % 3 : 0,
      candidateFailed: candidateFailed && trying,
      candidateIsGolden: fields.candidateIsGolden && !idle && !goldenIsActive && !goldenIsBad,
      recovery: fields.recovery && !trying && !armed && (goldenIsActive || goldenIsBad),
      goldenIsActive,
      goldenIsBad,
    };
  })
  .filter((control) => contradiction(control) === undefined);

const profile = fc.constantFrom(CAPOS, RAYOS);

test("any event on any block that keeps the rules: the next such block, or nothing at all", () => {
  let refusals = 0;
  let changes = 0;
  fc.assert(
    fc.property(anyControl, anyEvent, profile, (control, event, given) => {
      const block = encodeControl(control);
      const before = block.slice();
      const answer = step(block, event, given);
      expect(block).toEqual(before);
      if ("refused" in answer) {
        refusals += 1;
        return;
      }
      changes += answer.unchanged ? 0 : 1;
      checkStep(control, decodeControl(answer.control), answer.unchanged, event, given);
    }),
    RUNS,
  );
  expect(Math.min(refusals, changes)).toBeGreaterThan(RUNS.numRuns / 20);
});

test("stale tokens, sequences and epochs are refused with ESTALE, on any block", () => {
  fc.assert(
    fc.property(anyControl, anyEvent, profile, (control, event, given) => {
      const running = !control.recovery && control.badCandidate + control.badActive === 0;
      fc.pre(running && isStale(control, event));
      expect(transition(control, event, given)).toMatchObject({ refused: "ESTALE" });
    }),
    RUNS,
  );
});

test("SELECT always answers, and by the third failure of each it has come to rest", () => {
  fc.assert(
    fc.property(anyControl, profile, fc.constantFrom(3, 4, 5, 0), (control, given, again) => {
      const boots: string[] = [];
      let current = control;
      const limit = again === ResetCause.UNKNOWN ? 4 + 2 * (8 + 3) : 4 + 2 * 3;
      for (let token = 10n; boots.at(-1) !== "recovery" && boots.length <= limit; token += 1n) {
        const answer = transition(current, { type: "select", cause: again, token }, given);
        if ("refused" in answer || answer.boot === undefined) throw new Error("no answer");
        const { id: chosen } = answer.boot;
        const { active, candidate, badActive, badCandidate } = answer.control;
        expect([0, active, candidate]).toContain(chosen);
        expect(chosen === 0 || ![badActive, badCandidate].includes(chosen)).toBe(true);
        expect(answer.uncounted?.id).not.toBe(answer.control.candidate || -1);
        boots.push(answer.boot.kind);
        current = answer.control;
      }
      expect(boots.at(-1)).toBe("recovery");
    }),
    { numRuns: 2_000 },
  );
});

test("a life of random events from 128 zero bytes never leaves the rules", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { minLength: 20, maxLength: 60 }), profile, (events, given) => {
      let control = NEVER_PROVISIONED;
      for (const [index, raw] of events.entries()) {
        const event = luckier(raw, control, BigInt(index) + 10n);
        const answer = transition(control, event, given);
        if ("refused" in answer) continue;
        checkStep(control, answer.control, answer.unchanged, event, given);
        control = answer.control;
      }
      expect(contradiction(control)).toBeUndefined();
    }),
    { numRuns: 2_000 },
  );
});

test("any 128 bytes: no exception, and what is accepted keeps the rules", () => {
  const bytes = fc.uint8Array({ minLength: 128, maxLength: 128 });
  const flipped = fc.record({ control: anyControl, at: fc.nat(127), to: fc.nat(255) });
  const blocks = fc.oneof(
    bytes,
    flipped.map(({ control, at, to }) => encodeControl(control).fill(to, at, at + 1)),
  );
  fc.assert(
    fc.property(blocks, anyEvent, profile, (block, event, given) => {
      const answer = step(block, event, given);
      const wrong = "refused" in answer ? undefined : contradiction(decodeControl(answer.control));
      expect(wrong).toBeUndefined();
    }),
    RUNS,
  );
});

function checkStep(
  before: BootControl,
  after: BootControl,
  unchanged: boolean,
  event: BootEvent,
  { failures, unknownBoots }: Profile,
): void {
  const boots = event.type === "select" && !unchanged ? 1 : 0;
  expect(contradiction(after)).toBeUndefined();
  expect(after.sequence - before.sequence).toBe(unchanged ? 0 : 1);
  expect(after.bootSequence - before.bootSequence).toBe(boots);
  expect(after.highWater).toBeGreaterThanOrEqual(before.highWater);
  expect(after.rollbackCount).toBeGreaterThanOrEqual(before.rollbackCount);
  expect(after.goodBoot).toBeLessThanOrEqual(after.bootSequence);
  if (event.type === "select" && !before.recovery && before.active !== 0) {
    expect(after.activeFailures).toBeLessThanOrEqual(Math.max(failures - 1, before.activeFailures));
    expect(after.unknownBoots).toBeLessThanOrEqual(Math.max(unknownBoots, before.unknownBoots));
  }
  if (unchanged) expect(after).toEqual(before);
  // Only these may give another generation the machine.
  if (after.active !== before.active) {
    expect(["provision", "select", "confirm", "recReset"]).toContain(event.type);
    expect([before.candidate, before.golden, 1]).toContain(after.active);
  }
}

function isStale(control: BootControl, event: BootEvent): boolean {
  if ("token" in event && event.type !== "select") {
    if (event.token !== control.bootToken || event.token === 0n) return true;
  }
  const asked = "controlSequence" in event ? event.controlSequence : undefined;
  if (asked !== undefined && asked !== control.sequence) return true;
  const kept = event.type === "stageOld" && [control.golden, ...control.ring];
  if (kept && !kept.includes(event.source)) return false;
  return "pointerEpoch" in event && event.pointerEpoch <= control.highWater;
}

/** A random event is mostly stale or mistaken; half of them are told what is current. */
function luckier(event: BootEvent, control: BootControl, token: bigint): BootEvent {
  if (event.type === "select") return { ...event, token };
  if (token % 2n === 0n) return event;
  const { sequence: controlSequence, bootToken, selected, highWater } = control;
  const facts = { isBad: false, isActiveContent: false, ready: true, overlayEpochOk: true };
  const current = {
    ...("controlSequence" in event && { controlSequence }),
    ...("token" in event && { token: bootToken }),
    ...("running" in event && { running: selected, healthy: true }),
    ...("pointerEpoch" in event && { pointerEpoch: highWater + 1 }),
    ...("facts" in event && { facts: { ...event.facts, ...facts, runningHealthy: true } }),
  };
  return { ...event, ...current } as BootEvent;
}
