/**
 * Bugs planted into the flows of generations. The product has no switch for them: the test gives it
 * a filesystem, a store or a state machine that leaves out what a careless edit would leave out.
 */
import type { GenerationsOptions } from "../../../host/system/boot/generations.ts";
import type { DataGrant } from "../../../host/system/boot/kernel.ts";

export function brokenGrant(grant: DataGrant, _plant: string | undefined): DataGrant {
  return grant;
}

export function brokenOptions(_plant: string | undefined): Partial<GenerationsOptions> {
  return {};
}
