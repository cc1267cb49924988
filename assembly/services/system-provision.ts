/**
 * system-provision: gives a machine its first generation, or verifies the one it has.
 *
 * Capabilities: console, config (Directory), store. Config: account, overlay, generation object.
 * What to do follows from what is on the disk, so it may be started any number of times.
 */
import { hasActive, openFlow, provision, verifyActive } from "./kit/flow";

export function main(): i32 {
  if (!openFlow(3)) return 1;
  return (hasActive ? verifyActive() : provision(1, 2)) ? 0 : 1;
}
