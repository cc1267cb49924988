/** Starts the tests of indexeddb.ts in this worker. */
import { serveTests } from "./support/in-worker.ts";

serveTests(() => import("./worker/indexeddb.ts"));
