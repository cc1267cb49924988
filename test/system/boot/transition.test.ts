/** The rules of generations, one by one, on control blocks that events have made. */
import { describe, expect, test } from "vitest";
import {
  type BootControl,
  encodeControl,
  NEVER_PROVISIONED,
  Phase,
  ResetCause,
} from "../../../host/core/boot/control.ts";
import { CAPOS, contradiction, RAYOS, RollbackReason } from "../../../host/system/boot/select.ts";
import { type BootEvent, Stage, step } from "../../../host/system/boot/transition.ts";
import {
  ARM,
  accepted,
  CANCEL,
  confirm,
  expectRefused,
  FACTS,
  fail,
  following,
  type Move,
  markGood,
  PROVISION,
  promote,
  report,
  running,
  SETTLE,
  select,
  stage,
  tell,
  UPDATE,
} from "./story.ts";

const { PANIC, WATCHDOG, HEALTH, POWER, CLEAN, UNKNOWN } = ResetCause;
const HARD = [PANIC, WATCHDOG, HEALTH];

/** The reset cause that ended `count` boots in a row. */
const failing = (count: number, cause: ResetCause = PANIC): Move[] =>
  Array.from({ length: count }, () => select(cause));

describe("provision and stage", () => {
  test("a disk that was never provisioned boots the base floor and writes nothing", () => {
    const answer = accepted(NEVER_PROVISIONED, select(PANIC));
    expect(answer).toMatchObject({ unchanged: true, boot: { id: 0, kind: "base" } });
    expectRefused(NEVER_PROVISIONED, stage(), "EINVAL");
  });

  test("PROVISION makes generation 1 active and golden, once", () => {
    expectRefused(NEVER_PROVISIONED, { type: "provision", ready: false }, "EINVAL");
    const answer = accepted(NEVER_PROVISIONED, PROVISION);
    const one = { active: 1, golden: 1, highWater: 1, goldenIsActive: true, sequence: 1 };
    expect(answer.control).toEqual({ ...NEVER_PROVISIONED, ...one });
    expect(answer.records).toEqual([{ id: 1, state: "CONFIRMED" }]);
    expectRefused(answer.control, PROVISION, "ESTALE");
  });

  test.each([
    [{ isBad: true }, "BAD"],
    [{ isActiveContent: true }, "active"],
    [{ isGoldenContent: true }, "active"],
    [{ ready: false }, "committed"],
    [{ overlayEpochOk: false }, "minimum"],
    [{ runningHealthy: false }, "checks"],
  ])("STAGE is refused for %j", (facts, word) => {
    const answer = tell(running(), stage(facts));
    expect(answer).toMatchObject({ refused: "EINVAL", reason: expect.stringContaining(word) });
  });

  test("STAGE takes the next epoch only, from a requester who has seen the last change", () => {
    const control = running(...UPDATE);
    const asked = (pointerEpoch: number, controlSequence = control.sequence): BootEvent => ({
      type: "stage",
      pointerEpoch,
      controlSequence,
      facts: FACTS,
    });
    for (const epoch of [0, 1, 2]) expectRefused(control, asked(epoch), "ESTALE");
    expectRefused(control, asked(4), "EINVAL");
    expectRefused(control, asked(3, control.sequence - 1), "ESTALE");
    const staged = following(control, asked(3));
    expect(staged).toMatchObject({ phase: Phase.STAGED, candidate: 3, highWater: 3 });
    expectRefused(staged, stage(), "EINVAL");
  });

  test("STAGE-OLD takes golden or one of the ring, under a new epoch", () => {
    const control = running(...UPDATE, ...UPDATE);
    const old = (source: number): Move => {
      const facts = { ...FACTS, isGoldenContent: source === 1 };
      const pointerEpoch = control.highWater + 1;
      return { type: "stageOld", source, pointerEpoch, controlSequence: control.sequence, facts };
    };
    expect(control.ring).toEqual([2, 1]);
    expect(following(control, old(2))).toMatchObject({ candidate: 4, candidateIsGolden: false });
    expect(following(control, old(1))).toMatchObject({ candidate: 4, candidateIsGolden: true });
    expectRefused(control, old(3), "EINVAL");
  });
});

