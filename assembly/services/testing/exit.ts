/** Ends with another number than 0, after a refusal. */
import { say } from "../kit/line";
import { capability, open } from "../kit/names";

export function main(): i32 {
  say("ends with 7");
  open(capability("config"), "no-such-file", 1);
  return 7;
}
