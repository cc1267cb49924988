/** The installation itself, as the installer calls it. */
import { failure } from "../../base/errors.ts";
import type { Engine } from "../../system/installer/assess.ts";

/** Plans and installs RayOS. */
export const engine: Engine = {
  // biome-ignore lint/correctness/useYield: until there is one
  *plan(target) {
    throw failure("ENOSYS" as "EINVAL", "install", `no installation onto '${target.name}'.`);
  },
  // biome-ignore lint/correctness/useYield: until there is one
  *install(target) {
    throw failure("ENOSYS" as "EINVAL", "install", `no installation onto '${target.name}'.`);
  },
};