test("each phase allows its own requests and no other", () => {
  const staged = running(stage());
  const armed = following(staged, ARM);
  const trying = following(armed, select(CLEAN));
  const requests: Record<string, Move> = { stage: stage(), arm: ARM, cancel: CANCEL, confirm };
  const allowed = (control: BootControl) =>
    Object.keys(requests).filter((name) => !("refused" in tell(control, requests[name] as Move)));
  expect(allowed(running())).toEqual(["stage"]);
  expect(allowed(staged)).toEqual(["arm", "cancel"]);
  expect(allowed(armed)).toEqual(["cancel"]);
  expect(allowed(trying)).toEqual(["confirm"]);
  for (const control of [staged, armed]) {
    const { sequence } = control;
    const idle = {
      ...running(),
      highWater: 2,
      sequence: sequence + 1,
      bootToken: control.bootToken,
    };
    expect(following(control, CANCEL)).toEqual(idle);
  }
});

test("a candidate has 1 to 3 attempts", () => {
  for (const attempts of [0, 4, 1.5, Number.NaN]) {
    expectRefused(running(stage()), { type: "arm", attempts }, "EINVAL");
  }
  expect(following(running(stage()), { type: "arm", attempts: 3 }).triesLeft).toBe(3);
});

describe("SELECT and the candidate", () => {
  const armed = running(stage(), ARM);

  test("each attempt is counted before it runs, and has a token of its own", () => {
    let control = armed;
    for (const triesLeft of [2, 1, 0]) {
      const event = select();
      const answer = accepted(control, event);
      expect(answer).toMatchObject({
        boot: { id: 2, kind: "candidate" },
        uncounted: { id: 1, kind: "active" },
        control: {
          phase: Phase.TRYING,
          triesLeft,
          selected: 2,
          bootToken: "token" in event && event.token,
        },
      });
      expect(answer.control.bootSequence).toBe(control.bootSequence + 1);
      control = answer.control;
    }
  });

  test.each([POWER, CLEAN, UNKNOWN])("attempts that end with cause %i are no evidence", (cause) => {
    const answer = accepted(
      following(armed, select(), select(cause), select(cause)),
      select(cause),
    );
    expect(answer.boot).toEqual({ id: 1, kind: "active" });
    expect(answer.records).toEqual([{ id: 2, state: "INCONCLUSIVE" }]);
    expect(answer.control).toMatchObject({
      phase: Phase.IDLE,
      candidate: 0,
      badCandidate: 0,
      rollbackReason: RollbackReason.CANDIDATE_UNCONFIRMED,
      rollbackCount: 1,
    });
  });

  test.each(HARD)("one attempt that ends with cause %i makes it BAD, by the next run", (cause) => {
    const control = following(armed, select(), select(cause), select(POWER), select(POWER));
    expect(control).toMatchObject({
      active: 1,
      candidate: 0,
      badCandidate: 2,
      rollbackReason: RollbackReason.CANDIDATE_FAILED,
    });
    expectRefused(control, stage(), "EINVAL");
    const settled = accepted(control, SETTLE);
    expect(settled.marks).toEqual([2]);
    expect(settled.records).toEqual([{ id: 2, state: "BAD" }]);
    expect(following(settled.control, stage()).candidate).toBe(3);
  });

  test("a BAD candidate with golden's content makes golden BAD", () => {
    const old: Move = ({ sequence }) => ({
      type: "stageOld",
      source: 1,
      pointerEpoch: 3,
      controlSequence: sequence,
      facts: FACTS,
    });
    const control = running(...UPDATE, old, { type: "arm", attempts: 1 }, select(), select(PANIC));
    expect(control).toMatchObject({ active: 2, golden: 1, goldenIsBad: true, badCandidate: 3 });
    const lost = accepted(following(control, ...failing(2)), select(PANIC));
    expect(lost.boot).toEqual({ id: 0, kind: "recovery" });
    const reset = accepted(lost.control, { type: "recReset", goldenReady: true });
    expect(reset).toMatchObject({ marks: [3], unmarks: [1], control: { active: 1, golden: 1 } });
    expect(reset.control).toMatchObject({ goldenIsBad: false, goldenIsActive: true });
  });
});

