/** overlay-extra: the service that an overlay adds. That it speaks shows the overlay counts. */
import { say } from "./kit/line";

export function main(): i32 {
  say("started via overlay");
  return 0;
}
