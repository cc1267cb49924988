/**
 * The search that drives our transition function and an independent model of the same rules, in
 * Python, must have seen the same number of states. With four epochs, as test/system/boot searches,
 * the model takes minutes: python3 test/system/boot/model.py 3 4.
 */
import { expect } from "vitest";
import { CAPOS, RAYOS } from "../../host/system/boot/select.ts";
import { explore } from "../system/boot/explore.ts";
import { run, testWith } from "./tools.ts";

const EPOCHS = 3;

for (const profile of [RAYOS, CAPOS]) {
  const name = `${profile.attempts} attempts, ${EPOCHS} epochs: as many states as the model has`;
  testWith("python3")(name, () => {
    const args = ["test/system/boot/model.py", `${profile.attempts}`, `${EPOCHS}`];
    const { states, transitions, bootsToStable } = explore(profile, { epochs: EPOCHS });
    const { code, stdout } = run("python3", args);
    expect({ code, stdout: stdout.trim() }).toEqual({
      code: 0,
      stdout: `${states} ${transitions} ${bootsToStable}`,
    });
  });
}
