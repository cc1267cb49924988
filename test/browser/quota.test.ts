/** A browser that grants little room: what its quota stops, and what it does not. */
import { afterAll } from "vitest";
import { cdp } from "vitest/browser";
import { testsOfWorker } from "./support/in-worker.ts";

/** The part of the protocol that is used here. */
interface Protocol {
  send(method: string, parameters: Record<string, unknown>): Promise<unknown>;
}

const protocol = cdp() as unknown as Protocol;
const { origin } = location;

await protocol.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 24 * 2 ** 20 });
afterAll(() => protocol.send("Storage.overrideQuotaForOrigin", { origin }));

await testsOfWorker(new Worker(new URL("./quota.worker.ts", import.meta.url), { type: "module" }));
