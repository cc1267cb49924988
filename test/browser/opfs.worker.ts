/** Starts the tests of opfs.ts in this worker. */
import { serveTests } from "./support/in-worker.ts";

serveTests(() => import("./worker/opfs.ts"));
