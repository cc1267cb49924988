/** The installation itself, as the installer calls it. */
import { failure } from "../../base/errors.ts";
import type { Engine } from "../../system/installer/assess.ts";

const NONE = "this build has no system that it could install.";

/** Plans and installs RayOS. */
export const engine: Engine = {
  // biome-ignore lint/correctness/useYield: it ends before its first piece
  *plan({ name: path }) {
    throw failure("EOPNOTSUPP", "install", NONE, { path });
  },
  // biome-ignore lint/correctness/useYield: it ends before its first piece
  *install({ name: path }) {
    throw failure("EOPNOTSUPP", "install", NONE, { path });
  },
};
