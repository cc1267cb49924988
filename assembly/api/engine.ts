/** ABI: version, memory and the fault report. */
import { ABI_VERSION } from "../format/abi";

export { faultAddress } from "../engine/fault";
export { allocate, arenaLimit, arenaUsedBytes, release } from "../engine/memory";

export function abiVersion(): u32 {
  return ABI_VERSION;
}