describe("SELECT and the active generation", () => {
  test("a boot that changes nothing writes nothing", () => {
    const block = encodeControl(running());
    const answer = step(block, select(POWER), CAPOS);
    expect(answer).toMatchObject({ unchanged: true, boot: { id: 1, kind: "active" } });
    expect("control" in answer && answer.control).toBe(block);
    expect(accepted(running(), select(CLEAN)).unchanged).toBe(false);
    // A count that MARK-GOOD will clear needs a token of this very boot.
    expect(accepted(running(...failing(1)), select(PANIC)).unchanged).toBe(false);
    expect(accepted(running(...failing(1), select(POWER)), select(POWER)).unchanged).toBe(false);
  });

  test("the third hard failure in a row brings golden back and drops a candidate like it", () => {
    const two = running(...UPDATE, stage(), ...failing(2, WATCHDOG));
    expect(two).toMatchObject({ active: 2, activeFailures: 2 });
    const answer = accepted(two, select(HEALTH));
    expect(answer.boot).toEqual({ id: 1, kind: "golden" });
    expect(answer.control).toMatchObject({
      active: 1,
      activeFailures: 0,
      badActive: 2,
      candidate: 3,
      goldenIsActive: true,
      rollbackReason: RollbackReason.ACTIVE_FAILED,
    });
    const same = running(...UPDATE, stage({ isGoldenContent: true }), ...failing(3));
    expect(same).toMatchObject({ active: 1, candidate: 0, phase: Phase.IDLE, highWater: 3 });
  });

  test("only MARK-GOOD of this boot ends the row of failures", () => {
    const two = running(...failing(2));
    expect(following(two, select(POWER), select(CLEAN)).activeFailures).toBe(2);
    const before: BootEvent = { type: "markGood", ...report(two) };
    expectRefused(following(two, select(POWER)), before, "ESTALE");
    expectRefused(two, { ...before, healthy: false }, "EINVAL");
    const good = accepted(two, markGood);
    expect(good.control).toMatchObject({ activeFailures: 0, goodBoot: two.bootSequence });
    expect(accepted(good.control, markGood).unchanged).toBe(true);
  });

  test("recovery boots nothing, writes nothing and serves nothing until it is reset", () => {
    const control = running(...failing(3));
    expect(control).toMatchObject({ recovery: true, rollbackReason: RollbackReason.RECOVERY });
    const answer = accepted(control, select(PANIC));
    expect(answer).toMatchObject({ unchanged: true, boot: { id: 0, kind: "recovery" } });
    for (const move of [stage(), ARM, CANCEL, markGood, promote, SETTLE, fail]) {
      expectRefused(control, move, "EINVAL");
    }
    expectRefused(control, { type: "recReset", goldenReady: false }, "EINVAL");
    expectRefused(running(), { type: "recReset", goldenReady: true }, "EINVAL");
    const reset = following(control, { type: "recReset", goldenReady: true });
    expect(accepted(reset, select()).boot).toEqual({ id: 1, kind: "active" });
  });

  test("eight boots of unknown cause are forgiven, each further one is a hard failure", () => {
    const dead = (count: number) => running(...UPDATE, ...failing(count, UNKNOWN));
    expect(dead(8)).toMatchObject({ unknownBoots: 8, activeFailures: 0, active: 2 });
    expect(dead(10)).toMatchObject({ unknownBoots: 8, activeFailures: 2, active: 2 });
    expect(dead(11)).toMatchObject({ unknownBoots: 0, activeFailures: 0, active: 1 });
    expect(dead(22)).toMatchObject({ recovery: true });
    expect(following(dead(8), select(POWER))).toMatchObject({ unknownBoots: 0, activeFailures: 0 });
    expect(following(dead(10), markGood)).toMatchObject({ unknownBoots: 0, activeFailures: 0 });
  });
});

