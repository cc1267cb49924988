/** Starts the tests of core.ts in this worker. */
import { serveTests } from "./support/in-worker.ts";

serveTests(() => import("./worker/core.ts"));
