/**
 * Everything that can happen to a machine keeps the invariants I1 to I12 of docs/generations.md,
 * as seen by the shipped transition function; and the search finds what others got wrong.
 */
import { expect, test } from "vitest";
import { CAPOS, RAYOS } from "../../../host/system/boot/select.ts";
import { explore } from "./explore.ts";
import { PLANTS } from "./plants.ts";

const TIMEOUT_MS = 600_000;

// States, transitions and boots are those of the project's independent Python model of the rules.
test.each([
  { name: "3 attempts", profile: RAYOS, states: 4_078_151, transitions: 14_425_121, boots: 10 },
  { name: "1 attempt", profile: CAPOS, states: 2_949_283, transitions: 10_931_405, boots: 8 },
])(
  "$name: $states states and $transitions transitions, and no invariant breaks",
  ({ profile, states, transitions, boots }) => {
    const result = explore(profile);
    expect(result.violations).toEqual({});
    expect(result).toMatchObject({ states, transitions, bootsToStable: boots });
    // The model sees a BAD mark at once; the bytes tell apart whether it is written yet.
    expect(result.wholeStates).toBeGreaterThan(states);
  },
  TIMEOUT_MS,
);

test.each(PLANTS)(
  "found: %s",
  (_name, breaks, drive) => {
    const { violations } = explore(RAYOS, { drive, first: true });
    expect(Object.keys(violations).map((sentence) => sentence.split(" ")[0])).toContain(breaks);
  },
  TIMEOUT_MS,
);
