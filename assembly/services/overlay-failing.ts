/** overlay-failing: a service that does not come up, for an update that must fall back. */
import { say } from "./kit/line";

export function main(): i32 {
  say("cannot do its work");
  return 1;
}
