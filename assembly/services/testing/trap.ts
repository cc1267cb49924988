/** Breaks off. */
import { say } from "../kit/line";

export function main(): i32 {
  say("about to break off");
  unreachable();
  return 0;
}
