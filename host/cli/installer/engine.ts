/** The installation itself, as the installer calls it. */
import { Core } from "../../core/load.ts";
import { MediaCore } from "../../core/media/load.ts";
import type { Engine } from "../../system/installer/assess.ts";
import { installRayos, planRayosWork } from "../../system/rayos/install.ts";

/** Plans and installs RayOS, with cores of its own. */
export const engine: Engine = {
  plan: (target, request) => planRayosWork(new Core(), new MediaCore(), target, request),
  install: (target, request) => installRayos(new Core(), new MediaCore(), target, request),
};
