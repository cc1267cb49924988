/** The HTTP devices in Chromium: by promise in the page, by synchronous requests in a worker. */
import { HttpRangeDevice } from "../../host/device/remote/http.ts";
import { httpTests } from "../support/http.ts";
import { testsOfWorker } from "./support/in-worker.ts";

httpTests(
  () => location.origin,
  (...given) => HttpRangeDevice.open(...given),
  false,
);

await testsOfWorker(new Worker(new URL("./http.worker.ts", import.meta.url), { type: "module" }));
