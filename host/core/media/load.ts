/** An instance of media.wasm: the class MediaCore, to foreign filesystems what Core is to ours. */
import { type CoreOptions, Instance } from "../load.ts";
import type { MediaExports } from "./exports.ts";

/** One instance of media.wasm, with a memory of its own and no way to the devices of another. */
export class MediaCore extends Instance<MediaExports> {
  constructor(options: CoreOptions = {}) {
    super("media", options);
  }
}
