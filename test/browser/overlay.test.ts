/** A layer in OPFS over a disk on a web server, in a worker of a page. */
import { testsOfWorker } from "./support/in-worker.ts";

await testsOfWorker(
  new Worker(new URL("./overlay.worker.ts", import.meta.url), { type: "module" }),
);
