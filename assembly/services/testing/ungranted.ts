/** Asks for a capability that its manifest does not give it. */
import { say } from "../kit/line";
import { capability } from "../kit/names";

export function main(): i32 {
  say("asks for the target");
  return capability("target");
}
