/** One change as a whole: it happens, or everything is as it was. */
import { ErrorCode } from "../../../format/errors";
import { commit } from "./base/commit";
import { Change, isUnchanged, undo, undoBegin } from "./base/state";

type Step = (change: Change) => ErrorCode;

/**
 * Carries out `step`. Where the journal or the disk have no room for it beside what was changed
 * since the last commit, that is committed first.
 */
export function attempt(change: Change, step: Step): ErrorCode {
  if (change.latched !== ErrorCode.OK) return commit(change);
  const code = once(change, step);
  const mayFit = code === ErrorCode.ENOSPC || code === ErrorCode.EFBIG;
  if (!mayFit || isUnchanged(change)) return code;
  const done = commit(change);
  return done === ErrorCode.OK ? once(change, step) : done;
}

function once(change: Change, step: Step): ErrorCode {
  undoBegin(change);
  const code = step(change);
  if (code !== ErrorCode.OK) undo(change);
  return code;
}
