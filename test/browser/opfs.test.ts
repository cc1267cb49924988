/** The OPFS device in a worker of a page, and what the browser does to it from outside. */
import { testsOfWorker } from "./support/in-worker.ts";

await testsOfWorker(new Worker(new URL("./opfs.worker.ts", import.meta.url), { type: "module" }));
