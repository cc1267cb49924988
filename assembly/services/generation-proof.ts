/**
 * generation-proof: shows the rules of generations on the disk it runs on.
 *
 * Capabilities: console, config (Directory), store. Config: account, overlay 1, generation 1,
 * overlay 2, generation 2. First boot: generation 1 is provisioned if there is none, a pointer of
 * an equal and one of a lower epoch are refused, generation 2 is staged and left attempting. Later
 * boots say what became of it.
 */
import { store_has } from "./kit/cap";
import {
  active,
  candidate,
  hasActive,
  hasCandidate,
  hashOf,
  isActive,
  no,
  objects,
  openFlow,
  provision,
  putFiles,
  stage,
  tail,
  verifyActive,
} from "./kit/flow";
import { hash, keptReason, number, text } from "./kit/line";
import { pointerEpoch, pointerHash } from "./kit/pointer";

const GENERATION_2: i32 = 4;

export function main(): i32 {
  if (!openFlow(5)) return 1;
  if (!hasActive && !provision(1, 2)) return 1;
  if (!verifyActive()) return 1;
  if (hasCandidate && pointerEpoch(candidate) > pointerEpoch(active)) {
    text("candidate ");
    hash(pointerHash(candidate));
    text(" is attempting;");
    tail(pointerEpoch(candidate));
    return 0;
  }
  if (isActive(GENERATION_2)) {
    text("candidate was confirmed: active ");
    hash(pointerHash(active));
    tail(pointerEpoch(active));
    return 0;
  }
  return attempt() ? 0 : 1;
}

function attempt(): bool {
  const known = store_has(objects, hashOf(GENERATION_2)) === 1;
  if (!putFiles(3, 5)) return false;
  const epoch = pointerEpoch(active);
  if (!refusesStale("equal", epoch) || !refusesStale("lower", epoch - 1)) return false;
  const status = stage(GENERATION_2, epoch + 1);
  if (status >= 0) {
    text("left attempting: generation ");
    hash(hashOf(GENERATION_2));
    tail(epoch + 1);
    return true;
  }
  if (!known) return no("the candidate was not staged");
  text("candidate was not confirmed, fell back to ");
  hash(pointerHash(active));
  text(" from ");
  hash(hashOf(GENERATION_2));
  text(" (");
  keptReason();
  text(")");
  tail(epoch);
  return true;
}

/** A pointer whose epoch does not rise must change nothing. */
function refusesStale(how: string, epoch: u64): bool {
  if (stage(GENERATION_2, epoch) >= 0) return no("a stale pointer was accepted");
  text("stale pointer refused: ");
  text(how);
  text(" epoch ");
  number(epoch);
  text(": ");
  keptReason();
  text(";");
  tail(pointerEpoch(active));
  return true;
}
