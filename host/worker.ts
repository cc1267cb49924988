/**
 * The worker that openDisk() and createDisk() start in a page: one disk, its device and its core.
 * A file of its own, with everything in it.
 */
import type { Port } from "./base/web/peer/peer.ts";
import { WEB_DEVICES } from "./system/disk/web/devices.ts";
import { serveWebDisk } from "./system/disk/web/serve.ts";

serveWebDisk(globalThis as unknown as Port, WEB_DEVICES, {
  core: new URL("./core.wasm", import.meta.url),
  media: new URL("./media.wasm", import.meta.url),
});
