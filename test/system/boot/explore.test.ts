/**
 * Everything that can happen to a machine keeps the invariants I1 to I12 of docs/generations.md,
 * as seen by the shipped transition function; and the search finds what others got wrong.
 */
import { expect, test } from "vitest";
import { CAPOS, RAYOS } from "../../../host/system/boot/select.ts";
import { explore } from "./explore.ts";
import { PLANTS } from "./plants.ts";

const TIMEOUT_MS = 600_000;

// States, transitions and boots are those of an independent model: python3 model.py 3 4, and 1 4.
test.each([
  { profile: RAYOS, states: 4_078_151, transitions: 14_425_121, boots: 10 },
  { profile: CAPOS, states: 2_949_283, transitions: 10_931_405, boots: 8 },
])(
  "attempts $profile.attempts: $states states, $transitions transitions, all invariants hold",
  ({ profile, states, transitions, boots }) => {
    const result = explore(profile);
    expect(result.violations).toEqual({});
    expect(result).toMatchObject({ states, transitions, bootsToStable: boots });
    // The model sees a BAD mark at once; the bytes tell apart whether it is written yet.
    expect(result.wholeStates).toBeGreaterThan(states);
  },
  TIMEOUT_MS,
);

test.each([
  { profile: RAYOS, beyond: "faults", epochs: 3, states: 906_699, boots: 10 },
  { profile: CAPOS, beyond: "faults", epochs: 3, states: 726_667, boots: 8 },
  { profile: RAYOS, beyond: "causes", epochs: 3, states: 5_256_170, boots: 14 },
  { profile: CAPOS, beyond: "causes", epochs: 2, states: 199_704, boots: 11 },
] as const)(
  "attempts $profile.attempts, more $beyond than the model: $states states, all invariants hold",
  ({ profile, beyond, epochs, states, boots }) => {
    // Two forgiven boots of unknown cause instead of eight: the same rules in fewer states.
    const result = explore({ ...profile, unknownBoots: 2 }, { beyond, epochs });
    expect(result.violations).toEqual({});
    expect(result).toMatchObject({ wholeStates: states, bootsToStable: boots });
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
