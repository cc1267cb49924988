/** Where the build of the page puts the files of the package that the worker loads. */
import core from "../../../build/core.wasm?url";
import media from "../../../build/media.wasm?url";
import consolePaths from "../../../build/services/console-paths.wasm?url";
import overlayExtra from "../../../build/services/overlay-extra.wasm?url";
import overlayFailing from "../../../build/services/overlay-failing.wasm?url";

export const ASSETS = {
  core,
  media,
  /** Those of the demo. */
  services: {
    "console-paths": consolePaths,
    "overlay-extra": overlayExtra,
    "overlay-failing": overlayFailing,
  },
} as const;