describe("CONFIRM, FAIL, PROMOTE", () => {
  const trying = running(stage(), ARM, select(CLEAN));

  test("CONFIRM needs this boot's token, the candidate running and its checks passed", () => {
    const given = report(trying);
    const asked = (change: Partial<typeof given & { stage: Stage }>): BootEvent => {
      return { type: "confirm", ...given, ...change };
    };
    expectRefused(trying, asked({ token: given.token - 1n }), "ESTALE");
    expectRefused(trying, asked({ controlSequence: trying.sequence - 1 }), "ESTALE");
    expectRefused(trying, asked({ running: 1 }), "EINVAL");
    expectRefused(trying, asked({ healthy: false }), "EINVAL");
    const answer = accepted(trying, asked({ stage: Stage.SHELL_READY }));
    expect(answer.records).toEqual([{ id: 2, state: "CONFIRMED" }]);
    expect(answer.control).toMatchObject({
      phase: Phase.IDLE,
      active: 2,
      candidate: 0,
      ring: [1],
      golden: 1,
      goldenIsActive: false,
      goodBoot: trying.bootSequence,
      lastStage: Stage.SHELL_READY,
    });
    expectRefused(answer.control, asked({}), "ESTALE");
  });

  test("the ring has the last three", () => {
    const control = running(...UPDATE, ...UPDATE, ...UPDATE, ...UPDATE);
    expect(control).toMatchObject({ active: 5, ring: [4, 3, 2], golden: 1 });
    const shorter = following(control, { type: "shorten" });
    expect(shorter.ring).toEqual([4, 3]);
    for (const id of [1, 3, 4, 5]) expectRefused(shorter, { type: "drop", id }, "EINVAL");
    for (const id of [0, 6, 1.5]) expectRefused(shorter, { type: "drop", id }, "EINVAL");
    const dropped = accepted(shorter, { type: "drop", id: 2 });
    expect(dropped).toMatchObject({ unchanged: true, records: [{ id: 2, state: "RETIRED" }] });
    const none = following(shorter, { type: "shorten" }, { type: "shorten" });
    expectRefused(none, { type: "shorten" }, "EINVAL");
  });

  test("FAIL is counted by the next SELECT whatever ended the boot, and once", () => {
    for (const cause of [UNKNOWN, POWER, CLEAN, PANIC, WATCHDOG, HEALTH]) {
      expect(running(fail, select(cause))).toMatchObject({
        activeFailures: 1,
        resetCause: HEALTH,
      });
      expect(running(fail, select(cause), select(POWER)).activeFailures).toBe(1);
      expect(following(trying, fail, select(cause)).candidateFailed).toBe(true);
    }
    expect(accepted(trying, fail).reset).toBe(true);
  });

  test("a boot that has failed can no more confirm, be good, be golden or fail again", () => {
    const { bootToken } = trying;
    const failed = following(trying, fail);
    const given = { ...report(failed), token: bootToken };
    expectRefused(failed, { type: "confirm", ...given }, "ESTALE");
    expectRefused(failed, { type: "fail", token: bootToken, why: "again" }, "ESTALE");
    expectRefused(failed, { type: "fail", token: 0n, why: "again" }, "ESTALE");
    const active = running(...UPDATE, fail);
    expectRefused(active, promote, "EINVAL");
    expectRefused(active, markGood, "ESTALE");
  });

  test("PROMOTE needs active running, its checks passed and the marker GOLDEN", () => {
    const control = running(...UPDATE);
    const asked = { type: "promote", running: 2, healthy: true, stage: Stage.GOLDEN } as const;
    expectRefused(control, { ...asked, running: 1 }, "EINVAL");
    expectRefused(control, { ...asked, healthy: false }, "EINVAL");
    expectRefused(control, { ...asked, stage: Stage.SHELL_READY }, "EINVAL");
    const golden = following(control, asked);
    expect(golden).toMatchObject({ golden: 2, goldenIsActive: true, lastStage: Stage.GOLDEN });
    expect(accepted(golden, asked).unchanged).toBe(true);
    expectRefused(control, { ...asked, controlSequence: 1 }, "ESTALE");
  });
});

describe("refusals that no rule is needed for", () => {
  test("a token of SELECT is new, not zero, and has 64 bits", () => {
    const control = running();
    for (const token of [0n, -1n, 1n << 64n, control.bootToken]) {
      expectRefused(control, { type: "select", cause: POWER, token }, "EINVAL");
    }
  });

  test("a block that no rule leaves is refused, whatever is asked", () => {
    const wrong: Partial<BootControl>[] = [
      { candidate: 1 },
      { phase: Phase.TRYING },
      { active: 9 },
      { active: 0 },
      { goldenIsActive: false },
      { goldenIsBad: true },
      { triesLeft: 1 },
      { candidateFailed: true },
      { badActive: 1 },
      { goodBoot: 99 },
    ];
    for (const fields of wrong) {
      const control = { ...running(), ...fields };
      expect(contradiction(control), JSON.stringify(fields)).toBeTypeOf("string");
      for (const move of [select(PANIC), stage(), fail]) expectRefused(control, move, "EINVAL");
    }
  });

  test("bytes that are no block, and sequences at their end, are refused", () => {
    const block = encodeControl(running());
    block[0] = 9;
    expect(step(block, select(), RAYOS)).toMatchObject({ refused: "EINVAL" });
    expect(step(block.subarray(1), select(), RAYOS)).toMatchObject({ refused: "EINVAL" });
    const spent = { ...running(), sequence: Number.MAX_SAFE_INTEGER };
    expectRefused(spent, select(PANIC), "EINVAL");
  });
});
