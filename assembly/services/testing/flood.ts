/** Writes lines for ever. */
import { say } from "../kit/line";

export function main(): i32 {
  while (true) say("more and more of the same");
}
