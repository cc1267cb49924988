/** Starts the tests of quota.ts in this worker. */
import { serveTests } from "./support/in-worker.ts";

serveTests(() => import("./worker/quota.ts"));
