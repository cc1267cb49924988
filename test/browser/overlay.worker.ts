/** Starts the tests of overlay.ts in this worker. */
import { serveTests } from "./support/in-worker.ts";

serveTests(() => import("./worker/overlay.ts"));
