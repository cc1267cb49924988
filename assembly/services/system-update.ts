/**
 * system-update: three generations in three boots, whatever happens in between.
 *
 * Capabilities: console, config (Directory), store. Config: account, overlay 1, generation 1,
 * overlay and generation for a base that revoked authority, overlay 2, generation 2, overlay 3,
 * generation 3; any further file is an object that one of them names.
 *
 * | on the disk                      | does                                                |
 * | -------------------------------- | --------------------------------------------------- |
 * | no active generation             | provisions generation 1, then as in the next row    |
 * | generation 1 active              | the revoked one must be refused; stages generation 2 |
 * | generation 2 active              | stages generation 3                                 |
 * | a candidate                      | waits for the checkpoint                            |
 * | the epoch was used, same active  | it fell back: says so                               |
 */
import { store_has } from "./kit/cap";
import {
  active,
  candidate,
  fileCount,
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
import { end, hash, keptReason, text } from "./kit/line";
import { pointerEpoch, pointerHash } from "./kit/pointer";

const OVERLAY_1: i32 = 1;
const GENERATION_1: i32 = 2;
const OVERLAY_REVOKED: i32 = 3;
const GENERATION_REVOKED: i32 = 4;
const OVERLAY_2: i32 = 5;
const GENERATION_2: i32 = 6;
const GENERATION_3: i32 = 8;
const FILES: i32 = 9;

export function main(): i32 {
  if (!openFlow(FILES)) return 1;
  if (!hasActive && !provision(OVERLAY_1, GENERATION_1)) return 1;
  if (!verifyActive()) return 1;
  if (hasCandidate && pointerEpoch(candidate) > pointerEpoch(active)) return wait();
  if (!putFiles(0, 1) || !putFiles(FILES, fileCount)) return 1;
  if (isActive(GENERATION_1)) return rejectRevoked() && next(OVERLAY_2, GENERATION_2) ? 0 : 1;
  if (isActive(GENERATION_2)) return next(GENERATION_3 - 1, GENERATION_3) ? 0 : 1;
  if (isActive(GENERATION_3)) return committed();
  no("the active generation is none of these three");
  return 1;
}

function wait(): i32 {
  text("candidate ");
  hash(pointerHash(candidate));
  text(" waits for its checkpoint;");
  tail(pointerEpoch(candidate));
  return 0;
}

function committed(): i32 {
  text("the last generation is active: ");
  hash(pointerHash(active));
  tail(pointerEpoch(active));
  return 0;
}

/** A generation whose base does not allow what its overlay asks for. It must not be staged. */
function rejectRevoked(): bool {
  if (!putFiles(OVERLAY_REVOKED, GENERATION_REVOKED + 1)) return false;
  if (stage(GENERATION_REVOKED, pointerEpoch(active) + 1) >= 0) {
    return no("a base that revoked authority took the overlay");
  }
  text("overlay rejected against new base: ");
  keptReason();
  text("; generation ");
  hash(hashOf(GENERATION_REVOKED));
  tail(pointerEpoch(active));
  return true;
}

/** Stages the next generation; where that was done before, the boot in between fell back. */
function next(overlay: i32, generation: i32): bool {
  const known = store_has(objects, hashOf(generation)) === 1;
  if (!putFiles(overlay, generation + 1)) return false;
  const epoch = pointerEpoch(active) + 1;
  const status = stage(generation, epoch);
  if (status >= 0) {
    text("staged generation ");
    hash(hashOf(generation));
    tail(epoch);
    return true;
  }
  if (!known) return notStaged(generation);
  text("fell back to ");
  hash(pointerHash(active));
  text(" from ");
  hash(hashOf(generation));
  text(" (");
  keptReason();
  text(")");
  tail(pointerEpoch(active));
  return true;
}

function notStaged(generation: i32): bool {
  text("failed: generation ");
  hash(hashOf(generation));
  text(" was not staged: ");
  keptReason();
  end();
  return false;
}
