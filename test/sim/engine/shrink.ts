/** The shortest trace: the same violation with fewer crashes and fewer operations. */
import type { Scenario, Subject } from "../subject.ts";
import { DEFAULTS, type ExploreOptions, explore, type Finding } from "./explore.ts";

/** States that one attempt may visit: what fails at all mostly fails soon. */
const ATTEMPT_STATES = 2500;

export interface Shrunk {
  readonly scenario: Scenario;
  readonly finding: Finding;
}

/** Makes `found` smaller for at most `budgetMs`; what it returns still fails. */
export function shrink(
  subject: Subject,
  scenario: Scenario,
  found: Finding,
  budgetMs: number,
): Shrunk {
  const until = Date.now() + budgetMs;
  const attempt = (candidate: Scenario, depth: number): Finding | undefined => {
    const options: ExploreOptions = { ...DEFAULTS, depth, statesMax: ATTEMPT_STATES };
    return explore(subject, candidate, options).findings[0];
  };
  const shallow = attempt(scenario, 1);
  const depth = shallow === undefined ? found.steps.length : 1;
  let best: Shrunk = { scenario, finding: shallow ?? found };
  if (scenario.failFlush !== undefined || scenario.failWrite !== undefined) {
    const { failFlush: _flush, failWrite: _write, ...calm } = scenario;
    const finding = attempt(calm, depth);
    if (finding !== undefined) best = { scenario: calm, finding };
  }
  for (let size = scenario.operations.length >> 1; size >= 1; ) {
    let removed = false;
    for (let at = 0; at + size <= best.scenario.operations.length && Date.now() < until; ) {
      const operations = best.scenario.operations.toSpliced(at, size);
      const candidate = { ...best.scenario, operations };
      const finding = attempt(candidate, depth);
      if (finding === undefined) at += size;
      else {
        best = { scenario: candidate, finding };
        removed = true;
      }
    }
    if (!removed || size > best.scenario.operations.length) size >>= 1;
    if (Date.now() >= until) break;
  }
  return best;
}
