/** The core in a worker of a page. */
import { testsOfWorker } from "./support/in-worker.ts";

await testsOfWorker(new Worker(new URL("./core.worker.ts", import.meta.url), { type: "module" }));
