/** Starts the tests of http.ts in this worker. */
import { serveTests } from "./support/in-worker.ts";

serveTests(() => import("./worker/http.ts"));
